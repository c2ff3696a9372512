//! Addresses without a server: [`Slaac`], the host's side of router discovery and address configuration.
//!
//! One machine an interface. Router advertisements that came with hop limit 255 go to [`on_advertisement`](Slaac::on_advertisement),
//! what speaks against a tentative address to [`on_conflict`](Slaac::on_conflict). What to do comes out of [`poll`](Slaac::poll),
//! to be called at [`poll_at`](Slaac::poll_at), after each input, and until it says `None`. After [`SlaacAction::Changed`] the stack
//! takes over anew which [addresses](Slaac::addresses), [on-link prefixes](Slaac::prefixes), [routers](Slaac::routers) and
//! [name servers](Slaac::name_servers) there are.
//!
//! Invariants: everything is bounded, and what is there already stays when more is advertised than fits; no unauthenticated
//! advertisement shortens the life of an address below two hours (RFC 4862, section 5.5.3 e); an address is used only after [`Dad`].
//! Sources: RFC 4861 sections 6.3.4 and 6.3.7, RFC 4862, RFC 7217, RFC 8106.

mod identifier;
mod lifetime;
#[cfg(test)]
mod tests;

use core::net::Ipv6Addr;

use heapless::Vec;
pub use identifier::IdentifierKey;
use lifetime::{until, valid_until};

use super::{Dad, DadStep, Prefix, Verdict};
use crate::jitter::Jitter;
use crate::time::{Duration, Instant, after};
use crate::wire::ndp::{NdpOption, PrefixInformation, RouterAdvertisement};

/// The most addresses, that of the link included.
pub const MAX_ADDRESSES: usize = 8;
/// The most prefixes on the link.
pub const MAX_PREFIXES: usize = 8;
/// The most routers.
pub const MAX_ROUTERS: usize = 4;
/// The most name servers.
pub const MAX_NAME_SERVERS: usize = 3;

/// How often routers are asked for, and how long their answer is waited for (RFC 4861, section 10).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
const SOLICITATION_DELAY: Duration = Duration::from_secs(1);
/// How many addresses of one prefix are tried (RFC 7217, section 6).
const IDENTIFIERS: u8 = 3;
/// For ever.
const NEVER: Instant = Instant::from_ticks(u64::MAX);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlaacAction {
    /// Ask for routers: a solicitation to `ff02::2`, from the link's address if that may be used already.
    SolicitRouters,
    /// Ask who has a tentative address: a solicitation from the unspecified address. Its solicited-node group is listened to.
    Probe(Ipv6Addr),
    /// What this interface has is different now.
    Changed,
}

/// An address of the interface.
#[derive(Clone, Debug)]
pub struct SlaacAddress {
    /// It.
    pub address: Ipv6Addr,
    /// Its network.
    pub prefix: Prefix,
    /// Until when it is used for what is new.
    pub preferred: Instant,
    /// Until when it is there at all.
    pub valid: Instant,
    dad: Dad,
    conflicts: u8,
    /// Whether it was told that it is not preferred any more.
    deprecated: bool,
}

impl SlaacAddress {
    /// Whether it may not be used yet.
    #[must_use]
    pub const fn is_tentative(&self) -> bool {
        self.dad.is_tentative()
    }

    /// Whether it is not to be used for what is new.
    #[must_use]
    pub fn is_deprecated(&self, now: Instant) -> bool {
        self.preferred <= now
    }
}

/// Something advertised, and until when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised<T> {
    /// It.
    pub what: T,
    /// Until when.
    pub valid: Instant,
}

/// The addresses of one interface, and what routers tell it.
#[derive(Debug)]
pub struct Slaac {
    key: IdentifierKey,
    addresses: Vec<SlaacAddress, MAX_ADDRESSES>,
    prefixes: Vec<Advertised<Prefix>, MAX_PREFIXES>,
    routers: Vec<Advertised<Ipv6Addr>, MAX_ROUTERS>,
    servers: Vec<Advertised<Ipv6Addr>, MAX_NAME_SERVERS>,
    mtu: Option<u32>,
    hop_limit: Option<u8>,
    solicit_at: Option<Instant>,
    solicitations: u8,
    changed: bool,
    jitter: Jitter,
}

