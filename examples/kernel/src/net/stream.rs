//! Connections for threads that wait: [`Stream`].

use core::net::SocketAddr;

use kos_net::{AcceptError, SocketId, StreamError};

use crate::Kernel;
use crate::platform::Platform;
use crate::time::{Duration, Instant, after};

/// A connection; dropped, it is closed.
pub(crate) struct Stream<'k, P: Platform> {
    kernel: &'k Kernel<P>,
    id: SocketId,
    /// How long the peer may stay silent.
    patience: Duration,
}

impl<'k, P: Platform> Stream<'k, P> {
    /// The next connection of a listener; [`None`] if it was closed, or if the calling thread is to end.
    pub(crate) fn accept(kernel: &'k Kernel<P>, listener: SocketId, patience: Duration) -> Option<Self> {
        let accepted = kernel.net()?.wait(kernel, None, |state| match state.stack.tcp_accept(listener) {
            Ok((id, _)) => Some(Some(id)),
            Err(AcceptError::Empty) => None,
            Err(_) => Some(None),
        });
        Some(Self { kernel, id: accepted??, patience })
    }

    /// A connection that somebody else accepted.
    pub(super) const fn of(kernel: &'k Kernel<P>, id: SocketId, patience: Duration) -> Self {
        Self { kernel, id, patience }
    }

    /// Which it is.
    pub(super) const fn id(&self) -> SocketId {
        self.id
    }

    /// Leaves it to somebody else, open.
    pub(super) fn leave(self) {
        let _ = core::mem::ManuallyDrop::new(self);
    }

    /// A connection to `to`; it may not stand yet.
    pub(crate) fn connect(
        kernel: &'k Kernel<P>,
        to: SocketAddr,
        patience: Duration,
    ) -> Option<Result<Self, kos_net::BindError>> {
        let opened =
            kernel.net()?.with(kernel, |state| state.stack.tcp_connect(to, None, &mut state.entropy));
        Some(opened.map(|id| Self { kernel, id, patience }))
    }

    /// When the patience ends.
    fn until(&self) -> Instant {
        after(self.kernel.platform().now(), self.patience)
    }

    /// The bytes that come next, as many as are there and fit; 0 when the peer is done.
    ///
    /// # Errors
    /// The connection is over; [`StreamError::NotNow`] if nothing came in time.
    pub(crate) fn read(&self, out: &mut [u8]) -> Result<usize, StreamError> {
        self.read_until(self.until(), out)
    }

    /// The same, with patience until `until`.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub(crate) fn read_until(&self, until: Instant, out: &mut [u8]) -> Result<usize, StreamError> {
        let Some(net) = self.kernel.net() else { return Err(StreamError::BadSocket) };
        let read = net.wait(self.kernel, Some(until), |state| {
            let taken = state.stack.tcp_receive(self.id, |bytes| {
                let count = copy(out, bytes);
                (count, count)
            });
            match taken {
                Err(StreamError::NotNow) => None,
                Err(StreamError::Finished) => Some(Ok(0)),
                other => Some(other),
            }
        });
        read.unwrap_or(Err(StreamError::NotNow))
    }

    /// Tells the peer that nothing follows.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn finish(&self) -> Result<(), StreamError> {
        let Some(net) = self.kernel.net() else { return Err(StreamError::BadSocket) };
        net.with(self.kernel, |state| state.stack.tcp_shutdown(self.id))
    }

    /// Sends all of `bytes`, as soon as there is room for them.
    ///
    /// # Errors
    /// The connection is over; [`StreamError::NotNow`] if the peer took nothing in time.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let count = self.write_some(self.until(), bytes)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends all of `bytes`, if the peer takes them until `until`.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub(crate) fn write_until(&self, until: Instant, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let count = self.write_some(until, bytes)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Sends as many of `bytes` as there is room for, once there is room.
    fn write_some(&self, until: Instant, bytes: &[u8]) -> Result<usize, StreamError> {
        let Some(net) = self.kernel.net() else { return Err(StreamError::BadSocket) };
        let written = net.wait(self.kernel, Some(until), |state| {
            let sent = state.stack.tcp_send(self.id, |room| {
                let count = copy(room, bytes);
                (count, count)
            });
            match sent {
                Err(StreamError::NotNow) => None,
                other => Some(other),
            }
        });
        written.unwrap_or(Err(StreamError::NotNow))
    }
}

/// Copies as much as there is and fits; how many bytes.
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

impl<P: Platform> Drop for Stream<'_, P> {
    fn drop(&mut self) {
        if let Some(net) = self.kernel.net() {
            net.with(self.kernel, |state| state.stack.close(self.id));
        }
    }
}
