//! Who gets in: a thread accepts connections and lets them wait for those that serve; to whom there is no room for it says so.

use kos_net::SocketId;

use crate::Kernel;
use crate::net::State;
use crate::net::stream::Stream;
use crate::platform::Platform;
use crate::time::{Duration, after};

/// Connections at a time, those that wait included.
pub(crate) const CONNECTIONS: usize = 64;
/// How long a client may stay silent where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one listens to whom there is no room for.
const FAREWELL: Duration = Duration::from_millis(100);
/// Pieces of what he asks that are taken meanwhile.
const PIECES: usize = 16;

/// What one is told for whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Connections that wait, and how many are served.
#[derive(Debug, Default)]
pub(crate) struct Door {
    waiting: heapless::Deque<SocketId, CONNECTIONS>,
    serving: usize,
    /// Who was told that there is no room.
    pub(crate) refused: u64,
}

impl Door {
    /// Lets a connection wait, if there are fewer than there may be.
    fn enter(&mut self, id: SocketId) -> bool {
        self.inside() < CONNECTIONS && self.waiting.push_back(id).is_ok()
    }

    /// Who waits or is served.
    pub(crate) fn inside(&self) -> usize {
        self.waiting.len() + self.serving
    }

    /// The next to be served.
    fn next(&mut self) -> Option<SocketId> {
        let id = self.waiting.pop_front()?;
        self.serving += 1;
        Some(id)
    }
}

/// Accepts until the listener is closed, or the thread is to end; then nobody waits any more. A service of the kernel.
pub(crate) fn keep<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let Some(net) = kernel.net() else { return };
    let Some(listener) = net.with(kernel, |state| state.web.listener) else { return };
    while let Some(stream) = Stream::accept(kernel, listener, PATIENCE) {
        let entered = net.with(kernel, |state| state.web.door.enter(stream.id()));
        if entered {
            // It is theirs who serve.
            stream.leave();
            net.tell();
            continue;
        }
        net.with(kernel, |state| state.web.door.refused += 1);
        // There is room in a new connection for as little; who does not take it has gone.
        let now = kernel.platform().now();
        let told = stream.write_until(now, FULL).and_then(|()| stream.finish());
        // What he asked is taken, if it is on its way: left unread, it would become a reset in place of the answer.
        let hear = || stream.read_until(after(now, FAREWELL), &mut [0; 512]).is_ok_and(|count| count > 0);
        let _ = told.is_ok() && (0..PIECES).all(|_| hear());
    }
    net.with(kernel, |state| {
        while let Some(id) = state.web.door.waiting.pop_front() {
            state.stack.close(id);
        }
    });
    net.tell();
}

/// The next connection to serve; [`None`] when there will be none.
pub(super) fn next<P: Platform>(kernel: &Kernel<P>) -> Option<Stream<'_, P>> {
    let look = |state: &mut State<P>| match state.web.door.next() {
        Some(id) => Some(Some(id)),
        None => state.web.listener.is_none().then_some(None),
    };
    let id = kernel.net()?.wait(kernel, None, look)??;
    Some(Stream::of(kernel, id, PATIENCE))
}

/// One is served no longer.
pub(super) fn left<P: Platform>(kernel: &Kernel<P>) {
    if let Some(net) = kernel.net() {
        net.with(kernel, |state| state.web.door.serving = state.web.door.serving.saturating_sub(1));
    }
}
