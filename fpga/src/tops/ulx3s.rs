//! The top of a ULX3S.

use std::fmt::Write as _;

use hdl::SerialConfig;
use hdl::sdram::{Sdram, Timing};
use hdl::serial::{SerialCard, Uart};
use isa::config::{Config, ConfigError};
use rust_hdl_core::prelude::*;

use super::{Lights, Pll, ResetHold, SHOWN, baud, clocks, pads};
use crate::boards::TOP;

/// Name of the module that [`top`] puts between clocks and pads.
pub const CORE: &str = "ulx3s";

/// A card behind a serial port, with an SDRAM as its memory: everything with the one clock.
///
/// ```text
/// locked, button --> ResetHold --> reset of everything
///
///          +------+    +------------+  l_*  +-------+
/// rx   --->| Uart |--->| SerialCard |<----->| Sdram |<--> cke, cs_n, ras_n, cas_n, we_n, ba, a,
/// tx   <---|      |<---|            |       +-------+     dqm, dq_out, dq_enable, dq_in
///          +------+    +------------+
///                         | Lights --> led
/// ```
///
/// `locked`, `button` and `rx` need not belong to the clock.
#[derive(LogicBlock)]
pub struct Ulx3s {
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
    /// Clock enable of the SDRAM.
    pub cke: Signal<Out, Bit>,
    /// Chip select, low.
    pub cs_n: Signal<Out, Bit>,
    /// Row, low.
    pub ras_n: Signal<Out, Bit>,
    /// Column, low.
    pub cas_n: Signal<Out, Bit>,
    /// Write, low.
    pub we_n: Signal<Out, Bit>,
    /// Bank.
    pub ba: Signal<Out, Bits<2>>,
    /// Address.
    pub a: Signal<Out, Bits<13>>,
    /// Mask.
    pub dqm: Signal<Out, Bits<2>>,
    /// Data to the SDRAM.
    pub dq_out: Signal<Out, Bits<16>>,
    /// Drive the data pins.
    pub dq_enable: Signal<Out, Bit>,
    /// Data from the SDRAM.
    pub dq_in: Signal<In, Bits<16>>,
    hold: ResetHold,
    uart: Uart,
    card: SerialCard,
    lights: Lights,
    sdram: Sdram,
}

impl Ulx3s {
    /// A card of this shape, clocked by this PLL, beside an SDRAM with these times.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(shape: &Config, pll: &Pll, timing: &Timing) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: Default::default(),
            locked: Default::default(),
            button: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            led: Default::default(),
            cke: Default::default(),
            cs_n: Default::default(),
            ras_n: Default::default(),
            cas_n: Default::default(),
            we_n: Default::default(),
            ba: Default::default(),
            a: Default::default(),
            dqm: Default::default(),
            dq_out: Default::default(),
            dq_enable: Default::default(),
            dq_in: Default::default(),
            hold: Default::default(),
            uart: Uart::new(pll.hz(), baud(pll)),
            card: SerialCard::new(shape, &SerialConfig::default())?,
            lights: Lights::new(SHOWN),
            sdram: Sdram::new(timing),
        })
    }
}

impl Logic for Ulx3s {
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
        self.sdram.clock.next = self.clock.val();
        self.sdram.reset.next = self.hold.reset.val();
        self.sdram.l_arvalid.next = self.card.l_arvalid.val();
        self.sdram.l_araddr.next = self.card.l_araddr.val();
        self.sdram.l_arlen.next = self.card.l_arlen.val();
        self.sdram.l_arid.next = self.card.l_arid.val();
        self.sdram.l_awvalid.next = self.card.l_awvalid.val();
        self.sdram.l_awaddr.next = self.card.l_awaddr.val();
        self.sdram.l_awlen.next = self.card.l_awlen.val();
        self.sdram.l_awid.next = self.card.l_awid.val();
        self.sdram.l_wvalid.next = self.card.l_wvalid.val();
        self.card.l_arready.next = self.sdram.l_arready.val();
        self.card.l_rvalid.next = self.sdram.l_rvalid.val();
        self.card.l_rid.next = self.sdram.l_rid.val();
        self.card.l_rresp.next = self.sdram.l_rresp.val();
        self.card.l_rlast.next = self.sdram.l_rlast.val();
        self.card.l_awready.next = self.sdram.l_awready.val();
        self.card.l_wready.next = self.sdram.l_wready.val();
        self.card.l_bvalid.next = self.sdram.l_bvalid.val();
        self.card.l_bid.next = self.sdram.l_bid.val();
        self.card.l_bresp.next = self.sdram.l_bresp.val();
        for i in 0..4usize {
            self.sdram.l_wdata[i].next = self.card.l_wdata[i].val();
            self.sdram.l_wstrb[i].next = self.card.l_wstrb[i].val();
            self.card.l_rdata[i].next = self.sdram.l_rdata[i].val();
        }

