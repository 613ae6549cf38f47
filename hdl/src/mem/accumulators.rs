//! Accumulators: on-chip sums over the tiles of K.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Buffer;
use crate::array::SUM_BITS;

/// Two banks of rows of int32 sums, one add a cycle, and a read port for STORE.
///
/// ```text
/// tag, tag_add, tag_row ->|              |<- read, read_row
/// sum[cols] (2 later)   ->| Accumulators |-> read_ready
///            added_last <-|              |-> read_data (2 later)
/// ```
///
/// * `tag` announces a row of sums two cycles before it stands at `sum`. The row is written two
///   cycles after it stood there, so a row may come again four cycles later.
/// * `tag_last` comes back at `added_last` when its row is written.
/// * The upper half of the rows is one bank, the lower half the other. A read is taken in a cycle
///   with `read_ready`; it waits only while the array adds into the same bank.
#[derive(LogicBlock)]
pub struct Accumulators {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A row of sums comes in two cycles.
    pub tag: Signal<In, Bit>,
    /// Add to the old value; otherwise replace it.
    pub tag_add: Signal<In, Bit>,
    /// Last row of a command.
    pub tag_last: Signal<In, Bit>,
    /// Row to add to.
    pub tag_row: Signal<In, Bits<16>>,
    /// Sums, one a column.
    pub sum: Vec<Signal<In, Signed<SUM_BITS>>>,
    /// The last row of a command is written.
    pub added_last: Signal<Out, Bit>,
    /// Read a row.
    pub read: Signal<In, Bit>,
    /// Row to read.
    pub read_row: Signal<In, Bits<16>>,
    /// The read is taken.
    pub read_ready: Signal<Out, Bit>,
    /// The row, one value a column, two cycles after it was taken.
    pub read_data: Vec<Signal<Out, Bits<32>>>,
    low: Buffer,
    high: Buffer,
    tag_high: Signal<Local, Bit>,
    read_high: Signal<Local, Bit>,
    add_low: Signal<Local, Bit>,
    add_high: Signal<Local, Bit>,
    old: Vec<Signal<Local, Bits<32>>>,
    extended: Vec<Signal<Local, Signed<32>>>,
    tag_1: DFF<Bit>,
    tag_2: DFF<Bit>,
    tag_3: DFF<Bit>,
    add_1: DFF<Bit>,
    add_2: DFF<Bit>,
    last_1: DFF<Bit>,
    last_2: DFF<Bit>,
    last_3: DFF<Bit>,
    last_4: DFF<Bit>,
    high_1: DFF<Bit>,
    high_2: DFF<Bit>,
    high_3: DFF<Bit>,
    row_1: DFF<Bits<16>>,
    row_2: DFF<Bits<16>>,
    row_3: DFF<Bits<16>>,
    result: Vec<DFF<Bits<32>>>,
    read_high_1: DFF<Bit>,
    read_high_2: DFF<Bit>,
    _cols: usize,
    /// The bit of a row that names its bank.
    _half: usize,
    _half_end: usize,
}

impl Accumulators {
    /// `rows` rows (a power of two) of `cols` sums.
    pub fn new(rows: usize, cols: usize) -> Self {
        let bank = || Buffer::new(rows / 2 * cols * 4, cols * 4, cols * 4);
        Self {
            clock: Default::default(),
            tag: Default::default(),
            tag_add: Default::default(),
            tag_last: Default::default(),
            tag_row: Default::default(),
            sum: (0..cols).map(|_| Signal::default()).collect(),
            added_last: Default::default(),
            read: Default::default(),
            read_row: Default::default(),
            read_ready: Default::default(),
            read_data: (0..cols).map(|_| Signal::default()).collect(),
            low: bank(),
            high: bank(),
            tag_high: Default::default(),
            read_high: Default::default(),
            add_low: Default::default(),
            add_high: Default::default(),
            old: (0..cols).map(|_| Signal::default()).collect(),
            extended: (0..cols).map(|_| Signal::default()).collect(),
            tag_1: Default::default(),
            tag_2: Default::default(),
            tag_3: Default::default(),
            add_1: Default::default(),
            add_2: Default::default(),
            last_1: Default::default(),
            last_2: Default::default(),
            last_3: Default::default(),
            last_4: Default::default(),
            high_1: Default::default(),
            high_2: Default::default(),
            high_3: Default::default(),
            row_1: Default::default(),
            row_2: Default::default(),
            row_3: Default::default(),
            result: (0..cols).map(|_| DFF::default()).collect(),
            read_high_1: Default::default(),
            read_high_2: Default::default(),
            _cols: cols,
            _half: rows.ilog2() as usize - 1,
            _half_end: rows.ilog2() as usize,
        }
    }
}

