//! The configuration space against what the specification says, and as another reader sees it.

use isa::pci;
use pcics::capabilities::msi_x::Bir;
use pcics::capabilities::pci_express::{
    CompletionTimeoutRanges, DeviceType, ExtendedTagFieldSupported, LinkSpeed, LinkWidth, MaxSize,
};
use pcics::capabilities::power_management_interface::PowerState;
use pcics::capabilities::{CapabilityKind, MsiX, PciExpress, PowerManagementInterface};
use pcics::extended_capabilities::ExtendedCapabilityKind;
use pcics::header::{BaseAddressType, HeaderType, InterruptPin};
use pcics::{Capabilities, DDR_OFFSET, ECS_OFFSET, ExtendedCapabilities, Header};
use pcie::config_space::registers::registers;
use pcie::config_space::{Bar, BarKind, CONFIG_BYTES, ConfigSpace, Endpoint, Identity, Msix};
use proptest::prelude::*;

const MEMORY_BYTES: u64 = 64 << 20;

fn endpoint() -> Endpoint {
    Endpoint {
        identity: Identity {
            vendor: pci::VENDOR_ID,
            device: pci::DEVICE_ID,
            subsystem_vendor: pci::SUBSYSTEM_VENDOR_ID,
            subsystem: pci::SUBSYSTEM_ID,
            class: pci::CLASS,
            revision: pci::REVISION,
        },
        bars: vec![
            Bar {
                number: pci::REGISTER_BAR,
                bytes: pci::REGISTER_BAR_BYTES,
                kind: BarKind::Memory32,
            },
            Bar {
                number: pci::MEMORY_BAR,
                bytes: MEMORY_BYTES,
                kind: BarKind::Memory64,
            },
        ],
        msix: Msix {
            vectors: 4,
            bar: pci::REGISTER_BAR,
            table: pci::MSIX_TABLE,
            pending: pci::MSIX_PENDING,
        },
        max_payload: 2,
        link_speed: 2,
        link_width: 4,
    }
}

fn space() -> ConfigSpace {
    ConfigSpace::new(&endpoint()).expect("it makes sense")
}

fn read32(space: &ConfigSpace, offset: u16) -> u32 {
    let mut bytes = [0; 4];
    space.read(offset, &mut bytes);
    u32::from_le_bytes(bytes)
}

fn read16(space: &ConfigSpace, offset: u16) -> u16 {
    read32(space, offset) as u16
}

fn all(space: &ConfigSpace) -> Vec<u8> {
    let mut bytes = vec![0; CONFIG_BYTES];
    space.read(0, &mut bytes);
    bytes
}

struct Seen {
    header: Header,
    power: PowerManagementInterface,
    express: PciExpress,
    msix: MsiX,
}

/// What the crate `pcics` reads.
fn seen(space: &ConfigSpace) -> Seen {
    let bytes = all(space);
    let header = Header::try_from(&bytes[..DDR_OFFSET]).expect("a header");
    let (mut power, mut express, mut msix) = (None, None, None);
    for capability in Capabilities::new(&bytes[DDR_OFFSET..ECS_OFFSET], &header) {
        match capability.expect("a capability").kind {
            CapabilityKind::PowerManagementInterface(it) => power = Some(it),
            CapabilityKind::PciExpress(it) => express = Some(it),
            CapabilityKind::MsiX(it) => msix = Some(it),
            other => panic!("{other:?} does not belong here"),
        }
    }
    Seen {
        header,
        power: power.expect("power management"),
        express: express.expect("PCI Express"),
        msix: msix.expect("MSI-X"),
    }
}

