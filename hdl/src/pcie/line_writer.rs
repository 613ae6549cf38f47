//! Makes lines of rows.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

/// Gathers rows of W words to lines for the write data channel of AXI.
///
/// ```text
/// row_valid, row_part, row_last ->|            |-> line_valid, line_data, line_be
/// row_data[W], row_be[W]        ->| LineWriter |-> line_last
/// row_taken                     <-|            |<- line_ready
/// ```
///
/// Row `row_part` of a line is its words from `row_part * W` on. Parts come in ascending order; a
/// line is offered with its last part, or with the row that is `row_last`.
#[derive(LogicBlock)]
pub struct LineWriter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// There is a row.
    pub row_valid: Signal<In, Bit>,
    /// Its place in the line.
    pub row_part: Signal<In, Bits<3>>,
    /// No row follows.
    pub row_last: Signal<In, Bit>,
    /// Words, the byte of the lowest address in bits 7:0.
    pub row_data: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub row_be: Vec<Signal<In, Bits<4>>>,
    /// The row is taken.
    pub row_taken: Signal<Out, Bit>,
    /// A line is offered.
    pub line_valid: Signal<Out, Bit>,
    /// It is taken.
    pub line_ready: Signal<In, Bit>,
    /// Its words.
    pub line_data: Vec<Signal<Out, Bits<32>>>,
    /// Bytes of each word that count.
    pub line_be: Vec<Signal<Out, Bits<4>>>,
    /// No line follows.
    pub line_last: Signal<Out, Bit>,
    held: Vec<DFF<Bits<32>>>,
    held_be: Vec<DFF<Bits<4>>>,
    complete: Signal<Local, Bit>,
    offered: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    part_number: Vec<Constant<Bits<3>>>,
    last_part: Constant<Bits<3>>,
    _words: usize,
    _words_end: usize,
    _parts: usize,
}

impl LineWriter {
    /// For rows of `words` words and lines of `port_bytes`.
    pub fn new(words: usize, port_bytes: usize) -> Self {
        let line = port_bytes / 4;
        let parts = line / words;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            row_valid: Default::default(),
            row_part: Default::default(),
            row_last: Default::default(),
            row_data: (0..words).map(|_| Signal::default()).collect(),
            row_be: (0..words).map(|_| Signal::default()).collect(),
            row_taken: Default::default(),
            line_valid: Default::default(),
            line_ready: Default::default(),
            line_data: (0..line).map(|_| Signal::default()).collect(),
            line_be: (0..line).map(|_| Signal::default()).collect(),
            line_last: Default::default(),
            held: (0..line).map(|_| DFF::default()).collect(),
            held_be: (0..line).map(|_| DFF::default()).collect(),
            complete: Default::default(),
            offered: Default::default(),
            taken: Default::default(),
            part_number: (0..parts as u64)
                .map(|part| Constant::new(part.into()))
                .collect(),
            last_part: Constant::new((parts as u64 - 1).into()),
            _words: words,
            _words_end: words + 1,
            _parts: parts,
        }
    }
}

impl Logic for LineWriter {
    #[hdl_gen]
    fn update(&mut self) {
        self.complete.next = self.row_last.val() | (self.row_part.val() == self.last_part.val());
        self.offered.next = self.row_valid.val() & self.complete.val();
        self.line_valid.next = self.offered.val();
        self.line_last.next = self.row_last.val();
        self.taken.next = self.row_valid.val() & ((!self.complete.val()) | self.line_ready.val());
        self.row_taken.next = self.taken.val();
        for w in self._words..self._words_end {
            for p in 0..self._parts {
                for i in 0..self._words {
                    self.held[p * w + i].clock.next = self.clock.val();
                    self.held[p * w + i].d.next = self.held[p * w + i].q.val();
                    self.held_be[p * w + i].clock.next = self.clock.val();
                    self.held_be[p * w + i].d.next = self.held_be[p * w + i].q.val();
                    self.line_data[p * w + i].next = self.held[p * w + i].q.val();
                    self.line_be[p * w + i].next = self.held_be[p * w + i].q.val();
                    if self.row_part.val() == self.part_number[p].val() {
                        self.line_data[p * w + i].next = self.row_data[i].val();
                        self.line_be[p * w + i].next = self.row_be[i].val();
                        if self.taken.val() {
                            self.held[p * w + i].d.next = self.row_data[i].val();
                            self.held_be[p * w + i].d.next = self.row_be[i].val();
                        }
                    }
                    if self.reset.val() | (self.taken.val() & self.complete.val()) {
                        self.held_be[p * w + i].d.next = 0.into();
                    }
                }
            }
        }
    }
}
