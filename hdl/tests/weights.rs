//! From the weight buffer into the array: scales and codes exhaustively, feeds and streams of random
//! bytes against the decoder of the contract.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::mem::Buffer;
use hdl::weights::{CodeLane, PackedFeed, ScaleLane, Unpack, WeightsEntry, step_latency};
use isa::config::Datapaths;
use isa::weights::{HEADER_SCALES, INDEX_STEPS, StreamFormat, StreamReader, widen};
use rust_hdl_core::prelude::*;

#[test]
fn every_code_with_every_scale() {
    let mut bench = Bench::new(&ScaleLane::new(), "scale_lane");
    let mut expected = VecDeque::new();
    for scaled in [false, true] {
        for pair in 0..1u32 << 16 {
            let (code, scale) = ((pair & 0xff) as u8, (pair >> 8) as u8);
            bench.set("take", 1);
            bench.set("finish", (!expected.is_empty()).into());
            bench.set("scaled", scaled.into());
            bench.set("code", code.into());
            bench.set("scale", scale.into());
            expected.push_back(widen(code as i8, scaled.then_some(scale)));
            bench.model.cycle();
            if expected.len() == 2 {
                let weight = expected.pop_front().expect("two are on their way");
                assert_eq!(
                    bench.get("weight") as u8 as i8,
                    weight,
                    "before {code} * {scale}"
                );
            }
        }
    }
}

#[test]
fn every_code_of_every_width() {
    for narrow in [false, true] {
        let mut bench = Bench::new(&CodeLane::new(narrow), "code_lane");
        for bits in if narrow { 2..=8u32 } else { 8..=8 } {
            for value in 0..256u32 {
                let expected = (value << (8 - bits)) as u8 as i8 >> (8 - bits);
                bench.set("take", 1);
                bench.set("bits", bits.into());
                bench.set(
                    "octet",
                    if bits == 8 { value } else { !value & 0xff }.into(),
                );
                bench.set(
                    "plane",
                    if bits == 8 { !value & 0xff } else { value }.into(),
                );
                bench.model.cycle();
                assert_eq!(
                    bench.get("code") as u8 as i8,
                    expected,
                    "{bits} bits of {value:#x}"
                );
                bench.set("take", 0);
                bench.set("octet", 0);
                bench.set("plane", 0);
                bench.model.cycle();
                assert_eq!(bench.get("code") as u8 as i8, expected, "it stays");
            }
        }
    }
}

/// The feed with the buffer that it reads and the block that takes the stream apart.
#[derive(LogicBlock)]
struct Rig {
    clock: Signal<In, Clock>,
    reset: Signal<In, Bit>,
    write: Signal<In, Bit>,
    write_line: Signal<In, Bits<24>>,
    write_data: Vec<Signal<In, Bits<32>>>,
    start: Signal<In, Bit>,
    entry: Signal<In, WeightsEntry>,
    ready: Signal<Out, Bit>,
    may_step: Signal<In, Bit>,
    step: Signal<Out, Bit>,
    tile_done: Signal<Out, Bit>,
    tile_base: Signal<Out, Bits<24>>,
    idle: Signal<Out, Bit>,
    weight: Vec<Signal<Out, Bits<8>>>,
    index: Vec<Signal<Out, Bits<2>>>,
    feed: PackedFeed,
    buffer: Buffer,
    unpack: Unpack,
    _words: usize,
    _weights: usize,
    _indices: usize,
}

impl Rig {
    fn new(rows: usize, cols: usize, depth: usize, datapaths: &Datapaths) -> Self {
        let indices = if datapaths.two_four { 2 * cols } else { 0 };
        let row_bytes = 2 * cols;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            write_line: Default::default(),
            write_data: (0..cols / 2).map(|_| Signal::default()).collect(),
            start: Default::default(),
            entry: Default::default(),
            ready: Default::default(),
            may_step: Default::default(),
            step: Default::default(),
            tile_done: Default::default(),
            tile_base: Default::default(),
            idle: Default::default(),
            weight: (0..2 * cols).map(|_| Signal::default()).collect(),
            index: (0..indices).map(|_| Signal::default()).collect(),
            feed: PackedFeed::new(rows, cols, datapaths),
            buffer: Buffer::new(depth * row_bytes, row_bytes, row_bytes),
            unpack: Unpack::new(rows, cols, datapaths),
            _words: cols / 2,
            _weights: 2 * cols,
            _indices: indices,
        }
    }
}

