//! STORE against golden rows: the bytes that reach memory, and how commands end.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng, bursts};
use hdl::engine::StoreEngine;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, requantize};
use verilate::PortRef;

const ACC_ROWS: usize = 64;
const COLUMN_ROWS: usize = 16;
const ROW_SCALES: usize = 128;

#[derive(Clone, Debug)]
struct Store {
    index: u64,
    gives: u64,
    dst_line: u64,
    acc_row: usize,
    m: usize,
    format: OutputFormat,
    column_row: usize,
    row_index: usize,
    release: bool,
    zero: bool,
}

/// A command that was taken.
struct Running {
    store: Store,
    /// Groups that are still to be read: row, group of its row.
    reads: VecDeque<(usize, usize)>,
    bursts: usize,
}

/// How memory and accumulators behave, in percent.
#[derive(Clone, Copy)]
struct Weather {
    entries: u64,
    acc_ready: u64,
    aw_ready: u64,
    w_ready: u64,
    b_valid: u64,
}

const FAIR: Weather = Weather {
    entries: 100,
    acc_ready: 100,
    aw_ready: 100,
    w_ready: 100,
    b_valid: 100,
};

/// What was read: the row of accumulators, unless sums count as zero, the row of column parameters,
/// the part of it, and the row scale.
type Read = (Option<usize>, usize, usize, usize);

struct Both {
    bench: Bench,
    cols: usize,
    lanes: usize,
    port_bytes: usize,
    rng: Rng,
    acc: Vec<Vec<i32>>,
    columns: Vec<Vec<ColumnParam>>,
    scales: Vec<Dyadic>,
    acc_data: Vec<PortRef>,
    column: Vec<PortRef>,
    w_data: Vec<PortRef>,
    /// What was read one and two cycles ago: accumulator row, column row, group, row scale.
    in_read: VecDeque<Option<Read>>,
    next: Option<Store>,
    running: VecDeque<Running>,
    /// Bursts that must be offered, with the index of their command.
    bursts_due: VecDeque<(u64, u64, u64)>,
    /// Lines left of each burst that was taken, and its command.
    sending: VecDeque<(u64, u64)>,
    /// Lines that must be written: bytes, a mark for each quarter.
    lines_due: VecDeque<(Vec<u8>, u64)>,
    /// Answers that memory owes, with their commands.
    answers: VecDeque<u64>,
    unanswered: Vec<u64>,
    /// The command and what befell it.
    fault_now: Option<(u64, u64)>,
    offered: Option<(u64, u64)>,
    line_offered: Option<(Vec<u32>, u64)>,
    dones: Vec<u64>,
    errors: u64,
    faults: usize,
    cycle: u64,
    groups_read: u64,
    stalled_groups: u64,
}

impl Both {
    fn new(cols: usize, port_bytes: usize) -> Self {
        let mut bench = Bench::new(&StoreEngine::new(cols, port_bytes), "store");
        bench.reset();
        let mut rng = Rng(0x5703 + (cols * 64 + port_bytes) as u64);
        let lanes = port_bytes / 4;
        let dyadic = |rng: &mut Rng| Dyadic {
            multiplier: 0x8000 | rng.next() as u16,
            shift: (14 + rng.below(12)) as u8,
        };
        let mut value = || (rng.next() as i32) >> rng.below(20);
        let acc = (0..ACC_ROWS)
            .map(|_| (0..cols).map(|_| value()).collect())
            .collect();
        let param = |rng: &mut Rng| ColumnParam {
            scale: dyadic(rng),
            bias: rng.below(41) as i32 - 20,
        };
        let columns = (0..COLUMN_ROWS)
            .map(|_| (0..cols).map(|_| param(&mut rng)).collect())
            .collect();
        let scales = (0..ROW_SCALES).map(|_| dyadic(&mut rng)).collect();
        Self {
            acc_data: bench.ports("acc_data", cols),
            column: bench.ports("column", 2 * lanes),
            w_data: bench.ports("w_data", lanes),
            bench,
            cols,
            lanes,
            port_bytes,
            rng,
            acc,
            columns,
            scales,
            in_read: vec![None; 2].into(),
            next: None,
            running: VecDeque::new(),
            bursts_due: VecDeque::new(),
            sending: VecDeque::new(),
            lines_due: VecDeque::new(),
            answers: VecDeque::new(),
            unanswered: vec![],
            fault_now: None,
            offered: None,
            line_offered: None,
            dones: vec![],
            errors: 0,
            faults: 0,
            cycle: 0,
            groups_read: 0,
            stalled_groups: 0,
        }
    }

