//! Gathers written lines into packets.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::packet::{Burst, Packet};
use crate::mem::Fifo;

/// Bursts that may wait for the one at hand.
const BURSTS: usize = 4;

/// Cuts bursts of lines into memory writes and stores their payload.
///
/// ```text
/// aw_valid, aw_addr, aw_id             ->|        |-> packet_valid, packet   <- packet_room
/// w_valid, w_strobes, w_data, w_last   ->| Gather |-> write, write_line, write_data
/// aw_ready, w_ready                    <-|        |<- hold, free
/// max_payload                          ->|        |-> fill
/// ```
///
/// * A packet holds bytes without a gap, so that its byte enables are legal for any length
///   (section 2.2.5); doublewords whose enabled bytes reach neither edge or have a gap are packets
///   of their own. It ends at multiples of Max_Payload_Size, so at 4 KiB too, and with its burst.
/// * A line whose bytes stand in one piece takes one cycle; a line takes one for each piece, and
///   one more when it does not continue the piece before it.
/// * A burst without any byte gives a packet of no words, so that it is answered in its turn.
/// * Lines are stored from `fill` on; those from `free` on are still needed.
#[derive(LogicBlock)]
pub struct Gather {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all bursts.
    pub reset: Signal<In, Bit>,
    /// Make no packets.
    pub hold: Signal<In, Bit>,
    /// Largest payload as in the device control register: 0 is 128 bytes, 1 256, and so on.
    pub max_payload: Signal<In, Bits<3>>,
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
    /// Bytes of each of its words that count.
    pub w_strobes: Vec<Signal<In, Bits<4>>>,
    /// Its words.
    pub w_data: Vec<Signal<In, Bits<32>>>,
    /// It is the last of its burst.
    pub w_last: Signal<In, Bit>,
    /// The line is taken.
    pub w_ready: Signal<Out, Bit>,
    /// A packet is gathered.
    pub packet_valid: Signal<Out, Bit>,
    /// The packet.
    pub packet: Signal<Out, Packet>,
    /// One more packet can be taken.
    pub packet_room: Signal<In, Bit>,
    /// Store the line at hand.
    pub write: Signal<Out, Bit>,
    /// At this line of the payload memory.
    pub write_line: Signal<Out, Bits<10>>,
    /// Its words.
    pub write_data: Vec<Signal<Out, Bits<32>>>,
    /// Next line of the payload memory.
    pub fill: Signal<Out, Bits<8>>,
    /// First line of the payload memory that is still needed.
    pub free: Signal<In, Bits<8>>,
    bursts: Fifo<Burst>,
    burst_then: Signal<Local, Burst>,
    // The burst at hand.
    burst: DFF<Bit>,
    addr: DFF<Bits<64>>,
    id: DFF<Bits<4>>,
    // The line at hand; bytes that are in a packet are struck off.
    line: DFF<Bit>,
    line_last: DFF<Bit>,
    enable: Vec<DFF<Bits<4>>>,
    data: Vec<DFF<Bits<32>>>,
    stored: DFF<Bits<8>>,
    // Its first piece.
    some: Vec<Signal<Local, Bit>>,
    from_left: Vec<Signal<Local, Bit>>,
    to_right: Vec<Signal<Local, Bit>>,
    before: Vec<Signal<Local, Bit>>,
    begins: Vec<Signal<Local, Bit>>,
    inside: Vec<Signal<Local, Bit>>,
    outside: Vec<Signal<Local, Bit>>,
    any: Signal<Local, Bit>,
    more: Signal<Local, Bit>,
    first: Signal<Local, Bits<4>>,
    last: Signal<Local, Bits<4>>,
    piece_words: Signal<Local, Bits<8>>,
    piece_first: Signal<Local, Bits<4>>,
    piece_last: Signal<Local, Bits<4>>,
    piece_open: Signal<Local, Bit>,
    // The packet that may go on.
    open: DFF<Bit>,
    open_addr: DFF<Bits<62>>,
    open_words: DFF<Bits<8>>,
    open_first: DFF<Bits<4>>,
    open_last: DFF<Bits<4>>,
    open_start: DFF<Bits<12>>,
    goes_on: Signal<Local, Bit>,
    all_addr: Signal<Local, Bits<62>>,
    all_words: Signal<Local, Bits<8>>,
    all_first: Signal<Local, Bits<4>>,
    all_start: Signal<Local, Bits<12>>,
    line_start: Signal<Local, Bits<12>>,
    size_mask: Signal<Local, Bits<9>>,
    line_end: Signal<Local, Bits<9>>,
    boundary: Signal<Local, Bit>,
    closes: Signal<Local, Bit>,
    used: Signal<Local, Bits<8>>,
    may: Signal<Local, Bit>,
    consume: Signal<Local, Bit>,
    push: Signal<Local, Bit>,
    push_open: Signal<Local, Bit>,
    push_end: Signal<Local, Bit>,
    next_line: Signal<Local, Bits<8>>,
    gathered: Signal<Local, Packet>,
    next_burst: Signal<Local, Bit>,
    lines: Constant<Bits<8>>,
    line_bytes: Constant<Bits<64>>,
    line_mask: Constant<Bits<9>>,
    last_word: Constant<Bits<4>>,
    number: Vec<Constant<Bits<4>>>,
    _words: usize,
    _word_bits: u64,
    _word_bits_end: u64,
    _last: usize,
}

