//! The editors that are compared, each through its operation on ranges where it has one.

mod aarch64;
mod atomic;
mod floor;
mod generic;
mod kos;
mod multiarch;
mod x86;

use super::{Tables, Workload};
use crate::harness::question::{Promise, Subject};
use crate::peers::peer;

/// All editors, ours first.
pub(crate) fn subjects<W: Workload>(workload: W) -> Vec<Subject> {
    let x86 = peer("x86_64");
    vec![
        subject::<kos::Kos<kos::Alone>, W>(
            "kos-paging Table<X86Long<4>>".to_owned(),
            "reserves first, so all or nothing; zeroes tables itself; no CPU to flush; hands out what it unmapped and \
             gives empty tables back",
            workload,
        ),
        subject::<x86::Kept, W>(
            format!("{x86} OffsetPageTable"),
            "one call a page; zeroes tables itself; flushes ignored; keeps empty tables",
            workload,
        ),
        subject::<x86::Freed, W>(
            format!("{x86} OffsetPageTable + clean_up_addr_range"),
            "the same; then gives empty tables back",
            workload,
        ),
        subject::<multiarch::Multiarch, W>(
            peer("page_table_multiarch"),
            "zeroes tables itself; records flushes, does none; keeps empty tables",
            workload,
        ),
        subject::<generic::Generic, W>(
            peer("page-table-generic"),
            "entries by us (x86_64 bits); zeroes tables itself; empty flush; gives empty tables back",
            workload,
        ),
        subject::<aarch64::Aarch64, W>(
            peer("aarch64-paging"),
            "AArch64 entries, stored with release; our allocator zeroes; inactive: no flush; gives whole tables back",
            workload,
        ),
        subject::<floor::Floor, W>(
            "bare loop".to_owned(),
            "no API, no check: the stores alone, into tables that are at hand",
            workload,
        ),
    ]
}

/// Editors of a table that CPUs may use meanwhile: no accessed or dirty bit that they set may be lost.
pub(crate) fn live_subjects<W: Workload>(workload: W) -> Vec<Subject> {
    vec![
        subject::<kos::Kos<kos::Loaded>, W>(
            "kos-paging Table<X86Long<4>, _, Live>".to_owned(),
            "as exclusive, but each present entry is replaced by an atomic exchange",
            workload,
        ),
        subject::<atomic::Atomic, W>(
            "bare loop, atomic".to_owned(),
            "no API, no check: one locked instruction a leaf, on tables that are at hand",
            workload,
        ),
    ]
}

fn subject<T: Tables, W: Workload>(name: String, note: &'static str, workload: W) -> Subject {
    Subject {
        name,
        promise: Promise::Exclusive,
        note,
        counted: true,
        make: Box::new(move || workload.body::<T>()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Tables, aarch64, atomic, floor, generic, kos, multiarch, x86};
    use crate::paging::{Leaf, expect_mapped, pool};

    /// What a subject keeps would be missing for the next.
    fn returns_every_frame<T: Tables>() {
        let free = pool::free();
        for leaf in [Leaf::Page, Leaf::Huge] {
            let mut tables = T::new();
            tables.map(leaf);
            expect_mapped(&tables, true);
            assert!(pool::free() < free);
            drop(tables);
            assert_eq!(pool::free(), free);
        }
    }

    #[test]
    fn frames_of_tables_come_back() {
        returns_every_frame::<kos::Kos<kos::Alone>>();
        returns_every_frame::<kos::Kos<kos::Loaded>>();
        returns_every_frame::<x86::Kept>();
        returns_every_frame::<x86::Freed>();
        returns_every_frame::<multiarch::Multiarch>();
        returns_every_frame::<generic::Generic>();
        returns_every_frame::<aarch64::Aarch64>();
        returns_every_frame::<floor::Floor>();
        returns_every_frame::<atomic::Atomic>();
    }

    /// The notes in the tables say who frees: they have to be true.
    #[test]
    fn emptied_tables_are_given_back_by_those_who_say_so() {
        fn kept<T: Tables>() -> usize {
            let mut tables = T::new();
            let free = pool::free();
            tables.map(Leaf::Page);
            tables.unmap(Leaf::Page);
            free - pool::free()
        }
        assert_eq!(kept::<kos::Kos<kos::Alone>>(), 0);
        assert_eq!(kept::<x86::Kept>(), 514);
        assert_eq!(kept::<x86::Freed>(), 0);
        assert_eq!(kept::<multiarch::Multiarch>(), 514);
        assert_eq!(kept::<generic::Generic>(), 0);
        assert_eq!(kept::<aarch64::Aarch64>(), 1);
    }
}
