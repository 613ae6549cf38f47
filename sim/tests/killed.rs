//! The program `systole-card` with the Verilated card, and the ordinary driver: one of them is
//! killed in the middle of a program.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use systole::device::{DeviceBackend, Options};
use systole::transport::{FunctionTransport, Patience, UserFunction};
use systole_tests::meddle::{Meddled, Plan};
use systole_tests::product::Product;
use systole_tests::rig;

/// A product that keeps the card busy for some hundred milliseconds at least.
const LONG: (usize, usize, usize) = (128, 128, 128);
const SHORT: (usize, usize, usize) = (9, 40, 21);

/// Milliseconds after the doorbell.
const MOMENTS: [u64; 4] = [0, 3, 20, 70];

/// A process that goes with the test.
struct Process(Child);

impl Process {
    /// Starts it and waits until it says this.
    fn start(command: &mut Command, word: &str) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut process = Self(child.expect("it starts"));
        let out = process.0.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(word)), "it ended early");
        process
    }

    fn server(path: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systole-card"));
        command.args(["serve", "--config", "4x4", "--socket"]);
        Self::start(command.arg(path), "ready")
    }

    /// Ends it by SIGKILL.
    fn kill(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it is dead");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(path: &Path, plan: &Plan) -> DeviceBackend {
    let function = UserFunction::connect(path).expect("it connects");
    let transport = FunctionTransport::open(function).expect("it opens");
    rig::backend(Meddled::new(transport, plan), Options::default())
}

fn after(millis: u64) -> Patience {
    Patience {
        cycles: u64::MAX,
        time: Duration::from_millis(millis),
    }
}

/// Tests that count what the process has open take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[test]
fn a_server_that_is_killed_in_mid_program_loses_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card");
    let (long, short) = (Product::new(1, LONG), Product::new(2, SHORT));
    let mut baseline = 0;
    for (round, millis) in MOMENTS.into_iter().enumerate() {
        // It takes over the socket of the one that was killed.
        let mut server = Process::server(&path);
        let plan = Plan::default();
        let mut backend = connect(&path, &plan);
        short.run_on_card(&mut backend);
        plan.in_program(after(millis), move || server.kill());
        long.run_on_cpu(&mut backend, "the device is gone");
        short.run_on_cpu(&mut backend, "out of use");
        assert_eq!((backend.faults(), plan.struck()), (1, 1));
        drop((backend, plan));
        match round {
            0 => baseline = open_descriptors(),
            _ => assert_eq!(open_descriptors(), baseline),
        }
    }
    let _server = Process::server(&path);
    let mut backend = connect(&path, &Plan::default());
    long.run_on_card(&mut backend);
}

/// A client in a process of its own, started by the test below: it stops in the middle of a
/// program.
#[test]
#[ignore = "a part of another test"]
fn client_that_is_killed() {
    let variable = |name| std::env::var(name).expect("the other test sets it");
    let path = variable("SYSTOLE_TEST_SOCKET");
    let millis = variable("SYSTOLE_TEST_MILLIS").parse().expect("a number");
    let plan = Plan::default();
    let mut backend = connect(path.as_ref(), &plan);
    Product::new(1, SHORT).run_on_card(&mut backend);
    plan.in_program(after(millis), || {
        println!("in the middle of it");
        loop {
            std::thread::park();
        }
    });
    Product::new(2, LONG).run_on_card(&mut backend);
}

#[test]
fn a_client_that_is_killed_in_mid_program_leaves_the_card_to_the_next() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card");
    let server = Process::server(&path);
    for (seed, millis) in MOMENTS.into_iter().enumerate() {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command
            .args([
                "--exact",
                "client_that_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env("SYSTOLE_TEST_SOCKET", &path)
            .env("SYSTOLE_TEST_MILLIS", millis.to_string());
        let mut client = Process::start(&mut command, "in the middle of it");
        client.kill();
        let mut backend = connect(&path, &Plan::default());
        for product in 0..3 {
            Product::new(10 * seed as u64 + product, SHORT).run_on_card(&mut backend);
        }
        assert_eq!(backend.faults(), 0);
    }
    drop(server);
}
