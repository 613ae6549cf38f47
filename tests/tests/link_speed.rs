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

    /// Share of the cycles in which a beat came.
    fn beats_per_cycle(&self) -> f64 {
        (self.after.to_card.beats - self.before.to_card.beats) as f64 / self.cycles as f64
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
        while linked.card.root().traffic().read_bytes - start < bytes {
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

/// 64-bit beats, an answer after 250 cycles, which are 1 us at 250 MHz.
#[test]
fn reads_use_nine_tenths_of_what_headers_leave() {
    for (max_payload, max_read) in [(0, 2), (1, 2), (2, 2), (0, 0)] {
        let payload = f64::from(128u32 << max_payload);
        // 3 doublewords of header and the payload, in whole beats of 8 bytes.
        let limit = payload / ((payload + 12.0) / 8.0).ceil();
        let (window, mut linked) = measure(root::Options::default(), max_payload, max_read);
        let share = window.bytes_per_cycle() / limit;
        println!(
            "payload {payload}: {:.3} bytes a cycle of {limit:.3}, {:.1} %, link used {:.1} %, {} reads at once",
            window.bytes_per_cycle(),
            100.0 * share,
            100.0 * window.beats_per_cycle(),
            window.after.most_reads,
        );
        assert!(share >= 0.9, "{share}");
        assert!(share <= 1.0, "{share}");
        // The card counts the same: requests of 512 bytes for the data, and those of the front end.
        let traffic = *linked.card.root().traffic();
        assert_eq!(counter(&mut linked, "pcie.read.requests"), traffic.reads);
        let data = BYTES >> (7 + max_read);
        assert!(
            (data..data + 8).contains(&traffic.reads),
            "{}",
            traffic.reads
        );
        assert_eq!(counter(&mut linked, "pcie.write.requests"), traffic.writes);
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
