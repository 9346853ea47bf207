//! `cargo fuzz run session --features libfuzzer`; what it checks is in `src/session.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::session::run(input));
