//! Encoded weights mean what their documentation says, and nonsense is refused with its reason.

use isa::numerics::threshold;
use isa::weights::{Blocks, Encoded, FormatError, code_range, widen};
use proptest::prelude::*;
use systole_isa as isa;

/// A 2:4 matrix of 6 x 2 with 4-bit codes: the last four has two rows only.
const CODES: [i8; 8] = [1, -8, 7, 2, 5, 0, 0, -3];
const INDICES: [u8; 8] = [0, 2, 3, 3, 1, 0, 2, 1];

fn two_four() -> Encoded<'static> {
    Encoded {
        k: 6,
        n: 2,
        bits: 4,
        codes: &CODES,
        indices: Some(&INDICES),
        group: 0,
        scales: &[],
        blocks: None,
    }
}

fn dense(matrix: &Encoded<'_>) -> Vec<i8> {
    assert_eq!(matrix.check(), Ok(()));
    let mut out = vec![99; matrix.k * matrix.n];
    matrix.dense(&mut out);
    out
}

#[test]
fn kept_values_stand_where_their_indices_say() {
    #[rustfmt::skip]
    let expected = vec![
        1, 0,
        0, 0,
        0, -8,
        7, 2,
        0, 0,
        5, -3,
    ];
    assert_eq!(dense(&two_four()), expected);
}

#[test]
fn scales_belong_to_groups_of_rows_and_to_columns() {
    let codes: Vec<i8> = [[7, -8]; 40].concat();
    let matrix = Encoded {
        k: 40,
        n: 2,
        codes: &codes,
        indices: None,
        group: 32,
        scales: &[8, 16, 145, 145],
        ..two_four()
    };
    let out = dense(&matrix);
    assert_eq!(out[..64], [[7, -16]; 32].concat());
    // 7 * 145 / 8 = 126.875; -8 * 145 / 8 = -145 saturates.
    assert_eq!(out[64..], [[127, -127]; 8].concat());
}

#[test]
fn blocks_that_are_left_out_are_zero() {
    let codes = [1i8; 30];
    // Blocks of 2 x 4: three times two, of which (0, 1) and (2, 0) are there.
    let matrix = Encoded {
        k: 5,
        n: 6,
        codes: &codes,
        indices: None,
        blocks: Some(Blocks {
            k: 2,
            n: 4,
            bitmap: &[0b01_0010],
        }),
        ..two_four()
    };
    #[rustfmt::skip]
    let expected = vec![
        0, 0, 0, 0, 1, 1,
        0, 0, 0, 0, 1, 1,
        0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0,
        1, 1, 1, 1, 0, 0,
    ];
    assert_eq!(dense(&matrix), expected);
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    let good = two_four();
    let scales = [8; 2];
    let blocks = |k, n, bitmap| Some(Blocks { k, n, bitmap });
    let cases: Vec<(Encoded<'_>, &str)> = vec![
        (Encoded { k: 0, ..good }, "at least one row"),
        (Encoded { bits: 9, ..good }, "weights of 9 bits"),
        (Encoded { bits: 1, ..good }, "weights of 1 bits"),
        (Encoded { group: 48, ..good }, "groups of 48"),
        (
            Encoded { group: 32, ..good },
            "the group scales hold 0 entries instead of 2",
        ),
        (
            Encoded {
                scales: &scales,
                ..good
            },
            "the group scales hold 2 entries instead of 0",
        ),
        (
            Encoded {
                codes: &CODES[1..],
                ..good
            },
            "the codes hold 7 entries instead of 8",
        ),
        (
            Encoded {
                indices: Some(&INDICES[1..]),
                ..good
            },
            "the indices hold 7 entries",
        ),
        (
            Encoded { bits: 3, ..good },
            "the code -8 in row 0, column 1 does not fit into 3 bits",
        ),
        (
            Encoded {
                indices: Some(&[0, 2, 0, 3, 1, 0, 2, 1]),
                ..good
            },
            "the indices 0 and 0 of rows 0 to 3, column 0",
        ),
        (
            Encoded {
                indices: Some(&[0, 2, 3, 4, 1, 0, 2, 1]),
                ..good
            },
            "the indices 2 and 4 of rows 0 to 3, column 1",
        ),
        (
            Encoded {
                indices: Some(&[0, 2, 3, 3, 2, 0, 3, 1]),
                ..good
            },
            "column 0 keeps a weight for row 6",
        ),
        (
            Encoded {
                blocks: blocks(0, 2, &[]),
                ..good
            },
            "blocks of 0x2",
        ),
        (
            Encoded {
                blocks: blocks(2, 1, &[]),
                ..good
            },
            "the bytes of the bitmap of blocks hold 0 entries instead of 1",
        ),
        (
            Encoded {
                blocks: blocks(2, 1, &[0x40]),
                ..good
            },
            "beyond its last block",
        ),
    ];
    for (matrix, reason) in cases {
        let refusal = matrix.check().expect_err(reason).to_string();
        assert!(
            refusal.contains(reason),
            "`{refusal}` does not say `{reason}`"
        );
    }
    assert_eq!(
        Encoded {
            blocks: blocks(2, 1, &[0x3f]),
            ..good
        }
        .check(),
        Ok::<(), FormatError>(())
    );
}

#[test]
fn scaled_codes_are_rounded_and_saturated() {
    for bits in 2..=8 {
        let (low, high) = code_range(bits);
        for code in low..=high {
            assert_eq!(widen(code, None), code);
            for scale in 0..=u8::MAX {
                let exact = f64::from(code) * f64::from(scale) / 8.0;
                let rounded = (exact + 0.5).floor().clamp(-127.0, 127.0);
                assert_eq!(
                    f64::from(widen(code, Some(scale))),
                    rounded,
                    "{code} * {scale}"
                );
            }
        }
    }
}

proptest! {
    /// Against a definition by columns: a value stays if its row and its group both hold one that
    /// reaches the threshold.
    #[test]
    fn thresholding_zeroes_rows_and_groups(
        m in 1usize..6,
        k in 1usize..40,
        group in 1usize..20,
        limit in 0u8..=129,
        values in prop::collection::vec(any::<i8>(), 240),
    ) {
        let before = &values[..m * k];
        let mut after = before.to_vec();
        threshold(m, k, &mut after, group, limit);
        let reaches = |row: usize, column: usize| {
            i32::from(before[row * k + column]).abs() >= i32::from(limit)
        };
        for row in 0..m {
            for column in 0..k {
                let first = column / group * group;
                let stays = (0..k).any(|column| reaches(row, column))
                    && (0..m).any(|row| {
                        (first..(first + group).min(k)).any(|column| reaches(row, column))
                    });
                let expected = if stays { before[row * k + column] } else { 0 };
                prop_assert_eq!(after[row * k + column], expected);
            }
        }
    }
}
