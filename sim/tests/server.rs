//! A served card as clients see it.

mod host;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use host::served::*;
use host::{BYTES, Bus, Host, IOVA, product, program};
use isa::command::{CARD_MEMORY, Command, Load, Operation, Store};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::{pci, regs};
use pcie::config_space::registers as at;
use pcie::root::Settings;
use pcie::tlp::Id;
use proptest::prelude::*;
use rustix::fs::{MemfdFlags, memfd_create};
use sim::dma::DmaTable;
use sim::function::{CardMemory, Function, FunctionError};
use sim::server::Options;
use sim::{LinkOptions, RtlCard};
use vfio_user_protocol::client::{Client, DmaRange, Error};
use vfio_user_protocol::message::{Select, SetIrqs};
use vfio_user_protocol::{Errno, IrqAction, IrqFlags, MapFlags, RegionFlags};

fn refused<T>(result: Result<T, Error>) -> Errno {
    match result {
        Err(Error::Refused { errno, .. }) => errno,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was done"),
    }
}

fn irqs(index: u32, action: IrqAction, start: u32, count: u32, select: Select) -> SetIrqs {
    SetIrqs {
        index,
        action,
        start,
        count,
        select,
    }
}

#[test]
fn the_card_is_described_as_it_is() {
    let server = Served::new();
    let client = server.connect();
    let info = client.device_info().expect("an answer");
    assert!(info.pci && info.resettable);
    assert_eq!((info.regions, info.irqs), (9, 5));
    let both = RegionFlags::READ | RegionFlags::WRITE;
    for (index, size, flags, file) in [
        (0, 0x1_0000, both, false),
        (1, 0, RegionFlags::empty(), false),
        (2, 1 << 20, both, true),
        (3, 0, RegionFlags::empty(), false),
        (6, 0, RegionFlags::empty(), false),
        (7, 4096, both, false),
        (8, 0, RegionFlags::empty(), false),
    ] {
        let region = client.region_info(index).expect("an answer");
        assert_eq!((region.size, region.flags), (size, flags), "region {index}");
        assert_eq!(region.file.is_some(), file, "region {index}");
    }
    for (index, count) in [(0, 0), (1, 0), (2, 4), (3, 1), (4, 1)] {
        let irq = client.irq_info(index).expect("an answer");
        assert_eq!(irq.count, count);
        assert_eq!(irq.flags.contains(IrqFlags::EVENTFD), count > 0);
    }
    let mut identity = [0; 4];
    (&client).config_read(0, &mut identity);
    assert_eq!(identity, [0xee, 0x10, 0x59, 0x53]);
    // Memory space is on from the start, bus master is not: as behind the kernel's vfio-pci.
    assert_eq!((&client).command() & 0x7, at::COMMAND_MEMORY);
    assert_eq!((&client).reg(regs::ID), regs::ID_VALUE);
    drop(client);

    let quiet = Served::with(&Options {
        error_interrupt: false,
        ..Options::default()
    });
    let errors = quiet.connect().irq_info(ERRORS).expect("an answer");
    assert_eq!(errors.count, 0);
}

#[test]
fn programs_of_all_queues_run_and_interrupt() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    for queue in 0..4 {
        host.start(&mut &client, queue);
    }
    for round in 0..20 {
        for queue in [1, 3, 0, 2] {
            host.submit(&mut &client, queue, round * 4 + queue as u8);
        }
        for queue in 0..4 {
            wait(&events[queue as usize]);
            host.check(&mut &client, queue, round * 4 + queue as u8);
        }
    }
    assert_eq!(events.iter().filter(|it| take(it)).count(), 0);
}

