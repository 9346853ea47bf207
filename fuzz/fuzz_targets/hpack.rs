//! `cargo fuzz run hpack --features libfuzzer`; what it checks is in `src/hpack.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::hpack::run(input));
