//! The register window.

use isa::config::Config;
use isa::queue::MAX_QUEUE_LOG2;
use isa::regs;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Registers that are read, in the order in which [`Registers`] gives their values.
const READ: [u32; 25] = [
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
    regs::CONTROL,
    regs::STATUS,
    regs::ERROR,
    regs::IRQ_STATUS,
    regs::WATCHDOG,
    regs::SQ_BASE_LO,
    regs::SQ_BASE_HI,
    regs::CQ_BASE_LO,
    regs::CQ_BASE_HI,
    regs::QUEUE_LOG2,
    regs::SQ_TAIL,
    regs::CQ_HEAD,
    regs::SQ_HEAD,
    regs::CQ_TAIL,
    regs::COUNTER_CONTROL,
];
/// How many of [`READ`] come before `CONTROL`: they never change.
const FIXED: usize = 10;

/// The register window of `isa::regs`.
///
/// ```text
/// write, read, addr, wdata ->|           |-> enable, rings, doorbells, watchdog
/// rdata (1 later)          <-| Registers |<- heads, status, error, counters
/// irq                      <-|           |-> soft_reset, counter control
/// ```
///
/// Reads and writes take one cycle and never wait. Where there is no register, reads give 0 and
/// writes do nothing.
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
    /// Value read, one cycle later.
    pub rdata: Signal<Out, Bits<32>>,
    /// Interrupt.
    pub irq: Signal<Out, Bit>,
    /// The queue runs.
    pub enable: Signal<Out, Bit>,
    /// The host asked for a reset: come to rest. High until `reset_done`.
    pub soft_reset: Signal<Out, Bit>,
    /// The card is at rest: the registers get their reset values.
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
    /// Watchdog.
    pub watchdog: Signal<Out, Bits<32>>,
    /// Clear the counters.
    pub clear_counters: Signal<Out, Bit>,
    /// Hold the counters.
    pub freeze_counters: Signal<Out, Bit>,
    /// Next submission.
    pub sq_head: Signal<In, Bits<16>>,
    /// Next completion.
    pub cq_tail: Signal<In, Bits<16>>,
    /// A program runs.
    pub busy: Signal<In, Bit>,
    /// Only a reset helps.
    pub fatal: Signal<In, Bit>,
    /// Last error.
    pub last_error: Signal<In, Bits<32>>,
    /// A completion was written.
    pub completed: Signal<In, Bit>,
    /// Counters, lower halves.
    pub counter_low: Vec<Signal<In, Bits<32>>>,
    /// Counters, upper halves.
    pub counter_high: Vec<Signal<In, Bits<32>>>,
    value: Vec<Signal<Local, Bits<32>>>,
    fixed: Vec<Constant<Bits<32>>>,
    offset: Vec<Constant<Bits<10>>>,
    counter_low_offset: Vec<Constant<Bits<10>>>,
    counter_high_offset: Vec<Constant<Bits<10>>>,
    at: Signal<Local, Bits<10>>,
    found: Signal<Local, Bits<32>>,
    answer: DFF<Bits<32>>,
    control: DFF<Bits<2>>,
    resetting: DFF<Bit>,
    irq_status: DFF<Bit>,
    watchdog_cycles: DFF<Bits<32>>,
    sq_low: DFF<Bits<32>>,
    sq_high: DFF<Bits<32>>,
    cq_low: DFF<Bits<32>>,
    cq_high: DFF<Bits<32>>,
    log2: DFF<Bits<4>>,
    tail: DFF<Bits<16>>,
    head: DFF<Bits<16>>,
    freeze: DFF<Bit>,
    clear: DFF<Bit>,
    sq_mask: Constant<Bits<32>>,
    cq_mask: Constant<Bits<32>>,
    high_mask: Constant<Bits<32>>,
    index_mask: Constant<Bits<16>>,
    watchdog_reset: Constant<Bits<32>>,
    log2_reset: Constant<Bits<4>>,
    log2_most: Constant<Bits<32>>,
    flags: Signal<Local, Bits<32>>,
    _registers: usize,
    _fixed: usize,
    _counters: usize,
}

