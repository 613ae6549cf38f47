//! Products with encoded weights, drawn from recipes.

#![allow(dead_code, reason = "every test file uses a part")]

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize};
use isa::weights::code_range;
use proptest::prelude::*;
use systole::encoding::{BlockMap, Encoding};
use systole::matmul::{Finish, MatMul, Rhs, Values, Weights};

/// Numbers that look random, the same for the same seed.
pub struct Numbers(pub u64);

impl Numbers {
    /// 31 bits.
    pub fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.next() % 100 < percent
    }

    /// A value from `low..=high`, the bounds more often than others.
    pub fn between(&mut self, low: i8, high: i8) -> i8 {
        match self.next() % 8 {
            0 => low,
            1 => high,
            _ => {
                (i32::from(low)
                    + (self.next() % (i32::from(high) - i32::from(low) + 1) as u32) as i32)
                    as i8
            }
        }
    }
}

/// What a product is made from.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Rows of the result.
    pub m: usize,
    /// Inner dimension.
    pub k: usize,
    /// Columns.
    pub n: usize,
    /// Bits of a code.
    pub bits: u8,
    /// Values of K that share a scale; 0: none.
    pub group: usize,
    /// Largest scale, in eighths.
    pub most_scale: u8,
    /// 2:4.
    pub sparse: bool,
    /// Rows and columns of a block, and percent of them that are zero.
    pub blocks: Option<(usize, usize, u32)>,
    /// Percent of rows of A, and of groups of K in all rows, that are zero.
    pub dead: (u32, usize, u32),
    /// Everything else is drawn from this.
    pub seed: u64,
}

impl Recipe {
    /// Weights of this recipe.
    pub fn encoding(&self, numbers: &mut Numbers) -> Encoding {
        let (k, n) = (self.k, self.n);
        let (low, high) = code_range(self.bits);
        let kept = if self.sparse { k.div_ceil(4) * 2 } else { k };
        let mut codes: Vec<i8> = (0..kept * n).map(|_| numbers.between(low, high)).collect();
        let indices = self.sparse.then(|| {
            let mut indices = vec![0; kept * n];
            for four in 0..kept / 2 {
                for column in 0..n {
                    let pair = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
                    let pair = pair[numbers.next() as usize % 6];
                    for (r, index) in pair.into_iter().enumerate() {
                        let at = (2 * four + r) * n + column;
                        indices[at] = index;
                        if 4 * four + usize::from(index) >= k {
                            codes[at] = 0;
                        }
                    }
                }
            }
            indices
        });
        let scales = match self.group {
            0 => Vec::new(),
            group => (0..k.div_ceil(group) * n)
                .map(|_| match numbers.next() % 8 {
                    0 => 0,
                    1 => self.most_scale,
                    _ => (numbers.next() % (u32::from(self.most_scale) + 1)) as u8,
                })
                .collect(),
        };
        let blocks = self.blocks.map(|(rows, columns, percent)| {
            let count = k.div_ceil(rows) * n.div_ceil(columns);
            // As many as asked for, one more or less where that is no whole number.
            let zero = (count * percent as usize + numbers.next() as usize % 100) / 100;
            let mut order: Vec<usize> = (0..count).collect();
            for at in (1..count).rev() {
                order.swap(at, numbers.next() as usize % (at + 1));
            }
            let mut bitmap = vec![0; count.div_ceil(8)];
            for block in &order[zero..] {
                bitmap[block / 8] |= 1 << (block % 8);
            }
            BlockMap {
                k: rows,
                n: columns,
                bitmap,
            }
        });
        Encoding {
            k,
            n,
            bits: self.bits,
            codes,
            indices,
            group: self.group,
            scales,
            blocks,
        }
    }

    /// Activations of this recipe.
    pub fn left(&self, numbers: &mut Numbers) -> Vec<i8> {
        let (rows, group, groups) = self.dead;
        let dead: Vec<bool> = (0..self.k.div_ceil(group))
            .map(|_| numbers.chance(groups))
            .collect();
        let mut a = Vec::new();
        for _ in 0..self.m {
            let zero = numbers.chance(rows);
            for k in 0..self.k {
                let value = numbers.between(-128, 127);
                a.push(if zero || dead[k / group] { 0 } else { value });
            }
        }
        a
    }
}

/// A product with everything that any format of its result needs.
pub struct Product {
    m: usize,
    /// Activations.
    pub a: Vec<i8>,
    /// Weights as the recipe has them.
    pub weights: Weights,
    sums: Vec<i32>,
    rows: Vec<Dyadic>,
    columns: Vec<ColumnParam>,
}

impl Recipe {
    /// Draws the product.
    pub fn product(&self) -> Product {
        let mut numbers = Numbers(self.seed);
        let (m, k, n) = (self.m, self.k, self.n);
        let encoding = self.encoding(&mut numbers);
        let a = self.left(&mut numbers);
        let weights = Weights::encoded(encoding).expect("the parts fit each other");
        let mut sums = vec![0; m * n];
        gemm_i8(m, k, n, &a, weights.values(), &mut sums);
        let mut dyadic = || Dyadic {
            multiplier: numbers.next() as u16,
            shift: 8 + (numbers.next() % 12) as u8,
        };
        let rows = (0..m).map(|_| dyadic()).collect();
        let columns = (0..n)
            .map(|column| ColumnParam {
                scale: dyadic(),
                bias: 100 - column as i32,
            })
            .collect();
        Product {
            m,
            a,
            weights,
            sums,
            rows,
            columns,
        }
    }
}

impl Product {
    /// The product with weights of its own or others, which must be of its shape.
    pub fn job<'a>(&'a self, weights: &'a Weights, format: OutputFormat) -> MatMul<'a> {
        MatMul {
            name: "case",
            m: self.m,
            k: weights.k(),
            n: weights.n(),
            a: &self.a,
            b: Rhs::Kept(weights),
            finish: match format {
                OutputFormat::I32 => Finish::Raw,
                _ => Finish::Requantize {
                    rows: &self.rows,
                    columns: &self.columns,
                    format,
                },
            },
        }
    }

    /// The integers by definition: those of the dense matrix that the weights mean.
    pub fn expected(&self, format: OutputFormat) -> Vec<i32> {
        let n = self.columns.len();
        let sums = self.sums.iter().enumerate();
        sums.map(|(at, sum)| requantize(*sum, self.rows[at / n], self.columns[at % n], format))
            .collect()
    }
}

/// Values of any format.
pub fn widen(values: &Values) -> Vec<i32> {
    match values {
        Values::I32(values) => values.clone(),
        Values::I16(values) => values.iter().map(|value| i32::from(*value)).collect(),
        Values::I8(values) => values.iter().map(|value| i32::from(*value)).collect(),
    }
}

/// Percent, none and all often.
pub fn percent() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0u32), 1 => Just(100u32), 4 => 0u32..=100]
}
