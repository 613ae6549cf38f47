//! The GEMM sequencers: what is read in which cycle, against lists of tiles and rows.

mod common;

use std::collections::{HashMap, VecDeque};

use common::{Bench, Rng};
use hdl::engine::GemmEngine;
use isa::config::Datapaths;

/// From a tag to `added_last`, and the fewest cycles between two additions to one row, as the
/// contract of the accumulators says.
const ADDED: u64 = 4;

/// As long as an array of plain weights takes.
fn array_latency(rows: u64, cols: u64) -> u64 {
    rows / 2 + cols / 2 + 1
}

#[derive(Clone, Debug)]
struct Gemm {
    index: u64,
    gives: u64,
    act_row: u64,
    act_stride: u64,
    wgt_row: u64,
    acc_row: u64,
    m: u64,
    k_tiles: u64,
    accumulate: bool,
}

/// One tile as it ran.
#[derive(Clone, Debug, Default)]
struct Tile {
    command: usize,
    /// Cycles of its first activation row, and of its first and last row of weights.
    start: u64,
    weights: (u64, u64),
}

struct Run {
    bench: Bench,
    rows: u64,
    cols: u64,
    commands: Vec<Gemm>,
    /// When each command was taken.
    taken: Vec<u64>,
    tiles: Vec<Tile>,
    cycle: u64,
    /// Places of the next row of weights and of the next row of activations: command, tile, row.
    weight_at: (usize, u64, u64),
    stream_at: (usize, u64, u64),
    weight_tiles: VecDeque<(u64, u64)>,
    /// Pulses that must come in a cycle.
    loads: VecDeque<(u64, u64)>,
    swaps: VecDeque<u64>,
    tags: VecDeque<(u64, [u64; 4])>,
    added: VecDeque<u64>,
    dones: VecDeque<(u64, usize)>,
    ended: usize,
    last_tag: HashMap<u64, u64>,
    starved: u64,
}

impl Run {
    fn new(rows: u64, cols: u64, commands: Vec<Gemm>) -> Self {
        let engine = GemmEngine::new(
            rows as usize,
            cols as usize,
            &Datapaths::DENSE,
            array_latency(rows, cols) as usize,
        );
        let mut bench = Bench::new(&engine, "gemm");
        bench.reset();
        Self {
            bench,
            rows,
            cols,
            commands,
            taken: vec![],
            tiles: vec![],
            cycle: 0,
            weight_at: (0, 0, 0),
            stream_at: (0, 0, 0),
            weight_tiles: VecDeque::new(),
            loads: VecDeque::new(),
            swaps: VecDeque::new(),
            tags: VecDeque::new(),
            added: VecDeque::new(),
            dones: VecDeque::new(),
            ended: 0,
            last_tag: HashMap::new(),
            starved: 0,
        }
    }

    fn offer(&mut self, valid: bool) {
        let next = self.commands.get(self.taken.len()).filter(|_| valid);
        self.bench.set("entry_valid", next.is_some().into());
        if let Some(gemm) = next {
            self.bench.set_fields(
                "entry",
                &[
                    (0xffff, 16),
                    (gemm.gives, 16),
                    (gemm.act_row, 24),
                    (gemm.act_stride, 16),
                    (gemm.wgt_row, 24),
                    (gemm.k_tiles * self.rows / 2, 24),
                    (8, 4),
                    (0, 1),
                    (0, 1),
                    (0, 4),
                    (gemm.acc_row, 16),
                    (gemm.m, 16),
                    (gemm.k_tiles, 16),
                    (gemm.accumulate.into(), 1),
                    (gemm.index, 16),
                ],
            );
        }
    }

    /// A row of weights.
    fn weights(&mut self) {
        if !self.bench.is("wgt_read") {
            return;
        }
        let (command, tile, step) = self.weight_at;
        assert!(command < self.taken.len(), "weights are read for a command");
        let gemm = &self.commands[command];
        let row = gemm.wgt_row + tile * self.rows / 2 + step;
        assert_eq!(
            self.bench.get("wgt_row"),
            row,
            "command {command} tile {tile} step {step}"
        );
        self.loads.push_back((self.cycle + 2, 1 << step));
        if step == 0 {
            self.weight_tiles.push_back((self.cycle, 0));
        }
        self.weight_at.2 += 1;
        if step + 1 == self.rows / 2 {
            self.weight_tiles.back_mut().expect("the tile has begun").1 = self.cycle;
            self.weight_at = (command, tile + 1, 0);
            if tile + 1 == gemm.k_tiles {
                self.weight_at = (command + 1, 0, 0);
            }
        }
    }

