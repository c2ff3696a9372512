//! The files that come with a kernel: a cpio archive in memory ([`Archive`]) and its way into a mounted file system ([`unpack()`]).
//!
//! Read are the formats "newc" and "newc with sums" (`cpio -H newc`, `cpio -H crc`, `bsdtar --format newc`), several archives
//! behind each other with zeroes between them, and hard links. Nothing of an archive is trusted: not its lengths, not its
//! names, not that its symlinks stay inside.
//!
//! Source: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`, `cpio(5)`.

mod archive;
mod error;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod unpack;

pub use archive::{Archive, Entry, FileKey};
pub use error::{ArchiveError, ArchiveFault, UnpackError, UnpackFault};
pub use unpack::{Unpacked, unpack};
