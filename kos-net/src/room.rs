//! Storage that is lent or owned: [`Room`].

/// A fixed number of `T`: an array, a lent slice, a vector. Its length stays what it was when it was handed over.
pub trait Room<T>: AsRef<[T]> + AsMut<[T]> {}

impl<T, R: AsRef<[T]> + AsMut<[T]> + ?Sized> Room<T> for R {}
