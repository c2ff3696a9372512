//! Pages that are lent to mappings.

use alloc::sync::Arc;
use core::ops::Range;
use std::sync::Mutex;

use kos_vfs::fs::{Allocate, SyncMode};
use kos_vfs::testing::{HostEnv, TestClock};
use kos_vfs::{Ctx, Ino, Intent, LendError, LentPage, Mappings, MountFlags, OpenFlags, Vfs};

use super::faults::Frames;
use super::{SECOND, open, pattern, read, small, stat, stored, system, watched, write};

#[test]
fn a_mapped_page_is_the_files_page() {
    let fs = watched();
    let frames = Arc::new(Frames::default());
    let vfs = Vfs::<HostEnv>::new(&small(), TestClock::at(1)).unwrap().with_pages(frames.clone());
    let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs));
    let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, &pattern(10_000, 1), 0);

    let page = file.page_for(1, Intent::Write).unwrap();
    assert!(page.frame().is_some());
    let mut bytes = [0; 8];
    assert_eq!((page.read(0, &mut bytes), &bytes[..]), (8, &pattern(10_000, 1)[4096..4104]));
    assert_eq!(page.write(0, b"mapped"), 6);
    assert_eq!(read(&file, 4096, 6), b"mapped", "who reads sees it");
    write(&view, &file, b"written", 4106);
    page.read(10, &mut bytes);
    assert_eq!(&bytes[..7], b"written", "and the other way round");
    // A mapped file is durable as it was at the last sync, however often.
    for word in [b"first!", b"second"] {
        page.write(20, word);
        file.sync(SyncMode::Data).unwrap();
        assert_eq!(&stored(&*fs, &stat(&view, b"/f"))[4116..4122], word);
        vfs.tick(SECOND * 100);
        vfs.check().unwrap();
    }
    // It stays while others come and go.
    let other = open(&view, b"/g", OpenFlags::empty());
    write(&view, &other, &pattern(300_000, 2), 0);
    assert_eq!(read(&other, 0, 300_000), pattern(300_000, 2));
    assert_eq!((page.read(20, &mut bytes), &bytes[..6]), (8, &b"second"[..]));
    drop(page);
    vfs.sync().unwrap();
    assert_eq!((vfs.stats().cache.dirty, vfs.stats().cache.dirty_files), (0, 0));
    vfs.check().unwrap();
}

#[test]
fn what_cannot_be_lent_says_why() {
    let (_, view) = system(&small(), watched());
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, b"short", 0);
    assert!(matches!(file.page_for(1, Intent::Read), Err(LendError::BeyondEof { size: 5 })));
    assert!(matches!(file.page_for(u64::MAX, Intent::Write), Err(LendError::BeyondEof { .. })));
    let pages: Vec<_> = (0..64)
        .map_while(|index| {
            write(&view, &file, b"more", index * 4096);
            file.page_for(index, Intent::Write).ok()
        })
        .collect();
    assert_eq!(pages.len(), 6, "as many as may wait to be written");
    assert!(matches!(file.page_for(6, Intent::Write), Err(LendError::NoPage)));
    assert_eq!(read(&file, 4096 * 6, 4), b"more", "what finds no room is written through");
    let mut end = [1; 4];
    file.page_for(6, Intent::Read).unwrap().read(4, &mut end);
    assert_eq!(end, [0; 4], "behind the end it is zero");
}

/// Who keeps pages until they are revoked.
#[derive(Debug, Default)]
struct Mapper {
    kept: Mutex<Vec<(u64, LentPage<'static, HostEnv>)>>,
    revoked: Mutex<Vec<Range<u64>>>,
}

impl Mappings for Mapper {
    fn revoke(&self, _: u64, _: Ino, pages: Range<u64>) {
        self.kept.lock().unwrap().retain(|(index, _)| !pages.contains(index));
        self.revoked.lock().unwrap().push(pages);
    }
}

#[test]
fn cutting_a_file_revokes_first() {
    let mapper = Arc::new(Mapper::default());
    let vfs = Vfs::<HostEnv>::new(&small(), TestClock::at(1)).unwrap().with_mappings(mapper.clone());
    let vfs: &'static Vfs<HostEnv> = Box::leak(Box::new(vfs));
    let fs = watched();
    let view = vfs.mount_root(fs.clone(), MountFlags::empty()).unwrap();
    let ctx = Ctx::root();
    let file = open(&view, b"/f", OpenFlags::empty());
    write(&view, &file, &pattern(4096 * 5, 1), 0);
    for index in 0..5 {
        let page = file.page_for(index, Intent::Write).unwrap();
        mapper.kept.lock().unwrap().push((index, page));
    }
    // A page that nobody revokes is the file's no more, and harms nobody.
    let stray = file.page_for(4, Intent::Write).unwrap();
    view.call(&ctx).set_size(&file, 4096 * 2 + 100).unwrap();
    assert_eq!((mapper.kept.lock().unwrap().len(), vfs.stats().cache.detached), (3, 1));
    stray.write(0, b"nowhere");
    vfs.check().unwrap();
    view.call(&ctx).set_size(&file, 4096 * 5).unwrap();
    let mut expected = pattern(4096 * 5, 1);
    expected[4096 * 2 + 100..].fill(0);
    assert_eq!(read(&file, 0, 4096 * 6), expected);
    drop(stray);
    view.call(&ctx).allocate(&file, Allocate::PunchHole, 10, 4096).unwrap();
    assert_eq!(mapper.kept.lock().unwrap().len(), 3, "pieces of pages become zero where they are");
    view.call(&ctx).allocate(&file, Allocate::PunchHole, 4096, 4096).unwrap();
    assert_eq!(mapper.kept.lock().unwrap().len(), 2);
    expected[10..8192].fill(0);
    assert_eq!(read(&file, 0, 4096 * 6), expected);
    mapper.kept.lock().unwrap().clear();
    vfs.sync().unwrap();
    assert_eq!(stored(&*fs, &stat(&view, b"/f")), expected);
    vfs.check().unwrap();
}
