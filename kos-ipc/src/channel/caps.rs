//! Capabilities into a message and out of it: [`Outgoing`], [`Incoming`].

use super::error::SendReason;
use super::level::{Level, Levels};
use crate::cap::{CapError, CapId, CapSpace, Carried, Cells, Object, Transfer};
use crate::ports::Env;

/// Capabilities to be sent: none (`()`), those that a [`Transfer`] holds, or those of a slice, as another message brought them. A
/// message that is not sent leaves them as they were.
pub trait Outgoing<'c, E: Env, O: Object>: sealed::Outgoing<'c, E, O> {}

/// Where the capabilities of a message go: nowhere (`()`), into a slice, or [into a space](ToSpace).
pub trait Incoming<'c, E: Env, O: Object>: sealed::Incoming<'c, E, O> {}

impl<'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>> Outgoing<'c, E, O> for C {}
impl<'c, E: Env, O: Object, C: sealed::Incoming<'c, E, O>> Incoming<'c, E, O> for C {}

/// Puts the capabilities of a message into `space`, and their numbers there into `ids`. A message whose capabilities find no place
/// is not received.
#[derive(Debug)]
pub struct ToSpace<'b, 's, E: Env, O: Object> {
    /// Where they go.
    pub space: &'b CapSpace<'s, E, O>,
    /// How they are named there; as many as there are places can be received.
    pub ids: &'b mut [CapId],
}

pub(super) mod sealed {
    use super::{CapError, Carried, Cells, Env, Object};

    pub trait Outgoing<'c, E: Env, O: Object>: Sized {
        fn count(&self) -> usize;
        fn are_under(&self, cells: &Cells<'_, E>) -> bool;
        /// Shows the first objects, until one is refused: which, and why.
        fn show<R>(&self, accept: impl FnMut(&O) -> Result<(), R>) -> Result<(), (usize, R)>;
        fn commit(self, put: impl FnMut(Carried<'c, E, O>));
    }

    pub trait Incoming<'c, E: Env, O: Object> {
        fn room(&self) -> usize;
        /// Takes `count` from `next`, which is not asked if that is not possible, and may give none.
        fn accept(
            &mut self,
            cells: &Cells<'_, E>,
            count: usize,
            next: impl FnMut() -> Option<Carried<'c, E, O>>,
        ) -> Result<(), CapError>;
    }
}

impl<'c, E: Env, O: Object> sealed::Outgoing<'c, E, O> for () {
    fn count(&self) -> usize {
        0
    }

    fn are_under(&self, _: &Cells<'_, E>) -> bool {
        true
    }

    fn show<R>(&self, _: impl FnMut(&O) -> Result<(), R>) -> Result<(), (usize, R)> {
        Ok(())
    }

