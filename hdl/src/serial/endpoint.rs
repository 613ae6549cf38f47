//! The serial endpoint: everything between the bytes and the card.

use isa::serial::CardMessage;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::executor::card_code;
use super::{Executor, Link, Poster};

/// What [`crate::pcie::Endpoint`] is for a card that has no PCI Express.
///
/// ```text
///           +------+ messages  +----------+---> reg_*            registers of the card
/// rx_* ---->|      |---------->| Executor |---> w_aw,w_w,w_b     card memory, AXI4
///           |      |           +----------+---> h_r              lines of the host's memory
///           | Link |      answers |  ^ reads that are owed
///           |      |              v  |
///           |      | messages  +----------+<--- events           interrupts
/// tx_* <----|      |<----------|  Poster  |<--> h_ar,h_aw,h_w,h_b
///           +------+           +----------+<--> w_ar,w_r
/// ```
///
/// * `rx_*` is taken at any time, `rx_bad` tells of a byte that was lost; `tx_*` stays until it is
///   taken. The contract of the bytes is [`isa::serial`].
/// * `h_*` is where the card reaches the host: AXI4 in bursts of whole lines that do not cross
///   4 KiB, answered in their order, with the cause of an error in `h_ruser`. Writes cannot fail:
///   they are answered when they belong to the link.
/// * `w_*` are bursts of one line. After `card_reset` memory gets no more of a burst that was begun,
///   and whoever stands between ([`crate::pcie::LocalPort`]) ends it.
/// * `card_reset` comes with a hello of the host and with its wish for a reset; before the first
///   hello nothing of the host is understood, and what the card asks for waits.
#[derive(LogicBlock)]
pub struct SerialEndpoint {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything, the session too.
    pub reset: Signal<In, Bit>,
    /// Reset the card, for a cycle, or with `reset`.
    pub card_reset: Signal<Out, Bit>,
    /// Something is under way that does not wait for the host.
    pub active: Signal<Out, Bit>,
    /// The host has said hello.
    pub session: Signal<Out, Bit>,
    /// A frame has come, or one begins to go: a cycle long.
    pub traffic: Signal<Out, Bit>,
    /// A frame was spoiled or a message refused since the hello, or since the reset.
    pub error: Signal<Out, Bit>,
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
    /// Write a register.
    pub reg_write: Signal<Out, Bit>,
    /// Read a register.
    pub reg_read: Signal<Out, Bit>,
    /// Offset of the register.
    pub reg_addr: Signal<Out, Bits<12>>,
    /// Value to write.
    pub reg_wdata: Signal<Out, Bits<32>>,
    /// Value read, in the cycle after `reg_read`.
    pub reg_rdata: Signal<In, Bits<32>>,
    /// Interrupts, each a cycle long; bit `i` is that of queue `i`.
    pub events: Signal<In, Bits<8>>,
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
    /// Quarters of the line that count, the first ones.
    pub h_wquarters: Signal<In, Bits<4>>,
    /// Last line of its burst.
    pub h_wlast: Signal<In, Bit>,
    /// Write response channel; there are no errors.
    pub h_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub h_bready: Signal<In, Bit>,
    /// Card memory: read address channel.
    pub w_arvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_arready: Signal<In, Bit>,
    /// Byte address of the line.
    pub w_araddr: Signal<Out, Bits<32>>,
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
    /// Byte address of the line.
    pub w_awaddr: Signal<Out, Bits<32>>,
    /// Write data channel.
    pub w_wvalid: Signal<Out, Bit>,
    /// Memory takes the line.
    pub w_wready: Signal<In, Bit>,
    /// Line, 32-bit words; all bytes count.
    pub w_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Write response channel.
    pub w_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub w_bready: Signal<Out, Bit>,
    link: Link,
    executor: Executor,
    poster: Poster,
    wrong: DFF<Bit>,
    forget: Signal<Local, Bit>,
    refused: Signal<Local, Bit>,
    refused_kind: Constant<Bits<3>>,
    _line: usize,
}

