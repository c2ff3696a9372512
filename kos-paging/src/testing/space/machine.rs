//! Four spaces on a small machine, step by step beside deep copies.
//!
//! A step takes a few bytes: which space, what, where. The machine has fewer frames than the spaces would like, and may
//! be told to fail the k-th allocation of a step: a step that ends for want of frames must have changed nothing.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::env::{SimEnv, SimMachine};
use super::model::{ModelObjects, ModelSpace, Page, Refusal, WORDS, Words};
use super::objects::{Memory, SimObject, StoreFailed};
use super::recount;
use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::object::ObjectError;
use crate::space::{
    Advice, Behaviour, Config, CopyCause, CopyError, FaultError, MapRequest, Move, Pinned, Place, Space,
    SpaceError, SpaceId,
};

const PAGE: u64 = 4096;
/// The first page that spaces have, and their number.
const FIRST: u64 = 0x7f0;
const PAGES: u64 = 48;
const SPACES: usize = 4;
const OBJECTS: usize = 2;
const OBJECT_PAGES: u64 = 8;

/// Why an object has no page.
type Cause = ObjectError<StoreFailed>;
type Told = Result<(), String>;

/// The machine and its model.
#[derive(Debug)]
pub struct Machine {
    env: SimEnv,
    spaces: Vec<Space<SimEnv>>,
    models: Vec<ModelSpace>,
    objects: Vec<(Rc<Memory>, SimObject)>,
    contents: ModelObjects,
    pins: Vec<Pinned<SimEnv>>,
    next_id: u64,
    /// Steps that ended for want of frames.
    pub starved: u64,
    /// Writes that were done.
    pub writes: u64,
    /// Forks that were done.
    pub forks: u64,
}

/// One step, as bytes say it.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: u8,
    space: usize,
    first: u64,
    pages: u64,
    extra: u8,
    fail: Option<u64>,
}

impl Step {
    fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<Self> {
        let (what, space, first, extra) = (bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?);
        let offset = u64::from(first) % PAGES;
        let pages = (u64::from(extra >> 4) % 8 + 1).min(PAGES - offset);
        let fail = (space >> 4 == 1).then(|| u64::from(space >> 2 & 3));
        Some(Self { what, space: usize::from(space) % SPACES, first: FIRST + offset, pages, extra, fail })
    }

    fn range(&self) -> VirtRange {
        crate::space::range(self.first * PAGE, (self.first + self.pages) * PAGE - 1)
    }

    fn rights(&self) -> Flags {
        match self.extra % 8 {
            0 => Flags::READ,
            1 => Flags::empty(),
            2 => Flags::READ | Flags::EXECUTE,
            _ => Flags::READ | Flags::WRITE,
        }
    }
}

/// Runs steps read from `bytes`, checks after each, and at the end that nothing is left.
///
/// # Errors
///
/// What differs.
pub fn run(bytes: &[u8], frames: usize) -> Result<Machine, String> {
    let mut machine = Machine::new(frames)?;
    let mut bytes = bytes.iter().copied();
    let mut number = 0_u64;
    while let Some(step) = Step::read(&mut bytes) {
        machine.step(step).map_err(|told| format!("step {number}, {step:?}: {told}"))?;
        if number.is_multiple_of(16) {
            machine.check().map_err(|told| format!("after step {number}, {step:?}: {told}"))?;
        }
        number += 1;
    }
    machine.check()?;
    machine.end()
}

impl Machine {
    fn new(frames: usize) -> Result<Self, String> {
        let env = SimMachine::leaked(frames);
        let config = Config { fault_around: 4, ..Config::new(Self::bounds()) };
        let new = |id: usize| Space::new(env, SpaceId(id as u64), config).map_err(|error| format!("{error}"));
        let spaces = (0..SPACES).map(new).collect::<Result<_, _>>()?;
        let objects = (0..OBJECTS).map(|_| SimObject::memory(env, OBJECT_PAGES)).collect();
        let content = alloc::vec![Words::default(); usize::try_from(OBJECT_PAGES).unwrap_or_default()];
        Ok(Self {
            env,
            spaces,
            models: alloc::vec![ModelSpace::default(); SPACES],
            objects,
            contents: alloc::vec![content; OBJECTS],
            pins: Vec::new(),
            next_id: SPACES as u64,
            starved: 0,
            writes: 0,
            forks: 0,
        })
    }

    fn bounds() -> VirtRange {
        crate::space::range(FIRST * PAGE, (FIRST + PAGES) * PAGE - 1)
    }

