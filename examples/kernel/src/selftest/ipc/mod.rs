//! The objects of kos-ipc between threads of this kernel: whoever waits is woken, told, or timed out, and nothing is lost.

mod calls;
mod caps;
mod pipes;
mod policy;
mod rings;
mod sets;
mod waits;

use core::marker::PhantomData;

use kos_ipc::Env;
use kos_ipc::policy::NoPolicy;
use kos_sched::{Park as _, TaskId};

use super::patience::{PATIENCE, SHORT, soon};
use super::{Failure, Test};
use crate::Kernel;
use crate::glue::ipc::{Masked, Sleeper};
use crate::platform::Platform;
use crate::threads::{How, Member};

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
        Test { name: "ipc::a_ring_of_one_to_one_keeps_order", run: rings::spsc },
        Test { name: "ipc::a_ring_of_many_to_many_loses_nothing", run: rings::mpmc },
        Test { name: "ipc::records_come_as_they_were_sent", run: rings::records },
        Test { name: "ipc::bits_add_up_until_they_are_taken", run: waits::notification },
        Test { name: "ipc::who_waits_for_bits_is_woken", run: waits::bits_wake },
        Test { name: "ipc::permits_are_as_many_as_there_are", run: waits::semaphore },
        Test { name: "ipc::permits_go_round_among_threads", run: waits::permits },
        Test { name: "ipc::events_are_counted", run: waits::counter },
        Test { name: "ipc::a_wait_ends_in_time", run: waits::timeout },
        Test { name: "ipc::who_waits_for_what_is_closed_is_told", run: waits::closed },
        Test { name: "ipc::a_wake_up_is_for_one", run: waits::queue },
        Test { name: "ipc::a_pipe_carries_more_than_it_holds", run: pipes::pipe },
        Test { name: "ipc::a_pipe_without_writers_ends", run: pipes::pipe_end },
        Test { name: "ipc::a_pipe_without_readers_is_broken", run: pipes::pipe_broken },
        Test { name: "ipc::a_call_has_one_answer", run: calls::call },
        Test { name: "ipc::calls_of_several_are_answered_each", run: calls::calls },
        Test { name: "ipc::a_call_that_is_dropped_is_told", run: calls::dropped },
        Test { name: "ipc::a_call_without_a_server_ends_in_time", run: calls::unserved },
        Test { name: "ipc::rights_only_shrink", run: caps::rights },
        Test { name: "ipc::a_revoked_capability_takes_its_children_along", run: caps::revoke },
        Test { name: "ipc::a_full_table_of_capabilities_refuses", run: caps::full_table },
        Test { name: "ipc::a_quota_holds_for_all_below", run: caps::quota },
        Test { name: "ipc::who_may_by_capability_may_not_by_policy", run: policy::denied },
        Test { name: "ipc::a_program_is_refused_by_policy", run: policy::program },
        Test { name: "ipc::who_waits_for_a_call_that_is_denied_ends", run: policy::silent },
        Test { name: "ipc::a_bad_file_of_the_policy_changes_nothing", run: policy::files },
        Test { name: "ipc::one_waits_for_the_first_of_several", run: sets::set },
        Test { name: "ipc::an_edge_is_told_once", run: sets::edge },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
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
