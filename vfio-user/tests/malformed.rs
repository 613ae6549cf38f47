//! What no client and no server should send.

mod common;
#[path = "common/raw.rs"]
mod raw;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use common::*;
use raw::{Got, Raw, words};
use vfio_user_protocol::client::{Client, Error, Options};
use vfio_user_protocol::message::{
    Command, DeviceInfo, DmaAccess, Header, RegionAccess, RegionInfo, RegionInfoRequest, Version,
};
use vfio_user_protocol::server::{Ended, Options as ServerOptions, Server, Session};
use vfio_user_protocol::{Area, Errno, Memory, RegionFlags};

const EINVAL: u32 = 22;
const E2BIG: u32 = 7;
const ENOTSUP: u32 = 95;
const EBUSY: u32 = 16;

/// The server still answers this client.
fn alive(raw: &Raw) {
    raw.send(0xaaaa, 4, 0, &words(&[16, 0, 0, 0]));
    let info = DeviceInfo::decode(&raw.answer(0xaaaa, 4)).unwrap();
    assert_eq!((info.regions, info.irqs), (9, 5));
}

fn read(offset: u64, region: u32, count: u32) -> Vec<u8> {
    RegionAccess {
        offset,
        region,
        count,
    }
    .encode()
}

#[test]
fn commands_that_make_no_sense_are_answered_and_the_next_one_works() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    let map = |words: [u64; 4]| -> Vec<u8> { words.iter().flat_map(|w| w.to_ne_bytes()).collect() };
    let flags = |argsz: u64, flags: u64| argsz | flags << 32;
    let far = u64::MAX;
    let cases: Vec<(&str, u16, Vec<u8>, u32)> = vec![
        ("no command", 0, vec![], ENOTSUP),
        ("beyond the last command", 16, vec![], ENOTSUP),
        ("far beyond", 0xffff, vec![1; 100], ENOTSUP),
        ("dirty pages", 14, words(&[8, 1]), ENOTSUP),
        (
            "descriptors for accesses",
            6,
            words(&[16, 0, 0, 0]),
            ENOTSUP,
        ),
        (
            "a read of memory from the client",
            11,
            DmaAccess {
                address: 0,
                count: 4,
            }
            .encode(),
            ENOTSUP,
        ),
        (
            "a write of memory from the client",
            12,
            vec![0; 20],
            ENOTSUP,
        ),
        ("a second version", 1, b"\0\0\x01\0".to_vec(), EINVAL),
        ("device info without payload", 4, vec![], EINVAL),
        ("device info cut short", 4, words(&[16, 0, 0]), EINVAL),
        ("device info too long", 4, words(&[16, 0, 0, 0, 0]), EINVAL),
        ("device info without room", 4, words(&[15, 0, 0, 0]), EINVAL),
        (
            "region info cut short",
            5,
            words(&[32, 0, 0, 0, 0, 0, 0]),
            EINVAL,
        ),
        (
            "region info without room",
            5,
            words(&[31, 0, 0, 0, 0, 0, 0, 0]),
            EINVAL,
        ),
        (
            "region info of no region",
            5,
            words(&[32, 0, 9, 0, 0, 0, 0, 0]),
            EINVAL,
        ),
        ("irq info without room", 7, words(&[0, 0, 2, 0]), EINVAL),
        ("irq info of no type", 7, words(&[16, 0, 5, 0]), EINVAL),
        ("irqs cut short", 8, words(&[20, 0x21, 2, 0]), EINVAL),
        (
            "irqs without action",
            8,
            words(&[20, 0x01, 2, 0, 1]),
            EINVAL,
        ),
        ("irqs without data", 8, words(&[20, 0x20, 2, 0, 1]), EINVAL),
        (
            "irqs with two actions",
            8,
            words(&[20, 0x31, 2, 0, 1]),
            EINVAL,
        ),
        (
            "irqs with two kinds of data",
            8,
            words(&[20, 0x25, 2, 0, 1]),
            EINVAL,
        ),
        (
            "irqs with a strange flag",
            8,
            words(&[20, 0x61, 2, 0, 1]),
            EINVAL,
        ),
        (
            "irqs beyond the last",
            8,
            words(&[20, 0x21, 2, 19, 2]),
            EINVAL,
        ),
        (
            "irqs beyond 32 bits",
            8,
            words(&[20, 0x21, 2, 1, u32::MAX]),
            EINVAL,
        ),
        (
            "booleans that are missing",
            8,
            words(&[24, 0x22, 2, 0, 8, 1]),
            EINVAL,
        ),
        (
            "booleans that are too many",
            8,
            words(&[24, 0x22, 2, 0, 2, 1]),
            EINVAL,
        ),
        (
            "an empty range of descriptors",
            8,
            words(&[20, 0x24, 2, 0, 0]),
            EINVAL,
        ),
        (
            "disabling from the middle",
            8,
            words(&[20, 0x21, 2, 1, 0]),
            EINVAL,
        ),
        ("a read cut short", 9, read(0, 0, 4)[..15].to_vec(), EINVAL),
        (
            "a read with data",
            9,
            [read(0, 0, 4), vec![0; 4]].concat(),
            EINVAL,
        ),
        ("a read of nothing", 9, read(0, 0, 0), EINVAL),
        ("a read beyond 64 bits", 9, read(far, 0, 4), EINVAL),
        (
            "a read that is too large",
            9,
            read(0, BAR2, (1 << 20) + 1),
            E2BIG,
        ),
        ("a read of 4 GiB", 9, read(0, BAR2, u32::MAX), E2BIG),
        ("a write without its data", 10, read(0, 0, 4), EINVAL),
        (
            "a write with less data",
            10,
            [read(0, 0, 4), vec![0; 3]].concat(),
            EINVAL,
        ),
        (
            "a write with more data",
            10,
            [read(0, 0, 4), vec![0; 5]].concat(),
            EINVAL,
        ),
        (
            "a write that claims 4 GiB",
            10,
            [read(0, 0, u32::MAX), vec![0; 4]].concat(),
            EINVAL,
        ),
        ("gathered writes without number", 15, vec![0; 7], EINVAL),
        (
            "gathered writes that are missing",
            15,
            far.to_ne_bytes().to_vec(),
            EINVAL,
        ),
        (
            "a number of bytes that overflows",
            15,
            (far / 24 + 2).to_ne_bytes().to_vec(),
            EINVAL,
        ),
        (
            "a gathered write of 9 bytes",
            15,
            [1_u64.to_ne_bytes().to_vec(), read(0, 0, 9), vec![0; 8]].concat(),
            EINVAL,
        ),
        ("a reset with payload", 13, vec![0], EINVAL),
        (
            "a map cut short",
            2,
            map([flags(32, 3), 0, 0, 4096])[..31].to_vec(),
            EINVAL,
        ),
        (
            "a map too long",
            2,
            [map([flags(32, 3), 0, 0, 4096]), vec![0]].concat(),
            EINVAL,
        ),
        (
            "a map with a small size",
            2,
            map([flags(31, 3), 0, 0, 4096]),
            EINVAL,
        ),
        (
            "a map with a strange flag",
            2,
            map([flags(32, 7), 0, 0, 4096]),
            EINVAL,
        ),
        (
            "a map of nothing",
            2,
            map([flags(32, 3), 0, 0x1000, 0]),
            EINVAL,
        ),
        (
            "a map beyond 64 bits",
            2,
            map([flags(32, 3), 0, far - 4095, 8192]),
            EINVAL,
        ),
        (
            "a map of a file beyond 64 bits",
            2,
            map([flags(32, 3), far - 4095, 0x1000, 4096]),
            EINVAL,
        ),
        (
            "an unmap cut short",
            3,
            map([flags(24, 0), 0, 4096, 0])[..23].to_vec(),
            EINVAL,
        ),
        (
            "an unmap of nothing",
            3,
            map([flags(24, 0), 0, 0, 0])[..24].to_vec(),
            EINVAL,
        ),
        (
            "an unmap beyond 64 bits",
            3,
            map([flags(24, 0), far, 4096, 0])[..24].to_vec(),
            EINVAL,
        ),
        (
            "an unmap of all with a range",
            3,
            map([flags(24, 2), 0, 4096, 0])[..24].to_vec(),
            EINVAL,
        ),
        (
            "an unmap that asks for dirty pages",
            3,
            map([flags(40, 1), 0, 4096, 0]),
            ENOTSUP,
        ),
        (
            "an unmap with a strange flag",
            3,
            map([flags(24, 4), 0, 4096, 0])[..24].to_vec(),
            ENOTSUP,
        ),
    ];
    for (id, (what, command, payload, errno)) in (100..).zip(cases) {
        raw.send(id, command, 0, &payload);
        assert_eq!(raw.error(id, command), errno, "{what}");
        alive(&raw);
    }
    // Not one of them reached the device.
    let log = locked(&server.log);
    assert!(log.calls.is_empty() && log.maps.is_empty() && log.vectors == 0);
}

