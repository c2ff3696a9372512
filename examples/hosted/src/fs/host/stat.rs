//! Fields of `stat`, as answers show them.

use kos_vfs::FileType;
use rustix::fs::{self, Stat};

/// A field, by its name.
pub(super) fn field_of(stat: &Stat, field: &str) -> Option<String> {
    let nanos =
        |seconds: i64, nanos: u64| (i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).to_string();
    let word = (stat.st_mode & 0o177_777) as u16;
    Some(match field {
        "type" => match FileType::from_bits(word)? {
            FileType::Regular => "regular",
            FileType::Directory => "dir",
            FileType::Symlink => "symlink",
            FileType::Fifo => "fifo",
            FileType::Socket => "socket",
            FileType::CharDevice => "char",
            FileType::BlockDevice => "block",
        }
        .to_string(),
        "mode" => format!("0{:o}", word & 0o7777),
        "inode" | "ino" => stat.st_ino.to_string(),
        "dev" => stat.st_dev.to_string(),
        "nlink" => stat.st_nlink.to_string(),
        "uid" => stat.st_uid.to_string(),
        "gid" => stat.st_gid.to_string(),
        "size" => stat.st_size.to_string(),
        "blocks" => stat.st_blocks.to_string(),
        "major" => fs::major(stat.st_rdev).to_string(),
        "minor" => fs::minor(stat.st_rdev).to_string(),
        "atime" => stat.st_atime.to_string(),
        "mtime" => stat.st_mtime.to_string(),
        "ctime" => stat.st_ctime.to_string(),
        "atime_ns" => nanos(stat.st_atime, stat.st_atime_nsec),
        "mtime_ns" => nanos(stat.st_mtime, stat.st_mtime_nsec),
        "ctime_ns" => nanos(stat.st_ctime, stat.st_ctime_nsec),
        _ => return None,
    })
}
