//! What keeps the command from a verdict, apart from the kernel itself (for that see [`Trouble`](crate::verdict::Trouble)).

use core::error::Error as CoreError;
use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::budgets::BudgetError;
use crate::disk;
use crate::image::ImageError;
use crate::machine::Memory;
use crate::power::log::LogError;
use crate::python::FetchError;
use crate::qemu::Missing;
use crate::status::Status;
use crate::wheels::WheelsError;

/// A failure on this side of the machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No QEMU, and none could be installed.
    Qemu(Missing),
    /// `/dev/kvm` is not usable.
    Kvm(io::Error),
    /// The compiler cannot make the image.
    NoTarget(String),
    /// The image does not build; holds what cargo said.
    Build(String),
    /// The file is no bootable image.
    Image(PathBuf, ImageError),
    /// The image does not fit the memory asked for.
    TooLittleMemory {
        /// The memory asked for.
        given: Memory,
        /// Where the image ends, in bytes.
        needed: u64,
    },
    /// Instructions are counted on one processor.
    OneProcessorOnly,
    /// Budgets and counts cannot be compared; holds the file.
    Budgets(PathBuf, BudgetError),
    /// A signal asked the command to end.
    Interrupted,
    /// A disk cannot be made, or read; holds the file.
    Disk(PathBuf, disk::DiskError),
    /// What was written down of a disk's writes cannot be read; holds the file.
    WriteLog(PathBuf, LogError),
    /// The archive of the initramfs cannot be read, or is none.
    Initrd(PathBuf, io::Error),
    /// A file of the guest cannot be kept.
    Get(PathBuf, io::Error),
    /// MicroPython is not to be had.
    Python(FetchError),
    /// There are no wheels for the guest.
    Wheels(WheelsError),
    /// Something on this system failed.
    Io(&'static str, io::Error),
}

impl Error {
    /// What the command exits with.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Qemu(_) => Status::NoQemu,
            Self::Kvm(_)
            | Self::NoTarget(_)
            | Self::Image(..)
            | Self::Initrd(..)
            | Self::TooLittleMemory { .. }
            | Self::Wheels(WheelsError::Folder(..))
            | Self::OneProcessorOnly => Status::Usage,
            Self::Wheels(WheelsError::Interrupted) => Status::Interrupted,
            Self::Build(_)
            | Self::Python(_)
            | Self::Wheels(_)
            | Self::Io(..)
            | Self::Get(..)
            | Self::Budgets(..)
            | Self::Disk(..)
            | Self::WriteLog(..) => Status::Broken,
            Self::Interrupted => Status::Interrupted,
        }
    }

    /// For `map_err`: an I/O error with what was being done.
    pub fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io(doing, cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu(missing) => missing.fmt(f),
            Self::Kvm(cause) => write!(f, "/dev/kvm is not usable ({cause}); take --accel tcg"),
            Self::NoTarget(host) => write!(
                f,
                "a compiler on {host} makes no kernel image without the bare-metal target: rustup target add x86_64-unknown-none"
            ),
            Self::Build(output) => write!(f, "the kernel image does not build:\n{}", output.trim_end()),
            Self::Image(path, cause) => write!(f, "{} {cause}", path.display()),
            Self::TooLittleMemory { given, needed } => {
                write!(
                    f,
                    "{given} of memory cannot hold the kernel image, which ends at {} KiB; give --mem more",
                    needed.div_ceil(1024)
                )
            }
            Self::OneProcessorOnly => {
                f.write_str("instructions are counted on one processor: leave --cpus out")
            }
            Self::Budgets(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::Disk(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::WriteLog(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::Initrd(path, cause) | Self::Get(path, cause) => write!(f, "{}: {cause}", path.display()),
            Self::Python(cause) => cause.fmt(f),
            Self::Wheels(cause) => cause.fmt(f),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Io(doing, cause) => write!(f, "cannot {doing}: {cause}"),
        }
    }
}

impl CoreError for Error {
    fn source(&self) -> Option<&(dyn CoreError + 'static)> {
        match self {
            Self::Kvm(cause) | Self::Io(_, cause) | Self::Initrd(_, cause) | Self::Get(_, cause) => {
                Some(cause)
            }
            Self::Image(_, cause) => Some(cause),
            Self::Disk(_, cause) => Some(cause),
            Self::WriteLog(_, cause) => Some(cause),
            Self::Budgets(_, cause) => Some(cause),
            Self::Qemu(missing) => Some(missing),
            _ => None,
        }
    }
}
