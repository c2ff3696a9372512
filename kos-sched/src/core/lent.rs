//! [`Lent`]: how urgent a task is of its own, what it inherits, and what its own class said of it while it runs under what it
//! inherits. Written under the lock of the task's queue; the own urgency is read without.

use super::counter::Locked64;
use super::urgency::Urgency;
use crate::atomic::{AtomicU32, Ordering, const_fn};
use crate::task::Node;

/// Of one task.
#[derive(Debug)]
pub(super) struct Lent {
    own: AtomicU32,
    inherited: AtomicU32,
    /// Whether `node` is the task's own.
    lent: AtomicU32,
    node: KeptNode,
}

/// The words of a [`Node`] that a class uses.
#[derive(Debug)]
struct KeptNode {
    words: [Locked64; 3],
    halves: [AtomicU32; 3],
    level: AtomicU32,
    class: AtomicU32,
}

impl Lent {
    const_fn! {
        /// Of no task.
        pub(super) fn new() -> Self {
            Self {
                own: AtomicU32::new(0),
                inherited: AtomicU32::new(0),
                lent: AtomicU32::new(0),
                node: KeptNode {
                    words: [Locked64::new(), Locked64::new(), Locked64::new()],
                    halves: [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)],
                    level: AtomicU32::new(0),
                    class: AtomicU32::new(0),
                },
            }
        }
    }

    /// A new task: inherits nothing.
    pub(super) fn begin(&self, own: Urgency) {
        self.set_own(own);
        self.inherited.store(0, Ordering::Relaxed);
        self.lent.store(0, Ordering::Relaxed);
    }

    /// Of its own, without what it inherits.
    #[inline]
    pub(super) fn own(&self) -> Urgency {
        Urgency::from_word(self.own.load(Ordering::Relaxed))
    }

    pub(super) fn set_own(&self, own: Urgency) {
        self.own.store(own.to_word(), Ordering::Relaxed);
    }

    /// What it inherits; [`Urgency::NONE`] is nothing.
    pub(super) fn inherited(&self) -> Urgency {
        Urgency::from_word(self.inherited.load(Ordering::Relaxed))
    }

    pub(super) fn set_inherited(&self, inherited: Urgency) {
        self.inherited.store(inherited.to_word(), Ordering::Relaxed);
    }

    /// How urgent it is in its queue.
    #[inline]
    pub(super) fn effective(&self) -> Urgency {
        if self.is_lent() { self.inherited() } else { self.own() }
    }

    /// Whether it runs under what it inherits.
    #[inline]
    pub(super) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed) != 0
    }

    /// From here on it does; `node` is what its own class said.
    pub(super) fn keep(&self, node: &Node) {
        self.node.words.iter().zip(node.words).for_each(|(to, from)| to.set(from));
        self.node.halves.iter().zip(node.halves).for_each(|(to, from)| to.store(from, Ordering::Relaxed));
        self.node.level.store(node.level.into(), Ordering::Relaxed);
        self.node.class.store(node.class.into(), Ordering::Relaxed);
        self.lent.store(1, Ordering::Relaxed);
    }

    /// What its own class said, if it is kept here.
    pub(super) fn kept(&self) -> Option<Node> {
        let byte = |word: &AtomicU32| u8::try_from(word.load(Ordering::Relaxed)).ok();
        let node = Node {
            words: self.node.words.each_ref().map(Locked64::get),
            halves: self.node.halves.each_ref().map(|half| half.load(Ordering::Relaxed)),
            level: byte(&self.node.level)?,
            class: byte(&self.node.class)?,
            ..Node::NEW
        };
        self.is_lent().then_some(node)
    }

    /// Its own class has it again.
    pub(super) fn forget(&self) {
        self.lent.store(0, Ordering::Relaxed);
    }
}