#[test]
fn card_memory_can_be_mapped_and_used() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    let region = client.region_info(2).expect("an answer");
    let file = region.file.expect("it may be mapped");
    assert_eq!((region.offset, region.areas.len()), (0, 1));
    let (a, b) = host::matrices(9);
    let bytes: Vec<u8> = a.iter().chain(&b).map(|&value| value as u8).collect();
    rustix::io::pwrite(&file, &bytes, 0x4000).expect("a write");
    host.start(&mut &client, 0);
    let program = program(CARD_MEMORY + 0x4000, CARD_MEMORY + 0x8000);
    host.submit_program(&mut &client, 0, 9, &program);
    wait(&events[0]);
    let entry = host.completion(&mut &client, 0).expect("a completion");
    assert_eq!(entry.status, ErrorCode::Success as u16);
    let mut seen = vec![0; 64];
    rustix::io::pread(&file, &mut seen[..], 0x8000).expect("a read");
    assert_eq!(seen, product(9));
    let mut through_the_window = vec![0; 64];
    (&client).read(2, 0x8000, &mut through_the_window);
    assert_eq!(through_the_window, seen);
    // Whoever has it cannot make it shorter.
    assert!(rustix::fs::ftruncate(&file, 0).is_err());
}

#[test]
fn memory_without_a_descriptor_is_reached_by_messages() {
    let server = Served::new();
    let mut host = Host::new();
    let client = connect(&server.path, Some(Arc::new(Asked(Arc::clone(&host.file)))));
    let events = events(4);
    listen(&client, MSIX, 0, &events);
    (&client).enable();
    // One page more than there is, which the client will refuse to read.
    let range = DmaRange {
        flags: MapFlags::READ | MapFlags::WRITE,
        iova: IOVA,
        length: BYTES + 0x1000,
        file: None,
    };
    client.dma_map(&range).expect("nothing is mapped");
    host.start(&mut &client, 3);
    for round in 0..6 {
        host.submit(&mut &client, 3, round);
        wait(&events[3]);
        host.check(&mut &client, 3, round);
    }
    let load = Command::new(Operation::Load(Load {
        src: IOVA + BYTES,
        row_lines: 1,
        rows: 1,
        ..Load::default()
    }));
    host.submit_program(&mut &client, 3, 5, &[load]);
    wait(&events[3]);
    let entry = host.completion(&mut &client, 3).expect("a completion");
    assert_eq!(entry.status, ErrorCode::CompleterAbort as u16);
    host.submit(&mut &client, 3, 7);
    wait(&events[3]);
    host.check(&mut &client, 3, 7);
    // Without write permission the completion is lost, and the client hears of it.
    let errors = event();
    listen(&client, ERRORS, 0, std::slice::from_ref(&errors));
    client.dma_unmap_all().expect("all goes");
    let range = DmaRange {
        flags: MapFlags::READ,
        ..range
    };
    client.dma_map(&range).expect("nothing is mapped");
    host.submit(&mut &client, 3, 8);
    wait(&errors);
    assert!(host.completion(&mut &client, 3).is_none());
}

#[test]
fn permissions_hold_and_lost_writes_are_told_of() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    let errors = event();
    listen(&client, ERRORS, 0, std::slice::from_ref(&errors));
    let other = memfd_create("other", MemfdFlags::CLOEXEC).expect("a file");
    rustix::fs::ftruncate(&other, 0x2000).expect("a length");
    rustix::io::pwrite(&other, &[0x5a; 0x2000], 0).expect("a write");
    for (iova, flags) in [(0x1000, MapFlags::READ), (0x2000, MapFlags::WRITE)] {
        let range = DmaRange {
            flags,
            iova,
            length: 0x1000,
            file: Some((other.as_fd(), iova - 0x1000)),
        };
        client.dma_map(&range).expect("nothing is mapped");
    }
    host.start(&mut &client, 0);
    let load = |src| {
        Command::new(Operation::Load(Load {
            src,
            row_lines: 1,
            rows: 1,
            ..Load::default()
        }))
    };
    let store = |dst| {
        Command::new(Operation::Store(Store {
            dst,
            m: 1,
            ..Store::default()
        }))
    };
    let mut run = |command: Command| {
        host.submit_program(&mut &client, 0, 1, &[command]);
        wait(&events[0]);
        let entry = host.completion(&mut &client, 0).expect("a completion");
        ErrorCode::from_code(entry.status).expect("a code")
    };
    assert_eq!(run(load(0x1000)), ErrorCode::Success);
    assert_eq!(run(load(0x2000)), ErrorCode::UnsupportedRequest);
    assert_eq!(run(load(0x3000)), ErrorCode::UnsupportedRequest);
    assert!(!take(&errors), "reads are answered");
    assert_eq!(run(store(0x2000)), ErrorCode::Success);
    assert!(!take(&errors));
    // Posted: the card does not learn of it, the client does.
    assert_eq!(run(store(0x1000)), ErrorCode::Success);
    wait(&errors);
    assert_eq!(run(store(0x3000)), ErrorCode::Success);
    wait(&errors);
    assert_eq!(server.dma.faults().writes, 2);
    let mut seen = vec![0; 0x2000];
    rustix::io::pread(&other, &mut seen[..], 0).expect("a read");
    assert!(seen[..0x1000].iter().all(|&byte| byte == 0x5a));
    assert_eq!(seen[0x1000..0x1010], [0; 16], "the accumulators are zero");
}