#[test]
fn strange_flags_of_a_command_are_refused() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    for flags in [0x20, 0x40, 0x8000_0000, 0xffff_ffe0] {
        raw.send(1, 9, flags, &read(0, 0, 4));
        assert_eq!(raw.error(1, 9), EINVAL, "{flags:#x}");
    }
    alive(&raw);
}

#[test]
fn a_command_that_wants_no_reply_gets_none_even_if_it_fails() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    let write = [read(0x1000, 0, 4), vec![1, 2, 3, 4]].concat();
    raw.send(1, 10, 0x10, &write);
    raw.send(2, 10, 0x10, &read(0, 99, 4));
    raw.send(3, 99, 0x10, &[]);
    raw.send(4, 9, 0x10, &read(0, 0, 4));
    raw.send(5, 9, 0, &read(0x1000, 0, 4));
    assert_eq!(raw.answer(5, 9)[16..], [1, 2, 3, 4]);
}

#[test]
fn numbers_of_commands_may_be_anything() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    for id in [7, 7, 7, 0xffff, 0] {
        raw.send(id, 9, 0, &read(0, 0, 4));
    }
    for id in [7, 7, 7, 0xffff, 0] {
        raw.answer(id, 9);
    }
}

#[test]
fn a_payload_that_is_too_large_is_refused_and_the_next_command_works() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    for bytes in [(1 << 20) + 1, 5 << 20] {
        let write = [read(0, BAR2, bytes), vec![1; bytes as usize]].concat();
        raw.send(1, 10, 0, &write);
        assert_eq!(raw.error(1, 10), E2BIG);
        alive(&raw);
    }
    let largest = [read(0, BAR2, 1 << 20), vec![1; 1 << 20]].concat();
    raw.send(2, 10, 0, &largest);
    raw.answer(2, 10);
}

