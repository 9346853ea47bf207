//! `cargo fuzz run bodies --features libfuzzer`; what it checks is in `src/bodies.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::bodies::run(input));