#[test]
fn mappings_that_make_no_sense_are_refused() {
    let server = Served::new();
    let (client, host, _) = ready(&server);
    let file = Some((host.file.as_fd(), 0));
    let map = |iova, length, flags, file| {
        client.dma_map(&DmaRange {
            flags,
            iova,
            length,
            file,
        })
    };
    let both = MapFlags::READ | MapFlags::WRITE;
    assert_eq!(refused(map(IOVA, 0x1000, both, file)), Errno::EXIST);
    let over = IOVA - 0x1000;
    assert_eq!(refused(map(over, 0x2000, both, file)), Errno::EXIST);
    assert_eq!(refused(map(0, 0, both, file)), Errno::INVAL);
    assert_eq!(refused(map(!0xfff, 0x2000, both, file)), Errno::INVAL);
    assert_eq!(
        refused(map(0, 0x1000, MapFlags::empty(), file)),
        Errno::INVAL
    );
    let read_only = std::fs::File::open("/proc/self/exe").expect("it is there");
    let file = Some((read_only.as_fd(), 0));
    assert_eq!(refused(map(0, 0x1000, both, file)), Errno::ACCES);
    let (pipe, _) = std::io::pipe().expect("a pipe");
    let file = Some((pipe.as_fd(), 0));
    assert_eq!(refused(map(0, 0x1000, both, file)), Errno::INVAL);
    assert_eq!(server.dma.len(), 1);
    assert_eq!(refused(client.dma_unmap(IOVA, BYTES / 2)), Errno::INVAL);
    client.dma_unmap_all().expect("all goes");
    assert!(server.dma.is_empty());
    host.share(&client);
}

#[test]
fn an_unmapped_page_is_out_of_reach() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    host.start(&mut &client, 2);
    host.submit(&mut &client, 2, 1);
    wait(&events[2]);
    host.check(&mut &client, 2, 1);
    client.dma_unmap(IOVA, BYTES).expect("it is mapped");
    let before = host.get(0, BYTES as usize);
    (&client).set_reg(regs::of_queue(2, regs::SQ_TAIL), 2);
    until("the card has tried", || server.dma.faults().writes > 0);
    assert_eq!(host.get(0, BYTES as usize), before);
}

