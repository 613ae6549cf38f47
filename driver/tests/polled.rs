//! Submitting, polling, and asking whether what came may be believed make no system call and no
//! allocation, where the function counts its alarms in memory as that of the kernel does.

mod null;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use systole::transport::{Patience, Transport};

use null::Bench;

/// The system's allocator, which counts what this thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises are those that the system's allocator needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The polled path: laps of many depths, around the rings.
fn path(bench: &mut Bench) {
    for depth in [1, 7, 64] {
        for _ in 0..100 {
            bench.complete(depth);
            bench.turn(depth);
        }
    }
    // The same through the call that looks again and again.
    let patience = Patience {
        cycles: 0,
        time: Duration::ZERO,
    };
    for _ in 0..1000 {
        bench.complete(1);
        let commands = Arc::clone(&bench.commands);
        let submitted = bench.queue.submit(&mut bench.transport, 0x40, commands);
        submitted.expect("there is room");
        let finished = bench.queue.spin(&mut bench.transport, patience);
        finished.expect("it is there");
        // What the backend asks for each completion, and what it asks while it looks.
        bench.transport.check().expect("nothing is wrong");
        bench.transport.progress().expect("nothing is wrong");
    }
}

#[test]
fn nothing_is_allocated() {
    let mut bench = Bench::new(7);
    let before = ASKED.get();
    path(&mut bench);
    assert_eq!(ASKED.get(), before);
    drop(bench);
    assert!(ASKED.get() > before, "the counter does not count");
}

/// Runs `act` in a child that the kernel kills at the first system call other than its end; says
/// whether it came to its end.
fn without_system_calls(act: impl FnOnce()) -> bool {
    let statement = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let mut filter = [
        // The number of the system call is the first word of what a filter sees.
        statement(load, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            libc::SYS_exit_group as u32,
            1,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_KILL_PROCESS,
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the child has this thread only; until its end it makes the two calls below, `act`,
    // and no others, and touches no lock that another thread may hold: `act` does not allocate.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "there is no room for a child");
    if child == 0 {
        // SAFETY: the filter lives until the child's end; what cannot be set up ends the child
        // with another code.
        unsafe {
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) != 0
            {
                libc::_exit(77);
            }
        }
        act();
        // SAFETY: it ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is written before the call returns.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    assert!(
        !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 77,
        "the kernel sets up no filter"
    );
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[test]
fn no_system_call_is_made() {
    let mut bench = Bench::new(7);
    // The allocator's counter is set up at its first use.
    path(&mut bench);
    assert!(without_system_calls(|| path(&mut bench)));
    // The filter does what it should.
    let asks = || {
        // SAFETY: it has no arguments and cannot fail.
        unsafe { libc::syscall(libc::SYS_getppid) };
    };
    assert!(!without_system_calls(asks));
}
