//! The top of an Acorn.

use hdl::LinkConfig;
use hdl::pcie::PcieCard;
use isa::config::{Config, ConfigError};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::pcie::{
    CLOCKS, FromBlock, HARD_BLOCK, Identity, PacketMemory, TRANSCEIVER, ToBlock, clocks,
    hard_block, transceiver,
};
use super::{BlockMemory, Lights, Pll, SHOWN};
use crate::boards::TOP;

/// The card's own memory: what fits block memories beside the buffers of a card.
pub const MEMORY_MIB: u32 = 1;

/// Name of the module with what has the clock of packets.
pub const CORE: &str = "acorn";

/// Name of the module with what has the clock of the PIPE interface.
pub const PHY: &str = "acorn_phy";

/// A card behind a PCI Express link, with memory in the FPGA: everything with the clock of packets.
///
/// ```text
/// link_up --> reset of everything
///
///              +-----------+ rx_* +----------+  l_*  +-------------+
/// r_*      --->| FromBlock |----->| PcieCard |<----->| BlockMemory |
///              +-----------+      |          |       +-------------+
/// t_*      <---|  ToBlock  |<-----|          |
///              +-----------+ tx_* |          |
/// message* --->| Identity  |----->|          |---> Lights --> led
/// bus_master, max_*, msix_* ----->+----------+
///
/// rx_write.. <--> PacketMemory    tx_write.. <--> PacketMemory
/// ```
///
/// `link_up` is low while the link is down or the host resets it: then everything is forgotten but
/// what the card's memory holds, as at a power-up. All ports belong to the clock.
#[derive(LogicBlock)]
pub struct Acorn {
    /// Clock of packets, 62.5 MHz.
    pub clock: Signal<In, Clock>,
    /// The link is up.
    pub link_up: Signal<In, Bit>,
    /// A beat of a packet was received.
    pub r_valid: Signal<In, Bit>,
    /// It is taken.
    pub r_ready: Signal<Out, Bit>,
    /// First of its packet.
    pub r_first: Signal<In, Bit>,
    /// Last of its packet.
    pub r_last: Signal<In, Bit>,
    /// Both words count.
    pub r_whole: Signal<In, Bit>,
    /// The packet goes no further and is void.
    pub r_broken: Signal<In, Bit>,
    /// Windows that it hits.
    pub r_bar: Signal<In, Bits<8>>,
    /// Two words.
    pub r_data: Signal<In, Bits<64>>,
    /// A beat of a packet to send.
    pub t_valid: Signal<Out, Bit>,
    /// It is taken.
    pub t_ready: Signal<In, Bit>,
    /// First of its packet.
    pub t_first: Signal<Out, Bit>,
    /// Last of its packet.
    pub t_last: Signal<Out, Bit>,
    /// Both words count.
    pub t_whole: Signal<Out, Bit>,
    /// Two words.
    pub t_data: Signal<Out, Bits<64>>,
    /// `message_data` is that of a message.
    pub message: Signal<In, Bit>,
    /// Bus, device and function otherwise.
    pub message_data: Signal<In, Bits<16>>,
    /// Bus Master Enable.
    pub bus_master: Signal<In, Bit>,
    /// Max_Payload_Size.
    pub max_payload: Signal<In, Bits<3>>,
    /// Max_Read_Request_Size.
    pub max_read: Signal<In, Bits<3>>,
    /// MSI-X Enable.
    pub msix_enable: Signal<In, Bit>,
    /// Function Mask of MSI-X.
    pub msix_mask: Signal<In, Bit>,
    /// Memory of received packets: write.
    pub rx_write: Signal<In, Bit>,
    /// Row to write.
    pub rx_write_at: Signal<In, Bits<13>>,
    /// What to write.
    pub rx_write_data: Signal<In, Bits<72>>,
    /// Read.
    pub rx_read: Signal<In, Bit>,
    /// Row to read.
    pub rx_read_at: Signal<In, Bits<13>>,
    /// What was read.
    pub rx_read_data: Signal<Out, Bits<72>>,
    /// Memory of packets to send: write.
    pub tx_write: Signal<In, Bit>,
    /// Row to write.
    pub tx_write_at: Signal<In, Bits<13>>,
    /// What to write.
    pub tx_write_data: Signal<In, Bits<72>>,
    /// Read.
    pub tx_read: Signal<In, Bit>,
    /// Row to read.
    pub tx_read_at: Signal<In, Bits<13>>,
    /// What was read.
    pub tx_read_data: Signal<Out, Bits<72>>,
    /// Lights.
    pub led: Signal<Out, Bits<4>>,
    up: DFF<Bit>,
    down: Signal<Local, Bit>,
    from_block: FromBlock,
    to_block: ToBlock,
    identity: Identity,
    rx_memory: PacketMemory,
    tx_memory: PacketMemory,
    card: PcieCard,
    memory: BlockMemory,
    lights: Lights,
    _line_words: usize,
}

