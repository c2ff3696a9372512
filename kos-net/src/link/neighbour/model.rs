//! A naive table beside the true one: entries in the order of use, every question by a scan.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{Action, Entry, Hop, NeighbourConfig, Neighbours, QUEUED, Sending, Slot, State};
use crate::link::InterfaceId;
use crate::time::{Duration, Instant, after};
use crate::wire::MacAddr;
use crate::wire::ndp::NeighborFlags;

const SLOTS: usize = 8;
const UNRESOLVED: usize = SLOTS / 4;

#[derive(Clone, Debug)]
struct Known {
    entry: Entry,
    queue: Vec<u32>,
    deadline: Option<Instant>,
}

/// Least lately used first, those without a link address and the others in one list.
#[derive(Default)]
struct Model(Vec<Known>);

impl Model {
    fn unresolved(known: &Known) -> bool {
        matches!(known.entry.state, State::Incomplete | State::Failed { .. })
    }

    fn place(&self, hop: Hop) -> Option<usize> {
        self.0.iter().position(|known| known.entry.hop == hop)
    }

    fn touch(&mut self, hop: Hop) -> Option<&mut Known> {
        let known = self.0.remove(self.place(hop)?);
        self.0.push(known);
        self.0.last_mut()
    }

    /// What was evicted loses its frames.
    fn make_room(&mut self, unresolved: bool) -> usize {
        let share = if unresolved { UNRESOLVED } else { SLOTS - UNRESOLVED };
        let of_kind = |known: &&Known| Self::unresolved(known) == unresolved;
        if self.0.iter().filter(of_kind).count() < share {
            return 0;
        }
        let oldest = self.0.iter().position(|known| Self::unresolved(known) == unresolved);
        oldest.map_or(0, |oldest| self.0.remove(oldest).queue.len())
    }

    fn send(&mut self, now: Instant, hop: Hop, frame: u32) -> Sending<u32> {
        let config = NeighbourConfig::new();
        if self.place(hop).is_none() {
            let dropped = self.make_room(true);
            self.0.push(Known { entry: Entry::new(hop), queue: vec![frame], deadline: Some(now) });
            return Sending::Queued { dropped };
        }
        let known = self.touch(hop).unwrap();
        match known.entry.state {
            State::Failed { until } if now < until => return Sending::Unreachable(frame),
            State::Failed { .. } => {
                known.entry = Entry::new(hop);
                known.deadline = Some(now);
            }
            State::Incomplete | State::Delay | State::Probe => {}
            State::Reachable { until } if now < until => {}
            State::Reachable { .. } | State::Stale => {
                known.entry.state = State::Delay;
                known.deadline = Some(after(now, config.delay));
            }
        }
        if known.entry.state != State::Incomplete {
            return Sending::To(known.entry.mac, frame);
        }
        known.queue.push(frame);
        let dropped = known.queue.len().saturating_sub(QUEUED);
        known.queue.drain(..dropped);
        Sending::Queued { dropped }
    }

    /// Somebody's link address is known now; its frames go out at once.
    fn learn(&mut self, now: Instant, hop: Hop, mac: MacAddr, state: State) -> Vec<Action<u32>> {
        let place = self.place(hop).unwrap();
        if Self::unresolved(&self.0[place]) {
            let mut known = self.0.remove(place);
            self.make_room(false);
            known.deadline = None;
            self.0.push(known);
        }
        let known = self.0.iter_mut().find(|known| known.entry.hop == hop).unwrap();
        (known.entry.mac, known.entry.state, known.entry.tries, known.deadline) = (mac, state, 0, None);
        let frames = core::mem::take(&mut known.queue);
        if !frames.is_empty() && state == State::Stale {
            known.entry.state = State::Delay;
            known.deadline = Some(after(now, NeighbourConfig::new().delay));
        }
        frames.into_iter().map(|frame| Action::Send { hop, mac, frame }).collect()
    }

