//! Who the card is on its bus.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Keeps bus, device and function, which the host gives with every write of configuration.
///
/// ```text
/// message, data  -->+----------+--> id
/// reset          -->| Identity |
///                   +----------+
/// ```
///
/// `PCIE_2_1` has no port for them. It shows them on `CFGMSGDATA` in every cycle in which it shows no
/// message there, which `CFGMSGRECEIVED` tells. `id` is a register and 0 while the link is down.
#[derive(LogicBlock, Default)]
pub struct Identity {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The link is down.
    pub reset: Signal<In, Bit>,
    /// `data` is that of a message.
    pub message: Signal<In, Bit>,
    /// Bus, device and function otherwise.
    pub data: Signal<In, Bits<16>>,
    /// Bus, device and function.
    pub id: Signal<Out, Bits<16>>,
    kept: DFF<Bits<16>>,
}

impl Logic for Identity {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, kept);
        if !self.message.val() {
            self.kept.d.next = self.data.val();
        }
        if self.reset.val() {
            self.kept.d.next = 0.into();
        }
        self.id.next = self.kept.q.val();
    }
}
