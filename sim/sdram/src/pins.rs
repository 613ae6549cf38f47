//! The pins of the chip.

/// What the controller puts on the pins in a cycle; the chip takes it at the end of the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Clock enable.
    pub cke: bool,
    /// Chip select, active low.
    pub cs_n: bool,
    /// Active low.
    pub ras_n: bool,
    /// Active low.
    pub cas_n: bool,
    /// Active low.
    pub we_n: bool,
    /// Bank, 2 bits.
    pub ba: u8,
    /// Address, 13 bits.
    pub a: u16,
    /// Masked bytes, 2 bits.
    pub dqm: u8,
    /// What the controller drives, if it does.
    pub dq: Option<u16>,
}

impl Pins {
    /// A command to a bank with an address, and no data.
    pub fn new(command: Command, ba: u8, a: u16) -> Self {
        let code = command as u8;
        Self {
            cke: true,
            cs_n: false,
            ras_n: code & 4 != 0,
            cas_n: code & 2 != 0,
            we_n: code & 1 != 0,
            ba,
            a,
            dqm: 0,
            dq: None,
        }
    }

    /// The command; NOP when the chip is not selected.
    pub fn command(&self) -> Command {
        let lines = (self.ras_n, self.cas_n, self.we_n);
        match lines {
            _ if self.cs_n => Command::Nop,
            (true, true, true) => Command::Nop,
            (true, true, false) => Command::Terminate,
            (true, false, true) => Command::Read,
            (true, false, false) => Command::Write,
            (false, true, true) => Command::Active,
            (false, true, false) => Command::Precharge,
            (false, false, true) => Command::Refresh,
            (false, false, false) => Command::LoadMode,
        }
    }
}

/// A command: its number is RAS, CAS and WE as they are on the pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// LOAD MODE REGISTER.
    LoadMode = 0,
    /// AUTO REFRESH.
    Refresh = 1,
    /// PRECHARGE of one bank, or with A10 of all.
    Precharge = 2,
    /// ACTIVE: opens a row.
    Active = 3,
    /// WRITE.
    Write = 4,
    /// READ.
    Read = 5,
    /// BURST TERMINATE.
    Terminate = 6,
    /// NO OPERATION.
    Nop = 7,
}
