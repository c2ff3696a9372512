//! The machine: [`DhcpClient`].

use core::fmt;
use core::net::Ipv4Addr;

use super::DhcpTransmit;
use super::lease::{Lease, after};
use super::message::Draft;
use crate::ports::{Entropy, EntropyError};
use crate::time::Instant;
use crate::wire::dhcp::{DhcpKind, DhcpMessage};
use crate::wire::{MacAddr, NoRoom, ParseError};

const SECOND_NS: u64 = 1_000_000_000;
/// How often a REQUEST is sent before another server is looked for: after about a minute.
const REQUESTS: u32 = 4;
/// How often the address of before is asked for.
const REBOOTS: u32 = 2;
/// The least between two REQUESTs for more time.
const RENEW_NS: u64 = 60 * SECOND_NS;
/// How long to wait after an address turned out to be somebody else's.
const DECLINED_NS: u64 = 10 * SECOND_NS;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpConfig<'a> {
    /// The link address.
    pub mac: MacAddr,
    /// The address of before, to be asked for first.
    pub previous: Option<Ipv4Addr>,
    /// Our name, to be told to the server; empty, or at most 63 bytes.
    pub host_name: &'a [u8],
}

/// Where the client stands (RFC 2131, figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpState {
    /// It has nothing to say: the address was given back.
    Released,
    /// It will look for servers.
    Init,
    /// It looks for servers.
    Selecting,
    /// It asks a server for an address that was offered.
    Requesting,
    /// It asks for the address of before.
    Rebooting,
    /// It has an address.
    Bound,
    /// It asks the server for more time.
    Renewing,
    /// It asks all servers for more time.
    Rebinding,
    /// It will tell the server that the address is somebody else's.
    Declining,
    /// It will give the address back.
    Releasing,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DhcpError {
    /// No random bytes; it tries again in a second.
    Entropy(EntropyError),
    /// The room for the message is too small; nothing changed. 400 bytes are enough.
    NoRoom(NoRoom),
}

impl fmt::Display for DhcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entropy(error) => error.fmt(f),
            Self::NoRoom(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DhcpError {}

/// Why a message changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DhcpDrop {
    /// It is malformed, or lends nothing that can be used.
    Malformed(ParseError),
    /// It is for somebody else, or answers another question.
    NotOurs,
    /// Another server sent it than the one that was chosen.
    OtherServer,
    /// It does not answer what was asked last.
    Unexpected,
}

impl fmt::Display for DhcpDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::NotOurs => f.write_str("not for us"),
            Self::OtherServer => f.write_str("from another server"),
            Self::Unexpected => f.write_str("nothing of the kind was asked for"),
        }
    }
}

impl core::error::Error for DhcpDrop {}

/// A client. See the [module](super).
#[derive(Clone, Debug)]
pub struct DhcpClient<'a> {
    config: DhcpConfig<'a>,
    state: DhcpState,
    transaction: u32,
    /// When something is to be done.
    due: Option<Instant>,
    /// How often the message of this state was sent.
    sent: u32,
    /// When it began to look for an address.
    began: Instant,
    /// When it asked last.
    asked: Instant,
    /// The address that is asked for, or was offered, or lent; and the server.
    wanted: Ipv4Addr,
    server: Ipv4Addr,
    lease: Option<Lease>,
    changed: bool,
}

