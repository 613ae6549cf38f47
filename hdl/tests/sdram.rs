//! The SDRAM controller between an AXI4 master and a model of the chip that tells of every broken
//! rule.

mod common;

use std::collections::{BTreeMap, VecDeque};

use common::{Bench, Rng};
use hdl::sdram::{Part, Sdram, Timing};
use sdram::{Chip, DataSheet, Pins, Rule};
use verilate::PortRef;

/// A line: four words, the lowest address first.
type Line = [u32; 4];

/// First line that the memory does not have.
const END: u64 = 1 << 21;

/// A part, a clock in MHz, the CAS latency and cycles that the board adds.
struct Board {
    part: Part,
    sheet: DataSheet,
    mhz: u32,
    cas: u32,
    delay: u32,
}

const BASELINE: Board = Board {
    part: Part::MT48LC16M16A2_75,
    sheet: DataSheet::MT48LC16M16A2_75,
    mhz: 100,
    cas: 2,
    delay: 0,
};

const BOARDS: [Board; 4] = [
    BASELINE,
    Board {
        part: Part::W9825G6KH_6,
        sheet: DataSheet::W9825G6KH_6,
        mhz: 166,
        cas: 3,
        delay: 0,
    },
    Board {
        part: Part::IS42S16160G_7,
        sheet: DataSheet::IS42S16160G_7,
        mhz: 133,
        cas: 3,
        delay: 2,
    },
    Board {
        part: Part::ANY,
        sheet: DataSheet::IS42S16160G_7,
        mhz: 25,
        cas: 2,
        delay: 1,
    },
];

/// A burst: first line, lines, identifier.
#[derive(Clone, Copy, Debug)]
struct Burst {
    line: u64,
    lines: u64,
    id: u64,
}

impl Burst {
    fn overlaps(&self, other: &Self) -> bool {
        self.line < other.line + other.lines && other.line < self.line + self.lines
    }
}

/// A write burst and its lines with their strobes.
struct Write {
    burst: Burst,
    lines: Vec<(Line, u16)>,
}

struct Ports {
    ar: [PortRef; 5],
    aw: [PortRef; 5],
    rvalid: PortRef,
    rdata: Vec<PortRef>,
    rmeta: [PortRef; 3],
    wvalid: PortRef,
    wready: PortRef,
    wdata: Vec<PortRef>,
    wstrb: Vec<PortRef>,
    b: [PortRef; 3],
    pins: [PortRef; 10],
    dq_in: PortRef,
}

/// The controller, the chip, and a master that asks for what is in its queues.
struct Test {
    bench: Bench,
    ports: Ports,
    chip: Chip,
    rng: Rng,
    /// Chance that the master does not offer something, in percent.
    stall: u64,
    /// What the controller sees in this cycle and in those that the board holds back.
    on_board: VecDeque<Option<u16>>,
    cycle: u64,
    to_read: VecDeque<Burst>,
    to_write: VecDeque<Write>,
    /// Reads whose lines are owed, with the lines seen.
    reading: VecDeque<(Burst, u64)>,
    /// Data that is owed to writes, whether their addresses were taken or not.
    data: VecDeque<(u64, Line, u16)>,
    /// Writes whose answers are owed.
    answers: VecDeque<Burst>,
    aw_offered: Option<Write>,
    offered: [bool; 3],
    /// What memory must hold, by line.
    memory: BTreeMap<u64, Line>,
    /// Cycles in which lines came and were taken.
    lines_read: Vec<u64>,
    lines_written: Vec<u64>,
    taken: Vec<u64>,
}

fn noise(line: u64) -> Line {
    std::array::from_fn(|word| (line as u32 * 4 + word as u32).wrapping_mul(0x9e37_79b9))
}

impl Test {
    fn new(board: &Board, seed: u64, stall: u64) -> Self {
        let timing = Timing::new(&board.part, board.mhz, board.cas).expect("the board is possible");
        let timing = timing.with_delay(board.delay).expect("a short way");
        Self::with_timing(board, &timing, seed, stall)
    }

