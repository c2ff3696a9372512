//! A pipe of kos-ipc with memory of its own: [`ByteStream`].
#![expect(unsafe_code, reason = "a pipe borrows the pages that lie beside it")]

use core::fmt;
use core::ops::Deref;

use kos_ipc::posix::pipe::{Pipe, PipePage};

use super::lent::Lent;
use super::policy;
use crate::glue::ipc::{IpcEnv, Sleeper};
use crate::platform::Platform;

/// Pages of a pipe: 16 KiB.
const PAGES: usize = 4;

type Inner<P> = Pipe<'static, IpcEnv<P>>;

/// A pipe.
pub(crate) struct ByteStream<P: Platform>(Lent<Inner<P>, PipePage>);

impl<P: Platform> ByteStream<P> {
    /// An empty one; [`None`] without memory.
    pub(crate) fn new(id: u32) -> Option<Self> {
        let make = |pages| Some(Pipe::new(Sleeper::new(), pages, policy::PIPE, id));
        // SAFETY: a pipe gives out its ends, which borrow the pipe; what it returns by value are numbers.
        unsafe { Lent::new(PAGES, PipePage::new, make) }.map(Self)
    }
}

impl<P: Platform> Deref for ByteStream<P> {
    type Target = Inner<P>;

    fn deref(&self) -> &Inner<P> {
        &self.0
    }
}

impl<P: Platform> fmt::Debug for ByteStream<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
