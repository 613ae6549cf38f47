//! The read engine between its users: runs in, requests out, completions in, lines out.

use std::collections::VecDeque;

use hdl::pcie::ReadEngine;
use pcie::stream::{Beat, Joiner};
use verilate::PortRef;

use crate::common::{Bench, Rng};
use crate::host::{Host, Manners, byte};

/// Bytes to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub addr: u64,
    pub bytes: u64,
    pub id: u64,
}

/// A run that was taken.
#[derive(Clone, Debug)]
struct Owed {
    run: Run,
    /// Requests for parts of it: bytes from, to, index of the request.
    parts: Vec<(u64, u64, usize)>,
    /// Next line to come out.
    line: u64,
    /// Bus master was off at some time since, so that parts may be missing.
    refused: bool,
}

impl Owed {
    fn end(&self) -> u64 {
        self.run.addr + self.run.bytes
    }
}

/// What the users are like, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub ar_valid: u64,
    pub tx_ready: u64,
    pub r_ready: u64,
    pub cpl: u64,
    /// Beats of completions are full, otherwise of any number of words.
    pub full: bool,
}

/// Everything at full speed.
pub const SUN: Weather = Weather {
    ar_valid: 100,
    tx_ready: 100,
    r_ready: 100,
    cpl: 100,
    full: true,
};

struct Ports {
    reset: PortRef,
    link_down: PortRef,
    timeout: PortRef,
    bus_master: PortRef,
    ar: [PortRef; 5],
    r: [PortRef; 6],
    r_data: Vec<PortRef>,
    cpl: [PortRef; 10],
    cpl_data: Vec<PortRef>,
    tx: [PortRef; 4],
    tx_data: Vec<PortRef>,
    ticks: [PortRef; 3],
}

/// Counts of what has happened.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Lines by cause of failure, 0 for good ones.
    pub lines: [u64; 8],
    pub requests: u64,
    pub payload_beats: u64,
    pub orphans: u64,
    /// Requests that were begun when the link went down.
    pub torn: u64,
    /// Most tags that rested at the same time.
    pub resting: usize,
    pub reused: u64,
    pub first_payload: Option<u64>,
    pub last_payload: u64,
    pub last_line: u64,
    pub ticks: [u64; 3],
}

pub struct Reader {
    bench: Bench,
    ports: Ports,
    words: usize,
    line_bytes: u64,
    limit: u64,
    id: u16,
    pub host: Host,
    pub rng: Rng,
    pub weather: Weather,
    pub runs: VecDeque<Run>,
    owed: VecDeque<Owed>,
    joiner: Joiner,
    mid_packet: bool,
    /// The packet under way was begun before a reset.
    orphan: bool,
    held_tx: Option<(Beat, bool)>,
    held_r: Option<Vec<u64>>,
    pub bus_master: bool,
    pub reset: bool,
    /// The link forgets what was begun; only with `reset`.
    pub link_down: bool,
    pub now: u64,
    pub seen: Seen,
}

impl Reader {
    pub fn new(
        words: usize,
        line_bytes: usize,
        max_read: u64,
        timeout: u64,
        manners: Manners,
    ) -> Self {
        Self::resting(words, line_bytes, max_read, timeout, manners, 1)
    }