    /// The same with a controller that keeps other times.
    fn with_timing(board: &Board, timing: &Timing, seed: u64, stall: u64) -> Self {
        let bench = Bench::new(&Sdram::new(timing), "sdram");
        let channel = |name: &str| {
            ["valid", "ready", "addr", "len", "id"].map(|pin| bench.port(&format!("l_{name}{pin}")))
        };
        let ports = Ports {
            ar: channel("ar"),
            aw: channel("aw"),
            rvalid: bench.port("l_rvalid"),
            rdata: bench.ports("l_rdata", 4),
            rmeta: ["l_rid", "l_rlast", "l_rresp"].map(|name| bench.port(name)),
            wvalid: bench.port("l_wvalid"),
            wready: bench.port("l_wready"),
            wdata: bench.ports("l_wdata", 4),
            wstrb: bench.ports("l_wstrb", 4),
            b: ["l_bvalid", "l_bid", "l_bresp"].map(|name| bench.port(name)),
            pins: [
                "cke",
                "cs_n",
                "ras_n",
                "cas_n",
                "we_n",
                "ba",
                "a",
                "dqm",
                "dq_out",
                "dq_enable",
            ]
            .map(|name| bench.port(name)),
            dq_in: bench.port("dq_in"),
        };
        let mut test = Self {
            bench,
            ports,
            chip: Chip::new(board.sheet, 1_000_000 / u64::from(board.mhz)),
            rng: Rng(seed),
            stall,
            on_board: vec![None; board.delay as usize + 1].into(),
            cycle: 0,
            to_read: VecDeque::new(),
            to_write: VecDeque::new(),
            reading: VecDeque::new(),
            data: VecDeque::new(),
            answers: VecDeque::new(),
            aw_offered: None,
            offered: [false; 3],
            memory: BTreeMap::new(),
            lines_read: vec![],
            lines_written: vec![],
            taken: vec![],
        };
        // Cycles before the reset, as after configuration.
        for _ in 0..5 {
            test.cycle();
        }
        test.reset();
        test
    }

    fn reset(&mut self) {
        self.bench.set("reset", 1);
        self.cycle();
        self.bench.set("reset", 0);
    }

    fn get(&self, port: PortRef) -> u64 {
        self.bench.model.get(port)
    }

    /// What memory holds of a line.
    fn line(&self, line: u64) -> Line {
        self.memory.get(&line).copied().unwrap_or_default()
    }

    /// Fills lines of the chip and of the memory that it must be.
    fn fill(&mut self, lines: std::ops::Range<u64>) {
        for line in lines {
            let data = noise(line);
            for (index, word) in data.iter().enumerate() {
                for half in 0..2 {
                    let column = (line % 64 * 8) as u16 + 2 * index as u16 + half;
                    let (bank, row) = ((line >> 6 & 3) as u8, (line >> 8) as u16);
                    self.chip
                        .poke(bank, row, column, (word >> (16 * half)) as u16);
                }
            }
            self.memory.insert(line, data);
        }
    }

    fn drive(&mut self) {
        let chance = |rng: &mut Rng, stall: u64| !rng.chance(stall);
        let (random, go) = (self.rng.next(), chance(&mut self.rng, self.stall));
        // What is offered stays.
        self.offered[0] = !self.to_read.is_empty() && (self.offered[0] || go);
        let burst = self.to_read.front().filter(|_| self.offered[0]);
        let burst = burst.copied();
        self.offer(self.ports.ar, burst, random);
        if self.aw_offered.is_none() && chance(&mut self.rng, self.stall) {
            self.aw_offered = self.to_write.pop_front();
            if let Some(write) = &self.aw_offered {
                let lines = write.burst.line..;
                let lines = lines.zip(&write.lines);
                self.data
                    .extend(lines.map(|(line, (data, strobes))| (line, *data, *strobes)));
                self.answers.push_back(write.burst);
            }
            self.offered[1] = false;
        }
        self.offered[1] =
            self.aw_offered.is_some() && (self.offered[1] || chance(&mut self.rng, self.stall));
        let burst = self.aw_offered.as_ref().filter(|_| self.offered[1]);
        let burst = burst.map(|write| write.burst);
        self.offer(self.ports.aw, burst, random);
        self.offered[2] =
            !self.data.is_empty() && (self.offered[2] || chance(&mut self.rng, self.stall));
        self.bench
            .model
            .set(self.ports.wvalid, self.offered[2].into());
        let junk = (0, [random as u32; 4], random as u16);
        let (_, data, strobes) = self
            .data
            .front()
            .filter(|_| self.offered[2])
            .unwrap_or(&junk);
        for (index, word) in data.iter().enumerate() {
            self.bench
                .model
                .set(self.ports.wdata[index], (*word).into());
            let strobes = u64::from(strobes >> (4 * index) & 15);
            self.bench.model.set(self.ports.wstrb[index], strobes);
        }
        let dq = self.on_board.front().copied().flatten();
        self.bench
            .model
            .set(self.ports.dq_in, dq.unwrap_or(random as u16).into());
    }

