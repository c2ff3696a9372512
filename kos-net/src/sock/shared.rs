//! A stack that several tasks use: [`Shared`], and handles that own a socket: [`TcpStream`], [`TcpListener`].
//!
//! Each call takes the lock for as long as it takes; never while it waits, and who is woken is woken after it was given back. The
//! task that polls goes through [`Shared::with`] as well.

use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use lock_api::{Mutex, RawMutex};

use super::{SocketId, Storage};
use crate::error::{AcceptError, BindError, StreamError};
use crate::ports::{Entropy, Frame};
use crate::stack::Stack;
use crate::tcp::TcpState;

/// Wakers that are fired between two holds of the lock.
const WAKERS: usize = 8;

/// A stack behind a lock.
pub struct Shared<R, F, S: Storage<F>> {
    stack: Mutex<R, Stack<F, S>>,
}

impl<R, F, S: Storage<F>> fmt::Debug for Shared<R, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> Shared<R, F, S> {
    /// Takes a stack.
    #[must_use]
    pub fn new(mut stack: Stack<F, S>) -> Self {
        stack.core().sockets.wake_later();
        Self { stack: Mutex::new(stack) }
    }

    /// Does something with the stack: polls it, say. Who is to be woken is woken afterwards.
    pub fn with<T>(&self, what: impl FnOnce(&mut Stack<F, S>) -> T) -> T {
        let mut woken = heapless::Vec::<_, WAKERS>::new();
        let mut stack = self.stack.lock();
        let result = what(&mut stack);
        loop {
            while !woken.is_full()
                && let Some(waker) = stack.core().sockets.next_woken()
            {
                // There is room.
                drop(woken.push(waker));
            }
            drop(stack);
            if woken.is_empty() {
                return result;
            }
            while let Some(waker) = woken.pop() {
                waker.wake();
            }
            stack = self.stack.lock();
        }
    }

    /// Opens a connection, as [`Stack::tcp_connect`] does.
    ///
    /// # Errors
    /// Those of that call.
    pub fn tcp_connect(
        &self,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        entropy: &mut dyn Entropy,
    ) -> Result<TcpStream<'_, R, F, S>, BindError> {
        let id = self.with(|stack| stack.tcp_connect(remote, local, entropy))?;
        Ok(TcpStream { shared: self, id })
    }

    /// Lets peers connect, as [`Stack::tcp_listen`] does.
    ///
    /// # Errors
    /// Those of that call.
    pub fn tcp_listen(
        &self,
        local: SocketAddr,
        backlog: u16,
        entropy: &mut dyn Entropy,
    ) -> Result<TcpListener<'_, R, F, S>, BindError> {
        let id = self.with(|stack| stack.tcp_listen(local, backlog, entropy))?;
        Ok(TcpListener { shared: self, id })
    }
}

/// A connection. It is closed when this is dropped: what was written still goes.
pub struct TcpStream<'s, R: RawMutex, F: Frame, S: Storage<F>> {
    shared: &'s Shared<R, F, S>,
    id: SocketId,
}

impl<R: RawMutex, F: Frame, S: Storage<F>> fmt::Debug for TcpStream<'_, R, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(&self.id).finish()
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> Drop for TcpStream<'_, R, F, S> {
    fn drop(&mut self) {
        self.shared.with(|stack| stack.close(self.id));
    }
}

impl<'s, R: RawMutex, F: Frame, S: Storage<F>> TcpStream<'s, R, F, S> {
    /// Its socket.
    #[must_use]
    pub const fn id(&self) -> SocketId {
        self.id
    }

