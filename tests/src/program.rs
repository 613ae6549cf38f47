//! Random programs whose result does not depend on timing.
//!
//! An [`Op`] is a kind and some numbers, any numbers; [`build`] makes commands of them that fit the
//! card, finds out which commands must wait for which, and orders them by tokens. So every list
//! of operations is a good program, and proptest can shrink it freely.

use std::ops::Range;

use isa::command::{Buffer, Command, Gemm, Load, Operation, Store, TOKENS};
use isa::config::Config;
use isa::format::OutputFormat;
use isa::model::{Card, Memory};
use isa::weights::StreamFormat;

use crate::bench::PROGRAMS;
use crate::rng::Rng;

/// What a command is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    /// Kind of command.
    pub kind: u8,
    /// Operands; small numbers make small operands.
    pub numbers: [u16; 8],
    /// How the command is ordered.
    pub order: u16,
}

impl Op {
    /// Any operation.
    pub fn random(rng: &mut Rng) -> Self {
        let numbers = std::array::from_fn(|_| rng.bits() as u16);
        Self {
            kind: rng.bits() as u8,
            numbers,
            order: rng.bits() as u16,
        }
    }
}

/// Memory that the programs may use.
#[derive(Clone, Debug)]
pub struct Space {
    /// Only read.
    pub input: Range<u64>,
    /// Written, and read again.
    pub output: Range<u64>,
}

/// The rows or bytes of something that a command uses.
#[derive(Clone, Debug)]
struct Use {
    what: What,
    range: Range<u64>,
    writes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Memory,
    Buffer(u8),
    Sums,
}

/// Commands in the order of their dependences, and what they use.
struct Draft {
    commands: Vec<Command>,
    uses: Vec<Vec<Use>>,
}

/// A number from `low` to `high`, often one of the two; 0 gives `low`.
fn within(number: u16, low: u32, high: u32) -> u32 {
    match number & 7 {
        0 => low,
        7 => high.max(low),
        _ => low + u32::from(number >> 3) % (high.max(low) - low + 1),
    }
}

/// A first row, so that `count` rows fit into `rows`: near the beginning, near the middle (where
/// the other bank of the accumulators begins) or at the very end, so that commands meet often.
fn start(number: u16, count: u32, rows: u32) -> u32 {
    let last = rows - count;
    let offset = u32::from(number >> 3) % 8;
    match number & 7 {
        0..3 => offset.min(last),
        3 => 0,
        4 => last,
        5 => (rows / 2).saturating_sub(offset).min(last),
        _ => (rows / 2 + offset).min(last),
    }
}

fn load(
    config: &Config,
    space: &Space,
    numbers: &[u16; 8],
    free: impl Fn(&Range<u64>) -> bool,
) -> Load {
    let line = u64::from(config.port_bytes);
    let buffer = Buffer::ALL[usize::from(numbers[0] % 4)];
    let lines = config.lines(buffer);
    let long = numbers[1] & 0xf0 == 0xf0;
    let row_lines = within(numbers[1], 1, if long { 300 } else { 20 }).min(lines);
    let rows = within(
        numbers[2],
        1,
        (if long { 1 } else { 9 }).min(lines / row_lines),
    );
    let dst_line = start(numbers[3], row_lines * rows, lines);
    let gap = u64::from(within(numbers[4], 0, 40));
    let stride = match numbers[4] >> 14 {
        0 => u64::from(row_lines),
        1 => gap,
        _ => u64::from(row_lines) + gap,
    };
    let span = (stride * u64::from(rows - 1) + u64::from(row_lines)) * line;
    let place = |region: &Range<u64>| {
        let room = (region.end - region.start - span) / line;
        region.start + line * ((u64::from(numbers[5]) * 7) % (room + 1))
    };
    let again = place(&space.output);
    let src = if numbers[6] & 3 == 3 && free(&(again..again + span)) {
        again
    } else {
        place(&space.input)
    };
    let (row_lines, rows, stride) = (row_lines as u16, rows as u16, (stride * line) as u32);
    Load {
        src,
        buffer: buffer as u8,
        dst_line,
        row_lines,
        rows,
        stride,
    }
}

