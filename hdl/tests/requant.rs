//! The requantising lane against `isa::numerics::requantize`, one value a cycle.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::engine::RequantLane;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, requantize};
use verilate::PortRef;

/// Cycles from operands to result, as the contract of the block says.
const LATENCY: usize = 9;

/// A lane whose results are compared as they come out.
struct Lane {
    bench: Bench,
    inputs: [PortRef; 6],
    value: PortRef,
    expected: VecDeque<(i32, String)>,
    rng: Rng,
    compared: usize,
}

impl Lane {
    fn new() -> Self {
        let bench = Bench::new(&RequantLane::default(), "lane");
        let inputs = ["acc", "row_scale", "column_scale", "bias", "raw", "narrow"];
        Self {
            inputs: inputs.map(|name| bench.port(name)),
            value: bench.port("value"),
            bench,
            expected: VecDeque::new(),
            rng: Rng(0x7e9),
            compared: 0,
        }
    }

    fn push(&mut self, acc: i32, row: Dyadic, column: ColumnParam, format: OutputFormat) {
        // The card ignores the upper bits of a scale.
        let scale =
            |scale: Dyadic, noise: u64| u64::from(scale.to_word()) | noise << 21 & 0xffff_ffff;
        let raw = format == OutputFormat::I32;
        let narrow = if raw {
            self.rng.chance(50)
        } else {
            format == OutputFormat::I8
        };
        let values = [
            u64::from(acc as u32),
            scale(row, self.rng.next()),
            scale(column.scale, self.rng.next()),
            u64::from(column.bias as u32),
            raw.into(),
            narrow.into(),
        ];
        for (port, value) in self.inputs.into_iter().zip(values) {
            self.bench.model.set(port, value);
        }
        let text = format!("{acc} {row:?} {column:?} {format:?}");
        self.expected
            .push_back((requantize(acc, row, column, format), text));
        self.bench.model.cycle();
        if self.expected.len() == LATENCY {
            let (expected, text) = self.expected.pop_front().expect("there are nine");
            let got = self.bench.model.get(self.value) as u32 as i32;
            assert_eq!(got, expected, "{text}");
            self.compared += 1;
        }
    }

    /// Lets the last values out.
    fn finish(mut self) -> usize {
        let pushed = self.compared + self.expected.len();
        for _ in 1..LATENCY {
            self.push(
                0,
                Dyadic::default(),
                ColumnParam::default(),
                OutputFormat::I32,
            );
        }
        assert!(self.compared >= pushed, "every value came out");
        pushed
    }
}

fn dyadic(multiplier: u16, shift: u32) -> Dyadic {
    Dyadic {
        multiplier,
        shift: shift as u8,
    }
}

#[test]
fn random_values_of_every_size() {
    let mut lane = Lane::new();
    let mut rng = Rng(0x5ca1e);
    for _ in 0..120_000 {
        let size = rng.below(33);
        let acc = ((rng.next() >> 32) as u32 as i32)
            .checked_shr(size as u32)
            .unwrap_or(0);
        let mut scale = || {
            let multiplier = match rng.below(4) {
                0 => 1 << rng.below(16),
                1 => [0, 1, 0x7fff, 0x8000, 0xffff][rng.below(5) as usize],
                _ => rng.next() as u16,
            };
            dyadic(multiplier, rng.below(32) as u32)
        };
        let (row, column) = (scale(), scale());
        let bias = match rng.below(5) {
            0 => [i32::MIN, i32::MAX, -1, 0, 1][rng.below(5) as usize],
            // Close to what the product gives, so that the sum falls within the range.
            1 | 2 => {
                let neutral = ColumnParam {
                    scale: column,
                    bias: 0,
                };
                let product =
                    i128::from(acc) * i128::from(row.multiplier) * i128::from(column.multiplier);
                let product = product >> (row.shift + neutral.scale.shift);
                (product as i32)
                    .wrapping_neg()
                    .wrapping_add(rng.below(600) as i32 - 300)
            }
            _ => ((rng.next() >> 32) as u32 as i32) >> rng.below(32),
        };
        let format = OutputFormat::ALL[rng.below(3) as usize];
        lane.push(
            acc,
            row,
            ColumnParam {
                scale: column,
                bias,
            },
            format,
        );
    }
    assert!(lane.finish() >= 100_000);
}

#[test]
fn extremes_with_every_pair_of_shifts() {
    let mut lane = Lane::new();
    let mut rng = Rng(0xe47);
    for acc in [i32::MIN, i32::MIN + 1, -1, 1, i32::MAX] {
        for (row, column) in [
            (0, 65535),
            (65535, 65535),
            (65535, 1),
            (1, 1),
            (0x8000, 0x8000),
        ] {
            for shifts in 0..1024 {
                for format in [OutputFormat::I8, OutputFormat::I16] {
                    let bias = [i32::MIN, -1, 0, 1, i32::MAX][rng.below(5) as usize];
                    let column = ColumnParam {
                        scale: dyadic(column, shifts / 32),
                        bias,
                    };
                    lane.push(acc, dyadic(row, shifts % 32), column, format);
                }
            }
        }
    }
    for acc in [i32::MIN, -1, 0, i32::MAX] {
        for bias in [i32::MIN, i32::MAX] {
            let column = ColumnParam {
                scale: dyadic(65535, 31),
                bias,
            };
            for format in OutputFormat::ALL {
                lane.push(acc, dyadic(65535, 0), column, format);
            }
        }
    }
    assert!(lane.finish() > 50_000);
}

#[test]
fn halves_go_up() {
    let mut lane = Lane::new();
    // acc / 2^s: for small shifts every residue, around the half most of all.
    for shift in 0..8u32 {
        for acc in -600..600 {
            for format in [OutputFormat::I8, OutputFormat::I16] {
                let column = ColumnParam {
                    scale: dyadic(1, shift / 2),
                    bias: 0,
                };
                lane.push(acc, dyadic(1, shift - shift / 2), column, format);
            }
        }
    }
    lane.finish();
}
