//! System calls as no library makes them: wild pointers, descriptors, lengths, flags. Each says the number of its error.
#![expect(unsafe_code, reason = "system calls")]

use core::arch::asm;
use core::ptr;
use std::error::Error;
use std::fs;

/// Nothing is mapped there, or can be.
const WILD: u64 = 0x10;
const KERNEL: u64 = 0xffff_8000_0000_0000;
const HERE: u64 = (-100_i64).cast_unsigned();
/// Open for nobody.
const NO_FD: u64 = 99;

/// Makes a system call: what it answers.
///
/// # Safety
/// The call does what the caller wants.
unsafe fn call(number: u64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    let answer;
    // SAFETY: the registers of the call are named, and the caller answers for what it does.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    answer
}

/// Makes a call that is to fail, and says how it does.
fn fails(name: &str, number: u64, arguments: &[u64]) {
    let mut all = [0; 6];
    all.iter_mut().zip(arguments).for_each(|(to, from)| *to = *from);
    // SAFETY: it is refused, or changes nothing but locals of whoever asks.
    let answer = unsafe { call(number, all) };
    println!("{name}: {answer}");
}

fn at<T: ?Sized>(value: &T) -> u64 {
    ptr::from_ref(value).expose_provenance() as u64
}

pub(super) fn calls() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join("stdhello-hostile");
    fs::write(&path, "some bytes")?;
    let file = fs::File::open(&path)?;
    let fd = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&file))?;
    let dir = fs::File::open("/")?;
    let dir = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&dir))?;
    open_files(fd, dir);
    paths();
    memory(fd);
    words();
    others();
    drop(file);
    fs::remove_file(&path)?;
    Ok(())
}

/// Makes a thread without a stack, which touches it: that ends all.
pub(super) fn bad_stack() -> ! {
    // SAFETY: the thread does as this one, on a stack that is none: it ends the program.
    let answer = unsafe { call(56, [0x1_0f00, WILD, 0, 0, 0, 0]) };
    println!("a thread without a stack: {answer}");
    loop {
        core::hint::spin_loop();
    }
}

fn open_files(fd: u64, dir: u64) {
    let mut room = [0_u8; 64];
    let room = ptr::from_mut(&mut room).expose_provenance() as u64;
    fails("write from nowhere", 1, &[1, WILD, 10]);
    fails("write from the kernel", 1, &[1, KERNEL, 10]);
    fails("write to nobody", 1, &[NO_FD, room, 10]);
    fails("write to what is read", 1, &[fd, room, 10]);
    fails("read to nowhere", 0, &[fd, WILD, 10]);
    fails("read to the kernel", 0, &[fd, KERNEL, 10]);
    fails("read of nobody", 0, &[u64::MAX, room, 10]);
    fails("read of a directory", 0, &[dir, room, 10]);
    fails("read nothing from nobody", 0, &[NO_FD, room, 0]);
    fails("pread before the start", 17, &[fd, room, 1, u64::MAX]);
    fails("close nobody", 3, &[NO_FD]);
    fails("close -1", 3, &[u64::MAX]);
    fails("seek nobody", 8, &[NO_FD, 0, 0]);
    fails("seek before the start", 8, &[fd, u64::MAX, 0]);
    fails("seek from nowhere", 8, &[fd, 0, 9]);
    fails("writev of too many", 20, &[1, room, 1025]);
    fails("writev from nowhere", 20, &[1, WILD, 1]);
    fails("truncate what is read", 77, &[fd, 0]);
    fails("a file is no terminal", 16, &[fd, 0x5401, room]);
    fails("nobody is no terminal", 16, &[NO_FD, 0x5401, room]);
    fails("flags of nobody", 72, &[NO_FD, 1]);
    fails("a command that is none", 72, &[fd, 999]);
    fails("names of a file", 217, &[fd, room, 64]);
    fails("names to nowhere", 217, &[dir, WILD, 4096]);
    fails("names without room", 217, &[dir, room, 3]);
    fails("poll from nowhere", 7, &[WILD, 1, 0]);
    fails("sync nobody", 74, &[NO_FD]);
}

