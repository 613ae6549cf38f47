//! The checker against the decoder and the checks of `isa`.

mod common;

use std::collections::BTreeSet;

use common::{Bench, Rng};
use hdl::front::Check;
use isa::command::{
    ADDRESS_BITS, Buffer, COMMAND_WORDS, Command, Gemm, HEADER_FIELDS, Load, Opcode, Operation,
    Store,
};
use isa::config::{Config, Datapaths};
use isa::error::ErrorCode;
use isa::queue::{SUBMISSION_FIELDS, Submission};
use isa::record::Field;
use verilate::PortRef;

/// Cycles from a stable record to a stable verdict, as the contract of the block says.
const CYCLES: u64 = 5;

type Words = [u32; COMMAND_WORDS];

struct Checker {
    bench: Bench,
    words: Vec<PortRef>,
    config: Config,
    rng: Rng,
    seen: BTreeSet<u16>,
    submissions: [usize; 2],
}

impl Checker {
    fn new(config: Config) -> Self {
        config.check().expect("the shape is good");
        let bench = Bench::new(&Check::new(&config), "check");
        Self {
            words: bench.ports("word", COMMAND_WORDS),
            bench,
            config,
            rng: Rng(0xc4ec + u64::from(config.rows)),
            seen: BTreeSet::new(),
            submissions: [0; 2],
        }
    }

    fn present(&mut self, words: &Words) -> u64 {
        let index = self.rng.below(1 << 16);
        self.bench.set("index", index);
        for (port, word) in self.words.iter().zip(words) {
            self.bench.model.set(*port, u64::from(*word));
        }
        self.bench.model.cycles(CYCLES);
        self.bench.model.eval();
        index
    }

    fn command(&mut self, words: &Words) {
        let index = self.present(words);
        let decoded = Command::decode(words);
        let expected = decoded.and_then(|command| command.check(&self.config));
        let code = expected.err().map_or(0, |error| error as u16);
        self.seen.insert(code);
        let bench = &self.bench;
        assert_eq!(bench.get("error") as u16, code, "{words:x?} {decoded:?}");
        let Ok(command) = decoded else { return };
        let is = ["is_load", "is_gemm", "is_store"].map(|name| bench.is(name));
        let opcode = command.opcode();
        assert_eq!(is, Opcode::ALL.map(|one| one == opcode), "{words:x?}");
        if expected.is_err() {
            return;
        }
        let line = u64::from(self.config.port_bytes);
        let (takes, gives) = (u64::from(command.wait), u64::from(command.signal));
        match command.operation {
            Operation::Load(load) => {
                let widths = [16, 16, 16, 53, 2, 24, 16, 16, 29];
                let expected = [
                    index,
                    takes,
                    gives,
                    load.src / line,
                    load.buffer.into(),
                    load.dst_line.into(),
                    load.row_lines.into(),
                    load.rows.into(),
                    u64::from(load.stride) / line,
                ];
                assert_eq!(bench.fields("load", &widths), expected, "{load:?}");
            }
            Operation::Gemm(gemm) => {
                let widths = [16, 16, 24, 16, 24, 24, 4, 1, 1, 4, 16, 16, 16, 1, 16];
                let expected = [
                    takes,
                    gives,
                    gemm.act_row.into(),
                    gemm.act_stride.into(),
                    gemm.wgt_row.into(),
                    gemm.wgt_rows.into(),
                    gemm.weight_bits.into(),
                    gemm.two_four.into(),
                    gemm.blocks.into(),
                    gemm.group.into(),
                    gemm.acc_row.into(),
                    gemm.m.into(),
                    gemm.k_tiles.into(),
                    gemm.accumulate.into(),
                    index,
                ];
                assert_eq!(bench.fields("gemm", &widths), expected, "{gemm:?}");
            }
            Operation::Store(store) => {
                let widths = [16, 16, 16, 53, 16, 16, 2, 16, 16, 1, 1];
                let expected = [
                    index,
                    takes,
                    gives,
                    store.dst / line,
                    store.acc_row.into(),
                    store.m.into(),
                    store.format.into(),
                    store.column_row.into(),
                    store.row_index.into(),
                    store.zero.into(),
                    store.release.into(),
                ];
                assert_eq!(bench.fields("store", &widths), expected, "{store:?}");
            }
        }
    }

    fn submission(&mut self, words: &Words) {
        self.present(words);
        let bench = &self.bench;
        let expected = Submission::decode(words);
        assert_eq!(bench.is("submission_bad"), expected.is_err(), "{words:x?}");
        self.submissions[usize::from(expected.is_ok())] += 1;
        if let Ok(entry) = expected {
            let line = entry.program / u64::from(self.config.port_bytes);
            assert_eq!(bench.get("program_line"), line);
            assert_eq!(bench.get("commands"), u64::from(entry.commands));
            assert_eq!(bench.get("tag"), entry.tag);
        }
    }

