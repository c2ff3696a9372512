//! Shared segments beside a list of who refers to what: [`run`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::vec::Vec;
use core::mem::take;

use super::shm_world::{CAPS, KIND, MAPPINGS, NAMES, RW, SEGMENTS, World, with};
use super::{Choices, PAGE};
use crate::cap::{CapId, Rights};
use crate::ports::Access;
use crate::quota::Limits;
use crate::shm::{MappingId, Seals, StaleMapping, UnmapStep};

/// Pages that the quota has: less than the segments could take.
const LIMIT: usize = 7;

/// Two names fit; of these three two are at a time.
const NAMED: [&[u8]; 3] = [b"a", b"b", b"c"];

/// A capability of the client.
struct Client {
    cap: CapId,
    rights: Rights,
    revoked: bool,
}

/// What should be there of a segment.
struct Known {
    owner: Option<CapId>,
    /// A name, and whether what it stands for was revoked.
    name: Option<(usize, bool)>,
    clients: Vec<Client>,
    maps: Vec<(MappingId, bool)>,
    pages: usize,
    seals: Seals,
}

impl Known {
    fn is_referred_to(&self) -> bool {
        self.owner.is_some() || self.name.is_some() || !self.clients.is_empty() || !self.maps.is_empty()
    }
}

struct Model<'w, 'x, 'd, 'c, 'm> {
    world: &'x World<'w, 'd, 'c, 'm>,
    known: Vec<Known>,
    /// Whether the kernel refuses what it is asked in this step.
    fails: bool,
}

/// Does what `choices` say, and compares after each step.
///
/// # Panics
/// If they differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    with(Limits { bytes: LIMIT * PAGE, ..Limits::UNLIMITED }, |world| {
        let mut model = Model { world, known: Vec::new(), fails: false };
        while choices.more() {
            model.fails = choices.once_in(8);
            world.pages.fail_at(if model.fails { 0 } else { u64::MAX });
            model.step(choices);
            model.known.retain(Known::is_referred_to);
            model.compare();
        }
        model.known.iter().flat_map(|one| &one.maps).for_each(|&(id, _)| world.unmap(id));
    });
}

