//! `cargo fuzz run headers --features libfuzzer`; what it checks is in `src/headers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::headers::run(input));
