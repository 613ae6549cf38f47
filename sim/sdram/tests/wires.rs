//! A chip at the end of wires: when within a period levels change, and when words are there.

use sdram::{Command, DataSheet, Pins, Rule, WiredChip};

/// 80 MHz.
const PERIOD: u64 = 12_500;

/// A chip whose pins change `lead` picoseconds before each edge of its clock.
struct Hand {
    chip: WiredChip,
    lead: u64,
    edge: u64,
    period: u64,
}

impl Hand {
    fn new(lead: u64) -> Self {
        let mut chip = WiredChip::new(DataSheet::MT48LC16M16A2_75, PERIOD);
        let idle = Pins::new(Command::Nop, 0, 0);
        chip.set(0, false, &idle);
        chip.set(PERIOD, true, &idle);
        Self {
            chip,
            lead,
            edge: PERIOD,
            period: PERIOD,
        }
    }

    /// A cycle whose edge takes this command.
    fn send(&mut self, command: Command, a: u16) {
        self.edge += self.period;
        let pins = Pins::new(command, 0, a);
        let falls = self.edge - self.period / 2;
        let changes = self.edge - self.lead;
        let last = self.chip.pins().unwrap_or(pins);
        if changes < falls {
            self.chip.set(changes, true, &pins);
            self.chip.set(falls, false, &pins);
        } else {
            self.chip.set(falls, false, &last);
            self.chip.set(changes, false, &pins);
        }
        self.chip.set(self.edge, true, &pins);
    }

    fn wait(&mut self, cycles: usize) {
        for _ in 0..cycles {
            self.send(Command::Nop, 0);
        }
    }

    fn power_up(&mut self) {
        self.wait(10_000);
        self.send(Command::Precharge, 1 << 10);
        self.wait(2);
        for _ in 0..2 {
            self.send(Command::Refresh, 0);
            self.wait(6);
        }
        self.send(Command::LoadMode, 2 << 4 | 3);
        self.wait(2);
    }

    fn told(&self) -> Option<Rule> {
        self.chip.violation().map(|told| told.rule)
    }
}

#[test]
fn words_are_there_from_the_access_time_until_the_hold_time() {
    let mut hand = Hand::new(9_375);
    hand.power_up();
    for column in 0..8 {
        hand.chip.chip().poke(0, 5, column, 0x1230 + column);
    }
    hand.send(Command::Active, 5);
    hand.wait(1);
    hand.send(Command::Read, 0);
    // The edge after the READ begins the first word of a latency of 2.
    for column in 0..8 {
        hand.wait(1);
        let edge = hand.edge;
        let before = if column == 0 {
            None
        } else {
            Some(0x122f + column)
        };
        assert_eq!(hand.chip.word(edge), before);
        assert_eq!(hand.chip.word(edge + 2_699), before);
        // From here on nobody knows, until the next one is sure to be there.
        assert_eq!(hand.chip.word(edge + 2_700), None);
        assert_eq!(hand.chip.word(edge + 5_999), None);
        assert_eq!(hand.chip.word(edge + 6_000), Some(0x1230 + column));
    }
    hand.wait(1);
    assert_eq!(hand.chip.word(hand.edge + 2_699), Some(0x1237));
    hand.wait(1);
    assert_eq!(hand.chip.word(hand.edge), None);
    assert_eq!(hand.told(), None);
}

#[test]
fn pins_that_change_near_an_edge_are_told_of() {
    for (lead, rule) in [
        (1_500, None),
        (1_499, Some(Rule::Setup)),
        (PERIOD - 799, Some(Rule::Hold)),
        (PERIOD - 800, None),
    ] {
        let mut hand = Hand::new(lead);
        hand.power_up();
        assert_eq!(hand.told(), rule, "{lead}");
    }
}

#[test]
fn another_period_is_told_of() {
    let mut hand = Hand::new(6_000);
    hand.power_up();
    assert_eq!(hand.told(), None);
    hand.period = PERIOD - 1;
    hand.wait(1);
    assert_eq!(hand.told(), Some(Rule::Clock));
}
