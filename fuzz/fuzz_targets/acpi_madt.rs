#![no_main]
//! ACPI tables of a hostile firmware, read by the parser and, where it accepts them, by the model.

libfuzzer_sys::fuzz_target!(|data: &[u8]| kos_x86_64::testing::fuzz::acpi_madt(data));
