//! A question, the subjects that answer it, and the body that each of them runs.

/// One subject's work on one question. Everything but [`run`](Self::run) happens outside the measured time.
pub(crate) trait Body {
    /// Brings the state to where a run starts.
    fn prepare(&mut self) {}

    /// Does the work `steps` times.
    fn run(&mut self, steps: usize);

    /// Panics unless the last run did what it should have.
    fn verify(&mut self) {}

    /// What the last run found, where the question is not for time.
    fn finding(&self) -> Option<f64> {
        None
    }
}

/// The one call that is measured; callgrind counts what happens between its entry and its return.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) fn kos_bench_timed(body: &mut dyn Body, steps: usize) {
    body.run(steps);
    // Keeps the call above from becoming a jump, which would hide the return.
    core::hint::black_box(());
}

/// How often a body can run between two preparations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any number of times: it ends where it began. `counted` steps are enough for an exact instruction count.
    Repeated {
        /// Steps of the shorter of the two counted runs; the longer has twice as many.
        counted: usize,
    },
    /// Once: the state has to be prepared again.
    Once,
}

/// Subjects are compared only with those that give the same promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// May be called from several threads.
    Shared,
    /// One owner at a time (`&mut`, or one CPU): no lock anywhere.
    Exclusive,
}

impl Promise {
    /// Both, in the order in which they are printed.
    pub(crate) const ALL: [Self; 2] = [Self::Shared, Self::Exclusive];

    /// The heading of the table.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Shared => "usable from several threads",
            Self::Exclusive => "one owner, no lock",
        }
    }
}

/// One crate in one configuration.
pub(crate) struct Subject {
    /// Crate, version and configuration.
    pub(crate) name: String,
    /// With whom it is compared; the first subject of a promise is ours, the base of the ratios.
    pub(crate) promise: Promise,
    /// What is not alike, in a few words.
    pub(crate) note: &'static str,
    /// Whether its instructions are counted: what takes seconds a step would take minutes under callgrind.
    pub(crate) counted: bool,
    /// Makes the body, with all its memory.
    pub(crate) make: Box<dyn Fn() -> Box<dyn Body>>,
}

/// What is asked of all subjects.
pub(crate) struct Question {
    /// For the command line.
    pub(crate) name: &'static str,
    /// The work, precisely.
    pub(crate) what: String,
    /// What one operation is: the unit of every figure.
    pub(crate) operation: &'static str,
    /// Operations in one step.
    pub(crate) operations: usize,
    /// How often the body can run.
    pub(crate) shape: Shape,
    /// Ours first.
    pub(crate) subjects: Vec<Subject>,
}

/// Runs each body of `question` once, for a smoke test.
pub(crate) fn run_once(question: &Question) {
    for subject in &question.subjects {
        let mut body = (subject.make)();
        body.prepare();
        kos_bench_timed(body.as_mut(), 1);
        body.verify();
    }
}
