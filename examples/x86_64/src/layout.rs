//! Where the image and physical memory stand in the virtual address space.
//!
//! `boot.s` and `link.ld` state the same numbers; this module is what Rust code uses.

/// The image is linked at its load address plus this.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// All physical memory appears from here, readable and writable.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Stacks of threads are mapped from here on, with holes between them.
pub const STACKS: u64 = 0xffff_c400_0000_0000;

/// Registers of devices appear at their physical address plus this, uncached once the final tables stand.
pub const DEVICES: u64 = 0xffff_ff00_0000_0000;

/// The data and stacks of CPU n lie from here plus n times [`CPU_AREA`]; those of CPU 0 are in the image.
pub const CPU_AREAS: u64 = 0xffff_fe00_0000_0000;

/// Bytes of address space for the data and stacks of one CPU; a power of two, as `ap.s` relies on it.
pub const CPU_AREA: u64 = 1 << 18;

/// Physical memory below this is in the direct map from the first instruction on; the rest once the final tables stand.
pub const BOOT_MAPPED: u64 = 1 << 32;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
