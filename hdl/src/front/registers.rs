//! The register window.

use isa::config::Config;
use isa::queue::MAX_QUEUES;
use isa::regs;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bank::Bank;

/// Registers that the card has once, in the order in which [`Registers`] gives their values.
const READ: [u32; 19] = [
    regs::ID,
    regs::VERSION,
    regs::CAP_ARRAY,
    regs::CAP_PORT,
    regs::CAP_ACT_ROWS,
    regs::CAP_WGT_ROWS,
    regs::CAP_ACC_ROWS,
    regs::CAP_COLUMN_ROWS,
    regs::CAP_ROW_SCALES,
    regs::CAP_DATAPATHS,
    regs::CAP_QUEUES,
    regs::CAP_CARD_MEMORY,
    regs::CAP_BLOCK,
    regs::CONTROL,
    regs::STATUS,
    regs::ERROR,
    regs::WATCHDOG,
    regs::LINK_TIMEOUT,
    regs::COUNTER_CONTROL,
];
/// How many of [`READ`] come before `CONTROL`: they never change.
const FIXED: usize = 13;

/// The register window of `isa::regs`.
///
/// ```text
/// write, read, addr, wdata, strobes ->|           |-> enable[], rings[], doorbells[]
/// rdata (1 later)                   <-| Registers |<- heads[], status[], error[]
/// irq, events                       <-|           |-> resets, watchdog, link_timeout
///                                     |           |<- status, error, counters
/// ```
///
/// Reads and writes take one cycle and never wait. Where there is no register, reads give 0 and
/// writes do nothing. Each queue has a [`Bank`].
#[derive(LogicBlock)]
pub struct Registers {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// All registers get their reset values.
    pub reset: Signal<In, Bit>,
    /// Write `wdata` at `addr`.
    pub write: Signal<In, Bit>,
    /// Read at `addr`.
    pub read: Signal<In, Bit>,
    /// Byte offset; the two lowest bits do not count.
    pub addr: Signal<In, Bits<12>>,
    /// Value to write.
    pub wdata: Signal<In, Bits<32>>,
    /// Bytes of it that count.
    pub strobes: Signal<In, Bits<4>>,
    /// Value read, one cycle later.
    pub rdata: Signal<Out, Bits<32>>,
    /// Interrupt of each queue, level.
    pub irq: Signal<Out, Bits<8>>,
    /// Queues that have something new to tell, for a cycle ([`Bank::calling`]).
    pub events: Signal<Out, Bits<8>>,
    /// The host asked for a reset: come to rest. High until `reset_done`.
    pub soft_reset: Signal<Out, Bit>,
    /// The card is at rest: the registers get their reset values.
    pub reset_done: Signal<In, Bit>,
    /// Watchdog.
    pub watchdog: Signal<Out, Bits<32>>,
    /// Cycles after which a read over PCIe fails.
    pub link_timeout: Signal<Out, Bits<32>>,
    /// Clear the counters.
    pub clear_counters: Signal<Out, Bit>,
    /// Hold the counters.
    pub freeze_counters: Signal<Out, Bit>,
    /// A program runs.
    pub busy: Signal<In, Bit>,
    /// Only a reset of the card helps.
    pub fatal: Signal<In, Bit>,
    /// Last error of any queue.
    pub last_error: Signal<In, Bits<32>>,
    /// Counters, lower halves.
    pub counter_low: Vec<Signal<In, Bits<32>>>,
    /// Counters, upper halves.
    pub counter_high: Vec<Signal<In, Bits<32>>>,
    // Queues.
    /// The queue runs.
    pub enable: Vec<Signal<Out, Bit>>,
    /// Size of the rings.
    pub queue_log2: Vec<Signal<Out, Bits<4>>>,
    /// Submission ring.
    pub sq_base: Vec<Signal<Out, Bits<64>>>,
    /// Completion ring.
    pub cq_base: Vec<Signal<Out, Bits<64>>>,
    /// Submission doorbell.
    pub sq_tail: Vec<Signal<Out, Bits<16>>>,
    /// Completion doorbell.
    pub cq_head: Vec<Signal<Out, Bits<16>>>,
    /// The host asked for a reset of the queue. High until its `queue_reset_done`.
    pub queue_resetting: Vec<Signal<Out, Bit>>,
    /// Nothing of the queue's program is left: its registers get their reset values.
    pub queue_reset_done: Vec<Signal<In, Bit>>,
    /// Next submission.
    pub sq_head: Vec<Signal<In, Bits<16>>>,
    /// Next completion.
    pub cq_tail: Vec<Signal<In, Bits<16>>>,
    /// A program of the queue runs.
    pub queue_busy: Vec<Signal<In, Bit>>,
    /// Its completion could not be written.
    pub queue_failed: Vec<Signal<In, Bit>>,
    /// Last error of the queue.
    pub queue_error: Vec<Signal<In, Bits<32>>>,
    /// A completion was written.
    pub completed: Vec<Signal<In, Bit>>,
    bank: Vec<Bank>,
    bank_number: Vec<Constant<Bits<6>>>,
    bank_at: Signal<Local, Bits<6>>,
    bank_word: Signal<Local, Bits<4>>,
    irq_bit: Vec<Constant<Bits<8>>>,
    irq_chain: Vec<Signal<Local, Bits<8>>>,
    event_chain: Vec<Signal<Local, Bits<8>>>,
    value: Vec<Signal<Local, Bits<32>>>,
    fixed: Vec<Constant<Bits<32>>>,
    offset: Vec<Constant<Bits<10>>>,
    counter_low_offset: Vec<Constant<Bits<10>>>,
    counter_high_offset: Vec<Constant<Bits<10>>>,
    at: Signal<Local, Bits<10>>,
    found: Signal<Local, Bits<32>>,
    found_low: Signal<Local, Bits<32>>,
    found_high: Signal<Local, Bits<32>>,
    found_bank: Signal<Local, Bits<32>>,
    byte: Vec<Constant<Bits<32>>>,
    mask_chain: Vec<Signal<Local, Bits<32>>>,
    mask: Signal<Local, Bits<32>>,
    kept: Signal<Local, Bits<32>>,
    written: Signal<Local, Bits<32>>,
    answer: DFF<Bits<32>>,
    answer_low: DFF<Bits<32>>,
    answer_high: DFF<Bits<32>>,
    answer_bank: DFF<Bits<32>>,
    resetting: DFF<Bit>,
    watchdog_cycles: DFF<Bits<32>>,
    link_cycles: DFF<Bits<32>>,
    freeze: DFF<Bit>,
    clear: DFF<Bit>,
    watchdog_reset: Constant<Bits<32>>,
    link_reset: Constant<Bits<32>>,
    _registers: usize,
    _fixed: usize,
    _counters: usize,
    _queues: usize,
    _queues_end: usize,
}

