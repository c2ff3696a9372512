//! Page tables of any content: walks end and stay in memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_paging::testing::fuzz::walk_hostile(data));
