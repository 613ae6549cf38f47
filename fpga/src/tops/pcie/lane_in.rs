//! What the hard block is told of the lane.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Hands what a transceiver receives to the hard block, a cycle later, and keeps from it what is
/// said before the transceiver is awake and symbols of a lane that is not yet locked to.
///
/// ```text
/// ready                -->+--------+
/// data, control        -->|        |--> pipe_data, pipe_control
/// valid, busy          -->| LaneIn |--> pipe_valid, pipe_busy
/// status, quiet        -->|        |--> pipe_status, pipe_quiet
///                         +--------+
///
/// ready       ____/~~~~~~~~~~~~~~~~~~~~~~~~~~~~
/// valid       ________/~~~~~~~~~~~~~~~~~~~\____
/// pipe_valid  _____________________/~~~~~~~\___    the 16th cycle of `valid` is the first
/// ```
///
/// `pipe_busy` is high until `ready`, as the PIPE interface wants it of a reset; `pipe_quiet` is,
/// too. All outputs are registers.
#[derive(LogicBlock, Default)]
pub struct LaneIn {
    /// Clock of the PIPE interface.
    pub clock: Signal<In, Clock>,
    /// The transceiver is awake.
    pub ready: Signal<In, Bit>,
    /// `RXDATA`, two symbols.
    pub data: Signal<In, Bits<16>>,
    /// `RXCHARISK`.
    pub control: Signal<In, Bits<2>>,
    /// `RXVALID`.
    pub valid: Signal<In, Bit>,
    /// `PHYSTATUS`.
    pub busy: Signal<In, Bit>,
    /// `RXSTATUS`.
    pub status: Signal<In, Bits<3>>,
    /// `RXELECIDLE`.
    pub quiet: Signal<In, Bit>,
    /// `PIPERX0DATA`.
    pub pipe_data: Signal<Out, Bits<16>>,
    /// `PIPERX0CHARISK`.
    pub pipe_control: Signal<Out, Bits<2>>,
    /// `PIPERX0VALID`.
    pub pipe_valid: Signal<Out, Bit>,
    /// `PIPERX0PHYSTATUS`.
    pub pipe_busy: Signal<Out, Bit>,
    /// `PIPERX0STATUS`.
    pub pipe_status: Signal<Out, Bits<3>>,
    /// `PIPERX0ELECIDLE`.
    pub pipe_quiet: Signal<Out, Bit>,
    kept_data: DFF<Bits<16>>,
    kept_control: DFF<Bits<2>>,
    kept_status: DFF<Bits<3>>,
    free: DFF<Bit>,
    loud: DFF<Bit>,
    good: DFF<Bit>,
    run: DFF<Bits<4>>,
}

impl Logic for LaneIn {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            kept_data,
            kept_control,
            kept_status,
            free,
            loud,
            good,
            run
        );
        self.kept_data.d.next = self.data.val();
        self.kept_control.d.next = self.control.val();
        self.kept_status.d.next = self.status.val();
        self.free.d.next = self.ready.val() & (!self.busy.val());
        self.loud.d.next = self.ready.val() & (!self.quiet.val());
        self.good.d.next = self.run.q.val() == 15;
        if self.run.q.val() != 15 {
            self.run.d.next = self.run.q.val() + 1;
        }
        if (!self.valid.val()) | (!self.ready.val()) {
            self.run.d.next = 0.into();
            self.good.d.next = false;
        }
        self.pipe_data.next = self.kept_data.q.val();
        self.pipe_control.next = self.kept_control.q.val();
        self.pipe_status.next = self.kept_status.q.val();
        self.pipe_busy.next = !self.free.q.val();
        self.pipe_quiet.next = !self.loud.q.val();
        self.pipe_valid.next = self.good.q.val();
    }
}
