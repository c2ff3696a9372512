//! Tests of programs of Linux: a static program of std that works with files and threads, and what breaks it.
//!
//! That it says the same as under Linux is tested from outside, where there is a Linux.

use kos_ipc::posix::signal::Signal;
use kos_vfs::Ctx;

use super::lines::{in_scratch, told};
use super::process::{run, succeeds, with_files};
use super::{Failure, Test, needs};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::process::End;
use crate::process::load::Words;
use crate::svc::quota::Quota;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "linux::a_static_program_of_std_says_hello", run: hello },
        Test { name: "linux::files_and_threads_work", run: works },
        Test { name: "linux::a_status_and_a_signal_are_those_of_the_program", run: ends },
        Test { name: "linux::who_breaks_the_rules_dies_alone", run: hostile },
        Test { name: "linux::threads_end_with_their_program", run: outside },
        Test { name: "linux::threads_count_for_the_quota", run: quota },
        Test { name: "linux::too_many_words_are_refused", run: words },
        Test { name: "linux::calls_of_a_program_are_seen", run: calls },
        Test { name: "linux::no_memory_ends_a_program_and_nothing_else", run: no_memory },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Skips a machine that brings no program of Linux along.
fn there<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // And one that runs no programs at all.
    succeeds(kernel, &["hello"])?;
    if kernel.platform().linux_programs().is_empty() {
        return Err(Failure::skip(format_args!("no program of Linux was built in")));
    }
    Ok(())
}

fn hello<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    let (end, said) = run(kernel, &["stdhello"], || true)?;
    ensure!(end == End::Exited(0) && *said == *b"hello from std\n", "{end}: {said:?}");
    Ok(())
}

fn works<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    // A program has half of the memory for programs at most, which is half of all.
    needs(kernel, 12)?;
    with_files(kernel, &["stdhello", "files", "/mnt"])?;
    succeeds(kernel, &["stdhello", "threads"])?;
    succeeds(kernel, &["stdhello", "rest"])?;
    // It ends while threads of it compute.
    succeeds(kernel, &["stdhello", "storm", "3"])
}

fn ends<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    for (words, expected) in [
        (&["stdhello", "exit", "7"][..], End::Exited(7)),
        (&["stdhello", "panic"], End::Exited(101)),
        (&["stdhello", "abort"], End::Signaled(Signal::ABRT)),
    ] {
        let (end, said) = run(kernel, words, || true)?;
        ensure!(end == expected, "{words:?}: {end}: {said:?}");
    }
    Ok(())
}

fn hostile<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    for word in ["overflow", "stack"] {
        let (end, said) = run(kernel, &["stdhello", word], || true)?;
        ensure!(matches!(end, End::Killed(_)), "{word}: {end}: {said:?}");
        succeeds(kernel, &["stdhello"])?;
    }
    Ok(())
}

/// Threads that compute, sleep and wait for ever.
fn outside<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    let mut looks = 0;
    let go_on = || {
        looks += 1;
        looks < 3
    };
    let (end, _) = run(kernel, &["stdhello", "spin"], go_on)?;
    ensure!(matches!(end, End::Signaled(Signal::INT)), "{end}");
    Ok(())
}

fn quota<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    for (pids, works) in [(2, false), (16, true)] {
        let quota = Quota { pids: Some(pids), ..Quota::default() };
        let begun = kernel.begin_job(Ctx::root(), &["stdhello", "threads"], &quota)?;
        let ended = kernel.finish_job(begun, |_| (), |_| true, |_| ());
        ensure!((ended.end == End::Exited(0)) == works, "{pids} threads: {}", ended.end);
        let frames = kernel.processes.frames();
        ensure!(frames == 0, "{frames} frames were kept");
    }
    Ok(())
}

fn words<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    let kibi = core::str::from_utf8(&[b'x'; 1024])?;
    let mut many = ["stdhello"; 130];
    many.iter_mut().skip(1).for_each(|word| *word = kibi);
    let refused = kernel.run_job(Ctx::root(), &many, |_| (), || true, |_| ());
    ensure!(refused.is_err(), "130 KiB of words were taken");
    // All that there may be: it says that it does not know the first.
    let told =
        Words { words: many.get(..64).unwrap_or_default(), variables: many.get(64..126).unwrap_or_default() };
    let ended = kernel.run_job(Ctx::root(), told, |_| (), || true, |_| ())?;
    ensure!(ended.end == End::Exited(2), "{}", ended.end);
    ensure!(kernel.processes.frames() == 0);
    Ok(())
}

fn calls<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    in_scratch(kernel, |kernel| {
        let said = told(kernel, "strace stdhello files /mnt", 0)?;
        for call in [
            "] openat(AT_FDCWD, \"/mnt/",
            "O_WRONLY|O_CREAT",
            "] exit_group(0) = ?\n",
            "-1 ENOENT (no such file",
        ] {
            ensure!(said.contains(call), "no {call}: {said}");
        }
        let said = told(kernel, "strace stdhello threads", 0)?;
        // Threads have numbers of their own.
        let makers = said.lines().filter(|line| line.contains("] exit(0) = ?")).count();
        ensure!(makers > 1 && said.contains("] futex("), "{makers} threads ended: {said}");
        Ok(())
    })
}

/// The k-th allocation of a frame fails, and all after it.
fn no_memory<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    there(kernel)?;
    // The beginning one by one, what is behind in steps.
    for k in (0..24).chain((24..400).step_by(47)) {
        kernel.injector().arm(k);
        let ran = kernel.run_job(Ctx::root(), &["stdhello", "storm", "1"], |_| (), || true, |_| ());
        kernel.injector().disarm();
        drop(ran);
        let frames = kernel.processes.frames();
        ensure!(frames == 0, "failure {k} kept {frames} frames");
        ensure!(kernel.processes.all().is_empty(), "failure {k} left a process");
    }
    succeeds(kernel, &["stdhello"])
}
