//! The resolver: [`DnsClient`].

use core::net::SocketAddr;

use heapless::Vec;

use super::answer::{self, Answer, Said};
use super::cache::{Cache, Name};
use super::query::{DnsDrop, DnsError, DnsTransmit, Over, Query, QueryId, ResolveError, Secret, State};
use super::{MAX_SERVERS, MAX_UDP};
use crate::ports::Entropy;
use crate::time::Instant;
use crate::wire::dns::{DnsCode, DnsFlags, DnsMessage, DnsName, DnsType, QueryError, emit_query};

const TRY_NS: u64 = 5_000_000_000;
/// How often each server is asked.
const ROUNDS: u8 = 2;
const INTERNET: u16 = 1;
const FORMAT_ERROR: DnsCode = DnsCode(1);

/// A resolver with room for so many questions on their way, and so many remembered answers.
#[derive(Clone, Debug)]
pub struct DnsClient<const QUERIES: usize, const CACHE: usize> {
    servers: Vec<SocketAddr, MAX_SERVERS>,
    queries: [(u32, Option<Query>); QUERIES],
    cache: Cache<CACHE>,
}

impl<const QUERIES: usize, const CACHE: usize> Default for DnsClient<QUERIES, CACHE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const QUERIES: usize, const CACHE: usize> DnsClient<QUERIES, CACHE> {
    /// A resolver without servers.
    #[must_use]
    pub fn new() -> Self {
        Self { servers: Vec::new(), queries: core::array::from_fn(|_| (0, None)), cache: Cache::new() }
    }

    /// Whom to ask, usually at [`SERVER_PORT`](super::SERVER_PORT): the first three of them. If they are others than before, what
    /// the others said is forgotten.
    pub fn set_servers(&mut self, servers: impl IntoIterator<Item = SocketAddr>) {
        let servers: Vec<SocketAddr, MAX_SERVERS> = servers.into_iter().take(MAX_SERVERS).collect();
        if servers != self.servers {
            self.servers = servers;
            self.cache.clear();
        }
    }

    /// Whom it asks.
    #[must_use]
    pub fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Puts a question. The answer may be there at once: [`answer`](Self::answer).
    ///
    /// # Errors
    /// There is no such name, nobody to ask, or no room.
    pub fn resolve(&mut self, now: Instant, name: &str, kind: DnsType) -> Result<QueryId, ResolveError> {
        let text = name.strip_suffix('.').unwrap_or(name);
        let mut lower = Name::from_slice(text.as_bytes())
            .map_err(|_| ResolveError::Name(QueryError::NameTooLong { length: text.len() }))?;
        lower.make_ascii_lowercase();
        emit_query(0, &lower, kind, None, &mut [0; 300]).map_err(ResolveError::Name)?;
        if !answer::is_known(kind) {
            return Err(ResolveError::Kind(kind));
        }
        if self.servers.is_empty() {
            return Err(ResolveError::NoServers);
        }
        let state =
            self.cache.get(now, &lower, kind).map_or(State::Ready, |known| State::Done(known.clone()));
        let free = self.queries.iter_mut().enumerate().find(|(_, (_, query))| query.is_none());
        let (index, (generation, place)) = free.ok_or(ResolveError::Full)?;
        *generation = generation.wrapping_add(1);
        *place = Some(Query {
            name: lower,
            kind,
            state,
            tries: 0,
            tcp: false,
            edns: true,
            failure: DnsError::TimedOut,
            secret: Secret::default(),
        });
        let index = u8::try_from(index).map_err(|_| ResolveError::Full)?;
        Ok(QueryId { index, generation: *generation })
    }

    fn query(&mut self, id: QueryId) -> Option<&mut Query> {
        let (generation, query) = self.queries.get_mut(usize::from(id.index))?;
        query.as_mut().filter(|_| *generation == id.generation)
    }