impl Registers {
    /// The window of a card of this shape.
    pub fn new(shape: &Config) -> Self {
        let counters = regs::COUNTERS.len();
        let number = |value: u32| Constant::new(u64::from(value).into());
        let word = |offset: u32| Constant::new(u64::from(offset / 4).into());
        let low = |index: usize| word(regs::counter_offset(index));
        let high = |index: usize| word(regs::counter_offset(index) + 4);
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            read: Default::default(),
            addr: Default::default(),
            wdata: Default::default(),
            rdata: Default::default(),
            irq: Default::default(),
            enable: Default::default(),
            soft_reset: Default::default(),
            reset_done: Default::default(),
            queue_log2: Default::default(),
            sq_base: Default::default(),
            cq_base: Default::default(),
            sq_tail: Default::default(),
            cq_head: Default::default(),
            watchdog: Default::default(),
            clear_counters: Default::default(),
            freeze_counters: Default::default(),
            sq_head: Default::default(),
            cq_tail: Default::default(),
            busy: Default::default(),
            fatal: Default::default(),
            last_error: Default::default(),
            completed: Default::default(),
            counter_low: (0..counters).map(|_| Signal::default()).collect(),
            counter_high: (0..counters).map(|_| Signal::default()).collect(),
            value: READ.iter().map(|_| Signal::default()).collect(),
            fixed: READ[..FIXED]
                .iter()
                .map(|&offset| number(regs::reset_value(offset, shape)))
                .collect(),
            offset: READ.iter().map(|&offset| word(offset)).collect(),
            counter_low_offset: (0..counters).map(low).collect(),
            counter_high_offset: (0..counters).map(high).collect(),
            at: Default::default(),
            found: Default::default(),
            answer: Default::default(),
            control: Default::default(),
            resetting: Default::default(),
            irq_status: Default::default(),
            watchdog_cycles: Default::default(),
            sq_low: Default::default(),
            sq_high: Default::default(),
            cq_low: Default::default(),
            cq_high: Default::default(),
            log2: Default::default(),
            tail: Default::default(),
            head: Default::default(),
            freeze: Default::default(),
            clear: Default::default(),
            sq_mask: number(regs::write_mask(regs::SQ_BASE_LO)),
            cq_mask: number(regs::write_mask(regs::CQ_BASE_LO)),
            high_mask: number(regs::write_mask(regs::SQ_BASE_HI)),
            index_mask: Constant::new(u64::from(regs::write_mask(regs::SQ_TAIL)).into()),
            watchdog_reset: number(regs::WATCHDOG_RESET),
            log2_reset: Constant::new(u64::from(regs::QUEUE_LOG2_RESET).into()),
            log2_most: number(MAX_QUEUE_LOG2),
            flags: Default::default(),
            _registers: READ.len(),
            _fixed: FIXED,
            _counters: counters,
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
            control,
            resetting,
            irq_status,
            watchdog_cycles,
            sq_low,
            sq_high,
            cq_low,
            cq_high,
            log2,
            tail,
            head,
            freeze,
            clear
        );
        self.at.next = self.addr.val().get_bits::<10>(2);
        for i in 0..self._fixed {
            self.value[i].next = self.fixed[i].val();
        }
        self.value[10].next = bit_cast::<32, 2>(self.control.q.val());
        if self.resetting.q.val() {
            self.value[10].next = bit_cast::<32, 2>(self.control.q.val()) | 4;
        }
        self.flags.next = 0.into();
        if self.control.q.val().get_bit(0) {
            self.flags.next = 1.into();
        }
        self.value[11].next = self.flags.val();
        if self.fatal.val() {
            self.value[11].next = self.flags.val() | 4;
        } else if self.busy.val() {
            self.value[11].next = self.flags.val() | 2;
        }
        self.value[12].next = self.last_error.val();
        self.value[13].next = 0.into();
        if self.irq_status.q.val() {
            self.value[13].next = 1.into();
        }
        self.value[14].next = self.watchdog_cycles.q.val();
        self.value[15].next = self.sq_low.q.val();
        self.value[16].next = self.sq_high.q.val();
        self.value[17].next = self.cq_low.q.val();
        self.value[18].next = self.cq_high.q.val();
        self.value[19].next = bit_cast::<32, 4>(self.log2.q.val());
        self.value[20].next = bit_cast::<32, 16>(self.tail.q.val());
        self.value[21].next = bit_cast::<32, 16>(self.head.q.val());
        self.value[22].next = bit_cast::<32, 16>(self.sq_head.val());
        self.value[23].next = bit_cast::<32, 16>(self.cq_tail.val());
        self.value[24].next = 0.into();
        if self.freeze.q.val() {
            self.value[24].next = 2.into();
        }
        self.found.next = 0.into();
        for i in 0..self._registers {
            if self.at.val() == self.offset[i].val() {
                self.found.next = self.value[i].val();
            }
        }
        for i in 0..self._counters {
            if self.at.val() == self.counter_low_offset[i].val() {
                self.found.next = self.counter_low[i].val();
            }
            if self.at.val() == self.counter_high_offset[i].val() {
                self.found.next = self.counter_high[i].val();
            }
        }
        if self.read.val() {
            self.answer.d.next = self.found.val();
        }
        self.rdata.next = self.answer.q.val();

