//! Where a program was when it did what it may not: its call chain, with names if its file has any.

use core::fmt::Write;
use core::ops::Range;

use kos_paging::object::Store as _;
use kos_paging::space::Vma;
use kos_paging::{Flags, VirtAddr};

use super::Process;
use super::object::{Backing, Object};
use super::space::UserSpace;
use super::symbols::{self, Bytes};
use crate::Kernel;
use crate::backtrace::{Backtrace, StackMemory};
use crate::platform::{Platform, UserContext};
use crate::text::Text;

/// Calls that are shown at most.
const SHOWN: usize = 12;

/// The memory of a program, as its own pointers lead through it: read by checked copies.
struct UserStack<'a, P: Platform>(&'a UserSpace<P>);

impl<P: Platform> UserStack<'_, P> {
    fn vma(&self, address: u64) -> Option<Vma<Object<P>>> {
        let vma = self.0.vma_at_or_after(VirtAddr::new(address))?;
        (vma.range.first().get() <= address).then_some(vma)
    }

    fn is_code(&self, address: u64) -> bool {
        self.vma(address).is_some_and(|vma| vma.rights.contains(Flags::EXECUTE))
    }
}

impl<P: Platform> StackMemory for UserStack<'_, P> {
    fn stack(&self, address: u64) -> Option<Range<u64>> {
        let range = self.vma(address).filter(|vma| vma.rights.contains(Flags::WRITE))?.range;
        Some(range.first().get()..range.last().get().saturating_add(1))
    }

    fn word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.0.copy_in(VirtAddr::new(address), &mut word).ok()?;
        Some(u64::from_le_bytes(word))
    }
}

/// The file of a program.
struct Program<'a, P: Platform>(&'a Backing<P>);

impl<P: Platform> Bytes for Program<'_, P> {
    fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        self.0.read(offset, into).is_ok()
    }
}

/// Tells whoever hears the process where it is, and who called that.
pub(super) fn tell<P: Platform>(
    kernel: &Kernel<P>,
    process: &Process<P>,
    space: &UserSpace<P>,
    user: &P::User,
) {
    let stack = UserStack(space);
    let mut addresses = [0; SHOWN];
    // The address of a return points behind the call, perhaps into the next function: the call itself is named.
    let calls = Backtrace::new(&stack, user.frame()).take_while(|&returns_to| stack.is_code(returns_to));
    let calls = calls.map(|returns_to| returns_to.wrapping_sub(1));
    let at = Some(user.instruction()).into_iter().chain(calls);
    let count = addresses.iter_mut().zip(at).map(|(place, address)| *place = address).count();
    let code = code(space);
    let names = code.as_ref().map(|object| symbols::names(&Program(object.store()), &addresses));
    let names = names.as_ref().map_or(&[][..], |names| names);
    for (index, address) in addresses.iter().enumerate().take(count) {
        let mut line = Text::default();
        // What is too long is cut.
        let _ = match names.get(index).and_then(Option::as_ref) {
            Some(symbol) => write!(line, "  {address:#x} {symbol}"),
            None => write!(line, "  {address:#x}"),
        };
        if say(kernel, process, line.as_str()).is_none() {
            return;
        }
    }
}

/// The file that a program runs.
fn code<P: Platform>(space: &UserSpace<P>) -> Option<Object<P>> {
    let mut next = Some(VirtAddr::new(0));
    while let Some(vma) = next.and_then(|next| space.vma_at_or_after(next)) {
        next = vma.range.last().checked_add(1);
        let backing = vma.backing.filter(|_| vma.rights.contains(Flags::EXECUTE));
        if let Some(backing) = backing.filter(|backing| matches!(backing.object.store(), Backing::File(_))) {
            return Some(backing.object);
        }
    }
    None
}

/// Says a line; [`None`] if nobody hears any more.
fn say<P: Platform>(kernel: &Kernel<P>, process: &Process<P>, line: &str) -> Option<()> {
    for mut rest in [line.as_bytes(), b"\n"] {
        while !rest.is_empty() {
            let taken = process.job.say(kernel, rest).ok()?;
            rest = rest.get(taken..)?;
        }
    }
    Some(())
}
