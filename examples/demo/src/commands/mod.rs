//! The things that `cargo demo` does, and what they share: preparing a boot and judging its end.

mod bench;
mod crash;
mod net;
mod run;
mod shell;
mod shot;
mod test;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::crash::points::Wanted;
use crate::args::{Action, Args, Options};
use crate::build;
use crate::disk;
use crate::error::Error;
use crate::fail;
use crate::guest::{Boot, Run};
use crate::image::{self, Image};
use crate::interrupt::Interrupt;
use crate::ktap::{self, KtapError};
use crate::machine::Accel;
use crate::python;
use crate::qemu::{self, Search};
use crate::report::Report;
use crate::status::Status;
use crate::transfer;
use crate::verdict::{Exit, Trouble};
use crate::wheels;

/// Does what the arguments say; returns what to exit with. Everything was said.
#[must_use]
pub fn execute(args: &Args, interrupt: &Interrupt) -> Status {
    let mut session = Session { report: Report::new(args.options.verbose), interrupt, args };
    session.execute().unwrap_or_else(|error| {
        session.report.say(&format!("cargo demo: {error}"));
        match error {
            Error::Qemu(_) if session.may_offer_hosted() => session.offer_hosted(),
            error => error.status(),
        }
    })
}

/// What every action needs at hand.
struct Session<'a> {
    report: Report,
    interrupt: &'a Interrupt,
    args: &'a Args,
}

