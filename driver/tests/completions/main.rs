//! Completion entries of every kind against the driver: what does not fit is named and changes
//! nothing, what fits is taken once, and nothing makes it panic.
//!
//! A script of bytes says what is submitted, what stands in the ring of completions and when the
//! driver looks. Those in `corpus/completions` are kept; more come by chance, and `fuzz/` searches for
//! others. `SYSTOLE_FULL=1` judges ten million entries by chance.

#[expect(dead_code, reason = "scripts say what stands in the ring")]
#[path = "../null/mod.rs"]
mod null;
mod oracle;
mod script;

use std::collections::BTreeMap;
use std::path::Path;

use oracle::run;
use script::random;

/// What the driver can find wrong with an entry, and that all was well.
const OUTCOMES: [&str; 11] = [
    "",
    "a reserved bit is set",
    "a submission that failed names a command",
    "a success names a command",
    "no program is outstanding",
    "the failed command is beyond the program",
    "the head does not follow the submission",
    "the program of this tag has ended before",
    "the status is unknown",
    "the tag is that of a later program",
    "the tag was never given",
];

#[test]
fn the_corpus_is_stood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/completions");
    let files = std::fs::read_dir(folder).expect("it is there");
    let mut outcomes = BTreeMap::new();
    for file in files {
        let path = file.expect("it can be listed").path();
        if path.extension().is_some_and(|it| it == "bin") {
            let script = std::fs::read(&path).expect("it can be read");
            println!("{}", path.display());
            run(&script, &mut outcomes);
        }
    }
    for what in OUTCOMES {
        assert!(outcomes.contains_key(what), "`{what}` is in no script");
    }
}

#[test]
fn entries_by_chance_are_stood() {
    let is_full = std::env::var_os("SYSTOLE_FULL").is_some_and(|value| value != "0");
    let least = if is_full { 10_000_000 } else { 600_000 };
    let mut outcomes = BTreeMap::new();
    for seed in 0.. {
        let script = random(seed);
        println!("seed {seed}: {script:02x?}");
        run(&script, &mut outcomes);
        if outcomes.values().sum::<u64>() >= least {
            break;
        }
    }
    for what in OUTCOMES {
        let count = outcomes.get(what).copied().unwrap_or(0);
        assert!(
            count > least / 10_000,
            "`{what}` came {count} times: {outcomes:?}"
        );
    }
}
