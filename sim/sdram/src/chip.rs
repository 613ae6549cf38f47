//! The chip.

use std::collections::VecDeque;

use crate::bank::Bank;
use crate::{Command, DataSheet, Pins, Rule, Violation};

/// Words of the memory.
const WORDS: usize = 1 << 24;

/// Rows of each bank, all refreshed within tREF.
const ROWS: u64 = 8192;

/// More violations than these are counted only.
const KEPT: usize = 1000;

/// The mode register.
#[derive(Clone, Copy, Debug)]
struct Mode {
    /// CAS latency in cycles.
    latency: u64,
    /// Words of a burst.
    burst: u64,
    /// Writes are single words.
    single_writes: bool,
}

/// A burst under way.
#[derive(Clone, Copy, Debug)]
struct Burst {
    write: bool,
    bank: u8,
    row: u16,
    column: u16,
    /// Words that have passed.
    done: u64,
    /// Words in all.
    words: u64,
}

impl Burst {
    /// Where its next word is in memory: bursts wrap within their own block of columns.
    fn address(&self) -> usize {
        let low = (self.column as u64 + self.done) % self.words;
        let column = self.column as u64 / self.words * self.words + low;
        usize::from(self.bank) << 22 | usize::from(self.row) << 9 | column as usize
    }
}

/// A chip of 4 banks with 8192 rows of 512 columns of 16 bits.
///
/// ```
/// use sdram::{Chip, Command, DataSheet, Pins, Rule};
///
/// let mut chip = Chip::new(DataSheet::MT48LC16M16A2_75, 10_000);
/// chip.cycle(&Pins::new(Command::Active, 0, 5));
/// assert_eq!(chip.violations()[0].rule, Rule::PowerUp);
/// ```
pub struct Chip {
    sheet: DataSheet,
    /// Clock period in picoseconds.
    period: u64,
    now: u64,
    banks: [Bank; 4],
    mode: Option<Mode>,
    /// Cycle of the first clock edge with CKE high, from which the power-up counts.
    awake: Option<u64>,
    /// All banks were closed after the wait.
    closed_once: bool,
    /// Refreshes in all.
    refreshes: u64,
    last_refresh: Option<u64>,
    last_mode: Option<u64>,
    /// Bank and moment of the last ACTIVE.
    last_active: Option<(u8, u64)>,
    /// First cycle that counts for the refreshes, and how many came since.
    refresh_origin: u64,
    refreshed: u64,
    late_told: bool,
    burst: Option<Burst>,
    /// Words that come out in this cycle and the next ones, with their bursts' bytes that are seen.
    pipeline: VecDeque<Option<u16>>,
    /// DQM of the last two cycles.
    masks: [u8; 2],
    /// The chip drives the pins in this cycle, and did in the last one.
    drives: Option<u16>,
    drove: bool,
    memory: Vec<u16>,
    violations: Vec<Violation>,
    count: u64,
}

impl Chip {
    /// A chip that has just got power, with a clock of this period in picoseconds.
    pub fn new(sheet: DataSheet, period: u64) -> Self {
        Self {
            sheet,
            period,
            now: 0,
            banks: [Bank::default(); 4],
            mode: None,
            awake: None,
            closed_once: false,
            refreshes: 0,
            last_refresh: None,
            last_mode: None,
            last_active: None,
            refresh_origin: 0,
            refreshed: 0,
            late_told: false,
            burst: None,
            pipeline: VecDeque::new(),
            masks: [3; 2],
            drives: None,
            drove: false,
            memory: vec![0; WORDS],
            violations: vec![],
            count: 0,
        }
    }

    /// Power goes and comes back; memory holds anything then, here what it held.
    pub fn power_cycle(&mut self) {
        let mut fresh = Self::new(self.sheet, self.period);
        std::mem::swap(&mut fresh.memory, &mut self.memory);
        std::mem::swap(&mut fresh.violations, &mut self.violations);
        fresh.count = self.count;
        *self = fresh;
    }

