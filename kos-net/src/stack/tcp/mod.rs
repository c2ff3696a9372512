//! TCP between its pure machines and the rest of the stack: calls in [`api`], segments in `input` and `output`.
//!
//! [`Core::settle`] follows whatever happened to a connection: it is put on the list of those that can send, its timer is set, and
//! if it is over its memory goes back.

mod api;
mod input;
mod output;
#[cfg(test)]
mod tests;

pub(super) use self::input::Recent;
use super::{Core, Corruption};
use crate::sock::demux::Flow;
use crate::sock::{Connection, Place, Readiness, Socket, Storage};
use crate::tcp::input::Change;
use crate::tcp::tcb::End;
use crate::tcp::time_wait::TimeWait;
use crate::time::{Duration, after};

impl<F, S: Storage<F>> Core<F, S> {
    pub(super) fn connection(&mut self, index: u32) -> Option<&mut Connection<S::Memory>> {
        match self.sockets.at_mut(index)? {
            Socket::Tcp(connection) => Some(connection),
            _ => None,
        }
    }

    /// Whether what connections say of themselves can be, and each that can send is on the list of its interface.
    pub(in crate::stack) fn check_connections(&mut self) -> Result<(), Corruption> {
        let now = self.now;
        for index in 0..self.sockets.storage.slots() {
            let Some(connection) = self.connection(index) else { continue };
            let (tcb, buffers) = connection.split();
            if !tcb.check(&buffers) {
                return Err(Corruption::Connection { slot: index });
            }
            let sends = tcb.end().is_none() && tcb.has_to_send(now, &buffers);
            let routed = self.connection(index).map(|of| (of.local.ip(), of.remote.ip()));
            let routed = routed.and_then(|(local, remote)| self.way(local, remote)).is_some();
            let Some(slot) = self.sockets.storage.slot(index) else { continue };
            // What a timer that has not fired yet asks for is not on the list.
            let (listed, waits) = (slot.dirty.is_in(), slot.timer.deadline().is_some_and(|at| at <= now));
            if (listed || !waits) && listed != (sends && routed) {
                return Err(Corruption::List { slot: index });
            }
        }
        Ok(())
    }

    /// Does what follows from a change of a connection. Whether it has something to send.
    pub(super) fn settle(&mut self, index: u32) -> bool {
        let now = self.now;
        let Some(connection) = self.connection(index) else { return false };
        let (tcb, buffers) = connection.split();
        if let Some(end) = tcb.end() {
            self.settle_end(index, end);
            return false;
        }
        tcb.watch_window(now);
        let (sends, deadline) = (tcb.has_to_send(now, &buffers), tcb.deadline());
        let (local, remote) = (connection.local.ip(), connection.remote.ip());
        // What is due already is sent, and then settled again; a timer would only fire again and again.
        let soon = (!sends).then(|| after(now, Duration::from_millis(1)));
        let deadline = deadline.and_then(|at| if at > now { Some(at) } else { soon });
        self.sockets.arm(index, deadline);
        let way = if sends { self.way(local, remote) } else { None };
        match way {
            Some(way) => self.sockets.mark_dirty(index, way.interface),
            None => self.sockets.clear_dirty(index),
        }
        way.is_some()
    }

    /// A connection is over, and has nothing left to say.
    fn settle_end(&mut self, index: u32, end: End) {
        let now = self.now;
        let Some(connection) = self.connection(index) else { return };
        let found = core::mem::replace(&mut connection.found, false);
        let rest = (end == End::TimeWait && found)
            .then(|| TimeWait::new(now, &connection.tcb, connection.local, connection.remote));
        let orphan = connection.orphan;
        self.sockets.arm(index, None);
        self.sockets.clear_dirty(index);
        if found {
            self.sockets.leave(index);
        }
        if orphan && let Some(socket) = self.sockets.remove(index) {
            self.give_back(socket);
        }
        if let Some(rest) = rest {
            self.sockets.rest(rest);
        }
    }

    /// Tells the user of a connection what changed.
    pub(super) fn tell_change(&mut self, index: u32, change: Change) {
        let mut news = Readiness::empty();
        news.set(
            Readiness::READABLE,
            change.intersects(Change::READABLE | Change::PEER_FINISHED | Change::ENDED),
        );
        news.set(
            Readiness::WRITABLE,
            change.intersects(Change::WRITABLE | Change::CONNECTED | Change::ENDED),
        );
        news.set(Readiness::CLOSED, change.contains(Change::ENDED));
        let quiet = self
            .connection(index)
            .is_none_or(|connection| connection.orphan || connection.listener.is_some());
        if !news.is_empty() && !quiet {
            self.sockets.tell(index, news);
        }
    }

    /// The connection between two places.
    pub(super) fn find_connection(&self, local: Place, remote: Place) -> Option<u32> {
        let same = |socket: &Socket<S::Memory>| match socket {
            Socket::Tcp(connection) => {
                let (here, there) = (connection.local, connection.remote);
                (here.ip(), here.port()) == local && (there.ip(), there.port()) == remote
            }
            _ => false,
        };
        self.sockets.find(&Flow { local, remote }, same)
    }

    /// Who listens for what comes to `local`.
    pub(super) fn find_listener(&self, local: Place) -> Option<u32> {
        super::core::bound_for(local).into_iter().find_map(|bound| {
            let same = |socket: &Socket<S::Memory>| match socket {
                Socket::Listening(listening) => (listening.local.ip(), listening.local.port()) == bound,
                _ => false,
            };
            self.sockets.find(&listening_flow(bound), same)
        })
    }

    /// Data of the largest segment that goes by an interface to a peer of that family.
    pub(super) fn segment_on(&self, interface: u8, v4: bool) -> u16 {
        let mtu = self.mtus.get(usize::from(interface)).copied().unwrap_or(0);
        mtu.saturating_sub(if v4 { 40 } else { 60 })
    }
}

/// What a listener is found by.
fn listening_flow((address, port): Place) -> Flow {
    Flow { local: (address, port), remote: (crate::udp::unspecified_like(address), 0) }
}
