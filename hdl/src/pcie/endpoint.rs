//! The endpoint: everything between the hard block's streams and the card.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Msix, ReadEngine, Receive, Target, Transmit, WriteEngine};

/// Where a function-level reset stands.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum ResetState {
    /// There is none.
    Run,
    /// What is begun is ended.
    Closing,
    /// Everything is forgotten.
    Clear,
    /// It is done.
    Done,
}

/// The transaction layer of the card.
///
/// ```text
///            +---------+ requests  +--------+---> reg_*  registers of the card
/// rx_*  ---->| Receive |---------->| Target |---> w_*    card memory, AXI4
///            +---------+           +--------+---> Msix
///                 | completions        | completions
///                 v                    v
/// h_ar,h_r  +------------+        +----------+
///  <------->| ReadEngine |------->|          |
///           +------------+        |          |
/// h_aw,h_w  +-------------+       | Transmit |----> tx_*
///  <------->| WriteEngine |------>|          |
///           +-------------+       |          |
/// events -----> Msix ------------>|          |
///                                 +----------+
/// ```
///
/// `h_*` is where the card reaches the host: AXI4 in bursts of whole lines, answered in their
/// order, with the cause of an error in `h_ruser` and `h_buser` ([`super::cause`]).
///
/// `rx_*` and `tx_*` are streams of packets as a hard block of Xilinx' 7 series gives and takes
/// them; of its side signals `cfg_id` is `{cfg_bus_number, cfg_device_number,
/// cfg_function_number}`, `cfg_bus_master` bit 2 of `cfg_command`, `cfg_max_payload` and
/// `cfg_max_read` bits 7:5 and 14:12 of `cfg_dcontrol`, `cfg_msix_enable` is
/// `cfg_interrupt_msixenable`, `cfg_msix_mask` `cfg_interrupt_msixfm`, `flr`
/// `cfg_received_func_lvl_rst`.
///
/// No packet may carry a digest (ECRC): one whose TD bit is set is dropped, a request as much as a
/// completion. The hard block must take digests off, which that of the 7 series (`PCIE_2_1`) does
/// with its attribute `ENABLE_RX_TD_ECRC_TRIM`.
///
/// `reset` is for a link that is down: packets that were begun are not finished, on either stream,
/// and the hard block must forget what it has of them. Tags that are owed stay so ([`ReadEngine`]),
/// because answers may still come.
///
/// A function-level reset (`flr`, a pulse or a level) ends the packet that is being sent and the
/// request that the target works on; requests that come meanwhile are consumed and dropped, and no
/// packet begins. Then everything is forgotten: requests that wait, completions and interrupts
/// that were not begun, DMA (but for the tags that are owed), the MSI-X table, and the card by
/// `card_reset`. `flr_done` stays until `flr` falls; until then the endpoint is deaf.
#[derive(LogicBlock)]
pub struct Endpoint {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything at once; the hard block begins anew, too.
    pub reset: Signal<In, Bit>,
    /// Function-level reset.
    pub flr: Signal<In, Bit>,
    /// The function-level reset is done.
    pub flr_done: Signal<Out, Bit>,
    /// Reset the card, now or with `reset`.
    pub card_reset: Signal<Out, Bit>,
    /// A packet is under way in either direction, but for completions, or a reset.
    pub active: Signal<Out, Bit>,
    /// Bus, device and function.
    pub cfg_id: Signal<In, Bits<16>>,
    /// The card may send requests.
    pub cfg_bus_master: Signal<In, Bit>,
    /// Max_Payload_Size: 0 for 128 bytes, 1 for 256, others for 512.
    pub cfg_max_payload: Signal<In, Bits<3>>,
    /// Max_Read_Request_Size: 0 for 128 bytes and so on; at most 512 are used.
    pub cfg_max_read: Signal<In, Bits<3>>,
    /// MSI-X Enable.
    pub cfg_msix_enable: Signal<In, Bit>,
    /// Function Mask of MSI-X.
    pub cfg_msix_mask: Signal<In, Bit>,
    /// Received stream.
    pub rx_valid: Signal<In, Bit>,
    /// The beat is taken.
    pub rx_ready: Signal<Out, Bit>,
    /// Last of its packet.
    pub rx_last: Signal<In, Bit>,
    /// Words that count.
    pub rx_keep: Signal<In, Bits<4>>,
    /// The words.
    pub rx_data: Vec<Signal<In, Bits<32>>>,
    /// The BAR that a request hits, one-hot, with the first beat.
    pub rx_bar: Signal<In, Bits<7>>,
    /// Sent stream.
    pub tx_valid: Signal<Out, Bit>,
    /// The beat is taken.
    pub tx_ready: Signal<In, Bit>,
    /// Last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Words that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The words.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    /// Write a register.
    pub reg_write: Signal<Out, Bit>,
    /// Read a register.
    pub reg_read: Signal<Out, Bit>,
    /// Offset of the register.
    pub reg_addr: Signal<Out, Bits<12>>,
    /// Value to write.
    pub reg_wdata: Signal<Out, Bits<32>>,
    /// Bytes of it that count.
    pub reg_strobes: Signal<Out, Bits<4>>,
    /// Value read, in the cycle after `reg_read`.
    pub reg_rdata: Signal<In, Bits<32>>,
    /// Interrupts, each a cycle long; bit `i` is vector `i`.
    pub events: Signal<In, Bits<8>>,
    /// Cycles after which an unanswered read fails; 0: never. The longest one that a read has had
    /// decides how long a tag without an answer rests ([`ReadEngine`]).
    pub link_timeout: Signal<In, Bits<32>>,
    /// What the counters of the link count, in the order of the contract.
    pub link_ticks: Signal<Out, Bits<6>>,
    /// Host: read address channel.
    pub h_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub h_arready: Signal<Out, Bit>,
    /// Byte address of the first line.
    pub h_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub h_arlen: Signal<In, Bits<8>>,
    /// Read data channel.
    pub h_rvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub h_rready: Signal<In, Bit>,
    /// Line, 32-bit words.
    pub h_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub h_rresp: Signal<Out, Bits<2>>,
    /// Why.
    pub h_ruser: Signal<Out, Bits<3>>,
    /// Last line of its burst.
    pub h_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub h_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub h_awready: Signal<Out, Bit>,
    /// Byte address of the first line.
    pub h_awaddr: Signal<In, Bits<64>>,
    /// Write data channel.
    pub h_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub h_wready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub h_wdata: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub h_wstrb: Vec<Signal<In, Bits<4>>>,
    /// Last line of its burst.
    pub h_wlast: Signal<In, Bit>,
    /// Write response channel.
    pub h_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub h_bready: Signal<In, Bit>,
    /// Not 0: a part of the burst was not written.
    pub h_bresp: Signal<Out, Bits<2>>,
    /// Why.
    pub h_buser: Signal<Out, Bits<3>>,
    /// Card memory: read address channel.
    pub w_arvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_arready: Signal<In, Bit>,
    /// Offset in the window.
    pub w_araddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub w_arlen: Signal<Out, Bits<8>>,
    /// Read data channel.
    pub w_rvalid: Signal<In, Bit>,
    /// The line is taken.
    pub w_rready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub w_rdata: Vec<Signal<In, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub w_rresp: Signal<In, Bits<2>>,
    /// Write address channel.
    pub w_awvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_awready: Signal<In, Bit>,
    /// Offset in the window.
    pub w_awaddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub w_awlen: Signal<Out, Bits<8>>,
    /// Write data channel.
    pub w_wvalid: Signal<Out, Bit>,
    /// Memory takes the line.
    pub w_wready: Signal<In, Bit>,
    /// Line, 32-bit words.
    pub w_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Bytes of each word that count.
    pub w_wstrb: Vec<Signal<Out, Bits<4>>>,
    /// Last line of its burst.
    pub w_wlast: Signal<Out, Bit>,
    /// Write response channel.
    pub w_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub w_bready: Signal<Out, Bit>,
    receive: Receive,
    target: Target,
    msix: Msix,
    read: ReadEngine,
    write: WriteEngine,
    transmit: Transmit,
    state: DFF<ResetState>,
    closed: Signal<Local, Bit>,
    forget: Signal<Local, Bit>,
    lines: Signal<Local, Bits<14>>,
    tick: Vec<Signal<Local, Bit>>,
    ticks: Vec<Signal<Local, Bits<6>>>,
    tick_bit: Vec<Constant<Bits<6>>>,
    _words: usize,
    _line: usize,
    _line_log2: u64,
    _line_log2_end: u64,
}

