//! What the module imports, by name: [`Ask`].
//!
//! Source: the glue that the npm package brings for JavaScript, and musl's system calls as emscripten has them.

/// Most words of a call.
pub(super) const WORDS: usize = 8;

/// What an import asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Call a function of the table, and come back also if it throws.
    Invoke,
    /// Unwind to the innermost [`Invoke`](Self::Invoke).
    Throw,
    /// Grow the memory.
    Grow,
    /// End at once.
    Abort,
    /// A random number.
    Random,
    /// Milliseconds, as a number.
    Ticks,
    /// Milliseconds since 1970, as a float.
    Time,
    /// Whether an object of JavaScript has something: it has not.
    Nothing,
    /// An object of JavaScript that is known already: none is.
    Unknown,
    /// An object of JavaScript is forgotten.
    Forget,
    /// How many there are.
    Objects,
    /// A system call on files.
    File(Call),
    /// JavaScript itself.
    Script,
}

/// A system call on files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Chdir,
    Close,
    Getcwd,
    List,
    Lstat,
    Mkdir,
    Open,
    Poll,
    Read,
    Remove,
    Rename,
    Rmdir,
    Seek,
    Stat,
    StatAt,
    StatFs,
    StatOpen,
    Sync,
    Write,
}

/// What `name` asks for.
pub(super) fn ask(name: &str) -> Ask {
    match name {
        "_emscripten_throw_longjmp" => Ask::Throw,
        "emscripten_resize_heap" => Ask::Grow,
        "_abort_js" => Ask::Abort,
        "mp_js_random_u32" => Ask::Random,
        "mp_js_ticks_ms" => Ask::Ticks,
        "mp_js_time_ms" => Ask::Time,
        "has_attr" | "lookup_attr" | "js_iter_next" => Ask::Nothing,
        "js_check_existing" => Ask::Unknown,
        "proxy_js_free_obj" => Ask::Forget,
        "js_get_proxy_js_ref_info" => Ask::Objects,
        name if name.starts_with("invoke_") => Ask::Invoke,
        name => call(name).map_or(Ask::Script, Ask::File),
    }
}

fn call(name: &str) -> Option<Call> {
    Some(match name.strip_prefix("__syscall_").unwrap_or(name) {
        "chdir" => Call::Chdir,
        "fd_close" => Call::Close,
        "fd_read" => Call::Read,
        "fd_seek" => Call::Seek,
        "fd_sync" => Call::Sync,
        "fd_write" => Call::Write,
        "fstat64" => Call::StatOpen,
        "getcwd" => Call::Getcwd,
        "getdents64" => Call::List,
        "lstat64" => Call::Lstat,
        "mkdirat" => Call::Mkdir,
        "newfstatat" => Call::StatAt,
        "openat" => Call::Open,
        "poll" => Call::Poll,
        "renameat" => Call::Rename,
        "rmdir" => Call::Rmdir,
        "stat64" => Call::Stat,
        "statfs64" => Call::StatFs,
        "unlinkat" => Call::Remove,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Ask, Call, ask};

    #[test]
    fn names_lead_to_what_they_ask_for() {
        assert_eq!(ask("invoke_viiii"), Ask::Invoke);
        assert_eq!(ask("__syscall_openat"), Ask::File(Call::Open));
        assert_eq!(ask("fd_write"), Ask::File(Call::Write));
        assert_eq!(ask("call0_kwarg"), Ask::Script);
    }
}
