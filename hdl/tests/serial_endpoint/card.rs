//! The card around the endpoint: registers, memory and bursts to the host.

use std::collections::VecDeque;

use verilate::PortRef;

use super::common::{Bench, Rng};
use super::host::{HOST_BYTES, Host};

/// Ports of a bench by their names.
struct Ports {
    prefix: &'static str,
    names: &'static [&'static str],
    refs: Vec<PortRef>,
}

impl Ports {
    fn new(bench: &Bench, prefix: &'static str, names: &'static [&'static str]) -> Self {
        let refs = names
            .iter()
            .map(|name| bench.port(&format!("{prefix}{name}")))
            .collect();
        Self {
            prefix,
            names,
            refs,
        }
    }

    fn port(&self, name: &str) -> PortRef {
        let index = self.names.iter().position(|other| *other == name);
        self.refs[index.unwrap_or_else(|| panic!("no {}{name}", self.prefix))]
    }

    fn get(&self, bench: &Bench, name: &str) -> u64 {
        bench.model.get(self.port(name))
    }

    fn is(&self, bench: &Bench, name: &str) -> bool {
        self.get(bench, name) == 1
    }

    fn set(&self, bench: &mut Bench, name: &str, value: impl Into<u64>) {
        bench.model.set(self.port(name), value.into());
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u32::from_le_bytes(*word).into())
}

fn line(bench: &Bench, ports: &[PortRef]) -> Vec<u8> {
    let word = |port: &PortRef| (bench.model.get(*port) as u32).to_le_bytes();
    ports.iter().flat_map(word).collect()
}

/// Registers: plain words.
pub struct Registers {
    pub values: Vec<u32>,
    ports: Ports,
    next: Option<u32>,
}

impl Registers {
    pub fn new(bench: &Bench) -> Self {
        Self {
            values: vec![0; 1024],
            ports: Ports::new(bench, "reg_", &["write", "read", "addr", "wdata", "rdata"]),
            next: None,
        }
    }

    pub fn drive(&mut self, bench: &mut Bench, rng: &mut Rng) {
        let value = self.next.take().unwrap_or(rng.next() as u32);
        self.ports.set(bench, "rdata", value);
    }

    pub fn settle(&mut self, bench: &Bench) {
        let at = self.ports.get(bench, "addr") as usize;
        if self.ports.is(bench, "write") {
            assert_eq!(at % 4, 0);
            self.values[at / 4] = self.ports.get(bench, "wdata") as u32;
        }
        if self.ports.is(bench, "read") {
            assert_eq!(at % 4, 0);
            self.next = Some(self.values[at / 4]);
        }
    }
}

/// Card memory behind `w_*`: one burst of one line at a time.
pub struct CardMemory {
    pub bytes: Vec<u8>,
    ports: Ports,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    read: Option<usize>,
    write: Option<usize>,
    owed: bool,
    offers: [bool; 2],
}

/// Lines that cannot be read: every seventh.
pub fn is_broken(line: usize) -> bool {
    line % 7 == 3
}

impl CardMemory {
    pub fn new(bench: &Bench, log2: u32, line_bytes: usize) -> Self {
        let names = &[
            "arvalid", "arready", "araddr", "rvalid", "rready", "rresp", "awvalid", "awready",
            "awaddr", "wvalid", "wready", "bvalid", "bready",
        ];
        Self {
            bytes: vec![0; 1 << log2],
            ports: Ports::new(bench, "w_", names),
            rdata: bench.ports("w_rdata", line_bytes / 4),
            wdata: bench.ports("w_wdata", line_bytes / 4),
            read: None,
            write: None,
            owed: false,
            offers: [false; 2],
        }
    }

    pub fn reset(&mut self) {
        self.read = None;
        self.write = None;
        self.owed = false;
        self.offers = [false; 2];
    }

    pub fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, ready: u64) {
        let idle = self.read.is_none() && self.write.is_none() && !self.owed;
        for name in ["arready", "awready"] {
            self.ports.set(bench, name, idle && rng.chance(ready));
        }
        let takes = self.write.is_some() && rng.chance(ready);
        self.ports.set(bench, "wready", takes);
        self.offers[0] = self.read.is_some() && (self.offers[0] || rng.chance(ready));
        self.offers[1] = self.owed && (self.offers[1] || rng.chance(ready));
        self.ports.set(bench, "rvalid", self.offers[0]);
        self.ports.set(bench, "bvalid", self.offers[1]);
        if let (Some(at), true) = (self.read, self.offers[0]) {
            let broken = is_broken(at / (4 * self.rdata.len()));
            self.ports
                .set(bench, "rresp", if broken { 2u64 } else { 0 });
            for (port, word) in self.rdata.iter().zip(words(&self.bytes[at..])) {
                bench.model.set(*port, word);
            }
        }
    }

