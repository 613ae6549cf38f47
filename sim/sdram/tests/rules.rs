//! Pins driven by hand: what keeps the rules is not told of, and each rule, broken once, is.

use sdram::{Chip, Command, DataSheet, Pins, Rule};

/// A chip at 100 MHz whose pins are driven by hand.
struct Hand {
    chip: Chip,
    /// What the chip drives in each cycle.
    seen: Vec<Option<u16>>,
    latency: u16,
}

/// Column of a READ or WRITE, row of an ACTIVE.
const PLACE: u16 = 8;

impl Hand {
    /// Before the power-up.
    fn cold(latency: u16) -> Self {
        Self {
            chip: Chip::new(DataSheet::MT48LC16M16A2_75, 10_000),
            seen: vec![None],
            latency,
        }
    }

    /// After it.
    fn warm() -> Self {
        Self::with_latency(2)
    }

    fn with_latency(latency: u16) -> Self {
        let mut hand = Self::cold(latency);
        hand.wait(10_000);
        hand.send(Command::Precharge, 0, 1 << 10);
        hand.wait(1);
        for _ in 0..2 {
            hand.send(Command::Refresh, 0, 0);
            hand.wait(6);
        }
        hand.send(Command::LoadMode, 0, latency << 4 | 3);
        hand.wait(1);
        hand.keeps();
        hand
    }

    fn pins(&mut self, pins: Pins) {
        let drives = self.chip.cycle(&pins);
        self.seen.push(drives);
    }

    fn send(&mut self, command: Command, ba: u8, a: u16) {
        self.pins(Pins::new(command, ba, a));
    }

    fn wait(&mut self, cycles: usize) {
        for _ in 0..cycles {
            self.send(Command::Nop, 0, 0);
        }
    }

    /// A write of eight words, with this mask.
    fn write(&mut self, ba: u8, column: u16, first: u16, dqm: u8) {
        for word in 0..8 {
            let command = if word == 0 {
                Command::Write
            } else {
                Command::Nop
            };
            self.pins(Pins {
                dqm,
                dq: Some(first + word),
                ..Pins::new(command, ba, column)
            });
        }
    }

    fn open(&mut self, ba: u8, row: u16) {
        self.send(Command::Active, ba, row);
        self.wait(1);
    }

    fn rules(&self) -> Vec<Rule> {
        self.chip
            .violations()
            .iter()
            .map(|told| told.rule)
            .collect()
    }

    /// No rule was broken.
    fn keeps(&self) {
        assert_eq!(self.rules(), []);
    }

    /// Exactly this rule was broken, in the last cycle.
    fn breaks(&self, rule: Rule) {
        assert_eq!(self.rules(), [rule], "{:?}", self.chip.violations());
        let cycle = self.chip.violations()[0].cycle;
        assert_eq!(cycle, self.seen.len() as u64 - 2);
    }
}

#[test]
fn words_come_back_in_their_cycles() {
    for latency in [2, 3] {
        let mut hand = Hand::with_latency(latency);
        hand.open(1, 77);
        hand.write(1, PLACE, 100, 0);
        // Words of a burst wrap at its block of columns.
        hand.send(Command::Read, 1, PLACE + 2);
        let start = hand.seen.len() - 2;
        hand.wait(12);
        let words = [102, 103, 104, 105, 106, 107, 100, 101].map(Some);
        let first = start + usize::from(hand.latency);
        assert_eq!(hand.seen[first..first + 8], words);
        assert!(hand.seen[..first].iter().all(Option::is_none));
        assert!(hand.seen[first + 8..].iter().all(Option::is_none));
        assert_eq!(hand.chip.peek(1, 77, PLACE + 3), 103);
        hand.keeps();
    }
}

#[test]
fn masked_bytes_stay() {
    let mut hand = Hand::warm();
    hand.open(0, 0);
    hand.write(0, 0, 0x1234, 0);
    hand.write(0, 0, 0x5678, 1);
    hand.write(0, 8, 0x5678, 3);
    assert_eq!(hand.chip.peek(0, 0, 0), 0x5634);
    assert_eq!(hand.chip.peek(0, 0, 8), 0);
    hand.keeps();
}

