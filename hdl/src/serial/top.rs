//! The whole card behind a serial link.

use isa::config::{Config, ConfigError};
use rust_hdl_core::prelude::*;

use super::SerialEndpoint;
use crate::SerialConfig;
use crate::card::Card;
use crate::pcie::{LocalPort, Split};

/// The card, its serial endpoint, and the way of both to memory.
///
/// ```text
///          +----------------+ registers, interrupts  +------+
/// rx_* --->| SerialEndpoint |<---------------------->| Card |
/// tx_* <---|                |     +-------+   m_*    |      |
///          |                |<----| Split |<---------+------+
///          +----------------+host +-------+
///                |                | card memory
///                | window   +-----------+
///                +--------->| LocalPort |<---> l_*
///                           +-----------+
/// ```
///
/// * `rx_*` and `tx_*` are bytes as [`super::Uart`] gives and takes them; the contract is
///   [`isa::serial`].
/// * `l_*` is AXI4 without the signals that never change ([`crate::emit_serial_card`] adds them). A
///   hello and a reset by the host do not touch the card's memory, which gets what it is owed.
/// * `session`, `traffic` (a cycle long) and `error` are for people.
/// * No output depends on an input of the same cycle.
#[derive(LogicBlock)]
pub struct SerialCard {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: the card's memory must forget what it owes.
    pub reset: Signal<In, Bit>,
    /// A byte has come.
    pub rx_valid: Signal<In, Bit>,
    /// The byte.
    pub rx_data: Signal<In, Bits<8>>,
    /// A byte was lost.
    pub rx_bad: Signal<In, Bit>,
    /// A byte is to be sent.
    pub tx_valid: Signal<Out, Bit>,
    /// The byte.
    pub tx_data: Signal<Out, Bits<8>>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// Something is under way: the clock must not stand still.
    pub active: Signal<Out, Bit>,
    /// The host has said hello.
    pub session: Signal<Out, Bit>,
    /// A frame has come, or one begins to go.
    pub traffic: Signal<Out, Bit>,
    /// A frame was spoiled or a message refused since the hello, or since the reset.
    pub error: Signal<Out, Bit>,
    /// Card memory: read address channel.
    pub l_arvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_arready: Signal<In, Bit>,
    /// Byte address.
    pub l_araddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub l_arlen: Signal<Out, Bits<8>>,
    /// 1: window, 0: engines.
    pub l_arid: Signal<Out, Bits<4>>,
    /// Read data channel.
    pub l_rvalid: Signal<In, Bit>,
    /// Always.
    pub l_rready: Signal<Out, Bit>,
    /// Line.
    pub l_rdata: Vec<Signal<In, Bits<32>>>,
    /// Id of the burst.
    pub l_rid: Signal<In, Bits<4>>,
    /// Not 0: the line could not be read.
    pub l_rresp: Signal<In, Bits<2>>,
    /// Last line of its burst.
    pub l_rlast: Signal<In, Bit>,
    /// Write address channel.
    pub l_awvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_awready: Signal<In, Bit>,
    /// Byte address.
    pub l_awaddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub l_awlen: Signal<Out, Bits<8>>,
    /// 1: window, 0: engines.
    pub l_awid: Signal<Out, Bits<4>>,
    /// Write data channel.
    pub l_wvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub l_wready: Signal<In, Bit>,
    /// Line.
    pub l_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Bytes of each word that count.
    pub l_wstrb: Vec<Signal<Out, Bits<4>>>,
    /// Last line of its burst.
    pub l_wlast: Signal<Out, Bit>,
    /// Write response channel.
    pub l_bvalid: Signal<In, Bit>,
    /// Always.
    pub l_bready: Signal<Out, Bit>,
    /// Id of the burst.
    pub l_bid: Signal<In, Bits<4>>,
    /// Not 0: the burst could not be written.
    pub l_bresp: Signal<In, Bits<2>>,
    card: Card,
    split: Split,
    own: LocalPort,
    endpoint: SerialEndpoint,
    _line_words: usize,
}

