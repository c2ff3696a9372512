//! Names of hosts: [`Resolver`] has a socket for each question that is on its way.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use kos_net::SocketId;
use kos_net::services::dns::{Answer, DnsClient, DnsError, Over, QueryId, ResolveError};
use kos_net::wire::dns::DnsType;

use super::{Net, State};
use crate::Kernel;
use crate::platform::Platform;
use crate::time::{Duration, Instant, after};

/// Questions at a time, and answers that are remembered.
const QUERIES: usize = 4;
const ANSWERS: usize = 16;
/// Bytes of the longest question.
const QUESTION: usize = 320;
/// Longer than the client asks three servers twice.
const PATIENCE: Duration = Duration::from_secs(35);

/// The client of name servers, and its sockets.
pub(crate) struct Resolver {
    client: DnsClient<QUERIES, ANSWERS>,
    asked: heapless::Vec<Asked, QUERIES>,
}

/// A question as it was put last.
struct Asked {
    query: QueryId,
    socket: SocketId,
    port: u16,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self { client: DnsClient::new(), asked: heapless::Vec::new() }
    }

    /// When it has something to do.
    pub(super) fn poll_at(&self, now: Instant) -> Option<Instant> {
        self.client.poll_at(now)
    }
}

/// Why a name has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameError {
    /// It was not asked for.
    NotAsked(ResolveError),
    /// The servers have none.
    NoAnswer(DnsError),
}

impl core::fmt::Display for NameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAsked(cause) => cause.fmt(f),
            Self::NoAnswer(cause) => cause.fmt(f),
        }
    }
}

impl core::error::Error for NameError {}

impl<P: Platform> Net<P> {
    /// What name servers say of `name`. Waits for them.
    ///
    /// # Errors
    /// There is nobody to ask, or no answer.
    pub(crate) fn look_up(&self, kernel: &Kernel<P>, name: &str, kind: DnsType) -> Result<Answer, NameError> {
        let now = kernel.platform().now();
        let put = self.with(kernel, |state| state.names.client.resolve(now, name, kind));
        let query = put.map_err(NameError::NotAsked)?;
        let answer = self.wait(kernel, Some(after(now, PATIENCE)), |state| state.names.client.answer(query));
        self.with(kernel, |state| state.forget(query));
        answer.unwrap_or(Err(DnsError::TimedOut)).map_err(NameError::NoAnswer)
    }
}

impl<P: Platform> State<P> {
    /// Whom to ask from now on.
    pub(crate) fn set_name_servers(&mut self, servers: impl IntoIterator<Item = SocketAddr>) {
        self.names.client.set_servers(servers);
    }

    /// Whom to ask.
    pub(crate) fn name_servers(&self) -> &[SocketAddr] {
        self.names.client.servers()
    }

    /// Takes what servers said, and asks what is due. Whether there was anything.
    pub(super) fn resolve(&mut self, now: Instant) -> bool {
        let mut news = false;
        let Self { stack, names: Resolver { client, asked }, .. } = self;
        for &Asked { socket, port, .. } in &*asked {
            let mut hear = || {
                stack.udp_receive(socket, |from, bytes| {
                    // What it does not believe changes nothing.
                    let _ = client.on_message(now, SocketAddr::new(from.remote, from.port), port, bytes);
                })
            };
            while hear().is_ok() {
                news = true;
            }
        }
        let mut question = [0; QUESTION];
        while let Ok(Some(due)) = self.names.client.poll(now, &mut self.entropy, &mut question) {
            news = true;
            self.close_question(due.query);
            match due.over {
                // What cannot be sent now is sent again, later.
                Over::Udp { port } => {
                    let question = question.get(..due.length).unwrap_or_default();
                    let _ = self.ask(due.query, port, due.to, question);
                }
                // An answer that is too long for a datagram is taken for none.
                Over::Tcp => {
                    let _ = self.names.client.on_tcp(now, due.query, None);
                }
            }
        }
        news
    }

    fn ask(&mut self, query: QueryId, port: u16, to: SocketAddr, question: &[u8]) -> Option<()> {
        let any = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = self.stack.udp_bind(SocketAddr::new(any, port), &mut self.entropy);
        let socket = socket.ok()?;
        if self.names.asked.push(Asked { query, socket, port }).is_err() {
            self.stack.close(socket);
        }
        self.stack.udp_send(socket, Some(to), question).ok()
    }

    /// Closes the socket of a question, if it has one.
    fn close_question(&mut self, query: QueryId) {
        let Self { stack, names, .. } = self;
        names.asked.retain(|asked| {
            let over = asked.query == query;
            if over {
                stack.close(asked.socket);
            }
            !over
        });
    }

    fn forget(&mut self, query: QueryId) {
        self.names.client.cancel(query);
        self.close_question(query);
    }
}
