#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_vfs::testing::fuzz::resolve(data));