    /// An engine whose tags rest as if no timeout had been shorter than `rest_timeout`.
    pub fn resting(
        words: usize,
        line_bytes: usize,
        max_read: u64,
        timeout: u64,
        manners: Manners,
        rest_timeout: u32,
    ) -> Self {
        let block = ReadEngine::new(words, line_bytes, rest_timeout);
        let mut bench = Bench::new(&block, "read_engine");
        let ports = Ports {
            reset: bench.port("reset"),
            link_down: bench.port("link_down"),
            timeout: bench.port("timeout"),
            bus_master: bench.port("cfg_bus_master"),
            ar: ["ar_valid", "ar_addr", "ar_bytes", "ar_id", "ar_ready"]
                .map(|name| bench.port(name)),
            r: ["r_valid", "r_id", "r_resp", "r_user", "r_last", "r_ready"]
                .map(|name| bench.port(name)),
            r_data: bench.ports("r_data", line_bytes / 4),
            cpl: [
                "cpl_valid",
                "cpl_first",
                "cpl_last",
                "cpl_good",
                "cpl_tag",
                "cpl_status",
                "cpl_poison",
                "cpl_bytes",
                "cpl_lower",
                "cpl_count",
            ]
            .map(|name| bench.port(name)),
            cpl_data: bench.ports("cpl_data", words),
            tx: ["tx_valid", "tx_last", "tx_keep", "tx_ready"].map(|name| bench.port(name)),
            tx_data: bench.ports("tx_data", words),
            ticks: ["tick_requests", "tick_beats", "tick_tags"].map(|name| bench.port(name)),
        };
        let id = 0x1a35;
        bench.set("cfg_id", id.into());
        bench.set("cfg_max_read", max_read);
        bench.set("cfg_bus_master", 1);
        bench.reset();
        let mut reader = Self {
            bench,
            ports,
            words,
            line_bytes: line_bytes as u64,
            limit: (128 << max_read).min(512),
            id,
            host: Host::new(manners, 2 * u64::from(rest_timeout)),
            rng: Rng(0x0ead + (words * 64 + line_bytes) as u64 + max_read),
            weather: SUN,
            runs: VecDeque::new(),
            owed: VecDeque::new(),
            joiner: Joiner::default(),
            mid_packet: false,
            orphan: false,
            held_tx: None,
            held_r: None,
            bus_master: true,
            reset: false,
            link_down: false,
            now: 0,
            seen: Seen::default(),
        };
        reader.set_timeout(timeout);
        reader
    }

    /// Software sets another timeout.
    pub fn set_timeout(&mut self, timeout: u64) {
        self.bench.model.set(self.ports.timeout, timeout);
        self.host.rest = self.host.rest.max(2 * timeout);
        // A timeout of 0 never comes.
        self.host.timeout = if timeout == 0 { 1 << 40 } else { timeout };
    }

    /// Whether every run has given its last line.
    pub fn is_done(&self) -> bool {
        self.runs.is_empty() && self.owed.is_empty()
    }

    /// Runs that are taken and have not given their last line.
    pub fn open(&self) -> usize {
        self.owed.len()
    }

    /// Whether a request is begun and not finished.
    pub fn is_mid_packet(&self) -> bool {
        self.mid_packet
    }

    /// One cycle.
    pub fn step(&mut self) {
        self.bench.model.set(self.ports.reset, self.reset.into());
        self.bench
            .model
            .set(self.ports.link_down, self.link_down.into());
        self.bench
            .model
            .set(self.ports.bus_master, self.bus_master.into());
        if !self.bus_master {
            for owed in &mut self.owed {
                owed.refused = true;
            }
        }
        let run = self
            .runs
            .front()
            .copied()
            .filter(|_| self.rng.chance(self.weather.ar_valid));
        let [valid, addr, bytes, id, ar_ready] = self.ports.ar;
        self.bench.model.set(valid, run.is_some().into());
        if let Some(run) = run {
            self.bench.model.set(addr, run.addr);
            self.bench.model.set(bytes, run.bytes);
            self.bench.model.set(id, run.id);
        }
        let tx_ready = self.rng.chance(self.weather.tx_ready);
        let r_ready = self.rng.chance(self.weather.r_ready);
        self.bench.model.set(self.ports.tx[3], tx_ready.into());
        self.bench.model.set(self.ports.r[5], r_ready.into());
        let arrives = self.drive_completion();
        self.bench.model.eval();

        let line_taken = self.check_line(r_ready);
        self.check_request(tx_ready);
        for (count, port) in self.seen.ticks.iter_mut().zip(self.ports.ticks) {
            *count += self.bench.model.get(port);
        }
        if let Some(run) = run
            && self.bench.model.get(ar_ready) == 1
        {
            self.runs.pop_front();
            self.owed.push_back(Owed {
                run,
                parts: vec![],
                line: run.addr / self.line_bytes,
                refused: !self.bus_master,
            });
        }
        if line_taken {
            self.seen.last_line = self.now;
        }
        if arrives {
            self.host.arrived(self.now);
        }
        if self.reset {
            self.owed.clear();
            self.orphan = self.mid_packet;
            self.held_r = None;
        }
        if self.link_down {
            self.seen.torn += u64::from(self.mid_packet);
            self.orphan = false;
            self.mid_packet = false;
            self.held_tx = None;
            self.joiner = Joiner::default();
        }
        self.bench.model.cycle();
        self.now += 1;
        if self.now.is_multiple_of(64) {
            self.seen.resting = self.seen.resting.max(self.host.resting(self.now));
        }
    }

