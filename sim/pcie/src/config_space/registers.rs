//! What stands where in the configuration space.
//!
//! Sections are those of the PCI Express Base Specification 3.0, "PCI" those of the PCI Local Bus
//! Specification 3.0, "PM" those of the PCI Bus Power Management Interface Specification 1.2.

use super::{Bar, BarKind, Endpoint};

/// Command (7.5.1.1).
pub const COMMAND: u16 = 0x04;
/// [`COMMAND`]: windows answer.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// [`COMMAND`]: the function may read and write memory and send interrupts.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// [`COMMAND`]: no legacy interrupts.
pub const COMMAND_INTX_DISABLE: u16 = 1 << 10;
/// Status (7.5.1.2).
pub const STATUS: u16 = 0x06;
/// [`STATUS`]: there are capabilities.
pub const STATUS_CAPABILITIES: u16 = 1 << 4;
/// First base address register (PCI 6.2.5.1).
pub const BAR: u16 = 0x10;
/// Where the first capability stands (PCI 6.2.4).
pub const CAPABILITY_POINTER: u16 = 0x34;
/// Power management capability (PM 3.2).
pub const POWER: u16 = 0x40;
/// Power state of the function, in bits 1:0 (PM 3.2.4).
pub const POWER_STATE: u16 = POWER + 4;
/// PCI Express capability (7.8).
pub const EXPRESS: u16 = 0x60;
/// Device Capabilities (7.8.3).
pub const DEVICE_CAPABILITIES: u16 = EXPRESS + 0x04;
/// Device Control (7.8.4).
pub const DEVICE_CONTROL: u16 = EXPRESS + 0x08;
/// [`DEVICE_CONTROL`]: resets the function; reads as 0.
pub const DEVICE_CONTROL_RESET: u16 = 1 << 15;
/// Device Status (7.8.5).
pub const DEVICE_STATUS: u16 = EXPRESS + 0x0a;
/// Device Control 2 (7.8.16).
pub const DEVICE_CONTROL_2: u16 = EXPRESS + 0x28;
/// MSI-X capability (PCI 6.8.2).
pub const MSIX: u16 = 0xb0;
/// Message Control of MSI-X (PCI 6.8.2.3).
pub const MSIX_CONTROL: u16 = MSIX + 2;
/// [`MSIX_CONTROL`]: no vector sends, all are masked.
pub const MSIX_MASK_ALL: u16 = 1 << 14;
/// [`MSIX_CONTROL`]: the function interrupts by MSI-X.
pub const MSIX_ENABLE: u16 = 1 << 15;
/// Advanced Error Reporting (7.10).
pub const ERRORS: u16 = 0x100;

/// Kinds of uncorrectable errors that this function knows (7.10.2): data link protocol, poisoned,
/// completion timeout, completer abort, unexpected completion, receiver overflow, malformed and
/// unsupported request.
const UNCORRECTABLE: u32 = 1 << 4 | 0b111_1101 << 12 | 1 << 20;
/// Those that are fatal unless software says otherwise (7.10.4).
const FATAL: u32 = 1 << 4 | 1 << 17 | 1 << 18;
/// Kinds of correctable errors (7.10.5): receiver, bad TLP, bad DLLP, replay rollover, replay timer,
/// advisory.
const CORRECTABLE: u32 = 1 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 13;

/// One register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Byte offset.
    pub offset: u16,
    /// Bytes: 1, 2 or 4.
    pub bytes: u16,
    /// Value after power-up.
    pub reset: u32,
    /// Bits that software may write.
    pub write: u32,
    /// Bits that writing a one clears.
    pub clear: u32,
    /// Bits that a function-level reset leaves alone (6.6.2).
    pub keep: u32,
    /// Name and section.
    pub doc: &'static str,
}

impl Register {
    const fn new(offset: u16, bytes: u16, reset: u32, doc: &'static str) -> Self {
        Self {
            offset,
            bytes,
            reset,
            write: 0,
            clear: 0,
            keep: 0,
            doc,
        }
    }

