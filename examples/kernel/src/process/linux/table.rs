//! From the number of a system call to what does it: [`find`].
//!
//! Source: `arch/x86/entry/syscalls/syscall_64.tbl` of Linux.

use core::marker::PhantomData;

use super::{Answer, Running, files, futex, listing, memory, names, signals, status, system, threads, time};
use crate::platform::Platform;
use crate::process::trace::{Names, Signature, Word};
use Word::{Bits, Bytes, Dir, Filled, Hex, Int, Number, Octal, Path};

/// One system call.
pub(super) struct Entry<P: Platform> {
    number: u64,
    /// What its words mean.
    pub(super) signature: Signature,
    pub(super) run: fn(&mut Running<P>, [u64; 6]) -> Answer,
}

struct Table<P>(PhantomData<fn() -> P>);

const fn entry<P: Platform>(
    number: u64,
    signature: Signature,
    run: fn(&mut Running<P>, [u64; 6]) -> Answer,
) -> Entry<P> {
    Entry { number, signature, run }
}

const fn call(name: &'static str, words: &'static [Word], answer: Word) -> Signature {
    Signature { name, words, answer }
}

const PROT: Names = &[(1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC")];
const MAP: Names = &[(1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS")];
const OPEN: Names = &[
    (0o1, "O_WRONLY"),
    (0o2, "O_RDWR"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o20_0000, "O_DIRECTORY"),
    (0o40_0000, "O_NOFOLLOW"),
    (0o200_0000, "O_CLOEXEC"),
];
const CLONE: Names = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1_0000, "CLONE_THREAD"),
];

impl<P: Platform> Table<P> {
    /// By number.
    const ALL: &'static [Entry<P>] = &[
        entry(0, call("read", &[Int, Filled, Number], Number), files::read),
        entry(1, call("write", &[Int, Bytes, Number], Number), files::write),
        entry(3, call("close", &[Int], Number), files::close),
        entry(4, call("stat", &[Path, Hex], Number), status::stat),
        entry(5, call("fstat", &[Int, Hex], Number), status::fstat),
        entry(6, call("lstat", &[Path, Hex], Number), status::lstat),
        entry(7, call("poll", &[Hex, Number, Int], Number), files::poll),
        entry(8, call("lseek", &[Int, Int, Number], Number), files::lseek),
        entry(9, call("mmap", &[Hex, Number, Bits(PROT), Bits(MAP), Int, Hex], Hex), memory::mmap),
        entry(10, call("mprotect", &[Hex, Number, Bits(PROT)], Number), memory::mprotect),
        entry(11, call("munmap", &[Hex, Number], Number), memory::munmap),
        entry(12, call("brk", &[Hex], Hex), memory::brk),
        entry(13, call("rt_sigaction", &[Number, Hex, Hex, Number], Number), signals::action),
        entry(14, call("rt_sigprocmask", &[Number, Hex, Hex, Number], Number), signals::mask),
        entry(16, call("ioctl", &[Int, Hex, Hex], Number), files::ioctl),
        entry(17, call("pread64", &[Int, Filled, Number, Number], Number), files::pread),
        entry(18, call("pwrite64", &[Int, Bytes, Number, Number], Number), files::pwrite),
        entry(19, call("readv", &[Int, Hex, Number], Number), files::readv),
        entry(20, call("writev", &[Int, Hex, Number], Number), files::writev),
        entry(24, call("sched_yield", &[], Number), system::give_way),
        entry(25, call("mremap", &[Hex, Number, Number, Hex, Hex], Hex), memory::mremap),
        entry(28, call("madvise", &[Hex, Number, Number], Number), memory::madvise),
        entry(35, call("nanosleep", &[Hex, Hex], Number), time::nanosleep),
        entry(39, call("getpid", &[], Number), system::process),
        entry(40, call("sendfile", &[Int, Int, Hex, Number], Number), system::refused),
        entry(56, call("clone", &[Bits(CLONE), Hex, Hex, Hex, Hex], Number), threads::clone),
        entry(60, call("exit", &[Int], Number), threads::exit),
        entry(63, call("uname", &[Hex], Number), system::uname),
        entry(72, call("fcntl", &[Int, Number, Hex], Number), files::fcntl),
        entry(74, call("fsync", &[Int], Number), files::fsync),
        entry(75, call("fdatasync", &[Int], Number), files::fdatasync),
        entry(77, call("ftruncate", &[Int, Number], Number), files::ftruncate),
        entry(79, call("getcwd", &[Filled, Number], Number), names::getcwd),
        entry(80, call("chdir", &[Path], Number), names::chdir),
        entry(82, call("rename", &[Path, Hex], Number), names::rename),
        entry(83, call("mkdir", &[Path, Octal], Number), names::mkdir),
        entry(84, call("rmdir", &[Path], Number), names::rmdir),
        entry(87, call("unlink", &[Path], Number), names::unlink),
        entry(89, call("readlink", &[Path, Hex, Number], Number), names::readlink),
        entry(90, call("chmod", &[Path, Octal], Number), names::chmod),
        entry(91, call("fchmod", &[Int, Octal], Number), names::fchmod),
        entry(102, call("getuid", &[], Number), system::user),
        entry(104, call("getgid", &[], Number), system::group),
        entry(107, call("geteuid", &[], Number), system::user),
        entry(108, call("getegid", &[], Number), system::group),
        entry(131, call("sigaltstack", &[Hex, Hex], Number), signals::stack),
        entry(157, call("prctl", &[Number, Hex, Hex, Hex, Hex], Number), threads::prctl),
        entry(158, call("arch_prctl", &[Hex, Hex], Number), threads::arch_prctl),
        entry(186, call("gettid", &[], Number), threads::number),
        entry(200, call("tkill", &[Int, Int], Number), signals::tkill),
        entry(202, call("futex", &[Hex, Number, Number, Hex, Hex, Hex], Number), futex::futex),
        entry(204, call("sched_getaffinity", &[Int, Number, Hex], Number), system::affinity),
        entry(217, call("getdents64", &[Int, Hex, Number], Number), listing::list),
        entry(218, call("set_tid_address", &[Hex], Number), threads::set_clear),
        entry(228, call("clock_gettime", &[Number, Hex], Number), time::now),
        entry(230, call("clock_nanosleep", &[Number, Hex, Hex, Hex], Number), time::clock_nanosleep),
        entry(231, call("exit_group", &[Int], Number), threads::exit_group),
        entry(234, call("tgkill", &[Int, Int, Int], Number), signals::tgkill),
        entry(257, call("openat", &[Dir, Path, Bits(OPEN), Octal], Number), files::openat),
        entry(258, call("mkdirat", &[Dir, Path, Octal], Number), names::mkdirat),
        entry(262, call("newfstatat", &[Dir, Path, Hex, Hex], Number), status::newfstatat),
        entry(263, call("unlinkat", &[Dir, Path, Hex], Number), names::unlinkat),
        entry(264, call("renameat", &[Dir, Path, Dir, Hex], Number), names::renameat),
        entry(267, call("readlinkat", &[Dir, Path, Hex, Number], Number), names::readlinkat),
        entry(273, call("set_robust_list", &[Hex, Number], Number), system::refused),
        entry(302, call("prlimit64", &[Int, Number, Hex, Hex], Number), system::limit),
        entry(316, call("renameat2", &[Dir, Path, Dir, Hex, Hex], Number), names::renameat2),
        entry(318, call("getrandom", &[Hex, Number, Hex], Number), system::random),
        entry(326, call("copy_file_range", &[Int, Hex, Int, Hex, Number, Hex], Number), system::refused),
        entry(332, call("statx", &[Dir, Path, Hex, Hex, Hex], Number), status::statx),
        entry(334, call("rseq", &[Hex, Number, Hex, Hex], Number), system::refused),
        entry(435, call("clone3", &[Hex, Number], Number), threads::clone3),
    ];
}

/// The call with this number.
pub(super) fn find<P: Platform>(number: u64) -> Option<&'static Entry<P>> {
    let all = Table::<P>::ALL;
    let place = all.binary_search_by_key(&number, |entry| entry.number).ok()?;
    all.get(place)
}

#[cfg(test)]
mod tests {
    /// The table is looked through by halves, and there is no machine here to be generic over: its text is read.
    #[test]
    fn numbers_ascend() {
        let lines = include_str!("table.rs").lines().filter_map(|line| line.trim().strip_prefix("entry("));
        let numbers = lines.filter_map(|line| line.split(',').next()?.parse::<u64>().ok());
        let numbers: alloc::vec::Vec<_> = numbers.collect();
        assert!(numbers.len() > 60 && numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
}