impl Acorn {
    /// A card of this shape.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(shape: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: Default::default(),
            link_up: Default::default(),
            r_valid: Default::default(),
            r_ready: Default::default(),
            r_first: Default::default(),
            r_last: Default::default(),
            r_whole: Default::default(),
            r_broken: Default::default(),
            r_bar: Default::default(),
            r_data: Default::default(),
            t_valid: Default::default(),
            t_ready: Default::default(),
            t_first: Default::default(),
            t_last: Default::default(),
            t_whole: Default::default(),
            t_data: Default::default(),
            message: Default::default(),
            message_data: Default::default(),
            bus_master: Default::default(),
            max_payload: Default::default(),
            max_read: Default::default(),
            msix_enable: Default::default(),
            msix_mask: Default::default(),
            rx_write: Default::default(),
            rx_write_at: Default::default(),
            rx_write_data: Default::default(),
            rx_read: Default::default(),
            rx_read_at: Default::default(),
            rx_read_data: Default::default(),
            tx_write: Default::default(),
            tx_write_at: Default::default(),
            tx_write_data: Default::default(),
            tx_read: Default::default(),
            tx_read_at: Default::default(),
            tx_read_data: Default::default(),
            led: Default::default(),
            up: Default::default(),
            down: Default::default(),
            from_block: Default::default(),
            to_block: Default::default(),
            identity: Default::default(),
            rx_memory: Default::default(),
            tx_memory: Default::default(),
            card: PcieCard::new(shape, &LinkConfig::default())?,
            memory: BlockMemory::new((MEMORY_MIB as usize) << 16),
            lights: Lights::new(SHOWN),
            _line_words: 4,
        })
    }
}

impl Logic for Acorn {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, up);
        self.up.d.next = self.link_up.val() & (!self.from_block.lost.val());
        self.down.next = !self.up.q.val();

        // Packets.
        self.from_block.clock.next = self.clock.val();
        self.from_block.reset.next = self.down.val();
        self.from_block.b_valid.next = self.r_valid.val();
        self.r_ready.next = self.from_block.b_ready.val();
        self.from_block.b_first.next = self.r_first.val();
        self.from_block.b_last.next = self.r_last.val();
        self.from_block.b_whole.next = self.r_whole.val();
        self.from_block.b_broken.next = self.r_broken.val();
        self.from_block.b_bar.next = self.r_bar.val();
        self.from_block.b_data.next = self.r_data.val();
        self.card.rx_valid.next = self.from_block.rx_valid.val();
        self.from_block.rx_ready.next = self.card.rx_ready.val();
        self.card.rx_last.next = self.from_block.rx_last.val();
        self.card.rx_keep.next = self.from_block.rx_keep.val();
        self.card.rx_bar.next = self.from_block.rx_bar.val();
        self.to_block.clock.next = self.clock.val();
        self.to_block.reset.next = self.down.val();
        self.to_block.tx_valid.next = self.card.tx_valid.val();
        self.card.tx_ready.next = self.to_block.tx_ready.val();
        self.to_block.tx_last.next = self.card.tx_last.val();
        self.to_block.tx_keep.next = self.card.tx_keep.val();
        self.t_valid.next = self.to_block.b_valid.val();
        self.to_block.b_ready.next = self.t_ready.val();
        self.t_first.next = self.to_block.b_first.val();
        self.t_last.next = self.to_block.b_last.val();
        self.t_whole.next = self.to_block.b_whole.val();
        self.t_data.next = self.to_block.b_data.val();
        for i in 0..2usize {
            self.card.rx_data[i].next = self.from_block.rx_data[i].val();
            self.to_block.tx_data[i].next = self.card.tx_data[i].val();
        }

        // Configuration.
        self.identity.clock.next = self.clock.val();
        self.identity.reset.next = self.down.val();
        self.identity.message.next = self.message.val();
        self.identity.data.next = self.message_data.val();
        self.card.clock.next = self.clock.val();
        self.card.reset.next = self.down.val();
        self.card.cfg_id.next = self.identity.id.val();
        self.card.cfg_bus_master.next = self.bus_master.val();
        self.card.cfg_max_payload.next = self.max_payload.val();
        self.card.cfg_max_read.next = self.max_read.val();
        self.card.cfg_msix_enable.next = self.msix_enable.val();
        self.card.cfg_msix_mask.next = self.msix_mask.val();
        self.card.flr.next = false;

        // Where the block keeps packets.
        self.rx_memory.clock.next = self.clock.val();
        self.rx_memory.write.next = self.rx_write.val();
        self.rx_memory.write_at.next = self.rx_write_at.val();
        self.rx_memory.write_data.next = self.rx_write_data.val();
        self.rx_memory.read.next = self.rx_read.val();
        self.rx_memory.read_at.next = self.rx_read_at.val();
        self.rx_read_data.next = self.rx_memory.read_data.val();
        self.tx_memory.clock.next = self.clock.val();
        self.tx_memory.write.next = self.tx_write.val();
        self.tx_memory.write_at.next = self.tx_write_at.val();
        self.tx_memory.write_data.next = self.tx_write_data.val();
        self.tx_memory.read.next = self.tx_read.val();
        self.tx_memory.read_at.next = self.tx_read_at.val();
        self.tx_read_data.next = self.tx_memory.read_data.val();

        // The lights.
        self.lights.clock.next = self.clock.val();
        self.lights.reset.next = self.down.val();
        self.lights.session.next = self.up.q.val();
        self.lights.traffic.next = self.card.rx_valid.val() | self.card.tx_valid.val();
        self.lights.active.next = self.card.active.val();
        self.lights.error.next = false;
        self.lights.noise.next = false;
        self.led.next = self.lights.led.val().get_bits::<4>(0);

        // The card's own memory.
        self.memory.clock.next = self.clock.val();
        self.memory.reset.next = self.down.val();
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
        for i in 0..self._line_words {
            self.memory.l_wdata[i].next = self.card.l_wdata[i].val();
            self.memory.l_wstrb[i].next = self.card.l_wstrb[i].val();
            self.card.l_rdata[i].next = self.memory.l_rdata[i].val();
        }
    }
}