impl Gather {
    /// For lines of `port_bytes`, of which the payload memory holds `lines`.
    pub fn new(port_bytes: usize, lines: usize) -> Self {
        let words = port_bytes / 4;
        let word_bits = u64::from(words.ilog2());
        let bits = || (0..words).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            hold: Default::default(),
            max_payload: Default::default(),
            aw_valid: Default::default(),
            aw_addr: Default::default(),
            aw_id: Default::default(),
            aw_ready: Default::default(),
            w_valid: Default::default(),
            w_strobes: (0..words).map(|_| Signal::default()).collect(),
            w_data: (0..words).map(|_| Signal::default()).collect(),
            w_last: Default::default(),
            w_ready: Default::default(),
            packet_valid: Default::default(),
            packet: Default::default(),
            packet_room: Default::default(),
            write: Default::default(),
            write_line: Default::default(),
            write_data: (0..words).map(|_| Signal::default()).collect(),
            fill: Default::default(),
            free: Default::default(),
            bursts: Fifo::new(BURSTS),
            burst_then: Default::default(),
            burst: Default::default(),
            addr: Default::default(),
            id: Default::default(),
            line: Default::default(),
            line_last: Default::default(),
            enable: (0..words).map(|_| DFF::default()).collect(),
            data: (0..words).map(|_| DFF::default()).collect(),
            stored: Default::default(),
            some: bits(),
            from_left: bits(),
            to_right: bits(),
            before: bits(),
            begins: bits(),
            inside: bits(),
            outside: bits(),
            any: Default::default(),
            more: Default::default(),
            first: Default::default(),
            last: Default::default(),
            piece_words: Default::default(),
            piece_first: Default::default(),
            piece_last: Default::default(),
            piece_open: Default::default(),
            open: Default::default(),
            open_addr: Default::default(),
            open_words: Default::default(),
            open_first: Default::default(),
            open_last: Default::default(),
            open_start: Default::default(),
            goes_on: Default::default(),
            all_addr: Default::default(),
            all_words: Default::default(),
            all_first: Default::default(),
            all_start: Default::default(),
            line_start: Default::default(),
            size_mask: Default::default(),
            line_end: Default::default(),
            boundary: Default::default(),
            closes: Default::default(),
            used: Default::default(),
            may: Default::default(),
            consume: Default::default(),
            push: Default::default(),
            push_open: Default::default(),
            push_end: Default::default(),
            next_line: Default::default(),
            gathered: Default::default(),
            next_burst: Default::default(),
            lines: Constant::new((lines as u64).into()),
            line_bytes: Constant::new((port_bytes as u64).into()),
            line_mask: Constant::new((port_bytes as u64 - 1).into()),
            last_word: Constant::new((words as u64 - 1).into()),
            number: (0..words as u64)
                .map(|word| Constant::new(word.into()))
                .collect(),
            _words: words,
            _word_bits: word_bits,
            _word_bits_end: word_bits + 1,
            _last: words - 1,
        }
    }
}

