//! Requests beside what their protocol says, looked at one by one: [`run`].
#![expect(clippy::indexing_slicing, reason = "a model: indices are drawn below the lengths")]

use alloc::vec::Vec;

use super::Choices;
use crate::cap::Rights;
use crate::endpoint::Access;
use crate::rpc::{BadRequest, Came, Head, OpSpec};

const VERSION: u16 = 3;
const OPS: &[OpSpec] = &[
    OpSpec { opcode: 1, len: 0, leases: &[], caps: &[] },
    OpSpec { opcode: 2, len: 8, leases: &[Access::Write], caps: &[] },
    OpSpec { opcode: 7, len: 64, leases: &[Access::Read, Access::Write], caps: &[(4, Rights::READ)] },
    OpSpec {
        opcode: 9,
        len: 16,
        leases: &[],
        caps: &[(4, Rights::WRITE), (5, Rights::READ.union(Rights::WRITE))],
    },
];

/// Compares requests that `choices` draw, good ones and such as are a little wrong.
///
/// # Panics
/// If one passes that should not, or the evidence is not true.
pub(crate) fn run(choices: &mut Choices<'_>) {
    while choices.more() {
        let op = &OPS[choices.below(OPS.len())];
        let wrong = |choices: &mut Choices<'_>| choices.once_in(6);
        let bits = |choices: &mut Choices<'_>| choices.word().to_le_bytes()[0];
        let mut head = Head { opcode: op.opcode, version: VERSION, len: u16::try_from(op.len).unwrap_or(0) };
        if wrong(choices) {
            head = Head::of(head.label() ^ 1 << choices.below(48));
        }
        let mut leases: Vec<Access> = op.leases.to_vec();
        if wrong(choices) {
            let access = [Access::Read, Access::Write][choices.below(2)];
            leases.resize(choices.below(9), access);
        }
        let mut caps: Vec<Option<(u8, Rights)>> = op.caps.iter().copied().map(Some).collect();
        if wrong(choices) {
            caps.resize(choices.below(5), Some((bits(choices), Rights::READ)));
        }
        if wrong(choices) && !caps.is_empty() {
            let at = choices.below(caps.len());
            caps[at] = [None, Some((4, Rights::READ)), Some((5, Rights::all()))][choices.below(3)];
        }
        compare(head, &leases, &caps);
        let words = [(); 8].map(|()| choices.word());
        if let Some(bad) = BadRequest::of(&words) {
            assert!(BadRequest::of(&bad.words()) == Some(bad), "{bad}");
        }
    }
}

fn compare(head: Head, leases: &[Access], caps: &[Option<(u8, Rights)>]) {
    assert_eq!(Head::of(head.label()), head);
    let spec = OPS.iter().find(|op| op.opcode == head.opcode);
    let good = |op: &&OpSpec| {
        let allowed = |(&(kind, need), found): (&(u8, Rights), &Option<(u8, Rights)>)| {
            found.is_some_and(|(there, rights)| there == kind && rights.contains(need))
        };
        (head.version, usize::from(head.len), leases) == (VERSION, op.len, op.leases)
            && caps.len() == op.caps.len()
            && op.caps.iter().zip(caps).all(allowed)
    };
    let result = head.check(VERSION, OPS, &Came { caps, leases });
    assert_eq!(result.ok(), spec.filter(good));
    let Err(bad) = result else { return };
    assert_eq!(BadRequest::of(&bad.words()), Some(bad));
    let expected = spec.map_or((0, 0, 0), |op| (op.len, op.leases.len(), op.caps.len()));
    match bad {
        BadRequest::Opcode { found } => assert!(found == head.opcode && spec.is_none()),
        BadRequest::Version { found, .. } => assert!(found == head.version && found != VERSION),
        BadRequest::Length { expected: len, found } => {
            assert!(len == expected.0 && found == usize::from(head.len) && len != found);
        }
        BadRequest::LeaseCount { expected: count, found } => {
            assert!(count == expected.1 && found == leases.len() && count != found);
        }
        BadRequest::LeaseAccess { at } => assert!(spec.is_some_and(|op| op.leases[at] != leases[at])),
        BadRequest::CapCount { expected: count, found } => {
            assert!(count == expected.2 && found == caps.len() && count != found);
        }
        BadRequest::CapKind { at, found, .. } => assert!(caps[at].is_some_and(|(kind, _)| kind == found)),
        BadRequest::CapRights { at, missing } => {
            assert!(caps[at].is_some_and(|(_, rights)| !rights.intersects(missing)));
        }
        BadRequest::CapRevoked { at } => assert!(caps[at].is_none()),
    }
}
