//! The objects of kos-ipc between threads of this kernel: whoever waits is woken, told, or timed out, and nothing is lost.

use core::marker::PhantomData;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use kos_ipc::cap::{CapError, CapSlot, CapSpace, Cell, Cells, Object, Rights};
use kos_ipc::endpoint::{CallError, CallSlot, Endpoint, SendReason};
use kos_ipc::notify::{
    AcquireError, CounterError, CounterMode, EventCounter, Notification, NotifyError, Semaphore,
};
use kos_ipc::policy::NoPolicy;
use kos_ipc::posix::pipe::{Pipe, PipeError, PipePage};
use kos_ipc::quota::{Limits, QuotaNode, Quotas, Resource};
use kos_ipc::ring::{Mpmc, MpmcSlot, PopError, PushError, Records, Slot, Spsc};
use kos_ipc::wait::{Event, Mode, Nesting, Progress, Readiness, Source, WaitQueue, WaitSet, WatchSlot};
use kos_ipc::{Caller, Env, WaitError};
use kos_sched::{Park, TaskId};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::glue::ipc::{Masked, Sleeper};
use crate::platform::Platform;
use crate::threads::{How, Member};
use crate::time::{Duration, Instant, after};

/// kos-ipc over the threads, locks and interrupts of this kernel, without its rules.
#[derive(Debug)]
struct TestEnv<P>(PhantomData<fn() -> P>);

impl<P: Platform> Env for TestEnv<P> {
    type Lock = <P::Env as kos_alloc::Env>::Lock;
    type Irq = Masked<P>;
    type Park = Sleeper<P>;
    type Policy = NoPolicy;
}

struct Table<P>(PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "ipc::a_ring_of_one_to_one_keeps_order", run: spsc },
        Test { name: "ipc::a_ring_of_many_to_many_loses_nothing", run: mpmc },
        Test { name: "ipc::records_come_as_they_were_sent", run: records },
        Test { name: "ipc::bits_add_up_until_they_are_taken", run: notification },
        Test { name: "ipc::who_waits_for_bits_is_woken", run: bits_wake },
        Test { name: "ipc::permits_are_as_many_as_there_are", run: semaphore },
        Test { name: "ipc::permits_go_round_among_threads", run: permits },
        Test { name: "ipc::events_are_counted", run: counter },
        Test { name: "ipc::a_wait_ends_in_time", run: timeout },
        Test { name: "ipc::who_waits_for_what_is_closed_is_told", run: closed },
        Test { name: "ipc::a_wake_up_is_for_one", run: queue },
        Test { name: "ipc::a_pipe_carries_more_than_it_holds", run: pipe },
        Test { name: "ipc::a_pipe_without_writers_ends", run: pipe_end },
        Test { name: "ipc::a_pipe_without_readers_is_broken", run: pipe_broken },
        Test { name: "ipc::a_call_has_one_answer", run: call },
        Test { name: "ipc::calls_of_several_are_answered_each", run: calls },
        Test { name: "ipc::a_call_that_is_dropped_is_told", run: dropped },
        Test { name: "ipc::a_call_without_a_server_ends_in_time", run: unserved },
        Test { name: "ipc::rights_only_shrink", run: rights },
        Test { name: "ipc::a_revoked_capability_takes_its_children_along", run: revoke },
        Test { name: "ipc::a_full_table_of_capabilities_refuses", run: full_table },
        Test { name: "ipc::a_quota_holds_for_all_below", run: quota },
        Test { name: "ipc::one_waits_for_the_first_of_several", run: set },
        Test { name: "ipc::an_edge_is_told_once", run: edge },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a wait that ends by itself takes.
const SHORT: Duration = Duration::from_millis(2);

fn soon<P: Platform>(kernel: &Kernel<P>, length: Duration) -> Option<Instant> {
    Some(after(kernel.platform().now(), length))
}

