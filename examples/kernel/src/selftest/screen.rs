//! A test of the screen as a file.

use kos_vfs::{At, Ctx, Errno, FileError, How, OpenFlags, SeekFrom};

use super::lines::told;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::files::Files;
use crate::platform::{Framebuffer, Platform};
use crate::text::Text;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[Test { name: "files::the_screen_is_a_device", run: screen }];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// User 0 reads and writes its pixels, up to the last one. Text that comes meanwhile may move what was drawn: the last lines are below
/// where it does, and what was there is put back.
fn screen<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const COUNT: usize = 64;
    let Some(shape) = kernel.platform().framebuffer().map(Framebuffer::shape) else {
        let said = told(kernel, "cat /dev/fb0", 1)?;
        ensure!(said.contains(Errno::ENOENT.meaning()), "{said}");
        return Err(Failure::skip(format_args!("no screen of pixels")));
    };
    let end = shape.bytes() as u64;
    let listed = told(kernel, "ls -l /dev/fb0", 0)?;
    ensure!(listed.starts_with("crw------- "), "{listed}");
    let refused = told(kernel, "su 1000:1000; head 1 < /dev/fb0", 1)?;
    ensure!(refused.contains(Errno::EACCES.meaning()), "{refused}");
    let (view, ctx) = (kernel.files().and_then(Files::view), Ctx::root());
    let view = view.ok_or_else(|| Failure::new(format_args!("no files")))?;
    let call = view.call(&ctx);
    let file = call.open(At::Cwd, b"/dev/fb0", &How::flags(OpenFlags::READ_WRITE))?;
    ensure!(file.seek(SeekFrom::End(0))? == end, "the end is not at {end}");
    ensure!(file.seek(SeekFrom::Current(1)).is_err() && file.read(&mut [0; COUNT])? == 0);
    // At an odd place, and up to the last byte.
    for (offset, count) in [(end - 4096 + 3, COUNT), (end - 7, 7)] {
        let (mut before, mut after) = ([0; COUNT], [0; COUNT]);
        let drawn: [u8; COUNT] = core::array::from_fn(|number| 0x5a ^ number.to_le_bytes()[0]);
        ensure!(file.pread(&mut before, offset)? == count);
        ensure!(call.pwrite(&file, &drawn, offset)? == count);
        ensure!(file.pread(&mut after, offset)? == count);
        call.pwrite(&file, before.get(..count).unwrap_or_default(), offset)?;
        ensure!(after.get(..count) == drawn.get(..count), "{after:x?} at {offset}");
    }
    let beyond = call.pwrite(&file, b"x", end);
    ensure!(beyond == Err(FileError::Special(Errno::ENOSPC)), "{beyond:?}");
    let (count, seen) = (told(kernel, "wc < /dev/fb0", 0)?, Text::new(format_args!("{end}")));
    ensure!(count.split_whitespace().next_back() == Some(seen.as_str()), "{count}, not {end}");
    Ok(())
}
