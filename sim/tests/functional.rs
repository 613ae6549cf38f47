//! The functional card as a PCI function.

mod host;

use std::sync::Arc;

use host::{Bus, Host, IOVA, config, product, program, set_up_vectors};
use isa::command::{CARD_MEMORY, Command, Load, Operation, Store};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::{pci, regs};
use pcie::config_space::registers as at;
use proptest::prelude::*;
use sim::dma::{Backing, Permissions};
use sim::function::{Function, FunctionError, INTERRUPT_WINDOW};
use sim::{Error, FunctionalCard};

fn card() -> FunctionalCard {
    FunctionalCard::new(&config()).expect("a card")
}

/// A card that is enabled, with interrupts and memory.
fn ready() -> (FunctionalCard, Host) {
    let mut card = card();
    let host = Host::new();
    host.map(&card);
    card.enable();
    set_up_vectors(&mut card, 4);
    (card, host)
}

fn run(card: &mut FunctionalCard) {
    // A run is a program at most, and no test has as many.
    let is_idle = (0..100).any(|_| !card.run(1000).expect("it runs"));
    assert!(is_idle, "the card still has something to do");
}

#[test]
fn products_of_all_queues_come_with_their_interrupts() {
    let (mut card, mut host) = ready();
    for queue in 0..4 {
        host.start(&mut card, queue);
    }
    for round in 0..9 {
        for queue in [2, 0, 3, 1] {
            host.submit(&mut card, queue, round * 4 + queue as u8);
        }
        assert_eq!(card.take_interrupts(), 0);
        run(&mut card);
        assert_eq!(card.take_interrupts(), 0b1111);
        for queue in 0..4 {
            host.check(&mut card, queue, round * 4 + queue as u8);
        }
    }
    assert_eq!(card.dma().faults().reads + card.dma().faults().writes, 0);
}

#[test]
fn a_run_is_one_program_and_then_nothing() {
    let (mut card, mut host) = ready();
    assert!(!card.run(1).expect("it runs"), "nothing to do");
    host.start(&mut card, 0);
    host.submit(&mut card, 0, 7);
    assert!(card.run(1).expect("it runs"));
    host.check(&mut card, 0, 7);
    assert!(!card.run(1).expect("it runs"));
}

#[test]
fn windows_are_silent_while_memory_space_is_off_or_the_function_sleeps() {
    let mut card = card();
    assert_eq!(card.reg(regs::ID), u32::MAX);
    card.set_command(at::COMMAND_MEMORY);
    assert_eq!(card.reg(regs::ID), regs::ID_VALUE);
    card.set_reg(regs::WATCHDOG, 77);
    Bus::config_write(&mut card, at::POWER_STATE, &[3]);
    assert_eq!(card.reg(regs::ID), u32::MAX);
    card.set_reg(regs::WATCHDOG, 78);
    card.write(pci::MEMORY_BAR, 0, &[1]);
    Bus::config_write(&mut card, at::POWER_STATE, &[0]);
    assert_eq!(card.reg(regs::WATCHDOG), 77);
    let mut byte = [9];
    card.read(pci::MEMORY_BAR, 0, &mut byte);
    assert_eq!(byte, [0]);
}

#[test]
fn accesses_beyond_a_window_are_refused() {
    let mut card = card();
    card.enable();
    assert_eq!(card.bar_size(0), 0x1_0000);
    assert_eq!(card.bar_size(2), 1 << 20);
    for (bar, offset, len) in [
        (0, 0xffff, 2),
        (0, 0x1_0000, 1),
        (0, u64::MAX, 1),
        (2, (1 << 20) - 1, 2),
        (2, u64::MAX - 1, 4),
        (1, 0, 1),
        (3, 0, 0),
        (255, 0, 4),
    ] {
        let mut data = vec![0; len];
        let read = card.bar_read(bar, offset, &mut data);
        assert!(matches!(read, Err(FunctionError::Outside { .. })), "{bar}");
        let write = card.bar_write(bar, offset, &data);
        assert!(matches!(write, Err(FunctionError::Outside { .. })), "{bar}");
    }
    let none = Config {
        card_memory_mib: 0,
        ..config()
    };
    let card = FunctionalCard::new(&none).expect("a card");
    assert_eq!(card.bar_size(2), 0);
    assert!(card.card_memory().is_none());
}