    const fn write(mut self, bits: u32) -> Self {
        self.write = bits;
        self
    }

    const fn clear(mut self, bits: u32) -> Self {
        self.clear = bits;
        self
    }

    const fn keep(mut self, bits: u32) -> Self {
        self.keep = bits;
        self
    }
}

/// Every register of a function; all other bytes are reserved and read as 0.
pub fn registers(endpoint: &Endpoint) -> Vec<Register> {
    let mut all = header(endpoint);
    all.extend(bars(&endpoint.bars));
    all.extend(power());
    all.extend(express(endpoint));
    all.extend(msix(endpoint));
    all.extend(errors());
    all
}

fn header(endpoint: &Endpoint) -> Vec<Register> {
    let identity = &endpoint.identity;
    let class = identity.class << 8 | u32::from(identity.revision);
    let new = Register::new;
    vec![
        new(0x00, 2, identity.vendor.into(), "Vendor ID (PCI 6.2.1)"),
        new(0x02, 2, identity.device.into(), "Device ID (PCI 6.2.1)"),
        // Memory space, bus master, parity error response, SERR, no legacy interrupts.
        new(COMMAND, 2, 0, "Command (7.5.1.1)").write(0x0546),
        new(STATUS, 2, STATUS_CAPABILITIES.into(), "Status (7.5.1.2)").clear(0xf900),
        new(0x08, 4, class, "Revision ID, Class Code (PCI 6.2.1)"),
        new(0x0c, 1, 0, "Cache Line Size, without effect (7.5.1.3)").write(0xff),
        new(0x0d, 1, 0, "Latency Timer (7.5.1.4)"),
        new(0x0e, 1, 0, "Header Type 0, one function (PCI 6.2.1)"),
        new(
            0x2c,
            2,
            identity.subsystem_vendor.into(),
            "Subsystem Vendor ID (PCI 6.2.4)",
        ),
        new(
            0x2e,
            2,
            identity.subsystem.into(),
            "Subsystem ID (PCI 6.2.4)",
        ),
        new(
            CAPABILITY_POINTER,
            1,
            POWER.into(),
            "Capabilities Pointer (PCI 6.2.4)",
        ),
        new(0x3c, 1, 0, "Interrupt Line, without effect (7.5.1.5)").write(0xff),
        new(0x3d, 1, 0, "Interrupt Pin: none (7.5.1.5)"),
    ]
}

fn bars(bars: &[Bar]) -> Vec<Register> {
    let mut all = Vec::new();
    for bar in bars {
        let offset = BAR + 4 * u16::from(bar.number);
        let address = !(bar.bytes - 1);
        let doc = "Base Address Register (PCI 6.2.5.1)";
        let (low, high) = match bar.kind {
            BarKind::Memory32 => (0, false),
            // 64 bits, prefetchable.
            BarKind::Memory64 => (0b1100, true),
        };
        all.push(Register::new(offset, 4, low, doc).write(address as u32));
        if high {
            all.push(Register::new(offset + 4, 4, 0, doc).write((address >> 32) as u32));
        }
    }
    all
}

fn power() -> [Register; 3] {
    let new = Register::new;
    [
        new(
            POWER,
            2,
            u32::from(EXPRESS) << 8 | 0x01,
            "Capability ID 01h, next (PM 3.2.1)",
        ),
        // Version 3, D0 and D3 only, no PME.
        new(POWER + 2, 2, 3, "Power Management Capabilities (PM 3.2.3)"),
        // Bit 3: nothing is lost on the way from D3hot to D0.
        new(POWER_STATE, 4, 1 << 3, "Power State (PM 3.2.4)").write(0b11),
    ]
}

