#![no_main]
//! Start information of a hostile boot loader, read by the parser and by the model.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_x86_64::testing::fuzz::pvh_start_info(data));
