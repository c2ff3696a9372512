//! Files that people write by hand, and that the kernel reads at once: [`read_short`].

use alloc::vec::Vec;

use kos_vfs::{At, Call, Errno, How, OpenFlags};

use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The bytes of a file; of one that has more than `most`, a few more than that.
///
/// # Errors
/// What the system call answers. [`Errno::ENOMEM`]
pub(crate) fn read_short<P: Platform>(
    call: &Call<'_, '_, FilesEnv<P>>,
    path: &str,
    most: usize,
) -> Result<Vec<u8>, Errno> {
    let opened = call.open(At::Cwd, path.as_bytes(), &How::flags(OpenFlags::empty()));
    let file = opened.map_err(|error| error.errno())?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 256]);
    while bytes.len() <= most {
        let count = file.read(&mut piece).map_err(|error| error.errno())?;
        let piece = piece.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        bytes.try_reserve(piece.len()).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(piece);
    }
    Ok(bytes)
}