#[test]
fn another_reader_sees_the_header() {
    let mut space = space();
    // It takes a window at address 0 for none.
    space.write(0x10, &0xfebf_0000u32.to_le_bytes());
    space.write(0x18, &0x4_0c00_0000u64.to_le_bytes());
    let header = seen(&space).header;
    assert_eq!((header.vendor_id, header.device_id), (0x10ee, 0x5359));
    assert_eq!(header.class_code.base, 0x12, "a processing accelerator");
    assert_eq!(header.revision_id, 1);
    assert!(!header.is_multi_function);
    assert_eq!(header.interrupt_pin, InterruptPin::Unused);
    assert!(header.status.capabilities_list);
    let HeaderType::Normal(normal) = header.header_type else {
        panic!("not a header of type 0");
    };
    assert_eq!(
        (normal.sub_vendor_id, normal.sub_device_id),
        (0x10ee, 0x5354)
    );
    let bars: Vec<_> = normal.base_addresses.collect();
    assert_eq!(bars.len(), 2);
    assert_eq!(bars[0].region, 0);
    let small = BaseAddressType::MemorySpace32 {
        prefetchable: false,
        base_address: 0xfebf_0000,
    };
    assert_eq!(bars[0].base_address_type, small);
    assert_eq!(bars[1].region, 2);
    let large = BaseAddressType::MemorySpace64 {
        prefetchable: true,
        base_address: 0x4_0c00_0000,
    };
    assert_eq!(bars[1].base_address_type, large);
}

#[test]
fn another_reader_sees_the_capabilities() {
    let seen = seen(&space());
    assert_eq!(seen.power.control.power_state, PowerState::D0);
    assert!(seen.power.control.no_soft_reset);
    assert!(!seen.power.capabilities.d1_support && !seen.power.capabilities.d2_support);

    let express = seen.express;
    assert_eq!(express.version, 2);
    assert!(matches!(express.device_type, DeviceType::Endpoint { .. }));
    let capabilities = &express.device.capabilities;
    assert_eq!(capabilities.max_payload_size_supported, MaxSize::B512);
    assert_eq!(
        capabilities.extended_tag_field_supported,
        ExtendedTagFieldSupported::Five
    );
    assert!(capabilities.role_based_error_reporting);
    assert!(capabilities.function_level_reset_capability);
    let control = &express.device.control;
    assert_eq!(control.max_payload_size, MaxSize::B128);
    assert_eq!(control.max_read_request_size, MaxSize::B512);
    assert!(control.enable_relaxed_ordering && control.enable_no_snoop);
    assert!(!control.bcre_or_flreset);
    let DeviceType::Endpoint { link, .. } = &express.device_type else {
        panic!("no link");
    };
    assert_eq!(link.capabilities.max_link_speed, LinkSpeed::Rate5GTps);
    assert_eq!(link.capabilities.maximum_link_width, LinkWidth::X4);
    assert_eq!(link.status.current_link_speed, LinkSpeed::Rate5GTps);
    assert_eq!(link.status.negotiated_link_width, LinkWidth::X4);
    let second = express.device_2.expect("version 2").capabilities;
    assert_eq!(
        second.completion_timeout_ranges_supported,
        CompletionTimeoutRanges::RangesABCD
    );
    assert!(second.completion_timeout_disable_supported);

    let msix = seen.msix;
    assert_eq!(msix.message_control.table_size, 3, "vectors less one");
    assert!(!msix.message_control.msi_x_enable && !msix.message_control.function_mask);
    assert_eq!((msix.table.bir, msix.table.offset), (Bir::Bar10h, 0x8000));
    let pending = msix.pending_bit_array;
    assert_eq!((pending.bir, pending.offset), (Bir::Bar10h, 0xc000));
}

#[test]
fn another_reader_sees_the_error_registers() {
    let bytes = all(&space());
    let found: Vec<_> = ExtendedCapabilities::new(&bytes[ECS_OFFSET..])
        .map(|capability| capability.expect("a capability").kind)
        .collect();
    let [ExtendedCapabilityKind::AdvancedErrorReporting(errors)] = &found[..] else {
        panic!("{found:?}");
    };
    let severity = &errors.uncorrectable_error_severity;
    assert!(severity.data_link_protocol_error_status);
    assert!(severity.malformed_tlp_status && severity.receiver_overflow_status);
    assert!(!severity.completion_timeout_status && !severity.poisoned_tlp_received_status);
    let mask = &errors.correctable_error_mask;
    assert!(mask.advisory_non_fatal_error_status && !mask.bad_tlp_status);
}

