//! Receiver and target together, packets in and completions out, against plain arrays of bytes.

mod common;

use common::host::Host;
use common::link::{BARS, CARD_ID, Sink, Source, bytes, length, packet, request, spoil, unusual};
use common::window::{MEMORY_BYTES, REGISTER_BYTES, RegisterFile, WindowMemory};
use common::{Bench, Rng, full};
use hdl::pcie::{Receive, Target};
use pcie::tlp::{Id, Kind, Request, Tlp};
use rust_hdl_core::prelude::*;

/// A receiver and the target behind it.
#[derive(LogicBlock)]
struct Pair {
    pub clock: Signal<In, Clock>,
    pub reset: Signal<In, Bit>,
    pub hold: Signal<In, Bit>,
    pub idle: Signal<Out, Bit>,
    pub cfg_id: Signal<In, Bits<16>>,
    pub cfg_max_payload: Signal<In, Bits<3>>,
    pub rx_valid: Signal<In, Bit>,
    pub rx_ready: Signal<Out, Bit>,
    pub rx_last: Signal<In, Bit>,
    pub rx_keep: Signal<In, Bits<4>>,
    pub rx_data: Vec<Signal<In, Bits<32>>>,
    pub rx_bar: Signal<In, Bits<7>>,
    pub tx_valid: Signal<Out, Bit>,
    pub tx_ready: Signal<In, Bit>,
    pub tx_last: Signal<Out, Bit>,
    pub tx_keep: Signal<Out, Bits<4>>,
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    pub reg_write: Signal<Out, Bit>,
    pub reg_read: Signal<Out, Bit>,
    pub reg_addr: Signal<Out, Bits<12>>,
    pub reg_wdata: Signal<Out, Bits<32>>,
    pub reg_strobes: Signal<Out, Bits<4>>,
    pub reg_rdata: Signal<In, Bits<32>>,
    pub table_write: Signal<Out, Bit>,
    pub table_read: Signal<Out, Bit>,
    pub table_addr: Signal<Out, Bits<16>>,
    pub table_rdata: Signal<In, Bits<32>>,
    pub w_arvalid: Signal<Out, Bit>,
    pub w_arready: Signal<In, Bit>,
    pub w_araddr: Signal<Out, Bits<64>>,
    pub w_arlen: Signal<Out, Bits<8>>,
    pub w_rvalid: Signal<In, Bit>,
    pub w_rready: Signal<Out, Bit>,
    pub w_rdata: Vec<Signal<In, Bits<32>>>,
    pub w_rresp: Signal<In, Bits<2>>,
    pub w_awvalid: Signal<Out, Bit>,
    pub w_awready: Signal<In, Bit>,
    pub w_awaddr: Signal<Out, Bits<64>>,
    pub w_awlen: Signal<Out, Bits<8>>,
    pub w_wvalid: Signal<Out, Bit>,
    pub w_wready: Signal<In, Bit>,
    pub w_wdata: Vec<Signal<Out, Bits<32>>>,
    pub w_wstrb: Vec<Signal<Out, Bits<4>>>,
    pub w_wlast: Signal<Out, Bit>,
    pub w_bvalid: Signal<In, Bit>,
    pub w_bready: Signal<Out, Bit>,
    receive: Receive,
    target: Target,
    _words: usize,
    _line: usize,
}

