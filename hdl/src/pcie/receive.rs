//! Takes packets apart: completions at once, requests when they are whole.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Decode, NonPosted, Posted, WordQueue};
use crate::mem::Fifo;

/// Words of writes that fit; the largest packet has 1,024 and takes a little more for its
/// alignment.
const PAYLOAD_WORDS: usize = 2048;

/// Writes that fit, and requests of the other kind that fit. A hard block lets fewer requests
/// that are not posted under way (its credits), so that they never stop what comes behind them.
const REQUESTS: usize = 32;

/// Splits the received stream into completions, writes and requests that want an answer.
///
/// ```text
///                        +---------+-> cpl_*                              (never waits)
/// rx_valid, rx_data ... >|         |-> write_valid, write, word_valid, word_data[W]
///              rx_ready <| Receive |<- word_pop, write_done
///         closed, clear >|         |-> ask_valid, ask
///                        +---------+<- ask_pop
/// ```
///
/// * Completions for `cfg_id` pass through, a beat a cycle, once their header is there. Their tag,
///   status and the like stand still from `cpl_first` to `cpl_last`. In each beat `cpl_count` words
///   (any number from 0 on) count, from `cpl_data[0]` on; together they are never more than the
///   header's length. `cpl_good` tells with `cpl_last` whether the packet was well-formed and as
///   long as its header says. What ends within its header is not shown.
/// * Requests are handed on when they are whole and well-formed; others have no effect. Writes
///   come in their order, and their words in rows whose lane `i` is the doubleword of an address
///   that is `i` modulo W; the reader pops every row. A request that wants an answer is shown when
///   all writes that came before it are done; a write may overtake such requests. So a card that
///   cannot send still takes writes (section 2.4.1).
/// * Packets with a digest (TD bit) are dropped, completions too: the hard block takes digests off
///   ([`super::Endpoint`]).
/// * `closed`: requests are dropped, also those of which a part has come; what was handed on
///   before stays until `clear`. Completions pass.
#[derive(LogicBlock)]
pub struct Receive {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything, the packet under way too.
    pub reset: Signal<In, Bit>,
    /// Drop requests.
    pub closed: Signal<In, Bit>,
    /// Forget requests that were handed on, but not that a packet is under way.
    pub clear: Signal<In, Bit>,
    /// Bus, device and function of the card.
    pub cfg_id: Signal<In, Bits<16>>,
    /// A beat of a packet.
    pub rx_valid: Signal<In, Bit>,
    /// It is taken.
    pub rx_ready: Signal<Out, Bit>,
    /// Last of its packet.
    pub rx_last: Signal<In, Bit>,
    /// Words that count, the lowest ones; all but in the last beat.
    pub rx_keep: Signal<In, Bits<4>>,
    /// The words.
    pub rx_data: Vec<Signal<In, Bits<32>>>,
    /// The BAR that a request hits, one-hot, with the first beat.
    pub rx_bar: Signal<In, Bits<7>>,
    /// A beat of a completion.
    pub cpl_valid: Signal<Out, Bit>,
    /// First of its packet.
    pub cpl_first: Signal<Out, Bit>,
    /// Last of its packet.
    pub cpl_last: Signal<Out, Bit>,
    /// With the last beat: nothing is wrong with the packet.
    pub cpl_good: Signal<Out, Bit>,
    /// Tag of the request.
    pub cpl_tag: Signal<Out, Bits<8>>,
    /// Completion status.
    pub cpl_status: Signal<Out, Bits<3>>,
    /// The payload is known to be wrong.
    pub cpl_poison: Signal<Out, Bit>,
    /// Byte count, 1 to 4096.
    pub cpl_bytes: Signal<Out, Bits<13>>,
    /// Lower address.
    pub cpl_lower: Signal<Out, Bits<7>>,
    /// Words of payload in this beat.
    pub cpl_count: Signal<Out, Bits<3>>,
    /// The words, bytes in the order of the stream.
    pub cpl_data: Vec<Signal<Out, Bits<32>>>,
    /// There is a write.
    pub write_valid: Signal<Out, Bit>,
    /// The oldest one.
    pub write: Signal<Out, Posted>,
    /// It is done; its rows have been popped.
    pub write_done: Signal<In, Bit>,
    /// There is a row of its words.
    pub word_valid: Signal<Out, Bit>,
    /// The words, bytes in the order of the stream.
    pub word_data: Vec<Signal<Out, Bits<32>>>,
    /// Drop the row.
    pub word_pop: Signal<In, Bit>,
    /// There is a request that wants an answer, and no write that came before it.
    pub ask_valid: Signal<Out, Bit>,
    /// The oldest one.
    pub ask: Signal<Out, NonPosted>,
    /// Drop it.
    pub ask_pop: Signal<In, Bit>,
    decode: Decode,
    words: WordQueue,
    writes: Fifo<Posted>,
    asks: Fifo<NonPosted>,
    /// A bit for each request in the order of their coming: set for one that wants an answer.
    /// Those that come before all waiting writes are counted in `ripe` and are here no more.
    order: Fifo<Bits<1>>,
    ripe: DFF<Bits<8>>,
    index: DFF<Bits<2>>,
    bar: DFF<Bits<7>>,
    head: Vec<DFF<Bits<32>>>,
    // The beat at hand.
    valid: DFF<Bit>,
    last: DFF<Bit>,
    keep: DFF<Bits<4>>,
    /// The header ends in it.
    heads: DFF<Bit>,
    /// The header ended before it.
    body: DFF<Bit>,
    data: Vec<DFF<Bits<32>>>,
    /// A part of a packet has passed.
    inside: DFF<Bit>,
    owed: DFF<Bits<11>>,
    fault: DFF<Bit>,
    take: Signal<Local, Bit>,
    fire: Signal<Local, Bit>,
    stall: Signal<Local, Bit>,
    known: Signal<Local, Bit>,
    kept: Signal<Local, Bits<3>>,
    skipped: Signal<Local, Bits<3>>,
    short: Signal<Local, Bit>,
    found: Signal<Local, Bits<3>>,
    owed_now: Signal<Local, Bits<11>>,
    count: Signal<Local, Bits<3>>,
    rest: Signal<Local, Bits<11>>,
    fault_now: Signal<Local, Bit>,
    good: Signal<Local, Bit>,
    wants_write: Signal<Local, Bit>,
    address: Signal<Local, Bits<30>>,
    is_write: Signal<Local, Bit>,
    is_ask: Signal<Local, Bit>,
    ripens: Signal<Local, Bit>,
    forget: Signal<Local, Bit>,
    all: Constant<Bits<3>>,
    last_head: Constant<Bits<2>>,
    beat_number: Vec<Constant<Bits<2>>>,
    narrow_skip: Constant<Bits<3>>,
    wide_skip: Constant<Bits<3>>,
    _words: usize,
    _words_end: usize,
    _heads: usize,
}

