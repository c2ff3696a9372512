//! Tests of processes: programs in ring 3 that use system calls, share memory, fork, and break the rules.

use kos_ipc::posix::signal::Signal;
use kos_ipc::quota::Resource;
use kos_vfs::Ctx;

use super::{Failure, Test, lines};
use crate::Kernel;
use crate::cmds::programs::HOSTILE;
use crate::ensure;
use crate::platform::Platform;
use crate::process::load::Words;
use crate::process::{End, StartError};
use crate::shell::Status;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "process::a_program_says_hello", run: hello },
        Test { name: "process::system_calls_keep_their_promises", run: promises },
        Test { name: "process::children_copy_on_write", run: children },
        Test { name: "process::capabilities_keep_their_promises", run: capabilities },
        Test { name: "process::two_processes_share_memory_by_its_name", run: shared },
        Test { name: "process::two_processes_call_each_other", run: calls },
        Test { name: "process::a_fork_storm_gives_all_back", run: storm },
        Test { name: "process::a_file_is_memory", run: file },
        Test { name: "process::hostile_programs_die_alone", run: hostile },
        Test { name: "process::no_memory_ends_a_program_and_nothing_else", run: no_memory },
        Test { name: "process::a_loop_is_ended_from_outside", run: outside },
        Test { name: "process::words_and_variables_come_as_they_were_given", run: told },
        Test { name: "process::what_is_no_program_is_refused", run: refused },
        Test { name: "process::a_program_becomes_another_and_leaves_nothing", run: becomes },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// What a job said first.
pub(super) type Said = heapless::Vec<u8, 512>;

/// Runs a program: how it ended, and the beginning of what it said. It has given all frames back.
pub(super) fn run<P: Platform>(
    kernel: &Kernel<P>,
    words: &[&str],
    go_on: impl FnMut() -> bool,
) -> Result<(End, Said), Failure> {
    if let Err(StartError::NoPrograms) = kernel.processes.ports(kernel) {
        return Err(Failure::skip(format_args!("this machine runs no programs")));
    }
    let mut said = Said::new();
    let hear = |bytes: &[u8]| {
        // What is too long is cut.
        let _ = bytes.iter().try_for_each(|&byte| said.push(byte));
    };
    let ended = kernel.run_job(Ctx::root(), words, hear, go_on, |_| ())?;
    let frames = kernel.processes.frames();
    ensure!(frames == 0, "{words:?} kept {frames} frames");
    ensure!(kernel.processes.all().is_empty(), "{words:?} left a process");
    Ok((ended.end, said))
}

pub(super) fn succeeds<P: Platform>(kernel: &Kernel<P>, words: &[&str]) -> Result<(), Failure> {
    let (end, said) = run(kernel, words, || true)?;
    let said = core::str::from_utf8(&said).unwrap_or("");
    ensure!(end == End::Exited(0), "{end}: {said}");
    Ok(())
}

fn hello<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (end, said) = run(kernel, &["/bin/hello", "you"], || true)?;
    ensure!(end == End::Exited(0), "{end}");
    ensure!(said.starts_with(b"hello from process ") && said.ends_with(b"\n  you\n"), "{said:?}");
    Ok(())
}

fn promises<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_files(kernel, &["usertests", "/mnt/usertests"])
}

fn capabilities<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, &["captests"])
}

fn shared<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, &["shm-demo"])?;
    let bytes = kernel.ipc().map_or(0, |ipc| ipc.quota.used(Resource::Bytes));
    ensure!(bytes == 0, "{bytes} bytes of segments are still charged");
    Ok(())
}

fn calls<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, &["pingpong", "200"])
}

fn children<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, &["fork-demo"])
}

fn storm<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    succeeds(kernel, &["storm", "3"])
}

fn file<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_files(kernel, &["mmap-demo", "/mnt/mapped", "40"])
}