impl Pair {
    fn new(words: usize, port_bytes: usize, memory_log2: Option<u32>) -> Self {
        let line = port_bytes / 4;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            hold: Default::default(),
            idle: Default::default(),
            cfg_id: Default::default(),
            cfg_max_payload: Default::default(),
            rx_valid: Default::default(),
            rx_ready: Default::default(),
            rx_last: Default::default(),
            rx_keep: Default::default(),
            rx_data: (0..words).map(|_| Signal::default()).collect(),
            rx_bar: Default::default(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_strobes: Default::default(),
            reg_rdata: Default::default(),
            table_write: Default::default(),
            table_read: Default::default(),
            table_addr: Default::default(),
            table_rdata: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_arlen: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: (0..line).map(|_| Signal::default()).collect(),
            w_rresp: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_awlen: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_wdata: (0..line).map(|_| Signal::default()).collect(),
            w_wstrb: (0..line).map(|_| Signal::default()).collect(),
            w_wlast: Default::default(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            receive: Receive::new(words),
            target: Target::new(words, port_bytes, memory_log2),
            _words: words,
            _line: line,
        }
    }
}

impl Logic for Pair {
    #[hdl_gen]
    fn update(&mut self) {
        self.receive.clock.next = self.clock.val();
        self.receive.reset.next = self.reset.val();
        self.receive.closed.next = false;
        self.receive.clear.next = false;
        self.receive.cfg_id.next = self.cfg_id.val();
        self.receive.rx_valid.next = self.rx_valid.val();
        self.rx_ready.next = self.receive.rx_ready.val();
        self.receive.rx_last.next = self.rx_last.val();
        self.receive.rx_keep.next = self.rx_keep.val();
        self.receive.rx_bar.next = self.rx_bar.val();
        self.target.clock.next = self.clock.val();
        self.target.reset.next = self.reset.val();
        self.target.hold.next = self.hold.val();
        self.idle.next = self.target.idle.val();
        self.target.cfg_id.next = self.cfg_id.val();
        self.target.cfg_max_payload.next = self.cfg_max_payload.val();
        self.target.write_valid.next = self.receive.write_valid.val();
        self.target.write.next = self.receive.write.val();
        self.receive.write_done.next = self.target.write_done.val();
        self.target.word_valid.next = self.receive.word_valid.val();
        self.receive.word_pop.next = self.target.word_pop.val();
        self.target.ask_valid.next = self.receive.ask_valid.val();
        self.target.ask.next = self.receive.ask.val();
        self.receive.ask_pop.next = self.target.ask_pop.val();
        self.tx_valid.next = self.target.tx_valid.val();
        self.target.tx_ready.next = self.tx_ready.val();
        self.tx_last.next = self.target.tx_last.val();
        self.tx_keep.next = self.target.tx_keep.val();
        for i in 0..self._words {
            self.receive.rx_data[i].next = self.rx_data[i].val();
            self.target.word_data[i].next = self.receive.word_data[i].val();
            self.tx_data[i].next = self.target.tx_data[i].val();
        }
        self.reg_write.next = self.target.reg_write.val();
        self.reg_read.next = self.target.reg_read.val();
        self.reg_addr.next = self.target.reg_addr.val();
        self.reg_wdata.next = self.target.reg_wdata.val();
        self.reg_strobes.next = self.target.reg_strobes.val();
        self.target.reg_rdata.next = self.reg_rdata.val();
        self.table_write.next = self.target.table_write.val();
        self.table_read.next = self.target.table_read.val();
        self.table_addr.next = self.target.table_addr.val();
        self.target.table_rdata.next = self.table_rdata.val();
        self.w_arvalid.next = self.target.w_arvalid.val();
        self.target.w_arready.next = self.w_arready.val();
        self.w_araddr.next = self.target.w_araddr.val();
        self.w_arlen.next = self.target.w_arlen.val();
        self.target.w_rvalid.next = self.w_rvalid.val();
        self.w_rready.next = self.target.w_rready.val();
        self.target.w_rresp.next = self.w_rresp.val();
        self.w_awvalid.next = self.target.w_awvalid.val();
        self.target.w_awready.next = self.w_awready.val();
        self.w_awaddr.next = self.target.w_awaddr.val();
        self.w_awlen.next = self.target.w_awlen.val();
        self.w_wvalid.next = self.target.w_wvalid.val();
        self.target.w_wready.next = self.w_wready.val();
        self.w_wlast.next = self.target.w_wlast.val();
        self.target.w_bvalid.next = self.w_bvalid.val();
        self.w_bready.next = self.target.w_bready.val();
        for i in 0..self._line {
            self.target.w_rdata[i].next = self.w_rdata[i].val();
            self.w_wdata[i].next = self.target.w_wdata[i].val();
            self.w_wstrb[i].next = self.target.w_wstrb[i].val();
        }
    }
}

/// How ready everything around the blocks is, in percent.
#[derive(Clone, Copy)]
struct Mood {
    rx: u64,
    tx: u64,
    memory: u64,
}

const MOODS: [Mood; 5] = [
    Mood {
        rx: 100,
        tx: 100,
        memory: 100,
    },
    Mood {
        rx: 40,
        tx: 100,
        memory: 60,
    },
    Mood {
        rx: 100,
        tx: 20,
        memory: 100,
    },
    Mood {
        rx: 100,
        tx: 100,
        memory: 15,
    },
    Mood {
        rx: 90,
        tx: 70,
        memory: 70,
    },
];

struct Room {
    bench: Bench,
    source: Source,
    sink: Sink,
    registers: RegisterFile,
    memory: WindowMemory,
    rng: Rng,
    host: Host,
    memory_log2: u32,
    cycle: usize,
}

impl Room {
    fn new(words: usize, line_bytes: usize, memory_log2: Option<u32>) -> Self {
        let block = Pair::new(words, line_bytes, memory_log2);
        let mut bench = Bench::new(&block, "target");
        bench.set("cfg_id", CARD_ID.into());
        bench.reset();
        let log2 = memory_log2.unwrap_or(16);
        let mut rng = Rng(0x7a6 + (words * line_bytes) as u64);
        let mut registers = RegisterFile::new(&bench, true);
        let mut memory = WindowMemory::new(&bench, log2, line_bytes);
        registers.bytes = bytes(&mut rng, REGISTER_BYTES);
        memory.bytes = bytes(&mut rng, MEMORY_BYTES);
        Self {
            source: Source::new(&bench, words),
            sink: Sink::new(&bench, "tx", words, false),
            host: Host::new(
                line_bytes,
                memory_log2,
                [registers.bytes.clone(), memory.bytes.clone()],
            ),
            registers,
            memory,
            bench,
            rng,
            memory_log2: log2,
            cycle: 0,
        }
    }

