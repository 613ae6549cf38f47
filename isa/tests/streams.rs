//! Streams of weights: what is packed from an encoded matrix is, in the functional model, the
//! product with the dense matrix that it means.

mod common;

use common::{Rng, put_program};
use isa::command::{Buffer, Command, Gemm, Load, Operation, Store};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::model::{Card, Memory, SliceMemory};
use isa::numerics::gemm_i8;
use isa::weights::{Blocks, Encoded, StreamFormat, code_range};
use proptest::prelude::*;
use systole_isa as isa;

const BASE: u64 = 0x1000;
const ACTS: u64 = BASE + 0x1000;
const WGTS: u64 = BASE + 0x21_000;
const OUT: u64 = BASE + 0x32_000;

/// Parts of an encoded matrix.
struct Parts {
    codes: Vec<i8>,
    indices: Option<Vec<u8>>,
    scales: Vec<u8>,
    bitmap: Vec<u8>,
}

struct Case {
    config: Config,
    m: usize,
    k: usize,
    n: usize,
    bits: u8,
    two_four: bool,
    group: usize,
    /// Shape of the blocks of the matrix; none without blocks.
    blocks: Option<(usize, usize)>,
}

fn parts(case: &Case, rng: &mut Rng) -> Parts {
    let (low, high) = code_range(case.bits);
    let width = i32::from(high) - i32::from(low) + 1;
    let kept = if case.two_four {
        case.k.div_ceil(4) * 2
    } else {
        case.k
    };
    let mut codes: Vec<i8> = (0..kept * case.n)
        .map(|_| match rng.next() % 8 {
            0 => low,
            1 => high,
            2 => 0,
            _ => (i32::from(low) + (rng.next() % width as u32) as i32) as i8,
        })
        .collect();
    let indices = case.two_four.then(|| {
        let mut indices = vec![0; codes.len()];
        for four in 0..kept / 2 {
            for column in 0..case.n {
                let pair =
                    [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]][rng.next() as usize % 6];
                for (r, index) in pair.into_iter().enumerate() {
                    let at = (2 * four + r) * case.n + column;
                    indices[at] = index;
                    if 4 * four + usize::from(index) >= case.k {
                        codes[at] = 0;
                    }
                }
            }
        }
        indices
    });
    let scales = match case.group {
        0 => vec![],
        group => (0..case.k.div_ceil(group) * case.n)
            .map(|_| [0, 8, 255, rng.next() as u8][rng.next() as usize % 4])
            .collect(),
    };
    let bitmap = match case.blocks {
        None => vec![],
        Some((k, n)) => {
            let count = case.k.div_ceil(k) * case.n.div_ceil(n);
            let mut bitmap = vec![0; count.div_ceil(8)];
            for block in (0..count).filter(|_| rng.next().is_multiple_of(3)) {
                bitmap[block / 8] |= 1 << (block % 8);
            }
            bitmap
        }
    };
    Parts {
        codes,
        indices,
        scales,
        bitmap,
    }
}

