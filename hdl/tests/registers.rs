//! The register window against the registers of the functional model.

mod common;

use common::{Bench, Rng};
use hdl::front::Registers;
use isa::config::Config;
use isa::model::QueueModel;
use isa::regs;

struct Both {
    bench: Bench,
    model: QueueModel,
    rng: Rng,
    queues: u32,
    /// What the card itself says.
    card: Card,
    /// What the model cannot show, as no program runs in it: completions of each queue.
    irq_status: Vec<bool>,
    /// Queues with an event in this cycle.
    events: u64,
}

#[derive(Clone, Default)]
struct Card {
    busy: bool,
    fatal: bool,
    last_error: u64,
    counters: Vec<u64>,
    queues: Vec<Queue>,
}

#[derive(Clone, Default)]
struct Queue {
    sq_head: u64,
    cq_tail: u64,
    busy: bool,
    failed: bool,
    error: u64,
}

impl Both {
    fn new(config: Config) -> Self {
        let mut bench = Bench::new(&Registers::new(&config), "registers");
        bench.reset();
        let counters = vec![0; regs::COUNTERS.len()];
        let queues = vec![Queue::default(); config.queues as usize];
        Self {
            bench,
            model: QueueModel::new(config).expect("the shape is good"),
            rng: Rng(0x4e65),
            queues: config.queues,
            card: Card {
                counters,
                queues,
                ..Card::default()
            },
            irq_status: vec![false; config.queues as usize],
            events: 0,
        }
    }

    fn may_call(&self, queue: u32) -> bool {
        let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
        self.model.read_reg(control) & regs::QUEUE_IRQ_ENABLE != 0
    }

    /// Why the level of a queue is high.
    fn calls(&self, queue: u32) -> bool {
        let queue = queue as usize;
        self.irq_status[queue] || self.card.fatal || self.card.queues[queue].failed
    }

    fn set_card(&mut self, card: Card) {
        self.bench.model.cycle();
        let old = self.card.clone();
        let bench = &mut self.bench;
        bench.set("busy", card.busy.into());
        bench.set("fatal", card.fatal.into());
        bench.set("last_error", card.last_error);
        for (index, count) in card.counters.iter().enumerate() {
            bench.set(&format!("counter_low_{index}"), count & 0xffff_ffff);
            bench.set(&format!("counter_high_{index}"), count >> 32);
        }
        for (index, queue) in card.queues.iter().enumerate() {
            bench.set(&format!("sq_head_{index}"), queue.sq_head);
            bench.set(&format!("cq_tail_{index}"), queue.cq_tail);
            bench.set(&format!("queue_busy_{index}"), queue.busy.into());
            bench.set(&format!("queue_failed_{index}"), queue.failed.into());
            bench.set(&format!("queue_error_{index}"), queue.error);
        }
        bench.model.eval();
        self.card = card;
        // A failure is an event of its own, whatever is unacknowledged; and only once.
        let events = (0..self.queues).filter(|&queue| {
            let at = queue as usize;
            let fails = self.card.queues[at].failed && !old.queues[at].failed;
            self.may_call(queue) && (fails || self.card.fatal && !old.fatal)
        });
        let events = events.fold(0, |events, queue| events | 1 << queue);
        assert_eq!(self.bench.get("events"), events);
        self.bench.model.cycle();
        assert_eq!(self.bench.get("events"), 0);
    }

    /// What a read must give.
    fn expected(&self, offset: u32) -> u64 {
        let offset = offset & !3;
        let card = &self.card;
        let from_model = u64::from(self.model.read_reg(offset));
        if let Some((number, register)) = regs::queue_of(offset) {
            let Some(queue) = card.queues.get(number as usize) else {
                return 0;
            };
            return match register {
                regs::QUEUE_STATUS => {
                    let busy = if queue.busy { regs::QUEUE_BUSY } else { 0 };
                    let failed = if queue.failed { regs::QUEUE_FAILED } else { 0 };
                    from_model | u64::from(busy | failed)
                }
                regs::QUEUE_ERROR => queue.error,
                regs::SQ_HEAD => queue.sq_head,
                regs::CQ_TAIL => queue.cq_tail,
                regs::IRQ_STATUS => self.irq_status[number as usize].into(),
                _ => from_model,
            };
        }
        match offset {
            // After a fatal error no program runs.
            regs::STATUS if card.fatal => regs::STATUS_FATAL.into(),
            regs::STATUS if card.busy => regs::STATUS_BUSY.into(),
            regs::ERROR => card.last_error,
            regs::COUNTER_BASE.. => {
                let at = ((offset - regs::COUNTER_BASE) / 4) as usize;
                let count = card.counters.get(at / 2).copied().unwrap_or(0);
                count >> (32 * (at % 2)) & 0xffff_ffff
            }
            _ => from_model,
        }
    }

