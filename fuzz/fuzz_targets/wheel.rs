#![no_main]
//! Any bytes as a wheel of Python, as deflated bytes, and as changes to a sound wheel: what is taken is what it promises to be.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::wheel::testing::fuzz(data));
