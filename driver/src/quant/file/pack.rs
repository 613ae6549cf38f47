//! Codes and indices without a bit to spare.

use crate::encoding::Encoding;

/// Bytes of the weights of an encoded matrix: codes and indices of the blocks that are there, group
/// scales, bitmap.
pub fn matrix_bytes(encoding: &Encoding) -> u64 {
    let codes = present(encoding).count();
    let bytes = |bits: usize| (codes * bits).div_ceil(8) as u64;
    let indices = match encoding.indices {
        Some(_) => bytes(2),
        None => 0,
    };
    let bitmap = encoding.blocks.as_ref().map_or(0, |it| it.bitmap.len());
    bytes(usize::from(encoding.bits)) + indices + (encoding.scales.len() + bitmap) as u64
}

/// Places of the codes that are stored: those of blocks that are there, row by row.
///
/// Blocks of a 2:4 matrix hold whole fours, so that a code's block does not depend on its index.
pub fn present(encoding: &Encoding) -> impl Iterator<Item = usize> {
    let view = encoding.view();
    let rows_of_four = if encoding.indices.is_some() { 2 } else { 4 };
    (0..view.kept_rows()).flat_map(move |kept| {
        let row = kept / rows_of_four * 4 + if rows_of_four == 4 { kept % 4 } else { 0 };
        (0..view.n)
            .filter(move |column| {
                view.blocks
                    .is_none_or(|blocks| blocks.holds(row / blocks.k, column / blocks.n, view.n))
            })
            .map(move |column| kept * view.n + column)
    })
}

/// Packs the low `bits` bits of each value, the first value in the lowest bits of the first byte.
pub fn pack(values: impl Iterator<Item = u8>, bits: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut buffer, mut filled) = (0u32, 0);
    for value in values {
        buffer |= (u32::from(value) & ((1 << bits) - 1)) << filled;
        filled += u32::from(bits);
        while filled >= 8 {
            bytes.push(buffer as u8);
            buffer >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        bytes.push(buffer as u8);
    }
    bytes
}

/// The first `count` values of `bits` bits, and whether all bits after them are zero. There must be
/// enough bytes.
pub fn unpack(bytes: &[u8], bits: u8, count: usize) -> (Vec<u8>, bool) {
    let bits = usize::from(bits);
    let value = |index: usize| {
        let first = index * bits;
        let pair = [
            bytes[first / 8],
            bytes.get(first / 8 + 1).copied().unwrap_or(0),
        ];
        (u16::from_le_bytes(pair) >> (first % 8) & ((1 << bits) - 1)) as u8
    };
    let values = (0..count).map(value).collect();
    let used = count * bits;
    let clean = used.is_multiple_of(8) || bytes[used / 8] >> (used % 8) == 0;
    (values, clean)
}

/// The number that the low `bits` bits of `value` mean in two's complement.
pub fn signed(value: u8, bits: u8) -> i8 {
    (value << (8 - bits)) as i8 >> (8 - bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back_in_as_many_bytes_as_needed(
            bits in 2u8..=8,
            values in prop::collection::vec(any::<i8>(), 0..200),
        ) {
            let values: Vec<i8> = values.iter().map(|value| value >> (8 - bits)).collect();
            let bytes = pack(values.iter().map(|value| *value as u8), bits);
            prop_assert_eq!(bytes.len(), (values.len() * usize::from(bits)).div_ceil(8));
            let (back, clean) = unpack(&bytes, bits, values.len());
            prop_assert!(clean);
            let back: Vec<i8> = back.into_iter().map(|value| signed(value, bits)).collect();
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn the_order_of_bits_is_fixed() {
        assert_eq!(pack([0xf, 0x1, 0x2].into_iter(), 4), [0x1f, 0x02]);
        assert_eq!(
            pack([0b101, 0b011, 0b110].into_iter(), 3),
            [0b1001_1101, 0b1]
        );
        assert!(!unpack(&[0x1f, 0x82], 4, 3).1);
    }
}