fn me<P: Platform>(kernel: &Kernel<P>) -> TaskId {
    kernel.threads.runtime().current()
}

/// Lets `work` go on in another thread while the caller does `meanwhile`.
fn beside<P: Platform, R>(
    kernel: &Kernel<P>,
    work: &(dyn Fn() + Sync),
    meanwhile: impl FnOnce() -> R,
) -> Result<R, Failure> {
    Ok(kernel.with_team(&[Member::new(How::new("beside"), work)], |_| meanwhile())?)
}

fn spsc<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ITEMS: u64 = 2000;
    let mut slots = [const { Slot::new() }; 8];
    let mut ring = Spsc::new(&mut slots)?;
    let (mut producer, consumer) = ring.split();
    let (consumer, wrong, seen) = (spin::Mutex::new(consumer), AtomicU64::new(0), AtomicU64::new(0));
    let take = || {
        while seen.load(SeqCst) < ITEMS && !kernel.is_told_to_end() {
            match consumer.lock().pop() {
                Some(item) => {
                    let expected = seen.fetch_add(1, SeqCst);
                    wrong.fetch_add(u64::from(item != expected), SeqCst);
                }
                None => kernel.threads.breathe(),
            }
        }
    };
    let until = after(kernel.platform().now(), PATIENCE);
    beside(kernel, &take, || {
        let mut item = 0;
        while item < ITEMS && kernel.platform().now() < until {
            match producer.push(item) {
                Ok(()) => item += 1,
                Err(_) => kernel.threads.runtime().yield_now(),
            }
        }
        while seen.load(SeqCst) < item && kernel.platform().now() < until {
            kernel.threads.runtime().yield_now();
        }
    })?;
    let (seen, wrong) = (seen.load(SeqCst), wrong.load(SeqCst));
    ensure!(seen == ITEMS && wrong == 0, "{seen} of {ITEMS} came, {wrong} of them others");
    Ok(())
}

fn mpmc<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ITEMS: u64 = 500;
    let mut slots = [const { MpmcSlot::new() }; 4];
    let ring = Mpmc::new(&mut slots)?;
    let (pushed, sum, count) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let produce = || {
        while let Some(mut item) = Some(pushed.fetch_add(1, SeqCst)).filter(|&item| item < ITEMS) {
            while let Err(PushError::Full(back) | PushError::Busy(back)) = ring.push(item) {
                item = back;
                if kernel.is_told_to_end() {
                    return;
                }
                kernel.threads.breathe();
            }
        }
    };
    let members = [Member::new(How::new("one"), &produce), Member::new(How::new("other"), &produce)];
    let until = after(kernel.platform().now(), PATIENCE);
    kernel.with_team(&members, |_| {
        while count.load(SeqCst) < ITEMS && kernel.platform().now() < until {
            match ring.pop() {
                Ok(item) => {
                    sum.fetch_add(item, SeqCst);
                    count.fetch_add(1, SeqCst);
                }
                Err(PopError::Empty | PopError::Busy) => kernel.threads.runtime().yield_now(),
            }
        }
    })?;
    let (sum, count) = (sum.load(SeqCst), count.load(SeqCst));
    ensure!(count == ITEMS && sum == ITEMS * (ITEMS - 1) / 2, "{count} items of the sum {sum}");
    Ok(())
}

fn records<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    let mut memory = [0; 256];
    let mut ring = Records::new(&mut memory)?;
    let (mut producer, mut consumer) = ring.split();
    for round in 0..100_u8 {
        let length = usize::from(round % 60);
        let mut grant = producer.grant(60)?;
        grant.iter_mut().for_each(|byte| *byte = round);
        grant.commit(length);
        let record = consumer.read()?;
        ensure!(record.len() == length && record.iter().all(|&byte| byte == round), "record {round}");
        record.release();
    }
    ensure!(producer.grant(1000).is_err(), "a record is larger than its ring");
    ensure!(consumer.read().is_err(), "a record came that nobody sent");
    Ok(())
}

