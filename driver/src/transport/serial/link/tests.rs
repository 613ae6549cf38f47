//! The link against the card's end of it as `sim` has it, over a line that does what lines do.

use isa::serial::MAX_PAYLOAD;
use proptest::prelude::*;
use sim::serial::CardLink;

use super::super::frame::Decoder;
use super::*;

/// A step of time.
const STEP: Duration = Duration::from_micros(500);
/// Bytes that the line carries in a step: 3,000,000 bits a second.
const BYTES: usize = 150;

/// Draws of one seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    /// Whether something happens that happens so often in a million.
    fn happens(&mut self, in_a_million: u64) -> bool {
        self.next() % 1_000_000 < in_a_million
    }
}

/// What a line does to bytes, each so often in a million.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    flip: u64,
    drop: u64,
    insert: u64,
    /// All that is on the line comes twice.
    twice: u64,
    /// Nothing moves for some steps.
    pause: u64,
    /// Longest pause, in steps.
    longest: u64,
}

/// One direction of a line.
#[derive(Default)]
struct Wire {
    waiting: VecDeque<u8>,
    paused: u64,
}

impl Wire {
    fn carry(&mut self, faults: &Faults, draw: &mut Draw) -> Vec<u8> {
        if self.paused > 0 {
            self.paused -= 1;
            return Vec::new();
        }
        if draw.happens(faults.pause) {
            self.paused = draw.next() % faults.longest.max(1);
        }
        let count = self.waiting.len().min(BYTES);
        let mut bytes = Vec::new();
        for byte in self.waiting.drain(..count) {
            if draw.happens(faults.insert) {
                bytes.push(draw.next() as u8);
            }
            if draw.happens(faults.drop) {
                continue;
            }
            let bit = u8::from(draw.happens(faults.flip)) << (draw.next() % 8);
            bytes.push(byte ^ bit);
        }
        if draw.happens(faults.twice) {
            bytes.extend_from_within(..);
        }
        bytes
    }
}

/// A message with this number, of a length that follows from it.
fn message(number: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + number * 37 % 129, number as u8 ^ 0x7e);
    bytes
}

/// A link at the usual rate.
fn new_link(silence: Duration) -> Link {
    let options = SerialOptions {
        silence,
        ..SerialOptions::default()
    };
    Link::new(&options, Duration::ZERO)
}

