//! `cargo fuzz run answers --features libfuzzer`; what it checks is in `src/answers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::answers::run(input));