#[test]
fn power_up() {
    let mut early = Hand::cold(2);
    early.wait(9_999);
    early.send(Command::Precharge, 0, 1 << 10);
    early.breaks(Rule::PowerUp);
    // The clock counts from the enable.
    let mut asleep = Hand::cold(2);
    asleep.pins(Pins {
        cke: false,
        ..Pins::new(Command::Active, 0, 0)
    });
    asleep.wait(9_999);
    asleep.keeps();
    asleep.send(Command::Precharge, 0, 1 << 10);
    asleep.breaks(Rule::PowerUp);
    let mut open = Hand::cold(2);
    open.wait(10_000);
    open.send(Command::Refresh, 0, 0);
    open.breaks(Rule::PowerUp);
    let mut fresh = Hand::cold(2);
    fresh.wait(10_000);
    fresh.send(Command::Precharge, 0, 1 << 10);
    fresh.wait(1);
    fresh.send(Command::Refresh, 0, 0);
    fresh.wait(6);
    fresh.send(Command::LoadMode, 0, 0x23);
    fresh.breaks(Rule::PowerUp);
    let mut unset = Hand::cold(2);
    unset.wait(10_000);
    unset.send(Command::Precharge, 0, 1 << 10);
    unset.wait(1);
    unset.send(Command::Active, 0, 0);
    unset.breaks(Rule::PowerUp);
}

#[test]
fn clock_enable() {
    let mut hand = Hand::warm();
    hand.pins(Pins {
        cke: false,
        ..Pins::new(Command::Nop, 0, 0)
    });
    hand.breaks(Rule::ClockEnable);
}

#[test]
fn mode() {
    for mode in [0x13, 0x43, 0x2b, 0x24, 0x123, 0x423] {
        let mut hand = Hand::warm();
        hand.send(Command::LoadMode, 0, mode);
        hand.breaks(Rule::Mode);
    }
    let mut fast = Hand {
        chip: Chip::new(DataSheet::MT48LC16M16A2_75, 9_999),
        ..Hand::cold(2)
    };
    fast.wait(10_002);
    fast.send(Command::Precharge, 0, 1 << 10);
    fast.wait(2);
    for _ in 0..2 {
        fast.send(Command::Refresh, 0, 0);
        fast.wait(7);
    }
    fast.send(Command::LoadMode, 0, 0x23);
    fast.breaks(Rule::Mode);
}

#[test]
fn states_of_banks() {
    let mut hand = Hand::warm();
    hand.open(2, 0);
    hand.send(Command::Read, 1, 0);
    hand.breaks(Rule::Closed);
    let mut hand = Hand::warm();
    hand.send(Command::Write, 1, 0);
    hand.breaks(Rule::Closed);
    let mut hand = Hand::warm();
    hand.open(2, 0);
    hand.wait(10);
    hand.send(Command::Active, 2, 1);
    hand.breaks(Rule::AlreadyOpen);
    for command in [Command::Refresh, Command::LoadMode] {
        let mut hand = Hand::warm();
        hand.open(3, 0);
        hand.send(command, 0, 0x23);
        hand.breaks(Rule::NotAllClosed);
    }
}

/// `first`, some cycles, `second`: one cycle less than is due breaks the rule, what is due does not.
fn spaced(due: usize, rule: Rule, first: impl Fn(&mut Hand), second: impl Fn(&mut Hand)) {
    for (cycles, broken) in [(due, false), (due - 1, true)] {
        let mut hand = Hand::warm();
        first(&mut hand);
        hand.keeps();
        hand.wait(cycles - 1);
        second(&mut hand);
        match broken {
            true => hand.breaks(rule),
            false => hand.keeps(),
        }
    }
}

#[test]
fn times_between_commands() {
    let active = |bank| move |hand: &mut Hand| hand.send(Command::Active, bank, 0);
    let precharge = |hand: &mut Hand| hand.send(Command::Precharge, 0, 0);
    let refresh = |hand: &mut Hand| hand.send(Command::Refresh, 0, 0);
    spaced(2, Rule::Rcd, active(0), |hand| {
        hand.send(Command::Read, 0, 0)
    });
    spaced(2, Rule::Rcd, active(0), |hand| {
        hand.pins(Pins {
            dq: Some(1),
            ..Pins::new(Command::Write, 0, 0)
        });
    });
    spaced(2, Rule::Rrd, active(0), active(1));
    spaced(5, Rule::Ras, active(0), precharge);
    spaced(7, Rule::Rfc, refresh, active(0));
    spaced(7, Rule::Rfc, refresh, refresh);
    spaced(
        2,
        Rule::Mrd,
        |hand| hand.send(Command::LoadMode, 0, 0x23),
        active(0),
    );
    let opened_and_closed = |hand: &mut Hand| {
        hand.open(0, 0);
        hand.wait(8);
        precharge(hand);
    };
    spaced(2, Rule::Rp, opened_and_closed, active(0));
    spaced(2, Rule::Rp, opened_and_closed, refresh);
    // At 100 MHz tRC follows from tRAS and tRP; at 111 MHz it does not.
    for (wait, rule) in [(1, None), (0, Some(Rule::Rc))] {
        let mut hand = Hand::warm();
        hand.chip = Chip::new(
            DataSheet {
                t_rc: 71_000,
                ..DataSheet::MT48LC16M16A2_75
            },
            10_000,
        );
        power_up_again(&mut hand);
        hand.open(0, 0);
        hand.wait(3);
        precharge(&mut hand);
        hand.wait(1 + wait);
        active(0)(&mut hand);
        assert_eq!(hand.rules(), Vec::from_iter(rule));
    }
}