impl SerialEndpoint {
    /// For lines of `port_bytes` (16 or 32) and 2 to the power of `memory_log2` bytes of card
    /// memory (12 to 32), if there is any. What the host does not acknowledge for `resend` cycles
    /// is sent anew.
    ///
    /// # Panics
    /// If one of the numbers is not as told here.
    pub fn new(port_bytes: usize, memory_log2: Option<u32>, resend: u32) -> Self {
        let line = port_bytes / 4;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            card_reset: Default::default(),
            active: Default::default(),
            session: Default::default(),
            traffic: Default::default(),
            error: Default::default(),
            rx_valid: Default::default(),
            rx_data: Default::default(),
            rx_bad: Default::default(),
            tx_valid: Default::default(),
            tx_data: Default::default(),
            tx_ready: Default::default(),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_rdata: Default::default(),
            events: Default::default(),
            h_arvalid: Default::default(),
            h_arready: Default::default(),
            h_araddr: Default::default(),
            h_arlen: Default::default(),
            h_rvalid: Default::default(),
            h_rready: Default::default(),
            h_rdata: (0..line).map(|_| Default::default()).collect(),
            h_rresp: Default::default(),
            h_ruser: Default::default(),
            h_rlast: Default::default(),
            h_awvalid: Default::default(),
            h_awready: Default::default(),
            h_awaddr: Default::default(),
            h_wvalid: Default::default(),
            h_wready: Default::default(),
            h_wdata: (0..line).map(|_| Default::default()).collect(),
            h_wquarters: Default::default(),
            h_wlast: Default::default(),
            h_bvalid: Default::default(),
            h_bready: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: (0..line).map(|_| Default::default()).collect(),
            w_rresp: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_wdata: (0..line).map(|_| Default::default()).collect(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            link: Link::new(port_bytes, resend),
            executor: Executor::new(port_bytes, memory_log2),
            poster: Poster::new(port_bytes),
            wrong: Default::default(),
            forget: Default::default(),
            refused: Default::default(),
            refused_kind: Constant::new(card_code(CardMessage::Refused)),
            _line: line,
        }
    }
}

