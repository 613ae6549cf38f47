//! Where a function sits on its bus.

use std::fmt;
use std::str::FromStr;

/// Domain, bus, device and function, written `0000:01:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `0000:01:00.0`; the domain may be left out where it is 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (place, function) = text.split_once('.')?;
            let mut parts = place.rsplit(':');
            let (device, bus) = (parts.next()?, parts.next()?);
            let domain = parts.next();
            if parts.next().is_some() {
                return None;
            }
            Some(Self {
                domain: domain.map_or(Some(0), |text| hex(text, 4..=8, u32::MAX))?,
                bus: hex(bus, 2..=2, 0xff)? as u8,
                device: hex(device, 2..=2, 0x1f)? as u8,
                function: hex(function, 1..=1, 7)? as u8,
            })
        };
        parse().ok_or_else(|| {
            format!("`{text}` is no address of a PCI device: write it as in `0000:01:00.0`")
        })
    }
}

/// A number of so many hexadecimal digits, at most `most`.
fn hex(text: &str, digits: std::ops::RangeInclusive<usize>, most: u32) -> Option<u32> {
    let fits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| fits)?;
    (number <= most).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, full) in [
            ("0000:01:00.0", "0000:01:00.0"),
            ("01:1f.7", "0000:01:1f.7"),
            ("10000:Ff:00.1", "10000:ff:00.1"),
        ] {
            let address: Address = text.parse().expect("an address");
            assert_eq!(address.to_string(), full);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ".",
            "01:00",
            "01:20.0",
            "01:00.8",
            "1:00.0",
            "01:0.0",
            "0:01:00.0",
            "0000:0000:01:00.0",
            "+001:01:00.0",
            "0000:01:00.0/../..",
            "0000:01:00.00",
            "000000000:01:00.0",
            "wx:yz.0",
        ] {
            let refusal = text.parse::<Address>().expect_err(text);
            assert!(refusal.contains("0000:01:00.0"), "{refusal}");
        }
    }
}
