//! One of the four banks.

/// What a bank remembers; moments are cycles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bank {
    /// The open row.
    pub row: Option<u16>,
    /// Last ACTIVE.
    pub activated: Option<u64>,
    /// Last PRECHARGE.
    pub precharged: Option<u64>,
    /// Last word written.
    pub written: Option<u64>,
    /// The open row was told to be open for too long.
    pub overdue: bool,
}
