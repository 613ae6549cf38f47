//! Puts the payload of completions where it belongs.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bytes::Swap;
use super::cause;
use super::slot::{Progress, Span};
use super::table::Table;

/// Holds completions against the requests that they answer, and writes their payload into the
/// slots of the reorder buffer.
///
/// ```text
/// cpl_*            ->|         |-> write[i], write_line[i], write_data[i]
/// sent, tag, span  ->| Collect |
/// owed             ->|         |-> finish, fail, tag
/// ```
///
/// * Completions of one tag come in the order of addresses, so each must begin where the last one
///   ended: its byte count is what is left, its lower address the next byte (section 2.3.1.1). One
///   that does not, or is longer than what is left, has no effect but on words that are still to
///   come.
/// * A completion with a status other than success is the last of its tag, whatever its other
///   fields say: requests end early rather than late.
/// * Payload that nobody waits for any more is written too: the slot of a tag that is owed holds
///   nothing else.
/// * Words reach the buffer two cycles after the beat that brings them; `finish` is one cycle
///   after the last beat.
#[derive(LogicBlock)]
pub struct Collect {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A beat of a completion.
    pub cpl_valid: Signal<In, Bit>,
    /// It is the first of its packet; what describes the packet is taken from it.
    pub cpl_first: Signal<In, Bit>,
    /// It is the last of its packet.
    pub cpl_last: Signal<In, Bit>,
    /// With the last beat: the packet is well-formed.
    pub cpl_good: Signal<In, Bit>,
    /// Tag.
    pub cpl_tag: Signal<In, Bits<8>>,
    /// Completion status.
    pub cpl_status: Signal<In, Bits<3>>,
    /// The payload is known to be wrong.
    pub cpl_poison: Signal<In, Bit>,
    /// Byte count, 1 to 4,096.
    pub cpl_bytes: Signal<In, Bits<13>>,
    /// Lower address.
    pub cpl_lower: Signal<In, Bits<7>>,
    /// Doublewords of payload in this beat.
    pub cpl_count: Signal<In, Bits<3>>,
    /// The doublewords, bytes as on the stream.
    pub cpl_data: Vec<Signal<In, Bits<32>>>,
    /// Tags whose completions are expected.
    pub owed: Signal<In, Bits<32>>,
    /// A request is sent.
    pub sent: Signal<In, Bit>,
    /// With this tag.
    pub sent_tag: Signal<In, Bits<5>>,
    /// For these words.
    pub span: Signal<In, Span>,
    /// The last completion of a tag is there.
    pub finish: Signal<Out, Bit>,
    /// The request has failed: the cause, or 0.
    pub fail: Signal<Out, Bits<3>>,
    /// This tag.
    pub tag: Signal<Out, Bits<5>>,
    /// Write into this bank of the buffer.
    pub write: Vec<Signal<Out, Bit>>,
    /// At this line.
    pub write_line: Vec<Signal<Out, Bits<10>>>,
    /// The word, bytes as in memory.
    pub write_data: Vec<Signal<Out, Bits<32>>>,
    spans: Table<Span>,
    progress: Table<Progress>,
    begun: DFF<Bits<32>>,
    sent_mask: Signal<Local, Bits<32>>,
    moved_mask: Signal<Local, Bits<32>>,
    // The beat at hand and its packet.
    beat: DFF<Bit>,
    beat_first: DFF<Bit>,
    beat_last: DFF<Bit>,
    beat_good: DFF<Bit>,
    beat_count: DFF<Bits<3>>,
    beat_data: Vec<DFF<Bits<32>>>,
    packet_tag: DFF<Bits<8>>,
    packet_status: DFF<Bits<3>>,
    packet_poison: DFF<Bit>,
    packet_bytes: DFF<Bits<13>>,
    packet_lower: DFF<Bits<7>>,
    slot: Signal<Local, Bits<5>>,
    known: Signal<Local, Bit>,
    next_position: Signal<Local, Bits<7>>,
    next_left: Signal<Local, Bits<8>>,
    next_lead: Signal<Local, Bits<2>>,
    next_bytes: Signal<Local, Bits<13>>,
    next_lower: Signal<Local, Bits<7>>,
    fits_request: Signal<Local, Bit>,
    run_live: DFF<Bit>,
    run_position: DFF<Bits<7>>,
    run_left: DFF<Bits<8>>,
    position: Signal<Local, Bits<7>>,
    left: Signal<Local, Bits<8>>,
    live: Signal<Local, Bit>,
    good: Signal<Local, Bit>,
    then_position: Signal<Local, Bits<7>>,
    then_left: Signal<Local, Bits<8>>,
    then: Signal<Local, Progress>,
    ends_well: Signal<Local, Bit>,
    ends_badly: Signal<Local, Bit>,
    // Words on their way to the buffer.
    store: DFF<Bit>,
    store_at: DFF<Bits<12>>,
    store_count: DFF<Bits<3>>,
    store_data: Vec<DFF<Bits<32>>>,
    swap: Vec<Swap>,
    lane: Signal<Local, Bits<3>>,
    store_line: Signal<Local, Bits<12>>,
    line: Signal<Local, Bits<10>>,
    next_line: Signal<Local, Bits<10>>,
    one: Constant<Bits<32>>,
    lane_mask: Constant<Bits<3>>,
    lane_number: Vec<Constant<Bits<3>>>,
    word_number: Vec<Constant<Bits<3>>>,
    poisoned: Constant<Bits<3>>,
    unsupported: Constant<Bits<3>>,
    abort: Constant<Bits<3>>,
    _words: usize,
    _banks: usize,
    _banks_end: usize,
    _last_bank: usize,
    _lane_bits: u64,
    _lane_bits_end: u64,
}

