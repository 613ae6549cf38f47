//! The model behind its registers: rings, doorbells, phase bits, errors.

mod common;

use common::{put_program, put_words};
use isa::command::{Command, Load, Operation};
use isa::config::Config;
use isa::error::{ErrorCode, FaultCause};
use isa::model::{Memory, QueueModel, SliceMemory};
use isa::queue::{COMPLETION_WORDS, Completion, Submission};
use isa::regs;
use systole_isa as isa;

const BASE: u64 = 0x1_0000_0000;
const SQ: u64 = BASE;
const CQ: u64 = BASE + 0x1000;
const PROGRAM: u64 = BASE + 0x2000;
const LOG2: u32 = 2;
const ENTRIES: u32 = 1 << LOG2;

struct Host {
    card: QueueModel,
    memory: SliceMemory,
    tail: u32,
}

impl Host {
    fn new() -> Self {
        let mut host = Self {
            card: QueueModel::new(Config::with_array(8, 4)).expect("a good config"),
            memory: SliceMemory::new(BASE, 0x4000),
            tail: 0,
        };
        let load = Command::new(Operation::Load(Load {
            src: PROGRAM,
            buffer: 0,
            dst_line: 0,
            row_lines: 1,
            rows: 1,
            stride: 0,
        }));
        put_program(&mut host.memory, PROGRAM, &[load]);
        host.set_up();
        host
    }

    fn set_up(&mut self) {
        for (low, high, addr) in [
            (regs::SQ_BASE_LO, regs::SQ_BASE_HI, SQ),
            (regs::CQ_BASE_LO, regs::CQ_BASE_HI, CQ),
        ] {
            self.card.write_reg(low, addr as u32);
            self.card.write_reg(high, (addr >> 32) as u32);
        }
        self.card.write_reg(regs::QUEUE_LOG2, LOG2);
        let control = regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE;
        self.card.write_reg(regs::QUEUE_CONTROL, control);
    }

    fn submit_words(&mut self, words: &[u32]) {
        put_words(&mut self.memory, SQ + u64::from(self.tail) * 64, words);
        self.tail = (self.tail + 1) % ENTRIES;
        self.card.write_reg(regs::SQ_TAIL, self.tail);
    }

    fn submit(&mut self, tag: u64) {
        let entry = Submission {
            program: PROGRAM,
            commands: 1,
            tag,
        };
        self.submit_words(&entry.encode());
    }

    fn completion(&mut self, index: u32) -> Completion {
        let mut words = [0; COMPLETION_WORDS];
        for (word, addr) in words
            .iter_mut()
            .zip((CQ + u64::from(index) * 32..).step_by(4))
        {
            let mut bytes = [0; 4];
            assert!(self.memory.read(addr, &mut bytes));
            *word = u32::from_le_bytes(bytes);
        }
        Completion::from_words(&words)
    }
}

#[test]
fn identity_and_reset_values() {
    let config = Config::with_array(8, 4);
    let card = QueueModel::new(config).expect("a good config");
    for offset in (0..regs::WINDOW_BYTES).step_by(4) {
        assert_eq!(card.read_reg(offset), regs::reset_value(offset, &config));
    }
    assert_eq!(
        card.read_reg(0x1002),
        regs::ID_VALUE,
        "offsets wrap and align"
    );
}

#[test]
fn writes_reach_only_their_mask() {
    let config = Config::with_array(8, 4);
    for register in regs::REGISTERS.iter().chain(regs::QUEUE_REGISTERS) {
        let mut card = QueueModel::new(config).expect("a good config");
        let reset = card.read_reg(register.offset);
        card.write_reg(register.offset, u32::MAX);
        let expected = match register.offset {
            regs::CONTROL | regs::QUEUE_CONTROL | regs::IRQ_STATUS => 0,
            regs::QUEUE_LOG2 => reset,
            regs::COUNTER_CONTROL => regs::COUNTERS_FREEZE,
            offset if regs::write_mask(offset) != 0 => regs::write_mask(offset),
            _ => reset,
        };
        assert_eq!(
            card.read_reg(register.offset),
            expected,
            "{}",
            register.name
        );
    }
}

