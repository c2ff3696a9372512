//! Raw sockets: payloads of IP of any protocol, read beside who else reads them. They cost nothing while none is open.

use core::net::IpAddr;

use crate::error::{BindError, ReceiveError, SendError};
use crate::ports::{Entropy, Frame};
use crate::sock::{Envelope, Kind, SocketId, Storage};
use crate::stack::Stack;
use crate::wire::IpProtocol;

impl<F: Frame, S: Storage<F>> Stack<F, S> {
    /// Opens a socket for `protocol` at `local`, an address of ours, or any. The sums of what it sends are its user's.
    ///
    /// # Errors
    /// The address is not ours, another raw socket reads the same, or there is no room.
    pub fn raw_open(
        &mut self,
        protocol: IpProtocol,
        local: IpAddr,
        entropy: &mut dyn Entropy,
    ) -> Result<SocketId, BindError> {
        self.core().open_datagrams(Kind::Raw(protocol), (local, 0), entropy)
    }

    /// Puts a packet that carries `data` in the queue.
    ///
    /// # Errors
    /// Why not; nothing was sent.
    pub fn raw_send(
        &mut self,
        id: SocketId,
        protocol: IpProtocol,
        to: IpAddr,
        data: &[u8],
    ) -> Result<(), SendError> {
        let to = Envelope::to(to.to_canonical(), 0);
        self.core().send_datagram(id, Kind::Raw(protocol), Some(to), data)
    }

    /// Hands the first payload that came to `read`, and takes it off the queue.
    ///
    /// # Errors
    /// There is none, or there is an error to be told first.
    pub fn raw_receive<R>(
        &mut self,
        id: SocketId,
        protocol: IpProtocol,
        read: impl FnOnce(&Envelope, &[u8]) -> R,
    ) -> Result<R, ReceiveError> {
        self.core().receive_datagram(id, Kind::Raw(protocol), read)
    }
}
