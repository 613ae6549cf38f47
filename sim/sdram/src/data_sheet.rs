//! Times that chips want.

/// What the data sheet of a chip says. Times are in picoseconds; of ranges, the end that must be
/// kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSheet {
    /// Name and speed grade.
    pub name: &'static str,
    /// Shortest clock period with a CAS latency of 2.
    pub clock_2: u64,
    /// Shortest clock period with a CAS latency of 3.
    pub clock_3: u64,
    /// tRCD: ACTIVE to READ or WRITE.
    pub t_rcd: u64,
    /// tRP: PRECHARGE to ACTIVE, AUTO REFRESH or LOAD MODE REGISTER.
    pub t_rp: u64,
    /// tRC: ACTIVE to ACTIVE of the same bank.
    pub t_rc: u64,
    /// tRAS, least: ACTIVE to PRECHARGE.
    pub t_ras: u64,
    /// tRAS, most: a row must be closed after this.
    pub t_ras_max: u64,
    /// tRRD: ACTIVE to ACTIVE of another bank.
    pub t_rrd: u64,
    /// tRRD in cycles, where the data sheet says so.
    pub rrd_cycles: u64,
    /// tWR (tDPL): last data of a write to PRECHARGE.
    pub t_wr: u64,
    /// tWR in cycles, where the data sheet says so.
    pub wr_cycles: u64,
    /// tRFC: AUTO REFRESH to the next command.
    pub t_rfc: u64,
    /// tMRD (tRSC) in cycles: LOAD MODE REGISTER to the next command.
    pub mrd_cycles: u64,
    /// tREF: in this time every one of the 8192 rows is refreshed.
    pub t_ref: u64,
    /// From a stable clock to the first command.
    pub power_up: u64,
    /// Refreshes of the power-up.
    pub first_refreshes: u64,
    /// tIS (tDS, tAS, tCMS): pins are stable for so long before an edge of the clock.
    pub t_is: u64,
    /// tIH (tDH, tAH, tCMH): and for so long after it.
    pub t_ih: u64,
    /// tAC, most, with a CAS latency of 2: from an edge of the clock to the word that follows it.
    pub t_ac_2: u64,
    /// The same with a CAS latency of 3.
    pub t_ac_3: u64,
    /// tOH, least: the word is there for so long after the next edge.
    pub t_oh: u64,
}

const BASE: DataSheet = DataSheet {
    name: "",
    clock_2: 10_000,
    clock_3: 7_500,
    t_rcd: 20_000,
    t_rp: 20_000,
    t_rc: 66_000,
    t_ras: 44_000,
    t_ras_max: 100_000_000,
    t_rrd: 15_000,
    rrd_cycles: 1,
    t_wr: 15_000,
    wr_cycles: 1,
    t_rfc: 66_000,
    mrd_cycles: 2,
    t_ref: 64_000_000_000,
    power_up: 100_000_000,
    first_refreshes: 2,
    t_is: 1_500,
    t_ih: 800,
    t_ac_2: 6_000,
    t_ac_3: 5_400,
    t_oh: 2_700,
};

impl DataSheet {
    /// Micron MT48LC16M16A2-75.
    pub const MT48LC16M16A2_75: Self = Self {
        name: "MT48LC16M16A2-75",
        t_ras_max: 120_000_000,
        ..BASE
    };

    /// ISSI IS42S16160G-7, the slower of its revisions.
    pub const IS42S16160G_7: Self = Self {
        name: "IS42S16160G-7",
        clock_3: 7_000,
        t_rc: 67_500,
        t_ras: 45_000,
        t_rfc: 67_500,
        t_wr: 14_000,
        first_refreshes: 8,
        power_up: 200_000_000,
        t_oh: 2_500,
        ..BASE
    };

    /// Winbond W9825G6KH-6.
    pub const W9825G6KH_6: Self = Self {
        name: "W9825G6KH-6",
        clock_2: 7_500,
        clock_3: 6_000,
        t_rcd: 15_000,
        t_rp: 15_000,
        t_rc: 60_000,
        t_ras: 42_000,
        t_rrd: 0,
        rrd_cycles: 2,
        t_wr: 0,
        wr_cycles: 2,
        t_rfc: 60_000,
        first_refreshes: 8,
        power_up: 200_000_000,
        t_ac_3: 5_000,
        t_oh: 3_000,
        ..BASE
    };
}
