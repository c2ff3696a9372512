//! An endpoint behind a counted pointer, and calls that its server has received: [`Port`], [`Pending`].
//!
//! Invariant: a token lives no longer than the count of its port that lies beside it.
#![expect(unsafe_code, reason = "a token borrows the endpoint that is counted beside it")]

use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr;

use kos_ipc::endpoint::{CallSlot, Endpoint, Msg, ReceiveError, Received, ReplyError, ReplyToken};
use kos_ipc::wait::Progress;
use kos_sched::TaskId;

use super::lent::Lent;
use super::{Client, Handle};
use crate::glue::ipc::{IpcEnv, Memory, Sleeper};
use crate::platform::Platform;
use crate::time::Instant;

/// Calls under way at an endpoint.
const CALLS: usize = 8;
/// Calls that are looked at in one step when an endpoint closes.
const STEP: usize = 16;

/// What is sent and answered.
pub(crate) type Message<P> = Msg<'static, IpcEnv<P>, Handle<P>>;

type Slot<P> = CallSlot<TaskId, Message<P>, Memory<P>>;
type Inner<P> = Endpoint<'static, IpcEnv<P>, Message<P>, Memory<P>>;
type Token<P> = ReplyToken<'static, 'static, IpcEnv<P>, Message<P>, Memory<P>>;

/// Where programs and the kernel call a server.
pub(crate) struct Port<P: Platform> {
    endpoint: Lent<Inner<P>, Slot<P>>,
    /// Tells it from others.
    pub(crate) id: u32,
    /// The process that serves it; 0 is the kernel.
    pub(crate) server: u32,
}

/// A call that was received and not answered yet. Dropped, it tells the caller that there is no answer.
pub(crate) struct Pending<P: Platform> {
    token: ManuallyDrop<Token<P>>,
    port: Arc<Port<P>>,
}

/// A call that was received: what was sent, the badge, the right to answer.
pub(crate) type Incoming<P> = (Message<P>, u64, Pending<P>);

impl<P: Platform> Port<P> {
    /// Nobody calls yet; `None` without memory.
    pub(super) fn new(id: u32, server: u32, label: u16) -> Option<Self> {
        let make = |slots| Some(Endpoint::new(Sleeper::new(), slots, label, id));
        // SAFETY: an endpoint gives out tokens, calls and walks, which borrow it; what it returns by value are messages.
        let endpoint = unsafe { Lent::new(CALLS, CallSlot::new, make) }?;
        Some(Self { endpoint, id, server })
    }

    /// Takes the next call; sleeps until there is one.
    pub(crate) fn receive(
        self: &Arc<Self>,
        client: &Client<'_, P>,
        until: Option<Instant>,
    ) -> Result<Incoming<P>, ReceiveError> {
        let received = self.endpoint.recv(client, until)?;
        Ok(self.keep(received))
    }

    fn keep(
        self: &Arc<Self>,
        received: Received<'_, 'static, IpcEnv<P>, Message<P>, Memory<P>>,
    ) -> Incoming<P> {
        let Received { message, badge, token } = received;
        let token = ManuallyDrop::new(token);
        // SAFETY: the same type but for the lifetime of the endpoint, which lies behind the counted pointer that is kept beside the
        // token and dropped after it; the original is not dropped.
        let token = unsafe { ptr::read(ptr::from_ref(&token).cast::<ManuallyDrop<Token<P>>>()) };
        (message, badge, Pending { token, port: Arc::clone(self) })
    }

    /// The server is gone: ends all calls, some at a time.
    pub(crate) fn close(&self, mut pause: impl FnMut()) {
        let mut walk = self.endpoint.close();
        while walk.step(STEP, |_| true) == Progress::More {
            pause();
        }
    }
}

impl<P: Platform> Deref for Port<P> {
    type Target = Inner<P>;

    fn deref(&self) -> &Inner<P> {
        &self.endpoint
    }
}

impl<P: Platform> fmt::Debug for Port<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("id", &self.id).field("server", &self.server).finish_non_exhaustive()
    }
}

impl<P: Platform> Pending<P> {
    /// Where it was received.
    pub(crate) const fn port(&self) -> &Arc<Port<P>> {
        &self.port
    }

    fn split(self) -> (Token<P>, Arc<Port<P>>) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so each field is taken once.
        let token = unsafe { ManuallyDrop::take(&mut this.token) };
        // SAFETY: as above.
        let port = unsafe { ptr::read(&raw const this.port) };
        (token, port)
    }

    /// Answers; the answer comes back if the caller waits no longer.
    pub(crate) fn reply(self, message: Message<P>) -> Option<Message<P>> {
        // The port is dropped last.
        let (token, _port) = self.split();
        token.reply(message).err().map(|ReplyError { message }| message)
    }

    /// Answers, if the caller still waits, and takes the next call.
    pub(crate) fn reply_receive(
        self,
        message: Message<P>,
        client: &Client<'_, P>,
        until: Option<Instant>,
    ) -> Result<Incoming<P>, ReceiveError> {
        let (token, port) = self.split();
        let (_, received) = port.endpoint.reply_recv(token, message, client, until);
        received.map(|received| port.keep(received))
    }
}

impl<P: Platform> Deref for Pending<P> {
    type Target = Token<P>;

    fn deref(&self) -> &Token<P> {
        &self.token
    }
}

impl<P: Platform> Drop for Pending<P> {
    fn drop(&mut self) {
        // SAFETY: dropped here only; `split` keeps this from running. The port goes after it.
        unsafe { ManuallyDrop::drop(&mut self.token) };
    }
}

impl<P: Platform> fmt::Debug for Pending<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)
    }
}
