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
    /// What the card itself says.
    card: Card,
    /// What the model cannot show, as no program runs in it.
    irq_status: bool,
}

#[derive(Clone, Default)]
struct Card {
    sq_head: u64,
    cq_tail: u64,
    busy: bool,
    fatal: bool,
    last_error: u64,
    counters: Vec<u64>,
}

impl Both {
    fn new(config: Config) -> Self {
        let mut bench = Bench::new(&Registers::new(&config), "registers");
        bench.reset();
        let counters = vec![0; regs::COUNTERS.len()];
        Self {
            bench,
            model: QueueModel::new(config).expect("the shape is good"),
            rng: Rng(0x4e65),
            card: Card {
                counters,
                ..Card::default()
            },
            irq_status: false,
        }
    }

    fn set_card(&mut self, card: Card) {
        let bench = &mut self.bench;
        bench.set("sq_head", card.sq_head);
        bench.set("cq_tail", card.cq_tail);
        bench.set("busy", card.busy.into());
        bench.set("fatal", card.fatal.into());
        bench.set("last_error", card.last_error);
        for (index, count) in card.counters.iter().enumerate() {
            bench.set(&format!("counter_low_{index}"), count & 0xffff_ffff);
            bench.set(&format!("counter_high_{index}"), count >> 32);
        }
        self.card = card;
    }

    /// What a read must give.
    fn expected(&self, offset: u32) -> u64 {
        let offset = offset & !3;
        let card = &self.card;
        let from_model = u64::from(self.model.read_reg(offset));
        match offset {
            regs::STATUS => {
                // After a fatal error no program runs.
                let flags = match (card.fatal, card.busy) {
                    (true, _) => regs::STATUS_FATAL,
                    (false, true) => regs::STATUS_BUSY,
                    (false, false) => 0,
                };
                from_model | u64::from(flags)
            }
            regs::ERROR => card.last_error,
            regs::SQ_HEAD => card.sq_head,
            regs::CQ_TAIL => card.cq_tail,
            regs::IRQ_STATUS => self.irq_status.into(),
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
        self.bench.set("read", 1);
        self.bench.set("addr", offset.into());
        self.bench.model.cycle();
        self.bench.set("read", 0);
        assert_eq!(self.bench.get("rdata"), expected, "offset {offset:#x}");
        // The value stays until the next read.
        self.bench.set("addr", self.rng.below(1 << 12));
        self.bench.model.cycle();
        assert_eq!(
            self.bench.get("rdata"),
            expected,
            "offset {offset:#x}, one cycle on"
        );
    }

    fn write(&mut self, offset: u32, value: u32, completed: bool) {
        self.bench.set("write", 1);
        self.bench.set("addr", offset.into());
        self.bench.set("wdata", value.into());
        self.bench.set("completed", completed.into());
        self.bench.model.cycle();
        self.bench.set("write", 0);
        self.bench.set("completed", 0);
        self.bench.model.eval();
        self.model.write_reg(offset, value);
        let at = offset & !3;
        if at == regs::IRQ_STATUS && value & regs::IRQ_COMPLETION != 0 {
            self.irq_status = false;
        }
        // A completion that comes at the moment of the clearing is not lost.
        self.irq_status |= completed;
        let resets = at == regs::CONTROL && value & regs::CONTROL_RESET != 0;
        assert_eq!(self.bench.is("soft_reset"), resets);
        let clears = at == regs::COUNTER_CONTROL && value & regs::COUNTERS_CLEAR != 0;
        assert_eq!(self.bench.is("clear_counters"), clears);
        if resets {
            self.irq_status = false;
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
            assert!(!self.bench.is("enable") && !self.bench.is("irq"));
            self.bench.set("read", 1);
            self.bench.set("addr", regs::CONTROL.into());
            self.bench.model.cycle();
            self.bench.set("read", 0);
            let control = self.bench.get("rdata");
            assert!(control & u64::from(regs::CONTROL_RESET) != 0);
        }
        self.bench.set("reset_done", 1);
        self.bench.model.cycle();
        self.bench.set("reset_done", 0);
        self.bench.model.eval();
    }

    /// What the card is told.
    fn outputs(&self) {
        let (bench, model) = (&self.bench, &self.model);
        let value = |offset| u64::from(model.read_reg(offset));
        let control = model.read_reg(regs::CONTROL);
        assert_eq!(bench.is("enable"), control & regs::CONTROL_ENABLE != 0);
        let irq = self.irq_status && control & regs::CONTROL_IRQ_ENABLE != 0;
        assert_eq!(bench.is("irq"), irq);
        assert_eq!(bench.get("queue_log2"), value(regs::QUEUE_LOG2));
        assert_eq!(
            bench.get("sq_base"),
            value(regs::SQ_BASE_LO) | value(regs::SQ_BASE_HI) << 32
        );
        assert_eq!(
            bench.get("cq_base"),
            value(regs::CQ_BASE_LO) | value(regs::CQ_BASE_HI) << 32
        );
        assert_eq!(bench.get("sq_tail"), value(regs::SQ_TAIL));
        assert_eq!(bench.get("cq_head"), value(regs::CQ_HEAD));
        assert_eq!(bench.get("watchdog"), value(regs::WATCHDOG));
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
        Card {
            sq_head: rng.below(1 << 12),
            cq_tail: rng.below(1 << 12),
            busy: rng.chance(50),
            fatal: rng.chance(50),
            last_error: rng.next() >> 32,
            counters: regs::COUNTERS.iter().map(|_| rng.next() >> 16).collect(),
        }
    }
}

#[test]
fn random_accesses() {
    for config in [
        Config::default(),
        Config {
            port_bytes: 32,
            ..Config::with_array(8, 32)
        },
    ] {
        let mut both = Both::new(config);
        both.outputs();
        both.read_all();
        for step in 0..6000 {
            if step % 50 == 0 {
                let card = both.random_card();
                both.set_card(card);
            }
            let offset = match both.rng.below(4) {
                0 => both.rng.below(1 << 12) as u32,
                _ => {
                    let at = both.rng.below(regs::REGISTERS.len() as u64) as usize;
                    regs::REGISTERS[at].offset + both.rng.below(4) as u32
                }
            };
            let value = match both.rng.below(4) {
                0 => both.rng.below(16) as u32,
                1 => [0, u32::MAX, 1, 2][both.rng.below(4) as usize],
                _ => both.rng.next() as u32,
            };
            // Resets are rarer than chance has them, so that other values live.
            let value = if offset & !3 == regs::CONTROL && both.rng.chance(80) {
                value & !regs::CONTROL_RESET
            } else {
                value
            };
            if both.rng.chance(50) {
                both.read(offset);
            } else {
                let completed = both.rng.chance(20);
                both.write(offset, value, completed && value & regs::CONTROL_RESET == 0);
            }
        }
        both.read_all();
        both.write(regs::CONTROL, regs::CONTROL_RESET, false);
        both.read_all();
    }
}

#[test]
fn rings_keep_their_size_while_enabled() {
    let mut both = Both::new(Config::default());
    for value in 0..20 {
        both.write(regs::QUEUE_LOG2, value, false);
        both.read(regs::QUEUE_LOG2);
    }
    both.write(regs::CONTROL, regs::CONTROL_ENABLE, false);
    for value in 0..20 {
        both.write(regs::QUEUE_LOG2, value, false);
        both.read(regs::QUEUE_LOG2);
    }
}
