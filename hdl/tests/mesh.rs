//! The mesh against plain products: tiles back to back and with gaps anywhere, weights of the next
//! tile entering while the present one runs, extremes included, to the very cycle.

mod common;

use std::collections::BTreeMap;

use common::{Bench, Rng};
use hdl::array::{Kind, Mesh};

/// The weights of a pair of rows: of each row and column a weight and its lane.
type Pair = [Vec<(i8, usize)>; 2];

/// A tile of weights and the activations that stream over it.
struct Tile {
    pairs: Vec<Pair>,
    /// Lanes of all pairs, row of activations by row.
    acts: Vec<Vec<i8>>,
}

/// How dense the stream is.
#[derive(Clone, Copy)]
struct Gaps {
    /// Percent of cycles in which a load waits, an activation waits, a swap waits.
    load: u64,
    act: u64,
    swap: u64,
}

const NO_GAPS: Gaps = Gaps {
    load: 0,
    act: 0,
    swap: 0,
};

/// What enters in a cycle.
#[derive(Default)]
struct Entering {
    load: Option<(usize, usize)>,
    swap: bool,
    act: Option<(usize, usize)>,
}

impl Tile {
    fn new(rows: usize, cols: usize, kind: Kind, number: usize, rng: &mut Rng) -> Self {
        // Every fourth tile has the largest products, of either sign, in all places.
        let extreme = [(-128, 127), (-128, -127), (-128, -128), (127, 127)][number / 4 % 4];
        let fixed = (number % 4 == 3).then_some(extreme);
        let mut weight = |pair: usize, row: usize, col: usize| {
            let weight = fixed.map_or_else(|| rng.int8(), |(_, weight)| weight);
            // The lanes of both rows take all combinations, equal ones too.
            let both = (pair + 3 * col + 5 * number) % (kind.lanes() * kind.lanes());
            let lane = match kind {
                Kind::TwoOfFour => [both % 4, both / 4][row],
                Kind::Dense | Kind::Packed => row,
            };
            (weight, lane)
        };
        let pairs = (0..rows / 2)
            .map(|pair| [0, 1].map(|row| (0..cols).map(|col| weight(pair, row, col)).collect()))
            .collect();
        let lanes = rows / 2 * kind.lanes();
        let rows_of_acts = [1, rows / 2, rows / 2 + 1, 2 * rows][number % 4];
        let mut act = || fixed.map_or_else(|| rng.int8(), |(act, _)| act);
        let acts = (0..rows_of_acts)
            .map(|_| (0..lanes).map(|_| act()).collect())
            .collect();
        Self { pairs, acts }
    }

    /// The sums of a row of activations.
    fn sums(&self, row: usize, cols: usize, kind: Kind) -> Vec<i64> {
        let least = if kind == Kind::Packed { -127 } else { -128 };
        let product = |pair: usize, (weight, lane): (i8, usize)| {
            i64::from(weight.max(least)) * i64::from(self.acts[row][pair * kind.lanes() + lane])
        };
        let sum = |col: usize| {
            let pairs = self.pairs.iter().enumerate();
            pairs
                .flat_map(|(pair, rows)| rows.iter().map(move |row| product(pair, row[col])))
                .sum()
        };
        (0..cols).map(sum).collect()
    }
}

/// When everything enters: each as early as the contract allows, but for random gaps.
fn schedule(tiles: &[Tile], gaps: Gaps, rng: &mut Rng) -> BTreeMap<usize, Entering> {
    let mut wait = |percent: u64| {
        let mut cycles = 0;
        while rng.chance(percent) {
            cycles += 1;
        }
        cycles
    };
    let mut cycles: BTreeMap<usize, Entering> = BTreeMap::new();
    let (mut swap, mut last_act) = (0, 0);
    for (index, tile) in tiles.iter().enumerate() {
        let mut at = swap;
        for pair in 0..tile.pairs.len() {
            at += wait(gaps.load);
            cycles.entry(at).or_default().load = Some((index, pair));
            at += 1;
        }
        // The last activations of the tile before meet their weights in the cycle of the swap too.
        swap = at.max(last_act) + wait(gaps.swap);
        cycles.entry(swap).or_default().swap = true;
        last_act = swap;
        for row in 0..tile.acts.len() {
            last_act += 1 + wait(gaps.act);
            cycles.entry(last_act).or_default().act = Some((index, row));
        }
    }
    cycles
}

