//! In-kernel tests of ring 3: programs of a few instructions on a page of their own, in the kernel's own address space.

use core::arch::global_asm;
use core::slice;

use kos_alloc::FrameRequest;
use kos_demo_kernel::glue::address::phys_of;
use kos_demo_kernel::glue::rights::expressible;
use kos_demo_kernel::owned::Run;
use kos_demo_kernel::platform::{Access, UserAccess, UserContext, UserExit, UserFault, UserStart};
use kos_demo_kernel::selftest::{Failure, Test};
use kos_demo_kernel::{Kernel, KernelFrames, Platform, ensure};
use kos_paging::{Attrs, Flags, HugePolicy, PhysAddr, SplitPolicy, VirtAddr, VirtRange};
use kos_x86_64::layout::{DIRECT_MAP, PAGE};
use kos_x86_64::user::USER_END;

use crate::address::pointer;
use crate::metal::Metal;
use crate::user::User;

type Machine = &'static Metal;

global_asm!(include_str!("user_tests.s"), ".text");

/// All of them.
pub(crate) const TESTS: &[Test<Machine>] = &[
    Test { name: "user::a_program_calls_and_is_answered", run: a_program_calls_and_is_answered },
    Test { name: "user::no_flag_of_a_program_reaches_the_kernel", run: no_flag_reaches_the_kernel },
    Test { name: "user::a_loop_is_interrupted", run: a_loop_is_interrupted },
    Test { name: "user::faults_are_the_programs_own", run: faults_are_the_programs_own },
    Test { name: "user::the_kernel_is_out_of_reach", run: the_kernel_is_out_of_reach },
    Test { name: "user::a_wild_stack_may_call", run: a_wild_stack_may_call },
    Test { name: "user::a_call_at_the_end_of_the_space_survives", run: a_call_at_the_end },
    Test { name: "user::segments_are_the_programs_own", run: segments_are_the_programs_own },
];

/// Where the code of a program lies, unless a test says otherwise; its stack follows.
const CODE: u64 = 0x40_0000;
const STACK: u64 = CODE + PAGE;

macro_rules! code {
    ($start:ident, $end:ident) => {{
        unsafe extern "C" {
            static $start: u8;
            static $end: u8;
        }
        let (start, end) = (&raw const $start, &raw const $end);
        // SAFETY: the assembler put the bytes between the two symbols, and nobody writes there.
        unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) }
    }};
}

/// A page of code and one of stack, mapped for programs as long as this lives.
struct Pages<'k> {
    kernel: &'k Kernel<Machine>,
    code: u64,
    _frames: Run<'k, KernelFrames<Machine>>,
}

impl<'k> Pages<'k> {
    /// `code` at the end of the page at `at` if `last`, else at its start.
    fn new(kernel: &'k Kernel<Machine>, at: u64, code: &[u8], last: bool) -> Result<Self, Failure> {
        let frames = Run::new(kernel.frames(), FrameRequest::new(2).aligned(2))?;
        let phys = phys_of(frames.range().start()).get();
        let offset = if last { PAGE - code.len() as u64 } else { 0 };
        // SAFETY: the frame is this value's, the direct map shows it, and the code fits it.
        let page =
            unsafe { slice::from_raw_parts_mut(pointer::<u8>(DIRECT_MAP + phys + offset), code.len()) };
        page.copy_from_slice(code);
        let pages = Self { kernel, code: at, _frames: frames };
        let user = |attrs: Attrs| Attrs { flags: attrs.flags | Flags::USER, ..attrs };
        pages.map(at, phys, user(Attrs::RX))?;
        pages.map(STACK, phys + PAGE, user(Attrs::RW))?;
        Ok(pages)
    }

    fn map(&self, at: u64, phys: u64, attrs: Attrs) -> Result<(), Failure> {
        let range = VirtRange::new(VirtAddr::new(at), PAGE)?;
        let map = |tables: &mut kos_demo_kernel::KernelTable<Machine>| {
            let attrs = expressible(tables.format(), attrs);
            tables.map(range, PhysAddr::new(phys), attrs, HugePolicy::Largest)
        };
        Ok(self.kernel.with_tables(map)?)
    }

