//! Counters of a process table: [`ProcessStats`].

/// What a process table holds, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessStats {
    /// Live processes, those that are exiting too.
    pub live: usize,
    /// Processes that wait to be waited for.
    pub zombies: usize,
    /// Numbers that only a group or a session bears.
    pub held: usize,
    /// Threads.
    pub threads: usize,
    /// Processes made, by spawn or fork.
    pub spawned: u64,
    /// Spawns and forks that were rolled back or refused.
    pub refused: u64,
    /// Processes that came to their end.
    pub exited: u64,
    /// Processes that were waited for, or that nobody waited for.
    pub reaped: u64,
}
