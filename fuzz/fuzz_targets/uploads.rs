//! `cargo fuzz run uploads --features libfuzzer`; what it checks is in `src/uploads.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::uploads::run(input));
