//! Bytes from a wire.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// What the wire carries.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum UartState {
    /// Nothing.
    Idle,
    /// Bits of a byte.
    Bits,
    /// It stays low where a stop bit should be.
    Break,
}

/// Receives bytes of a start bit, eight data bits (lowest first) and a stop bit.
///
/// ```text
///          +--------------+-> valid, data
/// wire rx->| UartReceiver |
///          +--------------+-> bad
///
/// rx ~~~~\____/ 0 \/ 1 \/ 2 \/ 3 \/ 4 \/ 5 \/ 6 \/ 7 \/~~~~
///           ^    ^    ^    ^    ^    ^    ^    ^    ^    ^  sampled, then `valid` or `bad`
/// ```
///
/// * `rx` need not belong to the clock: two flip-flops stand before all else.
/// * A phase of 24 bits grows by `step` in a cycle and overflows in the middle of each bit, so a bit
///   need not last a whole number of cycles.
/// * `valid` is a cycle long, and so is `bad`, which tells that a stop bit is missing and the byte
///   is dropped. The next byte begins when the wire has been high. A start bit that is over before
///   its middle is none.
#[derive(LogicBlock)]
pub struct UartReceiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the byte under way.
    pub reset: Signal<In, Bit>,
    /// The wire; high when idle.
    pub rx: Signal<In, Bit>,
    /// A byte is there.
    pub valid: Signal<Out, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// A byte is lost.
    pub bad: Signal<Out, Bit>,
    /// The wire is low; so that it seems to idle after power-up.
    low_first: DFF<Bit>,
    low: DFF<Bit>,
    state: DFF<UartState>,
    phase: DFF<Bits<24>>,
    sum: Signal<Local, Bits<25>>,
    middle: Signal<Local, Bit>,
    bits: DFF<Bits<4>>,
    shift: DFF<Bits<8>>,
    valid_out: DFF<Bit>,
    bad_out: DFF<Bit>,
    step: Constant<Bits<24>>,
    first_phase: Constant<Bits<24>>,
}

impl UartReceiver {
    /// Bits a cycle as a fraction of 2 to the power of 24: at most a quarter.
    pub fn new(step: u64) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            rx: Default::default(),
            valid: Default::default(),
            data: Default::default(),
            bad: Default::default(),
            low_first: Default::default(),
            low: Default::default(),
            state: Default::default(),
            phase: Default::default(),
            sum: Default::default(),
            middle: Default::default(),
            bits: Default::default(),
            shift: Default::default(),
            valid_out: Default::default(),
            bad_out: Default::default(),
            step: Constant::new(step.into()),
            // Half a bit, and the half cycle that the edge is old on average when it is seen.
            first_phase: Constant::new(((1u64 << 23) + step / 2).into()),
        }
    }
}

impl Logic for UartReceiver {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, low_first, low, state, phase, bits, shift, valid_out, bad_out
        );
        self.low_first.d.next = !self.rx.val();
        self.low.d.next = self.low_first.q.val();

        self.sum.next =
            bit_cast::<25, 24>(self.phase.q.val()) + bit_cast::<25, 24>(self.step.val());
        self.middle.next = self.sum.val().get_bit(24);
        self.phase.d.next = self.sum.val().get_bits::<24>(0);
        self.valid_out.d.next = false;
        self.bad_out.d.next = false;
        match self.state.q.val() {
            UartState::Idle => {
                self.phase.d.next = self.first_phase.val();
                self.bits.d.next = 0.into();
                if self.low.q.val() {
                    self.state.d.next = UartState::Bits;
                }
            }
            UartState::Bits => {
                if self.middle.val() {
                    self.bits.d.next = self.bits.q.val() + 1;
                    if self.bits.q.val() == 9 {
                        self.valid_out.d.next = !self.low.q.val();
                        self.bad_out.d.next = self.low.q.val();
                        self.state.d.next = UartState::Idle;
                        if self.low.q.val() {
                            self.state.d.next = UartState::Break;
                        }
                    } else {
                        self.shift.d.next = self.shift.q.val() >> 1;
                        if !self.low.q.val() {
                            self.shift.d.next = (self.shift.q.val() >> 1) | 128;
                        }
                    }
                    if (self.bits.q.val() == 0) & (!self.low.q.val()) {
                        self.state.d.next = UartState::Idle;
                    }
                }
            }
            UartState::Break => {
                if !self.low.q.val() {
                    self.state.d.next = UartState::Idle;
                }
            }
            _ => {}
        }
        self.valid.next = self.valid_out.q.val();
        self.bad.next = self.bad_out.q.val();
        self.data.next = self.shift.q.val();
        if self.reset.val() {
            self.state.d.next = UartState::Idle;
            self.valid_out.d.next = false;
            self.bad_out.d.next = false;
        }
    }
}