    fn offer(&mut self, ports: [PortRef; 5], burst: Option<Burst>, random: u64) {
        let junk = Burst {
            line: random >> 4,
            lines: 1 + (random & 255),
            id: random >> 3 & 15,
        };
        let shown = burst.unwrap_or(junk);
        self.bench.model.set(ports[0], burst.is_some().into());
        // Bits below a line mean nothing.
        self.bench
            .model
            .set(ports[2], shown.line << 4 | random & 15);
        self.bench.model.set(ports[3], shown.lines - 1);
        self.bench.model.set(ports[4], shown.id);
    }

    fn cycle(&mut self) {
        self.drive();
        self.bench.model.eval();
        if self.offered[0] && self.get(self.ports.ar[1]) == 1 {
            let burst = self.to_read.pop_front().expect("it was offered");
            self.reading.push_back((burst, 0));
            self.offered[0] = false;
            self.taken.push(self.cycle);
        }
        if self.offered[1] && self.get(self.ports.aw[1]) == 1 {
            self.aw_offered = None;
            self.offered[1] = false;
        }
        self.sample_read();
        self.sample_write();
        let pin = self.ports.pins.map(|port| self.bench.model.get(port));
        let pins = Pins {
            cke: pin[0] == 1,
            cs_n: pin[1] == 1,
            ras_n: pin[2] == 1,
            cas_n: pin[3] == 1,
            we_n: pin[4] == 1,
            ba: pin[5] as u8,
            a: pin[6] as u16,
            dqm: pin[7] as u8,
            dq: (pin[9] == 1).then_some(pin[8] as u16),
        };
        let drives = self.chip.cycle(&pins);
        self.on_board.pop_front();
        self.on_board.push_back(drives);
        self.bench.model.cycle();
        self.cycle += 1;
    }

    fn sample_read(&mut self) {
        if self.get(self.ports.rvalid) == 0 {
            return;
        }
        let (burst, seen) = *self.reading.front().expect("a line is owed");
        let line = burst.line + seen;
        let data: Vec<u64> = self
            .ports
            .rdata
            .iter()
            .map(|port| self.get(*port))
            .collect();
        let [id, last, answer] = self.ports.rmeta.map(|port| self.get(port));
        assert_eq!((id, last), (burst.id, u64::from(seen + 1 == burst.lines)));
        assert_eq!(answer, if line < END { 0 } else { 3 }, "line {line:#x}");
        if line < END {
            assert_eq!(data, self.line(line).map(u64::from), "line {line:#x}");
        }
        self.reading[0].1 += 1;
        if last == 1 {
            self.reading.pop_front();
        }
        self.lines_read.push(self.cycle);
    }

    fn sample_write(&mut self) {
        if self.get(self.ports.wready) == 1 {
            assert!(self.offered[2], "only what is offered is taken");
            let (line, data, strobes) = self.data.pop_front().expect("data was offered");
            self.offered[2] = false;
            if line < END {
                let old = self.memory.entry(line).or_default();
                for byte in (0..16).filter(|byte| strobes >> byte & 1 == 1) {
                    let mask = 0xff << (byte % 4 * 8);
                    old[byte / 4] = old[byte / 4] & !mask | data[byte / 4] & mask;
                }
            }
            self.lines_written.push(self.cycle);
        }
        let [valid, id, answer] = self.ports.b.map(|port| self.get(port));
        if valid == 1 {
            let burst = self.answers.pop_front().expect("an answer is owed");
            assert_eq!(id, burst.id);
            assert_eq!(answer, if burst.line < END { 0 } else { 3 });
            let owed = self.answers.iter().map(|burst| burst.lines).sum::<u64>();
            assert!(self.data.len() as u64 <= owed, "all its lines were taken");
        }
    }

