//! Sends memory read requests.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::slot::{Span, Window};

/// Words of the longest header.
const HEADER_WORDS: usize = 4;

/// Makes a memory read request (section 2.2.7) of each piece and gives it a slot.
///
/// ```text
/// piece_*        ->|     |-> tx_valid, tx_last, tx_keep, tx_data   <- tx_ready
/// piece_ready    <-| Ask |-> sent, refuse, orphan, span, window
/// room, tail     ->|     |-> begun, waits
/// bus_master, id ->|     |
/// ```
///
/// * A piece takes its slot when the last beat of its request is taken: `sent`. Without bus master
///   it takes one at once, as failed: `refuse`.
/// * A request whose first beat was taken is finished whatever happens; if a reset has come in
///   between, it is an `orphan`. One that is only offered is withdrawn when bus master falls and
///   in a reset.
/// * `link_down` forgets the request that is begun, too: the link has forgotten its first beat.
#[derive(LogicBlock)]
pub struct Ask {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begin no request.
    pub reset: Signal<In, Bit>,
    /// Forget the one that is begun; only with `reset`.
    pub link_down: Signal<In, Bit>,
    /// Requests may be sent.
    pub bus_master: Signal<In, Bit>,
    /// Bus, device and function of the requester.
    pub id: Signal<In, Bits<16>>,
    /// A piece is offered.
    pub piece_valid: Signal<In, Bit>,
    /// Address of its first byte.
    pub piece_addr: Signal<In, Bits<64>>,
    /// Its bytes, 1 to 512; it does not cross a multiple of 512.
    pub piece_bytes: Signal<In, Bits<10>>,
    /// Identifier of its run.
    pub piece_id: Signal<In, Bits<4>>,
    /// It is the last of its run.
    pub piece_end: Signal<In, Bit>,
    /// The piece is taken.
    pub piece_ready: Signal<Out, Bit>,
    /// There is a free slot.
    pub room: Signal<In, Bit>,
    /// Its number, which is the tag.
    pub tail: Signal<In, Bits<5>>,
    /// The slot is taken: the request is sent.
    pub sent: Signal<Out, Bit>,
    /// The slot is taken: the request may not be sent.
    pub refuse: Signal<Out, Bit>,
    /// The request was begun before a reset.
    pub orphan: Signal<Out, Bit>,
    /// Words that the request asks for.
    pub span: Signal<Out, Span>,
    /// Lines that it gives.
    pub window: Signal<Out, Window>,
    /// A request is begun and not finished.
    pub begun: Signal<Out, Bit>,
    /// A request waits for a slot.
    pub waits: Signal<Out, Bit>,
    /// A beat is offered.
    pub tx_valid: Signal<Out, Bit>,
    /// It is the last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Doublewords that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The doublewords.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    /// The beat is taken.
    pub tx_ready: Signal<In, Bit>,
    beat: DFF<Bits<1>>,
    lost: DFF<Bit>,
    running: Signal<Local, Bit>,
    valid: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    refused: Signal<Local, Bit>,
    wide: Signal<Local, Bit>,
    low: Signal<Local, Bits<32>>,
    lead: Signal<Local, Bits<2>>,
    end_byte: Signal<Local, Bits<10>>,
    reach: Signal<Local, Bits<10>>,
    words: Signal<Local, Bits<8>>,
    rest: Signal<Local, Bits<2>>,
    first_bytes: Signal<Local, Bits<4>>,
    last_bytes: Signal<Local, Bits<4>>,
    first_enable: Signal<Local, Bits<4>>,
    last_enable: Signal<Local, Bits<4>>,
    header: Vec<Signal<Local, Bits<32>>>,
    words_asked: Signal<Local, Span>,
    lines_given: Signal<Local, Window>,
    line_mask: Constant<Bits<5>>,
    byte_mask: Constant<Bits<5>>,
    all_bytes: Constant<Bits<4>>,
    wide_format: Constant<Bits<32>>,
    whole_words: Constant<Bits<32>>,
    last_beat: Constant<Bits<1>>,
    beat_number: Vec<Constant<Bits<1>>>,
    full_keep: Constant<Bits<4>>,
    short_keep: Constant<Bits<4>>,
    _words: usize,
    _words_end: usize,
    _beats: usize,
    _line_bits: usize,
    _line_bits_end: usize,
}

impl Ask {
    /// For beats of `words` doublewords and lines of `port_bytes`.
    pub fn new(words: usize, port_bytes: usize) -> Self {
        let beats = HEADER_WORDS / words;
        let line_bits = port_bytes.ilog2() as usize;
        let full = (1u64 << words) - 1;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            link_down: Default::default(),
            bus_master: Default::default(),
            id: Default::default(),
            piece_valid: Default::default(),
            piece_addr: Default::default(),
            piece_bytes: Default::default(),
            piece_id: Default::default(),
            piece_end: Default::default(),
            piece_ready: Default::default(),
            room: Default::default(),
            tail: Default::default(),
            sent: Default::default(),
            refuse: Default::default(),
            orphan: Default::default(),
            span: Default::default(),
            window: Default::default(),
            begun: Default::default(),
            waits: Default::default(),
            tx_valid: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            tx_ready: Default::default(),
            beat: Default::default(),
            lost: Default::default(),
            running: Default::default(),
            valid: Default::default(),
            last: Default::default(),
            ends: Default::default(),
            refused: Default::default(),
            wide: Default::default(),
            low: Default::default(),
            lead: Default::default(),
            end_byte: Default::default(),
            reach: Default::default(),
            words: Default::default(),
            rest: Default::default(),
            first_bytes: Default::default(),
            last_bytes: Default::default(),
            first_enable: Default::default(),
            last_enable: Default::default(),
            header: (0..HEADER_WORDS).map(|_| Signal::default()).collect(),
            words_asked: Default::default(),
            lines_given: Default::default(),
            line_mask: Constant::new((512 / port_bytes as u64 - 1).into()),
            byte_mask: Constant::new((port_bytes as u64 - 1).into()),
            all_bytes: Constant::new(15u64.into()),
            wide_format: Constant::new(0x2000_0000u64.into()),
            whole_words: Constant::new(0xffff_fffcu64.into()),
            last_beat: Constant::new((beats as u64 - 1).into()),
            beat_number: (0..beats as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            full_keep: Constant::new(full.into()),
            short_keep: Constant::new((full >> 1).into()),
            _words: words,
            _words_end: words + 1,
            _beats: beats,
            _line_bits: line_bits,
            _line_bits_end: line_bits + 1,
        }
    }
}