#[test]
fn phase_turns_with_every_round() {
    let mut host = Host::new();
    for round in 0..3u32 {
        for index in 0..ENTRIES {
            let tag = u64::from(round * ENTRIES + index) << 33;
            host.submit(tag);
            assert!(host.card.step(&mut host.memory));
            assert!(!host.card.step(&mut host.memory));
            let next = (index + 1) % ENTRIES;
            let expected = Completion {
                tag,
                status: 0,
                head: next as u16,
                command: 0,
                cycles: 0,
                phase: u8::from(round % 2 == 0),
            };
            assert_eq!(host.completion(index), expected);
            assert_eq!(host.card.read_reg(regs::CQ_TAIL), next);
            assert_eq!(host.card.read_reg(regs::SQ_HEAD), next);
            host.card.write_reg(regs::CQ_HEAD, next);
        }
    }
}

#[test]
fn a_full_completion_ring_stops_the_queue() {
    let mut host = Host::new();
    for tag in 0..3 {
        host.submit(tag);
    }
    host.card.run(&mut host.memory);
    assert_eq!(host.card.read_reg(regs::SQ_HEAD), 3);
    host.submit(3);
    assert!(
        !host.card.step(&mut host.memory),
        "no room for a completion"
    );
    host.card.write_reg(regs::CQ_HEAD, 1);
    assert!(host.card.step(&mut host.memory));
    assert_eq!(host.completion(3).tag, 3);
}

#[test]
fn interrupt_follows_status_and_enable() {
    let mut host = Host::new();
    host.submit(1);
    assert!(!host.card.irq());
    host.card.run(&mut host.memory);
    assert!(host.card.irq());
    host.card.write_reg(regs::QUEUE_CONTROL, regs::QUEUE_ENABLE);
    assert!(!host.card.irq());
    host.card.write_reg(regs::QUEUE_CONTROL, 3);
    host.card.write_reg(regs::IRQ_STATUS, 1);
    assert!(!host.card.irq());
}

#[test]
fn a_disabled_queue_takes_nothing_and_goes_on_where_it_was() {
    let mut host = Host::new();
    host.submit(1);
    host.card.run(&mut host.memory);
    host.card.write_reg(regs::QUEUE_CONTROL, 0);
    host.submit(2);
    assert!(!host.card.step(&mut host.memory));
    host.card.write_reg(regs::QUEUE_CONTROL, regs::QUEUE_ENABLE);
    assert!(host.card.step(&mut host.memory));
    assert_eq!(host.completion(1).tag, 2);
}

#[test]
fn bad_submissions_complete_with_their_tag() {
    let mut host = Host::new();
    let good = Submission {
        program: PROGRAM,
        commands: 1,
        tag: 77,
    };
    let mut reserved = good.encode();
    reserved[15] = 1;
    let none = Submission {
        commands: 0,
        ..good
    }
    .encode();
    let odd = Submission {
        program: PROGRAM + 32,
        ..good
    }
    .encode();
    for (index, words) in [reserved, none, odd].iter().enumerate() {
        host.submit_words(words);
        host.card.run(&mut host.memory);
        let completion = host.completion(index as u32);
        assert_eq!(completion.status, ErrorCode::BadSubmission as u16);
        assert_eq!((completion.tag, completion.command), (77, 0));
        assert_eq!(
            host.card.read_reg(regs::ERROR),
            ErrorCode::BadSubmission as u32
        );
    }
    host.card.write_reg(regs::CQ_HEAD, 3);
    host.submit(5);
    host.card.run(&mut host.memory);
    assert_eq!(host.completion(3).status, 0);
    assert_ne!(host.card.read_reg(regs::ERROR), 0, "the last error stands");
}

#[test]
fn unreadable_submission_completes_and_unwritable_completion_fails_the_queue() {
    let mut host = Host::new();
    host.card.write_reg(regs::SQ_BASE_HI, 0);
    host.submit(9);
    host.card.run(&mut host.memory);
    let completion = host.completion(0);
    assert_eq!(completion.status, ErrorCode::ReadFault as u16);
    assert_eq!(completion.tag, 0);

    host.card.write_reg(regs::SQ_BASE_HI, (SQ >> 32) as u32);
    host.card.write_reg(regs::CQ_BASE_HI, 0);
    host.submit(10);
    host.submit(11);
    host.card.run(&mut host.memory);
    assert_eq!(
        host.card.read_reg(regs::ERROR),
        ErrorCode::WriteFault as u32
    );
    assert_eq!(host.card.read_reg(regs::STATUS), 0, "the card goes on");
    let status = host.card.read_reg(regs::QUEUE_STATUS);
    assert_eq!(status, regs::QUEUE_FAILED | regs::QUEUE_ENABLED);
    assert!(host.card.irq(), "whoever waits is told");
    assert_eq!(host.card.read_reg(regs::SQ_HEAD), 2, "one was taken");
    assert_eq!(host.card.read_reg(regs::CQ_TAIL), 1, "none was completed");

    host.card.write_reg(regs::CONTROL, regs::CONTROL_RESET);
    assert_eq!(host.card.read_reg(regs::STATUS), 0);
    assert_eq!(host.card.read_reg(regs::ERROR), 0);
    host.tail = 0;
    host.set_up();
    host.submit(12);
    host.card.run(&mut host.memory);
    assert_eq!((host.completion(0).tag, host.completion(0).phase), (12, 1));
}

