//! The FAT driver beside dosfstools and mtools. A test whose program is not installed says so and passes.

mod common;

use common::{Image, Mounted, has, mount, run};
use kos_vfs::block::BlockDevice;
use kos_vfs::fs::fat::FatKind;
use kos_vfs::fs::fat::{MkfsOptions, mkfs};
use kos_vfs::fs::{FileSystem, SyncMode};
use kos_vfs::testing::{FatModel, FatOp, Names, RamDisk};

/// Images of `mkfs.fat`: kind, size in KiB, further options.
const IMAGES: [(FatKind, &str, &[&str]); 7] = [
    (FatKind::Fat12, "1440", &["-F", "12"]),
    (FatKind::Fat12, "4000", &["-F", "12", "-s", "8", "-f", "1"]),
    (FatKind::Fat16, "16384", &["-F", "16"]),
    (FatKind::Fat16, "65536", &["-F", "16", "-S", "2048"]),
    (FatKind::Fat32, "66000", &["-F", "32"]),
    (FatKind::Fat32, "40000", &["-F", "32", "-s", "1"]),
    (FatKind::Fat32, "300000", &["-F", "32", "-S", "4096"]),
];

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

#[test]
fn images_of_mkfs_fat_and_mtools_are_read() {
    if !has(&["mkfs.fat", "mcopy", "mmd"]) {
        return;
    }
    for (kind, size, options) in IMAGES {
        let image = Image::new(&format!("read-{size}"));
        run("mkfs.fat", options, &["-C", image.path(), size]);
        let files = [("short.txt", 10), ("A longer name than eight letters.bin", 300_001), ("empty", 0)];
        run("mmd", &["-i", image.path()], &["::/Dir One", "::/Dir One/sub"]);
        for (name, length) in files {
            let file = Image::new(&format!("file-{size}"));
            std::fs::write(file.path(), bytes(length)).unwrap();
            run("mcopy", &["-i", image.path()], &[file.path(), &format!("::/Dir One/{name}")]);
        }
        let fat = mount(image.disk());
        assert_eq!(fat.kind(), kind, "{options:?}");
        let fs = Mounted(&fat);
        assert_eq!(fs.list("/"), ["Dir One/"]);
        assert_eq!(
            fs.list("/Dir One"),
            ["A longer name than eight letters.bin", "empty", "short.txt", "sub/"]
        );
        for (name, length) in files {
            assert_eq!(fs.read(&format!("/dir one/{name}")), bytes(length), "{options:?} {name}");
        }
        assert_eq!(fat.attr(fat.root()).unwrap().links, 3);
    }
}

#[test]
fn what_is_written_is_silent_under_fsck_fat() {
    if !has(&["mkfs.fat", "fsck.fat", "mcopy"]) {
        return;
    }
    for (_, size, options) in IMAGES {
        let image = Image::new(&format!("write-{size}"));
        run("mkfs.fat", options, &["-C", image.path(), size]);
        let disk: RamDisk = image.disk();
        let fat = mount(&disk);
        let fs = Mounted(&fat);
        fs.mkdir("/a directory with a long name");
        for index in 0..40 {
            let path = format!("/a directory with a long name/file number {index}.dat");
            fs.write(&path, &bytes(index * 997));
        }
        for index in (0..40).step_by(3) {
            fs.remove(&format!("/a directory with a long name/file number {index}.dat"));
        }
        fs.rename("/a directory with a long name", "/MOVED");
        fat.sync(SyncMode::All).unwrap();
        assert!(disk.geometry().bytes() > 0);
        image.store(&disk);
        let said = run("fsck.fat", &["-n"], &[image.path()]);
        assert!(said.lines().count() <= 2, "{options:?}: {said}");
        let file = Image::new(&format!("back-{size}"));
        run("mcopy", &["-n", "-i", image.path()], &["::/moved/file number 38.dat", file.path()]);
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes(38 * 997));
    }
}

/// Operations in a row that is always the same.
fn row(seed: u64, count: usize) -> impl Iterator<Item = FatOp> {
    let mut state = seed | 1;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        FatOp::from_bytes(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes())
    })
}

/// Whether mtools stores a name under the same bytes: it writes `_` for letters that its locale lacks.
fn is_plain(name: &str) -> bool {
    name.is_ascii() && !name.contains(['\\', '_'])
}

/// Files below a folder of the host, by plain paths.
#[expect(clippy::unwrap_used, reason = "a helper of a test: what fails is the test")]
fn collect(folder: &std::path::Path, path: &str, found: &mut Names) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let Some(name) = entry.file_name().to_str().filter(|name| is_plain(name)).map(String::from) else {
            continue;
        };
        let path = format!("{path}/{name}");
        if entry.file_type().unwrap().is_dir() {
            found.push((path.clone(), None));
            collect(&entry.path(), &path, found);
        } else {
            found.push((path, Some(std::fs::read(entry.path()).unwrap())));
        }
    }
}

#[test]
fn ten_thousand_operations_on_our_volumes_please_fsck_fat_and_mtools() {
    if !has(&["fsck.fat", "mcopy"]) {
        return;
    }
    for (kind, mib, cluster) in
        [(FatKind::Fat12, 2, 2048), (FatKind::Fat16, 16, 1024), (FatKind::Fat32, 40, 512)]
    {
        let disk = RamDisk::with_size(mib << 20, 512);
        let label = Some(*b"KOS TEST   ");
        let options = MkfsOptions { cluster_bytes: Some(cluster), label, ..MkfsOptions::new(kind) };
        mkfs(&disk, &options).unwrap();
        let fat = mount(&disk);
        let mut model = FatModel::new(&fat);
        for op in row(u64::from(cluster), 10_000) {
            let _ = model.step(&fat, op);
        }
        model.forget(&fat);
        fat.sync(SyncMode::All).unwrap();
        let image = Image::new(&format!("ours-{mib}"));
        image.store(&disk);
        let said = run("fsck.fat", &["-n"], &[image.path()]);
        assert!(said.lines().count() <= 2, "{kind:?}: {said}");
        let folder = Image::new(&format!("tree-{mib}"));
        std::fs::create_dir(folder.path()).unwrap();
        run("mcopy", &["-s", "-n", "-Q", "-i", image.path()], &["::/*", folder.path()]);
        let mut found = Vec::new();
        collect(folder.path().as_ref(), "", &mut found);
        found.sort();
        let mut expected = model.tree();
        expected.retain(|(path, _)| is_plain(path));
        assert!(!expected.is_empty());
        let names = |tree: &Names| tree.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{kind:?}");
        assert!(found == expected, "{kind:?}: bytes differ");
        std::fs::remove_dir_all(folder.path()).unwrap();
    }
}