impl Collect {
    /// For beats of `words` doublewords and lines of `port_bytes`.
    pub fn new(words: usize, port_bytes: usize) -> Self {
        let banks = port_bytes / 4;
        let lane_bits = u64::from(banks.ilog2());
        Self {
            clock: Default::default(),
            cpl_valid: Default::default(),
            cpl_first: Default::default(),
            cpl_last: Default::default(),
            cpl_good: Default::default(),
            cpl_tag: Default::default(),
            cpl_status: Default::default(),
            cpl_poison: Default::default(),
            cpl_bytes: Default::default(),
            cpl_lower: Default::default(),
            cpl_count: Default::default(),
            cpl_data: (0..words).map(|_| Signal::default()).collect(),
            owed: Default::default(),
            sent: Default::default(),
            sent_tag: Default::default(),
            span: Default::default(),
            finish: Default::default(),
            fail: Default::default(),
            tag: Default::default(),
            write: (0..banks).map(|_| Signal::default()).collect(),
            write_line: (0..banks).map(|_| Signal::default()).collect(),
            write_data: (0..banks).map(|_| Signal::default()).collect(),
            spans: Default::default(),
            progress: Default::default(),
            begun: Default::default(),
            sent_mask: Default::default(),
            moved_mask: Default::default(),
            beat: Default::default(),
            beat_first: Default::default(),
            beat_last: Default::default(),
            beat_good: Default::default(),
            beat_count: Default::default(),
            beat_data: (0..words).map(|_| DFF::default()).collect(),
            packet_tag: Default::default(),
            packet_status: Default::default(),
            packet_poison: Default::default(),
            packet_bytes: Default::default(),
            packet_lower: Default::default(),
            slot: Default::default(),
            known: Default::default(),
            next_position: Default::default(),
            next_left: Default::default(),
            next_lead: Default::default(),
            next_bytes: Default::default(),
            next_lower: Default::default(),
            fits_request: Default::default(),
            run_live: Default::default(),
            run_position: Default::default(),
            run_left: Default::default(),
            position: Default::default(),
            left: Default::default(),
            live: Default::default(),
            good: Default::default(),
            then_position: Default::default(),
            then_left: Default::default(),
            then: Default::default(),
            ends_well: Default::default(),
            ends_badly: Default::default(),
            store: Default::default(),
            store_at: Default::default(),
            store_count: Default::default(),
            store_data: (0..words).map(|_| DFF::default()).collect(),
            swap: (0..words).map(|_| Swap::default()).collect(),
            lane: Default::default(),
            store_line: Default::default(),
            line: Default::default(),
            next_line: Default::default(),
            one: Constant::new(1u64.into()),
            lane_mask: Constant::new((banks as u64 - 1).into()),
            lane_number: (0..2 * banks)
                .map(|lane| Constant::new(((lane % banks) as u64).into()))
                .collect(),
            word_number: (0..words as u64)
                .map(|word| Constant::new(word.into()))
                .collect(),
            poisoned: Constant::new(cause::POISONED.into()),
            unsupported: Constant::new(cause::UNSUPPORTED.into()),
            abort: Constant::new(cause::ABORT.into()),
            _words: words,
            _banks: banks,
            _banks_end: banks + 1,
            _last_bank: banks - 1,
            _lane_bits: lane_bits,
            _lane_bits_end: lane_bits + 1,
        }
    }
}