#[test]
fn size_of_the_rings_is_guarded() {
    let mut host = Host::new();
    host.card.write_reg(regs::QUEUE_LOG2, 5);
    assert_eq!(host.card.read_reg(regs::QUEUE_LOG2), LOG2, "enabled");
    host.card.write_reg(regs::QUEUE_CONTROL, 0);
    for bad in [0, 13, 15] {
        host.card.write_reg(regs::QUEUE_LOG2, bad);
        assert_eq!(host.card.read_reg(regs::QUEUE_LOG2), LOG2);
    }
    host.card.write_reg(regs::QUEUE_LOG2, 12);
    assert_eq!(host.card.read_reg(regs::QUEUE_LOG2), 12);
}

#[test]
fn doorbells_count_modulo_the_ring() {
    let mut host = Host::new();
    host.submit(1);
    host.card.write_reg(regs::SQ_TAIL, 1 + 8 * ENTRIES);
    host.card.run(&mut host.memory);
    assert_eq!(host.card.read_reg(regs::SQ_HEAD), 1);
}

/// Rings of queue `q`, beside those of the others.
fn rings(queue: u32) -> (u64, u64) {
    let start = BASE + 0x2800 + u64::from(queue) * 0x200;
    (start, start + 0x100)
}

/// A card whose queues are all set up; only queue 0 is that of [`Host`].
fn with_queues() -> Host {
    let mut host = Host::new();
    for queue in 1..4 {
        let (sq, cq) = rings(queue);
        for (register, value) in [
            (regs::SQ_BASE_LO, sq as u32),
            (regs::SQ_BASE_HI, (sq >> 32) as u32),
            (regs::CQ_BASE_LO, cq as u32),
            (regs::CQ_BASE_HI, (cq >> 32) as u32),
            (regs::QUEUE_LOG2, LOG2),
            (
                regs::QUEUE_CONTROL,
                regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE,
            ),
        ] {
            host.card.write_reg(regs::of_queue(queue, register), value);
        }
        for index in 0..ENTRIES {
            let entry = Submission {
                program: PROGRAM,
                commands: 1,
                tag: u64::from(queue * 10 + index),
            };
            let addr = sq + u64::from(index) * 64;
            put_words(&mut host.memory, addr, &entry.encode());
        }
    }
    host
}

fn queue_reg(host: &Host, queue: u32, register: u32) -> u32 {
    host.card.read_reg(regs::of_queue(queue, register))
}

fn set_queue_reg(host: &mut Host, queue: u32, register: u32, value: u32) {
    host.card.write_reg(regs::of_queue(queue, register), value);
}

#[test]
fn queues_take_turns() {
    let mut host = with_queues();
    for queue in [3, 1, 2] {
        set_queue_reg(&mut host, queue, regs::SQ_TAIL, queue);
    }
    host.submit(7);
    let mut order = Vec::new();
    let mut heads = [0; 4];
    while host.card.step(&mut host.memory) {
        for queue in 0..4 {
            let head = queue_reg(&host, queue, regs::SQ_HEAD);
            if head != heads[queue as usize] {
                heads[queue as usize] = head;
                order.push(queue);
            }
        }
    }
    assert_eq!(order, [0, 1, 2, 3, 2, 3, 3]);
    for queue in 0..4 {
        assert!(host.card.queue_irq(queue));
        set_queue_reg(&mut host, queue, regs::IRQ_STATUS, 1);
        assert!(!host.card.queue_irq(queue));
    }
    assert!(!host.card.irq() && !host.card.queue_irq(4) && !host.card.queue_irq(u32::MAX));
}

