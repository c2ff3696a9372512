//! Tests of services: lines of the shell on every machine, programs where there are some.

use alloc::sync::Arc;

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::process::Processes;
use crate::svc::supervise::State;
use crate::svc::{Life, Service};
use crate::text::Text;
use crate::time::Duration;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "svc::a_service_starts_and_stops", run: comes_and_goes },
        Test { name: "svc::who_is_killed_is_started_again", run: killed },
        Test { name: "svc::a_cycle_is_refused_by_name", run: cycle },
        Test { name: "svc::whom_one_comes_after_is_ready_first", run: order },
        Test { name: "svc::who_does_not_become_ready_holds_nobody_for_ever", run: never_ready },
        Test { name: "svc::what_is_wrong_with_a_unit_is_named", run: wrong },
        Test { name: "svc::a_program_is_a_service", run: program },
        Test { name: "svc::each_failure_of_a_start_leaves_nothing", run: no_memory },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// How often somebody looks whether something has come.
const LOOKS: u32 = 5000;

/// What a command says, and whether it succeeded.
fn told<P: Platform>(kernel: &Kernel<P>, line: &str) -> (bool, Text) {
    let mut text = Text::default();
    let (status, _) = kernel.execute(line, &mut text);
    (status.0 == 0, text)
}

fn succeeds<P: Platform>(kernel: &Kernel<P>, line: &str) -> Result<Text, Failure> {
    let (good, text) = told(kernel, line);
    ensure!(good, "'{line}': {text}");
    Ok(text)
}

/// Does `work` with a directory of units of its own, and ends all services.
fn with_units<P: Platform>(
    kernel: &Kernel<P>,
    units: &[(&str, &str)],
    work: impl FnOnce(&Kernel<P>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    succeeds(kernel, "mkdir -p /etc/svc; mount -t tmpfs none /etc/svc")?;
    let result = units
        .iter()
        .try_for_each(|(name, unit)| {
            unit.lines().try_for_each(|line| {
                let text = Text::new(format_args!("echo '{line}' >> /etc/svc/{name}.svc"));
                succeeds(kernel, text.as_str()).map(drop)
            })
        })
        .and_then(|()| work(kernel));
    kernel.shut_services();
    succeeds(kernel, "umount /etc/svc")?;
    // Names that are remembered take memory.
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    result
}

fn named<P: Platform>(kernel: &Kernel<P>, name: &str) -> Result<Arc<Service<P>>, Failure> {
    kernel.svc.named(name).ok_or_else(|| Failure::new(format_args!("{name} is not known")))
}

/// Waits until something holds.
fn until<P: Platform>(kernel: &Kernel<P>, mut holds: impl FnMut() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        let there = holds();
        if !there {
            let _ = kernel.threads.sleep(Duration::from_millis(1));
        }
        there
    })
}

fn comes_and_goes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let unit = "exec = echo hello $WHO && sleep 1000\nenv = WHO=you";
    with_units(kernel, &[("one", unit)], |kernel| {
        succeeds(kernel, "svc start one")?;
        ensure!(named(kernel, "one")?.is_wanted());
        let said = |kernel: &Kernel<P>| told(kernel, "svc log one | grep 'hello you'").1;
        ensure!(until(kernel, || said(kernel).as_str() == "hello you\n"), "{}", said(kernel));
        let text = succeeds(kernel, "svc list | grep one")?;
        ensure!(text.as_str().contains(" up "), "{text}");
        succeeds(kernel, "svc stop one")?;
        ensure!(!named(kernel, "one")?.is_wanted());
        let (good, text) = told(kernel, "svc stop one");
        ensure!(!good && text.as_str().contains("one does not run"), "{text}");
        succeeds(kernel, "svc restart one")?;
        ensure!(named(kernel, "one")?.is_wanted());
        succeeds(kernel, "svc forget one")?;
        ensure!(named(kernel, "one").is_err());
        Ok(())
    })
}

/// The thread of a service.
fn thread<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> Option<Text> {
    let task = match service.life()? {
        Life::Thread(task) => task,
        Life::Process(id) => kernel.thread_of(id)?,
    };
    Some(Text::new(format_args!("{task}")))
}

