//! `cargo fuzz run jwt --features libfuzzer`; what it checks is in `src/jwt.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::jwt::run(input));
