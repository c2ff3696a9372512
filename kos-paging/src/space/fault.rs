//! Page faults: zeros on demand, copies on write, pages of objects; the lock is never held while a pager works.
//!
//! Under the lock the mapping is looked up and, if that suffices, the page is installed. If a pager must be asked, the
//! question leaves the lock ([`Ask`]), and the answer comes back under it: the mapping is compared with what was asked
//! for, and the fault begins again if it differs. Nothing here waits but for the flush of a page that is replaced.

use super::ask::{Ask, Page};
use super::error::FaultError;
use super::frame_meta::FrameRef;
use super::memory;
use super::ports::{Pager, SpaceEnv, Token};
use super::pt::{PtError, attrs_of, fresh, page_bytes, page_of};
use super::state::{Class, State};
use super::vma::{Behaviour, Kind, Vma, range};
use crate::addr::{PhysAddr, VirtAddr};
use crate::attrs::Flags;
use crate::format::Level;
use crate::ports::Frame;
use crate::walk::Mapping;

/// What a CPU, or a copy for a system call, wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The address (x86: CR2).
    pub va: VirtAddr,
    /// What was tried there: one of `READ`, `WRITE`, `EXECUTE`.
    pub access: Flags,
    /// Whether a program tried it, not the kernel.
    pub user: bool,
}

/// What came of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a program that waits must not go on"]
pub enum FaultOutcome {
    /// The page is there: go on.
    Mapped,
    /// It was there already: go on.
    Spurious,
    /// The pager works on it: go on when the token was woken, and fault again.
    Wait(Token),
}

/// The error of a pager.
pub(super) type PagerError<E> = <<E as SpaceEnv>::Object as Pager>::Error;
/// Why a fault was not resolved.
pub(super) type Refused<E> = FaultError<PagerError<E>>;

/// How a fault goes on.
pub(super) enum Step<E: SpaceEnv> {
    Done(FaultOutcome),
    /// Outside the lock.
    Ask(Ask<E>),
}

impl<E: SpaceEnv> State<E> {
    /// Resolves a fault, or says whom to ask.
    pub(super) fn fault(&mut self, fault: Fault) -> Result<Step<E>, Refused<E>> {
        let at = fault.va.get() & !(page_bytes::<E>() - 1);
        let vma = self.permitted(fault, at)?;
        let write = fault.access.contains(Flags::WRITE);
        match self.pt.look(at)? {
            Some(leaf) if allows(&leaf, fault) => {
                self.stats.spurious_faults += 1;
                Ok(Step::Done(FaultOutcome::Spurious))
            }
            Some(_) if vma.is_shared() => self.ask(&vma, fault, at, true),
            Some(leaf) if write => self.break_cow(&vma, at, &leaf),
            // The rights were narrowed and widened: the entry follows when it is touched.
            Some(leaf) => self.renew(&vma, at, &leaf),
            None if vma.backing.is_some() => self.object_page(&vma, fault, at),
            None => self.zeros(&vma, at, write),
        }
    }

    /// The mapping at `at`, a stack that grows to it included, if it allows the access.
    fn permitted(&mut self, fault: Fault, at: u64) -> Result<Vma<E::Object>, Refused<E>> {
        if self.set.find(at).is_none() {
            self.grow_stack(at)?;
        }
        let vma = self.set.find(at).ok_or(FaultError::NoMapping)?;
        let kernel = vma.kind == Kind::Kernel && fault.user;
        if kernel || !vma.grants(fault.access) {
            return Err(FaultError::Denied);
        }
        Ok(vma.clone())
    }

    /// Makes the stack above `at` reach down to it, if the gap below it allows that.
    fn grow_stack(&mut self, at: u64) -> Result<(), Refused<E>> {
        let page = page_bytes::<E>();
        let guard = self.config.guard_pages.saturating_mul(page);
        let stack = self.set.at_or_after(at).ok_or(FaultError::NoMapping)?;
        let below =
            self.set.before(at).map_or(self.config.range.first().get(), |vma| vma.last().saturating_add(1));
        let bytes = stack.last() - at + 1;
        let first = stack.first();
        let grows = stack.behaviour.contains(Behaviour::GROWS_DOWN)
            && stack.backing.is_none()
            && bytes <= self.config.max_stack
            && at >= self.config.range.first().get()
            && at - below >= guard;
        if !grows {
            return Err(FaultError::NoMapping);
        }
        if self.set.bytes().saturating_add(first - at) > self.config.max_bytes {
            return Err(FaultError::OverLimit);
        }
        self.set.grow_down(first, at);
        self.stats.stack_growths += 1;
        Ok(())
    }

