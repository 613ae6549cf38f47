//! The documentation is the contract: the page is fresh and its lists of checks are true.

use isa::command::{Command, Gemm, Load, Opcode, Operation, Store};
use isa::config::Config;
use isa::doc::{checks, page};
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

/// Breaks of every check, in the order of the documented list; a check with several parts has
/// several breaks.
fn breaks(opcode: Opcode) -> Vec<Vec<Break>> {
    let common: [Vec<Break>; 2] = [
        vec![|w| w[0] = w[0] & !0xff | 0xff, |w| w[0] &= !0xff],
        vec![|w| w[15] = 1, |w| w[0] |= 0x100],
    ];
    let own: Vec<Vec<Break>> = match opcode {
        Opcode::Load => vec![
            vec![|w| w[4] = w[4] & !0xff | 4],
            vec![|w| w[6] &= 0xffff, |w| w[6] &= 0xffff_0000],
            vec![|w| w[7] |= 8],
            vec![|w| w[2] |= 1],
            vec![|w| w[3] = 1 << 24],
            vec![|w| w[5] = 0xff_ffff, |w| w[6] = 0xffff_ffff],
        ],
        Opcode::Gemm => vec![
            vec![|w| w[7] = 1, |w| w[7] = 0x100],
            vec![|w| w[5] &= 0xffff, |w| w[6] &= 0xffff_0000],
            vec![|w| w[2] = 0xff_ffff, |w| w[4] = 0xff_ffff, |w| {
                w[5] |= 0xffff
            }],
        ],
        Opcode::Store => vec![
            vec![|w| w[5] = w[5] & !0xff | 3],
            vec![|w| w[4] &= 0xffff],
            vec![|w| w[2] |= 1],
            vec![|w| w[3] = 1 << 24],
            vec![|w| w[4] |= 0xffff, |w| w[6] |= 0xffff, |w| {
                w[6] |= 0xffff_0000
            }],
        ],
    };
    common.into_iter().chain(own).collect()
}

fn good(opcode: Opcode) -> [u32; 16] {
    let operation = match opcode {
        Opcode::Load => Operation::Load(Load {
            rows: 1,
            row_lines: 1,
            ..Load::default()
        }),
        Opcode::Gemm => Operation::Gemm(Gemm {
            m: 1,
            k_tiles: 1,
            ..Gemm::default()
        }),
        Opcode::Store => Operation::Store(Store {
            m: 1,
            format: 2,
            ..Store::default()
        }),
    };
    Command::new(operation).encode()
}

#[test]
fn checks_fail_in_the_documented_order() {
    let config = Config::default();
    let front_end =
        |words: &[u32; 16]| Command::decode(words).and_then(|command| command.check(&config));
    for opcode in Opcode::ALL {
        let list = checks(opcode);
        let breaks = breaks(opcode);
        assert_eq!(
            list.len(),
            breaks.len(),
            "{opcode:?}: a break for each check"
        );
        assert_eq!(front_end(&good(opcode)), Ok(()));
        for (index, check) in list.iter().enumerate() {
            for break_it in &breaks[index] {
                let mut words = good(opcode);
                break_it(&mut words);
                assert_eq!(
                    front_end(&words),
                    Err(check.error),
                    "{opcode:?}: {}",
                    check.rule
                );
                // The first of the later breaks comes on top; some cancel this one, so only
                // those that leave it standing are asked.
                for later in breaks[index + 1..].iter().map(|list| list[0]) {
                    let mut both = good(opcode);
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
