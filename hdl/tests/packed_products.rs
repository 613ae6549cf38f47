//! Two products by one multiplier: every activation with every pair of weights, in integers and in
//! Verilator; rows together at their extremes and at random.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::array::PackedProducts;
use verilate::PortRef;

/// Weights that may share a multiplier.
const WEIGHTS: std::ops::RangeInclusive<i8> = -127..=127;

/// What a pair of rows multiplies: activations of both rows, weights of row 0, then of row 1.
#[derive(Clone, Copy, Default)]
struct Operands {
    acts: [i8; 2],
    weights: [[i8; 2]; 2],
}

impl Operands {
    fn sum(&self, column: usize) -> i64 {
        (0..2)
            .map(|row| i64::from(self.acts[row]) * i64::from(self.weights[row][column]))
            .sum()
    }
}

/// A word of bytes, the first lowest.
fn word(bytes: impl IntoIterator<Item = i8>) -> u64 {
    bytes
        .into_iter()
        .enumerate()
        .map(|(at, byte)| u64::from(byte as u8) << (8 * at))
        .sum()
}

/// The block with results that it owes.
struct Block {
    bench: Bench,
    act: PortRef,
    weight: PortRef,
    sum: [PortRef; 2],
    owed: VecDeque<Operands>,
}

impl Block {
    fn new() -> Self {
        let bench = Bench::new(&PackedProducts::default(), "packed_products");
        let port = |name: &str| bench.port(name);
        Self {
            act: port("act"),
            weight: port("weight"),
            sum: [port("sum_0"), port("sum_1")],
            bench,
            owed: VecDeque::new(),
        }
    }

    fn weigh(&mut self, weights: [[i8; 2]; 2]) {
        self.bench.model.set(self.weight, word(weights.concat()));
    }

    /// A cycle with activations that meet the weights which these operands name.
    fn multiply(&mut self, operands: Operands) {
        self.bench.model.set(self.act, word(operands.acts));
        self.owed.push_back(operands);
        self.bench.model.cycle();
        if self.owed.len() == 3 {
            self.check();
        }
    }

    /// The results of the activations of three cycles ago.
    fn check(&mut self) {
        let operands = self.owed.pop_front().expect("something is owed");
        for column in 0..2 {
            assert_eq!(
                self.bench.model.get_signed(self.sum[column]),
                operands.sum(column),
                "column {column}: activations {:?}, weights {:?}",
                operands.acts,
                operands.weights
            );
        }
    }

    fn finish(&mut self) {
        while !self.owed.is_empty() {
            self.bench.model.cycle();
            self.check();
        }
    }
}

#[test]
fn columns_can_be_told_apart() {
    for w1 in WEIGHTS.map(i32::from) {
        for w0 in WEIGHTS.map(i32::from) {
            let factor = 1024 * w1 + w0;
            assert_eq!(factor << 14 >> 14, factor, "18 bits");
            for act in -128..128 {
                let product = act * factor;
                let low = ((act & 63) * (w1 & 63)) & 63;
                let carried = ((product >> 10) - low) << 26 >> 26;
                let column_0 = (carried << 10) | (product & 1023);
                let column_1 = (product >> 10) - carried;
                assert_eq!((column_0, column_1), (act * w0, act * w1));
            }
        }
    }
}

/// Every activation with every pair of weights in one row; the other row has anything.
fn every_product(row: usize) {
    let mut block = Block::new();
    let mut rng = Rng(0xb0b + row as u64);
    let mut other = move || rng.int8().max(-127);
    let mut pairs = WEIGHTS.flat_map(|w1| WEIGHTS.map(move |w0| [w0, w1]));
    let mut next = |other: &mut dyn FnMut() -> i8| {
        let weights = [pairs.next()?, [other(), other()]];
        Some(if row == 0 {
            weights
        } else {
            [weights[1], weights[0]]
        })
    };
    let mut weights = next(&mut other).expect("there are weights");
    block.weigh(weights);
    block.bench.set("load", 1);
    block.bench.model.cycle();
    block.bench.set("load", 0);
    block.bench.set("swap", 1);
    block.bench.model.cycle();
    loop {
        block.bench.set("swap", 0);
        let following = next(&mut other);
        for act in i8::MIN..=i8::MAX {
            // The next weights come while these multiply.
            if act == 0 {
                block.weigh(following.unwrap_or_default());
                block.bench.set("load", 1);
            } else if act == 1 {
                block.bench.set("load", 0);
            } else if act == i8::MAX {
                block.bench.set("swap", 1);
            }
            let acts = if row == 0 {
                [act, other()]
            } else {
                [other(), act]
            };
            block.multiply(Operands { acts, weights });
        }
        match following {
            Some(following) => weights = following,
            None => break,
        }
    }
    block.finish();
}

#[test]
fn every_product_of_row_0() {
    every_product(0);
}

#[test]
fn every_product_of_row_1() {
    every_product(1);
}

/// Streams operands with new weights in every cycle.
fn stream(all: impl Iterator<Item = Operands>) {
    let mut block = Block::new();
    block.bench.set("load", 1);
    block.bench.set("swap", 1);
    // Weights multiply two cycles after they passed.
    let mut passed = VecDeque::new();
    for operands in all.chain([Operands::default(); 2]) {
        block.weigh(operands.weights);
        passed.push_back(operands);
        match passed.len() {
            3 => block.multiply(passed.pop_front().expect("there are three")),
            _ => block.bench.model.cycle(),
        }
    }
    block.finish();
}

#[test]
fn extremes_of_both_rows() {
    let acts = [-128i8, -127, -1, 0, 1, 127];
    let weights = [-127i8, -126, -64, -1, 0, 1, 63, 127];
    let rows = || {
        acts.into_iter().flat_map(move |act| {
            let pair = move |w0| weights.into_iter().map(move |w1| (act, [w0, w1]));
            weights.into_iter().flat_map(pair)
        })
    };
    stream(rows().flat_map(|(a0, w0)| {
        rows().map(move |(a1, w1)| Operands {
            acts: [a0, a1],
            weights: [w0, w1],
        })
    }));
}

#[test]
fn random_rows() {
    let mut rng = Rng(0xdeed);
    stream((0..4_000_000).map(|_| {
        let mut weight = || rng.int8().max(-127);
        let weights = [[weight(), weight()], [weight(), weight()]];
        Operands {
            acts: [rng.int8(), rng.int8()],
            weights,
        }
    }));
}
