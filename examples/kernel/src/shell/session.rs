//! [`Session`]: one user at one shell: where he stands, who he is, what his variables are.

use kos_vfs::{At, Call, CapSet, Cred, Ctx, How, Limits, Mode, View};

use super::CommandError;
use super::environment::{Environment, SetError};
use super::jobs::Jobs;
use super::line::Line;
use super::streams::File;
use crate::Kernel;
use crate::audit::What;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::text::Text;
use crate::threads;
use crate::user::login::Identity;
use crate::user::roles::Role;

/// Users that somebody can become one after the other.
const DEPTH: usize = 8;
/// Lines that are remembered.
const TYPED: usize = 16;
/// Scripts that can run each other.
const NESTED: u32 = 4;

/// Whether somebody logged in for a session, and left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nobody: it is of who started the machine.
    None,
    /// He is there.
    In,
    /// He left.
    Out,
}

/// One user at one shell.
pub(crate) struct Session<'k, P: Platform> {
    pub(crate) kernel: &'k Kernel<P>,
    /// Where he stands; looked up when he first asks for a file.
    view: Option<View<'k, FilesEnv<P>>>,
    ctx: Ctx<'static>,
    /// Whom he was before.
    before: heapless::Vec<Ctx<'static>, DEPTH>,
    pub(crate) environment: Environment,
    /// What runs in the background.
    pub(crate) jobs: Jobs<'k, P>,
    /// The last lines that were typed, the oldest first.
    pub(crate) typed: heapless::Deque<Line, TYPED>,
    /// Scripts in which he is.
    nested: u32,
    /// Somebody logged in at its terminal; he left.
    pub(crate) login: Login,
}

impl<'k, P: Platform> Session<'k, P> {
    /// User 0 in the root directory.
    pub(crate) fn new(kernel: &'k Kernel<P>) -> Self {
        let ctx = Ctx { umask: Mode::of(0o022), ..Ctx::root() };
        Self {
            kernel,
            view: None,
            ctx,
            before: heapless::Vec::new(),
            environment: Environment::new(),
            jobs: Jobs::new(kernel),
            typed: heapless::Deque::new(),
            nested: 0,
            login: Login::None,
        }
    }

    /// The same user in the same place, who goes his own way from here.
    pub(crate) fn fork(&self) -> Result<Self, SetError> {
        let environment = self.environment.fork()?;
        let (view, before) = (self.view.clone(), self.before.clone());
        let (kernel, typed) = (self.kernel, heapless::Deque::new());
        let jobs = Jobs::new(kernel);
        let (ctx, nested, login) = (self.ctx, self.nested, Login::None);
        Ok(Self { kernel, view, ctx, before, environment, jobs, typed, nested, login })
    }

    /// Remembers a line that was typed.
    pub(super) fn remember(&mut self, line: &Line) {
        if self.typed.is_full() {
            self.typed.pop_front();
        }
        // There is room.
        let _ = self.typed.push_back(line.clone());
    }

    /// The same in a script; [`None`] if that would be too many within each other.
    pub(crate) fn nest(&self) -> Result<Option<Self>, SetError> {
        let mut inner = self.fork()?;
        inner.nested += 1;
        Ok(Some(inner).filter(|inner| inner.nested <= NESTED))
    }