#[test]
fn registers_do_not_repeat_beyond_their_window() {
    let mut card = card();
    card.enable();
    assert_eq!(card.reg(regs::WINDOW_BYTES), 0);
    card.set_reg(regs::WINDOW_BYTES + regs::WATCHDOG, 5);
    assert_eq!(card.reg(regs::WATCHDOG), regs::WATCHDOG_RESET);
    assert_eq!(card.reg(regs::CAP_QUEUES), 4);
    assert_eq!(card.reg(regs::CAP_CARD_MEMORY), 1);
}

#[test]
fn without_bus_master_nothing_leaves_the_card() {
    let (mut card, mut host) = ready();
    host.start(&mut card, 1);
    card.set_command(at::COMMAND_MEMORY);
    host.submit(&mut card, 1, 3);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 0);
    assert!(host.completion(&mut card, 1).is_none());
    // Neither the entry nor its completion went through: the queue has failed, and says why.
    let status = card.reg(regs::of_queue(1, regs::QUEUE_STATUS));
    assert_ne!(status & regs::QUEUE_FAILED, 0);
    let error = card.reg(regs::of_queue(1, regs::QUEUE_ERROR));
    assert_eq!(error & 0xffff, ErrorCode::BusMasterOff as u32);
    // Nothing was tried: the table has seen no access that failed.
    assert_eq!(card.dma().faults(), Default::default());
    // The interrupt of the failed queue waits until it may go.
    assert_eq!(pending(&mut card), 0b10);
    card.enable();
    assert_eq!(card.take_interrupts(), 0b10);
}

#[test]
fn a_read_of_nothing_ends_the_program_and_a_write_to_nothing_is_only_counted() {
    let (mut card, mut host) = ready();
    host.start(&mut card, 0);
    let load = Command::new(Operation::Load(Load {
        src: 0x4000_0000,
        row_lines: 1,
        rows: 1,
        ..Load::default()
    }));
    host.submit_program(&mut card, 0, 1, &[load]);
    run(&mut card);
    let entry = host.completion(&mut card, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::UnsupportedRequest as u16);
    assert_eq!(card.dma().faults().reads, 1);

    let store = Command::new(Operation::Store(Store {
        dst: 0x4000_0000,
        m: 1,
        ..Store::default()
    }));
    host.submit_program(&mut card, 0, 2, &[store]);
    run(&mut card);
    let entry = host.completion(&mut card, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::Success as u16, "writes are posted");
    assert_eq!(card.dma().faults().writes, 1);

    // A read of memory that may only be written is none, and the other way round.
    let backing = Backing::File(Arc::clone(&host.file), 0);
    let permissions = Permissions {
        read: false,
        write: true,
    };
    let mapped = card.dma().map(0x4000_0000, 0x1000, permissions, backing);
    mapped.expect("it is free");
    host.submit_program(&mut card, 0, 3, &[load]);
    run(&mut card);
    let entry = host.completion(&mut card, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::UnsupportedRequest as u16);
    assert_eq!(card.dma().faults().reads, 2);
}