impl Logic for Ask {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, beat, lost);
        // The words between the first and the last byte.
        self.lead.next = self.piece_addr.val().get_bits::<2>(0);
        self.end_byte.next = self.piece_addr.val().get_bits::<10>(0) + self.piece_bytes.val() - 1;
        self.reach.next = bit_cast::<10, 2>(self.lead.val()) + self.piece_bytes.val() + 3;
        self.words.next = self.reach.val().get_bits::<8>(2);
        self.rest.next = !self.end_byte.val().get_bits::<2>(0);
        self.first_bytes.next = self.all_bytes.val() << self.lead.val();
        self.last_bytes.next = self.all_bytes.val() >> self.rest.val();
        self.first_enable.next = self.first_bytes.val();
        self.last_enable.next = self.last_bytes.val();
        if self.words.val() == 1 {
            self.first_enable.next = self.first_bytes.val() & self.last_bytes.val();
            self.last_enable.next = 0.into();
        }
        self.wide.next = self.piece_addr.val().get_bits::<32>(32) != 0;
        self.low.next = self.piece_addr.val().get_bits::<32>(0) & self.whole_words.val();

        self.header[0].next = bit_cast::<32, 8>(self.words.val());
        self.header[1].next = (bit_cast::<32, 16>(self.id.val()) << 16)
            | (bit_cast::<32, 5>(self.tail.val()) << 8)
            | (bit_cast::<32, 4>(self.last_enable.val()) << 4)
            | bit_cast::<32, 4>(self.first_enable.val());
        self.header[2].next = self.low.val();
        self.header[3].next = self.low.val();
        if self.wide.val() {
            self.header[0].next = bit_cast::<32, 8>(self.words.val()) | self.wide_format.val();
            self.header[2].next = self.piece_addr.val().get_bits::<32>(32);
        }

        // The packet.
        self.running.next = (self.beat.q.val() != 0) & (!self.link_down.val());
        self.valid.next = self.piece_valid.val()
            & (self.running.val()
                | (self.bus_master.val() & self.room.val() & (!self.reset.val())));
        self.last.next = self.beat.q.val() == self.last_beat.val();
        self.ends.next = self.valid.val() & self.last.val() & self.tx_ready.val();
        self.refused.next = self.piece_valid.val()
            & (!self.running.val())
            & (!self.bus_master.val())
            & self.room.val()
            & (!self.reset.val());
        self.waits.next = self.piece_valid.val()
            & (!self.running.val())
            & self.bus_master.val()
            & (!self.room.val());
        self.begun.next = self.running.val() | (self.valid.val() & self.tx_ready.val());
        self.tx_valid.next = self.valid.val();
        self.tx_last.next = self.last.val();
        self.tx_keep.next = self.full_keep.val();
        if self.last.val() & (!self.wide.val()) {
            self.tx_keep.next = self.short_keep.val();
        }
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.tx_data[i].next = self.header[i].val();
                for b in 1..self._beats {
                    if self.beat.q.val() == self.beat_number[b].val() {
                        self.tx_data[i].next = self.header[b * w + i].val();
                    }
                }
            }
        }
        if self.valid.val() & self.tx_ready.val() {
            self.beat.d.next = self.beat.q.val() + 1;
        }
        if self.ends.val() | self.link_down.val() {
            self.beat.d.next = 0.into();
        }
        self.sent.next = self.ends.val();
        self.refuse.next = self.refused.val();
        self.piece_ready.next = self.ends.val() | self.refused.val();
        self.orphan.next = self.lost.q.val();
        if self.reset.val() {
            self.lost.d.next = self.begun.val();
        }
        if self.ends.val() {
            self.lost.d.next = false;
        }

        // The slot.
        self.words_asked.next.position = self.piece_addr.val().get_bits::<7>(2);
        self.words_asked.next.left = self.words.val();
        self.words_asked.next.lead = self.lead.val();
        self.words_asked.next.rest = self.rest.val();
        self.span.next = self.words_asked.val();
        for k in self._line_bits..self._line_bits_end {
            self.lines_given.next.first =
                self.piece_addr.val().get_bits::<5>(k) & self.line_mask.val();
            self.lines_given.next.last =
                self.end_byte.val().get_bits::<5>(k) & self.line_mask.val();
        }
        self.lines_given.next.skip = self.piece_addr.val().get_bits::<5>(0) & self.byte_mask.val();
        self.lines_given.next.spare =
            (!self.end_byte.val().get_bits::<5>(0)) & self.byte_mask.val();
        self.lines_given.next.id = self.piece_id.val();
        self.lines_given.next.end = self.piece_end.val();
        self.window.next = self.lines_given.val();
    }
}
