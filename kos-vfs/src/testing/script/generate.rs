//! [`Generator`]: scripts from a seed, for comparing two backends line by line.
//!
//! Few names, so that lines meet each other's files; every call, with flags that fit and flags that do not; three users.
//! Left out is what backends may rightly answer differently: numbers of files and devices, sizes of directories, times that
//! nobody chose, pipes (a host waits at one for the other end), and links made by users (`fs.protected_hardlinks` of a host forbids some).

use alloc::format;
use alloc::string::{String, ToString as _};

/// Lines without end.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
    user: u32,
    locks: bool,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "long-name-of-more-than-thirty-one-bytes", "\\xff\\x01"];
const MODES: [&str; 10] = ["0755", "0644", "0700", "0000", "0777", "01777", "02775", "06755", "0500", "0311"];
const OPEN: [&str; 16] = [
    "O_RDONLY",
    "O_WRONLY",
    "O_RDWR",
    "O_RDWR,O_CREAT",
    "O_WRONLY,O_CREAT,O_EXCL",
    "O_RDWR,O_CREAT,O_TRUNC",
    "O_RDWR,O_APPEND",
    "O_WRONLY,O_CREAT,O_APPEND",
    "O_RDONLY,O_DIRECTORY",
    "O_RDONLY,O_NOFOLLOW",
    "O_PATH",
    "O_PATH,O_NOFOLLOW",
    "O_RDWR,O_TMPFILE",
    "O_RDONLY,O_TRUNC",
    "O_RDWR,O_TMPFILE,O_EXCL",
    "O_WRONLY,O_CREAT,O_NOFOLLOW",
];
/// A device number that no driver has (240 is for local use): scripts open and write what they make.
const NOBODY: &str = "240 77";
const STAT: &str = "type,mode,nlink,uid,gid,size";