impl<'a> DhcpClient<'a> {
    /// A client that begins at `now`.
    #[must_use]
    pub fn new(now: Instant, config: DhcpConfig<'a>) -> Self {
        Self {
            config,
            state: DhcpState::Init,
            transaction: 0,
            due: Some(now),
            sent: 0,
            began: now,
            asked: now,
            wanted: config.previous.unwrap_or(Ipv4Addr::UNSPECIFIED),
            server: Ipv4Addr::UNSPECIFIED,
            lease: None,
            changed: false,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> DhcpState {
        self.state
    }

    /// What it has now.
    #[must_use]
    pub const fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether [`lease`](Self::lease) says something else than at the last call.
    pub const fn take_change(&mut self) -> bool {
        core::mem::replace(&mut self.changed, false)
    }

    /// Before when there is nothing to do.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        self.due
    }

    /// The link went and came: asks for the same address again, and if nobody answers, for any.
    pub fn restart(&mut self, now: Instant) {
        if let Some(lease) = &self.lease {
            self.wanted = lease.address;
        }
        self.begin(now, Some(now));
    }

    /// Somebody else answers under the address that was lent: tells the server, and looks for another in 10 s.
    pub fn decline(&mut self, now: Instant) {
        self.give_back(now, DhcpState::Declining);
    }

    /// Gives the address back, after one message more, and falls silent. [`restart`](Self::restart) begins anew.
    pub fn release(&mut self, now: Instant) {
        self.give_back(now, DhcpState::Releasing);
    }

    fn give_back(&mut self, now: Instant, how: DhcpState) {
        let had = self.lose();
        (self.state, self.due) = match how {
            how if had => (how, Some(now)),
            DhcpState::Releasing => (DhcpState::Released, None),
            _ => return,
        };
    }

    /// Forgets the lease; says whether there was one.
    fn lose(&mut self) -> bool {
        let Some(lease) = self.lease.take() else { return false };
        (self.wanted, self.server, self.changed) = (lease.address, lease.server, true);
        true
    }

    /// Looks for an address again, at `due`.
    fn begin(&mut self, now: Instant, due: Option<Instant>) {
        self.lose();
        (self.state, self.due, self.sent, self.began) = (DhcpState::Init, due, 0, now);
    }

    /// The next message, written to `out`, if one is due at `now`. Call until `None`.
    ///
    /// # Errors
    /// There is no room for it, or no randomness.
    pub fn poll(
        &mut self,
        now: Instant,
        entropy: &mut (impl Entropy + ?Sized),
        out: &mut [u8],
    ) -> Result<Option<DhcpTransmit>, DhcpError> {
        if self.due.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let mut next = self.clone();
        next.step(now);
        if next.state == DhcpState::Bound {
            *self = next;
            return Ok(None);
        }
        match next.send(now, entropy, out) {
            Ok(sent) => {
                *self = next;
                Ok(Some(sent))
            }
            Err(error) => {
                if let DhcpError::Entropy(_) = error {
                    self.due = after(now, SECOND_NS);
                }
                Err(error)
            }
        }
    }

    /// Goes to the state that is right at `now`, without sending.
    fn step(&mut self, now: Instant) {
        let passed = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if let Some(times) = self.lease.as_ref().map(|lease| lease.times) {
            self.state = match self.state {
                _ if passed(times.end) => DhcpState::Init,
                DhcpState::Bound | DhcpState::Renewing if passed(times.rebind) => DhcpState::Rebinding,
                DhcpState::Bound if passed(times.renew) => DhcpState::Renewing,
                state => state,
            };
            if self.state == DhcpState::Init {
                self.lose();
                self.wanted = Ipv4Addr::UNSPECIFIED;
                (self.sent, self.began) = (0, now);
            }
        }
        let tired = match self.state {
            DhcpState::Requesting => self.sent >= REQUESTS,
            DhcpState::Rebooting => self.sent >= REBOOTS,
            _ => false,
        };
        if tired {
            self.wanted = Ipv4Addr::UNSPECIFIED;
            self.begin(now, None);
        }
        if self.state == DhcpState::Init {
            self.state =
                if self.wanted.is_unspecified() { DhcpState::Selecting } else { DhcpState::Rebooting };
        }
    }

    /// Sends what belongs to the state, and says when the next thing is due.
    fn send(
        &mut self,
        now: Instant,
        entropy: &mut (impl Entropy + ?Sized),
        out: &mut [u8],
    ) -> Result<DhcpTransmit, DhcpError> {
        let mut random = [0; 8];
        entropy.fill(&mut random).map_err(DhcpError::Entropy)?;
        let [a, b, c, d, e, f, g, h] = random;
        // An offer and its request are one transaction, and what is sent again is; everything else is another.
        if self.sent == 0 && self.state != DhcpState::Requesting || self.lease.is_some() {
            self.transaction = u32::from_ne_bytes([a, b, c, d]);
        }
        let sent = self.draft(now).write(out).map_err(DhcpError::NoRoom)?;
        let lent = self.lease.as_ref().map(|lease| lease.address);
        let to_server = matches!(self.state, DhcpState::Renewing | DhcpState::Releasing);
        let from = match self.state {
            DhcpState::Releasing => self.wanted,
            _ => lent.unwrap_or(Ipv4Addr::UNSPECIFIED),
        };
        let to = if to_server { self.server } else { Ipv4Addr::BROADCAST };
        self.schedule(now, u32::from_ne_bytes([e, f, g, h]));
        Ok(DhcpTransmit { from, to, length: sent })
    }

    fn draft(&self, now: Instant) -> Draft<'a> {
        let (none, wanted, server) = (Ipv4Addr::UNSPECIFIED, Some(self.wanted), Some(self.server));
        let (kind, client, wanted, server) = match self.state {
            DhcpState::Requesting => (DhcpKind::Request, none, wanted, server),
            DhcpState::Rebooting => (DhcpKind::Request, none, wanted, None),
            DhcpState::Renewing | DhcpState::Rebinding => (DhcpKind::Request, self.wanted, None, None),
            DhcpState::Declining => (DhcpKind::Decline, none, wanted, server),
            DhcpState::Releasing => (DhcpKind::Release, self.wanted, None, server),
            _ => (DhcpKind::Discover, none, wanted.filter(|wanted| !wanted.is_unspecified()), None),
        };
        let waited = now.as_ticks().saturating_sub(self.began.as_ticks()) / SECOND_NS;
        Draft {
            kind,
            transaction: self.transaction,
            seconds: u16::try_from(waited).unwrap_or(u16::MAX),
            mac: self.config.mac,
            client,
            wanted,
            server,
            host_name: self.config.host_name,
        }
    }

