//! The way from a Verilated module through its pins to the memory, with a stand-in for the card.

use std::path::Path;

use isa::config::Config;
use isa::error::FaultCause;
use isa::model::{Memory, SliceMemory};
use isa::regs;
use sim::memory::{Fault, MemoryOptions, Random};
use sim::{Card, Error, Options};
use verilate::{Design, Library};

const BASE: u64 = 0x10_0000;

fn library(fst: bool) -> Library {
    build(fst).expect("the stand-in builds")
}

fn build(fst: bool) -> Result<Library, verilate::Error> {
    let design = Design::from_verilog("systole_card", include_str!("common/copier.v"))
        .expect("the stand-in has readable pins");
    let options = verilate::Options { fst, native: false };
    verilate::build(&design, &options, Path::new(env!("CARGO_TARGET_TMPDIR")))
}

fn card(options: &Options) -> Card<SliceMemory> {
    let host = SliceMemory::new(BASE, 1 << 17);
    Card::with_library(&library(options.fst), &Config::default(), options, host)
        .expect("the stand-in has the pins of the card")
}

/// Copies some lines and gives the status register.
fn copy(card: &mut Card<SliceMemory>, src: u64, dst: u64, lines: u32) -> Result<u32, Error> {
    card.write_reg(0x10, src as u32)?;
    card.write_reg(0x14, dst as u32)?;
    card.write_reg(0x18, lines)?;
    card.write_reg(0x1c, 1)?;
    assert!(card.run_until_irq(10_000)?, "the copy ends");
    card.read_reg(0x20)
}

fn fill(card: &mut Card<SliceMemory>) -> Vec<u8> {
    let data: Vec<u8> = (0..256).map(|i| (i * 7 + 3) as u8).collect();
    assert!(card.host().write(BASE, &data));
    data
}

#[test]
fn registers_interrupt_and_data_pass() {
    for random in [None, Some(Random::rough(5))] {
        let memory = MemoryOptions {
            random,
            ..MemoryOptions::default()
        };
        let mut card = card(&Options { fst: false, memory });
        assert_eq!(card.read_reg(regs::ID).expect("a read"), regs::ID_VALUE);
        assert!(!card.irq() && !card.active());
        let data = fill(&mut card);
        for lines in 1..=16 {
            let dst = BASE + 0x1000 * u64::from(lines);
            assert_eq!(copy(&mut card, BASE, dst, lines).expect("a copy"), 1);
            let mut out = vec![0; 256];
            assert!(card.host().read(dst, &mut out));
            let end = 16 * lines as usize;
            assert_eq!(out[..end], data[..end]);
            let called: Vec<bool> = (0..9).map(|queue| card.queue_irq(queue)).collect();
            assert_eq!(
                called,
                [false, false, false, false, false, false, false, true, false]
            );
            assert!(card.irq() && !card.active());
            assert!(out[end..].iter().all(|byte| *byte == 0));
        }
        assert_eq!(card.memory().traffic().write_beats, 136);
        assert!(card.cycles() > 0 && card.cycles_per_second() > 0.0);
    }
}

#[test]
fn a_copy_takes_two_latencies() {
    let mut card = card(&Options::default());
    fill(&mut card);
    card.write_reg(0x10, BASE as u32).expect("a write");
    card.write_reg(0x14, BASE as u32 + 0x1000).expect("a write");
    card.write_reg(0x18, 4).expect("a write");
    card.write_reg(0x1c, 1).expect("a write");
    let start = card.cycles();
    assert!(card.run_until_irq(1000).expect("no broken rule"));
    // Address, latency, 4 beats in; 4 beats out (the last one cycle after its address), latency.
    assert_eq!(card.cycles() - start, 100 + 4 + 4 + 100);
}

#[test]
fn errors_of_memory_arrive() {
    let memory = MemoryOptions {
        faults: vec![Fault {
            addresses: BASE + 0x2000..BASE + 0x3000,
            reads: false,
            writes: true,
        }],
        ..MemoryOptions::default()
    };
    let mut card = card(&Options { fst: false, memory });
    let status = copy(&mut card, BASE, BASE + 0x2000, 2).expect("a copy");
    assert_eq!(status, 1 | 2 << 1, "SLVERR");
    let status = copy(&mut card, 0x100, BASE, 2).expect("a copy");
    assert_eq!(status, 1 | 3 << 1, "DECERR");
}