#[test]
fn a_size_that_no_message_has_ends_the_connection() {
    for size in [0, 1, 15, u32::MAX, (64 << 20) + 17] {
        let server = Running::new();
        let raw = Raw::greeted(&server.path);
        // What came before is still answered.
        raw.send(1, 9, 0, &read(0, 0, 4));
        let header = Header {
            id: 2,
            command: 9,
            size,
            flags: 0,
            error: 0,
        };
        raw.bytes(&header.encode(), &[]).unwrap();
        let answers = [raw.receive().unwrap(), raw.receive().unwrap()];
        let mut errors: Vec<_> = answers
            .iter()
            .map(|got| (got.header.id, got.header.error))
            .collect();
        errors.sort();
        assert_eq!(errors, [(1, 0), (2, EINVAL)]);
        assert!(raw.is_over());
        assert!(
            matches!(server.until_ended(1), Ended::Protocol(_)),
            "{size}"
        );
    }
}

#[test]
fn what_is_neither_command_nor_reply_ends_the_connection() {
    for flags in [2, 3, 15] {
        let server = Running::new();
        let raw = Raw::greeted(&server.path);
        raw.send(1, 9, flags, &read(0, 0, 4));
        assert!(raw.is_over());
        assert!(matches!(server.until_ended(1), Ended::Protocol(_)));
    }
}

#[test]
fn a_reply_that_nobody_asked_for_ends_the_connection() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    raw.send(0, 11, 1, &[0; 20]);
    assert!(raw.is_over());
    assert!(matches!(server.until_ended(1), Ended::Protocol(_)));
    // The next client is served.
    alive(&Raw::greeted(&server.path));
}

#[test]
fn an_end_within_a_message_is_an_end() {
    let write = [read(0, 0, 64), vec![1; 64]].concat();
    let header = Header {
        id: 1,
        command: 10,
        size: 16 + write.len() as u32,
        flags: 0,
        error: 0,
    };
    let message = [&header.encode()[..], &write].concat();
    let server = Running::new();
    for (round, length) in (1..).zip([1, 15, 16, 17, 31, 32, 95]) {
        let raw = Raw::greeted(&server.path);
        raw.bytes(&message[..length], &[]).unwrap();
        drop(raw);
        assert!(
            matches!(server.until_ended(round), Ended::Protocol(_)),
            "{length}"
        );
        assert_eq!(locked(&server.log).disconnects, round);
    }
    // Nothing of it was written.
    let raw = Raw::greeted(&server.path);
    raw.send(1, 9, 0, &read(0, 0, 64));
    assert_eq!(raw.answer(1, 9)[16..], [0; 64]);
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    let payload = read(0, 0, 8);
    let header = Header {
        id: 3,
        command: 9,
        size: 32,
        flags: 0,
        error: 0,
    };
    for byte in [&header.encode()[..], &payload].concat() {
        raw.bytes(&[byte], &[]).unwrap();
    }
    assert_eq!(raw.answer(3, 9)[16..], [0; 8]);
}

#[test]
fn the_first_message_must_be_a_version_of_ours() {
    let server = Running::new();
    let long = [b"\0\0\x01\0".to_vec(), vec![b' '; 70_000]].concat();
    let cases: Vec<(&str, u16, u32, Vec<u8>)> = vec![
        ("another command", 4, 0, words(&[16, 0, 0, 0])),
        ("nothing", 1, 0, vec![]),
        ("half a version", 1, 0, vec![0, 0, 1]),
        ("another major version", 1, 0, vec![1, 0, 0, 0]),
        ("no NUL", 1, 0, b"\0\0\x01\0{}".to_vec()),
        ("a NUL within", 1, 0, b"\0\0\x01\0{\0}\0".to_vec()),
        ("no JSON", 1, 0, b"\0\0\x01\0{\"capabilities\":\0".to_vec()),
        ("no text", 1, 0, b"\0\0\x01\0\xff\xfe\0".to_vec()),
        ("no object", 1, 0, b"\0\0\x01\0[]\0".to_vec()),
        (
            "capabilities that are none",
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":3}\0".to_vec(),
        ),
        (
            "a negative number",
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":-1}}\0".to_vec(),
        ),
        (
            "a size of 0",
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":{\"max_data_xfer_size\":0}}\0".to_vec(),
        ),
        (
            "text for a number",
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":{\"pgsizes\":\"4k\"}}\0".to_vec(),
        ),
        (
            "a number for a truth",
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":{\"write_multiple\":1}}\0".to_vec(),
        ),
        ("too much text", 1, 0, long),
        ("an error", 1, 0x20, vec![0, 0, 1, 0]),
    ];
    for (what, command, flags, payload) in cases {
        let raw = Raw::connect(&server.path);
        raw.send(9, command, flags, &payload);
        assert_eq!(raw.error(9, command), EINVAL, "{what}");
        assert!(raw.is_over(), "{what}");
    }
    // Without a wish for a reply, or as a reply, it has none.
    for flags in [0x10, 1] {
        let raw = Raw::connect(&server.path);
        raw.send(9, 1, flags, &[0, 0, 1, 0]);
        let _ = raw.receive();
        assert!(raw.is_over());
    }
    // The device never saw any of them.
    assert_eq!(locked(&server.log).disconnects, 0);
    // Versions without text, with a higher minor version and with unknown capabilities are fine.
    for good in [
        &b"\0\0\0\0"[..],
        b"\0\0\x09\0{}\0",
        b"\0\0\x01\0{\"capabilities\":{\"twin_socket\":{\"supported\":true},\"max_msg_fds\":99999999999}}\0",
    ] {
        let raw = Raw::connect(&server.path);
        raw.send(9, 1, 0, good);
        let version = Version::decode(&raw.answer(9, 1)).unwrap();
        assert_eq!((version.major, version.minor), (0, u16::from(good[2]).min(1)));
        assert_eq!(version.capabilities.max_msg_fds, 16);
        alive(&raw);
        drop(raw);
    }
}