    fn step(&mut self, step: Step) -> Told {
        let before = step.fail.map(|k| {
            self.env.frames.arm(k);
            self.env.used()
        });
        let starved = self.starved;
        let result = self.apply(step);
        if before.is_some() {
            self.env.frames.disarm();
        }
        match before {
            Some(before) if self.starved > starved && self.env.used() > before && step.what % 16 < 4 => {
                Err(format!("{before} frames before a failure, {} after it", self.env.used()))
            }
            _ => result,
        }
    }

    fn apply(&mut self, step: Step) -> Told {
        match step.what % 16 {
            0 | 14 => self.map(step),
            1 => self.unmap(step),
            2 => self.protect(step),
            3 => self.remap(step),
            4 => self.fork(step),
            5 => self.advise(step),
            6 => self.pin(step),
            7 => self.truncate(step),
            8..=12 => self.write(step),
            _ => self.read(step),
        }
    }

    fn space(&self, step: Step) -> Result<(&Space<SimEnv>, &ModelSpace), String> {
        self.spaces.get(step.space).zip(self.models.get(step.space)).ok_or_else(|| "no such space".into())
    }

    fn model(&mut self, step: Step) -> Result<&mut ModelSpace, String> {
        self.models.get_mut(step.space).ok_or_else(|| "no such space".into())
    }

    /// What came of an operation: done, or starved, or refused as the model says.
    fn verdict(
        &mut self,
        result: Result<(), SpaceError>,
        expected: Result<(), SpaceError>,
    ) -> Result<bool, String> {
        match (result, expected) {
            (Ok(()), Ok(())) => Ok(true),
            (Err(SpaceError::OutOfFrames), _) => {
                self.starved += 1;
                Ok(false)
            }
            (Err(one), Err(other)) if one == other => Ok(false),
            (result, expected) => Err(format!("{result:?}, expected {expected:?}")),
        }
    }

    fn map(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let replace = step.extra & 4 == 0;
        let at = VirtAddr::new(step.first * PAGE);
        let place = if replace { Place::Fixed(at) } else { Place::FixedNoReplace(at) };
        let rights = step.rights();
        let mut request = MapRequest::new(step.pages * PAGE, rights).at(place);
        let shows = (step.extra & 8 != 0).then(|| (usize::from(step.extra >> 4) % OBJECTS, step.first % 4));
        let shared = shows.is_some() && step.what & 16 != 0;
        if let Some((object, index)) = shows {
            let Some((_, object)) = self.objects.get(object) else { return Ok(()) };
            request = request.showing(object.clone(), index * PAGE);
        }
        if shared {
            request = request.shared();
        }
        let taken = model.pages.range(step.first..step.first + step.pages).next().map(|(page, _)| *page);
        let expected = match taken {
            Some(page) if !replace => Err(SpaceError::Occupied { at: VirtAddr::new(page * PAGE) }),
            _ => Ok(()),
        };
        let result = space.map(request).map(drop);
        if self.verdict(result, expected)? {
            let page = |page: u64| {
                let object = shows.map(|(object, index)| (object, index + (page - step.first)));
                (page, Page { rights, dont_fork: false, shared, object, own: None })
            };
            self.model(step)?.pages.extend((step.first..step.first + step.pages).map(page));
        }
        Ok(())
    }

    fn unmap(&mut self, step: Step) -> Told {
        let result = self.space(step)?.0.unmap(step.range());
        if self.verdict(result, Ok(()))? {
            self.model(step)?.pages.retain(|page, _| !(step.first..step.first + step.pages).contains(page));
        }
        Ok(())
    }

    /// The error of an operation that allows no hole.
    fn hole(model: &ModelSpace, step: Step) -> Result<(), SpaceError> {
        let hole = (step.first..step.first + step.pages).find(|page| !model.pages.contains_key(page));
        hole.map_or(Ok(()), |page| Err(SpaceError::Hole { at: VirtAddr::new(page * PAGE) }))
    }

    fn protect(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let expected = Self::hole(model, step);
        let result = space.protect(step.range(), step.rights());
        if self.verdict(result, expected)? {
            let pages = self.model(step)?.pages.range_mut(step.first..step.first + step.pages);
            pages.for_each(|(_, page)| page.rights = step.rights());
        }
        Ok(())
    }