    fn read(&mut self, offset: u32) {
        let expected = self.expected(offset);
        assert_eq!(self.value(offset), expected, "offset {offset:#x}");
        // The value stays until the next read.
        self.bench.set("addr", self.rng.below(1 << 12));
        self.bench.model.cycle();
        assert_eq!(
            self.bench.get("rdata"),
            expected,
            "offset {offset:#x}, one cycle on"
        );
    }

    fn value(&mut self, offset: u32) -> u64 {
        self.bench.set("read", 1);
        self.bench.set("addr", offset.into());
        self.bench.model.cycle();
        self.bench.set("read", 0);
        self.bench.get("rdata")
    }

    /// Writes some bytes of a register; `completed` says which queues complete at that moment.
    fn write(&mut self, offset: u32, value: u32, strobes: u8, completed: u32) {
        let could_call: Vec<bool> = (0..self.queues).map(|queue| self.may_call(queue)).collect();
        self.events = 0;
        self.bench.set("write", 1);
        self.bench.set("addr", offset.into());
        self.bench.set("wdata", value.into());
        self.bench.set("strobes", strobes.into());
        for queue in 0..self.queues {
            let done = completed >> queue & 1;
            self.bench.set(&format!("completed_{queue}"), done.into());
        }
        self.bench.model.cycle();
        self.bench.set("write", 0);
        for queue in 0..self.queues {
            self.bench.set(&format!("completed_{queue}"), 0);
        }
        self.bench.model.eval();
        self.model.write_reg_bytes(offset, value, strobes);
        let low = if strobes & 1 == 1 { value & 0xff } else { 0 };
        let at = offset & !3;
        for queue in 0..self.queues {
            let status = &mut self.irq_status[queue as usize];
            if at == regs::of_queue(queue, regs::IRQ_STATUS) && low & regs::IRQ_COMPLETION != 0 {
                *status = false;
            }
            // A completion that comes at the moment of the clearing is not lost.
            let completes = completed >> queue & 1 != 0;
            *status |= completes;
            let enabled = !could_call[queue as usize] && self.calls(queue);
            if self.may_call(queue) && (completes || enabled) {
                self.events |= 1 << queue;
            }
            let resets =
                at == regs::of_queue(queue, regs::QUEUE_CONTROL) && low & regs::QUEUE_RESET != 0;
            assert_eq!(self.bench.is(&format!("queue_resetting_{queue}")), resets);
            if resets {
                self.wait_for_queue(queue);
                self.irq_status[queue as usize] = false;
            }
        }
        let resets = at == regs::CONTROL && low & regs::CONTROL_RESET != 0;
        assert_eq!(self.bench.is("soft_reset"), resets);
        let clears = at == regs::COUNTER_CONTROL && low & regs::COUNTERS_CLEAR != 0;
        assert_eq!(self.bench.is("clear_counters"), clears);
        if resets {
            self.irq_status.fill(false);
            self.events = 0;
            self.wait_for_rest();
            assert!(!self.bench.is("soft_reset"), "the reset is over");
            assert!(
                self.bench.is("clear_counters"),
                "the counters are cleared with the rest"
            );
        }
        self.outputs();
        if clears || resets {
            self.bench.model.cycle();
            assert!(
                !self.bench.is("clear_counters"),
                "the clearing clears itself"
            );
        }
    }

    /// From the wish for a reset to its end, some cycles later.
    fn wait_for_rest(&mut self) {
        for _ in 0..self.rng.below(4) {
            assert!(self.bench.is("soft_reset"));
            assert_eq!(self.bench.get("irq"), 0);
            for queue in 0..self.queues {
                assert!(!self.bench.is(&format!("enable_{queue}")));
            }
            let control = self.value(regs::CONTROL);
            assert!(control & u64::from(regs::CONTROL_RESET) != 0);
        }
        self.bench.set("reset_done", 1);
        self.bench.model.cycle();
        self.bench.set("reset_done", 0);
        self.bench.model.eval();
    }

