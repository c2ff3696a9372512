//! From the firmware's memory map to a running kernel, stage by stage; see [`Stage`].
//!
//! No stage uses the global allocator: what the boot needs lies on its stack or in boot memory. A stage is done, degraded
//! (it says why, and the kernel runs on) or fatal: a [`BootError`] that names stage and cause.

mod cpus;
mod last;
mod memory;
mod place;
mod tables;

use core::fmt::Write;
use core::sync::atomic::AtomicU64;

use kos_alloc::boot::BootAllocator;
use kos_alloc::frame::zone::{self, ZoneKind, Zones, dma_dma32_normal};
use kos_alloc::{Env, FrameRange, HeapConfig, Inventory, KernelHeap, Locked, Mode};
use kos_net::{LinkControl as _, NetDevice as _};
use kos_sched::TaskId;
use kos_sched::sync::Mutex;
use kos_sched::sync::WaitQueue;
use kos_vfs::block::{BlockDevice, DeviceFeatures};
use spin::Once;

use crate::accounts::{Accounts, FRAME_BYTES};
use crate::audit::Audit;
use crate::command_line::CommandLine;
use crate::crew::Crew;
use crate::drill::Drill;
use crate::error::{BootError, Cause};
use crate::files::Files;
use crate::glue::faults::Faults;
use crate::glue::sleep_lock::Ambient;
use crate::kernel::{Heap, Kernel, SharedFrames};
use crate::log::{Log, Ring};
use crate::net::Net;
use crate::net::firewall;
use crate::platform::{DeviceError, DeviceFault, Platform, TimerReport};
use crate::pressure::Pressure;
use crate::process::Processes;
use crate::srv::Srv;
use crate::stage::{Notes, Stage, Stages};
use crate::storm::Storm;
use crate::svc::Svc;
use crate::text::{Bytes, Counted, Grouped, Text};
use crate::threads::{Threads, Waits};
use crate::user::Users;
pub(crate) use memory::frames_of;
use place::BootMemory;

/// Separate pieces of free memory that the boot can keep apart.
const REGIONS: usize = 256;
/// Separate pieces of memory that the boot can take for itself.
const TAKEN: usize = 8;
/// Physical memory that is mapped before [`Platform::activate`].
const EARLY_LIMIT: u64 = 4 << 30;

/// What an integrator may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of the boot log that are kept for `dmesg`.
    pub log_bytes: usize,
    /// Frames that must be free after everything is reserved; with fewer the boot fails by name.
    pub minimum_free: usize,
    /// Limits of the frame allocator.
    pub frames: kos_alloc::frame::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self { log_bytes: 8192, minimum_free: 256, frames: kos_alloc::frame::Config::default() }
    }
}

impl<P: Platform> Kernel<P> {
    /// Boots the kernel on `platform`; each stage prints its line to the log.
    ///
    /// # Errors
    /// The stage that failed, and why. Nothing runs on the machine's memory then.
    pub fn boot(platform: P, config: Config) -> Result<Self, BootError> {
        let mut stages = Stages::new(&platform);
        stages.greet();
        let (accounts, frames) = start_memory(&mut stages, &platform, &config)?;
        let mut tables = stages.run(Stage::Paging, |notes| tables::start(&platform, frames, notes))?;
        let heap = stages.run(Stage::Heap, |notes| start_heap(&platform, frames, notes))?;
        stages.run(Stage::Traps, |notes| start_traps(&platform, notes))?;
        stages.run(Stage::Firmware, |notes| {
            match platform.cpu_list_fault() {
                Some(fault) => notes.degraded(format_args!("{fault}")),
                None => notes.figures(format_args!("{}", platform.firmware())),
            }
            Ok(())
        })?;
        let timer = stages.run(Stage::Timer, |notes| start_timer(&platform, notes))?;
        let cpu_frames =
            stages.run(Stage::Cpus, |notes| cpus::start(&platform, frames, &mut tables, notes))?;
        stages.run(Stage::Console, |notes| {
            notes.figures(format_args!("{}", platform.console()));
            Ok(())
        })?;
        let (threads, crew) = stages.run(Stage::Scheduler, |notes| start_threads(&platform, &heap, notes))?;
        let log = Log::new(platform.env(), stages.into_ring());
        let (tables, storm) = (Mutex::new(Waits::new(&threads), tables), Storm::new(platform.env()));
        let nobody = || Locked::new(platform.env(), TaskId::NOBODY);
        let (reader, poller) = (nobody(), nobody());
        let processes = Processes::new(|| platform.env());
        Ok(Self {
            processes,
            srv: Srv::new(),
            svc: Svc::new(),
            users: Users::new(),
            audit: Audit::new(),
            ipc: Once::new(),
            heap,
            tables,
            log,
            accounts,
            cpu_frames,
            timer,
            storm,
            pressure: Pressure::new([platform.env(), platform.env()]),
            crew,
            drill: Drill::new(),
            faults: Faults::new(),
            reader,
            poller,
            threads,
            seed: Once::new(),
            entropies: AtomicU64::new(0),
            hvc: WaitQueue::new(Ambient::new()),
            files: Once::new(),
            net: Once::new(),
            up: Once::new(),
            platform,
        })
    }

