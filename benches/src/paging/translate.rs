//! What does one translation cost, address after address?

use core::hint::black_box;

use super::{BYTES, Leaf, PHYSICAL, Tables, VIRTUAL, Workload, subjects};
use crate::harness::must;
use crate::harness::question::{Body, Question, Shape};

/// Where in its page each address lies.
const OFFSET: usize = 0x123;

/// The question for leaves of one size.
pub(crate) fn question(name: &'static str, leaf: Leaf) -> Question {
    Question {
        name,
        what: format!(
            "Translate one address in each leaf of {} bytes, in order, {BYTES} bytes being mapped.",
            leaf.bytes()
        ),
        operation: "translation",
        operations: leaf.count(),
        shape: Shape::Repeated { counted: 1 },
        subjects: subjects(Translate { leaf }),
    }
}

#[derive(Clone, Copy)]
struct Translate {
    leaf: Leaf,
}

impl Workload for Translate {
    fn body<T: Tables>(self) -> Box<dyn Body> {
        let mut tables = T::new();
        tables.map(self.leaf);
        Box::new(Translations { leaf: self.leaf, tables, sum: 0 })
    }
}

struct Translations<T> {
    leaf: Leaf,
    tables: T,
    /// Of the distances from [`PHYSICAL`]: a wrong answer shows in it.
    sum: usize,
}

impl<T: Tables> Body for Translations<T> {
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.sum = 0;
            for offset in (OFFSET..BYTES).step_by(self.leaf.bytes()) {
                self.sum += must(self.tables.translate(black_box(VIRTUAL + offset))) - PHYSICAL;
            }
        }
    }

    fn verify(&mut self) {
        assert_eq!(self.sum, (OFFSET..BYTES).step_by(self.leaf.bytes()).sum::<usize>());
    }
}