    /// Whether `pages` more pages may be resident.
    fn may_have(&self, pages: u64) -> Result<(), Refused<E>> {
        if self.stats.resident() + pages > self.config.max_resident {
            Err(FaultError::OverLimit)
        } else {
            Ok(())
        }
    }

    fn mapped(&mut self) -> Result<Step<E>, Refused<E>> {
        self.stats.minor_faults += 1;
        Ok(Step::Done(FaultOutcome::Mapped))
    }

    /// A page of memory that nobody wrote yet.
    fn zeros(&mut self, vma: &Vma<E::Object>, at: u64, write: bool) -> Result<Step<E>, Refused<E>> {
        if !write && let Some(zeros) = self.env.zero_page() {
            let attrs = attrs_of(vma, vma.rights - Flags::WRITE);
            self.pt.map(range(at, at + (page_bytes::<E>() - 1)), zeros, attrs, Level::PAGE)?;
            return self.mapped();
        }
        if write && self.huge(vma, at) {
            self.stats.huge_faults += 1;
            return self.mapped();
        }
        self.may_have(1)?;
        let frame = self.blank()?;
        self.install(vma, at, frame, vma.rights)?;
        self.stats.zero_fills += 1;
        self.mapped()
    }

    /// A frame of zeros of the program's own.
    fn blank(&self) -> Result<FrameRef, Refused<E>> {
        let mut frame = fresh(&self.env, self.pt.highest()).ok_or(FaultError::OutOfFrames)?;
        let bytes = usize::try_from(page_bytes::<E>()).unwrap_or_default();
        if !memory::zero(&self.env, &mut frame, bytes) {
            self.env.free(frame);
            return Err(FaultError::OutOfFrames);
        }
        counted(&self.env, frame).ok_or(FaultError::OutOfFrames)
    }

    /// Maps a frame where nothing is. On failure the frame is given up.
    pub(super) fn install(
        &mut self,
        vma: &Vma<E::Object>,
        at: u64,
        frame: FrameRef,
        rights: Flags,
    ) -> Result<(), Refused<E>> {
        let page = range(at, at + (page_bytes::<E>() - 1));
        let phys = frame.address();
        if let Err(cause) = self.pt.map(page, phys, attrs_of(vma, rights), Level::PAGE) {
            frame.release(&self.env);
            return Err(cause.into());
        }
        let _ = frame.into_entry();
        if let Some(meta) = self.env.meta(phys) {
            let class = Class::of(vma, meta);
            self.count(class, 1);
        }
        Ok(())
    }

    /// Maps a huge page of zeros around `at`, if mapping, limits and frames allow it; whether they did.
    fn huge(&mut self, vma: &Vma<E::Object>, at: u64) -> bool {
        let wanted = self.config.huge || vma.behaviour.contains(Behaviour::HUGE);
        let Some(order) =
            self.pt.huge_order().filter(|_| wanted && !vma.behaviour.contains(Behaviour::NO_HUGE))
        else {
            return false;
        };
        let (pages, bytes) = (1_u64 << order, page_bytes::<E>() << order);
        let first = at & !(bytes - 1);
        let last = first + (bytes - 1);
        let fits = vma.first() <= first && last <= vma.last();
        if !fits || self.may_have(pages).is_err() || self.pt.runs(first, last).next().is_some() {
            return false;
        }
        let env = self.env.clone();
        let small = env.page_order();
        let Some(mut block) = u8::try_from(order).ok().and_then(|order| env.huge(order + small).ok()) else {
            return false;
        };
        let phys = block.address();
        let zeroed = usize::try_from(bytes).is_ok_and(|bytes| memory::zero(&env, &mut block, bytes));
        let counted = FrameRef::count_block(&env, block, pages);
        let mapped = zeroed
            && counted
            && self.pt.map(range(first, last), phys, attrs_of(vma, vma.rights), Level::PAGE.up()).is_ok();
        if mapped {
            self.count(Class::Anon, pages);
        } else if counted {
            let page = page_bytes::<E>();
            (0..pages)
                .for_each(|index| FrameRef::adopt(PhysAddr::new(phys.get() + index * page)).release(&env));
        }
        mapped
    }