    /// The stages for which threads must run, once: the devices, and what uses them. The main thread calls it.
    pub(crate) fn come_up(&self) {
        self.files.call_once(|| {
            let mut stages = Stages::new(self.platform());
            let disk = stages.run(Stage::Devices, |notes| {
                let seed = random_seed(&self.platform);
                let (disk, text) = start_disk(&self.platform, notes);
                let line = if has_line(&self.platform, notes) { "; hvc0" } else { "" };
                match seed {
                    Ok(None) => notes.figures(format_args!("{text}{line}")),
                    Ok(Some(seed)) => {
                        self.seed.call_once(|| seed);
                        notes.figures(format_args!("{text}; secrets seeded by hwrng{line}"));
                    }
                    Err(why) => notes.degraded(format_args!("{text}; secrets not seeded: {why}{line}")),
                }
                Ok(disk)
            });
            // A kernel without files still answers; it says so.
            let disk = disk.ok().flatten();
            let files = stages.run(Stage::Files, |notes| Files::start(self, disk, notes)).ok();
            let net = |notes: &mut Notes<'_, '_, P>| Ok(start_net(self, files.as_ref(), notes));
            self.net.call_once(|| stages.run(Stage::Net, net).ok().flatten());
            self.log.write(stages.early().as_bytes());
            files
        });
    }

    /// The last stages, once: those for which the kernel's own threads must run, too. The main thread calls it.
    pub(crate) fn settle(&self) {
        self.up.call_once(|| {
            let mut stages = Stages::new(self.platform());
            // None of them fails: what is wrong is named.
            let _ = stages.run(Stage::Init, |notes| last::init(self, notes));
            let _ = stages.run(Stage::Services, |notes| last::services(self, notes));
            let _ = stages.run(Stage::Shell, |notes| ready(&self.heap, notes));
            self.log.write(stages.early().as_bytes());
        });
    }
}

/// From the memory map to the frame allocator. The lists of regions live here, and are gone afterwards.
fn start_memory<P: Platform>(
    stages: &mut Stages<'_, P>,
    platform: &P,
    config: &Config,
) -> Result<(Accounts, SharedFrames<P>), BootError> {
    let (mut free, mut taken) = ([FrameRange::EMPTY; REGIONS], [FrameRange::EMPTY; TAKEN]);
    stages.run(Stage::Entry, |notes| enter(platform, notes))?;
    let (mut accounts, usable) =
        stages.run(Stage::Memory, |notes| memory::survey(platform, config, &mut free, notes))?;
    let bump = BootAllocator::new(usable, &mut taken, P::Env::PAGE_SHIFT);
    let (memory, storage) = stages.run(Stage::Bump, |notes| start_bump(platform, bump, config, notes))?;
    let frames = stages
        .run(Stage::Frames, |notes| start_frames(platform, memory, storage, config, &mut accounts, notes))?;
    Ok((accounts, frames))
}

/// Says what the machine handed over.
fn enter<P: Platform>(platform: &P, notes: &mut Notes<'_, '_, P>) -> Result<(), Cause> {
    let line = platform.command_line();
    let parsed = CommandLine::parse(line, |warning| notes.warn(format_args!("{warning}")));
    let modules = Counted(platform.modules().count(), "module");
    notes.figures(format_args!("command line of {} bytes (mode {}), {modules}", line.len(), parsed.mode));
    Ok(())
}

/// Takes what the boot itself needs: the frame allocator's bitmaps and the log.
fn start_bump<'m, P: Platform>(
    platform: &P,
    mut bump: BootAllocator<'m>,
    config: &Config,
    notes: &mut Notes<'_, '_, P>,
) -> Result<(BootMemory<'m, P::Env>, &'static mut [u64]), Cause> {
    let zones = Zones::new(platform.env());
    let words = zones.storage_words(&zone_config(config), bump.free(), &[]).map_err(Cause::Frames)?;
    bump.set_limit(Some(EARLY_LIMIT));
    let mut memory = BootMemory::new(bump, platform.env());
    let storage = memory.words(words).map_err(Cause::BootMemory)?;
    if config.log_bytes > 0 {
        notes.keep_in(Ring::new(memory.bytes(config.log_bytes).map_err(Cause::BootMemory)?));
    }
    let [bitmaps, log] = [words * 8, config.log_bytes].map(|bytes| Bytes(bytes as u64));
    notes.figures(format_args!("{bitmaps} of frame tables, {log} of log"));
    Ok((memory, storage))
}

