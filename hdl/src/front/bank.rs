//! The registers of one queue.

use isa::queue::MAX_QUEUE_LOG2;
use isa::regs;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Registers of a bank, in the order in which [`Bank`] gives their values.
const BANK: [u32; 13] = [
    regs::SQ_BASE_LO,
    regs::SQ_BASE_HI,
    regs::CQ_BASE_LO,
    regs::CQ_BASE_HI,
    regs::QUEUE_LOG2,
    regs::SQ_TAIL,
    regs::CQ_HEAD,
    regs::SQ_HEAD,
    regs::CQ_TAIL,
    regs::QUEUE_CONTROL,
    regs::QUEUE_STATUS,
    regs::QUEUE_ERROR,
    regs::IRQ_STATUS,
];

/// One bank of `isa::regs::QUEUE_REGISTERS`.
///
/// ```text
/// write, word, wdata, mask ->|      |-> enable, rings, doorbells, resetting
/// value                    <-| Bank |<- heads, busy, failed, error, completed
/// irq, calling             <-|      |<- fatal, reset_done
/// ```
///
/// `irq` is a level that the host clears. Its clearing says nothing of completions that were
/// written since the host last looked, nor of what else holds the level up; so `calling` tells of
/// each by itself.
#[derive(LogicBlock)]
pub struct Bank {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// All registers get their reset values.
    pub reset: Signal<In, Bit>,
    /// Write the register at `word`.
    pub write: Signal<In, Bit>,
    /// Which register, in words from the beginning of the bank.
    pub word: Signal<In, Bits<4>>,
    /// Value to write.
    pub wdata: Signal<In, Bits<32>>,
    /// Bits of it that count.
    pub mask: Signal<In, Bits<32>>,
    /// Value of the register at `word`, in the same cycle.
    pub value: Signal<Out, Bits<32>>,
    /// Interrupt, level.
    pub irq: Signal<Out, Bit>,
    /// For a cycle: while the interrupt is enabled, a completion was written, the queue failed or
    /// the card became fatal; or the interrupt was enabled when one of these was there already.
    pub calling: Signal<Out, Bit>,
    /// The queue runs.
    pub enable: Signal<Out, Bit>,
    /// The host asked for a reset of the queue. High until `reset_done`.
    pub resetting: Signal<Out, Bit>,
    /// Nothing of the queue's program is left: the registers get their reset values.
    pub reset_done: Signal<In, Bit>,
    /// Size of the rings.
    pub queue_log2: Signal<Out, Bits<4>>,
    /// Submission ring.
    pub sq_base: Signal<Out, Bits<64>>,
    /// Completion ring.
    pub cq_base: Signal<Out, Bits<64>>,
    /// Submission doorbell.
    pub sq_tail: Signal<Out, Bits<16>>,
    /// Completion doorbell.
    pub cq_head: Signal<Out, Bits<16>>,
    /// Next submission.
    pub sq_head: Signal<In, Bits<16>>,
    /// Next completion.
    pub cq_tail: Signal<In, Bits<16>>,
    /// A program of the queue runs.
    pub busy: Signal<In, Bit>,
    /// Its completion could not be written.
    pub failed: Signal<In, Bit>,
    /// Last error.
    pub last_error: Signal<In, Bits<32>>,
    /// A completion was written.
    pub completed: Signal<In, Bit>,
    /// Only a reset of the card helps.
    pub fatal: Signal<In, Bit>,
    register: Vec<Signal<Local, Bits<32>>>,
    number: Vec<Constant<Bits<4>>>,
    written: Signal<Local, Bits<32>>,
    kept: Signal<Local, Bits<32>>,
    written_index: Signal<Local, Bits<16>>,
    kept_index: Signal<Local, Bits<16>>,
    size: Signal<Local, Bits<4>>,
    flags: Signal<Local, Bits<32>>,
    control: DFF<Bits<2>>,
    reset_wanted: DFF<Bit>,
    irq_status: DFF<Bit>,
    calls: Signal<Local, Bit>,
    may_call: Signal<Local, Bit>,
    could_call: DFF<Bit>,
    just_completed: DFF<Bit>,
    had_failed: DFF<Bit>,
    was_fatal: DFF<Bit>,
    sq_low: DFF<Bits<32>>,
    sq_high: DFF<Bits<32>>,
    cq_low: DFF<Bits<32>>,
    cq_high: DFF<Bits<32>>,
    log2: DFF<Bits<4>>,
    tail: DFF<Bits<16>>,
    head: DFF<Bits<16>>,
    sq_mask: Constant<Bits<32>>,
    cq_mask: Constant<Bits<32>>,
    high_mask: Constant<Bits<32>>,
    index_mask: Constant<Bits<16>>,
    log2_reset: Constant<Bits<4>>,
    log2_most: Constant<Bits<4>>,
    _registers: usize,
}

