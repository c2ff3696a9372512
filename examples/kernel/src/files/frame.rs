//! `/dev/fb0`: the pixels of the screen, as bytes. It is there where there are pixels.
//!
//! Source: Linux, `fb_read` and `fb_write` of drivers/video/fbdev: reading ends at the end of the picture, writing there is `ENOSPC`.

use core::fmt;
use core::marker::PhantomData;

use kos_vfs::{Errno, OpenFlags, SeekFrom, SpecialFile};

use super::span;
use crate::platform::{Framebuffer, Platform};

/// The number of framebuffers in Linux.
pub(super) const MAJOR: u32 = 29;

/// Bytes for which the screen is held at once.
const PIECE: usize = 4096;

/// The picture.
pub(super) struct FrameFile<P>(PhantomData<fn() -> P>);

impl<P> FrameFile<P> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> fmt::Debug for FrameFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameFile")
    }
}

impl<P: Platform> SpecialFile for FrameFile<P> {
    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, offset: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        with::<P, _>(|frame| Ok(read(frame, offset, out)))
    }

    fn write(&self, offset: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        with::<P, _>(|frame| write(frame, offset, bytes))
    }

    fn seek(&self, position: u64, to: SeekFrom) -> Result<u64, Errno> {
        with::<P, _>(|frame| span::seek(end(frame), position, to))
    }
}

/// Does something with the picture.
fn with<P: Platform, R>(work: impl FnOnce(&dyn Framebuffer) -> Result<R, Errno>) -> Result<R, Errno> {
    P::with_kernel(|kernel| work(kernel.platform().framebuffer().ok_or(Errno::ENODEV)?)).ok_or(Errno::EIO)?
}

fn end(frame: &dyn Framebuffer) -> u64 {
    frame.shape().bytes() as u64
}

fn read(frame: &dyn Framebuffer, offset: u64, out: &mut [u8]) -> usize {
    let count = span::within(end(frame), offset, out.len());
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let pieces = out.get_mut(..count).unwrap_or_default().chunks_mut(PIECE);
    pieces.zip((start..).step_by(PIECE)).for_each(|(piece, at)| frame.read(at, piece));
    count
}

fn write(frame: &dyn Framebuffer, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    let count = span::within(end(frame), offset, bytes.len());
    if count == 0 && !bytes.is_empty() {
        return Err(Errno::ENOSPC);
    }
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let pieces = bytes.get(..count).unwrap_or_default().chunks(PIECE);
    pieces.zip((start..).step_by(PIECE)).for_each(|(piece, at)| frame.write(at, piece));
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::FrameShape;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    /// A picture that must not be asked for what it has not, nor for much at once.
    struct Picture(RefCell<Vec<u8>>);

    const SHAPE: FrameShape = FrameShape { width: 100, height: 30, stride: 416 };

    impl Framebuffer for Picture {
        fn shape(&self) -> FrameShape {
            SHAPE
        }

        fn read(&self, offset: usize, out: &mut [u8]) {
            assert!(out.len() <= PIECE);
            out.copy_from_slice(&self.0.borrow()[offset..offset + out.len()]);
        }

        fn write(&self, offset: usize, bytes: &[u8]) {
            assert!(bytes.len() <= PIECE);
            self.0.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn a_picture_is_written_and_read_up_to_its_end() {
        let picture = Picture(RefCell::new(vec![0; 12480]));
        assert_eq!(SHAPE.bytes(), 12480);
        let bytes: Vec<u8> = (0..9000_u32).map(|number| number.to_le_bytes()[0] ^ 0x55).collect();
        assert_eq!(write(&picture, 1001, &bytes), Ok(9000));
        assert_eq!(picture.0.borrow()[1001..10001], bytes);
        let mut out = vec![7; 12480];
        assert_eq!(read(&picture, 1000, &mut out), 11480);
        assert_eq!((out[0], &out[1..9001], out[11479], out[11480]), (0, &bytes[..], 0, 7));
        // What is there is written, then nothing more.
        assert_eq!(write(&picture, 12000, &bytes), Ok(480));
        assert_eq!(write(&picture, 12480, b"x"), Err(Errno::ENOSPC));
        assert_eq!(write(&picture, u64::MAX, b"x"), Err(Errno::ENOSPC));
        assert_eq!((write(&picture, 12480, b""), read(&picture, 12480, &mut out)), (Ok(0), 0));
        assert_eq!(read(&picture, u64::MAX, &mut out), 0);
    }
}
