//! Very many changes of affinity: `KOS_PROPTEST_CASES=25000 cargo test --release -p kos-sched --test affinity` makes 10^6 of
//! them.

use kos_sched::class::{Idle, Rt, Stop};
use kos_sched::core::Config;
use kos_sched::testing::{cases, with_machine};
use kos_sched::{CpuId, CpuMask, CpuSet, Duration, Instant, Platform, Policy, RtPriority};

#[test]
fn after_one_interrupt_nobody_runs_where_he_must_not() {
    let classes = || (Stop::new(), (Rt::new(), (Idle::new(), ())));
    with_machine(8, 64, Config::default(), classes, |machine| {
        let mut seed = 1_u64;
        let mut draw = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let priority = RtPriority::new(10).unwrap();
        let policies =
            [Policy::RoundRobin(priority, Duration::from_ticks(1_000_000)), Policy::Fifo(RtPriority::MIN)];
        let tasks: Vec<_> = (0..24)
            .map(|number| machine.spawn(policies[usize::from(number % 3 == 0)], CpuMask::first_cpus(8)))
            .collect();
        machine.quiesce();
        let mut moved = 0;
        for _ in 0..u64::from(cases()) * 40 {
            let task = tasks[usize::try_from(draw(24)).unwrap()];
            let allowed = CpuMask::<4>::from_words([draw(255) + 1, 0, 0, 0]);
            machine.on(u32::try_from(draw(8)).unwrap());
            machine.sched.set_affinity(task, &allowed, machine.now()).unwrap();
            let forbidden =
                |cpu: &CpuId| machine.sched.running_on(*cpu) == Some(task) && !allowed.contains(*cpu);
            if let Some(cpu) = machine.cpus().find(forbidden) {
                // It runs where it must not: on the CPU that acts, which knows, or an interrupt is on its way.
                let here = machine.platform.cpu() == cpu;
                assert!(here || machine.platform.pending_kicks() > 0);
                if here {
                    machine.settle();
                }
                while forbidden(&cpu) && machine.deliver() {}
                assert!(!forbidden(&cpu));
                moved += 1;
            }
            machine.quiesce();
            assert!(machine.cpus().all(|cpu| !forbidden(&cpu)));
            match draw(8) {
                0 => _ = machine.block(Some(Instant::from_ticks(machine.now().as_ticks() + draw(100_000)))),
                1 => machine.pass(Duration::from_ticks(draw(200_000))),
                _ => {}
            }
        }
        assert!(moved > 500, "{moved} of them ran");
        assert_eq!(machine.sched.check(), Ok(()));
    });
}