    pub fn settle(&mut self, bench: &Bench) {
        let ports = &self.ports;
        let bytes = 4 * self.wdata.len();
        let goes = |valid, ready| ports.is(bench, valid) && ports.is(bench, ready);
        let address = |name| {
            let at = ports.get(bench, name) as usize;
            assert!(
                at.is_multiple_of(bytes) && at + bytes <= self.bytes.len(),
                "{at:#x}"
            );
            at
        };
        if self.offers[0] && goes("rvalid", "rready") {
            self.offers[0] = false;
            self.read = None;
        }
        if self.offers[1] && goes("bvalid", "bready") {
            self.offers[1] = false;
            self.owed = false;
        }
        let (read, write) = (goes("arvalid", "arready"), goes("awvalid", "awready"));
        assert!(!(read && write), "one burst is under way");
        let read = read.then(|| address("araddr"));
        let write = write.then(|| address("awaddr"));
        if goes("wvalid", "wready") {
            let at = self.write.take().expect("the address came first");
            self.bytes[at..at + bytes].copy_from_slice(&line(bench, &self.wdata));
            self.owed = true;
        }
        self.read = self.read.or(read);
        self.write = self.write.or(write);
    }
}

/// A line that the card awaits, or why it fails; and whether its burst ends.
type Awaited = (Result<Vec<u8>, u8>, bool);

/// The card's bursts to the host.
pub struct Dma {
    /// What the host's memory must hold when nothing is under way.
    pub golden: Vec<u8>,
    pub bursts: usize,
    /// Bytes of the longest message.
    pub longest: usize,
    ports: Ports,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    line_bytes: usize,
    read_offer: Option<(u64, u64)>,
    /// Lines of reads that were asked for.
    owed: usize,
    awaited: VecDeque<Awaited>,
    write_offer: Option<u64>,
    /// Lines of the write that is offered or under way: data, quarters.
    lines: VecDeque<(Vec<u8>, usize)>,
    at: usize,
    addressed: bool,
    line_offered: bool,
    unanswered: usize,
}

impl Dma {
    pub fn new(bench: &Bench, line_bytes: usize) -> Self {
        let names = &[
            "arvalid",
            "arready",
            "araddr",
            "arlen",
            "rvalid",
            "rready",
            "rresp",
            "ruser",
            "rlast",
            "awvalid",
            "awready",
            "awaddr",
            "wvalid",
            "wready",
            "wquarters",
            "wlast",
            "bvalid",
            "bready",
        ];
        Self {
            golden: vec![0; HOST_BYTES],
            bursts: 0,
            longest: 0,
            ports: Ports::new(bench, "h_", names),
            rdata: bench.ports("h_rdata", line_bytes / 4),
            wdata: bench.ports("h_wdata", line_bytes / 4),
            line_bytes,
            read_offer: None,
            owed: 0,
            awaited: VecDeque::new(),
            write_offer: None,
            lines: VecDeque::new(),
            at: 0,
            addressed: false,
            line_offered: false,
            unanswered: 0,
        }
    }

    /// Forgets everything, as a card does in a reset.
    pub fn reset(&mut self) {
        self.read_offer = None;
        self.owed = 0;
        self.awaited.clear();
        self.write_offer = None;
        self.lines.clear();
        self.addressed = false;
        self.line_offered = false;
        self.unanswered = 0;
    }

    pub fn is_idle(&self) -> bool {
        self.read_offer.is_none() && self.owed == 0 && self.lines.is_empty() && self.unanswered == 0
    }

    /// Offers a read.
    pub fn ask(&mut self, address: u64, lines: u64) {
        self.read_offer = Some((address, lines));
    }

    /// Lines come next.
    pub fn expect_data(&mut self, data: &[u8], ends: bool) {
        let count = data.len() / self.line_bytes;
        for (index, line) in data.chunks(self.line_bytes).enumerate() {
            self.awaited
                .push_back((Ok(line.to_vec()), ends && index + 1 == count));
        }
    }