impl Endpoint {
    /// For beats of `words` words (2 or 4), lines of `port_bytes` (16 or 32), `vectors` interrupts
    /// (1 to 8), and a window to card memory of 2 to the power of `memory_log2` bytes (12 to 32),
    /// if there is one. Tags without an answer rest as if no timeout had been shorter than
    /// `rest_timeout`.
    ///
    /// # Panics
    /// If one of the numbers is not as told here.
    pub fn new(
        words: usize,
        port_bytes: usize,
        vectors: usize,
        memory_log2: Option<u32>,
        rest_timeout: u32,
    ) -> Self {
        assert!(
            port_bytes == 16 || port_bytes == 32,
            "lines of 16 or 32 bytes"
        );
        let line = port_bytes / 4;
        let inputs = |count: usize| (0..count).map(|_| Signal::default()).collect();
        let outputs = |count: usize| (0..count).map(|_| Signal::default()).collect();
        let strobes_in = |count: usize| (0..count).map(|_| Signal::default()).collect();
        let strobes_out = |count: usize| (0..count).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            flr: Default::default(),
            flr_done: Default::default(),
            card_reset: Default::default(),
            active: Default::default(),
            cfg_id: Default::default(),
            cfg_bus_master: Default::default(),
            cfg_max_payload: Default::default(),
            cfg_max_read: Default::default(),
            cfg_msix_enable: Default::default(),
            cfg_msix_mask: Default::default(),
            rx_valid: Default::default(),
            rx_ready: Default::default(),
            rx_last: Default::default(),
            rx_keep: Default::default(),
            rx_data: inputs(words),
            rx_bar: Default::default(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: outputs(words),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_strobes: Default::default(),
            reg_rdata: Default::default(),
            events: Default::default(),
            link_timeout: Default::default(),
            link_ticks: Default::default(),
            h_arvalid: Default::default(),
            h_arready: Default::default(),
            h_araddr: Default::default(),
            h_arlen: Default::default(),
            h_rvalid: Default::default(),
            h_rready: Default::default(),
            h_rdata: outputs(line),
            h_rresp: Default::default(),
            h_ruser: Default::default(),
            h_rlast: Default::default(),
            h_awvalid: Default::default(),
            h_awready: Default::default(),
            h_awaddr: Default::default(),
            h_wvalid: Default::default(),
            h_wready: Default::default(),
            h_wdata: inputs(line),
            h_wstrb: strobes_in(line),
            h_wlast: Default::default(),
            h_bvalid: Default::default(),
            h_bready: Default::default(),
            h_bresp: Default::default(),
            h_buser: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_arlen: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: inputs(line),
            w_rresp: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_awlen: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_wdata: outputs(line),
            w_wstrb: strobes_out(line),
            w_wlast: Default::default(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            receive: Receive::new(words),
            target: Target::new(words, port_bytes, memory_log2),
            msix: Msix::new(words, vectors),
            read: ReadEngine::new(words, port_bytes, rest_timeout),
            write: WriteEngine::new(words, port_bytes),
            transmit: Transmit::new(words),
            state: Default::default(),
            closed: Default::default(),
            forget: Default::default(),
            lines: Default::default(),
            tick: (0..6).map(|_| Signal::default()).collect(),
            ticks: (0..7).map(|_| Signal::default()).collect(),
            tick_bit: (0..6)
                .map(|bit| Constant::new((1u64 << bit).into()))
                .collect(),
            _words: words,
            _line: line,
            _line_log2: u64::from(port_bytes.ilog2()),
            _line_log2_end: u64::from(port_bytes.ilog2()) + 1,
        }
    }
}

impl Logic for Endpoint {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state);
        self.receive.clock.next = self.clock.val();
        self.target.clock.next = self.clock.val();
        self.msix.clock.next = self.clock.val();
        self.read.clock.next = self.clock.val();
        self.write.clock.next = self.clock.val();
        self.transmit.clock.next = self.clock.val();

