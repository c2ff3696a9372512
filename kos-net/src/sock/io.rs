//! The streams of embedded-io and embedded-io-async 0.7, for who writes above any of them.

use embedded_io::{ErrorKind, ErrorType, ReadReady, WriteReady};
use lock_api::RawMutex;

use super::{Blocking, Storage, TcpStream};
use crate::error::StreamError;
use crate::ports::Frame;
use crate::tcp::TcpFailure;

impl embedded_io::Error for StreamError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadSocket => ErrorKind::NotConnected,
            Self::Finished => ErrorKind::BrokenPipe,
            Self::Failed(TcpFailure::Refused) => ErrorKind::ConnectionRefused,
            Self::Failed(TcpFailure::Reset) => ErrorKind::ConnectionReset,
            Self::Failed(TcpFailure::TimedOut) => ErrorKind::TimedOut,
            Self::Failed(TcpFailure::Aborted) => ErrorKind::ConnectionAborted,
            Self::NotNow | Self::Failed(TcpFailure::Unreachable(_)) => ErrorKind::Other,
        }
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> ErrorType for TcpStream<'_, R, F, S> {
    type Error = StreamError;
}

impl<R: RawMutex, F: Frame, S: Storage<F>> embedded_io_async::Read for TcpStream<'_, R, F, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, StreamError> {
        self.ready(|stream| stream.try_read(buf)).await
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> embedded_io_async::Write for TcpStream<'_, R, F, S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, StreamError> {
        self.ready(|stream| stream.try_write(buf)).await
    }

    /// Waits until the peer has acknowledged all.
    async fn flush(&mut self) -> Result<(), StreamError> {
        self.ready(Self::try_flush).await
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> ReadReady for TcpStream<'_, R, F, S> {
    fn read_ready(&mut self) -> Result<bool, StreamError> {
        let looked = self.shared().with(|stack| stack.tcp_receive(self.id(), |_| (0, ())));
        Ok(looked != Err(StreamError::NotNow))
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>> WriteReady for TcpStream<'_, R, F, S> {
    fn write_ready(&mut self) -> Result<bool, StreamError> {
        let looked = self.shared().with(|stack| stack.tcp_send(self.id(), |_| (0, ())));
        Ok(looked != Err(StreamError::NotNow))
    }
}

impl<T: ErrorType, W> ErrorType for Blocking<T, W> {
    type Error = T::Error;
}

impl<R: RawMutex, F: Frame, S: Storage<F>, W: FnMut()> Blocking<TcpStream<'_, R, F, S>, W> {
    /// Waits until the handshake is done.
    ///
    /// # Errors
    /// It failed.
    pub fn connected(&mut self) -> Result<(), StreamError> {
        self.repeat(TcpStream::try_connected)
    }
}

impl<T, W: FnMut()> Blocking<T, W> {
    fn repeat<V>(
        &mut self,
        mut attempt: impl FnMut(&mut T) -> Result<V, StreamError>,
    ) -> Result<V, StreamError> {
        loop {
            match attempt(&mut self.stream) {
                Err(StreamError::NotNow) => (self.wait)(),
                done => return done,
            }
        }
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>, W: FnMut()> embedded_io::Read
    for Blocking<TcpStream<'_, R, F, S>, W>
{
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, StreamError> {
        self.repeat(|stream| stream.try_read(buf))
    }
}

impl<R: RawMutex, F: Frame, S: Storage<F>, W: FnMut()> embedded_io::Write
    for Blocking<TcpStream<'_, R, F, S>, W>
{
    fn write(&mut self, buf: &[u8]) -> Result<usize, StreamError> {
        self.repeat(|stream| stream.try_write(buf))
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        self.repeat(TcpStream::try_flush)
    }
}
