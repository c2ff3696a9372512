//! What does it cost to unmap a gibibyte?

use super::{BYTES, Leaf, Tables, Workload, expect_mapped, subjects};
use crate::harness::question::{Body, Question, Shape};

/// The question for leaves of one size.
pub(crate) fn question(name: &'static str, leaf: Leaf) -> Question {
    Question {
        name,
        what: format!("Unmap {BYTES} bytes that are mapped in leaves of {} bytes.", leaf.bytes()),
        operation: "leaf",
        operations: leaf.count(),
        shape: Shape::Once,
        subjects: subjects(Unmap { leaf }),
    }
}

#[derive(Clone, Copy)]
struct Unmap {
    leaf: Leaf,
}

impl Workload for Unmap {
    fn body<T: Tables>(self) -> Box<dyn Body> {
        Box::new(Unmaps::<T> { leaf: self.leaf, tables: None })
    }
}

struct Unmaps<T> {
    leaf: Leaf,
    tables: Option<T>,
}

impl<T: Tables> Body for Unmaps<T> {
    fn prepare(&mut self) {
        self.tables = None;
        self.tables.insert(T::new()).map(self.leaf);
    }

    fn run(&mut self, steps: usize) {
        for tables in self.tables.iter_mut().take(steps) {
            tables.unmap(self.leaf);
        }
    }

    fn verify(&mut self) {
        self.tables.iter().for_each(|tables| expect_mapped(tables, false));
    }
}
