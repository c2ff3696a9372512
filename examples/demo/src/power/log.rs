//! The log of QEMU's block driver `blklogwrites`, which is that of Linux's dm-log-writes.
//!
//! A sector with the superblock, then a sector for each entry and, behind it, its data. All numbers are little-endian; places and
//! lengths count sectors of the log. Source: Linux, `Documentation/admin-guide/device-mapper/log-writes.rst`.

use core::error::Error;
use core::fmt;

/// The first number of a log.
const MAGIC: u64 = 0x006a_7366_7773_6872;
/// The format that there is.
const VERSION: u64 = 1;
/// Bits of an entry's flags.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;

/// Something that happened to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'l> {
    /// What ended before is durable.
    Flush,
    /// Bytes were written.
    Write {
        /// The first byte, a multiple of 512.
        at: u64,
        /// A multiple of 512 of them.
        data: &'l [u8],
        /// They were durable when the request ended.
        through: bool,
    },
    /// Bytes were given up.
    Discard {
        /// The first byte, a multiple of 512.
        at: u64,
        /// How many, a multiple of 512.
        length: u64,
    },
}

/// Why bytes are no log of a disk. `entry` counts from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// It ends within its superblock: no flush ended.
    Empty,
    /// Another first number.
    Magic {
        /// The number.
        found: u64,
    },
    /// Another format.
    Version {
        /// Its number.
        found: u64,
    },
    /// A sector size that is no power of two from 512 to 65536.
    SectorSize {
        /// Its bytes.
        bytes: u32,
    },
    /// It ends within an entry.
    CutOff {
        /// The entry.
        entry: u64,
        /// How many there should be.
        entries: u64,
    },
    /// An entry with flags that mean nothing.
    Flags {
        /// The entry.
        entry: u64,
        /// Its flags.
        flags: u64,
    },
    /// An entry that ends behind the disk.
    OutOfRange {
        /// The entry.
        entry: u64,
        /// Its first sector.
        sector: u64,
        /// How many it has.
        count: u64,
    },
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the log of writes is empty: no flush ended"),
            Self::Magic { found } => write!(f, "no log of writes: it begins with {found:#x}"),
            Self::Version { found } => write!(f, "a log of writes of version {found}, not {VERSION}"),
            Self::SectorSize { bytes } => write!(f, "a log of writes in sectors of {bytes} bytes"),
            Self::CutOff { entry, entries } => {
                write!(f, "the log of writes ends within entry {entry} of {entries}")
            }
            Self::Flags { entry, flags } => {
                write!(f, "entry {entry} of the log of writes has flags {flags:#x}")
            }
            Self::OutOfRange { entry, sector, count } => {
                write!(
                    f,
                    "entry {entry} of the log of writes ends behind the disk: {count} sectors from {sector} on"
                )
            }
        }
    }
}

impl Error for LogError {}

/// What a log of a disk of so many bytes says, in its order.
///
/// # Errors
/// Where it departs from the format, or from the disk.
pub fn parse(log: &[u8], disk: u64) -> Result<Vec<Step<'_>>, LogError> {
    let (entries, sector_size) = superblock(log)?;
    let (mut rest, mut steps) = (log.get(sector_size..).unwrap_or_default(), Vec::new());
    // Each turn takes a sector of the log at least, whatever number the superblock claims.
    for entry in 0..entries {
        let cut_off = LogError::CutOff { entry, entries };
        let (head, behind) = rest.split_at_checked(sector_size).ok_or(cut_off)?;
        let head = Head { entry, sector_size, disk, fields: fields(head).ok_or(cut_off)? };
        let length = head.data_length()?;
        let (data, behind) = behind.split_at_checked(length).ok_or(cut_off)?;
        head.steps(data, &mut steps)?;
        rest = behind;
    }
    Ok(steps)
}

