//! What was done, in a ring: [`AuditLog`].
//!
//! Records come from any context, interrupts included, in a bounded number of steps. What is in the ring comes out in the order in
//! which it went in, so that its place in that order is its number, without a gap; what found no room is counted, exactly.

use core::fmt;

use super::table::Audit;
use super::{AuditEvent, AuditFull, Decision};
use crate::ring::{CapacityError, Mpmc, MpmcSlot};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::time::Instant;

/// What happens to a record for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is lost, and counted.
    Counted,
    /// There is none: what was to be recorded is refused.
    Refused,
}

/// Of what there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of everything.
    All,
    /// Of what the policy refused.
    Denied,
}

/// One record. At most 64 bytes with a subject of at most 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRecord<S> {
    /// When.
    pub at: Instant,
    /// How many records had been lost when this one was made.
    pub lost: u64,
    /// What.
    pub event: AuditEvent<S>,
}

const _: () = assert!(size_of::<AuditRecord<u64>>() <= 64);

/// Records in lent memory, for one reader or more.
///
/// ```
/// use kos_ipc::policy::{AuditLog, Decision, Loss, ObjectKind, ObjectMeta, Op, OpSet, Rule, Scope, TypeTable, authorize};
/// use kos_ipc::Instant;
/// use kos_ipc::ring::MpmcSlot;
///
/// let mut slots = [const { MpmcSlot::new() }; 8];
/// let log = AuditLog::new(&mut slots, Loss::Counted, Scope::All, || Instant::from_ticks(5)).unwrap();
/// let mut rules = [const { Rule::new() }; 1];
/// let table = TypeTable::new(&mut rules, 1, &log);
/// let object = ObjectMeta { kind: ObjectKind::Semaphore, label: 0, id: 3 };
/// assert!(authorize(&table, 0, Op::Acquire, &object).is_err());
/// let record = log.take().unwrap();
/// assert_eq!((record.event.object.id, record.event.decision), (3, Decision::Deny));
/// ```
pub struct AuditLog<'r, S> {
    ring: Mpmc<'r, AuditRecord<S>>,
    lost: AtomicU64,
    loss: Loss,
    scope: Scope,
    clock: fn() -> Instant,
}

impl<'r, S: Copy> AuditLog<'r, S> {
    /// An empty log in `slots`, as many as a power of two. `clock` says the time, in any context.
    ///
    /// # Errors
    /// [`CapacityError`]
    pub fn new(
        slots: &'r mut [MpmcSlot<AuditRecord<S>>],
        loss: Loss,
        scope: Scope,
        clock: fn() -> Instant,
    ) -> Result<Self, CapacityError> {
        Ok(Self { ring: Mpmc::new(slots)?, lost: AtomicU64::new(0), loss, scope, clock })
    }

    /// Takes the oldest record out. None is told twice.
    pub fn take(&self) -> Option<AuditRecord<S>> {
        self.ring.pop().ok()
    }

    /// Records that were lost. With [`Loss::Refused`], operations that were refused for want of room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Records that wait to be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

impl<S: Copy> Audit<S> for AuditLog<'_, S> {
    fn record(&self, event: &AuditEvent<S>) -> Result<(), AuditFull> {
        if self.scope == Scope::Denied && event.decision == Decision::Allow {
            return Ok(());
        }
        let record = AuditRecord { at: (self.clock)(), lost: self.lost(), event: *event };
        if self.ring.push(record).is_ok() {
            return Ok(());
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        if self.loss == Loss::Refused { Err(AuditFull) } else { Ok(()) }
    }
}

impl<S: Copy> fmt::Debug for AuditLog<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("len", &self.len())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}