/// The modules of clocks, transceiver, hard block and of the top, around what is of Rust-HDL.
///
/// ```text
/// pcie_clk_*, pcie_rx_*, pcie_tx_* --> transceiver <--> phy <--> hard block <--> core
/// pcie_rst_n                       --> clocks, phy
/// ```
///
/// `pcie_rst_n` (PERST#) begins everything anew; the clocks stand still while it is low.
pub fn top(pll: &Pll, shape: &Config) -> [String; 4] {
    let mut wires = String::new();
    for (bits, names) in [
        (1, "lane_clock, pipe_clock, user_clock, locked, ready"),
        (1, "pll_reset, lane_reset, user_ready, pll_locked"),
        (1, "rx_analogue_done, tx_done, rx_done"),
        (1, "d_enable, d_write, d_ready"),
        (16, "d_in, d_out"),
        (1, "valid, busy, quiet, pipe_valid, pipe_busy, pipe_quiet"),
        (16, "data, pipe_data, send_data"),
        (2, "control, pipe_control, send_control, power"),
        (3, "status, pipe_status, send_margin"),
        (1, "send_quiet, send_compliance, send_deemphasis"),
        (1, "detect, polarity, link_up"),
        (1, "r_valid, r_ready, r_first, r_last, r_whole, r_broken"),
        (8, "r_bar"),
        (64, "r_data, t_data"),
        (1, "t_valid, t_ready, t_first, t_last, t_whole"),
        (1, "message, bus_master, msix_enable, msix_mask"),
        (16, "message_data"),
        (3, "max_payload, max_read"),
        (1, "rx_write, rx_read, tx_write, tx_read"),
        (13, "rx_write_at, rx_read_at, tx_write_at, tx_read_at"),
        (72, "rx_write_data, rx_read_data"),
        (72, "tx_write_data, tx_read_data"),
    ] {
        wires.push_str(&match bits {
            1 => format!("  logic {names};\n"),
            _ => format!("  logic [{}:0] {names};\n", bits - 1),
        });
    }
    let text = format!(
        "module {TOP} (
  input  logic pcie_clk_p,
  input  logic pcie_clk_n,
  input  logic pcie_rx_p,
  input  logic pcie_rx_n,
  output logic pcie_tx_p,
  output logic pcie_tx_n,
  input  logic pcie_rst_n,
  output logic pcie_clkreq_n,
  output logic [3:0] led
);
{wires}  assign pcie_clkreq_n = 1'b0;
  {TRANSCEIVER} transceiver (
    .ref_p(pcie_clk_p), .ref_n(pcie_clk_n),
    .rx_p(pcie_rx_p), .rx_n(pcie_rx_n), .tx_p(pcie_tx_p), .tx_n(pcie_tx_n), .*
  );
  {CLOCKS} clocks (.reset(!pcie_rst_n), .*);
  {PHY} phy (.clock(pipe_clock), .reset(!pcie_rst_n || !locked), .*);
  {HARD_BLOCK} hard_block (
    .data(pipe_data), .control(pipe_control), .valid(pipe_valid), .busy(pipe_busy),
    .status(pipe_status), .quiet(pipe_quiet), .*
  );
  {CORE} core (.clock(user_clock), .*);
endmodule
"
    );
    [clocks(pll), transceiver(), hard_block(shape), text]
}
