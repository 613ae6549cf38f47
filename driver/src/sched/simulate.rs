//! Cycles of a command list: a simulation of the engines at the level of whole commands, between
//! whose starts and ends everything moves at constant rates.

use std::collections::VecDeque;

use isa::command::{COMMAND_BYTES, Command, ENGINE_QUEUE, Operation, TOKENS};
use isa::config::Config;
use isa::format::OutputFormat;

use super::port::share;
use super::timing::Timing;
use crate::compile::{least_cycles, tile_cycles};

/// What keeps commands from their engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// The front end of the card: fetch from memory, program order, queues of
    /// [`ENGINE_QUEUE`] commands.
    FrontEnd,
    /// Nothing: every engine sees its commands at once, whatever stands before them.
    None,
}

/// What a simulation found. Times in cycles from the doorbell.
#[derive(Clone, Debug)]
pub struct Trace {
    /// From doorbell to completion.
    pub cycles: u64,
    /// When each command stood at the head of its engine with all its tokens.
    pub issued: Vec<f64>,
    /// When each command had ended.
    pub ended: Vec<f64>,
}

/// Amounts below this are rounding errors.
const TINY: f64 = 1e-6;

/// An engine's command: where it stands in the program and what it costs.
#[derive(Clone, Copy)]
struct Work {
    index: usize,
    /// Lines, accumulator steps or rows of activations.
    amount: f64,
    /// Lines of the port for one unit of `amount`; 0 for GEMM.
    port: f64,
    /// First accumulator row's bank and whether sums are read (GEMM) or drained (STORE).
    bank: Option<u32>,
}

/// Runs `commands` and returns when everything happened; `None` if they wait for a token that
/// nothing gives.
pub fn simulate(
    commands: &[Command],
    config: &Config,
    timing: &Timing,
    limits: Limits,
) -> Option<Trace> {
    let mut machine = Machine::new(commands, config, *timing, limits);
    while machine.step() {}
    machine.finish()
}

struct Machine<'a> {
    commands: &'a [Command],
    config: &'a Config,
    timing: Timing,
    now: f64,
    tokens: [u32; TOKENS],
    queues: [VecDeque<usize>; 3],
    /// Lines of commands that are still to be fetched, and the arrival of each command.
    fetch_left: f64,
    fetched: usize,
    arrivals: VecDeque<f64>,
    dispatched: usize,
    load: Option<Work>,
    gemm: Option<(Work, f64)>,
    /// The GEMM whose weights enter while the present one runs, and when it may stream.
    next_gemm: Option<(Work, f64)>,
    /// Accumulator row of the newest GEMM.
    sums_at: Option<std::ops::Range<u32>>,
    /// Whether the GEMM that is next waits for the end of all before.
    waits_for_sums: bool,
    /// When the sums of the newest GEMM that has streamed are in the accumulators.
    sums_ready: f64,
    /// The STORE, and when it may send its first line.
    store: Option<(Work, f64)>,
    /// When memory has answered every write.
    answered: f64,
    /// Ends that are foreseen: time and command. In order of time for each engine.
    ending: Vec<(f64, usize)>,
    issued: Vec<f64>,
    ended: Vec<f64>,
    done: usize,
}

impl<'a> Machine<'a> {
    fn new(commands: &'a [Command], config: &'a Config, timing: Timing, limits: Limits) -> Self {
        let mut machine = Self {
            commands,
            config,
            timing,
            now: 0.0,
            tokens: [0; TOKENS],
            queues: Default::default(),
            fetch_left: 0.0,
            fetched: 0,
            arrivals: VecDeque::new(),
            dispatched: 0,
            load: None,
            gemm: None,
            next_gemm: None,
            sums_at: None,
            waits_for_sums: false,
            sums_ready: 0.0,
            store: None,
            answered: 0.0,
            ending: Vec::new(),
            issued: vec![0.0; commands.len()],
            ended: vec![0.0; commands.len()],
            done: 0,
        };
        if limits == Limits::None {
            for (index, command) in commands.iter().enumerate() {
                machine.queues[engine(command)].push_back(index);
            }
            machine.dispatched = commands.len();
            machine.fetched = commands.len();
        } else {
            // Doorbell, the submission's way, then the commands.
            machine.now = timing.latency + 3.0 * timing.step;
            machine.fetch_left = machine.command_lines();
        }
        machine
    }

    fn command_lines(&self) -> f64 {
        COMMAND_BYTES as f64 / f64::from(self.config.port_bytes)
    }

