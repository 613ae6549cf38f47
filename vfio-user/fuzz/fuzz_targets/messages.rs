//! Payloads against every decoder.

#![no_main]

#[path = "../../tests/common/decoding.rs"]
mod decoding;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| decoding::decode_all(payload));
