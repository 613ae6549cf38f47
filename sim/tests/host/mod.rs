//! A host in front of a card, whatever is between them: memory, rings, and a product whose result
//! is known without the card.

#![allow(dead_code, reason = "every test file uses a part")]

pub mod served;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use isa::command::{Buffer, Command, Gemm, Load, Operation, Store};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::pci::REGISTER_BAR;
use isa::queue::{COMPLETION_BYTES, COMPLETION_WORDS, Completion, Submission};
use isa::regs;
use isa::weights::StreamFormat;
use pcie::config_space::registers as at;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use sim::dma::{Backing, Permissions};
use sim::function::{Function, INTERRUPT_WINDOW};

/// Where the host's memory is mapped: above 32 bits.
pub const IOVA: u64 = 0x12_3450_0000;
/// Bytes of it.
pub const BYTES: u64 = 1 << 20;
/// Memory of each queue: rings, a program and its data.
const QUEUE_BYTES: u64 = 0x1_0000;
const CQ: u64 = 0x1000;
const PROGRAM: u64 = 0x2000;
const DATA: u64 = 0x3000;
const OUT: u64 = 0x4000;
const LOG2: u32 = 2;

/// The smallest card.
pub fn config() -> Config {
    Config {
        queues: 4,
        card_memory_mib: 1,
        ..Config::with_array(4, 4)
    }
}

/// A way to a card's windows and configuration space.
pub trait Bus {
    fn config_read(&mut self, offset: u16, data: &mut [u8]);
    fn config_write(&mut self, offset: u16, data: &[u8]);
    fn read(&mut self, bar: u8, offset: u64, data: &mut [u8]);
    fn write(&mut self, bar: u8, offset: u64, data: &[u8]);

    fn reg(&mut self, offset: u32) -> u32 {
        let mut data = [0; 4];
        self.read(REGISTER_BAR, offset.into(), &mut data);
        u32::from_le_bytes(data)
    }

    fn set_reg(&mut self, offset: u32, value: u32) {
        self.write(REGISTER_BAR, offset.into(), &value.to_le_bytes());
    }

    fn command(&mut self) -> u16 {
        let mut data = [0; 2];
        self.config_read(at::COMMAND, &mut data);
        u16::from_le_bytes(data)
    }

    fn set_command(&mut self, value: u16) {
        self.config_write(at::COMMAND, &value.to_le_bytes());
    }

    /// Memory space and bus master.
    fn enable(&mut self) {
        self.set_command(at::COMMAND_MEMORY | at::COMMAND_BUS_MASTER);
    }
}

impl Bus for sim::FunctionalCard {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        Function::config_read(self, offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        Function::config_write(self, offset, data);
    }

    fn read(&mut self, bar: u8, offset: u64, data: &mut [u8]) {
        self.bar_read(bar, offset, data).expect("a read");
    }

    fn write(&mut self, bar: u8, offset: u64, data: &[u8]) {
        self.bar_write(bar, offset, data).expect("a write");
    }
}

/// Writes the entries of the MSI-X table and enables it, as a host does.
pub fn set_up_vectors(bus: &mut impl Bus, count: u32) {
    for vector in 0..count {
        let words = [INTERRUPT_WINDOW.start as u32, 0, vector, 0];
        for (word, offset) in words.into_iter().zip((0u64..).step_by(4)) {
            let offset = 0x8000 + 16 * u64::from(vector) + offset;
            bus.write(REGISTER_BAR, offset, &word.to_le_bytes());
        }
    }
    bus.config_write(at::MSIX_CONTROL, &at::MSIX_ENABLE.to_le_bytes());
}

/// Memory of the host in a file.
pub struct Host {
    pub file: Arc<OwnedFd>,
    tails: [u32; 8],
    heads: [u32; 8],
}

impl Host {
    pub fn new() -> Self {
        let file = memfd_create("host", MemfdFlags::CLOEXEC).expect("a file");
        ftruncate(&file, BYTES).expect("a length");
        Self {
            file: Arc::new(file),
            tails: [0; 8],
            heads: [0; 8],
        }
    }

    /// Maps all of it.
    pub fn map(&self, card: &dyn Function) {
        let backing = Backing::File(Arc::clone(&self.file), 0);
        let mapped = card
            .dma()
            .map(IOVA, BYTES, Permissions::READ_WRITE, backing);
        mapped.expect("nothing is mapped");
    }

    pub fn put(&self, offset: u64, data: &[u8]) {
        let done = rustix::io::pwrite(self.file.as_fd(), data, offset);
        assert_eq!(done, Ok(data.len()));
    }

    pub fn get(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        let done = rustix::io::pread(self.file.as_fd(), &mut data[..], offset);
        assert_eq!(done, Ok(len));
        data
    }

    fn put_words(&self, offset: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(offset, &bytes);
    }

