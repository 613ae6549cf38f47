//! The pins of a card behind PCIe.

use isa::config::Config;
use pcie::root::{FromCard, ToCard};
use pcie::stream::{Beat, MAX_BEAT_WORDS};
use verilate::{Model, PortRef};

use crate::Error;
use crate::ports::{AxiPorts, LOCAL_PORT, find};

/// What a hard block tells the logic behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub id: u16,
    pub bus_master: bool,
    /// 128 bytes shifted by this.
    pub max_payload: u8,
    /// 128 bytes shifted by this.
    pub max_read: u8,
    pub msix_enable: bool,
    pub msix_mask: bool,
    /// A function-level reset is asked for.
    pub reset: bool,
}

/// All pins.
#[derive(Clone, Debug)]
pub struct LinkPorts {
    pub reset: PortRef,
    pub active: PortRef,
    pub reset_done: PortRef,
    pub memory: AxiPorts,
    settings: [PortRef; 7],
    rx_valid: PortRef,
    rx_ready: PortRef,
    rx_last: PortRef,
    rx_keep: PortRef,
    rx_data: PortRef,
    rx_bar: PortRef,
    tx_valid: PortRef,
    tx_ready: PortRef,
    tx_last: PortRef,
    tx_keep: PortRef,
    tx_data: PortRef,
    words: usize,
    /// What the pins carry now; a pin that keeps its value is not touched.
    driven: (bool, bool),
}

impl LinkPorts {
    /// Finds all pins of a card of this shape whose beats have `words` doublewords.
    pub fn new(model: &Model, config: &Config, words: usize) -> Result<Self, Error> {
        let pin = |port, width| find(model, port, width);
        let bits = 32 * words as u32;
        Ok(Self {
            reset: pin("reset", 1)?,
            active: pin("active", 1)?,
            reset_done: pin("flr_done", 1)?,
            memory: AxiPorts::new(model, &LOCAL_PORT, config.port_bytes)?,
            settings: [
                pin("cfg_id", 16)?,
                pin("cfg_bus_master", 1)?,
                pin("cfg_max_payload", 3)?,
                pin("cfg_max_read", 3)?,
                pin("cfg_msix_enable", 1)?,
                pin("cfg_msix_mask", 1)?,
                pin("flr", 1)?,
            ],
            rx_valid: pin("rx_valid", 1)?,
            rx_ready: pin("rx_ready", 1)?,
            rx_last: pin("rx_last", 1)?,
            rx_keep: pin("rx_keep", 4)?,
            rx_data: pin("rx_data", bits)?,
            rx_bar: pin("rx_bar", 7)?,
            tx_valid: pin("tx_valid", 1)?,
            tx_ready: pin("tx_ready", 1)?,
            tx_last: pin("tx_last", 1)?,
            tx_keep: pin("tx_keep", 4)?,
            tx_data: pin("tx_data", bits)?,
            words,
            driven: (false, false),
        })
    }

    /// Puts the settings on the pins.
    pub fn set(&self, model: &mut Model, settings: &Settings) {
        let values = [
            settings.id.into(),
            settings.bus_master.into(),
            settings.max_payload.into(),
            settings.max_read.into(),
            settings.msix_enable.into(),
            settings.msix_mask.into(),
            settings.reset.into(),
        ];
        for (pin, value) in self.settings.into_iter().zip(values) {
            model.set(pin, value);
        }
    }

    /// What the card drives after the last clock edge. A beat is read only where it is valid.
    #[inline]
    pub fn sample(&self, model: &Model, from_card: &mut FromCard) {
        from_card.ready = model.get(self.rx_ready) != 0;
        from_card.valid = model.get(self.tx_valid) != 0;
        if from_card.valid {
            from_card.beat = self.beat(model);
        }
    }

    fn beat(&self, model: &Model) -> Beat {
        let mut data = [0; MAX_BEAT_WORDS];
        if self.words == 2 {
            let both = model.get(self.tx_data);
            data[0] = both as u32;
            data[1] = (both >> 32) as u32;
        } else {
            data.copy_from_slice(model.words(self.tx_data));
        }
        Beat {
            data,
            keep: model.get(self.tx_keep) as u8,
            last: model.get(self.tx_last) != 0,
        }
    }

    /// Puts on the card's pins what the root complex drives.
    #[inline]
    pub fn drive(&mut self, model: &mut Model, to_card: &ToCard) {
        let driven = (to_card.valid, to_card.ready);
        if self.driven != driven {
            self.driven = driven;
            model.set(self.rx_valid, to_card.valid.into());
            model.set(self.tx_ready, to_card.ready.into());
        }
        if to_card.valid {
            let beat = &to_card.beat;
            if self.words == 2 {
                let both = u64::from(beat.data[0]) | u64::from(beat.data[1]) << 32;
                model.set(self.rx_data, both);
            } else {
                model.set_words(self.rx_data, &beat.data);
            }
            model.set(self.rx_keep, beat.keep.into());
            model.set(self.rx_last, beat.last.into());
            model.set(self.rx_bar, to_card.bar.into());
        }
    }
}