fn gemm(config: &Config, numbers: &[u16; 8], last: Option<&Gemm>) -> Gemm {
    let m = within(numbers[0], 1, if numbers[0] & 0x40 == 0 { 6 } else { 40 })
        .min(config.acc_rows.min(config.act_rows));
    let tiles = within(numbers[1], 1, 6).min(2 * config.wgt_rows / config.rows);
    let stream = stream(config, numbers[7]);
    let step = if stream.two_four { 2 } else { 1 };
    let m = m.min(config.act_rows / step);
    // Of streams whose length nobody needs to know, sometimes too little and sometimes too much.
    let wgt_rows = match stream.is_plain() {
        true => tiles * config.rows / 2,
        false => {
            let units = tiles * stream.tile_units(config.rows, config.cols);
            within(numbers[4] >> 8, 1, units.div_ceil(8) + 4).min(config.wgt_rows)
        }
    };
    let gap = within(numbers[2], 0, 4);
    let act_stride = match numbers[2] >> 14 {
        0 => 0,
        1 => gap,
        _ => m * step + gap,
    };
    let room = (config.act_rows - m * step) / (tiles - 1).max(1);
    let act_stride = act_stride.min(room) / step * step;
    let acts = act_stride * (tiles - 1) + m * step;
    let acc_row = match last {
        // Back to back: the same rows, or some of them.
        Some(last) => (u32::from(last.acc_row) + within(numbers[5], 0, 3)).min(config.acc_rows - m),
        None => start(numbers[5], m, config.acc_rows),
    };
    Gemm {
        act_row: start(numbers[3], acts, config.act_rows) / step * step,
        act_stride: act_stride as u16,
        wgt_row: start(numbers[4], wgt_rows, config.wgt_rows),
        wgt_rows,
        acc_row: acc_row as u16,
        m: m as u16,
        k_tiles: tiles as u16,
        accumulate: u8::from(last.is_some() || numbers[6] & 1 == 1),
        ..Gemm::default()
    }
    .with_stream(stream)
}

/// A format of weights that the card has; half of them plain.
fn stream(config: &Config, number: u16) -> StreamFormat {
    let has = config.datapaths;
    let bit = |at: u16| number >> at & 1 == 1;
    if bit(0) {
        return StreamFormat::PLAIN;
    }
    StreamFormat {
        bits: match has.narrow && bit(1) {
            true => 2 + (number >> 2 & 7).min(6) as u8,
            false => 8,
        },
        two_four: has.two_four && bit(5),
        blocks: has.blocks && bit(6),
        group_tiles: match has.groups && bit(7) {
            true => 1 << (number >> 8 & 7).min(5),
            false => 0,
        },
    }
}

fn store(config: &Config, space: &Space, numbers: &[u16; 8]) -> Store {
    let line = u64::from(config.port_bytes);
    let m = within(numbers[0], 1, 40)
        .min(config.acc_rows)
        .min(config.row_scales);
    let bytes = u64::from(m * config.cols * 4);
    let room = (space.output.end - space.output.start - bytes) / line;
    // Often the same place, often the end of a page.
    let place = match numbers[1] & 3 {
        0 => u64::from(numbers[1] >> 2),
        1 => (4096 / line * u64::from(numbers[1] >> 6))
            .saturating_sub(u64::from(numbers[1] >> 2 & 15)),
        _ => u64::from(numbers[1] >> 2) * 5,
    };
    Store {
        dst: space.output.start + line * (place % (room + 1)),
        acc_row: start(numbers[2], m, config.acc_rows) as u16,
        m: m as u16,
        format: (numbers[3] % 3) as u8,
        release: u8::from(numbers[3] & 0x80 != 0),
        zero: u8::from(numbers[3] & 0x700 == 0x700),
        column_row: within(numbers[4], 0, config.column_rows - 1) as u16,
        row_index: start(numbers[5], m, config.row_scales) as u16,
    }
}

