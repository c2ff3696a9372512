//! Operations on page tables: table, naive model, software MMU and TLB must agree.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_paging::testing::fuzz::page_table_ops(data));