impl Slaac {
    /// An interface whose link just came up: it makes the address of the link, and asks for routers. `seed` differs from that of
    /// other hosts.
    #[must_use]
    pub fn new(now: Instant, key: IdentifierKey, seed: u64) -> Self {
        let mut jitter = Jitter::new(seed);
        let solicit_at = Some(after(now, jitter.below(SOLICITATION_DELAY)));
        let mut slaac = Self {
            key,
            addresses: Vec::new(),
            prefixes: Vec::new(),
            routers: Vec::new(),
            servers: Vec::new(),
            mtu: None,
            hop_limit: None,
            solicit_at,
            solicitations: SOLICITATIONS,
            changed: false,
            jitter,
        };
        if let Some(link) = Prefix::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0).into(), 64) {
            slaac.add_address(now, link, NEVER, NEVER);
        }
        slaac
    }

    /// A router at `from` said what it has. Who is not on the link is not believed.
    pub fn on_advertisement(&mut self, now: Instant, from: Ipv6Addr, router: &RouterAdvertisement<'_>) {
        if !from.is_unicast_link_local() {
            return;
        }
        self.changed |= advertise(&mut self.routers, now, from, router.lifetime.into());
        if router.lifetime > 0 {
            self.solicit_at = None;
        }
        if router.hop_limit > 0 {
            self.changed |= self.hop_limit.replace(router.hop_limit) != Some(router.hop_limit);
        }
        for option in router.options.iter() {
            match option {
                NdpOption::Prefix(prefix) => self.on_prefix(now, prefix),
                NdpOption::Mtu(mtu @ super::pmtu::FLOOR_V6..) => {
                    self.changed |= self.mtu.replace(mtu) != Some(mtu);
                }
                NdpOption::NameServers { lifetime, servers } => {
                    for &server in servers {
                        let server = Ipv6Addr::from_octets(server);
                        self.changed |= advertise(&mut self.servers, now, server, lifetime);
                    }
                }
                _ => {}
            }
        }
    }

    /// Somebody else has or tries `address`: says whether it was one of ours that is given up now.
    pub fn on_conflict(&mut self, now: Instant, address: Ipv6Addr) -> bool {
        let Some(ours) = self.addresses.iter_mut().find(|ours| ours.address == address) else { return false };
        if ours.dad.on_conflict(now) != Verdict::Lost {
            return false;
        }
        ours.conflicts = ours.conflicts.saturating_add(1);
        ours.address = self.key.address(&ours.prefix, ours.conflicts);
        ours.dad = Dad::v6(now, self.jitter.next());
        remove(&mut self.addresses, |ours| ours.conflicts >= IDENTIFIERS);
        self.changed = true;
        true
    }

    /// What to do next at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<SlaacAction> {
        self.forget_old(now);
        for ours in &mut self.addresses {
            match ours.dad.poll(now) {
                Some(DadStep::Probe) => return Some(SlaacAction::Probe(ours.address)),
                Some(DadStep::Usable | DadStep::Announce) => self.changed = true,
                None => {}
            }
        }
        if self.solicit_at.is_some_and(|at| at <= now) {
            self.solicitations = self.solicitations.saturating_sub(1);
            self.solicit_at = (self.solicitations > 0).then(|| after(now, SOLICITATION_INTERVAL));
            return Some(SlaacAction::SolicitRouters);
        }
        core::mem::take(&mut self.changed).then_some(SlaacAction::Changed)
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let ends = self.ends().filter(|&end| end != NEVER);
        let dads = self.addresses.iter().filter_map(|ours| ours.dad.poll_at());
        let now = self.changed.then(|| Instant::from_ticks(0));
        ends.chain(dads).chain(self.solicit_at).chain(now).min()
    }

    /// Its addresses, tentative ones among them.
    #[must_use]
    pub fn addresses(&self) -> &[SlaacAddress] {
        &self.addresses
    }

    /// Which addresses are neighbours.
    #[must_use]
    pub fn prefixes(&self) -> &[Advertised<Prefix>] {
        &self.prefixes
    }

    /// Who passes packets on.
    #[must_use]
    pub fn routers(&self) -> &[Advertised<Ipv6Addr>] {
        &self.routers
    }

    /// Who answers for names.
    #[must_use]
    pub fn name_servers(&self) -> &[Advertised<Ipv6Addr>] {
        &self.servers
    }

    /// The most bytes of a packet on the link, if a router said. It may be more than the device takes.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    /// The hop limit of what goes out, if a router said.
    #[must_use]
    pub const fn hop_limit(&self) -> Option<u8> {
        self.hop_limit
    }

    /// A neighbour is no router any more, or does not answer.
    pub fn forget_router(&mut self, router: Ipv6Addr) {
        self.changed |= remove(&mut self.routers, |known| known.what == router);
    }
}

