//! Both ends against scripts: those that were kept, and some thousand by chance.
//!
//! The corpus is what `cargo fuzz` found to be of interest and every script that ever failed; see
//! `corpus/README.md`.

#[path = "common/fuzzing.rs"]
mod fuzzing;

use std::fs;
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use fuzzing::*;

/// Whether any thread panicked since a script began.
static PANICKED: AtomicBool = AtomicBool::new(false);
/// Held while a script runs: a panic on a thread of the library, too, is then that script's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a script, and says which one it was if it fails, on whatever thread.
fn run(what: &str, script: &[u8], end: fn(&[u8])) {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::Relaxed);
            before(info);
        }));
    });
    // Held until a failure has been reported, too.
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    PANICKED.store(false, Ordering::Relaxed);
    let failed = catch_unwind(|| end(script)).is_err();
    if failed || PANICKED.load(Ordering::Relaxed) {
        panic!("{what}: {script:02x?}");
    }
}

/// Runs the scripts of a folder and gives their number.
fn corpus(folder: &str, end: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in &files {
        run(&file.display().to_string(), &fs::read(file).unwrap(), end);
    }
    files.len()
}

#[test]
fn the_server_stands_every_script_of_the_corpus() {
    assert!(corpus("server", run_server) > 0);
}

#[test]
fn the_client_stands_every_script_of_the_corpus() {
    assert!(corpus("client", run_client) > 0);
}

#[test]
fn the_server_stands_scripts_by_chance() {
    for seed in 0..4000 {
        run(
            &format!("seed {seed}"),
            &script_for_server(seed),
            run_server,
        );
    }
}

#[test]
fn the_client_stands_scripts_by_chance() {
    for seed in 0..1000 {
        run(
            &format!("seed {seed}"),
            &script_for_client(seed),
            run_client,
        );
    }
}