/// Starts a service and kills what it runs in, as somebody at the shell would.
fn killed_and_back<P: Platform>(kernel: &Kernel<P>, name: &str) -> Result<(), Failure> {
    succeeds(kernel, Text::new(format_args!("svc start {name}")).as_str())?;
    let service = named(kernel, name)?;
    let mut first = None;
    ensure!(until(kernel, || {
        first = thread(kernel, &service);
        first.is_some()
    }));
    let first = first.unwrap_or_default();
    succeeds(kernel, Text::new(format_args!("kill {first}")).as_str())?;
    let back = || service.starts() == 2 && thread(kernel, &service).is_some_and(|next| next != first);
    ensure!(until(kernel, back), "{service:?}");
    ensure!(service.is_wanted());
    Ok(())
}

fn killed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_units(kernel, &[("one", "exec = sleep 1000")], |kernel| killed_and_back(kernel, "one"))
}

/// A program that tells when it can be used.
fn program<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    if !Processes::are_possible(kernel) {
        return Err(Failure::skip(format_args!("this machine runs no programs")));
    }
    let unit = "exec = /bin/beacon 1000000\nready = message\nmem = 8M\npids = 2\nuser = 7";
    with_units(kernel, &[("one", unit)], |kernel| {
        killed_and_back(kernel, "one")?;
        let service = named(kernel, "one")?;
        ensure!(until(kernel, || service.state() == State::Up), "{service:?}");
        let text = succeeds(kernel, "svc log one | grep can | wc")?;
        ensure!(text.as_str().trim_start().starts_with("2 "), "{text}");
        Ok(())
    })
}

fn cycle<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let units = [
        ("a", "exec = sleep 9\nafter = b"),
        ("b", "exec = sleep 9\nafter = a"),
        ("c", "exec = true\nafter = none"),
    ];
    with_units(kernel, &units, |kernel| {
        let (good, text) = told(kernel, "svc start a");
        ensure!(!good && text.as_str() == "svc: a circle: a -> b -> a\n", "{text}");
        let (good, text) = told(kernel, "svc start c");
        ensure!(!good && text.as_str().contains("c comes after none"), "{text}");
        ensure!(kernel.svc.all().is_empty());
        Ok(())
    })
}

fn order<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let units = [
        (
            "first",
            "exec = sleep 0.02 && echo first >> /etc/svc/log && svc ready first && sleep 1000\nready = message",
        ),
        ("then", "exec = echo then >> /etc/svc/log && sleep 1000\nafter = first"),
    ];
    with_units(kernel, &units, |kernel| {
        succeeds(kernel, "svc start then")?;
        let text = || told(kernel, "cat /etc/svc/log").1;
        ensure!(until(kernel, || text().as_str() == "first\nthen\n"), "{}", text());
        Ok(())
    })
}

fn never_ready<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let units =
        [("no", "exec = false\nready = message\nrestart = no"), ("then", "exec = sleep 9\nafter = no")];
    with_units(kernel, &units, |kernel| {
        let (good, text) = told(kernel, "svc start then");
        ensure!(!good && text.as_str().starts_with("svc: no is not ready: failed"), "{text}");
        ensure!(named(kernel, "then").is_err(), "it was started all the same");
        Ok(())
    })
}

fn wrong<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_units(kernel, &[("one", "exec = true\ncolour = red")], |kernel| {
        let (good, text) = told(kernel, "svc start one");
        ensure!(!good, "it started");
        ensure!(text.as_str().ends_with("one.svc: line 2, column 1: 'colour' is no key\n"), "{text}");
        let (good, text) = told(kernel, "svc start two");
        ensure!(!good && text.as_str().contains("there is no /etc/svc/two.svc"), "{text}");
        Ok(())
    })
}

/// The k-th allocation of a frame fails, and all after it: the service may not start, but the kernel goes on and all comes back.
fn no_memory<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const FAILURES: usize = 40;
    with_units(kernel, &[("one", "exec = sleep 1000\nrestart = no")], |kernel| {
        let mut started = 0;
        for k in 0..FAILURES {
            kernel.injector().arm(k);
            let result = kernel.start_services_of(Some("one"));
            kernel.injector().disarm();
            started += u32::from(result.is_ok());
            kernel.forget_service("one");
            ensure!(kernel.svc.all().is_empty(), "failure {k} left a service");
        }
        succeeds(kernel, "svc start one")?;
        ensure!(started > 0, "each of {FAILURES} failures was one of the start");
        Ok(())
    })
}
