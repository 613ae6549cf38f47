//! Reads records of 64 bytes: submissions and commands.

use isa::command::{COMMAND_BYTES, COMMAND_WORDS};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use crate::engine::BurstCutter;
use crate::mem::LineFifo;

/// Records read ahead of the one at hand.
const AHEAD: usize = 16;

/// Reads a run of records and hands them over one by one.
///
/// ```text
/// run_valid, run_line, run_records ->|       |-> ar_valid, ar_line, ar_lines <- ar_ready
///                                    | Fetch |<- r_valid, r_fault, r_data
/// flush                            ->|       |-> valid, fault, word[16]      <- taken
/// idle                             <-|
/// ```
///
/// * At most 16 records are read ahead, 8 at a time, so that there is always room for what
///   memory answers.
/// * `fault` marks a record of which memory could not read a part; it is that of the first one.
/// * `flush` drops records, those under way too; `idle` says that none is left.
#[derive(LogicBlock)]
pub struct Fetch {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// A run is asked for.
    pub run_valid: Signal<In, Bit>,
    /// Its first line.
    pub run_line: Signal<In, Bits<53>>,
    /// Its records, at least 1.
    pub run_records: Signal<In, Bits<16>>,
    /// Drop all records.
    pub flush: Signal<In, Bit>,
    /// Nothing is under way.
    pub idle: Signal<Out, Bit>,
    /// A burst is offered.
    pub ar_valid: Signal<Out, Bit>,
    /// First line of the burst.
    pub ar_line: Signal<Out, Bits<53>>,
    /// Lines of the burst.
    pub ar_lines: Signal<Out, Bits<8>>,
    /// The burst is taken.
    pub ar_ready: Signal<In, Bit>,
    /// A line arrives.
    pub r_valid: Signal<In, Bit>,
    /// Not 0: memory could not read it.
    pub r_fault: Signal<In, Bits<3>>,
    /// The line.
    pub r_data: Vec<Signal<In, Bits<32>>>,
    /// A record is at hand.
    pub valid: Signal<Out, Bit>,
    /// Not 0: it could not be read.
    pub fault: Signal<Out, Bits<3>>,
    /// Its words.
    pub word: Vec<Signal<Out, Bits<32>>>,
    /// The record is done with.
    pub taken: Signal<In, Bit>,
    cutter: BurstCutter,
    lines: LineFifo,
    line: DFF<Bits<53>>,
    records_left: DFF<Bits<16>>,
    chunk_records: Signal<Local, Bits<16>>,
    chunk_lines: Signal<Local, Bits<24>>,
    room: DFF<Bits<8>>,
    all_room: Constant<Bits<8>>,
    // A chunk is left and has room, as seen in the cycle before.
    fits: DFF<Bit>,
    chunk: Signal<Local, Bit>,
    // The latest chunk and pop, not in the line and the room yet.
    chunked: DFF<Bit>,
    chunked_lines: DFF<Bits<8>>,
    popped: DFF<Bit>,
    pop: Signal<Local, Bit>,
    beat: DFF<Bits<3>>,
    last_beat: Constant<Bits<3>>,
    beat_number: Vec<Constant<Bits<3>>>,
    bad: DFF<Bits<3>>,
    full: DFF<Bit>,
    store: Vec<DFF<Bits<32>>>,
    _words: usize,
    _words_end: usize,
    _beats: usize,
    _line_bits: u64,
    _line_bits_end: u64,
}

impl Fetch {
    /// For lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        let beats = COMMAND_BYTES / port_bytes;
        let words = port_bytes / 4;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            run_valid: Default::default(),
            run_line: Default::default(),
            run_records: Default::default(),
            flush: Default::default(),
            idle: Default::default(),
            ar_valid: Default::default(),
            ar_line: Default::default(),
            ar_lines: Default::default(),
            ar_ready: Default::default(),
            r_valid: Default::default(),
            r_fault: Default::default(),
            r_data: (0..words).map(|_| Signal::default()).collect(),
            valid: Default::default(),
            fault: Default::default(),
            word: (0..COMMAND_WORDS).map(|_| Signal::default()).collect(),
            taken: Default::default(),
            cutter: BurstCutter::new(port_bytes),
            lines: LineFifo::new(AHEAD * beats, words),
            line: Default::default(),
            records_left: Default::default(),
            chunk_records: Default::default(),
            chunk_lines: Default::default(),
            room: Default::default(),
            all_room: Constant::new(((AHEAD * beats) as u64).into()),
            fits: Default::default(),
            chunk: Default::default(),
            chunked: Default::default(),
            chunked_lines: Default::default(),
            popped: Default::default(),
            pop: Default::default(),
            beat: Default::default(),
            last_beat: Constant::new((beats as u64 - 1).into()),
            beat_number: (0..beats as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            bad: Default::default(),
            full: Default::default(),
            store: (0..COMMAND_WORDS).map(|_| DFF::default()).collect(),
            _words: words,
            _words_end: words + 1,
            _beats: beats,
            _line_bits: u64::from(beats.ilog2()),
            _line_bits_end: u64::from(beats.ilog2()) + 1,
        }
    }
}

