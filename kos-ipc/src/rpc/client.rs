//! The client's side: [`call`].

use super::check::Head;
use super::error::{BadRequest, Failure, RpcError};
use super::serve::{ANSWERED, BAD_REQUEST, FAILED};
use super::{Plain, from_words, to_words};
use crate::caller::Caller;
use crate::cap::{Carried, Object};
use crate::endpoint::{Endpoint, Lent, MAX_CAPS, Msg};
use crate::ports::Env;
use crate::time::Instant;

/// Capabilities of a message.
pub type Caps<'c, E, O> = [Option<Carried<'c, E, O>>; MAX_CAPS];

/// What goes with a call, beside its struct.
pub struct Ask<'l, 'c, E: Env, O: Object, A> {
    /// The badge of the capability by which the caller came.
    pub badge: u64,
    /// Capabilities.
    pub caps: Caps<'c, E, O>,
    /// Memory that is lent.
    pub lent: Option<Lent<'l, A>>,
    /// Until when.
    pub until: Option<Instant>,
}

impl<E: Env, O: Object, A> Ask<'_, '_, E, O, A> {
    /// Nothing but the struct, with `badge`, for ever.
    #[must_use]
    pub const fn new(badge: u64) -> Self {
        Self { badge, caps: [const { None }; MAX_CAPS], lent: None, until: None }
    }
}

impl<E: Env, O: Object, A> core::fmt::Debug for Ask<'_, '_, E, O, A> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ask").field("badge", &self.badge).finish_non_exhaustive()
    }
}

/// An answer, and the capabilities that came with it.
#[derive(Debug)]
pub struct Answered<'c, E: Env, O: Object, R> {
    /// The struct.
    pub value: R,
    /// The capabilities.
    pub caps: Caps<'c, E, O>,
}

/// Asks for operation `opcode` of `version`, and sleeps until it is answered. What the stubs of a protocol do. Thread context only.
///
/// # Errors
/// [`RpcError`]
pub fn call<'c, E: Env, O: Object, A: Send, Q: Plain, R: Plain>(
    endpoint: &Endpoint<'_, E, Msg<'c, E, O>, A>,
    caller: &Caller<'_, E>,
    (version, opcode): (u16, u16),
    args: &Q,
    ask: Ask<'_, 'c, E, O, A>,
) -> Result<Answered<'c, E, O, R>, RpcError<Msg<'c, E, O>>> {
    let len = u16::try_from(Q::LEN).unwrap_or(u16::MAX);
    let label = Head { opcode, version, len }.label();
    let message = Msg { label, words: to_words(args), caps: ask.caps };
    let answer = endpoint.call(caller, ask.badge, message, ask.lent, ask.until).map_err(RpcError::Call)?;
    let Msg { label, words, caps } = answer;
    let head = Head::of(label);
    match head.opcode {
        ANSWERED if usize::from(head.len) == R::LEN => {
            let value = from_words(&words).ok_or(RpcError::BadAnswer)?;
            Ok(Answered { value, caps })
        }
        FAILED => Err(RpcError::Failed(Failure(words.first().copied().unwrap_or(0)))),
        BAD_REQUEST => Err(BadRequest::of(&words).map_or(RpcError::BadAnswer, RpcError::BadRequest)),
        _ => Err(RpcError::BadAnswer),
    }
}
