//! As many CPUs as the mask can name, and not one more.

use alloc::vec::Vec;

use super::fifo;
use crate::class::Rt;
use crate::core::{Config, CpuSlot, Scheduler, Setup, SetupError, SpawnArgs, TaskSlot, TaskState, Woken};
use crate::cpu::{CpuId, CpuMask, CpuSet};
use crate::ports::BlockReason;
use crate::task::{Arena, Slot};
use crate::testing::{FakePlatform, FakeSystem};
use crate::time::Instant;

type Wide<const WORDS: usize> = FakeSystem<(Rt, ()), WORDS>;

const NOW: Instant = Instant::from_ticks(0);

/// Runs `work` on a scheduler of `cpus` CPUs, none of them online, whose mask has `WORDS` words.
fn with_cpus<const WORDS: usize, R>(
    cpus: u32,
    work: impl FnOnce(Scheduler<'_, Wide<WORDS>>, FakePlatform) -> R,
) -> Result<R, SetupError> {
    let mut nodes = [const { Slot::new() }; 4];
    let mut tasks = [const { TaskSlot::new() }; 4];
    let (arena, free) = Arena::new(&mut nodes);
    let slot = |_| CpuSlot::new(arena.queue().unwrap(), (Rt::new(), ()));
    let mut cpu_slots: Vec<_> = (0..cpus).map(slot).collect();
    let platform = FakePlatform::new(cpus);
    let setup = Setup {
        arena,
        free,
        tasks: &mut tasks,
        cpus: &mut cpu_slots,
        platform: platform.clone(),
        trace: (),
        config: Config::default(),
    };
    Scheduler::new(setup).map(|sched| work(sched, platform))
}

#[test]
fn the_last_of_1024_cpus_is_picked_woken_and_moved_to() {
    let run = |sched: Scheduler<'_, Wide<16>>, platform: FakePlatform| {
        let [first, last] = [0, 1023].map(CpuId::new);
        (0..1024).for_each(|cpu| sched.online(CpuId::new(cpu), NOW).unwrap());
        assert_eq!((sched.online_cpus().count(), sched.cpus()), (1024, 1024));
        let settle = |cpu| {
            platform.enter(cpu);
            sched.on_kick(NOW);
            while sched.should_preempt() || (sched.current().is_none() && !sched.idle_may_halt()) {
                drop(sched.reschedule(NOW));
            }
            sched.current()
        };
        (0..1024).for_each(|cpu| assert_eq!(settle(CpuId::new(cpu)), None));
        while platform.take_kick().is_some() {}

        platform.enter(first);
        let args = SpawnArgs { allowed: CpuMask::only(last), ..SpawnArgs::new(fifo(5), 0) };
        let task = sched.try_spawn(args, NOW).unwrap();
        assert_eq!((sched.cpu_of(task), platform.take_kick()), (Some(last), Some(last)));
        assert_eq!((settle(first), settle(last)), (None, Some(task)));

        sched.prepare(BlockReason::Park).unwrap();
        drop(sched.block(None, NOW));
        assert_eq!((settle(last), sched.state(task)), (None, Some(TaskState::Blocked)));
        platform.enter(first);
        assert_eq!((sched.wake(task, NOW), platform.take_kick()), (Woken::Enqueued, Some(last)));
        assert_eq!(settle(last), Some(task));

        platform.enter(first);
        sched.set_affinity(task, &CpuMask::only(first), NOW).unwrap();
        assert_eq!((settle(last), settle(first)), (None, Some(task)));
        sched.set_affinity(task, &CpuMask::only(last), NOW).unwrap();
        assert_eq!((settle(first), settle(last)), (None, Some(task)));
        assert_eq!(sched.check(), Ok(()));
    };
    assert_eq!(with_cpus::<16, _>(1024, run), Ok(()));
}

#[test]
fn more_cpus_than_the_mask_can_name_are_refused() {
    let refused = |asked, most| Err(SetupError::Cpus { asked, most });
    assert_eq!(with_cpus::<16, _>(1025, |_, _| ()), refused(1025, 1024));
    assert_eq!(with_cpus::<4, _>(257, |_, _| ()), refused(257, 256));
    assert_eq!(with_cpus::<1, _>(65, |_, _| ()), refused(65, 64));
    assert_eq!(with_cpus::<1, _>(0, |_, _| ()), refused(0, 64));
    assert_eq!(with_cpus::<1, _>(64, |_, _| ()), Ok(()));
}

/// A word of the mask is a word of each task; the rest is padding.
#[test]
fn a_task_takes_no_more_room_than_its_mask_needs() {
    let [narrow, wide] = [size_of::<TaskSlot<Wide<1>>>(), size_of::<TaskSlot<Wide<16>>>()];
    let words = 15 * size_of::<u64>();
    assert!(wide - narrow <= words.next_multiple_of(align_of::<TaskSlot<Wide<1>>>()), "{narrow}, {wide}");
}