impl Logic for Fetch {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            line,
            records_left,
            room,
            fits,
            chunked,
            chunked_lines,
            popped,
            beat,
            bad,
            full
        );
        self.cutter.clock.next = self.clock.val();
        self.cutter.reset.next = self.reset.val();
        self.lines.clock.next = self.clock.val();
        self.lines.reset.next = self.reset.val();

        self.chunk_records.next = self.records_left.q.val();
        if self.records_left.q.val() > 8 {
            self.chunk_records.next = 8.into();
        }
        for k in self._line_bits..self._line_bits_end {
            self.chunk_lines.next = bit_cast::<24, 16>(self.chunk_records.val()) << k;
        }
        self.chunk.next = self.fits.q.val() & self.cutter.run_ready.val() & (!self.flush.val());
        self.fits.d.next = (self.records_left.q.val() != 0)
            & (bit_cast::<24, 8>(self.room.q.val()) >= self.chunk_lines.val())
            & (!self.chunk.val())
            & (!self.chunked.q.val())
            & (!self.run_valid.val())
            & (!self.flush.val())
            & (!self.reset.val());
        self.cutter.run_valid.next = self.chunk.val();
        self.cutter.run_line.next = self.line.q.val();
        self.cutter.run_lines.next = self.chunk_lines.val();
        self.cutter.burst_ready.next = self.ar_ready.val();
        self.ar_valid.next = self.cutter.burst_valid.val();
        self.ar_line.next = self.cutter.burst_line.val();
        self.ar_lines.next = self.cutter.burst_lines.val();
        self.lines.push.next = self.r_valid.val();
        self.lines.push_quarters.next = bit_cast::<4, 3>(self.r_fault.val());
        self.pop.next = self.lines.valid.val() & ((!self.full.q.val()) | self.flush.val());
        self.lines.pop.next = self.pop.val();
        if self.chunk.val() {
            self.records_left.d.next = self.records_left.q.val() - self.chunk_records.val();
        }
        self.chunked.d.next = self.chunk.val();
        self.chunked_lines.d.next = self.chunk_lines.val().get_bits::<8>(0);
        self.popped.d.next = self.pop.val();
        if self.chunked.q.val() {
            self.line.d.next = self.line.q.val() + bit_cast::<53, 8>(self.chunked_lines.q.val());
            self.room.d.next = self.room.q.val() - self.chunked_lines.q.val();
            if self.popped.q.val() {
                self.room.d.next = self.room.q.val() - self.chunked_lines.q.val() + 1;
            }
        } else if self.popped.q.val() {
            self.room.d.next = self.room.q.val() + 1;
        }

        // A word follows its line until the record is whole: what it holds before counts for nothing,
        // and whether there is a line need not reach hundreds of registers.
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.lines.push_data[i].next = self.r_data[i].val();
                for b in 0..self._beats {
                    self.store[b * w + i].clock.next = self.clock.val();
                    self.store[b * w + i].d.next = self.store[b * w + i].q.val();
                    self.word[b * w + i].next = self.store[b * w + i].q.val();
                    if (!self.full.q.val()) & (self.beat.q.val() == self.beat_number[b].val()) {
                        self.store[b * w + i].d.next = self.lines.data[i].val();
                    }
                }
            }
        }
        self.valid.next = self.full.q.val();
        self.fault.next = self.bad.q.val();
        if self.taken.val() {
            self.full.d.next = false;
            self.bad.d.next = 0.into();
        }
        if self.pop.val() {
            if self.bad.q.val() == 0 {
                self.bad.d.next = self.lines.quarters.val().get_bits::<3>(0);
            }
            self.beat.d.next = self.beat.q.val() + 1;
            if self.beat.q.val() == self.last_beat.val() {
                self.beat.d.next = 0.into();
                self.full.d.next = true;
            }
        }
        if self.flush.val() {
            self.full.d.next = false;
            self.bad.d.next = 0.into();
            self.beat.d.next = 0.into();
            self.records_left.d.next = 0.into();
        }
        self.idle.next = (self.records_left.q.val() == 0)
            & self.cutter.run_ready.val()
            & (self.room.q.val() == self.all_room.val())
            & (!self.full.q.val());
        if self.run_valid.val() {
            self.line.d.next = self.run_line.val();
            self.records_left.d.next = self.run_records.val();
        }
        if self.reset.val() {
            self.records_left.d.next = 0.into();
            self.room.d.next = self.all_room.val();
            self.chunked.d.next = false;
            self.popped.d.next = false;
            self.beat.d.next = 0.into();
            self.full.d.next = false;
            self.bad.d.next = 0.into();
        }
    }
}