impl Registers {
    /// The window of a card of this shape.
    pub fn new(shape: &Config) -> Self {
        let counters = regs::COUNTERS.len();
        let queues = shape.queues as usize;
        let number = |value: u32| Constant::new(u64::from(value).into());
        let word = |offset: u32| Constant::new(u64::from(offset / 4).into());
        let low = |index: usize| word(regs::counter_offset(index));
        let high = |index: usize| word(regs::counter_offset(index) + 4);
        let bank = |queue| regs::of_queue(queue, regs::QUEUE_BASE) / regs::QUEUE_STRIDE;
        /// Some of a kind.
        fn some<T: Default>(count: usize) -> Vec<T> {
            (0..count).map(|_| T::default()).collect()
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            read: Default::default(),
            addr: Default::default(),
            wdata: Default::default(),
            strobes: Default::default(),
            rdata: Default::default(),
            irq: Default::default(),
            events: Default::default(),
            soft_reset: Default::default(),
            reset_done: Default::default(),
            watchdog: Default::default(),
            link_timeout: Default::default(),
            clear_counters: Default::default(),
            freeze_counters: Default::default(),
            busy: Default::default(),
            fatal: Default::default(),
            last_error: Default::default(),
            counter_low: some(counters),
            counter_high: some(counters),
            enable: some(queues),
            queue_log2: some(queues),
            sq_base: some(queues),
            cq_base: some(queues),
            sq_tail: some(queues),
            cq_head: some(queues),
            queue_resetting: some(queues),
            queue_reset_done: some(queues),
            sq_head: some(queues),
            cq_tail: some(queues),
            queue_busy: some(queues),
            queue_failed: some(queues),
            queue_error: some(queues),
            completed: some(queues),
            bank: some(queues),
            bank_number: (0..shape.queues)
                .map(|queue| Constant::new(u64::from(bank(queue)).into()))
                .collect(),
            bank_at: Default::default(),
            bank_word: Default::default(),
            irq_bit: (0..MAX_QUEUES)
                .map(|queue| Constant::new((1u64 << queue).into()))
                .collect(),
            irq_chain: some(queues + 1),
            event_chain: some(queues + 1),
            value: some(READ.len()),
            fixed: READ[..FIXED]
                .iter()
                .map(|&offset| number(regs::reset_value(offset, shape)))
                .collect(),
            offset: READ.iter().map(|&offset| word(offset)).collect(),
            counter_low_offset: (0..counters).map(low).collect(),
            counter_high_offset: (0..counters).map(high).collect(),
            at: Default::default(),
            found: Default::default(),
            found_low: Default::default(),
            found_high: Default::default(),
            found_bank: Default::default(),
            byte: (0..4).map(|byte| number(0xff << (8 * byte))).collect(),
            mask_chain: some(5),
            mask: Default::default(),
            kept: Default::default(),
            written: Default::default(),
            answer: Default::default(),
            answer_low: Default::default(),
            answer_high: Default::default(),
            answer_bank: Default::default(),
            resetting: Default::default(),
            watchdog_cycles: Default::default(),
            link_cycles: Default::default(),
            freeze: Default::default(),
            clear: Default::default(),
            watchdog_reset: number(regs::WATCHDOG_RESET),
            link_reset: number(regs::LINK_TIMEOUT_RESET),
            _registers: READ.len(),
            _fixed: FIXED,
            _counters: counters,
            _queues: queues,
            _queues_end: queues + 1,
        }
    }
}