    /// A message of this state went out at `now`.
    fn schedule(&mut self, now: Instant, random: u32) {
        let jitter = u64::from(random) % (2 * SECOND_NS);
        let times = self.lease.as_ref().map(|lease| lease.times);
        let half = |until: Option<Instant>| {
            let left = until.map_or(u64::MAX, |until| until.as_ticks().saturating_sub(now.as_ticks()));
            after(now, (left / 2).max(RENEW_NS)).min(until)
        };
        self.asked = now;
        self.due = match (self.state, times) {
            (DhcpState::Renewing, Some(times)) => half(times.rebind),
            (DhcpState::Rebinding, Some(times)) => half(times.end),
            (DhcpState::Releasing, _) => {
                self.state = DhcpState::Released;
                None
            }
            (DhcpState::Declining, _) => {
                self.wanted = Ipv4Addr::UNSPECIFIED;
                self.begin(now, after(now, DECLINED_NS));
                return;
            }
            _ => after(now, ((4 * SECOND_NS) << self.sent.min(4)) - SECOND_NS + jitter),
        };
        self.sent = self.sent.saturating_add(1);
    }

    /// Takes a message that came to port 68.
    ///
    /// # Errors
    /// It changed nothing, for this reason.
    pub fn on_message(&mut self, now: Instant, bytes: &[u8]) -> Result<(), DhcpDrop> {
        let message = DhcpMessage::parse(bytes).map_err(DhcpDrop::Malformed)?;
        let header = message.header;
        if !header.is_reply()
            || header.mac() != self.config.mac
            || header.transaction.get() != self.transaction
        {
            return Err(DhcpDrop::NotOurs);
        }
        match (message.kind, self.state) {
            (DhcpKind::Offer, DhcpState::Selecting) if self.sent > 0 => self.on_offer(now, &message),
            (DhcpKind::Ack | DhcpKind::Nak, DhcpState::Requesting | DhcpState::Renewing) => {
                let server = message.address(crate::wire::dhcp::DhcpCode::SERVER);
                if server != Some(self.server) {
                    return Err(DhcpDrop::OtherServer);
                }
                self.on_answer(now, &message)
            }
            (DhcpKind::Ack | DhcpKind::Nak, DhcpState::Rebooting | DhcpState::Rebinding) if self.sent > 0 => {
                self.on_answer(now, &message)
            }
            _ => Err(DhcpDrop::Unexpected),
        }
    }

    fn on_offer(&mut self, now: Instant, message: &DhcpMessage<'_>) -> Result<(), DhcpDrop> {
        let offer = Lease::of(message, self.asked).map_err(DhcpDrop::Malformed)?;
        (self.wanted, self.server) = (offer.address, offer.server);
        (self.state, self.sent, self.due) = (DhcpState::Requesting, 0, Some(now));
        Ok(())
    }

    fn on_answer(&mut self, now: Instant, message: &DhcpMessage<'_>) -> Result<(), DhcpDrop> {
        if message.kind == DhcpKind::Nak {
            let again = after(now, SECOND_NS); // Two servers that contradict each other are not asked at full speed.
            self.begin(now, again);
            self.wanted = Ipv4Addr::UNSPECIFIED;
            return Ok(());
        }
        let lease = Lease::of(message, self.asked).map_err(DhcpDrop::Malformed)?;
        if lease.address != self.wanted {
            return Err(DhcpDrop::Unexpected);
        }
        (self.state, self.sent, self.due) = (DhcpState::Bound, 0, lease.times.renew);
        self.server = lease.server;
        self.changed = true;
        self.lease = Some(lease);
        Ok(())
    }
}
