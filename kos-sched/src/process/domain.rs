//! Limits over many processes: a tree of [`Domain`]s, at most eight deep.
//!
//! A charge goes up from the process to the root; where one refuses, those below get theirs back.

use super::error::DomainError;
use super::id::DomainId;
use super::limits::{LimitExceeded, Limits, Resource, Used};
use crate::ring::NONE;

const DEPTH: u32 = 8;

/// Storage for one limit domain.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    live: bool,
    generation: u32,
    parent: u32,
    depth: u32,
    /// Domains and processes directly in it.
    members: u32,
    limits: Limits,
    used: Used,
}

impl Domain {
    /// A free slot.
    pub const EMPTY: Self = Self {
        live: false,
        generation: 0,
        parent: NONE,
        depth: 0,
        members: 0,
        limits: Limits::UNLIMITED,
        used: Used::ZERO,
    };
}

/// The domains of a table.
#[derive(Debug)]
pub(super) struct Domains<'s>(pub(super) &'s mut [Domain]);

impl Domains<'_> {
    pub(super) fn find(&self, id: DomainId) -> Result<u32, DomainError> {
        let found = self.at(id.index).filter(|domain| domain.live && domain.generation == id.generation);
        found.map(|_| id.index).ok_or(DomainError::NoSuchDomain(id))
    }

    pub(super) fn create(
        &mut self,
        parent: Option<DomainId>,
        limits: Limits,
    ) -> Result<DomainId, DomainError> {
        let parent = parent.map_or(Ok(NONE), |parent| self.find(parent))?;
        let depth = self.at(parent).map_or(0, |parent| parent.depth + 1);
        if depth >= DEPTH {
            return Err(DomainError::TooDeep);
        }
        let free = (0..).zip(self.0.iter_mut()).find(|(_, domain)| !domain.live);
        let (index, domain) = free.ok_or(DomainError::Full)?;
        let generation = domain.generation;
        *domain = Domain { live: true, generation, parent, depth, limits, ..Domain::EMPTY };
        self.join(parent);
        Ok(DomainId::new(index, generation))
    }

    pub(super) fn remove(&mut self, id: DomainId) -> Result<(), DomainError> {
        let index = self.find(id)?;
        let Some(domain) = self.0.get_mut(index as usize).filter(|domain| domain.members == 0) else {
            return Err(DomainError::InUse(id));
        };
        let parent = domain.parent;
        *domain = Domain { generation: domain.generation.wrapping_add(1), ..Domain::EMPTY };
        self.leave(parent);
        Ok(())
    }

    pub(super) fn set_limits(&mut self, id: DomainId, limits: Limits) -> Result<(), DomainError> {
        let index = self.find(id)?;
        self.0.get_mut(index as usize).into_iter().for_each(|domain| domain.limits = limits);
        Ok(())
    }

    pub(super) fn used(&self, id: DomainId, resource: Resource) -> Result<u64, DomainError> {
        let index = self.find(id)?;
        Ok(self.at(index).map_or(0, |domain| domain.used.get(resource)))
    }

    pub(super) fn join(&mut self, index: u32) {
        self.0.get_mut(index as usize).into_iter().for_each(|domain| domain.members += 1);
    }

    pub(super) fn leave(&mut self, index: u32) {
        self.0.get_mut(index as usize).into_iter().for_each(|domain| domain.members -= 1);
    }

    /// Charges `index` and all above it, or none.
    pub(super) fn charge(
        &mut self,
        index: u32,
        resource: Resource,
        amount: u64,
    ) -> Result<(), LimitExceeded> {
        let mut at = index;
        while let Some(domain) = self.0.get_mut(at as usize) {
            let limit = domain.limits.get(resource).soft;
            if let Err(error) = domain.used.charge(resource, amount, limit) {
                self.uncharge_below(index, at, resource, amount);
                return Err(error);
            }
            at = domain.parent;
        }
        Ok(())
    }

    pub(super) fn uncharge(&mut self, index: u32, resource: Resource, amount: u64) {
        self.uncharge_below(index, NONE, resource, amount);
    }

    fn uncharge_below(&mut self, index: u32, end: u32, resource: Resource, amount: u64) {
        let mut at = index;
        while let Some(domain) = self.0.get_mut(at as usize).filter(|_| at != end) {
            domain.used.uncharge(resource, amount);
            at = domain.parent;
        }
    }

    /// Whether `value` of a resource that is not counted is allowed here and above.
    pub(super) fn admit(&self, index: u32, resource: Resource, value: u64) -> Result<(), LimitExceeded> {
        let mut at = index;
        while let Some(domain) = self.at(at) {
            domain.limits.admit(resource, value)?;
            at = domain.parent;
        }
        Ok(())
    }

    pub(super) fn at(&self, index: u32) -> Option<&Domain> {
        self.0.get(index as usize)
    }

    /// The live domains: (index, parent, members, used).
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, u32, u32, Used)> + Clone {
        let all = (0..).zip(self.0.iter()).filter(|(_, domain)| domain.live);
        all.map(|(index, domain)| (index, domain.parent, domain.members, domain.used))
    }
}