#[test]
fn silence_and_words_without_end_are_given_up() {
    let server = Running::with(ServerOptions {
        handshake: Duration::from_millis(200),
        ..ServerOptions::default()
    });
    let silent = Raw::connect(&server.path);
    assert!(silent.is_over());
    let slow = Raw::connect(&server.path);
    while slow.bytes(&[16], &[]).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(locked(&server.log).disconnects, 0);
}

/// Were it otherwise this would take an hour.
#[test]
fn a_server_goes_at_once_even_while_it_waits_for_a_greeting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    let options = ServerOptions {
        handshake: Duration::from_secs(3600),
        ..ServerOptions::default()
    };
    for wait in [0, 20] {
        let server = Server::bind(&path, options.clone()).unwrap();
        let silent = Raw::connect(&path);
        std::thread::sleep(Duration::from_millis(wait));
        drop(server);
        assert!(silent.is_over());
    }
}

/// QEMU has as much room for the answer to its `VERSION` as the `VERSION` itself took.
#[test]
fn the_answer_to_a_version_is_no_longer_than_that_of_qemu() {
    let greeting =
        b"\0\0\x01\0{\"capabilities\": {\"migration\": {\"max_bitmap_size\": 268435456, \
        \"pgsize\": 4096}, \"max_msg_fds\": 16, \"max_data_xfer_size\": 1048576, \
        \"pgsizes\": 4096, \"max_dma_maps\": 65535, \"write_multiple\": true}}\0";
    let server = Running::new();
    let raw = Raw::connect(&server.path);
    raw.send(0, 1, 0, greeting);
    let answer = raw.answer(0, 1);
    assert!(answer.len() <= greeting.len(), "{}", answer.len());
    let agreed = Version::decode(&answer).unwrap().capabilities;
    // QEMU takes no more than these, and no page below 4 KiB.
    assert!(agreed.max_msg_fds <= 16 && agreed.max_dma_maps <= 65535);
    assert!(agreed.max_data_xfer_size <= 64 << 20 && agreed.pgsizes.trailing_zeros() >= 12);
}

#[test]
fn a_second_client_is_refused_by_number() {
    let server = Running::new();
    let first = Raw::greeted(&server.path);
    let second = Raw::connect(&server.path);
    second.send(77, 1, 0, &[0, 0, 0, 0]);
    assert_eq!(second.error(77, 1), EBUSY);
    assert!(second.is_over());
    alive(&first);
}

#[test]
fn descriptors_that_do_not_belong_are_refused_and_closed() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    let (event, file) = (event(), memfd(4096));
    let one = [event.as_fd()];
    for command in [4, 5, 7, 9, 10, 13, 15, 3] {
        raw.send_with(1, command, 0, &[0; 40], &one);
        assert_eq!(raw.error(1, command), EINVAL, "{command}");
    }
    let map = [
        words(&[32, 3]),
        vec![0; 16],
        4096_u64.to_ne_bytes().to_vec(),
    ]
    .concat();
    raw.send_with(1, 2, 0, &map, &[file.as_fd(), file.as_fd()]);
    assert_eq!(raw.error(1, 2), EINVAL);
    let set = |count| words(&[20, 0x24, MSIX, 0, count]);
    for (count, sent) in [
        (1, 2),
        (2, 1),
        (16, 17),
        (16, 18),
        (16, 253),
        (17, 17),
        (20, 253),
    ] {
        raw.send_with(1, 8, 0, &set(count), &vec![event.as_fd(); sent]);
        assert_eq!(raw.error(1, 8), EINVAL, "{count} {sent}");
    }
    // Where the data says that there are none.
    raw.send_with(1, 8, 0, &words(&[20, 0x21, MSIX, 0, 1]), &one);
    assert_eq!(raw.error(1, 8), EINVAL);
    assert_eq!(locked(&server.log).vectors, 0);
    // Descriptors may come with any part of the message.
    let header = Header {
        id: 5,
        command: 8,
        size: 36,
        flags: 0,
        error: 0,
    };
    raw.bytes(&header.encode()[..7], &one).unwrap();
    raw.bytes(&header.encode()[7..], &one).unwrap();
    raw.bytes(&set(3), &one).unwrap();
    raw.answer(5, 8);
    assert_eq!(locked(&server.log).vectors, 3);
}

