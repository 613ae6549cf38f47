//! Nothing is left of clients that are gone. Alone in its process, because it counts descriptors.

mod common;
#[path = "common/raw.rs"]
mod raw;

use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::*;
use raw::{Raw, words};
use vfio_user_protocol::client::{Client, DmaRange, Options};
use vfio_user_protocol::server::{Options as ServerOptions, Server};
use vfio_user_protocol::{Errno, MapFlags};

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn round(server: &Running, round: usize) {
    match round % 5 {
        // A client that uses everything and goes without a word.
        0 | 1 => {
            let client = Client::connect(&server.path, Options::default()).unwrap();
            let events = [event(), event(), event()];
            let fds = [0, 1, 2].map(|i: usize| events[i].as_fd());
            client.connect_irqs(MSIX, 0, &fds).unwrap();
            let memory = memfd(0x3000);
            for page in 0..3 {
                let map = DmaRange {
                    flags: MapFlags::READ,
                    iova: page << 12,
                    length: 4096,
                    file: Some((memory.as_fd(), page << 12)),
                };
                client.dma_map(&map).unwrap();
            }
            drop(client.region_info(BAR2).unwrap());
        }
        // One that is refused.
        2 => {
            let first = Client::connect(&server.path, Options::default()).unwrap();
            assert!(Client::connect(&server.path, Options::default()).is_err());
            drop(first);
        }
        // One that sends descriptors where none belong, and more than a message may have.
        3 => {
            let raw = Raw::greeted(&server.path);
            let event = event();
            raw.send_with(1, 9, 0, &[0; 16], &[event.as_fd(); 3]);
            assert_eq!(raw.error(1, 9), Errno::INVAL.0);
            raw.send_with(
                1,
                8,
                0,
                &words(&[20, 0x24, MSIX, 0, 1]),
                &[event.as_fd(); 200],
            );
            assert_eq!(raw.error(1, 8), Errno::INVAL.0);
            // And some within a message that never ends.
            raw.bytes(&[0; 5], &[event.as_fd(); 2]).unwrap();
        }
        // One that breaks the protocol with commands under way.
        _ => {
            let raw = Raw::greeted(&server.path);
            let event = event();
            for _ in 0..10 {
                raw.send_with(
                    1,
                    8,
                    0x10,
                    &words(&[20, 0x24, MSIX, 0, 1]),
                    &[event.as_fd()],
                );
            }
            raw.send(1, 1, 7, &[]);
        }
    }
}

#[test]
fn a_thousand_clients_leave_nothing_behind() {
    let server = Running::new();
    let sessions = |rounds: usize| {
        server.until("all gone", |log| log.disconnects == rounds);
        let log = locked(&server.log);
        assert_eq!((log.maps.len(), log.vectors), (0, 0));
    };
    let mut before = None;
    for number in 0..1000 {
        round(&server, number);
        if number % 100 == 9 || number == 999 {
            sessions(number + 1);
            // The last session is dropped a moment after its end is told.
            server.until("the same as before", |_| {
                let now = (open_descriptors(), threads());
                *before.get_or_insert(now) == now
            });
        }
    }
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    let (descriptors, running) = (open_descriptors(), threads());
    for _ in 0..100 {
        let server = Server::bind(&path, ServerOptions::default()).unwrap();
        // A client that nobody serves.
        let _client = Client::connect(&path, Options::default()).unwrap();
        drop(server);
    }
    // A thread that was joined may be listed for a moment more.
    let end = Instant::now() + Duration::from_secs(30);
    while open_descriptors() > descriptors || threads() > running {
        assert!(Instant::now() < end, "descriptors or threads are left");
        sleep(Duration::from_millis(1));
    }
}