    /// The same for a queue.
    fn wait_for_queue(&mut self, queue: u32) {
        for _ in 0..self.rng.below(4) {
            assert!(self.bench.is(&format!("queue_resetting_{queue}")));
            assert_eq!(self.bench.get("irq") >> queue & 1, 0);
            assert!(!self.bench.is(&format!("enable_{queue}")));
            let control = self.value(regs::of_queue(queue, regs::QUEUE_CONTROL));
            assert!(control & u64::from(regs::QUEUE_RESET) != 0);
            let status = self.value(regs::of_queue(queue, regs::QUEUE_STATUS));
            assert!(status & u64::from(regs::QUEUE_BUSY) != 0);
            // Lost, as the reset is not over.
            self.bench.set("write", 1);
            let offset = regs::of_queue(queue, regs::SQ_TAIL);
            self.bench.set("addr", offset.into());
            self.bench.set("strobes", 15);
            self.bench.model.cycle();
            self.bench.set("write", 0);
        }
        self.bench.set(&format!("queue_reset_done_{queue}"), 1);
        self.bench.model.cycle();
        self.bench.set(&format!("queue_reset_done_{queue}"), 0);
        self.bench.model.eval();
        assert!(!self.bench.is(&format!("queue_resetting_{queue}")));
    }

    /// What the card is told.
    fn outputs(&self) {
        let (bench, model) = (&self.bench, &self.model);
        let mut irqs = 0;
        for queue in 0..self.queues {
            let value = |register| u64::from(model.read_reg(regs::of_queue(queue, register)));
            let port = |name: &str| bench.get(&format!("{name}_{queue}"));
            let control = value(regs::QUEUE_CONTROL);
            assert_eq!(port("enable"), control & u64::from(regs::QUEUE_ENABLE));
            if self.calls(queue) && self.may_call(queue) {
                irqs |= 1 << queue;
            }
            assert_eq!(port("queue_log2"), value(regs::QUEUE_LOG2));
            let pair = |low, high| value(low) | value(high) << 32;
            assert_eq!(port("sq_base"), pair(regs::SQ_BASE_LO, regs::SQ_BASE_HI));
            assert_eq!(port("cq_base"), pair(regs::CQ_BASE_LO, regs::CQ_BASE_HI));
            assert_eq!(port("sq_tail"), value(regs::SQ_TAIL));
            assert_eq!(port("cq_head"), value(regs::CQ_HEAD));
        }
        assert_eq!(bench.get("irq"), irqs);
        assert_eq!(bench.get("events"), self.events);
        let value = |offset| u64::from(model.read_reg(offset));
        assert_eq!(bench.get("watchdog"), value(regs::WATCHDOG));
        assert_eq!(bench.get("link_timeout"), value(regs::LINK_TIMEOUT));
        let freeze = model.read_reg(regs::COUNTER_CONTROL) & regs::COUNTERS_FREEZE != 0;
        assert_eq!(bench.is("freeze_counters"), freeze);
    }

    fn read_all(&mut self) {
        for offset in (0..regs::WINDOW_BYTES).step_by(4) {
            self.read(offset);
        }
    }

    fn random_card(&mut self) -> Card {
        let rng = &mut self.rng;
        let queue = |rng: &mut Rng| Queue {
            sq_head: rng.below(1 << 12),
            cq_tail: rng.below(1 << 12),
            busy: rng.chance(50),
            failed: rng.chance(30),
            error: rng.next() >> 32,
        };
        Card {
            busy: rng.chance(50),
            fatal: rng.chance(20),
            last_error: rng.next() >> 32,
            counters: regs::COUNTERS.iter().map(|_| rng.next() >> 16).collect(),
            queues: (0..self.queues).map(|_| queue(rng)).collect(),
        }
    }

    /// The offset of some register, most often one that exists.
    fn offset(&mut self) -> u32 {
        let rng = &mut self.rng;
        let pick = |rng: &mut Rng, table: &[regs::Register]| {
            table[rng.below(table.len() as u64) as usize].offset + rng.below(4) as u32
        };
        match rng.below(6) {
            0 => rng.below(1 << 12) as u32,
            1 => pick(rng, regs::REGISTERS),
            _ => {
                let register = pick(rng, regs::QUEUE_REGISTERS);
                // Also of queues that are not there.
                regs::of_queue(rng.below(u64::from(self.queues) + 1) as u32, register)
            }
        }
    }
}

/// Whether a write asks for a reset, if its lowest byte counts.
fn may_reset(offset: u32) -> bool {
    let register = regs::queue_of(offset).map_or(offset, |(_, register)| register);
    matches!(register & !3, regs::CONTROL | regs::QUEUE_CONTROL)
}

