//! Charging processes and limit domains.

use super::error::{AdmitError, DomainError, ProcessError};
use super::id::{DomainId, Pid};
use super::limits::{Limit, LimitError, LimitExceeded, Limits, Resource, Used};
use super::record::ExitStatus;
use super::signal::Signal;
use super::state::State;
use super::table::{ProcessHost, ProcessTable};
use crate::ports::ProcessExt;
use crate::ring::NONE;

impl<X: ProcessExt, K: ProcessHost<X>> ProcessTable<'_, X, K> {
    /// The limits of `pid`.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn limits(&self, pid: Pid) -> Result<Limits, ProcessError> {
        self.locked(|state| state.live(pid).map(|process| state.process(process).limits))
    }

    /// Changes a limit of `pid` as `setrlimit` does. What is in use above it stays in use.
    ///
    /// # Errors
    /// [`LimitError`]; nothing is changed.
    pub fn set_limit(
        &self,
        pid: Pid,
        resource: Resource,
        limit: Limit,
        privileged: bool,
    ) -> Result<(), LimitError> {
        self.locked(|state| {
            let process = state.live(pid).map_err(LimitError::Process)?;
            state.process_mut(process).limits.change(resource, limit, privileged)
        })
    }

    /// Charges `pid`, its domain and every domain above for `amount` of [`Resource::Memory`] or [`Resource::Files`], or none of
    /// them. What is not given back is given back at the end of the process.
    ///
    /// # Errors
    /// [`AdmitError`].
    pub fn charge(&self, pid: Pid, resource: Resource, amount: u64) -> Result<(), AdmitError> {
        self.locked(|state| {
            let process = state.live(pid).map_err(AdmitError::Process)?;
            match resource {
                Resource::Memory | Resource::Files => {
                    state.charge(process, resource, amount).map_err(AdmitError::Limit)
                }
                _ => Err(AdmitError::NotCharged(resource)),
            }
        })
    }

    /// Gives back what was charged.
    ///
    /// # Errors
    /// [`AdmitError`]; [`AdmitError::NotCharged`] if it is more than was charged.
    pub fn uncharge(&self, pid: Pid, resource: Resource, amount: u64) -> Result<(), AdmitError> {
        self.locked(|state| {
            let process = state.live(pid).map_err(AdmitError::Process)?;
            let charged = matches!(resource, Resource::Memory | Resource::Files);
            if charged && state.uncharge(process, resource, amount) {
                Ok(())
            } else {
                Err(AdmitError::NotCharged(resource))
            }
        })
    }

    /// How much of a counted resource `pid` uses.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn used(&self, pid: Pid, resource: Resource) -> Result<u64, ProcessError> {
        self.locked(|state| state.live(pid).map(|process| state.process(process).used.get(resource)))
    }

    /// Whether `pid` may have `value` of a resource that is not counted: a priority, a nice value, a size of stack.
    ///
    /// # Errors
    /// [`AdmitError`].
    pub fn admit(&self, pid: Pid, resource: Resource, value: u64) -> Result<(), AdmitError> {
        self.locked(|state| {
            let slot = state.process(state.live(pid).map_err(AdmitError::Process)?);
            let admitted = slot.limits.admit(resource, value);
            admitted
                .and_then(|()| state.domains.admit(slot.domain, resource, value))
                .map_err(AdmitError::Limit)
        })
    }

    /// Holds `pid` to its CPU time: above the soft limit it gets XCPU at every call, above the hard one it is killed. For the
    /// tick; takes time in proportion to the threads.
    ///
    /// # Errors
    /// [`AdmitError::Limit`] with the limit that was crossed.
    pub fn enforce_cpu_time(&self, pid: Pid) -> Result<(), AdmitError> {
        self.transact(|state| {
            let process = state.live(pid).map_err(AdmitError::Process)?;
            let used = self.usage_of(state, process).total_ns();
            let Limit { soft, hard } = state.process(process).limits.get(Resource::CpuTime);
            let limit = match used {
                _ if used > hard => {
                    state.doom(process, ExitStatus::Signaled(Signal::KILL), NONE);
                    hard
                }
                _ if used > soft => {
                    state.post(self.host(), process, Signal::XCPU);
                    soft
                }
                _ => return Ok(()),
            };
            Err(AdmitError::Limit(LimitExceeded { resource: Resource::CpuTime, used, limit }))
        })
    }

    /// Makes a limit domain below `parent`. Takes time in proportion to the domains.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn create_domain(&self, parent: Option<DomainId>, limits: Limits) -> Result<DomainId, DomainError> {
        self.locked(|state| state.domains.create(parent, limits))
    }

    /// Removes a domain that nobody is in.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn remove_domain(&self, domain: DomainId) -> Result<(), DomainError> {
        self.locked(|state| state.domains.remove(domain))
    }

    /// Changes the limits of a domain. What is in use above them stays in use.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn set_domain_limits(&self, domain: DomainId, limits: Limits) -> Result<(), DomainError> {
        self.locked(|state| state.domains.set_limits(domain, limits))
    }

    /// How much of a counted resource is in use in `domain` and those below it.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn domain_used(&self, domain: DomainId, resource: Resource) -> Result<u64, DomainError> {
        self.locked(|state| state.domains.used(domain, resource))
    }
}

impl<X, T> State<'_, X, T> {
    /// Charges the process and its domains, or none.
    pub(super) fn charge(
        &mut self,
        process: u32,
        resource: Resource,
        amount: u64,
    ) -> Result<(), LimitExceeded> {
        let slot = self.process_mut(process);
        let (domain, limit) = (slot.domain, slot.limits.get(resource).soft);
        slot.used.charge(resource, amount, limit)?;
        self.domains.charge(domain, resource, amount).inspect_err(|_| {
            self.processes.get_mut(process as usize).into_iter().for_each(|slot| {
                slot.used.uncharge(resource, amount);
            });
        })
    }

    pub(super) fn uncharge(&mut self, process: u32, resource: Resource, amount: u64) -> bool {
        let slot = self.process_mut(process);
        let (domain, charged) = (slot.domain, slot.used.uncharge(resource, amount));
        if charged {
            self.domains.uncharge(domain, resource, amount);
        }
        charged
    }

    /// Gives everything back and leaves the domain.
    pub(super) fn uncharge_all(&mut self, process: u32) {
        for resource in Used::RESOURCES {
            let amount = self.process(process).used.get(resource);
            self.uncharge(process, resource, amount);
        }
        let domain = core::mem::replace(&mut self.process_mut(process).domain, NONE);
        self.domains.leave(domain);
    }
}