impl Logic for Rig {
    #[hdl_gen]
    fn update(&mut self) {
        self.feed.clock.next = self.clock.val();
        self.buffer.clock.next = self.clock.val();
        self.unpack.clock.next = self.clock.val();
        self.feed.reset.next = self.reset.val();
        self.feed.start.next = self.start.val();
        self.feed.entry.next = self.entry.val();
        self.ready.next = self.feed.ready.val();
        self.feed.may_step.next = self.may_step.val();
        self.feed.header.next = self.unpack.header.val();
        self.step.next = self.feed.step.val();
        self.tile_done.next = self.feed.tile_done.val();
        self.tile_base.next = self.feed.tile_base.val();
        self.idle.next = self.feed.idle.val();
        self.buffer.write.next = self.write.val();
        self.buffer.write_line.next = self.write_line.val();
        self.buffer.read.next = self.feed.read.val();
        self.buffer.read_row.next = self.feed.read_row.val();
        self.buffer.advance.next = self.feed.advance.val();
        self.unpack.shift.next = self.feed.shift.val();
        self.unpack.action.next = self.feed.action.val();
        for i in 0..self._words {
            self.buffer.write_data[i].next = self.write_data[i].val();
            self.unpack.row[i].next = self.buffer.read_data[i].val();
        }
        for i in 0..self._weights {
            self.weight[i].next = self.unpack.weight[i].val();
        }
        for i in 0..self._indices {
            self.index[i].next = self.unpack.index[i].val();
        }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    row: usize,
    rows: usize,
    tiles: usize,
    format: StreamFormat,
    act_row: u64,
    act_stride: u64,
}

/// What one step brings: the weights, and in 2:4 their indices.
#[derive(Debug, PartialEq)]
struct Step {
    weights: Vec<i8>,
    indices: Vec<u8>,
}

/// A tile as the decoder of the contract reads it.
struct Tile {
    base: u64,
    steps: Vec<Step>,
    /// Things that it holds, each of which is taken in a cycle of its own.
    actions: u64,
}

/// The array and the depth of the buffer in rows.
struct Shape {
    rows: usize,
    cols: usize,
    depth: usize,
    datapaths: Datapaths,
}

impl Shape {
    fn tiles(&self, memory: &[u8], stream: &Stream) -> Vec<Tile> {
        let row_bytes = 2 * self.cols;
        let bytes = &memory[stream.row * row_bytes..][..stream.rows * row_bytes];
        let mut reader = StreamReader::new(stream.format, self.cols as u32, bytes);
        let mut scales = vec![0; self.cols];
        let tile = |number: usize| {
            let header = if stream.format.blocks {
                reader.header()
            } else {
                number as u16
            };
            let due = match (stream.format.group_tiles, stream.format.blocks) {
                (0, _) => false,
                (_, true) => number == 0 || header & HEADER_SCALES != 0,
                (tiles, false) => number.is_multiple_of(tiles as usize),
            };
            let mut actions = u64::from(stream.format.blocks) + u64::from(due);
            if due {
                reader.scales(&mut scales);
            }
            let place = match stream.format.blocks {
                true => u64::from(header & !HEADER_SCALES),
                false => number as u64,
            };
            let width = 2 * self.cols;
            let mut indices = vec![0; INDEX_STEPS as usize * width];
            let mut steps = Vec::new();
            for step in 0..self.rows / 2 {
                let within = step % INDEX_STEPS as usize;
                if stream.format.two_four && within == 0 {
                    let together = (self.rows / 2 - step).min(INDEX_STEPS as usize);
                    reader.indices(together as u32, &mut indices);
                    actions += 1;
                }
                actions += 1;
                let mut codes = vec![0; width];
                reader.codes(&mut codes);
                let scale =
                    |at: usize| (stream.format.group_tiles != 0).then(|| scales[at % self.cols]);
                let weights = codes
                    .iter()
                    .enumerate()
                    .map(|(at, code)| widen(*code, scale(at)));
                let chosen = match stream.format.two_four {
                    true => indices[within * width..][..width].to_vec(),
                    false => (0..width).map(|at| (at / self.cols) as u8).collect(),
                };
                steps.push(Step {
                    weights: weights.collect(),
                    indices: if self.datapaths.two_four {
                        chosen
                    } else {
                        vec![]
                    },
                });
            }
            Tile {
                base: (stream.act_row + place * stream.act_stride) & 0xff_ffff,
                steps,
                actions,
            }
        };
        (0..stream.tiles).map(tile).collect()
    }

