//! Programs of Linux: static ELF files for x86_64 make its system calls, threads among them. The first stage: what a static program of
//! Rust's std needs with files and threads.
//!
//! | part | idea |
//! |---|---|
//! | [`stack`] | what a program finds on its stack |
//! | [`table`] | from a number to a function |
//! | [`team`] | the threads of a program: how they come, how they end, who waits for whom |
//! | `files`, `names`, `status`, `listing` | open files, paths, what is known of files, directories |
//! | `memory`, `futex`, `time`, `signals`, `threads`, `system` | the other calls, by what they are about |
//!
//! Errors have Linux's numbers. A call that is not there answers ENOSYS, and says so once in the log. Pointers are copied through like
//! those of native programs; what is written before an error is found stays written.
//!
//! Not here: signal handlers (a fault ends the program, by name), `fork`, `exec`, sockets, pipes; files mapped shared into memory are
//! written back as for native programs. Lists of robust futexes and restartable sequences are refused, as kernels without them do.
//!
//! Sources: the manual pages of Linux, section 2; `arch/x86/entry/syscalls/syscall_64.tbl`.

mod files;
mod futex;
mod listing;
mod memory;
mod names;
mod numbers;
mod signals;
pub(super) mod stack;
mod status;
mod system;
mod table;
mod team;
mod threads;
mod time;

use alloc::sync::Arc;
use core::sync::atomic::AtomicU8;

use kos_ipc::posix::futex::FutexTable;
use kos_ipc::posix::signal::{SignalSet, SignalThread};
use kos_paging::VirtAddr;
use kos_vfs::{Ctx, Errno, View};
use lock_api::Mutex;
use spin::Once;

use super::descriptors::Descriptors;
use super::forever::Live;
use super::running::finish;
use super::thread::Thread;
use super::{End, StartError, postmortem};
use crate::glue::files::FilesEnv;
use crate::glue::ipc::{IpcEnv, Sleeper};
use crate::glue::sleep_lock::SleepLock;
use crate::ipc;
use crate::platform::{Platform, UserContext, UserExit};
use crate::text::Text;
use futex::Word;
pub(super) use numbers::{AT_FDCWD, int};
use signals::Actions;
pub(super) use system::Missed;
use team::Team;

/// What a call answers.
type Answer = Result<u64, Errno>;

/// Queues in which threads of one program wait at words.
const QUEUES: usize = 16;

/// What the threads of a program share.
struct Program<P: Platform> {
    files: Mutex<SleepLock<P>, Descriptors<P>>,
    /// Those of 0, 1 and 2 that are closed, a bit each.
    closed: AtomicU8,
    view: Mutex<SleepLock<P>, View<'static, FilesEnv<P>>>,
    ctx: Ctx<'static>,
    futexes: FutexTable<IpcEnv<P>, Word<P>, QUEUES>,
    actions: Mutex<SleepLock<P>, Actions>,
    team: Team<P>,
    /// How all of it is to end, once a thread has said so.
    end: Once<End>,
}

/// One thread of a program.
pub(super) struct Running<P: Platform> {
    thread: Thread<P>,
    program: Arc<Program<P>>,
    /// Its number; that of the first thread is that of the process.
    id: u32,
    /// The word that is 0 when it has ended, if that is wanted.
    clear: u64,
    /// Signals that it masks.
    masked: u64,
    /// Its stack for handlers: where, flags, bytes.
    alternative: [u64; 3],
    /// Where the data of its thread lies.
    thread_pointer: u64,
    /// What it has ended with, if it alone did.
    status: u8,
    /// It has called for its end.
    over: Option<Over>,
}

/// Why a thread runs no longer.
enum Over {
    /// It alone ends.
    Thread,
    /// All of the program ends so.
    Program(End),
    /// It was told to.
    Told,
}

impl<P: Platform> Running<P> {
    /// The first thread of a program.
    pub(super) fn first(
        thread: Thread<P>,
        view: View<'static, FilesEnv<P>>,
        ctx: Ctx<'static>,
        files: Descriptors<P>,
    ) -> Result<Self, StartError> {
        let id = thread.process.id;
        if !thread.kernel.has_room_for::<Program<P>>() {
            return Err(StartError::NoMemory);
        }
        let program = Arc::new(Program {
            files: Mutex::new(files),
            closed: AtomicU8::new(0),
            view: Mutex::new(view),
            ctx,
            // Who shares a queue is of one program: there is nobody from whom the order is to be hidden.
            futexes: FutexTable::new(Sleeper::new(), [0, 0]),
            actions: Mutex::new(Actions::new()),
            team: Team::new(),
            end: Once::new(),
        });
        Ok(Self {
            thread,
            program,
            id,
            clear: 0,
            masked: 0,
            alternative: signals::NO_STACK,
            thread_pointer: 0,
            status: 0,
            over: None,
        })
    }

