//! The array against plain products: tiles back to back, weights of the next tile entering while
//! the present one runs, extremes included.

mod common;

use common::{Bench, Rng};
use hdl::array::Array;

/// A tile of weights and the activations that stream over it.
struct Tile {
    weights: Vec<Vec<i8>>,
    acts: Vec<Vec<i8>>,
}

fn tiles(rows: usize, cols: usize, rng: &mut Rng) -> Vec<Tile> {
    let mut matrix = |height: usize, width: usize, fixed: Option<i8>| {
        let mut row = || {
            (0..width)
                .map(|_| fixed.unwrap_or_else(|| rng.int8()))
                .collect()
        };
        (0..height).map(|_| row()).collect::<Vec<Vec<i8>>>()
    };
    (0..12)
        .map(|index| {
            let fixed = if index % 4 == 0 { Some(-128) } else { None };
            let m = [rows, rows + 1, 3 * rows, rows + 5][index % 4];
            Tile {
                weights: matrix(rows, cols, fixed),
                acts: matrix(m, rows, fixed),
            }
        })
        .collect()
}

fn check(rows: usize, cols: usize) {
    let mut bench = Bench::new(&Array::new(rows, cols), "array");
    let mut rng = Rng(0x5eed + (rows * 64 + cols) as u64);
    let tiles = tiles(rows, cols, &mut rng);
    let acts = bench.ports("act", rows);
    let weights = bench.ports("weight", cols);
    let sums = bench.ports("sum", cols);
    // What enters in each cycle: tile i+1 enters while tile i streams.
    let mut entering: Vec<Option<&Vec<i8>>> = tiles[0].weights.iter().map(Some).collect();
    let mut load: Vec<bool> = (0..rows).map(|row| row == 0).collect();
    let mut swap = vec![false; rows];
    let mut stream: Vec<Option<&Vec<i8>>> = vec![None; rows + 1];
    let mut expected = vec![];
    for (index, tile) in tiles.iter().enumerate() {
        let next = tiles.get(index + 1);
        // A tile may enter at once or as late as its own swap allows.
        let slack = tile.acts.len() - rows;
        let delay = [0, slack, slack / 2][index % 3];
        for row in 0..tile.acts.len() {
            swap.push(row == 0);
            let weights = next.filter(|_| (delay..delay + rows).contains(&row));
            entering.push(weights.map(|next| &next.weights[row - delay]));
            load.push(weights.is_some() && row == delay);
            stream.push(Some(&tile.acts[row]));
            let product = |k: usize, col: usize| {
                i64::from(tile.acts[row][k]) * i64::from(tile.weights[k][col])
            };
            let sum = |col| (0..rows).map(|k| product(k, col)).sum::<i64>();
            expected.push((0..cols).map(sum).collect::<Vec<i64>>());
        }
    }
    let first = stream
        .iter()
        .position(Option::is_some)
        .expect("there are activations");
    let mut seen = 0;
    for cycle in 0..stream.len() + rows + cols {
        bench.set("load", load.get(cycle).copied().unwrap_or(false).into());
        bench.set("swap", swap.get(cycle).copied().unwrap_or(false).into());
        // What is not of a tile may say anything.
        let row = entering.get(cycle).copied().flatten();
        for (col, port) in weights.iter().enumerate() {
            let value = row.map_or_else(|| rng.int8(), |row| row[col]);
            bench.model.set(*port, value as u64);
        }
        let row = stream.get(cycle).copied().flatten();
        for (k, port) in acts.iter().enumerate() {
            let value = row.map_or_else(|| rng.int8(), |row| row[k]);
            bench.model.set(*port, value as u64);
        }
        bench.model.eval();
        if cycle >= first + rows + cols && seen < expected.len() {
            for (col, port) in sums.iter().enumerate() {
                let got = bench.model.get_signed(*port);
                assert_eq!(
                    got, expected[seen][col],
                    "{rows}x{cols} row {seen} column {col}"
                );
            }
            seen += 1;
        }
        bench.model.cycle();
    }
    assert_eq!(seen, expected.len(), "{rows}x{cols}");
}

#[test]
fn sums_are_products_for_every_shape() {
    for (rows, cols) in [(4, 4), (4, 8), (8, 4), (8, 8)] {
        check(rows, cols);
    }
}