    fn random(&mut self, index: u64) -> Store {
        let rng = &mut self.rng;
        let m = [1, 2, 3, 5, 8, 1 + rng.below(ACC_ROWS as u64)][rng.below(6) as usize] as usize;
        Store {
            index,
            gives: rng.below(1 << 16),
            dst_line: (rng.next() >> 12) / 256 * 256
                + [0, 250, rng.below(256)][rng.below(3) as usize],
            acc_row: rng.below((ACC_ROWS - m + 1) as u64) as usize,
            m,
            format: OutputFormat::ALL[rng.below(3) as usize],
            column_row: rng.below(COLUMN_ROWS as u64) as usize,
            row_index: rng.below((ROW_SCALES - m + 1) as u64) as usize,
            release: rng.chance(50),
            zero: rng.chance(20),
        }
    }

    /// The bytes of a result.
    fn bytes(&self, store: &Store) -> Vec<u8> {
        let mut bytes = vec![];
        for row in 0..store.m {
            for col in 0..self.cols {
                let acc = match store.zero {
                    true => 0,
                    false => self.acc[store.acc_row + row][col],
                };
                let scale = self.scales[store.row_index + row];
                let param = self.columns[store.column_row][col];
                let value = requantize(acc, scale, param, store.format);
                bytes.extend(&value.to_le_bytes()[..store.format.bytes()]);
            }
        }
        bytes
    }

    fn take(&mut self, store: Store) {
        let bytes = self.bytes(&store);
        let lines = bytes.chunks(self.port_bytes);
        let all = bursts(store.dst_line, lines.len() as u64, self.port_bytes as u64);
        self.bursts_due
            .extend(all.iter().map(|&(line, lines)| (line, lines, store.index)));
        for line in lines {
            assert_eq!(line.len() % (self.port_bytes / 4), 0, "whole quarters");
            let quarters = line.len() / (self.port_bytes / 4);
            self.lines_due
                .push_back((line.to_vec(), (1 << quarters) - 1));
        }
        let parts = self.cols / self.lanes;
        let reads = (0..store.m * parts)
            .map(|group| (group / parts, group % parts))
            .collect();
        self.running.push_back(Running {
            store,
            reads,
            bursts: all.len(),
        });
    }

    fn offer(&mut self) {
        self.bench.set("entry_valid", self.next.is_some().into());
        if let Some(store) = &self.next {
            self.bench.set_fields(
                "entry",
                &[
                    (store.index, 16),
                    (0x5a5a, 16),
                    (store.gives, 16),
                    (store.dst_line, 53),
                    (store.acc_row as u64, 16),
                    (store.m as u64, 16),
                    (store.format as u64, 2),
                    (store.column_row as u64, 16),
                    (store.row_index as u64, 16),
                    (store.zero.into(), 1),
                    (store.release.into(), 1),
                ],
            );
        }
    }

    /// Gives the row that was read two cycles ago; noise when there was none.
    fn give(&mut self) {
        let read = self.in_read.pop_back().flatten();
        let rng = &mut self.rng;
        for (col, port) in self.acc_data.iter().enumerate() {
            let row = read.and_then(|(row, ..)| row);
            let value = row.map_or(rng.next(), |row| self.acc[row][col] as u64);
            self.bench.model.set(*port, value & 0xffff_ffff);
        }
        let words = read.map(|(_, column_row, part, _)| {
            let params = &self.columns[column_row][part * self.lanes..][..self.lanes];
            params
                .iter()
                .flat_map(|param| param.to_words())
                .collect::<Vec<u32>>()
        });
        for (index, port) in self.column.iter().enumerate() {
            let value = words
                .as_ref()
                .map_or(rng.next() as u32, |words| words[index]);
            self.bench.model.set(*port, u64::from(value));
        }
        let scale = read.map_or(rng.next() as u32, |(.., scale)| {
            self.scales[scale].to_word()
        });
        self.bench.set("scale", u64::from(scale));
    }

    fn check_read(&mut self, acc_ready: bool) {
        let read = self.bench.is("acc_read");
        let running = self
            .running
            .iter_mut()
            .find(|running| !running.reads.is_empty());
        // Zeros are taken without a look at the accumulators, whatever they are doing.
        let zero = running.as_ref().is_some_and(|running| running.store.zero);
        let params = self.bench.is("params_read");
        let taken = if zero { params } else { read && acc_ready };
        self.stalled_groups += u64::from(read && !acc_ready);
        assert_eq!(params, taken, "parameters are read with the row");
        assert!(!(zero && read), "zeros are not read");
        self.in_read.push_front(None);
        if !read && !taken {
            return;
        }
        let running = running.expect("a row is read for a command");
        let store = &running.store;
        let (row, part) = running.reads[0];
        assert_eq!(self.bench.get("acc_row"), (store.acc_row + row) as u64);
        if !taken {
            return;
        }
        let parts = self.cols / self.lanes;
        assert_eq!(
            self.bench.get("column_row"),
            (store.column_row * parts + part) as u64
        );
        assert_eq!(self.bench.get("scale_row"), (store.row_index + row) as u64);
        let from = (
            (!zero).then_some(store.acc_row + row),
            store.column_row,
            part,
            store.row_index + row,
        );
        self.in_read[0] = Some(from);
        running.reads.pop_front();
        self.groups_read += 1;
    }

