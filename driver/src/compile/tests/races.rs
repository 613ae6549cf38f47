//! A race detector for programs: happens-before by vector clocks, conflicts by single rows.

use std::collections::{BTreeMap, VecDeque};

use isa::command::{Buffer, Command, Operation, TOKEN_MAX, TOKENS};
use isa::config::Config;

/// For every engine, how many of its commands have ended.
type Clock = [usize; 3];

/// Cells of on-chip memory: space and byte (buffers) or row (accumulators).
type Cell = (u8, u64);

/// Fails on a token that is used by more than one pair of engines, that a later command gives, or
/// that may overflow, and on two commands that no token orders and that touch the same cell, one
/// of them writing.
pub(super) fn check(commands: &[Command], config: &Config) -> Result<(), String> {
    let mut engines: [Vec<usize>; 3] = Default::default();
    let mut gives: [VecDeque<(usize, Clock)>; TOKENS] = Default::default();
    let mut users: [(Option<usize>, Option<usize>); TOKENS] = [(None, None); TOKENS];
    let mut starts: Vec<Clock> = Vec::new();
    let mut numbers = Vec::new();
    let mut known: [Clock; 3] = [[0; 3]; 3];
    for (index, command) in commands.iter().enumerate() {
        let engine = command.opcode() as usize - 1;
        let mut clock = known[engine];
        for token in bits(command.wait) {
            same(&mut users[token].1, engine, token)?;
            let (_, ended) = gives[token].pop_front().ok_or_else(|| {
                format!("command {index} waits for token {token}, which only a later command gives")
            })?;
            for (mine, other) in clock.iter_mut().zip(ended) {
                *mine = (*mine).max(other);
            }
        }
        let number = engines[engine].len();
        clock[engine] = number;
        starts.push(clock);
        numbers.push((engine, number));
        engines[engine].push(index);
        let mut ended = clock;
        ended[engine] = number + 1;
        known[engine] = ended;
        for token in bits(command.signal) {
            same(&mut users[token].0, engine, token)?;
            gives[token].push_back((index, ended));
            if gives[token].len() > usize::from(TOKEN_MAX) - 8 {
                return Err(format!("token {token} may overflow at command {index}"));
            }
        }
    }
    // Who touched each cell, each access once.
    let mut cells: BTreeMap<Cell, Vec<(usize, bool)>> = BTreeMap::new();
    for (index, command) in commands.iter().enumerate() {
        let named = named_activations(&commands[..index], command, config);
        for (cell, write) in touched(command, config, named) {
            let users = cells.entry(cell).or_default();
            for &(earlier, wrote) in users.iter() {
                let (engine, number) = numbers[earlier];
                let ordered = engine == numbers[index].0 || starts[index][engine] > number;
                if (write || wrote) && !ordered {
                    return Err(format!(
                        "commands {earlier} and {index} race for {cell:?}: {:?} and {:?}",
                        commands[earlier], commands[index]
                    ));
                }
            }
            if write {
                // What is ordered behind this write is ordered behind all before it.
                users.clear();
            }
            users.push((index, write));
        }
    }
    Ok(())
}

fn same(user: &mut Option<usize>, engine: usize, token: usize) -> Result<(), String> {
    match user.replace(engine) {
        Some(other) if other != engine => {
            Err(format!("engines {other} and {engine} share token {token}"))
        }
        _ => Ok(()),
    }
}

fn bits(mask: u16) -> impl Iterator<Item = usize> {
    (0..TOKENS).filter(move |token| mask >> token & 1 == 1)
}

/// Activation rows that the stream of a GEMM with blocks may name: from its first row to the end of
/// what the newest LOAD before it brought there.
fn named_activations(before: &[Command], command: &Command, config: &Config) -> u64 {
    let Operation::Gemm(gemm) = &command.operation else {
        return 0;
    };
    if gemm.blocks == 0 {
        return 0;
    }
    let (line, row) = (u64::from(config.port_bytes), u64::from(config.rows));
    let first = u64::from(gemm.act_row) * row;
    let ends = before
        .iter()
        .rev()
        .filter_map(|command| match &command.operation {
            Operation::Load(load) if load.buffer == Buffer::Activations as u8 => {
                let start = u64::from(load.dst_line) * line;
                let end = start + u64::from(load.rows) * u64::from(load.row_lines) * line;
                (start..end).contains(&first).then_some(end)
            }
            _ => None,
        });
    let end = ends
        .into_iter()
        .next()
        .expect("activations are loaded before they are read");
    (end - first) / row
}

/// Cells and whether they are written. Buffers are looked at in steps of 4 bytes, the smallest
/// unit of any row.
fn touched(command: &Command, config: &Config, named: u64) -> Vec<(Cell, bool)> {
    let mut list = Vec::new();
    let mut bytes = |buffer: Buffer, start: u64, len: u64, write: bool| {
        list.extend(
            (start / 4..(start + len).div_ceil(4)).map(|word| ((buffer as u8, word), write)),
        );
    };
    let (rows, cols, line) = (
        u64::from(config.rows),
        u64::from(config.cols),
        u64::from(config.port_bytes),
    );
    let mut sums = 0..0;
    let mut adds = false;
    match &command.operation {
        Operation::Load(load) => {
            let buffer = Buffer::from_code(load.buffer).unwrap_or(Buffer::Activations);
            let lines = u64::from(load.rows) * u64::from(load.row_lines);
            bytes(buffer, u64::from(load.dst_line) * line, lines * line, true);
        }
        Operation::Gemm(gemm) => {
            if gemm.blocks == 1 {
                let first = u64::from(gemm.act_row);
                bytes(Buffer::Activations, first * rows, named * rows, false);
            }
            let tiles = if gemm.blocks == 1 {
                0
            } else {
                u64::from(gemm.k_tiles)
            };
            for tile in 0..tiles {
                let first = u64::from(gemm.act_row) + tile * u64::from(gemm.act_stride);
                bytes(
                    Buffer::Activations,
                    first * rows,
                    u64::from(gemm.m) * u64::from(gemm.act_step()) * rows,
                    false,
                );
            }
            let row = 2 * cols;
            bytes(
                Buffer::Weights,
                u64::from(gemm.wgt_row) * row,
                u64::from(gemm.wgt_rows) * row,
                false,
            );
            sums = u64::from(gemm.acc_row)..u64::from(gemm.acc_row) + u64::from(gemm.m);
            adds = true;
        }
        Operation::Store(store) => {
            if store.format != 0 {
                bytes(
                    Buffer::Columns,
                    u64::from(store.column_row) * cols * 8,
                    cols * 8,
                    false,
                );
                bytes(
                    Buffer::Rows,
                    u64::from(store.row_index) * 4,
                    u64::from(store.m) * 4,
                    false,
                );
            }
            if store.zero == 0 {
                sums = u64::from(store.acc_row)..u64::from(store.acc_row) + u64::from(store.m);
            }
        }
    }
    list.extend(sums.map(|row| ((u8::MAX, row), adds)));
    list
}