/// The zones of a PC.
const ZONES: [ZoneKind; 3] = dma_dma32_normal(12);

fn zone_config(config: &Config) -> zone::Config<'static> {
    zone::Config { buddy: config.frames, ..zone::Config::new(&ZONES) }
}

/// Ends the boot allocator and gives all that is free to the zones.
fn start_frames<P: Platform>(
    platform: &P,
    mut memory: BootMemory<'_, P::Env>,
    storage: &'static mut [u64],
    config: &Config,
    accounts: &mut Accounts,
    notes: &mut Notes<'_, '_, P>,
) -> Result<SharedFrames<P>, Cause> {
    let room = memory.room().map_err(Cause::BootMemory)?;
    let owners = memory.hand_over();
    for &range in owners.used.iter() {
        accounts
            .reserve("boot metadata", range, range.count())
            .map_err(|name| Cause::BadReservation { name })?;
    }
    let (free, needed) = (owners.free.frames(), config.minimum_free);
    if free < needed {
        return Err(Cause::TooLittleMemory { free, needed });
    }
    let frames = place::frames(room, platform.env(), storage, &zone_config(config), &owners);
    let frames = frames.map_err(Cause::Frames)?;
    notes.figures(format_args!("{} frames{}", Grouped(free as u64), zones(frames.inner())));
    Ok(frames)
}

/// The zones that have frames, by size.
fn zones<E: Env>(frames: &Zones<'_, E>) -> Text {
    let mut text = Text::default();
    let zones = (0..).map_while(|index| frames.zone(index)).filter(|zone| zone.managed > 0);
    for (index, zone) in zones.enumerate() {
        let (mark, bytes) = (if index == 0 { ':' } else { ',' }, Bytes(zone.managed as u64 * FRAME_BYTES));
        // Three zones fit a line.
        let _ = write!(text, "{mark} {} {bytes}", zone.name);
    }
    text
}

fn start_heap<P: Platform>(
    platform: &P,
    frames: SharedFrames<P>,
    notes: &mut Notes<'_, '_, P>,
) -> Result<Heap<P>, Cause> {
    let heap = KernelHeap::new(platform.env(), frames);
    heap.init(HeapConfig { mode: Mode::TwoTier, ..HeapConfig::default() }).map_err(Cause::Heap)?;
    match heap.set_mode(Mode::Hybrid) {
        Ok(()) => {
            let stats = heap.stats();
            let largest = Bytes(stats.classes.last().map_or(0, |class| class.size) as u64);
            let [map, caches] =
                [stats.page_map_frames, stats.cache_frames].map(|frames| Bytes(frames as u64 * FRAME_BYTES));
            notes.figures(format_args!(
                "{} classes to {largest}; page map of {map}, CPU caches of {caches}",
                stats.classes.len()
            ));
        }
        Err(error) => notes.degraded(format_args!("no CPU caches: {error}")),
    }
    Ok(heap)
}

fn start_traps<P: Platform>(platform: &P, notes: &mut Notes<'_, '_, P>) -> Result<(), Cause> {
    let report = platform.start_traps().map_err(Cause::Traps)?;
    notes.figures(format_args!(
        "{} vectors; survived on purpose: breakpoints {}, page faults {}",
        report.vectors, report.breakpoints, report.page_faults
    ));
    Ok(())
}

/// A kernel without ticks still answers; it says so.
fn start_timer<P: Platform>(
    platform: &P,
    notes: &mut Notes<'_, '_, P>,
) -> Result<Option<TimerReport>, Cause> {
    let started = platform.start_timer();
    match &started {
        Ok(report) => {
            let hertz = Grouped(report.counter_hz / 1000);
            let ticks = match report.ticks_per_second {
                0 => Text::new(format_args!("no ticks")),
                ticks => Text::new(format_args!("{ticks} ticks a second")),
            };
            let told = report.told_by.map_or(Text::default(), |by| Text::new(format_args!(" by the {by}")));
            notes.figures(format_args!("{} counting at {hertz} kHz{told}, {ticks}", report.device));
        }
        Err(error) => notes.degraded(format_args!("{error}: no ticks")),
    }
    Ok(started.ok())
}