fn random_accesses(config: Config) {
    let mut both = Both::new(config);
    both.outputs();
    both.read_all();
    for step in 0..8000 {
        if step % 50 == 0 {
            let card = both.random_card();
            both.set_card(card);
        }
        let offset = both.offset();
        let value = match both.rng.below(4) {
            0 => both.rng.below(16) as u32,
            1 => [0, u32::MAX, 1, 2][both.rng.below(4) as usize],
            _ => both.rng.next() as u32,
        };
        // Resets are rarer than chance has them, so that other values live.
        let value = if may_reset(offset) && both.rng.chance(80) {
            value & !regs::CONTROL_RESET
        } else {
            value
        };
        if both.rng.chance(40) {
            both.read(offset);
        } else {
            let strobes = if both.rng.chance(50) {
                15
            } else {
                both.rng.below(16) as u8
            };
            let resets = may_reset(offset) && value & regs::CONTROL_RESET != 0;
            let completed = if !resets && both.rng.chance(20) {
                both.rng.below(1 << both.queues) as u32
            } else {
                0
            };
            both.write(offset, value, strobes, completed);
        }
    }
    both.read_all();
    for queue in 0..both.queues {
        let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
        both.write(control, regs::QUEUE_RESET, 1, 0);
        both.read_all();
    }
    both.write(regs::CONTROL, regs::CONTROL_RESET, 1, 0);
    both.read_all();
}

#[test]
fn random_accesses_to_four_queues() {
    random_accesses(Config::default());
}

#[test]
fn random_accesses_to_other_numbers_of_queues() {
    for queues in [1, 8] {
        random_accesses(Config {
            port_bytes: 32,
            queues,
            card_memory_mib: 0,
            ..Config::with_array(8, 32)
        });
    }
}

/// Every register, every mask of bytes, from two values to two others.
#[test]
fn every_mask_of_bytes() {
    let mut both = Both::new(Config::default());
    let all = regs::REGISTERS.iter().chain(regs::QUEUE_REGISTERS);
    for register in all {
        for (before, after) in [(0, !regs::CONTROL_RESET), (0xa5a5_a5a1, 0x5a5a_5a5a)] {
            for strobes in 0..16 {
                both.write(register.offset, before & !regs::CONTROL_RESET, 15, 1);
                both.write(register.offset, after, strobes, 0);
                both.read(register.offset);
                both.read(regs::IRQ_STATUS);
                if register.offset == regs::QUEUE_CONTROL {
                    both.write(register.offset, 0, 15, 0);
                }
            }
        }
    }
    // A reset is asked for by its own byte only.
    for offset in [regs::CONTROL, regs::QUEUE_CONTROL] {
        for strobes in 0..16 {
            both.write(regs::WATCHDOG, 77, 15, 0);
            both.write(offset, u32::MAX, strobes, 0);
            both.read_all();
        }
    }
}

#[test]
fn rings_keep_their_size_while_enabled() {
    let mut both = Both::new(Config::default());
    for enabled in [0, regs::QUEUE_ENABLE] {
        for queue in 0..both.queues {
            let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
            both.write(control, enabled, 15, 0);
            for value in 0..20 {
                let offset = regs::of_queue(queue, regs::QUEUE_LOG2);
                both.write(offset, value, 15, 0);
                both.read(offset);
            }
        }
    }
}

/// What a level would hide: each of these comes while the one before is not acknowledged, or in
/// the very cycle of its acknowledgement.
#[test]
fn every_completion_and_failure_is_an_event() {
    let mut both = Both::new(Config::default());
    both.write(regs::QUEUE_CONTROL, regs::QUEUE_IRQ_ENABLE, 15, 0);
    for (offset, value) in [
        (regs::SQ_TAIL, 0),
        (regs::SQ_TAIL, 1),
        (regs::IRQ_STATUS, regs::IRQ_COMPLETION),
        (regs::CQ_HEAD, 1),
    ] {
        both.write(offset, value, 15, 1);
        assert_eq!(both.bench.get("events"), 1);
        assert_eq!(both.bench.get("irq"), 1, "the level never falls");
    }
    let mut card = both.card.clone();
    card.queues[0].failed = true;
    both.set_card(card.clone());
    card.fatal = true;
    both.set_card(card);
    // Disabled it is silent; enabled it tells what is due.
    both.write(regs::QUEUE_CONTROL, 0, 15, 1);
    assert_eq!(both.bench.get("events"), 0);
    both.write(regs::QUEUE_CONTROL, regs::QUEUE_IRQ_ENABLE, 15, 0);
    assert_eq!(both.bench.get("events"), 1);
}
