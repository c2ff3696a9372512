//! What programs may do to each other's objects, whatever capabilities they have: a [`Plan`], read from lines.
//!
//! A line is `allow|deny DOMAIN CLASS RIGHT...`, `#` begins a comment. A domain is `root` (programs of user 0), `user` (of
//! others) or `any`; classes and rights are those of [`CLASSES`], or `any`. Later lines count more. The plan begins as
//! [`Plan::new`] says, and a file with one bad line is none: nothing of it counts.
//!
//! A plan becomes the table of kos-ipc that is asked after capabilities are ([`Plan::apply`]). The kernel itself is of no domain here:
//! what it needs to end programs and to reach its servers is always allowed.

mod error;
mod file;
#[cfg(test)]
mod tests;

use core::fmt;

use kos_ipc::policy::{NoRule, Op, OpSet, TypeTable};

pub(crate) use error::{PolicyError, Problem};
pub(crate) use file::{at_boot, read};

/// Where the policy is that holds from the boot on.
pub(crate) const PATH: &str = "/etc/policy";
/// The most bytes of a file.
pub(crate) const FILE_MAX: usize = 8 << 10;

/// Domains of programs, by their number in the table less one: number 0 is the kernel.
const DOMAINS: [&str; 2] = ["root", "user"];
/// Domains of the table.
pub(crate) const DOMAINS_ALL: u16 = 3;

/// A class of objects: its name, and the rights there are to it.
type Class = (&'static str, &'static [(&'static str, Op)]);

/// The classes, by their type in the table.
pub(crate) const CLASSES: [Class; 6] = [
    (
        "endpoint",
        &[
            ("call", Op::Call),
            ("receive", Op::Receive),
            ("send", Op::Send),
            ("watch", Op::Watch),
            ("wait", Op::Wait),
        ],
    ),
    ("notification", &[("post", Op::Post), ("take", Op::Take), ("watch", Op::Watch), ("wait", Op::Wait)]),
    ("names", &[("publish", Op::Publish), ("open", Op::Open), ("unlink", Op::Unlink)]),
    ("segment", &[("create", Op::Create), ("map", Op::Map), ("resize", Op::Resize), ("seal", Op::Seal)]),
    ("pipe", &[("read", Op::Read), ("write", Op::Write), ("watch", Op::Watch), ("wait", Op::Wait)]),
    ("process", &[("signal", Op::Signal), ("watch", Op::Watch), ("wait", Op::Wait)]),
];

/// Types of the table, one a class.
pub(crate) const ENDPOINT: u16 = 0;
/// See [`ENDPOINT`].
pub(crate) const NOTIFICATION: u16 = 1;
/// See [`ENDPOINT`].
pub(crate) const NAMES: u16 = 2;
/// See [`ENDPOINT`].
pub(crate) const SEGMENT: u16 = 3;
/// See [`ENDPOINT`].
pub(crate) const PIPE: u16 = 4;
/// See [`ENDPOINT`].
pub(crate) const PROCESS: u16 = 5;
/// How many there are.
pub(crate) const TYPES: u16 = PROCESS + 1;

const _: () = assert!(CLASSES.len() == TYPES as usize);

/// What each domain may do to each class: a bit for each right of the class, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    allowed: [[u8; CLASSES.len()]; DOMAINS.len()],
}

/// All rights of a class.
const fn all(class: &Class) -> u8 {
    (1 << class.1.len()) - 1
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Plan {
    /// All may use what they have capabilities to; names are given by programs of user 0, and found by all.
    #[must_use]
    pub(crate) fn new() -> Self {
        let mut plan = Self { allowed: [CLASSES.each_ref().map(all); DOMAINS.len()] };
        let [_, user] = &mut plan.allowed;
        if let Some(names) = user.get_mut(usize::from(NAMES)) {
            // To open, the second right.
            *names = 1 << 1;
        }
        plan
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`PolicyError`]: the first thing that is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > FILE_MAX {
            return Err(PolicyError { line: 1, column: 1, problem: Problem::TooLong });
        }
        let mut plan = Self::new();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            plan.line(line).map_err(|(at, problem)| PolicyError {
                line: number,
                column: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1),
                problem,
            })?;
        }
        Ok(plan)
    }

    /// Takes a line in; where in it something is wrong, from 0 on.
    fn line(&mut self, line: &[u8]) -> Result<(), (usize, Problem)> {
        let text = core::str::from_utf8(line).map_err(|error| (error.valid_up_to(), Problem::NotText))?;
        let text = text.split('#').next().unwrap_or_default();
        let mut words = words(text);
        let Some((at, word)) = words.next() else { return Ok(()) };
        let allow = match word {
            "allow" => true,
            "deny" => false,
            _ => return Err((at, Problem::NoVerb)),
        };
        let end = (text.trim_end().len(), Problem::Lacks);
        let (at, word) = words.next().ok_or(end)?;
        let domains = some(word, DOMAINS.iter().copied()).ok_or((at, Problem::NoDomain))?;
        let (at, word) = words.next().ok_or(end)?;
        let classes = some(word, CLASSES.iter().map(|(name, _)| *name)).ok_or((at, Problem::NoClass))?;
        let mut any = false;
        for (at, word) in words {
            any = true;
            self.change(&domains, &classes, word, allow).map_err(|problem| (at, problem))?;
        }
        if any { Ok(()) } else { Err(end) }
    }

    /// Allows or denies a right where those classes have it; one of them has.
    fn change(
        &mut self,
        domains: &Chosen,
        classes: &Chosen,
        right: &str,
        allow: bool,
    ) -> Result<(), Problem> {
        let mut known = false;
        for (number, class) in CLASSES.iter().enumerate().filter(|(number, _)| classes.has(*number)) {
            let Some(rights) = some(right, class.1.iter().map(|(name, _)| *name)) else { continue };
            let rights = rights.0 & all(class);
            known = true;
            let rows = self.allowed.iter_mut().enumerate().filter(|(domain, _)| domains.has(*domain));
            for bits in rows.filter_map(|(_, row)| row.get_mut(number)) {
                *bits = if allow { *bits | rights } else { *bits & !rights };
            }
        }
        if known { Ok(()) } else { Err(Problem::NoRight) }
    }

    /// Makes the table say so. Who is asked meanwhile answers as before or as after, for each domain and class.
    ///
    /// # Errors
    /// The table is too small.
    pub(crate) fn apply(&self, table: &TypeTable<'_, ()>) -> Result<(), NoRule> {
        for label in 0..TYPES {
            table.set(0, label, OpSet::ALL)?;
        }
        for (domain, row) in (1..).zip(&self.allowed) {
            for ((label, class), bits) in (0..).zip(&CLASSES).zip(row) {
                let given = class.1.iter().enumerate().filter(|(place, _)| bits >> place & 1 != 0);
                let ops = given.fold(OpSet::NONE, |ops, (_, (_, op))| ops.with(*op));
                table.set(domain, label, if *bits == all(class) { OpSet::ALL } else { ops })?;
            }
        }
        Ok(())
    }
}

