//! Tests of quotas: hostile programs in a group of their own stop there, and others run on.

use alloc::sync::Arc;

use kos_vfs::Ctx;

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::process::job::{Job, Taken};
use crate::process::{End, StartError};
use crate::svc::quota::Quota;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "quota::a_memory_hog_stops_at_its_quota", run: hog },
        Test { name: "quota::a_fork_bomb_stops_at_its_quota", run: bomb },
        Test { name: "quota::a_cpu_hog_gets_its_share", run: computes },
        Test { name: "quota::open_files_end_at_their_quota", run: files },
        Test { name: "quota::memory_is_given_back_to_whom_it_was_charged", run: copies },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// What a job said first.
type Said = heapless::Vec<u8, 128>;

/// Runs a program in a group; `watch` sees it run and says whether it goes on. How it ended, what it took and said.
fn limited<P: Platform>(
    kernel: &Kernel<P>,
    words: &[&str],
    quota: &Quota,
    mut watch: impl FnMut(&Job<P>) -> bool,
) -> Result<(End, Taken, Said), Failure> {
    if let Err(StartError::NoPrograms) = kernel.processes.ports(kernel) {
        return Err(Failure::skip(format_args!("this machine runs no programs")));
    }
    let begun = kernel.begin_job(Ctx::root(), words, quota)?;
    let (job, mut said) = (begun.job(), Said::new());
    let hear = |bytes: &[u8]| {
        // What is too long is cut.
        let _ = bytes.iter().try_for_each(|&byte| said.push(byte));
    };
    let ended = kernel.finish_job(begun, hear, |_| watch(&job), |_| ());
    let taken = job.taken();
    ensure!(taken.bytes.0 == 0 && taken.files.0 == 0, "{words:?}: still charged: {taken:?}");
    drop::<Arc<Job<P>>>(job);
    let frames = kernel.processes.frames();
    ensure!(frames == 0, "{words:?} kept {frames} frames");
    Ok((ended.end, taken, said))
}

/// Somebody else, who runs as ever.
fn other<P: Platform>(kernel: &Kernel<P>) -> bool {
    let ended = kernel.run_job(Ctx::root(), &["hello"], |_| (), || true, |_| ());
    ended.is_ok_and(|ended| ended.end == End::Exited(0))
}

fn hog<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const MOST: u64 = 1 << 20;
    let quota = Quota { mem: Some(MOST), ..Quota::default() };
    let (end, taken, _) = limited(kernel, &["crash", "hog"], &quota, |_| true)?;
    ensure!(matches!(end, End::Killed(_)), "{end}");
    let most = taken.bytes.1;
    ensure!((MOST / 100 * 95..=MOST).contains(&most), "it had {most} of {MOST} bytes");
    ensure!(other(kernel), "nobody else runs");
    Ok(())
}

fn bomb<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const MOST: usize = 6;
    let quota = Quota { pids: Some(6), ..Quota::default() };
    let (mut most, mut others, mut looks) = (0, 0, 0);
    let watch = |job: &Job<P>| {
        let all = kernel.processes.all();
        most = most.max(all.iter().filter(|process| core::ptr::eq(&raw const *process.job, job)).count());
        looks += 1;
        // While it rages; it is asked again until all have ended.
        others += u32::from(others < 2 && most == MOST && other(kernel));
        others < 2 && looks < 500
    };
    let (end, ..) = limited(kernel, &["crash", "bomb"], &quota, watch)?;
    ensure!(matches!(end, End::Signaled(_)), "{end}");
    ensure!(most == MOST, "{most} processes of {MOST}");
    ensure!(others == 2, "others ran {others} times");
    Ok(())
}

/// It gets no more than its share, ever; and no less, unless the machine is taken away from all of us, which is why it may try again.
fn computes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const TRIES: usize = 8;
    for _ in 0..TRIES {
        if has_its_share(kernel)? {
            ensure!(other(kernel), "nobody else runs");
            return Ok(());
        }
    }
    Err(Failure::new(format_args!("it had less than its share {TRIES} times")))
}

/// Runs who computes for ever at a share; whether that was had in full, within 5 %.
fn has_its_share<P: Platform>(kernel: &Kernel<P>) -> Result<bool, Failure> {
    const PERCENT: u64 = 20;
    // What a group that has slept may take at once, in nanoseconds at its share.
    const BURST: u64 = 10_000_000;
    let quota = Quota { cpu: Some(20), ..Quota::default() };
    let start = kernel.threads.runtime().now();
    let mut looks = 0;
    let watch = |job: &Job<P>| {
        looks += 1;
        job.taken().waits < 10 && looks < 2000
    };
    let (_, taken, _) = limited(kernel, &["spin"], &quota, watch)?;
    ensure!(taken.waits >= 10, "{taken:?}");
    // It waited for all that it took but the last piece: at each end of a wait it had its share, within 5 %.
    let paid = taken.paid.saturating_sub(start.as_ticks());
    let most = (paid + BURST) * PERCENT / 100;
    ensure!(taken.cpu <= most + most / 20, "{} ns of {most}", taken.cpu);
    Ok(taken.cpu >= paid * PERCENT / 100 * 95 / 100)
}

fn files<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let quota = Quota { fds: Some(5), ..Quota::default() };
    let (end, taken, said) = limited(kernel, &["crash", "files"], &quota, |_| true)?;
    ensure!(end == End::Exited(0) && *said == *b"5 files\n", "{end}: {said:?}");
    ensure!(taken.files.1 == 5, "{taken:?}");
    Ok(())
}

fn copies<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let quota = Quota { mem: Some(16 << 20), cpu: Some(100), pids: Some(9), fds: Some(9) };
    let (end, taken, _) = limited(kernel, &["fork-demo"], &quota, |_| true)?;
    ensure!(end == End::Exited(0) && taken.bytes.1 > 0, "{end}: {taken:?}");
    Ok(())
}
