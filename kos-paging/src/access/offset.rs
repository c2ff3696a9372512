//! Memory at an offset: a direct map, or an identity map (offset 0).

use core::ptr::NonNull;

use crate::addr::PhysAddr;
use crate::ports::PhysMapper;

/// Physical memory that is mapped at its own address plus a constant.
#[derive(Clone, Copy, Debug)]
pub struct OffsetMap {
    base: NonNull<u8>,
    first: PhysAddr,
    bytes: u64,
}

impl OffsetMap {
    /// The `bytes` bytes of physical memory from `first` are seen from `base` on.
    ///
    /// # Safety
    ///
    /// As for [`PhysMapper`]: they are mapped there for ever, all of them memory; `base` and `first` are multiples of
    /// 65536, or of 4096 where no table is longer; those that hold tables are nobody else's.
    #[must_use]
    #[expect(unsafe_code, reason = "the caller answers for the mapping")]
    pub const unsafe fn new(base: NonNull<u8>, first: PhysAddr, bytes: u64) -> Self {
        Self { base, first, bytes }
    }
}

#[expect(unsafe_code, reason = "a pointer into the memory that the caller of `new` answered for")]
// SAFETY: the caller of `new` ensures that the bytes are mapped, apart and for tables alone.
unsafe impl PhysMapper for OffsetMap {
    #[inline]
    fn table(&self, frame: PhysAddr, bytes: usize) -> Option<NonNull<u8>> {
        let inside = frame.get().checked_sub(self.first.get())?;
        inside.checked_add(bytes as u64).filter(|end| *end <= self.bytes)?;
        let inside = usize::try_from(inside).ok()?;
        // SAFETY: the frame ends within the bytes that the caller of `new` answered for.
        Some(unsafe { self.base.add(inside) })
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "shows a frame of an arena")]
    fn an_offset_ends_where_memory_does() {
        let memory = Box::leak(Box::new([0_u64; 2048]));
        let base = NonNull::from(memory).cast();
        // SAFETY: nothing is read through it.
        let map = unsafe { OffsetMap::new(base, PhysAddr::new(0x10_0000), 0x4000) };
        let seen = |frame: u64, bytes| {
            map.table(PhysAddr::new(frame), bytes).map(|at| at.addr().get() - base.addr().get())
        };
        assert_eq!(seen(0x10_3000, 4096), Some(0x3000));
        assert_eq!(seen(0x10_0000, 0x4000), Some(0));
        let outside = [(0x10_4000, 4096), (0x10_3000, 0x4000), (0xf_f000, 4096), (u64::MAX - 4095, 4096)];
        assert_eq!(outside.map(|(frame, bytes)| seen(frame, bytes)), [None; 4]);
    }
}
