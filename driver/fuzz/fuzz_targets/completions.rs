//! Completion entries against the driver's queue pair.

#![no_main]

use std::collections::BTreeMap;

#[expect(dead_code, reason = "scripts say what stands in the ring")]
#[path = "../../tests/null/mod.rs"]
mod null;
#[path = "../../tests/completions/oracle.rs"]
mod oracle;
#[expect(dead_code, reason = "the fuzzer draws the scripts")]
#[path = "../../tests/completions/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|script: &[u8]| oracle::run(script, &mut BTreeMap::new()));