    fn is_done(&self) -> bool {
        self.to_read.is_empty()
            && self.to_write.is_empty()
            && self.reading.is_empty()
            && self.aw_offered.is_none()
            && self.answers.is_empty()
    }

    /// Runs until nothing is owed; an access waits for refreshes and others, not for ever.
    fn finish(&mut self, cycles: u64) {
        let end = self.cycle + cycles;
        while !self.is_done() {
            self.cycle();
            assert!(self.cycle < end, "it comes to rest");
        }
        // The last words are on their way to the chip.
        for _ in 0..12 {
            self.cycle();
        }
        self.check_rules();
    }

    fn check_rules(&self) {
        let told: Vec<String> = self
            .chip
            .violations()
            .iter()
            .map(|v| v.to_string())
            .collect();
        assert!(
            told.is_empty(),
            "{} broken rules: {told:#?}",
            self.chip.violation_count()
        );
    }

    /// Compares the chip with what memory must hold.
    fn check_memory(&self) {
        for (&line, data) in &self.memory {
            for (index, word) in data.iter().enumerate() {
                let column = (line % 64 * 8) as u16 + 2 * index as u16;
                let (bank, row) = ((line >> 6 & 3) as u8, (line >> 8) as u16);
                let half = |half| u32::from(self.chip.peek(bank, row, column + half));
                assert_eq!(half(1) << 16 | half(0), *word, "line {line:#x}");
            }
        }
    }

    /// A burst somewhere, often where others were, that no other side uses.
    fn burst(&mut self) -> Burst {
        let rng = &mut self.rng;
        let lines = match rng.below(12) {
            0 => 256,
            1 => 1 + rng.below(256),
            _ => 1 + rng.below(6),
        };
        // A few rows of every bank, the first and the last ones, and what lies beyond.
        let page = match rng.below(40) {
            0 => END / 256 + rng.below(3),
            1 => 1 << 48,
            _ => [0, 1, 2, 5000, 8191][rng.below(5) as usize],
        };
        let place = match rng.below(2) {
            0 => rng.below(257 - lines),
            _ => (rng.below(4) * 64 + rng.below(4)).min(256 - lines),
        };
        Burst {
            line: page * 256 + place,
            lines,
            id: rng.below(16),
        }
    }

    /// Asks for a burst, unless one of the other kind is under way there.
    fn ask(&mut self, write: bool) {
        let burst = self.burst();
        let hits = |other: &Burst| other.overlaps(&burst);
        let reads = self
            .to_read
            .iter()
            .chain(self.reading.iter().map(|(burst, _)| burst));
        let mut writes = self
            .to_write
            .iter()
            .map(|write| &write.burst)
            .chain(&self.answers);
        if !write {
            if !writes.any(hits) {
                self.to_read.push_back(burst);
            }
            return;
        }
        if reads.copied().any(|read| hits(&read)) {
            return;
        }
        let line = |rng: &mut Rng| {
            let strobes = match rng.below(4) {
                0 => rng.next() as u16,
                1 => 0,
                _ => 0xffff,
            };
            (std::array::from_fn(|_| rng.next() as u32), strobes)
        };
        let lines = (0..burst.lines).map(|_| line(&mut self.rng)).collect();
        self.to_write.push_back(Write { burst, lines });
    }
}