    /// A number that often lies at the edge of `limit` or of its width.
    fn near(&mut self, limit: u64, bits: u32) -> u64 {
        let mask = (1u64 << bits) - 1;
        let value = match self.rng.below(8) {
            0 => 0,
            1 => mask - self.rng.below(3),
            2 => limit.wrapping_add(self.rng.below(5)).wrapping_sub(2),
            3 => self.rng.next() >> self.rng.below(64),
            4 => 1 + self.rng.below(4),
            _ => self.rng.below(limit.max(1)),
        };
        value & mask
    }

    /// A start so that `start + length` lies close to `limit`, mostly within.
    fn start(&mut self, length: u64, limit: u64, bits: u32) -> u64 {
        let exact = limit.saturating_sub(length);
        let mask = (1u64 << bits) - 1;
        match self.rng.below(8) {
            0 => (exact + 1) & mask,
            1 | 2 => exact & mask,
            3 => self.near(limit, bits),
            _ => self.rng.below(exact + 1) & mask,
        }
    }

    fn address(&mut self) -> u64 {
        let line = u64::from(self.config.port_bytes);
        match self.rng.below(12) {
            0 => 1 << ADDRESS_BITS,
            1 => (1 << ADDRESS_BITS) - line,
            2 => self.rng.next() / line * line,
            3 => line / 2,
            4 => (1 << ADDRESS_BITS) - 1,
            5 => 1 << self.rng.below(64),
            _ => (self.rng.next() >> 8) / line * line,
        }
    }

    fn load(&mut self) -> Load {
        let config = self.config;
        let codes = if self.rng.chance(6) { 6 } else { 4 };
        let buffer = self.rng.below(codes);
        let lines = Buffer::from_code(buffer as u8).map_or(64, |one| config.lines(one));
        let lines = u64::from(lines);
        let rows = self.near(8, 16);
        let row_lines = self.near(lines / rows.max(1), 16);
        let line = u64::from(config.port_bytes);
        let stride = match self.rng.below(8) {
            0 => line / 2,
            1 => 1 << self.rng.below(32),
            2 => 0xffff_ffff / line * line,
            _ => (self.rng.next() >> 34) / line * line,
        };
        Load {
            src: self.address(),
            buffer: buffer as u8,
            dst_line: self.start(rows * row_lines, lines, 24) as u32,
            row_lines: row_lines as u16,
            rows: rows as u16,
            stride: stride as u32,
        }
    }

    fn gemm(&mut self) -> Gemm {
        let config = self.config;
        let m = self.near(config.acc_rows.into(), 16);
        let k_tiles = self.near(u64::from(2 * config.wgt_rows / config.rows), 16);
        let plain = self.rng.chance(50);
        let (two_four, blocks) = match plain {
            true => (0, 0),
            false => (self.rng.below(2) as u8, self.rng.below(2) as u8),
        };
        let act_rows = u64::from(config.act_rows);
        let step = 1 + u64::from(two_four);
        let tiles = if blocks == 1 { 1 } else { k_tiles };
        let act_stride = self.near(act_rows.saturating_sub(m * step) / tiles.max(1), 16);
        let acts = m * step + tiles.saturating_sub(1) * act_stride;
        let wgt_rows = match plain && !self.rng.chance(6) {
            true => k_tiles * u64::from(config.rows / 2),
            false => self.near(config.wgt_rows.into(), 24),
        };
        // Mostly even where it must be.
        let even = if self.rng.chance(10) {
            0
        } else {
            u64::from(two_four)
        };
        Gemm {
            act_row: (self.start(acts, act_rows, 24) & !even) as u32,
            act_stride: (act_stride & !even) as u16,
            wgt_row: self.start(wgt_rows, config.wgt_rows.into(), 24) as u32,
            wgt_rows: wgt_rows as u32,
            acc_row: self.start(m, config.acc_rows.into(), 16) as u16,
            m: m as u16,
            k_tiles: k_tiles as u16,
            accumulate: self.rng.below(2) as u8,
            weight_bits: match self.rng.below(8) {
                0 => self.rng.below(16) as u8,
                1..4 if !plain => 2 + self.rng.below(6) as u8,
                _ => 8,
            },
            two_four,
            blocks,
            group: match plain || self.rng.chance(50) {
                true => 0,
                false => self.rng.below(8) as u8,
            },
        }
    }

    fn store(&mut self) -> Store {
        let config = self.config;
        let m = self.near(config.acc_rows.into(), 16);
        let formats = if self.rng.chance(10) { 8 } else { 3 };
        Store {
            dst: self.address(),
            acc_row: self.start(m, config.acc_rows.into(), 16) as u16,
            m: m as u16,
            format: self.rng.below(formats) as u8,
            release: self.rng.below(2) as u8,
            zero: self.rng.below(2) as u8,
            column_row: self.start(1, config.column_rows.into(), 16) as u16,
            row_index: self.start(m, config.row_scales.into(), 16) as u16,
        }
    }