    /// Starts what can start, then moves to the next event. `false` when nothing is left to happen.
    fn step(&mut self) -> bool {
        while self.dispatch() | self.start_load() | self.start_gemm() | self.start_store() {}
        let [load, store, fetch] = share(self.wishes());
        let mut next = f64::INFINITY;
        let mut consider = |time: f64| next = next.min(time);
        if let Some(work) = &self.load {
            consider(self.now + work.amount / load);
        }
        if let Some((work, ready)) = &self.store {
            if *ready > self.now + TINY {
                consider(*ready);
            } else if store > 0.0 {
                consider(self.now + work.amount * work.port / store);
            }
        }
        if self.fetch_wish() > 0.0 {
            consider(self.now + self.fetch_left / fetch);
        }
        if let Some(time) = self.arrivals.front().filter(|time| **time > self.now) {
            consider(*time);
        }
        if let Some((work, start)) = &self.gemm {
            consider(start + work.amount);
        }
        if let Some(start) = self.next_start().filter(|_| self.gemm.is_none()) {
            consider(start);
        }
        for (time, _) in &self.ending {
            consider(*time);
        }
        if next.is_infinite() {
            return false;
        }
        self.advance(next, [load, store, fetch]);
        true
    }

    /// Lines a cycle that LOAD, STORE and the front end could use.
    fn wishes(&self) -> [f64; 3] {
        let load = f64::from(u8::from(self.load.is_some()));
        let store = match &self.store {
            Some((work, ready)) if *ready <= self.now + TINY => {
                if self.bank_is_taken(work) {
                    0.0
                } else {
                    work.port
                }
            }
            _ => 0.0,
        };
        [load, store, self.fetch_wish()]
    }

    fn fetch_wish(&self) -> f64 {
        let ahead = self.fetched - self.dispatched < self.timing.fetch_ahead;
        f64::from(u8::from(ahead && self.fetched < self.commands.len()))
    }

    /// Whether the GEMM that streams reads the bank that this STORE drains.
    fn bank_is_taken(&self, store: &Work) -> bool {
        self.gemm.as_ref().is_some_and(|(gemm, start)| {
            *start <= self.now + TINY && gemm.bank.is_some() && gemm.bank == store.bank
        })
    }

    fn advance(&mut self, time: f64, [load, store, fetch]: [f64; 3]) {
        let elapsed = time - self.now;
        let was = self.now;
        self.now = time;
        if let Some(work) = &mut self.load {
            work.amount -= elapsed * load;
            if work.amount <= TINY {
                self.ending.push((time + self.timing.latency, work.index));
                self.load = None;
            }
        }
        if let Some((work, ready)) = &mut self.store
            && *ready <= was + TINY
            && store > 0.0
        {
            work.amount -= elapsed * store / work.port;
            if work.amount <= TINY {
                self.answered = time + self.timing.latency;
                let end = if releases(&self.commands[work.index]) {
                    time
                } else {
                    self.answered
                };
                self.ending.push((end, work.index));
                self.store = None;
            }
        }
        if fetch > 0.0 {
            self.fetch_left -= elapsed * fetch;
            if self.fetch_left <= TINY {
                self.fetched += 1;
                self.fetch_left = self.command_lines();
                self.arrivals
                    .push_back(time + self.timing.latency + self.timing.step);
            }
        }
        if let Some((work, start)) = self.gemm
            && start + work.amount <= time + TINY
        {
            let way = (self.config.rows + self.config.cols) / 2;
            self.sums_ready = time + f64::from(way) + self.timing.gemm_tail;
            self.ending.push((self.sums_ready, work.index));
            self.gemm = None;
        }
        self.end(time);
    }

    /// Gives the tokens of what has ended.
    fn end(&mut self, time: f64) {
        let (now, later): (Vec<_>, Vec<_>) = self
            .ending
            .drain(..)
            .partition(|(end, _)| *end <= time + TINY);
        self.ending = later;
        for (end, index) in now {
            self.ended[index] = end;
            self.done += 1;
            for token in tokens_of(self.commands[index].signal) {
                self.tokens[token] += 1;
            }
        }
    }

    fn dispatch(&mut self) -> bool {
        if self.dispatched == self.commands.len()
            || self
                .arrivals
                .front()
                .is_none_or(|time| *time > self.now + TINY)
        {
            return false;
        }
        let queue = &mut self.queues[engine(&self.commands[self.dispatched])];
        if queue.len() == ENGINE_QUEUE {
            return false;
        }
        queue.push_back(self.dispatched);
        self.dispatched += 1;
        self.arrivals.pop_front();
        true
    }