#[test]
fn writing_ones_to_a_window_shows_its_size() {
    let mut space = space();
    for (offset, expect) in [
        (0x10, 0xffff_0000),
        (0x14, 0),
        (0x18, 0xfc00_000c),
        (0x1c, 0xffff_ffff),
        (0x20, 0),
        (0x24, 0),
        (0x30, 0),
    ] {
        space.write(offset, &[0xff; 4]);
        assert_eq!(read32(&space, offset), expect, "at {offset:#x}");
    }
    space.write(0x10, &0xfebf_1234u32.to_le_bytes());
    space.write(0x18, &0x1234_5678u32.to_le_bytes());
    space.write(0x1c, &0x0000_00ffu32.to_le_bytes());
    assert_eq!(space.bar(0), 0xfebf_0000);
    assert_eq!(space.bar(2), 0xff_1000_0000);
    // A device that is asked by bytes gives the same size.
    for byte in 0..4 {
        space.write(0x10 + byte, &[0xff]);
    }
    assert_eq!(read32(&space, 0x10), 0xffff_0000);
}

#[test]
fn the_command_register_switches() {
    let mut space = space();
    assert!(!space.memory_enabled() && !space.bus_master());
    space.write(4, &[0xff, 0xff]);
    assert_eq!(read16(&space, 4), 0x0546);
    assert!(space.memory_enabled() && space.bus_master());
    // D3hot: neither answers nor asks, and forgets nothing.
    space.write(0x44, &[3]);
    assert!(!space.memory_enabled() && !space.bus_master());
    assert_eq!(seen(&space).power.control.power_state, PowerState::D3Hot);
    // D1 and D2 are not there.
    for state in [1, 2] {
        space.write(0x44, &[state]);
        assert_eq!(seen(&space).power.control.power_state, PowerState::D3Hot);
    }
    space.write(0x44, &[0]);
    assert!(space.memory_enabled() && space.bus_master());
    space.write(4, &[0x02, 0]);
    assert!(space.memory_enabled() && !space.bus_master());
}

#[test]
fn payload_and_read_request_follow_device_control() {
    let mut space = space();
    assert_eq!((space.max_payload(), space.max_read()), (0, 2));
    space.write(0x68, &0x5040u16.to_le_bytes());
    assert_eq!((space.max_payload(), space.max_read()), (2, 5));
    assert!(!space.take_reset());
    space.set_transactions_pending(true);
    assert!(seen(&space).express.device.status.transactions_pending);
    space.set_transactions_pending(false);
    assert!(!seen(&space).express.device.status.transactions_pending);
}

#[test]
fn interrupts_are_enabled_and_masked() {
    let mut space = space();
    assert!(!space.msix_enabled() && !space.msix_masked());
    space.write(0xb3, &[0xc0]);
    assert!(space.msix_enabled() && space.msix_masked());
    assert_eq!(read16(&space, 0xb2), 0xc003, "the number of vectors stays");
    space.write(0xb2, &0x8000u16.to_le_bytes());
    assert!(space.msix_enabled() && !space.msix_masked());
}

#[test]
fn a_function_level_reset_is_asked_for_by_one_bit_and_spares_the_link() {
    let mut space = space();
    space.write(4, &[0x06, 0]);
    space.write(0x10, &0xfebf_0000u32.to_le_bytes());
    space.write(0xb3, &[0x80]);
    space.write(0x70, &[0x08]);
    space.write(0x108, &0x10_0000u32.to_le_bytes());
    // 512 bytes of payload, 4096 of read request, no relaxed order.
    space.write(0x68, &0x5040u16.to_le_bytes());
    assert!(!space.take_reset());
    space.write(0x68, &0xd040u16.to_le_bytes());
    assert_eq!(read16(&space, 0x68), 0x5040, "the bit reads as 0");
    assert!(space.take_reset());
    assert!(!space.take_reset());
    space.reset();
    assert!(!space.memory_enabled() && !space.bus_master() && !space.msix_enabled());
    assert_eq!(space.bar(0), 0);
    // 6.6.2: payload, link control and sticky registers stay; the rest of Device Control does not.
    assert_eq!(read16(&space, 0x68), 0x2850);
    assert_eq!(read16(&space, 0x70), 0x0008);
    assert_eq!(read32(&space, 0x108), 0x10_0000);
}