    /// Max_Payload_Size: 128 shifted by `code`.
    fn set_payload(&mut self, code: u64) {
        self.bench.set("cfg_max_payload", code);
        self.host.payload = 128 << code.min(2);
    }

    /// Queues a packet of the host, unless its effect could not be told; says whether it did.
    fn push(&mut self, words: &[u32], bar: u8) -> bool {
        let pushed = self.host.push(words, bar);
        if pushed {
            self.source.push(words, bar);
        }
        pushed
    }

    fn cycle(&mut self, mood: Mood) {
        let (rx, tx) = (self.rng.chance(mood.rx), self.rng.chance(mood.tx));
        self.source.drive(&mut self.bench, rx);
        self.sink.drive(&mut self.bench, tx);
        self.registers.drive(&mut self.bench, &mut self.rng);
        self.memory
            .drive(&mut self.bench, &mut self.rng, mood.memory);
        self.bench.model.eval();
        self.source.settle(&self.bench);
        self.registers.settle(&self.bench);
        self.memory.settle(&self.bench);
        for line in self.memory.touched.drain(..) {
            assert!(self.host.named[line as usize], "line {line} was not named");
        }
        if let Some(packet) = self.sink.settle(&self.bench) {
            self.host.completion(&packet);
        }
        self.bench.model.cycle();
        self.cycle += 1;
    }

    /// Runs until everything is done, and compares all bytes.
    fn drain(&mut self, mood: Mood) {
        let end = self.cycle + 2_000_000;
        let mut quiet = 0;
        while quiet < 30 {
            let waits = self.source.waiting() > 0
                || !self.host.pending.is_empty()
                || !self.bench.is("idle")
                || self.bench.is("tx_valid");
            quiet = if waits { 0 } else { quiet + 1 };
            self.cycle(mood);
            assert!(self.cycle < end, "the target hangs");
        }
        assert!(self.registers.bytes == self.host.golden[0], "registers");
        assert!(self.memory.bytes == self.host.golden[1], "memory");
        assert_eq!(self.sink.gaps, 0, "packets have no gaps");
    }

    /// An address in the windows: anywhere, often near the end of the window or of a page.
    fn address(&mut self) -> u64 {
        let rng = &mut self.rng;
        let offset = match rng.below(4) {
            0 => (MEMORY_BYTES as u64) - 4 * (1 + rng.below(300)),
            1 => 4096 * (1 + rng.below(14)) - 4 * (1 + rng.below(300)),
            _ => 4 * rng.below(MEMORY_BYTES as u64 / 4),
        };
        let low = (0xffff_ffff << self.memory_log2.min(32)) & 0xffff_ffff | {
            ((1u64 << self.memory_log2) - MEMORY_BYTES as u64) + offset
        };
        let high = if rng.chance(40) { rng.next() << 32 } else { 0 };
        high | low & 0xffff_ffff
    }