    /// A write to a private page that is not writable: it becomes so if nobody shares it, else it is copied.
    fn break_cow(&mut self, vma: &Vma<E::Object>, at: u64, leaf: &Mapping) -> Result<Step<E>, Refused<E>> {
        let phys = page_of(leaf, at);
        let page = range(at, at + (page_bytes::<E>() - 1));
        let attrs = attrs_of(vma, vma.rights);
        if self.env.meta(phys).is_some_and(super::frame_meta::FrameMeta::is_sole) {
            let _ = self.pt.protect(page, attrs)?;
            self.stats.cow_reuses += 1;
            return self.mapped();
        }
        let own = self.env.meta(phys).map(|meta| Class::of(vma, meta));
        if own.is_none() {
            self.may_have(1)?;
        }
        // A huge leaf is split first, without a change of rights.
        if leaf.level > Level::PAGE {
            let _ = self.pt.protect(page, leaf.attrs)?;
        }
        let frame = self.copied(phys)?;
        if let Err(cause) = self.pt.replace(at, frame.address(), attrs) {
            frame.release(&self.env);
            return Err(cause.into());
        }
        let _ = frame.into_entry();
        if let Some(class) = own {
            *class.counter(&mut self.stats) -= 1;
            FrameRef::adopt(phys).release(&self.env);
        }
        self.count(Class::Anon, 1);
        *(if own.is_some() { &mut self.stats.cow_copies } else { &mut self.stats.zero_fills }) += 1;
        self.mapped()
    }

    /// A frame of the program's own with the content of another.
    pub(super) fn copied(&self, from: PhysAddr) -> Result<FrameRef, Refused<E>> {
        let mut frame = fresh(&self.env, self.pt.highest()).ok_or(FaultError::OutOfFrames)?;
        let bytes = usize::try_from(page_bytes::<E>()).unwrap_or_default();
        if !memory::copy(&self.env, from, &mut frame, bytes) {
            self.env.free(frame);
            return Err(FaultError::OutOfFrames);
        }
        counted(&self.env, frame).ok_or(FaultError::OutOfFrames)
    }

    /// Gives an entry the rights of its mapping, but writing.
    fn renew(&mut self, vma: &Vma<E::Object>, at: u64, leaf: &Mapping) -> Result<Step<E>, Refused<E>> {
        let rights = (vma.rights - Flags::WRITE) | (vma.rights & leaf.attrs.flags & Flags::WRITE);
        let _ = self.pt.protect(range(at, at + (page_bytes::<E>() - 1)), attrs_of(vma, rights))?;
        self.mapped()
    }

    /// A page of an object: at once if it is in memory and nothing has to be asked.
    fn object_page(&mut self, vma: &Vma<E::Object>, fault: Fault, at: u64) -> Result<Step<E>, Refused<E>> {
        let Some(backing) = &vma.backing else { return Err(FaultError::NoMapping) };
        let (offset, write) = (vma.offset_of(at), fault.access.contains(Flags::WRITE));
        if offset >= backing.object.bytes() {
            return Err(FaultError::BeyondObject);
        }
        self.may_have(1)?;
        if vma.is_shared() && write {
            return self.ask(vma, fault, at, false);
        }
        let Some(frame) = backing.object.resident(offset) else { return self.ask(vma, fault, at, false) };
        self.install_shared(vma, at, frame, write, false)?;
        if !write {
            self.around(vma, at);
        }
        self.mapped()
    }

