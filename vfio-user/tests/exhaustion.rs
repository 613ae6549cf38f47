//! A process without descriptors left. Alone in its process, because the limit is one for all.

mod common;
#[path = "common/raw.rs"]
mod raw;

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::*;
use raw::{Raw, words};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vfio_user_protocol::Errno;

/// No new descriptor can be had while `work` runs.
fn without_descriptors<T>(work: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::Nofile);
    // The three that every process begins with are in use; `poll` wants room for two.
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    setrlimit(Resource::Nofile, none).unwrap();
    let done = work();
    setrlimit(Resource::Nofile, before).unwrap();
    done
}

#[test]
fn a_lost_descriptor_is_not_taken_for_one_that_was_not_sent() {
    let server = Running::new();
    let raw = Raw::greeted(&server.path);
    let file = memfd(0x1000);
    let page = |iova: u64| [words(&[32, 3, 0, 0]), words(&[iova as u32, 0, 0x1000, 0])].concat();
    raw.send_with(1, 2, 0, &page(0x1000), &[file.as_fd()]);
    assert!(raw.answer(1, 2).is_empty());
    without_descriptors(|| {
        raw.send_with(2, 2, 0, &page(0x2000), &[file.as_fd()]);
        assert_eq!(raw.error(2, 2), Errno::INVAL.0);
    });
    raw.send_with(3, 2, 0, &page(0x2000), &[file.as_fd()]);
    assert!(raw.answer(3, 2).is_empty());
    assert_eq!(locked(&server.log).maps.len(), 2);
    drop(raw);
    server.until_ended(1);

    // A client that comes meanwhile waits until there are some again.
    let client = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    without_descriptors(|| {
        connect(&client, &SocketAddrUnix::new(&server.path).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    });
    let raw = Raw::over(UnixStream::from(client));
    raw.send(0, 1, 0, &[0, 0, 1, 0]);
    raw.answer(0, 1);
}