/// Random reads and writes; `reads` is the part of reads in percent.
fn traffic(board: &Board, seed: u64, stall: u64, reads: u64, cycles: u64) {
    let mut test = Test::new(board, seed, stall);
    let end = test.cycle + cycles + u64::from(board.mhz) * 210;
    while test.cycle < end {
        let write = !test.rng.chance(reads);
        let waiting = if write {
            test.to_write.len()
        } else {
            test.to_read.len()
        };
        if waiting < 3 && test.rng.chance(30) {
            test.ask(write);
        }
        // Now and then nothing is asked for, for more than an interval.
        if test.rng.below(5_000) == 0 {
            for _ in 0..2_500 {
                test.cycle();
            }
        }
        test.cycle();
    }
    test.finish(60_000);
    test.check_memory();
    let moved = [test.lines_read.len(), test.lines_written.len()];
    let least = cycles as usize / 8 / 20;
    assert!(
        moved[0] > least || reads == 0,
        "{moved:?} lines of {cycles} cycles"
    );
    assert!(
        moved[1] > least || reads == 100,
        "{moved:?} lines of {cycles} cycles"
    );
}

fn cycles() -> u64 {
    if common::full() { 1_000_000 } else { 40_000 }
}

#[test]
fn what_is_written_is_read_and_no_rule_is_broken() {
    for (seed, board) in BOARDS.iter().enumerate() {
        for (stall, reads) in [(0, 50), (40, 50), (80, 30), (0, 10), (10, 90)] {
            traffic(board, seed as u64 * 10 + stall + 1, stall, reads, cycles());
        }
    }
}

#[test]
fn a_long_idle_time_is_refreshed() {
    for board in [&BOARDS[0], &BOARDS[3]] {
        let mut test = Test::new(board, 9, 0);
        test.fill(0..8);
        let times = if common::full() { 8192 } else { 100 };
        // 7.8 us each, after the power-up.
        let interval = u64::from(board.mhz) * 78 / 10;
        let end = test.cycle + u64::from(board.mhz) * 220 + times * interval;
        while test.cycle < end {
            test.cycle();
        }
        assert!(
            test.chip.refreshes() >= times,
            "{} refreshes",
            test.chip.refreshes()
        );
        test.to_read.push_back(Burst {
            line: 0,
            lines: 8,
            id: 1,
        });
        test.finish(1_000);
    }
}

/// Every bank by turns, a new row with each line, reads and writes by turns.
#[test]
fn the_worst_order_breaks_no_rule() {
    for board in &BOARDS {
        for same_bank in [true, false] {
            let mut test = Test::new(board, 5, 0);
            for step in 0..if common::full() { 20_000 } else { 1_000 } {
                let bank = if same_bank { 0 } else { step % 4 };
                let line = (step % 7) * 2 * 256 + bank * 64 + step % 3;
                let burst = Burst {
                    line,
                    lines: 1,
                    id: step % 16,
                };
                match step % 2 {
                    0 => test.to_read.push_back(burst),
                    _ => test.to_write.push_back(Write {
                        burst: Burst {
                            line: line + 256,
                            ..burst
                        },
                        lines: vec![([step as u32; 4], 0xffff)],
                    }),
                }
            }
            test.finish(100_000 + 8_000 * 210);
            test.check_memory();
        }
    }
}

#[test]
fn a_reset_begins_anew() {
    let mut test = Test::new(&BASELINE, 3, 20);
    for round in 0..4 {
        for _ in 0..25_000 + round * 333 {
            if test.to_read.len() < 2 {
                test.ask(false);
            }
            if test.to_write.len() < 2 {
                test.ask(true);
            }
            test.cycle();
        }
        test.check_rules();
        // Everything is forgotten, by both sides.
        test.to_read.clear();
        test.to_write.clear();
        test.reading.clear();
        test.data.clear();
        test.answers.clear();
        test.aw_offered = None;
        test.offered = [false; 3];
        test.memory.clear();
        test.chip.power_cycle();
        test.bench.set("reset", 1);
        test.cycle();
        test.bench.set("reset", 0);
        // Memory starts from what the chip holds.
        for page in [0, 1, 2, 5000, 8191u64] {
            test.fill(page * 256..page * 256 + 256);
        }
    }
}

/// Lets the power-up pass, and ends just behind a refresh.
fn ready(test: &mut Test) {
    while test.chip.refreshes() < 10 {
        test.cycle();
    }
    for _ in 0..20 {
        test.cycle();
    }
}

