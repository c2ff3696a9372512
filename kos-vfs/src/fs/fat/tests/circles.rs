//! Volumes in which a directory is below itself, or has two names: a [`Vfs`] has locks in an order for trees alone.

use alloc::sync::Arc;

use super::super::{Fat, FatKind, MountOptions};
use super::volume;
use crate::block::{BlockDevice, WriteMode};
use crate::testing::script::{Engine, Outcome, VfsBackend};
use crate::testing::{HostEnv, RamDisk, TestClock, TestLock};
use crate::{Config, MountFlags, Vfs};

/// Runs lines that say what they expect.
fn tell(disk: &Arc<RamDisk>, story: &str) {
    let clock = TestClock::at(1_000_000_000_000_000_000);
    let vfs = Vfs::<HostEnv>::new(&Config::default(), clock.clone()).unwrap();
    let fat = Fat::<_, TestLock>::mount(Arc::clone(disk), MountOptions::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fat), MountFlags::empty()).unwrap();
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let outcome = engine.line(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(!matches!(outcome, Outcome::Mismatch { .. }), "{line}: {outcome:?}");
        vfs.check().unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    vfs.sync().unwrap();
}

/// The first cluster of the directory that is called `name`, which is then that of `new`, if there is one.
fn first_cluster(disk: &RamDisk, name: &[u8; 11], new: Option<[u8; 2]>) -> [u8; 2] {
    let mut sector = [0; 512];
    for number in 0..disk.geometry().sectors() {
        disk.read(number, &mut sector).unwrap();
        let is_it = |entry: &&mut [u8; 32]| entry.starts_with(name) && entry[11] == 0x10;
        let Some(entry) = sector.as_chunks_mut::<32>().0.iter_mut().find(is_it) else { continue };
        let old = [entry[26], entry[27]];
        entry[26..28].copy_from_slice(&new.unwrap_or(old));
        disk.write(number, &sector, WriteMode::Cached).unwrap();
        return old;
    }
    panic!("no directory of that name");
}

/// A volume with the directories `/UP/DOWN/` and `/ROOT/`.
fn made() -> Arc<RamDisk> {
    let disk = Arc::new(volume(FatKind::Fat16, 2200));
    tell(&disk, "expect 0 mkdir /UP 0755\nexpect 0 mkdir /UP/DOWN 0755\nexpect 0 mkdir /ROOT 0755");
    disk
}

#[test]
fn a_directory_below_itself_is_refused() {
    let disk = made();
    let up = first_cluster(&disk, b"UP         ", None);
    first_cluster(&disk, b"DOWN       ", Some(up));
    tell(
        &disk,
        r#"
        expect 0 open /UP/DOWN/file O_CREAT,O_RDWR 0755
        expect EUCLEAN stat /UP/DOWN/DOWN nlink
        expect EUCLEAN rename /UP/DOWN/file /UP/DOWN/DOWN/other
        expect EUCLEAN rename /UP/DOWN/DOWN/file /UP/DOWN/other
        expect EUCLEAN rmdir /UP/DOWN/DOWN
        expect EUCLEAN rename /UP/DOWN /UP/DOWN/DOWN
        expect EUCLEAN open /UP/DOWN/DOWN/file O_RDONLY
        expect 0 rename /UP/DOWN/file /UP/DOWN/other
        "#,
    );
}

#[test]
fn a_directory_with_two_names_is_found_by_one() {
    let disk = made();
    let down = first_cluster(&disk, b"DOWN       ", None);
    let up = first_cluster(&disk, b"UP         ", None);
    first_cluster(&disk, b"ROOT       ", Some(up));
    assert_ne!(up, down);
    tell(
        &disk,
        r#"
        expect 0 open /UP/DOWN O_RDONLY,O_DIRECTORY
        expect EUCLEAN stat /ROOT/DOWN nlink
        expect EUCLEAN rename /UP/DOWN /ROOT/DOWN
        expect 0 close 0
        "#,
    );
}