/// Sends commands without end and reads nothing.
#[test]
fn a_client_that_does_not_read_loses_its_connection() {
    let server = Running::with(ServerOptions {
        send: Duration::from_millis(200),
        ..ServerOptions::default()
    });
    let raw = Raw::greeted(&server.path);
    let read = read(0, BAR2, 1 << 16);
    loop {
        let header = Header {
            id: 1,
            command: 9,
            size: 32,
            flags: 0,
            error: 0,
        };
        if raw
            .bytes(&[&header.encode()[..], &read].concat(), &[])
            .is_err()
        {
            break;
        }
    }
    assert!(matches!(server.until_ended(1), Ended::Socket(_)));
    alive(&Raw::greeted(&server.path));
}

/// A session on one end of a socket pair, whose other end does what it likes.
fn session(options: ServerOptions) -> (Session, Raw) {
    let (near, far) = UnixStream::pair().unwrap();
    let raw = Raw::over(far);
    let greeting = std::thread::spawn(move || {
        raw.send(0, 1, 0, &[0, 0, 0, 0]);
        raw.receive().unwrap();
        raw
    });
    let session = Session::over(near, options).unwrap();
    (session, greeting.join().unwrap())
}

/// Reads 8 bytes of the client's memory, which answers like this.
fn read_answered_by(answer: impl FnOnce(&Raw, Got) + Send) -> Result<[u8; 8], Errno> {
    let (session, raw) = session(ServerOptions::default());
    let memory = session.memory();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Nothing is written first.
            let probe = raw.receive().unwrap();
            assert_eq!((probe.header.command, probe.payload.len()), (12, 16));
            raw.send(probe.header.id, 12, 1, &probe.payload);
            let ask = raw.receive().unwrap();
            assert_eq!((ask.header.command, ask.header.flags), (11, 0));
            answer(&raw, ask);
        });
        let mut data = [0; 8];
        memory.read(0x1000, &mut data).map(|()| data)
    })
}

#[test]
fn answers_about_memory_are_checked() {
    let data = [1, 2, 3, 4, 5, 6, 7, 8];
    let good = |ask: &Got| [&ask.payload[..], &data].concat();
    let ok = read_answered_by(|raw, ask| raw.send(ask.header.id, 11, 1, &good(&ask)));
    assert_eq!(ok, Ok(data));
    let refused = read_answered_by(|raw, ask| raw.send(ask.header.id, 11, 0x21, &[]));
    assert_eq!(refused, Err(Errno::IO));
    let short = read_answered_by(|raw, ask| raw.send(ask.header.id, 11, 1, &good(&ask)[..23]));
    assert_eq!(short, Err(Errno::PROTO));
    let long = read_answered_by(|raw, ask| {
        raw.send(ask.header.id, 11, 1, &[good(&ask), vec![0]].concat());
    });
    assert_eq!(long, Err(Errno::PROTO));
    let elsewhere = read_answered_by(|raw, ask| {
        let mut other = good(&ask);
        other[1] ^= 1;
        raw.send(ask.header.id, 11, 1, &other);
    });
    assert_eq!(elsewhere, Err(Errno::PROTO));
    let other = read_answered_by(|raw, ask| raw.send(ask.header.id, 12, 1, &good(&ask)));
    assert_eq!(other, Err(Errno::PROTO));
    let file = memfd(1);
    let with_file = read_answered_by(|raw, ask| {
        raw.send_with(ask.header.id, 11, 1, &good(&ask), &[file.as_fd()]);
    });
    assert_eq!(with_file, Err(Errno::PROTO));
    let stranger = read_answered_by(|raw, ask| raw.send(ask.header.id ^ 1, 11, 1, &good(&ask)));
    assert_eq!(stranger, Err(Errno::PIPE));
    let gone = read_answered_by(|_, _| {});
    assert_eq!(gone, Err(Errno::PIPE));
}

/// QEMU declares the count of an access to memory with 32 bits, so its data begins four bytes
/// earlier, and replies to writes with a header alone.
#[test]
fn a_client_with_its_data_four_bytes_early_is_understood() {
    let (session, raw) = session(ServerOptions::default());
    let memory = session.memory();
    let client = std::thread::spawn(move || {
        let mut ram = vec![0_u8; 256];
        let mut asked = 0;
        while let Some(got) = raw.receive() {
            let address = u64::from_ne_bytes(got.payload[..8].try_into().unwrap()) as usize;
            let count = u32::from_ne_bytes(got.payload[8..12].try_into().unwrap()) as usize;
            // It counts messages as if the data were where it belongs.
            assert!(got.payload.len() >= 16 + if got.header.command == 12 { count } else { 0 });
            if got.header.command == 12 {
                ram[address..address + count].copy_from_slice(&got.payload[12..12 + count]);
                raw.send(got.header.id, 12, 1, &[]);
            } else {
                let mut reply = vec![0; 16 + count];
                reply[..12].copy_from_slice(&got.payload[..12]);
                reply[12..12 + count].copy_from_slice(&ram[address..address + count]);
                raw.send(got.header.id, 11, 1, &reply);
            }
            asked += 1;
        }
        asked
    });
    // Data whose first bytes are 0 looks the same in both forms.
    for first in [0, 9] {
        let data: Vec<u8> = (0..61).map(|i| if i < 8 { first } else { i }).collect();
        memory.write(100, &data).unwrap();
        let mut back = vec![0xff; data.len()];
        memory.read(100, &mut back).unwrap();
        assert_eq!(back, data);
    }
    drop(session);
    assert_eq!(client.join().unwrap(), 5);
}

