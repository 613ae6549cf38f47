//! MSI-X over the link: one vector a queue, masks, pending bits.

use isa::config::Config;
use isa::pci::{MSIX_PENDING, MSIX_TABLE, REGISTER_BAR};
use isa::regs;
use pcie::config_space::registers as config;
use sim::LinkOptions;
use sim::function::Function;
use systole_tests::bench::{DATA, Device, Host, PROGRAMS, put_words, words};
use systole_tests::link::Linked;
use systole_tests::program::fill;

/// Runs a program on a queue without waiting for its interrupt, until the card is at rest.
fn run(linked: &mut Linked, host: &mut Host, tag: u64) {
    let program = words(&fill(&Config::with_array(4, 4), DATA));
    let entry = put_words(linked.memory(), PROGRAMS.start, &program, tag);
    host.submit(linked, &entry, tag);
    host.ring(linked);
    linked.rest();
    // The completion is there.
    let done = host.take(linked).expect("a completion");
    assert_eq!(done.status, 0);
    host.give_back(linked);
}

fn pending(linked: &mut Linked) -> u32 {
    linked.read(MSIX_PENDING)
}

/// Acknowledges the interrupt of a queue: its line falls. No message depends on that.
fn acknowledge(linked: &mut Linked, host: &Host) {
    host.write(linked, regs::IRQ_STATUS, regs::IRQ_COMPLETION);
}

fn write_vector(linked: &mut Linked, vector: u32, word: u32, value: u32) {
    let offset = u64::from(MSIX_TABLE + 16 * vector + 4 * word);
    linked.run(|card| card.bar_write(REGISTER_BAR, offset, &value.to_le_bytes()));
}

#[test]
fn each_queue_has_its_vector() {
    let mut linked = Linked::new(&Config::with_array(4, 4), &LinkOptions::default());
    let mut hosts = [0, 1, 2, 3].map(|queue| Host::start_queue(&mut linked, queue, 2));
    for (queue, host) in hosts.iter_mut().enumerate() {
        linked.interrupts = 0;
        run(&mut linked, host, queue as u64);
        assert_eq!(linked.interrupts, 1 << queue);
        acknowledge(&mut linked, host);
    }
    assert_eq!(linked.card.root().traffic().interrupts, 4);
    // The data of a message is what the table says.
    write_vector(&mut linked, 2, 2, 9);
    linked.interrupts = 0;
    run(&mut linked, &mut hosts[2], 7);
    assert_eq!(linked.interrupts, 1 << 9);
}

/// A completion is told of whether the one before is acknowledged or not, and an acknowledgement
/// that is older than a completion does not silence it.
#[test]
fn every_completion_is_told() {
    let mut linked = Linked::new(&Config::with_array(4, 4), &LinkOptions::default());
    let mut host = Host::start_queue(&mut linked, 2, 2);
    for tag in 0..4 {
        linked.interrupts = 0;
        run(&mut linked, &mut host, tag);
        assert_eq!(linked.interrupts, 1 << 2, "nothing was acknowledged");
    }
    write_vector(&mut linked, 2, 3, 1);
    linked.interrupts = 0;
    run(&mut linked, &mut host, 4);
    acknowledge(&mut linked, &host);
    assert_eq!((linked.interrupts, pending(&mut linked)), (0, 1 << 2));
    write_vector(&mut linked, 2, 3, 0);
    linked.rest();
    assert_eq!((linked.interrupts, pending(&mut linked)), (1 << 2, 0));
    // An interrupt that is enabled late tells what is due.
    host.write(&mut linked, regs::QUEUE_CONTROL, regs::QUEUE_ENABLE);
    linked.interrupts = 0;
    run(&mut linked, &mut host, 5);
    assert_eq!(linked.interrupts, 0);
    let both = regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE;
    host.write(&mut linked, regs::QUEUE_CONTROL, both);
    linked.rest();
    assert_eq!(linked.interrupts, 1 << 2);
}

#[test]
fn what_is_masked_waits() {
    let mut linked = Linked::new(&Config::with_array(4, 4), &LinkOptions::default());
    let mut host = Host::start_queue(&mut linked, 1, 2);
    let control = |linked: &mut Linked, value: u16| {
        linked
            .card
            .config_write(config::MSIX_CONTROL, &value.to_le_bytes());
    };
    let enable = config::MSIX_ENABLE;
    // By the vector, by the function, and with all of MSI-X.
    type Switch = fn(&mut Linked, bool);
    let switches: [Switch; 2] = [
        |linked, masked| write_vector(linked, 1, 3, masked.into()),
        |linked, masked| {
            let mask = if masked { config::MSIX_MASK_ALL } else { 0 };
            let value = config::MSIX_ENABLE | mask;
            linked
                .card
                .config_write(config::MSIX_CONTROL, &value.to_le_bytes());
        },
    ];
    for (round, switch) in switches.into_iter().enumerate() {
        switch(&mut linked, true);
        linked.interrupts = 0;
        run(&mut linked, &mut host, round as u64);
        assert_eq!(linked.interrupts, 0);
        assert_eq!(pending(&mut linked), 1 << 1);
        switch(&mut linked, false);
        linked.rest();
        assert_eq!(linked.interrupts, 1 << 1);
        assert_eq!(pending(&mut linked), 0);
        acknowledge(&mut linked, &host);
    }
    // Without MSI-X nothing is sent.
    control(&mut linked, 0);
    linked.interrupts = 0;
    run(&mut linked, &mut host, 9);
    assert_eq!(linked.interrupts, 0);
    control(&mut linked, enable);
}