#[test]
fn a_function_that_makes_no_sense_is_refused() {
    let wrong = |change: fn(&mut Endpoint)| {
        let mut endpoint = endpoint();
        change(&mut endpoint);
        assert!(ConfigSpace::new(&endpoint).is_err(), "{endpoint:?}");
    };
    wrong(|e| e.bars[0].number = 3);
    wrong(|e| e.bars[0].number = 6);
    wrong(|e| e.bars[0].number = 255);
    wrong(|e| e.bars[1].number = 5);
    wrong(|e| e.bars[0].bytes = 64);
    wrong(|e| e.bars[0].bytes = 0x1_8000);
    wrong(|e| e.bars[0].bytes = 1 << 32);
    wrong(|e| e.msix.vectors = 0);
    wrong(|e| e.msix.vectors = 2049);
    wrong(|e| e.msix.table = 0xffc8);
    wrong(|e| e.msix.pending = 0x1_0000);
    wrong(|e| e.msix.table = 4);
    wrong(|e| e.msix.bar = 1);
    wrong(|e| e.identity.class = 1 << 24);
    wrong(|e| e.max_payload = 6);
    wrong(|e| e.link_speed = 0);
    wrong(|e| e.link_width = 3);
}

#[test]
fn registers_do_not_overlap_and_name_their_section() {
    let mut owner = vec![None; CONFIG_BYTES];
    for register in registers(&endpoint()) {
        assert!(register.doc.contains('('), "{}", register.doc);
        assert_eq!(register.offset % register.bytes, 0, "{}", register.doc);
        let used = register.reset | register.write | register.clear | register.keep;
        let bits = u32::MAX >> (32 - 8 * register.bytes);
        assert_eq!(used & !bits, 0, "{}", register.doc);
        assert_eq!(register.write & register.clear, 0, "{}", register.doc);
        for byte in register.offset..register.offset + register.bytes {
            let before = owner[usize::from(byte)].replace(register.doc);
            assert_eq!(before, None, "{} at {byte:#x}", register.doc);
        }
    }
}

/// Bits that software can change at all, from the figures of the specification: everything else is
/// read-only, reserved, or only cleared by writing ones to something that is set.
fn writable(offset: usize) -> u8 {
    match offset {
        0x04 => 0x46,
        0x05 => 0x05,
        0x0c | 0x3c => 0xff,
        0x12 | 0x13 | 0x1c..=0x1f => 0xff,
        0x1b => 0xfc,
        0x44 => 0x03,
        0x68 => 0xff,
        0x69 => 0x78,
        0x70 => 0xcb,
        0x88 => 0x1f,
        0x90 => 0x0f,
        0xb3 => 0xc0,
        0x108 | 0x10c => 0x10,
        0x109 | 0x10d => 0xd0,
        0x10a | 0x10e => 0x17,
        0x114 => 0xc1,
        0x115 => 0x31,
        _ => 0,
    }
}

proptest! {
    /// Whatever is written wherever, only the bits that may change do, and nothing panics.
    #[test]
    fn only_writable_bits_change(
        writes in prop::collection::vec(
            (prop_oneof![0u16..0x120, any::<u16>()], prop::collection::vec(any::<u8>(), 0..9)),
            1..40,
        ),
    ) {
        let mut space = space();
        let mut model = all(&space);
        for (offset, data) in &writes {
            for (position, &byte) in (usize::from(*offset)..).zip(data) {
                if position >= CONFIG_BYTES {
                    continue;
                }
                let mut mask = writable(position);
                if position == 0x44 && (byte & 3 == 1 || byte & 3 == 2) {
                    mask = 0;
                }
                model[position] = model[position] & !mask | byte & mask;
            }
            space.write(*offset, data);
        }
        prop_assert_eq!(all(&space), model);
    }

    /// Reads of any size and alignment give the same bytes; beyond the end there are ones.
    #[test]
    fn reads_of_all_sizes_agree(offset in prop_oneof![any::<u16>(), 4080u16..4110], len in 0usize..20) {
        let space = space();
        let bytes = all(&space);
        let mut data = vec![0xa5; len];
        space.read(offset, &mut data);
        for (position, byte) in (usize::from(offset)..).zip(data) {
            prop_assert_eq!(byte, bytes.get(position).copied().unwrap_or(0xff));
        }
    }
}