    /// A legal packet.
    fn any(&mut self) -> (Vec<u32>, u8) {
        let bar = BARS[[0, 0, 0, 1, 1, 1, 2][self.rng.below(7) as usize]];
        let address = self.address();
        let dwords = length(&mut self.rng);
        let request = request(&mut self.rng, address, dwords);
        let tlp = match self.rng.below(9) {
            0..=4 => {
                let payload = bytes(&mut self.rng, usize::from(dwords) * 4);
                Tlp {
                    poisoned: self.rng.chance(5),
                    ..packet(&mut self.rng, Kind::MemoryWrite(request, payload))
                }
            }
            5..=7 => packet(&mut self.rng, Kind::MemoryRead(request)),
            _ => return (unusual(&mut self.rng, address), bar),
        };
        (tlp.encode(), bar)
    }
}

const SHAPES: [(usize, usize, Option<u32>); 5] = [
    (2, 16, Some(16)),
    (2, 32, Some(20)),
    (4, 16, Some(32)),
    (4, 32, Some(26)),
    (4, 16, None),
];

#[test]
fn every_length_and_alignment() {
    for (shape, (words, line, log2)) in SHAPES.into_iter().enumerate() {
        let mut room = Room::new(words, line, log2);
        for dwords in 1..=1024u16 {
            room.set_payload(u64::from(dwords) % 8);
            let lanes = if dwords < 40 { 0..8 } else { 0..1 };
            for lane in lanes {
                let lane = if dwords < 40 {
                    lane
                } else {
                    room.rng.below(1024)
                };
                for bar in [1, 4] {
                    // Registers are read word by word: long ones now and then.
                    if bar == 1 && dwords > 40 && usize::from(dwords) % 11 != shape {
                        continue;
                    }
                    let address = room.address() & !0xffff | (0x2000 + 4 * lane);
                    let write = request(&mut room.rng, address, dwords);
                    let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
                    let write = Tlp::new(Kind::MemoryWrite(write, payload));
                    room.push(&write.encode(), bar);
                    let read = request(&mut room.rng, address, dwords);
                    let read = packet(&mut room.rng, Kind::MemoryRead(read));
                    room.push(&read.encode(), bar);
                }
                let mood = MOODS[usize::from(dwords) % MOODS.len()];
                room.drain(mood);
            }
        }
        assert!(room.host.answered > 1600 || log2.is_none());
    }
}

#[test]
fn every_byte_enable() {
    for (words, line, log2) in SHAPES {
        let mut room = Room::new(words, line, log2);
        for dwords in 1..=5 {
            for lane in 0..4 {
                for enables in 0..256u16 {
                    let address = room.address() & !0xffff | (0x7f0 + 4 * lane);
                    let request = Request {
                        requester: Id(77),
                        tag: enables as u8,
                        address,
                        dwords,
                        first_be: enables as u8 & 15,
                        last_be: enables as u8 >> 4,
                    };
                    for bar in [1, 4] {
                        let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
                        let write = Tlp::new(Kind::MemoryWrite(request, payload));
                        room.push(&write.encode(), bar);
                        let read = Tlp::new(Kind::MemoryRead(request));
                        room.push(&read.encode(), bar);
                    }
                    if enables % 8 == 7 {
                        room.drain(MOODS[usize::from(enables) % MOODS.len()]);
                    }
                }
            }
        }
        room.drain(MOODS[0]);
        assert!(room.host.answered > if log2.is_some() { 1000 } else { 500 });
    }
}

#[test]
fn requests_in_any_mix() {
    for (words, line, log2) in SHAPES {
        let mut room = Room::new(words, line, log2);
        for round in 0..50 {
            room.set_payload(round as u64 % 8);
            room.memory.broken = (0..6)
                .map(|_| room.rng.below((MEMORY_BYTES / line) as u64))
                .collect();
            room.host.broken = room.memory.broken.clone();
            for _ in 0..30 {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            room.drain(MOODS[round % MOODS.len()]);
        }
        assert!(room.host.answered > 200 && room.host.refused > 100);
        assert_eq!(room.host.aborted > 0, log2.is_some());
    }
}

#[test]
fn malformed_packets_touch_nothing() {
    let goal = if full() { 1_000_000 } else { 100_000 };
    for (words, line, log2) in SHAPES {
        let mut room = Room::new(words, line, log2);
        let (mut packets, mut rounds) = (0, 0);
        while packets < goal / SHAPES.len() {
            room.set_payload(rounds as u64 % 8);
            room.host.named.fill(false);
            for _ in 0..40 {
                let (mut packet, bar) = room.any();
                if room.rng.chance(70) {
                    spoil(&mut room.rng, &mut packet);
                }
                // Spoilt addresses may lie outside of the bytes that the model holds.
                if room.host.reachable(&packet, bar) {
                    packets += usize::from(room.push(&packet, bar));
                }
            }
            room.drain(MOODS[rounds % MOODS.len()]);
            rounds += 1;
        }
    }
}

/// A completion that cannot be sent stops no write and no request that is under way.
#[test]
fn writes_go_on_while_nothing_can_be_sent() {
    for (words, line, log2) in SHAPES {
        let mut room = Room::new(words, line, log2);
        let stuck = Mood {
            rx: 100,
            tx: 0,
            memory: 70,
        };
        for bar in [1, 4, 1, 4, 1, 4] {
            let address = room.address() & !0xffff | 0x3004;
            let read = request(&mut room.rng, address, 1024);
            room.push(&Tlp::new(Kind::MemoryRead(read)).encode(), bar);
        }
        for _ in 0..200 {
            let address = room.address() & !0xffff | (4 * room.rng.below(0xa00));
            let dwords = 1 + room.rng.below(300) as u16;
            let write = request(&mut room.rng, address, dwords);
            let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
            let bar = BARS[room.rng.below(2) as usize];
            room.push(&Tlp::new(Kind::MemoryWrite(write, payload)).encode(), bar);
        }
        for _ in 0..500_000 {
            room.cycle(stuck);
            if room.source.waiting() == 0 && room.registers.bytes == room.host.golden[0] {
                break;
            }
        }
        room.bench.set("hold", 0);
        assert_eq!(room.source.waiting(), 0, "all packets are taken");
        assert!(
            room.registers.bytes == room.host.golden[0],
            "writes are done"
        );
        room.drain(MOODS[0]);
    }
}

/// Reads and writes take turns.
#[test]
fn a_read_does_not_wait_for_later_writes() {
    for (words, line, log2) in SHAPES {
        let mut room = Room::new(words, line, log2);
        let push = |room: &mut Room, write: bool, offset: u64| {
            let one = request(&mut room.rng, offset, 1);
            let kind = match write {
                true => Kind::MemoryWrite(one, bytes(&mut room.rng, 4)),
                false => Kind::MemoryRead(one),
            };
            room.push(&Tlp::new(kind).encode(), 1);
        };
        for write in 0..50 {
            push(&mut room, true, 0x100 + 4 * write);
        }
        push(&mut room, false, 0x104);
        for write in 0..200 {
            push(&mut room, true, 0x200 + 4 * write);
        }
        let mut waiting = 0;
        while room.host.answered == 0 {
            room.cycle(MOODS[0]);
            waiting = room.source.waiting();
        }
        assert!(waiting > 50, "the read was answered after all writes");
        room.drain(MOODS[0]);
    }
}

/// `hold` keeps requests waiting; `idle` tells that none is under way.
#[test]
fn a_held_target_begins_nothing() {
    let (words, line, log2) = SHAPES[3];
    let mut room = Room::new(words, line, log2);
    for round in 0..200 {
        for _ in 0..4 {
            let (packet, bar) = room.any();
            room.push(&packet, bar);
        }
        for _ in 0..room.rng.below(100) {
            room.cycle(MOODS[round % MOODS.len()]);
        }
        room.bench.set("hold", 1);
        let mut waited = 0;
        while !room.bench.is("idle") {
            room.cycle(MOODS[4]);
            waited += 1;
            assert!(waited < 20_000, "what is begun ends");
        }
        let (registers, memory) = (room.registers.bytes.clone(), room.memory.bytes.clone());
        for _ in 0..50 {
            room.cycle(MOODS[0]);
            assert!(room.bench.is("idle"));
        }
        assert!(room.registers.bytes == registers && room.memory.bytes == memory);
        room.bench.set("hold", 0);
        room.drain(MOODS[round % MOODS.len()]);
    }
}