    /// The head of an engine's queue, if its tokens are there; takes them.
    fn take(&mut self, engine: usize) -> Option<usize> {
        let index = *self.queues[engine].front()?;
        let wait = self.commands[index].wait;
        if tokens_of(wait).any(|token| self.tokens[token] == 0) {
            return None;
        }
        for token in tokens_of(wait) {
            self.tokens[token] -= 1;
        }
        self.issued[index] = self.now;
        self.queues[engine].pop_front()
    }

    fn start_load(&mut self) -> bool {
        if self.load.is_some() {
            return false;
        }
        let Some(index) = self.take(0) else {
            return false;
        };
        if let Operation::Load(load) = &self.commands[index].operation {
            let amount = f64::from(load.rows) * f64::from(load.row_lines);
            self.load = Some(Work {
                index,
                amount,
                port: 1.0,
                bank: None,
            });
        }
        true
    }

    fn start_gemm(&mut self) -> bool {
        let mut moved = false;
        if self.next_gemm.is_none()
            && let Some(index) = self.take(1)
            && let Operation::Gemm(gemm) = &self.commands[index].operation
        {
            let stream = gemm.stream();
            let weights = tile_cycles(&stream, self.config);
            let rows = f64::from(gemm.m).max(least_cycles(&stream, self.config));
            let amount = rows * f64::from(gemm.k_tiles);
            let reads = gemm.accumulate == 1 || gemm.k_tiles > 1;
            let bank = reads.then(|| u32::from(gemm.acc_row) / (self.config.acc_rows / 2));
            let start = self.now + weights;
            let sums = u32::from(gemm.acc_row)..u32::from(gemm.acc_row) + u32::from(gemm.m);
            let before = self.sums_at.replace(sums.clone()).unwrap_or_default();
            // The card lets the array run empty before it adds to rows that the GEMM before it
            // reached at another distance from its start.
            self.waits_for_sums = gemm.accumulate == 1
                && sums.start != before.start
                && sums.start < before.end
                && before.start < sums.end;
            self.next_gemm = Some((
                Work {
                    index,
                    amount,
                    port: 0.0,
                    bank,
                },
                start,
            ));
            moved = true;
        }
        if self.gemm.is_none()
            && let Some(start) = self.next_start()
            && start <= self.now + TINY
        {
            self.gemm = self.next_gemm.take().map(|(work, _)| (work, self.now));
            moved = true;
        }
        moved
    }

    /// When the next GEMM may stream, if none streams now.
    fn next_start(&self) -> Option<f64> {
        let (_, start) = self.next_gemm?;
        Some(if self.waits_for_sums {
            start.max(self.sums_ready)
        } else {
            start
        })
    }

    fn start_store(&mut self) -> bool {
        if self.store.is_some() {
            return false;
        }
        let Some(index) = self.take(2) else {
            return false;
        };
        if let Operation::Store(store) = &self.commands[index].operation {
            let values = f64::from(store.m) * f64::from(self.config.cols);
            let bytes = OutputFormat::from_code(store.format).map_or(4, OutputFormat::bytes);
            let work = Work {
                index,
                amount: values * 4.0 / f64::from(self.config.port_bytes),
                port: bytes as f64 / 4.0,
                bank: (store.zero == 0)
                    .then(|| u32::from(store.acc_row) / (self.config.acc_rows / 2)),
            };
            self.store = Some((work, self.now + self.timing.store_head));
        }
        true
    }

    fn finish(self) -> Option<Trace> {
        // The completion's way to memory ends it all.
        let cycles =
            (self.now.max(self.answered) + self.timing.latency + self.timing.step).ceil() as u64;
        (self.done == self.commands.len()).then_some(Trace {
            cycles,
            issued: self.issued,
            ended: self.ended,
        })
    }
}

fn engine(command: &Command) -> usize {
    command.opcode() as usize - 1
}

/// Whether a STORE tells of its end before memory has answered.
fn releases(command: &Command) -> bool {
    matches!(&command.operation, Operation::Store(store) if store.release == 1)
}

fn tokens_of(mask: u16) -> impl Iterator<Item = usize> {
    (0..TOKENS).filter(move |token| mask >> token & 1 == 1)
}
