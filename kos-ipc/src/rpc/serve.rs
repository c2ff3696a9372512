//! The server's side: [`serve`], [`Request`].

use core::fmt;

use super::check::{Came, Head, OpSpec};
use super::client::Caps;
use super::error::{BadRequest, Failure};
use super::{Plain, from_words, to_words};
use crate::cap::{Object, Rights};
use crate::endpoint::{Access, MAX_CAPS, MAX_LEASES, Msg, Received, ReplyToken};
use crate::ports::Env;

/// How it went, in an answer's head.
pub(super) const ANSWERED: u16 = 0;
pub(super) const FAILED: u16 = 1;
pub(super) const BAD_REQUEST: u16 = 2;

/// A request that is as its protocol says.
pub struct Request<'r, 'a, 'e, 'c, E: Env, O: Object, A: Send> {
    /// The badge of the capability through which it came.
    pub badge: u64,
    /// Its capabilities, as many as the protocol says.
    pub caps: Caps<'c, E, O>,
    /// Capabilities that go with the answer.
    pub answer_caps: Caps<'c, E, O>,
    /// Lent memory is read and written through it.
    pub token: &'r ReplyToken<'a, 'e, E, Msg<'c, E, O>, A>,
    words: [u64; 8],
}

impl<E: Env, O: Object, A: Send> Request<'_, '_, '_, '_, E, O, A> {
    /// Runs one operation of the protocol on the struct that came. For what the macro makes.
    ///
    /// # Errors
    /// [`Failure`] of the operation.
    #[doc(hidden)]
    pub fn run<Q: Plain, R: Plain>(
        &mut self,
        operation: impl FnOnce(Q, &mut Self) -> Result<R, Failure>,
    ) -> Result<([u64; 8], usize), Failure> {
        // There are as many bytes as any struct can have.
        let args = from_words(&self.words).ok_or(Failure(0))?;
        operation(args, self).map(|answer| (to_words(&answer), R::LEN))
    }
}

impl<E: Env, O: Object, A: Send> fmt::Debug for Request<'_, '_, '_, '_, E, O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("badge", &self.badge).finish_non_exhaustive()
    }
}

/// Compares a call with the protocol, has it `done` if it is as that says, and answers it in any case. What the server's trait of
/// a protocol does.
///
/// # Errors
/// [`BadRequest`], which the client was told too.
pub fn serve<'a, 'e, 'c, E: Env, O: Object, A: Send>(
    received: Received<'a, 'e, E, Msg<'c, E, O>, A>,
    version: u16,
    ops: &'static [OpSpec],
    done: impl FnOnce(u16, &mut Request<'_, 'a, 'e, 'c, E, O, A>) -> Result<([u64; 8], usize), Failure>,
) -> Result<(), BadRequest> {
    let Received { message, badge, token } = received;
    let (head, checked) = (Head::of(message.label), check(&message, &token, version, ops));
    let (opcode, words, len, caps, result) = match checked {
        Err(bad) => (BAD_REQUEST, bad.words(), 0, [const { None }; MAX_CAPS], Err(bad)),
        Ok(_) => {
            let (words, caps) = (message.words, message.caps);
            let answer_caps = [const { None }; MAX_CAPS];
            let mut request = Request { badge, caps, answer_caps, token: &token, words };
            let done = done(head.opcode, &mut request);
            let caps = request.answer_caps;
            match done {
                Ok((words, len)) => (ANSWERED, words, len, caps, Ok(())),
                Err(Failure(number)) => (FAILED, [number, 0, 0, 0, 0, 0, 0, 0], 8, caps, Ok(())),
            }
        }
    };
    let len = u16::try_from(len).unwrap_or(0);
    // A client who is gone misses his answer; the server goes on.
    drop(token.reply(Msg { label: Head { opcode, version, len }.label(), words, caps }));
    result
}

fn check<'c, E: Env, O: Object, A: Send>(
    message: &Msg<'c, E, O>,
    token: &ReplyToken<'_, '_, E, Msg<'c, E, O>, A>,
    version: u16,
    ops: &'static [OpSpec],
) -> Result<&'static OpSpec, BadRequest> {
    let mut leases = [Access::Read; MAX_LEASES];
    let lent = (0..MAX_LEASES).map_while(|at| token.lease(at).map(|lease| lease.access));
    let lent = leases.iter_mut().zip(lent).map(|(place, access)| *place = access).count();
    let mut caps: [Option<(u8, Rights)>; MAX_CAPS] = [None; MAX_CAPS];
    // One that is missing before another counts as of no use.
    let count = message.caps.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for (place, cap) in caps.iter_mut().zip(message.caps.iter()) {
        let usable = cap.as_ref().filter(|cap| !cap.is_revoked());
        *place = usable.map(|cap| (cap.object().kind(), cap.rights()));
    }
    let came =
        Came { caps: caps.get(..count).unwrap_or_default(), leases: leases.get(..lent).unwrap_or_default() };
    Head::of(message.label).check(version, ops, &came)
}
