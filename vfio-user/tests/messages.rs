//! Every message is what it was after it crossed the wire, and nothing else decodes.

#[path = "common/decoding.rs"]
mod decoding;

use decoding::decode_all;
use proptest::collection::vec;
use proptest::prelude::*;
use vfio_user_protocol::message::*;
use vfio_user_protocol::{Area, IrqAction, IrqFlags, MapFlags, RegionFlags};

/// A range that has an address for each byte.
fn range() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![
        Just((0, u64::MAX)),
        Just((1, u64::MAX)),
        Just((u64::MAX, 1)),
        (any::<u64>(), 1..=u64::MAX).prop_map(|(first, length)| {
            (first, length.min((u64::MAX - first).saturating_add(1)))
        }),
    ]
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    (
        any::<u32>(),
        1..=u32::MAX,
        any::<u32>(),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(
            |(max_msg_fds, max_data_xfer_size, max_dma_maps, pgsizes, write_multiple)| {
                Capabilities {
                    max_msg_fds,
                    max_data_xfer_size,
                    max_dma_maps,
                    pgsizes,
                    write_multiple,
                }
            },
        )
}

fn region() -> impl Strategy<Value = RegionInfo> {
    let areas = vec((0..1_u64 << 40, 0..1_u64 << 40), 0..6);
    (
        any::<u32>(),
        0..4_u32,
        any::<bool>(),
        0..1_u64 << 62,
        areas,
        any::<bool>(),
    )
        .prop_map(
            |(index, flags, mappable, offset, areas, msix_mappable)| RegionInfo {
                index,
                flags: RegionFlags::from_bits_truncate(flags),
                mappable,
                size: 1 << 41,
                offset,
                areas: areas
                    .into_iter()
                    .map(|(offset, size)| Area { offset, size })
                    .collect(),
                msix_mappable,
            },
        )
}

fn access() -> impl Strategy<Value = RegionAccess> {
    (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(offset, region, count)| RegionAccess {
        offset,
        region,
        count,
    })
}

fn irqs() -> impl Strategy<Value = SetIrqs> {
    let action = prop_oneof![
        Just(IrqAction::Mask),
        Just(IrqAction::Unmask),
        Just(IrqAction::Trigger)
    ];
    let select = prop_oneof![
        Just(Select::All),
        Just(Select::EventFds),
        vec(any::<bool>(), 1..100).prop_map(Select::These)
    ];
    (any::<u32>(), action, any::<u32>(), 1..=u32::MAX, select).prop_map(
        |(index, action, start, count, select)| {
            let count = match &select {
                Select::These(which) => which.len() as u32,
                _ => count,
            };
            SetIrqs {
                index,
                action,
                start: start.min(u32::MAX - count),
                count,
                select,
            }
        },
    )
}

