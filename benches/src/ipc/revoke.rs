//! What does it cost to take back a capability of which there are many copies?

use kos_ipc::cap::{CapSlot, CapSpace, Cell, Cells, Object, Rights};
use kos_ipc::quota::{Limits, QuotaNode, Quotas};
use kos_ipc::wait::Progress;

use super::{Awake, leak, places, steps};
use crate::harness::must;
use crate::harness::question::{Promise, Question, Shape};

/// Both questions of this file: the answers should be the same.
pub(super) fn questions() -> Vec<Question> {
    vec![question("ipc-revoke-10", 10), question("ipc-revoke-1m", 1_000_000)]
}

fn question(name: &'static str, count: usize) -> Question {
    let note = "no peer: seL4's walk all copies, Zircon has none";
    Question {
        name,
        what: format!(
            "A capability with {count} copies is revoked; each of them is of no use from the first store on."
        ),
        operation: "revoke",
        operations: 1,
        shape: Shape::Repeated { counted: 1000 },
        subjects: vec![steps("kos-ipc CapSpace::revoke", Promise::Shared, note, move || revokes(count))],
    }
}

#[derive(Clone)]
struct Nothing;

impl Object for Nothing {
    fn kind(&self) -> u8 {
        0
    }
}

fn revokes(count: usize) -> impl FnMut() {
    let quotas = leak(Quotas::new(places(1, QuotaNode::new)));
    let cells = leak(Cells::new(places(2, Cell::new), quotas));
    let quota = must(quotas.root(Limits::UNLIMITED).ok());
    let slots = places(count + 1, CapSlot::new);
    let space = leak(must(CapSpace::<Awake, _>::new(slots, cells, quota, 0x5eed).ok()));
    let id = must(space.insert(Nothing, Rights::all(), 0).ok());
    let copies = (0..count).filter(|_| space.duplicate(id, Rights::READ).is_ok()).count();
    assert_eq!(copies, count);
    move || {
        let mut revocation = must(space.revoke(id).ok());
        assert_eq!(revocation.step(1), Progress::Done);
    }
}
