//! Partition tables of a fuzzer: [`gpt`].

use crate::block::{BlockDevice, WriteMode, partition};
use crate::testing::RamDisk;

/// The body of the fuzz target: the data are the first sectors of a disk, after a byte that says whether the checksums of a
/// GPT are made right first.
///
/// # Panics
/// If a partition is found that does not lie on the disk.
pub fn gpt(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let disk = RamDisk::with_size(64 << 10, 512);
    for (sector, bytes) in (0..16).zip(data.chunks(512)) {
        let mut whole = [0; 512];
        whole[..bytes.len()].copy_from_slice(bytes);
        if sector == 0 && mode & 2 != 0 {
            whole[510..].copy_from_slice(&[0x55, 0xaa]);
        }
        disk.write(sector, &whole, WriteMode::Cached).expect("a RAM disk");
    }
    if mode & 1 != 0 {
        seal(&disk);
    }
    for entry in partition::scan(&disk).unwrap_or_default() {
        assert!(entry.sectors > 0 && disk.geometry().check_sectors(entry.first, entry.sectors).is_ok());
        assert!(partition::Partition::new(&disk, entry.first, entry.sectors).is_ok());
    }
}

/// Makes the checksums of the first header right, and what else would keep it from being looked at.
fn seal(disk: &RamDisk) {
    let mut header = [0; 512];
    disk.read(1, &mut header).expect("a RAM disk");
    header[..8].copy_from_slice(b"EFI PART");
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    header[24..32].copy_from_slice(&1_u64.to_le_bytes());
    header[72..80].copy_from_slice(&2_u64.to_le_bytes());
    header[80..84].copy_from_slice(&8_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    let mut entries = [0; 1024];
    disk.read(2, &mut entries).expect("a RAM disk");
    header[88..92].copy_from_slice(&partition::crc32(0, &entries).to_le_bytes());
    header[16..20].fill(0);
    let sum = partition::crc32(0, &header[..92]);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    disk.write(1, &header, WriteMode::Cached).expect("a RAM disk");
}
