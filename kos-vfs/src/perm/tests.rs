//! The rules against tables written out by hand, and every mode against a slower reading of POSIX.

use super::*;
use crate::attr::{DeviceNumber, Ino, Timestamp};

fn file(kind: FileType, mode: u16, uid: u32, gid: u32) -> Attr {
    Attr {
        ino: Ino { number: 1, generation: 0 },
        kind,
        mode: Mode::of(mode),
        links: 1,
        uid,
        gid,
        device: DeviceNumber::default(),
        size: 0,
        blocks: 0,
        accessed: Timestamp::EPOCH,
        modified: Timestamp::EPOCH,
        changed: Timestamp::EPOCH,
        born: Timestamp::EPOCH,
    }
}

/// POSIX 4.7, sentence by sentence, for one bit.
fn posix_grants(class: u32, mode: u16, bit: u16) -> bool {
    match class {
        0 => mode & bit << 6 != 0,
        1 => mode & bit << 3 != 0,
        _ => mode & bit != 0,
    }
}

#[test]
fn each_class_has_its_own_bits_and_no_others() {
    let groups = [20, 30];
    let users = [Cred::user(1, 9, &[]), Cred::user(2, 9, &groups), Cred::user(3, 9, &groups[..1])];
    for mode in 0..0o1000_u16 {
        let attr = file(FileType::Regular, mode, 1, 30);
        for (cred, class) in users.iter().zip(0..) {
            for want in 0..8_u8 {
                let lacks = (0..3).map(|bit| 1 << bit).filter(|bit| want & bit != 0);
                let lacks = lacks.filter(|&bit| !posix_grants(class, mode, u16::from(bit))).sum();
                let expected = match Access::from_bits_truncate(lacks) {
                    none if none.is_empty() => Ok(()),
                    want => Err(Denied::Mode { want }),
                };
                assert_eq!(may(cred, &attr, Access::from_bits_truncate(want)), expected, "{mode:o} {class}");
            }
        }
    }
}

#[test]
fn capabilities_grant_what_they_say_and_not_more() {
    let with = |caps| Cred { caps, ..Cred::user(5, 5, &[]) };
    let (all, look) = (with(CapSet::DAC_OVERRIDE), with(CapSet::DAC_READ_SEARCH));
    let (plain, program) = (file(FileType::Regular, 0, 1, 1), file(FileType::Regular, 0o100, 1, 1));
    let dir = file(FileType::Directory, 0, 1, 1);
    let (read, write, exec) = (Access::READ, Access::WRITE, Access::EXEC);
    for (cred, attr, want, granted) in [
        (&all, &plain, read | write, true),
        (&all, &plain, exec, false),
        (&all, &program, read | exec, true),
        (&all, &dir, read | write | exec, true),
        (&look, &plain, read, true),
        (&look, &plain, read | write, false),
        (&look, &program, exec, false),
        (&look, &dir, read | exec, true),
        (&look, &dir, write, false),
        (&with(CapSet::FOWNER), &plain, read, false),
        (&Cred { caps: CapSet::empty(), ..Cred::ROOT }, &plain, read, false),
    ] {
        assert_eq!(may(cred, attr, want).is_ok(), granted, "{cred:?} {attr:?} {want:?}");
    }
}

#[test]
fn a_sticky_directory_guards_names_of_others() {
    let (dir, other) = (file(FileType::Directory, 0o1777, 1, 1), file(FileType::Regular, 0, 2, 2));
    assert_eq!(may_remove(&Cred::user(3, 3, &[]), &dir, &other), Err(Denied::Sticky));
    assert_eq!(may_remove(&Cred::user(2, 3, &[]), &dir, &other), Ok(()));
    assert_eq!(may_remove(&Cred::user(1, 3, &[]), &dir, &other), Ok(()));
    assert_eq!(may_remove(&Cred::ROOT, &dir, &other), Ok(()));
    let open = file(FileType::Directory, 0o777, 1, 1);
    assert_eq!(may_remove(&Cred::user(3, 3, &[]), &open, &other), Ok(()));
    let closed = file(FileType::Directory, 0o1755, 1, 1);
    assert_eq!(
        may_remove(&Cred::user(2, 3, &[]), &closed, &other),
        Err(Denied::Mode { want: Access::WRITE })
    );
}

