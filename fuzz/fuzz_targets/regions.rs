#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_alloc::testing::fuzz::regions(data));