impl Receive {
    /// For beats of `words` words, 2 or 4.
    pub fn new(words: usize) -> Self {
        let rows = PAYLOAD_WORDS / words;
        let heads = 4 / words;
        let before = (heads - 1) * words;
        let word = || (0..words).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            closed: Default::default(),
            clear: Default::default(),
            cfg_id: Default::default(),
            rx_valid: Default::default(),
            rx_ready: Default::default(),
            rx_last: Default::default(),
            rx_keep: Default::default(),
            rx_data: (0..words).map(|_| Signal::default()).collect(),
            rx_bar: Default::default(),
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
            cpl_data: word(),
            write_valid: Default::default(),
            write: Default::default(),
            write_done: Default::default(),
            word_valid: Default::default(),
            word_data: word(),
            word_pop: Default::default(),
            ask_valid: Default::default(),
            ask: Default::default(),
            ask_pop: Default::default(),
            decode: Default::default(),
            words: WordQueue::new(words, rows, 2),
            writes: Fifo::new(REQUESTS),
            asks: Fifo::new(REQUESTS),
            order: Fifo::new(2 * REQUESTS),
            ripe: Default::default(),
            index: Default::default(),
            bar: Default::default(),
            head: (0..4).map(|_| DFF::default()).collect(),
            valid: Default::default(),
            last: Default::default(),
            keep: Default::default(),
            heads: Default::default(),
            body: Default::default(),
            data: (0..words).map(|_| DFF::default()).collect(),
            inside: Default::default(),
            owed: Default::default(),
            fault: Default::default(),
            take: Default::default(),
            fire: Default::default(),
            stall: Default::default(),
            known: Default::default(),
            kept: Default::default(),
            skipped: Default::default(),
            short: Default::default(),
            found: Default::default(),
            owed_now: Default::default(),
            count: Default::default(),
            rest: Default::default(),
            fault_now: Default::default(),
            good: Default::default(),
            wants_write: Default::default(),
            address: Default::default(),
            is_write: Default::default(),
            is_ask: Default::default(),
            ripens: Default::default(),
            forget: Default::default(),
            all: Constant::new((words as u64).into()),
            last_head: Constant::new((heads as u64 - 1).into()),
            beat_number: (0..heads as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            narrow_skip: Constant::new((3 - before as u64).into()),
            wide_skip: Constant::new((4 - before as u64).into()),
            _words: words,
            _words_end: words + 1,
            _heads: heads,
        }
    }
}

