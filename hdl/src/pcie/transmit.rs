//! Puts the packets of all senders onto one stream.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Arbiter of whole packets with a registered output.
///
/// ```text
/// cpl_*    completions  ->|          |
/// msix_*   interrupts   ->|          |-> tx_valid, tx_last, tx_keep, tx_data[W]
/// write_*  writes       ->| Transmit |<- tx_ready
/// read_*   reads        ->|          |-> idle
/// hold                  ->|          |
/// ```
///
/// * Completions go first, the others take turns.
/// * A packet begins when its first beat is taken, and then goes on to its end whatever happens;
///   until then its sender may withdraw it. Packets leave in the order in which they began.
/// * `hold`: no packet begins. `idle`: none is under way, and the last beat is taken.
/// * A beat a cycle, also from one packet to the next.
#[derive(LogicBlock)]
pub struct Transmit {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything, the packet under way too.
    pub reset: Signal<In, Bit>,
    /// Begin no packet.
    pub hold: Signal<In, Bit>,
    /// Nothing is under way.
    pub idle: Signal<Out, Bit>,
    /// A completion.
    pub cpl_valid: Signal<In, Bit>,
    /// Its beat is taken.
    pub cpl_ready: Signal<Out, Bit>,
    /// Last beat.
    pub cpl_last: Signal<In, Bit>,
    /// Words that count.
    pub cpl_keep: Signal<In, Bits<4>>,
    /// The words.
    pub cpl_data: Vec<Signal<In, Bits<32>>>,
    /// An interrupt.
    pub msix_valid: Signal<In, Bit>,
    /// Its beat is taken.
    pub msix_ready: Signal<Out, Bit>,
    /// Last beat.
    pub msix_last: Signal<In, Bit>,
    /// Words that count.
    pub msix_keep: Signal<In, Bits<4>>,
    /// The words.
    pub msix_data: Vec<Signal<In, Bits<32>>>,
    /// A write.
    pub write_valid: Signal<In, Bit>,
    /// Its beat is taken.
    pub write_ready: Signal<Out, Bit>,
    /// Last beat.
    pub write_last: Signal<In, Bit>,
    /// Words that count.
    pub write_keep: Signal<In, Bits<4>>,
    /// The words.
    pub write_data: Vec<Signal<In, Bits<32>>>,
    /// A read.
    pub read_valid: Signal<In, Bit>,
    /// Its beat is taken.
    pub read_ready: Signal<Out, Bit>,
    /// Last beat.
    pub read_last: Signal<In, Bit>,
    /// Words that count.
    pub read_keep: Signal<In, Bits<4>>,
    /// The words.
    pub read_data: Vec<Signal<In, Bits<32>>>,
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
    inside: DFF<Bit>,
    /// Sender of the packet under way: 0 completions, 1 interrupts, 2 writes, 3 reads.
    owner: DFF<Bits<2>>,
    /// The last sender but completions that had its turn.
    turn: DFF<Bits<2>>,
    valid: DFF<Bit>,
    last: DFF<Bit>,
    keep: DFF<Bits<4>>,
    data: Vec<DFF<Bits<32>>>,
    chosen: Signal<Local, Bits<2>>,
    open: Signal<Local, Bit>,
    fire: Signal<Local, Bit>,
    beat_valid: Signal<Local, Bit>,
    beat_last: Signal<Local, Bit>,
    beat_keep: Signal<Local, Bits<4>>,
    beat_data: Vec<Signal<Local, Bits<32>>>,
    _words: usize,
}

impl Transmit {
    /// For beats of `words` words.
    pub fn new(words: usize) -> Self {
        let inputs = || (0..words).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            hold: Default::default(),
            idle: Default::default(),
            cpl_valid: Default::default(),
            cpl_ready: Default::default(),
            cpl_last: Default::default(),
            cpl_keep: Default::default(),
            cpl_data: inputs(),
            msix_valid: Default::default(),
            msix_ready: Default::default(),
            msix_last: Default::default(),
            msix_keep: Default::default(),
            msix_data: inputs(),
            write_valid: Default::default(),
            write_ready: Default::default(),
            write_last: Default::default(),
            write_keep: Default::default(),
            write_data: inputs(),
            read_valid: Default::default(),
            read_ready: Default::default(),
            read_last: Default::default(),
            read_keep: Default::default(),
            read_data: inputs(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            inside: Default::default(),
            owner: Default::default(),
            turn: Default::default(),
            valid: Default::default(),
            last: Default::default(),
            keep: Default::default(),
            data: (0..words).map(|_| DFF::default()).collect(),
            chosen: Default::default(),
            open: Default::default(),
            fire: Default::default(),
            beat_valid: Default::default(),
            beat_last: Default::default(),
            beat_keep: Default::default(),
            beat_data: (0..words).map(|_| Signal::default()).collect(),
            _words: words,
        }
    }
}