    fn due(&mut self, now: Instant) -> Vec<Action<u32>> {
        let config = NeighbourConfig::new();
        let mut actions = Vec::new();
        while let Some(place) = self.next(now) {
            let known = &mut self.0[place];
            let hop = known.entry.hop;
            let (state, mac) = (known.entry.state, known.entry.mac);
            let tries = if state == State::Delay { 0 } else { known.entry.tries };
            if tries < config.tries {
                let to = (state != State::Incomplete).then_some(mac);
                known.entry.state = if to.is_some() { State::Probe } else { State::Incomplete };
                known.entry.tries = tries + 1;
                known.deadline = Some(after(now, config.retransmit));
                actions.push(Action::Solicit { hop, to });
                continue;
            }
            let mut known = self.0.remove(place);
            if !Self::unresolved(&known) {
                self.make_room(true);
            }
            known.entry.state = State::Failed { until: after(now, config.failed) };
            known.entry.tries = tries + 1;
            known.deadline = None;
            actions.push(Action::Lost { hop });
            actions.extend(known.queue.drain(..).map(|frame| Action::GiveUp { hop, frame }));
            let place = if state == State::Incomplete { place } else { self.0.len() };
            self.0.insert(place, known);
        }
        actions
    }

    fn next(&self, now: Instant) -> Option<usize> {
        let due = self.0.iter().enumerate().filter(|(_, known)| known.deadline.is_some_and(|at| at <= now));
        due.min_by_key(|(_, known)| known.deadline).map(|(place, _)| place)
    }
}

fn hop(host: u8) -> Hop {
    Hop { interface: InterfaceId(0), address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)) }
}

type Table = Neighbours<u32, Vec<Slot<u32>>>;

/// Both do what is due; `wanted` is what the model did already.
fn settle(table: &mut Table, model: &mut Model, now: Instant, mut wanted: Vec<Action<u32>>) {
    wanted.extend(model.due(now));
    let mut actions: Vec<_> = core::iter::from_fn(|| table.poll(now)).collect();
    actions.sort_by_key(|action| alloc::format!("{action:?}"));
    wanted.sort_by_key(|action| alloc::format!("{action:?}"));
    assert_eq!(actions, wanted);
    assert_eq!(table.poll_at(), model.0.iter().filter_map(|known| known.deadline).min());
}

proptest! {
    #![proptest_config(crate::testing::config())]

    #[test]
    fn a_list_in_order_of_use_does_the_same(steps in prop::collection::vec((0_u8..6, 0_u8..14, 0_u8..3, 0_u64..4000), 0..120)) {
        let slots: Vec<Slot<u32>> = core::iter::repeat_with(Slot::new).take(SLOTS).collect();
        let mut table = Neighbours::new(slots, NeighbourConfig::new(), [1, 2, 3]).unwrap();
        let (mut model, mut now, mut frame) = (Model::default(), Instant::from_ticks(0), 0);
        for (what, host, mac, ms) in steps {
            let (hop, mac) = (hop(host), MacAddr([2, 0, 0, 0, 0, mac]));
            let mut wanted = Vec::new();
            let known = table.get(hop).copied();
            match what {
                0..3 => {
                    frame += 1;
                    prop_assert_eq!(table.send(now, hop, frame), model.send(now, hop, frame));
                }
                3 => {
                    table.on_solicitation(now, hop, mac);
                    if known.is_some_and(|known| known.state.is_unresolved() || known.mac != mac) {
                        wanted = model.learn(now, hop, mac, State::Stale);
                    }
                }
                4 => {
                    let _router = table.on_advertisement(now, hop, Some(mac), NeighborFlags::SOLICITED | NeighborFlags::OVERRIDE);
                    if let Some(known) = known {
                        let asked = matches!(known.state, State::Incomplete | State::Probe);
                        // How long it is believed is by chance: that is taken over.
                        if asked {
                            wanted = model.learn(now, hop, mac, table.get(hop).unwrap().state);
                        } else if known.state.is_unresolved() || known.mac != mac {
                            wanted = model.learn(now, hop, mac, State::Stale);
                        }
                    }
                }
                _ => {}
            }
            settle(&mut table, &mut model, now, wanted);
            // From one deadline to the next: none are equal, so that their order is known.
            let end = after(now, if what == 5 { Duration::from_millis(ms) } else { Duration::from_ticks(1) });
            while let Some(at) = table.poll_at().filter(|at| *at <= end) {
                settle(&mut table, &mut model, at, Vec::new());
            }
            now = end;
            prop_assert_eq!(table.check(), Ok(()));
            let mut entries: Vec<Entry> = table.iter().copied().collect();
            entries.sort_by_key(|entry| entry.hop);
            let mut known: Vec<Entry> = model.0.iter().map(|known| known.entry).collect();
            known.sort_by_key(|entry| entry.hop);
            prop_assert_eq!(entries, known);
        }
    }
}
