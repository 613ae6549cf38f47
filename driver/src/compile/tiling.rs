//! Ways to cut a product, and the best of them.

use isa::command::Buffer;
use isa::config::Config;
use isa::weights::HEADER_SCALES;

use super::shape::{Geometry, Shape, Tiling, rows_per_line};
use super::{Job, Panels, least_cycles};
use crate::sched::Timing;

/// Above this number of commands candidates are compared by arithmetic alone.
const SIMULATED_COMMANDS: usize = 6_000;
/// Candidates that are simulated.
const SIMULATED: usize = 12;
/// Lines that are worth a cycle: a cut that reads the weights again and again, to begin or to end a
/// little earlier, costs energy, and bandwidth that others might use.
const LINES_PER_CYCLE: u64 = 16;

/// Ways to cut a product that fit the card; at least one, none twice.
pub fn candidates(shape: &Shape, config: &Config) -> Vec<Tiling> {
    let k_tiles = shape.k_tiles(config);
    let n_tiles = shape.n_tiles(config);
    let half = config.acc_rows / 2;
    // Two blocks of activations and two of row scales fit, so that one loads while one is used.
    let line = rows_per_line(config);
    let most = half
        .min(config.act_rows / shape.act_step() / 2 / line * line)
        .min(config.row_scales / 2)
        .max(1);
    let mut list = Vec::new();
    let mut limit = most;
    while limit >= 1 {
        let blocks = shape.m.div_ceil(limit as usize);
        let block = shape.m.div_ceil(blocks) as u32;
        let stride = (block * shape.act_step()).next_multiple_of(line);
        // Of packed weights, a stream may end in the middle of a row and of a line.
        let wgt_bytes = f64::from(config.buffer_bytes(Buffer::Weights));
        let wgt_tiles = match shape.stream.is_plain() {
            true => 2 * config.wgt_rows / config.rows,
            false => ((wgt_bytes - 64.0) / shape.tile_bytes(config)) as u32,
        };
        let act_tiles = config.act_rows / stride;
        let widest = (half / block).min(n_tiles);
        for group in [1, 2, 4, widest]
            .into_iter()
            .filter(|group| *group <= widest)
        {
            // All of K at once, or as much as leaves room to load the next chunks meanwhile.
            let whole = k_tiles <= (act_tiles / 2).min(wgt_tiles / 2);
            let chunk = match whole && group == 1 {
                true => k_tiles,
                false => (act_tiles / 3)
                    .min(wgt_tiles / (2 * group))
                    .clamp(1, k_tiles.min(64)),
            };
            // A header counts tiles in fewer bits than a command.
            let most = match shape.stream.blocks {
                true => u32::from(HEADER_SCALES),
                false => u32::from(u16::MAX),
            };
            let chunk = chunk.min(most).min(act_tiles).min(wgt_tiles);
            // A stream begins where a group does.
            let chunk = match shape.stream.group_tiles {
                0 => chunk,
                tiles if chunk >= k_tiles || chunk < tiles => chunk,
                tiles => chunk / tiles * tiles,
            };
            if !chunk_is_legal(shape, chunk, k_tiles) {
                continue;
            }
            let ahead = if chunk == k_tiles {
                (wgt_tiles / 4 / k_tiles).min(32 / k_tiles).max(1)
            } else {
                1
            };
            for opening in [0, 1, 2, 4] {
                if opening > 0 && !shape.stream.is_plain() {
                    continue;
                }
                if opening * block <= half && opening * chunk <= wgt_tiles && opening <= n_tiles / 2
                {
                    list.push(Tiling {
                        block,
                        chunk,
                        group,
                        opening,
                        ahead,
                    });
                }
            }
        }
        limit /= 2;
        if limit < config.rows && !list.is_empty() {
            break;
        }
    }
    list.sort_unstable_by_key(|t| (t.block, t.chunk, t.group, t.opening, t.ahead));
    list.dedup();
    list
}

