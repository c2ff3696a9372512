//! One of something for each size class: [`PerClass`].
//!
//! Invariant, on which the unsafe code rests: the number of a [`Class`] is below [`CLASSES`], because its makers compare.

use super::class::{CLASSES, Class};

/// A table by class, without a bounds check: this is on the way of every allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerClass<T>([T; CLASSES]);

impl<T> PerClass<T> {
    pub(crate) const fn new(table: [T; CLASSES]) -> Self {
        Self(table)
    }

    /// That of `class`.
    #[inline]
    pub(crate) fn of(&self, class: Class) -> &T {
        // SAFETY: the class's number is below the length, says the module.
        unsafe { self.0.get_unchecked(class.index()) }
    }

    /// That of `class`, to be changed.
    #[inline]
    pub(crate) fn of_mut(&mut self, class: Class) -> &mut T {
        // SAFETY: as above.
        unsafe { self.0.get_unchecked_mut(class.index()) }
    }

    /// What `f` makes of each.
    pub(crate) fn map<U>(&self, f: impl FnMut(&T) -> U) -> PerClass<U> {
        PerClass(self.0.each_ref().map(f))
    }

    /// Each with its class, smallest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Class, &T)> {
        Class::all().zip(&self.0)
    }
}
