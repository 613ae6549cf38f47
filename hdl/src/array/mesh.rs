//! The grid of cells with the skew at its edges.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

use super::{Cell, Delay, Kind, LeftEdge, SUM_BITS, TopEdge};

/// `rows x cols` multipliers in cells of two rows and two columns; one row of activations in and
/// one row of sums out a cycle.
///
/// ```text
///              weight[2 * cols], index[2 * cols]  load[rows / 2]  swap
///                                v                      v          v
///                          +------------------------------------------+
/// act[rows / 2 * lanes] -->|    rows / 2 x cols / 2 of Cell, skew     |-> sum[cols]
///                          +------------------------------------------+
/// ```
///
/// Rows come in pairs. Lane `l` of pair `i` is `act[i * lanes + l]`, with [`Kind::lanes`] lanes.
/// In a mesh of kind [`Kind::TwoOfFour`] a pair of rows stands for four rows of the matrix, two of
/// which are not zero in each column: `index` tells which lane a weight multiplies.
/// In one of kind [`Kind::Packed`] a weight of -128 counts as -127.
///
/// Timing, all at the ports:
/// * The sums of the activations of cycle t stand at `sum` in cycle t + [`Mesh::latency`]:
///   activations are skewed by pair of rows and sums straightened by pair of columns inside.
/// * The weights of pair of rows `i` stand at `weight`, those of its row `r` at `r * cols` and
///   behind, in the cycle of `load[i]`, and their indices at `index` likewise. A tile enters in at
///   least `rows / 2` cycles, its pairs in ascending order; any number of cycles may pass between.
/// * `swap` comes at the earliest in the cycle after the last `load` of its tile. The activations
///   of the cycle after it are the first that meet the new weights.
/// * The next tile may begin in the cycle of that `swap`; its pair `i` comes at least `i` cycles
///   after it. So a tile costs `rows / 2` cycles, hidden while the tile before it multiplies.
///
/// The weights of a pair of columns pass all its cells at once, and the cells that their mark meets
/// keep them. Marks of `load` travel right with the weights, a pair of columns in a cycle; `swap`
/// travels like the activations, down and right, so that the cells of one diagonal share it.
///
/// There is no backpressure: the mesh never waits, so whatever enters must have room behind it.
#[derive(LogicBlock)]
pub struct Mesh {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The lanes of each pair of rows.
    pub act: Vec<Signal<In, Signed<8>>>,
    /// Two rows of weights.
    pub weight: Vec<Signal<In, Signed<8>>>,
    /// The lane of each weight; none unless weights choose.
    pub index: Vec<Signal<In, Bits<2>>>,
    /// The pair of rows that takes the weights.
    pub load: Vec<Signal<In, Bit>>,
    /// Use the kept weights from the next cycle on.
    pub swap: Signal<In, Bit>,
    /// One sum a column.
    pub sum: Vec<Signal<Out, Signed<SUM_BITS>>>,
    cells: Vec<Vec<Cell>>,
    left: Vec<LeftEdge>,
    top: Vec<TopEdge>,
    sum_skew: Vec<Delay<Signed<SUM_BITS>>>,
    load_mark: Vec<Vec<DFF<Bit>>>,
    load_tap: Vec<Vec<Signal<Local, Bit>>>,
    swap_mark: Vec<DFF<Bit>>,
    swap_tap: Vec<Signal<Local, Bit>>,
    _cols: usize,
    _cols_end: usize,
    _row_pairs: usize,
    _last_row_pair: usize,
    _col_pairs: usize,
    _choosing_col_pairs: usize,
    _two_lanes: usize,
    _four_lanes: usize,
    _weight_lag: usize,
    _weight_lag_end: usize,
    _load_taps: usize,
    _swap_taps: usize,
}

impl Mesh {
    /// A mesh of this size, both even.
    pub fn new(rows: usize, cols: usize, kind: Kind) -> Self {
        let (row_pairs, col_pairs) = (rows / 2, cols / 2);
        let when = |condition: bool, count: usize| if condition { count } else { 0 };
        let lag = kind.weight_lag();
        let load_taps = col_pairs + lag;
        let swap_taps = row_pairs + col_pairs - 1 + lag;
        let row_of_cells = || (0..col_pairs).map(|_| Cell::new(kind)).collect();
        Self {
            clock: Default::default(),
            act: signals(row_pairs * kind.lanes()),
            weight: signals(2 * cols),
            index: signals(when(kind.chooses(), 2 * cols)),
            load: signals(row_pairs),
            swap: Default::default(),
            sum: signals(cols),
            cells: (0..row_pairs).map(|_| row_of_cells()).collect(),
            left: (0..row_pairs).map(|i| LeftEdge::new(kind, i)).collect(),
            top: (0..col_pairs).map(|j| TopEdge::new(kind, j)).collect(),
            sum_skew: (0..cols)
                .map(|j| Delay::new(col_pairs - 1 - j / 2))
                .collect(),
            load_mark: (0..row_pairs).map(|_| registers(load_taps - 1)).collect(),
            load_tap: (0..row_pairs).map(|_| signals(load_taps)).collect(),
            swap_mark: registers(swap_taps - 1),
            swap_tap: signals(swap_taps),
            _cols: cols,
            _cols_end: cols + 1,
            _row_pairs: row_pairs,
            _last_row_pair: row_pairs - 1,
            _col_pairs: col_pairs,
            _choosing_col_pairs: when(kind.chooses(), col_pairs),
            _two_lanes: when(kind.lanes() == 2, row_pairs),
            _four_lanes: when(kind.lanes() == 4, row_pairs),
            _weight_lag: lag,
            _weight_lag_end: lag + 1,
            _load_taps: load_taps,
            _swap_taps: swap_taps,
        }
    }

