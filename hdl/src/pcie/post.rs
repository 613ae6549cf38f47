//! Sends memory writes.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bytes::Swap;
use super::packet::{Packet, Receipt};

/// Words of the longest header.
const HEADER_WORDS: usize = 4;
/// Bursts whose answers may wait to be taken.
pub const ANSWERS: usize = 16;

/// Makes memory writes (section 2.2.7) of gathered packets.
///
/// ```text
/// packet_valid, packet ->|      |-> read, read_line[i]  (read_data[i] one cycle later)
/// packet_taken         <-|      |-> tx_valid, tx_last, tx_keep, tx_data   <- tx_ready
/// bus_master, id       ->| Post |-> answer_valid, answer                  <- answer_taken
/// fill                 ->|      |-> free, sweeping
/// ```
///
/// * A beat a cycle, from packet to packet too: the beat that is offered, the one whose payload is
///   on its way out of the memory, and the one whose payload is asked for follow each other.
/// * What becomes of a packet is told when its first beat is offered: without bus master it is
///   dropped and its burst has failed. Once its first beat is taken it is finished.
/// * A burst is answered when its last packet is taken or dropped.
/// * A reset drops everything but the packet that is begun; `sweeping` lasts until that is out.
///   All of the payload memory up to `fill` is then free. `link_down` drops that packet, too: the link
///   has forgotten its first beat.
#[derive(LogicBlock)]
pub struct Post {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop what is not begun.
    pub reset: Signal<In, Bit>,
    /// Drop what is begun; only with `reset`.
    pub link_down: Signal<In, Bit>,
    /// Writes may be sent.
    pub bus_master: Signal<In, Bit>,
    /// Bus, device and function of the requester.
    pub id: Signal<In, Bits<16>>,
    /// A packet is gathered.
    pub packet_valid: Signal<In, Bit>,
    /// The packet.
    pub packet: Signal<In, Packet>,
    /// The packet is taken.
    pub packet_taken: Signal<Out, Bit>,
    /// Read the payload memory.
    pub read: Signal<Out, Bit>,
    /// Each bank at this line.
    pub read_line: Vec<Signal<Out, Bits<10>>>,
    /// The words.
    pub read_data: Vec<Signal<In, Bits<32>>>,
    /// Next line of the payload memory to be filled.
    pub fill: Signal<In, Bits<8>>,
    /// First line of the payload memory that is still needed.
    pub free: Signal<Out, Bits<8>>,
    /// What was there before a reset is not gone yet.
    pub sweeping: Signal<Out, Bit>,
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
    /// A burst has ended; there is room for its answer.
    pub answer_valid: Signal<Out, Bit>,
    /// How.
    pub answer: Signal<Out, Receipt>,
    /// An answer was handed on: room for one more.
    pub answer_taken: Signal<In, Bit>,
    /// A packet was sent.
    pub sent: Signal<Out, Bit>,
    // The packet whose payload is asked for.
    active: DFF<Bit>,
    begun: DFF<Bits<2>>,
    header: Vec<DFF<Bits<32>>>,
    wide: DFF<Bit>,
    empty: DFF<Bit>,
    left: DFF<Bits<8>>,
    at: DFF<Bits<12>>,
    until: DFF<Bits<8>>,
    end: DFF<Bit>,
    burst_id: DFF<Bits<4>>,
    needed: DFF<Bits<8>>,
    promised: DFF<Bits<5>>,
    packet_addr: Signal<Local, Bits<62>>,
    packet_wide: Signal<Local, Bit>,
    high: Signal<Local, Bits<32>>,
    low: Signal<Local, Bits<32>>,
    loads: Signal<Local, Bit>,
    fits: Signal<Local, Bit>,
    issues: Signal<Local, Bit>,
    finishes: Signal<Local, Bit>,
    at_line: Signal<Local, Bits<12>>,
    line: Signal<Local, Bits<10>>,
    next_line: Signal<Local, Bits<10>>,
    lane: Signal<Local, Bits<3>>,
    beat_keep: Signal<Local, Bits<4>>,
    // The beat whose payload is on its way.
    mid: DFF<Bit>,
    mid_first: DFF<Bit>,
    mid_last: DFF<Bit>,
    mid_empty: DFF<Bit>,
    mid_end: DFF<Bit>,
    mid_id: DFF<Bits<4>>,
    mid_keep: DFF<Bits<4>>,
    mid_lane: DFF<Bits<3>>,
    mid_is_header: Vec<DFF<Bit>>,
    mid_header: Vec<DFF<Bits<32>>>,
    swap: Vec<Swap>,
    // The beat that is offered.
    out: DFF<Bit>,
    out_first: DFF<Bit>,
    out_last: DFF<Bit>,
    out_empty: DFF<Bit>,
    out_end: DFF<Bit>,
    out_id: DFF<Bits<4>>,
    out_keep: DFF<Bits<4>>,
    out_data: Vec<DFF<Bits<32>>>,
    dropping: DFF<Bit>,
    failed: DFF<Bit>,
    sweeps: DFF<Bit>,
    skips: Signal<Local, Bit>,
    offers: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    loses: Signal<Local, Bit>,
    unfinished: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    answered: Signal<Local, Receipt>,
    write_format: Constant<Bits<32>>,
    wide_write_format: Constant<Bits<32>>,
    words_in_beat: Constant<Bits<8>>,
    beat_words: Constant<Bits<12>>,
    full_keep: Constant<Bits<4>>,
    all_answers: Constant<Bits<5>>,
    lane_mask: Constant<Bits<3>>,
    lane_number: Vec<Constant<Bits<3>>>,
    count_number: Vec<Constant<Bits<8>>>,
    keep_number: Vec<Constant<Bits<4>>>,
    beat_number: Vec<Constant<Bits<2>>>,
    last_header_beat: Constant<Bits<2>>,
    _words: usize,
    _words_end: usize,
    _beats: usize,
    _banks: usize,
    _banks_end: usize,
    _last_bank: usize,
    _lane_bits: u64,
    _lane_bits_end: u64,
    _header_lane: usize,
    _header_lane_end: usize,
}