        self.clear.d.next = false;
        if self.completed.val() {
            self.irq_status.d.next = true;
        }
        if self.write.val() {
            if self.at.val() == self.offset[10].val() {
                self.control.d.next = self.wdata.val().get_bits::<2>(0);
                if self.wdata.val().get_bit(2) {
                    self.resetting.d.next = true;
                }
            }
            if (self.at.val() == self.offset[13].val())
                & self.wdata.val().get_bit(0)
                & (!self.completed.val())
            {
                self.irq_status.d.next = false;
            }
            if self.at.val() == self.offset[14].val() {
                self.watchdog_cycles.d.next = self.wdata.val();
            }
            if self.at.val() == self.offset[15].val() {
                self.sq_low.d.next = self.wdata.val() & self.sq_mask.val();
            }
            if self.at.val() == self.offset[16].val() {
                self.sq_high.d.next = self.wdata.val() & self.high_mask.val();
            }
            if self.at.val() == self.offset[17].val() {
                self.cq_low.d.next = self.wdata.val() & self.cq_mask.val();
            }
            if self.at.val() == self.offset[18].val() {
                self.cq_high.d.next = self.wdata.val() & self.high_mask.val();
            }
            if (self.at.val() == self.offset[19].val())
                & (!self.control.q.val().get_bit(0))
                & (self.wdata.val().get_bits::<4>(0) != 0)
                & (bit_cast::<32, 4>(self.wdata.val().get_bits::<4>(0)) <= self.log2_most.val())
            {
                self.log2.d.next = self.wdata.val().get_bits::<4>(0);
            }
            if self.at.val() == self.offset[20].val() {
                self.tail.d.next = self.wdata.val().get_bits::<16>(0) & self.index_mask.val();
            }
            if self.at.val() == self.offset[21].val() {
                self.head.d.next = self.wdata.val().get_bits::<16>(0) & self.index_mask.val();
            }
            if self.at.val() == self.offset[24].val() {
                self.clear.d.next = self.wdata.val().get_bit(0);
                self.freeze.d.next = self.wdata.val().get_bit(1);
            }
        }
        // Who waits for the end of a reset is not woken by what was before it.
        self.irq.next =
            self.irq_status.q.val() & self.control.q.val().get_bit(1) & (!self.resetting.q.val());
        self.enable.next = self.control.q.val().get_bit(0) & (!self.resetting.q.val());
        self.soft_reset.next = self.resetting.q.val();
        self.queue_log2.next = self.log2.q.val();
        self.sq_base.next = (bit_cast::<64, 32>(self.sq_high.q.val()) << 32)
            | bit_cast::<64, 32>(self.sq_low.q.val());
        self.cq_base.next = (bit_cast::<64, 32>(self.cq_high.q.val()) << 32)
            | bit_cast::<64, 32>(self.cq_low.q.val());
        self.sq_tail.next = self.tail.q.val();
        self.cq_head.next = self.head.q.val();
        self.watchdog.next = self.watchdog_cycles.q.val();
        self.clear_counters.next = self.clear.q.val();
        self.freeze_counters.next = self.freeze.q.val();
        if self.reset.val() | (self.resetting.q.val() & self.reset_done.val()) {
            self.resetting.d.next = false;
            self.control.d.next = 0.into();
            self.irq_status.d.next = false;
            self.watchdog_cycles.d.next = self.watchdog_reset.val();
            self.sq_low.d.next = 0.into();
            self.sq_high.d.next = 0.into();
            self.cq_low.d.next = 0.into();
            self.cq_high.d.next = 0.into();
            self.log2.d.next = self.log2_reset.val();
            self.tail.d.next = 0.into();
            self.head.d.next = 0.into();
            self.freeze.d.next = false;
            self.clear.d.next = true;
        }
    }
}