/// Runs tile column `column` through the model and returns its sums.
fn run(case: &Case, matrix: &Encoded<'_>, a: &[i8], column: u32) -> Option<Vec<i32>> {
    let config = &case.config;
    let (rows, cols, line) = (config.rows, config.cols, config.port_bytes as usize);
    let format = matrix.stream_format(rows, case.blocks.is_some())?;
    let span = format.span(rows) as usize;
    let tiles = case.k.div_ceil(span);
    let packed = matrix.pack(format, rows, cols, column, 0..tiles as u32);
    let mut memory = SliceMemory::new(BASE, 0x40_000);
    // Activations: a block of rows for each tile, each block whole lines.
    let block = (case.m * span).next_multiple_of(line.max(2 * span));
    let mut acts = vec![0; tiles * block];
    for (row, values) in a.chunks_exact(case.k).enumerate() {
        for (tile, values) in values.chunks(span).enumerate() {
            for (place, value) in values.iter().enumerate() {
                acts[tile * block + row * span + place] = *value as u8;
            }
        }
    }
    assert!(memory.write(ACTS, &acts) && memory.write(WGTS, &packed.bytes));
    let load = |buffer: Buffer, src, bytes: usize| {
        Command::new(Operation::Load(Load {
            src,
            buffer: buffer as u8,
            dst_line: 0,
            row_lines: bytes.div_ceil(line) as u16,
            rows: 1,
            stride: 0,
        }))
    };
    let mut program = vec![
        load(Buffer::Activations, ACTS, acts.len()),
        load(Buffer::Weights, WGTS, packed.bytes.len().max(1)),
    ];
    program[1].signal = 1;
    let store = |zero| {
        Command::new(Operation::Store(Store {
            dst: OUT,
            acc_row: 1,
            m: case.m as u16,
            zero,
            ..Store::default()
        }))
    };
    if packed.tiles.is_empty() {
        program.push(store(1));
    } else {
        let gemm = Gemm {
            act_stride: (block / rows as usize) as u16,
            acc_row: 1,
            m: case.m as u16,
            k_tiles: packed.tiles.len() as u16,
            wgt_rows: packed.bytes.len().div_ceil(2 * cols as usize) as u32,
            ..Gemm::default()
        };
        program.push(Command {
            wait: 1,
            signal: 2,
            operation: Operation::Gemm(gemm.with_stream(format)),
        });
        program.push(Command {
            wait: 2,
            ..store(0)
        });
    }
    put_program(&mut memory, BASE, &program);
    let mut card = Card::new(*config).expect("a good config");
    let outcome = card.run_program(&mut memory, BASE, program.len() as u16);
    assert_eq!(outcome.status, ErrorCode::Success, "{program:?}");
    let mut bytes = vec![0; case.m * cols as usize * 4];
    assert!(memory.read(OUT, &mut bytes));
    Some(
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|sum| i32::from_le_bytes(*sum))
            .collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn packed_columns_multiply_as_the_dense_matrix(
        (rows, cols) in (2u32..6, 2u32..6),
        wide_port in any::<bool>(),
        (m, k, n) in (1usize..12, 1usize..300, 1usize..70),
        bits in 2u8..=8,
        two_four in any::<bool>(),
        group in prop::sample::select(vec![0usize, 0, 32, 64, 128]),
        blocks in prop::option::of((1usize..80, 1usize..40)),
        seed in any::<u64>(),
    ) {
        let port_bytes = if wide_port && cols > 2 { 32 } else { 16 };
        let config = Config { port_bytes, ..Config::with_array(1 << rows, 1 << cols) };
        let case = Case { config, m, k, n, bits, two_four, group, blocks };
        let mut rng = Rng(seed | 1);
        let parts = parts(&case, &mut rng);
        let matrix = Encoded {
            k,
            n,
            bits,
            codes: &parts.codes,
            indices: parts.indices.as_deref(),
            group,
            scales: &parts.scales,
            blocks: blocks.map(|(k, n)| Blocks { k, n, bitmap: &parts.bitmap }),
        };
        prop_assert_eq!(matrix.check(), Ok(()));
        let mut dense = vec![0; k * n];
        matrix.dense(&mut dense);
        let a: Vec<i8> = (0..m * k).map(|_| rng.next() as i8).collect();
        let mut expected = vec![0; m * n];
        gemm_i8(m, k, n, &a, &dense, &mut expected);
        let width = config.cols as usize;
        for column in 0..n.div_ceil(width) {
            let Some(sums) = run(&case, &matrix, &a, column as u32) else {
                // Scales of 32 values in tiles of 64.
                prop_assert!(group == 32 && two_four && config.rows == 32);
                return Ok(());
            };
            for (row, sums) in sums.chunks_exact(width).enumerate() {
                let used = width.min(n - column * width);
                let first = row * n + column * width;
                prop_assert_eq!(&sums[..used], &expected[first..first + used]);
                prop_assert!(sums[used..].iter().all(|sum| *sum == 0));
            }
        }
    }
}

#[test]
fn streams_are_as_short_as_their_formats_promise() {
    let (k, n) = (256, 16);
    let codes = vec![1i8; k * n];
    let indices: Vec<u8> = (0..k * n / 2).map(|at| (at / n % 2) as u8).collect();
    let scales = vec![8; k / 64 * n];
    let dense = Encoded {
        k,
        n,
        bits: 8,
        codes: &codes,
        indices: None,
        group: 0,
        scales: &[],
        blocks: None,
    };
    let bytes = |matrix: Encoded<'_>| {
        let format = matrix
            .stream_format(16, false)
            .expect("groups of whole tiles");
        let tiles = (k as u32).div_ceil(format.span(16));
        matrix.pack(format, 16, 16, 0, 0..tiles).bytes.len()
    };
    assert_eq!(bytes(dense), k * n);
    for bits in 2..=8 {
        assert_eq!(
            bytes(Encoded { bits, ..dense }),
            usize::from(bits) * k * n / 8
        );
    }
    let grouped = Encoded {
        bits: 4,
        group: 64,
        scales: &scales,
        ..dense
    };
    assert_eq!(bytes(grouped), k * n / 2 + k / 64 * n);
    let half = Encoded {
        codes: &codes[..k * n / 2],
        indices: Some(&indices),
        ..dense
    };
    assert_eq!(bytes(half), k * n / 2 * 10 / 8);
    assert_eq!(StreamFormat::header_units(4), 2);
    assert_eq!(StreamFormat::header_units(16), 1);
}