#[test]
fn interrupts_are_set_up_in_every_way() {
    let server = Served::new();
    let (client, mut host, first) = ready(&server);
    let set = |set: SetIrqs| client.set_irqs(&set, &[]);
    let all = |action, start, count| irqs(MSIX, action, start, count, Select::All);
    let these = |action, which: &[bool]| {
        irqs(
            MSIX,
            action,
            0,
            which.len() as u32,
            Select::These(which.into()),
        )
    };
    let heard = |events: &[OwnedFd]| events.iter().map(take).collect::<Vec<_>>();
    use IrqAction::{Mask, Trigger, Unmask};

    // By the client itself.
    set(all(Trigger, 1, 2)).expect("it is done");
    assert_eq!(heard(&first), [false, true, true, false]);
    set(these(Trigger, &[true, false, false, true])).expect("it is done");
    assert_eq!(heard(&first), [true, false, false, true]);

    for queue in 0..4 {
        host.start(&mut &client, queue);
    }
    let mut run = |queue: u32, seed: u8, event: Option<&OwnedFd>| {
        host.submit(&mut &client, queue, seed);
        match event {
            Some(event) => wait(event),
            None => until("it is done", || {
                let of = regs::of_queue(queue, regs::IRQ_STATUS);
                (&client).reg(of) != 0
            }),
        }
        host.check(&mut &client, queue, seed);
    };
    // One vector elsewhere, the others as they were.
    let second = event();
    listen(&client, MSIX, 1, std::slice::from_ref(&second));
    run(0, 1, Some(&first[0]));
    run(1, 2, Some(&second));
    assert_eq!(heard(&first), [false; 4]);
    // One vector nowhere.
    set(irqs(MSIX, Trigger, 1, 1, Select::EventFds)).expect("it is done");
    run(1, 3, None);
    run(2, 4, Some(&first[2]));
    assert!(!take(&second));
    // Masked: it waits, and comes with the mask's end.
    set(all(Mask, 0, 4)).expect("it is done");
    host.submit(&mut &client, 3, 5);
    until("it is pending", || {
        let mut bits = [0];
        (&client).read(0, pci::MSIX_PENDING.into(), &mut bits);
        // And that of queue 1 since nobody listens to it.
        bits == [0b1010]
    });
    assert_eq!(heard(&first), [false; 4]);
    set(these(Unmask, &[true, true, true, false])).expect("it is done");
    assert_eq!(heard(&first), [false; 4]);
    set(all(Unmask, 3, 1)).expect("it is done");
    wait(&first[3]);
    host.check(&mut &client, 3, 5);
    // All away, and back again.
    client.disable_irqs(MSIX).expect("it is done");
    let mut control = [0; 2];
    (&client).config_read(at::MSIX_CONTROL, &mut control);
    assert_eq!(u16::from_le_bytes(control) & at::MSIX_ENABLE, 0);
    set(all(Trigger, 0, 4)).expect("nobody listens");
    host.submit(&mut &client, 0, 6);
    let done = regs::of_queue(0, regs::IRQ_STATUS);
    until("it is done", || (&client).reg(done) != 0);
    assert_eq!(heard(&first), [false; 4]);
    listen(&client, MSIX, 0, &first);
    // What was pending meanwhile is told of now.
    wait(&first[0]);
    wait(&first[1]);
    host.check(&mut &client, 0, 6);

    // What is not there.
    let beyond = refused(set(all(Trigger, 3, 2)));
    assert_eq!(beyond, Errno::INVAL);
    assert_eq!(
        refused(set(irqs(0, Trigger, 0, 1, Select::All))),
        Errno::INVAL
    );
    assert_eq!(
        refused(set(irqs(ERRORS, Mask, 0, 1, Select::All))),
        Errno::NOTTY
    );
    let masks = irqs(MSIX, Mask, 0, 1, Select::EventFds);
    assert_eq!(
        refused(client.set_irqs(&masks, &[second.as_fd()])),
        Errno::NOTTY
    );
    // A descriptor to which a write could take for ever.
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let pipe = client.connect_irqs(MSIX, 0, &[writer.as_fd()]);
    assert_eq!(refused(pipe), Errno::INVAL);
    for index in [ERRORS, REQUEST] {
        let other = event();
        listen(&client, index, 0, std::slice::from_ref(&other));
        set(irqs(index, Trigger, 0, 1, Select::All)).expect("it is done");
        assert!(take(&other));
        client.disable_irqs(index).expect("it is done");
        set(irqs(index, Trigger, 0, 1, Select::All)).expect("nobody listens");
        assert!(!take(&other));
    }
}

