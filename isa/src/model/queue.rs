//! The card behind its register window.

use crate::config::{Config, ConfigError};
use crate::model::memory::read_words;
use crate::model::registers::Registers;
use crate::model::{Card, Memory, Outcome};
use crate::queue::{
    COMPLETION_BYTES, COMPLETION_WORDS, Completion, SUBMISSION_BYTES, SUBMISSION_WORDS, Submission,
};
use crate::regs;

/// A card with registers and queue pairs, without a clock.
///
/// # Corners
/// - **Window.** Offsets count modulo the window and lose their two lowest bits. Where there is no
///   register, and in bits outside of [`regs::write_mask`], reads give 0 and writes do nothing.
///   Counters read 0 here. Of a write only the bytes count that its strobes name: the others of
///   the register stay, and ask for nothing.
/// - **Indices** count modulo the ring: of a doorbell only the low `QUEUE_LOG2` bits matter, also
///   when it was written with more. The ring is empty when head and tail are equal.
/// - **`QUEUE_LOG2`** ignores values outside of 1 to 12 and every write while the queue is enabled.
///   Change it only while all indices are 0, which a reset sees to; otherwise what the indices
///   read is unspecified. Ring addresses written while a program runs take effect at a moment that
///   is not specified.
/// - **Taking.** A submission may be taken when its queue is enabled, has not failed, its
///   submission ring holds one and its completion ring has room for one (its tail plus one is not
///   its head). `SQ_HEAD` moves when it is taken; `CQ_TAIL`, `IRQ_STATUS` and, after a failure,
///   `ERROR` and `QUEUE_ERROR` move when its completion is visible in memory.
/// - **Turns.** Programs run one after the other, whatever their queues. After one has ended it is
///   the turn of the next queue that has something to take, counted upwards from the one whose
///   program it was and from the last to queue 0; this one comes last. On-chip memories belong to
///   nobody: a program that needs what an earlier one left there must know that no other queue
///   ran one between.
/// - **Disabling** lets the program that runs come to its end, completion included. Indices and
///   phase go on where they stood when the queue is enabled again; only a reset clears them.
/// - **A submission that cannot be read** completes with
///   [`ReadFault`](crate::error::ErrorCode::ReadFault), tag 0, command 0. A malformed one completes with
///   [`BadSubmission`](crate::error::ErrorCode::BadSubmission), its tag, command 0.
/// - **A completion that cannot be written** sets `ERROR` and `QUEUE_ERROR` to
///   [`WriteFault`](crate::error::ErrorCode::WriteFault), command 0, and the failed bit of `QUEUE_STATUS`.
///   `CQ_TAIL` and `IRQ_STATUS` do not move, and nothing more is taken from this queue until it,
///   or the card, is reset. The other queues go on.
/// - **Interrupt.** The line of a queue is high while its interrupt enable is 1 and bit 0 of
///   `IRQ_STATUS` is 1, or the queue has failed, or the card is fatal (which this one never is).
/// - **Message.** Where interrupts are messages (MSI-X) the line does not matter. While the
///   interrupt of a queue is enabled there is an event for every completion that is written,
///   whether the ones before are acknowledged or not, and when the queue fails or the card becomes
///   fatal; also when the interrupt is enabled while the line is due. Each event sends a message
///   of the queue's vector; those that come while one is pending share it. Only a reset of the
///   function drops a pending message, so one may tell of completions that the host has already
///   found.
/// - **Reset of a queue** (`QUEUE_CONTROL` bit 2) wins over the other bits of the same write. It
///   ends its program without a completion and gives the registers of its bank their reset values.
///   The other queues and `ERROR` do not change.
/// - **Reset of the card** (`CONTROL` bit 2) does that to every register; on-chip memories keep
///   what they hold. Here a reset is over at once; a card needs the time in which memory ends what
///   was begun.
#[derive(Clone, Debug)]
pub struct QueueModel {
    card: Card,
    registers: Registers,
    /// The queue whose turn it is.
    turn: usize,
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
            turn: 0,
        })
    }

    /// The shape of the card.
    pub fn config(&self) -> &Config {
        self.card.config()
    }

    /// Reads the register at this byte offset.
    pub fn read_reg(&self, offset: u32) -> u32 {
        self.registers.read(offset)
    }

    /// Writes the register at this byte offset. What a doorbell starts happens in [`Self::step`].
    pub fn write_reg(&mut self, offset: u32, value: u32) {
        self.write_reg_bytes(offset, value, 0xf);
    }

    /// Writes the bytes of a register that `strobes` names, bit 0 for bits 7:0 of `value`.
    pub fn write_reg_bytes(&mut self, offset: u32, value: u32, strobes: u8) {
        self.registers.write(offset, value, strobes);
        let at = offset % regs::WINDOW_BYTES / 4 * 4;
        let resets = at == regs::CONTROL && strobes & 1 == 1 && value & regs::CONTROL_RESET != 0;
        if resets {
            self.turn = 0;
        }
    }

    /// Whether the interrupt line of any queue is high.
    pub fn irq(&self) -> bool {
        (0..self.registers.queues()).any(|queue| self.registers.queue(queue).irq())
    }

    /// The interrupt line of a queue; low where there is no such queue.
    pub fn queue_irq(&self, queue: u32) -> bool {
        let queue = queue as usize;
        queue < self.registers.queues() && self.registers.queue(queue).irq()
    }

    /// Events since the last call, bit `q` for queue `q`: each is to be told by a message.
    pub fn take_events(&mut self) -> u32 {
        (0..self.registers.queues())
            .filter(|&queue| self.registers.queue_mut(queue).take_event())
            .fold(0, |events, queue| events | 1 << queue)
    }

    /// Takes one submission, runs its program and writes its completion. Returns `false` when
    /// there was none to take.
    pub fn step(&mut self, memory: &mut dyn Memory) -> bool {
        if !self.registers.queue(self.turn).has_work() {
            self.pass();
            if !self.registers.queue(self.turn).has_work() {
                return false;
            }
        }
        let queue = self.registers.queue_mut(self.turn);
        let mask = queue.ring_mask();
        let head = queue.get(regs::SQ_HEAD) & mask;
        let entry = queue.address(regs::SQ_BASE_LO, regs::SQ_BASE_HI)
            + u64::from(head) * SUBMISSION_BYTES as u64;
        let next_head = (head + 1) & mask;
        queue.set(regs::SQ_HEAD, next_head);

        let (tag, outcome) = match read_words::<SUBMISSION_WORDS>(memory, entry) {
            Some(words) => (
                Submission::from_words(&words).tag,
                self.card.run_submission(memory, &words),
            ),
            None => (0, Outcome::failed(memory.cause().of_read(), 0)),
        };
        let completion = Completion {
            tag,
            status: outcome.status as u16,
            head: next_head as u16,
            command: outcome.command,
            cycles: 0,
            phase: self.registers.queue(self.turn).phase,
        };
        self.registers.record(self.turn, outcome);
        self.complete(memory, &completion);
        self.pass();
        true
    }

    /// Runs until there is nothing to take.
    pub fn run(&mut self, memory: &mut dyn Memory) {
        while self.step(memory) {}
    }

    /// Gives the turn to the next queue that has work; without any it stays.
    fn pass(&mut self) {
        let queues = self.registers.queues();
        self.turn = (1..=queues)
            .map(|step| (self.turn + step) % queues)
            .find(|queue| self.registers.queue(*queue).has_work())
            .unwrap_or(self.turn);
    }

    fn complete(&mut self, memory: &mut dyn Memory, completion: &Completion) {
        let queue = self.registers.queue_mut(self.turn);
        let tail = queue.get(regs::CQ_TAIL) & queue.ring_mask();
        let addr = queue.address(regs::CQ_BASE_LO, regs::CQ_BASE_HI)
            + u64::from(tail) * COMPLETION_BYTES as u64;
        let words: [u32; COMPLETION_WORDS] = completion.encode();
        let mut bytes = [0; COMPLETION_BYTES];
        for (out, word) in bytes.chunks_exact_mut(4).zip(words) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        if !memory.write(addr, &bytes) {
            queue.set(
                regs::QUEUE_STATUS,
                queue.get(regs::QUEUE_STATUS) | regs::QUEUE_FAILED,
            );
            queue.signal();
            let outcome = Outcome::failed(memory.cause().of_write(), 0);
            self.registers.record(self.turn, outcome);
            return;
        }
        let next_tail = (tail + 1) & queue.ring_mask();
        queue.set(regs::CQ_TAIL, next_tail);
        queue.set(
            regs::IRQ_STATUS,
            queue.get(regs::IRQ_STATUS) | regs::IRQ_COMPLETION,
        );
        queue.signal();
        if next_tail == 0 {
            queue.phase ^= 1;
        }
    }
}
