//! Who asks: [`Caller`]. A request names user, group and process; further groups and capabilities stand in `/proc`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use fuser::Request;
use kos_vfs::attr::Mode;
use kos_vfs::{CapSet, Cred, Ctx, Limits};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    caps: CapSet,
}

impl Caller {
    /// Who sent a request. Where his process is not to be seen (it has ended, or it is Linux itself) he has no further groups,
    /// and capabilities if he is user 0.
    pub(super) fn of(request: &Request) -> Self {
        let (uid, gid) = (request.uid(), request.gid());
        let unseen = if uid == 0 { CapSet::all() } else { CapSet::empty() };
        let unseen = (Vec::new(), unseen);
        let (groups, caps) = if request.pid() == 0 { unseen } else { look(request.pid()).unwrap_or(unseen) };
        Self { uid, gid, groups, caps }
    }

    /// The same without capabilities if he is not user 0: so does `access`, which asks for the real user.
    pub(super) fn real(mut self) -> Self {
        if self.uid != 0 {
            self.caps = CapSet::empty();
        }
        self
    }

    /// For a call; what he makes lacks the bits of `umask`.
    pub(super) fn ctx(&self, umask: u32) -> Ctx<'_> {
        let cred = Cred { uid: self.uid, gid: self.gid, groups: &self.groups, caps: self.caps };
        Ctx { cred, umask: super::convert::permissions(umask) & Mode::ALL_ACCESS, limits: Limits::default() }
    }
}

/// Groups and capabilities of a process that is there.
fn look(pid: u32) -> Option<(Vec<u32>, CapSet)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let (groups, caps) = parse(&status)?;
    // In a user namespace of his own a process has every capability, but none over our files.
    let namespace =
        |pid: &str| fs::metadata(format!("/proc/{pid}/ns/user")).map(|file| (file.dev(), file.ino()));
    let same = !caps.is_empty()
        && matches!((namespace(&pid.to_string()), namespace("self")), (Ok(his), Ok(ours)) if his == ours);
    Some((groups, if same { caps } else { CapSet::empty() }))
}

/// Groups and effective capabilities of a `/proc/PID/status`.
fn parse(status: &str) -> Option<(Vec<u32>, CapSet)> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let groups: Result<Vec<u32>, _> = field("Groups:")?.split_whitespace().map(str::parse).collect();
    let mut groups = groups.ok()?;
    groups.sort_unstable();
    let caps = u64::from_str_radix(field("CapEff:")?.trim(), 16).ok()?;
    Some((groups, CapSet::from_bits_truncate(caps)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_capabilities_are_read_from_the_status() {
        let status = "Name:\tsh\nUid:\t7\t7\t7\t7\nGroups:\t30 4 \nCapEff:\t0000000000000003\n";
        let caps = CapSet::CHOWN | CapSet::DAC_OVERRIDE;
        assert_eq!(parse(status), Some((vec![4, 30], caps)));
        assert_eq!(parse("Groups:\t\nCapEff:\t0\n"), Some((vec![], CapSet::empty())));
        assert_eq!(parse("Name:\tsh\n"), None);
    }
}