    fn check_writes(&mut self, aw_ready: bool, w_ready: bool) {
        if self.bench.is("w_valid") {
            let data: Vec<u32> = self
                .w_data
                .iter()
                .map(|port| self.bench.model.get(*port) as u32)
                .collect();
            let quarters = self.bench.get("w_quarters");
            let line = (data.clone(), quarters);
            assert!(
                self.line_offered.as_ref().is_none_or(|old| *old == line),
                "a line stays"
            );
            self.line_offered = Some(line);
            let (left, owner) = *self.sending.front().expect("the line's burst was taken");
            assert_eq!(self.bench.is("w_last"), left == 1, "last line of its burst");
            if w_ready {
                self.line_offered = None;
                let (bytes, marks) = self.lines_due.pop_front().expect("a line is due");
                let got: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!((&got[..bytes.len()], quarters), (bytes.as_slice(), marks));
                self.sending[0].0 -= 1;
                if left == 1 {
                    self.sending.pop_front();
                    self.answers.push_back(owner);
                }
            }
        } else {
            assert!(self.line_offered.is_none(), "a line stays");
        }
        if self.bench.is("aw_valid") {
            let burst = (self.bench.get("aw_line"), self.bench.get("aw_lines"));
            assert!(self.offered.is_none_or(|old| old == burst), "a burst stays");
            self.offered = Some(burst);
            let (line, lines, owner) = *self.bursts_due.front().expect("a burst is due");
            assert_eq!(burst, (line, lines));
            if aw_ready {
                self.offered = None;
                self.bursts_due.pop_front();
                self.sending.push_back((lines, owner));
                self.unanswered.push(owner);
            }
        } else {
            assert!(self.offered.is_none(), "a burst stays");
        }
    }

    fn check_ends(&mut self) {
        let fault = self.fault_now.map_or(0, |(_, fault)| fault);
        assert_eq!(self.bench.get("fault"), fault);
        if let Some((index, _)) = self.fault_now.take() {
            assert_eq!(self.bench.get("fault_index"), index);
            self.faults += 1;
        }
        if self.bench.is("done") {
            let ended = self.running.pop_front().expect("a command runs");
            let store = &ended.store;
            let told = (self.bench.get("done_index"), self.bench.get("done_gives"));
            assert_eq!(told, (store.index, store.gives));
            assert!(ended.reads.is_empty(), "all has been read");
            if !store.release {
                let due = self.bursts_due.iter().map(|burst| burst.2);
                let owed = due.chain(self.unanswered.iter().copied());
                assert!(
                    !owed.into_iter().any(|owner| owner == store.index),
                    "all is answered"
                );
                assert!(ended.bursts > 0);
            }
            self.dones.push(store.index);
        }
    }

    fn is_quiet(&self) -> bool {
        self.running.is_empty()
            && self.next.is_none()
            && self.bursts_due.is_empty()
            && self.lines_due.is_empty()
            && self.unanswered.is_empty()
            && self.fault_now.is_none()
    }

    fn cycle(&mut self, weather: Weather) {
        self.cycle += 1;
        self.offer();
        self.give();
        let acc_ready = self.rng.chance(weather.acc_ready);
        let aw_ready = self.rng.chance(weather.aw_ready);
        let w_ready = self.rng.chance(weather.w_ready);
        let b_valid = !self.answers.is_empty() && self.rng.chance(weather.b_valid);
        let bad = self.rng.below(100) < self.errors;
        let b_fault = if bad { 1 + self.rng.below(6) } else { 0 };
        self.bench.set("acc_ready", acc_ready.into());
        self.bench.set("aw_ready", aw_ready.into());
        self.bench.set("w_ready", w_ready.into());
        self.bench.set("b_valid", b_valid.into());
        self.bench.set("b_fault", b_fault);
        self.bench.model.eval();
        self.check_ends();
        if b_valid {
            let owner = self.answers.pop_front().expect("an answer is owed");
            let at = self.unanswered.iter().position(|&one| one == owner);
            self.unanswered
                .remove(at.expect("the burst was not answered"));
            if b_fault != 0 {
                self.fault_now = Some((owner, b_fault));
            }
        }
        self.check_read(acc_ready);
        self.check_writes(aw_ready, w_ready);
        if self.bench.is("idle") {
            let next = self.next.take();
            assert!(self.is_quiet(), "idle says that nothing is under way");
            self.next = next;
        }
        if self.bench.is("entry_ready")
            && let Some(store) = self.next.take()
        {
            self.take(store);
        }
        self.bench.model.cycle();
    }