impl SerialCard {
    /// A card of this shape with this link.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(shape: &Config, link: &SerialConfig) -> Result<Self, ConfigError> {
        let line_words = shape.port_bytes as usize / 4;
        let line_out = || (0..line_words).map(|_| Signal::default()).collect();
        Ok(Self {
            clock: Default::default(),
            reset: Default::default(),
            rx_valid: Default::default(),
            rx_data: Default::default(),
            rx_bad: Default::default(),
            tx_valid: Default::default(),
            tx_data: Default::default(),
            tx_ready: Default::default(),
            active: Default::default(),
            session: Default::default(),
            traffic: Default::default(),
            error: Default::default(),
            l_arvalid: Default::default(),
            l_arready: Default::default(),
            l_araddr: Default::default(),
            l_arlen: Default::default(),
            l_arid: Default::default(),
            l_rvalid: Default::default(),
            l_rready: Default::default(),
            l_rdata: (0..line_words).map(|_| Signal::default()).collect(),
            l_rid: Default::default(),
            l_rresp: Default::default(),
            l_rlast: Default::default(),
            l_awvalid: Default::default(),
            l_awready: Default::default(),
            l_awaddr: Default::default(),
            l_awlen: Default::default(),
            l_awid: Default::default(),
            l_wvalid: Default::default(),
            l_wready: Default::default(),
            l_wdata: line_out(),
            l_wstrb: (0..line_words).map(|_| Signal::default()).collect(),
            l_wlast: Default::default(),
            l_bvalid: Default::default(),
            l_bready: Default::default(),
            l_bid: Default::default(),
            l_bresp: Default::default(),
            card: Card::new(shape)?,
            split: Split::new(line_words),
            own: LocalPort::new(line_words),
            endpoint: SerialEndpoint::new(
                shape.port_bytes as usize,
                (shape.card_memory_mib > 0).then(|| shape.card_memory_mib.ilog2() + 20),
                link.resend_cycles,
            ),
            _line_words: line_words,
        })
    }
}

