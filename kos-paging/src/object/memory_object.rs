//! An object whose pages lie in frames.
//!
//! The object holds one reference to each of its frames; entries of spaces hold theirs, so that a page outlives the
//! object, or its truncation, as long as somebody still maps it. The lock is never held while the store works.
#![expect(unsafe_code, reason = "gives away counted references to frames that it holds")]

use core::fmt;

use lock_api::{Mutex, RawMutex};

use super::mappers::Mappers;
use super::store::{ObjectError, ObjectPorts, Store};
use crate::addr::PhysAddr;
use crate::ports::{FrameRequest, OutOfFrames};
use crate::space::{FrameRef, FrameVec, PageIn, Pager, SpaceId, memory};

/// Bytes of a page of an object.
const PAGE: usize = 4096;
/// As many bytes are written to a store at a time.
const PIECE: usize = 512;

/// A page of the object, if it is in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    frame: Option<PhysAddr>,
    dirty: bool,
}

#[derive(Debug)]
struct Inner {
    slots: FrameVec<Slot>,
    bytes: u64,
    version: u64,
    mappers: Mappers,
}

/// Pages in frames, over a store. Pages are 4 KiB; the list of pages takes 24 bytes for each page of the length.
///
/// Two are equal if they are the same one.
pub struct MemoryObject<P: ObjectPorts, R: RawMutex, S: Store> {
    ports: P,
    store: S,
    inner: Mutex<R, Inner>,
}