    fn remap(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let to = FIRST + u64::from(step.what >> 4) * 3;
        let bytes = (u64::from(step.extra) % 8 + 1) * PAGE;
        let result = space.remap(step.range(), bytes, Move::To(VirtAddr::new(to * PAGE)));
        let Ok(new) = result else {
            let possible = model_move(model, step, to, bytes / PAGE);
            let starved = result == Err(SpaceError::OutOfFrames);
            self.starved += u64::from(starved);
            return if starved || possible.is_none() { Ok(()) } else { Err(format!("{result:?}")) };
        };
        let Some(moved) = model_move(model, step, to, bytes / PAGE) else {
            return Err(format!("moved to {new}, against the model"));
        };
        *self.model(step)? = moved;
        Ok(())
    }

    fn fork(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let child = model.fork();
        let id = SpaceId(self.next_id);
        match space.fork(id) {
            Ok(new) => {
                self.next_id += 1;
                self.forks += 1;
                let place = (step.space + 1 + usize::from(step.extra) % (SPACES - 1)) % SPACES;
                if let Some((space, model)) = self.spaces.get_mut(place).zip(self.models.get_mut(place)) {
                    *space = new;
                    *model = child;
                }
                Ok(())
            }
            Err(crate::space::ForkError::OutOfFrames | crate::space::ForkError::Create(_)) => {
                self.starved += 1;
                Ok(())
            }
            Err(error) => Err(format!("{error}")),
        }
    }

    fn advise(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let expected = Self::hole(model, step);
        let advice = match step.extra % 4 {
            0 => Advice::Fork(false),
            1 => Advice::Fork(true),
            _ => Advice::DontNeed,
        };
        let result = space.advise(step.range(), advice);
        if self.verdict(result, expected)? {
            let pages = self.model(step)?.pages.range_mut(step.first..step.first + step.pages);
            pages.for_each(|(_, page)| match advice {
                Advice::Fork(fork) => page.dont_fork = !fork,
                _ => page.own = None,
            });
        }
        Ok(())
    }

    fn pin(&mut self, step: Step) -> Told {
        if step.extra.is_multiple_of(2) {
            self.pins.truncate(usize::from(step.extra >> 4) % 4);
            return Ok(());
        }
        let at = VirtAddr::new(step.first * PAGE);
        if let Ok(pin) = self.space(step)?.0.pin(at, false) {
            self.pins.push(pin);
            // A pin breaks the sharing of private memory: what a read would have shown is the space's own now.
            let contents = self.contents.clone();
            let model = self.model(step)?;
            if let Some(page) = model.pages.get(&step.first).copied().filter(|page| !page.shared) {
                let own = page.rights.contains(Flags::WRITE).then(|| model.read(&page, &contents));
                model.pages.insert(step.first, Page { own: own.or(page.own), ..page });
            }
        }
        Ok(())
    }

    fn truncate(&mut self, step: Step) -> Told {
        let index = usize::from(step.extra) % OBJECTS;
        let pages = step.first % (OBJECT_PAGES + 1);
        let Some((memory, object)) = self.objects.get(index) else { return Ok(()) };
        let old = self.contents.get(index).map_or(0, Vec::len) as u64;
        if pages >= old {
            if memory.grow(pages * PAGE).is_err() {
                self.starved += 1;
                return Ok(());
            }
        } else {
            let zap = |id: SpaceId| {
                let space = self.spaces.iter().find(|space| space.id() == id);
                space.map_or(Ok(()), |space| space.zap(object, pages * PAGE))
            };
            match memory.truncate(pages * PAGE, zap) {
                Ok(()) => {}
                // A huge leaf that could not be split: not here.
                Err(error) => return Err(format!("{error}")),
            }
            self.models.iter_mut().for_each(|model| model.zap(index, pages));
        }
        if let Some(content) = self.contents.get_mut(index) {
            content.resize(usize::try_from(pages).unwrap_or_default(), Words::default());
        }
        Ok(())
    }

    fn access(
        &mut self,
        result: Result<(), CopyError<Cause>>,
        expected: Result<(), Refusal>,
    ) -> Result<bool, String> {
        let refusal = match result {
            Ok(()) => Ok(()),
            Err(CopyError { cause: CopyCause::Fault(FaultError::NoMapping), .. }) => Err(Refusal::NoMapping),
            Err(CopyError { cause: CopyCause::Fault(FaultError::Denied), .. }) => Err(Refusal::Denied),
            Err(CopyError { cause: CopyCause::Fault(FaultError::BeyondObject), .. }) => Err(Refusal::Beyond),
            Err(CopyError { cause: CopyCause::Fault(FaultError::OutOfFrames), .. }) => {
                self.starved += 1;
                return Ok(false);
            }
            Err(CopyError {
                cause: CopyCause::Fault(FaultError::Pager(ObjectError::OutOfFrames)), ..
            }) => {
                self.starved += 1;
                return Ok(false);
            }
            Err(error) => return Err(format!("{error}")),
        };
        if refusal == expected {
            Ok(refusal.is_ok())
        } else {
            Err(format!("{refusal:?}, expected {expected:?}"))
        }
    }