impl Model<'_, '_, '_, '_, '_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let (op, at) = (choices.below(12), choices.below(self.known.len()));
        match op {
            0 | 1 => self.create(choices),
            2 => self.unlink(choices.below(NAMED.len())),
            3 => self.open(choices),
            _ if self.known.is_empty() => {}
            4 => self.close(at, choices),
            5 => self.unmap(at, choices),
            6 => self.seal(at, choices),
            7 => self.resize(at, choices),
            8 => self.revoke(at, choices.below(4)),
            _ => self.map(at, choices),
        }
    }

    fn used(&self) -> usize {
        self.known.iter().map(|one| one.pages).sum()
    }

    fn compare(&self) {
        let maps: usize = self.known.iter().map(|one| one.maps.len()).sum();
        let bytes = self.used() * PAGE;
        assert_eq!((self.world.used(), self.world.pages.bytes()), (bytes, bytes));
        assert_eq!((self.world.pages.mapped(), self.world.table.check()), (maps, Ok(())));
        let names = self.known.iter().filter(|one| one.name.is_some()).count();
        assert_eq!((self.world.directory.len(), self.world.directory.check()), (names, Ok(())));
        for one in &self.known {
            let Some(owner) = one.owner else { continue };
            let segment = self.world.segment(owner);
            assert_eq!((segment.size(), segment.seals()), (one.pages * PAGE, one.seals));
            assert_eq!(segment.mapped(), one.maps.len());
        }
    }

    fn create(&mut self, choices: &mut Choices<'_>) {
        let (name, pages) = (choices.below(NAMED.len()), 1 + choices.below(3));
        let taken = |one: &&Known| one.name.is_some_and(|(other, _)| other == name);
        let named = self.known.iter().filter(|one| one.name.is_some()).count();
        let fits = self.known.len() < SEGMENTS && self.used() + pages <= LIMIT && named < NAMES;
        let possible = fits && !self.fails && !self.known.iter().any(|one| taken(&one));
        let made = self.world.create(NAMED[name], pages * PAGE - 5);
        assert_eq!(made.is_ok(), possible, "{made:?}");
        self.known.extend(made.ok().map(|owner| Known {
            owner: Some(owner),
            name: Some((name, false)),
            clients: Vec::new(),
            maps: Vec::new(),
            pages,
            seals: Seals::empty(),
        }));
    }

    fn unlink(&mut self, name: usize) {
        let found = self.known.iter_mut().find(|one| one.name.is_some_and(|(other, _)| other == name));
        let gone = self.world.directory.unlink(self.world.caller, NAMED[name]).is_ok();
        assert_eq!(gone, found.is_some_and(|one| one.name.take().is_some()));
    }

    fn open(&mut self, choices: &mut Choices<'_>) {
        let name = choices.below(NAMED.len());
        let rights = Rights::MAP | [Rights::READ, Rights::READ | Rights::WRITE][choices.below(2)];
        let full = self.known.iter().map(|one| one.clients.len()).sum::<usize>() == CAPS;
        let found = self.known.iter_mut().find(|one| one.name == Some((name, false)));
        let (world, client) = (self.world, self.world.client);
        let opened = world.directory.open(world.caller, NAMED[name], client, rights);
        assert_eq!(opened.is_ok(), !full && found.is_some(), "{opened:?}");
        if let (Some(one), Ok(cap)) = (found, opened) {
            one.clients.push(Client { cap, rights, revoked: false });
        }
    }

    fn close(&mut self, at: usize, choices: &mut Choices<'_>) {
        let one = &mut self.known[at];
        if choices.once_in(3) {
            return one.owner.take().into_iter().for_each(|owner| self.world.owner.close(owner).unwrap());
        }
        if !one.clients.is_empty() {
            let gone = one.clients.swap_remove(choices.below(one.clients.len()));
            self.world.client.close(gone.cap).unwrap();
        }
    }

    fn map(&mut self, at: usize, choices: &mut Choices<'_>) {
        let full = self.known.iter().map(|one| one.maps.len()).sum::<usize>() == MAPPINGS;
        let (world, one) = (self.world, &mut self.known[at]);
        let access = [Access::READ, RW][choices.below(2)];
        let (start, end) = (choices.below(3), 1 + choices.below(3));
        let caps = usize::from(one.owner.is_some()) + one.clients.len();
        let by = choices.below(caps);
        let (space, cap, allowed) = match (one.owner, one.clients.get(by)) {
            (_, Some(client)) => {
                let writes = client.rights.contains(Rights::WRITE);
                (world.client, client.cap, !client.revoked && (access != RW || writes))
            }
            (Some(owner), None) => (world.owner, owner, true),
            (None, None) => return,
        };
        let done = world.map(space, cap, start * PAGE..end * PAGE, access);
        let sealed = access == RW && one.seals.contains(Seals::WRITE);
        let inside = start < end && end <= one.pages;
        assert_eq!(done.is_ok(), allowed && inside && !sealed && !full && !self.fails, "{done:?}");
        one.maps.extend(done.ok().map(|id| (id, access == RW)));
    }

    fn unmap(&mut self, at: usize, choices: &mut Choices<'_>) {
        let one = &mut self.known[at];
        if !one.maps.is_empty() {
            let (id, _) = one.maps.swap_remove(choices.below(one.maps.len()));
            self.world.unmap(id);
            assert_eq!(self.world.table.unmap(id).err(), Some(StaleMapping(id)));
        }
    }

    fn seal(&mut self, at: usize, choices: &mut Choices<'_>) {
        let one = &mut self.known[at];
        let Some(owner) = one.owner else { return };
        let seals = [Seals::GROW, Seals::SHRINK, Seals::WRITE, Seals::all()][choices.below(4)];
        let refused = seals.contains(Seals::WRITE) && one.maps.iter().any(|&(_, writes)| writes);
        assert_eq!(self.world.segment(owner).seal(self.world.caller, seals).is_err(), refused);
        one.seals |= if refused { Seals::empty() } else { seals };
    }

    fn resize(&mut self, at: usize, choices: &mut Choices<'_>) {
        let (used, pages) = (self.used(), 1 + choices.below(4));
        let one = &mut self.known[at];
        let Some(owner) = one.owner else { return };
        let shrinks = pages < one.pages && (one.seals.contains(Seals::SHRINK) || !one.maps.is_empty());
        let grows = pages > one.pages && one.seals.contains(Seals::GROW);
        let fits = used - one.pages + pages <= LIMIT;
        let possible = !shrinks && !grows && fits && (!self.fails || pages == one.pages);
        let done = self.world.segment(owner).resize(self.world.caller, pages * PAGE);
        assert_eq!(done.is_ok(), possible, "{done:?}");
        one.pages = done.map_or(one.pages, |size| size / PAGE);
    }

    /// The owner takes everything back, in steps of `budget`; a budget of 0 does nothing, and is not an end.
    fn revoke(&mut self, at: usize, budget: usize) {
        let (world, one) = (self.world, &mut self.known[at]);
        let Some(owner) = one.owner else { return };
        let mut unmapping = world.table.revoke(world.owner, owner, KIND).unwrap();
        one.name = one.name.map(|(name, _)| (name, true));
        one.clients.iter_mut().for_each(|client| client.revoked = true);
        let mut maps = take(&mut one.maps);
        for _ in 0..8 * (MAPPINGS + 2) {
            match unmapping.step(u32::try_from(budget.max(1)).unwrap()) {
                UnmapStep::Unmap(unmap) => {
                    let left = maps.len();
                    maps.retain(|&(id, _)| id != unmap.id());
                    assert_eq!(maps.len() + 1, left, "unmapped twice, or what is another's");
                    world.end(unmap);
                }
                UnmapStep::Done => break,
                UnmapStep::More | UnmapStep::Wait => {}
            }
        }
        assert!(matches!(unmapping.step(1), UnmapStep::Done | UnmapStep::More));
        assert!(maps.is_empty(), "revoked, and mapped");
    }
}