/// An event that nobody takes does not hold up the card.
#[test]
fn an_event_that_is_full_is_no_trap() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    let full = u64::MAX - 1;
    rustix::io::write(&events[0], &full.to_ne_bytes()).expect("room");
    host.start(&mut &client, 0);
    host.submit(&mut &client, 0, 1);
    let done = regs::of_queue(0, regs::IRQ_STATUS);
    until("it is done", || (&client).reg(done) != 0);
    host.check(&mut &client, 0, 1);
    assert!(take(&events[0]));
    host.submit(&mut &client, 0, 2);
    wait(&events[0]);
    host.check(&mut &client, 0, 2);
}

#[test]
fn the_vectors_are_the_servers_and_not_the_clients() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    // Over the table and beyond both of its ends.
    (&client).write(0, u64::from(pci::MSIX_TABLE) - 8, &[0xff; 0x60]);
    (&client).config_write(at::MSIX, &[0xff; 12]);
    (&client).config_write(at::MSIX_CONTROL, &[0, 0]);
    host.start(&mut &client, 1);
    host.submit(&mut &client, 1, 1);
    wait(&events[1]);
    host.check(&mut &client, 1, 1);
}

#[test]
fn both_resets_clear_the_card_and_keep_what_the_client_has_set() {
    let server = Served::new();
    let (client, mut host, events) = ready(&server);
    let window = 0xfebf_0000u32.to_le_bytes();
    (&client).config_write(at::BAR, &window);
    for round in 0..3 {
        for by_config in [false, true] {
            host.start(&mut &client, 0);
            host.submit(&mut &client, 0, round);
            wait(&events[0]);
            (&client).set_reg(regs::WATCHDOG, 99);
            match by_config {
                false => client.reset().expect("a reset"),
                true => (&client).config_write(at::DEVICE_CONTROL + 1, &[0x80]),
            }
            assert_eq!((&client).reg(regs::WATCHDOG), regs::WATCHDOG_RESET);
            assert_eq!((&client).reg(regs::QUEUE_CONTROL), 0);
            let expect = at::COMMAND_MEMORY | at::COMMAND_BUS_MASTER;
            assert_eq!((&client).command(), expect);
            let mut seen = [0; 4];
            (&client).config_read(at::BAR, &mut seen);
            assert_eq!(seen, window);
            assert_eq!(events.iter().filter(|it| take(it)).count(), 0);
            assert_eq!(server.dma.len(), 1);
        }
    }
    // Without interrupts it stays without.
    client.disable_irqs(MSIX).expect("it is done");
    client.reset().expect("a reset");
    let mut control = [0; 2];
    (&client).config_read(at::MSIX_CONTROL, &mut control);
    assert_eq!(u16::from_le_bytes(control) & at::MSIX_ENABLE, 0);
}

#[test]
fn the_second_of_two_clients_is_turned_away() {
    let server = Served::new();
    let first = server.connect();
    let second = Client::connect(&server.path, Default::default());
    assert_eq!(refused(second), Errno::BUSY);
    assert_eq!((&first).reg(regs::ID), regs::ID_VALUE);
}

/// The Verilated card, which breaks a rule of the link when it is told to: from its next access to
/// a window on, the root complex takes it for another function.
struct Fragile {
    card: RtlCard,
    fails: Arc<AtomicBool>,
}

impl Fragile {
    fn look(&mut self) {
        if self.fails.swap(false, Ordering::SeqCst) {
            let root = self.card.root();
            let settings = *root.settings();
            let id = Id(settings.id.0 ^ 0x100);
            let told = root.set_settings(Settings { id, ..settings });
            told.expect("good settings");
        }
    }
}

impl Function for Fragile {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        self.card.config_read(offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        self.card.config_write(offset, data);
    }

    fn bar_size(&self, bar: u8) -> u64 {
        self.card.bar_size(bar)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        self.card.bar_read(bar, offset, data)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        self.look();
        self.card.bar_write(bar, offset, data)
    }