    fn drain(&mut self, weather: Weather) {
        let mut left = 30_000;
        while !self.is_quiet() {
            self.cycle(weather);
            left -= 1;
            assert!(left > 0, "STORE hangs");
        }
        for _ in 0..4 {
            self.cycle(weather);
        }
        assert!(self.bench.is("idle"), "idle after all is done");
        assert!(!self.bench.is("active"), "and not active");
    }
}

fn random(cols: usize, port_bytes: usize, errors: u64) {
    let mut both = Both::new(cols, port_bytes);
    both.errors = errors;
    let weathers = [
        FAIR,
        Weather {
            acc_ready: 40,
            ..FAIR
        },
        Weather {
            aw_ready: 5,
            ..FAIR
        },
        Weather {
            w_ready: 25,
            ..FAIR
        },
        Weather { b_valid: 2, ..FAIR },
        Weather {
            entries: 5,
            acc_ready: 70,
            aw_ready: 50,
            w_ready: 50,
            b_valid: 30,
        },
    ];
    let commands = 160;
    let mut count = 0;
    while count < commands {
        assert!(both.cycle < 200_000, "STORE hangs");
        let weather = weathers[both.cycle as usize / 400 % weathers.len()];
        if both.next.is_none() && both.rng.chance(weather.entries) {
            let store = both.random(count);
            both.next = Some(store);
            count += 1;
        }
        both.cycle(weather);
    }
    both.drain(FAIR);
    assert!(
        both.dones.iter().copied().eq(0..commands),
        "commands end in their order"
    );
    assert_eq!(both.faults > 0, errors > 0);
    assert!(both.stalled_groups > 0);
}

#[test]
fn one_group_a_row() {
    random(4, 16, 0);
}

#[test]
fn four_groups_a_row() {
    random(16, 16, 0);
}

#[test]
fn wide_port() {
    random(16, 32, 0);
}

#[test]
fn errors_name_their_command() {
    random(4, 16, 10);
}

fn directed(index: u64, m: usize, format: OutputFormat, release: bool) -> Store {
    Store {
        index,
        gives: 1,
        dst_line: 0,
        acc_row: 0,
        m,
        format,
        column_row: 0,
        row_index: 0,
        release,
        zero: false,
    }
}

#[test]
fn release_does_not_wait_for_memory() {
    let mut both = Both::new(4, 16);
    let dead = Weather {
        aw_ready: 0,
        w_ready: 0,
        b_valid: 0,
        ..FAIR
    };
    both.next = Some(directed(0, 8, OutputFormat::I8, true));
    for _ in 0..40 {
        both.cycle(dead);
    }
    assert_eq!(both.dones, [0], "the accumulators were read");
    assert!(!both.bench.is("idle"), "memory has not answered");
    both.drain(FAIR);
    both.next = Some(directed(1, 8, OutputFormat::I8, false));
    for _ in 0..200 {
        both.cycle(Weather { b_valid: 0, ..FAIR });
    }
    assert_eq!(both.dones, [0], "memory has not answered");
    assert!(both.running[0].reads.is_empty() && both.lines_due.is_empty());
    both.drain(FAIR);
    assert_eq!(both.dones, [0, 1]);
}

#[test]
fn reads_wait_for_memory_after_32_groups() {
    let mut both = Both::new(4, 16);
    both.next = Some(directed(0, 64, OutputFormat::I32, true));
    for _ in 0..200 {
        both.cycle(Weather { w_ready: 0, ..FAIR });
    }
    assert_eq!(both.groups_read, 32);
    both.drain(FAIR);
    assert_eq!(both.groups_read, 64);
}

#[test]
fn one_group_a_cycle() {
    let mut both = Both::new(16, 16);
    for (index, format) in OutputFormat::ALL.into_iter().enumerate() {
        both.next = Some(directed(index as u64, 64, format, true));
        let before = both.groups_read;
        while both.groups_read == before {
            both.cycle(FAIR);
        }
        let first = both.cycle;
        while both.groups_read < before + 256 {
            both.cycle(FAIR);
        }
        assert_eq!(both.cycle - first, 255, "{format:?}");
        both.drain(FAIR);
    }
}