#[test]
fn a_client_that_does_not_answer_is_given_up_and_its_late_answer_is_nothing() {
    let (mut session, raw) = session(ServerOptions {
        answer: Duration::from_millis(100),
        ..ServerOptions::default()
    });
    let memory = session.memory();
    assert_eq!(memory.read(0x1000, &mut [0; 8]), Err(Errno::TIMEDOUT));
    let probe = raw.receive().unwrap();
    raw.send(probe.header.id, 12, 1, &probe.payload);
    // The session goes on.
    raw.send(5, 9, 0, &read(0, 0, 4));
    let mut device = Plain::new();
    while session.serve(&mut device, Duration::from_secs(1)).unwrap() == 0 {}
    raw.answer(5, 9);
    // But a second answer to the same question is one too many.
    raw.send(probe.header.id, 12, 1, &probe.payload);
    assert!(matches!(
        session.serve(&mut device, Duration::from_secs(10)),
        Err(Ended::Protocol(_))
    ));
}

/// While the device waits for an answer, commands are taken, but not without end.
#[test]
fn commands_without_end_before_an_answer_end_the_connection() {
    let (session, raw) = session(ServerOptions {
        answer: Duration::from_secs(60),
        ..ServerOptions::default()
    });
    let memory = session.memory();
    let reader = std::thread::spawn(move || memory.read(0x1000, &mut [0; 8]));
    raw.receive().unwrap();
    let write = [read(0, BAR2, 1 << 20), vec![1; 1 << 20]].concat();
    let header = Header {
        id: 1,
        command: 10,
        size: 16 + write.len() as u32,
        flags: 0,
        error: 0,
    };
    let message = [&header.encode()[..], &write].concat();
    let flood = std::thread::spawn(move || while raw.bytes(&message, &[]).is_ok() {});
    assert_eq!(reader.join().unwrap(), Err(Errno::PIPE));
    drop(session);
    flood.join().unwrap();
}

/// A full queue makes the client wait, but not the answer that the device waits for.
#[test]
fn an_answer_behind_a_full_queue_is_found() {
    let (mut session, raw) = session(ServerOptions {
        answer: Duration::from_secs(60),
        ..ServerOptions::default()
    });
    let memory = session.memory();
    let write = [read(0, BAR2, 1 << 20), vec![1; 1 << 20]].concat();
    let client = std::thread::spawn(move || {
        for i in 0..20 {
            raw.send(i, 10, 0x10, &write);
        }
        for command in [12, 11] {
            let ask = raw.receive().unwrap();
            assert_eq!(ask.header.command, command);
            let data = [&ask.payload[..], if command == 11 { &[7; 8] } else { &[] }].concat();
            raw.send(ask.header.id, command, 1, &data);
        }
        raw
    });
    let mut data = [0; 8];
    memory.read(0x1000, &mut data).unwrap();
    assert_eq!(data, [7; 8]);
    let raw = client.join().unwrap();
    let mut device = Plain::new();
    let mut handled = 0;
    while handled < 20 {
        handled += session.serve(&mut device, Duration::from_secs(10)).unwrap();
    }
    drop(raw);
}

/// A server that does what it likes; the client's own part runs on this thread.
fn against(
    server: impl FnOnce(&Raw) + Send + 'static,
    options: Options,
) -> (Result<Client, Error>, JoinHandle<()>) {
    let (near, far) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || server(&Raw::over(far)));
    (Client::over(near, options), thread)
}

fn greet(raw: &Raw) {
    let hello = raw.receive().unwrap();
    assert_eq!(hello.header.command, 1);
    let mut version = Version::decode(&hello.payload).unwrap();
    version.capabilities.max_msg_fds = 4;
    raw.send(hello.header.id, 1, 1, &version.encode());
}

/// What a request gives when it is answered like this.
fn asked<T: 'static + Send>(
    request: impl FnOnce(&Client) -> Result<T, Error>,
    answer: impl FnOnce(&Raw, Got) + Send + 'static,
) -> Result<T, Error> {
    let (client, server) = against(
        |raw| {
            greet(raw);
            let got = raw.receive().unwrap();
            answer(raw, got);
        },
        Options::default(),
    );
    let result = request(&client.unwrap());
    server.join().unwrap();
    result
}

fn is_protocol<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Protocol { .. })), "{result:?}");
}