fn paths() {
    let mut room = [0_u8; 512];
    let long = [b'a'; 5000];
    let component = [&[b'b'; 300][..], &[0]].concat();
    let [name, empty, file] = [c"/no/such/file", c"", c"/tmp/stdhello-hostile"]
        .map(|text| text.as_ptr().expose_provenance() as u64);
    let room = ptr::from_mut(&mut room).expose_provenance() as u64;
    fails("open nowhere", 257, &[HERE, WILD, 0]);
    fails("open in the kernel", 257, &[HERE, KERNEL, 0]);
    fails("open what is not there", 257, &[HERE, name, 0]);
    fails("open nothing", 257, &[HERE, empty, 0]);
    fails("open too long a path", 257, &[HERE, at(&long), 0]);
    fails("open too long a name", 257, &[HERE, component.as_ptr().expose_provenance() as u64, 0]);
    fails(
        "open in what is no directory",
        257,
        &[HERE, c"/tmp/stdhello-hostile/x".as_ptr().expose_provenance() as u64, 0],
    );
    fails("a directory to write", 257, &[HERE, c"/".as_ptr().expose_provenance() as u64, 1]);
    fails("relative to nobody", 257, &[NO_FD, c"x".as_ptr().expose_provenance() as u64, 0]);
    fails("stat to nowhere", 262, &[HERE, file, WILD, 0]);
    fails("stat with unknown flags", 262, &[HERE, file, room, 1 << 20]);
    fails("stat of nothing", 262, &[HERE, empty, room, 0]);
    fails("statx to nowhere", 332, &[HERE, file, 0, 0xfff, WILD]);
    fails("fstat of nobody", 5, &[NO_FD, room]);
    fails("readlink of a file", 267, &[HERE, file, room, 10]);
    fails("readlink of no bytes", 267, &[HERE, file, room, 0]);
    fails("unlink what is not there", 87, &[name]);
    fails("unlink with unknown flags", 263, &[HERE, name, 1]);
    fails("rename what is not there", 82, &[name, name]);
    fails("rename with unknown flags", 316, &[HERE, name, HERE, name, 64]);
    fails("mkdir nowhere", 83, &[WILD, 0]);
    fails("mkdir what is there", 83, &[file, 0]);
    fails("rmdir a file", 84, &[file]);
    fails("chdir to a file", 80, &[file]);
    fails("where, without room", 79, &[room, 1]);
    fails("where, to nowhere", 79, &[WILD, 100]);
}

fn memory(fd: u64) {
    const ANYWHERE: u64 = 0x22;
    const FIXED: u64 = 0x32;
    fails("map nothing", 9, &[0, 0, 3, ANYWHERE, u64::MAX, 0]);
    fails("map all", 9, &[0, 1 << 62, 3, ANYWHERE, u64::MAX, 0]);
    fails("map more than all", 9, &[0, u64::MAX, 3, ANYWHERE, u64::MAX, 0]);
    fails("map beside a page", 9, &[0x10_0001, 4096, 3, FIXED, u64::MAX, 0]);
    fails("map in the kernel", 9, &[KERNEL, 4096, 3, FIXED, u64::MAX, 0]);
    fails("map of no kind", 9, &[0, 4096, 3, 0x20, u64::MAX, 0]);
    fails("map nobody", 9, &[0, 4096, 1, 2, NO_FD, 0]);
    fails("map a file to write that is read", 9, &[0, 4096, 3, 1, fd, 0]);
    fails("map beside a page of a file", 9, &[0, 4096, 1, 2, fd, 1]);
    fails("unmap beside a page", 11, &[0x10_0001, 4096]);
    fails("unmap nothing", 11, &[0x10_0000, 0]);
    fails("unmap the kernel", 11, &[KERNEL, 4096]);
    fails("protect beside a page", 10, &[0x10_0001, 4096, 1]);
    fails("protect a hole", 10, &[0x10_0000, 4096, 1]);
    fails("move with unknown flags", 25, &[0x10_0000, 4096, 8192, 64]);
    fails("move a hole", 25, &[0x10_0000, 4096, 8192, 1]);
    fails("advise beside a page", 28, &[0x10_0001, 4096, 4]);
    fails("advise what is no advice", 28, &[0x10_0000, 4096, 999]);
    // SAFETY: the heap stays as it is.
    let [now, far] = [0, KERNEL].map(|end| unsafe { call(12, [end, 0, 0, 0, 0, 0]) });
    println!("a heap up to the kernel stays as it is: {}", now == far);
}