impl Logic for Registers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            answer,
            answer_low,
            answer_high,
            answer_bank,
            resetting,
            watchdog_cycles,
            link_cycles,
            freeze,
            clear
        );
        self.at.next = self.addr.val().get_bits::<10>(2);
        self.bank_at.next = self.addr.val().get_bits::<6>(6);
        self.bank_word.next = self.addr.val().get_bits::<4>(2);
        self.mask_chain[0].next = 0.into();
        for i in 0..4usize {
            self.mask_chain[i + 1].next = self.mask_chain[i].val();
            if self.strobes.val().get_bit(i) {
                self.mask_chain[i + 1].next = self.mask_chain[i].val() | self.byte[i].val();
            }
        }
        self.mask.next = self.mask_chain[4].val();
        self.kept.next = !self.mask.val();
        self.written.next = self.wdata.val() & self.mask.val();

        // Reads.
        for i in 0..self._fixed {
            self.value[i].next = self.fixed[i].val();
        }
        self.value[13].next = 0.into();
        if self.resetting.q.val() {
            self.value[13].next = 4.into();
        }
        self.value[14].next = 0.into();
        if self.fatal.val() {
            self.value[14].next = 4.into();
        } else if self.busy.val() {
            self.value[14].next = 2.into();
        }
        self.value[15].next = self.last_error.val();
        self.value[16].next = self.watchdog_cycles.q.val();
        self.value[17].next = self.link_cycles.q.val();
        self.value[18].next = 0.into();
        if self.freeze.q.val() {
            self.value[18].next = 2.into();
        }
        // Each kind has its own answer, 0 where it has none, so that no choice among all of them
        // stands before a register.
        self.found.next = 0.into();
        for i in 0..self._registers {
            if self.at.val() == self.offset[i].val() {
                self.found.next = self.value[i].val();
            }
        }
        self.found_low.next = 0.into();
        self.found_high.next = 0.into();
        for i in 0..self._counters {
            if self.at.val() == self.counter_low_offset[i].val() {
                self.found_low.next = self.counter_low[i].val();
            }
            if self.at.val() == self.counter_high_offset[i].val() {
                self.found_high.next = self.counter_high[i].val();
            }
        }
        self.found_bank.next = 0.into();
        for i in 0..self._queues {
            if self.bank_at.val() == self.bank_number[i].val() {
                self.found_bank.next = self.bank[i].value.val();
            }
        }
        if self.read.val() {
            self.answer.d.next = self.found.val();
            self.answer_low.d.next = self.found_low.val();
            self.answer_high.d.next = self.found_high.val();
            self.answer_bank.d.next = self.found_bank.val();
        }
        self.rdata.next = (self.answer.q.val() | self.answer_low.q.val())
            | (self.answer_high.q.val() | self.answer_bank.q.val());

        // Writes.
        self.clear.d.next = false;
        if self.write.val() {
            if (self.at.val() == self.offset[13].val()) & self.written.val().get_bit(2) {
                self.resetting.d.next = true;
            }
            if self.at.val() == self.offset[16].val() {
                self.watchdog_cycles.d.next =
                    (self.watchdog_cycles.q.val() & self.kept.val()) | self.written.val();
            }
            if self.at.val() == self.offset[17].val() {
                self.link_cycles.d.next =
                    (self.link_cycles.q.val() & self.kept.val()) | self.written.val();
            }
            if (self.at.val() == self.offset[18].val()) & self.mask.val().get_bit(0) {
                self.clear.d.next = self.written.val().get_bit(0);
                self.freeze.d.next = self.written.val().get_bit(1);
            }
        }
        self.soft_reset.next = self.resetting.q.val();
        self.watchdog.next = self.watchdog_cycles.q.val();
        self.link_timeout.next = self.link_cycles.q.val();
        self.clear_counters.next = self.clear.q.val();
        self.freeze_counters.next = self.freeze.q.val();

        // Queues.
        self.irq_chain[0].next = 0.into();
        self.event_chain[0].next = 0.into();
        for i in 0..self._queues {
            self.bank[i].clock.next = self.clock.val();
            self.bank[i].reset.next =
                self.reset.val() | (self.resetting.q.val() & self.reset_done.val());
            self.bank[i].write.next =
                self.write.val() & (self.bank_at.val() == self.bank_number[i].val());
            self.bank[i].word.next = self.bank_word.val();
            self.bank[i].wdata.next = self.wdata.val();
            self.bank[i].mask.next = self.mask.val();
            self.bank[i].reset_done.next = self.queue_reset_done[i].val();
            self.bank[i].sq_head.next = self.sq_head[i].val();
            self.bank[i].cq_tail.next = self.cq_tail[i].val();
            self.bank[i].busy.next = self.queue_busy[i].val();
            self.bank[i].failed.next = self.queue_failed[i].val();
            self.bank[i].last_error.next = self.queue_error[i].val();
            self.bank[i].completed.next = self.completed[i].val();
            self.bank[i].fatal.next = self.fatal.val();
            self.enable[i].next = self.bank[i].enable.val() & (!self.resetting.q.val());
            self.queue_resetting[i].next = self.bank[i].resetting.val();
            self.queue_log2[i].next = self.bank[i].queue_log2.val();
            self.sq_base[i].next = self.bank[i].sq_base.val();
            self.cq_base[i].next = self.bank[i].cq_base.val();
            self.sq_tail[i].next = self.bank[i].sq_tail.val();
            self.cq_head[i].next = self.bank[i].cq_head.val();
            self.irq_chain[i + 1].next = self.irq_chain[i].val();
            if self.bank[i].irq.val() {
                self.irq_chain[i + 1].next = self.irq_chain[i].val() | self.irq_bit[i].val();
            }
            self.event_chain[i + 1].next = self.event_chain[i].val();
            if self.bank[i].calling.val() {
                self.event_chain[i + 1].next = self.event_chain[i].val() | self.irq_bit[i].val();
            }
        }
        // Who waits for the end of a reset is not woken by what was before it.
        self.irq.next = 0.into();
        self.events.next = 0.into();
        if !self.resetting.q.val() {
            for n in self._queues..self._queues_end {
                self.irq.next = self.irq_chain[n].val();
                self.events.next = self.event_chain[n].val();
            }
        }
        if self.reset.val() | (self.resetting.q.val() & self.reset_done.val()) {
            self.resetting.d.next = false;
            self.watchdog_cycles.d.next = self.watchdog_reset.val();
            self.link_cycles.d.next = self.link_reset.val();
            self.freeze.d.next = false;
            self.clear.d.next = true;
        }
    }
}