fn express(endpoint: &Endpoint) -> Vec<Register> {
    let new = Register::new;
    let at = |offset: u16| EXPRESS + offset;
    let link = u32::from(endpoint.link_speed) | u32::from(endpoint.link_width) << 4;
    // The supported speeds are all up to the highest, from bit 1 on.
    let speeds = ((1u32 << endpoint.link_speed) - 1) << 1;
    // Role-based error reporting, function-level reset.
    let device = u32::from(endpoint.max_payload) | 1 << 15 | 1 << 28;
    vec![
        new(
            EXPRESS,
            2,
            u32::from(MSIX) << 8 | 0x10,
            "Capability ID 10h, next (7.8.1)",
        ),
        new(at(2), 2, 2, "Version 2, endpoint (7.8.2)"),
        new(
            DEVICE_CAPABILITIES,
            4,
            device,
            "Device Capabilities (7.8.3)",
        ),
        // Error reporting, relaxed order, payload, no snoop, read request; 128 bytes of payload and
        // 512 of read request. Bit 15 acts and is not kept.
        new(DEVICE_CONTROL, 2, 0x2810, "Device Control (7.8.4)")
            .write(0x78ff)
            .keep(0x00e0),
        new(DEVICE_STATUS, 2, 0, "Device Status (7.8.5)").clear(0x000f),
        // Bit 22: compliant without ASPM.
        new(at(0x0c), 4, link | 1 << 22, "Link Capabilities (7.8.6)"),
        new(at(0x10), 2, 0, "Link Control (7.8.7)")
            .write(0x00cb)
            .keep(0x00cb),
        // Trained to all that it can, clock of the slot.
        new(at(0x12), 2, link | 1 << 12, "Link Status (7.8.8)"),
        // Completion timeouts of all ranges, which can be disabled.
        new(at(0x24), 4, 0x1f, "Device Capabilities 2 (7.8.15)"),
        new(DEVICE_CONTROL_2, 2, 0, "Device Control 2 (7.8.16)").write(0x1f),
        new(at(0x2c), 4, speeds, "Link Capabilities 2 (7.8.18)"),
        new(
            at(0x30),
            2,
            endpoint.link_speed.into(),
            "Link Control 2 (7.8.19)",
        )
        .write(0xf)
        .keep(0xf),
    ]
}

fn msix(endpoint: &Endpoint) -> [Register; 4] {
    let new = Register::new;
    let msix = &endpoint.msix;
    let place = |offset: u32| offset | u32::from(msix.bar);
    let control = u32::from(MSIX_ENABLE | MSIX_MASK_ALL);
    [
        new(MSIX, 2, 0x11, "Capability ID 11h, last (PCI 6.8.2.1)"),
        new(
            MSIX_CONTROL,
            2,
            u32::from(msix.vectors) - 1,
            "Message Control (PCI 6.8.2.3)",
        )
        .write(control),
        new(
            MSIX + 4,
            4,
            place(msix.table),
            "Table Offset, BIR (PCI 6.8.2.4)",
        ),
        new(
            MSIX + 8,
            4,
            place(msix.pending),
            "PBA Offset, BIR (PCI 6.8.2.5)",
        ),
    ]
}

fn errors() -> [Register; 6] {
    let new = Register::new;
    let at = |offset: u16| ERRORS + offset;
    [
        new(
            ERRORS,
            4,
            2 << 16 | 1,
            "Extended Capability ID 0001h, version 2, last (7.10.1)",
        ),
        new(at(0x04), 4, 0, "Uncorrectable Error Status (7.10.2)")
            .clear(UNCORRECTABLE)
            .keep(UNCORRECTABLE),
        new(at(0x08), 4, 0, "Uncorrectable Error Mask (7.10.3)")
            .write(UNCORRECTABLE)
            .keep(UNCORRECTABLE),
        new(at(0x0c), 4, FATAL, "Uncorrectable Error Severity (7.10.4)")
            .write(UNCORRECTABLE)
            .keep(UNCORRECTABLE),
        new(at(0x10), 4, 0, "Correctable Error Status (7.10.5)")
            .clear(CORRECTABLE)
            .keep(CORRECTABLE),
        // Advisory errors are masked.
        new(at(0x14), 4, 1 << 13, "Correctable Error Mask (7.10.6)")
            .write(CORRECTABLE)
            .keep(CORRECTABLE),
    ]
}