#[test]
fn a_greeting_that_makes_no_sense_is_an_error() {
    for payload in [
        &b""[..],
        b"\x01\0\0\0",
        b"\0\0\x02\0",
        b"\0\0\x01\0{",
        b"\0\0\x01\0{\"capabilities\":[]}\0",
        b"\0\0\x01\0{\"capabilities\":{\"max_data_xfer_size\":0}}\0",
    ] {
        let answer = move |raw: &Raw| {
            let hello = raw.receive().unwrap();
            raw.send(hello.header.id, 1, 1, payload);
        };
        let (client, server) = against(answer, Options::default());
        is_protocol(client);
        server.join().unwrap();
    }
    let (client, server) = against(
        |raw| {
            let hello = raw.receive().unwrap();
            raw.send(hello.header.id, 1, 0x21, &[]);
        },
        Options::default(),
    );
    assert!(matches!(
        client,
        Err(Error::Refused {
            command: Command::Version,
            ..
        })
    ));
    server.join().unwrap();
    let (client, server) = against(|_| {}, Options::default());
    assert!(matches!(
        client,
        Err(Error::Disconnected {
            command: Command::Version
        })
    ));
    server.join().unwrap();
    // A server that says nothing.
    let options = Options {
        patience: Duration::from_millis(100),
        ..Options::default()
    };
    let (client, server) = against(|raw| while raw.receive().is_some() {}, options);
    assert!(matches!(
        client,
        Err(Error::Timeout {
            command: Command::Version,
            ..
        })
    ));
    server.join().unwrap();
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    let bytes = |client: &Client| {
        let mut data = [0; 8];
        client.region_read(0, 16, &mut data).map(|()| data)
    };
    let good = |got: &Got| [&got.payload[..], &[3; 8]].concat();
    let ok = asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 1, &good(&got))
    });
    assert_eq!(ok.unwrap(), [3; 8]);
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 1, &good(&got)[..23])
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 1, &[good(&got), vec![0]].concat())
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 1, &[])
    }));
    for byte in [0, 8, 12] {
        is_protocol(asked(bytes, move |raw, got| {
            let mut other = good(&got);
            other[byte] ^= 1;
            raw.send(got.header.id, 9, 1, &other);
        }));
    }
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 10, 1, &good(&got))
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id ^ 1, 9, 1, &good(&got))
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 2, &good(&got))
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send(got.header.id, 9, 1, &vec![0; 2 << 20])
    }));
    is_protocol(asked(bytes, move |raw, got| {
        raw.send_with(got.header.id, 9, 1, &good(&got), &[event().as_fd()]);
    }));
    is_protocol(asked(bytes, move |raw, got| {
        let size = 3;
        let header = Header {
            size,
            flags: 1,
            ..got.header
        };
        raw.bytes(&header.encode(), &[]).unwrap();
    }));
    let refused = asked(bytes, |raw, got| raw.send(got.header.id, 9, 0x21, &[1; 40]));
    assert!(matches!(
        refused,
        Err(Error::Refused {
            errno: Errno(0),
            ..
        })
    ));
    let gone = asked(bytes, |_, _| {});
    assert!(matches!(
        gone,
        Err(Error::Disconnected {
            command: Command::RegionRead
        })
    ));
    let half = asked(bytes, |raw, got| {
        raw.bytes(
            &Header {
                size: 99,
                flags: 1,
                ..got.header
            }
            .encode(),
            &[],
        )
        .unwrap()
    });
    assert!(matches!(half, Err(Error::Disconnected { .. })));

    is_protocol(asked(Client::reset, |raw, got| {
        raw.send(got.header.id, 13, 1, &[0])
    }));
    is_protocol(asked(Client::device_info, |raw, got| {
        raw.send(got.header.id, 4, 1, &words(&[16, 0, 0]))
    }));
    is_protocol(asked(
        |client| client.irq_info(2),
        |raw, got| {
            raw.send(got.header.id, 7, 1, &words(&[16, 0, 3, 1]));
        },
    ));
    is_protocol(asked(
        |client| client.dma_unmap(0x1000, 0x1000),
        |raw, got| {
            let mut other = got.payload.clone();
            other[8] ^= 1;
            raw.send(got.header.id, 3, 1, &other);
        },
    ));
    is_protocol(asked(
        |client| client.region_write_many(&[(0, 0, &[1])]),
        |raw, got| {
            raw.send(got.header.id, 15, 1, &2_u64.to_ne_bytes());
        },
    ));
}

