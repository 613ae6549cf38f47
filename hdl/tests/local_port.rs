//! The port of the card's memory, between two masters and a memory in plain Rust.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::pcie::LocalPort;
use verilate::PortRef;

const WORDS: usize = 4;
const BYTES: u64 = 16;
/// Lines from 0 on are only read; from here on the engines write 256 and the window 256.
const WRITTEN: u64 = 1 << 20;

/// What a line that nobody writes holds.
fn constant(line: u64) -> [u32; WORDS] {
    std::array::from_fn(|word| (line as u32).wrapping_mul(0x9e37_79b9) ^ word as u32)
}

/// A line that is written: words and their strobes.
type Line = [(u32, u8); WORDS];

/// Puts the bytes that count into a line.
fn merge(old: &mut [u32; WORDS], new: &Line) {
    for (old, (word, strobes)) in old.iter_mut().zip(new) {
        for byte in 0..4 {
            if strobes >> byte & 1 == 1 {
                *old = *old & !(0xff << (8 * byte)) | word & 0xff << (8 * byte);
            }
        }
    }
}

/// A write burst on its way through a master.
struct Write {
    line: u64,
    data: Vec<Line>,
    given: usize,
    addressed: bool,
}

/// One of the two masters, and what it must see.
struct Master {
    name: &'static str,
    first: u64,
    ar: Option<(u64, u64)>,
    /// Lines that are owed, and whether they are the last of their bursts.
    lines: VecDeque<(u64, bool)>,
    write: Option<Write>,
    offers_w: bool,
    /// Answers that are owed.
    answers: VecDeque<u64>,
    /// What its lines of memory must hold in the end.
    written: Vec<[u32; WORDS]>,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    strobes: Vec<PortRef>,
    /// Lines read, bursts written.
    done: [u64; 2],
    /// It asks for nothing new.
    still: bool,
    /// It asks for no new writes.
    reads_only: bool,
    /// It takes neither lines nor answers.
    lazy: bool,
    /// It gives no data, only addresses.
    dry: bool,
}

impl Master {
    fn new(bench: &Bench, name: &'static str) -> Self {
        Self {
            name,
            first: WRITTEN + if name == "w" { 256 } else { 0 },
            ar: None,
            lines: VecDeque::new(),
            write: None,
            offers_w: false,
            answers: VecDeque::new(),
            written: vec![[0; WORDS]; 256],
            rdata: bench.ports(&format!("{name}_rdata"), WORDS),
            wdata: bench.ports(&format!("{name}_wdata"), WORDS),
            strobes: match name {
                "w" => bench.ports("w_wstrb", WORDS),
                _ => vec![],
            },
            done: [0; 2],
            still: false,
            reads_only: false,
            lazy: false,
            dry: false,
        }
    }

    fn is_window(&self) -> bool {
        self.name == "w"
    }

    /// What it does next.
    fn think(&mut self, rng: &mut Rng) {
        let length = |rng: &mut Rng| match rng.below(10) {
            0 => 1 + rng.below(128),
            _ => 1 + rng.below(6),
        };
        if self.write.is_none() && !self.reads_only && rng.chance(50) {
            let lines = length(rng);
            let window = self.is_window();
            let line = |rng: &mut Rng| -> Line {
                std::array::from_fn(|_| {
                    let strobes = rng.next() as u8;
                    let quarter = if strobes & 1 == 1 { 15 } else { 0 };
                    (
                        rng.next() as u32,
                        if window { strobes & 15 } else { quarter },
                    )
                })
            };
            self.write = Some(Write {
                line: self.first + rng.below(257 - lines),
                data: (0..lines).map(|_| line(rng)).collect(),
                given: 0,
                addressed: false,
            });
        }
        if self.ar.is_none() && rng.chance(50) {
            self.ar = Some((rng.below(1 << 16), length(rng)));
        }
    }

    fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, stall: u64) {
        if !self.still {
            self.think(rng);
        }
        let name = self.name;
        let mut set = |pin: &str, value: u64| bench.set(&format!("{name}_{pin}"), value);
        let (line, lines) = self.ar.unwrap_or((rng.below(99), 1));
        set("arvalid", self.ar.is_some().into());
        set("araddr", line * BYTES);
        set("arlen", lines - 1);
        let address = self.write.as_ref().filter(|write| !write.addressed);
        set("awvalid", address.is_some().into());
        set("awaddr", address.map_or(0, |write| write.line * BYTES));
        set(
            "awlen",
            address.map_or(0, |write| write.data.len() as u64 - 1),
        );
        set("rready", u64::from(!self.lazy && !rng.chance(stall)));
        set("bready", u64::from(!self.lazy && !rng.chance(stall)));
        // The data of the window is at hand; that of the engines comes when it likes.
        let line = self
            .write
            .as_ref()
            .and_then(|write| write.data.get(write.given));
        let hesitates = !self.is_window() && !self.offers_w && rng.chance(stall);
        self.offers_w = line.is_some() && !self.dry && !hesitates;
        set("wvalid", self.offers_w.into());
        let Some(line) = line else { return };
        if !self.is_window() {
            let write = self.write.as_ref().expect("it has a line");
            set("wlast", u64::from(write.given + 1 == write.data.len()));
            set(
                "wquarters",
                (0..4).map(|i| u64::from(line[i].1 != 0) << i).sum(),
            );
        }
        for (pin, (word, _)) in self.wdata.iter().zip(line) {
            bench.model.set(*pin, (*word).into());
        }
        for (pin, (_, strobes)) in self.strobes.iter().zip(line) {
            bench.model.set(*pin, (*strobes).into());
        }
    }

    fn sample(&mut self, bench: &Bench) {
        let name = self.name;
        let get = |pin: &str| bench.get(&format!("{name}_{pin}"));
        let is = |pin: &str| get(pin) == 1;
        if is("rvalid") && is("rready") {
            let (line, last) = self.lines.pop_front().expect("a line is owed");
            let data: Vec<u32> = self
                .rdata
                .iter()
                .map(|pin| bench.model.get(*pin) as u32)
                .collect();
            assert_eq!(data, constant(line), "line {line}");
            assert_eq!((is("rlast"), get("rresp")), (last, line & 3));
            self.done[0] += 1;
        }
        if is("arready")
            && let Some((line, lines)) = self.ar.take()
        {
            let end = line + lines;
            self.lines
                .extend((line..end).map(|line| (line, line + 1 == end)));
        }
        if is("bvalid") && is("bready") {
            assert_eq!(Some(get("bresp")), self.answers.pop_front());
        }
        let Some(write) = &mut self.write else { return };
        if self.offers_w && is("wready") {
            let at = (write.line - self.first) as usize + write.given;
            merge(&mut self.written[at], &write.data[write.given]);
            write.given += 1;
            self.offers_w = false;
        }
        if !write.addressed && is("awready") {
            write.addressed = true;
            self.answers.push_back(write.line & 3);
        }
        if write.addressed && write.given == write.data.len() {
            self.write = None;
            self.done[1] += 1;
        }
    }

    fn forget(&mut self) {
        (self.ar, self.write, self.offers_w) = (None, None, false);
        self.lines.clear();
        self.answers.clear();
    }

    fn is_done(&self) -> bool {
        self.ar.is_none()
            && self.write.is_none()
            && self.lines.is_empty()
            && self.answers.is_empty()
    }
}

/// A burst in memory: next line, lines left, identifier, first line.
type Burst = (u64, u64, u64, u64);

/// The memory.
#[derive(Default)]
struct Memory {
    written: Vec<[u32; WORDS]>,
    reads: Vec<Burst>,
    writes: VecDeque<Burst>,
    /// Identifier and answer.
    answers: Vec<(u64, u64)>,
    r_offered: Option<usize>,
    b_offered: Option<usize>,
    ar_held: Option<Burst>,
    aw_held: Option<Burst>,
}

impl Memory {
    /// The oldest of a random identifier.
    fn choose(ids: &[u64], rng: &mut Rng) -> Option<usize> {
        let id = ids.get(rng.below(ids.len().max(1) as u64) as usize)?;
        ids.iter().position(|other| other == id)
    }

    fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, rdata: &[PortRef], stall: u64) {
        bench.set("l_arready", u64::from(!rng.chance(stall)));
        bench.set("l_awready", u64::from(!rng.chance(stall)));
        bench.set(
            "l_wready",
            u64::from(!self.writes.is_empty() && !rng.chance(stall)),
        );
        if self.r_offered.is_none() && !rng.chance(stall) {
            let ids: Vec<u64> = self.reads.iter().map(|read| read.2).collect();
            self.r_offered = Self::choose(&ids, rng);
        }
        if self.b_offered.is_none() && !rng.chance(stall) {
            let ids: Vec<u64> = self.answers.iter().map(|answer| answer.0).collect();
            self.b_offered = Self::choose(&ids, rng);
        }
        bench.set("l_rvalid", self.r_offered.is_some().into());
        let junk = (rng.next() >> 20, rng.below(2), rng.below(2), 0);
        let (line, left, id, _) = self.r_offered.map_or(junk, |index| self.reads[index]);
        bench.set("l_rid", id);
        bench.set("l_rlast", u64::from(left == 1));
        bench.set("l_rresp", line & 3);
        for (pin, word) in rdata.iter().zip(constant(line)) {
            bench.model.set(*pin, word.into());
        }
        bench.set("l_bvalid", self.b_offered.is_some().into());
        let answer = self
            .b_offered
            .map_or((rng.below(2), rng.below(4)), |index| self.answers[index]);
        bench.set("l_bid", answer.0);
        bench.set("l_bresp", answer.1);
    }

    fn sample(&mut self, bench: &Bench, wdata: &[PortRef], strobes: &[PortRef]) {
        assert!(bench.is("l_rready") && bench.is("l_bready"));
        if bench.is("l_wvalid") && bench.is("l_wready") {
            let write = self.writes.front_mut().expect("memory waits for data");
            let line: Line = std::array::from_fn(|word| {
                let strobes = bench.model.get(strobes[word]) as u8;
                (bench.model.get(wdata[word]) as u32, strobes)
            });
            merge(&mut self.written[(write.0 - WRITTEN) as usize], &line);
            assert_eq!(bench.is("l_wlast"), write.1 == 1);
            (write.0, write.1) = (write.0 + 1, write.1 - 1);
            if write.1 == 0 {
                self.answers.push((write.2, write.3 & 3));
                self.writes.pop_front();
            }
        }
        for (channel, held) in [("ar", &mut self.ar_held), ("aw", &mut self.aw_held)] {
            let get = |pin: &str| bench.get(&format!("l_{channel}{pin}"));
            let line = get("addr") / BYTES;
            let burst = (get("valid") == 1).then(|| (line, get("len") + 1, get("id"), line));
            assert!(held.is_none() || *held == burst, "what is offered stays");
            *held = burst.filter(|_| get("ready") == 0);
            match burst.filter(|_| get("ready") == 1) {
                Some(burst) if channel == "ar" => self.reads.push(burst),
                Some(burst) => self.writes.push_back(burst),
                None => {}
            }
        }
        if let Some(index) = self.r_offered.take() {
            let read = &mut self.reads[index];
            (read.0, read.1) = (read.0 + 1, read.1 - 1);
            if read.1 == 0 {
                self.reads.remove(index);
            }
        }
        if let Some(index) = self.b_offered.take() {
            self.answers.remove(index);
        }
    }

    fn owes_nothing(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty() && self.answers.is_empty()
    }
}

struct Test {
    bench: Bench,
    rng: Rng,
    masters: [Master; 2],
    memory: Memory,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    strobes: Vec<PortRef>,
    stall: u64,
}

impl Test {
    fn new(seed: u64, stall: u64) -> Self {
        let mut bench = Bench::new(&LocalPort::new(WORDS), "local_port");
        bench.reset();
        Self {
            masters: ["e", "w"].map(|name| Master::new(&bench, name)),
            memory: Memory {
                written: vec![[0; WORDS]; 512],
                ..Memory::default()
            },
            rdata: bench.ports("l_rdata", WORDS),
            wdata: bench.ports("l_wdata", WORDS),
            strobes: bench.ports("l_wstrb", WORDS),
            rng: Rng(seed),
            bench,
            stall,
        }
    }

    fn cycle(&mut self) {
        self.drive();
        for master in &mut self.masters {
            master.sample(&self.bench);
        }
        self.end_cycle();
    }

    /// A cycle whose outputs the masters do not see.
    fn deaf_cycle(&mut self) {
        self.drive();
        self.end_cycle();
    }

    fn drive(&mut self) {
        let Self { bench, rng, .. } = self;
        for master in &mut self.masters {
            master.drive(bench, rng, self.stall);
        }
        self.memory.drive(bench, rng, &self.rdata, self.stall);
        bench.model.eval();
    }

    fn end_cycle(&mut self) {
        self.memory.sample(&self.bench, &self.wdata, &self.strobes);
        self.bench.model.cycle();
    }

    /// Lets everything end and compares memory.
    fn finish(&mut self) {
        for master in &mut self.masters {
            master.still = true;
        }
        let mut cycles = 0;
        while !(self.bench.is("idle") && self.masters.iter().all(Master::is_done)) {
            self.cycle();
            cycles += 1;
            assert!(cycles < 20_000, "it comes to rest");
        }
        assert!(self.memory.owes_nothing());
        let [engines, window] = &self.masters;
        assert!(
            self.memory.written[..256] == engines.written,
            "the engines' lines"
        );
        assert!(
            self.memory.written[256..] == window.written,
            "the window's lines"
        );
        for master in &mut self.masters {
            master.still = false;
        }
    }
}

#[test]
fn both_masters_read_and_write_what_they_asked_for() {
    for (seed, stall) in [(1, 0), (2, 30), (3, 70)] {
        let mut test = Test::new(seed, stall);
        for _ in 0..3 {
            for _ in 0..6000 {
                test.cycle();
            }
            test.finish();
        }
        for master in &test.masters {
            assert!(
                master.done.iter().all(|count| *count > 100),
                "{:?}",
                master.done
            );
        }
    }
}