/// How many entries there are, and the bytes of a sector.
fn superblock(log: &[u8]) -> Result<(u64, usize), LogError> {
    let [magic, version, entries, sector_size] = fields(log).ok_or(LogError::Empty)?;
    if magic != MAGIC {
        return Err(LogError::Magic { found: magic });
    }
    if version != VERSION {
        return Err(LogError::Version { found: version });
    }
    // The field has 32 bits; what follows it has no meaning.
    let [a, b, c, d, ..] = sector_size.to_le_bytes();
    let bytes = u32::from_le_bytes([a, b, c, d]);
    match usize::try_from(bytes) {
        Ok(size @ 512..=65536) if size.is_power_of_two() => Ok((entries, size)),
        _ => Err(LogError::SectorSize { bytes }),
    }
}

/// The four numbers at the beginning.
fn fields(bytes: &[u8]) -> Option<[u64; 4]> {
    let (numbers, _) = bytes.first_chunk::<32>()?.as_chunks::<8>();
    numbers.iter().map(|&number| u64::from_le_bytes(number)).collect::<Vec<_>>().try_into().ok()
}

/// The head of an entry: where it begins, how many sectors it has, its flags, and for a mark the bytes of its text.
struct Head {
    entry: u64,
    sector_size: usize,
    disk: u64,
    fields: [u64; 4],
}

impl Head {
    /// Bytes behind the head.
    fn data_length(&self) -> Result<usize, LogError> {
        let [_, count, flags, text] = self.fields;
        let size = self.sector_size as u64;
        let bytes = match flags {
            flags if flags & !(FLUSH | FUA | DISCARD | MARK) != 0 => {
                return Err(LogError::Flags { entry: self.entry, flags });
            }
            flags if flags & MARK != 0 => text.checked_next_multiple_of(size),
            flags if flags & DISCARD != 0 => Some(0),
            _ => count.checked_mul(size),
        };
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or(self.out_of_range())
    }

    fn steps<'l>(&self, data: &'l [u8], steps: &mut Vec<Step<'l>>) -> Result<(), LogError> {
        let [sector, count, flags, _] = self.fields;
        if flags & MARK != 0 {
            return Ok(());
        }
        // With data it is a flush before them.
        if flags & FLUSH != 0 {
            steps.push(Step::Flush);
        }
        let size = self.sector_size as u64;
        let (at, length) =
            sector.checked_mul(size).zip(count.checked_mul(size)).ok_or(self.out_of_range())?;
        if at.checked_add(length).is_none_or(|end| end > self.disk) {
            return Err(self.out_of_range());
        }
        match (flags & DISCARD != 0, count) {
            (_, 0) => {}
            (true, _) => steps.push(Step::Discard { at, length }),
            (false, _) => steps.push(Step::Write { at, data, through: flags & FUA != 0 }),
        }
        Ok(())
    }

    const fn out_of_range(&self) -> LogError {
        let [sector, count, ..] = self.fields;
        LogError::OutOfRange { entry: self.entry, sector, count }
    }
}

