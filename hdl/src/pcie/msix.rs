//! Interrupts as messages.

use isa::pci::{MSIX_PENDING, MSIX_TABLE};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Table and pending bits of MSI-X (PCI Local Bus Specification 3.0, section 6.8.2), and the
/// sender of its messages.
///
/// ```text
/// write, read, addr ->|      |-> tx_valid, tx_last, tx_keep, tx_data[W]
/// wdata, strobes    ->| Msix |<- tx_ready
/// rdata             <-|      |
/// events            ->|      |<- cfg_*
/// ```
///
/// * A cycle with its bit of `events` high is an event of a vector. It is pending until its message
///   begins; events that come meanwhile are told by that same message, later ones by another.
/// * Nothing that the host does to the queue takes an event back: its acknowledgement travels
///   while the card goes on, so it cannot say which events the host knows of. A message may thus
///   tell what the host has seen already; none is missing.
/// * A message is sent while the card is bus master, MSI-X is enabled, and neither the function
///   nor the vector is masked; it is offered no longer when that ends before its first beat is
///   taken. What is begun is sent with address and data as they were when it was offered.
/// * `addr` is an offset in the register window; beside the table and the pending bits it reads
///   zeros. After a reset all vectors are masked.
#[derive(LogicBlock)]
pub struct Msix {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything, a message under way too.
    pub reset: Signal<In, Bit>,
    /// Bus, device and function of the card.
    pub cfg_id: Signal<In, Bits<16>>,
    /// The card may send requests.
    pub cfg_bus_master: Signal<In, Bit>,
    /// MSI-X Enable of the capability.
    pub cfg_msix_enable: Signal<In, Bit>,
    /// Function Mask of the capability.
    pub cfg_msix_mask: Signal<In, Bit>,
    /// Write a doubleword.
    pub write: Signal<In, Bit>,
    /// Read a doubleword.
    pub read: Signal<In, Bit>,
    /// Offset in the register window.
    pub addr: Signal<In, Bits<16>>,
    /// Value to write.
    pub wdata: Signal<In, Bits<32>>,
    /// Bytes of it that count.
    pub strobes: Signal<In, Bits<4>>,
    /// Value read, in the cycle after `read`.
    pub rdata: Signal<Out, Bits<32>>,
    /// Events, each a cycle long; bit `i` is vector `i`.
    pub events: Signal<In, Bits<8>>,
    /// A beat of a message.
    pub tx_valid: Signal<Out, Bit>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// Last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Words that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The words.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    low: Vec<DFF<Bits<32>>>,
    high: Vec<DFF<Bits<32>>>,
    message: Vec<DFF<Bits<32>>>,
    unmasked: Vec<DFF<Bit>>,
    pending: Vec<DFF<Bit>>,
    wanted: Vec<Signal<Local, Bit>>,
    answer: DFF<Bits<32>>,
    found: Signal<Local, Bits<32>>,
    pending_bits: Vec<Signal<Local, Bits<32>>>,
    bits_0: Signal<Local, Bits<32>>,
    bits_1: Signal<Local, Bits<32>>,
    bits_2: Signal<Local, Bits<32>>,
    bits_3: Signal<Local, Bits<32>>,
    mask: Signal<Local, Bits<32>>,
    entry: Signal<Local, Bits<12>>,
    field: Signal<Local, Bits<2>>,
    // The message at hand.
    sending: DFF<Bit>,
    vector: DFF<Bits<4>>,
    beat: DFF<Bits<2>>,
    send_low: DFF<Bits<32>>,
    send_high: DFF<Bits<32>>,
    send_data: DFF<Bits<32>>,
    still_wanted: Signal<Local, Bit>,
    offered: Signal<Local, Bit>,
    begins: Signal<Local, Bit>,
    may_send: Signal<Local, Bit>,
    wide: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    head_1: Signal<Local, Bits<32>>,
    swapped: Signal<Local, Bits<32>>,
    word: Vec<Signal<Local, Bits<32>>>,
    entry_number: Vec<Constant<Bits<12>>>,
    vector_number: Vec<Constant<Bits<4>>>,
    vector_bit: Vec<Constant<Bits<32>>>,
    beat_number: Vec<Constant<Bits<2>>>,
    pending_at: Constant<Bits<16>>,
    narrow_last: Constant<Bits<2>>,
    wide_last: Constant<Bits<2>>,
    all: Constant<Bits<4>>,
    address_mask: Constant<Bits<32>>,
    high_byte: Constant<Bits<32>>,
    _vectors: usize,
    _vectors_end: usize,
    _words: usize,
    _words_end: usize,
    _beats: usize,
}

