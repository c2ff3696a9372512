//! What does it cost to map a gibibyte, tables included?

use super::{BYTES, Leaf, Tables, Workload, expect_mapped, subjects};
use crate::harness::question::{Body, Question, Shape};

/// The question for leaves of one size.
pub(crate) fn question(name: &'static str, leaf: Leaf) -> Question {
    Question {
        name,
        what: format!("Map {BYTES} bytes in an empty address space in leaves of {} bytes.", leaf.bytes()),
        operation: "leaf",
        operations: leaf.count(),
        shape: Shape::Once,
        subjects: subjects(Map { leaf }),
    }
}

#[derive(Clone, Copy)]
struct Map {
    leaf: Leaf,
}

impl Workload for Map {
    fn body<T: Tables>(self) -> Box<dyn Body> {
        Box::new(Maps::<T> { leaf: self.leaf, tables: None })
    }
}

struct Maps<T> {
    leaf: Leaf,
    tables: Option<T>,
}

impl<T: Tables> Body for Maps<T> {
    fn prepare(&mut self) {
        // The old one gives its frames back first.
        self.tables = None;
        self.tables = Some(T::new());
    }

    fn run(&mut self, steps: usize) {
        for tables in self.tables.iter_mut().take(steps) {
            tables.map(self.leaf);
        }
    }

    fn verify(&mut self) {
        self.tables.iter().for_each(|tables| expect_mapped(tables, true));
    }
}
