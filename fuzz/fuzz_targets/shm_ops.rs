#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_ipc::testing::fuzz::shm_ops(data));
