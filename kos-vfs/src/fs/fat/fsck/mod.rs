//! Checking a volume that is not mounted, and mending it: [`fsck`].
//!
//! | found | mended by |
//! |---|---|
//! | copies of the table differ | the copy that is read is written over the others |
//! | a chain leads to no cluster, or to one that another file has | it ends before that; the size shrinks to it |
//! | a name for a chain that another name has from its first cluster on | the name goes; the bytes stay with the other |
//! | a chain longer or shorter than its file | the chain is cut, or the size |
//! | a directory that begins nowhere | its name goes |
//! | `.` or `..` names another directory | it is rewritten |
//! | parts of a long name without a short one | they go |
//! | clusters that nobody has | they are freed |
//! | the free count is wrong; the volume says that it is in use | it is rewritten |
//!
//! So what a power cut leaves is mended without loss of what was complete before. One bit of memory a cluster is needed.

mod check;
mod report;

use super::MountOptions;
use super::alloc::Space;
use super::cache::{Cache, Disk};
use super::layout::Layout;
use super::nodes::Nodes;
use super::volume::{State, Volume};
use crate::block::{BlockDevice, SECTOR_MAX};

pub use report::{FsckError, FsckReport, Problem, ShortName};

/// Checks the volume on `device`, and mends it if `repair`. Tells `each` of every problem, and whether it was mended.
///
/// # Errors
/// No FAT volume, no memory, or what the device says. What was mended by then stays so.
pub fn fsck(
    device: &dyn BlockDevice,
    repair: bool,
    each: &mut dyn FnMut(&Problem, bool),
) -> Result<FsckReport, FsckError> {
    let mut boot = ::alloc::vec::Vec::new();
    boot.try_reserve_exact(2 * SECTOR_MAX)?;
    boot.resize(2 * SECTOR_MAX, 0);
    let layout = Layout::read(device, &mut boot)?;
    let mut state = State {
        cache: Cache::new(layout.sector_shift)?,
        space: Space::default(),
        nodes: Nodes::new(0)?,
        marked: false,
        was_marked: false,
    };
    let disk = Disk::new(device, &layout);
    let options = MountOptions::default();
    let mut volume = Volume { disk, layout: &layout, options: &options, state: &mut state };
    volume.read_hints()?;
    let report = check::Checker::new(volume, repair, each)?.run(&mut boot)?;
    if report.repaired > 0 {
        device.flush()?;
    }
    Ok(report)
}
