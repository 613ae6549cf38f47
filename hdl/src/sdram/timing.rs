//! What a chip wants, in nanoseconds, and what that is in cycles of a clock.

use std::fmt;

/// An SDRAM chip of 4 banks with 8192 rows of 512 columns of 16 bits. Times are in picoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name and speed grade.
    pub name: &'static str,
    /// Shortest clock period with a CAS latency of 2 and of 3.
    pub t_ck: [u64; 2],
    /// ACTIVE to READ or WRITE (tRCD).
    pub t_rcd: u64,
    /// PRECHARGE to ACTIVE (tRP).
    pub t_rp: u64,
    /// ACTIVE to ACTIVE of one bank (tRC).
    pub t_rc: u64,
    /// ACTIVE to PRECHARGE (tRAS).
    pub t_ras: u64,
    /// ACTIVE to ACTIVE of another bank (tRRD).
    pub t_rrd: u64,
    /// Last data of a write to PRECHARGE (tWR), and never less than two cycles.
    pub t_wr: u64,
    /// AUTO REFRESH to anything (tRFC).
    pub t_rfc: u64,
    /// All 8192 rows are refreshed within this.
    pub retention: u64,
    /// From a stable clock to the first command.
    pub power_up: u64,
}

const NS: u64 = 1_000;
const US: u64 = 1_000 * NS;
const MS: u64 = 1_000 * US;

/// Cycles between two commands when the data sheet gives cycles: tMRD, and the least of tWR and
/// tRRD where it is given so.
const TWO: u32 = 2;

/// Longest time that a refresh may wait for a burst and an ACTIVE before it, in cycles.
const LONGEST_WAIT: u64 = 64;

/// Words of a burst: a line of 16 bytes.
const WORDS: u32 = 8;

impl Part {
    /// Micron MT48LC16M16A2, speed grade 75.
    pub const MT48LC16M16A2_75: Self = Self {
        name: "MT48LC16M16A2-75",
        t_ck: [10 * NS, 7_500],
        t_rcd: 20 * NS,
        t_rp: 20 * NS,
        t_rc: 66 * NS,
        t_ras: 44 * NS,
        t_rrd: 15 * NS,
        t_wr: 15 * NS,
        t_rfc: 66 * NS,
        retention: 64 * MS,
        power_up: 100 * US,
    };

    /// ISSI IS42S16160G, speed grade 7: of each time the longest that a revision of it wants.
    pub const IS42S16160G_7: Self = Self {
        name: "IS42S16160G-7",
        t_ck: [10 * NS, 7 * NS],
        t_rcd: 20 * NS,
        t_rp: 20 * NS,
        t_rc: 67_500,
        t_ras: 45 * NS,
        t_rrd: 15 * NS,
        t_wr: 15 * NS,
        t_rfc: 70 * NS,
        retention: 64 * MS,
        power_up: 200 * US,
    };

    /// Winbond W9825G6KH, speed grade 6.
    pub const W9825G6KH_6: Self = Self {
        name: "W9825G6KH-6",
        t_ck: [7_500, 6 * NS],
        t_rcd: 15 * NS,
        t_rp: 15 * NS,
        t_rc: 60 * NS,
        t_ras: 42 * NS,
        t_rrd: 12 * NS,
        t_wr: 12 * NS,
        t_rfc: 60 * NS,
        retention: 64 * MS,
        power_up: 200 * US,
    };

    /// Times that satisfy every part above, so that one bitstream does for boards with any of them.
    pub const ANY: Self = Self {
        name: "any of the known parts",
        t_ck: [10 * NS, 7_500],
        t_rcd: 20 * NS,
        t_rp: 20 * NS,
        t_rc: 67_500,
        t_ras: 45 * NS,
        t_rrd: 15 * NS,
        t_wr: 15 * NS,
        t_rfc: 70 * NS,
        retention: 64 * MS,
        power_up: 200 * US,
    };
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A clock and a part that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// No chip has this latency.
    #[error("a CAS latency of {0} cycles does not exist: choose 2 or 3")]
    Latency(u32),
    /// The clock is too fast.
    #[error(
        "{mhz} MHz are too fast for {part} with a CAS latency of {cas}: its clock period is {least_ps} ps at least; choose a slower clock{}",
        if *cas == 2 { " or a CAS latency of 3" } else { "" }
    )]
    TooFast {
        /// Clock that was asked for.
        mhz: u32,
        /// Name of the part.
        part: &'static str,
        /// CAS latency that was asked for.
        cas: u32,
        /// Shortest clock period.
        least_ps: u64,
    },
    /// The clock is so slow that refreshes leave no time.
    #[error("{0} MHz are too slow for an SDRAM: choose a clock of 20 MHz or more")]
    TooSlow(u32),
    /// Data cannot come back so late.
    #[error("data cannot come back {0} cycles late: the controller waits 0, 1 or 2 more")]
    Delay(u32),
    /// A time is longer than the controller can count.
    #[error("{time} of {part} is too long for the controller at {mhz} MHz")]
    TooLong {
        /// Which time.
        time: &'static str,
        /// Name of the part.
        part: &'static str,
        /// Clock that was asked for.
        mhz: u32,
    },
}

/// The times of a part in cycles of a clock, as the controller counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// CAS latency.
    pub cas: u32,
    /// Cycles that read data is later on the board than by the chip's data sheet, because of a
    /// shifted clock or of pads.
    pub delay: u32,
    /// ACTIVE to READ or WRITE.
    pub t_rcd: u32,
    /// PRECHARGE to ACTIVE or AUTO REFRESH.
    pub t_rp: u32,
    /// Last data of a write to PRECHARGE.
    pub t_wr: u32,
    /// AUTO REFRESH to anything.
    pub t_rfc: u32,
    /// LOAD MODE REGISTER to anything.
    pub t_mrd: u32,
    /// From one refresh to the next.
    pub interval: u32,
    /// Intervals from reset to the first command.
    pub power_up: u32,
}

