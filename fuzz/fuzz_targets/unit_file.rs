#![no_main]
//! Any bytes as a unit file of the demo's services: what is accepted, printed, is read the same; an error is in the file.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::svc::unit::parse_and_print(data));
