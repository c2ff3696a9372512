//! The threads of a program beside its first: [`Team`].
//!
//! The first thread stands for the program: it is what the kernel tells to end, and it is there until all others have ended, as a
//! process of Linux is. Whoever ends the program says how and tells the first thread; that ends the others, waits for each, and
//! only then gives back what they shared.
//!
//! Invariant: every thread that runs and is not the first is in the list, until somebody has waited for its end; once the team
//! [ends](Team::end) nobody is added.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use kos_sched::TaskId;
use kos_vfs::Errno;
use lock_api::Mutex;
use spin::Once;

use super::{Over, Running};
use crate::Kernel;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use crate::process::{End, Process, forever};
use crate::text::Text;

/// Threads of a program beside the first.
const MOST: usize = 31;

/// A thread beside the first.
#[derive(Debug)]
struct Member {
    id: u32,
    task: TaskId,
    /// It needs nothing any more that is shared.
    ended: bool,
}

struct Members {
    list: heapless::Vec<Member, MOST>,
    /// The program ends.
    closed: bool,
}

/// The threads beside the first.
pub(super) struct Team<P: Platform> {
    members: Mutex<SleepLock<P>, Members>,
    /// Those that have not ended: what the first thread waits for.
    alive: AtomicUsize,
}

impl<P: Platform> Team<P> {
    pub(super) const fn new() -> Self {
        let members = Members { list: heapless::Vec::new(), closed: false };
        Self { members: Mutex::new(members), alive: AtomicUsize::new(0) }
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// EAGAIN: there are as many as there may be, or no memory.
    pub(super) fn start(&self, running: Running<P>) -> Result<(), Errno> {
        let (kernel, process) = (running.thread.kernel, Arc::clone(&running.thread.process));
        let mut members = self.members.lock();
        // From then on the list is the first thread's alone.
        if members.closed {
            return Err(Errno::EAGAIN);
        }
        members.bury(kernel, &process);
        if members.list.is_full() || !kernel.has_room_for::<Running<P>>() {
            return Err(Errno::EAGAIN);
        }
        if !kernel.processes.list.add_thread(&process) {
            return Err(Errno::EAGAIN);
        }
        let id = running.id;
        self.alive.fetch_add(1, Relaxed);
        match forever::start(kernel, &process.name(), Box::new(running)) {
            Ok(task) => {
                // There is room.
                let _ = members.list.push(Member { id, task, ended: false });
                Ok(())
            }
            Err(_) => {
                self.alive.fetch_sub(1, Relaxed);
                kernel.processes.list.remove_thread(&process);
                Err(Errno::EAGAIN)
            }
        }
    }

    /// Whether one of them has this number.
    pub(super) fn has(&self, id: u32) -> bool {
        self.members.lock().list.iter().any(|member| member.id == id && !member.ended)
    }

    /// The first thread waits until all others have ended: true; or until it is told to end.
    pub(super) fn wait(&self, kernel: &Kernel<P>, end: &Once<End>) -> bool {
        let all_ended = || (end.is_completed() || self.alive.load(Relaxed) == 0).then_some(());
        kernel.processes.changed.wait_for(None, all_ended).is_ok()
    }

    /// Ends all of them, and waits until each has.
    pub(super) fn end(&self, kernel: &'static Kernel<P>, process: &Arc<Process<P>>) {
        self.members.lock().closed = true;
        loop {
            let Some(task) = self.members.lock().list.last().map(|member| member.task) else { return };
            kernel.end_task(task);
            bury(kernel, task);
            self.members.lock().list.pop();
            kernel.processes.list.remove_thread(process);
        }
    }
}

impl Members {
    /// Takes out those that have ended.
    fn bury<P: Platform>(&mut self, kernel: &'static Kernel<P>, process: &Arc<Process<P>>) {
        while let Some(place) = self.list.iter().position(|member| member.ended) {
            bury(kernel, self.list.swap_remove(place).task);
            kernel.processes.list.remove_thread(process);
        }
    }
}

/// Waits for the end of a thread that is on its way there. One that is itself told to end waits as well: it leaves nobody behind.
fn bury<P: Platform>(kernel: &'static Kernel<P>, task: TaskId) {
    let runtime = kernel.threads.runtime();
    while kernel.is_alive(task) && kernel.join(task).is_err() {
        runtime.scheduler().take_interrupt();
        runtime.yield_now();
    }
}

/// A thread that is not the first, from its first instruction to its end.
pub(super) fn live<P: Platform>(mut running: Running<P>) {
    let over = running.run();
    let (program, process) = (Arc::clone(&running.program), Arc::clone(&running.thread.process));
    let kernel = running.thread.kernel;
    match over {
        Over::Thread => running.say_over(),
        Over::Program(end) => program.ends(kernel, &process, end),
        Over::Told => {
            program.ends(kernel, &process, End::Killed(Text::new(format_args!("ended from outside"))));
        }
    }
    let id = running.id;
    drop(running);
    let mut members = program.team.members.lock();
    members.list.iter_mut().filter(|member| member.id == id).for_each(|member| member.ended = true);
    drop(members);
    program.team.alive.fetch_sub(1, Relaxed);
    drop((program, process));
    kernel.processes.changed.wake_all();
}

impl<P: Platform> super::Program<P> {
    /// All of it ends so, unless it ends otherwise already.
    fn ends(&self, kernel: &Kernel<P>, process: &Process<P>, end: End) {
        self.end.call_once(|| end);
        if let Some(task) = kernel.processes.list.task(process.id).filter(|&task| task != TaskId::NOBODY) {
            kernel.end_task(task);
        }
    }
}
