//! What a disk holds already: [`find`]. Whoever makes a volume looks first.
//!
//! Source: `libblkid` (places of the marks); UEFI 2.10, 5.3 (GPT).

use kos_vfs::DeviceError;
use kos_vfs::block::BlockDevice;

use super::volume;

/// Marks of file systems and the like that are not ours: name, byte, mark.
const MARKS: [(&str, usize, &[u8]); 9] = [
    ("an XFS", 0, b"XFSB"),
    ("a LUKS volume", 0, b"LUKS\xba\xbe"),
    ("a squashfs", 0, b"hsqs"),
    ("a partition table (GPT)", 512, b"EFI PART"),
    ("an LVM volume", 512 + 24, b"LVM2 001"),
    ("an ext2, ext3 or ext4", 1024 + 56, b"\x53\xef"),
    ("a swap area", 4096 - 10, b"SWAPSPACE2"),
    ("a btrfs", 65536 + 64, b"_BHRfS_M"),
    // Last, as some of the others have it, too.
    ("a boot sector or a partition table (MBR)", 510, b"\x55\xaa"),
];

/// Bytes that hold all the marks.
const BYTES: usize = 66 << 10;

/// What is on `disk`, if it is something known.
///
/// # Errors
/// What the device says.
pub(super) fn find(disk: &dyn BlockDevice) -> Result<Option<String>, DeviceError> {
    if let Some(kind) = volume::detect(disk) {
        return Ok(Some(format!("a {kind} volume")));
    }
    let geometry = disk.geometry();
    let bytes =
        usize::try_from(geometry.sectors() << geometry.sector_shift()).map_or(BYTES, |all| all.min(BYTES));
    let mut start = vec![0; bytes];
    disk.read(0, &mut start)?;
    let has =
        |&&(_, at, mark): &&(&str, usize, &[u8])| start.get(at..).is_some_and(|rest| rest.starts_with(mark));
    Ok(MARKS.iter().find(has).map(|(name, ..)| String::from(*name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_vfs::block::{DeviceFeatures, Geometry, WriteMode};
    use kos_vfs::testing::RamDisk;

    #[test]
    fn each_mark_is_found_and_zeroes_are_none() {
        let geometry = Geometry::new(512, 2048, DeviceFeatures::FLUSH).unwrap();
        assert_eq!(find(&RamDisk::new(geometry)), Ok(None));
        for (name, at, mark) in MARKS {
            let disk = RamDisk::new(geometry);
            let mut bytes = vec![0; BYTES];
            bytes[at..at + mark.len()].copy_from_slice(mark);
            disk.write(0, &bytes, WriteMode::Cached).unwrap();
            assert_eq!(find(&disk).unwrap().as_deref(), Some(name));
        }
    }
}