/// The steps.
impl Slaac {
    fn on_prefix(&mut self, now: Instant, option: &PrefixInformation) {
        let (valid, preferred) = (option.valid.get(), option.preferred.get());
        let Some(prefix) = Prefix::new(option.prefix().into(), option.length) else { return };
        if option.prefix().is_unicast_link_local() || option.prefix().is_multicast() || preferred > valid {
            return;
        }
        if option.on_link() {
            self.changed |= advertise(&mut self.prefixes, now, prefix, valid);
        }
        if option.autonomous() && option.length == 64 {
            self.on_autonomous(now, prefix, valid, preferred);
        }
    }

    fn on_autonomous(&mut self, now: Instant, prefix: Prefix, valid: u32, preferred: u32) {
        let preferred = until(now, preferred);
        let Some(ours) = self.addresses.iter_mut().find(|ours| ours.prefix == prefix) else {
            if valid > 0 {
                self.add_address(now, prefix, preferred, until(now, valid));
            }
            return;
        };
        ours.valid = valid_until(now, ours.valid, valid);
        ours.preferred = preferred.min(ours.valid);
        let deprecated = ours.is_deprecated(now);
        self.changed |= core::mem::replace(&mut ours.deprecated, deprecated) != deprecated;
    }

    fn add_address(&mut self, now: Instant, prefix: Prefix, preferred: Instant, valid: Instant) {
        let (address, dad) = (self.key.address(&prefix, 0), Dad::v6(now, self.jitter.next()));
        let ours = SlaacAddress { address, prefix, preferred, valid, dad, conflicts: 0, deprecated: false };
        self.changed |= self.addresses.push(ours).is_ok();
    }

    /// When something ends, or ends to be preferred.
    fn ends(&self) -> impl Iterator<Item = Instant> {
        let preferred = self.addresses.iter().filter(|ours| !ours.deprecated);
        preferred
            .map(|ours| ours.preferred)
            .chain(self.addresses.iter().map(|ours| ours.valid))
            .chain(self.prefixes.iter().map(|known| known.valid))
            .chain(self.routers.iter().map(|known| known.valid))
            .chain(self.servers.iter().map(|known| known.valid))
    }

    fn forget_old(&mut self, now: Instant) {
        for ours in self.addresses.iter_mut().filter(|ours| !ours.deprecated && ours.preferred <= now) {
            ours.deprecated = true;
            self.changed = true;
        }
        self.changed |= remove(&mut self.addresses, |ours| ours.valid <= now);
        self.changed |= remove(&mut self.prefixes, |known| known.valid <= now);
        self.changed |= remove(&mut self.routers, |known| known.valid <= now);
        self.changed |= remove(&mut self.servers, |known| known.valid <= now);
    }
}

/// Notes what was advertised for `seconds`; says whether something new is there, or something is gone.
fn advertise<T: Copy + PartialEq, const N: usize>(
    list: &mut Vec<Advertised<T>, N>,
    now: Instant,
    what: T,
    seconds: u32,
) -> bool {
    if seconds == 0 {
        return remove(list, |known| known.what == what);
    }
    let valid = until(now, seconds);
    match list.iter_mut().find(|known| known.what == what) {
        Some(known) => {
            known.valid = valid;
            false
        }
        None => list.push(Advertised { what, valid }).is_ok(),
    }
}

/// Says whether something is gone.
fn remove<T, const N: usize>(list: &mut Vec<T, N>, gone: impl Fn(&T) -> bool) -> bool {
    let before = list.len();
    list.retain(|known| !gone(known));
    list.len() < before
}
