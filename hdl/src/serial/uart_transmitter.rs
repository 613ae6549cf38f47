//! Bytes to a wire.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Sends bytes as [`super::UartReceiver`] takes them.
///
/// ```text
/// valid, data ->+-----------------+
///               | UartTransmitter |-> wire tx
/// ready       <-+-----------------+
/// ```
///
/// A byte is taken when the one before has been sent. A bit may be a cycle longer or shorter than
/// another where it lasts no whole number of cycles.
#[derive(LogicBlock)]
pub struct UartTransmitter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the byte under way.
    pub reset: Signal<In, Bit>,
    /// A byte is offered.
    pub valid: Signal<In, Bit>,
    /// The byte.
    pub data: Signal<In, Bits<8>>,
    /// It is taken.
    pub ready: Signal<Out, Bit>,
    /// The wire; high when idle.
    pub tx: Signal<Out, Bit>,
    /// Bits to send, each inverted, so that the wire idles after power-up.
    shift: DFF<Bits<10>>,
    left: DFF<Bits<4>>,
    phase: DFF<Bits<24>>,
    sum: Signal<Local, Bits<25>>,
    idle: Signal<Local, Bit>,
    inverted: Signal<Local, Bits<8>>,
    step: Constant<Bits<24>>,
}

impl UartTransmitter {
    /// Bits a cycle as a fraction of 2 to the power of 24.
    pub fn new(step: u64) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            valid: Default::default(),
            data: Default::default(),
            ready: Default::default(),
            tx: Default::default(),
            shift: Default::default(),
            left: Default::default(),
            phase: Default::default(),
            sum: Default::default(),
            idle: Default::default(),
            inverted: Default::default(),
            step: Constant::new(step.into()),
        }
    }
}

impl Logic for UartTransmitter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shift, left, phase);
        self.idle.next = self.left.q.val() == 0;
        self.ready.next = self.idle.val();
        self.tx.next = !self.shift.q.val().get_bit(0);
        self.inverted.next = !self.data.val();
        self.sum.next =
            bit_cast::<25, 24>(self.phase.q.val()) + bit_cast::<25, 24>(self.step.val());
        self.phase.d.next = self.sum.val().get_bits::<24>(0);
        if self.idle.val() {
            self.phase.d.next = 0.into();
            if self.valid.val() {
                self.shift.d.next = (bit_cast::<10, 8>(self.inverted.val()) << 1) | 1;
                self.left.d.next = 10.into();
            }
        } else if self.sum.val().get_bit(24) {
            self.shift.d.next = self.shift.q.val() >> 1;
            self.left.d.next = self.left.q.val() - 1;
        }
        if self.reset.val() {
            self.shift.d.next = 0.into();
            self.left.d.next = 0.into();
        }
    }
}