/// Words a cycle of lines that came in these cycles.
fn bandwidth(cycles: &[u64]) -> f64 {
    let passed = cycles[cycles.len() - 1] - cycles[0];
    (cycles.len() - 1) as f64 * 8.0 / passed as f64
}

#[test]
fn long_runs_move_a_word_in_nearly_every_cycle() {
    let mut figures = vec![];
    for board in &BOARDS[..3] {
        for lines in [16, 64, 256] {
            let mut test = Test::new(board, 1, 0);
            ready(&mut test);
            test.fill(0..8192);
            for line in (0..8192).step_by(lines as usize) {
                test.to_read.push_back(Burst { line, lines, id: 0 });
            }
            test.finish(100_000);
            for line in (0..8192).step_by(lines as usize) {
                test.to_write.push_back(Write {
                    burst: Burst { line, lines, id: 0 },
                    lines: (0..lines)
                        .map(|index| (noise(line + index + 1), 0xffff))
                        .collect(),
                });
            }
            test.finish(100_000);
            test.check_memory();
            let figure = [&test.lines_read, &test.lines_written].map(|lines| bandwidth(lines));
            println!(
                "{} at {} MHz, bursts of {lines}: {:.3} read, {:.3} written words a cycle",
                board.part, board.mhz, figure[0], figure[1]
            );
            figures.push(figure);
        }
    }
    for [read, written] in figures {
        assert!(read > 0.95 && written > 0.95, "{read} {written}");
    }
}

#[test]
fn a_single_line_comes_soon() {
    for board in &BOARDS[..3] {
        let timing = Timing::new(&board.part, board.mhz, board.cas).expect("it is possible");
        let mut test = Test::new(board, 1, 0);
        ready(&mut test);
        let mut latency = |line: u64| {
            test.to_read.push_back(Burst {
                line,
                lines: 1,
                id: 7,
            });
            test.finish(100);
            test.lines_read[test.lines_read.len() - 1] - test.taken[test.taken.len() - 1]
        };
        let hit = u64::from(13 + board.cas + board.delay);
        let opened = hit + u64::from(timing.t_rcd);
        // A closed bank, an open row, another row of the bank.
        assert_eq!(latency(300), opened);
        assert_eq!(latency(301), hit);
        assert_eq!(latency(300 + 256), opened + u64::from(timing.t_rp));
    }
}

/// The model of the chip tells of a controller that is given a wrong time.
#[test]
fn wrong_times_are_told_of() {
    let board = &BOARDS[1];
    let right = Timing::new(&board.part, board.mhz, board.cas).expect("it is possible");
    let wrong = [
        (Rule::Rcd, Timing { t_rcd: 2, ..right }),
        (Rule::Rp, Timing { t_rp: 2, ..right }),
        (Rule::Wr, Timing { t_wr: 1, ..right }),
        (Rule::Rfc, Timing { t_rfc: 9, ..right }),
        (Rule::Mrd, Timing { t_mrd: 1, ..right }),
        (
            Rule::LateRefresh,
            Timing {
                interval: 1600,
                ..right
            },
        ),
        (
            Rule::PowerUp,
            Timing {
                power_up: 20,
                ..right
            },
        ),
    ];
    // Each is a controller to build.
    let count = if common::full() { wrong.len() } else { 1 };
    for (rule, timing) in &wrong[..count] {
        let mut test = Test::with_timing(board, timing, 1, 0);
        for step in 0..100_000 {
            // One line, then another row of the same bank, which is written.
            let burst = Burst {
                line: step % 5 * 256,
                lines: 1,
                id: 0,
            };
            match step % 40 {
                0 => test.to_read.push_back(burst),
                20 => test.to_write.push_back(Write {
                    burst: Burst {
                        line: burst.line + 0x10000,
                        ..burst
                    },
                    lines: vec![([1; 4], 0xffff)],
                }),
                _ => {}
            }
            // Only the pins matter.
            test.cycle();
        }
        let told: Vec<Rule> = test
            .chip
            .violations()
            .iter()
            .map(|told| told.rule)
            .collect();
        assert!(told.contains(rule), "{rule:?} of {timing:?}: {told:?}");
    }
}