impl Logic for Transmit {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, inside, owner, turn, valid, last, keep);

        // The sender after the last one that had its turn comes first.
        self.chosen.next = 3.into();
        if self.write_valid.val() & ((self.turn.q.val() != 2) | (!self.read_valid.val())) {
            self.chosen.next = 2.into();
        }
        if self.msix_valid.val()
            & ((self.turn.q.val() == 3)
                | (self.turn.q.val() == 0)
                | ((self.turn.q.val() == 2) & (!self.read_valid.val()))
                | ((!self.write_valid.val()) & (!self.read_valid.val())))
        {
            self.chosen.next = 1.into();
        }
        if self.cpl_valid.val() {
            self.chosen.next = 0.into();
        }
        if self.inside.q.val() {
            self.chosen.next = self.owner.q.val();
        }

        self.beat_valid.next = self.cpl_valid.val();
        self.beat_last.next = self.cpl_last.val();
        self.beat_keep.next = self.cpl_keep.val();
        for i in 0..self._words {
            self.beat_data[i].next = self.cpl_data[i].val();
        }
        if self.chosen.val() == 1 {
            self.beat_valid.next = self.msix_valid.val();
            self.beat_last.next = self.msix_last.val();
            self.beat_keep.next = self.msix_keep.val();
            for i in 0..self._words {
                self.beat_data[i].next = self.msix_data[i].val();
            }
        }
        if self.chosen.val() == 2 {
            self.beat_valid.next = self.write_valid.val();
            self.beat_last.next = self.write_last.val();
            self.beat_keep.next = self.write_keep.val();
            for i in 0..self._words {
                self.beat_data[i].next = self.write_data[i].val();
            }
        }
        if self.chosen.val() == 3 {
            self.beat_valid.next = self.read_valid.val();
            self.beat_last.next = self.read_last.val();
            self.beat_keep.next = self.read_keep.val();
            for i in 0..self._words {
                self.beat_data[i].next = self.read_data[i].val();
            }
        }

        self.open.next = ((!self.valid.q.val()) | self.tx_ready.val())
            & (self.inside.q.val() | (!self.hold.val()));
        self.cpl_ready.next = self.open.val() & (self.chosen.val() == 0);
        self.msix_ready.next = self.open.val() & (self.chosen.val() == 1);
        self.write_ready.next = self.open.val() & (self.chosen.val() == 2);
        self.read_ready.next = self.open.val() & (self.chosen.val() == 3);
        self.fire.next = self.open.val() & self.beat_valid.val();
        if self.tx_ready.val() {
            self.valid.d.next = false;
        }
        for i in 0..self._words {
            self.data[i].clock.next = self.clock.val();
            self.data[i].d.next = self.data[i].q.val();
            if self.fire.val() {
                self.data[i].d.next = self.beat_data[i].val();
            }
            self.tx_data[i].next = self.data[i].q.val();
        }
        if self.fire.val() {
            self.valid.d.next = true;
            self.last.d.next = self.beat_last.val();
            self.keep.d.next = self.beat_keep.val();
            self.inside.d.next = !self.beat_last.val();
            self.owner.d.next = self.chosen.val();
            if self.chosen.val() != 0 {
                self.turn.d.next = self.chosen.val();
            }
        }
        self.tx_valid.next = self.valid.q.val();
        self.tx_last.next = self.last.q.val();
        self.tx_keep.next = self.keep.q.val();
        self.idle.next = (!self.inside.q.val()) & (!self.valid.q.val());
        if self.reset.val() {
            self.inside.d.next = false;
            self.valid.d.next = false;
            self.turn.d.next = 0.into();
        }
    }
}
