//! A card and its memory, driven by hand through registers and rings.

use isa::command::{COMMAND_BYTES, Command};
use isa::config::Config;
use isa::model::{Memory, QueueModel, SliceMemory};
use isa::queue::{COMPLETION_BYTES, Completion, SUBMISSION_BYTES, Submission};
use isa::regs;

/// Where the memory of the benches begins.
pub const BASE: u64 = 0x1_0000_0000;
/// Its size in bytes.
pub const BYTES: usize = 1 << 20;
/// Submission ring.
pub const SQ: u64 = BASE;
/// Completion ring.
pub const CQ: u64 = BASE + 0x1000;
/// Programs.
pub const PROGRAM: u64 = BASE + 0x2000;
/// Free for data.
pub const DATA: u64 = BASE + 0x1_0000;
/// Size of the rings, as a power of two.
pub const LOG2: u32 = 2;

/// What every kind of card can do.
pub trait Device {
    /// Reads a register.
    fn read(&mut self, offset: u32) -> u32;
    /// Writes a register.
    fn write(&mut self, offset: u32, value: u32);
    /// The memory.
    fn memory(&mut self) -> &mut SliceMemory;
    /// Lets the card work until it has written a completion. `false` when it did not.
    fn work(&mut self) -> bool;
}

/// The functional model.
pub struct Model(pub QueueModel, pub SliceMemory);

impl Model {
    /// A model of this shape.
    pub fn new(config: &Config) -> Self {
        let model = QueueModel::new(*config).expect("a good shape");
        Self(model, SliceMemory::new(BASE, BYTES))
    }
}

impl Device for Model {
    fn read(&mut self, offset: u32) -> u32 {
        self.0.read_reg(offset)
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.0.write_reg(offset, value);
    }
    fn memory(&mut self) -> &mut SliceMemory {
        &mut self.1
    }
    fn work(&mut self) -> bool {
        self.0.step(&mut self.1)
    }
}

/// The Verilated RTL.
pub struct Rtl(pub sim::Card<SliceMemory>);

impl Rtl {
    /// A card of this shape.
    pub fn new(config: &Config, options: &sim::Options) -> Self {
        let memory = SliceMemory::new(BASE, BYTES);
        Self(sim::Card::open(config, options, memory).expect("the card builds"))
    }
}

impl Device for Rtl {
    fn read(&mut self, offset: u32) -> u32 {
        self.0.read_reg(offset).expect("a register")
    }
    fn write(&mut self, offset: u32, value: u32) {
        self.0.write_reg(offset, value).expect("a register");
    }
    fn memory(&mut self) -> &mut SliceMemory {
        self.0.host()
    }
    fn work(&mut self) -> bool {
        self.0.run_until_irq(2_000_000).expect("no protocol error")
    }
}

/// The host's side of a queue pair.
#[derive(Default)]
pub struct Host {
    submitted: u32,
    completed: u32,
}

impl Host {
    /// Sets a card up.
    pub fn start(device: &mut dyn Device) -> Self {
        for (offset, value) in [
            (regs::SQ_BASE_LO, SQ as u32),
            (regs::SQ_BASE_HI, (SQ >> 32) as u32),
            (regs::CQ_BASE_LO, CQ as u32),
            (regs::CQ_BASE_HI, (CQ >> 32) as u32),
            (regs::QUEUE_LOG2, LOG2),
            (regs::CONTROL, regs::CONTROL_ENABLE | regs::CONTROL_IRQ_ENABLE),
        ] {
            device.write(offset, value);
        }
        Self::default()
    }

    /// Runs a program of raw commands and gives its completion.
    ///
    /// # Panics
    /// If the card writes no completion, or not the next one.
    pub fn run_words(&mut self, device: &mut dyn Device, program: &[[u32; 16]]) -> Completion {
        for (index, words) in program.iter().enumerate() {
            put(device.memory(), PROGRAM + (index * COMMAND_BYTES) as u64, words);
        }
        let tag = 0x1234_5678_9abc_0000 | u64::from(self.submitted);
        let entry =
            Submission { program: PROGRAM, commands: program.len() as u16, tag };
        let slot = self.submitted % (1 << LOG2);
        put(device.memory(), SQ + u64::from(slot) * SUBMISSION_BYTES as u64, &entry.encode());
        self.submitted += 1;
        device.write(regs::SQ_TAIL, self.submitted % (1 << LOG2));
        assert!(device.work(), "the card writes a completion");
        let slot = self.completed % (1 << LOG2);
        let mut bytes = [0; COMPLETION_BYTES];
        assert!(device.memory().read(CQ + u64::from(slot) * COMPLETION_BYTES as u64, &mut bytes));
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let completion = Completion::from_words(&words);
        let round = self.completed >> LOG2 & 1;
        assert_eq!(u32::from(completion.phase), 1 - round, "phase bit");
        assert_eq!(completion.tag, tag, "tag");
        self.completed += 1;
        device.write(regs::CQ_HEAD, self.completed % (1 << LOG2));
        device.write(regs::IRQ_STATUS, 1);
        completion
    }

    /// Runs a program.
    pub fn run(&mut self, device: &mut dyn Device, program: &[Command]) -> Completion {
        let words: Vec<_> = program.iter().map(Command::encode).collect();
        self.run_words(device, &words)
    }
}

/// Writes words to memory.
///
/// # Panics
/// If they do not lie within it.
pub fn put(memory: &mut SliceMemory, address: u64, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert!(memory.write(address, &bytes), "within memory");
}