#[test]
fn set_id_bits_leave_with_owner_and_bytes() {
    let owner = Cred::user(1, 1, &[7]);
    for (mode, chown, write) in [
        (0o6755, 0o755, 0o755),
        (0o2644, 0o2644, 0o2644), // its group cannot run it: stays for a member
        (0o4644, 0o644, 0o644),
    ] {
        let attr = file(FileType::Regular, mode, 1, 7);
        assert_eq!(change_owner(&owner, &attr, None, Some(1)), Ok(Mode::of(chown)), "{mode:o}");
        assert_eq!(after_write(&owner, &attr), Mode::of(write), "{mode:o}");
    }
    let set = file(FileType::Regular, 0o6755, 1, 7);
    assert_eq!(after_write(&Cred::ROOT, &set), Mode::of(0o6755));
    assert_eq!(change_owner(&Cred::ROOT, &set, Some(2), None), Ok(Mode::of(0o755)));
    let dir = file(FileType::Directory, 0o2755, 1, 7);
    assert_eq!(change_owner(&owner, &dir, None, None), Ok(Mode::of(0o2755)));
}

#[test]
fn owners_give_files_to_their_own_groups_alone() {
    let (owner, attr) = (Cred::user(1, 1, &[7]), file(FileType::Regular, 0o644, 1, 1));
    let refused = Err(Denied::Needs(CapSet::CHOWN));
    assert_eq!(change_owner(&owner, &attr, Some(1), Some(7)), Ok(Mode::of(0o644)));
    assert_eq!(change_owner(&owner, &attr, None, Some(8)), refused);
    assert_eq!(change_owner(&owner, &attr, Some(2), None), refused);
    assert_eq!(change_owner(&Cred::user(3, 7, &[]), &attr, None, Some(7)), refused);
    assert_eq!(change_mode(&Cred::user(3, 1, &[]), &attr, Mode::of(0o777)), Err(Denied::NotOwner));
    let foreign = file(FileType::Regular, 0o644, 1, 99);
    assert_eq!(change_mode(&owner, &foreign, Mode::of(0o2755)), Ok(Mode::of(0o755)));
}

#[test]
fn new_files_take_after_their_directory() {
    let cred = Cred::user(1, 1, &[]);
    let plain = file(FileType::Directory, 0o755, 0, 50);
    let grouped = file(FileType::Directory, 0o2755, 0, 50);
    let made = |dir, kind, mode| for_new(&cred, dir, kind, Mode::of(mode), Mode::of(0o022));
    assert_eq!(made(&plain, FileType::Regular, 0o666), (1, Mode::of(0o644)));
    assert_eq!(made(&grouped, FileType::Regular, 0o666), (50, Mode::of(0o644)));
    assert_eq!(made(&grouped, FileType::Directory, 0o777), (50, Mode::of(0o2755)));
    assert_eq!(made(&grouped, FileType::Regular, 0o2777), (50, Mode::of(0o755)));
    assert_eq!(made(&plain, FileType::Directory, 0o1777), (1, Mode::of(0o1755)));
}

#[test]
fn who_may_write_may_touch_but_not_choose_times() {
    let attr = file(FileType::Regular, 0o622, 1, 1);
    let other = Cred::user(2, 2, &[]);
    assert_eq!(may_set_times(&other, &attr, false), Ok(()));
    assert_eq!(may_set_times(&other, &attr, true), Err(Denied::NotOwner));
    assert_eq!(may_set_times(&Cred::user(1, 2, &[]), &attr, true), Ok(()));
}
