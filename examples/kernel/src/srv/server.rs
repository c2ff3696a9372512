//! Who keeps a server running: its supervisor, a thread of the kernel. And the server itself, as one, where there are no programs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use kos_ipc::cap::Rights;
use kos_user::ramfs::store::{Block, Entry, Node, Store};
use kos_user::ramfs::{self, Transport, Words};
use kos_vfs::{Ctx, Errno};

use super::{NAME, Service, SrvError};
use crate::Kernel;
use crate::glue::ipc::Who;
use crate::ipc::port::Incoming;
use crate::ipc::{self, Caps, Client, Handle, Message, Pending, Port};
use crate::platform::Platform;
use crate::process::Processes;
use crate::threads::How;
use crate::time::Duration;

/// Bytes of the stacks of supervisor and server.
const STACK: usize = 64 << 10;
/// How long a supervisor waits before it starts a server again: at first, and at most where servers die at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(1000));
/// A server that lived so long is not said to die at once.
const LONG: Duration = Duration::from_millis(1000);

impl<P: Platform> Kernel<P> {
    /// Starts the supervisor.
    pub(super) fn supervise(&self, service: &Arc<Service<P>>) -> Result<(), SrvError> {
        let how = How::new("srv").stack(STACK);
        let task = self.spawn(how, supervise::<P>, 0).map_err(SrvError::Thread)?;
        *service.supervisor.lock() = Some(task);
        Ok(())
    }
}

/// Starts a server whenever there is none.
fn supervise<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let Some(service) = kernel.srv.service() else { return };
    let mut pause = PAUSES.0;
    while !service.is_stopping() {
        let start = kernel.threads.runtime().now();
        service.starts.fetch_add(1, Relaxed);
        if Processes::are_possible(kernel) {
            run_program(kernel, &service);
        } else {
            run_thread(kernel, &service);
        }
        let lived = kernel.threads.runtime().now().checked_duration_since(start);
        let at_once = lived.is_none_or(|lived| lived < LONG);
        pause = if at_once { Duration::from_ticks(pause.as_ticks() * 2).min(PAUSES.1) } else { PAUSES.0 };
        wait(kernel, &service, pause);
    }
}

/// Sleeps so long, or until it is to stop.
fn wait<P: Platform>(kernel: &Kernel<P>, service: &Service<P>, length: Duration) {
    const LOOK: Duration = Duration::from_millis(5);
    let looks = length.as_ticks().div_ceil(LOOK.as_ticks());
    for _ in (0..looks).take_while(|_| !service.is_stopping()) {
        let _ = kernel.threads.sleep(LOOK);
    }
}

/// One life of the program.
fn run_program<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) {
    let hear = |said: &[u8]| kernel.platform().write_log(said);
    let go_on = || !service.is_stopping();
    // Whatever ended it, or kept it from beginning: it is started again.
    let _ = kernel.run_job(Ctx::root(), &["ramfsd"], hear, go_on, |_| ());
}

/// One life of the thread.
fn run_thread<P: Platform>(kernel: &Kernel<P>, service: &Service<P>) {
    let how = How::new("ramfsd").stack(STACK);
    let Ok(task) = kernel.spawn(how, serve::<P>, 0) else { return };
    *service.thread.lock() = Some(task);
    if service.is_stopping() {
        kernel.kill(task);
    }
    // Nobody else waits for it.
    let _ = kernel.join(task);
    *service.thread.lock() = None;
}

/// A server like the program, but for how calls come.
fn serve<P: Platform>(kernel: &Kernel<P>, _: usize) {
    let Ok(ipc) = kernel.ipc() else { return };
    let Ok(caps) = Caps::new(kernel, ipc, Who { domain: 1, process: 0 }) else { return };
    let task = ipc::task::<P>();
    let client = ipc.client(&task, caps.who);
    if let Ok(port) = offer(kernel, &caps, &client) {
        let calls = Calls { port, client: &client, pending: None };
        // Without memory it ends at once, and is started again later.
        let _ = with_store(|store| {
            let mut calls = calls;
            ramfs::serve(store, &mut calls);
        });
    }
    caps.end(ipc, || kernel.threads.runtime().yield_now());
}

/// Makes an endpoint and gives it the name.
fn offer<P: Platform>(
    kernel: &Kernel<P>,
    caps: &Caps<P>,
    client: &Client<'_, P>,
) -> Result<Arc<Port<P>>, Errno> {
    let ipc = kernel.ipc()?;
    let own = caps.serve(kernel, ipc, ipc::policy::ENDPOINT)?;
    let given = Rights::WRITE | Rights::DUPLICATE | Rights::TRANSFER;
    let given = [caps.space().duplicate(own, given).map_err(ipc::caps::errno)?];
    let mut carried = None;
    caps.giving().prepare(&given).map_err(ipc::caps::errno)?.commit(|_, cap| carried = Some(cap));
    let published = carried.map(|cap| ipc.names.publish(client, NAME, cap).is_ok());
    if published != Some(true) || !caps.gave(NAME) {
        return Err(Errno::EEXIST);
    }
    let guard = caps.space().get(own, Handle::<P>::PORT, Rights::READ).map_err(ipc::caps::errno)?;
    match &*guard {
        Handle::Port(port) => Ok(Arc::clone(port)),
        _ => Err(Errno::EINVAL),
    }
}

/// Files in the kernel's heap, as long as `work` runs.
fn with_store<R>(work: impl FnOnce(&mut Store<'_>) -> R) -> Option<R> {
    fn some<T: Clone>(count: usize, one: T) -> Option<Vec<T>> {
        let mut some = Vec::new();
        some.try_reserve_exact(count).ok()?;
        some.resize(count, one);
        Some(some)
    }
    let (nodes, entries, blocks) = ramfs::SIZES;
    let (mut nodes, mut entries) = (some(nodes, Node::new())?, some(entries, Entry::new())?);
    let mut blocks = some(blocks, Block::new())?;
    let mut store = Store::new(&mut nodes, &mut entries, &mut blocks)?;
    Some(work(&mut store))
}

/// Calls of an endpoint as requests.
struct Calls<'a, P: Platform> {
    port: Arc<Port<P>>,
    client: &'a Client<'a, P>,
    pending: Option<Pending<P>>,
}

impl<P: Platform> Transport for Calls<'_, P> {
    fn next(&mut self, answer: Option<Words>) -> Option<Words> {
        let received = match (self.pending.take(), answer) {
            (Some(pending), Some(Words { label, words })) => {
                pending.reply_receive(Message::<P>::new(label, words), self.client, None)
            }
            _ => self.port.receive(self.client, None),
        };
        let (message, _, pending): Incoming<P> = received.ok()?;
        self.pending = Some(pending);
        Some(Words { label: message.label, words: message.words })
    }

    fn read(&mut self, offset: u64, to: &mut [u8]) -> bool {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        self.pending.as_ref().is_some_and(|pending| pending.read(0, at, to).is_ok())
    }

    fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        self.pending.as_ref().is_some_and(|pending| pending.write(0, at, from).is_ok())
    }
}
