//! What can be done wrong.

use std::fmt;

/// A rule of the data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The power-up: wait, close all banks, refresh, load the mode register.
    PowerUp,
    /// CKE went low after the power-up, or came up late.
    ClockEnable,
    /// A mode that does not exist, or a clock too fast for it.
    Mode,
    /// LOAD MODE REGISTER or AUTO REFRESH while a bank is open.
    NotAllClosed,
    /// READ or WRITE to a closed bank.
    Closed,
    /// ACTIVE to an open bank.
    AlreadyOpen,
    /// tRCD.
    Rcd,
    /// tRP.
    Rp,
    /// tRC.
    Rc,
    /// tRAS, too short.
    Ras,
    /// tRAS, too long.
    RasMax,
    /// tRRD.
    Rrd,
    /// tWR.
    Wr,
    /// tRFC.
    Rfc,
    /// tMRD.
    Mrd,
    /// The rows are not refreshed in time.
    LateRefresh,
    /// Both sides drive the data pins, or change places without a cycle between.
    Contention,
    /// A word that is written is not driven.
    NoData,
    /// A word that is read is masked.
    MaskedRead,
    /// A burst is cut off.
    CutBurst,
    /// Pins change too short before an edge of the clock (tIS).
    Setup,
    /// Pins change too soon after an edge of the clock (tIH).
    Hold,
    /// The clock has another period than it should.
    Clock,
    /// The model does not know this: automatic precharge, BURST TERMINATE.
    Unknown,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Cycles since the clock began.
    pub cycle: u64,
    /// The rule.
    pub rule: Rule,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycle, rule, what } = self;
        write!(f, "cycle {cycle}: {rule:?}: {what}")
    }
}