impl Session<'_> {
    fn execute(&mut self) -> Result<Status, Error> {
        match &self.args.action {
            None | Some(Action::Py { exec: None, .. } | Action::Gdb { .. }) => shell::execute(self),
            Some(Action::Run { .. } | Action::Py { exec: Some(_), .. } | Action::Smp { .. }) => {
                run::execute(self)
            }
            Some(Action::Test { .. }) => test::execute(self),
            Some(Action::Crash { points: Some(points), seed, replay, .. }) => {
                let wanted = Wanted { points: *points, seed: *seed, replay: *replay };
                crash::points::execute(self, wanted)
            }
            Some(Action::Crash { errors: Some(runs), seed, .. }) => {
                crash::errors::execute(self, *runs, *seed)
            }
            Some(Action::Crash { kill, seed, .. }) => crash::kill::execute(self, *kill, *seed),
            Some(Action::Net { count, exchange, pcap }) => {
                net::execute(self, &net::Plan { count: *count, exchange: *exchange, pcap: pcap.clone() })
            }
            Some(Action::Shot { out }) => shot::execute(self, out.as_deref()),
            Some(Action::Bench { update, budgets }) => bench::execute(self, *update, budgets.as_deref()),
        }
    }

    fn options(&self) -> &Options {
        &self.args.options
    }

    /// Builds and finds everything for a boot.
    fn boot(&mut self) -> Result<Boot, Error> {
        let Self { report, interrupt, args } = self;
        let options = &args.options;
        // Before the build: who lacks QEMU should not wait for a compiler first.
        let qemu = Search::here(options.qemu.clone(), !options.no_install).find(report, interrupt)?;
        if options.accel == Accel::Kvm {
            qemu::probe_kvm()?;
        }
        let python = match args.wants_python() {
            true => {
                let settings = wheels(&args.action, report, interrupt)?;
                let module = python::fetch(report, interrupt).map_err(Error::Python)?;
                Some(python::archive(&module, settings.as_deref()))
            }
            false => None,
        };
        let kernel = match given_image(options) {
            Some(image) => image,
            None => build::image(options.target.as_deref(), args.wants_python(), report, interrupt)?,
        };
        let image = Image::read(&kernel).map_err(|cause| Error::Image(kernel.clone(), cause))?;
        if image.end > options.mem.bytes() {
            return Err(Error::TooLittleMemory { given: options.mem, needed: image.end });
        }
        let mut machine = args.board();
        if machine.disk.is_none() && args.wants_disk() && io::stdin().is_terminal() {
            machine.disk = Some(build::folder().join("disk.img"));
        }
        if let Some(path) = machine.disk.as_deref().filter(|path| !path.exists()) {
            disk::make(path).map_err(|cause| Error::Disk(path.into(), cause))?;
            report.detail(&format!("made {}: a kosfs of {} MiB", path.display(), disk::BYTES >> 20));
        }
        let initrd = options.initrd.as_deref();
        let put = match &args.action {
            Some(Action::Run { put, .. }) if !put.is_empty() => {
                Some(transfer::archive(put).map_err(|(path, cause)| Error::Initrd(path, cause))?)
            }
            _ => None,
        };
        let module = match python.or(put) {
            Some(archive) => image::module_with(image.symbols, &archive),
            None => image::module(image.symbols, initrd)
                .map_err(|cause| Error::Initrd(initrd.unwrap_or(Path::new("")).into(), cause))?,
        };
        Ok(Boot {
            qemu,
            machine,
            kernel,
            module,
            command_line: Action::command_line(args.action.as_ref())
                + Action::login(args.action.as_ref(), options.login),
            timeout: args.limit(),
            endless_once_ready: false,
            cable: None,
        })
    }

    /// Says how a run ended and keeps the evidence if it ended badly. `failed`: what failed, by name.
    fn conclude(&mut self, run: &Run, verdict: Result<Exit, Trouble>, failed: &[String]) -> Status {
        if let Some(ready) = run.ready {
            let (ready, took) = (ready.as_millis(), run.took.as_millis());
            self.report.detail(&format!("QEMU's start to ready: {ready} ms; to its end: {took} ms"));
        }
        let (status, words) = match verdict {
            Ok(Exit::Success) => return Status::Success,
            Ok(Exit::Failed) => (Status::Failed, format!("failed: {}", failed.join(", "))),
            Err(trouble @ (Trouble::Refused(_) | Trouble::Tests(KtapError::NothingPlanned))) => {
                // A request that cannot be met: there is no evidence to keep.
                self.report.say(&format!("cargo demo: {trouble}"));
                if self.options().accel == Accel::Kvm {
                    self.report.say("a /dev/kvm that is there may still not work: take --accel tcg");
                }
                return Status::Usage;
            }
            Err(trouble) => (Status::Broken, trouble.to_string()),
        };
        self.show_log(run);
        self.report.say(&format!("cargo demo: {words}"));
        self.keep_evidence(run, &words);
        status
    }

    fn keep_evidence(&mut self, run: &Run, words: &str) {
        if !run.complaints.is_empty() {
            self.report.say(&format!("QEMU said: {}", run.complaints));
        }
        match fail::keep(&build::folder(), run, words) {
            Ok(folder) => self.report.say(&format!("what it left is in {}", folder.display())),
            Err(error) => self.report.say(&format!("the log could not be kept: {error}")),
        }
    }

    /// Shows what was not shown as it came.
    fn show_log(&mut self, run: &Run) {
        let text = run.log.text();
        let unseen = match &self.args.action {
            _ if self.report.verbose() => "",
            None | Some(Action::Py { exec: None, .. } | Action::Gdb { .. }) => "",
            Some(Action::Test { .. }) => text.split(ktap::HEADER).next().unwrap_or_default(),
            Some(_) => &text,
        };
        if !unseen.is_empty() {
            self.report.say(&format!("--- log of the kernel\n{}\n---", unseen.trim_end()));
        }
    }

    /// Whether somebody is there to answer.
    fn may_offer_hosted(&self) -> bool {
        !self.options().no_install && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Offers the same kernel as a Linux process. Does not return if the user takes it.
    fn offer_hosted(&mut self) -> Status {
        self.report.raw(b"Run the same kernel as a Linux process instead (cargo hosted shell)? [y/N] ");
        let mut answer = String::new();
        if io::stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y") {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.current_dir(build::workspace()).args(["hosted", "shell"]).args(self.hosted_commands());
            let _ = io::stdout().flush();
            // Returns only if it could not be started.
            self.report.say(&format!("cannot run cargo: {}", cargo.exec()));
        }
        Status::NoQemu
    }

    fn hosted_commands(&self) -> Vec<String> {
        let commands = match &self.args.action {
            // It has no instructions to count, one CPU, and no screen.
            None
            | Some(
                Action::Smp { .. }
                | Action::Bench { .. }
                | Action::Crash { .. }
                | Action::Net { .. }
                | Action::Shot { .. }
                | Action::Gdb { .. }
                | Action::Py { exec: None, .. },
            ) => {
                return Vec::new();
            }
            Some(Action::Run { exec, .. } | Action::Py { exec: Some(exec), .. }) => exec.clone(),
            Some(Action::Test { .. }) => "selftest".into(),
        };
        vec!["--exec".into(), commands]
    }
}

/// Fetches and serves the wheels that are asked for; what the guest's `pip` is told of it.
fn wheels(
    action: &Option<Action>,
    report: &mut Report,
    interrupt: &Interrupt,
) -> Result<Option<String>, Error> {
    let Some(Action::Py { wheels: Some(folder), fetch, .. }) = action else { return Ok(None) };
    wheels::fetch(fetch, folder, report, interrupt).map_err(Error::Wheels)?;
    let port = wheels::serve(folder).map_err(Error::Wheels)?;
    report.detail(&format!("{} is the index http://127.0.0.1:{port}/simple/", folder.display()));
    Ok(Some(wheels::settings(port)))
}

fn given_image(options: &Options) -> Option<PathBuf> {
    let given = || env::var_os("KOS_IMAGE").filter(|path| !path.is_empty() && options.target.is_none());
    options.image.clone().or_else(|| given().map(PathBuf::from))
}