        // Resets.
        self.closed.next = self.state.q.val() != ResetState::Run;
        self.forget.next = self.reset.val() | (self.state.q.val() == ResetState::Clear);
        self.receive.reset.next = self.reset.val();
        self.receive.closed.next = self.closed.val();
        self.receive.clear.next = self.forget.val();
        self.target.reset.next = self.forget.val();
        self.target.hold.next = self.closed.val();
        self.msix.reset.next = self.forget.val();
        // Before a function-level reset all packets are out; with the pin the link is reset as well.
        self.read.reset.next = self.forget.val();
        self.read.link_down.next = self.reset.val();
        self.write.reset.next = self.forget.val();
        self.write.link_down.next = self.reset.val();
        self.transmit.reset.next = self.forget.val();
        self.transmit.hold.next = self.closed.val();
        self.flr_done.next = self.state.q.val() == ResetState::Done;
        self.card_reset.next = self.forget.val() | (self.state.q.val() == ResetState::Done);
        self.active.next = self.closed.val()
            | self.receive.write_valid.val()
            | self.receive.ask_valid.val()
            | (!self.target.idle.val())
            | (!self.transmit.idle.val());
        match self.state.q.val() {
            ResetState::Run => {
                if self.flr.val() {
                    self.state.d.next = ResetState::Closing;
                }
            }
            ResetState::Closing => {
                if self.target.idle.val() & self.transmit.idle.val() {
                    self.state.d.next = ResetState::Clear;
                }
            }
            ResetState::Clear => {
                self.state.d.next = ResetState::Done;
            }
            ResetState::Done => {
                if !self.flr.val() {
                    self.state.d.next = ResetState::Run;
                }
            }
            _ => {}
        }
        if self.reset.val() {
            self.state.d.next = ResetState::Run;
        }

