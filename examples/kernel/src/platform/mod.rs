//! What one machine gives the whole kernel: memory, clock, traps, a console, an end.
//!
//! Two machines implement [`Platform`]: `examples/x86_64` (bare metal) and `examples/hosted` (a Linux process). The ports of the
//! libraries appear as associated types, so that the kernel stays generic and nothing is registered globally. Addresses are
//! plain `u64` here, as firmware and linker give them; [`crate::glue`] makes the libraries' typed ones.
//!
//! The kernel calls the methods in boot order: the descriptions (`memory_map` … `features`) from the first line on, `activate`
//! once the tables stand, then `start_traps`, then `start_timer`, then `start_cpus`. `write_log`, `write_record`, `now` and `read_input` work from
//! the first line on (input may be silent until the timer runs).

mod description;
mod frame;
mod net_card;
mod no_net;
mod own_link;
mod user;

use alloc::boxed::Box;
use core::fmt;

use kos_alloc::CpuIndex;
use kos_sched::CpuSet;
use kos_vfs::block::{BlockDevice, QueueStats};

use crate::Kernel;
use crate::selftest::Test;
use crate::text::Text;
use crate::time::{Duration, Instant};
pub use description::{
    Access, Cpu, CpuMemory, CpuState, Delayed, DeviceError, DeviceFault, FirmwareKind, FirmwareRegion, Input,
    InterruptCount, LeftOut, Listening, Mapping, NodeMemory, Refused, Reserved, Rights, TIMER, TimerReport,
    TrapReport,
};
pub use frame::{FrameShape, Framebuffer};
pub use net_card::NetCard;
pub use no_net::NoNet;
pub use own_link::{RoughLink, SmoothLink};
pub use user::{
    AddressSpace, NoUser, ProgramLayout, SpaceHandle, UserAccess, UserCall, UserContext, UserExit, UserFault,
    UserStart,
};

