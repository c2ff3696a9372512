//! The heaps that are compared, each in the configuration that its own documentation recommends.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use std::alloc::System;

use mimalloc::MiMalloc;

use super::{Heap, Workload};
use crate::harness::question::{Promise, Subject};
use crate::lock::{NoLock, Spin};
use crate::peers::peer;

mod buddy_slab;
mod classic;
mod kos;
mod talc;

/// All heaps, ours first.
pub(crate) fn subjects<W: Workload>(workload: W) -> Vec<Subject> {
    let checks = "checks every free";
    let mut subjects = vec![
        shared::<kos::Kos<Spin, true>, W>("kos-alloc KernelHeap Hybrid, spin lock", checks, workload),
        shared::<kos::Kos<Spin, false>, W>("kos-alloc KernelHeap TwoTier, spin lock", checks, workload),
        exclusive::<kos::Kos<NoLock, true>, W>("kos-alloc KernelHeap Hybrid", checks, workload),
        exclusive::<kos::Kos<NoLock, false>, W>("kos-alloc KernelHeap TwoTier", checks, workload),
    ];
    subjects.extend(pair::<classic::LinkedList, W>("linked_list_allocator", workload));
    subjects.extend(pair::<classic::BuddySystem, W>("buddy_system_allocator", workload));
    subjects.extend([
        shared::<talc::Locked, W>(&format!("{} TalcLock, spin lock", peer("talc")), "", workload),
        exclusive::<talc::Alone, W>(&peer("talc"), "", workload),
    ]);
    subjects.extend(pair::<classic::Tlsf, W>("rlsf", workload));
    subjects.extend(pair::<classic::Galloc, W>("good_memory_allocator", workload));
    let buddy_slab = peer("buddy-slab-allocator");
    let extern_locks = "one CPU cache; its locks are extern calls by design";
    subjects.extend([
        shared::<buddy_slab::Global, W>(&format!("{buddy_slab} GlobalAllocator"), extern_locks, workload),
        exclusive::<buddy_slab::Parts, W>(&format!("{buddy_slab} slab + buddy"), "", workload),
    ]);
    let threads = "thread caches; memory of the OS";
    subjects.extend([
        shared::<Global<MiMalloc>, W>(&peer("mimalloc"), threads, workload),
        shared::<Global<System>, W>("host malloc", threads, workload),
    ]);
    subjects
}

/// The same heap twice: behind the spin lock and alone.
fn pair<H: Heap, W: Workload>(name: &str, workload: W) -> [Subject; 2] {
    let name = peer(name);
    [
        shared::<Locked<H>, W>(&format!("{name}, spin lock"), "", workload),
        exclusive::<H, W>(&name, "", workload),
    ]
}

fn shared<H: Heap, W: Workload>(name: &str, note: &'static str, workload: W) -> Subject {
    subject::<H, W>(name, Promise::Shared, note, workload)
}

fn exclusive<H: Heap, W: Workload>(name: &str, note: &'static str, workload: W) -> Subject {
    subject::<H, W>(name, Promise::Exclusive, note, workload)
}

fn subject<H: Heap, W: Workload>(name: &str, promise: Promise, note: &'static str, workload: W) -> Subject {
    let make = Box::new(move || workload.body(H::new()));
    Subject { name: name.to_owned(), promise, note, counted: true, make }
}

/// A heap behind the lock that ours has.
struct Locked<H>(lock_api::Mutex<Spin, H>);

impl<H: Heap> Heap for Locked<H> {
    fn new() -> Self {
        Self(lock_api::Mutex::new(H::new()))
    }

    #[inline]
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.lock().allocate(layout)
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.lock().free(block, layout) };
    }

    #[inline]
    unsafe fn reallocate(&mut self, block: NonNull<u8>, old: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.0.lock().reallocate(block, old, size) }
    }
}

/// An allocator that owns its memory.
struct Global<A>(A);

macro_rules! global {
    ($allocator:ident) => {
        impl Heap for Global<$allocator> {
            fn new() -> Self {
                Self($allocator)
            }

            #[inline]
            fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
                // SAFETY: no question asks for 0 bytes.
                NonNull::new(unsafe { self.0.alloc(layout) })
            }

            #[inline]
            unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
                // SAFETY: the caller's promise is passed on.
                unsafe { self.0.dealloc(block.as_ptr(), layout) };
            }

            #[inline]
            unsafe fn reallocate(
                &mut self,
                block: NonNull<u8>,
                old: Layout,
                size: usize,
            ) -> Option<NonNull<u8>> {
                // SAFETY: the caller's promise is passed on.
                NonNull::new(unsafe { self.0.realloc(block.as_ptr(), old, size) })
            }
        }
    };
}

global!(MiMalloc);
global!(System);
