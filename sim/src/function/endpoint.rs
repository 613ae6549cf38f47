//! The card's configuration space, the same whatever is behind it.

use isa::config::Config;
use isa::pci;
use pcie::config_space::{Bar, BarKind, Endpoint, Identity, Msix};

/// What a card of this shape shows of itself in its configuration space.
pub fn endpoint(config: &Config) -> Endpoint {
    let mut bars = vec![Bar {
        number: pci::REGISTER_BAR,
        bytes: pci::REGISTER_BAR_BYTES,
        kind: BarKind::Memory32,
    }];
    if config.card_memory_mib > 0 {
        bars.push(Bar {
            number: pci::MEMORY_BAR,
            bytes: u64::from(config.card_memory_mib) << 20,
            kind: BarKind::Memory64,
        });
    }
    Endpoint {
        identity: Identity {
            vendor: pci::VENDOR_ID,
            device: pci::DEVICE_ID,
            subsystem_vendor: pci::SUBSYSTEM_VENDOR_ID,
            subsystem: pci::SUBSYSTEM_ID,
            class: pci::CLASS,
            revision: pci::REVISION,
        },
        bars,
        msix: Msix {
            vectors: config.queues as u16,
            bar: pci::REGISTER_BAR,
            table: pci::MSIX_TABLE,
            pending: pci::MSIX_PENDING,
        },
        // 512 bytes; 5 GT/s on 4 lanes: what the hard block of an Artix-7 does.
        max_payload: 2,
        link_speed: 2,
        link_width: 4,
    }
}