    fn commit(self, _: impl FnMut(Carried<'c, E, O>)) {}
}

impl<'c, 's: 'c, E: Env, O: Object> sealed::Outgoing<'c, E, O> for Transfer<'_, 's, '_, E, O> {
    fn count(&self) -> usize {
        self.len()
    }

    fn are_under(&self, cells: &Cells<'_, E>) -> bool {
        self.is_under(cells)
    }

    fn show<R>(&self, accept: impl FnMut(&O) -> Result<(), R>) -> Result<(), (usize, R)> {
        Transfer::show(self, accept)
    }

    fn commit(self, mut put: impl FnMut(Carried<'c, E, O>)) {
        Transfer::commit(self, |_, cap| put(cap));
    }
}

impl<'c, 's: 'c, E: Env, O: Object> sealed::Outgoing<'c, E, O> for &mut [Option<Carried<'s, E, O>>] {
    fn count(&self) -> usize {
        self.iter().flatten().count()
    }

    fn are_under(&self, cells: &Cells<'_, E>) -> bool {
        self.iter().flatten().all(|cap| cap.is_under(cells))
    }

    fn show<R>(&self, mut accept: impl FnMut(&O) -> Result<(), R>) -> Result<(), (usize, R)> {
        let mut caps = self.iter().flatten().enumerate();
        caps.try_for_each(|(at, cap)| accept(cap.object()).map_err(|refused| (at, refused)))
    }

    fn commit(self, mut put: impl FnMut(Carried<'c, E, O>)) {
        for cap in self.iter_mut().filter_map(Option::take) {
            put(cap);
        }
    }
}

impl<'c, E: Env, O: Object> sealed::Incoming<'c, E, O> for () {
    fn room(&self) -> usize {
        0
    }

    fn accept(
        &mut self,
        _: &Cells<'_, E>,
        _: usize,
        _: impl FnMut() -> Option<Carried<'c, E, O>>,
    ) -> Result<(), CapError> {
        Err(CapError::Full)
    }
}

impl<'c, E: Env, O: Object> sealed::Incoming<'c, E, O> for &mut [Option<Carried<'c, E, O>>] {
    fn room(&self) -> usize {
        self.len()
    }

    fn accept(
        &mut self,
        _: &Cells<'_, E>,
        count: usize,
        mut next: impl FnMut() -> Option<Carried<'c, E, O>>,
    ) -> Result<(), CapError> {
        for place in self.iter_mut().take(count) {
            let cap = next();
            if cap.is_none() {
                break;
            }
            *place = cap;
        }
        Ok(())
    }
}

impl<'c, E: Env, O: Object> sealed::Incoming<'c, E, O> for ToSpace<'_, '_, E, O> {
    fn room(&self) -> usize {
        self.ids.len()
    }

    fn accept(
        &mut self,
        cells: &Cells<'_, E>,
        count: usize,
        next: impl FnMut() -> Option<Carried<'c, E, O>>,
    ) -> Result<(), CapError> {
        if !self.space.is_under(cells) {
            return Err(CapError::Foreign);
        }
        self.space.accept_from(count, next, |at, id| {
            if let Some(place) = self.ids.get_mut(at) {
                *place = id;
            }
        })
    }
}

/// Capabilities whose channels were lifted and lowered for a message; dropped before it is sent, they lie in no queue.
pub(super) struct Entered<'a, 'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>> {
    levels: &'a Levels<'c, E>,
    outer: &'a Level,
    caps: Option<C>,
    object: core::marker::PhantomData<fn(&O)>,
}

impl<'a, 'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>> Entered<'a, 'c, E, O, C> {
    /// All or none; they come back.
    pub(super) fn new(levels: &'a Levels<'c, E>, outer: &'a Level, caps: C) -> Result<Self, (SendReason, C)> {
        if !caps.are_under(levels.cells()) {
            return Err((SendReason::Foreign, caps));
        }
        let put = |object: &O| object.level().map_or(Ok(()), |inner| levels.put(outer, inner));
        if let Err((at, reason)) = caps.show(put) {
            leave(levels, outer, &caps, at);
            return Err((reason, caps));
        }
        Ok(Self { levels, outer, caps: Some(caps), object: core::marker::PhantomData })
    }

    /// They are on their way.
    pub(super) fn send(mut self, put: impl FnMut(Carried<'c, E, O>)) {
        if let Some(caps) = self.caps.take() {
            caps.commit(put);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.caps.as_ref().map_or(0, C::count)
    }

    /// They are not.
    #[expect(clippy::panic, reason = "taken by what consumes it")]
    pub(super) fn back(mut self) -> C {
        let Some(caps) = self.caps.take() else { panic!("capabilities that were sent") };
        leave(self.levels, self.outer, &caps, usize::MAX);
        caps
    }
}

impl<'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>> Drop for Entered<'_, 'c, E, O, C> {
    fn drop(&mut self) {
        if let Some(caps) = &self.caps {
            leave(self.levels, self.outer, caps, usize::MAX);
        }
    }
}

/// The first `count` lie in `outer` no more.
fn leave<'c, E: Env, O: Object, C: sealed::Outgoing<'c, E, O>>(
    levels: &Levels<'c, E>,
    outer: &Level,
    caps: &C,
    count: usize,
) {
    let mut left = count;
    // It ends where it is told to.
    _ = caps.show(|object| {
        left = left.checked_sub(1).ok_or(())?;
        object.level().into_iter().for_each(|inner| levels.take(outer, inner));
        Ok::<(), ()>(())
    });
}