    fn random(&self, rng: &mut Rng) -> Stream {
        let has = self.datapaths;
        let tiles = [1, 1, 2, 1 + rng.below(9) as usize][rng.below(4) as usize];
        let format = StreamFormat {
            bits: if has.narrow {
                2 + rng.below(7) as u8
            } else {
                8
            },
            two_four: has.two_four && rng.chance(50),
            blocks: has.blocks && rng.chance(50),
            group_tiles: [0, 1 << rng.below(6)][usize::from(has.groups && rng.chance(50))],
        };
        let units = tiles as u32 * format.tile_units(self.rows as u32, self.cols as u32);
        // Mostly what the stream needs, sometimes fewer or more.
        let needed = units.div_ceil(8) as u64 + 1;
        let rows = match rng.below(8) {
            0 => 1,
            1 => needed + rng.below(5),
            _ => needed,
        };
        Stream {
            row: rng.below(self.depth as u64 - rows) as usize,
            rows: rows as usize,
            tiles,
            format,
            act_row: rng.below(1 << 24),
            act_stride: rng.below(1 << 16),
        }
    }

    /// Runs streams with `may` percent of cycles in which the array takes weights. Returns the
    /// cycles from the first start to the end, and the cycles in which something was taken.
    fn run(
        &self,
        streams: &[Stream],
        memory: &[u8],
        bench: &mut Bench,
        rng: &mut Rng,
        may: u64,
    ) -> u64 {
        let latency = step_latency(&self.datapaths) as u64;
        let mut expected: VecDeque<Tile> = streams
            .iter()
            .flat_map(|stream| self.tiles(memory, stream))
            .collect();
        let weights = bench.ports("weight", 2 * self.cols);
        let indices = bench.ports(
            "index",
            if self.datapaths.two_four {
                2 * self.cols
            } else {
                0
            },
        );
        let mut due: VecDeque<(u64, Step)> = VecDeque::new();
        let (mut started, mut cycle, mut step) = (0, 0u64, 0);
        let mut base = None;
        while !(expected.is_empty() && due.is_empty()) {
            assert!(cycle < 1_000_000, "the feed hangs");
            let next = streams
                .get(started)
                .filter(|_| bench.is("ready") && rng.chance(may.max(50)));
            bench.set("start", next.is_some().into());
            if let Some(stream) = next {
                let group = match stream.format.group_tiles {
                    0 => 0,
                    tiles => tiles.ilog2() + 1,
                };
                bench.set_fields(
                    "entry",
                    &[
                        (stream.row as u64, 24),
                        (stream.rows as u64, 24),
                        (stream.tiles as u64, 16),
                        (stream.format.bits.into(), 4),
                        (stream.format.two_four.into(), 1),
                        (stream.format.blocks.into(), 1),
                        (group.into(), 4),
                        (stream.act_row, 24),
                        (stream.act_stride, 16),
                    ],
                );
                started += 1;
            }
            // Within a tile the array never changes its mind.
            if step == 0 {
                bench.set("may_step", rng.chance(may).into());
            }
            bench.model.eval();
            if let Some(base) = base.take() {
                assert_eq!(bench.get("tile_base"), base, "cycle {cycle}");
            }
            if due.front().is_some_and(|due| due.0 == cycle) {
                let (_, step) = due.pop_front().expect("a step is due");
                let got = Step {
                    weights: weights
                        .iter()
                        .map(|port| bench.model.get(*port) as u8 as i8)
                        .collect(),
                    indices: indices
                        .iter()
                        .map(|port| bench.model.get(*port) as u8)
                        .collect(),
                };
                assert_eq!(got, step, "cycle {cycle}");
            }
            let stepped = bench.is("step");
            assert!(stepped || !bench.is("tile_done"));
            if stepped {
                let tile = expected.front_mut().expect("a tile is still to come");
                due.push_back((cycle + latency, tile.steps.remove(0)));
                step += 1;
                assert_eq!(
                    bench.is("tile_done"),
                    tile.steps.is_empty(),
                    "cycle {cycle}"
                );
                if tile.steps.is_empty() {
                    base = expected.pop_front().map(|tile| tile.base);
                    step = 0;
                }
            }
            bench.model.cycle();
            cycle += 1;
        }
        bench.set("start", 0);
        for _ in 0..self.depth + 8 {
            bench.model.cycle();
        }
        assert!(bench.is("idle"), "everything is dropped at the end");
        cycle
    }

