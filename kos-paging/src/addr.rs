//! Addresses and ranges: a physical address is never a virtual one.
//!
//! [`PhysAddr`] and [`VirtAddr`] are any 64-bit number; whether a number is an address of a given MMU is the format's
//! rule ([`VaRule`](crate::VaRule), [`Format::max_phys`](crate::Format::max_phys)). [`VirtRange`] names its **last
//! byte**, so that a range may end with the last page of the address space.

use core::fmt;

use crate::error::RangeError;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The address with this number.
            #[must_use]
            pub const fn new(address: u64) -> Self {
                Self(address)
            }

            /// The number of this address.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Whether the address is a multiple of `bytes`, a power of two.
            #[must_use]
            pub const fn is_aligned(self, bytes: u64) -> bool {
                self.0 & bytes.wrapping_sub(1) == 0
            }

            /// The address `bytes` further on; `None` past the last number.
            #[must_use]
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(address) => Some(Self(address)),
                    None => None,
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

address! {
    /// A physical address: what an entry of a page table holds.
    PhysAddr
}

address! {
    /// A virtual address: what a program uses and the MMU translates.
    VirtAddr
}

/// A range of virtual addresses, both ends included: never empty, and it may hold the very last byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VirtRange {
    first: VirtAddr,
    last: VirtAddr,
}

impl VirtRange {
    /// The range of `bytes` bytes from `first`.
    ///
    /// # Errors
    ///
    /// [`RangeError::Empty`] if `bytes` is 0, [`RangeError::Wraps`] if the range runs past the last address.
    pub const fn new(first: VirtAddr, bytes: u64) -> Result<Self, RangeError> {
        let Some(further) = bytes.checked_sub(1) else {
            return Err(RangeError::Empty);
        };
        match first.checked_add(further) {
            Some(last) => Ok(Self { first, last }),
            None => Err(RangeError::Wraps { first, bytes }),
        }
    }

    /// The range from `first` to the byte `last`, which belongs to it.
    ///
    /// # Errors
    ///
    /// [`RangeError::Empty`] if `last` is below `first`.
    pub const fn inclusive(first: VirtAddr, last: VirtAddr) -> Result<Self, RangeError> {
        if last.get() < first.get() { Err(RangeError::Empty) } else { Ok(Self { first, last }) }
    }

    /// A range whose ends are known to be in order.
    pub(crate) const fn ordered(first: VirtAddr, last: VirtAddr) -> Self {
        debug_assert!(first.get() <= last.get(), "ends out of order");
        Self { first, last }
    }

    /// The first byte.
    #[must_use]
    pub const fn first(self) -> VirtAddr {
        self.first
    }

    /// The last byte.
    #[must_use]
    pub const fn last(self) -> VirtAddr {
        self.last
    }

    /// Length in bytes; saturates for the whole 64-bit space, which no MMU translates.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        (self.last.get() - self.first.get()).saturating_add(1)
    }

    /// Whether `address` lies in the range.
    #[must_use]
    pub const fn contains(self, address: VirtAddr) -> bool {
        self.first.get() <= address.get() && address.get() <= self.last.get()
    }
}

impl fmt::Display for VirtRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..={:#x}", self.first, self.last)
    }
}