impl Logic for Accumulators {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            tag_1,
            tag_2,
            tag_3,
            add_1,
            add_2,
            last_1,
            last_2,
            last_3,
            last_4,
            high_1,
            high_2,
            high_3,
            row_1,
            row_2,
            row_3,
            read_high_1,
            read_high_2
        );
        self.low.clock.next = self.clock.val();
        self.low.advance.next = true;
        self.high.advance.next = true;
        self.high.clock.next = self.clock.val();
        for k in self._half..self._half_end {
            self.tag_high.next = self.tag_row.val().get_bit(k);
            self.read_high.next = self.read_row.val().get_bit(k);
        }
        // The array has the read port of a bank whenever it adds there.
        self.add_low.next = self.tag.val() & self.tag_add.val() & (!self.tag_high.val());
        self.add_high.next = self.tag.val() & self.tag_add.val() & self.tag_high.val();
        self.read_ready.next = (self.read_high.val() & (!self.add_high.val()))
            | ((!self.read_high.val()) & (!self.add_low.val()));
        self.low.read.next = self.add_low.val() | (self.read.val() & (!self.read_high.val()));
        self.high.read.next = self.add_high.val() | (self.read.val() & self.read_high.val());
        self.low.read_row.next = bit_cast::<24, 16>(self.read_row.val());
        self.high.read_row.next = bit_cast::<24, 16>(self.read_row.val());
        if self.add_low.val() {
            self.low.read_row.next = bit_cast::<24, 16>(self.tag_row.val());
        }
        if self.add_high.val() {
            self.high.read_row.next = bit_cast::<24, 16>(self.tag_row.val());
        }
        self.read_high_1.d.next = self.read_high.val();
        self.read_high_2.d.next = self.read_high_1.q.val();
        self.tag_1.d.next = self.tag.val();
        self.tag_2.d.next = self.tag_1.q.val();
        self.tag_3.d.next = self.tag_2.q.val();
        self.add_1.d.next = self.tag_add.val();
        self.add_2.d.next = self.add_1.q.val();
        self.last_1.d.next = self.tag.val() & self.tag_last.val();
        self.last_2.d.next = self.last_1.q.val();
        self.last_3.d.next = self.last_2.q.val();
        self.last_4.d.next = self.last_3.q.val();
        self.added_last.next = self.last_4.q.val();
        self.high_1.d.next = self.tag_high.val();
        self.high_2.d.next = self.high_1.q.val();
        self.high_3.d.next = self.high_2.q.val();
        self.row_1.d.next = self.tag_row.val();
        self.row_2.d.next = self.row_1.q.val();
        self.row_3.d.next = self.row_2.q.val();
        self.low.write.next = self.tag_3.q.val() & (!self.high_3.q.val());
        self.high.write.next = self.tag_3.q.val() & self.high_3.q.val();
        self.low.write_line.next = bit_cast::<24, 16>(self.row_3.q.val());
        self.high.write_line.next = bit_cast::<24, 16>(self.row_3.q.val());
        for i in 0..self._cols {
            self.result[i].clock.next = self.clock.val();
            self.old[i].next = 0.into();
            if self.add_2.q.val() {
                self.old[i].next = self.low.read_data[i].val();
                if self.high_2.q.val() {
                    self.old[i].next = self.high.read_data[i].val();
                }
            }
            self.extended[i].next = signed_bit_cast::<32, SUM_BITS>(self.sum[i].val());
            self.result[i].d.next = self.old[i].val() + unsigned_cast(self.extended[i].val());
            self.low.write_data[i].next = self.result[i].q.val();
            self.high.write_data[i].next = self.result[i].q.val();
            self.read_data[i].next = self.low.read_data[i].val();
            if self.read_high_2.q.val() {
                self.read_data[i].next = self.high.read_data[i].val();
            }
        }
    }
}