impl Logic for Collect {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            begun,
            beat,
            beat_first,
            beat_last,
            beat_good,
            beat_count,
            packet_tag,
            packet_status,
            packet_poison,
            packet_bytes,
            packet_lower,
            run_live,
            run_position,
            run_left,
            store,
            store_at,
            store_count
        );
        self.beat.d.next = self.cpl_valid.val();
        self.beat_first.d.next = self.cpl_first.val();
        self.beat_last.d.next = self.cpl_last.val();
        self.beat_good.d.next = self.cpl_good.val();
        self.beat_count.d.next = self.cpl_count.val();
        if self.cpl_valid.val() & self.cpl_first.val() {
            self.packet_tag.d.next = self.cpl_tag.val();
            self.packet_status.d.next = self.cpl_status.val();
            self.packet_poison.d.next = self.cpl_poison.val();
            self.packet_bytes.d.next = self.cpl_bytes.val();
            self.packet_lower.d.next = self.cpl_lower.val();
        }

        // What the tag waits for.
        self.slot.next = self.packet_tag.q.val().get_bits::<5>(0);
        self.tag.next = self.slot.val();
        self.spans.clock.next = self.clock.val();
        self.spans.write.next = self.sent.val();
        self.spans.write_tag.next = self.sent_tag.val();
        self.spans.write_data.next = self.span.val();
        self.spans.read_tag.next = self.slot.val();
        self.known.next = (self.packet_tag.q.val().get_bits::<3>(5) == 0)
            & self.owed.val().get_bit(self.slot.val().index());
        self.progress.clock.next = self.clock.val();
        self.progress.read_tag.next = self.slot.val();
        self.next_position.next = self.spans.data.val().position;
        self.next_left.next = self.spans.data.val().left;
        self.next_lead.next = self.spans.data.val().lead;
        if self.begun.q.val().get_bit(self.slot.val().index()) {
            self.next_position.next = self.progress.data.val().position;
            self.next_left.next = self.progress.data.val().left;
            self.next_lead.next = 0.into();
        }
        self.next_bytes.next = (bit_cast::<13, 8>(self.next_left.val()) << 2)
            - bit_cast::<13, 2>(self.next_lead.val())
            - bit_cast::<13, 2>(self.spans.data.val().rest);
        self.next_lower.next =
            (self.next_position.val() << 2) | bit_cast::<7, 2>(self.next_lead.val());
        self.fits_request.next = (self.packet_status.q.val() == 0)
            & (self.packet_bytes.q.val() == self.next_bytes.val())
            & (self.packet_lower.q.val() == self.next_lower.val());

        // The packet. A tag that is owed no more, even if it is soon owed again, has nothing to do
        // with what is left of an old packet.
        self.position.next = self.run_position.q.val();
        self.left.next = self.run_left.q.val();
        self.good.next = self.run_live.q.val() & self.known.val();
        if self.beat_first.q.val() {
            self.position.next = self.next_position.val();
            self.left.next = self.next_left.val();
            self.good.next =
                self.known.val() & (self.fits_request.val() | (self.packet_status.q.val() != 0));
        }
        self.live.next = self.good.val()
            & ((self.packet_status.q.val() != 0)
                | (bit_cast::<8, 3>(self.beat_count.q.val()) <= self.left.val()));
        self.then_position.next = self.position.val() + bit_cast::<7, 3>(self.beat_count.q.val());
        self.then_left.next = self.left.val() - bit_cast::<8, 3>(self.beat_count.q.val());
        self.run_live.d.next = self.run_live.q.val() & self.known.val();
        if self.beat.q.val() {
            self.run_live.d.next = self.live.val() & (!self.beat_last.q.val());
            self.run_position.d.next = self.then_position.val();
            self.run_left.d.next = self.then_left.val();
        }
        self.ends_well.next = self.beat.q.val()
            & self.beat_last.q.val()
            & self.beat_good.q.val()
            & self.live.val()
            & (self.packet_status.q.val() == 0)
            & (self.then_left.val() != self.next_left.val());
        self.ends_badly.next = self.beat.q.val()
            & self.beat_last.q.val()
            & self.beat_good.q.val()
            & self.live.val()
            & (self.packet_status.q.val() != 0);
        self.finish.next =
            self.ends_badly.val() | (self.ends_well.val() & (self.then_left.val() == 0));
        self.fail.next = 0.into();
        if self.ends_well.val() & self.packet_poison.q.val() {
            self.fail.next = self.poisoned.val();
        }
        if self.ends_badly.val() {
            self.fail.next = self.unsupported.val();
            if self.packet_status.q.val() == 4 {
                self.fail.next = self.abort.val();
            }
        }
        self.progress.write.next = self.ends_well.val();
        self.progress.write_tag.next = self.slot.val();
        self.then.next.position = self.then_position.val();
        self.then.next.left = self.then_left.val();
        self.progress.write_data.next = self.then.val();
        self.sent_mask.next = 0.into();
        if self.sent.val() {
            self.sent_mask.next = self.one.val() << self.sent_tag.val();
        }
        self.moved_mask.next = 0.into();
        if self.ends_well.val() {
            self.moved_mask.next = self.one.val() << self.slot.val();
        }
        self.begun.d.next = (self.begun.q.val() | self.moved_mask.val()) & (!self.sent_mask.val());

        // The buffer.
        self.store.d.next = self.beat.q.val() & self.live.val() & (self.packet_status.q.val() == 0);
        self.store_at.d.next =
            (bit_cast::<12, 5>(self.slot.val()) << 7) | bit_cast::<12, 7>(self.position.val());
        self.store_count.d.next = self.beat_count.q.val();
        self.lane.next = self.store_at.q.val().get_bits::<3>(0) & self.lane_mask.val();
        for k in self._lane_bits..self._lane_bits_end {
            self.store_line.next = self.store_at.q.val() >> k;
        }
        self.line.next = self.store_line.val().get_bits::<10>(0);
        for w in 0..self._words {
            self.beat_data[w].clock.next = self.clock.val();
            self.beat_data[w].d.next = self.cpl_data[w].val();
            self.swap[w].word.next = self.beat_data[w].q.val();
            self.store_data[w].clock.next = self.clock.val();
            self.store_data[w].d.next = self.swap[w].swapped.val();
        }
        self.next_line.next = self.line.val() + 1;
        for n in self._banks..self._banks_end {
            for b in 0..self._banks {
                self.write[b].next = false;
                self.write_data[b].next = self.store_data[0].q.val();
                self.write_line[b].next = self.line.val();
                for w in 0..self._words {
                    if self.lane.val() == self.lane_number[b + n - w].val() {
                        self.write[b].next = self.store.q.val()
                            & (self.store_count.q.val() > self.word_number[w].val());
                        self.write_data[b].next = self.store_data[w].q.val();
                    }
                }
            }
        }
        // A word in a lower bank than the first one lies in the next line.
        for b in 0..self._last_bank {
            if self.lane_number[b].val() < self.lane.val() {
                self.write_line[b].next = self.next_line.val();
            }
        }
    }
}
