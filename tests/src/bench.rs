//! A card and its memory, driven by hand through registers and rings, on the RTL and on the model.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, OnceLock};

use isa::command::{COMMAND_BYTES, Command};
use isa::config::Config;
use isa::error::FaultCause;
use isa::model::{Memory, QueueModel, SliceMemory};
use isa::queue::{COMPLETION_BYTES, Completion, SUBMISSION_BYTES, SUBMISSION_WORDS, Submission};
use isa::regs;
use sim::memory::MemoryOptions;
use verilate::Library;

/// Where the memory of the benches begins.
pub const BASE: u64 = 0x1_0000_0000;
/// Its size in bytes.
pub const BYTES: usize = 1 << 20;
/// Bytes of the rings of a queue; those of queue 0 come first.
pub const RINGS: u64 = 0x400;
/// Programs.
pub const PROGRAMS: Range<u64> = BASE + 0x2000..BASE + 0x1_0000;
/// Free for data; everything before it belongs to the queue pair.
pub const DATA: u64 = PROGRAMS.end;

/// Cycles after which a card that writes no completion has lost its way.
const PATIENCE: u64 = 3_000_000;

/// Interrupts without a completion that are put up with.
const SPURIOUS: u32 = 64;

/// Memory, some of which may answer with errors.
#[derive(Clone, Debug)]
pub struct Ram {
    slice: SliceMemory,
    faults: Vec<Fault>,
    /// What it says of accesses that fail.
    pub cause: FaultCause,
}

/// Addresses that answer with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The addresses.
    pub addresses: Range<u64>,
    /// Writes fail; otherwise, reads.
    pub writes: bool,
}

impl Ram {
    pub(crate) fn new() -> Self {
        Self {
            slice: SliceMemory::new(BASE, BYTES),
            faults: Vec::new(),
            cause: FaultCause::Plain,
        }
    }

    /// All bytes, also those that answer with errors.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.slice.bytes_mut()
    }

    /// The bytes from an address on, to the end of the memory.
    pub fn at(&mut self, address: u64) -> &mut [u8] {
        &mut self.slice.bytes_mut()[(address - BASE) as usize..]
    }

    /// Writes words.
    pub fn put(&mut self, address: u64, words: &[u32]) {
        for (bytes, word) in self.at(address).chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }

    /// From now on these addresses answer with errors, and no others.
    pub(crate) fn set_faults(&mut self, faults: Vec<Fault>) {
        self.faults = faults;
    }

    fn fails(&self, address: u64, len: usize, writes: bool) -> bool {
        let end = address.saturating_add(len as u64);
        self.faults.iter().any(|fault| {
            fault.writes == writes && fault.addresses.start < end && address < fault.addresses.end
        })
    }
}

impl Memory for Ram {
    fn read(&mut self, address: u64, out: &mut [u8]) -> bool {
        !self.fails(address, out.len(), false) && self.slice.read(address, out)
    }

    fn write(&mut self, address: u64, data: &[u8]) -> bool {
        !self.fails(address, data.len(), true) && self.slice.write(address, data)
    }

    fn cause(&self) -> FaultCause {
        self.cause
    }
}

/// What every kind of card can do.
pub trait Device {
    /// Reads a register.
    fn read(&mut self, offset: u32) -> u32;
    /// Writes a register.
    fn write(&mut self, offset: u32, value: u32);
    /// The memory.
    fn memory(&mut self) -> &mut Ram;
    /// Lets the card work until it raises the interrupt of a queue. `false` when it did not.
    fn work(&mut self, queue: u32) -> bool;
    /// Lets time pass.
    fn idle(&mut self, cycles: u64);
    /// Resets the card, by its pin if it has one.
    fn reset(&mut self);

    /// From now on these addresses answer with errors, and no others.
    fn set_faults(&mut self, faults: &[Fault]) {
        self.memory().faults = faults.to_vec();
    }
}

/// The functional model.
pub struct Model(QueueModel, Ram);

impl Model {
    /// A model of this shape.
    pub fn new(config: &Config) -> Self {
        Self(QueueModel::new(*config).expect("a good shape"), Ram::new())
    }
}

