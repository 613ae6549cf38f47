//! A small AXI master that does what it is told, with registered outputs as the card has.
#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::VecDeque;

use isa::model::SliceMemory;
use sim::memory::signals::{Address, MAX_PORT_BYTES, Master, Slave, WriteData};
use sim::memory::{Dram, ProtocolError};

/// Small pseudo-random numbers (xorshift64*).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// A burst that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub tag: usize,
    pub write: bool,
    /// Cycle in which the last beat, or the answer, was taken.
    pub cycle: u64,
    /// Cycle in which the first beat was taken; reads only.
    pub first: u64,
    pub data: Vec<u8>,
    /// Worst answer.
    pub resp: u8,
}

struct Waiting {
    tag: usize,
    id: u8,
    beats: usize,
    first: Option<u64>,
    data: Vec<u8>,
    resp: u8,
}

/// The master and the memory that it drives.
pub struct Bench {
    pub dram: Dram,
    pub host: SliceMemory,
    pub master: Master,
    pub now: u64,
    pub port: usize,
    pub done: Vec<Done>,
    /// Chance, in percent, that the master does not take an answer in a cycle.
    pub lazy: u64,
    rng: Rng,
    last: Slave,
    ar: VecDeque<Address>,
    aw: VecDeque<Address>,
    w: VecDeque<WriteData>,
    reads: Vec<Waiting>,
    writes: Vec<Waiting>,
}

pub const BASE: u64 = 0x10_0000;

impl Bench {
    pub fn new(dram: Dram, port: usize, bytes: usize) -> Self {
        Self {
            dram,
            host: SliceMemory::new(BASE, bytes),
            master: Master::default(),
            now: 0,
            port,
            done: Vec::new(),
            lazy: 0,
            rng: Rng(7),
            last: Slave::default(),
            ar: VecDeque::new(),
            aw: VecDeque::new(),
            w: VecDeque::new(),
            reads: Vec::new(),
            writes: Vec::new(),
        }
    }

    fn address(&self, addr: u64, beats: usize, id: u8) -> Address {
        Address {
            valid: true,
            addr,
            len: (beats - 1) as u8,
            id,
            size: self.port.trailing_zeros() as u8,
            burst: 1,
        }
    }

    pub fn read(&mut self, tag: usize, addr: u64, beats: usize, id: u8) {
        self.ar.push_back(self.address(addr, beats, id));
        self.reads.push(Waiting {
            tag,
            id,
            beats,
            first: None,
            data: Vec::new(),
            resp: 0,
        });
    }

    /// Writes `data`, a whole number of beats, where `strobes` has one word a beat.
    pub fn write(&mut self, tag: usize, addr: u64, data: &[u8], strobes: &[u32], id: u8) {
        let beats = strobes.len();
        self.aw.push_back(self.address(addr, beats, id));
        for (beat, (bytes, strobes)) in data.chunks_exact(self.port).zip(strobes).enumerate() {
            let mut payload = [0; MAX_PORT_BYTES];
            payload[..self.port].copy_from_slice(bytes);
            self.w.push_back(WriteData {
                valid: true,
                data: payload,
                strobes: *strobes,
                last: beat + 1 == beats,
            });
        }
        self.writes.push(Waiting {
            tag,
            id,
            beats,
            first: None,
            data: Vec::new(),
            resp: 0,
        });
    }

    pub fn outstanding(&self) -> usize {
        self.reads.len() + self.writes.len()
    }

    /// One cycle; checks that the memory keeps its side of the rules.
    pub fn cycle(&mut self) -> Result<(), ProtocolError> {
        self.master.r_ready = self.rng.below(100) >= self.lazy;
        self.master.b_ready = self.rng.below(100) >= self.lazy;
        let master = self.master;
        let slave = *self.dram.cycle(&mut self.host, &master)?;
        let last = std::mem::replace(&mut self.last, slave);
        // `last` keeps its valid only when it was not taken.
        if last.r.valid {
            assert_eq!(slave.r, last.r, "read data must wait");
        }
        if last.b.valid {
            assert_eq!(slave.b, last.b, "answers must wait");
        }
        self.take(&slave, &master);
        self.last.r.valid &= !master.r_ready;
        self.last.b.valid &= !master.b_ready;
        if slave.ar_ready || !master.ar.valid {
            self.master.ar = self.ar.pop_front().unwrap_or_default();
        }
        if slave.aw_ready || !master.aw.valid {
            self.master.aw = self.aw.pop_front().unwrap_or_default();
        }
        if slave.w_ready || !master.w.valid {
            self.master.w = self.w.pop_front().unwrap_or_default();
        }
        self.now += 1;
        Ok(())
    }

    fn take(&mut self, slave: &Slave, master: &Master) {
        if slave.r.valid && master.r_ready {
            let index = self
                .reads
                .iter()
                .position(|read| read.id == slave.r.id)
                .expect("data for a read that was asked for");
            let read = &mut self.reads[index];
            read.first.get_or_insert(self.now);
            read.data.extend_from_slice(&slave.r.data[..self.port]);
            read.resp = read.resp.max(slave.r.resp);
            let ended = read.data.len() == read.beats * self.port;
            assert_eq!(slave.r.last, ended, "RLAST");
            if ended {
                let read = self.reads.remove(index);
                self.finish(read, false);
            }
        }
        if slave.b.valid && master.b_ready {
            let index = self
                .writes
                .iter()
                .position(|write| write.id == slave.b.id)
                .expect("an answer to a write that was asked for");
            let mut write = self.writes.remove(index);
            write.resp = slave.b.resp;
            self.finish(write, true);
        }
    }

    fn finish(&mut self, waiting: Waiting, write: bool) {
        self.done.push(Done {
            tag: waiting.tag,
            write,
            cycle: self.now,
            first: waiting.first.unwrap_or(self.now),
            data: waiting.data,
            resp: waiting.resp,
        });
    }

    /// Runs until everything has ended.
    pub fn run(&mut self, most: u64) {
        for _ in 0..most {
            if self.outstanding() == 0 {
                return;
            }
            self.cycle().expect("the master keeps the rules");
        }
        panic!("the memory did not answer within {most} cycles");
    }
}
