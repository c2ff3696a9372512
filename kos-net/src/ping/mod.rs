//! Ping: the calls of sockets that send echo requests and receive the replies.

use core::net::IpAddr;

use crate::error::{BindError, ReceiveError, SendError};
use crate::ports::{Entropy, Frame};
use crate::sock::{Envelope, Kind, SocketId, Storage};
use crate::stack::Stack;

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Opens a socket for echoes from `local`, an address of ours, or any of its family. Its identifier is random.
    ///
    /// # Errors
    /// The address is not ours, or there is no room.
    pub fn ping_open(&mut self, local: IpAddr, entropy: &mut dyn Entropy) -> Result<SocketId, BindError> {
        self.core().open_datagrams(Kind::Ping, (local, 0), entropy)
    }

    /// Puts an echo request with `data` in the queue.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub fn ping_send(
        &mut self,
        id: SocketId,
        to: IpAddr,
        sequence: u16,
        data: &[u8],
    ) -> Result<(), SendError> {
        let to = Envelope::to(to.to_canonical(), sequence);
        self.core().send_datagram(id, Kind::Ping, Some(to), data)
    }

    /// Hands the first reply that came to `read`, and takes it off the queue; the envelope's port is the sequence number.
    ///
    /// # Errors
    /// There is none, or there is an error to be told first.
    pub fn ping_receive<R>(
        &mut self,
        id: SocketId,
        read: impl FnOnce(&Envelope, &[u8]) -> R,
    ) -> Result<R, ReceiveError> {
        self.core().receive_datagram(id, Kind::Ping, read)
    }
}