    /// The answer, once it is there; with it the question is over. `None` as long as it is not, and for one that is over.
    pub fn answer(&mut self, id: QueryId) -> Option<Result<Answer, DnsError>> {
        let State::Done(result) = &self.query(id)?.state else { return None };
        let result = result.clone();
        self.cancel(id);
        Some(result)
    }

    /// Asks no longer.
    pub fn cancel(&mut self, id: QueryId) {
        if self.query(id).is_some()
            && let Some((_, place)) = self.queries.get_mut(usize::from(id.index))
        {
            *place = None;
        }
    }

    /// Before when there is nothing to do. `now` is what is returned if there is something at once.
    #[must_use]
    pub fn poll_at(&self, now: Instant) -> Option<Instant> {
        let due = |query: &Query| match query.state {
            State::Ready => Some(now),
            State::Sent(until) => Some(until),
            State::Done(_) => None,
        };
        self.queries.iter().filter_map(|(_, query)| query.as_ref()).filter_map(due).min()
    }

    /// The next message, written to `out`, if one is due at `now`. Call until `None`; 320 bytes are enough.
    ///
    /// # Errors
    /// There is no room for it, or no randomness; then the question is over after the usual time.
    pub fn poll(
        &mut self,
        now: Instant,
        entropy: &mut (impl Entropy + ?Sized),
        out: &mut [u8],
    ) -> Result<Option<DnsTransmit>, ResolveError> {
        let servers = self.servers.clone();
        for (index, (generation, query)) in self.queries.iter_mut().enumerate() {
            let Some(query) = query else { continue };
            if matches!(query.state, State::Sent(until) if until <= now) {
                query.again(servers.len());
            }
            if !matches!(query.state, State::Ready) {
                continue;
            }
            let Ok(index) = u8::try_from(index) else { continue };
            let id = QueryId { index, generation: *generation };
            return query.send(now, id, &servers, entropy, out).map(Some);
        }
        Ok(None)
    }

    /// Takes a datagram that came from `from` to our `port`.
    ///
    /// # Errors
    /// It changed nothing, for this reason.
    pub fn on_message(
        &mut self,
        now: Instant,
        from: SocketAddr,
        port: u16,
        bytes: &[u8],
    ) -> Result<(), DnsDrop> {
        let message = parse(bytes)?;
        let servers = self.servers.clone();
        let asked = |query: &Query| {
            matches!(query.state, State::Sent(_))
                && !query.tcp
                && query.secret.port == port
                && query.server(&servers) == Some(from)
        };
        let (_, query) = self
            .queries
            .iter_mut()
            .find(|(_, query)| query.as_ref().is_some_and(asked))
            .ok_or(DnsDrop::NotAsked)?;
        let Some(query) = query else { return Err(DnsDrop::NotAsked) };
        query.believe(&message)?;
        if message.header.flags().contains(DnsFlags::TRUNCATED) {
            (query.tcp, query.state) = (true, State::Ready);
            return Ok(());
        }
        Self::take(&mut self.cache, now, query, servers.len(), &message);
        Ok(())
    }

    /// Takes the message that came over the connection for `id`, without its length; `None` if the connection failed.
    ///
    /// # Errors
    /// It changed nothing, for this reason.
    pub fn on_tcp(&mut self, now: Instant, id: QueryId, bytes: Option<&[u8]>) -> Result<(), DnsDrop> {
        let servers = self.servers.len();
        let (generation, query) = self.queries.get_mut(usize::from(id.index)).ok_or(DnsDrop::NotAsked)?;
        let current = *generation == id.generation;
        let query =
            query.as_mut().filter(|query| current && query.tcp && matches!(query.state, State::Sent(_)));
        let query = query.ok_or(DnsDrop::NotAsked)?;
        let Some(bytes) = bytes else {
            query.again(servers);
            return Ok(());
        };
        let message = parse(bytes)?;
        query.believe(&message)?;
        Self::take(&mut self.cache, now, query, servers, &message);
        Ok(())
    }

