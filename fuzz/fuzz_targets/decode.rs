//! Any bits as an entry of each page-table format.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_paging::testing::fuzz::decode(data));
