//! The whole: [`Stack`]. Frames, time and random bytes go in; frames and news of sockets come out.
//!
//! [`core`]: addresses, routes, sockets: what all interfaces share. [`interface`]: what belongs to one device. [`pass`]: both of them
//! with the device at hand, for the length of one [`poll`](Stack::poll); `input`, `output`, `icmp`, `neighbours` and the protocols
//! are its methods. The calls of sockets stand with their protocols, in [`udp`](crate::udp) and [`ping`](crate::ping).

mod autoconf;
mod check;
mod core;
mod fragments;
mod groups;
mod icmp;
mod input;
mod interface;
mod neighbours;
mod output;
mod pass;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unpredictable;
mod view;
mod ways;

use ::core::fmt;
use ::core::net::IpAddr;
use ::core::task::Waker;

pub use self::check::Corruption;
pub(crate) use self::core::{Core, waiting};
use self::groups::Groups;
pub(crate) use self::icmp::{Complaint, Refusal, echo_header};
pub(crate) use self::input::{Arrival, Cast, Taken, why};
use self::interface::Interface;
pub use self::interface::InterfaceSlot;
pub(crate) use self::output::Packet;
pub(crate) use self::pass::{Pass, Sent};
pub use self::view::{SocketKind, SocketView};
use self::ways::Address;
use crate::config::Config;
use crate::dev::{Capabilities, Medium};
use crate::error::{ConfigError, InterfaceError};
use crate::ip::{Prefix, Route, RouteError};
use crate::link::InterfaceId;
use crate::ports::{Entropy, Frame, NetDevice};
use crate::sock::{INTERFACES, Readiness, SocketId, Sockets, Storage};
use crate::stats::Stats;
use crate::tcp::isn::Secret;
use crate::time::Instant;
use crate::wire::MacAddr;

/// A stack of TCP/IP: one owner, who polls it.
pub struct Stack<F, S: Storage<F>> {
    interfaces: S::Interfaces,
    core: Core<F, S>,
}

impl<F, S: Storage<F>> fmt::Debug for Stack<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addresses, stats) = (&self.core.addresses, &self.core.stats);
        f.debug_struct("Stack").field("addresses", addresses).field("stats", stats).finish_non_exhaustive()
    }
}

/// How much one poll may do, so that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Frames that are received.
    pub frames_in: usize,
    /// Packets that are sent for sockets.
    pub packets_out: usize,
}

impl Default for Budget {
    /// 256 either way.
    fn default() -> Self {
        Self { frames_in: 256, packets_out: 256 }
    }
}

