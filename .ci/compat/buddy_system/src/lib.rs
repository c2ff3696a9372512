//! The call patterns of buddy_system_allocator over kos-alloc, renamed in the manifest.
#![cfg(test)]

extern crate alloc;

mod patterns {
    use buddy_system_allocator as peer;
    include!("../../../../kos-alloc/tests/compat/buddy_system.rs");
}

#[test]
fn the_workload_runs() {
    patterns::workload();
}
