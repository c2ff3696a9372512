//! How the kernel tells of a fatal exception and of a call chain.
//!
//! Displaying allocates nothing and follows no unchecked pointer: it works while the machine is broken.

use core::cell::RefCell;
use core::fmt;

use crate::symbols::Symbols;
use crate::trap::{DOUBLE_FAULT, ErrorCode, Frame, PAGE_FAULT, exception_name};

/// A fatal exception.
#[derive(Debug)]
pub struct FaultReport<'a> {
    /// The registers.
    pub frame: &'a Frame,
    /// CR2: the address that the last page fault was about. Told for page faults, and for double faults, whose cause may be
    /// one.
    pub address: u64,
    /// The stack below which the guard page was hit, if one was.
    pub overflow: Option<&'a str>,
    /// Names of addresses.
    pub symbols: Option<Symbols<'a>>,
}

impl fmt::Display for FaultReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { vector, error_code: code, rip, .. } = *self.frame;
        let name = exception_name(vector).unwrap_or("interrupt");
        writeln!(
            f,
            "kernel fault: {name} (vector {vector}) at {}",
            Place { address: rip, symbols: self.symbols }
        )?;
        writeln!(f, "  error code {code:#x}: {}", ErrorCode { vector, code })?;
        if let PAGE_FAULT | DOUBLE_FAULT = vector {
            writeln!(f, "  address (cr2) {:#018x}", self.address)?;
        }
        if let Some(stack) = self.overflow {
            writeln!(f, "  {stack} overflow: the address is in its guard page")?;
        }
        self.frame.fmt(f)
    }
}

/// An address with its function, if that is known.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The address.
    pub address: u64,
    /// Names of addresses.
    pub symbols: Option<Symbols<'a>>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.address)?;
        match self.symbols.and_then(|symbols| symbols.lookup(self.address)) {
            Some(symbol) => write!(f, " {}+{:#x}", symbol.name, symbol.offset),
            None => Ok(()),
        }
    }
}

/// A call chain, a line a call. Can be displayed once.
#[derive(Debug)]
pub struct CallChain<'a, I> {
    returns: RefCell<I>,
    symbols: Option<Symbols<'a>>,
}

impl<'a, I: Iterator<Item = u64>> CallChain<'a, I> {
    /// The chain of these return addresses, innermost first.
    pub fn new(returns: I, symbols: Option<Symbols<'a>>) -> Self {
        Self { returns: RefCell::new(returns), symbols }
    }
}

impl<I: Iterator<Item = u64>> fmt::Display for CallChain<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "call chain, innermost first:")?;
        // Return addresses point behind the call, perhaps into the next function: the name is that of the call itself.
        for returns_to in self.returns.borrow_mut().by_ref() {
            writeln!(f, "  {}", Place { address: returns_to.wrapping_sub(1), symbols: self.symbols })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const MODULE: &[u8] = b"KSYM1\n0000000000001000 kos::main\n0000000000002000 kos::shell::run\n";

    #[test]
    fn page_fault_report_names_function_access_and_address() {
        let frame = Frame { vector: PAGE_FAULT, error_code: 2, rip: 0x2010, rax: 0xabc, ..Frame::default() };
        let report = FaultReport {
            frame: &frame,
            address: 0xdead_0000,
            overflow: None,
            symbols: Symbols::new(MODULE),
        };
        let text = report.to_string();
        assert!(text.starts_with(
            "kernel fault: page fault (vector 14) at 0x0000000000002010 kos::shell::run+0x10\n"
        ));
        assert!(text.contains(
            "  error code 0x2: kernel write, page not present\n  address (cr2) 0x00000000dead0000\n"
        ));
        assert!(text.contains("  rax 0000000000000abc"));
        assert!(!text.contains("overflow"));
    }

    #[test]
    fn overflow_is_named() {
        let frame = Frame { vector: PAGE_FAULT, ..Frame::default() };
        let report = FaultReport { frame: &frame, address: 1, overflow: Some("boot stack"), symbols: None };
        assert!(report.to_string().contains("  boot stack overflow: the address is in its guard page\n"));
    }

    #[test]
    fn other_faults_show_no_address() {
        let frame = Frame { vector: 6, ..Frame::default() };
        let report = FaultReport { frame: &frame, address: 1, overflow: None, symbols: None };
        assert!(!report.to_string().contains("  address"));
    }

    #[test]
    fn call_chain_names_the_call_and_not_what_follows_it() {
        let chain = CallChain::new([0x1fff, 0x2000].into_iter(), Symbols::new(MODULE));
        assert_eq!(
            chain.to_string(),
            "call chain, innermost first:\n  0x0000000000001ffe kos::main+0xffe\n  0x0000000000001fff kos::main+0xfff\n"
        );
    }
}