        // Configuration.
        self.receive.cfg_id.next = self.cfg_id.val();
        self.target.cfg_id.next = self.cfg_id.val();
        self.msix.cfg_id.next = self.cfg_id.val();
        self.read.cfg_id.next = self.cfg_id.val();
        self.write.cfg_id.next = self.cfg_id.val();
        self.msix.cfg_bus_master.next = self.cfg_bus_master.val();
        self.read.cfg_bus_master.next = self.cfg_bus_master.val();
        self.write.cfg_bus_master.next = self.cfg_bus_master.val();
        self.target.cfg_max_payload.next = self.cfg_max_payload.val();
        self.write.cfg_max_payload.next = self.cfg_max_payload.val();
        self.read.cfg_max_read.next = self.cfg_max_read.val();
        self.msix.cfg_msix_enable.next = self.cfg_msix_enable.val();
        self.msix.cfg_msix_mask.next = self.cfg_msix_mask.val();
        self.read.timeout.next = self.link_timeout.val();
        self.msix.events.next = self.events.val();

        // What comes in.
        self.receive.rx_valid.next = self.rx_valid.val();
        self.rx_ready.next = self.receive.rx_ready.val();
        self.receive.rx_last.next = self.rx_last.val();
        self.receive.rx_keep.next = self.rx_keep.val();
        self.receive.rx_bar.next = self.rx_bar.val();
        self.read.cpl_valid.next = self.receive.cpl_valid.val();
        self.read.cpl_first.next = self.receive.cpl_first.val();
        self.read.cpl_last.next = self.receive.cpl_last.val();
        self.read.cpl_good.next = self.receive.cpl_good.val();
        self.read.cpl_tag.next = self.receive.cpl_tag.val();
        self.read.cpl_status.next = self.receive.cpl_status.val();
        self.read.cpl_poison.next = self.receive.cpl_poison.val();
        self.read.cpl_bytes.next = self.receive.cpl_bytes.val();
        self.read.cpl_lower.next = self.receive.cpl_lower.val();
        self.read.cpl_count.next = self.receive.cpl_count.val();
        self.target.write_valid.next = self.receive.write_valid.val();
        self.target.write.next = self.receive.write.val();
        self.receive.write_done.next = self.target.write_done.val();
        self.target.word_valid.next = self.receive.word_valid.val();
        self.receive.word_pop.next = self.target.word_pop.val();
        self.target.ask_valid.next = self.receive.ask_valid.val();
        self.target.ask.next = self.receive.ask.val();
        self.receive.ask_pop.next = self.target.ask_pop.val();
        for i in 0..self._words {
            self.receive.rx_data[i].next = self.rx_data[i].val();
            self.read.cpl_data[i].next = self.receive.cpl_data[i].val();
            self.target.word_data[i].next = self.receive.word_data[i].val();
        }