#[test]
fn programs_reach_the_cards_own_memory() {
    let (mut card, mut host) = ready();
    host.start(&mut card, 0);
    let (a, b) = host::matrices(5);
    let bytes: Vec<u8> = a.iter().chain(&b).map(|&value| value as u8).collect();
    // Through the window as a host without a mapping writes it.
    card.write(pci::MEMORY_BAR, 0x40, &bytes);
    let program = program(CARD_MEMORY + 0x40, CARD_MEMORY + 0xf_ff00);
    host.submit_program(&mut card, 0, 5, &program);
    run(&mut card);
    let entry = host.completion(&mut card, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::Success as u16);
    let mut seen = vec![0; 64];
    let memory = Arc::clone(card.card_memory().expect("it has some"));
    assert!(memory.read(0xf_ff00, &mut seen));
    assert_eq!(seen, product(5));
    // As another process sees it.
    let mut mapped = vec![0; 64];
    rustix::io::pread(memory.file(), &mut mapped[..], 0xf_ff00).expect("a read");
    assert_eq!(mapped, seen);

    let beyond = host::program(CARD_MEMORY + 0x10_0000, IOVA);
    host.submit_program(&mut card, 0, 6, &beyond);
    run(&mut card);
    let entry = host.completion(&mut card, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::ReadFault as u16);
    assert_eq!(entry.command, 0);
}

fn pending(card: &mut FunctionalCard) -> u64 {
    let mut data = [0; 8];
    card.read(0, 0xc000, &mut data);
    u64::from_le_bytes(data)
}

fn mask(card: &mut FunctionalCard, vector: u64, masked: bool) {
    card.write(
        0,
        0x8000 + 16 * vector + 12,
        &[masked.into(), 0xff, 0xff, 0xff],
    );
}

#[test]
fn masked_interrupts_wait_and_are_sent_once() {
    let (mut card, mut host) = ready();
    host.start(&mut card, 2);
    mask(&mut card, 2, true);
    host.submit(&mut card, 2, 1);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 0);
    assert_eq!(pending(&mut card), 0b100);
    mask(&mut card, 1, false);
    assert_eq!(card.take_interrupts(), 0, "another vector");
    mask(&mut card, 2, false);
    assert_eq!(card.take_interrupts(), 0b100);
    assert_eq!(pending(&mut card), 0);
    mask(&mut card, 2, true);
    mask(&mut card, 2, false);
    assert_eq!(card.take_interrupts(), 0, "it was told of already");
    host.check(&mut card, 2, 1);

    // The mask of the function; that the host has looked does not take the message back, because
    // an acknowledgement may be older than the completion that it meets.
    Bus::config_write(&mut card, at::MSIX_CONTROL, &0xc000u16.to_le_bytes());
    host.submit(&mut card, 2, 2);
    run(&mut card);
    assert_eq!((card.take_interrupts(), pending(&mut card)), (0, 0b100));
    host.check(&mut card, 2, 2);
    assert_eq!(pending(&mut card), 0b100, "it is told of all the same");
    Bus::config_write(&mut card, at::MSIX_CONTROL, &0x8000u16.to_le_bytes());
    assert_eq!((card.take_interrupts(), pending(&mut card)), (0b100, 0));
    host.submit(&mut card, 2, 3);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 0b100);
}

#[test]
fn an_interrupt_goes_where_the_table_says() {
    let (mut card, mut host) = ready();
    host.start(&mut card, 0);
    // Into memory, at an address of the host's choice, as interrupts do that nothing remaps.
    let address = IOVA + 0x8_0000;
    card.write(0, 0x8000, &address.to_le_bytes());
    card.write(0, 0x8008, &0x1234_5678u32.to_le_bytes());
    host.submit(&mut card, 0, 1);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 0);
    assert_eq!(host.get(0x8_0000, 4), 0x1234_5678u32.to_le_bytes());
    host.check(&mut card, 0, 1);
    // To the interrupt controller, with a number that is no vector's.
    card.write(0, 0x8000, &INTERRUPT_WINDOW.start.to_le_bytes());
    card.write(0, 0x8008, &64u32.to_le_bytes());
    host.submit(&mut card, 0, 2);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 0);
    host.check(&mut card, 0, 2);
    card.write(0, 0x8008, &63u32.to_le_bytes());
    host.submit(&mut card, 0, 3);
    run(&mut card);
    assert_eq!(card.take_interrupts(), 1 << 63);
}

