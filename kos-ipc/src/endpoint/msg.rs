//! What most kernels send: [`Msg`].

use core::fmt;

use crate::cap::{Carried, Object};
use crate::ports::Env;

/// Capabilities of a message at most.
pub const MAX_CAPS: usize = 4;

/// A label, eight words and up to four capabilities.
pub struct Msg<'c, E: Env, O: Object> {
    /// What is asked for, or how it went.
    pub label: u64,
    /// As many numbers as processors have registers to spare.
    pub words: [u64; 8],
    /// Capabilities on their way.
    pub caps: [Option<Carried<'c, E, O>>; MAX_CAPS],
}

impl<E: Env, O: Object> Msg<'_, E, O> {
    /// Without capabilities.
    #[must_use]
    pub const fn new(label: u64, words: [u64; 8]) -> Self {
        Self { label, words, caps: [const { None }; MAX_CAPS] }
    }
}

impl<E: Env, O: Object> fmt::Debug for Msg<'_, E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Msg").field("label", &self.label).field("words", &self.words).finish_non_exhaustive()
    }
}
