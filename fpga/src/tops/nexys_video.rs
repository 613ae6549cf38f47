//! The top of a Nexys Video.

use hdl::SerialConfig;
use hdl::serial::{SerialCard, Uart};
use isa::config::{Config, ConfigError};
use rust_hdl_core::prelude::*;

use super::{BlockMemory, Lights, Pll, ResetHold, SHOWN, baud, clocks};
use crate::boards::TOP;

/// The card's own memory: what fits block memories beside the buffers of a card.
pub const MEMORY_MIB: u32 = 1;

/// Name of the module that [`top`] puts behind the clocks.
pub const CORE: &str = "nexys_video";

/// A card behind a serial port, with memory in the FPGA: everything with the one clock.
///
/// ```text
/// locked, button --> ResetHold --> reset of everything
///
///          +------+    +------------+  l_*  +-------------+
/// rx   --->| Uart |--->| SerialCard |<----->| BlockMemory |
/// tx   <---|      |<---|            |       +-------------+
///          +------+    +------------+
///                         | Lights --> led
/// ```
///
/// `locked`, `button` and `rx` need not belong to the clock.
#[derive(LogicBlock)]
pub struct NexysVideo {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The clock is good.
    pub locked: Signal<In, Bit>,
    /// Reset, while it is pressed.
    pub button: Signal<In, Bit>,
    /// From the host.
    pub rx: Signal<In, Bit>,
    /// To the host.
    pub tx: Signal<Out, Bit>,
    /// Lights.
    pub led: Signal<Out, Bits<8>>,
    hold: ResetHold,
    uart: Uart,
    card: SerialCard,
    lights: Lights,
    memory: BlockMemory,
}

impl NexysVideo {
    /// A card of this shape, clocked by this PLL.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(shape: &Config, pll: &Pll) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: Default::default(),
            locked: Default::default(),
            button: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            led: Default::default(),
            hold: Default::default(),
            uart: Uart::new(pll.hz(), baud(pll)),
            card: SerialCard::new(shape, &SerialConfig::default())?,
            lights: Lights::new(SHOWN),
            memory: BlockMemory::new((MEMORY_MIB as usize) << 16),
        })
    }
}

impl Logic for NexysVideo {
    #[hdl_gen]
    fn update(&mut self) {
        self.hold.clock.next = self.clock.val();
        self.hold.locked.next = self.locked.val();
        self.hold.button.next = self.button.val();

        // The link.
        self.uart.clock.next = self.clock.val();
        self.uart.reset.next = self.hold.reset.val();
        self.uart.rx.next = self.rx.val();
        self.tx.next = self.uart.tx.val();
        self.card.clock.next = self.clock.val();
        self.card.reset.next = self.hold.reset.val();
        self.card.rx_valid.next = self.uart.rx_valid.val();
        self.card.rx_data.next = self.uart.rx_data.val();
        self.card.rx_bad.next = self.uart.rx_bad.val();
        self.uart.tx_valid.next = self.card.tx_valid.val();
        self.uart.tx_data.next = self.card.tx_data.val();
        self.card.tx_ready.next = self.uart.tx_ready.val();

        // The lights.
        self.lights.clock.next = self.clock.val();
        self.lights.reset.next = self.hold.reset.val();
        self.lights.session.next = self.card.session.val();
        self.lights.traffic.next = self.card.traffic.val();
        self.lights.active.next = self.card.active.val();
        self.lights.error.next = self.card.error.val();
        self.lights.noise.next = self.uart.rx_bad.val();
        self.led.next = self.lights.led.val();

        // The card's own memory.
        self.memory.clock.next = self.clock.val();
        self.memory.reset.next = self.hold.reset.val();
        self.memory.l_arvalid.next = self.card.l_arvalid.val();
        self.memory.l_araddr.next = self.card.l_araddr.val();
        self.memory.l_arlen.next = self.card.l_arlen.val();
        self.memory.l_arid.next = self.card.l_arid.val();
        self.memory.l_awvalid.next = self.card.l_awvalid.val();
        self.memory.l_awaddr.next = self.card.l_awaddr.val();
        self.memory.l_awlen.next = self.card.l_awlen.val();
        self.memory.l_awid.next = self.card.l_awid.val();
        self.memory.l_wvalid.next = self.card.l_wvalid.val();
        self.card.l_arready.next = self.memory.l_arready.val();
        self.card.l_rvalid.next = self.memory.l_rvalid.val();
        self.card.l_rid.next = self.memory.l_rid.val();
        self.card.l_rresp.next = self.memory.l_rresp.val();
        self.card.l_rlast.next = self.memory.l_rlast.val();
        self.card.l_awready.next = self.memory.l_awready.val();
        self.card.l_wready.next = self.memory.l_wready.val();
        self.card.l_bvalid.next = self.memory.l_bvalid.val();
        self.card.l_bid.next = self.memory.l_bid.val();
        self.card.l_bresp.next = self.memory.l_bresp.val();
        for i in 0..4usize {
            self.memory.l_wdata[i].next = self.card.l_wdata[i].val();
            self.memory.l_wstrb[i].next = self.card.l_wstrb[i].val();
            self.card.l_rdata[i].next = self.memory.l_rdata[i].val();
        }
    }
}

/// The modules of clocks and of the top, around the core.
///
/// ```text
/// clk100     --> clocks --> clock of the core
/// cpu_resetn --> core, where it is high while pressed
/// ```
pub fn top(pll: &Pll) -> [String; 2] {
    let text = format!(
        "module {TOP} (
  input  logic clk100,
  input  logic uart_rx,
  output logic uart_tx,
  output logic [7:0] led,
  input  logic cpu_resetn
);
  logic clock, locked;
  systole_clocks clocks (.board(clk100), .clock(clock), .locked(locked));
  {CORE} core (
    .clock(clock), .locked(locked), .button(!cpu_resetn), .rx(uart_rx), .tx(uart_tx), .led(led)
  );
endmodule
"
    );
    [clocks::xc7(pll), text]
}
