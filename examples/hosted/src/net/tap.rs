//! A TAP device as a port of the stack: [`Tap`].

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use kos_net::dev::{Batch, Capabilities, HeapFrame, Medium};
use kos_net::{Frame as _, NetDevice};

use super::pcap::Pcap;

/// The largest frame: header, VLAN tag, and the packet.
const FRAME: usize = 14 + 4 + MTU as usize;
const MTU: u16 = 1500;

/// A TAP device.
#[derive(Debug)]
pub(super) struct Tap {
    file: File,
    capabilities: Capabilities,
    pcap: Option<Pcap>,
}

impl Tap {
    pub(super) fn open(name: &str, pcap: Option<Pcap>) -> io::Result<Self> {
        let file = super::tun::open(name)?;
        Ok(Self { file, capabilities: Capabilities::new(Medium::Ethernet, MTU), pcap })
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
            let mut bytes = vec![0; FRAME];
            match self.file.read(&mut bytes) {
                Ok(length) => bytes.truncate(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            self.record(&bytes)?;
            drop(into.push(HeapFrame::new(bytes))); // There is room.
        }
        Ok(())
    }

    fn lease(&mut self, bytes: usize) -> Option<HeapFrame> {
        if bytes <= FRAME { HeapFrame::allocate(bytes) } else { None }
    }

    fn transmit(&mut self, from: &mut Batch<HeapFrame>) -> io::Result<()> {
        while let Some(frame) = from.pop() {
            match self.file.write(frame.bytes()) {
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