/// What a command reads and writes.
fn uses(config: &Config, operation: &Operation) -> Vec<Use> {
    let line = u64::from(config.port_bytes);
    let used = |what, start: u64, count: u64, writes| Use {
        what,
        range: start..start + count,
        writes,
    };
    match operation {
        Operation::Load(load) => {
            let count = u64::from(load.rows) * u64::from(load.row_lines);
            let target = What::Buffer(load.buffer);
            let mut uses = vec![used(
                target,
                u64::from(load.dst_line) * line,
                count * line,
                true,
            )];
            uses.extend((0..u64::from(load.rows)).map(|row| {
                let src = load.src + row * u64::from(load.stride);
                used(What::Memory, src, u64::from(load.row_lines) * line, false)
            }));
            uses
        }
        Operation::Gemm(gemm) => {
            let (rows, cols) = (u64::from(config.rows), u64::from(config.cols));
            let (m, tiles) = (u64::from(gemm.m), u64::from(gemm.k_tiles));
            let weights = What::Buffer(Buffer::Weights as u8);
            let mut uses = vec![
                used(
                    weights,
                    u64::from(gemm.wgt_row) * 2 * cols,
                    u64::from(gemm.wgt_rows) * 2 * cols,
                    false,
                ),
                used(What::Sums, u64::from(gemm.acc_row), m, true),
            ];
            let activations = What::Buffer(Buffer::Activations as u8);
            if gemm.blocks == 1 {
                // The stream says which.
                uses.push(used(
                    activations,
                    0,
                    u64::from(config.act_rows) * rows,
                    false,
                ));
                return uses;
            }
            let step = u64::from(gemm.act_step());
            uses.extend((0..tiles).map(|tile| {
                let row = u64::from(gemm.act_row) + tile * u64::from(gemm.act_stride);
                used(activations, row * rows, m * step * rows, false)
            }));
            uses
        }
        Operation::Store(store) => {
            let (m, cols) = (u64::from(store.m), u64::from(config.cols));
            let format = OutputFormat::from_code(store.format).expect("a good format");
            let mut uses = vec![
                used(
                    What::Memory,
                    store.dst,
                    m * cols * format.bytes() as u64,
                    true,
                ),
                used(What::Sums, u64::from(store.acc_row), m, false),
            ];
            if format != OutputFormat::I32 {
                let column = u64::from(store.column_row) * cols * 8;
                uses.push(used(
                    What::Buffer(Buffer::Columns as u8),
                    column,
                    cols * 8,
                    false,
                ));
                let scales = u64::from(store.row_index) * 4;
                uses.push(used(What::Buffer(Buffer::Rows as u8), scales, m * 4, false));
            }
            uses
        }
    }
}

fn meet(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}

fn conflict(a: &[Use], b: &[Use]) -> bool {
    a.iter().any(|a| {
        b.iter()
            .any(|b| a.what == b.what && (a.writes || b.writes) && meet(&a.range, &b.range))
    })
}

fn engine(command: &Command) -> usize {
    command.opcode() as usize - 1
}

/// The token that says that `giver` has ended to `waiter`, one of two. Four of the 16 are waited
/// for by nobody.
fn token(giver: usize, waiter: usize, choice: u16) -> usize {
    let pair = 2 * giver + (waiter + 2 - giver) % 3;
    pair + 6 * usize::from(choice & 1)
}

/// Tokens that no command of [`build`] waits for.
pub const SPARE_TOKENS: Range<usize> = 12..TOKENS;

/// The engine that may wait for a token; `None` for the spare ones.
pub fn waiter(token: usize) -> Option<usize> {
    (0..3)
        .flat_map(|giver| [(giver, (giver + 1) % 3), (giver, (giver + 2) % 3)])
        .find(|(giver, waiter)| (0..2).any(|choice| self::token(*giver, *waiter, choice) == token))
        .map(|(_, waiter)| waiter)
}

/// A program of these operations, of at most `ops.len()` commands.
pub fn build(config: &Config, space: &Space, ops: &[Op]) -> Vec<Command> {
    let mut draft = Draft {
        commands: Vec::new(),
        uses: Vec::new(),
    };
    let mut last_gemm: Option<Gemm> = None;
    for op in ops {
        let operation = match op.kind % 8 {
            0..3 => {
                let free = |range: &Range<u64>| draft.readable(range);
                Operation::Load(load(config, space, &op.numbers, free))
            }
            kind @ 3..6 => {
                let last = last_gemm.as_ref().filter(|_| kind == 3);
                let gemm = gemm(config, &op.numbers, last);
                last_gemm = Some(gemm);
                Operation::Gemm(gemm)
            }
            _ => Operation::Store(store(config, space, &op.numbers)),
        };
        draft.commands.push(Command::new(operation));
        draft.uses.push(uses(config, &operation));
    }
    draft.order(ops);
    let keys = ops.iter().map(|op| op.order).collect::<Vec<_>>();
    let shuffled = shuffle(&draft.commands, &keys);
    if runs(config, &shuffled) {
        shuffled
    } else {
        draft.commands
    }
}

