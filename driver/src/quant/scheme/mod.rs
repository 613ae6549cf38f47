//! How the weights of a linear layer are written in fewer bits: what a scheme says, and its text.

mod goal;
mod parse;
mod plan;

use std::fmt;

use isa::weights::GROUPS;

pub use goal::{Cost, Goal, Limit, NEEDS};
pub use plan::{Plan, Rule};

/// What people need to know to write a scheme, in lines of at most 80 letters.
pub const GRAMMAR: &str = "\
Schemes:
  A scheme is made of parts joined by `+`, each at most once, in any order:
    wBITS          weights of 2 to 8 bits with one scale an output channel;
                   w8 where nothing is said
    wBITSgGROUP    the same with an integer scale for each 32, 64 or 128 inputs,
                   such as w4g32
    2:4            two of four weights along the inputs are kept
    block=PART     this part of all blocks is zero, such as block=0.8; a block
                   has 16x16 weights, with 2:4 32x16, which are the tiles that
                   the card leaves out if its array is 16x16
    block32x8=0.8  the same with blocks of 32 inputs and 8 outputs
  A method follows a `-`:
    w4g32-nearest  each weight is rounded alone (the default)
    w4g32-gptq     what rounding costs is made good by weights still to be
                   rounded, by what the layer sees in the calibration text
                   (GPTQ)
    2:4-magnitude  the largest weights are kept (the default without gptq)
    2:4-wanda      the weights that matter most by weight times input are kept
                   (Wanda)
    2:4-sparsegpt  the pair that costs least is kept, and the rest made good
                   (SparseGPT); the default with gptq; the codes are then found
                   by GPTQ too
  gptq, wanda and sparsegpt look at the calibration text, which takes half a
  minute or so; the others look at weights alone.

Plans:
  Several schemes, each for some layers, are joined by `,`. The last that fits a
  layer counts; a layer that none fits becomes w8:
    w4g32-gptq,w8@layer.5,w6@ffn.out,2:4-sparsegpt@layer.0.query
  A place is `layer.N` with N from 0, `qkv`, `query`, `key`, `value`,
  `attention.output`, `ffn.in`, `ffn.out`, or `layer.N.` and one of these names.

Mixed plans:
  A mixed plan is found by measuring each layer under each of the candidates,
  which takes minutes; fewer candidates take less. The goal is one of:
    mixed:accuracy=0.99         the fewest bytes whose mean cosine, on
                                calibration text that is held back, reaches this
                                and its standard error more
    mixed:accuracy=0.99:cycles  the same with the fewest cycles
    mixed:bytes=6000000         the best accuracy within these bytes of weights
    mixed:bytes=60%             the same within this part of the bytes of w8
    mixed:cycles=60%            the best accuracy within these cycles, as
                                foreseen on the default card with 128 tokens";

/// Which weights of a four are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pruning {
    /// The largest.
    Magnitude,
    /// Those of the largest product of weight and norm of the input (arXiv:2306.11695).
    Wanda,
    /// Those that leave the smallest error of the result (arXiv:2301.00774).
    SparseGpt,
}

/// How codes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// Each alone.
    Nearest,
    /// With error feedback (arXiv:2210.17323).
    Gptq,
}

/// Zero blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZeroBlocks {
    /// Inputs of a block.
    pub k: usize,
    /// Outputs of a block.
    pub n: usize,
    /// Part of all blocks that is zero, below one.
    pub part: f64,
}

impl ZeroBlocks {
    /// Most inputs and most outputs of a block.
    pub const LARGEST: usize = 4096;
}

/// How a matrix of weights is written.
///
/// Not every value makes sense: [`Scheme::check`] tells, and so does whatever encodes by one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheme {
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Inputs that share a scale, or 0 for none.
    pub group: usize,
    /// How codes are found.
    pub rounding: Rounding,
    /// 2:4, and how its mask is chosen.
    pub sparse: Option<Pruning>,
    /// Zero blocks.
    pub blocks: Option<ZeroBlocks>,
}

/// A scheme that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} makes no sense: {reason}", named(text))]
pub struct SchemeError {
    /// What was read.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A scheme as it was typed, in a sentence.
fn named(text: &str) -> String {
    match text.trim() {
        "" => "an empty scheme".into(),
        _ => format!("the scheme `{text}`"),
    }
}

impl Scheme {
    /// Eight bits, dense: what every model is quantised to unless something else is asked for.
    pub const W8: Self = Self {
        bits: 8,
        group: 0,
        rounding: Rounding::Nearest,
        sparse: None,
        blocks: None,
    };

    /// Shape of zero blocks where none is given, inputs and outputs: a tile of the usual array,
    /// which in 2:4 covers twice as many inputs. The card leaves out whole tiles only.
    pub const fn block(sparse: bool) -> (usize, usize) {
        match sparse {
            true => (32, 16),
            false => (16, 16),
        }
    }

