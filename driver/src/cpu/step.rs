//! Steps: the smallest piece of packed weights, and how its codes lie in memory.
//!
//! A step holds [`STEP`] codes, four for each of the [`COLUMNS`] columns of a panel, side by side
//! as `vpdpbusd` wants them. The codes are dense values of four rows of K, or the kept values of
//! eight rows of a 2:4 matrix. Those of less than 8 bits are stored without a sign, raised by half
//! of their range, so that they need no sign extension; and in planes of 4, 2 and 1 bits that add
//! up to their width, so that a step of any width takes exactly its bits and is unpacked by shifts
//! and masks alone.

/// Columns of a panel.
pub const COLUMNS: usize = 16;

/// Codes of a step.
pub const STEP: usize = 4 * COLUMNS;

/// Bytes of the indices of a step of a 2:4 matrix.
pub const INDEX_BYTES: usize = plane_bytes(2);

/// Bytes of a plane of one step.
const fn plane_bytes(width: usize) -> usize {
    STEP * width / 8
}

/// What kernels must know about packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Whether the matrix is 2:4, with indices beside the codes of each step.
    pub sparse: bool,
    /// Values of K that share a scale; 0: no scales.
    pub group: usize,
    /// Whether a scaled code leaves -127..=127, so that the bounds have to be applied.
    pub saturates: bool,
    /// Whether a code without a scale is -128, which has no magnitude in int8.
    pub lowest: bool,
}

impl Format {
    /// Plain int8.
    pub const fn plain(lowest: bool) -> Self {
        Self {
            bits: 8,
            sparse: false,
            group: 0,
            saturates: false,
            lowest,
        }
    }

    /// Rows of K that a step covers.
    pub const fn depth(&self) -> usize {
        if self.sparse { 8 } else { 4 }
    }

    /// Bytes of a step.
    pub const fn bytes(&self) -> usize {
        step_bytes(self.bits, self.sparse)
    }

    /// What stored codes are raised by.
    pub const fn raise(&self) -> u8 {
        raise(self.bits)
    }

    /// Group of a scale to which step `k` belongs; there must be groups.
    pub const fn group_of(&self, k: usize) -> usize {
        // Groups and depths are powers of two, and a division costs more than the step.
        k >> (self.group.trailing_zeros() - self.depth().trailing_zeros())
    }
}

/// What stored codes of `bits` bits are raised by.
pub const fn raise(bits: u8) -> u8 {
    if bits == 8 { 0 } else { 1 << (bits - 1) }
}

/// Bytes of a step of codes of `bits` bits.
pub const fn step_bytes(bits: u8, sparse: bool) -> usize {
    plane_bytes(bits as usize) + if sparse { INDEX_BYTES } else { 0 }
}

/// Widths of the planes of codes of `bits` bits, each with the place of its lowest bit in a code.
fn planes(bits: u8) -> impl Iterator<Item = (usize, usize)> {
    let mut place = 0;
    [8, 4, 2, 1]
        .into_iter()
        .filter(move |width| bits & width != 0)
        .map(move |width| {
            let width = usize::from(width);
            place += width;
            (width, place - width)
        })
}

/// Packs the low `bits` bits of each code into `out`.
pub fn pack(bits: u8, codes: &[u8; STEP], mut out: &mut [u8]) {
    for (width, place) in planes(bits) {
        let (plane, rest) = out.split_at_mut(plane_bytes(width));
        let mask = (0xff_u16 >> (8 - width)) as u8;
        plane.fill(0);
        for (field, codes) in codes.chunks_exact(plane.len()).enumerate() {
            for (byte, code) in plane.iter_mut().zip(codes) {
                *byte |= (code >> place & mask) << (field * width);
            }
        }
        out = rest;
    }
}

/// Reads what [`pack`] wrote.
pub fn unpack(bits: u8, mut bytes: &[u8]) -> [u8; STEP] {
    let mut codes = [0; STEP];
    for (width, place) in planes(bits) {
        let (plane, rest) = bytes.split_at(plane_bytes(width));
        let mask = (0xff_u16 >> (8 - width)) as u8;
        for (field, codes) in codes.chunks_exact_mut(plane.len()).enumerate() {
            for (byte, code) in plane.iter().zip(codes) {
                *code |= (byte >> (field * width) & mask) << place;
            }
        }
        bytes = rest;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::{STEP, pack, step_bytes, unpack};

    #[test]
    fn steps_of_any_width_take_their_bits_and_come_back() {
        for bits in 2..=8 {
            let mask = (0xff_u16 >> (8 - bits)) as u8;
            let codes = std::array::from_fn(|at| (at * 37 + 11) as u8 & mask);
            let mut bytes = vec![0xa5; step_bytes(bits, false)];
            assert_eq!(bytes.len(), STEP * usize::from(bits) / 8);
            pack(bits, &codes, &mut bytes);
            assert_eq!(unpack(bits, &bytes), codes, "{bits} bits");
        }
    }
}
