//! The card behind its register window.

use crate::config::{Config, ConfigError};
use crate::error::ErrorCode;
use crate::model::memory::read_words;
use crate::model::registers::Registers;
use crate::model::{Card, Memory, Outcome};
use crate::queue::{
    COMPLETION_BYTES, COMPLETION_WORDS, Completion, SUBMISSION_BYTES, SUBMISSION_WORDS, Submission,
};
use crate::regs;

/// A card with registers and a queue pair, without a clock.
///
/// # Corners
/// - **Window.** Offsets count modulo the window and lose their two lowest bits. Where there is no
///   register, and in bits outside of [`regs::write_mask`], reads give 0 and writes do nothing.
///   Counters read 0 here.
/// - **Indices** count modulo the ring: of a doorbell only the low `QUEUE_LOG2` bits matter, also
///   when it was written with more. The ring is empty when head and tail are equal.
/// - **`QUEUE_LOG2`** ignores values outside of 1 to 12 and every write while the queue is enabled.
///   Change it only while all indices are 0, which a reset sees to; otherwise what the indices
///   read is unspecified. Ring addresses written while a program runs take effect at a moment that
///   is not specified.
/// - **Taking.** A submission is taken when the queue is enabled, the submission ring holds one
///   and the completion ring has room for one (its tail plus one is not its head). `SQ_HEAD` moves
///   when it is taken; `CQ_TAIL`, `IRQ_STATUS` and, after a failure, `ERROR` move when its
///   completion is visible in memory. Programs run one after the other.
/// - **Disabling** lets the program that runs come to its end, completion included. Indices and
///   phase go on where they stood when the queue is enabled again; only a reset clears them.
/// - **A submission that cannot be read** completes with
///   [`ReadFault`](ErrorCode::ReadFault), tag 0, command 0. A malformed one completes with
///   [`BadSubmission`](ErrorCode::BadSubmission), its tag, command 0.
/// - **A completion that cannot be written** sets `ERROR` to
///   [`WriteFault`](ErrorCode::WriteFault), command 0, and the fatal bit of `STATUS`. `CQ_TAIL` and
///   `IRQ_STATUS` do not move, and nothing more is taken until a reset.
/// - **Interrupt.** The line is high while `IRQ_STATUS` bit 0 and the interrupt enable are both 1.
/// - **Reset** (`CONTROL` bit 2) wins over the other bits of the same write. It ends a program
///   without a completion and gives every register its reset value; on-chip memories keep what
///   they hold. Here it is over at once; a card needs the time in which memory ends what was begun.
#[derive(Clone, Debug)]
pub struct QueueModel {
    card: Card,
    registers: Registers,
    /// Phase bit of the next completion.
    phase: u8,
}

impl QueueModel {
    /// A card of this shape after power-up.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self {
            card: Card::new(config)?,
            registers: Registers::new(config),
            phase: 1,
        })
    }

    /// Reads the register at this byte offset.
    pub fn read_reg(&self, offset: u32) -> u32 {
        self.registers.read(offset)
    }

    /// Writes the register at this byte offset. What a doorbell starts happens in [`Self::step`].
    pub fn write_reg(&mut self, offset: u32, value: u32) {
        if self.registers.write(offset, value) {
            self.phase = 1;
        }
    }

    /// The interrupt line.
    pub fn irq(&self) -> bool {
        self.registers.read(regs::CONTROL) & regs::CONTROL_IRQ_ENABLE != 0
            && self.registers.read(regs::IRQ_STATUS) != 0
    }

    /// Takes one submission, runs its program and writes its completion. Returns `false` when
    /// there was none to take.
    pub fn step(&mut self, memory: &mut dyn Memory) -> bool {
        if !self.can_take() {
            return false;
        }
        let registers = &mut self.registers;
        let mask = registers.ring_mask();
        let head = registers.read(regs::SQ_HEAD) & mask;
        let entry = registers.address(regs::SQ_BASE_LO, regs::SQ_BASE_HI)
            + u64::from(head) * SUBMISSION_BYTES as u64;
        let next_head = (head + 1) & mask;
        registers.set(regs::SQ_HEAD, next_head);

        let (tag, outcome) = match read_words::<SUBMISSION_WORDS>(memory, entry) {
            Some(words) => (
                Submission::from_words(&words).tag,
                self.card.run_submission(memory, &words),
            ),
            None => (0, Outcome::failed(ErrorCode::ReadFault, 0)),
        };
        let completion = Completion {
            tag,
            status: outcome.status as u16,
            head: next_head as u16,
            command: outcome.command,
            cycles: 0,
            phase: self.phase,
        };
        self.registers.record(outcome);
        self.complete(memory, &completion);
        true
    }

    /// Runs until there is nothing to take.
    pub fn run(&mut self, memory: &mut dyn Memory) {
        while self.step(memory) {}
    }

    fn can_take(&self) -> bool {
        let registers = &self.registers;
        let mask = registers.ring_mask();
        let submitted =
            registers.read(regs::SQ_TAIL) & mask != registers.read(regs::SQ_HEAD) & mask;
        let next_tail = (registers.read(regs::CQ_TAIL) + 1) & mask;
        let room = next_tail != registers.read(regs::CQ_HEAD) & mask;
        registers.enabled() && !registers.fatal() && submitted && room
    }

    fn complete(&mut self, memory: &mut dyn Memory, completion: &Completion) {
        let registers = &mut self.registers;
        let tail = registers.read(regs::CQ_TAIL) & registers.ring_mask();
        let addr = registers.address(regs::CQ_BASE_LO, regs::CQ_BASE_HI)
            + u64::from(tail) * COMPLETION_BYTES as u64;
        let words: [u32; COMPLETION_WORDS] = completion.encode();
        let mut bytes = [0; COMPLETION_BYTES];
        for (out, word) in bytes.chunks_exact_mut(4).zip(words) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        if !memory.write(addr, &bytes) {
            registers.record(Outcome::failed(ErrorCode::WriteFault, 0));
            registers.set_fatal();
            return;
        }
        let next_tail = (tail + 1) & registers.ring_mask();
        registers.set(regs::CQ_TAIL, next_tail);
        registers.set(
            regs::IRQ_STATUS,
            registers.read(regs::IRQ_STATUS) | regs::IRQ_COMPLETION,
        );
        if next_tail == 0 {
            self.phase ^= 1;
        }
    }
}
