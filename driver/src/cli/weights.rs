//! Weights of any format, drawn at random for measurements.

use std::str::FromStr;

use isa::config::Config;
use isa::weights::{GROUPS, code_range};
use systole::encoding::{BlockMap, Encoding};

use super::random::Random;

/// Formats of weights, on the command line.
#[derive(clap::Args)]
pub struct WeightArgs {
    /// Bits of a weight: int8, int4 or bits=N with N from 2 to 8.
    #[arg(long, value_name = "FORMAT", default_value = "int8")]
    pub weights: Width,
    /// Zeros among the weights: none, 2:4 (two of four along K), block=SHARE (that share of blocks is
    /// zero, rounded to a whole number of them; a block is what the card skips), or both as
    /// 2:4+block=SHARE.
    #[arg(long, value_name = "ZEROS", default_value = "none")]
    pub sparsity: Sparsity,
    /// Values of K that share a scale of weights: 32, 64 or 128; 0 for none. With --threshold, also
    /// those that are left out together [default for that: 32].
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = group)]
    pub group: usize,
    /// Leave out rows of A, and groups of K, of which every activation is below this in magnitude, 0
    /// (nothing) to 127; activations are then drawn so that groups differ in size, and the largest of
    /// all is raised to the limit if it is below.
    #[arg(long, value_name = "LIMIT", default_value_t = 0, value_parser = clap::value_parser!(i8).range(0..))]
    pub threshold: i8,
}

/// Bits of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(pub u8);

impl FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits = match text {
            "int8" => "8",
            "int4" => "4",
            _ => text
                .strip_prefix("bits=")
                .ok_or("write int8, int4 or bits=N")?,
        };
        match bits.parse() {
            Ok(bits @ 2..=8) => Ok(Self(bits)),
            _ => Err(format!("weights have 2 to 8 bits, not `{bits}`")),
        }
    }
}

/// Zeros among weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sparsity {
    /// Two of four along K are there.
    pub two_four: bool,
    /// Share of the blocks that are zero.
    pub blocks: Option<f64>,
}

impl FromStr for Sparsity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut sparsity = Self::default();
        if text == "none" {
            return Ok(sparsity);
        }
        for part in text.split('+') {
            match part.strip_prefix("block=") {
                None if part == "2:4" && !sparsity.two_four => sparsity.two_four = true,
                Some(share) if sparsity.blocks.is_none() => {
                    let share = share
                        .parse()
                        .ok()
                        .filter(|share| (0.0..=1.0).contains(share));
                    sparsity.blocks =
                        Some(share.ok_or("the share of zero blocks is a number from 0 to 1")?);
                }
                _ => return Err("write none, 2:4, block=SHARE or 2:4+block=SHARE".into()),
            }
        }
        Ok(sparsity)
    }
}

fn group(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(group) if group == 0 || GROUPS.contains(&group) => Ok(group),
        _ => Err("groups have 32, 64 or 128 values of K; 0 is none".into()),
    }
}

impl WeightArgs {
    /// Whether the weights are plain int8.
    pub fn is_plain(&self) -> bool {
        self.weights == Width(8) && self.sparsity == Sparsity::default() && self.group == 0
    }

    /// Values of K that thresholding leaves out together.
    pub fn threshold_group(&self) -> usize {
        if self.group == 0 {
            GROUPS[0]
        } else {
            self.group
        }
    }