fn notification<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, news) = (me(kernel), Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    news.post(&caller, 0b0001)?;
    news.post(&caller, 0b0111)?;
    ensure!(news.try_take(&caller, 0b0011)? == 0b0011 && news.pending() == 0b0100);
    let none = news.try_take(&caller, 0b0011);
    ensure!(none == Err(NotifyError::WouldBlock), "{none:?}");
    Ok(news.check().map_err(|what| Failure::new(format_args!("{}", what.what)))?)
}

fn bits_wake<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ROUNDS: u64 = 50;
    let (there, back) = (
        Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1),
        Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 2),
    );
    let answer = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        while let Ok(bits) = there.take(&caller, u64::MAX, soon(kernel, PATIENCE)) {
            if back.post(&caller, bits << 1).is_err() {
                return;
            }
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let good = beside(kernel, &answer, || {
        let good = (0..ROUNDS).all(|round| {
            let bit = 1 << (round % 60);
            there.post(&caller, bit).is_ok()
                && back.take(&caller, u64::MAX, soon(kernel, PATIENCE)) == Ok(bit << 1)
        });
        there.close();
        good
    })?;
    ensure!(good, "a bit did not come back");
    Ok(())
}

fn semaphore<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, permits) = (me(kernel), Semaphore::<TestEnv<P>>::new(Sleeper::new(), 3, 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    permits.try_acquire(&caller, 2)?;
    let more = permits.try_acquire(&caller, 2);
    ensure!(more == Err(AcquireError::WouldBlock) && permits.available() == 1, "{more:?}");
    permits.release(&caller, 2)?;
    permits.try_acquire(&caller, 3)?;
    ensure!(permits.available() == 0);
    permits.release(&caller, Semaphore::<TestEnv<P>>::MAX)?;
    ensure!(permits.release(&caller, 1).is_err(), "more permits than there can be");
    Ok(())
}

/// Two permits among four threads: never more than two have one, and all get theirs.
fn permits<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const ROUNDS: u64 = 20;
    let permits = Semaphore::<TestEnv<P>>::new(Sleeper::new(), 2, 0, 1);
    let (inside, most, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        for _ in 0..ROUNDS {
            if permits.acquire(&caller, 1, soon(kernel, PATIENCE)).is_err() {
                return;
            }
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            kernel.threads.runtime().yield_now();
            inside.fetch_sub(1, SeqCst);
            if permits.release(&caller, 1).is_err() {
                return;
            }
        }
        done.fetch_add(1, SeqCst);
    };
    let members = ["one", "two", "three", "four"].map(|name| Member::new(How::new(name), &work));
    let until = after(kernel.platform().now(), PATIENCE);
    kernel.with_team(&members, |_| {
        while done.load(SeqCst) < 4 && kernel.platform().now() < until {
            let _ = kernel.threads.sleep(Duration::from_micros(200));
        }
    })?;
    let (most, done) = (most.load(SeqCst), done.load(SeqCst));
    ensure!(done == 4 && most <= 2, "{done} are done, {most} had a permit at once");
    Ok(())
}

fn counter<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let whole = EventCounter::<TestEnv<P>>::new(Sleeper::new(), 0, CounterMode::Whole, 0, 1);
    whole.try_write(&caller, 2)?;
    whole.try_write(&caller, 3)?;
    ensure!(whole.try_read(&caller)? == 5);
    let empty = whole.try_read(&caller);
    ensure!(empty == Err(CounterError::WouldBlock), "{empty:?}");
    let one = EventCounter::<TestEnv<P>>::new(Sleeper::new(), 2, CounterMode::One, 0, 2);
    ensure!(one.try_read(&caller)? == 1 && one.try_read(&caller)? == 1 && one.try_read(&caller).is_err());
    one.try_write(&caller, u64::MAX - 1)?;
    let full = one.try_write(&caller, 1);
    ensure!(full == Err(CounterError::WouldBlock), "{full:?}");
    Ok(())
}

