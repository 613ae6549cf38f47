//! A server's bytes against the client.

#![no_main]

#[path = "../../tests/common/fuzzing.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|script: &[u8]| fuzzing::run_client(script));
