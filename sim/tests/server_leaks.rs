//! What clients of a served card leave behind, however they go: nothing.

mod host;

use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::served::*;
use host::{BYTES, Bus, Host, IOVA};
use vfio_user_protocol::MapFlags;
use vfio_user_protocol::client::DmaRange;

/// Tests that count what the process has open take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn thousands_of_pages_of_one_file_take_one_descriptor() {
    let _alone = alone();
    let server = Served::new();
    let client = server.connect();
    let host = Host::new();
    // The session is there when it has answered.
    client.device_info().expect("an answer");
    let before = open_descriptors();
    for page in 0..BYTES / 4096 {
        let range = DmaRange {
            flags: MapFlags::READ | MapFlags::WRITE,
            iova: IOVA + page * 4096,
            length: 4096,
            file: Some((host.file.as_fd(), page * 4096)),
        };
        client.dma_map(&range).expect("nothing is mapped");
    }
    assert_eq!(server.dma.len() as u64, BYTES / 4096);
    assert_eq!(open_descriptors(), before + 1);
    // It is still one memory.
    let data: Vec<u8> = (0..BYTES).map(|at| ((at * 7) >> 3) as u8).collect();
    server.dma.write(IOVA, &data).expect("all of it is mapped");
    assert_eq!(host.get(0, BYTES as usize), data);
    client.dma_unmap(IOVA, BYTES).expect("it is mapped");
    assert_eq!(open_descriptors(), before);
}

fn threads() -> usize {
    let folder = std::fs::read_dir("/proc/self/task").expect("it is there");
    folder.count()
}

/// Maps of the address space of this process.
fn maps() -> usize {
    let text = std::fs::read_to_string("/proc/self/maps").expect("it is there");
    text.lines().count()
}

#[test]
fn a_thousand_clients_leave_nothing_behind() {
    let _alone = alone();
    let server = Served::new();
    let mut baseline = (0, 0, 0);
    for round in 0..1000u32 {
        {
            let (client, mut host, events) = ready(&server);
            host.start(&mut &client, round % 4);
            host.submit(&mut &client, round % 4, round as u8);
            // Every other one goes in the middle of it.
            if round % 2 == 0 {
                wait(&events[(round % 4) as usize]);
                host.check(&mut &client, round % 4, round as u8);
            }
        }
        server.until_empty();
        if round == 20 {
            baseline = (open_descriptors(), maps(), threads());
        }
    }
    until("descriptors are closed", || {
        open_descriptors() <= baseline.0
    });
    until("threads have ended", || threads() <= baseline.2);
    // Threads and the allocator keep some maps; what leaked with each client would be a thousand.
    assert!(
        maps() < baseline.1 + 50,
        "{} maps, {} before",
        maps(),
        baseline.1
    );
    let (client, mut host, events) = ready(&server);
    host.start(&mut &client, 0);
    host.submit(&mut &client, 0, 3);
    wait(&events[0]);
    host.check(&mut &client, 0, 3);
}

/// A client in a process of its own, started by the test below: it works until it is killed.
#[test]
#[ignore = "a part of another test"]
fn client_that_works_until_it_is_killed() {
    let path = std::env::var_os("SYSTOLE_TEST_SOCKET").expect("the other test sets it");
    let mut host = Host::new();
    let client = connect(path.as_ref(), Some(Arc::new(Asked(Arc::clone(&host.file)))));
    host.share(&client);
    let events = events(4);
    listen(&client, MSIX, 0, &events);
    (&client).enable();
    let remote = DmaRange {
        flags: MapFlags::READ | MapFlags::WRITE,
        iova: IOVA + BYTES,
        length: BYTES,
        file: None,
    };
    client.dma_map(&remote).expect("nothing is mapped");
    for queue in 0..4 {
        host.start(&mut &client, queue);
    }
    for round in 0.. {
        for queue in 0..4 {
            host.submit(&mut &client, queue, round);
        }
        for queue in 0..4 {
            wait(&events[queue as usize]);
            host.check(&mut &client, queue, round);
        }
        if round == 3 {
            println!("works");
        }
    }
}

#[test]
fn a_client_that_is_killed_leaves_the_card_to_the_next() {
    let _alone = alone();
    let server = Served::new();
    let mut baseline = 0;
    for round in 0..12u8 {
        let mut child: Child = std::process::Command::new(std::env::current_exe().expect("a path"))
            .args([
                "--exact",
                "client_that_works_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env("SYSTOLE_TEST_SOCKET", &server.path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = child.stdout.take().expect("it is piped");
        let lines = std::io::BufRead::lines(std::io::BufReader::new(out));
        let works = lines
            .map_while(Result::ok)
            .any(|line| line.contains("works"));
        assert!(works, "the client ended early");
        child.kill().expect("it runs");
        child.wait().expect("it is dead");
        server.until_empty();
        let (client, mut host, events) = ready(&server);
        host.start(&mut &client, 0);
        host.submit(&mut &client, 0, round);
        wait(&events[0]);
        host.check(&mut &client, 0, round);
        drop((client, host, events));
        server.until_empty();
        if round == 2 {
            baseline = open_descriptors();
        }
    }
    until("descriptors are closed", || open_descriptors() <= baseline);
}