impl Device for Model {
    fn read(&mut self, offset: u32) -> u32 {
        self.0.read_reg(offset)
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.0.write_reg(offset, value);
    }
    fn memory(&mut self) -> &mut Ram {
        &mut self.1
    }
    fn work(&mut self, queue: u32) -> bool {
        while !self.0.queue_irq(queue) {
            if !self.0.step(&mut self.1) {
                return false;
            }
        }
        true
    }
    fn idle(&mut self, _: u64) {
        self.0.run(&mut self.1);
    }
    fn reset(&mut self) {
        self.0.write_reg(regs::CONTROL, regs::CONTROL_RESET);
    }
}

/// The Verilated RTL.
pub struct Rtl {
    /// The card.
    pub card: sim::Card<Ram>,
    /// Whether errors of memory are SLVERR; otherwise DECERR.
    pub slverr: bool,
}

impl Rtl {
    /// A card of this shape.
    pub fn new(config: &Config, memory: MemoryOptions) -> Self {
        let options = sim::Options { fst: false, memory };
        let card = sim::Card::with_library(&library(config), config, &options, Ram::new());
        Self {
            card: card.expect("good options"),
            slverr: false,
        }
    }

    /// Runs until the card says that it has nothing to do.
    pub fn rest(&mut self) {
        for _ in 0..PATIENCE {
            if !self.card.active() {
                return;
            }
            self.idle(1);
        }
        panic!("the card has something to do for {PATIENCE} cycles");
    }
}

/// The model library of a shape, which this process prepares once: emitting takes a while.
pub fn library(config: &Config) -> Library {
    static LIBRARIES: OnceLock<Mutex<HashMap<Config, Library>>> = OnceLock::new();
    let mut libraries = LIBRARIES
        .get_or_init(Mutex::default)
        .lock()
        .expect("no test panics here");
    let make = || sim::library::for_config(config, false).expect("the card builds");
    libraries.entry(*config).or_insert_with(make).clone()
}

impl Device for Rtl {
    fn read(&mut self, offset: u32) -> u32 {
        self.card.read_reg(offset).expect("no broken rule")
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.card.write_reg(offset, value).expect("no broken rule");
    }
    fn memory(&mut self) -> &mut Ram {
        self.card.host()
    }
    fn work(&mut self, queue: u32) -> bool {
        let called = self.card.run_until(PATIENCE, |card| card.queue_irq(queue));
        called.expect("no broken rule")
    }
    fn idle(&mut self, cycles: u64) {
        self.card.step(cycles).expect("no broken rule");
    }
    fn reset(&mut self) {
        self.card.reset();
    }
    fn set_faults(&mut self, faults: &[Fault]) {
        let slave = |fault: &Fault| sim::memory::Fault {
            addresses: fault.addresses.clone(),
            reads: !fault.writes,
            writes: fault.writes,
        };
        let (inner, outer) = if self.slverr {
            (&[][..], faults)
        } else {
            (faults, &[][..])
        };
        self.card.host().faults = inner.to_vec();
        self.card
            .memory()
            .set_faults(outer.iter().map(slave).collect());
    }
}

/// The host's side of a queue pair.
#[derive(Debug)]
pub struct Host {
    queue: u32,
    log2: u32,
    submitted: u32,
    completed: u32,
    /// Tags that completions must carry, in order.
    tags: VecDeque<u64>,
}

impl Host {
    /// Sets queue 0 up, whose indices are all 0, with rings of `2^log2` entries.
    pub fn start(device: &mut dyn Device, log2: u32) -> Self {
        Self::start_queue(device, 0, log2)
    }

    /// Sets a queue up whose indices are all 0, with rings of `2^log2` entries, at most 8.
    pub fn start_queue(device: &mut dyn Device, queue: u32, log2: u32) -> Self {
        let host = Self {
            queue,
            log2,
            submitted: 0,
            completed: 0,
            tags: VecDeque::new(),
        };
        let (submissions, completions) = (host.submissions(), host.completions());
        device.memory().at(submissions)[..RINGS as usize].fill(0);
        for (register, value) in [
            (regs::SQ_BASE_LO, submissions as u32),
            (regs::SQ_BASE_HI, (submissions >> 32) as u32),
            (regs::CQ_BASE_LO, completions as u32),
            (regs::CQ_BASE_HI, (completions >> 32) as u32),
            (regs::QUEUE_LOG2, log2),
            (
                regs::QUEUE_CONTROL,
                regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE,
            ),
        ] {
            host.write(device, register, value);
        }
        host
    }

    /// Where the submission ring begins.
    pub fn submissions(&self) -> u64 {
        BASE + u64::from(self.queue) * RINGS
    }

