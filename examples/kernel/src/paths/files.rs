//! Files in memory: opened and closed, read, written.

use kos_vfs::{At, Call, Ctx, How, Mode, OpenFile, OpenFlags, SeekFrom};

use super::shortest;
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::selftest::Failure;

const NAME: &[u8] = b"/tmp/counted";
const HOW: How = How::create(OpenFlags::READ_WRITE.union(OpenFlags::CREATE), Mode::of(0o600));
const PAGE: usize = 4096;

/// Lets `work` have a file of one page.
fn with<P: Platform>(
    kernel: &Kernel<P>,
    work: impl for<'v> FnOnce(&Call<'_, 'v, FilesEnv<P>>, &OpenFile<'v, FilesEnv<P>>) -> Result<u64, Failure>,
) -> Result<u64, Failure> {
    let files = kernel.files().ok_or_else(|| Failure::skip(format_args!("no files")))?;
    let view = files.view().ok_or_else(|| Failure::new(format_args!("nothing is mounted")))?;
    let ctx = Ctx::root();
    let call = view.call(&ctx);
    let file = call.open(At::Cwd, NAME, &HOW)?;
    let counted = match call.write(&file, &[1; PAGE]) {
        Ok(_) => work(&call, &file),
        Err(error) => Err(error.into()),
    };
    call.unlink(At::Cwd, NAME)?;
    counted
}

pub(super) fn open<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    with(kernel, |call, _| shortest(kernel, || Ok(call.open(At::Cwd, NAME, &HOW).map(drop)?)))
}

pub(super) fn read<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    let mut page = [0; PAGE];
    with(kernel, |_, file| shortest(kernel, || Ok(file.pread(&mut page, 0).map(|_| ())?)))
}

pub(super) fn write<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    with(kernel, |call, file| {
        shortest(kernel, || {
            file.seek(SeekFrom::Start(0))?;
            Ok(call.write(file, &[2; PAGE]).map(|_| ())?)
        })
    })
}
