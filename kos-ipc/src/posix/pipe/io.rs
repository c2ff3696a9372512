//! The streams of embedded-io and embedded-io-async 0.7: [`PipeStream`].

use core::fmt;

use embedded_io::{ErrorKind, ErrorType, ReadReady, WriteReady};

use super::{PipeError, PipeReader, PipeWriter, Readiness};
use crate::caller::Caller;
use crate::error::WaitError;
use crate::ports::Env;

/// An end of a pipe, for one caller, without deadlines.
pub struct PipeStream<'s, T, E: Env> {
    end: &'s T,
    caller: &'s Caller<'s, E>,
}

impl<'s, T, E: Env> PipeStream<'s, T, E> {
    pub(super) const fn new(end: &'s T, caller: &'s Caller<'s, E>) -> Self {
        Self { end, caller }
    }
}

impl embedded_io::Error for PipeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Broken => ErrorKind::BrokenPipe,
            Self::Refused(_) => ErrorKind::PermissionDenied,
            Self::Wait(WaitError::TimedOut) => ErrorKind::TimedOut,
            Self::Wait(WaitError::Interrupted) => ErrorKind::Interrupted,
            Self::WouldBlock | Self::Wait(_) => ErrorKind::Other,
        }
    }
}

impl<T, E: Env> ErrorType for PipeStream<'_, T, E> {
    type Error = PipeError;
}

impl<E: Env> embedded_io::Read for PipeStream<'_, PipeReader<'_, '_, E>, E> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, PipeError> {
        self.end.read(self.caller, buf, None)
    }
}

impl<E: Env> embedded_io::Write for PipeStream<'_, PipeWriter<'_, '_, E>, E> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, PipeError> {
        self.end.write(self.caller, buf, None)
    }

    fn flush(&mut self) -> Result<(), PipeError> {
        Ok(())
    }
}

impl<E: Env> embedded_io_async::Read for PipeStream<'_, PipeReader<'_, '_, E>, E> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, PipeError> {
        self.end.read_async(self.caller, buf).await
    }
}

impl<E: Env> embedded_io_async::Write for PipeStream<'_, PipeWriter<'_, '_, E>, E> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, PipeError> {
        self.end.write_async(self.caller, buf).await
    }

    async fn flush(&mut self) -> Result<(), PipeError> {
        Ok(())
    }
}

impl<E: Env> ReadReady for PipeStream<'_, PipeReader<'_, '_, E>, E> {
    fn read_ready(&mut self) -> Result<bool, PipeError> {
        Ok(self.end.readiness().intersects(Readiness::READABLE | Readiness::HUNG_UP))
    }
}

impl<E: Env> WriteReady for PipeStream<'_, PipeWriter<'_, '_, E>, E> {
    fn write_ready(&mut self) -> Result<bool, PipeError> {
        Ok(self.end.readiness().intersects(Readiness::WRITABLE | Readiness::BROKEN))
    }
}

impl<T, E: Env> fmt::Debug for PipeStream<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeStream").finish_non_exhaustive()
    }
}
