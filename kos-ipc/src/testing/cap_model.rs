//! Spaces that pass capabilities to each other, beside a list of who made what of what: [`run`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model: what it says that is there, is there, or the test is to end"
)]

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{Choices, StdEnv};
use crate::cap::{
    CapError, CapId, CapInfo, CapSlot, CapSpace, Carried, Cell, Cells, MAX_DEPTH, Object, Rights,
};
use crate::quota::{Limits, Quota, QuotaNode, Quotas, Resource};
use crate::wait::Progress;

const SPACES: usize = 3;
const SLOTS: usize = 14;
const CELLS: usize = 12;
/// What each space may use, less than there is.
const LIMITS: Limits = Limits { slots: 12, cells: 6, ..Limits::UNLIMITED };
const OBJECTS: usize = 3;

/// An object that counts its handles.
#[derive(Clone, Debug)]
struct Thing(u8, Arc<()>);

impl Object for Thing {
    fn kind(&self) -> u8 {
        self.0
    }
}

type Space<'s> = CapSpace<'s, StdEnv, Thing>;
type Message<'s> = Vec<Option<Carried<'s, StdEnv, Thing>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    In(usize, CapId),
    InMessage,
    Gone,
}

/// A capability that is there, or was, and what it was made of.
#[derive(Clone, Debug)]
struct Made {
    place: Place,
    object: usize,
    info: CapInfo,
    /// The one that may revoke it: an index of the list.
    under: Option<usize>,
    /// Whether it has a cell, and which space pays for that.
    payer: Option<usize>,
    dead: bool,
}

/// What should be there.
#[derive(Debug, Default)]
struct Graph {
    made: Vec<Made>,
}

impl Graph {
    /// Those that may revoke `at`, from the nearest up.
    fn above(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        core::iter::successors(self.made[at].under, |&above| self.made[above].under)
    }

    fn present(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.made.len()).filter(|&at| self.made[at].place != Place::Gone)
    }

    /// Whether the cell of `at` is in use: its owner is there, or something under it, or a cell below it.
    fn cell_in_use(&self, at: usize) -> bool {
        let there = |at: usize| self.made[at].place != Place::Gone;
        let holds = |below: usize| {
            self.made[below].under == Some(at)
                && (there(below) || !self.made[below].dead && self.cell_in_use(below))
        };
        self.made[at].payer.is_some() && (there(at) || (at + 1..self.made.len()).any(holds))
    }

    fn cells_in_use(&self, payer: Option<usize>) -> usize {
        let pays = |at: &usize| payer.is_none() || self.made[*at].payer == payer;
        (0..self.made.len()).filter(pays).filter(|&at| self.cell_in_use(at)).count()
    }

    fn slots_in_use(&self, space: usize) -> usize {
        self.present()
            .filter(|&at| matches!(self.made[at].place, Place::In(there, _) if there == space))
            .count()
    }

    /// What is made of `at` now is under that.
    fn under_of(&self, at: usize) -> Option<usize> {
        if self.made[at].payer.is_some() { Some(at) } else { self.made[at].under }
    }

    /// Kills what was made of `at`; says how many cells there were among it.
    fn revoke(&mut self, at: usize) -> usize {
        let doomed: Vec<usize> =
            (0..self.made.len()).filter(|&below| self.above(below).any(|a| a == at)).collect();
        let cells = doomed.iter().filter(|&&below| !self.made[below].dead && self.cell_in_use(below)).count();
        doomed.into_iter().for_each(|below| self.made[below].dead = true);
        cells
    }

    /// Whether so little is left for `space` that `refusal` is right.
    fn is_short(&self, space: usize, under: Option<usize>, slots: usize, refusal: CapError) -> bool {
        let of_space = self.slots_in_use(space);
        match refusal {
            CapError::Full => of_space + slots > SLOTS,
            CapError::NoCell => self.cells_in_use(None) == CELLS,
            CapError::TooDeep => under.is_some_and(|under| self.above(under).count() + 1 >= MAX_DEPTH),
            CapError::Quota(error) => match error.resource {
                Resource::Slots => of_space + slots > LIMITS.slots && error.left == LIMITS.slots - of_space,
                _ => self.cells_in_use(Some(space)) == LIMITS.cells && error.left == 0,
            },
            _ => false,
        }
    }
}

/// The spaces and the list.
struct World<'s> {
    cells: &'s Cells<'s, StdEnv>,
    quotas: Vec<Quota<'s, StdEnv>>,
    spaces: &'s [Space<'s>],
    objects: Vec<Thing>,
    /// Messages, and which of the list are in each.
    mail: Vec<(Vec<usize>, Message<'s>)>,
    graph: Graph,
    stale: Vec<(usize, CapId)>,
}

