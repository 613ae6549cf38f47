//! Which lanes and bytes of a row belong to a request.

use rust_hdl_core::prelude::*;

/// Finds the words of a request in a row of W, and the bytes of them that count.
///
/// ```text
/// at, piece          ->|       |-> first, count
/// left, fresh        ->| Lanes |-> lane_be[W]
/// first_be, last_be  ->|       |
/// ```
///
/// The row is the one that holds doubleword `at`; lane `i` is the doubleword of an address that is
/// `i` modulo W. Combinational.
#[derive(LogicBlock)]
pub struct Lanes {
    /// Doubleword of the address.
    pub at: Signal<In, Bits<31>>,
    /// Doublewords of this piece that are left, from `at` on; at least 1.
    pub piece: Signal<In, Bits<8>>,
    /// Doublewords of the request that are left, from `at` on.
    pub left: Signal<In, Bits<11>>,
    /// `at` is the first doubleword of the request.
    pub fresh: Signal<In, Bit>,
    /// Bytes of the first doubleword that count.
    pub first_be: Signal<In, Bits<4>>,
    /// Bytes of the last doubleword that count, unless it is the first.
    pub last_be: Signal<In, Bits<4>>,
    /// Lane of `at`.
    pub first: Signal<Out, Bits<2>>,
    /// Words of the piece in this row.
    pub count: Signal<Out, Bits<3>>,
    /// Bytes of each lane that count; none outside of the piece.
    pub lane_be: Vec<Signal<Out, Bits<4>>>,
    lane: Signal<Local, Bits<2>>,
    room: Signal<Local, Bits<3>>,
    taken: Signal<Local, Bits<3>>,
    far: Signal<Local, Bits<11>>,
    taken_far: Signal<Local, Bits<11>>,
    order: Vec<Signal<Local, Bits<11>>>,
    number: Vec<Constant<Bits<11>>>,
    lane_mask: Constant<Bits<2>>,
    words: Constant<Bits<3>>,
    _words: usize,
}

impl Lanes {
    /// For rows of `words` words, 2 or 4.
    pub fn new(words: usize) -> Self {
        Self {
            at: Default::default(),
            piece: Default::default(),
            left: Default::default(),
            fresh: Default::default(),
            first_be: Default::default(),
            last_be: Default::default(),
            first: Default::default(),
            count: Default::default(),
            lane_be: (0..words).map(|_| Signal::default()).collect(),
            lane: Default::default(),
            room: Default::default(),
            taken: Default::default(),
            far: Default::default(),
            taken_far: Default::default(),
            order: (0..words).map(|_| Signal::default()).collect(),
            number: (0..words as u64)
                .map(|lane| Constant::new(lane.into()))
                .collect(),
            lane_mask: Constant::new((words as u64 - 1).into()),
            words: Constant::new((words as u64).into()),
            _words: words,
        }
    }
}

impl Logic for Lanes {
    #[hdl_gen]
    fn update(&mut self) {
        self.lane.next = self.at.val().get_bits::<2>(0) & self.lane_mask.val();
        self.first.next = self.lane.val();
        self.room.next = self.words.val() - bit_cast::<3, 2>(self.lane.val());
        self.taken.next = self.room.val();
        if self.piece.val() < bit_cast::<8, 3>(self.room.val()) {
            self.taken.next = self.piece.val().get_bits::<3>(0);
        }
        self.count.next = self.taken.val();
        self.far.next = bit_cast::<11, 2>(self.lane.val());
        self.taken_far.next = bit_cast::<11, 3>(self.taken.val());
        for i in 0..self._words {
            // How many words of the request this one is behind `at`; large for one before it.
            self.order[i].next = self.number[i].val() - self.far.val();
            self.lane_be[i].next = 0.into();
            if self.order[i].val() < self.taken_far.val() {
                self.lane_be[i].next = 15.into();
                if (self.order[i].val() + 1) == self.left.val() {
                    self.lane_be[i].next = self.last_be.val();
                }
                if self.fresh.val() & (self.order[i].val() == 0) {
                    self.lane_be[i].next = self.first_be.val();
                }
            }
        }
    }
}
