//! What the target reaches: registers and card memory as arrays of bytes.

use verilate::PortRef;

use super::{Bench, Rng};

/// Bytes of the register window.
pub const REGISTER_BYTES: usize = 0x1_0000;
/// Bytes of card memory that tests reach: the last ones of the window.
pub const MEMORY_BYTES: usize = 0x1_0000;

/// The register window behind `reg_*` and `table_*`: plain bytes.
pub struct RegisterFile {
    pub bytes: Vec<u8>,
    reg_write: PortRef,
    reg_read: PortRef,
    reg_addr: PortRef,
    reg_wdata: PortRef,
    reg_strobes: PortRef,
    reg_rdata: PortRef,
    table: Option<(PortRef, PortRef, PortRef, PortRef)>,
    /// Values that the next cycle shows.
    next: [Option<u32>; 2],
}

impl RegisterFile {
    /// Registers at `reg_*`; with `table`, all else at `table_*`.
    pub fn new(bench: &Bench, table: bool) -> Self {
        let port = |name: &str| bench.port(name);
        let tables = || {
            (
                port("table_write"),
                port("table_read"),
                port("table_addr"),
                port("table_rdata"),
            )
        };
        Self {
            bytes: vec![0; REGISTER_BYTES],
            reg_write: port("reg_write"),
            reg_read: port("reg_read"),
            reg_addr: port("reg_addr"),
            reg_wdata: port("reg_wdata"),
            reg_strobes: port("reg_strobes"),
            reg_rdata: port("reg_rdata"),
            table: table.then(tables),
            next: [None; 2],
        }
    }

    /// Forgets what was read.
    pub fn reset(&mut self) {
        self.next = [None; 2];
    }

    /// Sets the inputs of a cycle: what was read in the last one, noise otherwise.
    pub fn drive(&mut self, bench: &mut Bench, rng: &mut Rng) {
        let [register, other] = self.next.map(|value| value.unwrap_or(rng.next() as u32));
        bench.model.set(self.reg_rdata, register.into());
        if let Some((.., rdata)) = self.table {
            bench.model.set(rdata, other.into());
        }
        self.next = [None; 2];
    }

    /// Sees what is read and written, after the outputs have settled.
    pub fn settle(&mut self, bench: &Bench) {
        let get = |port: PortRef| bench.model.get(port) as usize;
        let (value, strobes) = (get(self.reg_wdata) as u32, get(self.reg_strobes));
        let mut access = |index: usize, write: PortRef, read: PortRef, addr: PortRef| {
            let at = get(addr);
            assert_eq!(at % 4, 0, "accesses are aligned");
            if get(write) == 1 {
                for (byte, new) in value.to_le_bytes().into_iter().enumerate() {
                    if strobes >> byte & 1 == 1 {
                        self.bytes[at + byte] = new;
                    }
                }
            }
            if get(read) == 1 {
                let word = self.bytes[at..at + 4].try_into().expect("four bytes");
                self.next[index] = Some(u32::from_le_bytes(word));
            }
            (get(write) + get(read) > 0).then_some(at)
        };
        let register = access(0, self.reg_write, self.reg_read, self.reg_addr);
        assert!(register.is_none_or(|at| at < 0x1000), "a register");
        if let Some((write, read, addr, _)) = self.table {
            let other = access(1, write, read, addr);
            assert!(other.is_none_or(|at| at >= 0x1000), "no register");
        }
    }
}

/// A burst under way.
#[derive(Clone, Copy)]
struct Burst {
    line: u64,
    left: u64,
}

/// The last bytes of card memory behind `w_*`.
pub struct WindowMemory {
    pub bytes: Vec<u8>,
    /// Lines that cannot be read, by their number in `bytes`.
    pub broken: Vec<u64>,
    /// Lines that were read or written, with an enabled byte or without.
    pub touched: Vec<u64>,
    base: u64,
    line_bytes: u64,
    ports: Vec<PortRef>,
    rdata: Vec<PortRef>,
    wdata: Vec<PortRef>,
    wstrb: Vec<PortRef>,
    read: Option<Burst>,
    write: Option<Burst>,
    owed: bool,
    offers: [bool; 2],
}

const NAMES: [&str; 16] = [
    "arvalid", "arready", "araddr", "arlen", "rvalid", "rready", "rresp", "awvalid", "awready",
    "awaddr", "awlen", "wvalid", "wready", "wlast", "bvalid", "bready",
];

