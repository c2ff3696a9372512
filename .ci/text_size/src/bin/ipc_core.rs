//! Capabilities, calls and notifications, as a small kernel would have them: every operation once, no heap.
#![no_std]
#![no_main]

use core::hint::black_box;

use kos_ipc::cap::{CapSlot, CapSpace, Cell, Cells, Object, Rights};
use kos_ipc::endpoint::{CallSlot, Endpoint};
use kos_ipc::notify::Notification;
use kos_ipc::policy::NoPolicy;
use kos_ipc::quota::{Limits, QuotaNode, Quotas};
use kos_ipc::{BlockReason, Caller, Env, Instant, Park, Resume};
use kos_text_size::NoLock;

struct Small;

impl Env for Small {
    type Lock = NoLock;
    type Irq = ();
    type Park = Threads;
    type Policy = NoPolicy;
}

#[derive(Clone)]
struct Threads;

impl Park for Threads {
    type Token = u8;

    fn park(&self, me: &u8, _: Option<Instant>, _: BlockReason) -> Resume {
        if black_box(*me) == 0 { Resume::Woken } else { Resume::TimedOut }
    }

    fn unpark(&self, thread: &u8) {
        black_box(*thread);
    }
}

#[derive(Clone)]
struct Thing(u32);

impl Object for Thing {
    fn kind(&self) -> u8 {
        1
    }
}

type Words = [u32; 8];

/// What a process does with its capabilities, and what a transfer and the end of a process do.
fn use_caps<'s>(ours: &'s CapSpace<'s, Small, Thing>, theirs: &'s CapSpace<'s, Small, Thing>) {
    let Ok(id) = ours.insert(Thing(black_box(7)), Rights::all(), 0) else { return };
    let made = [ours.duplicate(id, Rights::READ), ours.mint(id, Rights::TRANSFER, 3)];
    black_box(ours.check(id, Rights::READ).is_ok());
    black_box(ours.get(id, 1, Rights::READ).map_or(0, |guard| guard.0));
    black_box(ours.narrow(id, Rights::READ).is_ok());
    let mut message = [const { None }; 2];
    if let [_, Ok(given)] = made
        && let Ok(transfer) = ours.prepare(&[given])
    {
        transfer.commit(|at, cap| {
            if let Some(place) = message.get_mut(at) {
                *place = Some(cap);
            }
        });
    }
    black_box(theirs.accept(&mut message, |_, id| _ = black_box(id)).is_ok());
    if let Ok(mut revocation) = ours.revoke(id) {
        _ = black_box(revocation.step(4));
    }
    black_box(ours.close(id).is_ok());
    _ = black_box(theirs.close_all().step(8));
}

/// One call of each kind.
fn use_calls(endpoint: &Endpoint<'_, Small, Words>, caller: &Caller<'_, Small>) {
    black_box(endpoint.call(caller, 1, [0; 8], None, None).is_ok());
    if let Ok(received) = endpoint.recv(caller, None) {
        let (_, next) = endpoint.reply_recv(received.token, received.message, caller, None);
        black_box(next.is_ok_and(|next| next.token.reply([1; 8]).is_ok()));
    }
    _ = black_box(endpoint.close().step(8, |_| true));
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let (mut nodes, mut cells) = ([const { QuotaNode::new() }; 2], [const { Cell::new() }; 4]);
    let quotas = Quotas::<Small>::new(&mut nodes);
    let cells = Cells::new(&mut cells, &quotas);
    let (mut ours, mut theirs) = ([const { CapSlot::new() }; 4], [const { CapSlot::new() }; 4]);
    let mut calls = [const { CallSlot::new() }; 2];
    let endpoint = Endpoint::new(Threads, &mut calls, 0, 0);
    let bits = Notification::<Small>::new(Threads, 0, 0);
    if let Ok(quota) = quotas.root(Limits::UNLIMITED)
        && let Ok(ours) = CapSpace::new(&mut ours, &cells, quota.clone(), 1)
        && let Ok(theirs) = CapSpace::new(&mut theirs, &cells, quota, 2)
    {
        use_caps(&ours, &theirs);
    }
    let token = black_box(3);
    let caller = Caller::new(&token, (), &NoPolicy);
    use_calls(&endpoint, &caller);
    black_box(bits.post(&caller, 1).is_ok());
    black_box(bits.take(&caller, 1, None).is_ok());
    loop {}
}