impl Msix {
    /// For `vectors` vectors, 1 to 8, and beats of `words` words, 2 or 4.
    pub fn new(words: usize, vectors: usize) -> Self {
        assert!((1..=8).contains(&vectors), "1 to 8 vectors");
        let registers = || (0..vectors).map(|_| DFF::default()).collect();
        let flags = || (0..vectors).map(|_| DFF::default()).collect();
        let beats = 5usize.div_ceil(words);
        let entry = |index: u64| u64::from(MSIX_TABLE) / 16 + index;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            cfg_id: Default::default(),
            cfg_bus_master: Default::default(),
            cfg_msix_enable: Default::default(),
            cfg_msix_mask: Default::default(),
            write: Default::default(),
            read: Default::default(),
            addr: Default::default(),
            wdata: Default::default(),
            strobes: Default::default(),
            rdata: Default::default(),
            events: Default::default(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            low: registers(),
            high: registers(),
            message: registers(),
            unmasked: flags(),
            pending: flags(),
            wanted: (0..vectors).map(|_| Signal::default()).collect(),
            answer: Default::default(),
            found: Default::default(),
            pending_bits: (0..=vectors).map(|_| Signal::default()).collect(),
            bits_0: Default::default(),
            bits_1: Default::default(),
            bits_2: Default::default(),
            bits_3: Default::default(),
            mask: Default::default(),
            entry: Default::default(),
            field: Default::default(),
            sending: Default::default(),
            vector: Default::default(),
            beat: Default::default(),
            send_low: Default::default(),
            send_high: Default::default(),
            send_data: Default::default(),
            still_wanted: Default::default(),
            offered: Default::default(),
            begins: Default::default(),
            may_send: Default::default(),
            wide: Default::default(),
            ends: Default::default(),
            head_1: Default::default(),
            swapped: Default::default(),
            word: (0..beats * words).map(|_| Signal::default()).collect(),
            entry_number: (0..vectors as u64)
                .map(|vector| Constant::new(entry(vector).into()))
                .collect(),
            vector_number: (0..vectors as u64)
                .map(|vector| Constant::new(vector.into()))
                .collect(),
            vector_bit: (0..vectors)
                .map(|vector| Constant::new((1u64 << vector).into()))
                .collect(),
            beat_number: (0..beats as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            pending_at: Constant::new(u64::from(MSIX_PENDING).into()),
            narrow_last: Constant::new((4 / words as u64 - 1).into()),
            wide_last: Constant::new((beats as u64 - 1).into()),
            all: Constant::new(((1u64 << words) - 1).into()),
            high_byte: Constant::new(0xff00_0000u64.into()),
            address_mask: Constant::new(0xffff_fffcu64.into()),
            _vectors: vectors,
            _vectors_end: vectors + 1,
            _words: words,
            _words_end: words + 1,
            _beats: beats,
        }
    }
}

impl Logic for Msix {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, answer, sending, vector, beat, send_low, send_high, send_data
        );