impl Draft {
    /// Whether a token can tell that all that is written to these addresses has arrived.
    fn readable(&self, range: &Range<u64>) -> bool {
        self.commands.iter().zip(&self.uses).all(|(command, uses)| {
            let released = matches!(
                command.operation,
                Operation::Store(Store { release: 1, .. })
            );
            !released
                || !uses
                    .iter()
                    .any(|used| used.writes && meet(&used.range, range))
        })
    }

    /// Orders the commands by tokens.
    fn order(&mut self, ops: &[Op]) {
        // By waiter and giver: the last command of the giver that the waiter knows to have ended.
        let mut known: [[Option<usize>; 3]; 3] = [[None; 3]; 3];
        for (now, op) in ops.iter().enumerate() {
            let waits = engine(&self.commands[now]);
            let order = op.order;
            for gives in (0..3).filter(|gives| *gives != waits) {
                let before: Vec<usize> = (0..now)
                    .filter(|past| engine(&self.commands[*past]) == gives)
                    .collect();
                let Some(latest) = before.last().copied() else {
                    continue;
                };
                let known = &mut known[waits][gives];
                let needed = before
                    .iter()
                    .copied()
                    .rfind(|past| conflict(&self.uses[*past], &self.uses[now]))
                    .filter(|past| known.is_none_or(|known| known < *past));
                // Now and then a wait that is not needed.
                let wanted = order >> 8 & 7 == 7 && known.is_none_or(|known| known < latest);
                let giver = match needed {
                    Some(needed) if order >> 11 & 1 == 0 => needed,
                    Some(_) => latest,
                    None if wanted => latest,
                    None => continue,
                };
                *known = Some(giver);
                let token = token(gives, waits, order >> 12 & 1);
                self.commands[giver].signal |= 1 << token;
                self.commands[now].wait |= 1 << token;
            }
            if order >> 13 == 7 {
                self.commands[now].signal |= 1 << (SPARE_TOKENS.start + usize::from(order & 3));
            }
        }
    }
}

/// Another order of the same commands, in which those of each engine keep theirs.
fn shuffle(commands: &[Command], keys: &[u16]) -> Vec<Command> {
    let mut latest = [0; 3];
    let mut keyed: Vec<(usize, &Command)> = Vec::new();
    for (index, (command, key)) in commands.iter().zip(keys).enumerate() {
        let latest = &mut latest[engine(command)];
        *latest = (index + usize::from(key & 7)).max(*latest);
        keyed.push((*latest, command));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, command)| *command).collect()
}

/// Whether a program comes to its end, whatever the data.
fn runs(config: &Config, program: &[Command]) -> bool {
    /// Only the program; elsewhere zeros, and writes go nowhere.
    struct Nowhere(Vec<u8>);
    impl Memory for Nowhere {
        fn read(&mut self, address: u64, out: &mut [u8]) -> bool {
            let start = usize::try_from(address.wrapping_sub(PROGRAMS.start)).unwrap_or(usize::MAX);
            match start
                .checked_add(out.len())
                .and_then(|end| self.0.get(start..end))
            {
                Some(bytes) => out.copy_from_slice(bytes),
                None => out.fill(0),
            }
            true
        }
        fn write(&mut self, _: u64, _: &[u8]) -> bool {
            true
        }
    }
    let bytes = program
        .iter()
        .flat_map(Command::encode)
        .flat_map(u32::to_le_bytes)
        .collect();
    let mut card = Card::new(*config).expect("a good shape");
    let end = card.run_program(&mut Nowhere(bytes), PROGRAMS.start, program.len() as u16);
    end.status == isa::error::ErrorCode::Success
}