fn words() {
    const PRIVATE: u64 = 128;
    let mut word = [7_u32; 2];
    let word = ptr::from_mut(&mut word).expose_provenance() as u64;
    let [soon, wrong] = [[0_u64, 1], [0, 1_000_000_000]];
    fails("wait beside a word", 202, &[word + 1, PRIVATE, 7, 0]);
    fails("wait at a word that differs", 202, &[word, PRIVATE, 8, 0]);
    fails("wait nowhere", 202, &[WILD, PRIVATE, 7, 0]);
    fails("wait in the kernel", 202, &[KERNEL, PRIVATE, 7, 0]);
    fails("wait without bits", 202, &[word, 9 | PRIVATE, 7, 0, 0, 0]);
    fails("wait for no time that is one", 202, &[word, PRIVATE, 7, at(&wrong)]);
    fails("wait until nowhere", 202, &[word, PRIVATE, 7, WILD]);
    fails("wait in vain", 202, &[word, PRIVATE, 7, at(&soon)]);
    fails("wake nobody", 202, &[word, 1 | PRIVATE, 1]);
    fails("wake beside a word", 202, &[word + 2, 1 | PRIVATE, 1]);
    fails("an operation that is none", 202, &[word, 99, 1]);
    fails("sleep for no time that is one", 35, &[at(&wrong), 0]);
    fails("sleep for nowhere", 35, &[WILD, 0]);
    fails("a clock that is none", 228, &[99, word]);
    fails("the time to nowhere", 228, &[1, WILD]);
}

fn others() {
    const THREAD: u64 = 0x1_0000;
    let room = [0_u64; 32];
    let half = [0x3d_0f00_u64, 0, 0, 0, 0, 0x1000, 0, 0];
    let future = [&[0x3d_0f00_u64][..], &[0; 10], &[1]].concat();
    fails("a thread with actions of its own", 56, &[THREAD, 0, 0, 0, 0]);
    fails("actions without memory", 56, &[0x800, 0, 0, 0, 0]);
    fails("clone3 from nowhere", 435, &[WILD, 88]);
    fails("clone3 of too little", 435, &[at(&room), 8]);
    fails("clone3 of too much", 435, &[at(&room), 1 << 20]);
    fails("clone3 of the future", 435, &[future.as_ptr().expose_provenance() as u64, 96]);
    fails("clone3 with half a stack", 435, &[at(&half), 64]);
    fails("the action of no signal", 13, &[65, 0, at(&room), 8]);
    fails("another action of KILL", 13, &[9, at(&room), 0, 8]);
    fails("an action of another size", 13, &[10, at(&room), 0, 4]);
    fails("an action from nowhere", 13, &[10, WILD, 0, 8]);
    fails("a mask by no rule", 14, &[9, at(&room), 0, 8]);
    fails("a small stack for handlers", 131, &[at(&[room.as_ptr().expose_provenance() as u64, 0, 64]), 0]);
    fails("a signal for nobody", 234, &[0, 0, 6]);
    fails("a signal to another process", 234, &[0x3fff_ffff, 0x3fff_ffff, 6]);
    fails("random bytes to nowhere", 318, &[WILD, 8, 0]);
    fails("random bytes of no kind", 318, &[at(&room), 8, 64]);
    fails("a limit that is none", 302, &[0, 99, 0, at(&room)]);
    fails("a limit to nowhere", 302, &[0, 7, 0, WILD]);
    fails("CPUs in a byte", 204, &[0, 1, at(&room)]);
    fails("no register of the machine", 158, &[1, 0]);
    fails("a thread's data in the kernel", 158, &[0x1002, KERNEL]);
    fails("a call that is none", 9999, &[]);
}