    /// A row of activations.
    fn stream(&mut self) {
        let read = self.bench.is("act_read");
        assert_eq!(self.bench.is("busy"), read);
        let (command, tile, row) = self.stream_at;
        if !read {
            assert_eq!(row, 0, "the rows of a tile follow each other");
            self.starved += self.bench.get("starved");
            return;
        }
        assert!(!self.bench.is("starved"));
        assert!(command < self.taken.len(), "rows are read for a command");
        let gemm = &self.commands[command];
        let expected = gemm.act_row + tile * gemm.act_stride + row;
        assert_eq!(
            self.bench.get("act_row"),
            expected,
            "command {command} tile {tile} row {row}"
        );
        if row == 0 {
            let weights = self
                .weight_tiles
                .pop_front()
                .expect("the weights were read");
            assert!(weights.1 != 0 && weights.1 < self.cycle, "all of them");
            // The next tile enters the array only when this one has begun.
            assert!(self.weight_tiles.iter().all(|next| next.0 >= self.cycle));
            self.tiles.push(Tile {
                command,
                start: self.cycle,
                weights,
            });
            self.swaps.push_back(self.cycle + 2);
        }
        let last = tile + 1 == gemm.k_tiles && row + 1 == gemm.m;
        let add = gemm.accumulate || tile > 0;
        let tag = [1, add.into(), last.into(), gemm.acc_row + row];
        self.tags
            .push_back((self.cycle + array_latency(self.rows, self.cols) + 1, tag));
        self.stream_at.2 += 1;
        if row + 1 == gemm.m {
            self.stream_at = (command, tile + 1, 0);
            if tile + 1 == gemm.k_tiles {
                self.stream_at = (command + 1, 0, 0);
            }
        }
    }

    /// What leaves the engine some cycles after the reads.
    fn pulses(&mut self) {
        let due = self.loads.front().filter(|due| due.0 == self.cycle);
        let load = due.map_or(0, |due| due.1);
        let got: u64 = (0..self.rows / 2)
            .map(|pair| self.bench.get(&format!("load_{pair}")) << pair)
            .sum();
        assert_eq!(got, load, "cycle {}", self.cycle);
        if load != 0 {
            self.loads.pop_front();
        }
        let swap = self.swaps.front() == Some(&self.cycle);
        assert_eq!(self.bench.is("swap"), swap, "cycle {}", self.cycle);
        if swap {
            self.swaps.pop_front();
        }
        let got = self.bench.fields("tag", &[1, 1, 1, 16]);
        let tag = self
            .tags
            .front()
            .filter(|due| due.0 == self.cycle)
            .map(|due| due.1);
        assert_eq!(got[0], u64::from(tag.is_some()), "cycle {}", self.cycle);
        let Some(tag) = tag else { return };
        self.tags.pop_front();
        assert_eq!(got, tag, "cycle {}", self.cycle);
        let before = self.last_tag.insert(tag[3], self.cycle);
        if tag[1] == 1 {
            let far = before.is_none_or(|before| self.cycle - before >= ADDED);
            assert!(far, "row {} comes again too early", tag[3]);
        }
        if tag[2] == 1 {
            self.added.push_back(self.cycle + ADDED);
        }
    }

    fn cycle(&mut self, valid: bool) {
        self.offer(valid);
        let added = self.added.front() == Some(&self.cycle);
        self.bench.set("added_last", added.into());
        self.bench.model.eval();
        self.pulses();
        self.weights();
        self.stream();
        let done = self.dones.front().is_some_and(|due| due.0 == self.cycle);
        assert_eq!(self.bench.is("done"), done, "cycle {}", self.cycle);
        if done {
            let (_, command) = self.dones.pop_front().expect("a command ends");
            let gemm = &self.commands[command];
            let told = (self.bench.get("done_index"), self.bench.get("done_gives"));
            assert_eq!(told, (gemm.index, gemm.gives));
        }
        if self.bench.is("idle") {
            assert_eq!(self.ended, self.taken.len(), "idle with nothing under way");
        }
        if added {
            self.added.pop_front();
            self.dones.push_back((self.cycle + 1, self.ended));
            self.ended += 1;
        }
        if valid && self.taken.len() < self.commands.len() && self.bench.is("entry_ready") {
            self.taken.push(self.cycle);
        }
        self.bench.model.cycle();
        self.cycle += 1;
    }

