//! What does it cost to change the rights of a gibibyte?

use super::{BYTES, Leaf, Tables, Workload, expect_mapped, live_subjects, subjects};
use crate::harness::question::{Body, Question, Shape, Subject};

/// The question for leaves of one size.
pub(crate) fn question(name: &'static str, leaf: Leaf) -> Question {
    asked(name, leaf, subjects(Protect { leaf }))
}

/// The same of a table that CPUs may use meanwhile.
pub(crate) fn live(name: &'static str, leaf: Leaf) -> Question {
    asked(name, leaf, live_subjects(Protect { leaf }))
}

fn asked(name: &'static str, leaf: Leaf, subjects: Vec<Subject>) -> Question {
    Question {
        name,
        what: format!(
            "Take the right to write from {BYTES} bytes that are mapped in leaves of {} bytes; every second time give \
             it back.",
            leaf.bytes()
        ),
        operation: "leaf",
        operations: leaf.count(),
        shape: Shape::Repeated { counted: 1 },
        subjects,
    }
}

#[derive(Clone, Copy)]
struct Protect {
    leaf: Leaf,
}

impl Workload for Protect {
    fn body<T: Tables>(self) -> Box<dyn Body> {
        let mut tables = T::new();
        tables.map(self.leaf);
        Box::new(Protects { leaf: self.leaf, tables, writable: true })
    }
}

struct Protects<T> {
    leaf: Leaf,
    tables: T,
    writable: bool,
}

impl<T: Tables> Body for Protects<T> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.writable = !self.writable;
            self.tables.protect(self.leaf, self.writable);
        }
    }

    fn verify(&mut self) {
        expect_mapped(&self.tables, true);
    }
}
