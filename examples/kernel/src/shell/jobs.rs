//! What runs in the background: [`Jobs`] of a session.
//!
//! A job is a list with a session of its own, run by a thread of its own. What it says waits in a pipe until its shell shows it:
//! before the next prompt, or when somebody waits for the job; who says more than the pipe holds waits too. A session that ends
//! ends its jobs.
//!
//! Invariant: what a job's thread has is counted, and borrows the kernel alone; [`Jobs`] joins the thread of each.
#![expect(unsafe_code, reason = "a thread gets an address; the kernel outlives its threads")]

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use kos_ipc::posix::pipe::{PipeReader, PipeWriter};
use kos_sched::TaskId;
use lock_api::Mutex;
use spin::Once;

use super::streams::Terminal;
use super::{CommandError, Session, Status, exec, lang};
use crate::Kernel;
use crate::glue::ipc::IpcEnv;
use crate::glue::sleep_lock::SleepLock;
use crate::ipc::{self, ByteStream};
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::{How, View, command_stack};

/// Jobs of a session at a time.
const MOST: usize = 16;

/// What a job's thread and its shell share.
struct Shared<'k, P: Platform> {
    text: String,
    said: ByteStream<P>,
    /// Until its thread takes it.
    session: Mutex<SleepLock<P>, Option<Session<'k, P>>>,
    status: Once<Status>,
}

/// A list in the background.
struct Job<'k, P: Platform> {
    number: u32,
    task: TaskId,
    shared: Arc<Shared<'k, P>>,
    /// Its thread has not ended, or was not waited for.
    alive: bool,
}

/// The jobs of a session.
pub(crate) struct Jobs<'k, P: Platform> {
    kernel: &'k Kernel<P>,
    list: Vec<Job<'k, P>>,
}

/// A job's pipe as its terminal.
struct Said<'a, P: Platform> {
    kernel: &'a Kernel<P>,
    writer: PipeWriter<'a, 'static, IpcEnv<P>>,
}