impl Post {
    /// For beats of `words` doublewords and lines of `port_bytes`.
    pub fn new(words: usize, port_bytes: usize) -> Self {
        let banks = port_bytes / 4;
        let lane_bits = u64::from(banks.ilog2());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            link_down: Default::default(),
            bus_master: Default::default(),
            id: Default::default(),
            packet_valid: Default::default(),
            packet: Default::default(),
            packet_taken: Default::default(),
            read: Default::default(),
            read_line: (0..banks).map(|_| Signal::default()).collect(),
            read_data: (0..banks).map(|_| Signal::default()).collect(),
            fill: Default::default(),
            free: Default::default(),
            sweeping: Default::default(),
            tx_valid: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            tx_ready: Default::default(),
            answer_valid: Default::default(),
            answer: Default::default(),
            answer_taken: Default::default(),
            sent: Default::default(),
            active: Default::default(),
            begun: Default::default(),
            header: (0..HEADER_WORDS).map(|_| DFF::default()).collect(),
            wide: Default::default(),
            empty: Default::default(),
            left: Default::default(),
            at: Default::default(),
            until: Default::default(),
            end: Default::default(),
            burst_id: Default::default(),
            needed: Default::default(),
            promised: Default::default(),
            packet_addr: Default::default(),
            packet_wide: Default::default(),
            high: Default::default(),
            low: Default::default(),
            loads: Default::default(),
            fits: Default::default(),
            issues: Default::default(),
            finishes: Default::default(),
            at_line: Default::default(),
            line: Default::default(),
            next_line: Default::default(),
            lane: Default::default(),
            beat_keep: Default::default(),
            mid: Default::default(),
            mid_first: Default::default(),
            mid_last: Default::default(),
            mid_empty: Default::default(),
            mid_end: Default::default(),
            mid_id: Default::default(),
            mid_keep: Default::default(),
            mid_lane: Default::default(),
            mid_is_header: (0..words).map(|_| DFF::default()).collect(),
            mid_header: (0..words).map(|_| DFF::default()).collect(),
            swap: (0..words).map(|_| Swap::default()).collect(),
            out: Default::default(),
            out_first: Default::default(),
            out_last: Default::default(),
            out_empty: Default::default(),
            out_end: Default::default(),
            out_id: Default::default(),
            out_keep: Default::default(),
            out_data: (0..words).map(|_| DFF::default()).collect(),
            dropping: Default::default(),
            failed: Default::default(),
            sweeps: Default::default(),
            skips: Default::default(),
            offers: Default::default(),
            leaves: Default::default(),
            advance: Default::default(),
            loses: Default::default(),
            unfinished: Default::default(),
            ends: Default::default(),
            answered: Default::default(),
            write_format: Constant::new(0x4000_0000u64.into()),
            wide_write_format: Constant::new(0x6000_0000u64.into()),
            words_in_beat: Constant::new((words as u64).into()),
            beat_words: Constant::new((words as u64).into()),
            full_keep: Constant::new(((1u64 << words) - 1).into()),
            all_answers: Constant::new((ANSWERS as u64).into()),
            lane_mask: Constant::new((banks as u64 - 1).into()),
            lane_number: (0..2 * banks)
                .map(|lane| Constant::new(((lane % banks) as u64).into()))
                .collect(),
            count_number: (0..words as u64)
                .map(|count| Constant::new(count.into()))
                .collect(),
            keep_number: (0..words as u64)
                .map(|count| Constant::new(((1 << count) - 1).into()))
                .collect(),
            beat_number: (0..HEADER_WORDS as u64 / words as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            last_header_beat: Constant::new((HEADER_WORDS as u64 / words as u64 - 1).into()),
            _words: words,
            _words_end: words + 1,
            _beats: HEADER_WORDS / words,
            _banks: banks,
            _banks_end: banks + 1,
            _last_bank: banks - 1,
            _lane_bits: lane_bits,
            _lane_bits_end: lane_bits + 1,
            _header_lane: words - 1,
            _header_lane_end: words,
        }
    }
}

