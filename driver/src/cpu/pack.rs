//! Right operands in the order in which the kernels read them.

use isa::weights::{Encoded, widen};

use super::lines::{LINE, Lines};
use super::step::{self, COLUMNS, Format, INDEX_BYTES, STEP};
use crate::matmul::Layout;

/// Steps that follow each other in memory and along K.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First step in the panel.
    pub at: usize,
    /// First step along K.
    pub k: usize,
    /// Number of steps.
    pub count: usize,
}

/// A right operand cut into panels of [`COLUMNS`] columns, each a sequence of steps in `Format`.
///
/// Steps that mean zeros only are left out, whatever the blocks of an encoding are; missing
/// columns and rows of a step are zeros. Narrow codes stay narrow: a panel of `b`-bit codes takes
/// `b` bits a weight, in a 2:4 matrix half of that and two bits for each index.
#[derive(Debug)]
pub struct Packed {
    format: Format,
    panels: Vec<Part>,
    codes: Lines,
    scales: Vec<u8>,
    groups: usize,
}

#[derive(Debug)]
struct Part {
    first: usize,
    bytes: usize,
    runs: Vec<Run>,
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// What the bytes are.
    pub format: Format,
    /// Steps, [`Format::bytes`] each.
    pub codes: &'a [u8],
    /// Scales, [`COLUMNS`] for each group of K.
    pub scales: &'a [u8],
    /// Steps that are there, ascending.
    pub runs: &'a [Run],
}

impl Packed {
    /// Packs a plain `k x n` operand, zeros and all: looking for them would cost more than they
    /// do in an operand that may be used once.
    pub fn plain(k: usize, n: usize, layout: Layout, source: &[i8]) -> Self {
        let steps = k.div_ceil(4);
        let bytes = steps * STEP;
        let mut codes = Lines::zeroed(n.div_ceil(COLUMNS) * bytes);
        let mut panels = Vec::new();
        for index in 0..n.div_ceil(COLUMNS) {
            let panel = &mut codes.bytes_mut()[index * bytes..][..bytes];
            let first = index * COLUMNS;
            let width = COLUMNS.min(n - first);
            if k > 0 {
                match layout {
                    Layout::RowMajor => pack_rows(panel, &source[first..], k, n, width),
                    Layout::Transposed => pack_columns(panel, &source[first * k..], k, width),
                }
            }
            let run = Run {
                at: 0,
                k: 0,
                count: steps,
            };
            panels.push(Part {
                first: index * bytes,
                bytes,
                runs: Vec::from_iter((steps > 0).then_some(run)),
            });
        }
        Self {
            format: Format::plain(source.contains(&i8::MIN)),
            panels,
            codes,
            scales: Vec::new(),
            groups: 0,
        }
    }

    /// Packs an encoded operand, which must have passed [`Encoded::check`].
    pub fn encoded(source: &Encoded<'_>) -> Self {
        let mut format = Format {
            bits: source.bits,
            sparse: source.indices.is_some(),
            group: source.group,
            saturates: false,
            lowest: false,
        };
        let (depth, bytes) = (format.depth(), format.bytes());
        let mut packed = Vec::new();
        let mut panels = Vec::new();
        for first in (0..source.n).step_by(COLUMNS) {
            packed.resize(packed.len().next_multiple_of(LINE), 0);
            let start = packed.len();
            let mut runs: Vec<Run> = Vec::new();
            for k in 0..source.k.div_ceil(depth) {
                let Some(step) = Step::read(source, &mut format, k, first) else {
                    continue;
                };
                let at = (packed.len() - start) / bytes;
                packed.resize(packed.len() + bytes, 0);
                let (codes, indices) = packed[start + at * bytes..]
                    .split_at_mut(bytes - if format.sparse { INDEX_BYTES } else { 0 });
                step::pack(format.bits, &step.codes, codes);
                if format.sparse {
                    step::pack(2, &step.indices, indices);
                }
                match runs.last_mut() {
                    Some(last) if last.k + last.count == k => last.count += 1,
                    _ => runs.push(Run { at, k, count: 1 }),
                }
            }
            panels.push(Part {
                first: start,
                bytes: packed.len() - start,
                runs,
            });
        }
        let mut codes = Lines::zeroed(packed.len());
        codes.bytes_mut()[..packed.len()].copy_from_slice(&packed);
        let groups = match source.group {
            0 => 0,
            group => source.k.div_ceil(group),
        };
        Self {
            format,
            panels,
            codes,
            scales: pack_scales(source, groups),
            groups,
        }
    }

    /// What the panels hold.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Panel `index`.
    pub fn panel(&self, index: usize) -> Panel<'_> {
        let part = &self.panels[index];
        let scales = self.groups * COLUMNS;
        Panel {
            format: self.format,
            codes: &self.codes.bytes()[part.first..][..part.bytes],
            scales: &self.scales[index * scales..][..scales],
            runs: &part.runs,
        }
    }
}

/// One step of an encoded matrix, not yet packed.
struct Step {
    codes: [u8; STEP],
    indices: [u8; STEP],
}