    fn write(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let word = usize::from(step.extra) % WORDS;
        let value = u32::from(step.extra) << 8 | u32::from(step.what) | 1 << 31;
        let expected = model.access(step.first, Flags::WRITE, &self.contents).map(drop);
        let at = VirtAddr::new(step.first * PAGE + word as u64 * 1020);
        let result = space.copy_out(at, &value.to_ne_bytes());
        if self.access(result, expected)? {
            self.writes += 1;
            let Self { models, contents, .. } = self;
            if let Some(model) = models.get_mut(step.space) {
                model.write(step.first, word, value, contents);
            }
        }
        Ok(())
    }

    fn read(&mut self, step: Step) -> Told {
        let (space, model) = self.space(step)?;
        let expected = model.access(step.first, Flags::READ, &self.contents);
        let words = expected.map(|page| model.read(&page, &self.contents)).unwrap_or_default();
        let word = usize::from(step.extra) % WORDS;
        let mut bytes = [0; 4];
        let at = VirtAddr::new(step.first * PAGE + word as u64 * 1020);
        let result = space.copy_in(at, &mut bytes);
        if self.access(result, expected.map(drop))? {
            let (found, expected) = (u32::from_ne_bytes(bytes), words.get(word).copied().unwrap_or_default());
            if found != expected {
                return Err(format!("read {found:#x}, expected {expected:#x}"));
            }
        }
        Ok(())
    }

    /// Everything that is resident reads as the model says, mappings are the model's, counts are right.
    fn check(&self) -> Told {
        for (space, model) in self.spaces.iter().zip(&self.models) {
            space.check().map_err(|error| format!("{error}"))?;
            self.check_space(space, model)?;
        }
        let frames = self.objects.iter().flat_map(|(memory, _)| {
            let mut frames = Vec::new();
            memory.frames(|phys| frames.push(phys.get()));
            frames
        });
        recount(self.env, &self.spaces, frames.chain(self.pins.iter().map(|pin| pin.address().get())))
    }

    fn check_space(&self, space: &Space<SimEnv>, model: &ModelSpace) -> Told {
        let mut next = Some(VirtAddr::new(0));
        let mut pages = 0;
        while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
            next = vma.range.last().checked_add(1);
            for number in vma.range.first().get() / PAGE..=vma.range.last().get() / PAGE {
                let Some(page) = model.pages.get(&number) else {
                    return Err(format!("page {number:#x} is mapped"));
                };
                pages += 1;
                let dont_fork = vma.behaviour.contains(Behaviour::DONT_FORK);
                if vma.rights != page.rights || vma.is_shared() != page.shared || dont_fork != page.dont_fork
                {
                    return Err(format!("page {number:#x}: {vma}, expected {page:?}"));
                }
            }
        }
        if pages == model.pages.len() {
            Ok(())
        } else {
            Err(format!("{pages} pages, expected {}", model.pages.len()))
        }
    }

    /// Drops all and finds no frame left.
    fn end(mut self) -> Result<Self, String> {
        self.pins.clear();
        self.spaces.clear();
        self.objects.clear();
        let used = self.env.used();
        if used > 0 { Err(format!("{used} frames are left")) } else { Ok(self) }
    }
}

/// The model after a move, if it is possible.
fn model_move(model: &ModelSpace, step: Step, to: u64, pages: u64) -> Option<ModelSpace> {
    let fits =
        to + pages <= FIRST + PAGES && model.covered(step.first, step.pages) && model.is_free(to, pages);
    let source = model.pages.get(&step.first).copied().filter(|_| fits)?;
    let like = |page: &Page, number: u64| {
        let object = source.object.map(|(object, index)| (object, index + (number - step.first)));
        page.rights == source.rights
            && page.shared == source.shared
            && page.dont_fork == source.dont_fork
            && page.object == object
    };
    let mut moved = model.clone();
    let old: Vec<Page> =
        (step.first..step.first + step.pages).filter_map(|page| moved.pages.remove(&page)).collect();
    if !old.iter().zip(step.first..).all(|(page, number)| like(page, number)) {
        return None;
    }
    for number in 0..pages {
        let object = source.object.map(|(object, index)| (object, index + number));
        let own = old.get(usize::try_from(number).ok()?).and_then(|page| page.own);
        moved.pages.insert(to + number, Page { object, own, ..source });
    }
    Some(moved)
}
