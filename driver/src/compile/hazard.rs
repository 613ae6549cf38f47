//! Which command must wait for which: found from the rows that commands touch, never stated by
//! hand, so that a new order of loops cannot forget one.

use isa::command::{Buffer, Command, Opcode, Operation};
use isa::config::Config;

use super::emit::Op;

/// Number of engines.
pub(super) const ENGINES: usize = Opcode::ALL.len();
/// Memories on the card that engines share: the four buffers, and the accumulators.
const SPACES: usize = Buffer::ALL.len() + 1;
const ACCUMULATORS: usize = Buffer::ALL.len();

/// Rows or bytes `start..end` of a memory that a command touches.
#[derive(Clone, Copy)]
struct Touch {
    space: usize,
    start: u64,
    end: u64,
    write: bool,
}

/// What an engine has done to a memory, in order.
#[derive(Clone, Default)]
struct History(Vec<(usize, Touch)>);

/// Engine of an operation, `0..ENGINES`.
pub(super) fn engine_of(operation: &Operation) -> usize {
    match operation {
        Operation::Load(_) => 0,
        Operation::Gemm(_) => 1,
        Operation::Store(_) => 2,
    }
}

/// Token that orders commands of engine `to` after commands of engine `from`.
pub(super) fn token(from: usize, to: usize) -> u16 {
    1 << (from * ENGINES + to)
}

/// Gives the commands, in the order of their meaning, the tokens that keep it.
///
/// Each ordered pair of engines has one token. Engines work in order, so the n-th give of a token
/// belongs to its n-th take, whatever the engines' relative speed.
pub(super) fn with_tokens(ops: &[Op], config: &Config) -> Vec<Command> {
    let mut commands: Vec<Command> = ops.iter().map(|op| Command::new(op.operation)).collect();
    let mut history = vec![[const { History(Vec::new()) }; SPACES]; ENGINES];
    // Number of commands of each engine so far, and their places in the program.
    let mut places: [Vec<usize>; ENGINES] = Default::default();
    // What each engine knows to have ended of each other one (a count of commands), now and, for
    // every command, at its start.
    let mut knows = [[0usize; ENGINES]; ENGINES];
    let mut knew: [Vec<[usize; ENGINES]>; ENGINES] = Default::default();
    for (place, op) in ops.iter().enumerate() {
        let engine = engine_of(&op.operation);
        let touches = touches(op, config);
        for other in (0..ENGINES).filter(|other| *other != engine) {
            let known = knows[engine][other];
            let newest = touches
                .iter()
                .filter_map(|touch| history[other][touch.space].newest_conflict(touch, known));
            let Some(newest) = newest.max() else { continue };
            commands[places[other][newest]].signal |= token(other, engine);
            commands[place].wait |= token(other, engine);
            // Its end tells of everything that it had waited for.
            let told = knew[other][newest];
            for (mine, told) in knows[engine].iter_mut().zip(told) {
                *mine = (*mine).max(told);
            }
            knows[engine][other] = newest + 1;
        }
        let number = places[engine].len();
        for touch in touches {
            history[engine][touch.space].0.push((number, touch));
        }
        places[engine].push(place);
        knew[engine].push(knows[engine]);
    }
    commands
}

impl History {
    /// Number of the newest command, from number `known` on, that must not overlap with `touch`.
    fn newest_conflict(&self, touch: &Touch, known: usize) -> Option<usize> {
        let recent = self
            .0
            .iter()
            .rev()
            .take_while(|(number, _)| *number >= known);
        let mut conflicts = recent.filter(|(_, other)| {
            (touch.write || other.write) && touch.start < other.end && other.start < touch.end
        });
        conflicts.next().map(|(number, _)| *number)
    }
}

/// What a command touches. Buffers are counted in bytes, accumulators in rows; a GEMM whose
/// tiles leave gaps between them is taken to touch the gaps too.
fn touches(op: &Op, config: &Config) -> Vec<Touch> {
    let bytes = |buffer: Buffer, first: u64, rows: u64, row: u32, write| Touch {
        space: buffer as usize,
        start: first * u64::from(row),
        end: (first + rows) * u64::from(row),
        write,
    };
    match &op.operation {
        Operation::Load(load) => {
            let lines = u64::from(load.rows) * u64::from(load.row_lines);
            let space = usize::from(load.buffer);
            let start = u64::from(load.dst_line) * u64::from(config.port_bytes);
            vec![Touch {
                space,
                start,
                end: start + lines * u64::from(config.port_bytes),
                write: true,
            }]
        }
        Operation::Gemm(gemm) => {
            vec![
                bytes(
                    Buffer::Activations,
                    gemm.act_row.into(),
                    op.reach.into(),
                    config.rows,
                    false,
                ),
                bytes(
                    Buffer::Weights,
                    gemm.wgt_row.into(),
                    gemm.wgt_rows.into(),
                    2 * config.cols,
                    false,
                ),
                accumulators(gemm.acc_row, gemm.m, true),
            ]
        }
        Operation::Store(store) => {
            let mut list = Vec::new();
            if store.zero == 0 {
                list.push(accumulators(store.acc_row, store.m, false));
            }
            if store.format != 0 {
                list.push(bytes(
                    Buffer::Columns,
                    store.column_row.into(),
                    1,
                    config.cols * 8,
                    false,
                ));
                list.push(bytes(
                    Buffer::Rows,
                    store.row_index.into(),
                    store.m.into(),
                    4,
                    false,
                ));
            }
            list
        }
    }
}

fn accumulators(first: u16, rows: u16, write: bool) -> Touch {
    let start = u64::from(first);
    Touch {
        space: ACCUMULATORS,
        start,
        end: start + u64::from(rows),
        write,
    }
}