#[test]
fn descriptions_of_regions_are_checked() {
    let info = RegionInfo {
        index: 2,
        flags: RegionFlags::READ,
        mappable: true,
        size: 0x4000,
        offset: 0,
        areas: vec![
            Area {
                offset: 0,
                size: 0x1000,
            },
            Area {
                offset: 0x2000,
                size: 0x1000,
            },
        ],
        msix_mappable: true,
    };
    let (good, whole) = info.encode(1000);
    assert!(whole);
    let about = |payload: Vec<u8>, fds: usize| {
        asked(
            |client| client.region_info(2),
            move |raw, got| {
                let file = memfd(1);
                raw.send_with(got.header.id, 5, 1, &payload, &vec![file.as_fd(); fds]);
            },
        )
    };
    let region = about(good.clone(), 1).unwrap();
    assert_eq!(region.areas, info.areas);
    assert!(region.msix_mappable && region.file.is_some());
    // A file that does not come cannot be mapped.
    let region = about(good.clone(), 0).unwrap();
    assert!(region.areas.is_empty() && region.file.is_none());
    is_protocol(about(good.clone(), 2));
    let set = |at: usize, value: u32| {
        let mut payload = good.clone();
        payload[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        payload
    };
    for (what, at, value) in [
        ("a small size", 0, 31),
        ("a size that is more than there is", 0, 1000),
        ("a size without end", 0, u32::MAX),
        ("another region", 8, 3),
        ("capabilities within the fields", 12, 31),
        ("capabilities behind the end", 12, good.len() as u32 - 7),
        ("capabilities far behind the end", 12, u32::MAX),
        ("an area outside", 52, 1),
        ("an area that overflows", 60, u32::MAX),
        ("too many areas", 40, 4),
        ("areas without end", 40, u32::MAX),
        ("a capability that comes again", 36, 32),
        ("a capability within another", 36, 36),
    ] {
        let result = about(set(at, value), 1);
        assert!(
            matches!(result, Err(Error::Protocol { .. })),
            "{what}: {result:?}"
        );
    }
    is_protocol(about(good[..31].to_vec(), 1));
    is_protocol(about(good[..good.len() - 1].to_vec(), 1));
    // As much as was asked for is taken, no more.
    let padded = |bytes: usize| [&good[..], &vec![0; bytes - good.len()]].concat();
    assert_eq!(about(padded(1024), 1).unwrap().areas, info.areas);
    is_protocol(about(padded(1025), 1));
}

#[test]
fn a_region_may_need_a_longer_answer_once() {
    let info = |areas: usize| RegionInfo {
        index: 2,
        flags: RegionFlags::READ,
        mappable: true,
        size: 0x4000,
        offset: 0,
        areas: vec![
            Area {
                offset: 0,
                size: 0x1000,
            };
            areas
        ],
        msix_mappable: false,
    };
    // How many areas the region has in the first answer, and in the second.
    let about = |first: usize, second: usize| {
        asked(
            |client| client.region_info(2),
            move |raw, got| {
                let file = memfd(1);
                let answer = |got: &Got, areas| {
                    let asked = RegionInfoRequest::decode(&got.payload).unwrap().argsz;
                    let (payload, _) = info(areas).encode(asked);
                    raw.send_with(got.header.id, 5, 1, &payload, &[file.as_fd()]);
                };
                answer(&got, first);
                if let Some(got) = raw.receive() {
                    answer(&got, second);
                }
            },
        )
    };
    assert_eq!(about(100, 100).unwrap().areas.len(), 100);
    is_protocol(about(100, 101));
    is_protocol(about(5000, 5000));
}

/// Memory that holds nothing.
struct Nothing;

impl Memory for Nothing {
    fn read(&self, _: u64, data: &mut [u8]) -> Result<(), Errno> {
        data.fill(5);
        Ok(())
    }

    fn write(&self, _: u64, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::PERM)
    }
}

#[test]
fn what_a_server_may_ask_for_is_checked() {
    let (client, server) = against(
        |raw| {
            greet(raw);
            // All of this comes before the answer to a request of the client.
            let reset = raw.receive().unwrap();
            let access = |address, count| DmaAccess { address, count }.encode();
            raw.send(1, 11, 0, &access(u64::MAX - 3, 4));
            assert_eq!(raw.answer(1, 11)[16..], [5; 4]);
            raw.send(2, 12, 0, &[access(0, 4), vec![0; 4]].concat());
            assert_eq!(raw.error(2, 12), 1);
            let file = memfd(1);
            raw.send_with(3, 11, 0, &access(0, 4), &[file.as_fd()]);
            assert_eq!(raw.error(3, 11), EINVAL);
            for (command, payload, errno) in [
                (11, access(u64::MAX - 3, 5), EINVAL),
                (11, access(0, 4)[..15].to_vec(), EINVAL),
                (11, [access(0, 4), vec![0]].concat(), EINVAL),
                (11, access(0, 1 << 21), E2BIG),
                (11, access(0, u64::MAX), E2BIG),
                (12, access(0, 4), EINVAL),
                (12, [access(0, 4), vec![0; 5]].concat(), EINVAL),
                (12, [access(0, u64::MAX), vec![0; 5]].concat(), EINVAL),
                (12, [access(0, 2 << 20), vec![0; 2 << 20]].concat(), E2BIG),
                (9, read(0, 0, 4), ENOTSUP),
                (13, vec![], ENOTSUP),
                (0, vec![], ENOTSUP),
                (99, vec![], ENOTSUP),
            ] {
                raw.send(4, command, 0, &payload);
                assert_eq!(raw.error(4, command), errno, "{command} {payload:x?}");
            }
            raw.send(5, 11, 0x20, &access(0, 4));
            assert_eq!(raw.error(5, 11), EINVAL);
            raw.send(6, 11, 0x10, &access(0, 4));
            raw.send(7, 11, 0, &access(0, 1));
            assert_eq!(raw.answer(7, 11)[16..], [5]);
            raw.send(reset.header.id, 13, 1, &[]);
        },
        Options {
            memory: Some(Arc::new(Nothing)),
            ..Options::default()
        },
    );
    let client = client.unwrap();
    client.reset().unwrap();
    server.join().unwrap();
}

#[test]
fn a_request_with_too_many_descriptors_is_not_sent() {
    let (client, server) = against(
        |raw| {
            greet(raw);
            assert!(raw.is_over());
        },
        Options::default(),
    );
    let client = client.unwrap();
    let set = vfio_user_protocol::message::SetIrqs {
        index: MSIX,
        action: vfio_user_protocol::IrqAction::Trigger,
        start: 0,
        count: 5,
        select: vfio_user_protocol::message::Select::EventFds,
    };
    let event = event();
    let sent = client.set_irqs(&set, &[event.as_fd(); 5]);
    assert!(matches!(sent, Err(Error::Invalid(_))));
    drop(client);
    server.join().unwrap();
}