fn timeout<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (me, news) = (me(kernel), Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let caller = Caller::new(&me, (), &NoPolicy);
    let until = soon(kernel, SHORT);
    let waited = news.take(&caller, 1, until);
    ensure!(waited == Err(NotifyError::Wait(WaitError::TimedOut)), "{waited:?}");
    ensure!(Some(kernel.platform().now()) >= until, "a wait ended before its time");
    news.post(&caller, 1)?;
    // What is there is given whatever the time.
    ensure!(news.take(&caller, 1, until)? == 1);
    Ok(())
}

fn closed<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1);
    let (waits, told) = (AtomicBool::new(false), AtomicBool::new(false));
    let wait = || {
        let me = me(kernel);
        waits.store(true, SeqCst);
        let waited = news.take(&Caller::new(&me, (), &NoPolicy), 1, soon(kernel, PATIENCE));
        told.store(waited == Err(NotifyError::Wait(WaitError::PeerClosed)), SeqCst);
    };
    let until = after(kernel.platform().now(), PATIENCE);
    beside(kernel, &wait, || {
        while !waits.load(SeqCst) && kernel.platform().now() < until {
            kernel.threads.runtime().yield_now();
        }
        let _ = kernel.threads.sleep(SHORT);
        news.close();
        while !told.load(SeqCst) && kernel.platform().now() < until {
            let _ = kernel.threads.sleep(Duration::from_micros(200));
        }
    })?;
    ensure!(told.load(SeqCst), "who waited was not told");
    Ok(())
}

fn queue<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (queue, gifts, taken) =
        (WaitQueue::<TestEnv<P>>::new(Sleeper::new()), AtomicU64::new(0), AtomicU64::new(0));
    let take = || gifts.fetch_update(SeqCst, SeqCst, |gifts| gifts.checked_sub(1)).ok();
    let wait = || {
        if queue.wait_for(&me(kernel), 0, soon(kernel, PATIENCE), take).is_ok() {
            taken.fetch_add(1, SeqCst);
        }
    };
    let members = ["one", "two", "three"].map(|name| Member::new(How::new(name), &wait));
    let until = after(kernel.platform().now(), PATIENCE);
    let counted = kernel.with_team(&members, |_| {
        (1..=3).all(|count| {
            gifts.fetch_add(1, SeqCst);
            queue.wake(1);
            while taken.load(SeqCst) < count && kernel.platform().now() < until {
                let _ = kernel.threads.sleep(Duration::from_micros(200));
            }
            taken.load(SeqCst) == count
        })
    })?;
    ensure!(counted, "{} of three took what was given", taken.load(SeqCst));
    Ok(())
}