impl<P: Platform> Terminal for Said<'_, P> {
    fn write(&self, mut bytes: &[u8]) -> fmt::Result {
        let (task, ipc) = (ipc::task::<P>(), self.kernel.ipc().map_err(|_| fmt::Error)?);
        let client = ipc.client(&task, ipc::KERNEL);
        while !bytes.is_empty() {
            let written = self.writer.write(&client, bytes, None).map_err(|_| fmt::Error)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn complain(&self, what: fmt::Arguments<'_>) -> fmt::Result {
        let mut text = Text::default();
        // What is too long is cut.
        let _ = text.write_fmt(what);
        self.write(text.as_str().as_bytes())
    }

    fn is_terminal(&self) -> bool {
        false
    }
}

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

impl<'k, P: Platform> Shared<'k, P> {
    fn new(session: &Session<'k, P>, list: &str) -> Result<Self, CommandError> {
        let mut text = String::new();
        text.try_reserve_exact(list.len()).map_err(|_| failed(format_args!("no memory")))?;
        text.push_str(list);
        let said = ByteStream::new(session.kernel.ipc()?.next_id());
        let said = said.ok_or_else(|| failed(format_args!("no memory")))?;
        Ok(Self { text, said, session: Mutex::new(Some(session.fork()?)), status: Once::new() })
    }

    /// The life of the job.
    fn run(&self, kernel: &Kernel<P>) {
        let taken = self.session.lock().take();
        let Some(mut session) = taken else { return };
        let said = Said { kernel, writer: self.said.writer() };
        let mut status = Status::SUCCESS;
        // It was parsed before.
        for list in lang::parse(&self.text).iter().flat_map(|script| &script.lists) {
            status = exec::list(&mut session, list, &said).0;
            if status == Status::INTERRUPTED {
                break;
            }
        }
        drop(session);
        self.status.call_once(|| status);
        // Who finds the end of the pipe finds the status.
        drop(said);
    }
}

fn begin<P: Platform>(kernel: &Kernel<P>, argument: usize) {
    let shared = core::ptr::with_exposed_provenance::<Shared<'_, P>>(argument);
    // SAFETY: `start` gave the address of a count of its own to this thread alone. What it counts borrows the kernel, which neither
    // moves nor goes before every thread has ended (`Kernel::spawn`).
    let shared = unsafe { Arc::from_raw(shared) };
    shared.run(kernel);
}

impl<'k, P: Platform> Jobs<'k, P> {
    /// None.
    pub(super) const fn new(kernel: &'k Kernel<P>) -> Self {
        Self { kernel, list: Vec::new() }
    }

    /// Starts a list in a session like `session`; its number.
    fn start(&mut self, session: &Session<'k, P>, list: &str) -> Result<u32, CommandError> {
        if self.list.len() >= MOST {
            return Err(failed(format_args!("{MOST} jobs already")));
        }
        self.list.try_reserve(1).map_err(|_| failed(format_args!("no memory")))?;
        let shared = Shared::new(session, list)?;
        if !self.kernel.has_room_for::<Shared<'k, P>>() {
            return Err(failed(format_args!("no memory")));
        }
        let shared = Arc::new(shared);
        let number = self.list.iter().map(|job| job.number).max().unwrap_or(0) + 1;
        let given = Arc::into_raw(Arc::clone(&shared));
        let how = How::new("job").stack(command_stack::<P>()).of(session.ctx().cred.uid);
        match self.kernel.spawn(how, begin::<P>, given.expose_provenance()) {
            Ok(task) => self.list.push(Job { number, task, shared, alive: true }),
            Err(why) => {
                // SAFETY: no thread has this count.
                drop(unsafe { Arc::from_raw(given) });
                return Err(why.into());
            }
        }
        Ok(number)
    }

    fn find(&self, number: u32) -> Option<usize> {
        self.list.iter().position(|job| job.number == number)
    }

    /// The numbers of all, the oldest first.
    pub(crate) fn numbers(&self) -> heapless::Vec<u32, MOST> {
        self.list.iter().map(|job| job.number).collect()
    }

    /// Says what there is.
    pub(crate) fn list(&self, out: &mut dyn Write) -> fmt::Result {
        for job in &self.list {
            match job.shared.status.get() {
                None => writeln!(out, "[{}] runs      {}", job.number, job.shared.text)?,
                Some(status) => writeln!(out, "[{}] status {:<3}{}", job.number, status.0, job.shared.text)?,
            }
        }
        Ok(())
    }

    /// The thread of a job that has not ended.
    pub(crate) fn thread(&self, number: u32) -> Option<View> {
        let task = self.list.get(self.find(number)?)?.task;
        self.kernel.threads.view(task.index().as_usize()).filter(|view| view.task == task)
    }

    /// Tells a job to end; false if there is none of this number.
    pub(crate) fn kill(&self, number: u32) -> bool {
        let job = self.find(number).and_then(|at| self.list.get(at));
        job.inspect(|job| self.kernel.end_task(job.task)).is_some()
    }

    /// Shows what a job says until it has ended; its status. If the calling thread is told to end: [`None`], and the job runs on.
    pub(crate) fn attend(
        &mut self,
        number: u32,
        show: &mut dyn FnMut(&[u8]) -> fmt::Result,
    ) -> Result<Option<Status>, CommandError> {
        let at = self.find(number).ok_or_else(|| failed(format_args!("no job {number}")))?;
        let job = self.list.get_mut(at).ok_or(CommandError::Quiet)?;
        let (task, ipc) = (ipc::task::<P>(), self.kernel.ipc()?);
        let (client, reader) = (ipc.client(&task, ipc::KERNEL), job.shared.said.reader());
        let mut piece = [0; 256];
        while job.alive {
            match reader.read(&client, &mut piece, None) {
                // Nobody writes yet: its thread comes to that.
                Ok(0) if job.shared.status.get().is_none() => self.kernel.threads.runtime().yield_now(),
                Ok(0) => {
                    if self.kernel.join(job.task).is_err() {
                        return Ok(None);
                    }
                    job.alive = false;
                }
                Ok(count) => show(piece.get(..count).unwrap_or_default())?,
                Err(_) => return Ok(None),
            }
        }
        drain(&reader, &client, show)?;
        drop(reader);
        let status = job.shared.status.get().copied();
        self.list.remove(at);
        Ok(Some(status.unwrap_or(Status::FAILED)))
    }

    /// Shows what jobs have said. With `notify`, who has ended is named and forgotten.
    pub(super) fn show(&mut self, terminal: &dyn Terminal, notify: bool) {
        if self.list.is_empty() {
            return;
        }
        let (kernel, Ok(ipc)) = (self.kernel, self.kernel.ipc()) else { return };
        let task = ipc::task::<P>();
        let client = ipc.client(&task, ipc::KERNEL);
        self.list.retain_mut(|job| {
            let ended = job.shared.status.get().copied();
            // Who cannot be told is not told.
            let _ = drain(&job.shared.said.reader(), &client, &mut |bytes| terminal.write(bytes));
            let Some(status) = ended.filter(|_| notify) else { return true };
            if job.alive && kernel.join(job.task).is_err() {
                return true;
            }
            let text = Text::new(format_args!("[{}] status {}  {}\n", job.number, status.0, job.shared.text));
            let _ = terminal.write(text.as_str().as_bytes());
            false
        });
        if self.list.is_empty() {
            self.list = Vec::new();
        }
    }
}

/// Shows what there is.
fn drain<P: Platform>(
    reader: &PipeReader<'_, 'static, IpcEnv<P>>,
    client: &ipc::Client<'_, P>,
    show: &mut dyn FnMut(&[u8]) -> fmt::Result,
) -> fmt::Result {
    let mut piece = [0; 256];
    while let Ok(count @ 1..) = reader.try_read(client, &mut piece) {
        show(piece.get(..count).unwrap_or_default())?;
    }
    Ok(())
}

impl<P: Platform> Drop for Jobs<'_, P> {
    fn drop(&mut self) {
        for job in &self.list {
            self.kernel.end_task(job.task);
        }
        for job in self.list.iter().filter(|job| job.alive) {
            // If the caller is to end himself he still waits.
            while self
                .kernel
                .threads
                .view(job.task.index().as_usize())
                .is_some_and(|view| view.task == job.task)
            {
                if self.kernel.join(job.task).is_err() {
                    self.kernel.threads.runtime().yield_now();
                }
            }
        }
    }
}

impl<'k, P: Platform> Session<'k, P> {
    /// Runs a list in the background.
    pub(super) fn start_job(&mut self, list: &str, terminal: &dyn Terminal) -> Status {
        let mut jobs = core::mem::replace(&mut self.jobs, Jobs::new(self.kernel));
        let started = jobs.start(self, list);
        self.jobs = jobs;
        // Who cannot be told is not told.
        match started {
            Ok(number) => {
                let text = Text::new(format_args!("[{number}] {list}\n"));
                let _ = terminal.write(text.as_str().as_bytes());
                Status::SUCCESS
            }
            Err(why) => {
                let _ = terminal.complain(format_args!("{list}: {why}\n"));
                Status::FAILED
            }
        }
    }
}