    /// Offers a beat of a completion; tells whether it ends its packet.
    fn drive_completion(&mut self) -> bool {
        let [
            valid,
            first,
            last,
            good,
            tag,
            status,
            poison,
            bytes,
            lower,
            count,
        ] = self.ports.cpl;
        self.host.choose(self.now, &mut self.rng);
        let go = self.rng.chance(self.weather.cpl);
        let Some(inbound) = self.host.inbound.as_mut().filter(|_| go) else {
            self.bench.model.set(valid, 0);
            return false;
        };
        let answer = &inbound.answer;
        let left = answer.words.len() - inbound.at;
        let most = left.min(self.words);
        let words = match self.weather.full {
            true => most,
            false => self.rng.below(most as u64 + 1) as usize,
        };
        let is_last = words == left;
        let model = &mut self.bench.model;
        model.set(valid, 1);
        model.set(first, (!inbound.begun).into());
        model.set(last, is_last.into());
        // Only the last beat tells.
        model.set(
            good,
            if is_last {
                answer.good.into()
            } else {
                self.rng.below(2)
            },
        );
        model.set(tag, answer.tag);
        model.set(status, answer.status);
        model.set(poison, answer.poison.into());
        model.set(bytes, answer.bytes);
        model.set(lower, answer.lower);
        model.set(count, words as u64);
        for (index, &port) in self.ports.cpl_data.iter().enumerate() {
            let word = match index < words {
                true => answer.words[inbound.at + index],
                false => self.rng.next() as u32,
            };
            model.set(port, word.into());
        }
        inbound.at += words;
        inbound.begun = true;
        if words > 0 {
            self.seen.payload_beats += 1;
            self.seen.first_payload.get_or_insert(self.now);
            self.seen.last_payload = self.now;
        }
        is_last
    }