    fn take(
        cache: &mut Cache<CACHE>,
        now: Instant,
        query: &mut Query,
        servers: usize,
        message: &DnsMessage<'_>,
    ) {
        let (result, ttl) = match answer::read(message) {
            Said::Found(answer) => {
                let ttl = answer.ttl;
                (Ok(answer), Some(ttl))
            }
            Said::Nothing { no_such_name: true, ttl } => (Err(DnsError::NoSuchName), ttl),
            Said::Nothing { no_such_name: false, ttl } => (Err(DnsError::NoRecords), ttl),
            Said::Failed(code) => {
                query.edns &= code != FORMAT_ERROR;
                query.failure = DnsError::Failed(code);
                return query.again(servers);
            }
        };
        if let Some(ttl) = ttl {
            cache.put(now, &query.name, query.kind, result.clone(), ttl);
        }
        query.state = State::Done(result);
    }
}

/// A message that answers.
fn parse(bytes: &[u8]) -> Result<DnsMessage<'_>, DnsDrop> {
    let message = DnsMessage::parse(bytes).map_err(|_| DnsDrop::Malformed)?;
    let answers = message.header.flags().contains(DnsFlags::RESPONSE) && message.header.operation() == 0;
    if answers { Ok(message) } else { Err(DnsDrop::Malformed) }
}

/// Whether `name` is `text`, each letter as large.
fn is_exactly(name: DnsName<'_>, text: &[u8]) -> bool {
    let mut labels = name.labels();
    text.split(|&byte| byte == b'.').all(|wanted| labels.next() == Some(wanted)) && labels.next().is_none()
}

impl Query {
    /// Whose turn it is.
    fn server(&self, servers: &[SocketAddr]) -> Option<SocketAddr> {
        let turn = usize::from(self.tries.saturating_sub(1)).checked_rem(servers.len())?;
        servers.get(turn).copied()
    }

    /// This try is over: another follows, or none.
    fn again(&mut self, servers: usize) {
        let all = usize::from(ROUNDS) * servers;
        self.tcp = false;
        self.state =
            if usize::from(self.tries) < all { State::Ready } else { State::Done(Err(self.failure)) };
    }

    fn send(
        &mut self,
        now: Instant,
        id: QueryId,
        servers: &[SocketAddr],
        entropy: &mut (impl Entropy + ?Sized),
        out: &mut [u8],
    ) -> Result<DnsTransmit, ResolveError> {
        let mut random = [0; 36];
        if let Err(error) = entropy.fill(&mut random) {
            self.state = State::Done(Err(self.failure));
            return Err(ResolveError::Entropy(error));
        }
        let secret = Secret::of(&random);
        let payload = self.edns.then_some(MAX_UDP).filter(|_| !self.tcp);
        let length = emit_query(secret.identifier, &secret.cased(&self.name), self.kind, payload, out)
            .map_err(ResolveError::Name)?;
        self.secret = secret;
        self.tries = self.tries.saturating_add(u8::from(!self.tcp)).max(1);
        let until = now.as_ticks().saturating_add(TRY_NS);
        self.state = State::Sent(Instant::from_ticks(until));
        let server = self.server(servers).ok_or(ResolveError::NoServers)?;
        let over = if self.tcp { Over::Tcp } else { Over::Udp { port: secret.port } };
        Ok(DnsTransmit { query: id, to: server, over, length })
    }

    /// Whether `message` repeats what only who saw the question knows.
    fn believe(&self, message: &DnsMessage<'_>) -> Result<(), DnsDrop> {
        let Ok((name, kind, class)) = message.question() else { return Err(DnsDrop::Mismatch) };
        let same = message.header.identifier.get() == self.secret.identifier
            && (kind, class) == (self.kind, INTERNET)
            && is_exactly(name, &self.secret.cased(&self.name));
        if same { Ok(()) } else { Err(DnsDrop::Mismatch) }
    }
}