    /// Whether the codes are the dense int8 weights.
    pub fn is_dense_int8(&self) -> bool {
        self.bits == 8 && self.group == 0 && self.sparse.is_none() && self.blocks.is_none()
    }

    /// Whether encoded weights need what the layer sees: by feedback or for the mask.
    pub fn is_calibrated(&self) -> bool {
        self.rounding == Rounding::Gptq || self.sparse == Some(Pruning::Wanda)
    }

    /// Blocks that are zero of a matrix of `k x n` weights.
    pub fn zero_blocks(&self, k: usize, n: usize) -> usize {
        self.blocks.map_or(0, |blocks| {
            let count = k.div_ceil(blocks.k) * n.div_ceil(blocks.n);
            (count as f64 * blocks.part).round() as usize
        })
    }

    /// Bytes that a matrix of `k x n` weights takes: codes, indices, group scales and bitmap.
    ///
    /// Zero blocks at the edge count as whole ones do in proportion.
    pub fn bytes(&self, k: usize, n: usize) -> u64 {
        let kept_rows = match self.sparse {
            Some(_) => k.div_ceil(4) * 2,
            None => k,
        };
        let (all, zero) = match self.blocks {
            Some(blocks) => (
                k.div_ceil(blocks.k) * n.div_ceil(blocks.n),
                self.zero_blocks(k, n),
            ),
            None => (1, 0),
        };
        let codes = (kept_rows * n) as f64 * ((all - zero) as f64 / all as f64);
        let codes = codes.ceil() as u64;
        let bytes = |bits: u64| (codes * bits).div_ceil(8);
        let indices = self.sparse.map_or(0, |_| bytes(2));
        let scales = match self.group {
            0 => 0,
            group => (k.div_ceil(group) * n) as u64,
        };
        let bitmap = self.blocks.map_or(0, |_| all.div_ceil(8) as u64);
        bytes(u64::from(self.bits)) + indices + scales + bitmap
    }

    /// Checks that the fields have values that schemes can have, and fit each other.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), SchemeError> {
        self.fault().map_err(|reason| SchemeError {
            text: self.to_string(),
            reason,
        })
    }

    /// Checks that zero blocks fit a matrix of `k x n` weights, that of the product `name`, and leave
    /// some of it.
    ///
    /// # Errors
    /// When a block is larger than the matrix, or all of its blocks would be zero.
    pub fn check_fit(&self, k: usize, n: usize, name: &str) -> Result<(), SchemeError> {
        let Some(blocks) = self.blocks else {
            return Ok(());
        };
        let count = k.div_ceil(blocks.k) * n.div_ceil(blocks.n);
        let reason = if blocks.k > k || blocks.n > n {
            format!(
                "blocks of {}x{} are larger than `{name}`, which has {k}x{n} weights",
                blocks.k, blocks.n
            )
        } else if self.zero_blocks(k, n) == count {
            format!(
                "of the {count} blocks of {}x{} that `{name}` has, none would be left",
                blocks.k, blocks.n
            )
        } else {
            return Ok(());
        };
        Err(SchemeError {
            text: self.to_string(),
            reason,
        })
    }

    /// What is wrong, if something is.
    fn fault(&self) -> Result<(), String> {
        if self.sparse == Some(Pruning::SparseGpt) && self.rounding != Rounding::Gptq {
            return Err("2:4-sparsegpt finds codes by gptq, not nearest".into());
        }
        if !(2..=8).contains(&self.bits) {
            return Err(format!("weights have 2 to 8 bits, not {}", self.bits));
        }
        if self.group != 0 && !GROUPS.contains(&self.group) {
            return Err(format!(
                "groups of weights that share a scale have 32, 64 or 128 inputs, not {}",
                self.group
            ));
        }
        let Some(blocks) = self.blocks else {
            return Ok(());
        };
        let sides = 1..=ZeroBlocks::LARGEST;
        if !sides.contains(&blocks.k) || !sides.contains(&blocks.n) {
            let largest = ZeroBlocks::LARGEST;
            return Err(format!("a block has 1 to {largest} inputs and outputs"));
        }
        if !(0.0..1.0).contains(&blocks.part) {
            return Err("the part of zero blocks is at least 0 and below 1".into());
        }
        if self.sparse.is_some() && !blocks.k.is_multiple_of(4) {
            return Err("with 2:4, blocks have a multiple of four inputs".into());
        }
        Ok(())
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.bits)?;
        if self.group != 0 {
            write!(f, "g{}", self.group)?;
        }
        if self.rounding == Rounding::Gptq {
            f.write_str("-gptq")?;
        }
        match self.sparse {
            None => {}
            Some(Pruning::Magnitude) => f.write_str("+2:4-magnitude")?,
            Some(Pruning::Wanda) => f.write_str("+2:4-wanda")?,
            Some(Pruning::SparseGpt) => f.write_str("+2:4-sparsegpt")?,
        }
        match self.blocks {
            None => Ok(()),
            Some(ZeroBlocks { k, n, part }) => write!(f, "+block{k}x{n}={part}"),
        }
    }
}