fn pipe<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const BYTES: usize = 64 << 10;
    let mut pages = alloc::vec::Vec::new();
    pages.try_reserve_exact(2)?;
    pages.resize_with(2, PipePage::new);
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer) = (pipe.reader(), pipe.writer());
    let writer = spin::Mutex::new(Some(writer));
    let send = || {
        let (me, Some(writer)) = (me(kernel), writer.lock().take()) else { return };
        let caller = Caller::new(&me, (), &NoPolicy);
        let mut piece = [0; 600];
        let mut sent = 0;
        while sent < BYTES {
            let count = piece.len().min(BYTES - sent);
            for (place, byte) in (sent..).zip(&mut piece) {
                *byte = (place % 251).to_le_bytes()[0];
            }
            match writer.write(&caller, piece.get(..count).unwrap_or_default(), soon(kernel, PATIENCE)) {
                Ok(count) => sent += count,
                Err(_) => return,
            }
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let (came, wrong) = beside(kernel, &send, || {
        let (mut came, mut wrong, mut piece) = (0_usize, 0, [0; 777]);
        while let Ok(count @ 1..) = reader.read(&caller, &mut piece, soon(kernel, PATIENCE)) {
            let piece = piece.get(..count).unwrap_or_default();
            wrong +=
                (came..).zip(piece).filter(|(place, byte)| (place % 251).to_le_bytes()[0] != **byte).count();
            came += count;
        }
        (came, wrong)
    })?;
    ensure!(came == BYTES && wrong == 0, "{came} bytes of {BYTES}, {wrong} of them others");
    Ok(())
}

fn pipe_end<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut pages = alloc::vec::Vec::new();
    pages.try_reserve_exact(1)?;
    pages.resize_with(1, PipePage::new);
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer, me) = (pipe.reader(), pipe.writer(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    let empty = reader.try_read(&caller, &mut [0]);
    ensure!(empty == Err(PipeError::WouldBlock), "{empty:?}");
    writer.write(&caller, b"abc", None)?;
    drop(writer);
    let mut bytes = [0; 8];
    ensure!(reader.read(&caller, &mut bytes, None)? == 3 && reader.read(&caller, &mut bytes, None)? == 0);
    Ok(())
}

fn pipe_broken<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut pages = alloc::vec::Vec::new();
    pages.try_reserve_exact(1)?;
    pages.resize_with(1, PipePage::new);
    let pipe = Pipe::<TestEnv<P>>::new(Sleeper::new(), &mut pages, 0, 1);
    let (reader, writer, me) = (pipe.reader(), pipe.writer(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    ensure!(writer.try_write(&caller, &[1; 4096])? == 4096, "a page does not take a page");
    let full = writer.try_write(&caller, &[1]);
    ensure!(full == Err(PipeError::WouldBlock), "{full:?}");
    drop(reader);
    let broken = writer.write(&caller, b"a", None);
    ensure!(broken == Err(PipeError::Broken), "{broken:?}");
    Ok(())
}

fn call<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const CALLS: u64 = 50;
    let mut slots = [const { CallSlot::new() }; 2];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let serve = || {
        let me = me(kernel);
        while let Ok(call) = endpoint.recv(&Caller::new(&me, (), &NoPolicy), soon(kernel, PATIENCE)) {
            // A caller who waits no more needs no answer.
            let _ = call.token.reply(call.message * 2 + call.badge);
        }
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let wrong = beside(kernel, &serve, || {
        let wrong = (0..CALLS)
            .filter(|&number| {
                endpoint.call(&caller, 7, number, None, soon(kernel, PATIENCE)) != Ok(number * 2 + 7)
            })
            .count();
        while endpoint.close().step(64, |_| true) == Progress::More {}
        wrong
    })?;
    ensure!(wrong == 0, "{wrong} of {CALLS} answers were others");
    Ok(())
}

fn calls<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const CALLS: u64 = 20;
    let mut slots = [const { CallSlot::new() }; 4];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let (right, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let ask = || {
        let me = me(kernel);
        let caller = Caller::new(&me, (), &NoPolicy);
        let own = me.index().as_usize() as u64;
        for number in 0..CALLS {
            let answer = endpoint.call(&caller, own, number, None, soon(kernel, PATIENCE));
            right.fetch_add(u64::from(answer == Ok(number + own)), SeqCst);
        }
        done.fetch_add(1, SeqCst);
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let members = ["one", "two", "three"].map(|name| Member::new(How::new(name), &ask));
    kernel.with_team(&members, |_| {
        while done.load(SeqCst) < 3 {
            match endpoint.recv(&caller, soon(kernel, SHORT)) {
                Ok(call) => drop(call.token.reply(call.message + call.badge)),
                Err(_) => kernel.threads.breathe(),
            }
        }
    })?;
    let right = right.load(SeqCst);
    ensure!(right == 3 * CALLS, "{right} of {} answers were right", 3 * CALLS);
    Ok(())
}

fn dropped<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut slots = [const { CallSlot::new() }; 2];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let serve = || {
        let me = me(kernel);
        drop(endpoint.recv(&Caller::new(&me, (), &NoPolicy), soon(kernel, PATIENCE)));
    };
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    let answer = beside(kernel, &serve, || endpoint.call(&caller, 0, 1, None, soon(kernel, PATIENCE)))?;
    ensure!(answer == Err(CallError::ReplyDropped), "{answer:?}");
    Ok(())
}

fn unserved<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut slots = [const { CallSlot::new() }; 1];
    let endpoint = Endpoint::<TestEnv<P>, u64>::new(Sleeper::new(), &mut slots, 0, 1);
    let me = me(kernel);
    let caller = Caller::new(&me, (), &NoPolicy);
    for _ in 0..2 {
        let answer = endpoint.call(&caller, 0, 1, None, soon(kernel, SHORT));
        // Its place is free again for the next.
        let in_time = matches!(&answer, Err(CallError::Unsent(unsent)) if unsent.reason == SendReason::Wait(WaitError::TimedOut));
        ensure!(in_time, "{answer:?}");
    }
    while endpoint.close().step(64, |_| true) == Progress::More {}
    let answer = endpoint.call(&caller, 0, 1, None, None);
    ensure!(matches!(answer, Err(CallError::Unsent(_))), "{answer:?}");
    Ok(())
}

/// An object of the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port(u32);

impl Object for Port {
    fn kind(&self) -> u8 {
        1
    }
}

/// A table of four capabilities, three of which can have children, and a quota.
fn with_space<P: Platform>(
    work: impl FnOnce(&CapSpace<'_, TestEnv<P>, Port>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut nodes, mut cells) = ([const { QuotaNode::new() }; 1], [const { Cell::new() }; 3]);
    let quotas = Quotas::<TestEnv<P>>::new(&mut nodes);
    let cells = Cells::new(&mut cells, &quotas);
    let quota = quotas.root(Limits::UNLIMITED)?;
    let mut slots = [const { CapSlot::new() }; 4];
    let space = CapSpace::new(&mut slots, &cells, quota, 0x5eed)?;
    work(&space)?;
    space.check_all().map_err(|what| Failure::new(format_args!("{}", what.what)))
}

fn rights<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let all = space.insert(Port(1), Rights::READ | Rights::DUPLICATE, 0)?;
        let more = space.duplicate(all, Rights::READ | Rights::WRITE);
        ensure!(more.is_err(), "a copy has more rights: {more:?}");
        let reader = space.duplicate(all, Rights::READ)?;
        ensure!(space.duplicate(reader, Rights::READ).is_err(), "it may not be copied");
        let (seen, refused) = (space.get(reader, 1, Rights::READ)?, space.check(reader, Rights::WRITE));
        ensure!(*seen == Port(1) && refused == Err(CapError::MissingRights(Rights::WRITE)), "{refused:?}");
        drop(seen);
        space.close(all)?;
        let stale = space.check(all, Rights::READ);
        ensure!(matches!(stale, Err(CapError::Stale { .. })), "{stale:?}");
        Ok(())
    })
}

