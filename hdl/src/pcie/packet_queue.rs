//! Queue of whole packets.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::WordQueue;

/// A [`WordQueue`] whose runs are packets, with a stream for a reader: a packet is offered only
/// when it is complete, so there is no gap in it.
///
/// ```text
/// push, push_first, push_count ->|             |-> tx_valid, tx_last, tx_keep
/// push_data[W], start          ->| PacketQueue |-> tx_data[W]
/// commit, drop                 ->|             |<- tx_ready
/// room                         <-|             |
/// ```
///
/// A run begins at lane 0 with the first word of a header, which tells the length of the packet
/// (section 2.2.1); what was put in must agree with it.
#[derive(LogicBlock)]
pub struct PacketQueue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Append words.
    pub push: Signal<In, Bit>,
    /// The first of `push_data` that counts.
    pub push_first: Signal<In, Bits<2>>,
    /// How many words count.
    pub push_count: Signal<In, Bits<3>>,
    /// The words.
    pub push_data: Vec<Signal<In, Bits<32>>>,
    /// This push begins a packet.
    pub start: Signal<In, Bit>,
    /// The packet is complete.
    pub commit: Signal<In, Bit>,
    /// The packet is not wanted.
    pub drop: Signal<In, Bit>,
    /// There is room, as much as the maker of the queue asked for.
    pub room: Signal<Out, Bit>,
    /// A beat of a packet.
    pub tx_valid: Signal<Out, Bit>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// Last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Words that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The words.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    words: WordQueue,
    inside: DFF<Bit>,
    left: DFF<Bits<11>>,
    payload: Signal<Local, Bits<11>>,
    total: Signal<Local, Bits<11>>,
    now: Signal<Local, Bits<11>>,
    ends: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    row: Constant<Bits<11>>,
    all: Constant<Bits<4>>,
    most: Constant<Bits<11>>,
    _words: usize,
}

impl PacketQueue {
    /// A queue of `rows` beats (a power of two) of `words` words, 2 or 4, that has room while
    /// `room_rows` are free.
    pub fn new(words: usize, rows: usize, room_rows: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_first: Default::default(),
            push_count: Default::default(),
            push_data: (0..words).map(|_| Signal::default()).collect(),
            start: Default::default(),
            commit: Default::default(),
            drop: Default::default(),
            room: Default::default(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            words: WordQueue::new(words, rows, room_rows),
            inside: Default::default(),
            left: Default::default(),
            payload: Default::default(),
            total: Default::default(),
            now: Default::default(),
            ends: Default::default(),
            taken: Default::default(),
            row: Constant::new((words as u64).into()),
            all: Constant::new(((1u64 << words) - 1).into()),
            most: Constant::new(1024u64.into()),
            _words: words,
        }
    }
}

impl Logic for PacketQueue {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, inside, left);
        self.words.clock.next = self.clock.val();
        self.words.reset.next = self.reset.val();
        self.words.push.next = self.push.val();
        self.words.push_first.next = self.push_first.val();
        self.words.push_count.next = self.push_count.val();
        self.words.start.next = self.start.val();
        self.words.start_lane.next = 0.into();
        self.words.commit.next = self.commit.val();
        self.words.drop.next = self.drop.val();
        self.room.next = self.words.room.val();
        for i in 0..self._words {
            self.words.push_data[i].next = self.push_data[i].val();
            self.tx_data[i].next = self.words.data[i].val();
        }

        self.payload.next = 0.into();
        if self.words.data[0].val().get_bit(30) {
            self.payload.next = bit_cast::<11, 10>(self.words.data[0].val().get_bits::<10>(0));
            if self.words.data[0].val().get_bits::<10>(0) == 0 {
                self.payload.next = self.most.val();
            }
        }
        self.total.next = self.payload.val() + 3;
        if self.words.data[0].val().get_bit(29) {
            self.total.next = self.payload.val() + 4;
        }
        self.now.next = self.total.val();
        if self.inside.q.val() {
            self.now.next = self.left.q.val();
        }
        self.ends.next = self.now.val() <= self.row.val();
        self.tx_valid.next = self.words.valid.val();
        self.tx_last.next = self.ends.val();
        self.tx_keep.next = self.all.val();
        if self.now.val() == 1 {
            self.tx_keep.next = 1.into();
        }
        if self.now.val() == 2 {
            self.tx_keep.next = 3.into();
        }
        if self.now.val() == 3 {
            self.tx_keep.next = self.all.val() & 7;
        }
        self.taken.next = self.words.valid.val() & self.tx_ready.val();
        self.words.pop.next = self.taken.val();
        if self.taken.val() {
            self.inside.d.next = !self.ends.val();
            self.left.d.next = self.now.val() - self.row.val();
        }
        if self.reset.val() {
            self.inside.d.next = false;
        }
    }
}