/// Runs until `there` messages have come to the card and `back` to the host, and all of them are
/// acknowledged.
fn run(seed: u64, faults: Faults, there: usize, back: usize, silence: Duration) {
    let mut draw = Draw(seed * 2 + 1);
    let mut card = CardLink::default();
    // The hello is the session's; here it comes without fault.
    let hello = sim::serial::frame(&sim::serial::Frame {
        kind: FrameKind::Hello as u8,
        sequence: 0,
        acknowledges: 0,
        payload: vec![1, 2, 3, 4],
    });
    assert!(card.take(&hello, Duration::ZERO));
    let mut link = new_link(silence);
    let mut decoder = Decoder::default();
    let (mut to_card, mut to_host) = (Wire::default(), Wire::default());
    let (mut given, mut taken, mut posted, mut heard) = (0, 0, 0, 0);
    let mut now = Duration::ZERO;
    let mut out = Vec::new();
    while taken < there || heard < back || link.acknowledged() < there as u64 {
        now += STEP;
        assert!(
            now < Duration::from_secs(600),
            "{taken} there, {heard} back, {link:?}"
        );
        assert_eq!(link.dead(now), None);
        while link.has_room() && given < there && draw.happens(300_000) {
            link.send(message(given), now);
            given += 1;
        }
        assert!(link.window.len() <= WINDOW);
        if to_card.waiting.is_empty() {
            out.clear();
            link.poll(now, &mut out);
            to_card.waiting.extend(&out);
        }
        assert!(
            !card.take(&to_card.carry(&faults, &mut draw), now),
            "a hello"
        );
        while let Some(found) = card.message()
            && draw.happens(600_000)
        {
            assert_eq!(found, message(taken), "message {taken} to the card");
            taken += 1;
            card.consume();
        }
        while posted < back && draw.happens(300_000) {
            card.send(message(posted));
            posted += 1;
        }
        if to_host.waiting.is_empty() {
            let mut bytes = Vec::new();
            card.send_due(now, &mut bytes);
            to_host.waiting.extend(bytes);
        }
        for byte in to_host.carry(&faults, &mut draw) {
            let Some(frame) = decoder.push(byte) else {
                continue;
            };
            match link.take(frame, now) {
                Taken::Nothing => {}
                Taken::Message(found) => {
                    assert_eq!(found, message(heard), "message {heard} to the host");
                    heard += 1;
                }
                Taken::Welcome(_) => panic!("a welcome"),
            }
        }
    }
    assert_eq!((given, taken, heard), (there, there, back));
    if faults.flip + faults.drop + faults.insert + faults.twice + faults.pause == 0 {
        assert_eq!(link.repeated(), 0, "nothing was lost");
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn long_frames_on_a_slow_line_are_waited_for() {
    let options = SerialOptions {
        baud: 115_200,
        ..SerialOptions::default()
    };
    let mut link = Link::new(&options, Duration::ZERO);
    let mut now = Duration::ZERO;
    let mut acknowledged = 0u8;
    // Short messages alone teach a short time; then come the longest, a window of them at once.
    for round in 0..30 {
        let (count, bytes) = if round < 20 {
            (1, 7)
        } else {
            (WINDOW, MAX_PAYLOAD)
        };
        for _ in 0..count {
            link.send(vec![0; bytes], now);
        }
        for _ in 0..count {
            // The line carries one frame after the other.
            let end = now + options.time_of(bytes as u64 + 8);
            while now < end {
                link.poll(now, &mut Vec::new());
                now += Duration::from_millis(1);
            }
            acknowledged = acknowledged.wrapping_add(1);
            let frame = Frame {
                kind: FrameKind::Ack,
                sequence: 0,
                acknowledges: acknowledged,
                payload: Vec::new(),
            };
            assert_eq!(link.take(Ok(frame), now), Taken::Nothing);
        }
    }
    assert_eq!(link.acknowledged(), 20 + 10 * WINDOW as u64);
    assert_eq!(link.repeated(), 0, "nothing was lost");
}

#[test]
fn a_good_line_repeats_nothing() {
    run(1, Faults::default(), 2000, 2000, Duration::from_secs(2));
}

#[test]
fn one_byte_in_a_thousand_costs_no_session() {
    let faults = Faults {
        flip: 500,
        drop: 300,
        insert: 200,
        ..Faults::default()
    };
    run(2, faults, 3000, 3000, Duration::from_secs(2));
}

#[test]
fn one_byte_in_a_hundred_is_survived() {
    let faults = Faults {
        flip: 4000,
        drop: 3000,
        insert: 3000,
        ..Faults::default()
    };
    run(3, faults, 200, 200, LONG);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(match std::env::var_os("SYSTOLE_FULL") {
        Some(_) => 1000,
        None => 48,
    }))]

    #[test]
    fn messages_come_once_and_in_order(
        seed in any::<u32>(),
        there in 0..300usize,
        back in 0..300usize,
        rates in prop::array::uniform5(prop_oneof![Just(0), 0..2000u64]),
    ) {
        let [flip, drop, insert, twice, pause] = rates;
        let faults = Faults { flip, drop, insert, twice: 20 * twice, pause: 10 * pause, longest: 400 };
        run(u64::from(seed), faults, there, back, LONG);
    }
}

#[test]
fn silence_is_noticed_after_pings() {
    let silence = Duration::from_secs(2);
    let mut link = new_link(silence);
    let mut now = Duration::ZERO;
    let mut pings = 0;
    while link.dead(now).is_none() {
        now = link.deadline();
        assert!(now <= silence);
        let mut out = Vec::new();
        link.poll(now, &mut out);
        pings += usize::from(!out.is_empty());
    }
    assert_eq!((now, pings), (silence, 4));
    assert_eq!(link.dead(now), Some(Dead::Silent(silence)));
}

#[test]
fn who_takes_nothing_is_noticed() {
    let silence = Duration::from_secs(2);
    let mut link = new_link(silence);
    link.send(vec![1], Duration::ZERO);
    let mut now = Duration::ZERO;
    while link.dead(now).is_none() {
        now += Duration::from_millis(100);
        link.poll(now, &mut Vec::new());
        // It answers, but what it acknowledges is nothing new, or was never sent.
        for acknowledges in [0, 200, 2] {
            let frame = Frame {
                kind: FrameKind::Ack,
                sequence: 0,
                acknowledges,
                payload: Vec::new(),
            };
            assert_eq!(link.take(Ok(frame), now), Taken::Nothing);
        }
    }
    assert_eq!(now, silence * STUCK);
    assert_eq!(link.acknowledged(), 0);
}