fn revoke<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let root =
            space.insert(Port(1), Rights::READ | Rights::DUPLICATE | Rights::MINT | Rights::REVOKE, 0)?;
        let child = space.mint(root, Rights::READ | Rights::DUPLICATE, 5)?;
        let grandchild = space.duplicate(child, Rights::READ)?;
        ensure!(space.check(grandchild, Rights::READ)?.badge == 5);
        space.revoke(root)?.finish();
        for gone in [child, grandchild] {
            ensure!(space.check(gone, Rights::READ).is_err(), "a child outlived the revocation");
        }
        Ok(())
    })
}

fn full_table<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let mut held = heapless::Vec::<_, 8>::new();
        let refused = loop {
            match space.insert(Port(2), Rights::READ, 0) {
                // There are four.
                Ok(id) => drop(held.push(id)),
                Err(error) => break error,
            }
        };
        ensure!(held.len() == 4 && space.stats().live == 4, "{} of 4, then {refused:?}", held.len());
        for id in held {
            space.close(id)?;
        }
        let id = space.insert(Port(3), Rights::READ, 0)?;
        ensure!(space.get(id, 1, Rights::READ)?.0 == 3);
        Ok(())
    })
}

fn quota<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    let mut nodes = [const { QuotaNode::new() }; 3];
    let quotas = Quotas::<TestEnv<P>>::new(&mut nodes);
    let user = quotas.root(Limits { bytes: 100, ..Limits::UNLIMITED })?;
    let (one, other) =
        (user.child(Limits { bytes: 80, ..Limits::UNLIMITED })?, user.child(Limits::UNLIMITED)?);
    one.charge(Resource::Bytes, 60)?;
    let (own, shared) = (one.charge(Resource::Bytes, 30), other.charge(Resource::Bytes, 41));
    ensure!(own.is_err_and(|refused| refused.left == 20), "{own:?}");
    ensure!(shared.is_err_and(|refused| refused.left == 40), "{shared:?}");
    other.charge(Resource::Bytes, 40)?;
    one.refund(Resource::Bytes, 60);
    other.refund(Resource::Bytes, 40);
    ensure!(user.used(Resource::Bytes) == 0);
    Ok(())
}