    fn start(&self, argument: u64) -> Result<User, Failure> {
        let start = UserStart { entry: self.code, stack: STACK + PAGE, argument };
        Ok(self.kernel.platform().new_user(start)?)
    }
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        for at in [self.code, STACK] {
            let Ok(range) = VirtRange::new(VirtAddr::new(at), PAGE) else { continue };
            let unmap = |tables: &mut kos_demo_kernel::KernelTable<Machine>| {
                let unmapped = tables.unmap(range, SplitPolicy::Refuse).ok()?;
                unmapped.flush(&self.kernel.platform().tlb()).ok()?.release(|_| ());
                Some(())
            };
            // What is not mapped need not be unmapped.
            let _ = self.kernel.with_tables(unmap);
        }
    }
}

/// Runs until it leaves for another reason than an interrupt.
fn run(kernel: &Kernel<Machine>, user: &mut User) -> UserExit {
    loop {
        match kernel.platform().enter_user(user, None) {
            UserExit::Interrupted => {}
            exit => return exit,
        }
    }
}

fn a_program_calls_and_is_answered(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let pages = Pages::new(kernel, CODE, code!(user_test_call, user_test_call_end), false)?;
    let mut user = pages.start(0)?;
    ensure!(run(kernel, &mut user) == UserExit::Call);
    let call = user.call();
    ensure!(call.number == 1 && call.arguments == [10, 11, 12, 13, 14, 15], "{call:?}");
    user.answer(99);
    let mut twin = user.clone();
    for user in [&mut user, &mut twin] {
        ensure!(run(kernel, user) == UserExit::Call);
        let call = user.call();
        ensure!(call.number == 2 && call.arguments[..2] == [99, 16], "{call:?}");
    }
    let undefined = UserExit::Fault(UserFault::Exception("invalid opcode"));
    ensure!(run(kernel, &mut user) == undefined, "it went on");
    Ok(())
}

fn no_flag_reaches_the_kernel(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const ALLOWED: u64 = 0x202 | 0x8d5;
    const CHECKED: u64 = 0x4_4500;
    let pages = Pages::new(kernel, CODE, code!(user_test_flags, user_test_flags_end), false)?;
    let mut user = pages.start(0)?;
    ensure!(run(kernel, &mut user) == UserExit::Call && user.call().number == 3);
    let flags = x86_64::registers::rflags::read_raw();
    ensure!(flags & CHECKED == 0, "the kernel's flags are {flags:#x}");
    ensure!(run(kernel, &mut user) == UserExit::Call && user.call().number == 4);
    let [flags, ..] = user.call().arguments;
    ensure!(flags & !(ALLOWED | 0x24_4400) == 0 && flags & 0x4_0400 == 0x4_0400, "its flags are {flags:#x}");
    Ok(())
}

fn a_loop_is_interrupted(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const TIMES: u32 = 20;
    let pages = Pages::new(kernel, CODE, code!(user_test_count, user_test_count_end), false)?;
    let mut user = pages.start(7)?;
    kernel.platform().set_tick_rate(1000)?;
    let mut interrupted = 0;
    let mut before = 0;
    while interrupted < TIMES && kernel.platform().enter_user(&mut user, None) == UserExit::Interrupted {
        let counted = user.call().number;
        ensure!(counted >= before, "it counted back from {before} to {counted}");
        (before, interrupted) = (counted, interrupted + 1);
    }
    kernel.platform().set_tick_rate(0)?;
    ensure!(interrupted == TIMES, "it left after {interrupted} interrupts");
    ensure!(before > 0, "it counted nothing");
    Ok(())
}

