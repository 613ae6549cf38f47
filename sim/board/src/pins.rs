//! The ports of the bench.

use sdram::Pins;
use verilate::{Error, Model, PortRef};

/// Where the pins of a top are; the names are those of `bench.sv`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) oscillator: PortRef,
    pub(crate) to_card: PortRef,
    pub(crate) from_card: PortRef,
    pub(crate) led: PortRef,
    pub(crate) button: PortRef,
    pub(crate) chip_clock: PortRef,
    pub(crate) chip_d: PortRef,
    pub(crate) chip_drives: PortRef,
    cke: PortRef,
    cs_n: PortRef,
    we_n: PortRef,
    ras_n: PortRef,
    cas_n: PortRef,
    a: PortRef,
    ba: PortRef,
    dqm: PortRef,
    d_seen: PortRef,
    d_driven: PortRef,
}

impl Ports {
    pub(crate) fn find(model: &Model) -> Result<Self, Error> {
        Ok(Self {
            oscillator: model.port("clk_25mhz")?,
            to_card: model.port("ftdi_txd")?,
            from_card: model.port("ftdi_rxd")?,
            led: model.port("led")?,
            button: model.port("btn_fire1")?,
            chip_clock: model.port("sdram_clk")?,
            chip_d: model.port("chip_d")?,
            chip_drives: model.port("chip_drives")?,
            cke: model.port("sdram_cke")?,
            cs_n: model.port("sdram_csn")?,
            we_n: model.port("sdram_wen")?,
            ras_n: model.port("sdram_rasn")?,
            cas_n: model.port("sdram_casn")?,
            a: model.port("sdram_a")?,
            ba: model.port("sdram_ba")?,
            dqm: model.port("sdram_dqm")?,
            d_seen: model.port("sdram_d_seen")?,
            d_driven: model.port("sdram_d_driven")?,
        })
    }

    /// Which data pins the FPGA drives.
    #[inline]
    pub(crate) fn driven(&self, model: &Model) -> u16 {
        model.get(self.d_driven) as u16
    }

    /// What the FPGA puts on the SDRAM's pins.
    #[inline]
    pub(crate) fn sdram(&self, model: &Model) -> Pins {
        let high = |port| model.get(port) != 0;
        Pins {
            cke: high(self.cke),
            cs_n: high(self.cs_n),
            ras_n: high(self.ras_n),
            cas_n: high(self.cas_n),
            we_n: high(self.we_n),
            ba: model.get(self.ba) as u8,
            a: model.get(self.a) as u16,
            dqm: model.get(self.dqm) as u8,
            dq: (self.driven(model) != 0).then(|| model.get(self.d_seen) as u16),
        }
    }
}