/// Writes a log, for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A sector with these numbers.
    fn sector(fields: [u64; 4]) -> Vec<u8> {
        let mut sector = fields.map(u64::to_le_bytes).concat();
        sector.resize(512, 0);
        sector
    }

    /// An entry, with as many sectors as there are data.
    pub(crate) fn entry(at: u64, flags: u64, data: &[u8]) -> Vec<u8> {
        [sector([at / 512, data.len() as u64 / 512, flags, 0]), data.to_vec()].concat()
    }

    /// A log of these entries.
    pub(crate) fn log(entries: &[Vec<u8>]) -> Vec<u8> {
        [sector([MAGIC, VERSION, entries.len() as u64, 512]), entries.concat()].concat()
    }

    /// The log that says this.
    pub(crate) fn written(steps: &[Step<'_>]) -> Vec<u8> {
        let entries = steps.iter().map(|step| match *step {
            Step::Flush => entry(0, FLUSH, &[]),
            Step::Write { at, data, through } => entry(at, if through { FUA } else { 0 }, data),
            Step::Discard { at, length } => sector([at / 512, length / 512, DISCARD, 0]),
        });
        log(&entries.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{entry, log, written};
    use super::*;

    const DISK: u64 = 1 << 20;

    #[test]
    fn steps_come_back() {
        let data = [7; 1024];
        let steps = [
            Step::Write { at: 512, data: &data, through: false },
            Step::Flush,
            Step::Write { at: DISK - 512, data: &data[..512], through: true },
            Step::Discard { at: 4096, length: DISK - 4096 },
        ];
        assert_eq!(parse(&written(&steps), DISK).as_deref(), Ok(&steps[..]));
    }

    #[test]
    fn a_flush_with_data_comes_before_them_and_marks_say_nothing() {
        let mut mark = entry(0, MARK, &[]);
        mark[24] = 3;
        let bytes = log(&[entry(0, FLUSH, &[1; 512]), [mark, vec![9; 512]].concat(), entry(0, FLUSH, &[])]);
        let write = Step::Write { at: 0, data: &[1; 512], through: false };
        assert_eq!(parse(&bytes, DISK), Ok(vec![Step::Flush, write, Step::Flush]));
    }

    #[test]
    fn departures_are_named() {
        let good = log(&[entry(0, FLUSH, &[1; 512])]);
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };
        assert_eq!(parse(&[], DISK), Err(LogError::Empty));
        assert_eq!(parse(&with(0, 0), DISK), Err(LogError::Magic { found: MAGIC & !0xff }));
        assert_eq!(parse(&with(8, 2), DISK), Err(LogError::Version { found: 2 }));
        assert_eq!(parse(&with(25, 3), DISK), Err(LogError::SectorSize { bytes: 768 }));
        assert_eq!(parse(&with(16, 2), DISK), Err(LogError::CutOff { entry: 1, entries: 2 }));
        assert_eq!(parse(&with(512 + 16, 32), DISK), Err(LogError::Flags { entry: 0, flags: 32 }));
        assert_eq!(parse(&good[..1535], DISK), Err(LogError::CutOff { entry: 0, entries: 1 }));
        let (sector, count) = (2047, 1);
        assert_eq!(
            parse(&with(512, 255), 255 * 512),
            Err(LogError::OutOfRange { entry: 0, sector: 255, count })
        );
        let bytes = log(&[entry(sector * 512, 0, &[1; 512])]);
        assert!(parse(&bytes, DISK).is_ok());
        assert_eq!(parse(&bytes, DISK - 512), Err(LogError::OutOfRange { entry: 0, sector, count }));
        let wide = with(512 + 15, 0xff);
        assert!(matches!(parse(&wide, DISK), Err(LogError::OutOfRange { .. })));
    }

    proptest! {
        /// Whatever stands there, nothing panics, and no step leaves the disk.
        #[test]
        fn any_bytes_are_a_log_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..4096),
            entries in 0..5_u64,
            heads in prop::collection::vec((0..8_usize, 0..2100_u64, 0..4_u64, 0..20_u64), 0..5),
        ) {
            let _ = parse(&bytes, DISK);
            let mut bytes = bytes;
            bytes.resize(4096, 0);
            for (field, value) in [MAGIC, VERSION, entries, 512].into_iter().enumerate() {
                bytes[field * 8..][..8].copy_from_slice(&value.to_le_bytes());
            }
            for (place, at, count, flags) in heads {
                let head = [at, count, flags, count].map(u64::to_le_bytes).concat();
                bytes[place * 512 % 3584 + 512..][..32].copy_from_slice(&head);
            }
            for step in parse(&bytes, DISK).unwrap_or_default() {
                let (at, length) = match step {
                    Step::Flush => (0, 0),
                    Step::Write { at, data, .. } => (at, data.len() as u64),
                    Step::Discard { at, length } => (at, length),
                };
                prop_assert!(at % 512 == 0 && length % 512 == 0 && at + length <= DISK);
            }
        }
    }
}