    /// So many lines fail.
    pub fn expect_failure(&mut self, cause: u8, lines: usize) {
        for index in 0..lines {
            self.awaited.push_back((Err(cause), index + 1 == lines));
        }
    }

    pub fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, ready: u64, begins: bool) {
        let lines = |rng: &mut Rng, at: usize, line_bytes: usize| {
            let page = (4096 - at % 4096) / line_bytes;
            let most = [4, 64][rng.below(2) as usize];
            1 + rng.below(most.min(page as u64))
        };
        if begins && self.read_offer.is_none() && self.owed < 100 && rng.below(200) == 0 {
            let at = rng.below((HOST_BYTES / self.line_bytes) as u64) * self.line_bytes as u64;
            let high = rng.next() & 0x007f_ffff_0000_0000;
            let count = lines(rng, at as usize, self.line_bytes);
            self.read_offer = Some((high | at, count));
        }
        if begins && self.lines.is_empty() && self.unanswered < 4 && rng.below(200) == 0 {
            let at = rng.below((HOST_BYTES / self.line_bytes) as u64) as usize * self.line_bytes;
            let count = lines(rng, at, self.line_bytes);
            for index in 0..count {
                let data = (0..self.line_bytes).map(|_| rng.next() as u8).collect();
                // Only the last line of a store is ever short; none of it may be left.
                let quarters = match index + 1 == count {
                    true => rng.below(5) as usize,
                    false => 4,
                };
                self.lines.push_back((data, quarters));
            }
            self.at = at;
            self.write_offer = Some(at as u64);
            self.addressed = false;
        }
        self.ports.set(bench, "arvalid", self.read_offer.is_some());
        if let Some((address, lines)) = self.read_offer {
            self.ports.set(bench, "araddr", address);
            self.ports.set(bench, "arlen", lines - 1);
        }
        self.ports.set(bench, "awvalid", self.write_offer.is_some());
        if let Some(address) = self.write_offer {
            self.ports.set(bench, "awaddr", address);
        }
        self.line_offered = self.addressed
            && !self.lines.is_empty()
            && (self.line_offered || rng.chance(if ready < 100 { 5 } else { 100 }));
        self.ports.set(bench, "wvalid", self.line_offered);
        if let Some((data, quarters)) = self.lines.front() {
            for (port, word) in self.wdata.iter().zip(words(data)) {
                bench.model.set(*port, word);
            }
            self.ports.set(bench, "wquarters", (1u64 << quarters) - 1);
            self.ports.set(bench, "wlast", self.lines.len() == 1);
        }
        self.ports.set(bench, "rready", rng.chance(ready));
        self.ports.set(bench, "bready", rng.chance(ready));
    }

    pub fn settle(&mut self, bench: &Bench, host: &mut Host) {
        self.longest = self.longest.max(host.longest);
        self.awaited.extend(host.given.drain(..));
        let ports = &self.ports;
        let goes = |valid, ready| ports.is(bench, valid) && ports.is(bench, ready);
        if goes("arvalid", "arready") {
            let (address, lines) = self.read_offer.take().expect("it is offered");
            host.asked.push_back((address, lines as usize));
            self.owed += lines as usize;
            self.bursts += 1;
        }
        if goes("rvalid", "rready") {
            let (expected, ends) = self.awaited.pop_front().expect("a line is awaited");
            let (resp, user) = (ports.get(bench, "rresp"), ports.get(bench, "ruser") as u8);
            match expected {
                Ok(data) => {
                    assert_eq!((resp, user), (0, 0));
                    assert_eq!(line(bench, &self.rdata), data);
                }
                Err(cause) => assert_eq!((resp, user), (2, cause)),
            }
            assert_eq!(ports.is(bench, "rlast"), ends);
            self.owed -= 1;
        }
        if goes("awvalid", "awready") {
            self.write_offer = None;
            self.addressed = true;
        }
        if goes("wvalid", "wready") {
            let (data, quarters) = self.lines.pop_front().expect("it is offered");
            let count = quarters * self.line_bytes / 4;
            self.golden[self.at..self.at + count].copy_from_slice(&data[..count]);
            self.at += self.line_bytes;
            self.line_offered = false;
            if self.lines.is_empty() {
                self.addressed = false;
                self.unanswered += 1;
                self.bursts += 1;
            }
        }
        if goes("bvalid", "bready") {
            assert!(self.unanswered > 0, "an answer to a burst that has ended");
            self.unanswered -= 1;
        }
    }
}