/// Does what `choices` say, and compares after each step.
///
/// # Panics
/// If spaces and list differ.
pub(crate) fn run(choices: &mut Choices<'_>) {
    let mut nodes = [(); SPACES].map(|()| QuotaNode::new());
    let mut cells = [(); CELLS].map(|()| Cell::new());
    let mut slots = [(); SPACES].map(|()| [(); SLOTS].map(|()| CapSlot::new()));
    let tree = Quotas::new(&mut nodes);
    let cells = Cells::new(&mut cells, &tree);
    let quotas: Vec<_> = (0..SPACES).map(|_| tree.root(LIMITS).unwrap()).collect();
    let made = slots.iter_mut().zip(&quotas).zip(1..);
    let spaces: Vec<_> = made
        .map(|((slots, quota), salt)| Space::new(slots, &cells, quota.clone(), salt << 40).unwrap())
        .collect();
    let objects: Vec<_> = (1..).take(OBJECTS).map(|kind| Thing(kind, Arc::new(()))).collect();
    let mut world = World {
        cells: &cells,
        quotas: quotas.clone(),
        spaces: &spaces,
        objects: objects.clone(),
        mail: Vec::new(),
        graph: Graph::default(),
        stale: Vec::new(),
    };
    while choices.more() {
        world.step(choices);
        world.compare(choices.once_in(16));
    }
    world.compare(true);
    drop(world);
    drop(spaces);
    assert_eq!((cells.in_use(), cells.check()), (0, Ok(())));
    assert!(quotas.iter().all(|quota| quota.used(Resource::Slots) + quota.used(Resource::Cells) == 0));
    assert!(objects.iter().all(|object| Arc::strong_count(&object.1) == 1), "an object is held by nobody");
}

