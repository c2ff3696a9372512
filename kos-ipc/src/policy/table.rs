//! Who may do what by type: [`TypeTable`].
//!
//! Source: Boebert and Kain, "A practical alternative to hierarchical integrity policies" (1985), type enforcement.

use core::fmt;

use super::{AuditEvent, AuditFull, Decision, ObjectMeta, Op};
use crate::ports::Policy;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::const_fn;

/// Operations of one domain on one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpSet(u64);

impl OpSet {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(u64::MAX);

    /// These, and `op`.
    #[must_use]
    pub const fn with(self, op: Op) -> Self {
        Self(self.0 | 1 << op as u8)
    }

    /// Whether `op` is among them.
    #[must_use]
    pub const fn contains(self, op: Op) -> bool {
        self.0 & 1 << op as u8 != 0
    }
}

/// A place for the operations of one domain on one type: none.
#[derive(Debug)]
pub struct Rule(AtomicU64);

impl Rule {
    const_fn! {
        /// Nothing is allowed.
        #[must_use]
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes records of what is done.
pub trait Audit<S> {
    /// Takes one. Any context, constant time.
    ///
    /// # Errors
    /// [`AuditFull`] if it must not be lost and there is no room.
    fn record(&self, event: &AuditEvent<S>) -> Result<(), AuditFull>;
}

/// Records nothing.
impl<S> Audit<S> for () {
    fn record(&self, _: &AuditEvent<S>) -> Result<(), AuditFull> {
        Ok(())
    }
}

impl<S, A: Audit<S>> Audit<S> for &A {
    fn record(&self, event: &AuditEvent<S>) -> Result<(), AuditFull> {
        (**self).record(event)
    }
}

/// What each domain may do to objects of each type, the [`label`](ObjectMeta::label): nothing, but for what is allowed. Rules change
/// while others ask; an answer is of before or of after.
///
/// ```
/// use kos_ipc::policy::{Decision, ObjectKind, ObjectMeta, Op, OpSet, Rule, TypeTable};
/// use kos_ipc::Policy;
///
/// let mut rules = [const { Rule::new() }; 6]; // three domains, two types
/// let table = TypeTable::new(&mut rules, 2, ());
/// table.set(1, 0, OpSet::NONE.with(Op::Post)).unwrap();
/// let object = ObjectMeta { kind: ObjectKind::EventCounter, label: 0, id: 7 };
/// assert_eq!(table.check(1, Op::Post, &object), Decision::Allow);
/// assert_eq!(table.check(1, Op::Take, &object), Decision::Deny);
/// assert_eq!(table.check(9, Op::Post, &object), Decision::Deny);
/// ```
#[derive(Debug)]
pub struct TypeTable<'t, A> {
    rules: &'t [Rule],
    types: u16,
    audit: A,
}

/// There is no such domain or type in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRule {
    /// The domain.
    pub domain: u16,
    /// The type.
    pub label: u16,
}

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table has no domain {} with a type {}", self.domain, self.label)
    }
}

impl core::error::Error for NoRule {}

impl<'t, A> TypeTable<'t, A> {
    /// A table of so many `types`, and of as many domains as there are `types` rules for.
    pub fn new(rules: &'t mut [Rule], types: u16, audit: A) -> Self {
        Self { rules, types, audit }
    }

    /// Lets `domain` do `ops` to objects of the type `label`, and nothing else.
    ///
    /// # Errors
    /// [`NoRule`]
    pub fn set(&self, domain: u16, label: u16, ops: OpSet) -> Result<(), NoRule> {
        let rule = self.rule(domain, label).ok_or(NoRule { domain, label })?;
        rule.0.store(ops.0, Ordering::Relaxed);
        Ok(())
    }

    /// What `domain` may do to objects of the type `label`.
    #[must_use]
    pub fn allowed(&self, domain: u16, label: u16) -> OpSet {
        OpSet(self.rule(domain, label).map_or(0, |rule| rule.0.load(Ordering::Relaxed)))
    }

    /// Where the records go.
    pub const fn audit_log(&self) -> &A {
        &self.audit
    }

    fn rule(&self, domain: u16, label: u16) -> Option<&Rule> {
        let row = usize::from(domain).checked_mul(usize::from(self.types))?;
        let at = row.checked_add(usize::from(label)).filter(|_| label < self.types)?;
        self.rules.get(at)
    }
}

impl<A: Audit<u16>> Policy for TypeTable<'_, A> {
    /// A domain.
    type Subject = u16;

    fn check(&self, domain: u16, op: Op, object: &ObjectMeta) -> Decision {
        match self.allowed(domain, object.label).contains(op) {
            true => Decision::Allow,
            false => Decision::Deny,
        }
    }

    fn audit(&self, event: &AuditEvent<u16>) -> Result<(), AuditFull> {
        self.audit.record(event)
    }
}