fn start_threads<P: Platform>(
    platform: &P,
    heap: &Heap<P>,
    notes: &mut Notes<'_, '_, P>,
) -> Result<(Threads<P>, Crew<P>), Cause> {
    let threads = Threads::new(platform, heap, heap.frames()).map_err(Cause::Threads)?;
    let crew = Crew::new(platform, heap).map_err(|error| Cause::Threads(error.into()))?;
    let sched = threads.runtime().scheduler();
    let cpus = Counted(sched.cpus(), "CPU");
    let (most, how) = (sched.capacity(), if P::INTERRUPTS { "preemptive" } else { "cooperative" });
    notes.figures(format_args!("{most} threads on {cpus}: stop, deadline, rt, fair, idle; {how}"));
    Ok((threads, crew))
}

/// What a device of random numbers gives for secrets, if there is one; a kernel without one takes what the processor has.
fn random_seed<P: Platform>(platform: &P) -> Result<Option<[u64; 2]>, DeviceError> {
    let mut bytes = [0_u8; 16];
    let mut given = 0;
    while let Some(rest) = bytes.get_mut(given..).filter(|rest| !rest.is_empty()) {
        match platform.random(rest) {
            Ok(count) => given += count.max(1),
            Err(DeviceError { fault: DeviceFault::Absent, .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(zerocopy::transmute!(bytes)))
}

/// Whether there is a line to the host that can be used.
fn has_line<P: Platform>(platform: &P, notes: &mut Notes<'_, '_, P>) -> bool {
    match platform.hvc_write(&[]) {
        Ok(_) => true,
        Err(DeviceError { fault: DeviceFault::Absent, .. }) => false,
        Err(error) => {
            notes.warn(format_args!("{error}"));
            false
        }
    }
}

/// The disk, and what is said of it. A kernel without one keeps its files in memory.
fn start_disk<P: Platform>(platform: &P, notes: &mut Notes<'_, '_, P>) -> (Option<P::Disk>, Text) {
    match platform.start_disk() {
        Ok(disk) => {
            let geometry = disk.geometry();
            let lasting =
                if geometry.features().contains(DeviceFeatures::FLUSH) { "flushed" } else { "write-through" };
            let (bytes, sector) = (Bytes(geometry.bytes()), geometry.sector_size());
            (Some(disk), Text::new(format_args!("vda: {bytes} in sectors of {sector}, {lasting}")))
        }
        Err(error @ DeviceError { fault: DeviceFault::Absent, .. }) => {
            (None, Text::new(format_args!("{error}")))
        }
        Err(error) => {
            notes.degraded(format_args!("{error}"));
            (None, Text::new(format_args!("{error}")))
        }
    }
}

/// Bytes of free memory with which a kernel without a card still has a network, of itself alone.
const TALK_TO_ONESELF: u64 = 8 << 20;

/// A kernel without a card is alone; it says so. One that cannot tell who may pass talks to itself only.
fn start_net<P: Platform>(
    kernel: &Kernel<P>,
    files: Option<&Files<P>>,
    notes: &mut Notes<'_, '_, P>,
) -> Option<Net<P>> {
    let card = kernel.platform().start_net();
    match &card {
        Ok(card) => {
            let (mac, mtu) = (card.mac(), card.capabilities().mtu);
            let link = if card.is_up() { "up" } else { "down" };
            notes.figures(format_args!("eth0: {mac}, MTU {mtu}, link {link}"));
        }
        Err(error @ DeviceError { fault: DeviceFault::Absent, .. }) => notes.figures(format_args!("{error}")),
        Err(error) => notes.degraded(format_args!("{error}")),
    }
    let free = kernel.heap.frames().inner().stats().free as u64 * FRAME_BYTES;
    if card.is_err() && free < TALK_TO_ONESELF {
        return None;
    }
    let started = Net::start(kernel, card.ok(), files);
    if let Ok((_, Err(error))) = &started {
        notes.warn(format_args!("{}: {error}; closed to all but itself", firewall::PATH));
    }
    let started = started.map(|(net, _)| net);
    started.inspect_err(|error| notes.degraded(format_args!("{error}"))).ok()
}

fn ready<P: Platform>(heap: &Heap<P>, notes: &mut Notes<'_, '_, P>) -> Result<(), Cause> {
    let free = Text::new(format_args!("{}", Bytes(heap.frames().inner().stats().free as u64 * FRAME_BYTES)));
    notes.figures(format_args!("{free} free"));
    Ok(())
}
