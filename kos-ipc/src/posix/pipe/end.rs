//! The ends of a pipe: [`PipeReader`], [`PipeWriter`].

use core::fmt;

use super::{Pipe, PipeError, PipeStream, Readiness};
use crate::caller::Caller;
use crate::policy::{ObjectMeta, Op};
use crate::ports::Env;
use crate::time::Instant;
use crate::wait::{Observers, Parts, Source};

/// An end to read from.
pub struct PipeReader<'a, 'p, E: Env> {
    pipe: &'a Pipe<'p, E>,
}

/// An end to write to.
pub struct PipeWriter<'a, 'p, E: Env> {
    pipe: &'a Pipe<'p, E>,
}

impl<'a, 'p, E: Env> PipeReader<'a, 'p, E> {
    pub(super) fn new(pipe: &'a Pipe<'p, E>) -> Self {
        pipe.pages.with(|pages| pages.readers += 1);
        Self { pipe }
    }

    /// Reads what is there, up to what fits in `to`; sleeps until there is a byte. 0 is the end: nobody writes any more. Thread
    /// context only.
    ///
    /// # Errors
    /// [`PipeError`], but neither `Broken` nor `WouldBlock`
    pub fn read(
        &self,
        caller: &Caller<'_, E>,
        to: &mut [u8],
        until: Option<Instant>,
    ) -> Result<usize, PipeError> {
        self.pipe.read(caller, to, until)
    }

    /// As [`read`](Self::read), but does not sleep.
    ///
    /// # Errors
    /// [`PipeError::WouldBlock`], [`PipeError::Refused`]
    pub fn try_read(&self, caller: &Caller<'_, E>, to: &mut [u8]) -> Result<usize, PipeError> {
        caller.authorize(Op::Read, &self.pipe.meta).map_err(PipeError::Refused)?;
        self.pipe.try_read(to).ok_or(PipeError::WouldBlock)
    }

    /// As [`read`](Self::read), for a future. Dropped before it is ready, it takes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn read_async(&self, caller: &Caller<'_, E>, to: &mut [u8]) -> Result<usize, PipeError> {
        caller.authorize(Op::Read, &self.pipe.meta).map_err(PipeError::Refused)?;
        let read = self.pipe.readers.wait_for_async(0, || self.pipe.try_read(to));
        read.await.map_err(PipeError::Wait)
    }

    /// What it can do now.
    pub fn readiness(&self) -> Readiness {
        self.pipe.pages.with(|pages| pages.of_reader())
    }

    /// This end as a stream of embedded-io, for `caller`.
    pub const fn stream<'s>(&'s self, caller: &'s Caller<'s, E>) -> PipeStream<'s, Self, E> {
        PipeStream::new(self, caller)
    }
}

impl<'a, 'p, E: Env> PipeWriter<'a, 'p, E> {
    pub(super) fn new(pipe: &'a Pipe<'p, E>) -> Self {
        pipe.pages.with(|pages| pages.writers += 1);
        Self { pipe }
    }

    /// Writes all of `from`; sleeps until there is room. Up to [`PIPE_BUF`](super::PIPE_BUF) bytes go in one piece. Thread context
    /// only. If the wait ends, or nobody reads any more, it says how much went before, if anything did.
    ///
    /// # Errors
    /// [`PipeError`], but not `WouldBlock`: nothing was written.
    pub fn write(
        &self,
        caller: &Caller<'_, E>,
        from: &[u8],
        until: Option<Instant>,
    ) -> Result<usize, PipeError> {
        self.pipe.write(caller, from, until)
    }

    /// Writes what fits of `from`, up to [`PIPE_BUF`](super::PIPE_BUF) bytes all or nothing; does not sleep.
    ///
    /// # Errors
    /// [`PipeError`]: nothing was written.
    pub fn try_write(&self, caller: &Caller<'_, E>, from: &[u8]) -> Result<usize, PipeError> {
        caller.authorize(Op::Write, &self.pipe.meta).map_err(PipeError::Refused)?;
        let mut done = 0;
        match self.pipe.try_write(from, &mut done) {
            None => Err(PipeError::WouldBlock),
            Some(Err(error)) if done == 0 => Err(error),
            Some(_) => Ok(done),
        }
    }

    /// Writes what fits of `from`, at least a byte; waits until there is room. For a future, which dropped before it is ready has
    /// written nothing.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_async(&self, caller: &Caller<'_, E>, from: &[u8]) -> Result<usize, PipeError> {
        caller.authorize(Op::Write, &self.pipe.meta).map_err(PipeError::Refused)?;
        let mut done = 0;
        let written = self.pipe.writers.wait_for_async(0, || self.pipe.try_write(from, &mut done)).await;
        match written.map_err(PipeError::Wait).and_then(|written| written) {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    /// What it can do now.
    pub fn readiness(&self) -> Readiness {
        self.pipe.pages.with(|pages| pages.of_writer())
    }

    /// This end as a stream of embedded-io, for `caller`.
    pub const fn stream<'s>(&'s self, caller: &'s Caller<'s, E>) -> PipeStream<'s, Self, E> {
        PipeStream::new(self, caller)
    }
}

/// The observers are in the pipe, wherever its ends go.
impl<E: Env> Parts<E> for PipeReader<'_, '_, E> {
    fn observers(&self) -> &Observers<E> {
        &self.pipe.watch_reader
    }

    fn meta(&self) -> &ObjectMeta {
        &self.pipe.meta
    }
}

impl<E: Env> Source<E> for PipeReader<'_, '_, E> {
    fn readiness(&self) -> Readiness {
        Self::readiness(self)
    }
}

/// As those of the reader.
impl<E: Env> Parts<E> for PipeWriter<'_, '_, E> {
    fn observers(&self) -> &Observers<E> {
        &self.pipe.watch_writer
    }

    fn meta(&self) -> &ObjectMeta {
        &self.pipe.meta
    }
}

impl<E: Env> Source<E> for PipeWriter<'_, '_, E> {
    fn readiness(&self) -> Readiness {
        Self::readiness(self)
    }
}

impl<E: Env> Clone for PipeReader<'_, '_, E> {
    fn clone(&self) -> Self {
        Self::new(self.pipe)
    }
}

impl<E: Env> Clone for PipeWriter<'_, '_, E> {
    fn clone(&self) -> Self {
        Self::new(self.pipe)
    }
}

impl<E: Env> Drop for PipeReader<'_, '_, E> {
    fn drop(&mut self) {
        let last = self.pipe.pages.with(|pages| {
            pages.readers -= 1;
            pages.readers == 0
        });
        if last {
            self.pipe.writers.wake(usize::MAX);
            self.pipe.tell_writers(Readiness::BROKEN);
        }
    }
}

impl<E: Env> Drop for PipeWriter<'_, '_, E> {
    fn drop(&mut self) {
        let last = self.pipe.pages.with(|pages| {
            pages.writers -= 1;
            pages.writers == 0
        });
        if last {
            self.pipe.readers.wake(usize::MAX);
            self.pipe.tell_readers(Readiness::HUNG_UP);
        }
    }
}

impl<E: Env> fmt::Debug for PipeReader<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeReader").field("pipe", &self.pipe).finish()
    }
}

impl<E: Env> fmt::Debug for PipeWriter<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeWriter").field("pipe", &self.pipe).finish()
    }
}