    fn reset(&mut self) -> Result<(), FunctionError> {
        self.card.reset()
    }

    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError> {
        self.card.run(cycles)
    }

    fn take_interrupts(&mut self) -> u64 {
        self.card.take_interrupts()
    }

    fn dma(&self) -> &Arc<DmaTable> {
        self.card.dma()
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        self.card.card_memory()
    }

    fn cycles(&self) -> Option<u64> {
        self.card.cycles()
    }
}

#[test]
fn a_broken_card_fails_accesses_until_it_is_reset_or_the_client_goes() {
    let fails = Arc::new(AtomicBool::new(false));
    let config = Config::with_array(4, 4);
    let card = Fragile {
        card: RtlCard::open(&config, &LinkOptions::default()).expect("a card"),
        fails: Arc::clone(&fails),
    };
    let server = Served::of(card, &Options::default());
    let works = |client: &Client, host: &mut Host, event: &OwnedFd, seed: u8| {
        let mut bus = client;
        host.start(&mut bus, 0);
        host.submit(&mut bus, 0, seed);
        wait(event);
        host.check(&mut bus, 0, seed);
    };
    for (round, by) in ["a reset", "going", "a function-level reset", "a reset"]
        .into_iter()
        .enumerate()
    {
        let (client, mut host, events) = ready(&server);
        let errors = event();
        listen(&client, ERRORS, 0, std::slice::from_ref(&errors));
        works(&client, &mut host, &events[0], round as u8);
        fails.store(true, Ordering::SeqCst);
        host.submit(&mut &client, 0, 5);
        wait(&errors);
        let mut word = [0; 4];
        assert_eq!(refused(client.region_read(0, 0, &mut word)), Errno::IO);
        assert_eq!(refused(client.region_write(0, 0x50, &word)), Errno::IO);
        client
            .region_read(CONFIG, 0, &mut word)
            .expect("it is there");
        match by {
            "a reset" => client.reset().expect("a reset"),
            "a function-level reset" => {
                let [_, high] = at::DEVICE_CONTROL_RESET.to_le_bytes();
                (&client).config_write(at::DEVICE_CONTROL + 1, &[high]);
            }
            _ => {}
        }
        if by != "going" {
            works(&client, &mut host, &events[0], 6 + round as u8);
        }
        drop(client);
        server.until_empty();
    }
}

/// Two threads of the client's fill and empty a descriptor as fast as they can; the one that
/// empties it ends at any moment, and the descriptor stays full.
#[test]
fn a_client_that_fills_its_events_does_not_stop_the_card() {
    let server = Served::new();
    let client = server.connect();
    let event = event();
    listen(&client, MSIX, 0, std::slice::from_ref(&event));
    let trigger = irqs(MSIX, IrqAction::Trigger, 0, 1, Select::All);
    let empty = || rustix::io::read(&event, &mut [0; 8]).map(drop);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let full = u64::MAX - 1;
                rustix::io::write(&event, &full.to_ne_bytes()).expect("room at some time");
            }
        });
        let mut outcome = Ok(());
        for round in 0..400 {
            let emptying = scope.spawn(move || {
                for _ in 0..20 + round % 7 {
                    empty().expect("it is full at some time");
                }
            });
            while outcome.is_ok() && !emptying.is_finished() {
                outcome = client.set_irqs(&trigger, &[]);
            }
            emptying.join().expect("no panic");
            for _ in 0..3 {
                outcome = outcome.and_then(|()| client.set_irqs(&trigger, &[]));
            }
            if outcome.is_err() {
                break;
            }
        }
        stop.store(true, Ordering::SeqCst);
        while !filling.is_finished() {
            take(&event);
        }
        outcome.expect("the server answers");
    });
    assert_eq!((&client).reg(regs::ID), regs::ID_VALUE);
}