    /// Whether it is the first thread, by which the kernel reaches the program.
    fn is_first(&self) -> bool {
        self.id == self.thread.process.id
    }

    fn run(&mut self) -> Over {
        loop {
            match self.thread.enter() {
                UserExit::Interrupted => {}
                UserExit::Call if self.thread.process.job.trace.is_some() => self.traced_call(),
                UserExit::Call => self.serve(),
                UserExit::Fault(fault) => {
                    if let Some(end) = self.thread.fault(fault) {
                        let Thread { kernel, process, space, user, .. } = &self.thread;
                        postmortem::tell(kernel, process, space, user);
                        return Over::Program(end);
                    }
                }
            }
            if let Some(over) = self.over.take() {
                return over;
            }
            self.thread.pay();
            if self.thread.kernel.is_told_to_end() {
                return Over::Told;
            }
        }
    }

    /// So many words of 8 bytes from `at` on.
    fn words<const N: usize>(&self, at: u64) -> Result<[u64; N], Errno> {
        let mut bytes = [[0; 8]; N];
        let copied = self.thread.space.copy_in(VirtAddr::new(at), bytes.as_flattened_mut());
        copied.map(|()| bytes.map(u64::from_le_bytes)).map_err(|_| Errno::EFAULT)
    }

    /// Puts words to `at` and behind.
    fn put<const N: usize>(&self, at: u64, words: [u64; N]) -> Result<(), Errno> {
        let bytes = words.map(u64::to_le_bytes);
        self.thread.space.copy_out(VirtAddr::new(at), bytes.as_flattened()).map_err(|_| Errno::EFAULT)
    }

    /// Does the system call that it made.
    fn serve(&mut self) {
        let call = self.thread.user.call();
        let answer = match table::find::<P>(call.number) {
            Some(entry) => (entry.run)(self, call.arguments),
            None => Err(system::unknown(self, call.number)),
        };
        let word = answer.unwrap_or_else(|errno| u64::from(errno.number()).wrapping_neg());
        self.thread.user.answer(word);
    }

    /// The same, of a program that somebody traces.
    #[cold]
    fn traced_call(&mut self) {
        let signature = table::find::<P>(self.thread.user.call().number).map(|entry| &entry.signature);
        let record = self.thread.trace_begins(self.id, signature);
        self.serve();
        self.thread.trace_ends(record, self.over.is_some());
    }

    /// Says to whoever waits that this thread has ended.
    fn say_over(&mut self) {
        let at = VirtAddr::new(core::mem::take(&mut self.clear));
        if at.get() != 0 {
            let cleared = self.thread.space.with_u32(at, true, |word| {
                word.store(0, core::sync::atomic::Ordering::SeqCst);
            });
            if cleared.is_ok() {
                // Nobody is left who could be told.
                let _ = futex::wake(self, at.get(), 1, kos_ipc::posix::futex::ANY);
            }
        }
    }

    /// The end of the program, in its first thread.
    fn end_of_all(&mut self, over: Over, signals: &SignalThread<'_, 'static, IpcEnv<P>>) -> End {
        let (program, kernel) = (Arc::clone(&self.program), self.thread.kernel);
        match over {
            Over::Program(end) => return program.end.call_once(|| end).clone(),
            Over::Thread => {
                self.say_over();
                if program.team.wait(kernel, &program.end) {
                    return program.end.get().cloned().unwrap_or(End::Exited(self.status));
                }
            }
            Over::Told => {}
        }
        program.end.get().cloned().unwrap_or_else(|| Thread::told(signals))
    }
}

impl<P: Platform> Live<P> for Running<P> {
    fn uid(&self) -> u32 {
        self.program.ctx.cred.uid
    }

    fn process(&self) -> u32 {
        self.thread.process.id
    }

    fn live(mut self) {
        if !self.is_first() {
            return team::live(self);
        }
        let process = Arc::clone(&self.thread.process);
        let end = match process.signals.join(ipc::task::<P>(), SignalSet::EMPTY) {
            Ok(signals) => {
                let over = self.run();
                self.end_of_all(over, &signals)
            }
            // There is one place, for the first thread.
            Err(why) => End::Killed(Text::new(format_args!("{why}"))),
        };
        let Self { thread, program, .. } = self;
        program.team.end(thread.kernel, &process);
        drop(process);
        // The last who has it: its files are closed.
        drop(program);
        finish(thread, end);
    }
}