    fn random_command(&mut self) -> Words {
        let operation = match self.rng.below(3) {
            0 => Operation::Load(self.load()),
            1 => Operation::Gemm(self.gemm()),
            _ => Operation::Store(self.store()),
        };
        let (wait, signal) = (self.rng.next() as u16, self.rng.next() as u16);
        let mut words = Command {
            wait,
            signal,
            operation,
        }
        .encode();
        if self.rng.chance(10) {
            words[self.rng.below(16) as usize] ^= 1 << self.rng.below(32);
        }
        words
    }

    fn run(mut self) {
        for _ in 0..20_000 {
            let words = self.random_command();
            self.command(&words);
        }
        // Every bit of a good command of each kind, turned round: all reserved bits, all opcodes.
        let load = Load {
            rows: 1,
            row_lines: 1,
            ..Load::default()
        };
        let gemm = Gemm {
            m: 1,
            k_tiles: 1,
            weight_bits: 8,
            wgt_rows: self.config.rows / 2,
            ..Gemm::default()
        };
        let store = Store {
            m: 1,
            ..Store::default()
        };
        for operation in [
            Operation::Load(load),
            Operation::Gemm(gemm),
            Operation::Store(store),
        ] {
            for bit in 0..32 * COMMAND_WORDS {
                let mut words = Command::new(operation).encode();
                words[bit / 32] ^= 1 << (bit % 32);
                self.command(&words);
            }
        }
        for opcode in 0..=255u32 {
            let mut words = [0; COMMAND_WORDS];
            words[0] = opcode;
            self.command(&words);
        }
        let codes = [
            ErrorCode::Success,
            ErrorCode::UnknownOpcode,
            ErrorCode::ReservedBits,
            ErrorCode::BadOperand,
            ErrorCode::ZeroShape,
            ErrorCode::Misaligned,
            ErrorCode::AddressRange,
            ErrorCode::BufferRange,
            ErrorCode::Unsupported,
        ];
        let complete = self.config.datapaths == Datapaths::ALL;
        let reached = |code: &&ErrorCode| !(complete && **code == ErrorCode::Unsupported);
        let expected: BTreeSet<u16> = codes
            .iter()
            .filter(reached)
            .map(|&code| code as u16)
            .collect();
        assert_eq!(
            self.seen, expected,
            "every verdict is reached, and no other"
        );

        for _ in 0..3_000 {
            let program = if self.rng.chance(80) {
                self.address() / 64 * 64
            } else {
                self.address()
            };
            let commands = self.near(100, 16) as u16;
            let mut words = Submission {
                program,
                commands,
                tag: self.rng.next(),
            }
            .encode();
            if self.rng.chance(10) {
                words[self.rng.below(16) as usize] ^= 1 << self.rng.below(32);
            }
            self.submission(&words);
        }
        let reserved = |bit: usize| {
            let covers = |field: &&Field| {
                let start = field.word * 32 + field.lo;
                (start..start + field.bits).contains(&bit)
            };
            !SUBMISSION_FIELDS.iter().any(|field| covers(&field))
        };
        for bit in (0..32 * COMMAND_WORDS).filter(|&bit| reserved(bit)) {
            let mut words = Submission {
                program: 64,
                commands: 1,
                tag: 0,
            }
            .encode();
            words[bit / 32] |= 1 << (bit % 32);
            self.submission(&words);
        }
        assert!(
            self.submissions.iter().all(|&count| count > 300),
            "{:?}",
            self.submissions
        );
        assert!(
            HEADER_FIELDS.len() == 3,
            "the header has the fields of which this test knows"
        );
    }
}

#[test]
fn small_card() {
    Checker::new(Config {
        act_rows: 64,
        wgt_rows: 16,
        acc_rows: 16,
        column_rows: 16,
        row_scales: 64,
        ..Config::with_array(4, 4)
    })
    .run();
}

#[test]
fn cards_without_a_datapath() {
    let all = Datapaths::ALL;
    for datapaths in [
        Datapaths::DENSE,
        Datapaths {
            narrow: false,
            ..all
        },
        Datapaths {
            groups: false,
            ..all
        },
        Datapaths {
            two_four: false,
            ..all
        },
        Datapaths {
            blocks: false,
            ..all
        },
    ] {
        Checker::new(Config {
            datapaths,
            ..Config::with_array(8, 4)
        })
        .run();
    }
}

#[test]
fn default_card() {
    Checker::new(Config::default()).run();
}

#[test]
fn largest_card() {
    Checker::new(Config {
        port_bytes: 32,
        act_rows: 1 << 20,
        wgt_rows: 1 << 20,
        acc_rows: 1 << 15,
        column_rows: 1 << 12,
        row_scales: 1 << 15,
        ..Config::with_array(32, 32)
    })
    .run();
}
