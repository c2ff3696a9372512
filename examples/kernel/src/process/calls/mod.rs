//! The native system calls: from a number and six words to an answer.
//!
//! Words come from a program: none is trusted. A call that refuses changes nothing of the program but what it has written
//! already.

mod caps;
mod endpoints;
mod exec;
mod files;
pub(super) mod memory;
mod shared;
mod words;

use alloc::sync::Arc;

use kos_paging::VirtAddr;
use kos_user::abi::{self, Call};
use kos_vfs::Errno;

use super::list::Child;
use super::load::LoadError;
use super::running::Running;
use super::{End, StartError};
use crate::platform::{Platform, UserCall, UserContext};
use endpoints::Part;
pub(super) use endpoints::Pendings;
pub(super) use files::pieces;

/// What a call answers.
type Answer = Result<u64, Errno>;

/// Does the system call that a process made; the end, if that was it.
pub(super) fn serve<P: Platform>(running: &mut Running<P>) -> Option<End> {
    let UserCall { number, arguments } = running.user.call();
    let [a, b, c, d, e, f] = arguments;
    let answer = match Call::of(number) {
        Some(Call::Exit) => return Some(End::Exited(a.to_le_bytes()[0])),
        Some(Call::Write) => files::write(running, a, b, c),
        Some(Call::Read) => files::read(running, a, b, c),
        Some(Call::Open) => files::open(running, a, b, c),
        Some(Call::Close) => files::close(running, a),
        Some(Call::Sync) => files::sync(running, a),
        Some(Call::GetPid) => Ok(running.process.id.into()),
        Some(Call::Yield) => {
            running.kernel.threads.runtime().yield_now();
            Ok(0)
        }
        Some(Call::Ready) => {
            running.process.job.tell_ready(running.kernel);
            Ok(0)
        }
        Some(Call::Brk) => memory::brk(running, a),
        Some(Call::Map) => memory::map(running, memory::Wanted::new(a, b, c, d), e, f),
        Some(Call::Unmap) => memory::unmap(running, a, b),
        Some(Call::Protect) => memory::protect(running, a, b, c),
        Some(Call::Fork) => fork(running),
        Some(Call::Wait) => wait(running, a),
        Some(Call::Exec) => exec::exec(running, (a, b), c, [d, e]),
        Some(Call::Clock) => Ok(running.kernel.threads.runtime().now().duration_since_epoch().as_ticks()),
        Some(Call::EndpointCreate) => endpoints::create(running),
        Some(Call::Invoke) => endpoints::invoke(running, a, b, (c, d), e),
        Some(Call::Receive) => endpoints::receive(running, a, b, c),
        Some(Call::Reply) => endpoints::reply(running, a),
        Some(Call::ReplyReceive) => endpoints::reply_receive(running, a, b, c),
        Some(Call::LeaseRead) => endpoints::lease_read(running, part(arguments)),
        Some(Call::LeaseWrite) => endpoints::lease_write(running, part(arguments)),
        Some(call) => capability(running, call, arguments),
        None => Err(Errno::ENOSYS),
    };
    let word = answer.unwrap_or_else(|errno| u64::from(errno.number()).wrapping_neg());
    running.user.answer(word);
    None
}

const fn part([reply, lease, offset, at, length, _]: [u64; 6]) -> Part {
    Part { reply, lease, offset, at, length }
}

/// Calls about capabilities, and what is reached by them beside endpoints.
fn capability<P: Platform>(running: &Running<P>, call: Call, arguments: [u64; 6]) -> Answer {
    let [a, b, c, d, e, _] = arguments;
    match call {
        Call::Mint => caps::mint(running, a, b, c),
        Call::Duplicate => caps::duplicate(running, a, b),
        Call::Narrow => caps::narrow(running, a, b),
        Call::Release => caps::release(running, a),
        Call::Revoke => caps::revoke(running, a),
        Call::NotificationCreate => caps::notification(running),
        Call::Post => caps::post(running, a, b),
        Call::Take => caps::take(running, a, b, c),
        Call::Names => Ok(running.process.caps.names.raw()),
        Call::Publish => caps::publish(running, a, b, c, d),
        Call::Lookup => caps::lookup(running, a, (b, c), d, e),
        Call::SharedCreate => shared::create(running, a, (b, c), d),
        Call::SharedMap => shared::map(running, a, b),
        Call::SharedUnmap => shared::unmap(running, a),
        Call::Unlink => shared::unlink(running, a, (b, c)),
        _ => Err(Errno::ENOSYS),
    }
}

fn fork<P: Platform>(running: &Running<P>) -> Answer {
    running.fork().map(u64::from).map_err(|error| refusal(&error))
}

/// Why there is no process, or no other program, as a program is told.
fn refusal(error: &StartError) -> Errno {
    match error {
        StartError::NoMemory | StartError::Space(_) | StartError::Load(LoadError::Space(_)) => Errno::ENOMEM,
        StartError::File(errno) | StartError::Load(LoadError::File(errno)) => *errno,
        StartError::Load(LoadError::Elf(_)) => Errno::ENOEXEC,
        StartError::Load(LoadError::TooLong) => Errno::E2BIG,
        _ => Errno::EAGAIN,
    }
}

/// Waits for a child and tells its status.
fn wait<P: Platform>(running: &Running<P>, place: u64) -> Answer {
    let (kernel, own) = (running.kernel, running.process.id);
    let processes = &kernel.processes;
    let look = || match processes.list.child(own) {
        Child::Ended(process, task) => Some(Ok((process, task))),
        Child::None => Some(Err(Errno::ECHILD)),
        Child::Alive => None,
    };
    let (child, task) = processes.changed.wait_for(None, look).map_err(|_| Errno::EINTR)??;
    // One that is told to end leaves the thread of its child to the job.
    if kernel.join(task).is_ok() {
        processes.list.remove(child.id);
    }
    let status = match child.end() {
        Some(End::Exited(status)) => abi::exited(*status),
        _ => abi::KILLED,
    };
    let id = child.id;
    drop::<Arc<_>>(child);
    if place != 0 {
        running.space.copy_out(VirtAddr::new(place), &status.to_le_bytes()).map_err(|_| Errno::EFAULT)?;
    }
    Ok(id.into())
}