impl WindowMemory {
    /// Memory of a window of 2 to the power of `log2` bytes with lines of `line_bytes`.
    pub fn new(bench: &Bench, log2: u32, line_bytes: usize) -> Self {
        let ports = NAMES
            .iter()
            .map(|name| bench.port(&format!("w_{name}")))
            .collect();
        Self {
            bytes: vec![0; MEMORY_BYTES],
            broken: vec![],
            touched: vec![],
            base: (1 << log2) - MEMORY_BYTES as u64,
            line_bytes: line_bytes as u64,
            ports,
            rdata: bench.ports("w_rdata", line_bytes / 4),
            wdata: bench.ports("w_wdata", line_bytes / 4),
            wstrb: bench.ports("w_wstrb", line_bytes / 4),
            read: None,
            write: None,
            owed: false,
            offers: [false; 2],
        }
    }

    fn port(&self, name: &str) -> PortRef {
        let index = NAMES.iter().position(|other| *other == name);
        self.ports[index.expect("a port of the memory")]
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

    /// Forgets the burst under way.
    pub fn reset(&mut self) {
        self.read = None;
        self.write = None;
        self.owed = false;
        self.offers = [false; 2];
    }

    /// Sets the inputs of a cycle; each handshake goes on with a chance of `ready` percent.
    pub fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, ready: u64) {
        let idle = self.read.is_none() && self.write.is_none() && !self.owed;
        for name in ["arready", "awready"] {
            self.set(bench, name, (idle && rng.chance(ready)).into());
        }
        self.set(
            bench,
            "wready",
            (self.write.is_some() && rng.chance(ready)).into(),
        );
        // What is offered stays.
        self.offers[0] = self.read.is_some() && (self.offers[0] || rng.chance(ready));
        self.offers[1] = self.owed && (self.offers[1] || rng.chance(ready));
        self.set(bench, "rvalid", self.offers[0].into());
        self.set(bench, "bvalid", self.offers[1].into());
        if let (Some(burst), true) = (self.read, self.offers[0]) {
            let at = (burst.line * self.line_bytes) as usize;
            for (index, port) in self.rdata.iter().enumerate() {
                let word = &self.bytes[at + 4 * index..at + 4 * index + 4];
                let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
                bench.model.set(*port, word.into());
            }
            let broken = self.broken.contains(&burst.line);
            let answer = if broken { 2 + rng.below(2) } else { 0 };
            self.set(bench, "rresp", answer);
        }
    }

    fn burst(&self, address: u64, lines: u64) -> Burst {
        assert_eq!(address % self.line_bytes, 0, "bursts are of whole lines");
        assert!(address >= self.base, "{address:#x} was not asked for");
        let end = address + lines * self.line_bytes;
        assert!(end <= self.base + MEMORY_BYTES as u64, "beyond the window");
        assert_eq!(address / 4096, (end - 1) / 4096, "4 KiB are not crossed");
        Burst {
            line: (address - self.base) / self.line_bytes,
            left: lines,
        }
    }

    /// Sees what was taken, after the outputs have settled.
    pub fn settle(&mut self, bench: &Bench) {
        if self.offers[0] && self.is(bench, "rready") {
            self.offers[0] = false;
            let burst = self.read.as_mut().expect("it is under way");
            self.touched.push(burst.line);
            burst.line += 1;
            burst.left -= 1;
            self.read = self.read.filter(|burst| burst.left > 0);
        }
        if self.offers[1] && self.is(bench, "bready") {
            self.offers[1] = false;
            self.owed = false;
        }
        if self.is(bench, "wvalid") && self.is(bench, "wready") {
            let mut burst = self.write.expect("the address came first");
            let at = (burst.line * self.line_bytes) as usize;
            for (index, (data, strobes)) in self.wdata.iter().zip(&self.wstrb).enumerate() {
                let word = (bench.model.get(*data) as u32).to_le_bytes();
                let strobes = bench.model.get(*strobes);
                for (byte, new) in word.into_iter().enumerate() {
                    if strobes >> byte & 1 == 1 {
                        self.bytes[at + 4 * index + byte] = new;
                    }
                }
            }
            self.touched.push(burst.line);
            burst.line += 1;
            burst.left -= 1;
            assert_eq!(self.is(bench, "wlast"), burst.left == 0);
            self.owed = burst.left == 0;
            self.write = Some(burst).filter(|burst| burst.left > 0);
        }
        let start = |memory: &Self, channel: &str| {
            let name = |end: &str| format!("{channel}{end}");
            let goes = memory.is(bench, &name("valid")) && memory.is(bench, &name("ready"));
            goes.then(|| {
                let lines = memory.get(bench, &name("len")) + 1;
                memory.burst(memory.get(bench, &name("addr")), lines)
            })
        };
        let (read, write) = (start(self, "ar"), start(self, "aw"));
        assert!(read.is_none() || write.is_none(), "one burst is under way");
        self.read = self.read.or(read);
        self.write = self.write.or(write);
    }
}
