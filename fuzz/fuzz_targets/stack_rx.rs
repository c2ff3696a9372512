#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_net::testing::fuzz::stack_rx(data));