fn set<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = pin!(Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let permits = pin!(Semaphore::<TestEnv<P>>::new(Sleeper::new(), 0, 0, 2));
    let (news, permits) = (news.into_ref(), permits.into_ref());
    let nesting = Nesting::new();
    let slots: Pin<&mut [WatchSlot<TestEnv<P>, &dyn Source<TestEnv<P>>>]> =
        pin!([const { WatchSlot::new() }; 2]);
    let set = pin!(WaitSet::new(Sleeper::new(), slots, None, &nesting, 0, 3));
    let (set, this) = (set.into_ref(), me(kernel));
    let caller = Caller::new(&this, (), &NoPolicy);
    set.watch(&caller, news, 10, Readiness::READABLE, Mode::Level)?;
    set.watch(&caller, permits, 20, Readiness::READABLE, Mode::Level)?;
    let mut events = [Event::NONE; 4];
    let none = set.wait(&caller, &mut events, soon(kernel, SHORT));
    ensure!(none.is_err(), "nothing happened, but {none:?}");
    let release = || {
        let me = me(kernel);
        let _ = kernel.threads.sleep(SHORT);
        // What fails is seen by who waits.
        let _ = permits.release(&Caller::new(&me, (), &NoPolicy), 1);
    };
    let seen = beside(kernel, &release, || set.wait(&caller, &mut events, soon(kernel, PATIENCE)))?;
    let key = events.first().map(|event| event.key);
    ensure!(seen == Ok(1) && key == Some(20), "{seen:?}, the first of {key:?}");
    Ok(())
}

fn edge<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let news = pin!(Notification::<TestEnv<P>>::new(Sleeper::new(), 0, 1));
    let news = news.into_ref();
    let nesting = Nesting::new();
    let slots: Pin<&mut [WatchSlot<TestEnv<P>, &dyn Source<TestEnv<P>>>]> =
        pin!([const { WatchSlot::new() }; 1]);
    let set = pin!(WaitSet::new(Sleeper::new(), slots, None, &nesting, 0, 3));
    let (set, me) = (set.into_ref(), me(kernel));
    let caller = Caller::new(&me, (), &NoPolicy);
    set.watch(&caller, news, 1, Readiness::READABLE, Mode::Edge)?;
    let mut events = [Event::NONE; 4];
    for round in 0..3 {
        news.post(&caller, 1 << round)?;
        let first = set.wait(&caller, &mut events, soon(kernel, PATIENCE));
        let second = set.wait(&caller, &mut events, soon(kernel, SHORT));
        ensure!(first == Ok(1) && second.is_err(), "round {round}: {first:?}, {second:?}");
    }
    Ok(())
}
