//! Mounting and checking with every allocation refused once: no memory is what they say, and nothing is lost.

use alloc::sync::Arc;
use core::fmt::Debug;

use kos_vfs::Env;
use kos_vfs::fs::fat::{self, Fat};
use kos_vfs::fs::kosfs::{self, FsckOptions, KosFs};
use kos_vfs::testing::{FatVolume, HostEnv, KosFsVolume, RamDisk, Volume};

use super::memory::{self, armed};
use super::{Failing, Quiet, formatted, formatted_fat, run, script};

/// `work` until no allocation of it is refused any more; how many there were.
fn refuse_each<T, E: Debug>(work: impl Fn() -> Result<T, E>) -> u64 {
    for at in 0.. {
        let live = memory::live();
        memory::refuse(at);
        let done = armed(&work);
        let count = memory::count();
        memory::refuse(u64::MAX);
        if let Err(error) = &done {
            assert!(count > at && format!("{error:?}").contains("NoMemory"), "allocation {at}: {error:?}");
        }
        drop(done);
        assert_eq!(memory::live(), live, "allocation {at}: memory is lost");
        if count <= at {
            return count;
        }
    }
    0
}

/// A volume after the script.
fn used<V: Volume>(ram: Arc<RamDisk>, on: impl Fn(Arc<RamDisk>) -> V) -> Quiet<Arc<RamDisk>> {
    let _ = run(&on(Arc::clone(&ram)), &script(), Failing::Nothing, None, &|| false);
    Quiet(ram)
}

#[test]
fn every_allocation_may_be_refused_while_mounting_and_checking() {
    type Lock = <HostEnv as Env>::RwLock;
    let disk = used(formatted(), KosFsVolume::on);
    let mounting = refuse_each(|| KosFs::<_, Lock>::mount(&disk, kosfs::MountOptions::default()));
    let options = FsckOptions { data: true, ..FsckOptions::default() };
    let checking =
        refuse_each(|| kosfs::fsck::<_, Lock>(&disk, &options, &mut |problem, _| panic!("{problem:?}")));
    assert!(mounting > 5 && checking > 5, "kosfs: {mounting} {checking}");

    let disk = used(formatted_fat(), FatVolume::on);
    let mounting =
        refuse_each(|| Fat::<_, <HostEnv as Env>::Lock>::mount(&disk, fat::MountOptions::default()));
    let checking = refuse_each(|| fat::fsck(&disk, false, &mut |problem, _| panic!("{problem:?}")));
    assert!(mounting > 1 && checking > 2, "FAT: {mounting} {checking}");
}
