//! A story in the language of scripts.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::*;
use crate::Config;
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::testing::{HostEnv, TestClock};
use crate::tree::mount::MountFlags;

/// Runs lines that each say what they expect; the mismatches.
fn mismatches(config: &Config, script: &str) -> Vec<String> {
    let clock = TestClock::at(1_000_000_000);
    let vfs = crate::Vfs::<HostEnv>::new(config, clock.clone()).unwrap();
    let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig { mode: crate::Mode::of(0o755), ..TmpfsConfig::default() })
        .unwrap();
    let view = vfs.mount_root(Arc::new(fs), MountFlags::empty()).unwrap();
    let mut engine = Engine::new(VfsBackend::new(view, clock));
    let mut wrong = Vec::new();
    for line in script.lines() {
        match engine.line(line.trim().as_bytes()).unwrap() {
            Outcome::Mismatch { expected, answer } => {
                wrong.push(alloc::format!("{line}: {answer} not {expected}"));
            }
            Outcome::Answer(_) | Outcome::Nothing => {}
        }
        vfs.check().unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    drop(engine);
    assert_eq!(vfs.stats().open_files, 0);
    wrong
}

const STORY: &str = r#"
expect 0 mkdir /a 0755
expect EEXIST mkdir /a 0755
expect 0 open /a/f O_CREAT,O_RDWR 0644
expect 5 write 0 "hello"
expect 0 lseek 0 0 SEEK_SET
expect '"hello"' read 0 10
expect regular,0644,1,5 stat /a/f type,mode,nlink,size
expect 1 open /a O_RDONLY,O_DIRECTORY
expect '"." ".." "f"' readdir 1
expect 0 link /a/f /g
expect 2 stat /g nlink
expect 0 unlink /a/f
expect ENOENT stat /a/f type
expect 0 rmdir /a
expect ENOENT readdir 1
expect 0 unlink /g
expect 0 fstat 0 nlink
expect '"ell"' pread 0 3 1
expect 0 symlink loop /loop
expect ELOOP stat /loop type
expect symlink lstat /loop type
expect 0 close 0
expect 0 close 1
expect EBADF close 1
"#;

#[test]
fn a_file_is_made_read_linked_and_removed() {
    assert_eq!(mismatches(&Config::default(), STORY), Vec::<String>::new());
}

const ATTRIBUTES: &str = r#"
umask 000
expect 0 mkdir /t 01777
expect 0 mknod /f f 0666 0 0
expect 0 symlink /f /l
expect 0 setxattr /l user.kind text XATTR_CREATE
expect EEXIST setxattr /f user.kind text XATTR_CREATE
expect ENODATA setxattr /f user.other text XATTR_REPLACE
expect '"text"' getxattr /f user.kind 4
expect ERANGE getxattr /f user.kind 3
expect EPERM lsetxattr /l user.kind text 0
expect 0 setxattr /f trusted.kind "" 0
expect '"trusted.kind" "user.kind"' listxattr /f 100
expect ERANGE listxattr /f 5
expect EOPNOTSUPP setxattr /f kos.kind text 0
expect ERANGE setxattr /f "" text 0
as 1000 1000
expect '"user.kind"' listxattr /f 100
expect ENODATA getxattr /f trusted.kind 10
expect EPERM removexattr /f trusted.kind
expect EPERM setxattr /t user.kind text 0
expect 0 removexattr /f user.kind
expect ENODATA removexattr /f user.kind
"#;

#[test]
fn attributes_are_set_by_who_may_and_listed() {
    assert_eq!(mismatches(&Config::default(), ATTRIBUTES), Vec::<String>::new());
}

const LOCKS: &str = r#"
expect 0 open /f O_RDWR,O_CREAT 0644
expect 1 open /f O_RDWR
expect 2 open /f O_RDONLY
expect 0 lock 0 F_SETLK F_WRLCK 0 10
expect 0 lock 1 F_SETLK F_RDLCK 5 10
proc other
expect F_WRLCK,0,5 lock 0 F_GETLK F_RDLCK 0 0
expect F_RDLCK,5,10 lock 0 F_GETLK F_WRLCK 5 0
expect EAGAIN lock 0 F_SETLK F_WRLCK 14 1
expect 0 lock 0 F_SETLK F_RDLCK 14 1
expect EBADF lock 2 F_SETLK F_WRLCK 100 1
expect 0 close 1
expect F_UNLCK lock 0 F_OFD_GETLK F_WRLCK 20 5
proc main
expect 0 lock 0 F_SETLK F_WRLCK 14 1
expect EINVAL lock 0 F_SETLK F_RDLCK -1 1
expect EOVERFLOW lock 0 F_SETLK F_RDLCK 2 9223372036854775807
expect 0 flock 0 LOCK_SH
expect EAGAIN flock 1 LOCK_EX
expect 3 dup 0
expect 0 close 0
expect F_UNLCK lock 1 F_OFD_GETLK F_WRLCK 0 0
expect EAGAIN flock 1 LOCK_EX
expect 0 close 3
proc other
expect 0 close 0
proc main
expect 0 flock 1 LOCK_EX
"#;

#[test]
fn locks_go_as_each_kind_demands() {
    assert_eq!(mismatches(&Config::default(), LOCKS), Vec::<String>::new());
}

#[test]
fn locks_have_a_bound() {
    let script = "expect 0 open /f O_RDWR,O_CREAT 0644\nexpect 0 lock 0 F_SETLK F_RDLCK 0 9\nexpect ENOLCK lock 0 F_SETLK F_UNLCK 4 1";
    assert_eq!(mismatches(&Config { locks: 1, ..Config::default() }, script), Vec::<String>::new());
}

#[test]
fn a_mismatch_is_told() {
    assert_eq!(
        mismatches(&Config::default(), "expect 0 rmdir /a"),
        ["expect 0 rmdir /a: ENOENT not 0".to_string()]
    );
}

#[test]
fn words_are_those_of_a_shell() {
    let words = parse::words(br#"write 0 'a b'"\x41\"" \x00 # rest"#).unwrap();
    assert_eq!(words, [b"write".to_vec(), b"0".to_vec(), b"a bA\"".to_vec(), b"\0".to_vec()]);
    assert_eq!(parse::words(b"'a"), Err(ParseError::Unclosed));
    assert_eq!(parse::words(b"\\x4"), Err(ParseError::Escape));
}
