//! An object in use: [`ObjBox`].

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Where an object goes back to.
pub(super) trait Home<T>: Sync {
    /// Takes an object back.
    ///
    /// # Safety
    ///
    /// The object came from here, is constructed, and nobody uses it any more.
    unsafe fn give_back(&self, object: NonNull<T>);
}

/// An object of an [`ObjectCache`](super::ObjectCache), which it goes back to on drop, constructed as it is. It cannot
/// outlive the cache:
///
/// ```compile_fail,E0597
/// # use kos_alloc::{AllocError, ObjectCache, testing::{HostEnv, PlainFrames}};
/// # use kos_alloc::{FrameRange, Pfn};
/// # let span = FrameRange::between(Pfn(16), Pfn(32));
/// let object = {
///     let cache = ObjectCache::new(HostEnv::new(span), PlainFrames::new(span), || Ok(7));
///     cache.allocate()?
/// };
/// assert_eq!(*object, 7);
/// # Ok::<(), AllocError>(())
/// ```
pub struct ObjBox<'c, T> {
    object: NonNull<T>,
    home: &'c dyn Home<T>,
}

// SAFETY: the box owns the object, as `Box` does; the home may be used from every thread.
unsafe impl<T: Send> Send for ObjBox<'_, T> {}
// SAFETY: a shared box gives shared references to the object alone.
unsafe impl<T: Sync> Sync for ObjBox<'_, T> {}

impl<'c, T> ObjBox<'c, T> {
    /// The box of a constructed object.
    ///
    /// # Safety
    ///
    /// The object is one of `home` that nobody else uses.
    pub(super) const unsafe fn new(object: NonNull<T>, home: &'c dyn Home<T>) -> Self {
        Self { object, home }
    }
}

impl<T> Deref for ObjBox<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the object is constructed and belongs to this box.
        unsafe { self.object.as_ref() }
    }
}

impl<T> DerefMut for ObjBox<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the object is constructed and belongs to this box, which is borrowed for writing.
        unsafe { self.object.as_mut() }
    }
}

impl<T> Drop for ObjBox<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the object came from there, and with this box its last user goes.
        unsafe { self.home.give_back(self.object) };
    }
}

impl<T: fmt::Debug> fmt::Debug for ObjBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for ObjBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
