//! A whole card behind the hard block's packet interface: registers and the window to its memory.

mod common;

use std::collections::VecDeque;

use common::block::{BlockSink, BlockSource, cut, wire};
use common::{Bench, Random};
use fpga::boards::Board;
use fpga::tops::{Acorn, TopConfig};
use isa::config::Datapaths;
use isa::regs;
use pcie::tlp::{Id, Kind, Request, Status, Tlp};

/// The host, and the card as its bus numbers it.
const HOST: Id = Id(0);
const CARD: u64 = 0x0341;

/// Windows as the block tells them: registers, memory, none.
const REGISTERS: u8 = 1;
const MEMORY: u8 = 4;
const NONE: u8 = 0;

/// Bytes of the window that are written and read, and where they begin on the bus.
const BYTES: usize = 2048;
const BASE: u64 = 0x12_3450_0000;

struct Room {
    bench: Bench,
    random: Random,
    source: BlockSource,
    sink: BlockSink,
    sent: VecDeque<Vec<u8>>,
    stalls: u64,
}

impl Room {
    fn new() -> Self {
        let top = TopConfig {
            board: Board::AcornCle215,
            rows: 4,
            cols: 4,
            datapaths: Datapaths::DENSE,
            mhz: 62.5,
        };
        // Elaboration recurses through thousands of blocks.
        let build = move || {
            let core = Box::new(Acorn::new(&top.shape()).expect("a card"));
            Bench::new(core.as_ref(), "acorn")
        };
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        let bench = thread.spawn(build).expect("a thread").join();
        let mut room = Self {
            bench: bench.expect("the core is built"),
            random: Random(0xac02_0001_0203_0405),
            source: BlockSource::default(),
            sink: BlockSink::default(),
            sent: VecDeque::new(),
            stalls: 0,
        };
        room.bench.set("message_data", CARD);
        room.bench.set("bus_master", 1);
        room.run(20);
        room
    }

    /// Runs cycles; what the card sends is kept.
    fn run(&mut self, cycles: usize) {
        for _ in 0..cycles {
            let gaps = self.stalls;
            self.source
                .drive(&mut self.bench, "r", &mut self.random, gaps);
            self.sink
                .drive(&mut self.bench, "t", &mut self.random, self.stalls);
            self.bench.model.eval();
            self.source.settle(&self.bench, "r");
            self.sent.extend(self.sink.settle(&self.bench, "t"));
            self.bench.model.cycle();
        }
    }

    fn send(&mut self, kind: Kind, bar: u8) {
        self.source.push(cut(&wire(&Tlp::new(kind).encode()), bar));
    }

    /// The next packet of the card.
    fn answer(&mut self) -> Tlp {
        for _ in 0..5000 {
            if let Some(bytes) = self.sent.pop_front() {
                let words = bytes.as_chunks::<4>().0.iter();
                let words: Vec<u32> = words.map(|word| u32::from_be_bytes(*word)).collect();
                return Tlp::decode(&words).expect("a packet");
            }
            self.run(1);
        }
        panic!("the card does not answer");
    }

    /// Reads so many doublewords, in as many completions as the card makes of them.
    fn read(&mut self, address: u64, dwords: u16, bar: u8) -> Result<Vec<u8>, Status> {
        let tag = self.random.next() as u8;
        let request = request(address, dwords, tag);
        self.send(Kind::MemoryRead(request), bar);
        let mut bytes = vec![];
        let all = usize::from(dwords) * 4;
        loop {
            match self.answer().kind {
                Kind::CompletionData(answer, payload) => {
                    assert_eq!(answer.completer, Id(CARD as u16));
                    assert_eq!((answer.requester, answer.tag), (HOST, tag));
                    assert_eq!(usize::from(answer.byte_count), all - bytes.len());
                    bytes.extend(payload);
                }
                Kind::Completion(answer) => {
                    assert_eq!((answer.requester, answer.tag), (HOST, tag));
                    return Err(answer.status);
                }
                other => panic!("{other:?}"),
            }
            if bytes.len() == all {
                return Ok(bytes);
            }
        }
    }
}

fn request(address: u64, dwords: u16, tag: u8) -> Request {
    Request {
        requester: HOST,
        tag,
        address,
        dwords,
        first_be: 15,
        last_be: if dwords == 1 { 0 } else { 15 },
    }
}

#[test]
fn a_host_reaches_registers_and_memory() {
    let mut room = Room::new();
    // Nothing comes in and nothing goes out while the link is down.
    assert_eq!(room.bench.get("led") & 2, 0);
    room.bench.set("link_up", 1);
    room.run(20);
    assert_eq!(room.bench.get("led") & 2, 2);

    let mut memory = vec![0u8; BYTES];
    for round in 0..6u64 {
        room.stalls = [0, 30, 70][round as usize % 3];
        let id = room.read(0xfe00_0000 + u64::from(regs::ID), 1, REGISTERS);
        assert_eq!(id, Ok(b"TSYS".to_vec()), "round {round}");

        // All of it once, since nobody knows what memory holds at first.
        for at in (0..BYTES).step_by(128) {
            let payload: Vec<u8> = (0..128).map(|_| room.random.next() as u8).collect();
            memory[at..at + 128].copy_from_slice(&payload);
            let write = request(BASE + at as u64, 32, 0);
            room.send(Kind::MemoryWrite(write, payload), MEMORY);
        }
        for _ in 0..40 {
            let at = room.random.below(BYTES as u64 / 4) as usize * 4;
            let most = (BYTES - at).min(64) as u64 / 4;
            let dwords = 1 + room.random.below(most) as u16;
            let bytes = usize::from(dwords) * 4;
            // Headers of 3 and of 4 doublewords reach the same place.
            let base = if room.random.below(2) == 0 {
                BASE
            } else {
                0x5670_0000
            };
            if room.random.below(2) == 0 {
                let payload: Vec<u8> = (0..bytes).map(|_| room.random.next() as u8).collect();
                memory[at..at + bytes].copy_from_slice(&payload);
                let write = request(base + at as u64, dwords, 0);
                room.send(Kind::MemoryWrite(write, payload), MEMORY);
            } else {
                let found = room.read(base + at as u64, dwords, MEMORY);
                assert_eq!(found, Ok(memory[at..at + bytes].to_vec()), "{at} {dwords}");
            }
        }
        let refused = room.read(0x100, 1, NONE);
        assert_eq!(refused, Err(Status::Unsupported));
        // The link goes down in the middle of a packet, and comes back.
        let payload = vec![0xaa; 128];
        room.send(Kind::MemoryWrite(request(BASE, 32, 0), payload), MEMORY);
        room.stalls = 0;
        room.run(5);
        room.bench.set("link_up", 0);
        room.source = BlockSource::default();
        room.run(5);
        room.sink = BlockSink::default();
        assert!(room.sent.is_empty());
        room.run(5);
        room.bench.set("link_up", 1);
        room.run(50);
    }
}
