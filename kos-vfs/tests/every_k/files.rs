//! A tmpfs may have so many files, names and attributes: none more while one call runs, for every call.

use kos_vfs::fs::XattrFlags;
use kos_vfs::fs::tmpfs::TmpfsConfig;
use kos_vfs::testing::{TmpfsVolume, Volume, fill_volume};
use kos_vfs::{Name, Timestamp};

use super::steps::script;
use super::{Failing, each, empty, free, run};

/// Makes a ballast that counts as all files that are free.
pub(super) fn fill(volume: &dyn Volume) {
    fill_volume(volume, u64::MAX);
    let fs = volume.mount().unwrap();
    let ballast = fs.dirs().lookup(fs.root(), Name::new(b"ballast").unwrap()).unwrap().ino;
    for name in 0_u8.. {
        if fs.statfs().unwrap().files_free == 0 {
            break;
        }
        let (name, any) = ([b'a', name], XattrFlags::empty());
        fs.xattrs().unwrap().set(ballast, &name, b"", any, Timestamp::EPOCH).unwrap();
    }
    fs.forget(ballast, 1);
}

#[test]
fn files_may_end_at_every_call_of_tmpfs() {
    let config = TmpfsConfig { bytes: 2 << 20, inodes: 64, ..TmpfsConfig::default() };
    let steps = script();
    let run = |failing, right| {
        let volume = TmpfsVolume::with_config(&config);
        let blocks = free(&volume);
        let outcome = run(&volume, &steps, failing, right, &|| false);
        volume.check();
        (outcome, empty(&volume, blocks))
    };
    let (right, rest) = run(Failing::Nothing, None);
    let mut told = 0;
    // Few calls want a new file: five in a row each time.
    for call in each(steps.len() as u64 / 5).flat_map(|at| 5 * at..5 * at + 5) {
        let (outcome, left) = run(Failing::Files(call), Some(&right.answers));
        told += outcome.failed;
        assert!(left == rest, "call {call}: other files at the end");
    }
    eprintln!("{told} calls met the end of files");
    assert!(told > 2);
}