    /// Where he stands.
    pub(crate) fn view(&mut self) -> Result<&View<'k, FilesEnv<P>>, CommandError> {
        if self.view.is_none() {
            self.view = self.kernel.files().and_then(|files| files.view());
        }
        self.view
            .as_ref()
            .ok_or_else(|| CommandError::Failed(Text::new(format_args!("there are no files here"))))
    }

    /// File operations of this user.
    pub(crate) fn call(&mut self) -> Result<Call<'_, 'k, FilesEnv<P>>, CommandError> {
        self.view()?;
        let view = self.view.as_ref();
        view.map(|view| view.call(&self.ctx)).ok_or(CommandError::Quiet)
    }

    /// Stands in `path` from now on.
    pub(crate) fn enter(&mut self, path: &str) -> Result<(), CommandError> {
        let view = self.call()?.chdir(At::Cwd, path.as_bytes())?;
        self.view = Some(view);
        Ok(())
    }

    /// Makes `new` the root of his namespace; the old root is at `put_old` then.
    pub(crate) fn pivot(&mut self, new: &str, put_old: &str) -> Result<(), CommandError> {
        let pivot = self.call()?.pivot_root(new.as_bytes(), put_old.as_bytes())?;
        if let Some(view) = &mut self.view {
            view.pivoted(&pivot);
        }
        Ok(())
    }

    /// Has mounts of his own from now on.
    pub(crate) fn unshare(&mut self) -> Result<(), CommandError> {
        let view = self.call()?.copy_namespace()?;
        self.view = Some(view);
        Ok(())
    }

    /// Who he is.
    pub(crate) const fn ctx(&self) -> &Ctx<'static> {
        &self.ctx
    }

    /// Permission bits that new files do not get.
    pub(crate) const fn set_umask(&mut self, umask: Mode) {
        self.ctx.umask = umask;
    }

    /// How often he became another user.
    pub(crate) fn depth(&self) -> usize {
        self.before.len()
    }

    /// Is another user until he [leaves](Self::leave_to); false if that would be too many.
    pub(crate) fn become_user(&mut self, cred: Cred<'static>) -> bool {
        let pushed = self.before.push(self.ctx).is_ok();
        if pushed {
            self.begin_with(cred);
        }
        pushed
    }

    /// Is again whom he was before he became others so often.
    pub(crate) fn leave_to(&mut self, depth: usize) {
        while self.before.len() > depth
            && let Some(before) = self.before.pop()
        {
            self.ctx = before;
        }
    }

    /// Is this user from the start, in his home, as far as he can be there.
    pub(crate) fn begin_as(&mut self, identity: &Identity) -> Result<(), CommandError> {
        self.begin_with(identity.cred);
        self.go_home(identity)
    }

    /// Is somebody from the start.
    pub(crate) fn begin_with(&mut self, cred: Cred<'static>) {
        self.ctx = Ctx { cred, umask: self.ctx.umask, limits: Limits::default() };
    }

    /// Stands in the home of a user, and has his variables. Without memory for them they are not set.
    pub(crate) fn go_home(&mut self, identity: &Identity) -> Result<(), CommandError> {
        self.environment.set("HOME", &identity.home, true)?;
        self.environment.set("USER", &identity.name, true)?;
        self.enter(&identity.home)
    }

    /// May do this with files, too, for the time of a command; what he might before.
    pub(crate) fn lend(&mut self, caps: CapSet) -> CapSet {
        let own = self.ctx.cred.caps;
        self.ctx.cred.caps |= caps;
        own
    }

    /// May do with files what he [might before](Self::lend).
    pub(crate) const fn take_back(&mut self, own: CapSet) {
        self.ctx.cred.caps = own;
    }

    /// Asks whether he has the role that `what` needs; the answer is recorded. User 0 is not asked.
    ///
    /// # Errors
    /// [`CommandError::Refused`], or the files of users were not read.
    pub(crate) fn require(&self, role: Role, what: &str) -> Result<(), CommandError> {
        let uid = self.ctx.cred.uid;
        if uid == 0 {
            return Ok(());
        }
        let has = self.kernel.has_role(uid, role)?;
        let recorded = self.kernel.record(uid, What::Role, &format_args!("{role} for {what}"), has);
        if !has {
            return Err(CommandError::Refused(role));
        }
        Ok(recorded?)
    }

    /// Asks whether he may end or schedule a thread: it is his, or he has the role.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub(crate) fn may_end(&self, thread: &threads::View) -> Result<(), CommandError> {
        let object = format_args!("{} '{}' of uid {}", thread.task, thread.name, thread.uid);
        if self.kernel.may_end(self.ctx.cred.uid, thread.uid, &object)? {
            return Ok(());
        }
        Err(CommandError::Refused(Role::Kill))
    }

    /// Opens a file for a command, as `how` says; it, and what writes to it.
    pub(super) fn open(&mut self, path: &str, how: &How) -> Result<Opened<'k, P>, CommandError> {
        let file = self.call()?.open(At::Cwd, path.as_bytes(), how)?;
        let view = self.view()?.clone();
        Ok((file, view, self.ctx))
    }
}

/// A file, and who opened it.
pub(super) type Opened<'k, P> = (File<'k, P>, View<'k, FilesEnv<P>>, Ctx<'static>);
