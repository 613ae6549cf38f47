//! Submitting, polling, and asking whether what came may be believed make no system call and no
//! allocation, where the function counts its alarms in memory as that of the kernel does, and that
//! of a card in this process. Behind a socket a doorbell is a message and the alarm a descriptor:
//! there each submission and each completion costs a system call by nature.

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

/// What ends a process whose filter could not be set up.
const NO_FILTER: i32 = 77;

/// From here on the kernel kills this process at the first system call of this thread other than
/// its end and those that are `allowed`.
fn forbid_system_calls(allowed: &[libc::c_long]) {
    let statement = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let compare = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let mut filter = [statement(end, libc::SECCOMP_RET_KILL_PROCESS, 0); 8];
    // The number of the system call is the first word of what a filter sees.
    filter[0] = statement(load, 0, 0);
    let numbers = [libc::SYS_exit_group].iter().chain(allowed);
    let len = allowed.len() + 4;
    for (index, number) in (1..).zip(numbers) {
        // Over what is left, to the last statement.
        filter[index] = statement(compare, *number as u32, (len - index - 2) as u8);
    }
    filter[len - 1] = statement(end, libc::SECCOMP_RET_ALLOW, 0);
    let program = libc::sock_fprog {
        len: len as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the filter lives until both calls are over; what cannot be set up ends the process.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) != 0
        {
            libc::_exit(NO_FILTER);
        }
    }
}

/// Asks the kernel for something.
fn ask() {
    // SAFETY: it has no arguments and cannot fail.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// Runs `act` without system calls in a child; says whether it came to its end.
fn without_system_calls(act: impl FnOnce()) -> bool {
    // SAFETY: the child has this thread only; until its end it sets up the filter, runs `act`, and
    // touches no lock that another thread may hold: neither of them allocates.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "there is no room for a child");
    if child == 0 {
        forbid_system_calls(&[]);
        act();
        // SAFETY: it ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` is written before the call returns.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    assert!(
        !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != NO_FILTER,
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
    assert!(!without_system_calls(ask));
}

/// Cards that do what they are told, in this process.
#[cfg(feature = "sim")]
mod cards {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use isa::command::{Command as CardCommand, Load, Operation};
    use isa::config::Config;
    use sim::function::Function;
    use sim::{FunctionalCard, LinkOptions, RtlCard};
    use systole::dma::DmaMemory;
    use systole::queue::{QueuePair, reset};
    use systole::transport::{FunctionTransport, LocalFunction};

    use super::*;

    /// A queue without interrupts, as it is where completions are looked for, and a program.
    struct Card {
        transport: FunctionTransport<LocalFunction>,
        queue: QueuePair,
        program: DmaMemory,
        commands: Arc<[CardCommand]>,
    }

    impl Card {
        fn new(card: impl Function + 'static) -> Self {
            let function = LocalFunction::new(card, "card in this process");
            let mut transport = FunctionTransport::open(function).expect("it is a card");
            reset(&mut transport).expect("a reset");
            let mut queue = QueuePair::start(&mut transport, 0, 3, 0).expect("there is memory");
            let off = queue.set_interrupts(&mut transport, false);
            off.expect("a write");
            let program = transport.allocate(64).expect("there is memory");
            let load = Load {
                src: program.address(),
                row_lines: 1,
                rows: 1,
                ..Load::default()
            };
            let command = CardCommand::new(Operation::Load(load));
            program.store_all(0, &command.encode());
            Self {
                transport,
                queue,
                program,
                commands: Arc::new([command]),
            }
        }

        /// Submits programs and looks for their completions, around the rings.
        fn run(&mut self) {
            let patience = Patience {
                cycles: 1 << 20,
                time: Duration::from_secs(60),
            };
            for depth in [1, 7, 1, 4] {
                for _ in 0..depth {
                    let (address, commands) = (self.program.address(), &self.commands);
                    let submitted =
                        self.queue
                            .submit(&mut self.transport, address, Arc::clone(commands));
                    submitted.expect("there is room");
                }
                for _ in 0..depth {
                    let finished = self.queue.spin(&mut self.transport, patience);
                    finished.expect("it ends").result.expect("it is right");
                    self.transport.check().expect("nothing is wrong");
                }
            }
        }
    }

    /// Names the test that a child is to run, and whether it is to make a system call.
    const CHILD: &str = "SYSTOLE_TEST_POLLED";
    /// What a child ends with that came to its end.
    const ENDED: i32 = 42;

    /// Runs on a card without system calls, in a process of its own: memory that a device may
    /// write is not passed on to the child of a fork.
    ///
    /// The card runs on the thread of who looks, which then also asks for the time. Linux gives it
    /// without a system call where programs can read the machine's clock, and only there.
    fn makes_no_system_call<F: Function + 'static>(test: &str, card: impl FnOnce() -> F) {
        if let Some(asks) = std::env::var_os(CHILD) {
            let mut card = Card::new(card());
            // What the card allocates for programs is there after its first ones.
            card.run();
            forbid_system_calls(&[libc::SYS_clock_gettime]);
            card.run();
            if asks == "ask" {
                ask();
            }
            // SAFETY: it ends the child at once.
            unsafe { libc::_exit(ENDED) };
        }
        let child = |asks: &str| {
            let program = std::env::current_exe().expect("this program");
            let mut child = Command::new(program);
            child
                .args([test, "--exact", "--nocapture"])
                .env(CHILD, asks);
            child.status().expect("it starts")
        };
        let ended = child("do not");
        assert_ne!(
            ended.code(),
            Some(NO_FILTER),
            "the kernel sets up no filter"
        );
        assert_eq!(ended.code(), Some(ENDED), "{ended}");
        assert_eq!(child("ask").signal(), Some(libc::SIGSYS));
    }

    #[test]
    fn no_system_call_is_made_with_a_functional_card() {
        let name = "cards::no_system_call_is_made_with_a_functional_card";
        makes_no_system_call(name, || {
            FunctionalCard::new(&Config::default()).expect("a card")
        });
    }

    #[test]
    fn no_system_call_is_made_with_the_verilated_card() {
        let name = "cards::no_system_call_is_made_with_the_verilated_card";
        makes_no_system_call(name, || {
            RtlCard::open(&Config::default(), &LinkOptions::default()).expect("a card")
        });
    }
}
