//! Every decoder on the same bytes; a test and a target of `cargo fuzz` share it.

use vfio_user_protocol::message::*;

/// Whatever the payload, each of these ends with a value or an error.
pub fn decode_all(payload: &[u8]) {
    let _ = Version::decode(payload);
    let _ = DmaMapRequest::decode(payload);
    let _ = DmaUnmapRequest::decode(payload);
    let _ = DeviceInfo::decode(payload);
    let _ = RegionInfoRequest::decode(payload);
    if let Ok((_, info)) = RegionInfo::decode(payload) {
        // What decodes takes no more memory than it took on the wire.
        assert!(16 * info.areas.len() <= payload.len());
    }
    let _ = RegionIoFds::decode(payload);
    let _ = IrqInfo::decode(payload);
    let _ = SetIrqs::decode(payload);
    let _ = RegionAccess::decode(payload);
    let _ = RegionAccess::decode_with_data(payload);
    let _ = DmaAccess::decode(payload);
    let _ = DmaAccess::decode_with_data(payload);
    let _ = WriteMulti::decode(payload);
    let _ = WriteMulti::decode_reply(payload);
    let access = DmaAccess {
        address: 0,
        count: payload.len() as u64,
    };
    for layout in [DmaLayout::Specified, DmaLayout::Early] {
        let _ = access.data_of_reply(payload, layout);
    }
}
