//! What every block device must do: [`check_block_device`].

use alloc::vec;
use alloc::vec::Vec;

use crate::block::{BlockDevice, DeviceFeatures, WriteMode};
use crate::error::DeviceError;

/// Checks a device of four sectors or more against the contract of [`BlockDevice`]. What was on it is lost.
///
/// # Panics
/// If the device breaks the contract.
pub fn check_block_device(device: &dyn BlockDevice) {
    let geometry = device.geometry();
    let (size, sectors) = (geometry.sector_size(), geometry.sectors());
    assert!(sectors >= 4, "too small to be checked");
    check_refusals(device);
    if geometry.features().contains(DeviceFeatures::READ_ONLY) {
        let read_only = Err(DeviceError::ReadOnly);
        assert_eq!(device.write(0, &vec![0; size], WriteMode::Cached), read_only);
        assert_eq!(device.discard(0, 1), read_only);
        return;
    }
    for (sector, count) in [(0, 1), (sectors - 1, 1), (1, 3), (sectors - 4, 4)] {
        for mode in [WriteMode::Cached, WriteMode::Through] {
            check_write(device, sector, count, mode);
        }
    }
    device.flush().expect("a flush");
    device.discard(1, 2).expect("a discard");
    check_write(device, 0, 4, WriteMode::Cached);
    assert_eq!(device.geometry(), geometry, "the geometry changed");
}

/// Requests that every device refuses, and such for nothing.
fn check_refusals(device: &dyn BlockDevice) {
    let geometry = device.geometry();
    let (size, sectors) = (geometry.sector_size(), geometry.sectors());
    let mut two = vec![0; 2 * size];
    for sector in [sectors - 1, sectors, u64::MAX] {
        let refused = Err(DeviceError::OutOfRange { sector, sectors });
        assert_eq!(device.read(sector, &mut two), refused);
        if !geometry.features().contains(DeviceFeatures::READ_ONLY) {
            assert_eq!(device.write(sector, &two, WriteMode::Cached), refused);
            assert_eq!(device.discard(sector, 2), refused);
        }
    }
    let length = size + 1;
    assert_eq!(device.read(0, &mut two[..length]), Err(DeviceError::Unaligned { length }));
    assert_eq!(device.read(sectors, &mut []), Ok(()), "nothing, at the end");
}

/// What was written is read, and the sectors around it stay.
fn check_write(device: &dyn BlockDevice, sector: u64, count: u64, mode: WriteMode) {
    let geometry = device.geometry();
    let size = geometry.sector_size();
    let around = sector.saturating_sub(1)..(sector + count + 1).min(geometry.sectors());
    let mut before = vec![0; (around.end - around.start) as usize * size];
    device.read(around.start, &mut before).expect("a read");
    let skip = (sector - around.start) as usize * size;
    let bytes: Vec<u8> =
        (0..count as usize * size).map(|at| before[skip + at] ^ (at / 7 + 1) as u8).collect();
    device.write(sector, &bytes, mode).expect("a write");
    before[skip..skip + bytes.len()].copy_from_slice(&bytes);
    let mut after = vec![0; before.len()];
    device.read(around.start, &mut after).expect("a read");
    assert!(before == after, "sector {sector}, {count} sectors: other bytes than were written");
}
