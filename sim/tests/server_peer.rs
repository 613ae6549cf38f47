//! A served card and a client that is not ours: that of the crate `vfio_user`.

mod host;

use std::cell::RefCell;
use std::os::fd::AsRawFd;

use host::served::*;
use host::{BYTES, Bus, Host, IOVA};
use isa::pci::{MEMORY_BAR, REGISTER_BAR};
use isa::regs;
use pcie::config_space::registers as at;
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_IRQ_SET_DATA_NONE, VFIO_REGION_INFO_FLAG_MMAP,
};
use vfio_user::Client;

const TRIGGER: u32 = VFIO_IRQ_SET_ACTION_TRIGGER;

/// Their client; it wants to be alone even to read.
struct Theirs(RefCell<Client>);

impl Bus for &Theirs {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        let done = self.0.borrow_mut().region_read(CONFIG, offset.into(), data);
        done.expect("a read");
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        let done = self
            .0
            .borrow_mut()
            .region_write(CONFIG, offset.into(), data);
        done.expect("a write");
    }

    fn read(&mut self, bar: u8, offset: u64, data: &mut [u8]) {
        let done = self.0.borrow_mut().region_read(bar.into(), offset, data);
        done.expect("a read");
    }

    fn write(&mut self, bar: u8, offset: u64, data: &[u8]) {
        let done = self.0.borrow_mut().region_write(bar.into(), offset, data);
        done.expect("a write");
    }
}

fn theirs(server: &Served) -> Theirs {
    Theirs(RefCell::new(
        Client::new(&server.path).expect("it connects"),
    ))
}

fn map(client: &Theirs, host: &Host) {
    let mut client = client.0.borrow_mut();
    let done = client.dma_map(0, IOVA, BYTES, host.file.as_raw_fd());
    done.expect("nothing is mapped");
}

#[test]
fn their_client_runs_programs_with_interrupts() {
    let server = Served::new();
    let client = theirs(&server);
    {
        let mut client = client.0.borrow_mut();
        let registers = client.region(REGISTER_BAR.into()).expect("it is there");
        assert_eq!(registers.size, 0x1_0000);
        let memory = client.region(MEMORY_BAR.into()).expect("it is there");
        assert_eq!(memory.size, 1 << 20);
        assert_ne!(memory.flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
        assert!(memory.file_offset.is_some());
        assert_eq!(client.region(CONFIG).expect("it is there").size, 4096);
        let msix = client.get_irq_info(MSIX).expect("an answer");
        assert_eq!(msix.count, 4);
        assert_ne!(msix.flags & VFIO_IRQ_INFO_EVENTFD, 0);
    }
    assert_eq!((&client).reg(regs::ID), regs::ID_VALUE);
    let mut host = Host::new();
    map(&client, &host);
    let events = events(4);
    let fds: Vec<_> = events.iter().map(AsRawFd::as_raw_fd).collect();
    let connect = TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
    let set = |flags, start, count, fds: &[_]| {
        let done = client
            .0
            .borrow_mut()
            .set_irqs(MSIX, flags, start, count, fds);
        done.expect("it is done");
    };
    set(connect, 0, 4, &fds);
    (&client).enable();
    for queue in 0..4 {
        host.start(&mut &client, queue);
        for round in 0..6 {
            host.submit(&mut &client, queue, round);
            wait(&events[queue as usize]);
            host.check(&mut &client, queue, round);
        }
    }
    // One vector away, and all of them.
    set(connect, 1, 1, &[]);
    set(TRIGGER | VFIO_IRQ_SET_DATA_NONE, 0, 4, &[]);
    let heard: Vec<_> = events.iter().map(take).collect();
    assert_eq!(heard, [true, false, true, true]);
    set(TRIGGER | VFIO_IRQ_SET_DATA_NONE, 0, 0, &[]);
    let mut control = [0; 2];
    (&client).config_read(at::MSIX_CONTROL, &mut control);
    assert_eq!(u16::from_le_bytes(control) & at::MSIX_ENABLE, 0);
    let mut client = client.0.into_inner();
    client.dma_unmap(IOVA, BYTES).expect("it is mapped");
    assert!(server.dma.is_empty());
    client.reset().expect("a reset");
    client.shutdown().expect("it closes");
}

#[test]
fn their_clients_come_and_go() {
    let server = Served::new();
    for round in 0..30 {
        {
            let client = theirs(&server);
            let mut host = Host::new();
            map(&client, &host);
            (&client).enable();
            host.start(&mut &client, 0);
            host.submit(&mut &client, 0, round);
            let done = regs::of_queue(0, regs::IRQ_STATUS);
            until("it is done", || (&client).reg(done) != 0);
            host.check(&mut &client, 0, round);
        }
        server.until_empty();
    }
}
