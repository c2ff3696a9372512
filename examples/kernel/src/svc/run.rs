//! The thread that does what the supervisor of a service decides, and the lives of the service.
//!
//! A word with `/` names a program; another one a command of the shell, if there is one, else a program in `/bin`.

use core::fmt;

use kos_sched::TaskId;
use kos_vfs::{Cred, Ctx};

use super::service::{Life, Service};
use super::supervise::{Action, Ending, State};
use super::unit::Ready;
use crate::platform::Platform;
use crate::process::End;
use crate::shell::{self, Session, Status, Terminal};
use crate::text::Text;
use crate::threads::{How, Role, ThreadError, command_stack};
use crate::{Kernel, cmds, ipc};

/// Bytes of the stack of a supervisor.
const STACK: usize = 64 << 10;
/// Words of a program.
const WORDS: usize = 16;

/// Starts the thread of a supervisor.
pub(super) fn supervise<P: Platform>(kernel: &Kernel<P>, number: usize) -> Result<TaskId, ThreadError> {
    kernel.spawn(How::new("svc").stack(STACK), keep::<P>, number)
}

/// Does what the supervisor decides, to the end.
fn keep<P: Platform>(kernel: &Kernel<P>, number: usize) {
    let Some(service) = kernel.svc.numbered(number) else { return };
    loop {
        match service.next(kernel.threads.runtime().now()) {
            Action::Launch => {
                kernel.svc.tell();
                let how = live(kernel, &service);
                service.ended(kernel, how);
            }
            Action::Wait(until) => {
                let news = || (!matches!(service.state(), State::Waiting(_))).then_some(());
                // Whatever ended the wait: it looks.
                let _ = kernel.svc.changed.wait_for(until, news);
            }
            Action::Leave => return,
        }
    }
}

/// One life: how it ended.
fn live<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> Ending {
    service.say(format_args!("started, {}", service.unit.exec));
    let first = service.unit.words().next().unwrap_or("");
    if !first.contains('/') && cmds::find::<P>(first).is_some() {
        run_shell(kernel, service)
    } else {
        run_program(kernel, service)
    }
}

/// As whom it acts; its log says why not.
fn cred<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> Option<Cred<'static>> {
    let who = &service.unit.user;
    kernel.cred_of(who).inspect_err(|why| service.say(format_args!("{who}: {why}"))).ok()
}

fn run_program<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> Ending {
    let Some(cred) = cred(kernel, service) else { return Ending::Bad };
    let ctx = Ctx { cred, ..Ctx::root() };
    let words: heapless::Vec<&str, WORDS> = service.unit.words().take(WORDS).collect();
    let begun = match kernel.begin_job(ctx, words.as_slice(), &service.unit.quota) {
        Ok(begun) => begun,
        Err(why) => {
            service.say(format_args!("{why}"));
            return Ending::Bad;
        }
    };
    service.lives(Life::Process(begun.id()));
    kernel.svc.tell();
    let go_on = |told: bool| {
        if told && service.unit.ready == Ready::Message || listens(kernel, service) {
            service.ready(kernel);
        }
        !service.is_stopping()
    };
    let ended = kernel.finish_job(begun, |said| service.hear(said), go_on, |_| ());
    service.say(format_args!("process {}: {}", ended.id, ended.end));
    if ended.end == End::Exited(0) { Ending::Good } else { Ending::Bad }
}

/// Whether the name that it is to offer is there, if that is what it waits for.
fn listens<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> bool {
    let waits = service.unit.ready == Ready::Listen && service.state() == State::Starting;
    let Some(name) = service.unit.listen.as_ref().filter(|_| waits) else { return false };
    let Ok(ipc) = kernel.ipc() else { return false };
    let task = ipc::task::<P>();
    let client = ipc.client(&task, ipc::KERNEL);
    ipc.names.wait_for(&client, name.as_bytes(), Some(kernel.threads.runtime().now())).is_ok()
}

fn run_shell<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) -> Ending {
    let Some(cred) = cred(kernel, service) else { return Ending::Bad };
    let how = How::new(&service.name).stack(command_stack::<P>()).role(Role::Program).of(cred.uid);
    let task = match kernel.spawn(how, act::<P>, service.number) {
        Ok(task) => task,
        Err(why) => {
            service.say(format_args!("{why}"));
            return Ending::Bad;
        }
    };
    if !service.lives(Life::Thread(task)) {
        kernel.end_task(task);
    }
    kernel.svc.tell();
    // Nobody else joins it.
    let _ = kernel.join(task);
    service.take_ending()
}

/// The thread of a line of the shell.
fn act<P: Platform>(kernel: &Kernel<P>, number: usize) {
    let Some(service) = kernel.svc.numbered(number) else { return };
    let mut session = Session::new(kernel);
    let Some(cred) = cred(kernel, &service) else { return };
    if cred.uid != 0 && !session.become_user(cred) {
        return;
    }
    for variable in &service.unit.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        if let Err(why) = session.environment.set(name, value, true) {
            service.say(format_args!("{name}: {why}"));
            return;
        }
    }
    let (status, _) = shell::execute(&mut session, &service.unit.exec, &Said(&service));
    service.say(format_args!("status {}", status.0));
    service.shell_ended(if status == Status::SUCCESS { Ending::Good } else { Ending::Bad });
}

/// The log as a terminal.
struct Said<'a, P: Platform>(&'a Service<P>);

impl<P: Platform> Terminal for Said<'_, P> {
    fn write(&self, bytes: &[u8]) -> fmt::Result {
        self.0.hear(bytes);
        Ok(())
    }

    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result {
        // What is too long is cut.
        self.0.hear(Text::new(what).as_str().as_bytes());
        Ok(())
    }

    fn is_terminal(&self) -> bool {
        false
    }
}
