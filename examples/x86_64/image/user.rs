//! Programs: ring 3, entered by a call that returns when the program leaves it.
//!
//! | part | what it does |
//! |---|---|
//! | [`accept_calls`] | tells a CPU where system calls enter |
//! | [`enter`] | runs a program until it needs the kernel; interrupts are served on the way |
//! | [`Local`] | what the assembly finds through GS: the frame of the program, the stack to come back to |
//!
//! Invariant: while a CPU is in ring 3, its [`Local`] names the frame and the kernel stack of the thread that entered, which
//! stays there until it is back: a thread is not moved while its program runs, only after it has left.

use core::cell::UnsafeCell;
use core::ptr;

use kos_demo_kernel::platform::{
    Access, AddressSpace, UserAccess, UserCall, UserContext, UserExit, UserFault, UserStart,
};
use kos_x86_64::trap::{self, Frame as Registers, exception_name};
use kos_x86_64::user::UserFrame;
use x86_64::VirtAddr;
use x86_64::instructions::interrupts;
use x86_64::registers::model_specific::{Efer, EferFlags, FsBase, LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::registers::xcontrol::XCr0;

use crate::{cpu, fault, space};

unsafe extern "C" {
    /// Runs the program until it leaves.
    fn user_enter(frame: *mut UserFrame);
    /// Where system calls enter.
    static user_called: u8;
}

/// What a CPU has for it. Written by `user.s` on that CPU only.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Local {
    pub(crate) kernel_stack: UnsafeCell<u64>,
    pub(crate) scratch: UnsafeCell<u64>,
    pub(crate) frame: UnsafeCell<*mut UserFrame>,
}

// SAFETY: no Rust code reads or writes the fields; the assembly does so on the CPU whose they are.
unsafe impl Sync for Local {}

impl Local {
    /// No program was entered yet.
    pub(crate) const fn new() -> Self {
        Self {
            kernel_stack: UnsafeCell::new(0),
            scratch: UnsafeCell::new(0),
            frame: UnsafeCell::new(ptr::null_mut()),
        }
    }
}

/// Tells this CPU where system calls enter, and with which segments. SYSRET takes the two behind `data`.
pub(crate) fn accept_calls(code: u16, data: u16) {
    // Whatever the program has set: interrupts masked, no trap, no direction, no access to its memory.
    let cleared = RFlags::all() - RFlags::IOPL_LOW - RFlags::IOPL_HIGH;
    SFMask::write(cleared);
    LStar::write(VirtAddr::from_ptr(&raw const user_called));
    // SAFETY: the selectors are those of the table that is loaded, in the order that SYSCALL and SYSRET count on.
    unsafe { Star::write_raw(data, code) };
    // SAFETY: the three registers above say what a call does; no other flag changes.
    unsafe { Efer::update(|flags| *flags |= EferFlags::SYSTEM_CALL_EXTENSIONS) };
}

/// The registers of a program.
#[derive(Clone, Debug)]
pub(crate) struct User(UserFrame);

impl User {
    /// A program that is to begin there.
    pub(crate) fn new(UserStart { entry, stack, argument }: UserStart) -> Self {
        let components = if cpu::has_avx() { XCr0::read_raw() } else { 0 };
        Self(UserFrame::new(entry, stack, argument, components))
    }
}

/// Runs the program in `space`, or in the kernel's own, until it needs the kernel.
pub(crate) fn enter(User(frame): &mut User, space: Option<&AddressSpace>) -> UserExit {
    if !frame.can_be_entered() {
        return exception(trap::GENERAL_PROTECTION);
    }
    interrupts::disable();
    if !space::load(space) {
        interrupts::enable();
        return exception(trap::GENERAL_PROTECTION);
    }
    // Before the frame is used, as interrupts are masked: this CPU's until the program leaves.
    FsBase::write(VirtAddr::new_truncate(frame.thread_pointer));
    // SAFETY: by the frame's invariant the CPU enters ring 3; what is mapped for it there is the business of who has loaded the
    // address space. Interrupts are masked, and the frame is borrowed until the program has left.
    unsafe { user_enter(frame) };
    let exit = left(frame);
    interrupts::enable();
    exit
}

/// Why it left; interrupts are masked still, so an interrupt is served as if it had come in the kernel.
fn left(frame: &UserFrame) -> UserExit {
    let registers = &frame.registers;
    match registers.vector {
        UserFrame::SYSTEM_CALL => return UserExit::Call,
        trap::NON_MASKABLE | trap::DOUBLE_FAULT | trap::MACHINE_CHECK => fault::fatal(registers),
        vector @ trap::EXCEPTIONS.. => {
            crate::trap::interrupt(vector);
            return UserExit::Interrupted;
        }
        vector => crate::trap::count(vector),
    }
    if registers.vector != trap::PAGE_FAULT {
        return exception(registers.vector);
    }
    let has = |bit: u32| registers.error_code >> bit & 1 == 1;
    let next = frame.fault_address == registers.rip && !has(1);
    let access = match (has(4) || next && !cpu::reports_fetches(), has(1)) {
        (true, _) => UserAccess::Fetch,
        (_, true) => UserAccess::Data(Access::Write),
        _ => UserAccess::Data(Access::Read),
    };
    UserExit::Fault(UserFault::Page { address: frame.fault_address, access, present: has(0) })
}

fn exception(vector: u64) -> UserExit {
    UserExit::Fault(UserFault::Exception(exception_name(vector).unwrap_or("unknown exception")))
}

impl UserContext for User {
    fn call(&self) -> UserCall {
        let Registers { rax, rdi, rsi, rdx, r10, r8, r9, .. } = self.0.registers;
        UserCall { number: rax, arguments: [rdi, rsi, rdx, r10, r8, r9] }
    }

    fn answer(&mut self, value: u64) {
        self.0.registers.rax = value;
    }

    fn answered(&self) -> u64 {
        self.0.registers.rax
    }

    fn set_stack(&mut self, address: u64) {
        self.0.registers.rsp = address;
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.0.thread_pointer = address;
    }

    fn instruction(&self) -> u64 {
        self.0.registers.rip
    }

    fn stack(&self) -> u64 {
        self.0.registers.rsp
    }

    fn frame(&self) -> u64 {
        self.0.registers.rbp
    }
}
