//! A byte stream between processes: [`Pipe`].
//!
//! The bytes lie in lent pages, one lock hold for each page that is filled or emptied. What is written fills up the last page if
//! its end, the odd bytes of whole pages, fits there, and takes pages of its own else: so up to [`PIPE_BUF`] bytes are written in
//! one piece or not at all, and a pipe of many small pieces is full when its pages are, as Linux's.
//!
//! Order of answers: a write to a pipe that nobody reads is broken before anything else; a read gives what is there before it says
//! that nobody writes; a write that was interrupted says how much went before.
//!
//! Sources: POSIX `write`, `read`, `pipe` (IEEE 1003.1, 2018); Linux, pipe(7) and what it does beyond, which the tests compare.

mod end;
mod error;
mod io;
mod pages;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(all(target_os = "linux", not(loom)))]
mod tests_linux;

use core::fmt;

use crate::caller::Caller;
use crate::error::Corruption;
use crate::policy::{ObjectKind, ObjectMeta, Op};
use crate::ports::Env;
use crate::sync::Lock;
use crate::time::Instant;
use crate::wait::{Observers, WaitQueue};

pub use crate::wait::Readiness;
pub use end::{PipeReader, PipeWriter};
pub use error::{PipeError, ResizeError};
pub use io::PipeStream;
use pages::Pages;
pub use pages::PipePage;

/// What is written in one piece.
pub const PIPE_BUF: usize = 4096;

/// A byte stream in lent pages. Its ends are [`reader`](Self::reader) and [`writer`](Self::writer), of each as many as you like.
///
/// ```
/// use kos_ipc::Caller;
/// use kos_ipc::policy::NoPolicy;
/// use kos_ipc::posix::pipe::{Pipe, PipeError, PipePage};
/// use kos_ipc::testing::{StdEnv, StdPark};
///
/// let park = StdPark::new();
/// let token = park.token();
/// let caller = Caller::new(&token, (), &NoPolicy);
/// let mut pages = [const { PipePage::new() }; 16];
/// let pipe = Pipe::<StdEnv>::new(park, &mut pages, 0, 1);
/// let (reader, writer) = (pipe.reader(), pipe.writer());
/// assert_eq!(writer.write(&caller, b"hello", None), Ok(5));
/// let mut bytes = [0; 3];
/// assert_eq!((reader.read(&caller, &mut bytes, None), &bytes), (Ok(3), b"hel"));
/// drop(writer);
/// assert_eq!(reader.read(&caller, &mut bytes, None), Ok(2)); // what is there,
/// assert_eq!(reader.read(&caller, &mut bytes, None), Ok(0)); // and then the end
/// ```
pub struct Pipe<'p, E: Env> {
    pages: Lock<E, Pages<'p>>,
    readers: WaitQueue<E>,
    writers: WaitQueue<E>,
    watch_reader: Observers<E>,
    watch_writer: Observers<E>,
    park: E::Park,
    meta: ObjectMeta,
}