impl Logic for Post {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, active, begun, wide, empty, left, at, until, end, burst_id, needed,
            promised, mid, mid_first, mid_last, mid_empty, mid_end, mid_id, mid_keep, mid_lane,
            out, out_first, out_last, out_empty, out_end, out_id, out_keep, dropping, failed,
            sweeps
        );
        // The beat that is offered.
        self.loses.next = self.out.q.val()
            & (!self.out_empty.q.val())
            & (self.dropping.q.val() | (self.out_first.q.val() & (!self.bus_master.val())));
        self.skips.next = self.loses.val() | (self.out.q.val() & self.out_empty.q.val());
        self.offers.next = self.out.q.val()
            & (!self.skips.val())
            & (!(self.out_first.q.val() & self.reset.val()))
            & (!self.link_down.val());
        self.leaves.next = self.skips.val() | (self.offers.val() & self.tx_ready.val());
        self.advance.next = (!self.out.q.val()) | self.leaves.val();
        self.tx_valid.next = self.offers.val();
        self.tx_last.next = self.out_last.q.val();
        self.tx_keep.next = self.out_keep.q.val();
        self.sent.next = self.offers.val() & self.tx_ready.val() & self.out_last.q.val();
        if self.leaves.val() {
            self.dropping.d.next = self.loses.val() & (!self.out_last.q.val());
            self.failed.d.next = self.failed.q.val() | self.loses.val();
            if self.out_last.q.val() & self.out_end.q.val() {
                self.failed.d.next = false;
            }
        }
        self.ends.next = self.leaves.val()
            & self.out_last.q.val()
            & self.out_end.q.val()
            & (!self.sweeps.q.val())
            & (!self.reset.val());
        self.answer_valid.next = self.ends.val();
        self.answered.next.id = self.out_id.q.val();
        self.answered.next.failed = self.failed.q.val() | self.loses.val();
        self.answer.next = self.answered.val();

        // The next packet. Its last beat must find room for an answer.
        self.packet_addr.next = self.packet.val().addr;
        self.packet_wide.next = self.packet_addr.val().get_bits::<32>(30) != 0;
        self.high.next = self.packet_addr.val().get_bits::<32>(30);
        self.low.next = bit_cast::<32, 30>(self.packet_addr.val().get_bits::<30>(0)) << 2;
        self.issues.next = self.active.q.val() & self.advance.val();
        self.fits.next = self.left.q.val() <= self.words_in_beat.val();
        self.finishes.next = self.issues.val() & self.fits.val();
        self.loads.next = self.packet_valid.val()
            & ((!self.active.q.val()) | self.finishes.val())
            & ((!self.packet.val().end) | (self.promised.q.val() != self.all_answers.val()))
            & (!self.reset.val());
        self.packet_taken.next = self.loads.val();
        if self.loads.val() & self.packet.val().end {
            if !self.answer_taken.val() {
                self.promised.d.next = self.promised.q.val() + 1;
            }
        } else if self.answer_taken.val() {
            self.promised.d.next = self.promised.q.val() - 1;
        }
        if self.issues.val() {
            self.left.d.next = self.left.q.val() - self.words_in_beat.val();
            self.at.d.next = self.at.q.val() + self.beat_words.val();
            if self.begun.q.val() != 3 {
                self.begun.d.next = self.begun.q.val() + 1;
            }
        }
        if self.finishes.val() {
            self.active.d.next = false;
            self.needed.d.next = self.until.q.val();
        }
        for i in 0..4 {
            self.header[i].clock.next = self.clock.val();
            self.header[i].d.next = self.header[i].q.val();
        }
        if self.loads.val() {
            self.active.d.next = true;
            self.begun.d.next = 0.into();
            self.wide.d.next = self.packet_wide.val();
            self.empty.d.next = self.packet.val().words == 0;
            self.until.d.next = self.packet.val().until;
            self.end.d.next = self.packet.val().end;
            self.burst_id.d.next = self.packet.val().id;
            self.left.d.next = self.packet.val().words + 3;
            self.at.d.next = self.packet.val().start - 3;
            self.header[0].d.next =
                bit_cast::<32, 8>(self.packet.val().words) | self.write_format.val();
            self.header[1].d.next = (bit_cast::<32, 16>(self.id.val()) << 16)
                | (bit_cast::<32, 4>(self.packet.val().last_enable) << 4)
                | bit_cast::<32, 4>(self.packet.val().first_enable);
            self.header[2].d.next = self.low.val();
            self.header[3].d.next = self.low.val();
            if self.packet_wide.val() {
                self.left.d.next = self.packet.val().words + 4;
                self.at.d.next = self.packet.val().start - 4;
                self.header[0].d.next =
                    bit_cast::<32, 8>(self.packet.val().words) | self.wide_write_format.val();
                self.header[2].d.next = self.high.val();
            }
            // One beat that nobody sees.
            if self.packet.val().words == 0 {
                self.left.d.next = 1.into();
            }
        }

        // Its payload: as many words as a beat has, from anywhere in a line on.
        self.read.next = self.issues.val();
        self.lane.next = self.at.q.val().get_bits::<3>(0) & self.lane_mask.val();
        for k in self._lane_bits..self._lane_bits_end {
            self.at_line.next = self.at.q.val() >> k;
        }
        self.line.next = self.at_line.val().get_bits::<10>(0);
        self.next_line.next = self.line.val() + 1;
        for b in 0..self._banks {
            self.read_line[b].next = self.line.val();
        }
        for b in 0..self._last_bank {
            if self.lane_number[b].val() < self.lane.val() {
                self.read_line[b].next = self.next_line.val();
            }
        }
        self.beat_keep.next = self.full_keep.val();
        for c in 1..self._words {
            if self.left.q.val() == self.count_number[c].val() {
                self.beat_keep.next = self.keep_number[c].val();
            }
        }
        if self.advance.val() {
            self.mid.d.next = self.issues.val();
            self.mid_first.d.next = self.begun.q.val() == 0;
            self.mid_last.d.next = self.fits.val();
            self.mid_empty.d.next = self.empty.q.val();
            self.mid_end.d.next = self.end.q.val();
            self.mid_id.d.next = self.burst_id.q.val();
            self.mid_keep.d.next = self.beat_keep.val();
            self.mid_lane.d.next = self.lane.val();
            self.out.d.next = self.mid.q.val();
            self.out_first.d.next = self.mid_first.q.val();
            self.out_last.d.next = self.mid_last.q.val();
            self.out_empty.d.next = self.mid_empty.q.val();
            self.out_end.d.next = self.mid_end.q.val();
            self.out_id.d.next = self.mid_id.q.val();
            self.out_keep.d.next = self.mid_keep.q.val();
        }
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.mid_is_header[i].clock.next = self.clock.val();
                self.mid_header[i].clock.next = self.clock.val();
                self.mid_is_header[i].d.next = self.mid_is_header[i].q.val();
                self.mid_header[i].d.next = self.mid_header[i].q.val();
                if self.advance.val() {
                    self.mid_is_header[i].d.next = false;
                    for b in 0..self._beats {
                        if self.begun.q.val() == self.beat_number[b].val() {
                            self.mid_is_header[i].d.next = true;
                            self.mid_header[i].d.next = self.header[b * w + i].q.val();
                        }
                    }
                }
            }
        }
        // The last of them is payload when the address is narrow.
        for i in self._header_lane..self._header_lane_end {
            if self.advance.val() & (self.begun.q.val() == self.last_header_beat.val()) {
                self.mid_is_header[i].d.next = self.wide.q.val();
            }
        }
        for i in 0..self._words {
            self.out_data[i].clock.next = self.clock.val();
            self.out_data[i].d.next = self.out_data[i].q.val();
            self.tx_data[i].next = self.out_data[i].q.val();
            self.swap[i].word.next = self.read_data[0].val();
            for n in self._banks..self._banks_end {
                for b in 0..self._banks {
                    if self.mid_lane.q.val() == self.lane_number[b + n - i].val() {
                        self.swap[i].word.next = self.read_data[b].val();
                    }
                }
            }
            if self.advance.val() {
                self.out_data[i].d.next = self.swap[i].swapped.val();
                if self.mid_is_header[i].q.val() {
                    self.out_data[i].d.next = self.mid_header[i].q.val();
                }
            }
        }

        // A reset leaves nothing but the packet whose first beat was taken. Its beats follow each
        // other without a gap, so that one of them stands in front.
        self.free.next = self.needed.q.val();
        self.sweeping.next = self.sweeps.q.val();
        self.unfinished.next = self.out.q.val()
            & (!self.out_first.q.val())
            & (!self.skips.val())
            & (!self.link_down.val())
            & (!(self.leaves.val() & self.out_last.q.val()));
        if self.sweeps.q.val() {
            self.failed.d.next = false;
            if (!self.out.q.val()) & (!self.mid.q.val()) & (!self.active.q.val()) {
                self.sweeps.d.next = false;
                self.needed.d.next = self.fill.val();
            }
        }
        if self.reset.val() {
            self.sweeps.d.next = true;
            self.promised.d.next = 0.into();
            self.failed.d.next = false;
            if !self.unfinished.val() {
                self.out.d.next = false;
                self.mid.d.next = false;
                self.active.d.next = false;
                self.dropping.d.next = false;
            } else if self.mid.q.val() & self.mid_first.q.val() {
                self.mid.d.next = false;
                self.active.d.next = false;
            } else if self.begun.q.val() == 0 {
                if self.advance.val() {
                    self.mid.d.next = false;
                }
                self.active.d.next = false;
            }
        }
    }
}
