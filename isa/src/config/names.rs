//! Datapaths as text.

use core::fmt;
use core::str::FromStr;

use super::{ConfigError, Datapaths};

/// What a datapath is called, in the order of the fields of [`Datapaths`].
const NAMES: [&str; 5] = ["narrow", "groups", "two-four", "blocks", "packed"];

impl Datapaths {
    fn flags(&self) -> [bool; 5] {
        [
            self.narrow,
            self.groups,
            self.two_four,
            self.blocks,
            self.packed_products,
        ]
    }

    fn of_flags([narrow, groups, two_four, blocks, packed_products]: [bool; 5]) -> Self {
        Self {
            narrow,
            groups,
            two_four,
            blocks,
            packed_products,
        }
    }
}

impl FromStr for Datapaths {
    type Err = ConfigError;

    /// Reads `dense`, `all`, or names with commas between them: `narrow`, `groups`, `two-four`,
    /// `blocks`, `packed`. Whether they go together is for [`Config::check`](super::Config::check)
    /// to say.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "dense" => return Ok(Self::DENSE),
            "all" => return Ok(Self::ALL),
            _ => {}
        }
        let mut flags = [false; 5];
        for name in text.split(',') {
            let place = NAMES.iter().position(|known| *known == name);
            flags[place.ok_or(ConfigError(
                "datapaths are `dense`, `all`, or some of narrow, groups, two-four, blocks and packed, with commas between them",
            ))?] = true;
        }
        Ok(Self::of_flags(flags))
    }
}

impl fmt::Display for Datapaths {
    /// Writes what [`from_str`](Self::from_str) reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = NAMES.iter().zip(self.flags()).filter(|(_, has)| *has);
        match names.next() {
            None => f.write_str("dense"),
            Some((first, _)) => {
                f.write_str(first)?;
                names.try_for_each(|(name, _)| write!(f, ",{name}"))
            }
        }
    }
}
