//! What is asked, beside what the protocol says: [`OpSpec`], [`Head`].

use super::error::BadRequest;
use crate::cap::Rights;
use crate::endpoint::Access;

/// One operation, as its protocol says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSpec {
    /// Its number.
    pub opcode: u16,
    /// Bytes of what it takes.
    pub len: usize,
    /// What memory is lent, and for what.
    pub leases: &'static [Access],
    /// Of which kind its capabilities are, and what their holder has to be allowed.
    pub caps: &'static [(u8, Rights)],
}

/// What the label of a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the operation; of an answer, how it went.
    pub opcode: u16,
    /// The version of the protocol.
    pub version: u16,
    /// Bytes in the words.
    pub len: u16,
}

impl Head {
    /// As a label.
    #[must_use]
    pub const fn label(self) -> u64 {
        self.opcode as u64 | (self.version as u64) << 16 | (self.len as u64) << 32
    }

    /// What a label says; the rest of it is ignored.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub const fn of(label: u64) -> Self {
        Self { opcode: label as u16, version: (label >> 16) as u16, len: (label >> 32) as u16 }
    }
}

/// What came with a request: the kind and the rights of each capability, `None` if it was revoked on the way; and what each lease
/// is for.
pub(crate) struct Came<'r> {
    pub(crate) caps: &'r [Option<(u8, Rights)>],
    pub(crate) leases: &'r [Access],
}

impl Head {
    /// The operation that is asked for, if all is as the protocol says.
    pub(crate) fn check(
        self,
        version: u16,
        ops: &'static [OpSpec],
        came: &Came<'_>,
    ) -> Result<&'static OpSpec, BadRequest> {
        if self.version != version {
            return Err(BadRequest::Version { expected: version, found: self.version });
        }
        let op = ops.iter().find(|op| op.opcode == self.opcode);
        let op = op.ok_or(BadRequest::Opcode { found: self.opcode })?;
        if usize::from(self.len) != op.len {
            return Err(BadRequest::Length { expected: op.len, found: usize::from(self.len) });
        }
        check_leases(op.leases, came.leases)?;
        check_caps(op.caps, came.caps)?;
        Ok(op)
    }
}

fn check_leases(expected: &[Access], found: &[Access]) -> Result<(), BadRequest> {
    if expected.len() != found.len() {
        return Err(BadRequest::LeaseCount { expected: expected.len(), found: found.len() });
    }
    match expected.iter().zip(found).position(|(expected, found)| expected != found) {
        Some(at) => Err(BadRequest::LeaseAccess { at }),
        None => Ok(()),
    }
}

fn check_caps(expected: &[(u8, Rights)], found: &[Option<(u8, Rights)>]) -> Result<(), BadRequest> {
    if expected.len() != found.len() {
        return Err(BadRequest::CapCount { expected: expected.len(), found: found.len() });
    }
    for (at, (&(kind, need), found)) in expected.iter().zip(found).enumerate() {
        let Some((there, rights)) = *found else { return Err(BadRequest::CapRevoked { at }) };
        if there != kind {
            return Err(BadRequest::CapKind { at, expected: kind, found: there });
        }
        if !rights.contains(need) {
            return Err(BadRequest::CapRights { at, missing: need.difference(rights) });
        }
    }
    Ok(())
}
