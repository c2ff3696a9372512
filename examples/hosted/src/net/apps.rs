//! What runs over the sockets: [`Apps`].

use core::net::SocketAddr;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use kos_net::time::Instant;
use kos_net::{SocketId, StreamError};

use super::files::Exchange;
use super::iperf::Iperf;
use super::{HostEntropy, HostStack};

/// Who waits longer than that gets no answer.
const BACKLOG: u16 = 256;
/// What is moved between two rings at a time.
const PIECE: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Echo,
    Discard,
    Chargen,
    Http,
    Iperf,
}

/// A connection's part of a service.
enum Talk {
    Echo,
    Discard,
    Chargen(u8),
    Http(Box<Exchange>),
    Iperf,
}

pub(super) struct Apps {
    listeners: HashMap<SocketId, Service>,
    datagrams: Option<SocketId>,
    talks: HashMap<SocketId, Talk>,
    folder: PathBuf,
    iperf: Iperf,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait,
    Close,
}

impl Apps {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.unwrap_or_default();
        let (listeners, talks) = (HashMap::new(), HashMap::new());
        Self { listeners, datagrams: None, talks, folder, iperf: Iperf::default() }
    }

    pub(super) fn listen(
        &mut self,
        stack: &mut HostStack,
        at: SocketAddr,
        service: Service,
    ) -> io::Result<()> {
        let id = stack.tcp_listen(at, BACKLOG, &mut HostEntropy).map_err(io::Error::other)?;
        self.listeners.insert(id, service);
        if service == Service::Echo {
            self.datagrams = Some(stack.udp_bind(at, &mut HostEntropy).map_err(io::Error::other)?);
        }
        Ok(())
    }

    /// When the first connection has waited for long enough.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.talks
            .values()
            .filter_map(|talk| if let Talk::Http(exchange) = talk { exchange.deadline() } else { None })
            .min()
    }

    /// Deals with all news; whether there was any.
    pub(super) fn run(&mut self, stack: &mut HostStack, now: Instant) -> bool {
        let mut worked = false;
        while let Some((id, _)) = stack.next_ready() {
            worked = true;
            if let Some(&service) = self.listeners.get(&id) {
                self.accept(stack, now, id, service);
            } else if self.datagrams == Some(id) {
                echo_datagrams(stack, id);
            } else {
                self.talk(stack, now, id);
            }
        }
        if self.poll_at().is_some_and(|due| due <= now) {
            let late = |talk: &Talk| matches!(talk, Talk::Http(exchange) if exchange.deadline().is_some_and(|due| due <= now));
            let late: Vec<SocketId> =
                self.talks.iter().filter(|(_, talk)| late(talk)).map(|(&id, _)| id).collect();
            late.into_iter().for_each(|id| self.talk(stack, now, id));
            worked = true;
        }
        worked
    }

    fn accept(&mut self, stack: &mut HostStack, now: Instant, listener: SocketId, service: Service) {
        while let Ok((id, _)) = stack.tcp_accept(listener) {
            let talk = match service {
                Service::Echo => Talk::Echo,
                Service::Discard => Talk::Discard,
                Service::Chargen => Talk::Chargen(0),
                Service::Http => Talk::Http(Box::new(Exchange::new(now))),
                Service::Iperf => Talk::Iperf,
            };
            self.talks.insert(id, talk);
            self.talk(stack, now, id);
        }
    }

    fn talk(&mut self, stack: &mut HostStack, now: Instant, id: SocketId) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let next = match talk {
            Talk::Echo => echo(stack, id),
            Talk::Discard => discard(stack, id),
            Talk::Chargen(line) => generate(stack, id, line),
            Talk::Http(exchange) => exchange.run(stack, now, id, &self.folder),
            Talk::Iperf => self.iperf.run(stack, now, id),
        };
        if next == Next::Close {
            stack.close(id);
            self.talks.remove(&id);
        }
    }
}

/// What an error of a stream means for the connection.
pub(super) fn after(error: StreamError) -> Next {
    if error == StreamError::NotNow { Next::Wait } else { Next::Close }
}

fn echo(stack: &mut HostStack, id: SocketId) -> Next {
    loop {
        let mut bytes = Vec::with_capacity(PIECE);
        let seen = stack.tcp_receive(id, |data| {
            bytes.extend_from_slice(data.get(..data.len().min(PIECE)).unwrap_or_default());
            (0, ())
        });
        if let Err(error) = seen {
            return after(error);
        }
        let sent = stack.tcp_send(id, |room| {
            let count = room.len().min(bytes.len());
            room.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
            (count, count)
        });
        match sent {
            Ok(count) => {
                let _taken = stack.tcp_receive(id, |_| (count, ()));
            }
            Err(error) => return after(error),
        }
    }
}

pub(super) fn discard(stack: &mut HostStack, id: SocketId) -> Next {
    loop {
        if let Err(error) = stack.tcp_receive(id, |data| (data.len(), ())) {
            return after(error);
        }
    }
}

/// RFC 864: 72 characters of a ring, then the next, beginning one further.
fn generate(stack: &mut HostStack, id: SocketId, at: &mut u8) -> Next {
    loop {
        let sent = stack.tcp_send(id, |room| {
            for byte in room.iter_mut() {
                *byte = b' ' + *at;
                *at = (*at + 1) % 95;
            }
            (room.len(), ())
        });
        if let Err(error) = sent {
            return after(error);
        }
    }
}

fn echo_datagrams(stack: &mut HostStack, id: SocketId) {
    while let Ok((from, bytes)) = stack
        .udp_receive(id, |envelope, bytes| (SocketAddr::new(envelope.remote, envelope.port), bytes.to_vec()))
    {
        if let Err(error) = stack.udp_send(id, Some(from), &bytes) {
            eprintln!("echo to {from}: {error}");
        }
    }
}
