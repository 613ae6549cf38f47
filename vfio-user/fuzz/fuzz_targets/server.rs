//! A client's bytes against the server.

#![no_main]

#[path = "../../tests/common/fuzzing.rs"]
mod fuzzing;

libfuzzer_sys::fuzz_target!(|script: &[u8]| fuzzing::run_server(script));
