//! Tests of the files and of the disk under them.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use alloc::vec::Vec;

use kos_vfs::block::{BlockDevice, QueueStats};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::files::Files;
use crate::platform::Platform;
use crate::shell::Status;
use crate::threads::{How, Member};
use crate::time::Duration;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "files::commands_leave_nothing_behind", run: commands },
        Test { name: "disk::many_reads_in_flight", run: many_reads },
        Test { name: "disk::block_wait_sleeps", run: wait_sleeps },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn commands<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    struct Nowhere;
    impl core::fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> core::fmt::Result {
            Ok(())
        }
    }
    if kernel.files().is_none_or(Files::has_disk) {
        return Err(Failure::skip(format_args!(
            "no files, or some of which others keep what they read in memory"
        )));
    }
    for command in [
        "mount -t tmpfs none /mnt",
        "mkdir -p /mnt/a/b",
        "free > /mnt/a/f",
        "cp -r /mnt/a /mnt/c",
        "ls -l /mnt/c",
        "umount /mnt",
    ] {
        let (status, _) = kernel.execute(command, &mut Nowhere);
        ensure!(status == Status::SUCCESS, "'{command}' ends with {}", status.0);
    }
    let files = kernel.files().ok_or_else(|| Failure::skip(format_args!("no files")))?;
    // Names that are remembered take memory; forgotten, they do not.
    files.vfs().shrink(0);
    files.vfs().check().map_err(|what| Failure::new(format_args!("{what}")))
}

/// The disk, if it has a queue.
fn disk<P: Platform>(kernel: &Kernel<P>) -> Result<P::Disk, Failure> {
    let disk =
        kernel.files().and_then(|files| files.disk()).filter(|_| kernel.platform().disk_queue().is_some());
    disk.cloned().ok_or_else(|| Failure::skip(format_args!("no disk with a queue")))
}

/// One long read is many requests, all of them on their way before the first is waited for.
fn many_reads<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let disk = disk(kernel)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(128 << 10)?;
    bytes.resize(128 << 10, 0);
    let mut stats = QueueStats::default();
    // A device that is quick beside a slow CPU finishes the first before the last is sent: it is given some tries.
    for _ in 0..100 {
        disk.read(0, &mut bytes)?;
        stats = kernel.platform().disk_queue().unwrap_or_default();
        if stats.most_in_flight >= 8 {
            break;
        }
    }
    ensure!(stats.most_in_flight >= 8, "{} requests in flight at most", stats.most_in_flight);
    ensure!(stats.failed == 0 && stats.completed <= stats.submitted, "{stats:?}");
    Ok(())
}

/// Who waits for the disk leaves the CPU to others.
fn wait_sleeps<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (disk, turns) = (disk(kernel)?, AtomicUsize::new(0));
    let other = || {
        while !kernel.is_told_to_end() {
            turns.fetch_add(1, Relaxed);
            kernel.threads.breathe();
        }
    };
    let cpu = kernel.threads.this_cpu();
    let (before, mut bytes) = (kernel.platform().disk_queue().unwrap_or_default(), [0; 4096]);
    kernel.with_team(&[Member::new(How::new("other").on(cpu), &other)], |_| {
        for round in 0..64 {
            disk.read(round * 8, &mut bytes)?;
        }
        let _ = kernel.threads.sleep(Duration::from_millis(5));
        Ok::<_, kos_vfs::DeviceError>(())
    })??;
    let waits = kernel.platform().disk_queue().unwrap_or_default().waits - before.waits;
    ensure!(
        waits > 0 && turns.load(Relaxed) > 0,
        "{waits} waits, {} turns of the other",
        turns.load(Relaxed)
    );
    Ok(())
}