    /// Holds the line that is offered against memory.
    fn check_line(&mut self, ready: bool) -> bool {
        let model = &self.bench.model;
        let [valid, id, resp, user, last, _] = self.ports.r;
        if model.get(valid) == 0 {
            assert!(self.held_r.is_none(), "an offered line stays");
            return false;
        }
        let mut all: Vec<u64> = [id, resp, user, last].map(|port| model.get(port)).to_vec();
        all.extend(self.ports.r_data.iter().map(|port| model.get(*port)));
        if let Some(held) = &self.held_r {
            assert_eq!(held, &all, "an offered line stays");
        } else {
            let owed = self.owed.front().expect("a line that somebody asked for");
            let from = owed.line * self.line_bytes;
            let (start, end) = (
                owed.run.addr.max(from),
                owed.end().min(from + self.line_bytes),
            );
            let mut causes: Vec<u64> = (start..end)
                .map(|at| {
                    let part = owed
                        .parts
                        .iter()
                        .find(|(from, to, _)| (*from..*to).contains(&at));
                    match part {
                        Some((_, _, of)) => {
                            let request = &self.host.requests[*of];
                            match request.open.contains(&all[2]) {
                                true => all[2],
                                false => request
                                    .outcome(self.now, self.host.timeout)
                                    .expect("a line comes when its request has ended"),
                            }
                        }
                        None => {
                            assert!(owed.refused, "byte {at:#x} was never asked for");
                            5
                        }
                    }
                })
                .collect();
            causes.dedup();
            assert_eq!(causes.len(), 1, "a line is of one request");
            let cause = causes[0];
            let wanted: Vec<u8> = (from..from + self.line_bytes)
                .map(|at| match cause == 0 && (start..end).contains(&at) {
                    true => byte(at),
                    false => 0,
                })
                .collect();
            let got: Vec<u8> = all[4..]
                .iter()
                .flat_map(|word| (*word as u32).to_le_bytes())
                .collect();
            let ends = end == owed.end();
            let text = format!("cycle {}, line {from:#x} of {:x?}", self.now, owed.run);
            assert_eq!(
                all[..4],
                [
                    owed.run.id,
                    if cause == 0 { 0 } else { 2 },
                    cause,
                    ends.into()
                ],
                "{text}"
            );
            assert_eq!(got, wanted, "{text}");
        }
        if !ready {
            self.held_r = Some(all);
            return false;
        }
        self.held_r = None;
        self.seen.lines[all[2] as usize] += 1;
        let owed = self.owed.front_mut().expect("it was there above");
        owed.line += 1;
        if all[3] == 1 {
            self.owed.pop_front();
        }
        true
    }

    /// Takes a beat of a request.
    fn check_request(&mut self, ready: bool) {
        let model = &self.bench.model;
        let [valid, last, keep, _] = self.ports.tx;
        if model.get(valid) == 0 {
            assert!(!self.mid_packet || self.link_down, "a packet has no gaps");
            let withdrawn = self.reset || !self.bus_master;
            assert!(
                self.held_tx.is_none() || withdrawn,
                "an offered packet stays"
            );
            self.held_tx = None;
            return;
        }
        assert!(!self.link_down, "nothing goes on");
        assert!(
            self.mid_packet || (self.bus_master && !self.reset),
            "no packet begins"
        );
        let mut beat = Beat {
            keep: model.get(keep) as u8,
            last: model.get(last) == 1,
            ..Beat::default()
        };
        for (word, port) in beat.data.iter_mut().zip(&self.ports.tx_data) {
            *word = model.get(*port) as u32;
        }
        let full = (1 << self.words) - 1;
        assert!(
            beat.keep == full || (beat.last && beat.keep.count_ones() == beat.keep.trailing_ones())
        );
        if let Some((held, begun)) = self.held_tx {
            assert_eq!(
                (held, begun),
                (beat, self.mid_packet),
                "what is offered stays"
            );
        }
        self.held_tx = (!ready).then_some((beat, self.mid_packet));
        if !ready {
            return;
        }
        self.mid_packet = !beat.last;
        let Some(packet) = self.joiner.push(&beat) else {
            return;
        };
        self.seen.requests += 1;
        self.seen.reused += u64::from(self.host.requests.len() >= 32);
        let of = self.host.requests.len();
        let (start, end) = self
            .host
            .take(&packet, self.id, self.limit, self.now, &mut self.rng);
        if std::mem::take(&mut self.orphan) {
            self.seen.orphans += 1;
            return;
        }
        // The next bytes that nobody has asked for, unless bus master was off.
        let owed = self.owed.iter_mut().find(|owed| {
            let asked = owed.parts.last().map_or(owed.run.addr, |(_, to, _)| *to);
            asked < owed.end() && !(owed.refused && (start < asked || end > owed.end()))
        });
        let owed = owed.expect("a request of a run");
        let asked = owed.parts.last().map_or(owed.run.addr, |(_, to, _)| *to);
        assert!(
            start == asked || (owed.refused && start > asked),
            "{start:#x} after {asked:#x}"
        );
        assert!(end <= owed.end(), "not beyond the run");
        owed.parts.push((start, end, of));
    }
}
