//! DMA writes: lines in, memory writes out.

use rust_hdl_core::prelude::*;

use super::banks::Banks;
use super::cause;
use super::gather::Gather;
use super::packet::{Packet, Receipt};
use super::post::{ANSWERS, Post};
use crate::mem::Fifo;

/// Bytes of payload that may be under way: enough to gather some packets while one waits.
const PAYLOAD_BYTES: usize = 2048;
/// Packets that may wait for the one that is being sent.
const PACKETS: usize = 8;

/// Writes host memory over PCI Express.
///
/// ```text
/// aw_valid, aw_addr, aw_id           ->|             |-> tx_*  (tx_ready)
/// w_valid, w_data, w_strobes, w_last ->| WriteEngine |-> b_valid, b_id, b_resp, b_user
/// aw_ready, w_ready                  <-|             |<- b_ready
/// cfg_*                              ->|             |-> tick_*
/// ```
///
/// * Bursts of lines become memory writes (`Gather`) that are sent when their payload is
///   complete (`Post`): a beat a cycle while the next ones are gathered. Of an address the part
///   within a line is ignored; a burst ends with `w_last`.
/// * A burst is answered, in the order of the bursts, when its last packet is taken. `b_resp` is 2
///   and `b_user` 5 when a part of it was dropped because bus master was off.
/// * `reset` forgets everything. A packet whose first beat was taken is finished first; one that is
///   only offered is withdrawn, in a reset and when bus master falls. With `link_down` nothing is
///   finished: the link has forgotten the first beat as well.
#[derive(LogicBlock)]
pub struct WriteEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// Forget the packet that is being sent, too; only with `reset`.
    pub link_down: Signal<In, Bit>,
    /// Bus, device and function.
    pub cfg_id: Signal<In, Bits<16>>,
    /// Writes may be sent.
    pub cfg_bus_master: Signal<In, Bit>,
    /// Max_Payload_Size as in the device control register: 0 is 128 bytes, 1 256, 2 and all others
    /// 512. It must not change while a burst is under way.
    pub cfg_max_payload: Signal<In, Bits<3>>,
    /// A burst is offered.
    pub aw_valid: Signal<In, Bit>,
    /// Address of its first line.
    pub aw_addr: Signal<In, Bits<64>>,
    /// Its identifier.
    pub aw_id: Signal<In, Bits<4>>,
    /// The burst is taken.
    pub aw_ready: Signal<Out, Bit>,
    /// A line is offered.
    pub w_valid: Signal<In, Bit>,
    /// The line, words of the lowest address first.
    pub w_data: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that are written.
    pub w_strobes: Vec<Signal<In, Bits<4>>>,
    /// It is the last of its burst.
    pub w_last: Signal<In, Bit>,
    /// The line is taken.
    pub w_ready: Signal<Out, Bit>,
    /// A burst has ended.
    pub b_valid: Signal<Out, Bit>,
    /// Its identifier.
    pub b_id: Signal<Out, Bits<4>>,
    /// 0, or 2 when a part of it was dropped.
    pub b_resp: Signal<Out, Bits<2>>,
    /// Why.
    pub b_user: Signal<Out, Bits<3>>,
    /// The answer is taken.
    pub b_ready: Signal<In, Bit>,
    /// A beat of a packet is offered.
    pub tx_valid: Signal<Out, Bit>,
    /// It is the last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Doublewords that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The doublewords.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    /// The beat is taken.
    pub tx_ready: Signal<In, Bit>,
    /// A packet was sent.
    pub tick_requests: Signal<Out, Bit>,
    /// A beat of one was sent.
    pub tick_beats: Signal<Out, Bit>,
    gather: Gather,
    payload: Banks,
    packets: Fifo<Packet>,
    post: Post,
    answers: Fifo<Receipt>,
    answer_taken: Signal<Local, Bit>,
    bus_master_off: Constant<Bits<3>>,
    _words: usize,
    _banks: usize,
}

