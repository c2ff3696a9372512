//! The tree and its handles: [`Quotas`], [`Quota`].

use core::fmt;
use core::iter;

use super::node::{NONE, QuotaNode};
use super::{CreateQuotaError, Limits, MAX_DEPTH, QuotaError, Resource};
use crate::error::Corruption;
use crate::ports::Env;
use crate::sync::Lock;
use crate::sync::atomic::Ordering;

/// A forest of quotas in lent nodes.
///
/// ```
/// use kos_ipc::quota::{Limits, QuotaNode, Quotas, Resource};
/// use kos_ipc::testing::StdEnv;
///
/// let mut nodes = [const { QuotaNode::new() }; 8];
/// let quotas = Quotas::<StdEnv>::new(&mut nodes);
/// let user = quotas.root(Limits { bytes: 100, ..Limits::UNLIMITED }).unwrap();
/// let process = user.child(Limits::UNLIMITED).unwrap();
/// process.charge(Resource::Bytes, 70).unwrap();
/// assert_eq!(process.charge(Resource::Bytes, 40).unwrap_err().left, 30);
/// process.refund(Resource::Bytes, 70);
/// assert_eq!(user.used(Resource::Bytes), 0);
/// ```
pub struct Quotas<'q, E: Env> {
    nodes: &'q [QuotaNode],
    /// The first that is free.
    free: Lock<E, u32>,
}

impl<'q, E: Env> Quotas<'q, E> {
    /// All of `nodes` free, but those that an earlier tree left in use because a handle was forgotten.
    pub fn new(nodes: &'q mut [QuotaNode]) -> Self {
        let nodes: &'q [QuotaNode] = nodes;
        let mut free = NONE;
        for (number, node) in (0..NONE).zip(nodes) {
            if node.is_free() {
                node.link.store(free, Ordering::Relaxed);
                free = number;
            }
        }
        Self { nodes, free: Lock::new(free) }
    }

    /// A quota with nothing above it.
    ///
    /// # Errors
    /// [`CreateQuotaError::Full`]
    pub fn root(&'q self, limits: Limits) -> Result<Quota<'q, E>, CreateQuotaError> {
        self.create(&limits, NONE, 0)
    }

    fn create(&'q self, limits: &Limits, above: u32, depth: u32) -> Result<Quota<'q, E>, CreateQuotaError> {
        let node = self.free.with(|free| {
            let node = *free;
            let found = self.node(node)?;
            *free = found.link.load(Ordering::Relaxed);
            found.begin(limits, above, depth);
            Some(node)
        });
        let node = node.ok_or(CreateQuotaError::Full)?;
        if let Some(above) = self.node(above) {
            above.retain();
        }
        Ok(Quota { tree: self, node })
    }

    fn node(&self, number: u32) -> Option<&'q QuotaNode> {
        self.nodes.get(number as usize)
    }

    /// A node and those above it.
    fn way_up(&self, node: u32) -> impl Iterator<Item = (u32, &'q QuotaNode)> {
        let at = |number: u32| self.node(number).map(|node| (number, node));
        iter::successors(at(node), move |(_, below)| at(below.link.load(Ordering::Relaxed)))
    }

    fn charge(&self, node: u32, resource: Resource, asked: usize) -> Result<(), QuotaError> {
        for (number, at) in self.way_up(node) {
            if let Err(left) = at.charge(resource, asked) {
                let charged = self.way_up(node).take_while(|&(below, _)| below != number);
                charged.for_each(|(_, below)| below.refund(resource, asked));
                return Err(QuotaError { resource, asked, left });
            }
        }
        Ok(())
    }

    fn refund(&self, node: u32, resource: Resource, amount: usize) {
        self.way_up(node).for_each(|(_, at)| at.refund(resource, amount));
    }

    /// Gives up a reference; a node that has none any more is free, and gives up that to the one above it.
    fn release(&self, node: u32) {
        let mut number = node;
        while let Some(at) = self.node(number)
            && at.release()
        {
            let above = at.link.load(Ordering::Relaxed);
            self.free.with(|free| {
                at.link.store(*free, Ordering::Relaxed);
                *free = number;
            });
            number = above;
        }
    }

    /// Pays for a thing that lives as long as it likes, with a reference to `node` that [`refund_for`](Self::refund_for) gives up.
    pub(crate) fn charge_for(
        &self,
        quota: &Quota<'_, E>,
        resource: Resource,
        amount: usize,
    ) -> Result<u32, QuotaError> {
        self.charge(quota.node, resource, amount)?;
        self.way_up(quota.node).take(1).for_each(|(_, node)| node.retain());
        Ok(quota.node)
    }

    pub(crate) fn refund_for(&self, node: u32, resource: Resource, amount: usize) {
        self.refund(node, resource, amount);
        self.release(node);
    }

    /// Charges more to who pays for a thing already, or gives a part back.
    #[cfg(feature = "shm")]
    pub(crate) fn recharge(
        &self,
        node: u32,
        resource: Resource,
        from: usize,
        to: usize,
    ) -> Result<(), QuotaError> {
        if let Some(more) = to.checked_sub(from) {
            return self.charge(node, resource, more);
        }
        self.refund(node, resource, from - to);
        Ok(())
    }

    /// Walks every invariant, with the lock held.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.free.with(|free| {
            let listed = self.way_up(*free).take(self.nodes.len() + 1).map(|(_, node)| node.is_free());
            let (mut count, mut all_free) = (0, true);
            listed.for_each(|is_free| (count, all_free) = (count + 1, all_free && is_free));
            if !all_free || count != self.nodes.iter().filter(|node| node.is_free()).count() {
                return Err(Corruption {
                    what: "a quota that is free and not listed, or listed and not free",
                });
            }
            Ok(())
        })
    }
}