/// Memory that says why it refuses.
struct Guarded(SliceMemory, FaultCause);

impl Memory for Guarded {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.0.read(addr, out)
    }
    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        self.0.write(addr, data)
    }
    fn cause(&self) -> FaultCause {
        self.1
    }
}

#[test]
fn causes_of_errors_arrive() {
    let library = library(false);
    for cause in FaultCause::ALL {
        let host = Guarded(SliceMemory::new(BASE, 1 << 16), cause);
        let mut card = Card::with_library(&library, &Config::default(), &Options::default(), host)
            .expect("the stand-in has the pins of the card");
        for (src, dst) in [(0x100, BASE), (BASE, 0x100)] {
            for (offset, value) in [(0x10, src as u32), (0x14, dst as u32), (0x18, 2), (0x1c, 1)] {
                card.write_reg(offset, value).expect("a write");
            }
            assert!(card.run_until_irq(10_000).expect("no broken rule"));
            let status = card.read_reg(0x20).expect("a read");
            assert_eq!(status, 1 | 3 << 1 | (cause as u32) << 3);
        }
    }
}

#[test]
fn single_bytes_of_a_register_are_written() {
    let mut card = card(&Options::default());
    card.write_reg(0x10, 0).expect("a write");
    let mut expected = 0u32;
    for strobes in (0..16).chain([1, 8, 4, 2]) {
        let value = 0x0102_0304 * u32::from(strobes + 1);
        let bits = |byte: u32| u32::from(strobes >> byte & 1 == 1) * (0xff << (8 * byte));
        let mask: u32 = (0..4).map(bits).sum();
        expected = expected & !mask | value & mask;
        card.write_reg_bytes(0x10, value, strobes).expect("a write");
        assert_eq!(card.read_reg(0x10).expect("a read"), expected);
    }
    card.write_reg(0x10, 5).expect("a write");
    assert_eq!(card.read_reg(0x10).expect("a read"), 5, "all bytes again");
}

#[test]
fn a_broken_rule_stops_the_card_with_a_reason_until_it_is_reset() {
    let mut card = card(&Options::default());
    let error = copy(&mut card, BASE + 0xff0, BASE, 2).expect_err("a burst across 4 KiB");
    assert!(error.to_string().contains("4 KiB"), "{error}");
    let again = card.step(1).expect_err("the card is broken");
    assert_eq!(again.to_string(), error.to_string());
    card.reset();
    assert_eq!(copy(&mut card, BASE, BASE + 0x1000, 2).expect("a copy"), 1);
}

#[test]
fn waiting_ends() {
    let mut card = card(&Options::default());
    assert!(!card.run_until_irq(100).expect("no broken rule"));
    card.memory().hang(true);
    card.write_reg(0x1c, 1).expect("a write");
    assert!(!card.run_until_irq(1000).expect("no broken rule"));
}

#[test]
fn wrong_shapes_are_refused() {
    let host = SliceMemory::new(BASE, 16);
    let narrow = Config {
        port_bytes: 32,
        ..Config::default()
    };
    let error = Card::with_library(&library(false), &narrow, &Options::default(), host.clone())
        .expect_err("the stand-in has a port of 16 bytes");
    assert!(error.to_string().contains("`m_rdata`"), "{error}");
    let odd = Config {
        rows: 7,
        ..Config::default()
    };
    assert!(matches!(
        Card::open(&odd, &Options::default(), host),
        Err(Error::Config(_))
    ));
}

#[test]
fn waveforms_are_written_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card.fst");
    let mut plain = card(&Options::default());
    assert!(plain.trace(&path).is_err(), "not asked for");
    let mut card = card(&Options {
        fst: true,
        ..Options::default()
    });
    card.trace(&path).expect("a waveform");
    card.step(100).expect("no broken rule");
    card.end_trace();
    assert!(path.metadata().expect("the file").len() > 0);
}
