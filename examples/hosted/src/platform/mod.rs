//! [`Hosted`]: a machine inside a process. Memory is an arena, the MMU a walk in software, the clock the host's.
//!
//! The image is imaginary: its sections take physical memory and appear in the page tables as on bare metal, so that what the
//! kernel says about itself has the same shape on both machines. Addresses of the kernel's heap, though, are the process's.

mod board;
pub(crate) mod current;
mod disk;
mod link;
mod scheduler;
mod seat;

use alloc::sync::Arc;

use kos_alloc::CpuIndex;
use kos_demo_kernel::glue::completion::InterruptWait;
use kos_demo_kernel::platform::{
    Access, AddressSpace, Cpu, Delayed, DeviceError, DeviceFault, FirmwareRegion, Input, InterruptCount,
    Listening, Mapping, NoNet, NoUser, Refused, Reserved, Rights, RoughLink, SmoothLink, TimerReport,
    TrapReport, UserExit,
};
use kos_demo_kernel::text::Text;
use kos_demo_kernel::time::{Duration, Instant};
use kos_demo_kernel::{Kernel, Platform};
use kos_paging::{Flags, FlushSet, LongCaps, PhysAddr, TlbFlush, VirtAddr, X86Long};
use kos_sched::CpuMask;
use kos_sched::arch::x86_64::StackSwitch;
use kos_vfs::block::Completion as _;

use crate::arena::{HostedEnv, HostedPhys};
use crate::engine::{self, Engine};
use crate::machine::MAX_CPUS;
pub(crate) use board::{Board, Plan};
pub use board::{Broken, Console};
pub use disk::HostedDisk;
pub use scheduler::HostedScheduler;

const KIB: u64 = 1 << 10;
const IMAGE_PHYS: u64 = 1 << 20;
const IMAGE_VIRT: u64 = 0xffff_ffff_8000_0000;
const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// The imaginary image, section behind section; the stack lies between two guard pages.
const IMAGE: [Mapping; 6] = [
    section("text", 0, 512, Rights::ReadExecute),
    section("rodata", 512, 128, Rights::Read),
    section("data", 640, 192, Rights::ReadWrite),
    section("guard below stack", 832, 4, Rights::Guard),
    section("stack", 836, 64, Rights::ReadWrite),
    section("guard above stack", 900, 4, Rights::Guard),
];
const IMAGE_KIB: u64 = 904;

const fn section(name: &'static str, from_kib: u64, kib: u64, rights: Rights) -> Mapping {
    let offset = IMAGE_PHYS + from_kib * KIB;
    Mapping { name, virt: IMAGE_VIRT + offset, phys: offset, length: kib * KIB, rights }
}

/// The machine, as the kernel sees it.
#[derive(Clone, Debug)]
pub struct Hosted(Arc<Board>);

impl Hosted {
    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self(board)
    }

    /// The bytes written to the record channel since the last call.
    #[must_use]
    pub fn take_records(&self) -> Vec<u8> {
        self.0.take_records()
    }

    /// What an MMU would say to an access.
    fn walk(&self, address: u64, access: Access) -> Result<(), Refused> {
        let root = PhysAddr::new(self.0.root());
        let found = kos_paging::walk::translate(self.format(), &self.phys(), root, VirtAddr::new(address));
        match found {
            Err(_) => Err(Refused { address, present: false }),
            Ok(found) => {
                let allowed = access == Access::Read || found.leaf.attrs.flags.contains(Flags::WRITE);
                if allowed && self.0.arena.holds(found.phys.get()) {
                    Ok(())
                } else {
                    Err(Refused { address, present: true })
                }
            }
        }
    }
}

/// The format of a CPU with or without an execute-disable bit.
const fn format(nx: bool) -> X86Long<4> {
    match X86Long::new(LongCaps { nx, ..LongCaps::FULL }) {
        Ok(format) => format,
        Err(_) => unreachable!(),
    }
}

/// Software that walks tables anew for each access has nothing to forget.
#[derive(Clone, Copy, Debug)]
pub struct NoTlb;

#[expect(unsafe_code, reason = "the port promises that stale translations are gone")]
// SAFETY: no translation outlives the walk that found it, so none is stale.
unsafe impl TlbFlush for NoTlb {
    type Error = core::convert::Infallible;