        // Registers and the MSI-X structures.
        self.reg_write.next = self.target.reg_write.val();
        self.reg_read.next = self.target.reg_read.val();
        self.reg_addr.next = self.target.reg_addr.val();
        self.reg_wdata.next = self.target.reg_wdata.val();
        self.reg_strobes.next = self.target.reg_strobes.val();
        self.target.reg_rdata.next = self.reg_rdata.val();
        self.msix.write.next = self.target.table_write.val();
        self.msix.read.next = self.target.table_read.val();
        self.msix.addr.next = self.target.table_addr.val();
        self.msix.wdata.next = self.target.reg_wdata.val();
        self.msix.strobes.next = self.target.reg_strobes.val();
        self.target.table_rdata.next = self.msix.rdata.val();

        // Card memory.
        self.w_arvalid.next = self.target.w_arvalid.val();
        self.target.w_arready.next = self.w_arready.val();
        self.w_araddr.next = self.target.w_araddr.val();
        self.w_arlen.next = self.target.w_arlen.val();
        self.target.w_rvalid.next = self.w_rvalid.val();
        self.w_rready.next = self.target.w_rready.val();
        self.target.w_rresp.next = self.w_rresp.val();
        self.w_awvalid.next = self.target.w_awvalid.val();
        self.target.w_awready.next = self.w_awready.val();
        self.w_awaddr.next = self.target.w_awaddr.val();
        self.w_awlen.next = self.target.w_awlen.val();
        self.w_wvalid.next = self.target.w_wvalid.val();
        self.target.w_wready.next = self.w_wready.val();
        self.w_wlast.next = self.target.w_wlast.val();
        self.target.w_bvalid.next = self.w_bvalid.val();
        self.w_bready.next = self.target.w_bready.val();