        self.cke.next = self.sdram.cke.val();
        self.cs_n.next = self.sdram.cs_n.val();
        self.ras_n.next = self.sdram.ras_n.val();
        self.cas_n.next = self.sdram.cas_n.val();
        self.we_n.next = self.sdram.we_n.val();
        self.ba.next = self.sdram.ba.val();
        self.a.next = self.sdram.a.val();
        self.dqm.next = self.sdram.dqm.val();
        self.dq_out.next = self.sdram.dq_out.val();
        self.dq_enable.next = self.sdram.dq_enable.val();
        self.sdram.dq_in.next = self.dq_in.val();
    }
}

/// The modules of clocks and of the top, around the core.
///
/// ```text
/// clk_25mhz --> clocks --> clock of the core and of the pads, clock of the SDRAM
///
///               +-------+        +------+
/// ftdi_txd  --->| ulx3s |------->| pads |<--> sdram_*
/// ftdi_rxd  <---|       |<-------|      |
///               +-------+        +------+
/// ```
///
/// What goes to the SDRAM and comes from it passes a register in its pad, so that the period of
/// the clock and the shift of that of the SDRAM ([`clocks::ecp5`]) are all that its timing depends
/// on. `wifi_gpio0` is high, so that the WiFi module leaves the FPGA alone.
pub fn top(pll: &Pll) -> [String; 2] {
    let mut text = format!(
        "module {TOP} (
  input  logic clk_25mhz,
  input  logic ftdi_txd,
  output logic ftdi_rxd,
  output logic [7:0] led,
  input  logic btn_fire1,
  output logic wifi_gpio0,
  output logic sdram_clk,
  output logic sdram_cke,
  output logic sdram_csn,
  output logic sdram_wen,
  output logic sdram_rasn,
  output logic sdram_casn,
  output logic [12:0] sdram_a,
  output logic [1:0] sdram_ba,
  output logic [1:0] sdram_dqm,
  inout  wire  [15:0] sdram_d
);
  logic clock, chip_clock, locked, cke, cs_n, ras_n, cas_n, we_n, dq_enable;
  logic [1:0] ba, dqm;
  logic [12:0] a;
  logic [15:0] dq_out, dq_in;
  systole_clocks clocks (.board(clk_25mhz), .clock(clock), .chip_clock(chip_clock), .locked(locked));
  {CORE} core (
    .clock(clock), .locked(locked), .button(btn_fire1), .rx(ftdi_txd), .tx(ftdi_rxd), .led(led),
    .cke(cke), .cs_n(cs_n), .ras_n(ras_n), .cas_n(cas_n), .we_n(we_n), .ba(ba), .a(a),
    .dqm(dqm), .dq_out(dq_out), .dq_enable(dq_enable), .dq_in(dq_in)
  );
  assign wifi_gpio0 = 1'b1;
"
    );
    text.push_str(&pads::clock_out("sdram_clk", "chip_clock"));
    for (port, net, width) in [
        ("sdram_cke", "cke", 1),
        ("sdram_csn", "cs_n", 1),
        ("sdram_wen", "we_n", 1),
        ("sdram_rasn", "ras_n", 1),
        ("sdram_casn", "cas_n", 1),
        ("sdram_a", "a", 13),
        ("sdram_ba", "ba", 2),
        ("sdram_dqm", "dqm", 2),
    ] {
        text.push_str(&pads::out(port, net, width));
    }
    text.push_str(&pads::both("sdram_d", "dq_out", "dq_enable", "dq_in", 16));
    let _ = writeln!(text, "endmodule");
    [clocks::ecp5(pll), text]
}
