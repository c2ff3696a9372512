//! The call patterns of linked_list_allocator over kos-alloc, renamed in the manifest.
#![cfg(test)]

extern crate alloc;

mod patterns {
    use linked_list_allocator as peer;
    include!("../../../../kos-alloc/tests/compat/linked_list.rs");
}

#[test]
fn the_workload_runs() {
    patterns::workload();
}