fn faults_are_the_programs_own(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let programs: [(&[u8], &str); 7] = [
        (code!(user_test_privileged, user_test_privileged_end), "general protection fault"),
        (code!(user_test_port, user_test_port_end), "general protection fault"),
        (code!(user_test_undefined, user_test_undefined_end), "invalid opcode"),
        (code!(user_test_divide, user_test_divide_end), "divide error"),
        (code!(user_test_breakpoint, user_test_breakpoint_end), "general protection fault"),
        (code!(user_test_step, user_test_step_end), "debug"),
        (code!(user_test_gate, user_test_gate_end), "general protection fault"),
    ];
    for (code, fault) in programs {
        let pages = Pages::new(kernel, CODE, code, false)?;
        let exit = run(kernel, &mut pages.start(0)?);
        ensure!(exit == UserExit::Fault(UserFault::Exception(fault)), "{exit:?}, not {fault}");
    }
    Ok(())
}

fn the_kernel_is_out_of_reach(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let kernel_code = kernel.platform().mappings().next().map_or(0, |text| text.virt);
    let programs: [(&[u8], UserAccess); 3] = [
        (code!(user_test_read, user_test_read_end), UserAccess::Data(Access::Read)),
        (code!(user_test_write, user_test_write_end), UserAccess::Data(Access::Write)),
        (code!(user_test_jump, user_test_jump_end), UserAccess::Fetch),
    ];
    for (code, access) in programs {
        let pages = Pages::new(kernel, CODE, code, false)?;
        for (address, present) in [(0, false), (kernel_code, true), (DIRECT_MAP + 0x10_0000, true)] {
            let exit = run(kernel, &mut pages.start(address)?);
            let expected = UserFault::Page { address, access, present };
            ensure!(exit == UserExit::Fault(expected), "{exit:?}, not {expected}");
        }
        let exit = run(kernel, &mut pages.start(0x8000_0000_0000)?);
        ensure!(matches!(exit, UserExit::Fault(UserFault::Exception(_))), "{exit:?}");
        let refused = kernel.platform().probe(CODE, Access::Read);
        ensure!(refused.is_err() || !has(kernel, "smap"), "the kernel reads a program's memory unasked");
    }
    Ok(())
}

fn has(kernel: &Kernel<Machine>, feature: &str) -> bool {
    kernel.platform().features().any(|(name, on)| name == feature && on)
}

fn a_wild_stack_may_call(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let pages = Pages::new(kernel, CODE, code!(user_test_stack, user_test_stack_end), false)?;
    for stack in [0, 0x8000_0000_0000, u64::MAX, DIRECT_MAP] {
        let mut user = pages.start(stack)?;
        ensure!(run(kernel, &mut user) == UserExit::Call && user.stack() == stack, "stack {stack:#x}");
    }
    Ok(())
}

/// A system call as the last instruction of the last page: the next one would have an address that is none.
fn a_call_at_the_end(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    const SYSCALL: &[u8] = &[0x0f, 0x05];
    let pages = Pages::new(kernel, USER_END, SYSCALL, true)?;
    let start = UserStart { entry: USER_END + PAGE - 2, stack: STACK, argument: 0 };
    let refused = run(kernel, &mut kernel.platform().new_user(start)?);
    let expected = UserExit::Fault(UserFault::Exception("general protection fault"));
    ensure!(refused == expected, "{refused:?}");
    drop(pages);
    let pages = Pages::new(kernel, USER_END - PAGE, SYSCALL, true)?;
    let start = UserStart { entry: USER_END - 2, stack: STACK, argument: 0 };
    let mut user = kernel.platform().new_user(start)?;
    ensure!(run(kernel, &mut user) == UserExit::Call && user.instruction() == USER_END);
    let refused = run(kernel, &mut user);
    ensure!(refused == expected, "{refused:?}");
    drop(pages);
    Ok(())
}

fn segments_are_the_programs_own(kernel: &Kernel<Machine>) -> Result<(), Failure> {
    let pages = Pages::new(kernel, CODE, code!(user_test_segments, user_test_segments_end), false)?;
    let mut user = pages.start(0)?;
    ensure!(run(kernel, &mut user) == UserExit::Call && user.call().number == 6);
    let exit = run(kernel, &mut user);
    ensure!(exit == UserExit::Fault(UserFault::Exception("general protection fault")), "{exit:?}");
    Ok(())
}
