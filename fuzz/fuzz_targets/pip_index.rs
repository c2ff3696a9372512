#![no_main]
//! Any bytes as a page of an index of packages, as versions and links, and as what a page is made of: what is chosen is what it should be.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::wheel::index::testing::fuzz(data));
