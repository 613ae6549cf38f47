//! Processes that are killed at the worst moment.

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use vfio_user_protocol::MapFlags;
use vfio_user_protocol::client::{Client, DmaRange, Error, Options};
use vfio_user_protocol::message::Command as Request;
use vfio_user_protocol::server::{Ended, Options as ServerOptions, Server};

/// Names the socket to a process of this test.
const SOCKET: &str = "SYSTOLE_TEST_SOCKET";

/// Runs the test of that name in a process of its own, until it says that it is ready.
fn process(test: &str, socket: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(SOCKET, socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines
        .map_while(Result::ok)
        .any(|line| line.contains("ready"));
    assert!(ready, "{test} did not get ready");
    child
}

/// Kills it and waits until it is dead.
fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
#[ignore = "a process of another test"]
fn a_client_that_waits() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let client = Client::connect(Path::new(&socket), Options::default()).unwrap();
    let map = DmaRange {
        flags: MapFlags::READ,
        iova: 0x1000,
        length: 0x1000,
        file: None,
    };
    client.dma_map(&map).unwrap();
    println!("ready");
    let _ = client.region_write(BAR0, STALL, &[1]);
}

#[test]
fn a_client_killed_while_its_command_is_under_way_leaves_the_server_for_the_next_one() {
    let server = Running::new();
    for round in 1..=3 {
        let client = process("a_client_that_waits", &server.path);
        server.until("the command is under way", |log| log.stalled);
        kill(client);
        locked(&server.log).release = true;
        assert_eq!(server.until_ended(round), Ended::Closed);
        let log = locked(&server.log);
        assert_eq!((log.disconnects, log.maps.len()), (round, 0));
    }
    let client = Client::connect(&server.path, Options::default()).unwrap();
    client.region_write(BAR0, 0x1000, &[1]).unwrap();
}

/// A client may come while the device still works for a dead one.
#[test]
fn a_client_that_comes_too_early_after_a_death_waits() {
    let server = Running::new();
    let client = process("a_client_that_waits", &server.path);
    server.until("the command is under way", |log| log.stalled);
    kill(client);
    let path = server.path.clone();
    let next = std::thread::spawn(move || Client::connect(path, Options::default()));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!next.is_finished());
    locked(&server.log).release = true;
    next.join().unwrap().unwrap().device_info().unwrap();
}

#[test]
#[ignore = "a process of another test"]
fn a_server_that_is_busy() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let server = Server::bind(Path::new(&socket), ServerOptions::default()).unwrap();
    println!("ready");
    let mut device = Plain::new();
    loop {
        if let Some(mut session) = server.accept(Duration::from_millis(50)).unwrap() {
            while session
                .serve(&mut device, Duration::from_millis(50))
                .is_ok()
            {}
        }
    }
}

#[test]
fn a_server_killed_while_a_client_waits_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    for _ in 0..3 {
        // The file of the one before is taken over.
        let server = process("a_server_that_is_busy", &path);
        let client = Client::connect(&path, Options::default()).unwrap();
        assert!(client.is_connected());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| client.region_write(BAR0, STALL, &[1]));
            let waits_too = scope.spawn(|| client.region_write(BAR0, STALL, &[1]));
            std::thread::sleep(Duration::from_millis(30));
            kill(server);
            for result in [waits.join().unwrap(), waits_too.join().unwrap()] {
                let gone = matches!(
                    result,
                    Err(Error::Disconnected {
                        command: Request::RegionWrite
                    })
                );
                assert!(gone, "{result:?}");
            }
        });
        assert!(!client.is_connected());
        let posted = client.region_write_posted(BAR0, 0, &[1]);
        assert!(matches!(posted, Err(Error::Disconnected { .. })));
        assert!(matches!(
            client.device_info(),
            Err(Error::Disconnected { .. })
        ));
        let nobody = Client::connect(&path, Options::default());
        assert!(matches!(nobody, Err(Error::Connect { .. })));
    }
}

#[test]
fn a_server_that_closes_tells_its_client_and_its_device() {
    let server = Running::new();
    let client = Client::connect(&server.path, Options::default()).unwrap();
    client.device_info().unwrap();
    let log = std::sync::Arc::clone(&server.log);
    drop(server);
    assert_eq!(locked(&log).disconnects, 1);
    assert!(matches!(
        client.device_info(),
        Err(Error::Disconnected { .. })
    ));
}
