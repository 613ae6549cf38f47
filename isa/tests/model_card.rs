//! The functional model runs programs as the contract says.

mod common;

use common::{Rng, put_program};
use isa::command::{Buffer, Command, ENGINE_QUEUE, Gemm, Load, Operation, Store, TOKEN_MAX};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::format::OutputFormat;
use isa::model::{Card, Memory, Outcome, SliceMemory};
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize};
use isa::weights::StreamFormat;
use proptest::prelude::*;
use systole_isa as isa;

const BASE: u64 = 0x1000;
const DATA: u64 = BASE + 0x10_000;

fn command(wait: u16, signal: u16, operation: Operation) -> Command {
    Command {
        wait,
        signal,
        operation,
    }
}

/// A LOAD of one line, which always works.
fn small_load() -> Operation {
    Operation::Load(Load {
        src: DATA,
        buffer: Buffer::Activations as u8,
        dst_line: 0,
        row_lines: 1,
        rows: 1,
        stride: 0,
    })
}

fn small_gemm() -> Operation {
    Operation::Gemm(Gemm {
        m: 1,
        k_tiles: 1,
        wgt_rows: 2,
        weight_bits: 8,
        ..Gemm::default()
    })
}

fn run(card: &mut Card, memory: &mut SliceMemory, program: &[Command]) -> Outcome {
    put_program(memory, BASE, program);
    card.run_program(memory, BASE, program.len() as u16)
}

fn run_small(program: &[Command]) -> (ErrorCode, u16) {
    let mut card = Card::new(Config::with_array(4, 4)).expect("a good config");
    let mut memory = SliceMemory::new(BASE, 0x20_000);
    let outcome = run(&mut card, &mut memory, program);
    (outcome.status, outcome.command)
}

