//! Packets against vectors worked out by hand from the header figures of the specification, and
//! back again.

use pcie::stream::{Joiner, beats};
use pcie::tlp::{
    Completion, Header, HeaderKind, Id, Kind, MAX_DWORDS, Request, Status, Tlp, TlpError,
};
use proptest::prelude::*;

fn request(address: u64, dwords: u16, first_be: u8, last_be: u8) -> Request {
    Request {
        requester: Id(0x0100),
        tag: 0x0c,
        address,
        dwords,
        first_be,
        last_be,
    }
}

/// What a packet must look like on the link, field by field as in figures 2-4, 2-13 to 2-15 and
/// 2-30 of the specification.
#[test]
fn known_packets() {
    let completion = Completion {
        completer: Id(0x0100),
        status: Status::Success,
        byte_count: 4,
        requester: Id(0),
        tag: 0x0c,
        lower_address: 0x40,
    };
    let cases: [(Tlp, Vec<u32>); 10] = [
        // A processor writes a register, reads it and gets the answer.
        (
            Tlp::new(Kind::MemoryWrite(
                Request {
                    requester: Id(0),
                    tag: 0,
                    ..request(0xfdaf_f040, 1, 15, 0)
                },
                vec![0x12, 0x34, 0x56, 0x78],
            )),
            vec![0x4000_0001, 0x0000_000f, 0xfdaf_f040, 0x1234_5678],
        ),
        (
            Tlp::new(Kind::MemoryRead(Request {
                requester: Id(0),
                ..request(0xfdaf_f040, 1, 15, 0)
            })),
            vec![0x0000_0001, 0x0000_0c0f, 0xfdaf_f040],
        ),
        (
            Tlp::new(Kind::CompletionData(
                completion,
                vec![0x12, 0x34, 0x56, 0x78],
            )),
            vec![0x4a00_0001, 0x0100_0004, 0x0000_0c40, 0x1234_5678],
        ),
        // Four doublewords of header, all byte enables of use, the longest length (a zero).
        (
            Tlp::new(Kind::MemoryRead(request(0x12_3456_7000, 1024, 15, 15))),
            vec![0x2000_0000, 0x0100_0cff, 0x0000_0012, 0x3456_7000],
        ),
        (
            Tlp::new(Kind::MemoryWrite(
                request(0x8000_0000_0000_0ffc, 1, 0b0110, 0),
                vec![1, 2, 3, 4],
            )),
            vec![
                0x6000_0001,
                0x0100_0c06,
                0x8000_0000,
                0x0000_0ffc,
                0x0102_0304,
            ],
        ),
        // First and last byte enables stand in their own nibbles.
        (
            Tlp::new(Kind::MemoryRead(request(0x1000, 33, 0b1000, 0b0001))),
            vec![0x0000_0021, 0x0100_0c18, 0x0000_1000],
        ),
        // An unsupported request; 4096 bytes are written as 0.
        (
            Tlp::new(Kind::Completion(Completion {
                status: Status::Unsupported,
                byte_count: 4096,
                ..completion
            })),
            vec![0x0a00_0000, 0x0100_2000, 0x0000_0c40],
        ),
        (
            Tlp::new(Kind::Completion(Completion {
                status: Status::Abort,
                byte_count: 4095,
                lower_address: 0x7f,
                ..completion
            })),
            vec![0x0a00_0000, 0x0100_8fff, 0x0000_0c7f],
        ),
        // A locked read is refused.
        (
            Tlp::new(Kind::LockedCompletion(Completion {
                status: Status::Unsupported,
                ..completion
            })),
            vec![0x0b00_0000, 0x0100_2004, 0x0000_0c40],
        ),
        // Traffic class, attributes and poison.
        (
            Tlp {
                poisoned: true,
                traffic_class: 5,
                attributes: 0b10,
                ..Tlp::new(Kind::MemoryWrite(request(0x1000, 1, 15, 0), vec![0; 4]))
            },
            vec![0x4050_6001, 0x0100_0c0f, 0x0000_1000, 0],
        ),
    ];
    for (tlp, words) in cases {
        assert_eq!(tlp.encode(), words, "{tlp:?}");
        assert_eq!(Tlp::decode(&words), Ok(tlp));
    }
}

