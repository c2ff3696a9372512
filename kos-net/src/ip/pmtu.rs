//! How large a packet may be on its way: [`PathMtus`].
//!
//! An error lowers what is known of a destination, never raises it; after 10 minutes the link's own MTU is tried again (RFC 1191
//! section 6.3, RFC 8201 section 5.3). Nothing falls below 552 bytes (IPv4) or 1280 (IPv6): who is told less sends packets of 552
//! bytes that routers may cut. The entries are sorted by destination; with all taken the one goes that ends first.
//! Only a [`Believed`] error counts, so that nobody fills the table but who sees what we send.

use core::net::IpAddr;

use super::quote::Believed;
use crate::room::Room;
use crate::time::{Duration, Instant, after};

/// The least for IPv4.
pub const FLOOR_V4: u32 = 552;
/// The least for IPv6: every link takes that (RFC 8200, section 5).
pub const FLOOR_V6: u32 = 1280;
/// How long what was learned is believed.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// Sizes that links have, for routers that do not say theirs (RFC 1191, section 7).
const PLATEAUS: [u32; 8] = [65_535, 32_000, 17_914, 8166, 4352, 2002, 1492, 1006];

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMtu {
    /// The most bytes of a packet.
    pub mtu: u32,
    /// Whether even so large packets have to be cut: they go without "don't fragment".
    pub cut: bool,
}

/// Room for what is known of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSlot {
    destination: IpAddr,
    path: PathMtu,
    until: Instant,
}

impl PathSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        destination: IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
        path: PathMtu { mtu: 0, cut: false },
        until: Instant::from_ticks(0),
    };
}

/// The paths that are narrower than their first link.
#[derive(Debug)]
pub struct PathMtus<S> {
    slots: S,
    count: usize,
}

impl<S: Room<PathSlot>> PathMtus<S> {
    /// Nothing known.
    pub fn new(mut slots: S) -> Self {
        slots.as_mut().fill(PathSlot::EMPTY);
        Self { slots, count: 0 }
    }

    /// What is known of the path to `destination`; `None`: as much as the link takes.
    pub fn get(&self, now: Instant, destination: IpAddr) -> Option<PathMtu> {
        let place = self.place(destination).ok()?;
        self.used().get(place).filter(|slot| now < slot.until).map(|slot| slot.path)
    }

    /// A router says that a packet of ours was too large, and that `said` bytes pass (0: it does not say). Returns what is to be
    /// kept to from now on, if that is less than before.
    pub fn learn(&mut self, now: Instant, packet: Believed, said: u32) -> Option<PathMtu> {
        let Believed { destination, length } = packet;
        let below = |said: u32| if said == 0 { plateau(length) } else { said };
        let floor = if destination.is_ipv4() { FLOOR_V4 } else { FLOOR_V6 };
        let told = below(said);
        let path = PathMtu { mtu: told.max(floor), cut: told < floor && destination.is_ipv4() };
        let known = self.get(now, destination);
        let better = known.is_none_or(|known| path.mtu < known.mtu || (path.cut && !known.cut));
        // A packet that was no larger than what passes cannot have been too large.
        if !better || length <= told {
            return None;
        }
        let slot = PathSlot { destination, path, until: after(now, LIFETIME) };
        self.put(slot).then_some(path)
    }

    /// Forgets all: the links changed.
    pub const fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether the entries are sorted.
    pub fn check(&self) -> bool {
        self.used().is_sorted_by(|a, b| a.destination < b.destination)
    }

    fn used(&self) -> &[PathSlot] {
        self.slots.as_ref().get(..self.count).unwrap_or_default()
    }

    fn place(&self, destination: IpAddr) -> Result<usize, usize> {
        self.used().binary_search_by_key(&destination, |slot| slot.destination)
    }

    fn put(&mut self, slot: PathSlot) -> bool {
        if let Ok(place) = self.place(slot.destination) {
            return self.slots.as_mut().get_mut(place).map(|known| *known = slot).is_some();
        }
        if self.count == self.slots.as_ref().len() {
            let first = self.used().iter().enumerate().min_by_key(|(_, slot)| slot.until);
            let Some(first) = first.map(|(place, _)| place) else { return false };
            self.slots.as_mut().get_mut(first..).unwrap_or_default().rotate_left(1);
            self.count -= 1;
        }
        let Err(place) = self.place(slot.destination) else { return false };
        self.count += 1;
        let moved = self.slots.as_mut().get_mut(place..self.count).unwrap_or_default();
        moved.rotate_right(1);
        moved.first_mut().map(|free| *free = slot).is_some()
    }
}

