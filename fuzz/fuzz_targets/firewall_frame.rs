#![no_main]
//! Any bytes as a rule of the demo's firewall and a frame: never a panic, a verdict that the rule and the default explain.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_demo_kernel::net::firewall::testing::frame(data));
