//! The machine as the kernel sees it: clock, timer, traps. And the deliberate faults.

use core::sync::atomic::Ordering::Relaxed;

use kos_alloc::CpuIndex;
use kos_net::Entropy as _;

use super::{Failure, Test};
use crate::Kernel;
use crate::command_line::Sabotage;
use crate::ensure;
use crate::glue::entropy::KernelEntropy;
use crate::platform::{Access, CpuState, LeftOut, Platform};
use crate::threads::How;
use crate::time::Duration;

/// Rounds of waiting after which a clock that stands still is given up; the slowest emulator does them in seconds.
const PATIENCE: u32 = 10_000_000;
/// The rate at which a timer ticks for the test that does not otherwise.
const TICKS_PER_SECOND: u32 = 100;
/// Two ticks take no longer than this on any machine, however slowly it is emulated and however busy its host is.
const TICK_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "machine::time_goes_on_and_never_back", run: time },
        Test { name: "machine::timer_ticks", run: ticks },
        Test { name: "machine::faults_are_survived_and_counted", run: faults },
        Test { name: "machine::random_bytes_of_one_moment_differ", run: random },
    ]
}

fn time<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let start = kernel.platform().now();
    let mut last = start;
    for _ in 0..PATIENCE {
        let now = kernel.platform().now();
        ensure!(now >= last, "time went back from {last} to {now}");
        if now > start {
            return Ok(());
        }
        last = now;
        core::hint::spin_loop();
    }
    Err(Failure::new(format_args!("time stands still")))
}

/// Two CPUs may ask in the same cycle.
fn random<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let moment = kernel.platform().cycles();
    let mut bytes = [[0; 16]; 2];
    for out in &mut bytes {
        KernelEntropy::at(kernel, moment).fill(out)?;
    }
    let [first, second] = bytes;
    ensure!(first != second, "{first:x?} twice");
    Ok(())
}

fn ticks<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let Some(timer) = kernel.timer else { return Err(Failure::skip(format_args!("no timer"))) };
    if timer.ticks_per_second > 0 {
        return await_ticks(kernel);
    }
    kernel.platform().set_tick_rate(TICKS_PER_SECOND)?;
    let result = await_ticks(kernel);
    kernel.platform().set_tick_rate(0)?;
    result
}

fn await_ticks<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (before, start) = (kernel.ticks(), kernel.platform().now());
    for _ in 0..PATIENCE {
        // The time first: whoever is kept from running between the two sees the ticks of that time, too.
        let waited = kernel.platform().now().checked_duration_since(start);
        if kernel.ticks() > before + 1 {
            return Ok(());
        }
        ensure!(waited.is_none_or(|waited| waited < TICK_LIMIT), "no tick in {TICK_LIMIT}");
        core::hint::spin_loop();
    }
    Err(Failure::new(format_args!("neither tick nor time came")))
}

fn faults<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let count =
        || kernel.platform().interrupts().filter(|s| s.name == "page fault").map(|s| s.count).sum::<u64>();
    let before = count();
    for _ in 0..10 {
        let answer = kernel.platform().probe(0, Access::Read);
        ensure!(
            answer.is_err_and(|refused| !refused.present && refused.address == 0),
            "address 0: {answer:?}"
        );
    }
    ensure!(count() == before + 10, "10 faults, {} counted", count() - before);
    Ok(())
}

/// The test that commits a fault, to prove that whoever runs the tests notices.
pub(super) fn sabotage<P: Platform>(kind: Sabotage) -> &'static Test<P> {
    match kind {
        Sabotage::Fail => &Test { name: "sabotage::fail", run: fail },
        Sabotage::Panic => &Test { name: "sabotage::panic", run: panic },
        Sabotage::Hang => &Test { name: "sabotage::hang", run: hang },
        Sabotage::Triple => &Test { name: "sabotage::triple", run: triple },
        Sabotage::PanicCpu => &Test { name: "sabotage::panic_cpu", run: panic_cpu },
        Sabotage::Overflow => &Test { name: "sabotage::overflow", run: overflow },
        Sabotage::SilentCpu => &Test { name: "sabotage::silent_cpu", run: silent_cpu },
        Sabotage::Race => &Test { name: "sabotage::race", run: race },
    }
}

fn fail<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    Err(Failure::new(format_args!("failed on purpose")))
}

fn panic<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    panic_now();
    Ok(())
}

fn hang<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    loop {
        core::hint::spin_loop();
    }
}

fn triple<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.platform().triple_fault();
    Err(Failure::new(format_args!("this machine has no triple fault")))
}

/// The others hold locks, wait for them, sleep, and must all stop.
fn panic_cpu<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.everywhere(|kernel, cpu| {
        if kernel.online().last() == Some(cpu) {
            panic_now();
        }
        loop {
            kernel.with_tables(|tables| tables.stats());
        }
    })?;
    Ok(())
}

/// A thread that calls itself until its stack ends.
fn overflow<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    fn dig(depth: u64) -> u64 {
        let below = if depth == u64::MAX { 0 } else { dig(core::hint::black_box(depth + 1)) };
        core::hint::black_box(below) + 1
    }
    if P::STACKS.is_none() {
        return Err(Failure::new(format_args!("nothing guards the stacks of this machine")));
    }
    let task = kernel.spawn(How::new("digger"), |_, depth| _ = dig(depth as u64), 0)?;
    let _used = kernel.join(task)?;
    Ok(())
}

#[expect(clippy::panic, reason = "the purpose of this test")]
fn panic_now() {
    panic!("panicked on purpose")
}

/// The boot survived it: the last CPU is named, all others run.
fn silent_cpu<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let count = kernel.platform().cpus().count();
    if count < 2 {
        return Err(Failure::skip(format_args!("one CPU")));
    }
    for cpu in kernel.platform().cpus() {
        let last = cpu.number.0 + 1 == count;
        let expected = if last { CpuState::LeftOut(LeftOut::Silent) } else { CpuState::Online };
        ensure!(cpu.state == expected, "cpu {} is {}", cpu.number.0, cpu.state);
    }
    Ok(())
}

/// Additions of each CPU in [`race`].
const ADDITIONS: u64 = 2;

/// Every CPU adds to one number, in two steps; what comes between them is lost. Few orders of events show it.
fn race<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.everywhere(|kernel, _| {
        let Some(sum) = kernel.crew.note(CpuIndex(0)) else { return 0 };
        for _ in 0..ADDITIONS {
            let before = sum.load(Relaxed);
            kernel.platform().now();
            sum.store(before + 1, Relaxed);
        }
        0
    })?;
    let expected = ADDITIONS * kernel.online().count() as u64;
    let sum = kernel.crew.note(CpuIndex(0)).map_or(0, |sum| sum.load(Relaxed));
    ensure!(sum == expected, "{expected} additions gave {sum}");
    Ok(())
}
