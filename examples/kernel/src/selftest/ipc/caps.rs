//! Capabilities and quotas.

use kos_ipc::cap::{CapError, CapSlot, CapSpace, Cell, Cells, Object, Rights};
use kos_ipc::quota::{Limits, QuotaNode, Quotas, Resource};

use super::TestEnv;
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::selftest::Failure;

/// An object of the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port(u32);

impl Object for Port {
    fn kind(&self) -> u8 {
        1
    }
}

/// A table of four capabilities, three of which can have children, and a quota.
fn with_space<P: Platform>(
    work: impl FnOnce(&CapSpace<'_, TestEnv<P>, Port>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut nodes, mut cells) = ([const { QuotaNode::new() }; 1], [const { Cell::new() }; 3]);
    let quotas = Quotas::<TestEnv<P>>::new(&mut nodes);
    let cells = Cells::new(&mut cells, &quotas);
    let quota = quotas.root(Limits::UNLIMITED)?;
    let mut slots = [const { CapSlot::new() }; 4];
    let space = CapSpace::new(&mut slots, &cells, quota, 0x5eed)?;
    work(&space)?;
    space.check_all().map_err(|what| Failure::new(format_args!("{}", what.what)))
}

pub(super) fn rights<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let all = space.insert(Port(1), Rights::READ | Rights::DUPLICATE, 0)?;
        let more = space.duplicate(all, Rights::READ | Rights::WRITE);
        ensure!(more.is_err(), "a copy has more rights: {more:?}");
        let reader = space.duplicate(all, Rights::READ)?;
        ensure!(space.duplicate(reader, Rights::READ).is_err(), "it may not be copied");
        let (seen, refused) = (space.get(reader, 1, Rights::READ)?, space.check(reader, Rights::WRITE));
        ensure!(*seen == Port(1) && refused == Err(CapError::MissingRights(Rights::WRITE)), "{refused:?}");
        drop(seen);
        space.close(all)?;
        let stale = space.check(all, Rights::READ);
        ensure!(matches!(stale, Err(CapError::Stale { .. })), "{stale:?}");
        Ok(())
    })
}

pub(super) fn revoke<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let root =
            space.insert(Port(1), Rights::READ | Rights::DUPLICATE | Rights::MINT | Rights::REVOKE, 0)?;
        let child = space.mint(root, Rights::READ | Rights::DUPLICATE, 5)?;
        let grandchild = space.duplicate(child, Rights::READ)?;
        ensure!(space.check(grandchild, Rights::READ)?.badge == 5);
        space.revoke(root)?.finish();
        for gone in [child, grandchild] {
            ensure!(space.check(gone, Rights::READ).is_err(), "a child outlived the revocation");
        }
        Ok(())
    })
}

pub(super) fn full_table<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    with_space::<P>(|space| {
        let mut held = heapless::Vec::<_, 8>::new();
        let refused = loop {
            match space.insert(Port(2), Rights::READ, 0) {
                // There are four.
                Ok(id) => drop(held.push(id)),
                Err(error) => break error,
            }
        };
        ensure!(held.len() == 4 && space.stats().live == 4, "{} of 4, then {refused:?}", held.len());
        for id in held {
            space.close(id)?;
        }
        let id = space.insert(Port(3), Rights::READ, 0)?;
        ensure!(space.get(id, 1, Rights::READ)?.0 == 3);
        Ok(())
    })
}

pub(super) fn quota<P: Platform>(_: &Kernel<P>) -> Result<(), Failure> {
    let mut nodes = [const { QuotaNode::new() }; 3];
    let quotas = Quotas::<TestEnv<P>>::new(&mut nodes);
    let user = quotas.root(Limits { bytes: 100, ..Limits::UNLIMITED })?;
    let (one, other) =
        (user.child(Limits { bytes: 80, ..Limits::UNLIMITED })?, user.child(Limits::UNLIMITED)?);
    one.charge(Resource::Bytes, 60)?;
    let (own, shared) = (one.charge(Resource::Bytes, 30), other.charge(Resource::Bytes, 41));
    ensure!(own.is_err_and(|refused| refused.left == 20), "{own:?}");
    ensure!(shared.is_err_and(|refused| refused.left == 40), "{shared:?}");
    other.charge(Resource::Bytes, 40)?;
    one.refund(Resource::Bytes, 60);
    other.refund(Resource::Bytes, 40);
    ensure!(user.used(Resource::Bytes) == 0);
    Ok(())
}