    /// The CAS latency in cycles that the mode register holds, once it is loaded.
    pub(crate) fn latency(&self) -> Option<u64> {
        self.mode.map(|mode| mode.latency)
    }

    /// What was done wrong, the first thousand of it.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How often something was done wrong.
    pub fn violation_count(&self) -> u64 {
        self.count
    }

    /// A word of memory: bank, row, column.
    pub fn peek(&self, bank: u8, row: u16, column: u16) -> u16 {
        self.memory[usize::from(bank) << 22 | usize::from(row) << 9 | usize::from(column)]
    }

    /// Sets a word of memory: bank, row, column.
    pub fn poke(&mut self, bank: u8, row: u16, column: u16, word: u16) {
        self.memory[usize::from(bank) << 22 | usize::from(row) << 9 | usize::from(column)] = word;
    }

    /// Sets every word of memory.
    pub fn fill(&mut self, mut word: impl FnMut() -> u16) {
        self.memory.fill_with(&mut word);
    }

    /// Refreshes since the power-up.
    pub fn refreshes(&self) -> u64 {
        self.refreshes
    }

    /// Ends a cycle with these pins. Gives what the chip drives in the next cycle: a READ of cycle
    /// `t` shows its first word in cycle `t + CAS latency`.
    pub fn cycle(&mut self, pins: &Pins) -> Option<u16> {
        self.check_contention(pins);
        match (pins.cke, self.awake) {
            (true, None) => self.awake = Some(self.now),
            (false, Some(_)) => self.tell(Rule::ClockEnable, "CKE is low".into()),
            _ => {}
        }
        if pins.cke {
            self.command(pins);
        }
        self.pass_word(pins);
        self.check_time();
        self.masks = [pins.dqm, self.masks[0]];
        self.drove = self.drives.is_some();
        self.drives = self.pipeline.pop_front().flatten();
        self.now += 1;
        self.drives
    }

    pub(crate) fn tell(&mut self, rule: Rule, what: String) {
        self.count += 1;
        if self.violations.len() < KEPT {
            let cycle = self.now;
            self.violations.push(Violation { cycle, rule, what });
        }
    }

    /// Tells when less than `least` picoseconds have passed since a moment.
    fn must_have_passed(&mut self, since: Option<u64>, least: u64, rule: Rule, command: Command) {
        let Some(since) = since else { return };
        let passed = (self.now - since) * self.period;
        if passed < least {
            let what = format!("{command:?} after {passed} ps, {least} ps are due");
            self.tell(rule, what);
        }
    }

    fn command(&mut self, pins: &Pins) {
        let command = pins.command();
        if command == Command::Nop {
            return;
        }
        self.check_power_up(command, pins);
        let (rfc, mrd) = (self.sheet.t_rfc, self.sheet.mrd_cycles * self.period);
        self.must_have_passed(self.last_refresh, rfc, Rule::Rfc, command);
        self.must_have_passed(self.last_mode, mrd, Rule::Mrd, command);
        match command {
            Command::Active => self.active(pins),
            Command::Read | Command::Write => self.access(pins, command == Command::Write),
            Command::Precharge if pins.a >> 10 & 1 == 1 => {
                self.closed_once |= self.is_awake_long_enough();
                for bank in 0..4 {
                    self.precharge(bank);
                }
            }
            Command::Precharge => self.precharge(pins.ba),
            Command::Refresh => {
                self.must_be_closed(command);
                self.refreshes += 1;
                self.refreshed += 1;
                self.last_refresh = Some(self.now);
            }
            Command::LoadMode => {
                self.must_be_closed(command);
                self.load_mode(pins);
            }
            Command::Terminate => self.tell(Rule::Unknown, "BURST TERMINATE".into()),
            Command::Nop => {}
        }
    }

    fn is_awake_long_enough(&self) -> bool {
        let waited = self
            .awake
            .map_or(0, |awake| (self.now - awake) * self.period);
        waited >= self.sheet.power_up
    }