impl Logic for SerialEndpoint {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, wrong);
        self.link.clock.next = self.clock.val();
        self.executor.clock.next = self.clock.val();
        self.poster.clock.next = self.clock.val();

        // Resets.
        self.forget.next = self.reset.val() | self.link.restart.val();
        self.link.reset.next = self.reset.val();
        self.executor.reset.next = self.forget.val();
        self.poster.reset.next = self.forget.val() | self.executor.card_reset.val();
        self.card_reset.next = self.forget.val() | self.executor.card_reset.val();

        // Bytes and messages.
        self.link.rx_valid.next = self.rx_valid.val();
        self.link.rx_data.next = self.rx_data.val();
        self.link.rx_bad.next = self.rx_bad.val();
        self.tx_valid.next = self.link.tx_valid.val();
        self.tx_data.next = self.link.tx_data.val();
        self.link.tx_ready.next = self.tx_ready.val();
        self.executor.message_valid.next = self.link.message_valid.val();
        self.executor.message_length.next = self.link.message_length.val();
        self.link.start.next = self.executor.start.val();
        self.executor.data_valid.next = self.link.data_valid.val();
        self.executor.data.next = self.link.data.val();
        self.link.data_take.next = self.executor.data_take.val();
        self.link.message_done.next = self.executor.message_done.val();
        // Nothing is begun before a hello.
        self.poster.room.next = self.link.room.val() & self.link.session.val();
        self.link.write.next = self.poster.write.val();
        self.link.write_at.next = self.poster.write_at.val();
        self.link.write_data.next = self.poster.write_data.val();
        self.link.commit.next = self.poster.commit.val();
        self.link.commit_length.next = self.poster.commit_length.val();

        // Answers, and reads that are owed.
        self.poster.answer_valid.next = self.executor.answer_valid.val();
        self.poster.answer_kind.next = self.executor.answer_kind.val();
        self.poster.answer_value.next = self.executor.answer_value.val();
        self.poster.answer_address.next = self.executor.answer_address.val();
        self.poster.answer_last.next = self.executor.answer_last.val();
        self.executor.answer_next.next = self.poster.answer_next.val();
        self.executor.answer_done.next = self.poster.answer_done.val();
        self.executor.read_push.next = self.poster.read_push.val();
        self.executor.read_lines.next = self.poster.read_lines.val();
        self.poster.read_room.next = self.executor.read_room.val();

        // The card.
        self.reg_write.next = self.executor.reg_write.val();
        self.reg_read.next = self.executor.reg_read.val();
        self.reg_addr.next = self.executor.reg_addr.val();
        self.reg_wdata.next = self.executor.reg_wdata.val();
        self.executor.reg_rdata.next = self.reg_rdata.val();
        self.poster.events.next = self.events.val();
        self.poster.h_arvalid.next = self.h_arvalid.val();
        self.h_arready.next = self.poster.h_arready.val();
        self.poster.h_araddr.next = self.h_araddr.val();
        self.poster.h_arlen.next = self.h_arlen.val();
        self.h_rvalid.next = self.executor.h_rvalid.val();
        self.executor.h_rready.next = self.h_rready.val();
        self.h_rresp.next = self.executor.h_rresp.val();
        self.h_ruser.next = self.executor.h_ruser.val();
        self.h_rlast.next = self.executor.h_rlast.val();
        self.poster.h_awvalid.next = self.h_awvalid.val();
        self.h_awready.next = self.poster.h_awready.val();
        self.poster.h_wvalid.next = self.h_wvalid.val();
        self.poster.h_awaddr.next = self.h_awaddr.val();
        self.h_wready.next = self.poster.h_wready.val();
        self.poster.h_wquarters.next = self.h_wquarters.val();
        self.poster.h_wlast.next = self.h_wlast.val();
        self.h_bvalid.next = self.poster.h_bvalid.val();
        self.poster.h_bready.next = self.h_bready.val();

        // Card memory.
        self.w_arvalid.next = self.poster.w_arvalid.val();
        self.poster.w_arready.next = self.w_arready.val();
        self.w_araddr.next = self.poster.w_araddr.val();
        self.poster.w_rvalid.next = self.w_rvalid.val();
        self.w_rready.next = self.poster.w_rready.val();
        self.poster.w_rresp.next = self.w_rresp.val();
        self.w_awvalid.next = self.executor.w_awvalid.val();
        self.executor.w_awready.next = self.w_awready.val();
        self.w_awaddr.next = self.executor.w_awaddr.val();
        self.w_wvalid.next = self.executor.w_wvalid.val();
        self.executor.w_wready.next = self.w_wready.val();
        self.executor.w_bvalid.next = self.w_bvalid.val();
        self.w_bready.next = self.executor.w_bready.val();
        for i in 0..self._line {
            self.h_rdata[i].next = self.executor.line[i].val();
            self.w_wdata[i].next = self.executor.line[i].val();
            self.poster.h_wdata[i].next = self.h_wdata[i].val();
            self.poster.w_rdata[i].next = self.w_rdata[i].val();
        }

        // What people see.
        self.session.next = self.link.session.val();
        self.traffic.next = self.link.traffic.val();
        self.refused.next = self.executor.answer_valid.val()
            & (self.executor.answer_kind.val() == self.refused_kind.val());
        if self.link.spoiled.val() | self.refused.val() {
            self.wrong.d.next = true;
        }
        self.error.next = self.wrong.q.val();
        self.active.next =
            self.link.active.val() | self.executor.active.val() | self.poster.active.val();
        if self.forget.val() {
            self.wrong.d.next = false;
        }
    }
}
