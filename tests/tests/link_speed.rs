//! How much of the link a program uses that reads host memory as fast as it can, from counters.

use isa::command::{Buffer, Command, Load, Operation};
use isa::config::Config;
use isa::regs;
use pcie::root::{self, Traffic};
use sim::LinkOptions;
use systole_tests::bench::{DATA, Device, Host, PROGRAMS, put_words, words};
use systole_tests::link::Linked;

/// Bytes that the program reads.
const BYTES: u64 = 128 << 10;
/// Cycles in which even the slowest link has read all of them.
const PATIENCE: u64 = 1 << 20;

/// What was measured between two moments of the program.
struct Window {
    cycles: u64,
    before: Traffic,
    after: Traffic,
}

impl Window {
    /// Payload that came in a cycle.
    fn bytes_per_cycle(&self) -> f64 {
        (self.after.read_bytes - self.before.read_bytes) as f64 / self.cycles as f64
    }
}

/// Loads 128 KiB and measures from the first 8 KiB to the last.
fn measure(root: root::Options, max_payload: u16, max_read: u16) -> (Window, Linked) {
    let config = Config {
        card_memory_mib: 0,
        ..Config::with_array(4, 4)
    };
    let options = LinkOptions {
        root,
        ..LinkOptions::default()
    };
    let mut linked = Linked::new(&config, &options);
    linked.set_sizes(max_payload, max_read);
    let mut host = Host::start(&mut linked, 2);
    let piece = BYTES / 4;
    let load = |index: u64| {
        Command::new(Operation::Load(Load {
            src: DATA + piece * index,
            buffer: Buffer::Activations as u8,
            dst_line: (piece * index / 16) as u32,
            row_lines: (piece / 16) as u16,
            rows: 1,
            stride: 16,
        }))
    };
    let program: Vec<Command> = (0..4).map(load).collect();
    let entry = put_words(linked.memory(), PROGRAMS.start, &words(&program), 1);
    linked.write(regs::COUNTER_CONTROL, regs::COUNTERS_CLEAR);
    host.submit(&mut linked, &entry, 1);
    host.ring(&mut linked);
    let start = linked.card.root().traffic().read_bytes;
    let reach = |linked: &mut Linked, bytes: u64| {
        let read = |linked: &mut Linked| linked.card.root().traffic().read_bytes - start;
        let mut left = PATIENCE;
        while read(linked) < bytes {
            let so_far = read(linked);
            assert!(left > 0, "{so_far} of {bytes} bytes in {PATIENCE} cycles");
            left -= 1;
            linked.idle(1);
        }
        let root = linked.card.root();
        (root.cycles(), *root.traffic())
    };
    let (first, before) = reach(&mut linked, 8 << 10);
    let (last, after) = reach(&mut linked, BYTES - (8 << 10));
    let done = host.take(&mut linked).expect("it ends");
    assert_eq!(done.status, 0);
    let window = Window {
        cycles: last - first,
        before,
        after,
    };
    (window, linked)
}

fn counter(linked: &mut Linked, name: &str) -> u64 {
    let index = regs::COUNTERS
        .iter()
        .position(|counter| counter.name == name)
        .unwrap_or_else(|| panic!("no counter {name}"));
    let offset = regs::counter_offset(index);
    u64::from(linked.read(offset)) | u64::from(linked.read(offset + 4)) << 32
}

/// An answer after 250 cycles, which are 1 us at 250 MHz; beats of 64 and of 128 bits.
#[test]
fn reads_use_nine_tenths_of_what_headers_leave() {
    // Words of a beat, most payload of an answer, most bytes of a read.
    for (words, payload, read) in [
        (2, 64u32, 512u32),
        (2, 128, 512),
        (2, 256, 512),
        (2, 512, 512),
        (2, 128, 128),
        (4, 64, 512),
        (4, 512, 512),
    ] {
        let code = |bytes: u32| bytes.max(128).ilog2() as u16 - 7;
        // 3 doublewords of header and the payload, in whole beats.
        let beat = 4 * words as u32;
        let limit = f64::from(payload) / f64::from((payload + 12).div_ceil(beat));
        let options = root::Options {
            words,
            completion_bytes: payload,
            ..root::Options::default()
        };
        let (window, mut linked) = measure(options, code(payload), code(read));
        let share = window.bytes_per_cycle() / limit;
        println!(
            "{} bits, payload {payload}, read {read}: {:.3} bytes a cycle of {limit:.3}, {:.1} %",
            32 * words,
            window.bytes_per_cycle(),
            100.0 * share,
        );
        assert!((0.9..=1.0).contains(&share), "{share}");
        // The card counts the same: the requests for the data, and a few of the front end.
        let traffic = *linked.card.root().traffic();
        assert_eq!(counter(&mut linked, "pcie.read.requests"), traffic.reads);
        let data = BYTES / u64::from(read);
        assert!((data..data + 8).contains(&traffic.reads), "{traffic:?}");
        assert_eq!(counter(&mut linked, "pcie.write.requests"), traffic.writes);
        // A piece begins beside the end of its header; the front end's few lines come on top.
        let dwords = u64::from(payload / 4);
        let piece = 1 + (dwords - 1).div_ceil(words as u64);
        let beats = BYTES / (4 * dwords) * piece;
        let counted = counter(&mut linked, "pcie.read.beats");
        assert!(
            (beats..beats + 100).contains(&counted),
            "{counted}, {beats}"
        );
    }
}

/// More latency than 32 tags of 512 bytes can hide: all tags are used, and the card says so.
#[test]
fn a_far_host_is_slow_by_the_number_of_tags() {
    let options = root::Options {
        latency: 4000,
        ..root::Options::default()
    };
    let (window, mut linked) = measure(options, 0, 2);
    assert_eq!(window.after.most_reads, 32);
    // 32 reads of 512 bytes in a round trip.
    let bound = 32.0 * 512.0 / 4000.0;
    let rate = window.bytes_per_cycle();
    assert!(rate <= bound && rate > 0.7 * bound, "{rate} of {bound}");
    assert!(counter(&mut linked, "pcie.read.tags") > window.cycles / 2);
}
