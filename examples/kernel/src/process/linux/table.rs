//! From the number of a system call to what does it: [`find`].
//!
//! Source: `arch/x86/entry/syscalls/syscall_64.tbl` of Linux.

use core::marker::PhantomData;

use super::{Answer, Running, files, futex, listing, memory, names, signals, status, system, threads, time};
use crate::platform::Platform;

/// One system call.
pub(super) struct Entry<P: Platform> {
    number: u64,
    pub(super) run: fn(&mut Running<P>, [u64; 6]) -> Answer,
}

struct Table<P>(PhantomData<fn() -> P>);

const fn entry<P: Platform>(number: u64, run: fn(&mut Running<P>, [u64; 6]) -> Answer) -> Entry<P> {
    Entry { number, run }
}

impl<P: Platform> Table<P> {
    /// By number.
    const ALL: &'static [Entry<P>] = &[
        entry(0, files::read),
        entry(1, files::write),
        entry(3, files::close),
        entry(4, status::stat),
        entry(5, status::fstat),
        entry(6, status::lstat),
        entry(7, files::poll),
        entry(8, files::lseek),
        entry(9, memory::mmap),
        entry(10, memory::mprotect),
        entry(11, memory::munmap),
        entry(12, memory::brk),
        entry(13, signals::action),
        entry(14, signals::mask),
        entry(16, files::ioctl),
        entry(17, files::pread),
        entry(18, files::pwrite),
        entry(19, files::readv),
        entry(20, files::writev),
        entry(24, system::give_way),
        entry(25, memory::mremap),
        entry(28, memory::madvise),
        entry(35, time::nanosleep),
        entry(39, system::process),
        entry(40, system::refused),
        entry(56, threads::clone),
        entry(60, threads::exit),
        entry(63, system::uname),
        entry(72, files::fcntl),
        entry(74, files::fsync),
        entry(75, files::fdatasync),
        entry(77, files::ftruncate),
        entry(79, names::getcwd),
        entry(80, names::chdir),
        entry(82, names::rename),
        entry(83, names::mkdir),
        entry(84, names::rmdir),
        entry(87, names::unlink),
        entry(89, names::readlink),
        entry(90, names::chmod),
        entry(91, names::fchmod),
        entry(102, system::user),
        entry(104, system::group),
        entry(107, system::user),
        entry(108, system::group),
        entry(131, signals::stack),
        entry(157, threads::prctl),
        entry(158, threads::arch_prctl),
        entry(186, threads::number),
        entry(200, signals::tkill),
        entry(202, futex::futex),
        entry(204, system::affinity),
        entry(217, listing::list),
        entry(218, threads::set_clear),
        entry(228, time::now),
        entry(230, time::clock_nanosleep),
        entry(231, threads::exit_group),
        entry(234, signals::tgkill),
        entry(257, files::openat),
        entry(258, names::mkdirat),
        entry(262, status::newfstatat),
        entry(263, names::unlinkat),
        entry(264, names::renameat),
        entry(267, names::readlinkat),
        entry(273, system::refused),
        entry(302, system::limit),
        entry(316, names::renameat2),
        entry(318, system::random),
        entry(326, system::refused),
        entry(332, status::statx),
        entry(334, system::refused),
        entry(435, threads::clone3),
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
