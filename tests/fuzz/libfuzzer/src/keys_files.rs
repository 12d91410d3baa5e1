#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::keys_files::check(bytes));
