//! Two rows and two columns of the array.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{ChosenProducts, Kind, PAIR_BITS, PackedProducts, Products, SUM_BITS};

/// Four weights with their products, and a step of the sums of two columns.
///
/// ```text
///             weight, index  sum_in[2]
///                   v           v
///            +-------------------------+
///  act_in  ->| act ------------------- |-> act_out    (1 cycle)
///  load    ->|   products ---------> + |
///  swap    ->|                       | |
///            +-------------------------+
///                               v
///                           sum_out[2]
/// ```
///
/// * `sum_out[c]` is, a register later, `sum_in[c]` plus the sum of both rows' products. That sum
///   belongs to the activations of [`Kind::product_cycles`] cycles before.
/// * `act_in`, `weight`, `index` and the marks are those of the block of products: [`Products`]
///   and those with the same ports, of which a cell holds one.
///
/// Two rows are added before they meet the sum from above, so that four multipliers need two wide
/// adders and two wide registers only.
#[derive(LogicBlock)]
pub struct Cell {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Lanes of activations from the left.
    pub act_in: Signal<In, Bits<32>>,
    /// The same to the right.
    pub act_out: Signal<Out, Bits<32>>,
    /// Weights of this pair of columns pass here.
    pub weight: Signal<In, Bits<32>>,
    /// Keep the weights that pass for the next tile.
    pub load: Signal<In, Bit>,
    /// Start to use the kept weights.
    pub swap: Signal<In, Bit>,
    /// Indices of this pair of columns pass here.
    pub index: Signal<In, Bits<8>>,
    /// Keep the indices that pass for the next tile.
    pub load_index: Signal<In, Bit>,
    /// Start to use the kept indices.
    pub swap_index: Signal<In, Bit>,
    /// Partial sums from above.
    pub sum_in: Vec<Signal<In, Signed<SUM_BITS>>>,
    /// Partial sums to below.
    pub sum_out: Vec<Signal<Out, Signed<SUM_BITS>>>,
    act: DFF<Bits<32>>,
    products: Vec<Products>,
    chosen_products: Vec<ChosenProducts>,
    packed_products: Vec<PackedProducts>,
    pair: Vec<Signal<Local, Signed<PAIR_BITS>>>,
    sum: Vec<DFF<Signed<SUM_BITS>>>,
    _dense: usize,
    _chosen: usize,
    _packed: usize,
}

impl Cell {
    /// A cell with products of this kind.
    pub fn new(kind: Kind) -> Self {
        let count = |wanted: Kind| usize::from(kind == wanted);
        let (dense, chosen) = (count(Kind::Dense), count(Kind::TwoOfFour));
        let packed = count(Kind::Packed);
        Self {
            clock: Default::default(),
            act_in: Default::default(),
            act_out: Default::default(),
            weight: Default::default(),
            load: Default::default(),
            swap: Default::default(),
            index: Default::default(),
            load_index: Default::default(),
            swap_index: Default::default(),
            sum_in: (0..2).map(|_| Signal::default()).collect(),
            sum_out: (0..2).map(|_| Signal::default()).collect(),
            act: Default::default(),
            products: (0..dense).map(|_| Products::default()).collect(),
            chosen_products: (0..chosen).map(|_| ChosenProducts::default()).collect(),
            packed_products: (0..packed).map(|_| PackedProducts::default()).collect(),
            pair: (0..2).map(|_| Signal::default()).collect(),
            sum: (0..2).map(|_| DFF::default()).collect(),
            _dense: dense,
            _chosen: chosen,
            _packed: packed,
        }
    }
}

impl Logic for Cell {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, act);
        self.act.d.next = self.act_in.val();
        self.act_out.next = self.act.q.val();
        for n in 0..self._dense {
            self.products[n].clock.next = self.clock.val();
            self.products[n].act.next = self.act_in.val();
            self.products[n].weight.next = self.weight.val();
            self.products[n].load.next = self.load.val();
            self.products[n].swap.next = self.swap.val();
            self.products[n].index.next = self.index.val();
            self.products[n].load_index.next = self.load_index.val();
            self.products[n].swap_index.next = self.swap_index.val();
            for c in 0..2usize {
                self.pair[c].next = self.products[n].sum[c].val();
            }
        }
        for n in 0..self._chosen {
            self.chosen_products[n].clock.next = self.clock.val();
            self.chosen_products[n].act.next = self.act_in.val();
            self.chosen_products[n].weight.next = self.weight.val();
            self.chosen_products[n].load.next = self.load.val();
            self.chosen_products[n].swap.next = self.swap.val();
            self.chosen_products[n].index.next = self.index.val();
            self.chosen_products[n].load_index.next = self.load_index.val();
            self.chosen_products[n].swap_index.next = self.swap_index.val();
            for c in 0..2usize {
                self.pair[c].next = self.chosen_products[n].sum[c].val();
            }
        }
        for n in 0..self._packed {
            self.packed_products[n].clock.next = self.clock.val();
            self.packed_products[n].act.next = self.act_in.val();
            self.packed_products[n].weight.next = self.weight.val();
            self.packed_products[n].load.next = self.load.val();
            self.packed_products[n].swap.next = self.swap.val();
            self.packed_products[n].index.next = self.index.val();
            self.packed_products[n].load_index.next = self.load_index.val();
            self.packed_products[n].swap_index.next = self.swap_index.val();
            for c in 0..2usize {
                self.pair[c].next = self.packed_products[n].sum[c].val();
            }
        }
        for c in 0..2usize {
            self.sum[c].clock.next = self.clock.val();
            self.sum[c].d.next =
                self.sum_in[c].val() + signed_bit_cast::<SUM_BITS, PAIR_BITS>(self.pair[c].val());
            self.sum_out[c].next = self.sum[c].q.val();
        }
    }
}