impl Step {
    /// Step `k` of the panel that begins at column `first`, unless all of it is zero.
    fn read(source: &Encoded<'_>, format: &mut Format, k: usize, first: usize) -> Option<Self> {
        let mut step = Self {
            codes: [format.raise(); STEP],
            indices: [0; STEP],
        };
        let mut zero = true;
        for column in first..source.n.min(first + COLUMNS) {
            for slot in 0..4 {
                let place = 4 * (column - first) + slot;
                let kept = 4 * k + slot;
                if kept >= source.kept_rows() {
                    continue;
                }
                let row = match source.indices {
                    Some(indices) => {
                        let index = indices[kept * source.n + column];
                        step.indices[place] = index;
                        kept / 2 * 4 + usize::from(index)
                    }
                    None => kept,
                };
                if row >= source.k || left_out(source, row, column) {
                    continue;
                }
                let code = source.codes[kept * source.n + column];
                let scale = match source.group {
                    0 => None,
                    group => Some(source.scales[row / group * source.n + column]),
                };
                zero &= widen(code, scale) == 0;
                match scale {
                    Some(scale) => {
                        let value = (i32::from(code) * i32::from(scale) + 4) >> 3;
                        format.saturates |= !(-127..=127).contains(&value);
                    }
                    None => format.lowest |= code == i8::MIN,
                }
                step.codes[place] = (code as u8).wrapping_add(format.raise());
            }
        }
        (!zero).then_some(step)
    }
}

fn left_out(source: &Encoded<'_>, row: usize, column: usize) -> bool {
    let Some(blocks) = &source.blocks else {
        return false;
    };
    !blocks.holds(row / blocks.k, column / blocks.n, source.n)
}

/// Scales panel by panel; missing columns get zeros.
fn pack_scales(source: &Encoded<'_>, groups: usize) -> Vec<u8> {
    let mut scales = Vec::new();
    for first in (0..source.n).step_by(COLUMNS) {
        let width = COLUMNS.min(source.n - first);
        for group in 0..groups {
            let start = scales.len();
            scales.extend_from_slice(&source.scales[group * source.n + first..][..width]);
            scales.resize(start + COLUMNS, 0);
        }
    }
    scales
}

/// Fills a panel from rows of `stride` values, of which the first `width` belong to the panel.
fn pack_rows(panel: &mut [u8], source: &[i8], k: usize, stride: usize, width: usize) {
    for (step, target) in panel.chunks_exact_mut(STEP).enumerate() {
        for slot in 0..4.min(k - 4 * step) {
            let row = &source[(4 * step + slot) * stride..][..width];
            for (target, value) in target.chunks_exact_mut(4).zip(row) {
                target[slot] = *value as u8;
            }
        }
    }
}

/// Fills a panel from `width` columns of `k` values each, one after the other.
fn pack_columns(panel: &mut [u8], source: &[i8], k: usize, width: usize) {
    for (column, values) in source.chunks_exact(k).take(width).enumerate() {
        for (target, four) in panel.chunks_exact_mut(STEP).zip(values.chunks(4)) {
            for (target, value) in target[4 * column..].iter_mut().zip(four) {
                *target = *value as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use isa::weights::{Blocks, Encoded};

    use super::{Packed, Run};

    fn encoded<'a>(
        codes: &'a [i8],
        indices: Option<&'a [u8]>,
        blocks: Option<Blocks<'a>>,
    ) -> Packed {
        let source = Encoded {
            k: 64,
            n: 48,
            bits: 4,
            codes,
            indices,
            group: 0,
            scales: &[],
            blocks,
        };
        source.check().expect("the parts fit each other");
        Packed::encoded(&source)
    }

    fn bytes(packed: &Packed) -> usize {
        (0..3).map(|index| packed.panel(index).codes.len()).sum()
    }

    #[test]
    fn narrow_codes_stay_narrow() {
        assert_eq!(bytes(&encoded(&[3; 64 * 48], None, None)), 64 * 48 / 2);
    }

    #[test]
    fn two_of_four_take_half_of_the_codes_and_two_bits_for_each() {
        let indices: Vec<u8> = (0..32 * 48).map(|at| (at / 48 % 2) as u8).collect();
        let packed = encoded(&[3; 32 * 48], Some(&indices), None);
        assert_eq!(bytes(&packed), 32 * 48 * (4 + 2) / 8);
    }

    #[test]
    fn zero_blocks_take_nothing() {
        // Four by three blocks of 16 by 16: the first panel has the second and the third of K, the
        // second none, the last its last.
        let bitmap = [0b0100_1000, 0b0000_1000];
        let blocks = Blocks {
            k: 16,
            n: 16,
            bitmap: &bitmap,
        };
        let packed = encoded(&[3; 64 * 48], None, Some(blocks));
        assert_eq!(bytes(&packed), 3 * 16 * 16 / 2);
        let runs: Vec<&[Run]> = (0..3).map(|index| packed.panel(index).runs).collect();
        let run = |k, count| Run { at: 0, k, count };
        assert_eq!(runs, [&[run(4, 8)][..], &[], &[run(12, 4)]]);
    }

    #[test]
    fn zeros_that_no_block_names_are_left_out_too() {
        let codes: Vec<i8> = (0..64 * 48).map(|at| i8::from(at / 48 == 63)).collect();
        assert_eq!(bytes(&encoded(&codes, None, None)), 3 * 64 / 2);
    }
}
