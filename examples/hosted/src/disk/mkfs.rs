//! `cargo hosted mkfs`: makes a volume, empty or with what is in a directory of the host.
//!
//! With `--uuid` and `--time` the same directory gives the same bytes.

use core::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat::{self, FatKind};
use kos_vfs::fs::kosfs;
use kos_vfs::{Timestamp, WallClock as _};
use parking_lot::RawRwLock;
use rustix::rand::{GetRandomFlags, getrandom};

use super::{FileDisk, copy, signature};
use crate::fs::env::Clock;

/// Size of an image that is not there yet, if none is given.
const SIZE: u64 = 64 << 20;

/// Arguments of `cargo hosted mkfs`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Its type.
    #[arg(long = "type", value_name = "TYPE", default_value = "kosfs")]
    pub(super) kind: FsType,
    /// Make the file anew with this size (bytes, or with K, M, G); else it is as large as it is, or 64M.
    #[arg(long, value_parser = super::command::size)]
    pub(super) size: Option<u64>,
    /// Number of the volume, 32 hexadecimal digits with `-` between them where you like; else random.
    #[arg(long, value_parser = uuid)]
    pub(super) uuid: Option<[u8; 16]>,
    /// The time that everything on it shows, in seconds since 1970; else files keep theirs, and the rest shows the time now.
    #[arg(long, value_name = "SECONDS")]
    pub(super) time: Option<i64>,
    /// Copy what is in this directory: owners, modes, times, symlinks, hard links, devices, holes,
    /// extended attributes.
    #[arg(long, value_name = "DIR")]
    pub(super) from: Option<PathBuf>,
    /// Even if there is something known on it.
    #[arg(long)]
    pub(super) force: bool,
    /// The file.
    pub(super) image: PathBuf,
}

/// A type of file system that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FsType {
    /// This project's own.
    Kosfs,
    /// Up to 4084 clusters.
    Fat12,
    /// Up to 65524 clusters.
    Fat16,
    /// From 65525 clusters on.
    Fat32,
}

/// Thirty-two hexadecimal digits, with `-` anywhere.
fn uuid(word: &str) -> Result<[u8; 16], String> {
    let digits: Option<Vec<u32>> = word.chars().filter(|&c| c != '-').map(|c| c.to_digit(16)).collect();
    let number = digits
        .filter(|digits| digits.len() == 32)
        .map(|digits| digits.iter().fold(0, |number, &digit| number << 4 | u128::from(digit)));
    number.map(u128::to_be_bytes).ok_or_else(|| "not 32 hexadecimal digits".into())
}

/// Makes a volume. The exit status: 0 made, 1 not.
pub(super) fn run(arguments: &Arguments) -> u8 {
    match make(arguments) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{}: {error}", arguments.image.display());
            1
        }
    }
}

fn make(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let disk = prepare(arguments)?;
    let fixed = arguments.time.and_then(|seconds| Timestamp::new(seconds, 0));
    let clock = fixed.map_or(Clock::Host, Clock::Fixed);
    format(&disk, arguments, clock)?;
    match &arguments.from {
        None => Ok(()),
        Some(dir) => copy::into_volume(disk, dir, clock),
    }
}

/// The disk, which may be written over. What is wrong with the source shows before anything is lost.
fn prepare(arguments: &Arguments) -> Result<FileDisk, Box<dyn Error>> {
    if let Some(dir) = &arguments.from {
        std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let image: &Path = &arguments.image;
    match FileDisk::open(image, false) {
        Ok(old) => {
            let found = if arguments.force { None } else { signature::find(&old)? };
            if let Some(found) = found {
                return Err(format!("holds {found}; --force writes over it").into());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(FileDisk::create(image, arguments.size.unwrap_or(SIZE))?);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(match arguments.size {
        Some(size) => FileDisk::create(image, size)?,
        None => FileDisk::open(image, false)?,
    })
}

fn format(disk: &dyn BlockDevice, arguments: &Arguments, clock: Clock) -> Result<(), Box<dyn Error>> {
    let uuid = arguments.uuid.map_or_else(random, Ok)?;
    let kind = match arguments.kind {
        FsType::Kosfs => {
            // Who wants the same bytes again gets the same key, too.
            let hash_key = arguments.uuid.map_or_else(random, Ok)?;
            let options =
                kosfs::MkfsOptions { uuid, label: [0; 64], now: clock.now(), uid: 0, gid: 0, hash_key };
            return Ok(kosfs::mkfs::<_, RawRwLock>(disk, &options)?);
        }
        FsType::Fat12 => FatKind::Fat12,
        FsType::Fat16 => FatKind::Fat16,
        FsType::Fat32 => FatKind::Fat32,
    };
    let [a, b, c, d, ..] = uuid;
    let options =
        fat::MkfsOptions { volume_id: u32::from_be_bytes([a, b, c, d]), ..fat::MkfsOptions::new(kind) };
    Ok(fat::mkfs(disk, &options)?)
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_thirty_two_digits() {
        let bytes =
            [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(uuid("00112233-4455-6677-8899-aabbccddeeff"), Ok(bytes));
        assert!(uuid("0011").is_err() && uuid("zz112233-4455-6677-8899-aabbccddeeff").is_err());
    }
}