        // The host as the card's memory.
        self.read.ar_valid.next = self.h_arvalid.val();
        self.h_arready.next = self.read.ar_ready.val();
        self.read.ar_addr.next = self.h_araddr.val();
        self.lines.next = bit_cast::<14, 8>(self.h_arlen.val()) + 1;
        for k in self._line_log2..self._line_log2_end {
            self.read.ar_bytes.next = self.lines.val() << k;
        }
        self.read.ar_id.next = 0.into();
        self.h_rvalid.next = self.read.r_valid.val();
        self.read.r_ready.next = self.h_rready.val();
        self.h_rresp.next = self.read.r_resp.val();
        self.h_ruser.next = self.read.r_user.val();
        self.h_rlast.next = self.read.r_last.val();
        self.write.aw_valid.next = self.h_awvalid.val();
        self.h_awready.next = self.write.aw_ready.val();
        self.write.aw_addr.next = self.h_awaddr.val();
        self.write.aw_id.next = 0.into();
        self.write.w_valid.next = self.h_wvalid.val();
        self.h_wready.next = self.write.w_ready.val();
        self.write.w_last.next = self.h_wlast.val();
        self.h_bvalid.next = self.write.b_valid.val();
        self.write.b_ready.next = self.h_bready.val();
        self.h_bresp.next = self.write.b_resp.val();
        self.h_buser.next = self.write.b_user.val();
        for i in 0..self._line {
            self.target.w_rdata[i].next = self.w_rdata[i].val();
            self.w_wdata[i].next = self.target.w_wdata[i].val();
            self.w_wstrb[i].next = self.target.w_wstrb[i].val();
            self.h_rdata[i].next = self.read.r_data[i].val();
            self.write.w_data[i].next = self.h_wdata[i].val();
            self.write.w_strobes[i].next = self.h_wstrb[i].val();
        }

        // What goes out.
        self.transmit.cpl_valid.next = self.target.tx_valid.val();
        self.transmit.cpl_last.next = self.target.tx_last.val();
        self.transmit.cpl_keep.next = self.target.tx_keep.val();
        self.target.tx_ready.next = self.transmit.cpl_ready.val();
        self.transmit.msix_valid.next = self.msix.tx_valid.val();
        self.transmit.msix_last.next = self.msix.tx_last.val();
        self.transmit.msix_keep.next = self.msix.tx_keep.val();
        self.msix.tx_ready.next = self.transmit.msix_ready.val();
        self.transmit.write_valid.next = self.write.tx_valid.val();
        self.transmit.write_last.next = self.write.tx_last.val();
        self.transmit.write_keep.next = self.write.tx_keep.val();
        self.write.tx_ready.next = self.transmit.write_ready.val();
        self.transmit.read_valid.next = self.read.tx_valid.val();
        self.transmit.read_last.next = self.read.tx_last.val();
        self.transmit.read_keep.next = self.read.tx_keep.val();
        self.read.tx_ready.next = self.transmit.read_ready.val();
        self.tx_valid.next = self.transmit.tx_valid.val();
        self.transmit.tx_ready.next = self.tx_ready.val();
        self.tx_last.next = self.transmit.tx_last.val();
        self.tx_keep.next = self.transmit.tx_keep.val();
        for i in 0..self._words {
            self.transmit.cpl_data[i].next = self.target.tx_data[i].val();
            self.transmit.msix_data[i].next = self.msix.tx_data[i].val();
            self.transmit.write_data[i].next = self.write.tx_data[i].val();
            self.transmit.read_data[i].next = self.read.tx_data[i].val();
            self.tx_data[i].next = self.transmit.tx_data[i].val();
        }

        // Counters.
        self.tick[0].next = self.read.tick_requests.val();
        self.tick[1].next = self.read.tick_beats.val();
        self.tick[2].next = self.read.tick_tags.val();
        self.tick[3].next = self.write.tick_requests.val();
        self.tick[4].next = self.write.tick_beats.val();
        self.tick[5].next = self.transmit.tx_valid.val() & (!self.tx_ready.val());
        self.ticks[0].next = 0.into();
        for i in 0..6 {
            self.ticks[i + 1].next = self.ticks[i].val();
            if self.tick[i].val() {
                self.ticks[i + 1].next = self.ticks[i].val() | self.tick_bit[i].val();
            }
        }
        self.link_ticks.next = self.ticks[6].val();
    }
}
