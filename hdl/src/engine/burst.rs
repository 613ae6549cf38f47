//! Cuts a run of lines into bursts that AXI allows.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// State of the cutter.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Cut {
    /// No run.
    Idle,
    /// Find the length of the next burst.
    Measure,
    /// Offer the burst.
    Offer,
}

/// Turns runs of lines into bursts of at most 64 lines that never cross 4 KiB (AXI4, A3.4.1).
///
/// ```text
/// run_valid, run_line, run_lines ->|             |-> burst_valid, burst_line, burst_lines
/// run_ready                      <-| BurstCutter |<- burst_ready
/// ```
///
/// A run of no lines is not allowed. A burst takes two cycles, a run one more. What is offered
/// stays until it is taken.
#[derive(LogicBlock)]
pub struct BurstCutter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the run.
    pub reset: Signal<In, Bit>,
    /// A run is offered.
    pub run_valid: Signal<In, Bit>,
    /// Its first line.
    pub run_line: Signal<In, Bits<53>>,
    /// Its number of lines.
    pub run_lines: Signal<In, Bits<24>>,
    /// The run is taken.
    pub run_ready: Signal<Out, Bit>,
    /// A burst is offered.
    pub burst_valid: Signal<Out, Bit>,
    /// Its first line.
    pub burst_line: Signal<Out, Bits<53>>,
    /// Its number of lines, 1 to 64.
    pub burst_lines: Signal<Out, Bits<8>>,
    /// The burst is taken.
    pub burst_ready: Signal<In, Bit>,
    state: DFF<Cut>,
    line: DFF<Bits<53>>,
    left: DFF<Bits<24>>,
    burst: DFF<Bits<24>>,
    page_lines: Constant<Bits<24>>,
    page_mask: Constant<Bits<24>>,
    to_page: Signal<Local, Bits<24>>,
}

impl BurstCutter {
    /// A cutter for lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        let page = 4096 / port_bytes as u64;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            run_valid: Default::default(),
            run_line: Default::default(),
            run_lines: Default::default(),
            run_ready: Default::default(),
            burst_valid: Default::default(),
            burst_line: Default::default(),
            burst_lines: Default::default(),
            burst_ready: Default::default(),
            state: Default::default(),
            line: Default::default(),
            left: Default::default(),
            burst: Default::default(),
            page_lines: Constant::new(page.into()),
            page_mask: Constant::new((page - 1).into()),
            to_page: Default::default(),
        }
    }
}

impl Logic for BurstCutter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, line, left, burst);
        self.run_ready.next = self.state.q.val() == Cut::Idle;
        self.burst_valid.next = self.state.q.val() == Cut::Offer;
        self.burst_line.next = self.line.q.val();
        self.burst_lines.next = self.burst.q.val().get_bits::<8>(0);
        self.to_page.next =
            self.page_lines.val() - (self.line.q.val().get_bits::<24>(0) & self.page_mask.val());
        match self.state.q.val() {
            Cut::Idle => {
                self.line.d.next = self.run_line.val();
                self.left.d.next = self.run_lines.val();
                if self.run_valid.val() {
                    self.state.d.next = Cut::Measure;
                }
            }
            Cut::Measure => {
                self.state.d.next = Cut::Offer;
                self.burst.d.next = self.left.q.val();
                if self.to_page.val() < self.left.q.val() {
                    self.burst.d.next = self.to_page.val();
                }
                // Long enough to hide the two cycles that a burst costs here, short enough that
                // other users of the port get a word in.
                if (self.to_page.val() > 64) & (self.left.q.val() > 64) {
                    self.burst.d.next = 64.into();
                }
            }
            Cut::Offer => {
                if self.burst_ready.val() {
                    self.line.d.next = self.line.q.val() + bit_cast::<53, 24>(self.burst.q.val());
                    self.left.d.next = self.left.q.val() - self.burst.q.val();
                    self.state.d.next = Cut::Measure;
                    if self.left.q.val() == self.burst.q.val() {
                        self.state.d.next = Cut::Idle;
                    }
                }
            }
            _ => {}
        }
        if self.reset.val() {
            self.state.d.next = Cut::Idle;
        }
    }
}
