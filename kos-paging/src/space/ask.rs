//! Questions to pagers: what is asked without the lock, and how the answer is told from one that came too late.

use super::error::FaultError;
use super::fault::{Fault, Refused, counted};
use super::frame_meta::FrameRef;
use super::memory;
use super::ports::{PageIn, Pager, SpaceEnv, Token};
use super::pt::{fresh, page_bytes};
use super::vma::Vma;
use crate::addr::PhysAddr;
use crate::attrs::Flags;

/// A question to a pager.
pub(super) struct Ask<E: SpaceEnv> {
    pub(super) env: E,
    pub(super) object: E::Object,
    pub(super) fault: Fault,
    /// The page.
    pub(super) at: u64,
    pub(super) offset: u64,
    pub(super) version: u64,
    /// The last byte of physical memory that entries reach.
    pub(super) highest: PhysAddr,
    /// The page is there; it is to become writable.
    pub(super) present: bool,
    pub(super) shared_write: bool,
}

/// Its answer.
pub(super) enum Answer<E: SpaceEnv> {
    Wait(Token),
    Page(Ask<E>, Page),
}

/// What a pager had.
pub(super) enum Page {
    /// It is there already.
    Present,
    /// A frame that the pager keeps as well.
    Shared(FrameRef),
    /// A frame of the program's own.
    Own(FrameRef),
}

impl<E: SpaceEnv> Ask<E> {
    /// Asks, without a lock.
    pub(super) fn ask(self) -> Result<Answer<E>, Refused<E>> {
        let page = if self.present {
            Page::Present
        } else {
            match self.object.page_in(self.offset).map_err(FaultError::Pager)? {
                PageIn::Wait(token) => return Ok(Answer::Wait(token)),
                PageIn::Shared(frame) => Page::Shared(frame),
                PageIn::Fill => Page::Own(self.fill()?),
            }
        };
        if self.shared_write
            && let Err(cause) = self.object.make_writable(self.offset)
        {
            page.give_back(&self.env);
            return Err(FaultError::Pager(cause));
        }
        Ok(Answer::Page(self, page))
    }

    /// A fresh frame with what the pager puts into it.
    fn fill(&self) -> Result<FrameRef, Refused<E>> {
        let (env, bytes) = (&self.env, usize::try_from(page_bytes::<E>()).unwrap_or_default());
        let mut frame = fresh(env, self.highest).ok_or(FaultError::OutOfFrames)?;
        let put = |into: &mut [u8]| {
            into.fill(0);
            self.object.fill(self.offset, into)
        };
        match memory::with_bytes(env, &mut frame, bytes, put) {
            Some(Ok(())) => counted(env, frame).ok_or(FaultError::OutOfFrames),
            Some(Err(cause)) => {
                env.free(frame);
                Err(FaultError::Pager(cause))
            }
            None => {
                env.free(frame);
                Err(FaultError::OutOfFrames)
            }
        }
    }

    /// Whether the mapping still shows what was asked for, and allows it.
    pub(super) fn is_for(&self, vma: &Vma<E::Object>) -> bool {
        let Some(backing) = &vma.backing else { return false };
        backing.object == self.object
            && vma.offset_of(self.at) == self.offset
            && vma.grants(self.fault.access)
            && (vma.is_shared() && self.fault.access.contains(Flags::WRITE)) == self.shared_write
            && backing.object.version() == self.version
            && self.offset < backing.object.bytes()
    }
}

impl Page {
    pub(super) fn give_back<E: SpaceEnv>(self, env: &E) {
        if let Self::Shared(frame) | Self::Own(frame) = self {
            frame.release(env);
        }
    }
}
