//! The chip with its clock as a wire, in picoseconds.

use std::collections::VecDeque;

use crate::{Chip, DataSheet, Pins, Rule, Violation};

/// A chip at the end of wires: levels come at any time, and it acts at rising edges of its clock.
///
/// Beside the rules of [`Chip`] it keeps those of the pins: they are stable for tIS before an edge
/// and for tIH after it, and the edges are a period apart. What it drives is there from tAC after an
/// edge until tOH after the next; in between nobody can know what the wires carry.
///
/// ```text
///  clock  __/~~\__/~~\__/~~\__
///  pins   ==X====X====X====X==     stable around each edge
///  data   XXXXX====XX====XX===     tAC after an edge, until tOH after the next
/// ```
pub struct WiredChip {
    chip: Chip,
    sheet: DataSheet,
    period: u64,
    clock: bool,
    pins: Option<Pins>,
    /// When the pins changed last.
    changed: u64,
    /// The last rising edge of the clock.
    edge: Option<u64>,
    /// Words that the chip drives, each with the edge that it follows and, once that has come, the
    /// edge that ends it.
    driven: VecDeque<(u16, u64, Option<u64>)>,
}

impl WiredChip {
    /// A chip that has just got power and expects a clock of this period in picoseconds.
    pub fn new(sheet: DataSheet, period: u64) -> Self {
        Self {
            chip: Chip::new(sheet, period),
            sheet,
            period,
            clock: false,
            pins: None,
            changed: 0,
            edge: None,
            driven: VecDeque::new(),
        }
    }

    /// The chip itself: its memory, its refreshes, what was done wrong.
    pub fn chip(&mut self) -> &mut Chip {
        &mut self.chip
    }

    /// What the pins carry, once they have been set.
    pub fn pins(&self) -> Option<Pins> {
        self.pins
    }

    /// The first thing that was done wrong.
    pub fn violation(&self) -> Option<&Violation> {
        self.chip.violations().first()
    }

    /// The wires have these levels from `now` on, in picoseconds that never go back.
    #[inline]
    pub fn set(&mut self, now: u64, clock: bool, pins: &Pins) {
        let moved = self.pins.as_ref() != Some(pins);
        if moved {
            let since = self.edge.map(|edge| now - edge);
            if let Some(since) = since.filter(|since| *since < self.sheet.t_ih) {
                let least = self.sheet.t_ih;
                self.tell(Rule::Hold, format!("{since} ps, {least} ps are due"));
            }
            self.pins = Some(*pins);
            self.changed = now;
        }
        let rises = clock && !self.clock;
        self.clock = clock;
        if rises {
            self.rise(now, pins);
        }
    }

    fn rise(&mut self, now: u64, pins: &Pins) {
        if let Some(edge) = self.edge
            && now - edge != self.period
        {
            let what = format!("a period of {} ps, not {} ps", now - edge, self.period);
            self.tell(Rule::Clock, what);
        }
        let stable = now - self.changed;
        if stable < self.sheet.t_is {
            let least = self.sheet.t_is;
            self.tell(Rule::Setup, format!("{stable} ps, {least} ps are due"));
        }
        self.edge = Some(now);
        if let Some((_, _, end)) = self.driven.back_mut() {
            end.get_or_insert(now);
        }
        if let Some(word) = self.chip.cycle(pins) {
            self.driven.push_back((word, now, None));
        }
    }

    /// The word that the chip is sure to drive at `now`.
    #[inline]
    pub fn word(&mut self, now: u64) -> Option<u16> {
        let hold = self.sheet.t_oh;
        while let Some((_, _, Some(end))) = self.driven.front()
            && end + hold <= now
        {
            self.driven.pop_front();
        }
        let (word, begin, _) = *self.driven.front()?;
        let access = match self.chip.latency() {
            Some(2) => self.sheet.t_ac_2,
            _ => self.sheet.t_ac_3,
        };
        (begin + access <= now).then_some(word)
    }

    fn tell(&mut self, rule: Rule, what: String) {
        self.chip.tell(rule, what);
    }
}
