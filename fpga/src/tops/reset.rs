//! The reset of a design.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Holds a design in reset until its clock has been good, and the button up, for 65,535 cycles.
///
/// ```text
///             +-----------+
/// locked   -->| ResetHold |--> reset
/// button   -->|           |
///             +-----------+
///
/// locked ___/~~~~~~~~~~~~~~~~~~~~~~~~~~
/// button _____________________/~\______
/// reset  ~~~~~~~~~~~~~~~\______/~~~~~~~    65,535 cycles after the last bounce
/// ```
///
/// * Neither input needs to belong to the clock. Configuration leaves all registers at 0, which is
///   in reset.
/// * `reset` is a register.
#[derive(LogicBlock, Default)]
pub struct ResetHold {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The clock is good.
    pub locked: Signal<In, Bit>,
    /// Somebody wants a reset.
    pub button: Signal<In, Bit>,
    /// Reset, synchronous.
    pub reset: Signal<Out, Bit>,
    good_first: DFF<Bit>,
    good: DFF<Bit>,
    waited: DFF<Bits<16>>,
    over: DFF<Bit>,
}

impl Logic for ResetHold {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, good_first, good, waited, over);
        self.good_first.d.next = self.locked.val() & (!self.button.val());
        self.good.d.next = self.good_first.q.val();
        self.over.d.next = self.waited.q.val() == 65535;
        if self.waited.q.val() != 65535 {
            self.waited.d.next = self.waited.q.val() + 1;
        }
        if !self.good.q.val() {
            self.waited.d.next = 0.into();
            self.over.d.next = false;
        }
        self.reset.next = !self.over.q.val();
    }
}