impl Default for Bank {
    fn default() -> Self {
        let word = |offset: u32| Constant::new(u64::from((offset - regs::QUEUE_BASE) / 4).into());
        let mask = |offset| Constant::new(u64::from(regs::write_mask(offset)).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            word: Default::default(),
            wdata: Default::default(),
            mask: Default::default(),
            value: Default::default(),
            irq: Default::default(),
            calling: Default::default(),
            enable: Default::default(),
            resetting: Default::default(),
            reset_done: Default::default(),
            queue_log2: Default::default(),
            sq_base: Default::default(),
            cq_base: Default::default(),
            sq_tail: Default::default(),
            cq_head: Default::default(),
            sq_head: Default::default(),
            cq_tail: Default::default(),
            busy: Default::default(),
            failed: Default::default(),
            last_error: Default::default(),
            completed: Default::default(),
            fatal: Default::default(),
            register: BANK.map(|_| Signal::default()).into(),
            number: BANK.map(word).into(),
            written: Default::default(),
            kept: Default::default(),
            written_index: Default::default(),
            kept_index: Default::default(),
            size: Default::default(),
            flags: Default::default(),
            control: Default::default(),
            reset_wanted: Default::default(),
            irq_status: Default::default(),
            calls: Default::default(),
            may_call: Default::default(),
            could_call: Default::default(),
            just_completed: Default::default(),
            had_failed: Default::default(),
            was_fatal: Default::default(),
            sq_low: Default::default(),
            sq_high: Default::default(),
            cq_low: Default::default(),
            cq_high: Default::default(),
            log2: Default::default(),
            tail: Default::default(),
            head: Default::default(),
            sq_mask: mask(regs::SQ_BASE_LO),
            cq_mask: mask(regs::CQ_BASE_LO),
            high_mask: mask(regs::SQ_BASE_HI),
            index_mask: Constant::new(u64::from(regs::write_mask(regs::SQ_TAIL)).into()),
            log2_reset: Constant::new(u64::from(regs::QUEUE_LOG2_RESET).into()),
            log2_most: Constant::new(u64::from(MAX_QUEUE_LOG2).into()),
            _registers: BANK.len(),
        }
    }
}

