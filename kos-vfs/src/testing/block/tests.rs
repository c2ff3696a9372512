use super::*;
use crate::block::{BlockDevice, DeviceFeatures, Geometry, Partition, WriteMode};

#[test]
fn the_ram_disk_is_a_block_device() {
    for sector_size in [512, 1024, 2048, 4096] {
        check_block_device(&RamDisk::with_size(1 << 20, sector_size));
    }
    let whole = RamDisk::with_size(1 << 20, 512);
    check_block_device(&Partition::new(&whole, 100, 200).unwrap());
    check_block_device(&RecordDisk::new(&whole));
    check_block_device(&FaultDisk::new(&whole, u64::MAX, Fault::Once));
    check_block_device(&PowerCut::new(&whole));
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

fn first_bytes(disk: &RamDisk) -> [u8; 4] {
    let mut sector = [0; 512];
    core::array::from_fn(|at| {
        disk.read(at as u64, &mut sector).unwrap();
        sector[0]
    })
}

#[test]
fn a_power_cut_loses_what_was_not_flushed() {
    let disk = PowerCut::new(&RamDisk::with_size(1 << 16, 512));
    disk.write(0, &[1; 512], WriteMode::Cached).unwrap();
    disk.flush().unwrap();
    disk.write(0, &[2; 512], WriteMode::Cached).unwrap();
    disk.write(1, &[3; 512], WriteMode::Through).unwrap();
    disk.write(2, &[4; 1024], WriteMode::Cached).unwrap();
    let cuts: alloc::collections::BTreeSet<_> = (0..200).map(|seed| first_bytes(&disk.cut(seed))).collect();
    assert!(cuts.iter().all(|bytes| bytes[0] != 0 && bytes[1] == 3), "{cuts:?}");
    assert_eq!(cuts.len(), 8, "each of the others is old or new by itself");
    let liar = PowerCut::lying(&RamDisk::with_size(1 << 16, 512));
    liar.write(0, &[1; 512], WriteMode::Through).unwrap();
    liar.flush().unwrap();
    assert!((0..20).any(|seed| first_bytes(&liar.cut(seed))[0] == 0));
}

#[test]
fn a_fault_comes_at_its_call() {
    let ram = RamDisk::with_size(1 << 16, 512);
    let disk = FaultDisk::new(&ram, 1, Fault::Torn);
    disk.flush().unwrap();
    assert!(disk.write(0, &[1; 1024], WriteMode::Cached).is_err());
    assert_eq!(first_bytes(&ram), [1, 0, 0, 0], "half of it is there");
    disk.write(0, &[2; 1024], WriteMode::Cached).unwrap();
    let gone = FaultDisk::new(&ram, 1, Fault::Gone);
    gone.flush().unwrap();
    assert_eq!((gone.flush(), gone.flush()), (Err(crate::DeviceError::Gone), Err(crate::DeviceError::Gone)));
}

#[test]
fn what_was_recorded_is_done_again() {
    let disk = RecordDisk::new(RamDisk::with_size(1 << 16, 512));
    disk.write(1, &[5; 1024], WriteMode::Cached).unwrap();
    disk.flush().unwrap();
    disk.write(0, &[6; 512], WriteMode::Through).unwrap();
    let again = RamDisk::with_size(1 << 16, 512);
    let events = disk.take();
    events[0].apply_piece(&again, 1).unwrap();
    assert_eq!(first_bytes(&again), [0, 0, 5, 0]);
    events.iter().for_each(|event| event.apply(&again).unwrap());
    assert_eq!(first_bytes(&again), first_bytes(disk.device()));
    assert_eq!((events.len(), events[1].clone(), disk.events()), (3, DiskEvent::Flush, 0));
}