/// The tiling that is foreseen to cost least, and its cycles.
pub fn best(shape: &Shape, config: &Config, timing: &Timing) -> (Tiling, u64) {
    let mut list: Vec<_> = candidates(shape, config)
        .into_iter()
        .map(|tiling| (estimate(shape, tiling, config), tiling))
        .collect();
    list.sort_by_key(|(estimate, _)| estimate.cycles + estimate.lines / LINES_PER_CYCLE);
    let (first, first_tiling) = list[0];
    if first.commands > SIMULATED_COMMANDS {
        return (first_tiling, first.cycles);
    }
    let simulated = list.iter().take(SIMULATED).map(|(_, tiling)| {
        let program = super::compile(&[foreseen(shape, *tiling, config)], config, timing);
        let cost = program.predicted_cycles + program.lines() / LINES_PER_CYCLE;
        (cost, *tiling, program.predicted_cycles)
    });
    simulated
        .min_by_key(|(cost, ..)| *cost)
        .map_or((first_tiling, first.cycles), |(_, tiling, cycles)| {
            (tiling, cycles)
        })
}

/// A job whose streams of weights are as long as they are on average.
fn foreseen(shape: &Shape, tiling: Tiling, config: &Config) -> Job {
    let geometry = Geometry::new(*shape, tiling, config);
    let panels = (!shape.stream.is_plain()).then(|| Panels::foreseen(&geometry, config));
    (*shape, tiling, panels)
}

/// Whether there are chunks of this many tiles, and they begin where groups begin.
fn chunk_is_legal(shape: &Shape, chunk: u32, k_tiles: u32) -> bool {
    let group = shape.stream.group_tiles;
    chunk > 0 && (group == 0 || chunk >= k_tiles || chunk.is_multiple_of(group))
}

/// What arithmetic says of a tiling.
#[derive(Clone, Copy)]
struct Estimate {
    cycles: u64,
    lines: u64,
    commands: usize,
}

fn estimate(shape: &Shape, tiling: Tiling, config: &Config) -> Estimate {
    let geometry = Geometry::new(*shape, tiling, config);
    let (rows, cols, port) = (
        u64::from(config.rows),
        u64::from(config.cols),
        u64::from(config.port_bytes),
    );
    let (k_tiles, n_tiles) = (u64::from(geometry.k_tiles), u64::from(geometry.n_tiles));
    let m_blocks = u64::from(geometry.m_blocks);
    let groups = n_tiles.div_ceil(u64::from(tiling.group));
    let chunks = k_tiles.div_ceil(u64::from(tiling.chunk));
    let least = least_cycles(&shape.stream, config);
    let short = f64::from(geometry.block_rows(geometry.m_blocks - 1)).max(least);
    let stored = (k_tiles * n_tiles) as f64 * shape.stored_share(config);
    let array = ((m_blocks - 1) as f64 * f64::from(tiling.block).max(least) + short) * stored;
    let array = array as u64;
    // A block's activations stay when all of K fits; weights stay when all of them fit.
    let act_fits = u64::from(geometry.stride) * k_tiles <= u64::from(config.act_rows);
    let act_bytes = geometry.activation_bytes(config) as u64 * if act_fits { 1 } else { groups };
    let wgt_fits = geometry.weight_bytes(config) <= config.buffer_bytes(Buffer::Weights) as usize;
    let wgt_bytes = geometry.weight_bytes(config) as u64 * if wgt_fits { 1 } else { m_blocks };
    let values = shape.m as u64 * n_tiles * cols;
    let commands = m_blocks * n_tiles * (2 + 2 * chunks);
    let lines =
        (act_bytes + wgt_bytes + values * shape.format.bytes() as u64) / port + 4 * commands;
    let drain = values * 4 / port;
    // The first panel of activations is waited for unless the block opens in small steps.
    let first = u64::from(geometry.stride) * rows / port
        * if tiling.opening > 0 {
            1
        } else {
            u64::from(tiling.chunk) / 2
        };
    let cycles = array.max(lines).max(drain)
        + first / 2
        + u64::from(tiling.group - 1) * u64::from(tiling.block) * 4;
    Estimate {
        cycles,
        lines,
        commands: commands as usize,
    }
}
