//! `/dev/hvc0`: a line to the host. Who reads waits for bytes, who writes for the device; Ctrl-C ends both.
//!
//! Name and numbers as Linux has them (Documentation/admin-guide/devices.txt, character 229:0).

use core::fmt;
use core::marker::PhantomData;

use kos_vfs::{Errno, OpenFlags, SpecialFile};

use crate::Kernel;
use crate::platform::{DeviceError, Platform};

/// The device.
pub(super) struct Hvc<P>(PhantomData<fn() -> P>);

impl<P: Platform> Hvc<P> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }

    /// Repeats `work` with each interrupt until it moves something.
    fn wait(
        flags: OpenFlags,
        mut work: impl FnMut(&Kernel<P>) -> Result<usize, DeviceError>,
    ) -> Result<usize, Errno> {
        let moved = |kernel: &Kernel<P>| {
            let mut some = || match work(kernel) {
                Ok(0) => None,
                moved => Some(moved.map_err(|_| Errno::EIO)),
            };
            if flags.contains(OpenFlags::NONBLOCK) {
                return some().unwrap_or(Err(Errno::EAGAIN));
            }
            kernel.hvc.wait_for(None, some).unwrap_or(Err(Errno::EINTR))
        };
        P::with_kernel(moved).unwrap_or(Err(Errno::ENODEV))
    }
}

impl<P> fmt::Debug for Hvc<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hvc")
    }
}

impl<P: Platform> SpecialFile for Hvc<P> {
    fn read(&self, _: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno> {
        if out.is_empty() {
            return Ok(0);
        }
        Self::wait(flags, |kernel| kernel.platform().hvc_read(out))
    }

    fn write(&self, _: u64, bytes: &[u8], flags: OpenFlags) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        Self::wait(flags, |kernel| kernel.platform().hvc_write(bytes))
    }
}
