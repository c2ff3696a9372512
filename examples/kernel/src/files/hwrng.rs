//! `/dev/hwrng`: what a device of random numbers gives, each byte to one reader.
//!
//! Name and numbers as Linux has them (Documentation/admin-guide/devices.txt, character 10:183).

use core::fmt;
use core::marker::PhantomData;

use kos_vfs::{Errno, OpenFlags, SpecialFile};

use crate::platform::{DeviceError, DeviceFault, Platform};

/// The device.
pub(super) struct Hwrng<P>(PhantomData<fn() -> P>);

impl<P: Platform> Hwrng<P> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> fmt::Debug for Hwrng<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hwrng")
    }
}

impl<P: Platform> SpecialFile for Hwrng<P> {
    fn read(&self, _: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        let failed = |DeviceError { fault, .. }| match fault {
            DeviceFault::Absent => Errno::ENODEV,
            _ => Errno::EIO,
        };
        P::with_kernel(|kernel| kernel.platform().random(out)).ok_or(Errno::ENODEV)?.map_err(failed)
    }

    fn write(&self, _: u64, _: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }
}
