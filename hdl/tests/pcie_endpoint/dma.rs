//! The card's side of host memory: bursts of reads and writes on `h_*`.

use std::collections::VecDeque;

use verilate::PortRef;

use super::common::{Bench, Rng};
use super::root::{Fate, HOST_BYTES, Root};

/// A line that is to be written: words and enabled bytes.
struct Line {
    data: Vec<u8>,
    enabled: Vec<bool>,
    last: bool,
}

/// A write burst that is not answered.
struct Write {
    at: usize,
    lines: Vec<(Vec<u8>, Vec<bool>)>,
    /// The bus master bit fell while it was under way.
    disturbed: bool,
    /// The value of the counter that it writes.
    mark: Option<u32>,
}

/// Bursts as the engines of a card make them.
pub struct Dma {
    ports: Vec<PortRef>,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    wstrb: Vec<PortRef>,
    line_bytes: usize,
    /// Offered addresses: offset in host memory and lines.
    read_offer: Option<(usize, usize)>,
    write_offer: Option<usize>,
    /// Lines that are to be offered, and whether the first one is.
    lines: VecDeque<Line>,
    line_offered: bool,
    /// Lines that are awaited, and whether the bus master bit has fallen since they were asked for.
    awaited: VecDeque<(u64, bool, bool)>,
    writes: VecDeque<Write>,
    /// What the second half of host memory must hold; nothing where it cannot be told.
    pub golden: Vec<Option<u8>>,
    /// The largest value of the counter whose write was answered.
    pub marked: u32,
    next_mark: u32,
    pub lines_read: usize,
    pub bursts_written: usize,
    pub errors: [usize; 6],
}

const NAMES: [&str; 19] = [
    "arvalid", "arready", "araddr", "arlen", "rvalid", "rready", "rresp", "ruser", "rlast",
    "awvalid", "awready", "awaddr", "wvalid", "wready", "wlast", "bvalid", "bready", "bresp",
    "buser",
];

/// Offset of the counter: the last line of host memory.
pub const MARK: usize = HOST_BYTES - 32;

impl Dma {
    pub fn new(bench: &Bench, line_bytes: usize, memory: &[u8]) -> Self {
        Self {
            ports: NAMES
                .iter()
                .map(|name| bench.port(&format!("h_{name}")))
                .collect(),
            rdata: bench.ports("h_rdata", line_bytes / 4),
            wdata: bench.ports("h_wdata", line_bytes / 4),
            wstrb: bench.ports("h_wstrb", line_bytes / 4),
            line_bytes,
            read_offer: None,
            write_offer: None,
            lines: VecDeque::new(),
            line_offered: false,
            awaited: VecDeque::new(),
            writes: VecDeque::new(),
            golden: memory.iter().map(|&byte| Some(byte)).collect(),
            marked: 0,
            next_mark: 1,
            lines_read: 0,
            bursts_written: 0,
            errors: [0; 6],
        }
    }

    fn port(&self, name: &str) -> PortRef {
        let index = NAMES.iter().position(|other| *other == name);
        self.ports[index.expect("a port of the card")]
    }

    fn get(&self, bench: &Bench, name: &str) -> u64 {
        bench.model.get(self.port(name))
    }

    fn is(&self, bench: &Bench, name: &str) -> bool {
        self.get(bench, name) == 1
    }

    fn set(&self, bench: &mut Bench, name: &str, value: u64) {
        bench.model.set(self.port(name), value);
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.read_offer.is_none()
            && self.write_offer.is_none()
            && self.lines.is_empty()
            && self.awaited.is_empty()
            && self.writes.is_empty()
    }

    /// Forgets everything, as a card does in a reset. What was being written may have been.
    pub fn reset(&mut self) {
        self.read_offer = None;
        self.write_offer = None;
        self.lines.clear();
        self.line_offered = false;
        self.awaited.clear();
        for write in std::mem::take(&mut self.writes) {
            self.doubt(&write);
        }
    }