impl<'s> World<'s> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let space = choices.below(SPACES);
        match choices.below(12) {
            0 | 1 => self.insert(space, choices),
            2..=4 => self.derive(space, choices),
            5 => self.narrow(space, choices),
            6 => self.close(space, choices),
            7 => self.revoke(space, choices),
            8 | 9 => self.send(space, choices),
            10 => self.receive(space, choices),
            _ => self.look(space, choices),
        }
    }

    /// A number of `space`, and what it is: there, no more, or nothing.
    fn pick(&self, space: usize, choices: &mut Choices<'_>) -> (CapId, Option<usize>) {
        let here = |at: &usize| matches!(self.graph.made[*at].place, Place::In(there, _) if there == space);
        let there: Vec<usize> = self.graph.present().filter(here).collect();
        let gone: Vec<CapId> = self.stale.iter().filter(|&&(of, _)| of == space).map(|&(_, id)| id).collect();
        match choices.below(16) {
            0 if !gone.is_empty() => (gone[choices.below(gone.len())], None),
            1 => (CapId::from_raw(choices.word()), None),
            _ if there.is_empty() => (CapId::from_raw(choices.word() | 0xff << 24), None),
            _ => {
                let at = there[choices.below(there.len())];
                let Place::In(_, id) = self.graph.made[at].place else {
                    unreachable!("picked from those in spaces")
                };
                (id, Some(at))
            }
        }
    }

    fn some_rights(choices: &mut Choices<'_>) -> Rights {
        let basic = Rights::DUPLICATE | Rights::MINT | Rights::TRANSFER;
        let extra = [Rights::REVOKE, Rights::READ, Rights::READ | Rights::WRITE, Rights::empty()];
        let rights = basic | extra[choices.below(4)];
        if choices.once_in(4) { rights.difference(extra[choices.below(3)] | Rights::MINT) } else { rights }
    }

    /// What `need` of `at` should say, and the capability.
    fn expect(&self, at: Option<usize>, need: Rights) -> Option<Result<(usize, &Made), CapError>> {
        let at = at?;
        let made = &self.graph.made[at];
        let missing = need.difference(made.info.rights);
        Some(match (made.dead, missing.is_empty()) {
            (true, _) => Err(CapError::Revoked),
            (false, false) => Err(CapError::MissingRights(missing)),
            (false, true) => Ok((at, made)),
        })
    }

    fn add(&mut self, made: Made, result: Result<CapId, CapError>, space: usize) {
        match result {
            Ok(id) => {
                let known = self.graph.made.iter().any(|other| other.place == Place::In(space, id));
                assert!(!known && !self.stale.contains(&(space, id)), "a number came back");
                self.graph.made.push(Made { place: Place::In(space, id), ..made });
            }
            Err(refusal) => {
                assert!(self.graph.is_short(space, made.under, 1, refusal), "{refusal} without need");
            }
        }
    }

    fn insert(&mut self, space: usize, choices: &mut Choices<'_>) {
        let (object, rights) = (choices.below(OBJECTS), Self::some_rights(choices));
        let badge = choices.below(2) as u64;
        let result = self.spaces[space].insert(self.objects[object].clone(), rights, badge);
        let info = CapInfo { kind: self.objects[object].0, rights, badge };
        let payer = rights.contains(Rights::REVOKE).then_some(space);
        let made = Made { place: Place::Gone, object, info, under: None, payer, dead: false };
        self.add(made, result.map_err(|refused| refused.reason), space);
    }

    fn derive(&mut self, space: usize, choices: &mut Choices<'_>) {
        let (id, at) = self.pick(space, choices);
        let (rights, badge) = (Self::some_rights(choices), choices.once_in(3).then_some(choices.word() | 1));
        let rights = match at {
            Some(at) if !choices.once_in(8) => rights & self.graph.made[at].info.rights,
            _ => rights,
        };
        let need = if badge.is_some() { Rights::MINT } else { Rights::DUPLICATE };
        let space_of = &self.spaces[space];
        let result =
            badge.map_or_else(|| space_of.duplicate(id, rights), |badge| space_of.mint(id, rights, badge));
        let (at, of) = match self.expect(at, need) {
            None => return assert!(is_nothing(&result)),
            Some(Err(refusal)) => return assert_eq!(result, Err(refusal)),
            Some(Ok(found)) => found,
        };
        let missing = rights.difference(of.info.rights);
        if !missing.is_empty() {
            return assert_eq!(result, Err(CapError::MissingRights(missing)), "rights grew");
        }
        if badge.is_some() && of.info.badge != 0 {
            return assert_eq!(result, Err(CapError::Badged(of.info.badge)));
        }
        let info = CapInfo { rights, badge: badge.unwrap_or(of.info.badge), ..of.info };
        let payer = rights.contains(Rights::REVOKE).then_some(space);
        let made = Made { place: Place::Gone, info, under: self.graph.under_of(at), payer, ..of.clone() };
        self.add(made, result, space);
    }

    fn narrow(&mut self, space: usize, choices: &mut Choices<'_>) {
        let ((id, at), rights) = (self.pick(space, choices), !Self::some_rights(choices) | Rights::DUPLICATE);
        let result = self.spaces[space].narrow(id, rights);
        match self.expect(at, Rights::empty()) {
            None => assert!(is_nothing(&result)),
            Some(Err(refusal)) => assert_eq!(result, Err(refusal)),
            Some(Ok((at, _))) => self.graph.made[at].info.rights &= rights,
        }
    }

    fn leave(&mut self, at: usize, to: Place) {
        let place = core::mem::replace(&mut self.graph.made[at].place, to);
        if let Place::In(space, id) = place {
            self.stale.push((space, id));
            self.stale.drain(..self.stale.len().saturating_sub(32));
        }
    }

    fn close(&mut self, space: usize, choices: &mut Choices<'_>) {
        let (id, at) = self.pick(space, choices);
        let result = self.spaces[space].close(id);
        match at {
            None => assert!(is_nothing(&result)),
            Some(at) => self.leave(at, Place::Gone),
        }
    }

    fn revoke(&mut self, space: usize, choices: &mut Choices<'_>) {
        let (id, at) = self.pick(space, choices);
        let result = self.spaces[space].revoke(id);
        match self.expect(at, Rights::REVOKE) {
            None => assert!(is_nothing(&result)),
            Some(Err(refusal)) => assert_eq!(result.err(), Some(refusal)),
            Some(Ok((at, _))) => {
                let cells = self.graph.revoke(at);
                let mut revocation = result.unwrap();
                let steps = core::iter::repeat_with(|| revocation.step(1)).take(CELLS + 1);
                let more = steps.take_while(|&progress| progress == Progress::More).count();
                // One that only a cell below still held goes with that.
                assert!(more <= cells, "more steps than cells below");
            }
        }
    }

    /// Takes some out for a message; half of the time they come back instead.
    fn send(&mut self, space: usize, choices: &mut Choices<'_>) {
        let picked: Vec<_> = (0..=choices.below(3)).map(|_| self.pick(space, choices)).collect();
        let ids: Vec<CapId> = picked.iter().map(|&(id, _)| id).collect();
        let expected =
            picked.iter().enumerate().map(|(number, &(id, at))| match self.expect(at, Rights::TRANSFER) {
                Some(Ok(_)) if ids[..number].contains(&id) => None,
                other => other.map(|found| found.map(drop)),
            });
        let expected = expected.collect::<Vec<_>>().into_iter().find(|found| *found != Some(Ok(())));
        match (self.spaces[space].prepare(&ids), expected) {
            (Ok(transfer), None) if choices.once_in(2) || self.mail.len() == 3 => drop(transfer),
            (Ok(transfer), None) => {
                let mut message: Message<'s> = vec![];
                transfer.commit(|_, cap| message.push(Some(cap)));
                let caps: Vec<usize> = picked.iter().map(|&(_, at)| at.unwrap()).collect();
                caps.iter().for_each(|&at| self.leave(at, Place::InMessage));
                self.mail.push((caps, message));
            }
            (result, Some(None)) => assert!(is_nothing(&result)),
            (result, expected) => assert_eq!(result.err(), expected.flatten().and_then(Result::err)),
        }
    }

    /// Takes a message into a space, or drops it if it does not fit.
    fn receive(&mut self, space: usize, choices: &mut Choices<'_>) {
        if self.mail.is_empty() {
            return;
        }
        let (caps, mut message) = self.mail.swap_remove(choices.below(self.mail.len()));
        for (&at, cap) in caps.iter().zip(message.iter().flatten()) {
            let made = &self.graph.made[at];
            assert_eq!((made.info.rights, made.info.badge), (cap.rights(), cap.badge()));
            assert!(Arc::ptr_eq(&self.objects[made.object].1, &cap.object().1));
            assert_eq!(made.dead, cap.is_revoked());
        }
        let mut ids = vec![];
        let result = self.spaces[space].accept(&mut message, |at, id| ids.push((at, id)));
        if let Err(refusal) = result {
            assert!(self.graph.is_short(space, None, caps.len(), refusal), "{refusal} without need");
            assert!(ids.is_empty() && message.iter().all(Option::is_some), "a part was taken");
            caps.iter().for_each(|&at| self.leave(at, Place::Gone));
            return;
        }
        assert_eq!(ids.len(), caps.len());
        for (at, id) in ids {
            self.graph.made[caps[at]].place = Place::In(space, id);
        }
    }

    fn look(&self, space: usize, choices: &mut Choices<'_>) {
        let ((id, at), need) = (self.pick(space, choices), Rights::from_bits_truncate(1 << choices.below(9)));
        let found = self.spaces[space].check(id, need);
        let Some(expected) = self.expect(at, need) else { return assert!(is_nothing(&found)) };
        assert_eq!(found, expected.map(|(_, made)| made.info));
        let kind = self.graph.made[at.unwrap()].info.kind;
        let guard = self.spaces[space].get(id, kind, need);
        match expected {
            Err(refusal) => assert_eq!(guard.err(), Some(refusal)),
            Ok((_, made)) => {
                let guard = guard.unwrap();
                assert!(Arc::ptr_eq(&guard.1, &self.objects[made.object].1));
            }
        }
    }

    /// Everything against everything; what takes long only if `all`.
    fn compare(&self, all: bool) {
        for (number, (space, quota)) in self.spaces.iter().zip(&self.quotas).enumerate() {
            let in_use = self.graph.slots_in_use(number);
            assert_eq!((space.stats().live, quota.used(Resource::Slots)), (in_use, in_use));
        }
        if !all {
            return;
        }
        for (number, (space, quota)) in self.spaces.iter().zip(&self.quotas).enumerate() {
            assert_eq!(space.check_all(), Ok(()));
            assert_eq!(quota.used(Resource::Cells), self.graph.cells_in_use(Some(number)), "cells paid for");
        }
        assert_eq!((self.cells.in_use(), self.cells.check()), (self.graph.cells_in_use(None), Ok(())));
        for made in &self.graph.made {
            if let Place::In(space, id) = made.place {
                let expected = if made.dead { Err(CapError::Revoked) } else { Ok(made.info) };
                assert_eq!(self.spaces[space].check(id, Rights::empty()), expected);
            }
        }
        for (number, object) in self.objects.iter().enumerate() {
            let held = self.graph.present().filter(|&at| self.graph.made[at].object == number).count();
            assert_eq!(Arc::strong_count(&object.1), held + 2, "handles to an object");
        }
    }
}

/// A number that names nothing is refused as such.
fn is_nothing<T>(result: &Result<T, CapError>) -> bool {
    matches!(result, Err(CapError::Malformed | CapError::Stale { .. }))
}