#[test]
fn a_master_that_takes_nothing_does_not_hold_the_other_up() {
    for lazy in 0..2 {
        let mut test = Test::new(4, 10);
        test.masters[lazy].lazy = true;
        for _ in 0..5000 {
            test.cycle();
        }
        let before = test.masters[1 - lazy].done;
        for _ in 0..5000 {
            test.cycle();
        }
        let after = test.masters[1 - lazy].done;
        assert!(
            after[0] > before[0] + 500 && after[1] > before[1] + 50,
            "{before:?} {after:?}"
        );
        test.masters[lazy].lazy = false;
        test.finish();
    }
}

#[test]
fn a_write_of_the_engines_without_data_does_not_hold_the_window_up() {
    let mut test = Test::new(5, 10);
    test.masters[0].dry = true;
    for _ in 0..5000 {
        test.cycle();
    }
    assert!(test.masters[1].done[1] > 100);
    assert!(test.masters[0].done[1] == 0);
    test.masters[0].dry = false;
    test.finish();
}

#[test]
fn after_a_restart_memory_comes_to_rest_first() {
    let mut test = Test::new(6, 40);
    let mut interrupted = 0;
    for _ in 0..300 {
        for _ in 0..test.rng.below(150) {
            test.cycle();
        }
        let window = test.masters[1].write.as_ref();
        let within = window.is_some_and(|write| write.addressed && write.given < write.data.len());
        interrupted += usize::from(within);
        for master in &mut test.masters {
            master.forget();
            master.still = true;
        }
        test.bench.set("restart", 1);
        test.deaf_cycle();
        test.bench.set("restart", 0);
        // The masters ask for more at once; the engines' writes that were begun are ended, the
        // others are not, so that memory tells what it must hold.
        test.masters[0].reads_only = true;
        for master in &mut test.masters {
            master.still = false;
        }
        let mut cycles = 0;
        while test
            .masters
            .iter()
            .all(|master| master.lines.is_empty() && master.answers.is_empty())
        {
            test.cycle();
            cycles += 1;
            assert!(cycles < 5000, "work goes on");
        }
        test.masters[0].reads_only = false;
        test.masters[0]
            .written
            .copy_from_slice(&test.memory.written[..256]);
    }
    test.finish();
    assert!(interrupted > 20, "{interrupted}");
}

#[test]
fn a_reset_forgets_at_once() {
    let mut test = Test::new(7, 40);
    for _ in 0..50 {
        for _ in 0..test.rng.below(100) {
            test.cycle();
        }
        test.bench.reset();
        test.bench.model.eval();
        assert!(test.bench.is("idle"));
        for master in &mut test.masters {
            master.forget();
        }
        let written = std::mem::take(&mut test.memory.written);
        test.masters[0].written.copy_from_slice(&written[..256]);
        test.masters[1].written.copy_from_slice(&written[256..]);
        test.memory = Memory {
            written,
            ..Memory::default()
        };
    }
    test.finish();
}

#[test]
fn lines_come_back_to_back() {
    let mut test = Test::new(8, 0);
    for master in &mut test.masters {
        master.still = true;
    }
    let start = test.masters[0].done[0];
    for _ in 0..2000 {
        let engines = &mut test.masters[0];
        if engines.ar.is_none() {
            engines.ar = Some((0, 64));
        }
        test.cycle();
    }
    let lines = test.masters[0].done[0] - start;
    assert!(lines > 1980, "{lines} lines in 2000 cycles");
    test.finish();
}

#[test]
fn quarters_of_a_line_of_eight_words_are_two_words() {
    let mut bench = Bench::new(&LocalPort::new(8), "local_port");
    let strobes = bench.ports("l_wstrb", 8);
    bench.reset();
    for quarters in 0..16u64 {
        for (pin, value) in [
            ("e_awvalid", 1),
            ("e_wvalid", 1),
            ("e_wlast", 1),
            ("e_wquarters", quarters),
            ("e_bready", 1),
        ] {
            bench.set(pin, value);
        }
        bench.model.cycle();
        bench.set("e_awvalid", 0);
        bench.set("e_wvalid", 0);
        bench.set("l_awready", 1);
        bench.set("l_wready", 1);
        let sent = (0..10).find_map(|_| {
            bench.model.eval();
            let line = bench.is("l_wvalid").then(|| {
                strobes
                    .iter()
                    .map(|pin| bench.model.get(*pin))
                    .collect::<Vec<_>>()
            });
            bench.model.cycle();
            line
        });
        let expected = (0..8).map(|word| {
            if quarters >> (word / 2) & 1 == 1 {
                15
            } else {
                0
            }
        });
        assert_eq!(sent, Some(expected.collect()), "{quarters:04b}");
        bench.set("l_bvalid", 1);
        bench.model.cycle();
        bench.set("l_bvalid", 0);
    }
}