    /// The order of the power-up, until the mode register is loaded.
    fn check_power_up(&mut self, command: Command, pins: &Pins) {
        if self.mode.is_some() {
            return;
        }
        let closes_all = command == Command::Precharge && pins.a >> 10 & 1 == 1;
        let what = if !self.is_awake_long_enough() {
            "before the time of the power-up has passed"
        } else if !self.closed_once && !closes_all {
            "before all banks were closed"
        } else if command == Command::LoadMode && self.refreshes < self.sheet.first_refreshes {
            "before the refreshes of the power-up"
        } else if matches!(command, Command::Active | Command::Read | Command::Write) {
            "before the mode register was loaded"
        } else {
            return;
        };
        self.tell(Rule::PowerUp, format!("{command:?} {what}"));
    }

    fn must_be_closed(&mut self, command: Command) {
        for bank in 0..4 {
            if self.banks[bank].row.is_some() {
                self.tell(
                    Rule::NotAllClosed,
                    format!("{command:?} while bank {bank} is open"),
                );
            }
            let closed = self.banks[bank].precharged;
            self.must_have_passed(closed, self.sheet.t_rp, Rule::Rp, command);
        }
    }

    fn active(&mut self, pins: &Pins) {
        let number = usize::from(pins.ba);
        let bank = self.banks[number];
        if bank.row.is_some() {
            self.tell(Rule::AlreadyOpen, format!("bank {number}"));
        }
        let sheet = self.sheet;
        self.must_have_passed(bank.precharged, sheet.t_rp, Rule::Rp, Command::Active);
        self.must_have_passed(bank.activated, sheet.t_rc, Rule::Rc, Command::Active);
        if let Some((_, last)) = self.last_active.filter(|(last, _)| *last != pins.ba) {
            let least = sheet.t_rrd.max(sheet.rrd_cycles * self.period);
            self.must_have_passed(Some(last), least, Rule::Rrd, Command::Active);
        }
        self.last_active = Some((pins.ba, self.now));
        self.banks[number] = Bank {
            row: Some(pins.a & 0x1fff),
            activated: Some(self.now),
            written: None,
            overdue: false,
            ..bank
        };
    }

    fn access(&mut self, pins: &Pins, write: bool) {
        let command = if write { Command::Write } else { Command::Read };
        let bank = self.banks[usize::from(pins.ba)];
        if pins.a >> 10 & 1 == 1 {
            self.tell(Rule::Unknown, "automatic precharge".into());
        }
        self.must_have_passed(bank.activated, self.sheet.t_rcd, Rule::Rcd, command);
        if let Some(burst) = self.burst {
            self.cut(burst, command);
        }
        let Some(mode) = self.mode else { return };
        let Some(row) = bank.row else {
            self.tell(Rule::Closed, format!("{command:?} to bank {}", pins.ba));
            return;
        };
        let words = if write && mode.single_writes {
            1
        } else {
            mode.burst
        };
        self.burst = Some(Burst {
            write,
            bank: pins.ba,
            row,
            column: pins.a & 0x1ff,
            done: 0,
            words,
        });
    }

    fn cut(&mut self, burst: Burst, command: Command) {
        let Burst { done, words, .. } = burst;
        self.tell(
            Rule::CutBurst,
            format!("{command:?} after {done} of {words} words"),
        );
        self.burst = None;
    }

    fn precharge(&mut self, number: u8) {
        let bank = self.banks[usize::from(number)];
        let sheet = self.sheet;
        if bank.row.is_some() {
            self.must_have_passed(bank.activated, sheet.t_ras, Rule::Ras, Command::Precharge);
            let recovery = sheet.t_wr.max(sheet.wr_cycles * self.period);
            self.must_have_passed(bank.written, recovery, Rule::Wr, Command::Precharge);
        }
        if let Some(burst) = self.burst.filter(|burst| burst.bank == number) {
            self.cut(burst, Command::Precharge);
        }
        // A bank that is closed already may be closed again at any time, which changes nothing.
        if bank.row.is_some() {
            let bank = &mut self.banks[usize::from(number)];
            bank.row = None;
            bank.precharged = Some(self.now);
        }
    }

