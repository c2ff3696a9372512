//! Tests of what the policy denies to who has the capability.

use kos_ipc::notify::NotifyError;
use kos_ipc::policy::Refused;

use crate::Kernel;
use crate::ensure;
use crate::ipc::policy::Plan;
use crate::ipc::{self, Bits, Ipc};
use crate::platform::Platform;
use crate::process::End;
use crate::selftest::Failure;
use crate::selftest::lines::{in_scratch, told};
use crate::selftest::process;

/// The policy is what it was when this goes, and records of before are gone.
struct Under<'k, P: Platform>(&'k Ipc<P>, Plan);

impl<'k, P: Platform> Under<'k, P> {
    fn new(kernel: &'k Kernel<P>, file: &str) -> Result<Self, Failure> {
        let (ipc, plan) = (kernel.ipc()?, Plan::parse(file.as_bytes())?);
        let under = Self(ipc, ipc.plan());
        ipc.set_plan(&plan)?;
        let waiting = ipc.rules.log.len();
        for _ in 0..waiting {
            let _ = ipc.rules.log.take();
        }
        Ok(under)
    }
}

impl<P: Platform> Drop for Under<'_, P> {
    fn drop(&mut self) {
        // It held a moment ago.
        let _ = self.0.set_plan(&self.1);
    }
}

/// One domain may not post, the other may; neither is kept from the rest, and the refusal is in the record.
pub(super) fn denied<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let under = Under::new(kernel, "deny user notification post\n")?;
    let (ipc, task) = (under.0, ipc::task::<P>());
    let bits = Bits::<P>::new(ipc.next_id());
    let (user, root) = (ipc.client(&task, ipc::who(1000, 7777)), ipc.client(&task, ipc::who(0, 7778)));
    let refused = bits.post(&user, 5);
    ensure!(refused == Err(NotifyError::Refused(Refused::Denied)) && bits.pending() == 0, "{refused:?}");
    bits.post(&root, 6)?;
    let taken = bits.take(&user, 2, Some(kernel.platform().now()))?;
    ensure!(taken == 2, "{taken}");
    let said = told(kernel, "audit denied", 0)?;
    let line = kernel_line(&said, "process 7777 (domain 2)")?;
    ensure!(line.contains("Post Notification") && line.ends_with("DENIED"), "{line}");
    drop(under);
    Ok(bits.post(&user, 1)?)
}

fn kernel_line<'s>(said: &'s str, part: &str) -> Result<&'s str, Failure> {
    let line = said.lines().find(|line| line.contains(part));
    line.ok_or_else(|| Failure::new(format_args!("no '{part}' in {said}")))
}

/// A program whose call its capability allows is refused, and goes on as before without the policy.
pub(super) fn program<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let under = Under::new(kernel, "deny root notification post\ndeny root endpoint call\n")?;
    let (ended, _) = process::run(kernel, &["captests"], || true)?;
    ensure!(ended != End::Exited(0), "nothing was refused");
    let said = told(kernel, "audit denied", 0)?;
    kernel_line(&said, "DENIED")?;
    drop(under);
    process::succeeds(kernel, &["captests"])
}

/// Who waits for the call of a program that may not call ends, and says so.
pub(super) fn silent<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let under = Under::new(kernel, "deny root endpoint call\n")?;
    let (ended, said) = process::run(kernel, &["pingpong", "3"], || true)?;
    let said = core::str::from_utf8(&said).unwrap_or("");
    ensure!(ended == End::Exited(1) && said.contains("nobody calls: error "), "{ended}: {said}");
    drop(under);
    process::succeeds(kernel, &["pingpong", "3"])
}

/// A file with one bad line changes nothing; a good one shows as it was read.
pub(super) fn files<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let _under = Under::new(kernel, "")?;
    in_scratch(kernel, |kernel| {
        let before = told(kernel, "policy", 0)?;
        told(kernel, "echo 'deny user pipe read' > /mnt/p; echo 'deny guests pipe read' >> /mnt/p", 0)?;
        let said = told(kernel, "policy load /mnt/p", 1)?;
        ensure!(said.contains("/mnt/p: line 2, column 6: no such domain"), "{said}");
        ensure!(told(kernel, "policy", 0)? == before, "a part of a bad file counts");
        told(kernel, "echo 'deny user pipe any' > /mnt/p; policy load /mnt/p; policy > /mnt/q", 0)?;
        let now = told(kernel, "policy", 0)?;
        ensure!(now != before && now.contains("deny  user pipe"), "{now}");
        told(kernel, "policy reset; policy load /mnt/q", 0)?;
        ensure!(told(kernel, "policy", 0)? == now, "what is shown is not read as the same");
        told(kernel, "policy reset", 0)?;
        ensure!(told(kernel, "policy", 0)? == before);
        let said = told(kernel, "policy load /mnt/none", 1)?;
        ensure!(said.contains(kos_vfs::Errno::ENOENT.meaning()), "{said}");
        Ok(())
    })
}
