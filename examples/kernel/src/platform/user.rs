//! Programs: how a machine runs code that the kernel does not trust, and what brings it back.
//!
//! [`Platform::enter_user`](super::Platform::enter_user) is an ordinary call that returns when the program needs the kernel: a
//! system call, a fault, or an interrupt that was served meanwhile. So the loop around it is plain code of the kernel, in a
//! thread that may sleep.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use kos_paging::{AsidSlot, TlbContext};
use spin::Mutex;

use super::Access;

/// Where programs may have memory, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramLayout {
    /// The first address that is no program's.
    pub end: u64,
    /// The first address of the kernel's half, which goes on to the last address.
    pub kernel: u64,
    /// The machine, as ELF numbers it.
    pub machine: u16,
}

/// An address space of programs, as a machine sees it: what it loads, and who has it loaded.
#[derive(Debug)]
pub struct AddressSpace {
    root: u64,
    tlbs: TlbContext,
    /// Its number in TLBs, for a machine that has such numbers.
    pub asid: Mutex<AsidSlot>,
}

impl AddressSpace {
    /// That of the tables from the physical address `root`; no CPU has them loaded.
    #[must_use]
    pub fn new(root: u64) -> Self {
        Self { root, tlbs: TlbContext::new(), asid: Mutex::new(AsidSlot::default()) }
    }

    /// The physical address of its tables.
    #[must_use]
    pub const fn root(&self) -> u64 {
        self.root
    }
}

impl Deref for AddressSpace {
    type Target = TlbContext;

    fn deref(&self) -> &TlbContext {
        &self.tlbs
    }
}

/// A counted pointer to an [`AddressSpace`].
#[derive(Clone, Debug)]
pub struct SpaceHandle(pub Arc<AddressSpace>);

impl Deref for SpaceHandle {
    type Target = TlbContext;

    fn deref(&self) -> &TlbContext {
        &self.0.tlbs
    }
}

/// Where a program begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserStart {
    /// Its first instruction.
    pub entry: u64,
    /// Its stack pointer.
    pub stack: u64,
    /// The first argument of its first function.
    pub argument: u64,
}

/// A system call: its number and six words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserCall {
    /// Which.
    pub number: u64,
    /// With what.
    pub arguments: [u64; 6],
}

/// What a program has in its registers while the kernel runs; a clone is what a child of it starts with.
pub trait UserContext: Clone + fmt::Debug + Send + Sized + 'static {
    /// The system call that it made last.
    fn call(&self) -> UserCall;
    /// What that call returns.
    fn answer(&mut self, value: u64);
    /// What its last call returned.
    fn answered(&self) -> u64;
    /// Its stack pointer from now on.
    fn set_stack(&mut self, address: u64);
    /// Where the data of its thread lies from now on.
    fn set_thread_pointer(&mut self, address: u64);
    /// The address of its next instruction.
    fn instruction(&self) -> u64;
    /// Its stack pointer.
    fn stack(&self) -> u64;
    /// Its frame pointer: where its chain of calls begins, if it keeps one.
    fn frame(&self) -> u64;
}

/// Why a program is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserExit {
    /// It calls: [`UserContext::call`].
    Call,
    /// It did what it may not.
    Fault(UserFault),
    /// An interrupt was served; other threads may have run.
    Interrupted,
}

/// What a program did that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFault {
    /// It used memory that is not there, or not for this.
    Page {
        /// The address that it used.
        address: u64,
        /// How.
        access: UserAccess,
        /// There is memory, but not for this access.
        present: bool,
    },
    /// Anything else, by the name that the machine's manual gives it.
    Exception(&'static str),
}

/// How a program used memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAccess {
    /// As data.
    Data(Access),
    /// As code.
    Fetch,
}

impl fmt::Display for UserFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { address, access, present } => {
                let what = match access {
                    UserAccess::Data(Access::Read) => "read of",
                    UserAccess::Data(Access::Write) => "write to",
                    UserAccess::Fetch => "jump to",
                };
                let why = if *present { "which it may not" } else { "where nothing is" };
                write!(f, "{what} {address:#x}, {why}")
            }
            Self::Exception(name) => f.write_str(name),
        }
    }
}

/// The registers of a machine that runs no programs: there are no values of it.
#[derive(Clone, Copy, Debug)]
pub enum NoUser {}

impl UserContext for NoUser {
    fn call(&self) -> UserCall {
        match *self {}
    }

    fn answer(&mut self, _: u64) {
        match *self {}
    }

    fn answered(&self) -> u64 {
        match *self {}
    }

    fn set_stack(&mut self, _: u64) {
        match *self {}
    }

    fn set_thread_pointer(&mut self, _: u64) {
        match *self {}
    }

    fn instruction(&self) -> u64 {
        match *self {}
    }

    fn stack(&self) -> u64 {
        match *self {}
    }

    fn frame(&self) -> u64 {
        match *self {}
    }
}

impl NoUser {
    /// What there is to do with it.
    pub const fn never(&self) -> ! {
        match *self {}
    }
}
