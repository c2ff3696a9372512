//! Tests that are lines of the shell: what each says and how it ends, in a directory of their own.

use alloc::string::String;
use core::fmt::{self, Write};

use super::Failure;
use crate::Kernel;
use crate::ensure;
use crate::files::Files;
use crate::platform::Platform;
use crate::shell::{self, Lossy, Session, Shared, Status};
use crate::text::Text;

/// A line, its status, and all that it says.
pub(super) type Line = (&'static str, u32, &'static str);

/// A [`Test`](super::Test) of lines: `says!("area::what_holds", ["echo a", 0, "a\n"], …)`.
macro_rules! says {
    ($name:literal, $([$line:literal, $status:literal, $said:literal]),+ $(,)?) => {
        Test { name: $name, run: |kernel| crate::selftest::lines::run(kernel, &[$(($line, $status, $said)),+]) }
    };
}
pub(super) use says;

/// What a line says, as much of it as there is room for.
#[derive(Default)]
struct Said(String);

impl Write for Said {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(part);
        Ok(())
    }
}

/// Runs the lines one after the other, each in a shell of its own that stands in an empty directory of all of them.
pub(super) fn run<P: Platform>(kernel: &Kernel<P>, lines: &[Line]) -> Result<(), Failure> {
    in_scratch(kernel, |kernel| lines.iter().try_for_each(|line| check(kernel, line)))
}

/// Mounts an empty file system on `/mnt`, does `work`, and takes it away again with all that is in it.
pub(super) fn in_scratch<P: Platform>(
    kernel: &Kernel<P>,
    work: impl FnOnce(&Kernel<P>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let files = kernel.files().ok_or_else(|| Failure::skip(format_args!("no files")))?;
    told(kernel, "mount -t tmpfs none /mnt", 0)?;
    let result = work(kernel);
    let left = told(kernel, "umount /mnt", 0);
    // Names that are remembered take memory.
    Files::vfs(files).shrink(0);
    result.and(left.map(drop))
}

/// What a line says that is to end with `status`.
pub(super) fn told<P: Platform>(kernel: &Kernel<P>, line: &str, status: u32) -> Result<String, Failure> {
    said_in(&mut Session::new(kernel), line, status)
}

fn said_in<P: Platform>(session: &mut Session<'_, P>, line: &str, status: u32) -> Result<String, Failure> {
    let (ended, said) = try_in(session, line);
    ensure!(ended.0 == status, "'{line}' ends with {}: {said}", ended.0);
    Ok(said)
}

/// How a line ends, and what it says.
pub(super) fn try_in<P: Platform>(session: &mut Session<'_, P>, line: &str) -> (Status, String) {
    let mut said = Said::default();
    let (ended, _) = shell::execute(session, line, &Shared::<P>::new(&mut Lossy(&mut said)));
    (ended, said.0)
}

fn check<P: Platform>(kernel: &Kernel<P>, (line, status, expected): &Line) -> Result<(), Failure> {
    let mut session = Session::new(kernel);
    said_in(&mut session, "cd /mnt", 0)?;
    let said = said_in(&mut session, line, *status)?;
    ensure!(said == *expected, "'{line}' says {:?}, not {:?}", Text::new(format_args!("{said}")), expected);
    Ok(())
}