    /// The same when the link forgets what was on it: what was answered may not have come.
    pub fn link_reset(&mut self) {
        self.reset();
        self.golden[HOST_BYTES / 2..].fill(None);
    }

    /// The bus master bit has fallen.
    pub fn disturb(&mut self) {
        for line in &mut self.awaited {
            line.2 = true;
        }
        for write in &mut self.writes {
            write.disturbed = true;
        }
    }

    fn doubt(&mut self, write: &Write) {
        for (index, (_, enabled)) in write.lines.iter().enumerate() {
            for (byte, _) in enabled.iter().enumerate().filter(|(_, enabled)| **enabled) {
                self.golden[write.at + index * self.line_bytes + byte] = None;
            }
        }
    }

    /// Compares host memory; what could not be told is taken as it is.
    pub fn compare(&mut self, root: &Root) {
        for (at, (golden, byte)) in self.golden.iter_mut().zip(&root.memory).enumerate() {
            assert!(golden.is_none_or(|golden| golden == *byte), "byte {at:#x}");
            *golden = Some(*byte);
        }
    }

    fn offer_read(&mut self, rng: &mut Rng) {
        let most = if rng.chance(50) { 4 } else { 64 };
        let lines = 1 + rng.below(most) as usize;
        let page = 4096 / self.line_bytes;
        let at = rng.below((HOST_BYTES / 2 / self.line_bytes) as u64) as usize;
        let lines = lines.min(page - at % page);
        self.read_offer = Some((at * self.line_bytes, lines));
    }

    fn offer_write(&mut self, rng: &mut Rng, base: u64, bus_master: bool) -> u64 {
        let is_mark = rng.chance(20);
        let most = if rng.chance(50) { 3 } else { 64 };
        let lines = 1 + rng.below(most) as usize;
        let page = 4096 / self.line_bytes;
        let half = HOST_BYTES / 2 / self.line_bytes;
        let at = half + rng.below((half - 4) as u64) as usize;
        let (at, lines) = match is_mark {
            true => (MARK / self.line_bytes, 1),
            false => (at, lines.min(page - at % page).min(2 * half - 4 - at)),
        };
        let strobes = rng.below(4);
        let mut all = vec![];
        for _ in 0..lines {
            let mut data: Vec<u8> = (0..self.line_bytes).map(|_| rng.next() as u8).collect();
            let mut enabled: Vec<bool> = (0..self.line_bytes)
                .map(|byte| match strobes {
                    0 | 1 => true,
                    2 => (rng.0 >> 20 >> (byte * 4 / self.line_bytes)) & 1 == 1,
                    _ => rng.chance(70),
                })
                .collect();
            if is_mark {
                data[..4].copy_from_slice(&self.next_mark.to_le_bytes());
                enabled = (0..self.line_bytes).map(|byte| byte < 4).collect();
            }
            all.push((data, enabled));
        }
        for (index, (data, enabled)) in all.iter().enumerate() {
            let start = (at + index) * self.line_bytes;
            for (byte, _) in enabled.iter().enumerate().filter(|(_, enabled)| **enabled) {
                self.golden[start + byte] = Some(data[byte]);
            }
            self.lines.push_back(Line {
                data: data.clone(),
                enabled: enabled.clone(),
                last: index + 1 == lines,
            });
        }
        let mark = is_mark.then_some(self.next_mark);
        self.next_mark += u32::from(is_mark);
        self.writes.push_back(Write {
            at: at * self.line_bytes,
            lines: all,
            disturbed: !bus_master,
            mark,
        });
        self.write_offer = Some(at * self.line_bytes);
        base + (at * self.line_bytes) as u64
    }