    /// Gives a queue its rings and starts it.
    pub fn start(&mut self, bus: &mut impl Bus, queue: u32) {
        let base = u64::from(queue) * QUEUE_BYTES;
        self.put(base, &[0; QUEUE_BYTES as usize]);
        let of = |register| regs::of_queue(queue, register);
        for (low, high, addr) in [
            (regs::SQ_BASE_LO, regs::SQ_BASE_HI, IOVA + base),
            (regs::CQ_BASE_LO, regs::CQ_BASE_HI, IOVA + base + CQ),
        ] {
            bus.set_reg(of(low), addr as u32);
            bus.set_reg(of(high), (addr >> 32) as u32);
        }
        bus.set_reg(of(regs::QUEUE_LOG2), LOG2);
        bus.set_reg(
            of(regs::QUEUE_CONTROL),
            regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE,
        );
        self.tails[queue as usize] = 0;
        self.heads[queue as usize] = 0;
    }

    /// Submits the product of two 4x4 matrices, with data from `seed`.
    pub fn submit(&mut self, bus: &mut impl Bus, queue: u32, seed: u8) {
        let base = u64::from(queue) * QUEUE_BYTES;
        let (a, b) = matrices(seed);
        let bytes = |matrix: [i8; 16]| matrix.map(|value| value as u8);
        self.put(base + DATA, &bytes(a));
        self.put(base + DATA + 16, &bytes(b));
        self.submit_program(
            bus,
            queue,
            seed.into(),
            &program(IOVA + base + DATA, IOVA + base + OUT),
        );
    }

    /// Submits any program.
    pub fn submit_program(
        &mut self,
        bus: &mut impl Bus,
        queue: u32,
        tag: u64,
        program: &[Command],
    ) {
        let base = u64::from(queue) * QUEUE_BYTES;
        for (index, command) in program.iter().enumerate() {
            self.put_words(base + PROGRAM + 64 * index as u64, &command.encode());
        }
        let tail = &mut self.tails[queue as usize];
        let entry = Submission {
            program: IOVA + base + PROGRAM,
            commands: program.len() as u16,
            tag,
        };
        let place = base + 64 * u64::from(*tail);
        *tail = (*tail + 1) % (1 << LOG2);
        let tail = *tail;
        self.put_words(place, &entry.encode());
        bus.set_reg(regs::of_queue(queue, regs::SQ_TAIL), tail);
    }

    /// The next completion of a queue if it is there; gives its entry back.
    pub fn completion(&mut self, bus: &mut impl Bus, queue: u32) -> Option<Completion> {
        let base = u64::from(queue) * QUEUE_BYTES + CQ;
        let head = self.heads[queue as usize];
        let place = base + u64::from(head % (1 << LOG2)) * COMPLETION_BYTES as u64;
        let bytes = self.get(place, COMPLETION_BYTES);
        let mut words = [0; COMPLETION_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
        }
        let entry = Completion::from_words(&words);
        let expect = 1 - (head >> LOG2 & 1) as u8;
        if entry.phase != expect {
            return None;
        }
        self.heads[queue as usize] += 1;
        let head = (head + 1) % (1 << LOG2);
        let of = |register| regs::of_queue(queue, register);
        bus.set_reg(of(regs::IRQ_STATUS), regs::IRQ_COMPLETION);
        bus.set_reg(of(regs::CQ_HEAD), head);
        Some(entry)
    }

    /// Checks the product that [`Self::submit`] asked for.
    pub fn check(&mut self, bus: &mut impl Bus, queue: u32, seed: u8) {
        let entry = self.completion(bus, queue).expect("a completion");
        assert_eq!(entry.status, ErrorCode::Success as u16);
        assert_eq!(entry.tag, u64::from(seed));
        let base = u64::from(queue) * QUEUE_BYTES;
        assert_eq!(self.get(base + OUT, 64), product(seed));
    }
}

/// Two matrices that depend on `seed`, row by row.
pub fn matrices(seed: u8) -> ([i8; 16], [i8; 16]) {
    let at = |index: usize, factor: u8| (index as u8 ^ seed).wrapping_mul(factor) as i8;
    (
        std::array::from_fn(|index| at(index, 37)),
        std::array::from_fn(|index| at(index, 91)),
    )
}

/// Their product as bytes.
pub fn product(seed: u8) -> Vec<u8> {
    let (a, b) = matrices(seed);
    let cell = |row: usize, col: usize| -> i32 {
        (0..4)
            .map(|k| i32::from(a[row * 4 + k]) * i32::from(b[k * 4 + col]))
            .sum()
    };
    (0..16)
        .flat_map(|index| cell(index / 4, index % 4).to_le_bytes())
        .collect()
}

/// A program that multiplies the 4x4 matrices at `data` and behind it, and writes the sums to
/// `out`.
pub fn program(data: u64, out: u64) -> Vec<Command> {
    let load = |buffer: Buffer, src| {
        Operation::Load(Load {
            src,
            buffer: buffer as u8,
            dst_line: 0,
            row_lines: 1,
            rows: 1,
            stride: 0,
        })
    };
    let command = |wait, signal, operation| Command {
        wait,
        signal,
        operation,
    };
    let gemm = Gemm {
        act_stride: 4,
        m: 4,
        k_tiles: 1,
        wgt_rows: 2,
        ..Gemm::default()
    };
    let gemm = Operation::Gemm(gemm.with_stream(StreamFormat::PLAIN));
    let store = Operation::Store(Store {
        dst: out,
        m: 4,
        ..Store::default()
    });
    vec![
        command(0, 1, load(Buffer::Activations, data)),
        command(0, 2, load(Buffer::Weights, data + 16)),
        command(3, 4, gemm),
        command(4, 0, store),
    ]
}