/// One machine. Immutable to its user: what changes (console, counters) stands behind the machine's own locks or atomics.
///
/// None of the methods may use the global allocator: it is the kernel's heap, and the kernel is not there yet during boot.
pub trait Platform: Sized + Sync + 'static {
    /// Lock, interrupt mask, CPU number and direct map, for the allocators. [`Platform::env`] is called more than once; all
    /// values describe the same machine. Its direct map names every frame of the memory map; before [`Platform::activate`]
    /// the kernel touches only those below 4 GiB.
    type Env: kos_alloc::Env + Send + 'static;
    /// Finds the memory of a page table, before and after [`Platform::activate`].
    type Phys: kos_paging::PhysMapper + Send + Sync + 'static;
    /// Makes the MMU forget translations.
    type Tlb: kos_paging::TlbFlush;
    /// The page-table format; its value carries what this CPU can express.
    type Format: kos_paging::Format + Send;
    /// Interrupt mask, timer, interrupts to other CPUs, sleep and clock, for the scheduler.
    type Scheduler: SchedulerPort;
    /// A set of its CPUs. The scheduler runs no thread on those beyond it, and each thread takes as much room as it is wide.
    type Cpus: CpuSet;
    /// A disk; clones are handles of the same.
    type Disk: BlockDevice + Clone + fmt::Debug + 'static;
    /// A network card, owned by the thread that polls it.
    type Net: NetCard + Send + fmt::Debug + 'static;
    /// The registers of a program; [`NoUser`] where the machine runs none.
    type User: UserContext;
    /// Leaves one stack for another.
    type Switch: kos_sched::ContextSwitch<Context: Default> + 'static;

    /// Where in the kernel's address space the stacks of threads are mapped, 512 MiB, with unmapped pages between. [`None`] on a
    /// machine whose page tables do not hold for the kernel itself: then stacks lie in the direct map, and an overflow is found
    /// when the thread is left.
    const STACKS: Option<u64> = None;
    /// Where programs lie; [`None`] on a machine that runs none.
    const PROGRAMS: Option<ProgramLayout> = None;
    /// Whether the machine interrupts what runs. Where it does not, threads take turns only where they sleep, and the kernel looks
    /// at the time when nobody has anything to do.
    const INTERRUPTS: bool = true;

    /// The machine in a word or two, for the first line of the log: `x86_64 PVH`, `hosted`.
    fn name(&self) -> &str;

    /// The allocators' view of this machine.
    fn env(&self) -> Self::Env;
    /// The page tables' view of physical memory.
    fn phys(&self) -> Self::Phys;
    /// The invalidation of translations.
    fn tlb(&self) -> Self::Tlb;
    /// The scheduler's view of this machine.
    fn scheduler(&self) -> Self::Scheduler;
    /// The page-table format with the capabilities of the running CPU.
    fn format(&self) -> Self::Format;

    /// The firmware's memory map, entry by entry, unchanged: the kernel normalises and judges it.
    fn memory_map(&self) -> impl Iterator<Item = FirmwareRegion>;
    /// Memory that is taken before the kernel runs, each piece by name: image, boot information, modules, page 0.
    /// Pieces may be unaligned and may overlap; overlapping bytes count for the piece named first.
    fn reserved(&self) -> impl Iterator<Item = Reserved>;
    /// The kernel command line, without a trailing zero. Any bytes: the kernel validates them.
    fn command_line(&self) -> &[u8];
    /// Files that the boot loader put into memory (they also appear in [`Platform::reserved`]).
    fn modules(&self) -> impl Iterator<Item = &[u8]>;

    /// What the final page tables must map besides the direct map: image sections, stacks, devices, and the guard holes
    /// between them. Page-aligned and disjoint.
    fn mappings(&self) -> impl Iterator<Item = Mapping>;
    /// The virtual address at which all physical memory appears, readable and writable, never executable.
    fn direct_map_base(&self) -> u64;
    /// Protections and capabilities of the CPU, for the boot log: name, and whether it is present and in use once
    /// [`Platform::activate`] has run.
    fn features(&self) -> impl Iterator<Item = (&'static str, bool)>;

    /// Loads `root` (a physical address) as the page table of this CPU and turns the protections of the CPU on.
    ///
    /// # Safety
    /// The tables below `root` map everything that is running: code, stack, data, the direct map and the devices of
    /// [`Platform::mappings`].
    #[expect(unsafe_code, reason = "the caller answers for the code that then runs")]
    unsafe fn activate(&self, root: u64);

    /// Installs the trap handlers, raises a breakpoint and a page fault on purpose and survives both.
    ///
    /// # Errors
    /// The trap that was not taken or not survived.
    fn start_traps(&self) -> Result<TrapReport, DeviceError>;
    /// Calibrates and starts the periodic timer; interrupts are on when it returns.
    ///
    /// # Errors
    /// The device that is absent, silent or out of range. The kernel then runs on without ticks, and says so.
    fn start_timer(&self) -> Result<TimerReport, DeviceError>;
    /// Lets the timer of the calling CPU tick so often from now on, besides what the scheduler asks of it; 0: not at all. The machine calls [`Kernel::tick`](crate::Kernel::tick) at each tick, in
    /// interrupt context.
    ///
    /// # Errors
    /// The device that is absent, out of range, or does not interrupt. Nothing changes then.
    fn set_tick_rate(&self, ticks_per_second: u32) -> Result<(), DeviceError>;

    /// The CPUs that the firmware lists and the kernel can reach, by ascending number; number 0 is the one that boots. A
    /// machine with one CPU need not say so.
    fn cpus(&self) -> impl Iterator<Item = Cpu> {
        core::iter::once(Cpu { number: CpuIndex(0), id: 0, state: CpuState::Online })
    }
    /// CPUs that the firmware lists besides, out of this machine's reach.
    fn cpus_beyond(&self) -> usize {
        0
    }
    /// What the firmware says of the machine, for the boot log, if its list of CPUs can be used.
    fn firmware(&self) -> Text {
        Text::new(format_args!("says nothing"))
    }
    /// Why the firmware's list of CPUs cannot be used, if it cannot: [`Platform::cpus`] then is the one that boots.
    fn cpu_list_fault(&self) -> Option<Text> {
        None
    }
    /// The memory of each node, where the firmware tells nodes apart: each piece is of one node.
    fn node_memory(&self) -> impl Iterator<Item = NodeMemory> {
        core::iter::empty()
    }
    /// The node of a CPU, where the firmware tells nodes apart.
    fn node_of(&self, _cpu: CpuIndex) -> Option<u32> {
        None
    }
    /// Why the firmware's list of nodes is not used, if there is one.
    fn nodes_fault(&self) -> Option<Text> {
        None
    }
    /// What a CPU besides the first needs to run, each piece on frames of its own, readable and writable; what lies between the
    /// pieces must stay unmapped.
    fn cpu_memory(&self, _cpu: CpuIndex) -> impl Iterator<Item = CpuMemory> {
        core::iter::empty()
    }
    /// Starts the CPUs from 1 up to `prepared` - 1, all at once, and waits until each is online or left out; those beyond are
    /// left out for want of memory. A CPU that is online calls [`Kernel::run_cpu`](crate::Kernel::run_cpu) as soon as there is
    /// a kernel. `silent`: a CPU that gets no start signal, to see it left out.
    ///
    /// # Errors
    /// The device without which no CPU can be started.
    ///
    /// # Safety
    /// What [`Platform::cpu_memory`] says of those CPUs is mapped, for ever, and nobody else uses it. It is called once.
    #[expect(unsafe_code, reason = "the caller answers for the memory on which the CPUs then run")]
    unsafe fn start_cpus(&self, _prepared: usize, _silent: Option<CpuIndex>) -> Result<(), DeviceError> {
        Ok(())
    }
    /// The calling CPU. True for as long as the caller cannot be moved to another one.
    fn cpu(&self) -> CpuIndex {
        CpuIndex(0)
    }
    /// Runs a thread's code. Where panics unwind none may get out of it: there is nothing below to unwind to.
    fn run_thread(&self, work: &mut dyn FnMut()) {
        work();
    }
    /// Lets the panic go on that [`Platform::run_thread`] stopped, if it did. Called where the machine was started.
    fn resume_panic(&self) {}

    /// Whether a CPU runs whenever it has something to do. False where a host takes CPUs away: no share of the time can be
    /// promised there.
    fn is_punctual(&self) -> bool {
        true
    }

    /// Time since entry. Monotonic; rough until [`Platform::start_timer`] has calibrated it.
    fn now(&self) -> Instant;
    /// The time of day, since 1970 (UTC); [`None`] on a machine without a clock of that kind.
    fn time_of_day(&self) -> Option<Duration> {
        None
    }
    /// Does `work` with the kernel that runs on the calling CPU; [`None`] before it is up, and where the caller is no CPU. For
    /// locks, which are made without knowing whose they are.
    fn with_kernel<R>(work: impl FnOnce(&Kernel<Self>) -> R) -> Option<R>;
    /// A counter of the calling CPU, the finest that there is; where the machine is emulated exactly, it counts instructions.
    fn cycles(&self) -> u64 {
        self.now().as_ticks()
    }
    /// Target and compiler of this kernel, for who compares its code with that of another.
    fn build(&self) -> &str {
        "unknown"
    }
    /// Holds values made of `seed` in every floating-point and vector register of the calling thread for a while, in which it may
    /// be interrupted, preempted and moved: whether they were still there. [`None`]: the machine cannot tell.
    fn hold_registers(&self, _seed: u64) -> Option<bool> {
        None
    }
    /// Traps and interrupts taken since entry, by all CPUs together. Sources that never fired may be left out.
    fn interrupts(&self) -> impl Iterator<Item = InterruptCount>;
    /// Those that `cpu` took.
    fn interrupts_on(&self, cpu: CpuIndex) -> impl Iterator<Item = InterruptCount> {
        self.interrupts().filter(move |_| cpu == CpuIndex(0))
    }
    /// Does one access at a virtual address, as any load or store of the kernel would, and survives the fault. A write puts
    /// back the byte that it finds.
    ///
    /// # Errors
    /// The MMU refused the access.
    fn probe(&self, address: u64, access: Access) -> Result<(), Refused>;

    /// What the console is made of: what was found, and what is absent, by name.
    fn console(&self) -> Text {
        Text::new(format_args!("terminal"))
    }
    /// The next byte that somebody typed, if there is one. Never waits.
    fn read_input(&self) -> Input;
    /// Lets input tell of itself from now on: how the caller, who found none, waits for it.
    fn listen(&self) -> Listening;
    /// Writes to the log console (COM1). Waits for the device; loses nothing. `\n` ends a line: a device that wants a carriage
    /// return before it adds one.
    fn write_log(&self, bytes: &[u8]);
    /// The pixels of the screen, if it has any: the same answer each time.
    fn framebuffer(&self) -> Option<&dyn Framebuffer> {
        None
    }
    /// Writes to the record channel (COM2, see [`crate::record`]). Waits for the device; loses nothing.
    fn write_record(&self, bytes: &[u8]);

    /// Starts the disk. The main thread calls it, once: from then on calls of the disk may sleep.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: there is none; or what is wrong with it.
    fn start_disk(&self) -> Result<Self::Disk, DeviceError>;
    /// Starts the network card. The main thread calls it, once. The machine calls
    /// [`Kernel::frames_came`](crate::Kernel::frames_came), in interrupt context, when there may be something to receive.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: there is none; or what is wrong with it.
    fn start_net(&self) -> Result<Self::Net, DeviceError> {
        Err(DeviceError { device: "network card", fault: DeviceFault::Absent })
    }
    /// Random numbers of a device that makes them: how many bytes of `out` it gave, at least one. The calling thread sleeps until they
    /// come; each byte is given once.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: there is none; or what is wrong with it.
    fn random(&self, _out: &mut [u8]) -> Result<usize, DeviceError> {
        Err(DeviceError { device: "random numbers", fault: DeviceFault::Absent })
    }
    /// Bytes that came by the line to the host: as many as there are and `out` has room for, 0 if there are none yet. The machine calls
    /// [`Kernel::hvc_news`](crate::Kernel::hvc_news) when there are more. Does not sleep.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: there is none; or what is wrong with it.
    fn hvc_read(&self, _out: &mut [u8]) -> Result<usize, DeviceError> {
        Err(DeviceError { device: "line to the host", fault: DeviceFault::Absent })
    }
    /// Gives bytes to the line to the host: how many it takes, 0 if it takes none yet. The machine calls
    /// [`Kernel::hvc_news`](crate::Kernel::hvc_news) when it takes more. Does not sleep.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: there is none; or what is wrong with it.
    fn hvc_write(&self, _bytes: &[u8]) -> Result<usize, DeviceError> {
        Err(DeviceError { device: "line to the host", fault: DeviceFault::Absent })
    }
    /// How long this takes beside what it takes anyway: in a simulation the seed's choice, else nothing. Each call is one of them.
    fn delay(&self, _of: Delayed) -> Duration {
        Duration::from_ticks(0)
    }
    /// The link from this host to itself, if it is to be another than the smooth one that the kernel makes. The kernel asks once, as
    /// it starts its network: the global allocator may be used.
    fn rough_link(&self, _smooth: fn() -> SmoothLink) -> Option<Box<dyn RoughLink>> {
        None
    }
    /// Frames of the kernel's allocator that devices have now: queues, rings.
    fn device_frames(&self) -> usize {
        0
    }
    /// The registers of a program that is to begin there.
    ///
    /// # Errors
    /// [`DeviceFault::Absent`]: the machine runs no programs.
    fn new_user(&self, _start: UserStart) -> Result<Self::User, DeviceError> {
        Err(DeviceError { device: "user mode", fault: DeviceFault::Absent })
    }
    /// Runs the program in `space`, or in the kernel's own, until it needs the kernel. Called by a thread with interrupts enabled
    /// that holds no spin lock; it may be on another CPU afterwards. The space may stay loaded.
    fn enter_user(&self, user: &mut Self::User, space: Option<&AddressSpace>) -> UserExit;
    /// Makes every CPU that has `space` loaded forget `set`; returns when they have. Called with interrupts enabled.
    fn flush_space(&self, _space: &AddressSpace, _set: &kos_paging::FlushSet) {}
    /// Makes every CPU that has `space` loaded load the kernel's own tables, so that the space can go. Nobody enters it any
    /// more. Called with interrupts enabled.
    fn leave_space(&self, _space: &AddressSpace) {}
    /// Programs that the machine brings along, in one ELF file that looks at its own name; empty if there are none.
    fn programs(&self) -> &'static [u8] {
        &[]
    }
    /// Static programs of Linux that the machine brings along, by name.
    fn linux_programs(&self) -> &'static [(&'static str, &'static [u8])] {
        &[]
    }
    /// What the disk's queue did so far, if it has one.
    fn disk_queue(&self) -> Option<QueueStats> {
        None
    }
    /// Devices on a bus that can be listed, one line each.
    ///
    /// # Errors
    /// `out` refused.
    fn list_devices(&self, _out: &mut dyn fmt::Write) -> fmt::Result {
        Ok(())
    }

    /// In-kernel tests of this machine itself; `selftest` runs them after the kernel's own.
    fn tests(&self) -> impl Iterator<Item = &'static Test<Self>> {
        core::iter::empty()
    }
    /// Crashes the machine beyond repair, to prove that the runner notices (`sabotage=triple`). Returns only where a machine
    /// cannot do that.
    fn triple_fault(&self) {}
}

/// What the scheduler needs of a machine. A value is a handle: all of a machine's are alike.
///
/// The machine calls [`Kernel::timer`](crate::Kernel::timer) when the timer of a CPU fires, [`Kernel::kicked`](crate::Kernel::kicked)
/// when another CPU has interrupted it, and [`Kernel::preempt`](crate::Kernel::preempt) at the end of each interrupt.
pub trait SchedulerPort: kos_sched::Platform + kos_sched::Clock + Clone + Send + 'static {
    /// Enables interrupts on this CPU, whatever was.
    fn enable_irq(&self);
    /// Whether interrupts are enabled on this CPU.
    fn irq_enabled(&self) -> bool;
}
