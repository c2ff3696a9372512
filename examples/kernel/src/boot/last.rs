//! The last stages: what holds from the boot on, and the services. In-kernel tests begin without either: each makes what it needs.

use crate::Kernel;
use crate::command_line::Mode;
use crate::error::Cause;
use crate::ipc::policy;
use crate::platform::Platform;
use crate::stage::Notes;
use crate::svc;
use crate::text::{Counted, Text};

/// Stage `init`: who there is, what is recorded, what programs may do to each other.
pub(super) fn init<P: Platform>(kernel: &Kernel<P>, notes: &mut Notes<'_, '_, P>) -> Result<(), Cause> {
    let line = kernel.command_line();
    kernel.audit.close(line.audit_closed);
    let users = match kernel.accounts_of_users() {
        Ok(accounts) => Text::new(format_args!("{}", Counted(accounts.all().len(), "user"))),
        Err(why) => {
            notes.warn(format_args!("{why}"));
            Text::new(format_args!("nobody can log in"))
        }
    };
    let policy = match line.mode {
        Mode::Test => "no policy, for tests",
        Mode::Shell | Mode::Run => load_policy(kernel, notes),
    };
    notes.figures(format_args!("{users}; {policy}"));
    Ok(())
}

/// Reads what programs may do to each other, if there is a file that says so; one that is wrong is named, and nothing of it counts.
fn load_policy<P: Platform>(kernel: &Kernel<P>, notes: &mut Notes<'_, '_, P>) -> &'static str {
    match policy::at_boot(kernel) {
        Ok(true) => "policy of its file",
        Ok(false) => "policy as built",
        Err(why) => {
            notes.warn(format_args!("{}: {why}", policy::PATH));
            "policy as built, as its file is wrong"
        }
    }
}

/// Stage `services`: starts those that have unit files, each for itself; one that does not start is named.
pub(super) fn services<P: Platform>(kernel: &Kernel<P>, notes: &mut Notes<'_, '_, P>) -> Result<(), Cause> {
    if matches!(kernel.command_line().mode, Mode::Test) {
        notes.figures(format_args!("none, for tests"));
        return Ok(());
    }
    let names = match svc::names(kernel) {
        Ok(names) => names,
        Err(why) => {
            notes.degraded(format_args!("{why}"));
            return Ok(());
        }
    };
    let mut up = 0;
    for name in &names {
        match kernel.start_services_of(Some(name)) {
            Ok(()) => up += 1,
            Err(why) => notes.warn(format_args!("{why}")),
        }
    }
    match names.len() {
        0 => notes.figures(format_args!("no units in {}", svc::PLACE)),
        all if all == up => notes.figures(format_args!("{} up", Counted(all, "unit"))),
        all => notes.degraded(format_args!("{up} of {} up", Counted(all, "unit"))),
    }
    Ok(())
}