/// No shorter payload is a message, and no longer one.
fn exact<T>(payload: &[u8], decode: impl Fn(&[u8]) -> Result<T, DecodeError>) {
    for length in 0..payload.len() {
        assert!(
            decode(&payload[..length]).is_err(),
            "{length} of {}",
            payload.len()
        );
    }
    assert!(decode(&[payload, &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn headers(bytes: [u8; HEADER_BYTES]) {
        let header = Header::decode(&bytes);
        prop_assert_eq!(header.encode(), bytes);
        prop_assert_eq!(header.payload_bytes().is_some(), header.size >= 16);
        let command = Command::from_number(header.command);
        prop_assert_eq!(command.map(|one| one as u16), (1..=15).contains(&header.command).then_some(header.command));
    }

    #[test]
    fn versions(major: u16, minor: u16, capabilities in capabilities()) {
        let version = Version { major, minor, capabilities };
        let payload = version.encode();
        prop_assert_eq!(Version::decode(&payload), Ok(version));
        // What is left of the text after the last byte is not text with its end.
        prop_assert!(Version::decode(&payload[..payload.len() - 1]).is_err());
    }

    #[test]
    fn maps((iova, length) in range(), flags in 0..4_u32, offset: u64) {
        let request = DmaMapRequest {
            flags: MapFlags::from_bits_truncate(flags),
            offset: offset.min(u64::MAX - length),
            iova,
            length,
        };
        let payload = request.encode();
        prop_assert_eq!(DmaMapRequest::decode(&payload), Ok(request));
        exact(&payload, DmaMapRequest::decode);
        let request = DmaUnmapRequest::new(0, iova, length);
        let payload = request.encode();
        prop_assert_eq!(DmaUnmapRequest::decode(&payload), Ok(request));
        exact(&payload, DmaUnmapRequest::decode);
    }

    #[test]
    fn ranges_beyond_64_bits(iova: u64, length: u64) {
        let fits = length > 0 && iova as u128 + length as u128 <= 1 << 64;
        let request = DmaMapRequest { flags: MapFlags::READ, offset: 0, iova, length };
        prop_assert_eq!(DmaMapRequest::decode(&request.encode()).is_ok(), fits);
        let request = DmaUnmapRequest::new(0, iova, length);
        prop_assert_eq!(DmaUnmapRequest::decode(&request.encode()).is_ok(), fits);
        let access = DmaAccess { address: iova, count: length };
        let fits = length == 0 || iova as u128 + length as u128 <= 1 << 64;
        prop_assert_eq!(DmaAccess::decode(&access.encode()).is_ok(), fits);
    }

    #[test]
    fn devices(resettable: bool, pci: bool, regions: u32, irqs: u32) {
        let info = DeviceInfo { resettable, pci, regions, irqs };
        let payload = info.encode();
        prop_assert_eq!(DeviceInfo::decode(&payload), Ok(info));
        exact(&payload, DeviceInfo::decode);
    }

    #[test]
    fn regions(info in region(), argsz in 32_u32..300) {
        let request = RegionInfoRequest { argsz, index: info.index };
        let payload = request.encode();
        prop_assert_eq!(RegionInfoRequest::decode(&payload), Ok(request));
        exact(&payload, RegionInfoRequest::decode);

        let (payload, whole) = info.encode(argsz);
        let (needed, found) = RegionInfo::decode(&payload).unwrap();
        prop_assert_eq!(whole, needed <= argsz);
        prop_assert!(payload.len() <= argsz as usize);
        prop_assert_eq!((found.index, found.flags, found.size), (info.index, info.flags, info.size));
        if whole {
            prop_assert_eq!(found, info.clone());
        } else {
            prop_assert_eq!(payload.len(), 32);
        }
        let (payload, whole) = info.encode(u32::MAX);
        prop_assert!(whole);
        prop_assert_eq!(RegionInfo::decode(&payload), Ok((payload.len() as u32, info)));
    }

    #[test]
    fn interrupts(index: u32, flags in 0..16_u32, count: u32, set in irqs()) {
        let info = IrqInfo { index, flags: IrqFlags::from_bits_truncate(flags), count };
        let payload = info.encode();
        prop_assert_eq!(IrqInfo::decode(&payload), Ok(info));
        exact(&payload, IrqInfo::decode);
        let payload = set.encode();
        prop_assert_eq!(SetIrqs::decode(&payload), Ok(set));
        exact(&payload, SetIrqs::decode);
    }

    #[test]
    fn accesses(access in access(), data in vec(any::<u8>(), 0..100)) {
        let payload = access.encode();
        prop_assert_eq!(RegionAccess::decode(&payload), Ok(access));
        exact(&payload, RegionAccess::decode);
        let access = RegionAccess { count: data.len() as u32, ..access };
        let payload = [access.encode(), data.clone()].concat();
        prop_assert_eq!(RegionAccess::decode_with_data(&payload), Ok((access, &data[..])));
        exact(&payload, |payload| RegionAccess::decode_with_data(payload).map(drop));
    }

    #[test]
    fn memory((address, length) in range(), data in vec(any::<u8>(), 1..100)) {
        let access = DmaAccess { address, count: length };
        let payload = access.encode();
        prop_assert_eq!(DmaAccess::decode(&payload), Ok(access));
        exact(&payload, DmaAccess::decode);
        for reply in [&[][..], &payload, &payload[..12]] {
            prop_assert!(access.is_replied_by(reply));
        }
        prop_assert!(!access.is_replied_by(&payload[..13]));

        let address = address.min(u64::MAX - 100);
        let access = DmaAccess { address, count: data.len() as u64 };
        let payload = access.encode_with_data(&data, DmaLayout::Specified);
        prop_assert_eq!(DmaAccess::decode_with_data(&payload), Ok((access, &data[..])));
        exact(&payload, |payload| DmaAccess::decode_with_data(payload).map(drop));
        for layout in [DmaLayout::Specified, DmaLayout::Early] {
            let payload = access.encode_with_data(&data, layout);
            prop_assert_eq!(access.data_of_reply(&payload, layout), Ok(&data[..]));
            exact(&payload, |payload| access.data_of_reply(payload, layout).map(drop));
        }
    }

    #[test]
    fn gathered_writes(writes in vec((access(), any::<[u8; 8]>()), 0..20)) {
        let writes: Vec<_> = writes
            .into_iter()
            .map(|(access, data)| (RegionAccess { count: access.count % 9, ..access }, data))
            .collect();
        let done = writes.len() as u64;
        let request = WriteMulti { writes };
        let payload = request.encode();
        prop_assert_eq!(WriteMulti::decode(&payload), Ok(request));
        exact(&payload, WriteMulti::decode);
        let reply = WriteMulti::encode_reply(done);
        prop_assert_eq!(WriteMulti::decode_reply(&reply), Ok(done));
        exact(&reply, WriteMulti::decode_reply);
    }

    #[test]
    fn nothing_that_comes_makes_a_decoder_panic(payload in vec(any::<u8>(), 0..200)) {
        decode_all(&payload);
    }

    /// Payloads of a good form with a few words that are extreme.
    #[test]
    fn nor_do_extremes(
        info in region(),
        changes in vec((0..64_usize, prop_oneof![
            Just(0), Just(1), Just(u32::MAX), Just(1 << 31), 0..200_u32,
        ]), 1..4),
    ) {
        let (mut payload, _) = info.encode(u32::MAX);
        for (word, value) in changes {
            let at = word * 4 % (payload.len() / 4 * 4);
            payload[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        decode_all(&payload);
    }
}

/// A region with these words as its capabilities, the first of which begins there.
fn with_capabilities(first: u32, words: &[u32]) -> Result<(u32, RegionInfo), DecodeError> {
    let fields = [32 + 4 * words.len() as u32, 0xf, 2, first, 0, 1 << 30, 0, 0];
    let payload: Vec<u8> = [&fields[..], words]
        .concat()
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    RegionInfo::decode(&payload)
}

/// A word with the kind and the version of a capability.
fn kind(id: u16, version: u16) -> u32 {
    let [a, b] = id.to_ne_bytes();
    let [c, d] = version.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

#[test]
fn no_byte_belongs_to_two_capabilities() {
    let (sparse, msix, unknown) = (kind(1, 1), kind(3, 1), kind(77, 1));
    let area = [0x1000, 0, 0x2000, 0];
    // One after the other, also with a gap between them.
    for next in [64, 72] {
        let words = [&[sparse, next, 1, 0], &area[..], &[0; 4]].concat();
        let mut words = words;
        words[next as usize / 4 - 8] = msix;
        let (_, info) = with_capabilities(32, &words).unwrap();
        assert!(info.msix_mappable);
        let (offset, size) = (0x1000, 0x2000);
        assert_eq!(info.areas, [Area { offset, size }]);
    }
    // The next one begins within the header, the number of areas, an area, or just before its end.
    for next in [36, 40, 48, 60] {
        let words = [&[sparse, next, 1, 0], &area[..], &[msix, 0, 0, 0]].concat();
        let found = with_capabilities(32, &words);
        assert!(found.is_err(), "the next one at {next}: {found:?}");
    }
    // A second list of areas, behind the first one or behind others.
    let empty = [sparse, 48, 0, 0];
    let words = [&empty[..], &[sparse, 0, 0, 0]].concat();
    assert!(with_capabilities(32, &words).is_err());
    let words = [&empty[..], &[unknown, 56, sparse, 0, 0, 0]].concat();
    assert!(with_capabilities(32, &words).is_err());
    let words = [&empty[..], &[unknown, 56, msix, 0]].concat();
    assert!(with_capabilities(32, &words).is_ok());
}

#[test]
fn areas_take_no_more_memory_than_they_took_on_the_wire() {
    // A list of areas in every second pair of words, each up to the end of all.
    let count = 500;
    let words: Vec<u32> = (0..count)
        .flat_map(|it| {
            let next = if it + 1 < count {
                32 + 16 * (it + 1)
            } else {
                0
            };
            [kind(1, 0), next, count - 1 - it, 0]
        })
        .collect();
    let areas = with_capabilities(32, &words).map_or(0, |(_, info)| info.areas.len());
    assert!(16 * areas <= 4 * words.len(), "{areas} areas");
}

/// The bytes of one message of each kind, from the tables of the specification (x86 byte order).
#[cfg(target_endian = "little")]
#[test]
fn the_bytes_are_those_of_the_specification() {
    let header = Header {
        id: 0x0201,
        command: 9,
        size: 0x0403,
        flags: NO_REPLY | ERROR | 1,
        error: 22,
    };
    assert_eq!(
        header.encode(),
        [1, 2, 9, 0, 3, 4, 0, 0, 0x31, 0, 0, 0, 22, 0, 0, 0]
    );
    let map = DmaMapRequest {
        flags: MapFlags::WRITE,
        offset: 0x11,
        iova: 0x22,
        length: 0x33,
    };
    let mut bytes = [0; 32];
    (bytes[0], bytes[4], bytes[8], bytes[16], bytes[24]) = (32, 2, 0x11, 0x22, 0x33);
    assert_eq!(map.encode(), bytes);
    let mut bytes = [0; 24];
    (bytes[0], bytes[4], bytes[8], bytes[16]) = (24, 2, 0, 0);
    assert_eq!(DmaUnmapRequest::new(UNMAP_ALL, 0, 0).encode(), bytes);
    let access = RegionAccess {
        offset: 0x11,
        region: 0x22,
        count: 0x33,
    };
    let mut bytes = [0; 16];
    (bytes[0], bytes[8], bytes[12]) = (0x11, 0x22, 0x33);
    assert_eq!(access.encode(), bytes);
    let set = SetIrqs {
        index: 2,
        action: IrqAction::Trigger,
        start: 3,
        count: 4,
        select: Select::EventFds,
    };
    let mut bytes = [0; 20];
    (bytes[0], bytes[4], bytes[8], bytes[12], bytes[16]) = (20, 0x24, 2, 3, 4);
    assert_eq!(set.encode(), bytes);
    let info = RegionInfo {
        index: 2,
        flags: RegionFlags::READ | RegionFlags::WRITE,
        mappable: true,
        size: 0x5000,
        offset: 0x6000,
        areas: vec![Area {
            offset: 0x1000,
            size: 0x2000,
        }],
        msix_mappable: true,
    };
    let mut bytes = [0; 72];
    // argsz, flags, index, first capability, size, offset
    (
        bytes[0], bytes[4], bytes[8], bytes[12], bytes[17], bytes[25],
    ) = (72, 15, 2, 32, 0x50, 0x60);
    // sparse areas: id, version, next, areas, offset, size
    (
        bytes[32], bytes[34], bytes[36], bytes[40], bytes[49], bytes[57],
    ) = (1, 1, 64, 1, 0x10, 0x20);
    // MSI-X may be mapped: id, version, no further one
    (bytes[64], bytes[66]) = (3, 1);
    assert_eq!(info.encode(72), (bytes.to_vec(), true));
    let (short, whole) = info.encode(71);
    assert_eq!((&short[..], whole), (&bytes[..32], false));
}
