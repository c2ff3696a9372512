//! Quotas beside sums that are made anew.

use alloc::vec::Vec;

use super::{CreateQuotaError, Limits, MAX_DEPTH, Quota, QuotaError, QuotaNode, Quotas, Resource};
use crate::testing::{Rng, StdEnv, cases};

type Tree<'q> = Quotas<'q, StdEnv>;

/// A quota, which it is below, and what was charged to it itself.
struct Known<'q> {
    quota: Quota<'q, StdEnv>,
    above: Option<usize>,
    limit: usize,
    own: usize,
}

/// What `at` and those below it have in use.
fn used(known: &[Known<'_>], at: usize) -> usize {
    let below = (0..known.len()).filter(|&other| known[other].above == Some(at));
    known[at].own + below.map(|other| used(known, other)).sum::<usize>()
}

/// The least that `at` and those above it have left.
fn left(known: &[Known<'_>], at: usize) -> usize {
    let here = known[at].limit - used(known, at);
    known[at].above.map_or(here, |above| here.min(left(known, above)))
}

fn charge_and_refund(seed: u64) {
    let mut nodes = [(); 6].map(|()| QuotaNode::new());
    let (tree, mut rng) = (Tree::new(&mut nodes), Rng::new(seed));
    let limits = |limit| Limits { bytes: limit, ..Limits::UNLIMITED };
    let quota = tree.root(limits(100)).unwrap();
    let mut known = std::vec![Known { quota, above: None, limit: 100, own: 0 }];
    while known.len() < 6 {
        let (above, limit) = (rng.below(known.len()), rng.below(120));
        let quota = known[above].quota.child(limits(limit)).unwrap();
        known.push(Known { quota, above: Some(above), limit, own: 0 });
    }
    assert_eq!(known[0].quota.child(Limits::UNLIMITED).err(), Some(CreateQuotaError::Full));
    for _ in 0..200 {
        let (at, amount) = (rng.below(known.len()), rng.below(60));
        if rng.below(2) == 0 {
            let enough = left(&known, at) >= amount;
            let charged = known[at].quota.charge(Resource::Bytes, amount);
            assert_eq!(charged.is_ok(), enough, "seed {seed}: {charged:?}");
            known[at].own += if enough { amount } else { 0 };
        } else {
            let amount = amount.min(known[at].own);
            known[at].quota.refund(Resource::Bytes, amount);
            known[at].own -= amount;
        }
        for (number, each) in known.iter().enumerate() {
            assert_eq!(each.quota.used(Resource::Bytes), used(&known, number), "seed {seed}");
        }
    }
    drop(known);
    assert_eq!(tree.check(), Ok(()));
    assert!(
        (0..6).map(|_| tree.root(Limits::UNLIMITED)).collect::<Vec<_>>().iter().all(Result::is_ok),
        "all are free"
    );
}

#[test]
fn a_charge_counts_here_and_above_or_nowhere() {
    (0..u64::from(cases())).for_each(charge_and_refund);
}

#[test]
fn a_quota_stays_while_one_below_it_does() {
    let mut nodes = [(); 3].map(|()| QuotaNode::new());
    let tree = Tree::new(&mut nodes);
    let above = tree.root(Limits::all(10)).unwrap();
    let below = above.child(Limits::all(20)).unwrap();
    drop(above);
    let refused = below.charge(Resource::Signals, 11);
    assert_eq!(refused, Err(QuotaError { resource: Resource::Signals, asked: 11, left: 10 }));
    assert!(tree.root(Limits::all(1)).is_ok());
    drop(below);
    let all: Vec<_> = (0..3).map(|_| tree.root(Limits::all(1)).unwrap()).collect();
    assert!(tree.root(Limits::all(1)).is_err());
    drop(all);
    assert_eq!(tree.check(), Ok(()));
}

#[test]
fn a_tree_has_so_many_levels() {
    let mut nodes = [(); MAX_DEPTH + 1].map(|()| QuotaNode::new());
    let tree = Tree::new(&mut nodes);
    let mut quotas = std::vec![tree.root(Limits::UNLIMITED).unwrap()];
    while quotas.len() < MAX_DEPTH {
        let below = quotas[quotas.len() - 1].child(Limits::UNLIMITED).unwrap();
        quotas.push(below);
    }
    let deepest = &quotas[MAX_DEPTH - 1];
    assert_eq!(deepest.child(Limits::UNLIMITED).err(), Some(CreateQuotaError::TooDeep));
    deepest.charge(Resource::Cells, usize::MAX).unwrap();
    assert_eq!(deepest.charge(Resource::Cells, 1).map_err(|error| error.left), Err(0), "no sum wraps");
}