fn check(rows: usize, cols: usize, kind: Kind, tiles: usize) {
    let mut bench = Bench::new(&Mesh::new(rows, cols, kind), "mesh");
    let mut rng = Rng(0x5eed + (rows * 64 + cols) as u64);
    let lanes = kind.lanes();
    let acts = bench.ports("act", rows / 2 * lanes);
    let weights = bench.ports("weight", 2 * cols);
    let indices = bench.ports("index", if lanes == 4 { 2 * cols } else { 0 });
    let loads = bench.ports("load", rows / 2);
    let sums = bench.ports("sum", cols);
    let swap = bench.port("swap");
    let some_gaps = Gaps {
        load: 30,
        act: 30,
        swap: 50,
    };
    let late_loads = Gaps {
        load: 70,
        ..NO_GAPS
    };
    for gaps in [NO_GAPS, some_gaps, late_loads] {
        let tiles: Vec<Tile> = (0..tiles)
            .map(|number| Tile::new(rows, cols, kind, number, &mut rng))
            .collect();
        let cycles = schedule(&tiles, gaps, &mut rng);
        let end = cycles.keys().last().expect("there are tiles") + 1;
        let latency = Mesh::latency(rows, cols, kind);
        let mut seen = 0;
        for cycle in 0..end + latency {
            let idle = Entering::default();
            let entering = cycles.get(&cycle).unwrap_or(&idle);
            bench.model.set(swap, entering.swap.into());
            // What is not of a tile may say anything.
            let pair = entering.load.map(|(tile, pair)| &tiles[tile].pairs[pair]);
            for (at, port) in weights.iter().enumerate() {
                let weight = pair.map_or_else(|| rng.int8(), |pair| pair[at / cols][at % cols].0);
                bench.model.set(*port, weight as u64);
            }
            for (at, port) in indices.iter().enumerate() {
                let lane =
                    pair.map_or_else(|| rng.below(4), |pair| pair[at / cols][at % cols].1 as u64);
                bench.model.set(*port, lane);
            }
            for (at, port) in loads.iter().enumerate() {
                let load = entering.load.is_some_and(|(_, pair)| pair == at);
                bench.model.set(*port, load.into());
            }
            let row = entering.act.map(|(tile, row)| &tiles[tile].acts[row]);
            for (at, port) in acts.iter().enumerate() {
                let act = row.map_or_else(|| rng.int8(), |row| row[at]);
                bench.model.set(*port, act as u64);
            }
            bench.model.eval();
            let then = cycle.checked_sub(latency);
            let leaving = then.and_then(|then| cycles.get(&then)?.act);
            if let Some((tile, row)) = leaving {
                let expected = tiles[tile].sums(row, cols, kind);
                for (col, port) in sums.iter().enumerate() {
                    assert_eq!(
                        bench.model.get_signed(*port),
                        expected[col],
                        "{kind:?} {rows}x{cols}: tile {tile} row {row} column {col}"
                    );
                }
                seen += 1;
            }
            bench.model.cycle();
        }
        let rows_of_acts: usize = tiles.iter().map(|tile| tile.acts.len()).sum();
        assert_eq!(seen, rows_of_acts, "{kind:?} {rows}x{cols}");
    }
}

fn check_shapes(kind: Kind) {
    for (rows, cols) in [(4, 4), (8, 4), (4, 16), (16, 16)] {
        check(rows, cols, kind, 48);
    }
}

#[test]
fn dense_sums_are_products() {
    check_shapes(Kind::Dense);
}

#[test]
fn chosen_sums_are_products_with_the_chosen_lanes() {
    check_shapes(Kind::TwoOfFour);
}

#[test]
fn packed_sums_are_products_but_for_the_least_weight() {
    check_shapes(Kind::Packed);
}

#[test]
fn largest_dense_mesh() {
    check(32, 32, Kind::Dense, 6);
}

#[test]
fn largest_choosing_mesh() {
    check(32, 32, Kind::TwoOfFour, 6);
}

#[test]
fn largest_packed_mesh() {
    check(32, 32, Kind::Packed, 6);
}