#[test]
fn other_packets_are_left_as_they_are() {
    for words in [
        // IO read, IO write, configuration read of type 0, locked read, message with data.
        vec![0x0200_0001, 0x0000_000f, 0x0000_0cf8],
        vec![0x4200_0001, 0x0000_000f, 0x0000_0cf8, 7],
        vec![0x0400_0001, 0x0000_010f, 0x0100_0010],
        vec![0x0100_0001, 0x0000_010f, 0x0100_0010],
        vec![0x7400_0001, 0x0000_007f, 0, 0, 1],
        // A prefix tells nothing of what follows.
        vec![0x9000_0000, 1],
        // A completion never has 4 doublewords of header.
        vec![0x2a00_0000, 1, 2, 3],
        vec![0x2b00_0000, 1, 2, 3],
        // A locked read that is granted.
        vec![0x4b00_0001, 0x0100_0004, 0x0000_0c40, 7],
    ] {
        let tlp = Tlp::decode(&words).expect("a packet");
        assert_eq!(tlp.kind, Kind::Other(words.clone()));
        assert_eq!(tlp.encode(), words);
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    assert_eq!(Tlp::decode(&[]), Err(TlpError::Short));
    assert_eq!(Tlp::decode(&[1, 0]), Err(TlpError::Short));
    assert_eq!(Tlp::decode(&[0x2000_0001, 0, 0]), Err(TlpError::Short));
    assert_eq!(
        Tlp::decode(&[0x8001, 0, 0, 0]),
        Err(TlpError::Digest),
        "a digest"
    );
    let length = |named, found| Err(TlpError::Length { named, found });
    assert_eq!(Tlp::decode(&[0x4000_0002, 0, 0, 0]), length(2, 1));
    assert_eq!(Tlp::decode(&[0x4000_0001, 0, 0, 0, 0]), length(1, 2));
    assert_eq!(Tlp::decode(&[1, 0, 0, 0]), length(0, 1), "a read");
    assert_eq!(
        Tlp::decode(&[0x4000_0000, 0, 0]),
        length(MAX_DWORDS, 0),
        "0 is 1024"
    );
}

/// The table of byte counts of section 2.2.9, which names every legal pair of enables.
#[test]
fn spans_are_those_of_the_table() {
    let single = [
        (0b1001, 4),
        (0b1111, 4),
        (0b1011, 4),
        (0b1101, 4),
        (0b0101, 3),
        (0b0111, 3),
        (0b1010, 3),
        (0b1110, 3),
        (0b0011, 2),
        (0b0110, 2),
        (0b1100, 2),
        (0b0001, 1),
        (0b0010, 1),
        (0b0100, 1),
        (0b1000, 1),
        (0b0000, 1),
    ];
    let lower = |first_be: u8| match first_be {
        be if be & 1 != 0 => 0,
        be if be & 2 != 0 => 1,
        be if be & 4 != 0 => 2,
        0 => 0,
        _ => 3,
    };
    for (first_be, bytes) in single {
        let span = request(0x1000, 1, first_be, 0).span();
        assert_eq!(span, (0x1000 + lower(first_be), bytes), "{first_be:04b}");
    }
    for dwords in [2, 3, 33, 1024] {
        for first_be in 1..16u8 {
            for last_be in 1..16u8 {
                let less_first = lower(first_be) as u16;
                let less_last = match last_be {
                    be if be >= 8 => 0,
                    be if be >= 4 => 1,
                    be if be >= 2 => 2,
                    _ => 3,
                };
                assert_eq!(
                    request(0x1000, dwords, first_be, last_be).span(),
                    (
                        0x1000 + u64::from(less_first),
                        dwords * 4 - less_first - less_last
                    ),
                    "{dwords} {first_be:04b} {last_be:04b}"
                );
            }
        }
    }
}

prop_compose! {
    fn requests()(
        requester: u16,
        tag: u8,
        address in prop_oneof![0..1u64 << 32, any::<u64>()],
        dwords in prop_oneof![1..=9u16, 1..=1024u16],
        first_be in 0..16u8,
        last_be in 0..16u8,
    ) -> Request {
        let address = address & !3;
        Request { requester: Id(requester), tag, address, dwords, first_be, last_be }
    }
}

prop_compose! {
    fn completions()(
        completer: u16,
        status in 0..8u8,
        byte_count in 1..=4096u16,
        requester: u16,
        tag: u8,
        lower_address in 0..128u8,
    ) -> Completion {
        let status = Status::from_code(status);
        let (completer, requester) = (Id(completer), Id(requester));
        Completion { completer, status, byte_count, requester, tag, lower_address }
    }
}

fn payload(dwords: u16) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 4 * usize::from(dwords))
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        requests().prop_map(Kind::MemoryRead),
        requests().prop_flat_map(|request| payload(request.dwords)
            .prop_map(move |bytes| Kind::MemoryWrite(request, bytes))),
        completions().prop_map(Kind::Completion),
        completions().prop_map(Kind::LockedCompletion),
        (completions(), prop_oneof![1..=9u16, 1..=1024u16])
            .prop_flat_map(|(completion, dwords)| payload(dwords)
                .prop_map(move |bytes| Kind::CompletionData(completion, bytes))),
    ]
}

proptest! {
    #[test]
    fn packets_survive_the_link(
        kind in kinds(),
        poisoned: bool,
        traffic_class in 0..8u8,
        attributes in 0..4u8,
        words in prop_oneof![Just(2usize), Just(4)],
    ) {
        let tlp = Tlp { kind, poisoned, traffic_class, attributes };
        let mut joiner = Joiner::default();
        let sent = beats(&tlp.encode(), words);
        for (index, beat) in sent.iter().enumerate() {
            let last = index + 1 == sent.len();
            prop_assert_eq!(beat.last, last);
            prop_assert!(last || beat.keep == (1 << words) - 1);
            let packet = joiner.push(beat);
            prop_assert_eq!(packet.is_some(), last);
            if let Some(packet) = packet {
                prop_assert_eq!(Tlp::decode(&packet), Ok(tlp.clone()));
            }
        }
    }

    #[test]
    fn any_words_are_a_packet_or_refused(words in prop::collection::vec(any::<u32>(), 0..40)) {
        if let Ok(header) = Header::decode(&words) {
            prop_assert!(header.words <= words.len());
            prop_assert_eq!(header.words == 0, header.kind == HeaderKind::Other);
        }
    }
}