    fn finish(mut self, rng: &mut Rng, valid: u64) -> Self {
        while self.ended < self.commands.len() {
            let valid = rng.chance(valid);
            self.cycle(valid);
            assert!(self.cycle < 1_000_000, "GEMM hangs");
        }
        for _ in 0..4 {
            self.cycle(false);
        }
        assert!(self.bench.is("idle"));
        let tiles: u64 = self.commands.iter().map(|gemm| gemm.k_tiles).sum();
        assert_eq!(self.tiles.len() as u64, tiles);
        assert!(self.tags.is_empty() && self.dones.is_empty() && self.loads.is_empty());
        self
    }

    /// Cycles from the start of each tile to the start of the next.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let gap = |pair: &[Tile]| {
            let m = self.commands[pair[0].command].m;
            (m, pair[1].start - pair[0].start)
        };
        self.tiles.windows(2).map(gap).collect()
    }
}

/// `apart`: commands that follow each other use other accumulator rows, or begin at the same.
fn commands(rng: &mut Rng, rows: u64, count: u64, apart: bool) -> Vec<Gemm> {
    let gemm = |index: u64, rng: &mut Rng| {
        let m = [1, 2, rows - 1, rows, rows + 1, 1 + rng.below(3 * rows)][rng.below(6) as usize];
        let acc_row = if apart {
            256 * (index % 2)
        } else {
            rng.below(2 * rows)
        };
        Gemm {
            index,
            gives: rng.below(1 << 16),
            act_row: rng.below(1 << 20),
            act_stride: [0, m, rng.below(1 << 16)][rng.below(3) as usize],
            wgt_row: rng.below(1 << 20),
            acc_row,
            m,
            k_tiles: [1, 1, 2, 1 + rng.below(6)][rng.below(4) as usize],
            accumulate: rng.chance(50),
        }
    };
    (0..count).map(|index| gemm(index, rng)).collect()
}

fn check(rows: u64, cols: u64) {
    let mut rng = Rng(0x6e33 + rows * 64 + cols);
    // Without a gap: a tile takes `max(m, rows / 2, 4)` cycles, within and across commands.
    let least = (rows / 2).max(4);
    let list = commands(&mut rng, rows, 150, true);
    let run = Run::new(rows, cols, list).finish(&mut rng, 100);
    for (tile, (m, gap)) in run.gaps().into_iter().enumerate() {
        let text = format!("{rows}x{cols} tile {tile} {:?}", &run.tiles[tile..tile + 2]);
        assert_eq!(gap, m.max(least), "{text} of {m} rows");
    }
    // The first tile starts when its weights are in: one cycle to take the command, `rows / 2` to
    // read.
    assert_eq!(run.tiles[0].start - run.taken[0], rows / 2 + 1);

    // Overlapping accumulator rows, commands that come now and then.
    for valid in [100, 5] {
        let list = commands(&mut rng, rows, 150, false);
        let run = Run::new(rows, cols, list).finish(&mut rng, valid);
        let gaps = run.gaps();
        assert!(gaps.iter().all(|&(m, gap)| gap >= m.max(least)), "{gaps:?}");
        assert!(run.starved > 0, "some waited");
        assert!(
            run.tiles
                .iter()
                .all(|tile| tile.weights.1 - tile.weights.0 == rows / 2 - 1)
        );
    }
}

#[test]
fn square_array() {
    check(4, 4);
}

#[test]
fn flat_and_tall_arrays() {
    check(8, 4);
    check(4, 16);
}

#[test]
fn a_reset_forgets_everything() {
    let mut rng = Rng(0x2e5e7);
    let list = commands(&mut rng, 4, 4, true);
    let mut run = Run::new(4, 4, list.clone());
    for _ in 0..30 {
        run.cycle(true);
    }
    run.bench.set("entry_valid", 0);
    // Held until tags that are on their way have come out, and have been answered.
    run.bench.set("reset", 1);
    for _ in 0..20 {
        run.bench.set("added_last", rng.chance(50).into());
        run.bench.model.cycle();
    }
    run.bench.set("added_last", 0);
    run.bench.set("reset", 0);
    run.bench.model.eval();
    assert!(run.bench.is("idle"));
    let bench = run.bench;
    let run = Run {
        bench,
        ..Run::new(4, 4, list)
    };
    run.finish(&mut rng, 100);
}