/// The same with a file system on `/mnt` that goes with all that the program leaves there.
pub(super) fn with_files<P: Platform>(kernel: &Kernel<P>, words: &[&str]) -> Result<(), Failure> {
    struct Nowhere;
    impl core::fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> core::fmt::Result {
            Ok(())
        }
    }
    let command = |line: &str| -> Result<(), Failure> {
        let (status, _) = kernel.execute(line, &mut Nowhere);
        ensure!(status == Status::SUCCESS, "'{line}' ends with {}", status.0);
        Ok(())
    };
    // Skips a machine without programs.
    succeeds(kernel, &["hello"])?;
    command("mount -t tmpfs none /mnt")?;
    let result = succeeds(kernel, words);
    command("umount /mnt")?;
    // Names that are remembered take memory.
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    result
}

fn hostile<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for (word, _) in HOSTILE {
        let (end, said) = run(kernel, &["crash", word], || true)?;
        let said = core::str::from_utf8(&said).unwrap_or("");
        ensure!(matches!(end, End::Killed(_)), "{word}: {end}: {said}");
        // Whoever comes next finds the kernel as it was.
        succeeds(kernel, &["hello"])?;
    }
    Ok(())
}

/// The k-th allocation of a frame fails, and all after it: whatever comes of the program, the kernel goes on, and all comes back.
fn no_memory<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const FAILURES: usize = 24;
    succeeds(kernel, &["hello"])?;
    for k in 0..FAILURES {
        kernel.injector().arm(k);
        let ran = kernel.run_job(Ctx::root(), &["fork-demo"], |_| (), || true, |_| ());
        kernel.injector().disarm();
        drop(ran);
        let frames = kernel.processes.frames();
        ensure!(frames == 0, "failure {k} kept {frames} frames");
        ensure!(kernel.processes.all().is_empty(), "failure {k} left a process");
    }
    succeeds(kernel, &["fork-demo"])
}

fn outside<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (end, _) = run(kernel, &["spin"], || false)?;
    ensure!(matches!(end, End::Signaled(Signal::INT)), "{end}");
    Ok(())
}

fn told<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (_, said) = run(kernel, &["hello", "", "a b", ""], || true)?;
    ensure!(said.ends_with(b"\n  \n  a b\n  \n"), "{said:?}");
    let hears = |words: &[&str], variables: &[&str], expected: &[u8]| {
        let mut said = heapless::Vec::<u8, 64>::new();
        let hear = |bytes: &[u8]| {
            let _ = said.extend_from_slice(bytes);
        };
        let words = Words { words, variables };
        let end = kernel.run_job(Ctx::root(), words, hear, || true, |_| ())?.end;
        ensure!(end == End::Exited(u8::from(expected.is_empty())) && *said == *expected, "{end}: {said:?}");
        Ok(())
    };
    hears(&["printenv"], &["A=1", "B=", "C=x y"], b"A=1\nB=\nC=x y\n")?;
    hears(&["printenv", "C", "A"], &["A=1", "B=", "C=x y"], b"x y\n1\n")?;
    hears(&["printenv", "D"], &["A=1"], b"")?;
    // Nearly all that there may be, and one more.
    let kibi = core::str::from_utf8(&[b'x'; 1024])?;
    let many = [kibi; 128];
    hears(&["printenv", "D"], many.get(..127).unwrap_or_default(), b"")?;
    let told = Words { words: &["printenv"], variables: &many };
    let refused = kernel.run_job(Ctx::root(), told, |_| (), || true, |_| ());
    ensure!(refused.is_err(), "128 KiB of variables were taken");
    Ok(())
}

fn refused<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // Skips a machine without programs.
    run(kernel, &["hello"], || true)?;
    for path in ["/bin/none", "/bin", "/dev/null"] {
        let refused = kernel.run_job(Ctx::root(), &[path], |_| (), || true, |_| ());
        ensure!(refused.is_err(), "{path} ran");
    }
    ensure!(kernel.processes.frames() == 0);
    Ok(())
}

/// The same process with the same files, as often as it likes, in the memory of one.
fn becomes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (end, said) = run(kernel, &["exec-demo", "30"], || true)?;
    let expected = b"after 30 programs it is the process that it was, with its open file\n";
    ensure!(end == End::Exited(0) && *said == *expected, "{end}: {said:?}");
    // Renamed, and with the variables of the last only.
    let said = lines::told(kernel, "strace exec-demo 1", 0)?;
    let calls = said.matches("exec(\"/bin/exec-demo\"").count();
    ensure!(calls == 1 && said.contains("after 1 programs"), "{said}");
    Ok(())
}