    fn flush(&self, _: &FlushSet) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Platform for Hosted {
    type Env = HostedEnv;
    type Phys = HostedPhys;
    type Tlb = NoTlb;
    type Format = X86Long<4>;
    type Scheduler = HostedScheduler;
    type Cpus = CpuMask<{ MAX_CPUS.div_ceil(64) }>;
    type Disk = HostedDisk;
    type Net = NoNet;
    type User = NoUser;
    type Switch = StackSwitch;

    fn enter_user(&self, user: &mut NoUser, _space: Option<&AddressSpace>) -> UserExit {
        user.never()
    }

    fn name(&self) -> &str {
        "a Linux process"
    }

    fn env(&self) -> HostedEnv {
        self.0.env()
    }

    fn phys(&self) -> HostedPhys {
        HostedPhys(Arc::clone(&self.0.arena))
    }

    fn tlb(&self) -> NoTlb {
        NoTlb
    }

    fn scheduler(&self) -> HostedScheduler {
        HostedScheduler { board: Arc::downgrade(&self.0), entry: self.0.entry }
    }

    fn format(&self) -> X86Long<4> {
        const FORMATS: [X86Long<4>; 2] = [format(false), format(true)];
        let [without, with] = FORMATS;
        if self.0.has_nx() { with } else { without }
    }

    fn memory_map(&self) -> impl Iterator<Item = FirmwareRegion> {
        self.0.plan.memory_map.iter().copied()
    }

    fn reserved(&self) -> impl Iterator<Item = Reserved> {
        [
            Reserved { name: "image", start: IMAGE_PHYS, length: IMAGE_KIB * KIB },
            Reserved { name: "page 0", start: 0, length: 4 * KIB },
        ]
        .into_iter()
    }

    fn command_line(&self) -> &[u8] {
        &self.0.plan.command_line
    }

    fn modules(&self) -> impl Iterator<Item = &[u8]> {
        self.0.plan.archive.as_deref().into_iter()
    }

    fn mappings(&self) -> impl Iterator<Item = Mapping> {
        IMAGE.into_iter()
    }

    fn direct_map_base(&self) -> u64 {
        DIRECT_MAP
    }

    fn features(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [("nx", self.0.has_nx()), ("1g", true)].into_iter()
    }

    #[expect(unsafe_code, reason = "loading a root is unsafe on real machines")]
    unsafe fn activate(&self, root: u64) {
        self.0.set_root(root);
    }

    fn start_traps(&self) -> Result<TrapReport, DeviceError> {
        if self.0.plan.broken == Some(Broken::Traps) {
            return Err(DeviceError { device: "software MMU", fault: DeviceFault::Absent });
        }
        // The only trap of this machine: an address that nothing maps is refused.
        match self.probe(0, Access::Read) {
            Err(_) => Ok(TrapReport { vectors: 0, breakpoints: 0, page_faults: 1 }),
            Ok(()) => Err(DeviceError { device: "software MMU", fault: DeviceFault::Silent }),
        }
    }

    fn start_timer(&self) -> Result<TimerReport, DeviceError> {
        self.0.timer()?;
        let device = "host clock";
        Ok(TimerReport { device, counter_hz: 1_000_000_000, told_by: None, ticks_per_second: 0 })
    }

    fn set_tick_rate(&self, ticks_per_second: u32) -> Result<(), DeviceError> {
        self.0.timer()?.tick(ticks_per_second)
    }

    fn firmware(&self) -> Text {
        Text::new(format_args!("none: a Linux process"))
    }

    fn cpus(&self) -> impl Iterator<Item = Cpu> {
        self.0.seats()
    }

    #[expect(unsafe_code, reason = "on other machines memory is at stake")]
    unsafe fn start_cpus(&self, prepared: usize, silent: Option<CpuIndex>) -> Result<(), DeviceError> {
        self.0.start_cpus(prepared, silent);
        Ok(())
    }

    fn cpu(&self) -> CpuIndex {
        CpuIndex(engine::cpu().unwrap_or(0))
    }

    fn run_thread(&self, work: &mut dyn FnMut()) {
        engine::catch(work);
    }

    fn is_punctual(&self) -> bool {
        matches!(self.0.plan.engine, Engine::Sim { .. })
    }

    fn now(&self) -> Instant {
        Instant::from_ticks(self.0.nanoseconds())
    }

    fn time_of_day(&self) -> Option<Duration> {
        self.0.time_of_day()
    }

    fn with_kernel<R>(work: impl FnOnce(&Kernel<Self>) -> R) -> Option<R> {
        current::kernel().map(work)
    }

    fn interrupts(&self) -> impl Iterator<Item = InterruptCount> {
        self.0.counts(|_| true)
    }

    fn interrupts_on(&self, cpu: CpuIndex) -> impl Iterator<Item = InterruptCount> {
        self.0.counts(move |number| number == cpu.0)
    }

    fn probe(&self, address: u64, access: Access) -> Result<(), Refused> {
        let answer = self.walk(address, access);
        if answer.is_err() {
            self.0.count_fault();
        }
        answer
    }

    fn read_input(&self) -> Input {
        self.0.read_input()
    }

    fn listen(&self) -> Listening {
        Listening::Silent
    }

    fn write_log(&self, bytes: &[u8]) {
        self.0.write_log(bytes);
    }

    fn delay(&self, of: Delayed) -> Duration {
        // Powers of two, so that short and long times are as frequent as each other.
        let powers = match of {
            Delayed::Disk => 22,
            Delayed::Packets => 20,
        };
        let time = engine::chance(powers).and_then(|power| engine::chance(1 << power));
        Duration::from_ticks(time.unwrap_or(0))
    }

    fn rough_link(&self, smooth: fn() -> SmoothLink) -> Option<Box<dyn RoughLink>> {
        let (share, seed) = self.0.roughness()?;
        let _masked = engine::mask_signals();
        Some(Box::new(link::rough(&self.0, smooth(), share, seed)))
    }

    fn random(&self, _: &mut [u8]) -> Result<usize, DeviceError> {
        let fault = if self.0.plan.broken == Some(Broken::Dice) {
            // Nobody wakes who waits.
            InterruptWait::<Self>::dispensable().wait_until(&mut || false);
            DeviceFault::Silent
        } else {
            DeviceFault::Absent
        };
        Err(DeviceError { device: "silent dice", fault })
    }

    fn start_disk(&self) -> Result<HostedDisk, DeviceError> {
        let absent = DeviceError { device: "disk", fault: DeviceFault::Absent };
        self.0.plan.disk.clone().map(HostedDisk).ok_or(absent)
    }

    fn write_record(&self, bytes: &[u8]) {
        self.0.write_record(bytes);
    }
}
