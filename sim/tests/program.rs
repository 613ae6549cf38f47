//! The program `systole-card` from outside.

mod host;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use host::served::*;
use host::{Bus, Host};
use isa::regs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_systole-card"));
    command.env_remove("RUST_LOG");
    command
}

fn output(args: &[&str]) -> Output {
    program().args(args).output().expect("it starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// A server in a process of its own.
struct Process {
    child: Child,
    ready: String,
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Process {
    fn new(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card.sock");
        let mut process = Self::at(&path, args);
        process._folder = Some(folder);
        process
    }

    fn at(path: &Path, args: &[&str]) -> Self {
        let mut child = program()
            .args(["serve", "--functional", "--config", "4x4"])
            .arg("--socket")
            .arg(path)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut ready = String::new();
        let out = child.stdout.as_mut().expect("it is piped");
        BufReader::new(out).read_line(&mut ready).expect("a line");
        Self {
            child,
            ready,
            path: path.to_path_buf(),
            _folder: None,
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for the end; gives the exit code and what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("it is a child") {
                Some(status) => break status,
                None => assert!(start.elapsed() < LONG, "the server does not end"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        let errors = self.child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of use only when a test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a product on a server's card.
fn work(path: &Path) {
    let client = connect(path, None);
    let mut host = Host::new();
    host.share(&client);
    let events = events(1);
    listen(&client, MSIX, 0, &events);
    (&client).enable();
    host.start(&mut &client, 0);
    host.submit(&mut &client, 0, 5);
    wait(&events[0]);
    host.check(&mut &client, 0, 5);
}

/// A server of a serial line in a process of its own; what it says when it is ready.
fn serial(path: &Path, args: &[&str]) -> (Process, String) {
    let mut child = program()
        .args(["serve", "--config", "4x4", "--serial"])
        .arg(path)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ready = String::new();
    let out = child.stdout.as_mut().expect("it is piped");
    BufReader::new(out).read_line(&mut ready).expect("a line");
    let process = Process {
        child,
        ready: ready.clone(),
        path: path.to_path_buf(),
        _folder: None,
    };
    (process, ready)
}

#[test]
fn it_serves_a_line_until_it_is_asked_to_end() {
    use systole::transport::serial::{SerialFunction, SerialOptions};
    use systole::transport::{FunctionTransport, Transport};

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card.tty");
    // What a server that is gone has left.
    std::os::unix::fs::symlink("/dev/pts/999999", &path).expect("a link");
    let (mut process, ready) = serial(&path, &["--functional"]);
    let expect = format!(
        "ready on {}: functional card 4x4, 4 queue(s), 64 MiB\n",
        path.display()
    );
    assert_eq!(ready, expect);
    // One client after the other.
    for _ in 0..2 {
        let function = SerialFunction::open(&path, SerialOptions::default());
        let function = function.expect("the card answers");
        let mut transport = FunctionTransport::open(function).expect("it opens");
        assert_eq!(transport.read(regs::ID).expect("a read"), regs::ID_VALUE);
    }
    // Another server takes neither that away nor a file.
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").expect("a file");
    for taken in [&path, &file] {
        let taken = taken.to_str().expect("text");
        let refused = output(&["serve", "--functional", "--serial", taken]);
        assert_eq!(refused.status.code(), Some(3));
        assert!(text(&refused.stderr).contains(taken));
    }
    process.signal(Signal::TERM);
    assert_eq!(process.end(), (Some(0), String::new()));
    assert!(
        std::fs::symlink_metadata(&path).is_err(),
        "the link is left"
    );
    let (mut process, ready) = serial(&path, &["--functional", "--json"]);
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!(ready["serial"], path.to_str().expect("text"));
    assert_eq!(ready.get("socket"), None);
    process.signal(Signal::INT);
    assert_eq!(process.end().0, Some(0));
    // A card has one way, and what belongs to another is refused.
    for args in [
        &["serve", "--functional"][..],
        &["serve", "--serial", "x", "--latency", "9"],
        &["serve", "--socket", "x", "--board", "ulx3s-85f"],
        &["serve", "--serial", "x", "--board", "ulx3s-12f"],
        &[
            "serve",
            "--serial",
            "x",
            "--board",
            "ulx3s-85f",
            "--queues",
            "2",
        ],
        &["serve", "--functional", "--serial", "x", "--socket", "y"],
        &["serve", "--functional", "--serial", "x", "--slice", "2"],
    ] {
        assert_eq!(output(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_line_leads_to_the_rtl_and_to_a_board() {
    use systole::transport::serial::{SerialFunction, SerialOptions};
    use systole::transport::{FunctionTransport, Transport};

    let folder = tempfile::tempdir().expect("a folder");
    for (args, card) in [
        (&[][..], "rtl card 4x4, 4 queue(s), 64 MiB"),
        (
            &["--board", "ulx3s-85f"],
            "board card 4x4, 1 queue(s), 32 MiB",
        ),
    ] {
        let path = folder.path().join("card.tty");
        let (mut process, ready) = serial(&path, args);
        assert_eq!(ready, format!("ready on {}: {card}\n", path.display()));
        let options = SerialOptions {
            silence: LONG,
            ..SerialOptions::default()
        };
        let function = SerialFunction::open(&path, options).expect("the card answers");
        let mut transport = FunctionTransport::open(function).expect("it opens");
        assert_eq!(transport.read(regs::ID).expect("a read"), regs::ID_VALUE);
        drop(transport);
        process.signal(Signal::TERM);
        assert_eq!(process.end().0, Some(0));
    }
    // Nothing but the one board is simulated at its pins.
    let path = folder.path().join("other.tty");
    let path = path.to_str().expect("text");
    let refused = output(&["serve", "--serial", path, "--board", "artix7-200t"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("only ulx3s-85f"));
}

#[test]
fn it_serves_until_it_is_asked_to_end() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut process = Process::new(&[]);
        let path = process.path.display();
        let expect = format!("ready on {path}: functional card 4x4, 4 queue(s), 64 MiB\n");
        assert_eq!(process.ready, expect);
        for _ in 0..3 {
            work(&process.path);
        }
        // Also while a client is there.
        let client = connect(&process.path, None);
        assert_eq!((&client).reg(regs::ID), regs::ID_VALUE);
        process.signal(signal);
        assert_eq!(process.end(), (Some(0), String::new()));
        assert!(!process.path.exists());
        assert!(client.device_info().is_err(), "the client learns of it");
    }
}

#[test]
fn the_line_of_json_and_the_card_follow_the_options() {
    let mut process = Process::new(&[
        "--json",
        "--queues",
        "8",
        "--memory-mib",
        "0",
        "--no-error-interrupt",
    ]);
    let ready: Value = serde_json::from_str(&process.ready).expect("an object");
    assert_eq!(ready["event"], "ready");
    assert_eq!(ready["socket"], process.path.to_str().expect("text"));
    assert_eq!(ready["pid"], process.child.id());
    assert_eq!(ready["card"], "functional");
    assert_eq!(ready["config"]["rows"], 4);
    assert_eq!(ready["config"]["queues"], 8);
    let client = connect(&process.path, None);
    assert_eq!((&client).reg(regs::CAP_QUEUES), 8);
    assert_eq!((&client).reg(regs::CAP_CARD_MEMORY), 0);
    assert_eq!(client.irq_info(MSIX).expect("an answer").count, 8);
    assert_eq!(client.irq_info(ERRORS).expect("an answer").count, 0);
    assert_eq!(client.region_info(2).expect("an answer").size, 0);
    process.signal(Signal::TERM);
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn a_socket_of_a_dead_server_is_taken_over_and_one_of_a_living_is_not() {
    let mut first = Process::new(&[]);
    let second = output(&[
        "serve",
        "--functional",
        "--socket",
        first.path.to_str().expect("text"),
    ]);
    assert_eq!(second.status.code(), Some(3));
    let said = text(&second.stderr);
    assert!(
        said.starts_with("error: another server listens on "),
        "{said}"
    );
    assert!(said.contains("--socket"), "{said}");
    work(&first.path);
    first.signal(Signal::KILL);
    first.end();
    assert!(first.path.exists(), "nobody could remove it");
    let third = Process::at(&first.path, &[]);
    work(&third.path);
}

#[test]
fn what_cannot_be_done_has_its_exit_code_and_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "text").expect("a file");
    let file = file.to_str().expect("text");
    let nowhere = folder.path().join("no/such/folder/card.sock");
    let nowhere = nowhere.to_str().expect("text");
    let sock = folder.path().join("card.sock");
    let sock = sock.to_str().expect("text");
    let serve = ["serve", "--functional", "--socket"];
    for (args, code, says) in [
        (&[file][..], 3, "is not a socket"),
        (&[nowhere], 3, "cannot listen on"),
        (&[sock, "--config", "5x5"], 2, "must be 4, 8, 16 or 32"),
        (&[sock, "--config", "0x4"], 2, "needs rows and columns"),
        (&[sock, "--config", "16"], 2, "as in `16x16`"),
        (&[sock, "--queues", "3"], 2, "queues must be 1, 2, 4 or 8"),
        (&[sock, "--memory-mib", "3"], 2, "a power of two of MiB"),
        (&[sock, "--slice", "0"], 2, "0 is not in 1.."),
        (&[sock, "--frobnicate"], 2, "unexpected argument"),
    ] {
        let output = output(&[&serve, args].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
        assert!(said.starts_with("error: "), "{said}");
        assert!(output.stdout.is_empty());
    }
    let output = output(&["serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(file).expect("it is there"), b"text");
    assert!(!Path::new(sock).exists());
}

#[test]
fn help_teaches() {
    let all = output(&["--help"]);
    assert!(all.status.success());
    let said = text(&all.stdout);
    for word in ["vfio-user", "serve", "Exit codes:", "SIGTERM"] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
    let serve = output(&["serve", "--help"]);
    let said = text(&serve.stdout);
    for word in [
        "--socket",
        "--config",
        "--queues",
        "--memory-mib",
        "--functional",
        "--json",
        "vfio-user-pci",
        "\"x-msg-timeout\":60000",
        "--socket /tmp/card.sock --no-error-interrupt\n",
        "Examples:",
    ] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
}

/// Nobody reads the line that the card listens: that is said, and the socket is removed.
#[test]
fn a_closed_output_ends_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card.sock");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = program()
        .args(["serve", "--functional", "--socket"])
        .arg(&path)
        .stdout(writer)
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: "));
    assert!(!path.exists());
}

#[test]
fn it_does_not_remove_what_is_anothers() {
    let mut process = Process::new(&[]);
    std::fs::remove_file(&process.path).expect("it is there");
    let _other = UnixListener::bind(&process.path).expect("the place is free");
    process.signal(Signal::TERM);
    assert_eq!(process.end().0, Some(0));
    assert!(process.path.exists());
}
