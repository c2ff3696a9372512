#![no_main]
//! Any bytes as one of the files of users: what is accepted is printed as it was, and an error is in a line of the file.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::user::testing::account_files(data));
