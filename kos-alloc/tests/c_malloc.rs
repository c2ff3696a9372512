//! The example `c_malloc` beside the host's libc: loaded into one process with it, and as the malloc of whole programs.
//!
//! `cargo test` builds examples by itself; `cargo test --test c_malloc` alone needs `cargo build --example c_malloc` first.

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[path = "c_malloc/beside_libc.rs"]
mod beside_libc;

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[path = "c_malloc/preloaded.rs"]
mod preloaded;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
#[test]
#[ignore = "needs Linux on x86_64 with glibc"]
fn c_malloc() {}
