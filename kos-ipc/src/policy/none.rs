//! [`NoPolicy`]: everything is allowed and nothing recorded, in no instructions.

use super::{AuditEvent, AuditFull, Decision, ObjectMeta, Op};
use crate::ports::Policy;

/// Allows everything to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPolicy;

impl Policy for NoPolicy {
    type Subject = ();

    #[inline]
    fn check(&self, (): (), _: Op, _: &ObjectMeta) -> Decision {
        Decision::Allow
    }

    #[inline]
    fn audit(&self, _: &AuditEvent<()>) -> Result<(), AuditFull> {
        Ok(())
    }
}
