//! What does it cost to find what a number names?

use alloc::sync::Arc;
use core::hint::black_box;
use std::sync::{PoisonError, RwLock};

use kos_ipc::cap::{CapId, CapSlot, CapSpace, Cell, Cells, Object, Rights};
use kos_ipc::quota::{Limits, QuotaNode, Quotas};
use sharded_slab::Slab;
use slotmap::SlotMap;

use super::{Awake, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape, Subject};
use crate::peers::peer;

/// Things that are there: a power of two.
const COUNT: usize = 4096;

const KIND: u8 = 1;

/// Every question of this file.
pub(super) fn questions() -> Vec<Question> {
    let shared = Promise::Shared;
    let check = vec![
        steps("kos-ipc CapSpace::check", shared, "rights, badge; no lock", || {
            let (space, mut ids) = capabilities();
            move || assert_eq!(space.check(ids.next(), Rights::READ).map(|info| info.kind), Ok(KIND))
        }),
        steps(
            format!("{} SlotMap::get", peer("slotmap")),
            Promise::Exclusive,
            "no rights, one owner",
            || {
                let mut map = SlotMap::new();
                let mut keys = Numbers::new(|word| map.insert(word));
                move || assert!(black_box(map.get(keys.next())).is_some())
            },
        ),
    ];
    let pinned = vec![
        steps("kos-ipc CapSpace::get", shared, "rights; nothing is freed meanwhile", || {
            let (space, mut ids) = capabilities();
            move || {
                let guard = must(space.get(ids.next(), KIND, Rights::READ).ok());
                black_box(guard.0);
            }
        }),
        steps(format!("{} Slab::get", peer("sharded-slab")), shared, "no rights", || {
            let slab = leak(Slab::new());
            let mut keys = Numbers::new(|word| must(slab.insert(word)));
            move || drop(black_box(must(slab.get(keys.next()))))
        }),
        steps("std RwLock<Vec<Arc>>", shared, "no generations; the lock of std", || {
            let table = RwLock::new(Vec::new());
            let mut keys = Numbers::new(|word| {
                let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
                table.push(Arc::new(word));
                table.len() - 1
            });
            move || {
                let table = table.read().unwrap_or_else(PoisonError::into_inner);
                drop(black_box(must(table.get(keys.next())).clone()));
            }
        }),
    ];
    vec![
        question("ipc-lookup-check", "What it names is known", check),
        question("ipc-lookup-pinned", "What it names is found and held", pinned),
    ]
}

fn question(name: &'static str, what: &str, subjects: Vec<Subject>) -> Question {
    Question {
        name,
        what: format!("A number is looked up among {COUNT}, in scattered order. {what}."),
        operation: "lookup",
        operations: 1,
        shape: Shape::Repeated { counted: COUNT },
        subjects,
    }
}

/// Numbers of things, in an order that no cache foresees.
struct Numbers<K> {
    keys: Vec<K>,
    at: usize,
}

impl<K: Copy> Numbers<K> {
    fn new(make: impl FnMut(u64) -> K) -> Self {
        Self { keys: (0..COUNT as u64).map(make).collect(), at: 0 }
    }

    #[inline]
    fn next(&mut self) -> K {
        self.at = (self.at * 5 + 0x335) % COUNT;
        black_box(*must(self.keys.get(self.at)))
    }
}

#[derive(Clone)]
struct Word(u64);

impl Object for Word {
    fn kind(&self) -> u8 {
        KIND
    }
}

fn capabilities() -> (&'static CapSpace<'static, Awake, Word>, Numbers<CapId>) {
    let quotas = leak(Quotas::new(places(1, QuotaNode::new)));
    let cells = leak(Cells::new(places(1, Cell::new), quotas));
    let quota = must(quotas.root(Limits::UNLIMITED).ok());
    let space = leak(must(CapSpace::new(places(COUNT, CapSlot::new), cells, quota, 0x5eed).ok()));
    let ids = Numbers::new(|word| must(space.insert(Word(word), Rights::READ, word).ok()));
    (space, ids)
}
