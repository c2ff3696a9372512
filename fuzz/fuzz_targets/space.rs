//! Operations on four address spaces beside deep copies.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_paging::testing::fuzz::space(data));