impl Logic for Bank {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            control,
            reset_wanted,
            irq_status,
            could_call,
            just_completed,
            had_failed,
            was_fatal,
            sq_low,
            sq_high,
            cq_low,
            cq_high,
            log2,
            tail,
            head
        );
        self.register[0].next = self.sq_low.q.val();
        self.register[1].next = self.sq_high.q.val();
        self.register[2].next = self.cq_low.q.val();
        self.register[3].next = self.cq_high.q.val();
        self.register[4].next = bit_cast::<32, 4>(self.log2.q.val());
        self.register[5].next = bit_cast::<32, 16>(self.tail.q.val());
        self.register[6].next = bit_cast::<32, 16>(self.head.q.val());
        self.register[7].next = bit_cast::<32, 16>(self.sq_head.val());
        self.register[8].next = bit_cast::<32, 16>(self.cq_tail.val());
        self.register[9].next = bit_cast::<32, 2>(self.control.q.val());
        if self.reset_wanted.q.val() {
            self.register[9].next = bit_cast::<32, 2>(self.control.q.val()) | 4;
        }
        self.flags.next = 0.into();
        if self.control.q.val().get_bit(0) {
            self.flags.next = 1.into();
        }
        self.register[10].next = self.flags.val();
        if self.failed.val() {
            self.register[10].next = self.flags.val() | 4;
        }
        if self.busy.val() | self.reset_wanted.q.val() {
            self.register[10].next = self.flags.val() | 2;
            if self.failed.val() {
                self.register[10].next = self.flags.val() | 6;
            }
        }
        self.register[11].next = self.last_error.val();
        self.register[12].next = 0.into();
        if self.irq_status.q.val() {
            self.register[12].next = 1.into();
        }
        self.value.next = 0.into();
        for i in 0..self._registers {
            if self.word.val() == self.number[i].val() {
                self.value.next = self.register[i].val();
            }
        }

        if self.completed.val() {
            self.irq_status.d.next = true;
        }
        self.written.next = self.wdata.val() & self.mask.val();
        self.kept.next = !self.mask.val();
        self.written_index.next = self.written.val().get_bits::<16>(0);
        self.kept_index.next = self.kept.val().get_bits::<16>(0);
        self.size.next = self.written.val().get_bits::<4>(0);
        if self.write.val() {
            if self.word.val() == self.number[0].val() {
                self.sq_low.d.next = ((self.sq_low.q.val() & self.kept.val()) | self.written.val())
                    & self.sq_mask.val();
            }
            if self.word.val() == self.number[1].val() {
                self.sq_high.d.next = ((self.sq_high.q.val() & self.kept.val())
                    | self.written.val())
                    & self.high_mask.val();
            }
            if self.word.val() == self.number[2].val() {
                self.cq_low.d.next = ((self.cq_low.q.val() & self.kept.val()) | self.written.val())
                    & self.cq_mask.val();
            }
            if self.word.val() == self.number[3].val() {
                self.cq_high.d.next = ((self.cq_high.q.val() & self.kept.val())
                    | self.written.val())
                    & self.high_mask.val();
            }
            // All of it stands in the lowest byte; without that byte it is 0, and ignored.
            if (self.word.val() == self.number[4].val())
                & (!self.control.q.val().get_bit(0))
                & (self.size.val() != 0)
                & (self.size.val() <= self.log2_most.val())
            {
                self.log2.d.next = self.size.val();
            }
            if self.word.val() == self.number[5].val() {
                self.tail.d.next = ((self.tail.q.val() & self.kept_index.val())
                    | self.written_index.val())
                    & self.index_mask.val();
            }
            if self.word.val() == self.number[6].val() {
                self.head.d.next = ((self.head.q.val() & self.kept_index.val())
                    | self.written_index.val())
                    & self.index_mask.val();
            }
            if (self.word.val() == self.number[9].val()) & self.mask.val().get_bit(0) {
                self.control.d.next = self.written.val().get_bits::<2>(0);
                if self.written.val().get_bit(2) {
                    self.reset_wanted.d.next = true;
                }
            }
            if (self.word.val() == self.number[12].val())
                & self.written.val().get_bit(0)
                & (!self.completed.val())
            {
                self.irq_status.d.next = false;
            }
        }
        // Who waits for the end of a reset is not woken by what was before it.
        self.calls.next = self.irq_status.q.val() | self.failed.val() | self.fatal.val();
        self.may_call.next = self.control.q.val().get_bit(1) & (!self.reset_wanted.q.val());
        self.irq.next = self.calls.val() & self.may_call.val();
        self.could_call.d.next = self.may_call.val();
        self.just_completed.d.next = self.completed.val();
        self.had_failed.d.next = self.failed.val();
        self.was_fatal.d.next = self.fatal.val();
        self.calling.next = self.may_call.val()
            & (self.just_completed.q.val()
                | (self.failed.val() & (!self.had_failed.q.val()))
                | (self.fatal.val() & (!self.was_fatal.q.val()))
                | (self.calls.val() & (!self.could_call.q.val())));
        self.enable.next = self.control.q.val().get_bit(0) & (!self.reset_wanted.q.val());
        self.resetting.next = self.reset_wanted.q.val();
        self.queue_log2.next = self.log2.q.val();
        self.sq_base.next = (bit_cast::<64, 32>(self.sq_high.q.val()) << 32)
            | bit_cast::<64, 32>(self.sq_low.q.val());
        self.cq_base.next = (bit_cast::<64, 32>(self.cq_high.q.val()) << 32)
            | bit_cast::<64, 32>(self.cq_low.q.val());
        self.sq_tail.next = self.tail.q.val();
        self.cq_head.next = self.head.q.val();
        if self.reset.val() | self.reset_done.val() {
            self.reset_wanted.d.next = false;
            self.control.d.next = 0.into();
            self.irq_status.d.next = false;
            self.just_completed.d.next = false;
            self.sq_low.d.next = 0.into();
            self.sq_high.d.next = 0.into();
            self.cq_low.d.next = 0.into();
            self.cq_high.d.next = 0.into();
            self.log2.d.next = self.log2_reset.val();
            self.tail.d.next = 0.into();
            self.head.d.next = 0.into();
        }
    }
}
