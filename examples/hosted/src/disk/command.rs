//! `cargo hosted mkfs` and `cargo hosted fsck`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat::{self, FatKind, FsckError, MkfsOptions};

use super::FileDisk;

/// Exit status of `fsck`: mended, problems left, could not be done.
const REPAIRED: u8 = 1;
const LEFT: u8 = 4;
const OPERATIONAL: u8 = 8;

/// What to do with a volume in a file.
#[derive(Debug, Subcommand)]
pub enum DiskCommand {
    /// Make an empty volume. Exit status: 0 made, 1 not.
    Mkfs {
        /// Its type.
        #[arg(long = "type", value_name = "TYPE")]
        kind: FsType,
        /// Make the file anew with this size (bytes, or with K, M, G); else it is as large as it is.
        #[arg(long, value_parser = size)]
        size: Option<u64>,
        /// The file.
        image: PathBuf,
    },
    /// Check a volume. Exit status: 0 clean, 1 mended, 4 problems left, 8 could not be done.
    Fsck {
        /// Mend what is wrong.
        #[arg(long)]
        repair: bool,
        /// The file.
        image: PathBuf,
    },
}

impl DiskCommand {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        match self {
            Self::Mkfs { kind, size, image } => mkfs(image, *kind, *size),
            Self::Fsck { repair, image } => fsck(image, *repair),
        }
    }
}

fn size(word: &str) -> Result<u64, String> {
    kos_demo_kernel::shell::size(word).map(|bytes| bytes as u64).map_err(|text| text.to_string())
}

/// A type of file system that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FsType {
    /// Up to 4084 clusters.
    Fat12,
    /// Up to 65524 clusters.
    Fat16,
    /// From 65525 clusters on.
    Fat32,
}

impl FsType {
    const fn kind(self) -> FatKind {
        match self {
            Self::Fat12 => FatKind::Fat12,
            Self::Fat16 => FatKind::Fat16,
            Self::Fat32 => FatKind::Fat32,
        }
    }
}

/// Makes a volume in a file: of `size` bytes, or as large as the file is. The exit status: 0 made, 1 not.
fn mkfs(image: &Path, kind: FsType, size: Option<u64>) -> u8 {
    let opened = match size {
        Some(size) => FileDisk::create(image, size),
        None => FileDisk::open(image, false),
    };
    let made = opened.map_err(|error| error.to_string()).and_then(|disk| {
        let options = MkfsOptions::new(kind.kind());
        fat::mkfs(&disk, &options).map_err(|error| error.to_string())
    });
    match made {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}: {error}", image.display());
            1
        }
    }
}

/// Checks a volume in a file, says what is wrong, and mends it if `repair`. The exit status: 0 clean, 1 mended, 4 problems left,
/// 8 could not be done.
fn fsck(image: &Path, repair: bool) -> u8 {
    let disk = match FileDisk::open(image, !repair) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("{}: {error}", image.display());
            return OPERATIONAL;
        }
    };
    match check(&disk, repair) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{}: {error}", image.display());
            OPERATIONAL
        }
    }
}

fn check(disk: &dyn BlockDevice, repair: bool) -> Result<u8, FsckError> {
    let mut say = |problem: &fat::Problem, mended: bool| {
        eprintln!("{problem}{}", if mended { ": mended" } else { "" });
    };
    let report = fat::fsck(disk, repair, &mut say)?;
    eprintln!(
        "{} files, {} directories, {} free clusters, {} problems, {} mended",
        report.files, report.directories, report.free, report.problems, report.repaired
    );
    Ok(match report.problems {
        0 => 0,
        _ if report.left() == 0 => REPAIRED,
        _ => LEFT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_vfs::block::WriteMode;

    #[test]
    fn a_volume_is_made_checked_and_mended() {
        let path = std::env::temp_dir().join(format!("kos-mkfs-{}", std::process::id()));
        for (kind, size) in [(FsType::Fat12, 1 << 20), (FsType::Fat16, 16 << 20), (FsType::Fat32, 64 << 20)] {
            assert_eq!((mkfs(&path, kind, Some(size)), fsck(&path, false)), (0, 0));
            let disk = FileDisk::open(&path, false).unwrap();
            let mut boot = [0; 512];
            disk.read(0, &mut boot).unwrap();
            boot[if kind == FsType::Fat32 { 65 } else { 37 }] |= 1;
            disk.write(0, &boot, WriteMode::Cached).unwrap();
            assert_eq!((fsck(&path, false), fsck(&path, true), fsck(&path, false)), (LEFT, REPAIRED, 0));
        }
        assert_eq!(mkfs(&path, FsType::Fat32, Some(1 << 20)), 1, "too small");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fsck(&path, false), OPERATIONAL);
    }
}