    /// Draws a matrix of this format. Zero blocks have the shape that `config` skips; their number
    /// is the share rounded to the next.
    pub fn draw(&self, k: usize, n: usize, config: &Config, random: &mut Random) -> Encoding {
        let (low, high) = code_range(self.weights.0);
        let span = i16::from(high) - i16::from(low) + 1;
        let two_four = self.sparsity.two_four;
        let kept = if two_four { k.div_ceil(4) * 2 } else { k };
        let mut codes: Vec<i8> = random
            .values(kept * n)
            .into_iter()
            .map(|value| (i16::from(low) + i16::from(value as u8) % span) as i8)
            // Symmetric quantisation gives no -128, and a card with packed products takes none.
            .map(|code| code.max(-i8::MAX))
            .collect();
        let indices = two_four.then(|| {
            let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
            let mut indices = vec![0; kept * n];
            for (four, drawn) in random.values(kept / 2 * n).into_iter().enumerate() {
                let (row, column) = (four / n, four % n);
                let pair = pairs[usize::from(drawn as u8) % pairs.len()];
                for (r, index) in pair.into_iter().enumerate() {
                    let at = (2 * row + r) * n + column;
                    indices[at] = index;
                    if 4 * row + usize::from(index) >= k {
                        codes[at] = 0;
                    }
                }
            }
            indices
        });
        let scales = match self.group {
            0 => vec![],
            group => random
                .values(k.div_ceil(group) * n)
                .into_iter()
                .map(|value| value as u8)
                .collect(),
        };
        let blocks = self.sparsity.blocks.map(|share| {
            let rows = config.rows as usize * if two_four { 2 } else { 1 };
            zero_blocks(k, n, (rows, config.cols as usize), share, random)
        });
        Encoding {
            k,
            n,
            bits: self.weights.0,
            codes,
            indices,
            group: self.group,
            scales,
            blocks,
        }
    }
}

/// Share of the blocks of a `k x n` matrix that are zero.
pub fn zero_share(blocks: &BlockMap, k: usize, n: usize) -> f64 {
    let count = k.div_ceil(blocks.k) * n.div_ceil(blocks.n);
    let there: u32 = blocks.bitmap.iter().map(|byte| byte.count_ones()).sum();
    1.0 - f64::from(there) / count as f64
}

/// Blocks of which a share, rounded to a whole number, is zero; which ones is drawn.
fn zero_blocks(
    k: usize,
    n: usize,
    (rows, cols): (usize, usize),
    share: f64,
    random: &mut Random,
) -> BlockMap {
    let count = k.div_ceil(rows) * n.div_ceil(cols);
    let zero = (share * count as f64).round() as usize;
    // The first of a shuffled list.
    let mut order: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        order.swap(at, (random.next() % (at as u64 + 1)) as usize);
    }
    let mut bitmap = vec![0; count.div_ceil(8)];
    for block in &order[zero.min(count)..] {
        bitmap[block / 8] |= 1 << (block % 8);
    }
    BlockMap {
        k: rows,
        n: cols,
        bitmap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_and_nonsense_is_refused() {
        assert_eq!("int4".parse(), Ok(Width(4)));
        assert_eq!("bits=7".parse(), Ok(Width(7)));
        for text in ["", "int3", "bits=1", "bits=9", "bits=", "8"] {
            assert!(text.parse::<Width>().is_err(), "{text}");
        }
        let both = Sparsity {
            two_four: true,
            blocks: Some(0.9),
        };
        assert_eq!("2:4+block=0.9".parse(), Ok(both));
        assert_eq!("block=0.9+2:4".parse(), Ok(both));
        for text in [
            "",
            "1:4",
            "block=",
            "block=1.1",
            "block=nan",
            "2:4+2:4",
            "none+2:4",
        ] {
            assert!(text.parse::<Sparsity>().is_err(), "{text}");
        }
    }

    #[test]
    fn drawn_matrices_are_good_and_as_sparse_as_asked_for() {
        let config = Config::default();
        for (weights, sparsity, group) in [
            ("int4", "2:4+block=0.75", 64),
            ("bits=2", "block=1", 0),
            ("int8", "2:4", 0),
        ] {
            let args = WeightArgs {
                weights: weights.parse().expect("a width"),
                sparsity: sparsity.parse().expect("a sparsity"),
                group,
                threshold: 0,
            };
            let matrix = args.draw(250, 70, &config, &mut Random(3));
            let dense = matrix.dense().expect("a good matrix");
            let zeros = dense.iter().filter(|weight| **weight == 0).count();
            let least = match sparsity {
                "block=1" => 250 * 70,
                "2:4" => 250 * 70 / 2,
                _ => 250 * 70 * 3 / 4,
            };
            assert!(zeros >= least * 9 / 10, "{sparsity}: {zeros} zeros");
        }
    }
}
