//! `cargo hosted mkfs` and `cargo hosted fsck`.

use std::io::Write as _;

use clap::Subcommand;

use super::{fsck, mkfs};

/// What to do with a volume in a file.
#[derive(Debug, Subcommand)]
pub enum DiskCommand {
    /// Make a volume, empty or with what is in a directory. Exit status: 0 made, 1 not.
    Mkfs(mkfs::Arguments),
    /// Check a volume. Exit status: 0 clean, 1 mended, 4 problems left, 8 could not be done.
    Fsck(fsck::Arguments),
}

impl DiskCommand {
    /// Does it; the exit status.
    pub fn run(&self) -> u8 {
        match self {
            Self::Mkfs(arguments) => mkfs::run(arguments),
            Self::Fsck(arguments) => fsck::run(arguments),
        }
    }
}

/// A number of bytes, perhaps with K, M or G.
pub(crate) fn size(word: &str) -> Result<u64, String> {
    kos_demo_kernel::shell::size(word).map(|bytes| bytes as u64).map_err(|text| text.to_string())
}

/// To standard output. Where that is gone nobody is left to tell.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use kos_vfs::block::{BlockDevice, WriteMode};

    use super::fsck::{LEFT, OPERATIONAL, REPAIRED};
    use super::*;
    use crate::disk::FileDisk;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: DiskCommand,
    }

    /// The exit status of a command line.
    fn run(words: &str, image: &std::path::Path) -> u8 {
        let words = ["cargo hosted"].into_iter().chain(words.split(' ')).map(Into::into);
        Line::parse_from(words.chain([image.as_os_str().to_owned()])).command.run()
    }

    #[test]
    fn a_volume_is_made_checked_and_mended() {
        let path = std::env::temp_dir().join(format!("kos-mkfs-{}", std::process::id()));
        for (kind, size, at) in [("fat12", "1M", 37), ("fat16", "16M", 37), ("fat32", "64M", 65)] {
            let made = run(&format!("mkfs --force --type {kind} --size {size}"), &path);
            assert_eq!((made, run("fsck", &path)), (0, 0));
            let disk = FileDisk::open(&path, false).unwrap();
            let mut boot = [0; 512];
            disk.read(0, &mut boot).unwrap();
            boot[at] |= 1;
            disk.write(0, &boot, WriteMode::Cached).unwrap();
            assert_eq!(run("fsck", &path), OPERATIONAL, "somebody has it open");
            drop(disk);
            let statuses = (run("fsck", &path), run("fsck --repair --json", &path), run("fsck", &path));
            assert_eq!(statuses, (LEFT, REPAIRED, 0));
        }
        assert_eq!(run("mkfs --force --type fat32 --size 1M", &path), 1, "too small");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(run("fsck", &path), OPERATIONAL);
    }

    #[test]
    fn what_is_known_is_written_over_by_force_alone() {
        let path = std::env::temp_dir().join(format!("kos-force-{}", std::process::id()));
        assert_eq!(run("mkfs --size 8M", &path), 0);
        assert_eq!(run("mkfs --type fat12 --size 1M", &path), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 8 << 20, "nothing was done to it");
        assert_eq!(run("mkfs --force --type fat12 --size 1M", &path), 0);
        assert_eq!(run("mkfs", &path), 1);
        std::fs::remove_file(&path).unwrap();
    }
}