impl Logic for SerialCard {
    #[hdl_gen]
    fn update(&mut self) {
        self.card.clock.next = self.clock.val();
        self.split.clock.next = self.clock.val();
        self.own.clock.next = self.clock.val();
        self.endpoint.clock.next = self.clock.val();

        // Resets.
        self.endpoint.reset.next = self.reset.val();
        self.card.reset.next = self.endpoint.card_reset.val();
        self.split.reset.next = self.endpoint.card_reset.val();
        self.own.reset.next = self.reset.val();
        self.own.restart.next = self.endpoint.card_reset.val();
        self.active.next =
            self.card.active.val() | self.endpoint.active.val() | (!self.own.idle.val());

        // Link.
        self.endpoint.rx_valid.next = self.rx_valid.val();
        self.endpoint.rx_data.next = self.rx_data.val();
        self.endpoint.rx_bad.next = self.rx_bad.val();
        self.tx_valid.next = self.endpoint.tx_valid.val();
        self.tx_data.next = self.endpoint.tx_data.val();
        self.endpoint.tx_ready.next = self.tx_ready.val();
        self.session.next = self.endpoint.session.val();
        self.traffic.next = self.endpoint.traffic.val();
        self.error.next = self.endpoint.error.val();

        // Registers and interrupts; the counters of the link are those of PCI Express.
        self.card.reg_write.next = self.endpoint.reg_write.val();
        self.card.reg_read.next = self.endpoint.reg_read.val();
        self.card.reg_addr.next = self.endpoint.reg_addr.val();
        self.card.reg_wdata.next = self.endpoint.reg_wdata.val();
        self.card.reg_strobes.next = 15.into();
        self.endpoint.reg_rdata.next = self.card.reg_rdata.val();
        self.endpoint.events.next = self.card.events.val();
        self.card.link_ticks.next = 0.into();

        // The card's memory port to the host or to the card's own memory.
        self.split.m_arvalid.next = self.card.m_arvalid.val();
        self.card.m_arready.next = self.split.m_arready.val();
        self.split.m_araddr.next = self.card.m_araddr.val();
        self.split.m_arid.next = self.card.m_arid.val();
        self.card.m_rvalid.next = self.split.m_rvalid.val();
        self.split.m_rready.next = self.card.m_rready.val();
        self.card.m_rid.next = self.split.m_rid.val();
        self.card.m_rresp.next = self.split.m_rresp.val();
        self.card.m_ruser.next = self.split.m_ruser.val();
        self.card.m_rlast.next = self.split.m_rlast.val();
        self.split.m_awvalid.next = self.card.m_awvalid.val();
        self.card.m_awready.next = self.split.m_awready.val();
        self.split.m_awaddr.next = self.card.m_awaddr.val();
        self.split.m_awid.next = self.card.m_awid.val();
        self.split.m_wvalid.next = self.card.m_wvalid.val();
        self.card.m_wready.next = self.split.m_wready.val();
        self.split.m_wlast.next = self.card.m_wlast.val();
        self.card.m_bvalid.next = self.split.m_bvalid.val();
        self.split.m_bready.next = self.card.m_bready.val();
        self.card.m_bid.next = self.split.m_bid.val();
        self.card.m_bresp.next = self.split.m_bresp.val();
        self.card.m_buser.next = self.split.m_buser.val();

        // Host.
        self.endpoint.h_arvalid.next = self.split.h_arvalid.val();
        self.split.h_arready.next = self.endpoint.h_arready.val();
        self.endpoint.h_araddr.next = self.card.m_araddr.val();
        self.endpoint.h_arlen.next = self.card.m_arlen.val();
        self.split.h_rvalid.next = self.endpoint.h_rvalid.val();
        self.endpoint.h_rready.next = self.split.h_rready.val();
        self.split.h_rresp.next = self.endpoint.h_rresp.val();
        self.split.h_ruser.next = self.endpoint.h_ruser.val();
        self.split.h_rlast.next = self.endpoint.h_rlast.val();
        self.endpoint.h_awvalid.next = self.split.h_awvalid.val();
        self.split.h_awready.next = self.endpoint.h_awready.val();
        self.endpoint.h_awaddr.next = self.card.m_awaddr.val();
        self.endpoint.h_wvalid.next = self.split.h_wvalid.val();
        self.split.h_wready.next = self.endpoint.h_wready.val();
        self.endpoint.h_wquarters.next = self.card.m_wquarters.val();
        self.endpoint.h_wlast.next = self.card.m_wlast.val();
        self.split.h_bvalid.next = self.endpoint.h_bvalid.val();
        self.endpoint.h_bready.next = self.split.h_bready.val();
        self.split.h_bresp.next = 0.into();
        self.split.h_buser.next = 0.into();

        // Card memory, for the engines.
        self.own.e_arvalid.next = self.split.l_arvalid.val();
        self.split.l_arready.next = self.own.e_arready.val();
        self.own.e_araddr.next = self.split.l_araddr.val();
        self.own.e_arlen.next = self.card.m_arlen.val();
        self.split.l_rvalid.next = self.own.e_rvalid.val();
        self.own.e_rready.next = self.split.l_rready.val();
        self.split.l_rresp.next = self.own.e_rresp.val();
        self.split.l_rlast.next = self.own.e_rlast.val();
        self.own.e_awvalid.next = self.split.l_awvalid.val();
        self.split.l_awready.next = self.own.e_awready.val();
        self.own.e_awaddr.next = self.split.l_awaddr.val();
        self.own.e_awlen.next = self.card.m_awlen.val();
        self.own.e_wvalid.next = self.split.l_wvalid.val();
        self.split.l_wready.next = self.own.e_wready.val();
        self.own.e_wquarters.next = self.card.m_wquarters.val();
        self.own.e_wlast.next = self.card.m_wlast.val();
        self.split.l_bvalid.next = self.own.e_bvalid.val();
        self.own.e_bready.next = self.split.l_bready.val();
        self.split.l_bresp.next = self.own.e_bresp.val();

        // Card memory, for the host's window.
        self.own.w_arvalid.next = self.endpoint.w_arvalid.val();
        self.endpoint.w_arready.next = self.own.w_arready.val();
        self.own.w_araddr.next = bit_cast::<64, 32>(self.endpoint.w_araddr.val());
        self.own.w_arlen.next = 0.into();
        self.endpoint.w_rvalid.next = self.own.w_rvalid.val();
        self.own.w_rready.next = self.endpoint.w_rready.val();
        self.endpoint.w_rresp.next = self.own.w_rresp.val();
        self.own.w_awvalid.next = self.endpoint.w_awvalid.val();
        self.endpoint.w_awready.next = self.own.w_awready.val();
        self.own.w_awaddr.next = bit_cast::<64, 32>(self.endpoint.w_awaddr.val());
        self.own.w_awlen.next = 0.into();
        self.own.w_wvalid.next = self.endpoint.w_wvalid.val();
        self.endpoint.w_wready.next = self.own.w_wready.val();
        self.endpoint.w_bvalid.next = self.own.w_bvalid.val();
        self.own.w_bready.next = self.endpoint.w_bready.val();

        // Lines.
        for i in 0..self._line_words {
            self.split.h_rdata[i].next = self.endpoint.h_rdata[i].val();
            self.split.l_rdata[i].next = self.own.e_rdata[i].val();
            self.card.m_rdata[i].next = self.split.m_rdata[i].val();
            self.endpoint.h_wdata[i].next = self.card.m_wdata[i].val();
            self.own.e_wdata[i].next = self.card.m_wdata[i].val();
            self.endpoint.w_rdata[i].next = self.own.w_rdata[i].val();
            self.own.w_wdata[i].next = self.endpoint.w_wdata[i].val();
            self.own.w_wstrb[i].next = 15.into();
        }

        // The port of the card's memory.
        self.l_arvalid.next = self.own.l_arvalid.val();
        self.own.l_arready.next = self.l_arready.val();
        self.l_araddr.next = self.own.l_araddr.val();
        self.l_arlen.next = self.own.l_arlen.val();
        self.l_arid.next = self.own.l_arid.val();
        self.own.l_rvalid.next = self.l_rvalid.val();
        self.l_rready.next = self.own.l_rready.val();
        self.own.l_rid.next = self.l_rid.val();
        self.own.l_rresp.next = self.l_rresp.val();
        self.own.l_rlast.next = self.l_rlast.val();
        self.l_awvalid.next = self.own.l_awvalid.val();
        self.own.l_awready.next = self.l_awready.val();
        self.l_awaddr.next = self.own.l_awaddr.val();
        self.l_awlen.next = self.own.l_awlen.val();
        self.l_awid.next = self.own.l_awid.val();
        self.l_wvalid.next = self.own.l_wvalid.val();
        self.own.l_wready.next = self.l_wready.val();
        self.l_wlast.next = self.own.l_wlast.val();
        self.own.l_bvalid.next = self.l_bvalid.val();
        self.l_bready.next = self.own.l_bready.val();
        self.own.l_bid.next = self.l_bid.val();
        self.own.l_bresp.next = self.l_bresp.val();
        for i in 0..self._line_words {
            self.own.l_rdata[i].next = self.l_rdata[i].val();
            self.l_wdata[i].next = self.own.l_wdata[i].val();
            self.l_wstrb[i].next = self.own.l_wstrb[i].val();
        }
    }
}
