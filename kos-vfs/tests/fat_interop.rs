//! The FAT driver beside dosfstools and mtools. A test whose program is not installed says so and passes.

mod common;

use common::{Image, Mounted, has, mount, run};
use kos_vfs::block::BlockDevice;
use kos_vfs::fs::FileSystem;
use kos_vfs::fs::fat::FatKind;
use kos_vfs::testing::RamDisk;

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
        fat.sync(kos_vfs::fs::SyncMode::All).unwrap();
        assert!(disk.geometry().bytes() > 0);
        image.store(&disk);
        let said = run("fsck.fat", &["-n"], &[image.path()]);
        assert!(said.lines().count() <= 2, "{options:?}: {said}");
        let file = Image::new(&format!("back-{size}"));
        run("mcopy", &["-n", "-i", image.path()], &["::/moved/file number 38.dat", file.path()]);
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes(38 * 997));
    }
}
