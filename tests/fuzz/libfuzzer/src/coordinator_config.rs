#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::coordinator_config::check(bytes));