    fn load_mode(&mut self, pins: &Pins) {
        let a = u64::from(pins.a);
        let latency = a >> 4 & 7;
        let least = match latency {
            2 => self.sheet.clock_2,
            3 => self.sheet.clock_3,
            _ => {
                self.tell(Rule::Mode, format!("CAS latency {latency}"));
                return;
            }
        };
        if self.period < least {
            let what = format!("a period of {} ps, {least} ps are due", self.period);
            self.tell(Rule::Mode, what);
        }
        let length = a & 7;
        if length > 3 || a >> 3 & 1 == 1 || a >> 7 & 3 != 0 || a >> 10 != 0 || pins.ba != 0 {
            self.tell(Rule::Mode, format!("mode {a:#x}, bank {}", pins.ba));
            return;
        }
        if self.mode.is_none() {
            (self.refresh_origin, self.refreshed) = (self.now, 0);
        }
        self.mode = Some(Mode {
            latency,
            burst: 1 << length,
            single_writes: a >> 9 & 1 == 1,
        });
        self.last_mode = Some(self.now);
    }

    /// The word of this cycle of the burst under way.
    fn pass_word(&mut self, pins: &Pins) {
        let (Some(mut burst), Some(mode)) = (self.burst, self.mode) else {
            return;
        };
        let at = burst.address();
        if burst.write {
            let mask = (u16::from(pins.dqm & 1) * 0xff) | (u16::from((pins.dqm >> 1) & 1) * 0xff00);
            if pins.dq.is_none() && mask != 0xffff {
                self.tell(Rule::NoData, format!("word {} of a write", burst.done));
            }
            let word = pins.dq.unwrap_or(0xdead);
            self.memory[at] = self.memory[at] & mask | word & !mask;
            self.banks[usize::from(burst.bank)].written = Some(self.now);
        } else {
            // A word shows `latency` cycles after its place in the burst.
            while self.pipeline.len() < mode.latency as usize {
                self.pipeline.push_back(None);
            }
            self.pipeline[mode.latency as usize - 1] = Some(self.memory[at]);
        }
        burst.done += 1;
        self.burst = Some(burst).filter(|burst| burst.done < burst.words);
    }

    fn check_contention(&mut self, pins: &Pins) {
        if self.drives.is_some() && self.masks[1] != 0 {
            let what = format!("DQM was {:#b} two cycles before", self.masks[1]);
            self.tell(Rule::MaskedRead, what);
        }
        if pins.dq.is_some() && (self.drives.is_some() || self.drove) {
            let what = match self.drives {
                Some(_) => "both sides drive",
                None => "no cycle between the chip's word and the controller's",
            };
            self.tell(Rule::Contention, what.into());
        }
    }

    fn check_time(&mut self) {
        for number in 0..4 {
            let bank = self.banks[number];
            let open = bank
                .activated
                .filter(|_| bank.row.is_some() && !bank.overdue);
            let long = |since: u64| (self.now - since) * self.period > self.sheet.t_ras_max;
            if open.is_some_and(long) {
                self.banks[number].overdue = true;
                self.tell(Rule::RasMax, format!("bank {number}"));
            }
        }
        // Refreshes come evenly: none is later than the one after it should have been.
        if self.mode.is_some() {
            let passed = u128::from((self.now - self.refresh_origin) * self.period);
            let due = passed * u128::from(ROWS) / u128::from(self.sheet.t_ref);
            let late = due > u128::from(self.refreshed) + 1;
            if late && !self.late_told {
                let what = format!("{} of {due} refreshes", self.refreshed);
                self.tell(Rule::LateRefresh, what);
            }
            self.late_told = late;
        }
    }
}
