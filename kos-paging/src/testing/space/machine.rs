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
use super::step::{FIRST, PAGE, PAGES, SPACES, Step, model_move};
use crate::addr::{VirtAddr, VirtRange};
use crate::attrs::Flags;
use crate::object::ObjectError;
use crate::space::{
    Advice, Config, CopyCause, CopyError, FaultError, MapRequest, Move, Pinned, Place, Space, SpaceError,
    SpaceId,
};

const OBJECTS: usize = 2;
const OBJECT_PAGES: u64 = 8;

/// Why an object has no page.
type Cause = ObjectError<StoreFailed>;
pub(super) type Told = Result<(), String>;

/// The machine and its model.
#[derive(Debug)]
pub struct Machine {
    pub(super) env: SimEnv,
    pub(super) spaces: Vec<Space<SimEnv>>,
    pub(super) models: Vec<ModelSpace>,
    pub(super) objects: Vec<(Rc<Memory>, SimObject)>,
    contents: ModelObjects,
    pub(super) pins: Vec<Pinned<SimEnv>>,
    next_id: u64,
    /// Steps that ended for want of frames.
    pub starved: u64,
    /// Writes that were done.
    pub writes: u64,
    /// Forks that were done.
    pub forks: u64,
}

/// Runs steps read from `bytes`, checks after each, and at the end that nothing is left.
///
/// # Errors
///
/// What differs.
pub fn run(bytes: &[u8], frames: usize) -> Result<Machine, String> {
    run_on(SimMachine::leaked(frames), bytes)
}

/// [`run`] on a machine of which all frames are free, as they are afterwards.
///
/// # Errors
///
/// What differs.
pub fn run_on(env: SimEnv, bytes: &[u8]) -> Result<Machine, String> {
    let mut machine = Machine::new(env)?;
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
    fn new(env: SimEnv) -> Result<Self, String> {
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
        // What gives out or takes away: any other change is of one page, and is seen at the next of these.
        if step.what % 16 < 8 {
            self.check_tlb(step)?;
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
            self.program(step, at, true);
            let Self { models, contents, .. } = self;
            if let Some(model) = models.get_mut(step.space) {
                model.write(step.first, word, value, contents);
            }
        }
        Ok(())
    }

    /// The program of the space uses the same address: its CPU keeps how.
    fn program(&self, step: Step, at: VirtAddr, write: bool) {
        if let Some(space) = self.spaces.get(step.space) {
            space.tlb().access(space.root(), at, write);
        }
    }

    /// No CPU keeps more than the tables of its space allow.
    fn check_tlb(&self, step: Step) -> Told {
        let stale = self.spaces.get(step.space).and_then(|space| space.tlb().stale(space.root()));
        stale.map_or(Ok(()), |at| Err(format!("a TLB still has {at:#x}")))
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
            self.program(step, at, false);
        }
        Ok(())
    }
}
