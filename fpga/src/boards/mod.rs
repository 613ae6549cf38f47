//! The boards that bitstreams are made for: parts, clocks and pins.

mod acorn;
mod nexys_video;
mod ulx3s;

use std::fmt;
use std::str::FromStr;

/// Name of the top module of every board; no module of a card is called so.
pub const TOP: &str = "systole_board";

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Board {
    /// ULX3S with an LFE5U-85F.
    Ulx3s85f,
    /// Digilent Nexys Video with an XC7A200T.
    Artix7200t,
    /// SQRL Acorn with an XC7A200T, in a slot of PCI Express.
    AcornCle215,
}

impl Board {
    /// Every board.
    pub const ALL: [Self; 3] = [Self::Ulx3s85f, Self::Artix7200t, Self::AcornCle215];

    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ulx3s85f => "ulx3s-85f",
            Self::Artix7200t => "artix7-200t",
            Self::AcornCle215 => "acorn-cle215",
        }
    }

    /// The FPGA on it.
    pub fn part(self) -> Part {
        match self {
            Self::Ulx3s85f => ulx3s::PART,
            Self::Artix7200t => nexys_video::PART,
            Self::AcornCle215 => acorn::PART,
        }
    }

    /// The clock that it gives its FPGA.
    pub fn clock(self) -> Clock {
        match self {
            Self::Ulx3s85f => ulx3s::CLOCK,
            Self::Artix7200t => nexys_video::CLOCK,
            Self::AcornCle215 => acorn::CLOCK,
        }
    }

    /// The pins that a top can use.
    pub fn pins(self) -> &'static [Pins] {
        match self {
            Self::Ulx3s85f => &ulx3s::PINS,
            Self::Artix7200t => &nexys_video::PINS,
            Self::AcornCle215 => &acorn::PINS,
        }
    }

    /// The clock of a card on it in MHz, if nobody asks for another.
    pub fn card_mhz(self) -> f64 {
        self.link_mhz().unwrap_or(80.0)
    }

    /// The clock in MHz that its link to the host gives a card, if it does.
    pub fn link_mhz(self) -> Option<f64> {
        (self == Self::AcornCle215).then_some(62.5)
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Board {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|board| board.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no board `{text}`: give one of {names}")
        })
    }
}

/// An FPGA as the tools name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Lattice ECP5.
    Ecp5 {
        /// The option of nextpnr-ecp5 that chooses the die.
        die: &'static str,
        /// Package.
        package: &'static str,
        /// Speed grade, 6 is the slowest.
        speed: &'static str,
    },
    /// Xilinx 7 series.
    Xc7 {
        /// The die, as the chip databases call it.
        die: &'static str,
        /// Die, package and speed grade.
        device: &'static str,
    },
}

/// A clock that comes in at a pin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Port of the top.
    pub port: &'static str,
    /// In MHz.
    pub mhz: f64,
}

/// Which way a signal goes, seen from the FPGA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Into the FPGA.
    In,
    /// Out of the FPGA.
    Out,
    /// Both.
    InOut,
}

/// What holds a pin that nobody drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Nothing.
    None,
    /// A weak resistor to the supply.
    Up,
    /// A weak resistor to ground.
    Down,
}

/// The pins of one port.
#[derive(Clone, Copy, Debug)]
pub struct Pins {
    /// Port of the top.
    pub port: &'static str,
    /// Balls of the package, of bit 0 first; a port of one pin is no bus.
    pub sites: &'static [&'static str],
    /// Which way.
    pub direction: Direction,
    /// IO standard; the pads of transceivers have none.
    pub standard: Option<&'static str>,
    /// Strength of the driver in mA, where it can be chosen.
    pub drive: Option<u8>,
    /// Pull resistor.
    pub pull: Pull,
    /// Fast edges.
    pub fast: bool,
}

impl Pins {
    /// An input.
    const fn input(port: &'static str, sites: &'static [&'static str], pull: Pull) -> Self {
        Self {
            port,
            sites,
            direction: Direction::In,
            standard: Some("LVCMOS33"),
            drive: None,
            pull,
            fast: false,
        }
    }

    /// An output of 4 mA.
    const fn output(port: &'static str, sites: &'static [&'static str]) -> Self {
        Self {
            direction: Direction::Out,
            drive: Some(4),
            ..Self::input(port, sites, Pull::None)
        }
    }

    /// The same at another voltage.
    const fn at(self, standard: &'static str) -> Self {
        Self {
            standard: Some(standard),
            ..self
        }
    }

    /// A pad of a transceiver.
    const fn transceiver(
        port: &'static str,
        sites: &'static [&'static str],
        direction: Direction,
    ) -> Self {
        Self {
            direction,
            standard: None,
            ..Self::input(port, sites, Pull::None)
        }
    }

    /// The same with this strength.
    const fn driven(self, milliamperes: u8) -> Self {
        Self {
            drive: Some(milliamperes),
            ..self
        }
    }

    /// Name of each bit as Verilog writes it, with its ball.
    pub fn bits(&self) -> impl Iterator<Item = (String, &'static str)> + '_ {
        let bus = self.sites.len() > 1;
        self.sites.iter().enumerate().map(move |(bit, site)| {
            let name = match bus {
                true => format!("{}[{bit}]", self.port),
                false => self.port.to_string(),
            };
            (name, *site)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_read() {
        for board in Board::ALL {
            assert_eq!(board.to_string().parse(), Ok(board));
        }
        let error = "arty".parse::<Board>().unwrap_err();
        assert!(error.contains("`arty`") && error.contains("ulx3s-85f"));
    }

    #[test]
    fn no_ball_and_no_port_stands_twice() {
        for board in Board::ALL {
            let mut sites = BTreeSet::new();
            let mut ports = BTreeSet::new();
            for pins in board.pins() {
                assert!(ports.insert(pins.port), "{board} {}", pins.port);
                for (name, site) in pins.bits() {
                    assert!(sites.insert(site), "{board} {name} {site}");
                }
                let driven = pins.direction != Direction::In && pins.standard.is_some();
                assert_eq!(pins.drive.is_some(), driven, "{board} {}", pins.port);
            }
            assert!(ports.contains(board.clock().port));
        }
    }
}