/// Puts a tile matrix into memory: for each tile of `width` columns, its rows one after the other.
fn put_tiles(
    memory: &mut SliceMemory,
    addr: u64,
    rows: usize,
    cols: usize,
    width: usize,
    m: &[i8],
) {
    let mut addr = addr;
    for tile in 0..cols.div_ceil(width) {
        for row in 0..rows {
            let bytes: Vec<u8> = (tile * width..(tile + 1) * width)
                .map(|col| {
                    if col < cols {
                        m[row * cols + col] as u8
                    } else {
                        0
                    }
                })
                .collect();
            assert!(memory.write(addr, &bytes));
            addr += width as u64;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// LOAD, GEMM over tiles of K in two commands, STORE: the golden product, requantised.
    #[test]
    fn a_product_of_one_tile_column_is_golden(
        rows_log2 in 2u32..5,
        cols_log2 in 2u32..5,
        m in 1usize..40,
        k in 1usize..100,
        split in 0usize..8,
        format in 0u8..3,
        seed in any::<u64>(),
    ) {
        let config = Config::with_array(1 << rows_log2, 1 << cols_log2);
        let (rows, cols) = (config.rows as usize, config.cols as usize);
        let line = config.port_bytes as usize;
        let mut rng = Rng(seed | 1);
        let a: Vec<i8> = (0..m * k).map(|_| rng.next() as i8).collect();
        let b: Vec<i8> = (0..k * cols).map(|_| rng.next() as i8).collect();
        let scales: Vec<Dyadic> = (0..m)
            .map(|_| Dyadic { multiplier: rng.next() as u16, shift: 14 + rng.next() as u8 % 8 })
            .collect();
        let columns: Vec<ColumnParam> = (0..cols)
            .map(|_| ColumnParam {
                scale: Dyadic { multiplier: rng.next() as u16, shift: 10 + rng.next() as u8 % 8 },
                bias: rng.next() as i8 as i32,
            })
            .collect();

        let mut memory = SliceMemory::new(BASE, 0x80_000);
        let (acts, wgts, rows_at, columns_at, out) =
            (DATA, DATA + 0x10_000, DATA + 0x20_000, DATA + 0x30_000, DATA + 0x40_000);
        let tiles = k.div_ceil(rows);
        // Tiles of K lie a whole number of lines apart.
        let padded = (m * rows).next_multiple_of(line) / rows;
        let mut wide = vec![0i8; padded * k];
        wide[..m * k].copy_from_slice(&a);
        put_tiles(&mut memory, acts, padded, k, rows, &wide);
        assert!(memory.write(wgts, &b.iter().map(|value| *value as u8).collect::<Vec<_>>()));
        for (index, scale) in scales.iter().enumerate() {
            assert!(memory.write(rows_at + 4 * index as u64, &scale.to_word().to_le_bytes()));
        }
        for (index, word) in columns.iter().flat_map(|column| column.to_words()).enumerate() {
            assert!(memory.write(columns_at + 4 * index as u64, &word.to_le_bytes()));
        }
        let load = |buffer: Buffer, src, bytes: usize| {
            Operation::Load(Load {
                src,
                buffer: buffer as u8,
                dst_line: 0,
                row_lines: 1,
                rows: bytes.div_ceil(line) as u16,
                stride: line as u32,
            })
        };
        let split = split.min(tiles - 1);
        let gemm = |first: usize, count: usize| Operation::Gemm(Gemm {
            act_row: (first * padded) as u32,
            act_stride: padded as u16,
            wgt_row: (first * rows / 2) as u32,
            wgt_rows: (count * rows / 2) as u32,
            acc_row: 3,
            m: m as u16,
            k_tiles: count as u16,
            accumulate: u8::from(first > 0),
            ..Gemm::default()
        }.with_stream(StreamFormat::PLAIN));
        let mut program = vec![
            command(0, 0, load(Buffer::Rows, rows_at, m * 4)),
            command(0, 0, load(Buffer::Columns, columns_at, cols * 8)),
            command(0, 0, load(Buffer::Activations, acts, padded * rows * tiles)),
            command(0, 1, load(Buffer::Weights, wgts, tiles * rows * cols)),
        ];
        if split > 0 {
            program.push(command(1, 4, gemm(0, split)));
            program.push(command(4, 2, gemm(split, tiles - split)));
        } else {
            program.push(command(1, 2, gemm(0, tiles)));
        }
        program.push(command(2, 0, Operation::Store(Store {
            dst: out,
            acc_row: 3,
            m: m as u16,
            format,
            ..Store::default()
        })));
        let mut card = Card::new(config).expect("a good config");
        let outcome = run(&mut card, &mut memory, &program);
        prop_assert_eq!(outcome, Outcome { status: ErrorCode::Success, command: 0 });

        let format = OutputFormat::from_code(format).expect("a format");
        let mut sums = vec![0; m * cols];
        gemm_i8(m, k, cols, &a, &b, &mut sums);
        let expected: Vec<u8> = sums
            .iter()
            .enumerate()
            .flat_map(|(index, sum)| {
                let value = requantize(*sum, scales[index / cols], columns[index % cols], format);
                value.to_le_bytes()[..format.bytes()].to_vec()
            })
            .collect();
        let mut got = vec![0; expected.len() + 1];
        prop_assert!(memory.read(out, &mut got));
        prop_assert_eq!(got.pop(), Some(0), "nothing is written beyond the end");
        prop_assert_eq!(got, expected);
    }

    /// Any words whatsoever end, and the card works afterwards.
    #[test]
    fn nonsense_ends_and_the_card_goes_on(
        words in prop::collection::vec(any::<[u32; 16]>(), 1..6),
        tame in any::<bool>(),
    ) {
        let mut card = Card::new(Config::with_array(4, 8)).expect("a good config");
        let mut memory = SliceMemory::new(BASE, 0x20_000);
        let mut addr = BASE;
        for mut command in words.iter().copied() {
            if tame {
                command[0] %= 5;
                for word in &mut command[1..8] {
                    *word &= 0x0003_0003;
                }
                command[8..].fill(0);
            }
            for word in command {
                assert!(memory.write(addr, &word.to_le_bytes()));
                addr += 4;
            }
        }
        card.run_program(&mut memory, BASE, words.len() as u16);
        let outcome = run(&mut card, &mut memory, &[command(0, 0, small_load())]);
        prop_assert_eq!(outcome.status, ErrorCode::Success);
    }
}

#[test]
fn tokens_pass_between_engines_in_any_order_of_the_program() {
    // The GEMM stands first and waits for the LOAD behind it.
    let program = [command(1, 0, small_gemm()), command(0, 1, small_load())];
    assert_eq!(run_small(&program), (ErrorCode::Success, 0));
}

#[test]
fn a_token_that_nothing_gives_names_the_lowest_head() {
    let program = [
        command(0, 0, small_load()),
        command(2, 0, small_gemm()),
        command(1, 0, small_load()),
    ];
    assert_eq!(run_small(&program), (ErrorCode::TokenNeverGiven, 1));
}

#[test]
fn a_full_queue_in_front_of_the_giver_is_a_deadlock() {
    // The giver fits behind as many waiting commands as the queue holds, and not behind more.
    let mut program = vec![command(1, 1, small_gemm()); ENGINE_QUEUE];
    program.push(command(0, 1, small_load()));
    assert_eq!(run_small(&program), (ErrorCode::Success, 0));
    program.insert(0, command(1, 1, small_gemm()));
    assert_eq!(run_small(&program), (ErrorCode::TokenNeverGiven, 0));
}

#[test]
fn a_command_behind_a_full_queue_is_still_checked() {
    let mut program = vec![command(1, 0, small_gemm()); ENGINE_QUEUE];
    program.push(command(
        0,
        0,
        Operation::Gemm(Gemm::default().with_stream(StreamFormat::PLAIN)),
    ));
    assert_eq!(
        run_small(&program),
        (ErrorCode::ZeroShape, ENGINE_QUEUE as u16)
    );
}

#[test]
fn tokens_count_to_their_maximum_and_start_at_zero() {
    let most = usize::from(TOKEN_MAX);
    let mut program = vec![command(0, 1, small_load()); most];
    assert_eq!(run_small(&program), (ErrorCode::Success, 0));
    program.push(command(0, 1, small_load()));
    assert_eq!(
        run_small(&program),
        (ErrorCode::TokenOverflow, u16::from(TOKEN_MAX))
    );

    let mut card = Card::new(Config::with_array(4, 4)).expect("a good config");
    let mut memory = SliceMemory::new(BASE, 0x20_000);
    let gives = [command(0, 1, small_load())];
    assert_eq!(
        run(&mut card, &mut memory, &gives).status,
        ErrorCode::Success
    );
    let takes = [command(1, 0, small_load())];
    let outcome = run(&mut card, &mut memory, &takes);
    assert_eq!(outcome.status, ErrorCode::TokenNeverGiven);
}

#[test]
fn bus_errors_name_the_command() {
    let far = |operation| match operation {
        Operation::Load(load) => Operation::Load(Load {
            src: 1 << 40,
            ..load
        }),
        other => other,
    };
    let program = [
        command(0, 0, small_load()),
        command(0, 0, far(small_load())),
    ];
    assert_eq!(run_small(&program), (ErrorCode::ReadFault, 1));
    let program = [command(
        0,
        0,
        Operation::Store(Store {
            dst: 1 << 40,
            m: 1,
            ..Store::default()
        }),
    )];
    assert_eq!(run_small(&program), (ErrorCode::WriteFault, 0));

    // A program that runs off the end of memory fails at the first command that is not there.
    let mut card = Card::new(Config::with_array(4, 4)).expect("a good config");
    let mut memory = SliceMemory::new(BASE, 0x20_000);
    let last = BASE + 0x20_000 - 64;
    put_program(&mut memory, last, &[command(0, 0, small_load())]);
    let outcome = card.run_program(&mut memory, last, 2);
    assert_eq!((outcome.status, outcome.command), (ErrorCode::ReadFault, 1));
}

#[test]
fn accumulators_wrap() {
    let config = Config::with_array(4, 4);
    let mut card = Card::new(config).expect("a good config");
    let mut memory = SliceMemory::new(BASE, 0x20_000);
    memory.bytes_mut()[(DATA - BASE) as usize..][..0x1000].fill(0x80);
    let fill = |buffer: Buffer, lines: u16| {
        command(
            0,
            1,
            Operation::Load(Load {
                src: DATA,
                buffer: buffer as u8,
                dst_line: 0,
                row_lines: lines,
                rows: 1,
                stride: 0,
            }),
        )
    };
    let gemm = |wait, signal| {
        command(
            wait,
            signal,
            Operation::Gemm(Gemm {
                m: 1,
                k_tiles: 4096,
                accumulate: 1,
                weight_bits: 8,
                wgt_rows: 8192,
                ..Gemm::default()
            }),
        )
    };
    let mut program = vec![fill(Buffer::Activations, 1)];
    for half in 0..4 {
        // 8,192 weight rows, each of eight bytes.
        let Operation::Load(mut load) = fill(Buffer::Weights, 256).operation else {
            unreachable!("a load was built");
        };
        load.dst_line = half * 1024;
        load.rows = 4;
        program.push(command(0, 0, Operation::Load(load)));
    }
    program.push(command(0, 2, small_load()));
    program.push(gemm(2, 0));
    for _ in 0..7 {
        program.push(gemm(0, 0));
    }
    let wait_for_sums = program.len() - 1;
    program[wait_for_sums].signal = 4;
    program.push(command(
        4,
        0,
        Operation::Store(Store {
            dst: DATA + 0x2000,
            m: 1,
            ..Store::default()
        }),
    ));
    let outcome = run(&mut card, &mut memory, &program);
    assert_eq!(
        outcome,
        Outcome {
            status: ErrorCode::Success,
            command: 0
        }
    );
    let mut out = [0; 4];
    assert!(memory.read(DATA + 0x2000, &mut out));
    // 8 commands of 4,096 tiles of 4 products of 2^14: 2^31, one more than an int32 holds.
    assert_eq!(i32::from_le_bytes(out), i32::MIN);
}