    /// Sets the inputs of a cycle.
    pub fn drive(
        &mut self,
        bench: &mut Bench,
        rng: &mut Rng,
        base: u64,
        bus_master: bool,
        [starts, ready]: [u64; 2],
    ) {
        if self.read_offer.is_none() && self.awaited.len() < 600 && rng.chance(starts) {
            self.offer_read(rng);
        }
        // Data comes with its address or later, so one burst is offered at a time.
        if self.write_offer.is_none() && self.lines.is_empty() && rng.chance(starts) {
            let address = self.offer_write(rng, base, bus_master);
            self.set(bench, "awaddr", address);
        }
        self.set(bench, "arvalid", self.read_offer.is_some().into());
        if let Some((at, lines)) = self.read_offer {
            self.set(bench, "araddr", base + at as u64);
            self.set(bench, "arlen", lines as u64 - 1);
        }
        self.set(bench, "awvalid", self.write_offer.is_some().into());
        self.line_offered = !self.lines.is_empty() && (self.line_offered || rng.chance(ready));
        self.set(bench, "wvalid", self.line_offered.into());
        if let (Some(line), true) = (self.lines.front(), self.line_offered) {
            for (index, (data, strobes)) in self.wdata.iter().zip(&self.wstrb).enumerate() {
                let word: [u8; 4] = line.data[4 * index..][..4].try_into().expect("a word");
                let enabled = (0..4).map(|byte| u64::from(line.enabled[4 * index + byte]) << byte);
                bench.model.set(*data, u32::from_le_bytes(word).into());
                bench.model.set(*strobes, enabled.sum());
            }
            self.set(bench, "wlast", line.last.into());
        }
        self.set(bench, "rready", rng.chance(ready).into());
        self.set(bench, "bready", rng.chance(ready).into());
    }

    /// Sees what was taken and answered; tells that a counter was written.
    pub fn settle(&mut self, bench: &Bench, root: &mut Root, bus_master: bool) -> bool {
        if let Some((at, lines)) = self.read_offer
            && self.is(bench, "arready")
        {
            self.read_offer = None;
            for line in 0..lines {
                let address = root.base + (at + line * self.line_bytes) as u64;
                self.awaited
                    .push_back((address, line + 1 == lines, !bus_master));
            }
        }
        if self.write_offer.is_some() && self.is(bench, "awready") {
            self.write_offer = None;
        }
        if self.line_offered && self.is(bench, "wready") {
            self.line_offered = false;
            self.lines.pop_front();
        }
        if self.is(bench, "rvalid") && self.is(bench, "rready") {
            self.line(bench, root);
        }
        if self.is(bench, "bvalid") && self.is(bench, "bready") {
            return self.answer(bench);
        }
        false
    }

    fn line(&mut self, bench: &Bench, root: &mut Root) {
        let (address, last, disturbed) = self.awaited.pop_front().expect("it was asked for");
        assert_eq!(self.is(bench, "rlast"), last);
        self.lines_read += 1;
        let (resp, user) = (self.get(bench, "rresp"), self.get(bench, "ruser"));
        self.errors[user as usize] += 1;
        if user == 5 {
            assert!(disturbed && resp == 2, "the card was bus master");
            return;
        }
        let (asked, fate) = root.fates.pop_front().expect("the host was asked");
        assert_eq!(asked, address);
        assert_eq!(user, fate.cause(), "line {address:#x}");
        assert_eq!(resp, if fate == Fate::Good { 0 } else { 2 });
        if fate == Fate::Good {
            let at = (address - root.base) as usize;
            for (index, port) in self.rdata.iter().enumerate() {
                let word = root.memory[at + 4 * index..][..4]
                    .try_into()
                    .expect("a word");
                let word = u32::from_le_bytes(word);
                assert_eq!(bench.model.get(*port), u64::from(word), "line {address:#x}");
            }
        }
    }

    fn answer(&mut self, bench: &Bench) -> bool {
        let write = self.writes.pop_front().expect("a burst was written");
        self.bursts_written += 1;
        let (resp, user) = (self.get(bench, "bresp"), self.get(bench, "buser"));
        if user != 0 {
            assert!(write.disturbed && (resp, user) == (2, 5));
            self.errors[5] += 1;
            self.doubt(&write);
            return false;
        }
        assert_eq!(resp, 0);
        self.marked = write.mark.unwrap_or(self.marked);
        write.mark.is_some()
    }
}
