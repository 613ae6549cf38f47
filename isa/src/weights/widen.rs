//! From a code to an int8 weight.

/// Values of K that may share a scale.
pub const GROUPS: [usize; 3] = [32, 64, 128];

/// The scale that changes nothing: scales count in eighths.
pub const SCALE_ONE: u8 = 8;

/// The codes of a width, lowest and highest: `-2^(bits - 1)` and `2^(bits - 1) - 1`.
///
/// # Panics
/// If `bits` is not 2 to 8.
pub const fn code_range(bits: u8) -> (i8, i8) {
    assert!(bits >= 2 && bits <= 8, "codes have 2 to 8 bits");
    let high = ((1u16 << (bits - 1)) - 1) as i8;
    (-high - 1, high)
}

/// The weight that a code stands for.
///
/// Without a scale it is the code itself. With one it is `code * scale / 8`, halves rounded towards
/// positive infinity, saturated to -127..=127: a scale counts in eighths ([`SCALE_ONE`]), so that
/// the largest 4-bit code, 7, reaches 127 at the scale 145.
pub const fn widen(code: i8, scale: Option<u8>) -> i8 {
    let Some(scale) = scale else { return code };
    let rounded = (code as i32 * scale as i32 + 4) >> 3;
    if rounded > 127 {
        127
    } else if rounded < -127 {
        -127
    } else {
        rounded as i8
    }
}