    /// Where the completion ring begins.
    pub fn completions(&self) -> u64 {
        self.submissions() + RINGS / 2
    }

    /// Reads a register of the queue.
    pub fn read(&self, device: &mut dyn Device, register: u32) -> u32 {
        device.read(regs::of_queue(self.queue, register))
    }

    /// Writes a register of the queue.
    pub fn write(&self, device: &mut dyn Device, register: u32, value: u32) {
        device.write(regs::of_queue(self.queue, register), value);
    }

    fn slot(&self, count: u32) -> u32 {
        count & ((1 << self.log2) - 1)
    }

    /// Submissions that the ring takes before the first of them completes.
    pub fn room(&self) -> usize {
        (1 << self.log2) - 1
    }

    /// Address of the next submission in the ring.
    pub fn next_entry(&self) -> u64 {
        self.submissions() + u64::from(self.slot(self.submitted)) * SUBMISSION_BYTES as u64
    }

    /// Address of the next completion in the ring.
    pub fn next_completion(&self) -> u64 {
        self.completions() + u64::from(self.slot(self.completed)) * COMPLETION_BYTES as u64
    }

    /// Writes a submission into the ring, whose completion must carry `tag`; the card knows
    /// nothing of it before [`Self::ring`].
    pub fn submit(&mut self, device: &mut dyn Device, entry: &[u32; SUBMISSION_WORDS], tag: u64) {
        assert!(self.tags.len() < self.room(), "the ring is full");
        device.memory().put(self.next_entry(), entry);
        self.tags.push_back(tag);
        self.submitted += 1;
    }

    /// Rings the doorbell of the submissions.
    pub fn ring(&self, device: &mut dyn Device) {
        self.write(device, regs::SQ_TAIL, self.slot(self.submitted));
    }

    /// Waits for the next completion, takes it and checks its phase, tag and head. Its cycles,
    /// which the model does not know, become 0 in memory. The card gets its room in the ring only
    /// by [`Self::give_back`]. `None` when there comes no completion.
    pub fn take(&mut self, device: &mut dyn Device) -> Option<Completion> {
        let address = self.next_completion();
        let phase = 1 - (self.completed >> self.log2 & 1) as u8;
        let mut calls = 0;
        let completion = loop {
            let completion = read_completion(device.memory(), address);
            if completion.phase == phase {
                break completion;
            }
            // A queue that failed calls for ever.
            if calls == SPURIOUS || !device.work(self.queue) {
                return None;
            }
            calls += 1;
            self.write(device, regs::IRQ_STATUS, regs::IRQ_COMPLETION);
        };
        device.memory().at(address)[16..24].fill(0);
        self.completed += 1;
        assert_eq!(Some(completion.tag), self.tags.pop_front(), "tag");
        assert_eq!(
            u32::from(completion.head),
            self.slot(self.completed),
            "head"
        );
        Some(completion)
    }

    /// Gives all taken completions back to the card.
    pub fn give_back(&self, device: &mut dyn Device) {
        self.write(device, regs::CQ_HEAD, self.slot(self.completed));
    }

    /// Runs what a submission names, alone, and gives its completion.
    pub fn run(
        &mut self,
        device: &mut dyn Device,
        entry: &[u32; SUBMISSION_WORDS],
        tag: u64,
    ) -> Option<Completion> {
        self.submit(device, entry, tag);
        self.ring(device);
        let completion = self.take(device);
        self.give_back(device);
        completion
    }
}

fn read_completion(memory: &mut Ram, address: u64) -> Completion {
    let bytes = &memory.at(address)[..COMPLETION_BYTES];
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    Completion::from_words(&bytes.chunks_exact(4).map(word).collect::<Vec<_>>())
}

/// Writes a program of raw commands to memory and gives the submission that names it.
pub fn put_words(
    memory: &mut Ram,
    address: u64,
    program: &[[u32; 16]],
    tag: u64,
) -> [u32; SUBMISSION_WORDS] {
    assert!(address + (program.len() * COMMAND_BYTES) as u64 <= PROGRAMS.end);
    for (words, index) in program.iter().zip(0..) {
        memory.put(address + index * COMMAND_BYTES as u64, words);
    }
    Submission {
        program: address,
        commands: program.len() as u16,
        tag,
    }
    .encode()
}

/// The words of a program.
pub fn words(program: &[Command]) -> Vec<[u32; 16]> {
    program.iter().map(Command::encode).collect()
}
