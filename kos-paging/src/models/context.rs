//! A CPU loads a space, of which it holds a stale entry, while another CPU shoots it down.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{explore, must_find};
use crate::cpus::TlbContext;
use crate::sync::Bug;

fn load_beside_a_shootdown() {
    let context = Arc::new(TlbContext::<1>::new());
    assert!(context.enter(1, |_| ()));
    context.leave(1);
    let freed = Arc::new(AtomicBool::new(false));
    let cpu = thread::spawn({
        let (context, freed) = (Arc::clone(&context), Arc::clone(&freed));
        move || {
            let mut stale = true;
            assert!(context.enter(1, |flush| stale &= !flush));
            assert!(!(stale && freed.load(Ordering::Acquire)), "a frame is used after it was given back");
        }
    });
    let (_, loaded) = context.request();
    if !loaded.contains(1) {
        freed.store(true, Ordering::Release);
    }
    cpu.join().unwrap();
}

#[test]
fn one_of_both_sees_the_other() {
    explore(load_beside_a_shootdown);
}

#[test]
fn who_looks_before_he_tells_is_found() {
    must_find(Bug::GenerationBeforeEntry, load_beside_a_shootdown);
    must_find(Bug::LoadedBeforeRequest, load_beside_a_shootdown);
}
