//! The pins of a card and the way between them and [`Master`] and [`Slave`].

use isa::config::Config;
use isa::queue::MAX_QUEUES;
use verilate::{Model, PortRef};

use crate::Error;
use crate::memory::signals::{Address, MAX_PORT_BYTES, Master, Slave};

/// Finds a pin and checks its width.
pub(crate) fn find(model: &Model, port: &'static str, needed: u32) -> Result<PortRef, Error> {
    let found = model.port(port)?;
    match model.width(found) {
        width if width == needed => Ok(found),
        width => Err(Error::Width {
            port,
            found: width,
            needed,
        }),
    }
}

/// Pins of an address channel.
#[derive(Clone, Copy, Debug)]
struct AddressPorts {
    valid: PortRef,
    ready: PortRef,
    addr: PortRef,
    len: PortRef,
    id: PortRef,
    size: PortRef,
    burst: PortRef,
}

impl AddressPorts {
    /// `names`: valid, ready, addr, len, id, size, burst.
    fn find(model: &Model, names: [&'static str; 7]) -> Result<Self, Error> {
        Ok(Self {
            valid: find(model, names[0], 1)?,
            ready: find(model, names[1], 1)?,
            addr: find(model, names[2], 64)?,
            len: find(model, names[3], 8)?,
            id: find(model, names[4], 4)?,
            size: find(model, names[5], 3)?,
            burst: find(model, names[6], 2)?,
        })
    }

    #[inline]
    fn sample(&self, model: &Model, address: &mut Address) {
        address.valid = model.get(self.valid) != 0;
        if address.valid {
            address.addr = model.get(self.addr);
            address.len = model.get(self.len) as u8;
            address.id = model.get(self.id) as u8;
            address.size = model.get(self.size) as u8;
            address.burst = model.get(self.burst) as u8;
        }
    }
}

/// Names of the pins of an AXI4 port.
pub(crate) struct AxiNames {
    ar: [&'static str; 7],
    aw: [&'static str; 7],
    /// valid, ready, data, id, resp, last
    r: [&'static str; 6],
    /// valid, ready, data, strb, last
    w: [&'static str; 5],
    /// valid, ready, id, resp
    b: [&'static str; 4],
    /// Causes of errors of reads and writes.
    users: Option<[&'static str; 2]>,
}

macro_rules! axi_names {
    ($port:literal, $users:expr) => {
        AxiNames {
            ar: [
                concat!($port, "_arvalid"),
                concat!($port, "_arready"),
                concat!($port, "_araddr"),
                concat!($port, "_arlen"),
                concat!($port, "_arid"),
                concat!($port, "_arsize"),
                concat!($port, "_arburst"),
            ],
            aw: [
                concat!($port, "_awvalid"),
                concat!($port, "_awready"),
                concat!($port, "_awaddr"),
                concat!($port, "_awlen"),
                concat!($port, "_awid"),
                concat!($port, "_awsize"),
                concat!($port, "_awburst"),
            ],
            r: [
                concat!($port, "_rvalid"),
                concat!($port, "_rready"),
                concat!($port, "_rdata"),
                concat!($port, "_rid"),
                concat!($port, "_rresp"),
                concat!($port, "_rlast"),
            ],
            w: [
                concat!($port, "_wvalid"),
                concat!($port, "_wready"),
                concat!($port, "_wdata"),
                concat!($port, "_wstrb"),
                concat!($port, "_wlast"),
            ],
            b: [
                concat!($port, "_bvalid"),
                concat!($port, "_bready"),
                concat!($port, "_bid"),
                concat!($port, "_bresp"),
            ],
            users: $users,
        }
    };
}

/// The memory port of the card alone.
const CARD_PORT: AxiNames = axi_names!("m", Some(["m_ruser", "m_buser"]));

/// The port of the card's own memory, on a card behind PCIe.
pub(crate) const LOCAL_PORT: AxiNames = axi_names!("l", None);

/// Pins of an AXI4 port.
#[derive(Clone, Debug)]
pub(crate) struct AxiPorts {
    ar: AddressPorts,
    aw: AddressPorts,
    r_valid: PortRef,
    r_ready: PortRef,
    r_data: PortRef,
    r_id: PortRef,
    r_resp: PortRef,
    r_last: PortRef,
    w_valid: PortRef,
    w_ready: PortRef,
    w_data: PortRef,
    w_strobes: PortRef,
    w_last: PortRef,
    b_valid: PortRef,
    b_ready: PortRef,
    b_id: PortRef,
    b_resp: PortRef,
    users: Option<[PortRef; 2]>,
    port_bytes: usize,
    /// What the memory's pins carry now; a pin that keeps its value is not touched.
    driven: Slave,
}

impl AxiPorts {
    /// Finds all pins of a port of this width.
    pub(crate) fn new(model: &Model, names: &AxiNames, port_bytes: u32) -> Result<Self, Error> {
        let pin = |port, width| find(model, port, width);
        Ok(Self {
            ar: AddressPorts::find(model, names.ar)?,
            aw: AddressPorts::find(model, names.aw)?,
            r_valid: pin(names.r[0], 1)?,
            r_ready: pin(names.r[1], 1)?,
            r_data: pin(names.r[2], 8 * port_bytes)?,
            r_id: pin(names.r[3], 4)?,
            r_resp: pin(names.r[4], 2)?,
            r_last: pin(names.r[5], 1)?,
            w_valid: pin(names.w[0], 1)?,
            w_ready: pin(names.w[1], 1)?,
            w_data: pin(names.w[2], 8 * port_bytes)?,
            w_strobes: pin(names.w[3], port_bytes)?,
            w_last: pin(names.w[4], 1)?,
            b_valid: pin(names.b[0], 1)?,
            b_ready: pin(names.b[1], 1)?,
            b_id: pin(names.b[2], 4)?,
            b_resp: pin(names.b[3], 2)?,
            users: match names.users {
                Some([read, write]) => Some([pin(read, 3)?, pin(write, 3)?]),
                None => None,
            },
            port_bytes: port_bytes as usize,
            driven: Slave::default(),
        })
    }

    /// What the card drives after the last clock edge. A payload is read only where it is valid.
    #[inline]
    pub(crate) fn sample(&self, model: &Model, master: &mut Master) {
        self.ar.sample(model, &mut master.ar);
        self.aw.sample(model, &mut master.aw);
        master.r_ready = model.get(self.r_ready) != 0;
        master.b_ready = model.get(self.b_ready) != 0;
        master.w.valid = model.get(self.w_valid) != 0;
        if master.w.valid {
            if self.port_bytes == 8 {
                master.w.data[..8].copy_from_slice(&model.get(self.w_data).to_le_bytes());
            } else {
                let words = model.words(self.w_data);
                for (bytes, word) in master.w.data.chunks_exact_mut(4).zip(words) {
                    bytes.copy_from_slice(&word.to_le_bytes());
                }
            }
            master.w.strobes = model.get(self.w_strobes) as u32;
            master.w.last = model.get(self.w_last) != 0;
        }
    }

    /// Puts on the card's pins what the memory drives.
    #[inline]
    pub(crate) fn drive(&mut self, model: &mut Model, slave: &Slave) {
        let driven = &mut self.driven;
        for (pin, old, new) in [
            (self.ar.ready, &mut driven.ar_ready, slave.ar_ready),
            (self.aw.ready, &mut driven.aw_ready, slave.aw_ready),
            (self.w_ready, &mut driven.w_ready, slave.w_ready),
            (self.r_valid, &mut driven.r.valid, slave.r.valid),
            (self.b_valid, &mut driven.b.valid, slave.b.valid),
        ] {
            if *old != new {
                *old = new;
                model.set(pin, new.into());
            }
        }
        if slave.r.valid {
            if self.port_bytes == 8 {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&slave.r.data[..8]);
                model.set(self.r_data, u64::from_le_bytes(bytes));
            } else {
                let mut words = [0; MAX_PORT_BYTES / 4];
                for (word, bytes) in words.iter_mut().zip(slave.r.data.as_chunks().0) {
                    *word = u32::from_le_bytes(*bytes);
                }
                model.set_words(self.r_data, &words[..self.port_bytes / 4]);
            }
            model.set(self.r_id, slave.r.id.into());
            model.set(self.r_resp, slave.r.resp.into());
            if let Some([user, _]) = self.users {
                model.set(user, slave.r.cause as u64);
            }
            model.set(self.r_last, slave.r.last.into());
        }
        if slave.b.valid {
            model.set(self.b_id, slave.b.id.into());
            model.set(self.b_resp, slave.b.resp.into());
            if let Some([_, user]) = self.users {
                model.set(user, slave.b.cause as u64);
            }
        }
    }
}

/// All pins of the card alone.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) reset: PortRef,
    pub(crate) irq: PortRef,
    pub(crate) active: PortRef,
    pub(crate) reg_write: PortRef,
    pub(crate) reg_read: PortRef,
    pub(crate) reg_addr: PortRef,
    pub(crate) reg_wdata: PortRef,
    pub(crate) reg_strobes: PortRef,
    pub(crate) reg_rdata: PortRef,
    pub(crate) memory: AxiPorts,
}

impl Ports {
    /// Finds all pins of a card of this shape.
    pub(crate) fn new(model: &Model, config: &Config) -> Result<Self, Error> {
        let pin = |port, width| find(model, port, width);
        Ok(Self {
            reset: pin("reset", 1)?,
            irq: pin("irq", MAX_QUEUES)?,
            active: pin("active", 1)?,
            reg_write: pin("reg_write", 1)?,
            reg_read: pin("reg_read", 1)?,
            reg_addr: pin("reg_addr", 12)?,
            reg_wdata: pin("reg_wdata", 32)?,
            reg_strobes: pin("reg_strobes", 4)?,
            reg_rdata: pin("reg_rdata", 32)?,
            memory: AxiPorts::new(model, &CARD_PORT, config.port_bytes)?,
        })
    }
}
