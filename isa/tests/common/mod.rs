//! What the tests of the model share.
#![allow(dead_code, reason = "every test file uses a part")]

use isa::command::{COMMAND_BYTES, Command};
use isa::model::{Memory, SliceMemory};
use systole_isa as isa;

/// Small pseudo-random numbers (xorshift64*).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

pub fn put_words(memory: &mut SliceMemory, addr: u64, words: &[u32]) {
    for (index, word) in words.iter().enumerate() {
        assert!(memory.write(addr + 4 * index as u64, &word.to_le_bytes()));
    }
}

pub fn put_program(memory: &mut SliceMemory, addr: u64, program: &[Command]) {
    for (index, command) in program.iter().enumerate() {
        let addr = addr + (index * COMMAND_BYTES) as u64;
        put_words(memory, addr, &command.encode());
    }
}
