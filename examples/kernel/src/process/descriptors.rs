//! The open files of a process, counted for its group: [`Descriptors`].

use alloc::sync::Arc;

use kos_vfs::{Errno, Fd, FdTable};

use super::job::Job;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::File;

/// Open files by number. Invariant: each is charged to the group of the job, once.
pub(super) struct Descriptors<P: Platform> {
    table: FdTable<'static, FilesEnv<P>>,
    job: Arc<Job<P>>,
}

impl<P: Platform> Descriptors<P> {
    /// None.
    pub(super) fn new(job: &Arc<Job<P>>) -> Self {
        Self { table: FdTable::new(), job: Arc::clone(job) }
    }

    /// Charges so many.
    fn charge(&self, count: usize) -> Result<(), Errno> {
        if self.job.ports.group().fds.charge(count) { Ok(()) } else { Err(Errno::EMFILE) }
    }

    fn discharge(&self, count: usize) {
        self.job.ports.group().fds.discharge(count);
    }

    /// The file behind a number.
    pub(super) fn get(&self, fd: Fd) -> Result<&File<'static, P>, Errno> {
        self.table.get(fd).map_err(|error| error.errno())
    }

    /// Gives a file the lowest free number in a range.
    pub(super) fn insert(&mut self, file: File<'static, P>, first: Fd, end: Fd) -> Result<Fd, Errno> {
        self.charge(1)?;
        let inserted = self.table.insert(file, false, first, end);
        inserted.inspect_err(|_| self.discharge(1)).map_err(|error| error.errno())
    }

    /// Closes a file.
    pub(super) fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        let file = self.table.close(fd).map_err(|error| error.errno())?;
        self.discharge(1);
        drop(file);
        Ok(())
    }

    /// The same files for a child.
    pub(super) fn fork(&self) -> Result<Self, Errno> {
        let count = self.table.iter().count();
        self.charge(count)?;
        let copied = self.table.fork().inspect_err(|_| self.discharge(count));
        let table = copied.map_err(|error| error.errno())?;
        Ok(Self { table, job: Arc::clone(&self.job) })
    }
}

impl<P: Platform> Drop for Descriptors<P> {
    fn drop(&mut self) {
        self.discharge(self.table.iter().count());
    }
}