#[test]
fn both_resets_clear_the_function_and_spare_memory() {
    for by_config in [false, true] {
        let (mut card, mut host) = ready();
        host.start(&mut card, 0);
        host.submit(&mut card, 0, 1);
        run(&mut card);
        host.submit(&mut card, 0, 2);
        card.write(pci::MEMORY_BAR, 99, &[42]);
        mask(&mut card, 0, true);
        match by_config {
            false => card.reset().expect("a reset"),
            true => Bus::config_write(&mut card, at::DEVICE_CONTROL, &0x8000u16.to_le_bytes()),
        }
        assert_eq!(card.take_interrupts(), 0);
        assert_eq!(card.command(), 0);
        assert!(!card.run(1).expect("it runs"), "what was submitted is gone");
        assert_eq!(card.dma().len(), 1, "memory stays mapped");
        card.enable();
        assert_eq!(card.reg(regs::SQ_TAIL), 0);
        let mut byte = [0];
        card.read(pci::MEMORY_BAR, 99, &mut byte);
        assert_eq!(byte, [42]);
        let mut entry = [0; 16];
        card.read(0, 0x8000, &mut entry);
        assert_eq!(u128::from_le_bytes(entry), 1 << 96, "masked, else empty");
        // All works again.
        set_up_vectors(&mut card, 4);
        host.start(&mut card, 0);
        host.submit(&mut card, 0, 3);
        run(&mut card);
        assert_eq!(card.take_interrupts(), 1);
        host.check(&mut card, 0, 3);
    }
}

#[test]
fn a_wrong_shape_is_refused() {
    let wrong = Config {
        queues: 3,
        ..config()
    };
    assert!(matches!(FunctionalCard::new(&wrong), Err(Error::Config(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a register holds does not depend on how it is read or written: whole, in pieces, or
    /// with its neighbours.
    #[test]
    fn registers_and_table_have_bytes(
        start in prop_oneof![0x410u64..0x430, 0x7ff0u64..0x8050, 0xbff0u64..0xc010],
        data in prop::collection::vec(any::<u8>(), 1..24),
        cut in 0usize..24,
    ) {
        let mut whole = card();
        let mut pieces = card();
        whole.enable();
        pieces.enable();
        whole.write(0, start, &data);
        let (left, right) = data.split_at(cut.min(data.len()));
        pieces.write(0, start, left);
        pieces.write(0, start + left.len() as u64, right);
        let (mut one, mut two) = (vec![0; data.len() + 16], Vec::new());
        whole.read(0, start - 8, &mut one);
        for offset in 0..one.len() as u64 {
            let mut byte = [0];
            pieces.read(0, start - 8 + offset, &mut byte);
            two.extend(byte);
        }
        prop_assert_eq!(one, two);
    }

    /// The host can try what it likes: the card neither panics nor reaches memory that is not
    /// mapped.
    #[test]
    fn nothing_that_a_host_writes_breaks_the_card(
        writes in prop::collection::vec((0u64..0x700, any::<u32>()), 1..60),
        seed in any::<u8>(),
    ) {
        let (mut card, mut host) = ready();
        host.start(&mut card, 0);
        host.submit(&mut card, 0, seed);
        for (offset, value) in writes {
            card.write(0, offset, &value.to_le_bytes());
            for _ in 0..4 {
                card.run(10).expect("it runs");
            }
        }
        card.set_reg(regs::CONTROL, regs::CONTROL_RESET);
        card.take_interrupts();
        host.start(&mut card, 0);
        host.submit(&mut card, 0, seed);
        run(&mut card);
        prop_assert_eq!(card.take_interrupts(), 1);
        host.check(&mut card, 0, seed);
    }
}
