//! The integer functions against formulas in wider types.

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize, round_shift};
use proptest::prelude::*;
use systole_isa as isa;

fn dyadic() -> impl Strategy<Value = Dyadic> {
    (
        prop_oneof![any::<u16>(), Just(0), Just(u16::MAX)],
        0u8..=Dyadic::MAX_SHIFT,
    )
        .prop_map(|(multiplier, shift)| Dyadic { multiplier, shift })
}

fn extreme_i32() -> impl Strategy<Value = i32> {
    prop_oneof![
        any::<i32>(),
        Just(i32::MIN),
        Just(i32::MAX),
        Just(0),
        -300i32..300
    ]
}

/// `floor(value / 2^shift + 1/2)` in 128 bits.
fn round_half_up(value: i128, shift: u32) -> i128 {
    (2 * value + (1 << shift)).div_euclid(1 << (shift + 1))
}

proptest! {
    #[test]
    fn dyadic_is_within_half_a_unit_of_16_bits(mantissa in 1.0f32..2.0, exponent in -15i32..16) {
        let value = mantissa * (exponent as f32).exp2();
        match Dyadic::from_f32(value) {
            Some(dyadic) => {
                let error = (dyadic.to_f64() - f64::from(value)).abs();
                prop_assert!(error <= f64::from(value) * (-16f64).exp2());
                prop_assert!(dyadic.multiplier >= 1 << 15, "normalised");
            }
            None => prop_assert!(value >= 65535.5),
        }
    }

    #[test]
    fn tiny_dyadic_is_within_half_a_unit_of_the_last_shift(value in 0.0f32..3e-5) {
        let dyadic = Dyadic::from_f32(value).expect("small values exist");
        let error = (dyadic.to_f64() - f64::from(value)).abs();
        prop_assert!(error <= (-32f64).exp2());
    }

    #[test]
    fn dyadic_of_any_float_ends(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        let exists = Dyadic::from_f32(value).is_some();
        prop_assert_eq!(exists, (0.0..65535.5).contains(&value));
    }

    #[test]
    fn dyadic_words_round_trip(dyadic in dyadic(), bias in any::<i32>(), junk in any::<u32>()) {
        prop_assert_eq!(Dyadic::from_word(dyadic.to_word() | junk << 21), dyadic);
        let column = ColumnParam { scale: dyadic, bias };
        prop_assert_eq!(ColumnParam::from_words(column.to_words()), column);
    }

    #[test]
    fn requantize_is_the_formula(
        acc in extreme_i32(),
        row in dyadic(),
        scale in dyadic(),
        bias in extreme_i32(),
    ) {
        let column = ColumnParam { scale, bias };
        let product = i128::from(acc) * i128::from(row.multiplier) * i128::from(scale.multiplier);
        let exact = round_half_up(product, u32::from(row.shift) + u32::from(scale.shift))
            + i128::from(bias);
        prop_assert_eq!(
            i128::from(requantize(acc, row, column, OutputFormat::I8)),
            exact.clamp(-128, 127)
        );
        prop_assert_eq!(
            i128::from(requantize(acc, row, column, OutputFormat::I16)),
            exact.clamp(-32768, 32767)
        );
        prop_assert_eq!(requantize(acc, row, column, OutputFormat::I32), acc);
    }

    #[test]
    fn round_shift_is_the_formula(value in any::<i64>(), shift in 0u32..=62) {
        prop_assert_eq!(i128::from(round_shift(value, shift)), round_half_up(value.into(), shift));
    }

    #[test]
    fn gemm_is_the_naive_sum(
        (m, k, n) in (1usize..8, 1usize..40, 1usize..8),
        seed in any::<u64>(),
    ) {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Extremes often: they are where widths go wrong.
            match state >> 61 {
                0 => -128,
                1 => 127,
                _ => (state >> 40) as i8,
            }
        };
        let a: Vec<i8> = (0..m * k).map(|_| next()).collect();
        let b: Vec<i8> = (0..k * n).map(|_| next()).collect();
        let mut out = vec![1i32; m * n];
        gemm_i8(m, k, n, &a, &b, &mut out);
        for row in 0..m {
            for col in 0..n {
                let sum: i64 = (0..k)
                    .map(|i| i64::from(a[row * k + i]) * i64::from(b[i * n + col]))
                    .sum();
                prop_assert_eq!(i64::from(out[row * n + col]), sum);
            }
        }
    }
}

#[test]
fn halves_round_up() {
    assert_eq!(round_shift(3, 1), 2);
    assert_eq!(round_shift(-3, 1), -1);
    assert_eq!(round_shift(-1, 1), 0);
    assert_eq!(round_shift(i64::MIN, 62), -2);
}