impl<P: ObjectPorts, R: RawMutex, S: Store> MemoryObject<P, R, S> {
    /// An object without a byte.
    pub const fn new(ports: P, store: S) -> Self {
        let inner = Inner { slots: FrameVec::new(), bytes: 0, version: 0, mappers: Mappers::new() };
        Self { ports, store, inner: Mutex::from_raw(R::INIT, inner) }
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Shows the frames that it holds.
    pub fn frames(&self, mut show: impl FnMut(PhysAddr)) {
        let inner = self.inner.lock();
        (0..inner.slots.len()).filter_map(|index| inner.slots.get(index)?.frame).for_each(&mut show);
    }

    /// Frames that its own lists take: of its pages, and of who maps them. For who adds up all frames.
    pub fn list_frames(&self) -> usize {
        let inner = self.inner.lock();
        inner.slots.frames() + inner.mappers.frames()
    }

    /// Makes the object longer, up to some gigabytes; a length that is shorter is left to
    /// [`truncate`](Self::truncate).
    ///
    /// # Errors
    ///
    /// [`OutOfFrames`] for the list of pages; nothing changed.
    pub fn grow(&self, bytes: u64) -> Result<(), OutOfFrames> {
        let pages = usize::try_from(bytes.div_ceil(PAGE as u64)).map_err(|_| OutOfFrames)?;
        let mut inner = self.inner.lock();
        let more = pages.saturating_sub(inner.slots.len());
        inner.slots.reserve(&self.ports, more)?;
        (0..more).for_each(|_| {
            inner.slots.push(Slot::default());
        });
        inner.bytes = inner.bytes.max(bytes);
        Ok(())
    }

    /// Makes the object end after `bytes` bytes and takes what is behind from all who map it: `zap` calls
    /// [`Space::zap`](crate::space::Space::zap) of the space with this number, with the same object and `bytes`.
    ///
    /// What was mapped is gone, or out of the object, when this returns: a later touch is a bus error.
    ///
    /// # Errors
    ///
    /// The last error of `zap`, after all spaces were visited; the object is as short as asked. Truncate it again.
    pub fn truncate<Z>(&self, bytes: u64, mut zap: impl FnMut(SpaceId) -> Result<(), Z>) -> Result<(), Z> {
        self.cut(bytes);
        let mut result = Ok(());
        let mut space = self.inner.lock().mappers.next(None);
        while let Some(id) = space {
            if let Err(cause) = zap(id) {
                result = Err(cause);
            }
            space = self.inner.lock().mappers.next(Some(id));
        }
        result
    }

    /// Takes the pages behind the end out of the object.
    fn cut(&self, bytes: u64) {
        let mut inner = self.inner.lock();
        if bytes > inner.bytes {
            return;
        }
        inner.bytes = bytes;
        inner.version += 1;
        let pages = bytes.div_ceil(PAGE as u64);
        while inner.slots.len() as u64 > pages {
            if let Some(Slot { frame: Some(phys), .. }) = inner.slots.pop() {
                FrameRef::adopt(phys).release(&self.ports);
            }
        }
        inner.slots.trim(&self.ports);
        // What is behind the end in the last page reads as zeros when the object grows again.
        let inside = usize::try_from(bytes % PAGE as u64).unwrap_or_default();
        let last = inner
            .slots
            .len()
            .checked_sub(1)
            .and_then(|last| inner.slots.get(last))
            .and_then(|slot| slot.frame);
        if let Some(phys) = last.filter(|_| inside > 0) {
            memory::fill(&self.ports, PhysAddr::new(phys.get() + inside as u64), PAGE - inside, 0);
        }
    }

    /// Writes all pages that were written to the store. A page that somebody maps stays dirty: he may write it again.
    ///
    /// # Errors
    ///
    /// The store's; what was not written is still dirty.
    pub fn sync(&self) -> Result<(), S::Error> {
        for index in 0.. {
            let mut inner = self.inner.lock();
            let (mapped, bytes) = (inner.mappers.len() > 0, inner.bytes);
            let Some(slot) = inner.slots.get_mut(index) else { break };
            let Some(phys) = slot.frame.filter(|_| slot.dirty) else { continue };
            slot.dirty = mapped;
            let Some(frame) = self.share(phys) else { continue };
            drop(inner);
            let offset = index as u64 * PAGE as u64;
            let result = self.write_back(offset, frame.address(), bytes);
            frame.release(&self.ports);
            if let Err(cause) = result {
                self.inner.lock().slots.get_mut(index).into_iter().for_each(|slot| slot.dirty = true);
                return Err(cause);
            }
        }
        Ok(())
    }

    fn write_back(&self, offset: u64, phys: PhysAddr, end: u64) -> Result<(), S::Error> {
        let mut piece = [0; PIECE];
        let pieces = (0..PAGE as u64).step_by(PIECE).take_while(|inside| offset + inside < end);
        for inside in pieces {
            memory::read(&self.ports, PhysAddr::new(phys.get() + inside), &mut piece);
            let bytes = usize::try_from(end - offset - inside).unwrap_or(PIECE).min(PIECE);
            self.store.write(offset + inside, piece.get(..bytes).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Reads bytes of the object, as all who map it see them; how many: fewer at its end.
    ///
    /// # Errors
    ///
    /// [`ObjectError`].
    pub fn read(&self, offset: u64, to: &mut [u8]) -> Result<usize, ObjectError<S::Error>> {
        self.pieces(offset, to.len(), false, |phys, done, bytes| {
            to.get_mut(done..done + bytes).map(|to| memory::read(&self.ports, phys, to));
        })
    }

    /// Writes bytes into the object, up to its end; how many.
    ///
    /// # Errors
    ///
    /// [`ObjectError`]; what was written stays.
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<usize, ObjectError<S::Error>> {
        self.pieces(offset, from.len(), true, |phys, done, bytes| {
            from.get(done..done + bytes).map(|from| memory::write(&self.ports, phys, from));
        })
    }

    fn pieces(
        &self,
        offset: u64,
        bytes: usize,
        write: bool,
        mut work: impl FnMut(PhysAddr, usize, usize),
    ) -> Result<usize, ObjectError<S::Error>> {
        let left = usize::try_from(self.bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
        let (bytes, mut done) = (bytes.min(left), 0);
        while done < bytes {
            let at = offset + done as u64;
            let inside = at % PAGE as u64;
            let here = PAGE.saturating_sub(usize::try_from(inside).unwrap_or_default()).min(bytes - done);
            let frame = self.frame(at - inside)?;
            let ready = if write { self.make_writable(at - inside) } else { Ok(()) };
            if ready.is_ok() {
                work(PhysAddr::new(frame.address().get() + inside), done, here);
            }
            frame.release(&self.ports);
            ready?;
            done += here;
        }
        Ok(done)
    }

    /// One more reference to a frame that the object holds; the lock is held.
    fn share(&self, phys: PhysAddr) -> Option<FrameRef> {
        // SAFETY: the slot's frame is counted and held by the object, whose lock the caller has; whoever may map the
        // object may read it, and write it where mappings share writes.
        unsafe { FrameRef::share(&self.ports, phys) }
    }

    fn held(&self, offset: u64) -> Option<FrameRef> {
        let inner = self.inner.lock();
        let slot = inner.slots.get(usize::try_from(offset / PAGE as u64).ok()?)?;
        self.share(slot.frame?)
    }

    /// A reference to the page at `offset`, read from the store if need be.
    fn frame(&self, offset: u64) -> Result<FrameRef, ObjectError<S::Error>> {
        match self.held(offset) {
            Some(frame) => Ok(frame),
            None => self.load(offset),
        }
    }

    fn load(&self, offset: u64) -> Result<FrameRef, ObjectError<S::Error>> {
        let version = self.version();
        let request = FrameRequest::below(PhysAddr::new(u64::MAX));
        let mut fresh = self.ports.allocate(request).map_err(|_| ObjectError::OutOfFrames)?;
        let read = |into: &mut [u8]| {
            into.fill(0);
            self.store.read(offset, into)
        };
        match memory::with_bytes(&self.ports, &mut fresh, PAGE, read) {
            Some(Ok(())) => {}
            failed => {
                self.ports.free(fresh);
                return Err(failed
                    .and_then(Result::err)
                    .map_or(ObjectError::OutOfFrames, ObjectError::Store));
            }
        }
        let frame = FrameRef::count(&self.ports, fresh).map_err(|fresh| {
            self.ports.free(fresh);
            ObjectError::OutOfFrames
        })?;
        self.keep(offset, frame, version)
    }

    /// Puts a page that was read into the object, unless another was quicker or the object was cut.
    fn keep(&self, offset: u64, frame: FrameRef, version: u64) -> Result<FrameRef, ObjectError<S::Error>> {
        let mut inner = self.inner.lock();
        let current = inner.version == version;
        let index = usize::try_from(offset / PAGE as u64).unwrap_or(usize::MAX);
        let Some(slot) = inner.slots.get_mut(index).filter(|_| current) else {
            frame.release(&self.ports);
            return Err(ObjectError::Beyond { offset });
        };
        let given = match slot.frame {
            Some(phys) => {
                frame.release(&self.ports);
                self.share(phys)
            }
            None => {
                slot.frame = Some(frame.address());
                self.share(frame.into_entry())
            }
        };
        given.ok_or(ObjectError::OutOfFrames)
    }
}

impl<P: ObjectPorts, R: RawMutex, S: Store> Pager for MemoryObject<P, R, S> {
    type Error = ObjectError<S::Error>;

    fn bytes(&self) -> u64 {
        self.inner.lock().bytes
    }

    fn page_in(&self, offset: u64) -> Result<PageIn, Self::Error> {
        self.frame(offset).map(PageIn::Shared)
    }

    fn make_writable(&self, offset: u64) -> Result<(), Self::Error> {
        self.store.reserve(offset).map_err(ObjectError::Store)?;
        let index = usize::try_from(offset / PAGE as u64).unwrap_or(usize::MAX);
        let mut inner = self.inner.lock();
        inner.slots.get_mut(index).ok_or(ObjectError::Beyond { offset })?.dirty = true;
        Ok(())
    }

    fn resident(&self, offset: u64) -> Option<FrameRef> {
        self.held(offset)
    }

    fn version(&self) -> u64 {
        self.inner.lock().version
    }

    fn attach(&self, space: SpaceId, pages: u64) -> Result<(), OutOfFrames> {
        self.inner.lock().mappers.attach(&self.ports, space, pages)
    }

    fn detach(&self, space: SpaceId, pages: u64) {
        self.inner.lock().mappers.detach(&self.ports, space, pages);
    }
}

impl<P: ObjectPorts, R: RawMutex, S: Store> PartialEq for MemoryObject<P, R, S> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

impl<P: ObjectPorts, R: RawMutex, S: Store> Eq for MemoryObject<P, R, S> {}

impl<P: ObjectPorts, R: RawMutex, S: Store> Drop for MemoryObject<P, R, S> {
    /// Gives all frames up. What was not [synced](Self::sync) is lost.
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        while let Some(slot) = inner.slots.pop() {
            slot.frame.into_iter().for_each(|phys| FrameRef::adopt(phys).release(&self.ports));
        }
        inner.slots.clear(&self.ports);
        inner.mappers.clear(&self.ports);
    }
}

impl<P: ObjectPorts, R: RawMutex, S: Store> fmt::Debug for MemoryObject<P, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryObject").finish_non_exhaustive()
    }
}