/// As lines: what is read from them is the same plan.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (domain, row) in DOMAINS.iter().zip(&self.allowed) {
            for (class, bits) in CLASSES.iter().zip(row) {
                for (verb, wanted) in [("allow", *bits), ("deny", !*bits & all(class))] {
                    line(f, verb, domain, class, wanted)?;
                }
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, verb: &str, domain: &str, class: &Class, bits: u8) -> fmt::Result {
    if bits == 0 {
        return Ok(());
    }
    write!(f, "{verb:<5} {domain} {:<12}", class.0)?;
    if bits == all(class) {
        return f.write_str(" any\n");
    }
    let named = class.1.iter().enumerate().filter(|(place, _)| bits >> place & 1 != 0);
    named.into_iter().try_for_each(|(_, (name, _))| write!(f, " {name}"))?;
    f.write_str("\n")
}

/// Some of a list, a bit each.
#[derive(Clone, Copy)]
struct Chosen(u8);

impl Chosen {
    const fn has(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }
}

/// The one of this name, or all of them: `any`.
fn some<'n>(word: &str, mut names: impl Iterator<Item = &'n str>) -> Option<Chosen> {
    if word == "any" {
        return Some(Chosen(u8::MAX));
    }
    names.position(|name| name == word).map(|place| Chosen(1 << place))
}

/// Words, and where each begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    core::iter::from_fn(move || {
        rest = rest.trim_start();
        let (word, behind) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let at = text.len() - rest.len();
        rest = behind;
        (!word.is_empty()).then_some((at, word))
    })
}