/// A program that gives every memory of the card a value: it loads whole buffers from the
/// beginning of `input` and replaces all accumulators. On the RTL they are unspecified before.
pub fn fill(config: &Config, input: u64) -> Vec<Command> {
    let load = |buffer| {
        let row_lines = config.lines(buffer) as u16;
        Operation::Load(Load {
            src: input,
            buffer: buffer as u8,
            row_lines,
            rows: 1,
            ..Load::default()
        })
    };
    let mut program: Vec<_> = Buffer::ALL.map(|buffer| Command::new(load(buffer))).into();
    program[3].signal = 1;
    let rows = config.acc_rows.min(config.act_rows);
    for acc_row in (0..config.acc_rows).step_by(rows as usize) {
        let (acc_row, m) = (acc_row as u16, rows as u16);
        let gemm = Gemm {
            acc_row,
            m,
            k_tiles: 1,
            wgt_rows: config.rows / 2,
            ..Gemm::default()
        };
        let gemm = Operation::Gemm(gemm.with_stream(StreamFormat::PLAIN));
        let wait = u16::from(acc_row == 0);
        program.push(Command {
            wait,
            signal: 0,
            operation: gemm,
        });
    }
    program
}

/// A program of these operations whose result depends on nothing that the card's memories held
/// before: it gives them their values first, as [`fill`] does, from the beginning of the input.
/// A line at `scratch` is written too.
pub fn build_alone(config: &Config, space: &Space, scratch: u64, ops: &[Op]) -> Vec<Command> {
    let mut program = fill(config, space.input.start);
    // STORE waits until the last of the sums has its value, GEMM until STORE has stored, LOAD until
    // GEMM has done that again: so no engine begins with the operations before all is filled, and
    // whatever still runs then writes what is there already.
    let [for_store, for_gemm, for_load] = [0, 1, 2].map(|token| 1 << (SPARE_TOKENS.start + token));
    let Some(last) = program.last_mut() else {
        return program;
    };
    last.signal |= for_store;
    let again = last.operation;
    let store = Operation::Store(Store {
        dst: scratch,
        m: 1,
        ..Store::default()
    });
    let load = Operation::Load(Load {
        src: space.input.start,
        buffer: Buffer::Activations as u8,
        row_lines: 1,
        rows: 1,
        ..Load::default()
    });
    for (wait, signal, operation) in [
        (for_store, for_gemm, store),
        (for_gemm, for_load, again),
        (for_load, 0, load),
    ] {
        program.push(Command {
            wait,
            signal,
            operation,
        });
    }
    program.extend(build(config, space, ops));
    program
}

/// A program that reads `m` rows of activations from `src` and leaves them as int32 values at
/// `dst`; the identity matrix must stand at `identity` ([`identity`]). For square arrays.
pub fn widen(config: &Config, src: u64, identity: u64, dst: u64, m: u32) -> Vec<Command> {
    let line = config.port_bytes;
    let load = |buffer: Buffer, src: u64, bytes: u32| Load {
        src,
        buffer: buffer as u8,
        dst_line: 0,
        row_lines: bytes.div_ceil(line) as u16,
        rows: 1,
        stride: line,
    };
    let weights = load(Buffer::Weights, identity, config.rows * config.cols);
    let activations = load(Buffer::Activations, src, m * config.rows);
    let gemm = Gemm {
        m: m as u16,
        k_tiles: 1,
        wgt_rows: config.rows / 2,
        ..Gemm::default()
    }
    .with_stream(StreamFormat::PLAIN);
    let store = Store {
        dst,
        m: m as u16,
        format: OutputFormat::I32 as u8,
        ..Store::default()
    };
    let command = |wait, signal, operation| Command {
        wait,
        signal,
        operation,
    };
    vec![
        command(0, 0b001, Operation::Load(weights)),
        command(0, 0b010, Operation::Load(activations)),
        command(0b011, 0b100, Operation::Gemm(gemm)),
        command(0b100, 0, Operation::Store(store)),
    ]
}

/// The identity matrix as weights of a square array.
pub fn identity(config: &Config) -> Vec<u8> {
    let cols = config.cols;
    (0..config.rows * cols)
        .map(|at| u8::from(at / cols == at % cols))
        .collect()
}

/// What [`widen`] leaves of these activations.
pub fn widened(activations: &[u8]) -> Vec<u8> {
    let values = activations.iter().map(|byte| i32::from(*byte as i8));
    values.flat_map(i32::to_le_bytes).collect()
}