    fn ask(&self, vma: &Vma<E::Object>, fault: Fault, at: u64, present: bool) -> Result<Step<E>, Refused<E>> {
        let Some(backing) = &vma.backing else { return Err(FaultError::NoMapping) };
        let (offset, object) = (vma.offset_of(at), backing.object.clone());
        if offset >= object.bytes() {
            return Err(FaultError::BeyondObject);
        }
        let shared_write = vma.is_shared() && fault.access.contains(Flags::WRITE);
        let version = object.version();
        let (env, highest) = (self.env.clone(), self.pt.highest());
        Ok(Step::Ask(Ask { env, object, fault, at, offset, version, highest, present, shared_write }))
    }

    /// Installs what a pager answered, if the mapping is still what was asked for; else `None`: begin again.
    pub(super) fn answer(&mut self, ask: &Ask<E>, page: Page) -> Result<Option<FaultOutcome>, Refused<E>> {
        let vma = self.set.find(ask.at).filter(|vma| ask.is_for(vma)).cloned();
        let leaf = self.pt.look(ask.at)?;
        let Some(vma) = vma.filter(|_| leaf.is_some() == ask.present) else {
            page.give_back(&self.env);
            return Ok(None);
        };
        let write = ask.fault.access.contains(Flags::WRITE);
        match page {
            Page::Present => {
                let rights = attrs_of(&vma, vma.rights);
                let _ = self.pt.protect(range(ask.at, ask.at + (page_bytes::<E>() - 1)), rights)?;
            }
            Page::Own(frame) if vma.is_shared() => {
                frame.release(&self.env);
                return Err(FaultError::NotShareable);
            }
            Page::Own(frame) => self.install(&vma, ask.at, frame, vma.rights)?,
            Page::Shared(frame) => self.install_shared(&vma, ask.at, frame, write, ask.shared_write)?,
        }
        if !write {
            self.around(&vma, ask.at);
        }
        self.stats.major_faults += 1;
        Ok(Some(FaultOutcome::Mapped))
    }

    /// Maps a frame that an object keeps: as it is, or for a private write as a copy.
    fn install_shared(
        &mut self,
        vma: &Vma<E::Object>,
        at: u64,
        frame: FrameRef,
        write: bool,
        writable: bool,
    ) -> Result<(), Refused<E>> {
        if write && !vma.is_shared() {
            let copy = self.copied(frame.address());
            frame.release(&self.env);
            self.stats.cow_copies += 1;
            return self.install(vma, at, copy?, vma.rights);
        }
        let rights = if writable { vma.rights } else { vma.rights - Flags::WRITE };
        self.install(vma, at, frame, rights)
    }

    /// Maps what an object has in memory around a page. What cannot be is left.
    fn around(&mut self, vma: &Vma<E::Object>, at: u64) {
        let Some(backing) = &vma.backing else { return };
        let (page, window) = (page_bytes::<E>(), self.config.fault_around.next_power_of_two());
        let bytes = page.saturating_mul(window);
        let first = (at & !(bytes - 1)).max(vma.first());
        let last = (at | (bytes - 1)).min(vma.last());
        for near in (first..=last).step_by(usize::try_from(page).unwrap_or(1)) {
            let offset = vma.offset_of(near);
            let wanted = near != at && offset < backing.object.bytes() && self.may_have(1).is_ok();
            if !wanted || !matches!(self.pt.look(near), Ok(None)) {
                continue;
            }
            let Some(frame) = backing.object.resident(offset) else { continue };
            if self.install_shared(vma, near, frame, false, false).is_err() {
                return;
            }
        }
    }
}

/// Makes a fresh frame a counted one, or gives it back.
pub(super) fn counted<E: SpaceEnv>(env: &E, frame: Frame) -> Option<FrameRef> {
    FrameRef::count(env, frame).map_err(|frame| env.free(frame)).ok()
}

/// Whether the MMU allows the access.
fn allows(leaf: &Mapping, fault: Fault) -> bool {
    let user = if fault.user { Flags::USER } else { Flags::empty() };
    leaf.attrs.flags.contains(fault.access | user)
}

impl<T> From<PtError> for FaultError<T> {
    fn from(error: PtError) -> Self {
        match error {
            PtError::OutOfFrames => Self::OutOfFrames,
            PtError::Stuck => Self::Stuck,
            PtError::Walk(cause) => Self::Walk(cause),
        }
    }
}