impl Timing {
    /// For a clock of `mhz`, with read data at the chip's own latency.
    ///
    /// # Errors
    /// A clock or a latency that the part cannot have.
    pub fn new(part: &Part, mhz: u32, cas: u32) -> Result<Self, TimingError> {
        let least_ps = match cas {
            2 => part.t_ck[0],
            3 => part.t_ck[1],
            _ => return Err(TimingError::Latency(cas)),
        };
        let clock = u64::from(mhz);
        if clock * least_ps > US {
            return Err(TimingError::TooFast {
                mhz,
                part: part.name,
                cas,
                least_ps,
            });
        }
        if mhz < 20 {
            return Err(TimingError::TooSlow(mhz));
        }
        let cycles = |ps: u64| u32::try_from((ps * clock).div_ceil(US)).unwrap_or(u32::MAX);
        let interval = (part.retention / NS * clock / 1_000 - LONGEST_WAIT) / 8192;
        let interval = u32::try_from(interval).unwrap_or(u32::MAX);
        let timing = Self {
            cas,
            delay: 0,
            t_rcd: cycles(part.t_rcd),
            t_rp: cycles(part.t_rp),
            t_wr: cycles(part.t_wr).max(TWO),
            t_rfc: cycles(part.t_rfc),
            t_mrd: TWO,
            interval,
            power_up: cycles(part.power_up).div_ceil(interval),
        };
        // What the controller keeps without a counter of its own: a burst of eight words lies
        // between the commands.
        let row = timing.t_rcd.saturating_add(WORDS);
        let kept = [
            ("tRCD", timing.t_rcd <= 15),
            ("tRP", timing.t_rp <= 15),
            ("tRFC", timing.t_rfc <= 15),
            ("tWR", timing.t_wr <= 3),
            ("tRAS", cycles(part.t_ras) <= row),
            ("tRC", cycles(part.t_rc) <= row.saturating_add(timing.t_rp)),
            ("tRRD", cycles(part.t_rrd).max(TWO) <= timing.t_rcd + 2),
            ("the refresh interval", interval < 1 << 11),
            ("the time of power-up", timing.power_up < 1 << 5),
        ];
        match kept.iter().find(|(_, kept)| !kept) {
            None => Ok(timing),
            Some((time, _)) => Err(TimingError::TooLong {
                time,
                part: part.name,
                mhz,
            }),
        }
    }

    /// The same, with read data that comes back so many cycles later.
    ///
    /// # Errors
    /// More than two cycles.
    pub fn with_delay(self, delay: u32) -> Result<Self, TimingError> {
        match delay {
            0..=2 => Ok(Self { delay, ..self }),
            _ => Err(TimingError::Delay(delay)),
        }
    }

    /// The mode register: bursts of eight words in order, for reads and writes.
    pub(super) fn mode(&self) -> u64 {
        u64::from(self.cas << 4 | 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up() {
        let timing = Timing::new(&Part::MT48LC16M16A2_75, 100, 2).unwrap();
        let expected = Timing {
            cas: 2,
            delay: 0,
            t_rcd: 2,
            t_rp: 2,
            t_wr: 2,
            t_rfc: 7,
            t_mrd: 2,
            interval: 781,
            power_up: 13,
        };
        assert_eq!(timing, expected);
        let timing = Timing::new(&Part::MT48LC16M16A2_75, 133, 3).unwrap();
        assert_eq!((timing.t_rcd, timing.t_rfc, timing.interval), (3, 9, 1039));
        assert_eq!(timing.mode(), 0x33);
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        let part = Part::MT48LC16M16A2_75;
        let error = |mhz, cas| Timing::new(&part, mhz, cas).unwrap_err().to_string();
        assert!(error(100, 4).contains("choose 2 or 3"));
        assert!(error(133, 2).contains("a CAS latency of 3"));
        assert!(!error(200, 3).contains("a CAS latency of 3;"));
        assert!(error(0, 2).contains("too slow"));
        let slow = Part {
            t_rfc: 200 * NS,
            ..part
        };
        let error = Timing::new(&slow, 100, 2).unwrap_err();
        assert!(error.to_string().starts_with("tRFC of MT48LC16M16A2-75"));
        let timing = Timing::new(&part, 100, 2).unwrap();
        assert_eq!(timing.with_delay(3), Err(TimingError::Delay(3)));
        assert_eq!(timing.with_delay(2).unwrap().delay, 2);
    }

    #[test]
    fn what_suits_any_part_suits_each() {
        for mhz in [25, 50, 66, 80, 100, 133] {
            for cas in [2, 3] {
                let Ok(any) = Timing::new(&Part::ANY, mhz, cas) else {
                    continue;
                };
                for part in [
                    Part::MT48LC16M16A2_75,
                    Part::IS42S16160G_7,
                    Part::W9825G6KH_6,
                ] {
                    let one = Timing::new(&part, mhz, cas).unwrap();
                    let times = |t: &Timing| [t.t_rcd, t.t_rp, t.t_wr, t.t_rfc, t.power_up];
                    let pairs = times(&any).into_iter().zip(times(&one));
                    assert!(pairs.into_iter().all(|(any, one)| any >= one), "{part}");
                    assert!(any.interval <= one.interval);
                }
            }
        }
    }
}