impl Logic for Gather {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, burst, addr, id, line, line_last, stored, open, open_addr, open_words,
            open_first, open_last, open_start
        );
        // Bursts.
        self.bursts.clock.next = self.clock.val();
        self.bursts.reset.next = self.reset.val();
        self.burst_then.next.addr = self.aw_addr.val();
        self.burst_then.next.id = self.aw_id.val();
        self.bursts.push_data.next = self.burst_then.val();
        self.bursts.push.next = self.aw_valid.val() & self.bursts.room.val();
        self.aw_ready.next = self.bursts.room.val();

        // The first piece of the line at hand: from the first word with a byte to the last one
        // that is joined to it without a gap.
        self.any.next = false;
        self.more.next = false;
        for i in 0..self._words {
            self.some[i].next = self.enable[i].q.val() != 0;
            self.from_left[i].next = (self.enable[i].q.val() == 1)
                | (self.enable[i].q.val() == 3)
                | (self.enable[i].q.val() == 7)
                | (self.enable[i].q.val() == 15);
            self.to_right[i].next = (self.enable[i].q.val() == 8)
                | (self.enable[i].q.val() == 12)
                | (self.enable[i].q.val() == 14)
                | (self.enable[i].q.val() == 15);
        }
        self.before[0].next = false;
        self.begins[0].next = self.some[0].val();
        self.inside[0].next = self.some[0].val();
        for i in 0..self._last {
            self.before[i + 1].next = self.before[i].val() | self.some[i].val();
            self.begins[i + 1].next = self.some[i + 1].val() & (!self.before[i + 1].val());
            self.inside[i + 1].next = self.begins[i + 1].val()
                | (self.inside[i].val() & self.to_right[i].val() & self.from_left[i + 1].val());
        }
        self.first.next = 0.into();
        self.last.next = 0.into();
        self.piece_first.next = 0.into();
        self.piece_last.next = 0.into();
        self.piece_open.next = false;
        for i in 0..self._words {
            self.outside[i].next = self.some[i].val() & (!self.inside[i].val());
            if self.some[i].val() {
                self.any.next = true;
            }
            if self.outside[i].val() {
                self.more.next = true;
            }
            if self.begins[i].val() {
                self.first.next = self.number[i].val();
                self.piece_first.next = self.enable[i].q.val();
            }
            if self.inside[i].val() {
                self.last.next = self.number[i].val();
                self.piece_last.next = self.enable[i].q.val();
                self.piece_open.next = self.to_right[i].val();
            }
        }
        self.piece_words.next =
            bit_cast::<8, 4>(self.last.val()) - bit_cast::<8, 4>(self.first.val()) + 1;

        // Together with the packet that is open.
        for k in self._word_bits..self._word_bits_end {
            self.line_start.next = bit_cast::<12, 8>(self.stored.q.val()) << k;
        }
        self.goes_on.next = self.open.q.val() & self.inside[0].val() & self.from_left[0].val();
        self.all_addr.next =
            self.addr.q.val().get_bits::<62>(2) + bit_cast::<62, 4>(self.first.val());
        self.all_words.next = self.piece_words.val();
        self.all_first.next = self.piece_first.val();
        self.all_start.next = self.line_start.val() + bit_cast::<12, 4>(self.first.val());
        if self.goes_on.val() {
            self.all_addr.next = self.open_addr.q.val();
            self.all_words.next = self.open_words.q.val() + self.piece_words.val();
            self.all_first.next = self.open_first.q.val();
            self.all_start.next = self.open_start.q.val();
        }
        self.size_mask.next = 511.into();
        if self.max_payload.val() == 0 {
            self.size_mask.next = 127.into();
        }
        if self.max_payload.val() == 1 {
            self.size_mask.next = 255.into();
        }
        self.line_end.next = self.addr.q.val().get_bits::<9>(0) | self.line_mask.val();
        self.boundary.next = (self.line_end.val() & self.size_mask.val()) == self.size_mask.val();
        self.closes.next = self.boundary.val()
            | self.line_last.q.val()
            | (!self.piece_open.val())
            | (self.last.val() != self.last_word.val());

        // One step a cycle.
        self.used.next = self.stored.q.val() - self.free.val();
        self.may.next = self.line.q.val()
            & self.burst.q.val()
            & self.packet_room.val()
            & (!self.hold.val())
            & ((self.used.val() != self.lines.val()) | (!self.any.val()));
        self.write.next = self.may.val() & self.any.val();
        self.write_line.next = bit_cast::<10, 8>(self.stored.q.val());
        self.fill.next = self.stored.q.val();
        self.next_line.next = self.stored.q.val() + 1;
        self.consume.next = false;
        self.push.next = false;
        self.push_open.next = false;
        self.push_end.next = false;
        if self.may.val() {
            if !self.any.val() {
                // Nothing in this line: whatever is open ends.
                self.consume.next = true;
                self.push.next = self.open.q.val() | self.line_last.q.val();
                self.push_open.next = self.open.q.val();
                self.push_end.next = self.line_last.q.val();
            } else if self.open.q.val() & (!self.goes_on.val()) {
                self.push.next = true;
                self.push_open.next = true;
            } else if self.more.val() {
                self.push.next = true;
            } else {
                self.consume.next = true;
                self.push.next = self.closes.val();
                self.push_end.next = self.line_last.q.val();
            }
        }
        self.gathered.next.addr = self.all_addr.val();
        self.gathered.next.words = self.all_words.val();
        self.gathered.next.first_enable = self.all_first.val();
        self.gathered.next.last_enable = self.piece_last.val();
        self.gathered.next.start = self.all_start.val();
        self.gathered.next.until = self.stored.q.val();
        self.gathered.next.end = self.push_end.val();
        self.gathered.next.id = self.id.q.val();
        if self.all_words.val() == 1 {
            self.gathered.next.last_enable = 0.into();
        }
        if self.consume.val() & self.any.val() {
            self.gathered.next.until = self.next_line.val();
        }
        if self.push_open.val() {
            self.gathered.next.addr = self.open_addr.q.val();
            self.gathered.next.words = self.open_words.q.val();
            self.gathered.next.first_enable = self.open_first.q.val();
            self.gathered.next.last_enable = self.open_last.q.val();
            self.gathered.next.start = self.open_start.q.val();
        } else if !self.any.val() {
            self.gathered.next.words = 0.into();
        }
        self.packet_valid.next = self.push.val();
        self.packet.next = self.gathered.val();
        if self.push.val() {
            self.open.d.next = false;
        }
        if self.consume.val() & self.any.val() {
            self.stored.d.next = self.next_line.val();
            self.open.d.next = !self.closes.val();
            self.open_addr.d.next = self.all_addr.val();
            self.open_words.d.next = self.all_words.val();
            self.open_first.d.next = self.all_first.val();
            self.open_start.d.next = self.all_start.val();
            self.open_last.d.next = self.piece_last.val();
            if self.all_words.val() == 1 {
                self.open_last.d.next = 0.into();
            }
        }

        // The next line and the next burst.
        self.w_ready.next = (!self.line.q.val()) | self.consume.val();
        if (!self.line.q.val()) | self.consume.val() {
            self.line.d.next = self.w_valid.val();
            self.line_last.d.next = self.w_last.val();
        }
        for i in 0..self._words {
            self.enable[i].clock.next = self.clock.val();
            self.data[i].clock.next = self.clock.val();
            self.enable[i].d.next = self.enable[i].q.val();
            self.data[i].d.next = self.data[i].q.val();
            self.write_data[i].next = self.data[i].q.val();
            if self.push.val() & (!self.push_open.val()) & self.inside[i].val() {
                self.enable[i].d.next = 0.into();
            }
            if (!self.line.q.val()) | self.consume.val() {
                self.enable[i].d.next = self.w_strobes[i].val();
                self.data[i].d.next = self.w_data[i].val();
            }
        }
        self.next_burst.next =
            (!self.burst.q.val()) | (self.consume.val() & self.line_last.q.val());
        self.bursts.pop.next = self.next_burst.val() & self.bursts.valid.val();
        if self.consume.val() {
            self.addr.d.next = self.addr.q.val() + self.line_bytes.val();
        }
        if self.next_burst.val() {
            self.burst.d.next = self.bursts.valid.val();
            self.addr.d.next = self.bursts.data.val().addr;
            self.id.d.next = self.bursts.data.val().id;
        }
        if self.reset.val() {
            self.burst.d.next = false;
            self.line.d.next = false;
            self.open.d.next = false;
        }
    }
}
