//! Objects to map.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Deref;

use alloc::collections::BTreeMap;

use super::env::{SimEnv, TestLock};
use crate::object::{MemoryObject, ObjectError, Store};
use crate::space::{PageIn, Pager, Token};

/// The store does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreFailed;

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store failed")
    }
}

impl core::error::Error for StoreFailed {}

/// A file: bytes by offset, zeros where none were written.
#[derive(Debug, Default)]
pub struct SimStore {
    bytes: RefCell<BTreeMap<u64, u8>>,
    failing: Cell<bool>,
    full: Cell<bool>,
}

impl SimStore {
    /// Makes reads and writes fail, or work again.
    pub fn set_failing(&self, failing: bool) {
        self.failing.set(failing);
    }

    /// Makes the disk full, or not.
    pub fn set_full(&self, full: bool) {
        self.full.set(full);
    }

    /// The byte at an offset.
    #[must_use]
    pub fn byte(&self, offset: u64) -> u8 {
        self.bytes.borrow().get(&offset).copied().unwrap_or_default()
    }

    fn works(&self) -> Result<(), StoreFailed> {
        if self.failing.get() { Err(StoreFailed) } else { Ok(()) }
    }
}

impl Store for SimStore {
    type Error = StoreFailed;

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreFailed> {
        self.works()?;
        let bytes = self.bytes.borrow();
        let end = offset + into.len() as u64;
        for (at, byte) in bytes.range(offset..end) {
            let place = usize::try_from(at - offset).ok().and_then(|index| into.get_mut(index));
            place.into_iter().for_each(|place| *place = *byte);
        }
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> Result<(), StoreFailed> {
        self.works()?;
        self.bytes.borrow_mut().extend((offset..).zip(from.iter().copied()));
        Ok(())
    }

    fn reserve(&self, _offset: u64) -> Result<(), StoreFailed> {
        if self.full.get() { Err(StoreFailed) } else { Ok(()) }
    }
}

/// An object in frames over a [`SimStore`].
pub type Memory = MemoryObject<SimEnv, TestLock, SimStore>;

/// A pager without frames of its own: each byte of a page is the page's number; it may make who asks wait, or fail.
#[derive(Debug)]
pub struct SimPager {
    /// Its length.
    pub bytes: u64,
    /// How often it answers "not yet".
    pub late: Cell<u64>,
    /// Whether it fails.
    pub failing: Cell<bool>,
    /// Called when it is asked: another CPU does something meanwhile.
    pub meanwhile: RefCell<Option<Meanwhile>>,
}

/// What another CPU does while a pager works.
pub struct Meanwhile(pub alloc::boxed::Box<dyn FnOnce()>);

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl SimPager {
    /// A pager of this length that answers at once.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self { bytes, late: Cell::new(0), failing: Cell::new(false), meanwhile: RefCell::new(None) }
    }
}

impl Pager for SimPager {
    type Error = ObjectError<StoreFailed>;

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn page_in(&self, _offset: u64) -> Result<PageIn, Self::Error> {
        let work = self.meanwhile.borrow_mut().take();
        work.into_iter().for_each(|Meanwhile(work)| work());
        if self.failing.get() {
            return Err(ObjectError::Store(StoreFailed));
        }
        match self.late.get() {
            0 => Ok(PageIn::Fill),
            late => {
                self.late.set(late - 1);
                Ok(PageIn::Wait(Token(late)))
            }
        }
    }

    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error> {
        into.fill(u8::try_from(offset / 4096 % 256).unwrap_or_default());
        Ok(())
    }

    fn make_writable(&self, _offset: u64) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Any of them.
#[derive(Clone)]
pub struct SimObject(pub Rc<dyn Pager<Error = ObjectError<StoreFailed>>>);

impl SimObject {
    /// An object in frames, `pages` pages long, and its handle.
    ///
    /// # Panics
    ///
    /// If there are no frames for its list of pages.
    #[must_use]
    pub fn memory(env: SimEnv, pages: u64) -> (Rc<Memory>, Self) {
        let memory = Rc::new(Memory::new(env, SimStore::default()));
        assert!(memory.grow(pages * 4096).is_ok(), "no frames for an object");
        (memory.clone(), Self(memory))
    }
}

impl Deref for SimObject {
    type Target = dyn Pager<Error = ObjectError<StoreFailed>>;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for SimObject {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for SimObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimObject")
    }
}