    /// Its stack.
    #[must_use]
    pub const fn shared(&self) -> &'s Shared<R, F, S> {
        self.shared
    }

    /// Sends no more than what was written already, and tells the peer. Receiving goes on.
    ///
    /// # Errors
    /// The connection is no more.
    pub fn shutdown(&mut self) -> Result<(), StreamError> {
        self.shared.with(|stack| stack.tcp_shutdown(self.id))
    }

    /// Waits until the handshake is done.
    ///
    /// # Errors
    /// It failed.
    pub async fn connected(&mut self) -> Result<(), StreamError> {
        self.ready(Self::try_connected).await
    }

    /// A stream that does not return before it is done: `wait` is called while nothing can be done, and has the stack polled.
    pub const fn blocking<W: FnMut()>(self, wait: W) -> Blocking<Self, W> {
        Blocking { stream: self, wait }
    }

    pub(super) fn try_connected(&mut self) -> Result<(), StreamError> {
        self.shared.with(|stack| match stack.tcp_state(self.id)? {
            TcpState::SynSent | TcpState::SynReceived => Err(StreamError::NotNow),
            // Only a connection that failed is closed before it was open; reading tells why.
            TcpState::Closed => stack.tcp_receive(self.id, |_| (0, ())),
            _ => Ok(()),
        })
    }

    /// Reads what is there into `out`; 0 at the end of the peer's stream.
    pub(super) fn try_read(&mut self, out: &mut [u8]) -> Result<usize, StreamError> {
        if out.is_empty() {
            return Ok(0);
        }
        let read = self.shared.with(|stack| {
            stack.tcp_receive(self.id, |bytes| {
                let count = bytes.len().min(out.len());
                out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                (count, count)
            })
        });
        if read == Err(StreamError::Finished) { Ok(0) } else { read }
    }

    /// Writes what there is room for.
    pub(super) fn try_write(&mut self, data: &[u8]) -> Result<usize, StreamError> {
        if data.is_empty() {
            return Ok(0);
        }
        self.shared.with(|stack| {
            stack.tcp_send(self.id, |room| {
                let count = room.len().min(data.len());
                room.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
                (count, count)
            })
        })
    }

    /// Whether the peer has acknowledged all that was written.
    pub(super) fn try_flush(&mut self) -> Result<(), StreamError> {
        self.shared.with(|stack| match stack.tcp_unacknowledged(self.id)? {
            0 => Ok(()),
            _ if stack.tcp_state(self.id)? == TcpState::Closed => stack.tcp_send(self.id, |_| (0, ())),
            _ => Err(StreamError::NotNow),
        })
    }

    /// Waits until `attempt` says something other than [`StreamError::NotNow`].
    pub(super) async fn ready<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, StreamError>,
    ) -> Result<T, StreamError> {
        poll_fn(|context| self.attempt(context, &mut attempt)).await
    }

    /// The waker is there before the attempt: what happens in between wakes too.
    fn attempt<T>(
        &mut self,
        context: &Context<'_>,
        attempt: &mut impl FnMut(&mut Self) -> Result<T, StreamError>,
    ) -> Poll<Result<T, StreamError>> {
        self.shared.with(|stack| stack.wake_with(self.id, context.waker()));
        match attempt(self) {
            Err(StreamError::NotNow) => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

/// A socket that peers connect to. It is closed when this is dropped: who was not accepted is reset.
pub struct TcpListener<'s, R: RawMutex, F: Frame, S: Storage<F>> {
    shared: &'s Shared<R, F, S>,
    id: SocketId,
}

impl<R: RawMutex, F: Frame, S: Storage<F>> fmt::Debug for TcpListener<'_, R, F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener").field(&self.id).finish()
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> Drop for TcpListener<'_, R, F, S> {
    fn drop(&mut self) {
        self.shared.with(|stack| stack.close(self.id));
    }
}

impl<'s, R: RawMutex, F: Frame, S: Storage<F>> TcpListener<'s, R, F, S> {
    /// Its socket.
    #[must_use]
    pub const fn id(&self) -> SocketId {
        self.id
    }

    /// Takes the connection that waits for longest.
    ///
    /// # Errors
    /// Nobody waits.
    pub fn try_accept(&mut self) -> Result<(TcpStream<'s, R, F, S>, SocketAddr), AcceptError> {
        let (id, remote) = self.shared.with(|stack| stack.tcp_accept(self.id))?;
        Ok((TcpStream { shared: self.shared, id }, remote))
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// The socket was closed beside this handle.
    pub async fn accept(&mut self) -> Result<(TcpStream<'s, R, F, S>, SocketAddr), AcceptError> {
        poll_fn(|context| {
            self.shared.with(|stack| stack.wake_with(self.id, context.waker()));
            match self.try_accept() {
                Err(AcceptError::Empty) => Poll::Pending,
                done => Poll::Ready(done),
            }
        })
        .await
    }
}

/// A stream whose calls do not return before they are done; see [`TcpStream::blocking`].
#[derive(Debug)]
pub struct Blocking<T, W> {
    pub(super) stream: T,
    pub(super) wait: W,
}

impl<T, W> Blocking<T, W> {
    /// The stream itself.
    pub fn into_inner(self) -> T {
        self.stream
    }
}