/// What a poll did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Frames that came.
    pub frames_in: usize,
    /// Packets of sockets that went out.
    pub packets_out: usize,
    /// Whether it ended because of its budget: there may be more to do.
    pub more: bool,
}

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// A stack without interfaces.
    ///
    /// # Errors
    /// A configuration that cannot be, or no random bytes.
    pub fn new(config: Config, storage: S, entropy: &mut dyn Entropy) -> Result<Self, ConfigError> {
        config.validate()?;
        let (mut secrets, mut keys) = ([[0; 16]; 2], [[[0; 8]; 3]; 3]);
        entropy.fill(secrets.as_flattened_mut()).map_err(|_| ConfigError::Entropy)?;
        entropy.fill(keys.as_flattened_mut().as_flattened_mut()).map_err(|_| ConfigError::Entropy)?;
        let [flows, numbers] = secrets;
        let mut sockets = Sockets::new(storage, flows);
        let interfaces = sockets.storage.interfaces();
        let core =
            Core::new(config, sockets, Secret::new(numbers), keys.map(|keys| keys.map(u64::from_ne_bytes)));
        // Without it nothing would ever be received.
        if core.incoming.is_none() {
            return Err(ConfigError::NoBatch);
        }
        Ok(Self { interfaces, core })
    }

    /// Adds the interface of a device that can do `capabilities`; `mac` is that of the device, and means nothing without
    /// Ethernet. Each poll of this interface has to be with that device.
    ///
    /// # Errors
    /// There is no room for another, no memory, no random bytes, or an MTU that is no MTU.
    pub fn add_interface(
        &mut self,
        capabilities: &Capabilities,
        mac: MacAddr,
        entropy: &mut dyn Entropy,
    ) -> Result<InterfaceId, InterfaceError> {
        let number = self.each().count();
        let id = u8::try_from(number).map_err(|_| InterfaceError::TableFull)?;
        if number >= INTERFACES.min(self.interfaces.as_ref().len()) {
            return Err(InterfaceError::TableFull);
        }
        if capabilities.mtu < 68 {
            return Err(InterfaceError::MtuTooSmall { mtu: capabilities.mtu });
        }
        let mut seed = [[0; 8]; 3];
        entropy.fill(seed.as_flattened_mut()).map_err(|_| InterfaceError::Entropy)?;
        let neighbours = match capabilities.medium {
            Medium::Ip => None,
            Medium::Ethernet => Some(self.core.neighbours(seed.map(u64::from_ne_bytes))?),
        };
        let out = self.core.sockets.storage.batch().ok_or(InterfaceError::NoBatch)?;
        let groups = Groups::new(self.core.jitter.next());
        if let Some(slot) = self.interfaces.as_mut().get_mut(number) {
            slot.0 = Some(Interface::new(InterfaceId(id), *capabilities, mac, neighbours, groups, out));
        }
        if let Some(mtu) = self.core.mtus.get_mut(usize::from(id)) {
            *mtu = capabilities.mtu;
        }
        if capabilities.loopback {
            self.core.loopback = Some(id);
        }
        self.core.known_ways.forget();
        Ok(InterfaceId(id))
    }

    fn known(&self, interface: InterfaceId) -> Result<(), InterfaceError> {
        let known = self.each().any(|known| known.id == interface);
        known.then_some(()).ok_or(InterfaceError::NoInterface)
    }

    /// Gives an interface an address, of whose network the first `prefix` bits are those of its link.
    ///
    /// # Errors
    /// No such interface, no unicast address, or too many addresses.
    pub fn add_address(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), InterfaceError> {
        self.known(interface)?;
        let added = self.core.add_address(Address::given(interface.0, address, prefix));
        self.core.reroute();
        self.hold_groups();
        added
    }

    /// Takes an address away; whether it was there.
    pub fn remove_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        let removed = self.core.remove_address(interface.0, address);
        self.core.reroute();
        self.hold_groups();
        removed
    }

    /// What is beyond the links is reached over `gateway`. One that was there for its family is replaced.
    ///
    /// # Errors
    /// No such interface, an address of several hosts, or one that is not on the link of that interface.
    pub fn set_gateway(&mut self, interface: InterfaceId, gateway: IpAddr) -> Result<(), InterfaceError> {
        self.known(interface)?;
        let set = self.core.set_gateway(interface.0, gateway);
        self.core.reroute();
        set
    }

    /// Adds a route beside those of addresses and gateways: to a network over a gateway, to neighbours, or to nobody.
    ///
    /// # Errors
    /// No such interface, there is no room or that route already, or its gateway is not on the link of its interface.
    pub fn add_route(&mut self, route: Route) -> Result<(), RouteError> {
        self.known(route.interface).map_err(|_| RouteError::NoInterface(route.interface))?;
        let added = self.core.routes.add(route);
        self.core.reroute();
        added
    }

    /// Lets go of memory that is kept for later only, so that others have it.
    pub fn trim(&mut self) {
        self.core.sockets.storage.trim();
    }

    /// Takes the route away that has this destination and metric, whoever added it.
    pub fn remove_route(&mut self, destination: Prefix, metric: u32) -> Option<Route> {
        let removed = self.core.routes.remove(destination, metric);
        self.core.reroute();
        removed
    }

    /// What is beyond the links is no longer reached over `gateway`; whether it was.
    pub fn remove_gateway(&mut self, interface: InterfaceId, gateway: IpAddr) -> bool {
        let removed = self.core.remove_gateway(interface.0, gateway);
        self.core.reroute();
        removed
    }

    /// Receives from `device`, runs what is due at `now`, sends: all that there is to do for that interface, within `budget`.
    ///
    /// # Errors
    /// The device failed. What was received before that has been dealt with, what was to be sent is sent by a later poll.
    pub fn poll<D: NetDevice<Frame = F>>(
        &mut self,
        now: Instant,
        on: InterfaceId,
        device: &mut D,
        budget: Budget,
    ) -> Result<Progress, D::Error> {
        self.core.advance(now);
        match self.interfaces.as_mut().get_mut(usize::from(on.0)).and_then(|slot| slot.0.as_mut()) {
            Some(interface) => Pass::new(&mut self.core, interface, device).run(budget),
            None => Ok(Progress::default()),
        }
    }

    /// When a poll has something to do even if nothing is received: now if it is in the past, never if there is nothing. Who got
    /// [`Progress::more`] polls again at once; frames that the device did not take wait until it takes frames again.
    #[must_use]
    pub fn poll_at(&mut self) -> Option<Instant> {
        let due = self.core.sockets.due_at();
        let rested = self.core.sockets.rests_end_at(self.core.now);
        let of_interfaces = self.each().filter_map(|interface| self.core.poll_at(interface));
        of_interfaces.chain(due).chain(rested).min()
    }

    /// The next socket of which there is news, and which.
    pub fn next_ready(&mut self) -> Option<(SocketId, Readiness)> {
        self.core.sockets.next_ready()
    }

    /// Has `waker` woken once, with the next news of a socket. Whether there is such a socket.
    pub fn wake_with(&mut self, id: SocketId, waker: &Waker) -> bool {
        let Some(slot) = self.core.sockets.get_mut(id) else { return false };
        slot.waker = Some(waker.clone());
        true
    }

    /// How many sockets are open.
    #[must_use]
    pub const fn sockets(&self) -> u32 {
        self.core.sockets.live()
    }

    /// Of how many connections, closed by both sides, the addresses and ports rest (TIME_WAIT).
    #[must_use]
    pub const fn resting(&self) -> u32 {
        self.core.sockets.resting()
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.core.stats
    }

    /// Its interfaces.
    fn each(&self) -> impl Iterator<Item = &Interface<F, S::Neighbours, S::Batch>> {
        self.interfaces.as_ref().iter().filter_map(|slot| slot.0.as_ref())
    }

    /// Everything that sockets do not need an interface for.
    pub(crate) const fn core(&mut self) -> &mut Core<F, S> {
        &mut self.core
    }

    /// The same, to look at.
    pub(crate) const fn core_ref(&self) -> &Core<F, S> {
        &self.core
    }
}