fn power_up_again(hand: &mut Hand) {
    hand.wait(10_000);
    hand.send(Command::Precharge, 0, 1 << 10);
    hand.wait(1);
    for _ in 0..2 {
        hand.send(Command::Refresh, 0, 0);
        hand.wait(6);
    }
    hand.send(Command::LoadMode, 0, 0x23);
    hand.wait(1);
}

#[test]
fn rows_are_closed_in_time() {
    let sheet = DataSheet {
        t_ras_max: 100_000,
        ..DataSheet::MT48LC16M16A2_75
    };
    let mut hand = Hand {
        chip: Chip::new(sheet, 10_000),
        ..Hand::cold(2)
    };
    power_up_again(&mut hand);
    hand.open(1, 3);
    hand.wait(9);
    hand.keeps();
    hand.wait(1);
    hand.breaks(Rule::RasMax);
    // It is told of once.
    hand.wait(50);
    assert_eq!(hand.rules().len(), 1);
}

#[test]
fn writes_recover() {
    let write = |hand: &mut Hand| {
        hand.open(0, 0);
        hand.write(0, 0, 1, 0);
    };
    spaced(2, Rule::Wr, write, |hand| {
        hand.send(Command::Precharge, 0, 0)
    });
    spaced(2, Rule::Wr, write, |hand| {
        hand.send(Command::Precharge, 0, 1 << 10)
    });
}

#[test]
fn refreshes_are_not_late() {
    let mut hand = Hand::warm();
    // Two intervals of 7.8125 us have passed and no refresh came.
    hand.wait(1560);
    hand.keeps();
    hand.wait(3);
    assert_eq!(hand.rules(), [Rule::LateRefresh]);
    let mut hand = Hand::warm();
    for _ in 0..50 {
        hand.wait(780);
        hand.send(Command::Refresh, 0, 0);
    }
    hand.keeps();
    for _ in 0..10_000 {
        hand.wait(785);
        hand.send(Command::Refresh, 0, 0);
    }
    assert!(hand.rules().contains(&Rule::LateRefresh), "they add up");
}

#[test]
fn data_pins() {
    let mut both = Hand::warm();
    both.open(0, 0);
    both.send(Command::Read, 0, 0);
    both.wait(2);
    both.pins(Pins {
        dq: Some(0),
        ..Pins::new(Command::Nop, 0, 0)
    });
    both.breaks(Rule::Contention);
    // A READ of cycle 0 shows its last word in cycle 9; a write may follow in cycle 11.
    for (wait, broken) in [(10, false), (9, true)] {
        let mut turn = Hand::warm();
        turn.open(0, 0);
        turn.send(Command::Read, 0, 0);
        turn.wait(wait);
        turn.pins(Pins {
            dq: Some(0),
            ..Pins::new(Command::Write, 0, 0)
        });
        match broken {
            true => turn.breaks(Rule::Contention),
            false => turn.keeps(),
        }
    }
    let mut empty = Hand::warm();
    empty.open(0, 0);
    empty.send(Command::Write, 0, 0);
    empty.breaks(Rule::NoData);
    let mut masked = Hand::warm();
    masked.open(0, 0);
    masked.send(Command::Read, 0, 0);
    masked.pins(Pins {
        dqm: 1,
        ..Pins::new(Command::Nop, 0, 0)
    });
    masked.wait(1);
    masked.keeps();
    masked.wait(1);
    masked.breaks(Rule::MaskedRead);
}

#[test]
fn bursts_are_whole() {
    let read = |hand: &mut Hand| {
        hand.open(0, 0);
        hand.send(Command::Read, 0, 0);
    };
    spaced(8, Rule::CutBurst, read, |hand| {
        hand.send(Command::Read, 0, 8)
    });
    spaced(8, Rule::CutBurst, read, |hand| {
        hand.send(Command::Precharge, 0, 0)
    });
}

#[test]
fn what_the_model_does_not_know_is_told() {
    let mut hand = Hand::warm();
    hand.open(0, 0);
    hand.send(Command::Read, 0, 1 << 10);
    hand.breaks(Rule::Unknown);
    let mut hand = Hand::warm();
    hand.send(Command::Terminate, 0, 0);
    hand.breaks(Rule::Unknown);
}