    fn bench(&self, rng: &mut Rng) -> (Bench, Vec<u8>) {
        let rig = Rig::new(self.rows, self.cols, self.depth, &self.datapaths);
        let mut bench = Bench::new(&rig, "weights_rig");
        bench.reset();
        let row_bytes = 2 * self.cols;
        let memory: Vec<u8> = (0..self.depth * row_bytes)
            .map(|_| rng.next() as u8)
            .collect();
        let data = bench.ports("write_data", self.cols / 2);
        for (line, bytes) in memory.chunks(row_bytes).enumerate() {
            bench.set("write", 1);
            bench.set("write_line", line as u64);
            for (port, word) in data.iter().zip(bytes.as_chunks::<4>().0) {
                bench.model.set(*port, u32::from_le_bytes(*word).into());
            }
            bench.model.cycle();
        }
        bench.set("write", 0);
        (bench, memory)
    }

    fn check(&self) {
        let mut rng = Rng(0xfeed + (self.rows * 64 + self.cols) as u64);
        let (mut bench, memory) = self.bench(&mut rng);
        for may in [100, 60, 10] {
            let streams: Vec<Stream> = (0..150).map(|_| self.random(&mut rng)).collect();
            self.run(&streams, &memory, &mut bench, &mut rng, may);
        }
        // Alone and never stopped, a stream takes a cycle for each thing that it holds: four cycles
        // pass until its first row is in front of the window, and then it never waits for rows.
        for _ in 0..100 {
            let mut stream = self.random(&mut rng);
            stream.rows = stream.rows.max(2);
            let cycles = self.run(
                std::slice::from_ref(&stream),
                &memory,
                &mut bench,
                &mut rng,
                100,
            );
            let tiles = self.tiles(&memory, &stream);
            let actions: u64 = tiles.iter().map(|tile| tile.actions).sum();
            let latency = step_latency(&self.datapaths) as u64;
            let expected = 4 + actions + latency;
            assert_eq!(cycles, expected, "{actions} actions of {stream:?}");
        }
    }
}

fn shape(rows: usize, cols: usize, datapaths: Datapaths) -> Shape {
    Shape {
        rows,
        cols,
        depth: 512,
        datapaths,
    }
}

#[test]
fn all_formats_in_arrays_of_all_sizes() {
    shape(4, 4, Datapaths::ALL).check();
    shape(8, 8, Datapaths::ALL).check();
    shape(4, 16, Datapaths::ALL).check();
    shape(16, 16, Datapaths::ALL).check();
    shape(32, 32, Datapaths::ALL).check();
}

#[test]
fn formats_alone() {
    let none = Datapaths::DENSE;
    shape(
        8,
        8,
        Datapaths {
            narrow: true,
            ..none
        },
    )
    .check();
    shape(
        8,
        8,
        Datapaths {
            groups: true,
            ..none
        },
    )
    .check();
    shape(
        8,
        8,
        Datapaths {
            two_four: true,
            ..none
        },
    )
    .check();
    shape(
        8,
        8,
        Datapaths {
            blocks: true,
            ..none
        },
    )
    .check();
}

#[test]
fn a_reset_forgets_what_is_under_way() {
    let shape = shape(8, 8, Datapaths::ALL);
    let mut rng = Rng(0x2e5e7);
    let (mut bench, memory) = shape.bench(&mut rng);
    for _ in 0..50 {
        let stream = shape.random(&mut rng);
        bench.set("start", 1);
        bench.set_fields(
            "entry",
            &[
                (0, 24),
                (40, 24),
                (9, 16),
                (8, 4),
                (0, 1),
                (0, 1),
                (0, 4),
                (0, 24),
                (0, 16),
            ],
        );
        bench.set("may_step", 1);
        bench.model.cycle();
        bench.set("start", 0);
        for _ in 0..rng.below(60) {
            bench.model.cycle();
        }
        bench.reset();
        assert!(bench.is("idle"));
        shape.run(&[stream], &memory, &mut bench, &mut rng, 100);
    }
}