#[test]
fn a_queue_that_fails_or_is_full_stops_no_other() {
    let mut host = with_queues();
    set_queue_reg(&mut host, 1, regs::CQ_BASE_HI, 0);
    set_queue_reg(&mut host, 1, regs::SQ_TAIL, 2);
    set_queue_reg(&mut host, 2, regs::CQ_HEAD, 1);
    set_queue_reg(&mut host, 2, regs::SQ_TAIL, 2);
    set_queue_reg(&mut host, 3, regs::SQ_TAIL, 3);
    host.card.run(&mut host.memory);
    assert_eq!(
        queue_reg(&host, 1, regs::QUEUE_STATUS),
        regs::QUEUE_FAILED | regs::QUEUE_ENABLED
    );
    assert_eq!(
        queue_reg(&host, 1, regs::QUEUE_ERROR),
        ErrorCode::WriteFault as u32
    );
    assert!(host.card.queue_irq(1), "a queue that failed calls");
    assert_eq!(queue_reg(&host, 2, regs::SQ_HEAD), 0, "no room");
    assert_eq!(queue_reg(&host, 3, regs::CQ_TAIL), 3);
    assert_eq!(queue_reg(&host, 3, regs::QUEUE_ERROR), 0);
    assert_eq!(host.card.read_reg(regs::STATUS), 0);

    set_queue_reg(&mut host, 1, regs::QUEUE_CONTROL, u32::MAX);
    for register in regs::QUEUE_REGISTERS {
        let reset = regs::reset_value(register.offset, host.card.config());
        assert_eq!(
            queue_reg(&host, 1, register.offset),
            reset,
            "{}",
            register.name
        );
    }
    assert!(!host.card.queue_irq(1));
    assert_eq!(queue_reg(&host, 3, regs::CQ_TAIL), 3, "the others stay");
    assert_eq!(
        host.card.read_reg(regs::ERROR),
        ErrorCode::WriteFault as u32,
        "the card remembers"
    );
    set_queue_reg(&mut host, 2, regs::CQ_HEAD, 0);
    host.card.run(&mut host.memory);
    assert_eq!(queue_reg(&host, 2, regs::CQ_TAIL), 2);
}

#[test]
fn only_the_bytes_that_the_strobes_name_are_written() {
    let mut card = QueueModel::new(Config::default()).expect("a good config");
    card.write_reg(regs::WATCHDOG, 0x0102_0304);
    for (strobes, expected) in [(0, 0x0102_0304), (2, 0x0102_ff04), (8, 0xff02_ff04u32)] {
        card.write_reg_bytes(regs::WATCHDOG, u32::MAX, strobes);
        assert_eq!(card.read_reg(regs::WATCHDOG), expected);
    }
    card.write_reg(regs::SQ_TAIL, 0xabc);
    card.write_reg_bytes(regs::SQ_TAIL, 0x512, 1);
    assert_eq!(card.read_reg(regs::SQ_TAIL), 0xa12);
    for offset in [regs::CONTROL, regs::QUEUE_CONTROL] {
        card.write_reg_bytes(offset, u32::MAX, 0xe);
    }
    assert_eq!(
        card.read_reg(regs::SQ_TAIL),
        0xa12,
        "nobody asked for a reset"
    );
}

/// Memory that says why.
struct Broken(SliceMemory, FaultCause);

impl Memory for Broken {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.0.read(addr, out)
    }
    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        self.0.write(addr, data)
    }
    fn cause(&self) -> FaultCause {
        self.1
    }
}

#[test]
fn the_cause_of_a_fault_names_the_error() {
    for cause in FaultCause::ALL {
        let mut host = Host::new();
        host.submit(1);
        let mut memory = Broken(SliceMemory::new(CQ, 0x1000), cause);
        host.card.run(&mut memory);
        let mut word = [0; 4];
        assert!(memory.read(CQ + 8, &mut word));
        assert_eq!(
            u32::from_le_bytes(word) & 0xffff,
            cause.of_read() as u32,
            "a submission that cannot be read"
        );
        let mut host = Host::new();
        host.submit(1);
        let mut memory = Broken(SliceMemory::new(0, 1), cause);
        host.card.run(&mut memory);
        assert_eq!(
            host.card.read_reg(regs::QUEUE_ERROR),
            cause.of_write() as u32,
            "a completion that cannot be written"
        );
    }
}