impl<'p, E: Env> Pipe<'p, E> {
    /// An empty pipe of as many bytes as `pages` have. `label` and `id` are for the policy.
    pub fn new(park: E::Park, pages: &'p mut [PipePage], label: u16, id: u32) -> Self
    where
        E::Park: Clone,
    {
        Self {
            pages: Lock::new(Pages::new(pages)),
            readers: WaitQueue::new(park.clone()),
            writers: WaitQueue::new(park.clone()),
            watch_reader: Observers::new(),
            watch_writer: Observers::new(),
            park,
            meta: ObjectMeta { kind: ObjectKind::Pipe, label, id },
        }
    }

    /// An end to read from. While there is none, writes are broken.
    pub fn reader(&self) -> PipeReader<'_, 'p, E> {
        PipeReader::new(self)
    }

    /// An end to write to. While there is none, reads find the end of the stream behind the last byte.
    pub fn writer(&self) -> PipeWriter<'_, 'p, E> {
        PipeWriter::new(self)
    }

    /// Bytes that can be read (FIONREAD).
    pub fn len(&self) -> usize {
        self.pages.with(|pages| pages.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that fit, in whole pages.
    pub fn capacity(&self) -> usize {
        self.pages.with(|pages| pages.capacity())
    }

    /// Changes how many bytes fit: `bytes`, or more up to a power of two of pages, within what was lent. Nothing is lost. Returns
    /// the new capacity.
    ///
    /// # Errors
    /// [`ResizeError`]
    pub fn set_capacity(&self, bytes: usize) -> Result<usize, ResizeError> {
        let changed = self.pages.with(|pages| pages.set_capacity(bytes))?;
        self.writers.wake(usize::MAX);
        self.tell_writers(Readiness::WRITABLE);
        Ok(changed)
    }

    /// Walks every invariant, with the locks held in turn.
    ///
    /// # Errors
    /// [`Corruption`] names the first that does not hold.
    pub fn check(&self) -> Result<(), Corruption> {
        self.readers.check()?;
        self.writers.check()?;
        self.pages.with(|pages| pages.check()).map_err(|what| Corruption { what })
    }

    /// Tells those who watch the readers' side.
    fn tell_readers(&self, what: Readiness) {
        self.watch_reader.signal(&self.park, what);
    }

    /// Tells those who watch the writers' side.
    fn tell_writers(&self, what: Readiness) {
        self.watch_writer.signal(&self.park, what);
    }

    /// Reads what is there, up to what fits; `None` if nothing is, and somebody writes.
    fn try_read(&self, to: &mut [u8]) -> Option<usize> {
        let mut count = 0;
        let mut more = true;
        while more && count < to.len() {
            let rest = to.get_mut(count..).unwrap_or_default();
            let moved = self.pages.with(|pages| pages.take(rest));
            (count, more) = (count + moved.bytes, moved.more);
            if moved.freed {
                self.writers.wake(1);
                self.tell_writers(Readiness::WRITABLE);
            }
        }
        if count > 0 && more {
            self.readers.wake(1);
        }
        let over = || self.pages.with(|pages| pages.is_empty() && pages.writers == 0);
        (count > 0 || to.is_empty() || over()).then_some(count)
    }

    /// Writes what fits of `from`, of which `done` bytes went before; `None` if nothing does.
    fn try_write(&self, from: &[u8], done: &mut usize) -> Option<Result<(), PipeError>> {
        let before = *done;
        while *done < from.len() {
            let rest = from.get(*done..).unwrap_or_default();
            let first = *done == 0;
            match self.pages.with(|pages| pages.put(rest, first)) {
                Ok(0) => break,
                Ok(bytes) => *done += bytes,
                Err(broken) => return Some(Err(broken)),
            }
            self.readers.wake(1);
            self.tell_readers(Readiness::READABLE);
        }
        if *done == from.len() {
            self.writers.wake(1);
        }
        (*done > before || from.is_empty()).then_some(Ok(()))
    }

    fn read(
        &self,
        caller: &Caller<'_, E>,
        to: &mut [u8],
        until: Option<Instant>,
    ) -> Result<usize, PipeError> {
        caller.authorize(Op::Read, &self.meta).map_err(PipeError::Refused)?;
        self.readers.wait_for(caller.token(), 0, until, || self.try_read(to)).map_err(PipeError::Wait)
    }

    /// Writes all of it, unless the wait ends before: then what went is what counts, and the error only if nothing did.
    fn write(&self, caller: &Caller<'_, E>, from: &[u8], until: Option<Instant>) -> Result<usize, PipeError> {
        caller.authorize(Op::Write, &self.meta).map_err(PipeError::Refused)?;
        let mut done = 0;
        loop {
            let written = self.writers.wait_for(caller.token(), 0, until, || self.try_write(from, &mut done));
            match written.map_err(PipeError::Wait).and_then(|written| written) {
                Ok(()) if done < from.len() => {}
                Err(error) if done == 0 => return Err(error),
                _ => return Ok(done),
            }
        }
    }
}

impl<E: Env> fmt::Debug for Pipe<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("len", &self.len()).finish_non_exhaustive()
    }
}