/// What a client may ask for.
#[derive(Clone, Debug)]
enum Wish {
    Read(u32, u64, usize),
    Write(u32, u64, Vec<u8>),
    Map(u64, u64, u32, bool),
    Unmap(u64, u64),
    Irqs(u32, u8, u32, u32, u8),
    Reset,
}

fn wish() -> impl Strategy<Value = Wish> {
    let place = || {
        prop_oneof![
            4 => (Just(0u32), prop_oneof![0u64..0x700, 0x7ff0u64..0x8060, 0xbff0u64..0xc010]),
            2 => (Just(2u32), prop_oneof![0u64..64, 0xf_fff0u64..0x10_0010]),
            3 => (Just(CONFIG), prop_oneof![0u64..0x120, 0xff0u64..0x1010]),
            1 => (0u32..12, any::<u64>()),
        ]
    };
    let page = || {
        prop_oneof![
            0u64..8,
            Just(IOVA >> 12),
            Just(0xfee00),
            Just(u64::MAX >> 12)
        ]
    };
    prop_oneof![
        2 => (place(), 0usize..24).prop_map(|((region, at), len)| Wish::Read(region, at, len)),
        6 => (place(), prop::collection::vec(any::<u8>(), 0..24))
            .prop_map(|((region, at), data)| Wish::Write(region, at, data)),
        2 => (page(), 0u64..4, 0u32..4, any::<bool>())
            .prop_map(|(page, pages, flags, file)| Wish::Map(page << 12, pages << 12, flags, file)),
        1 => (page(), 0u64..400).prop_map(|(page, pages)| Wish::Unmap(page << 12, pages << 12)),
        3 => (0u32..6, 0u8..3, 0u32..6, 0u32..6, 0u8..4)
            .prop_map(|(index, action, start, count, data)| {
                Wish::Irqs(index, action, start, count, data)
            }),
        1 => Just(Wish::Reset),
    ]
}

impl Wish {
    /// Asks; what comes back does not matter as long as something does.
    fn ask(&self, client: &Client, host: &Host, spare: &[OwnedFd]) -> Result<(), Error> {
        match self {
            Self::Read(region, at, len) => client.region_read(*region, *at, &mut vec![0; *len]),
            Self::Write(region, at, data) => client.region_write(*region, *at, data),
            Self::Map(iova, length, flags, file) => client.dma_map(&DmaRange {
                flags: MapFlags::from_bits_truncate(*flags),
                iova: *iova,
                length: *length,
                file: file.then_some((host.file.as_fd(), 0)),
            }),
            Self::Unmap(iova, length) => client.dma_unmap(*iova, *length),
            Self::Irqs(index, action, start, count, data) => {
                let action = match action {
                    0 => IrqAction::Mask,
                    1 => IrqAction::Unmask,
                    _ => IrqAction::Trigger,
                };
                let (select, fds) = match data {
                    0 => (Select::All, &[][..]),
                    1 => (Select::These(vec![true; *count as usize]), &[][..]),
                    2 => (Select::EventFds, &[][..]),
                    _ => (Select::EventFds, &spare[..*count as usize]),
                };
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                client.set_irqs(&irqs(*index, action, *start, *count, select), &fds)
            }
            Self::Reset => client.reset(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a client asks for is answered, and the next client finds a card that works.
    #[test]
    fn nothing_that_a_client_asks_for_breaks_the_server(
        wishes in prop::collection::vec(wish(), 1..60),
    ) {
        let server = Served::new();
        {
            let (client, mut host, _events) = ready(&server);
            let spare = events(6);
            host.start(&mut &client, 0);
            host.submit(&mut &client, 0, 1);
            for wish in wishes {
                match wish.ask(&client, &host, &spare) {
                    Ok(()) | Err(Error::Refused { .. }) => {}
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
        }
        server.until_empty();
        let (client, mut host, events) = ready(&server);
        host.start(&mut &client, 0);
        host.submit(&mut &client, 0, 4);
        wait(&events[0]);
        host.check(&mut &client, 0, 4);
    }
}