    /// Cycles from activations at the port to their sums at the port:
    /// rows / 2 + cols / 2 + 1, and one more where weights choose or share a multiplier.
    pub fn latency(rows: usize, cols: usize, kind: Kind) -> usize {
        rows / 2 + cols / 2 - 1 + kind.product_cycles()
    }
}

fn signals<D: Direction, T: Synth>(count: usize) -> Vec<Signal<D, T>> {
    (0..count).map(|_| Signal::default()).collect()
}

fn registers(count: usize) -> Vec<DFF<Bit>> {
    (0..count).map(|_| DFF::default()).collect()
}

impl Logic for Mesh {
    #[hdl_gen]
    fn update(&mut self) {
        // Marks.
        self.swap_tap[0].next = self.swap.val();
        for k in 1..self._swap_taps {
            self.swap_mark[k - 1].clock.next = self.clock.val();
            self.swap_mark[k - 1].d.next = self.swap_tap[k - 1].val();
            self.swap_tap[k].next = self.swap_mark[k - 1].q.val();
        }
        for i in 0..self._row_pairs {
            self.load_tap[i][0].next = self.load[i].val();
            for k in 1..self._load_taps {
                self.load_mark[i][k - 1].clock.next = self.clock.val();
                self.load_mark[i][k - 1].d.next = self.load_tap[i][k - 1].val();
                self.load_tap[i][k].next = self.load_mark[i][k - 1].q.val();
            }
        }
        // Activations come from the left.
        for i in 0..self._two_lanes {
            for l in 0..2usize {
                self.left[i].act[l].next = self.act[i * 2 + l].val();
            }
        }
        for i in 0..self._four_lanes {
            for l in 0..4usize {
                self.left[i].act[l].next = self.act[i * 4 + l].val();
            }
        }
        for i in 0..self._row_pairs {
            self.left[i].clock.next = self.clock.val();
            self.cells[i][0].act_in.next = self.left[i].act_out.val();
            for j in 1..self._col_pairs {
                self.cells[i][j].act_in.next = self.cells[i][j - 1].act_out.val();
            }
        }
        // Weights come from above; row 1 of a pair stands `n` ports behind row 0.
        for n in self._cols..self._cols_end {
            for j in 0..self._col_pairs {
                self.top[j].clock.next = self.clock.val();
                for c in 0..2usize {
                    self.top[j].weight[c].next = self.weight[j * 2 + c].val();
                    self.top[j].weight[c + 2].next = self.weight[n + j * 2 + c].val();
                }
            }
            for j in 0..self._choosing_col_pairs {
                for c in 0..2usize {
                    self.top[j].index[c].next = self.index[j * 2 + c].val();
                    self.top[j].index[c + 2].next = self.index[n + j * 2 + c].val();
                }
            }
        }
        for i in 0..self._row_pairs {
            for j in 0..self._col_pairs {
                self.cells[i][j].clock.next = self.clock.val();
                self.cells[i][j].weight.next = self.top[j].weight_out.val();
                self.cells[i][j].index.next = self.top[j].index_out.val();
                self.cells[i][j].load_index.next = self.load_tap[i][j].val();
                self.cells[i][j].swap_index.next = self.swap_tap[i + j].val();
                for g in self._weight_lag..self._weight_lag_end {
                    self.cells[i][j].load.next = self.load_tap[i][j + g].val();
                    self.cells[i][j].swap.next = self.swap_tap[i + j + g].val();
                }
            }
        }
        // Sums go down and are straightened.
        for j in 0..self._col_pairs {
            for c in 0..2usize {
                self.cells[0][j].sum_in[c].next = 0.into();
                for i in 1..self._row_pairs {
                    self.cells[i][j].sum_in[c].next = self.cells[i - 1][j].sum_out[c].val();
                }
                self.sum_skew[j * 2 + c].clock.next = self.clock.val();
                for i in self._last_row_pair..self._row_pairs {
                    self.sum_skew[j * 2 + c].data_in.next = self.cells[i][j].sum_out[c].val();
                }
                self.sum[j * 2 + c].next = self.sum_skew[j * 2 + c].data_out.val();
            }
        }
    }
}
