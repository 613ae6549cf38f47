//! The grid of processing elements with the skew at its edges.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

use super::{Delay, Pe, SUM_BITS};

/// `rows x cols` processing elements; one row of activations in and one row of sums out a cycle.
///
/// ```text
///            weight[cols]  load   swap
///                 v          v     v
///            +-----------------------------+
/// act[rows]->|   rows x cols of Pe, skew   |-> sum[cols]
///            +-----------------------------+
/// ```
///
/// Timing, all at the ports:
/// * The sums of the activations of cycle t stand at `sum` in cycle t + rows + cols: activations
///   are skewed by row and sums straightened by column inside.
/// * A tile of weights enters in `rows` consecutive cycles, its first row first and with `load`.
///   It may begin in the cycle of the `swap` before it, and its own `swap` may follow its last row
///   at once: a tile needs `rows` cycles, hidden while the tile before it multiplies.
/// * Activations of the cycle after `swap` are the first that meet the new weights.
///
/// The weights of a column pass all its elements at once and each keeps the one that its mark
/// meets. Both marks travel like the activations, down a row and right a column in a cycle, so
/// that the elements of one diagonal share them and a tile never meets the `swap` before it.
///
/// There is no backpressure: the array never waits, so whatever enters must have room behind it.
#[derive(LogicBlock)]
pub struct Array {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// One activation a row.
    pub act: Vec<Signal<In, Signed<8>>>,
    /// One weight a column.
    pub weight: Vec<Signal<In, Signed<8>>>,
    /// `weight` is the first row of the next tile; the others follow.
    pub load: Signal<In, Bit>,
    /// Use the next tile from the next cycle on.
    pub swap: Signal<In, Bit>,
    /// One sum a column.
    pub sum: Vec<Signal<Out, Signed<SUM_BITS>>>,
    pe: Vec<Vec<Pe>>,
    act_skew: Vec<Delay<Signed<8>>>,
    weight_skew: Vec<Delay<Signed<8>>>,
    sum_skew: Vec<Delay<Signed<SUM_BITS>>>,
    load_mark: Vec<DFF<Bit>>,
    swap_mark: Vec<DFF<Bit>>,
    load_tap: Vec<Signal<Local, Bit>>,
    swap_tap: Vec<Signal<Local, Bit>>,
    _rows: usize,
    _last_row: usize,
    _cols: usize,
    _diagonals: usize,
}

impl Array {
    /// An array of this size.
    pub fn new(rows: usize, cols: usize) -> Self {
        let many = |count: usize| 0..count;
        let diagonals = rows + cols - 1;
        Self {
            clock: Default::default(),
            act: many(rows).map(|_| Signal::default()).collect(),
            weight: many(cols).map(|_| Signal::default()).collect(),
            load: Default::default(),
            swap: Default::default(),
            sum: many(cols).map(|_| Signal::default()).collect(),
            pe: many(rows)
                .map(|_| many(cols).map(|_| Pe::default()).collect())
                .collect(),
            act_skew: many(rows).map(Delay::new).collect(),
            weight_skew: many(cols).map(Delay::new).collect(),
            sum_skew: many(cols).map(|col| Delay::new(cols - 1 - col)).collect(),
            load_mark: many(diagonals - 1).map(|_| DFF::default()).collect(),
            swap_mark: many(diagonals - 1).map(|_| DFF::default()).collect(),
            load_tap: many(diagonals).map(|_| Signal::default()).collect(),
            swap_tap: many(diagonals).map(|_| Signal::default()).collect(),
            _rows: rows,
            _last_row: rows - 1,
            _cols: cols,
            _diagonals: diagonals,
        }
    }
}

impl Logic for Array {
    #[hdl_gen]
    fn update(&mut self) {
        self.load_tap[0].next = self.load.val();
        self.swap_tap[0].next = self.swap.val();
        for i in 1..self._diagonals {
            self.load_mark[i - 1].clock.next = self.clock.val();
            self.load_mark[i - 1].d.next = self.load_tap[i - 1].val();
            self.load_tap[i].next = self.load_mark[i - 1].q.val();
            self.swap_mark[i - 1].clock.next = self.clock.val();
            self.swap_mark[i - 1].d.next = self.swap_tap[i - 1].val();
            self.swap_tap[i].next = self.swap_mark[i - 1].q.val();
        }
        for i in 0..self._rows {
            self.act_skew[i].clock.next = self.clock.val();
            self.act_skew[i].data_in.next = self.act[i].val();
            self.pe[i][0].act_in.next = self.act_skew[i].data_out.val();
            for j in 0..self._cols {
                self.pe[i][j].clock.next = self.clock.val();
                self.pe[i][j].load.next = self.load_tap[i + j].val();
                self.pe[i][j].swap.next = self.swap_tap[i + j].val();
                self.pe[i][j].weight_in.next = self.weight_skew[j].data_out.val();
            }
            for j in 1..self._cols {
                self.pe[i][j].act_in.next = self.pe[i][j - 1].act_out.val();
            }
        }
        for j in 0..self._cols {
            self.weight_skew[j].clock.next = self.clock.val();
            self.weight_skew[j].data_in.next = self.weight[j].val();
            self.pe[0][j].sum_in.next = 0.into();
            for i in 1..self._rows {
                self.pe[i][j].sum_in.next = self.pe[i - 1][j].sum_out.val();
            }
            self.sum_skew[j].clock.next = self.clock.val();
            for i in self._last_row..self._rows {
                self.sum_skew[j].data_in.next = self.pe[i][j].sum_out.val();
            }
            self.sum[j].next = self.sum_skew[j].data_out.val();
        }
    }
}
