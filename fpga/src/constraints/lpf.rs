//! Constraints for nextpnr-ecp5.

use std::fmt::Write as _;

use crate::boards::{Clock, Pins, Pull};

/// The text of an LPF file that constrains these pins and this clock.
pub fn lpf(pins: &[&Pins], clock: &Clock) -> String {
    // The configuration may come from the flash of the board or over JTAG.
    let mut text = String::from(
        "SYSCONFIG CONFIG_IOVOLTAGE=3.3 COMPRESS_CONFIG=ON MCCLK_FREQ=62 \
         MASTER_SPI_PORT=ENABLE SLAVE_SPI_PORT=DISABLE SLAVE_PARALLEL_PORT=DISABLE;\n",
    );
    for pins in pins {
        for (name, site) in pins.bits() {
            let pull = match pins.pull {
                Pull::None => "NONE",
                Pull::Up => "UP",
                Pull::Down => "DOWN",
            };
            let _ = write!(
                text,
                "LOCATE COMP \"{name}\" SITE \"{site}\";\n\
                 IOBUF PORT \"{name}\" PULLMODE={pull}"
            );
            if let Some(standard) = pins.standard {
                let _ = write!(text, " IO_TYPE={standard}");
            }
            if let Some(drive) = pins.drive {
                let slew = if pins.fast { "FAST" } else { "SLOW" };
                let _ = write!(text, " DRIVE={drive} SLEWRATE={slew}");
            }
            text.push_str(";\n");
        }
    }
    let _ = writeln!(text, "FREQUENCY PORT \"{}\" {} MHZ;", clock.port, clock.mhz);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Board;

    #[test]
    fn every_bit_has_a_place_and_a_buffer() {
        let board = Board::Ulx3s85f;
        let pins: Vec<&Pins> = board.pins().iter().collect();
        let text = lpf(&pins, &board.clock());
        let bits: usize = pins.iter().map(|pins| pins.sites.len()).sum();
        assert_eq!(text.matches("LOCATE COMP").count(), bits);
        assert_eq!(text.matches("IOBUF PORT").count(), bits);
        for line in [
            "LOCATE COMP \"led[7]\" SITE \"H3\";",
            "IOBUF PORT \"led[7]\" PULLMODE=NONE IO_TYPE=LVCMOS33 DRIVE=4 SLEWRATE=SLOW;",
            "LOCATE COMP \"sdram_clk\" SITE \"F19\";",
            "IOBUF PORT \"ftdi_txd\" PULLMODE=UP IO_TYPE=LVCMOS33;",
            "FREQUENCY PORT \"clk_25mhz\" 25 MHZ;",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
