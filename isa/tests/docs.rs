//! The documentation is the contract: the page is fresh and its lists of checks are true.

use isa::command::{Command, Gemm, Load, Opcode, Operation, Store};
use isa::config::{Config, Datapaths};
use isa::doc::{checks, page};
use isa::weights::StreamFormat;
use systole_isa as isa;

#[test]
fn the_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/isa.md");
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/isa.md is stale: run `cargo run -p systole-isa --features doc --example isa_docs`"
    );
}

/// Breaks one rule of a command.
type Break = fn(&mut [u32; 16]);

/// A good command of a card, and breaks of every check, in the order of the documented list. A check
/// with several parts has several breaks, one that this command cannot fail none.
struct Case {
    opcode: Opcode,
    config: Config,
    good: Operation,
    breaks: Vec<Vec<Break>>,
}

fn cases() -> Vec<Case> {
    let all = Config::default();
    let dense = Config {
        datapaths: Datapaths::DENSE,
        ..all
    };
    let load = Case {
        opcode: Opcode::Load,
        config: all,
        good: Operation::Load(Load {
            rows: 1,
            row_lines: 1,
            ..Load::default()
        }),
        breaks: vec![
            vec![|w| w[4] = w[4] & !0xff | 4],
            vec![|w| w[6] &= 0xffff, |w| w[6] &= 0xffff_0000],
            vec![|w| w[7] |= 8],
            vec![|w| w[2] |= 1],
            vec![|w| w[3] = 1 << 24],
            vec![|w| w[5] = 0xff_ffff, |w| w[6] = 0xffff_ffff],
        ],
    };
    let plain = Gemm {
        m: 1,
        k_tiles: 1,
        wgt_rows: dense.rows / 2,
        ..Gemm::default()
    };
    let gemm = Case {
        opcode: Opcode::Gemm,
        config: dense,
        good: Operation::Gemm(plain.with_stream(StreamFormat::PLAIN)),
        breaks: vec![
            vec![
                |w| w[7] = w[7] & !0xf | 1,
                |w| w[7] = w[7] & !0xf | 9,
                |w| w[7] |= 0x700,
            ],
            vec![
                |w| w[7] = w[7] & !0xf | 7,
                |w| w[7] |= 0x10,
                |w| w[7] |= 0x20,
                |w| w[7] |= 0x100,
            ],
            vec![|w| w[8] += 1],
            vec![|w| w[5] &= 0xffff],
            vec![],
            vec![|w| w[2] = 0xff_ffff, |w| w[4] = 0xff_ffff, |w| {
                w[5] |= 0xffff
            }],
        ],
    };
    let sparse = Case {
        opcode: Opcode::Gemm,
        config: all,
        good: Operation::Gemm(plain.with_stream(StreamFormat {
            bits: 4,
            two_four: true,
            ..StreamFormat::PLAIN
        })),
        breaks: vec![
            vec![|w| w[7] &= !0xf],
            vec![],
            vec![],
            vec![|w| w[5] &= 0xffff, |w| w[6] &= 0xffff_0000, |w| w[8] = 0],
            vec![|w| w[2] |= 1, |w| w[3] |= 1],
            vec![|w| w[2] = all_but(1), |w| w[8] = 0xff_ffff],
        ],
    };
    let store = Case {
        opcode: Opcode::Store,
        config: all,
        good: Operation::Store(Store {
            m: 1,
            format: 2,
            ..Store::default()
        }),
        breaks: vec![
            vec![|w| w[5] = w[5] & !0xff | 3],
            vec![|w| w[4] &= 0xffff],
            vec![|w| w[2] |= 1],
            vec![|w| w[3] = 1 << 24],
            vec![|w| w[4] |= 0xffff, |w| w[6] |= 0xffff, |w| {
                w[6] |= 0xffff_0000
            }],
        ],
    };
    let common: [Vec<Break>; 2] = [
        vec![|w| w[0] = w[0] & !0xff | 0xff, |w| w[0] &= !0xff],
        vec![|w| w[15] = 1, |w| w[0] |= 0x100],
    ];
    let mut cases = vec![load, gemm, sparse, store];
    for case in &mut cases {
        case.breaks.splice(0..0, common.clone());
    }
    cases
}

/// The largest 24-bit number without these bits.
const fn all_but(bits: u32) -> u32 {
    0xff_ffff & !bits
}

#[test]
fn checks_fail_in_the_documented_order() {
    for Case {
        opcode,
        config,
        good,
        breaks,
    } in cases()
    {
        let good = Command::new(good).encode();
        let front_end =
            |words: &[u32; 16]| Command::decode(words).and_then(|command| command.check(&config));
        let list = checks(opcode);
        assert_eq!(
            list.len(),
            breaks.len(),
            "{opcode:?}: breaks for each check"
        );
        assert_eq!(front_end(&good), Ok(()));
        for (index, check) in list.iter().enumerate() {
            for break_it in &breaks[index] {
                let mut words = good;
                break_it(&mut words);
                assert_eq!(
                    front_end(&words),
                    Err(check.error),
                    "{opcode:?}: {}",
                    check.rule
                );
                // The first of the later breaks comes on top; some cancel this one, so only
                // those that leave it standing are asked.
                for later in breaks[index + 1..].iter().filter_map(|list| list.first()) {
                    let mut both = good;
                    later(&mut both);
                    break_it(&mut both);
                    assert_eq!(
                        front_end(&both),
                        Err(check.error),
                        "{opcode:?}: {} comes first",
                        check.rule
                    );
                }
            }
        }
    }
}

#[test]
fn every_check_is_broken_by_some_case() {
    for opcode in Opcode::ALL {
        for index in 0..checks(opcode).len() {
            let mut cases = cases().into_iter().filter(|case| case.opcode == opcode);
            assert!(
                cases.any(|case| !case.breaks[index].is_empty()),
                "{opcode:?}: check {index}"
            );
        }
    }
}