impl Logic for Receive {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, ripe, index, bar, valid, last, keep, heads, body, inside, owed, fault
        );
        self.words.clock.next = self.clock.val();
        self.writes.clock.next = self.clock.val();
        self.asks.clock.next = self.clock.val();
        self.order.clock.next = self.clock.val();

        self.decode.head_0.next = self.head[0].q.val();
        self.decode.head_1.next = self.head[1].q.val();
        self.decode.head_2.next = self.head[2].q.val();
        self.decode.head_3.next = self.head[3].q.val();
        self.decode.bar.next = self.bar.q.val();
        self.known.next = self.heads.q.val() | self.body.q.val();

        // Words of payload in the beat at hand; none when the beat is not as it must be.
        self.kept.next = 0.into();
        if self.keep.q.val() == 1 {
            self.kept.next = 1.into();
        }
        if self.keep.q.val() == 3 {
            self.kept.next = 2.into();
        }
        if self.keep.q.val() == 7 {
            self.kept.next = 3.into();
        }
        if self.keep.q.val() == 15 {
            self.kept.next = 4.into();
        }
        self.skipped.next = 0.into();
        if self.heads.q.val() {
            self.skipped.next = self.narrow_skip.val();
            if self.decode.wide.val() {
                self.skipped.next = self.wide_skip.val();
            }
        }
        self.short.next = (self.kept.val() < self.skipped.val())
            | (self.kept.val() > self.all.val())
            | (self.kept.val() == 0)
            | ((self.kept.val() != self.all.val()) & (!self.last.q.val()));
        self.found.next = 0.into();
        if self.known.val() & (!self.short.val()) {
            self.found.next = self.kept.val() - self.skipped.val();
        }
        self.owed_now.next = self.owed.q.val();
        if self.heads.q.val() {
            self.owed_now.next = self.decode.payload.val();
        }
        self.count.next = self.found.val();
        if bit_cast::<11, 3>(self.found.val()) > self.owed_now.val() {
            self.count.next = self.owed_now.val().get_bits::<3>(0);
        }
        self.rest.next = self.owed_now.val() - bit_cast::<11, 3>(self.count.val());
        self.fault_now.next = self.fault.q.val()
            | self.short.val()
            | (bit_cast::<11, 3>(self.found.val()) > self.owed_now.val());
        self.good.next =
            self.last.q.val() & self.known.val() & (!self.fault_now.val()) & (self.rest.val() == 0);

        // A request waits for room, a completion for nothing.
        self.wants_write.next = self.known.val() & self.decode.write.val() & (!self.closed.val());
        self.stall.next = (self.wants_write.val()
            & ((!self.words.room.val()) | (!self.writes.room.val())))
            | (self.known.val()
                & self.decode.ask.val()
                & (!self.closed.val())
                & (!self.asks.room.val()));
        self.fire.next = self.valid.q.val() & (!self.stall.val());
        self.is_write.next = self.fire.val() & self.wants_write.val();
        self.is_ask.next =
            self.fire.val() & self.decode.ask.val() & self.good.val() & (!self.closed.val());
        if self.fire.val() {
            self.inside.d.next = !self.last.q.val();
            self.owed.d.next = self.rest.val();
            self.fault.d.next = self.fault_now.val() & (!self.last.q.val());
        }
        // A packet of which a part comes while the way is closed is dropped as a whole, but a
        // completion is not.
        if self.closed.val()
            & (!self.decode.completion.val())
            & ((self.fire.val() & (!self.last.q.val()))
                | ((!self.fire.val()) & self.inside.q.val()))
        {
            self.fault.d.next = true;
        }

        // The next beat, and its part of the header.
        self.rx_ready.next = (!self.valid.q.val()) | self.fire.val();
        self.take.next = self.rx_valid.val() & ((!self.valid.q.val()) | self.fire.val());
        for w in self._words..self._words_end {
            for b in 0..self._heads {
                for i in 0..self._words {
                    self.head[b * w + i].clock.next = self.clock.val();
                    self.head[b * w + i].d.next = self.head[b * w + i].q.val();
                    if self.take.val() & (self.index.q.val() == self.beat_number[b].val()) {
                        self.head[b * w + i].d.next = self.rx_data[i].val();
                    }
                }
            }
        }
        for i in 0..self._words {
            self.data[i].clock.next = self.clock.val();
            self.data[i].d.next = self.data[i].q.val();
            if self.take.val() {
                self.data[i].d.next = self.rx_data[i].val();
            }
        }
        if self.fire.val() {
            self.valid.d.next = false;
        }
        if self.take.val() {
            self.valid.d.next = true;
            self.last.d.next = self.rx_last.val();
            self.keep.d.next = self.rx_keep.val();
            self.heads.d.next = self.index.q.val() == self.last_head.val();
            self.body.d.next = self.index.q.val() > self.last_head.val();
            if self.index.q.val() == 0 {
                self.bar.d.next = self.rx_bar.val();
            }
            self.index.d.next = self.index.q.val() + 1;
            if self.index.q.val() == 2 {
                self.index.d.next = 2.into();
            }
            if self.rx_last.val() {
                self.index.d.next = 0.into();
            }
        }

        self.cpl_valid.next = self.fire.val()
            & self.known.val()
            & self.decode.completion.val()
            & (self.head[2].q.val().get_bits::<16>(16) == self.cfg_id.val());
        self.cpl_first.next = self.heads.q.val();
        self.cpl_last.next = self.last.q.val();
        self.cpl_good.next = self.good.val();
        self.cpl_tag.next = self.head[2].q.val().get_bits::<8>(8);
        self.cpl_status.next = self.head[1].q.val().get_bits::<3>(13);
        self.cpl_poison.next = self.head[0].q.val().get_bit(14);
        self.cpl_bytes.next = bit_cast::<13, 12>(self.head[1].q.val().get_bits::<12>(0));
        if self.head[1].q.val().get_bits::<12>(0) == 0 {
            self.cpl_bytes.next = 4096.into();
        }
        self.cpl_lower.next = self.head[2].q.val().get_bits::<7>(0);
        self.cpl_count.next = self.count.val();
        for i in 0..self._words {
            self.cpl_data[i].next = self.data[i].q.val();
        }
        // Behind a header of three words the beat has room for one word, the last.
        if self.heads.q.val() {
            for i in 0..self._words {
                self.cpl_data[0].next = self.data[i].q.val();
            }
        }

        self.words.push.next = self.is_write.val();
        self.words.push_first.next = self.skipped.val().get_bits::<2>(0);
        self.words.push_count.next = self.count.val();
        self.words.start.next = self.heads.q.val();
        self.address.next = self.decode.posted.val().address;
        self.words.start_lane.next = self.address.val().get_bits::<2>(0);
        self.words.commit.next = self.is_write.val() & self.good.val();
        self.words.drop.next = self.fire.val() & self.last.q.val() & (!self.words.commit.val());
        for i in 0..self._words {
            self.words.push_data[i].next = self.data[i].q.val();
            self.word_data[i].next = self.words.data[i].val();
        }
        self.word_valid.next = self.words.valid.val();
        self.words.pop.next = self.word_pop.val();
        self.writes.push.next = self.is_write.val() & self.good.val();
        self.writes.push_data.next = self.decode.posted.val();
        self.asks.push.next = self.is_ask.val();
        self.asks.push_data.next = self.decode.nonposted.val();
        self.order.push.next = self.is_ask.val() | (self.is_write.val() & self.good.val());
        self.order.push_data.next = 0.into();
        if self.is_ask.val() {
            self.order.push_data.next = 1.into();
        }

        self.write_valid.next =
            self.writes.valid.val() & self.order.valid.val() & (self.order.data.val() == 0);
        self.write.next = self.writes.data.val();
        self.writes.pop.next = self.write_done.val();
        self.ripens.next = self.order.valid.val() & (self.order.data.val() == 1);
        self.order.pop.next = self.write_done.val() | self.ripens.val();
        self.ask_valid.next = self.ripe.q.val() != 0;
        self.ask.next = self.asks.data.val();
        self.asks.pop.next = self.ask_pop.val();
        if self.ripens.val() & (!self.ask_pop.val()) {
            self.ripe.d.next = self.ripe.q.val() + 1;
        }
        if self.ask_pop.val() & (!self.ripens.val()) {
            self.ripe.d.next = self.ripe.q.val() - 1;
        }

        self.forget.next = self.reset.val() | self.clear.val();
        self.words.reset.next = self.forget.val();
        self.writes.reset.next = self.forget.val();
        self.asks.reset.next = self.forget.val();
        self.order.reset.next = self.forget.val();
        if self.forget.val() {
            self.ripe.d.next = 0.into();
        }
        if self.reset.val() {
            self.index.d.next = 0.into();
            self.valid.d.next = false;
            self.inside.d.next = false;
            self.fault.d.next = false;
        }
    }
}
