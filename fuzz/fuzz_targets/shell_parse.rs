#![no_main]
//! Any text as a script of the demo's shell: what is accepted, printed, parses to the same.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::shell::lang::testing::parse_and_print(data));
