//! The driver below a [`Vfs`]: the answers of system calls, in the language of scripts.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::{Fat, FatKind, MountOptions};
use super::{assert_clean, volume};
use crate::testing::script::{Engine, Generator, Outcome, VfsBackend};
use crate::testing::{HostEnv, RamDisk, TestClock, TestLock};
use crate::{Config, MountFlags, Vfs};

/// Runs `lines` on a volume, then checks it; what `wrong` makes of lines and outcomes.
fn run<'l>(
    disk: &Arc<RamDisk>,
    config: &Config,
    lines: impl Iterator<Item = impl AsRef<str> + 'l>,
    mut wrong: impl FnMut(&str, &Outcome) -> Option<String>,
) -> Vec<String> {
    let clock = TestClock::at(1_000_000_000_000_000_000);
    let vfs = Vfs::<HostEnv>::new(config, clock.clone()).unwrap();
    let fat = Fat::<_, TestLock>::mount(Arc::clone(disk), MountOptions::default()).unwrap();
    let view = vfs.mount_root(Arc::new(fat), MountFlags::empty()).unwrap();
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    let mut found = Vec::new();
    for line in lines {
        let line = line.as_ref().trim();
        let outcome = engine.line(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        found.extend(wrong(line, &outcome));
        vfs.check().unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    drop(engine);
    assert_eq!(vfs.stats().open_files, 0);
    vfs.shrink(0);
    vfs.sync().unwrap();
    assert_clean(&**disk);
    found
}

/// Runs a story whose lines say what they expect.
fn tell(story: &str) {
    for dentries in [64, 4096] {
        let disk = Arc::new(volume(FatKind::Fat16, 2200));
        let config = Config { dentries, ..Config::default() };
        let wrong = run(&disk, &config, story.lines(), |line, outcome| match outcome {
            Outcome::Mismatch { answer, .. } => Some(format!("{line}: {answer}")),
            _ => None,
        });
        assert_eq!(wrong, Vec::<String>::new(), "with {dentries} dentries");
    }
}

#[test]
fn one_file_has_many_spellings() {
    tell(
        r#"
        expect 0 open /README.TXT O_CREAT,O_RDWR 0755
        expect 5 write 0 "hello"
        expect 1 open /readme.txt O_RDONLY
        expect '"hello"' read 1 10
        expect EEXIST open /ReadMe.txt O_CREAT,O_EXCL,O_RDWR 0755
        expect EEXIST mkdir /readme.TXT 0755
        expect 2 open /readMe.txt O_CREAT,O_RDWR 0755
        expect 5 fstat 2 size
        expect 0 mkdir "/A Long Directory" 0755
        expect 3 open "/A Long Directory/inside" O_CREAT,O_RDWR 0755
        expect 1 stat "/A LONG directory/INSIDE" nlink
        expect 1 stat /ALONGD~1/inside nlink
        expect 4 open /ALONGD~1 O_RDONLY,O_DIRECTORY
        expect '"." ".." "inside"' readdir 4
        expect ENOTEMPTY rmdir /alongd~1
        expect 0 unlink /alongd~1/Inside
        expect ENOENT stat "/A Long Directory/inside" nlink
        expect 0 rmdir /alongd~1
        expect ENOENT stat "/a long directory" nlink
        expect 0 unlink /ReAdMe.TxT
        expect ENOENT stat /README.TXT nlink
        expect 0 fstat 0 nlink
        expect '"hello"' pread 0 9 0
        expect ENOENT stat /readme.txt nlink
        expect 5 open /readme.TXT O_CREAT,O_EXCL,O_RDWR 0755
        expect 0 stat /README.txt size
        "#,
    );
}

#[test]
fn a_rename_changes_the_spelling() {
    tell(
        r#"
        expect 0 open / O_RDONLY,O_DIRECTORY
        expect 1 open /README.TXT O_CREAT,O_RDWR 0755
        expect 4 write 1 text
        expect 0 rename /README.TXT /readme.txt
        expect '"." ".." "readme.txt"' readdir 0
        expect 0 rename /README.TXT /README.txt
        expect '"." ".." "README.txt"' readdir 0
        expect 0 rename /readme.txt /readme.txt
        expect EEXIST renameat2 AT_FDCWD /readme.txt AT_FDCWD /README.TXT RENAME_NOREPLACE
        expect 1,4 stat /readme.TXT nlink,size
        expect 0 rename /readme.txt "/a name that is long"
        expect 0 rename "/A NAME THAT IS LONG" /ANAMET~1
        expect '"." ".." "ANAMET~1"' readdir 0
        expect 4 stat /anamet~1 size
        expect 0 mkdir /sub 0755
        expect 0 rename /sub /SUB
        expect 0 rename /anamet~1 /Sub/file
        expect 0 rename /SUB/FILE /sub/File
        expect 0 mkdir /Sub/lower 0755
        expect EINVAL rename /sub /SUB/LOWER/x
        expect EINVAL renameat2 AT_FDCWD /sub AT_FDCWD /sub/lower RENAME_EXCHANGE
        expect 2 open /other O_CREAT,O_RDWR 0755
        expect 0 rename /other /sub/FILE
        expect 0 fstat 1 nlink
        expect 1 fstat 2 nlink
        expect '"text"' pread 1 9 0
        expect 3 open /SUB O_RDONLY,O_DIRECTORY
        expect '"." ".." "File" "lower"' readdir 3
        expect 0 rename /sub/lower /Lower
        expect 4 stat / nlink
        "#,
    );
}

#[test]
fn what_fat_has_not_is_refused_as_linux_does() {
    tell(
        r#"
        expect 0 open /file O_CREAT,O_RDWR 0600
        expect 0755,0,0 stat /file mode,uid,gid
        expect EPERM link /file /more
        expect EPERM symlink file /link
        expect EPERM mkfifo /pipe 0755
        expect EPERM mknod /node c 0755 1 3
        expect EEXIST symlink x /FILE
        expect ENOENT stat /a:b size
        expect EINVAL open /a:b O_CREAT,O_RDWR 0755
        expect EINVAL mkdir "/dots..." 0755
        expect EINVAL mkdir "/a\xff" 0755
        expect ENOENT stat "/a\xff" size
        expect EINVAL rename /file "/what?"
        expect EOPNOTSUPP open / O_TMPFILE,O_RDWR 0755
        expect 0 chmod /file 0644
        expect 0755 stat /file mode
        expect 0 chmod /file 0555
        expect 0555 stat /file mode
        expect 0 chmod /file 0777
        expect 0755 stat /file mode
        expect EPERM chmod /file 04755
        expect 0 chmod / 0700
        expect 0755 stat / mode
        expect EPERM chown /file 7 7
        expect 0 chown /file 0 0
        expect EOPNOTSUPP fallocate 0 3 0 100
        expect 0 fallocate 0 0 0 5000
        expect 0 fallocate 0 1 1000 4000
        expect EOPNOTSUPP fallocate 0 1 1000 4001
        expect 5000 stat /file size
        expect 0 lseek 0 0 SEEK_DATA
        expect 5000 lseek 0 7 SEEK_HOLE
        expect ENXIO lseek 0 5000 SEEK_DATA
        expect EFBIG ftruncate 0 4294967296
        expect EFBIG pwrite 0 x 4294967295
        expect 1 pwrite 0 x 9000
        expect '"\x00x"' pread 0 9 8999
        "#,
    );
}

/// Answers are compared with those of Linux elsewhere; here no call may find or leave a volume damaged.
#[test]
fn generated_scripts_leave_a_clean_volume() {
    for seed in 0..crate::testing::cases().div_ceil(16) {
        let disk = Arc::new(volume(FatKind::Fat16, 2200));
        let dentries = if seed % 2 == 0 { 64 } else { 1024 };
        let mut generator = Generator::new(u64::from(seed));
        let lines = (0..300).map(|_| generator.line());
        let config = Config { dentries, ..Config::default() };
        let wrong = run(&disk, &config, lines, |line, outcome| {
            let failed = ["EUCLEAN", "EIO", "ESTALE"];
            let answer = match outcome {
                Outcome::Answer(answer) | Outcome::Mismatch { answer, .. } => format!("{answer}"),
                Outcome::Nothing => String::new(),
            };
            failed.contains(&&*answer).then(|| format!("seed {seed}: {line}: {answer}"))
        });
        assert_eq!(wrong, Vec::<String>::new());
    }
}