/// The largest size of a link below `length`; for less than all of them 0, which any floor raises.
fn plateau(length: u32) -> u32 {
    PLATEAUS.into_iter().find(|&plateau| plateau < length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use core::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::{LIFETIME, PathMtu, PathMtus, PathSlot};
    use crate::ip::quote::Believed;
    use crate::time::{Duration, Instant, after};

    const NOW: Instant = Instant::from_ticks(5);

    fn packet(host: u8, length: u32) -> Believed {
        Believed { destination: host_v4(host), length }
    }

    fn host_v4(host: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, host).into()
    }

    fn path(mtu: u32) -> Option<PathMtu> {
        Some(PathMtu { mtu, cut: false })
    }

    #[test]
    fn an_error_lowers_and_ten_minutes_forget() {
        let mut paths = PathMtus::new([PathSlot::EMPTY; 4]);
        assert_eq!(paths.get(NOW, host_v4(1)), None);
        assert_eq!(paths.learn(NOW, packet(1, 1500), 1400), path(1400));
        assert_eq!(paths.learn(NOW, packet(1, 1500), 1450), None, "never raised");
        assert_eq!(paths.get(NOW, host_v4(1)), path(1400));
        assert_eq!(paths.get(NOW, host_v4(2)), None);
        let over = after(NOW, LIFETIME);
        assert_eq!(paths.get(over, host_v4(1)), None);
        assert_eq!(paths.learn(over, packet(1, 1500), 1450), path(1450));
    }

    #[test]
    fn floors_hold_against_liars() {
        let mut paths = PathMtus::new([PathSlot::EMPTY; 4]);
        assert_eq!(paths.learn(NOW, packet(1, 1500), 68), Some(PathMtu { mtu: 552, cut: true }));
        let v6 = Believed { destination: "2001:db8::1".parse().unwrap(), length: 1500 };
        assert_eq!(paths.learn(NOW, v6, 100), path(1280));
        assert_eq!(paths.learn(NOW, packet(2, 500), 600), None, "it would have passed");
    }

    #[test]
    fn a_router_that_does_not_say_leaves_the_next_common_size() {
        let mut paths = PathMtus::new([PathSlot::EMPTY; 4]);
        assert_eq!(paths.learn(NOW, packet(1, 1500), 0), path(1492));
        assert_eq!(paths.learn(NOW, packet(1, 1492), 0), path(1006));
        assert_eq!(paths.learn(NOW, packet(1, 1006), 0), Some(PathMtu { mtu: 552, cut: true }));
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn a_map_knows_the_same(steps in prop::collection::vec((0_u8..12, 552_u32..1600, 0_u64..200), 0..60)) {
            let mut paths = PathMtus::new([PathSlot::EMPTY; 8]);
            let (mut model, mut now) = (BTreeMap::<u8, (u32, Instant)>::new(), NOW);
            for (host, said, seconds) in steps {
                now = after(now, Duration::from_secs(seconds));
                let known = model.get(&host).filter(|(_, until)| now < *until).map(|(mtu, _)| *mtu);
                let learned = paths.learn(now, packet(host, 1600), said);
                prop_assert_eq!(learned.is_some(), known.is_none_or(|known| said < known));
                if learned.is_some() {
                    if model.len() == 8 && !model.contains_key(&host) {
                        let first = model.iter().min_by_key(|(_, (_, until))| *until).map(|(host, _)| *host);
                        model.remove(&first.unwrap());
                    }
                    model.insert(host, (said, after(now, LIFETIME)));
                }
                for host in 0..12 {
                    let known = model.get(&host).filter(|(_, until)| now < *until);
                    prop_assert_eq!(paths.get(now, host_v4(host)), known.and_then(|(mtu, _)| path(*mtu)));
                }
                prop_assert!(paths.check());
            }
        }
    }
}
