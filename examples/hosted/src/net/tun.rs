//! The kernel's side of a TAP device: [`open`].
#![expect(unsafe_code, reason = "a call of ioctl")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Opens the TAP device `name`, or makes it, without the header of packet information but with that of virtio-net before each frame.
/// With `gso` the kernel leaves sums to us and large segments whole. Reading it does not wait.
///
/// # Errors
/// There is no `/dev/net/tun`, it may not be used, or somebody else uses this one.
pub(super) fn open(name: &str, gso: bool) -> io::Result<File> {
    let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: all zeroes is a value of this structure of numbers and of a union of numbers and pointers.
    let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
    let (&mut last, places) = request.ifr_name.split_last_mut().ok_or(io::ErrorKind::InvalidInput)?;
    if name.is_empty() || name.len() > places.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface has a name of 1 to 15 bytes"));
    }
    debug_assert_eq!(last, 0);
    for (place, byte) in places.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags =
        i16::try_from(libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open, and the request is what TUNSETIFF reads and writes.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if !gso {
        return Ok(file);
    }
    let offloads = libc::c_ulong::from(libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6);
    // SAFETY: the descriptor is open, and this request takes a number.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, offloads) };
    if result == 0 { Ok(file) } else { Err(io::Error::last_os_error()) }
}
