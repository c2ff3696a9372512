use super::*;
use crate::block::{BlockDevice, DeviceFeatures, Geometry, Partition, WriteMode};

#[test]
fn the_ram_disk_is_a_block_device() {
    for sector_size in [512, 1024, 2048, 4096] {
        check_block_device(&RamDisk::with_size(1 << 20, sector_size));
    }
    let whole = RamDisk::with_size(1 << 20, 512);
    check_block_device(&Partition::new(&whole, 100, 200).unwrap());
    check_block_device(&RamDisk::new(Geometry::new(512, 10, DeviceFeatures::READ_ONLY).unwrap()));
}

#[test]
fn a_disk_of_16_tib_takes_what_was_written() {
    let disk = RamDisk::with_size(16 << 40, 4096);
    check_block_device(&disk);
    assert!(disk.memory() <= 256 * 1024, "{}", disk.memory());
    disk.write(1 << 31, &[7; 4096], WriteMode::Cached).unwrap();
    disk.discard(0, disk.geometry().sectors()).unwrap();
    assert_eq!(disk.memory(), 0);
}