impl Generator {
    /// Lines from a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15, user: 0, locks: false }
    }

    /// With lines about file locks, and one process alone: a host that plays several is one to these.
    #[must_use]
    pub const fn with_locks(mut self) -> Self {
        self.locks = true;
        self
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T], or: T) -> T {
        let index = self.below(from.len() as u64);
        usize::try_from(index).ok().and_then(|index| from.get(index)).copied().unwrap_or(or)
    }

    fn name(&mut self) -> &'static str {
        if self.below(4) > 0 { self.pick(&["a", "b", "c"], "a") } else { self.pick(&NAMES, "a") }
    }

    /// A path, not quoted: some absolute, some with dots, some with slashes at the end.
    pub fn path(&mut self) -> String {
        let mut path = String::new();
        if self.below(3) == 0 {
            path.push('/');
        }
        for _ in 0..self.below(3) {
            path.push_str(match self.below(12) {
                0 => "..",
                1 => ".",
                _ => self.name(),
            });
            path.push_str(if self.below(20) == 0 { "//" } else { "/" });
        }
        path.push_str(match self.below(24) {
            0 => "..",
            1 => ".",
            2 => "",
            _ => self.name(),
        });
        if self.below(16) == 0 {
            path.push('/');
        }
        format!("\"{path}\"")
    }

    fn fd(&mut self) -> u64 {
        self.below(6)
    }

    fn dir(&mut self) -> String {
        if self.below(3) == 0 { "AT_FDCWD".to_string() } else { self.fd().to_string() }
    }

    fn mode(&mut self) -> &'static str {
        self.pick(&MODES, "0755")
    }

    fn bytes(&mut self) -> String {
        let letter = char::from(b'a' + u8::try_from(self.below(26)).unwrap_or(0));
        let length = if self.below(8) == 0 { 5000 } else { 1 + self.below(40) };
        core::iter::repeat_n(letter, usize::try_from(length).unwrap_or(1)).collect()
    }

    fn offset(&mut self) -> i64 {
        let choices = [0, 1, 10, 4095, 4096, 4097, 8192, 20_000, -1, 70_000];
        let offset = self.pick(&choices, 0);
        if self.below(400) == 0 { i64::MAX } else { offset }
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        match self.below(100) {
            0..4 => self.state_line(),
            4..36 => self.name_line(),
            36..48 => self.attr_line(),
            48..52 => self.xattr_line(),
            52..66 => self.open_line(),
            _ => self.byte_line(),
        }
    }

    fn state_line(&mut self) -> String {
        match self.below(6) {
            0 => format!("umask {}", self.pick(&["022", "000", "077"], "022")),
            1 if !self.locks => {
                // Whoever that is: not known here to be user 0.
                self.user = u32::MAX;
                format!("proc {}", self.pick(&["main", "other"], "main"))
            }
            2 => format!("chdir {}", self.path()),
            3 => "chdir /".to_string(),
            _ => {
                let users = [(0, "0"), (0, "0"), (1000, "1000,100"), (1001, "100")];
                let (uid, groups) = self.pick(&users, (0, "0"));
                self.user = uid;
                format!("as {uid} {groups}")
            }
        }
    }

    fn name_line(&mut self) -> String {
        let (path, other) = (self.path(), self.path());
        match self.below(16) {
            0..3 => format!("mkdir {path} {}", self.mode()),
            3 => format!("mkdirat {} {path} {}", self.dir(), self.mode()),
            4 => format!("rmdir {path}"),
            5 => format!("unlink {path}"),
            6 => format!("unlinkat {} {path} {}", self.dir(), self.pick(&["0", "AT_REMOVEDIR"], "0")),
            7 if self.user == 0 => format!("link {path} {other}"),
            8 if self.user == 0 => {
                let flags = self.pick(&["0", "AT_SYMLINK_FOLLOW", "AT_EMPTY_PATH"], "0");
                format!("linkat {} {path} AT_FDCWD {other} {flags}", self.dir())
            }
            9 => format!("symlink {other} {path}"),
            10 => format!("readlink {path}"),
            11 => format!(
                "mknod {path} {} {} {NOBODY}",
                self.pick(&["f", "c", "b", "s", "d"], "f"),
                self.mode()
            ),
            12..14 => {
                let flags = self.pick(&["0", "0", "RENAME_NOREPLACE", "RENAME_EXCHANGE"], "0");
                format!("renameat2 AT_FDCWD {path} AT_FDCWD {other} {flags}")
            }
            _ => format!("rename {path} {other}"),
        }
    }

    fn attr_line(&mut self) -> String {
        let path = self.path();
        match self.below(12) {
            0..3 => format!("stat {path} {STAT}"),
            3..5 => format!("lstat {path} {STAT}"),
            5 => format!("chmod {path} {}", self.mode()),
            6 => {
                let uid = self.pick(&["-1", "0", "1000", "1001"], "0");
                format!("lchown {path} {uid} {}", self.pick(&["-1", "0", "100", "1000"], "0"))
            }
            7 => {
                let mode = self.pick(&["F_OK", "R_OK", "W_OK", "X_OK", "R_OK,W_OK"], "F_OK");
                format!("access {path} {mode}")
            }
            8 => {
                let time = self.pick(&["5 6", "0 UTIME_NOW", "0 UTIME_OMIT", "1 1000000000"], "5 6");
                format!(
                    "utimensat AT_FDCWD {path} {time} 7 8 {}",
                    self.pick(&["0", "AT_SYMLINK_NOFOLLOW"], "0")
                )
            }
            9 => format!("fstatat {} {path} {STAT} {}", self.dir(), self.pick(&["0", "AT_EMPTY_PATH"], "0")),
            10 => format!("fchmod {} {}", self.fd(), self.mode()),
            _ => format!("truncate {path} {}", self.offset()),
        }
    }

    fn xattr_line(&mut self) -> String {
        let names = ["user.a", "user.a", "user.b", "trusted.a", "security.kos", "user.", "other.a", ""];
        let name = self.pick(&names, "user.a");
        let form = self.pick(&["", "l", "f"], "");
        let file = if form == "f" { self.fd().to_string() } else { self.path() };
        let room = self.pick(&[0, 3, 100], 0);
        match self.below(8) {
            0..3 => format!("{form}getxattr {file} \"{name}\" {room}"),
            3..6 => {
                let flags = self.pick(&["0", "0", "XATTR_CREATE", "XATTR_REPLACE"], "0");
                let value = self.pick(&["one", "", "\\x00\\xff"], "one");
                format!("{form}setxattr {file} \"{name}\" \"{value}\" {flags}")
            }
            6 => format!("{form}listxattr {file} {room}"),
            _ => format!("{form}removexattr {file} \"{name}\""),
        }
    }

    fn open_line(&mut self) -> String {
        let path = self.path();
        let flags = self.pick(&OPEN, "O_RDONLY");
        match self.below(6) {
            0 => format!("openat {} {path} {flags} {}", self.dir(), self.mode()),
            1 => format!("close {}", self.fd()),
            2 => match self.below(3) {
                0 => format!("dup {}", self.fd()),
                1 => format!("dup2 {} {}", self.fd(), self.fd()),
                _ => format!("close {}", self.fd()),
            },
            _ => format!("open {path} {flags} {}", self.mode()),
        }
    }

    fn lock_line(&mut self) -> String {
        let fd = self.fd();
        if self.below(4) == 0 {
            return format!("flock {fd} {}", self.pick(&["LOCK_SH", "LOCK_EX", "LOCK_UN"], "LOCK_SH"));
        }
        let call = self.pick(&["F_SETLK", "F_OFD_SETLK", "F_OFD_SETLK", "F_GETLK", "F_OFD_GETLK"], "F_SETLK");
        let kinds = if call.ends_with("SETLK") { 3 } else { 2 };
        let kind = ["F_RDLCK", "F_WRLCK", "F_UNLCK"];
        let kind = self.pick(kind.get(..kinds).unwrap_or_default(), "F_RDLCK");
        let (start, length) = (self.below(20), self.pick(&[1, 2, 5, 0, -3, i64::MAX], 1));
        format!("lock {fd} {call} {kind} {start} {length}")
    }

    fn byte_line(&mut self) -> String {
        if self.locks && self.below(2) == 0 {
            return self.lock_line();
        }
        let fd = self.fd();
        match self.below(14) {
            0..3 => format!("write {fd} {}", self.bytes()),
            3 => format!("pwrite {fd} {} {}", self.bytes(), self.offset()),
            4..6 => format!("read {fd} {}", self.pick(&[1, 10, 100, 5000], 10)),
            6 => format!("pread {fd} {} {}", self.pick(&[1, 100, 9000], 10), self.offset()),
            7 => format!("ftruncate {fd} {}", self.offset()),
            8 => {
                let whence = self.pick(&["SEEK_SET", "SEEK_CUR", "SEEK_END"], "SEEK_SET");
                format!("lseek {fd} {} {whence}", self.offset())
            }
            9 => format!("fstat {fd} {STAT}"),
            10 => format!("readdir {fd}"),
            11 => {
                let mode =
                    self.pick(&["0", "FALLOC_FL_KEEP_SIZE", "FALLOC_FL_KEEP_SIZE,FALLOC_FL_PUNCH_HOLE"], "0");
                format!("fallocate {fd} {mode} {} {}", self.offset(), self.pick(&[1, 4096, 10_000, 0], 1))
            }
            12 => format!(
                "lseek {fd} {} {}",
                self.offset(),
                self.pick(&["SEEK_DATA", "SEEK_HOLE"], "SEEK_DATA")
            ),
            _ => format!("fsync {fd}"),
        }
    }
}
