use super::*;
use crate::block::DeviceFeatures;
use crate::testing::RamDisk;
use alloc::vec;

fn disk(sectors: u64) -> RamDisk {
    RamDisk::new(Geometry::new(512, sectors, DeviceFeatures::empty()).unwrap())
}

fn write_at(disk: &RamDisk, sector: u64, at: usize, bytes: &[u8]) {
    let mut buffer = [0; 512];
    disk.read(sector, &mut buffer).unwrap();
    buffer[at..at + bytes.len()].copy_from_slice(bytes);
    disk.write(sector, &buffer, WriteMode::Cached).unwrap();
}

fn put_mbr(disk: &RamDisk, sector: u64, slots: &[(u8, u32, u32)]) {
    for (slot, &(kind, first, sectors)) in slots.iter().enumerate() {
        write_at(disk, sector, 446 + 16 * slot + 4, &[kind]);
        write_at(disk, sector, 446 + 16 * slot + 8, &first.to_le_bytes());
        write_at(disk, sector, 446 + 16 * slot + 12, &sectors.to_le_bytes());
    }
    write_at(disk, sector, 510, &[0x55, 0xaa]);
}

/// A GPT with `parts`, both copies.
fn put_gpt(disk: &RamDisk, parts: &[(u64, u64)]) {
    put_mbr(disk, 0, &[(0xee, 1, u32::MAX)]);
    let last = disk.geometry().sectors() - 1;
    let mut entries = vec![0; 128 * 128];
    for (entry, &(first, end)) in entries.chunks_mut(128).zip(parts) {
        entry[..16].fill(0xab);
        entry[16..32].fill(0xcd);
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&end.to_le_bytes());
    }
    for (at, entries_at) in [(1, 2), (last, last - 32)] {
        let mut header = [0; 512];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92u32.to_le_bytes());
        header[24..32].copy_from_slice(&at.to_le_bytes());
        header[40..48].copy_from_slice(&34u64.to_le_bytes());
        header[48..56].copy_from_slice(&(last - 33).to_le_bytes());
        header[72..80].copy_from_slice(&entries_at.to_le_bytes());
        header[80..84].copy_from_slice(&128u32.to_le_bytes());
        header[84..88].copy_from_slice(&128u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(0, &entries).to_le_bytes());
        let sum = crc32(0, &header[..92]);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.write(at, &header, WriteMode::Cached).unwrap();
        disk.write(entries_at, &entries, WriteMode::Cached).unwrap();
    }
}

fn ranges(disk: &RamDisk) -> Vec<(u32, u64, u64)> {
    scan(disk).unwrap().into_iter().map(|entry| (entry.number, entry.first, entry.sectors)).collect()
}

#[test]
fn the_check_value_of_crc32() {
    assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(crc32(0, b"1234"), b"56789"), 0xcbf4_3926);
}

#[test]
fn both_ends_of_a_gpt_are_as_good() {
    let disk = disk(1000);
    put_gpt(&disk, &[(34, 99), (100, 966), (967, 968), (0, 10), (500, 400)]);
    let expected = [(1, 34, 66), (2, 100, 867)];
    assert_eq!(ranges(&disk), expected);
    write_at(&disk, 2, 33, &[1]);
    assert_eq!(ranges(&disk), expected, "the entries of the first copy are damaged");
    write_at(&disk, 1, 40, &[1]);
    assert_eq!(ranges(&disk), expected, "and its header");
    write_at(&disk, 999, 0, b"efi");
    assert_eq!(scan(&disk), Err(PartitionError::DamagedGpt { what: "the checksum of its header" }));
}

#[test]
fn logical_partitions_are_counted_from_five() {
    let disk = disk(1000);
    put_mbr(&disk, 0, &[(0x0c, 10, 90), (0x83, 900, 200), (0x05, 100, 500)]);
    put_mbr(&disk, 100, &[(0x83, 1, 49), (0x05, 50, 100)]);
    put_mbr(&disk, 150, &[(0x0b, 2, 48)]);
    assert_eq!(ranges(&disk), [(1, 10, 90), (5, 101, 49), (6, 152, 48)], "one reaches behind the end");
}

#[test]
fn a_cycle_of_extended_tables_ends() {
    let disk = disk(1000);
    put_mbr(&disk, 0, &[(0x0f, 100, 500)]);
    put_mbr(&disk, 100, &[(0x83, 1, 9), (0x05, 10, 10)]);
    put_mbr(&disk, 110, &[(0x83, 1, 9), (0x05, 0, 10)]);
    assert_eq!(ranges(&disk), [(5, 101, 9), (6, 111, 9)]);
}

#[test]
fn an_empty_disk_has_no_table() {
    assert_eq!(scan(&disk(100)), Err(PartitionError::NotPartitioned { found: 0 }));
}

#[test]
fn a_partition_stays_within_its_sectors() {
    let disk = disk(100);
    let part = Partition::new(&disk, 90, 5).unwrap();
    assert_eq!(part.geometry().sectors(), 5);
    part.write(4, &[7; 512], WriteMode::Cached).unwrap();
    let mut sector = [0; 512];
    disk.read(94, &mut sector).unwrap();
    assert_eq!(sector, [7; 512]);
    assert_eq!(part.read(5, &mut sector), Err(DeviceError::OutOfRange { sector: 5, sectors: 5 }));
    assert_eq!(part.discard(4, 2), Err(DeviceError::OutOfRange { sector: 4, sectors: 5 }));
    assert!(Partition::new(&disk, 96, 5).is_err());
}

/// A disk on which every request fails in its own way.
struct Broken(Geometry);

impl BlockDevice for Broken {
    fn geometry(&self) -> Geometry {
        self.0
    }

    fn read(&self, sector: u64, _: &mut [u8]) -> Result<(), DeviceError> {
        Err(DeviceError::Failed { sector })
    }

    fn write(&self, sector: u64, _: &[u8], _: WriteMode) -> Result<(), DeviceError> {
        Err(DeviceError::NoSpace { sector })
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Err(DeviceError::NotFlushed)
    }

    fn discard(&self, _: u64, _: u64) -> Result<(), DeviceError> {
        Err(DeviceError::Gone)
    }
}

#[test]
fn faults_are_told_in_sectors_of_the_partition() {
    let part = Partition::new(Broken(disk(100).geometry()), 90, 5).unwrap();
    let mut sector = [0; 512];
    assert_eq!(part.read(3, &mut sector), Err(DeviceError::Failed { sector: 3 }));
    assert_eq!(part.write(3, &sector, WriteMode::Cached), Err(DeviceError::NoSpace { sector: 3 }));
    assert_eq!((part.flush(), part.discard(1, 1)), (Err(DeviceError::NotFlushed), Err(DeviceError::Gone)));
}

#[test]
fn the_corpus_of_gpt_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/gpt");
    let corpus: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|path| crate::testing::fuzz::gpt(&std::fs::read(path).unwrap()));
}
