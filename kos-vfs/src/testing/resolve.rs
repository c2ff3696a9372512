//! The fuzz target [`resolve`]: paths in a tree that the input makes.
//!
//! What must hold of every answer, without a model: a limit only narrows; beneath is beneath; the name that a file is said to have leads to it.

#![expect(clippy::expect_used, reason = "a test helper: what is wrong shall fail loudly")]

use alloc::sync::Arc;

use crate::config::Config;
use crate::fs::RenameFlags;
use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
use crate::testing::{HostEnv, TestClock};
use crate::{At, AtFlags, Call, Ctx, Mode, MountFlags, Place, ResolveFlags, Vfs, View};

/// Starts a step.
const STEP: u8 = 0xff;
/// Stands between two paths of a step.
const AND: u8 = 0xfe;

/// The body of the fuzz target: after each byte 0xff a step, its first byte what to do, the rest one path, or two with 0xfe between.
///
/// # Panics
/// If a path leads where it must not.
pub fn resolve(data: &[u8]) {
    let config = Config { dentries: 16, files: 16, mounts: 4, ..Config::default() };
    let vfs =
        Vfs::<HostEnv>::new(&config, TestClock::at(1_000_000_000)).expect("sizes in bounds, and memory");
    let root = Tmpfs::<HostEnv>::new(&TmpfsConfig::default()).expect("memory");
    let view = vfs.mount_root(Arc::new(root), MountFlags::empty()).expect("an empty table of mounts");
    let ctx = Ctx::root();
    view.call(&ctx).mkdir(At::Cwd, b"/d", Mode::of(0o755)).expect("an empty file system");
    for step in data.split(|&byte| byte == STEP).take(200) {
        let Some((&what, paths)) = step.split_first() else { continue };
        let mut paths = paths.splitn(2, |&byte| byte == AND);
        let (path, other) = (paths.next().unwrap_or_default(), paths.next().unwrap_or(b"/d/s"));
        change(&view.call(&ctx), what, path, other);
        look(&view, &ctx, what, path);
    }
    vfs.check().expect("every invariant");
}

/// Changes the tree; what cannot be done is refused.
fn change(call: &Call<'_, '_, HostEnv>, what: u8, path: &[u8], other: &[u8]) {
    let _ = match what & 7 {
        0 | 1 => call.mkdir(At::Cwd, path, Mode::of(0o755)),
        2 | 3 => call.symlink(path, At::Cwd, other),
        4 => call.rename(At::Cwd, path, At::Cwd, other, RenameFlags::empty()),
        5 => call.rmdir(At::Cwd, path),
        6 => call.unlink(At::Cwd, path),
        _ => Ok(()),
    };
}

/// Looks where `path` leads from `/d`.
fn look(view: &View<'_, HostEnv>, ctx: &Ctx<'_>, what: u8, path: &[u8]) {
    let call = view.call(ctx);
    let Ok(start) = call.resolve(At::Cwd, b"/d", AtFlags::empty()) else { return };
    let at = At::Place(&start);
    let (limits, follow) = (ResolveFlags::from_bits_truncate((what >> 3).into()), what & 1 == 0);
    let limited = call.resolve_within(at, path, follow, limits);
    let free = call.resolve_within(at, path, follow, ResolveFlags::empty());
    let Ok(limited) = limited else { return };
    let number = |place: &Place<'_, HostEnv>| call.stat(place).expect("a file that was found").attr.ino;
    let spelt = |place: &_| view.path(place).expect("a file that was found has a name");
    if !limits.contains(ResolveFlags::IN_ROOT) {
        let free = free.expect("what is found within limits is found without");
        assert_eq!(number(&limited), number(&free), "a limit leads elsewhere");
    }
    let name = spelt(&limited);
    if limits.intersects(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT) {
        let above = spelt(&start);
        let beneath =
            name.strip_prefix(&above[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        assert!(beneath || above == b"/", "{name:?} is not beneath {above:?}");
    }
    let again = call.resolve(At::Cwd, &name, AtFlags::NO_FOLLOW);
    assert!(
        again.as_ref().is_ok_and(|place| number(place) == number(&limited)) || name.len() > 4000,
        "{name:?} leads elsewhere"
    );
}
