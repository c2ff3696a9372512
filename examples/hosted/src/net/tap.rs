//! A TAP device as a port of the stack: [`Tap`]. Its frames carry a header of virtio-net: with `gso` segments
//! of TCP go and come up to 64 KiB large, and the host's kernel cuts them, or leaves them whole.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use kos_net::dev::{Batch, Capabilities, HeapFrame, Medium, Offloads, VnetHeader};
use kos_net::{Frame as _, NetDevice};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::pcap::Pcap;

/// The largest frame: header, VLAN tag, and a packet that stands for several.
const FRAME: usize = 14 + 4 + u16::MAX as usize;
const MTU: u16 = 1500;
/// What goes before each frame.
const VNET: usize = size_of::<VnetHeader>();

/// A TAP device.
#[derive(Debug)]
pub(super) struct Tap {
    file: File,
    capabilities: Capabilities,
    pcap: Option<Pcap>,
    /// Where frames are read to, whose length nobody knows before.
    room: Vec<u8>,
}

impl Tap {
    pub(super) fn open(name: &str, gso: bool, pcap: Option<Pcap>) -> io::Result<Self> {
        let file = super::tun::open(name, gso)?;
        let mut capabilities = Capabilities::new(Medium::Ethernet, MTU);
        if gso {
            capabilities.offloads = Offloads::CHECKSUM_TX | Offloads::GSO_TCP_V4 | Offloads::GSO_TCP_V6;
            capabilities.gso_max = u16::MAX.into();
        }
        Ok(Self { file, capabilities, pcap, room: vec![0; VNET + FRAME] })
    }

    /// Writes out what was recorded.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.pcap.as_mut().map_or(Ok(()), Pcap::flush)
    }

    fn record(&mut self, frame: &[u8]) -> io::Result<()> {
        self.pcap.as_mut().map_or(Ok(()), |pcap| pcap.write(frame))
    }
}

/// Whether the other side of the link is not up: what is sent then is lost, as on a cable that is not plugged in.
fn is_down(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO)
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl NetDevice for Tap {
    type Frame = HeapFrame;
    type Error = io::Error;

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&mut self, into: &mut Batch<HeapFrame>) -> io::Result<()> {
        while into.room() > 0 {
            let length = match self.file.read(&mut self.room) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let read = self.room.get(..length).unwrap_or_default();
            let Ok((header, bytes)) = VnetHeader::read_from_prefix(read) else { continue };
            let mut frame = HeapFrame::new(bytes.to_vec());
            *frame.meta_mut() = header.meta();
            self.record(frame.bytes())?;
            drop(into.push(frame)); // There is room.
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        let mut frame = HeapFrame::allocate(VNET + bytes).filter(|_| bytes <= FRAME)?;
        frame.trim_front(VNET).ok()?;
        Some(frame)
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> io::Result<()> {
        while let Some(mut frame) = from.pop() {
            let header = VnetHeader::of(frame.meta());
            // The room was left by `lease`.
            frame.grow_front(VNET).map_err(io::Error::other)?;
            frame.bytes_mut().iter_mut().zip(header.as_bytes()).for_each(|(to, from)| *to = *from);
            let written = self.file.write(frame.bytes());
            frame.trim_front(VNET).map_err(io::Error::other)?;
            match written {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    drop(from.put_back(frame)); // It just came from there.
                    break;
                }
                Err(error) if is_down(&error) => {}
                Err(error) => return Err(error),
                Ok(_) => self.record(frame.bytes())?,
            }
        }
        Ok(())
    }
}
