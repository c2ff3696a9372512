#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_sched::testing::fuzz::core_ops(data));