impl WriteEngine {
    /// For beats of `words` doublewords (2 or 4) and lines of `port_bytes` (16 or 32).
    pub fn new(words: usize, port_bytes: usize) -> Self {
        let banks = port_bytes / 4;
        let lines = PAYLOAD_BYTES / port_bytes;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            link_down: Default::default(),
            cfg_id: Default::default(),
            cfg_bus_master: Default::default(),
            cfg_max_payload: Default::default(),
            aw_valid: Default::default(),
            aw_addr: Default::default(),
            aw_id: Default::default(),
            aw_ready: Default::default(),
            w_valid: Default::default(),
            w_data: (0..banks).map(|_| Signal::default()).collect(),
            w_strobes: (0..banks).map(|_| Signal::default()).collect(),
            w_last: Default::default(),
            w_ready: Default::default(),
            b_valid: Default::default(),
            b_id: Default::default(),
            b_resp: Default::default(),
            b_user: Default::default(),
            b_ready: Default::default(),
            tx_valid: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            tx_ready: Default::default(),
            tick_requests: Default::default(),
            tick_beats: Default::default(),
            gather: Gather::new(port_bytes, lines),
            payload: Banks::new(lines, banks),
            packets: Fifo::new(PACKETS),
            post: Post::new(words, port_bytes),
            answers: Fifo::new(ANSWERS),
            answer_taken: Default::default(),
            bus_master_off: Constant::new(cause::BUS_MASTER_OFF.into()),
            _words: words,
            _banks: banks,
        }
    }
}

impl Logic for WriteEngine {
    #[hdl_gen]
    fn update(&mut self) {
        // Lines to packets.
        self.gather.clock.next = self.clock.val();
        self.gather.reset.next = self.reset.val();
        self.gather.hold.next = self.post.sweeping.val();
        self.gather.max_payload.next = self.cfg_max_payload.val();
        self.gather.aw_valid.next = self.aw_valid.val();
        self.gather.aw_addr.next = self.aw_addr.val();
        self.gather.aw_id.next = self.aw_id.val();
        self.aw_ready.next = self.gather.aw_ready.val();
        self.gather.w_valid.next = self.w_valid.val();
        self.gather.w_last.next = self.w_last.val();
        self.w_ready.next = self.gather.w_ready.val();
        self.gather.packet_room.next = self.packets.room.val();
        self.gather.free.next = self.post.free.val();
        self.packets.clock.next = self.clock.val();
        self.packets.reset.next = self.reset.val();
        self.packets.push.next = self.gather.packet_valid.val();
        self.packets.push_data.next = self.gather.packet.val();
        self.packets.pop.next = self.post.packet_taken.val();

        // Payload.
        self.payload.clock.next = self.clock.val();
        self.payload.read.next = self.post.read.val();
        for b in 0..self._banks {
            self.gather.w_data[b].next = self.w_data[b].val();
            self.gather.w_strobes[b].next = self.w_strobes[b].val();
            self.payload.write[b].next = self.gather.write.val();
            self.payload.write_line[b].next = self.gather.write_line.val();
            self.payload.write_data[b].next = self.gather.write_data[b].val();
            self.payload.read_line[b].next = self.post.read_line[b].val();
            self.post.read_data[b].next = self.payload.read_data[b].val();
        }

        // Packets to the link.
        self.post.clock.next = self.clock.val();
        self.post.reset.next = self.reset.val();
        self.post.link_down.next = self.link_down.val();
        self.post.bus_master.next = self.cfg_bus_master.val();
        self.post.id.next = self.cfg_id.val();
        self.post.packet_valid.next = self.packets.valid.val();
        self.post.packet.next = self.packets.data.val();
        self.post.fill.next = self.gather.fill.val();
        self.tx_valid.next = self.post.tx_valid.val();
        self.tx_last.next = self.post.tx_last.val();
        self.tx_keep.next = self.post.tx_keep.val();
        for w in 0..self._words {
            self.tx_data[w].next = self.post.tx_data[w].val();
        }
        self.post.tx_ready.next = self.tx_ready.val();
        self.tick_requests.next = self.post.sent.val();
        self.tick_beats.next = self.post.tx_valid.val() & self.tx_ready.val();

        // Answers.
        self.answers.clock.next = self.clock.val();
        self.answers.reset.next = self.reset.val();
        self.answers.push.next = self.post.answer_valid.val();
        self.answers.push_data.next = self.post.answer.val();
        self.answer_taken.next = self.answers.valid.val() & self.b_ready.val();
        self.answers.pop.next = self.answer_taken.val();
        self.post.answer_taken.next = self.answer_taken.val();
        self.b_valid.next = self.answers.valid.val();
        self.b_id.next = self.answers.data.val().id;
        self.b_resp.next = 0.into();
        self.b_user.next = 0.into();
        if self.answers.data.val().failed {
            self.b_resp.next = 2.into();
            self.b_user.next = self.bus_master_off.val();
        }
    }
}