impl<E: Env> fmt::Debug for Quotas<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// A place in the tree, to which things are charged. Clones are the same one.
pub struct Quota<'q, E: Env> {
    tree: &'q Quotas<'q, E>,
    node: u32,
}

impl<'q, E: Env> Quota<'q, E> {
    /// A quota below this one.
    ///
    /// # Errors
    /// [`CreateQuotaError`]
    pub fn child(&self, limits: Limits) -> Result<Self, CreateQuotaError> {
        let depth = self.this().map_or(0, |node| node.depth.load(Ordering::Relaxed) + 1);
        if depth as usize >= MAX_DEPTH {
            return Err(CreateQuotaError::TooDeep);
        }
        self.tree.create(&limits, self.node, depth)
    }

    /// Charges `amount` of `resource`, here and above, until it is [refunded](Self::refund). Any context, no lock.
    ///
    /// # Errors
    /// [`QuotaError`]
    pub fn charge(&self, resource: Resource, amount: usize) -> Result<(), QuotaError> {
        self.tree.charge(self.node, resource, amount)
    }

    /// Gives back what was charged. Giving back more than that breaks the count, not memory.
    pub fn refund(&self, resource: Resource, amount: usize) {
        self.tree.refund(self.node, resource, amount);
    }

    /// How much is in use, here and below.
    #[must_use]
    pub fn used(&self, resource: Resource) -> usize {
        self.this().map_or(0, |node| node.used(resource))
    }

    /// How much is left, here: those above may have less.
    #[must_use]
    pub fn left(&self, resource: Resource) -> usize {
        self.this().map_or(0, |node| node.limit(resource).saturating_sub(node.used(resource)))
    }

    pub(crate) const fn tree(&self) -> &'q Quotas<'q, E> {
        self.tree
    }

    fn this(&self) -> Option<&'q QuotaNode> {
        self.tree.node(self.node)
    }
}

impl<E: Env> Clone for Quota<'_, E> {
    fn clone(&self) -> Self {
        if let Some(node) = self.this() {
            node.retain();
        }
        Self { tree: self.tree, node: self.node }
    }
}

impl<E: Env> Drop for Quota<'_, E> {
    fn drop(&mut self) {
        self.tree.release(self.node);
    }
}

impl<E: Env> fmt::Debug for Quota<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("node", &self.node).finish_non_exhaustive()
    }
}