        // The message at hand: a write of one doubleword.
        self.may_send.next =
            self.cfg_bus_master.val() & self.cfg_msix_enable.val() & (!self.cfg_msix_mask.val());
        self.still_wanted.next = false;
        for q in 0..self._vectors {
            self.wanted[q].next =
                self.pending[q].q.val() & self.unmasked[q].q.val() & self.may_send.val();
            if self.vector.q.val() == self.vector_number[q].val() {
                self.still_wanted.next = self.wanted[q].val();
            }
        }
        self.offered.next =
            self.sending.q.val() & ((self.beat.q.val() != 0) | self.still_wanted.val());
        self.begins.next = self.offered.val() & (self.beat.q.val() == 0) & self.tx_ready.val();
        self.wide.next = self.send_high.q.val() != 0;
        self.ends.next = self.beat.q.val() == self.narrow_last.val();
        if self.wide.val() {
            self.ends.next = self.beat.q.val() == self.wide_last.val();
        }
        self.head_1.next = (bit_cast::<32, 16>(self.cfg_id.val()) << 16) | 15;
        self.swapped.next = (bit_cast::<32, 8>(self.send_data.q.val().get_bits::<8>(0)) << 24)
            | (bit_cast::<32, 8>(self.send_data.q.val().get_bits::<8>(8)) << 16)
            | (bit_cast::<32, 8>(self.send_data.q.val().get_bits::<8>(16)) << 8)
            | bit_cast::<32, 8>(self.send_data.q.val().get_bits::<8>(24));
        for w in self._words..self._words_end {
            for b in 0..self._beats {
                for i in 0..self._words {
                    self.word[b * w + i].next = 0.into();
                }
            }
        }
        self.word[0].next = 0x4000_0001.into();
        self.word[1].next = self.head_1.val();
        self.word[2].next = self.send_low.q.val();
        self.word[3].next = self.swapped.val();
        if self.wide.val() {
            self.word[0].next = 0x6000_0001.into();
            self.word[2].next = self.send_high.q.val();
            self.word[3].next = self.send_low.q.val();
            self.word[4].next = self.swapped.val();
        }
        self.tx_valid.next = self.offered.val();
        self.tx_last.next = self.ends.val();
        self.tx_keep.next = self.all.val();
        if self.ends.val() & self.wide.val() {
            self.tx_keep.next = 1.into();
        }
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.tx_data[i].next = self.word[i].val();
                for b in 1..self._beats {
                    if self.beat.q.val() == self.beat_number[b].val() {
                        self.tx_data[i].next = self.word[b * w + i].val();
                    }
                }
            }
        }
        if self.sending.q.val() {
            if !self.offered.val() {
                self.sending.d.next = false;
            } else if self.tx_ready.val() {
                self.beat.d.next = self.beat.q.val() + 1;
                if self.ends.val() {
                    self.sending.d.next = false;
                }
            }
        } else {
            self.beat.d.next = 0.into();
            for q in 0..self._vectors {
                if self.wanted[q].val() {
                    self.sending.d.next = true;
                    self.vector.d.next = self.vector_number[q].val();
                    self.send_low.d.next = self.low[q].q.val();
                    self.send_high.d.next = self.high[q].q.val();
                    self.send_data.d.next = self.message[q].q.val();
                }
            }
        }

        // Bytes that a write changes.
        self.bits_0.next = 0.into();
        self.bits_1.next = 0.into();
        self.bits_2.next = 0.into();
        self.bits_3.next = 0.into();
        if self.strobes.val().get_bit(0) {
            self.bits_0.next = 0xff.into();
        }
        if self.strobes.val().get_bit(1) {
            self.bits_1.next = 0xff00.into();
        }
        if self.strobes.val().get_bit(2) {
            self.bits_2.next = 0xff_0000.into();
        }
        if self.strobes.val().get_bit(3) {
            self.bits_3.next = self.high_byte.val();
        }
        self.mask.next =
            self.bits_0.val() | self.bits_1.val() | self.bits_2.val() | self.bits_3.val();

        self.entry.next = self.addr.val().get_bits::<12>(4);
        self.field.next = self.addr.val().get_bits::<2>(2);
        self.found.next = 0.into();
        self.pending_bits[0].next = 0.into();
        for q in 0..self._vectors {
            self.low[q].clock.next = self.clock.val();
            self.high[q].clock.next = self.clock.val();
            self.message[q].clock.next = self.clock.val();
            self.unmasked[q].clock.next = self.clock.val();
            self.pending[q].clock.next = self.clock.val();
            self.low[q].d.next = self.low[q].q.val();
            self.high[q].d.next = self.high[q].q.val();
            self.message[q].d.next = self.message[q].q.val();
            self.unmasked[q].d.next = self.unmasked[q].q.val();
            if self.entry.val() == self.entry_number[q].val() {
                if self.field.val() == 0 {
                    self.found.next = self.low[q].q.val();
                }
                if self.field.val() == 1 {
                    self.found.next = self.high[q].q.val();
                }
                if self.field.val() == 2 {
                    self.found.next = self.message[q].q.val();
                }
                if (self.field.val() == 3) & (!self.unmasked[q].q.val()) {
                    self.found.next = 1.into();
                }
                if self.write.val() {
                    if self.field.val() == 0 {
                        self.low[q].d.next = ((self.low[q].q.val() & (!self.mask.val()))
                            | (self.wdata.val() & self.mask.val()))
                            & self.address_mask.val();
                    }
                    if self.field.val() == 1 {
                        self.high[q].d.next = (self.high[q].q.val() & (!self.mask.val()))
                            | (self.wdata.val() & self.mask.val());
                    }
                    if self.field.val() == 2 {
                        self.message[q].d.next = (self.message[q].q.val() & (!self.mask.val()))
                            | (self.wdata.val() & self.mask.val());
                    }
                    if (self.field.val() == 3) & self.strobes.val().get_bit(0) {
                        self.unmasked[q].d.next = !self.wdata.val().get_bit(0);
                    }
                }
            }
            self.pending[q].d.next = self.events.val().get_bit(q)
                | (self.pending[q].q.val()
                    & (!(self.begins.val()
                        & (self.vector.q.val() == self.vector_number[q].val()))));
            self.pending_bits[q + 1].next = self.pending_bits[q].val();
            if self.pending[q].q.val() {
                self.pending_bits[q + 1].next =
                    self.pending_bits[q].val() | self.vector_bit[q].val();
            }
            if self.reset.val() {
                self.low[q].d.next = 0.into();
                self.high[q].d.next = 0.into();
                self.message[q].d.next = 0.into();
                self.unmasked[q].d.next = false;
                self.pending[q].d.next = false;
            }
        }
        if self.addr.val() == self.pending_at.val() {
            for n in self._vectors..self._vectors_end {
                self.found.next = self.pending_bits[n].val();
            }
        }
        if self.read.val() {
            self.answer.d.next = self.found.val();
        }
        self.rdata.next = self.answer.q.val();
        if self.reset.val() {
            self.sending.d.next = false;
            self.beat.d.next = 0.into();
        }
    }
}
