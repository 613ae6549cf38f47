//! A whole card behind a serial link, with noise on the line, against the functional model.

mod common;

use std::collections::VecDeque;
use std::path::Path;

use common::peer::{Faults, Peer};
use common::{Bench, Rng};
use hdl::SerialConfig;
use isa::command::{Buffer, CARD_MEMORY, COMMAND_BYTES, Command, Gemm, Load, Operation, Store};
use isa::config::Config;
use isa::error::{ErrorCode, FaultCause};
use isa::format::OutputFormat;
use isa::model::{Memory, QueueModel};
use isa::queue::{COMPLETION_WORDS, Completion, Submission};
use isa::regs;
use isa::serial::{CardMessage, HostMessage, MAX_DATA};
use verilate::{Options, PortRef};

const HOST: u64 = 0x12_3450_0000;
const HOST_BYTES: usize = 0x1_0000;
const CARD_BYTES: usize = 1 << 20;
/// Offsets in the host's memory.
const COMPLETIONS: u64 = HOST + 0x1000;
const PROGRAM: u64 = HOST + 0x2000;
const INPUT: u64 = HOST + 0x4000;
const OUTPUT: u64 = HOST + 0x8000;
/// Offsets in the card's memory.
const WEIGHTS: u64 = 0x4_0000;
const SUMS: u64 = CARD_BYTES as u64 - 256;
const LINE: usize = 16;

/// Both memories.
#[derive(Clone, PartialEq)]
struct Ram {
    host: Vec<u8>,
    card: Vec<u8>,
}

impl Ram {
    fn at(&mut self, address: u64, bytes: usize) -> Option<&mut [u8]> {
        let (memory, at) = match address & CARD_MEMORY {
            0 => (&mut self.host, address.checked_sub(HOST)?),
            _ => (&mut self.card, address - CARD_MEMORY),
        };
        memory.get_mut(at as usize..at as usize + bytes)
    }

    fn put(&mut self, address: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let place = self.at(address, bytes.len()).expect("there is memory");
        place.copy_from_slice(&bytes);
    }
}

impl Memory for Ram {
    fn read(&mut self, address: u64, out: &mut [u8]) -> bool {
        let place = self.at(address, out.len());
        place.is_some_and(|place| {
            out.copy_from_slice(place);
            true
        })
    }

    fn write(&mut self, address: u64, data: &[u8]) -> bool {
        let place = self.at(address, data.len());
        place.is_some_and(|place| {
            place.copy_from_slice(data);
            true
        })
    }

    fn cause(&self) -> FaultCause {
        FaultCause::Unsupported
    }
}

/// The card's memory behind `l_*`.
struct CardPort {
    get: Vec<(&'static str, PortRef)>,
    reads: VecDeque<(usize, u64, u64)>,
    writes: VecDeque<(usize, u64)>,
    answers: VecDeque<u64>,
    offers: [bool; 2],
}

impl CardPort {
    fn new(bench: &Bench) -> Self {
        let names = [
            "arvalid", "arready", "araddr", "arlen", "arid", "rvalid", "rready", "rdata", "rid",
            "rresp", "rlast", "awvalid", "awready", "awaddr", "awid", "wvalid", "wready", "wdata",
            "wstrb", "wlast", "bvalid", "bready", "bid", "bresp",
        ];
        Self {
            get: names
                .map(|name| (name, bench.port(&format!("l_{name}"))))
                .to_vec(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            answers: VecDeque::new(),
            offers: [false; 2],
        }
    }

    fn port(&self, name: &str) -> PortRef {
        let port = self.get.iter().find(|(other, _)| *other == name);
        port.expect("a port of the card").1
    }

    fn drive(&mut self, bench: &mut Bench, rng: &mut Rng, card: &[u8]) {
        self.offers[0] = !self.reads.is_empty() && (self.offers[0] || rng.chance(70));
        self.offers[1] = !self.answers.is_empty() && (self.offers[1] || rng.chance(70));
        for (name, value) in [
            ("arready", u64::from(self.reads.len() < 4 && rng.chance(70))),
            (
                "awready",
                u64::from(self.writes.len() < 4 && rng.chance(70)),
            ),
            (
                "wready",
                u64::from(!self.writes.is_empty() && rng.chance(70)),
            ),
            ("rvalid", u64::from(self.offers[0])),
            ("bvalid", u64::from(self.offers[1])),
            ("bid", self.answers.front().copied().unwrap_or(0)),
            ("rid", self.reads.front().map_or(0, |read| read.2)),
            (
                "rlast",
                u64::from(self.reads.front().is_some_and(|read| read.1 == 1)),
            ),
        ] {
            bench.model.set(self.port(name), value);
        }
        if let Some(&(at, ..)) = self.reads.front() {
            let (words, _) = card[at..at + LINE].as_chunks();
            let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
            bench.model.set_words(self.port("rdata"), &words);
        }
    }

    fn settle(&mut self, bench: &Bench, card: &mut [u8]) {
        let ports = self.get.clone();
        let port = |name: &str| ports.iter().find(|(other, _)| *other == name);
        let get = |name| bench.model.get(port(name).expect("a port of the card").1);
        let goes = |valid, ready| get(valid) == 1 && get(ready) == 1;
        let reads = goes("arvalid", "arready")
            .then(|| (get("araddr") as usize, get("arlen") + 1, get("arid")));
        let writes = goes("awvalid", "awready").then(|| (get("awaddr") as usize, get("awid")));
        if goes("wvalid", "wready") {
            let (at, id) = self.writes[0];
            let words = bench.model.words(self.port("wdata"));
            let bytes = words.iter().flat_map(|word| word.to_le_bytes());
            for (index, byte) in bytes.enumerate() {
                if get("wstrb") >> index & 1 == 1 {
                    card[at + index] = byte;
                }
            }
            self.writes[0].0 += LINE;
            if get("wlast") == 1 {
                self.answers.push_back(id);
                self.writes.pop_front();
            }
        }
        if goes("bvalid", "bready") && self.offers[1] {
            self.answers.pop_front();
            self.offers[1] = false;
        }
        if goes("rvalid", "rready") {
            self.offers[0] = false;
            let read = &mut self.reads[0];
            read.0 += LINE;
            read.1 -= 1;
            if read.1 == 0 {
                self.reads.pop_front();
            }
        }
        self.reads.extend(reads);
        self.writes.extend(writes);
    }
}

struct Test {
    bench: Bench,
    peer: Peer,
    port: CardPort,
    ram: Ram,
    rng: Rng,
    events: u8,
    /// Answers that nobody has taken.
    answers: VecDeque<Vec<u8>>,
}

impl Test {
    fn new(config: &Config) -> Self {
        let link = SerialConfig {
            resend_cycles: 20_000,
        };
        let emitted = hdl::emit_serial_card(config, &link).expect("the card is emitted");
        let design = common::design(&emitted);
        verilate::lint(&design, &[]).expect("the card is free of lint");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library = verilate::build(&design, &Options::default(), folder);
        let mut bench = Bench {
            model: library.expect("the card builds").instantiate(),
        };
        bench.reset();
        Self {
            peer: Peer::new(&bench, 0x91, LINE),
            port: CardPort::new(&bench),
            bench,
            ram: Ram {
                host: vec![0; HOST_BYTES],
                card: vec![0; CARD_BYTES],
            },
            rng: Rng(0x92),
            events: 0,
            answers: VecDeque::new(),
        }
    }

    fn cycle(&mut self) {
        self.peer.drive(&mut self.bench);
        self.port
            .drive(&mut self.bench, &mut self.rng, &self.ram.card);
        self.bench.model.eval();
        self.port.settle(&self.bench, &mut self.ram.card);
        self.peer.settle(&self.bench);
        self.bench.model.cycle();
        while let Some(message) = self.peer.inbox.pop_front() {
            self.message(&message);
        }
    }

    fn message(&mut self, message: &[u8]) {
        let is = |kind: CardMessage| message[0] == kind as u8;
        let address = |bytes: &[u8]| u64::from_le_bytes(bytes[1..9].try_into().expect("8 bytes"));
        if is(CardMessage::ReadHost) {
            let lines = usize::from(u16::from_le_bytes([message[9], message[10]]));
            let kind = HostMessage::HostData as u8;
            match self.ram.at(address(message), lines * LINE) {
                None => self
                    .peer
                    .send(vec![kind, FaultCause::Unsupported as u8 + 1]),
                Some(data) => {
                    for piece in data.chunks(MAX_DATA) {
                        self.peer.send([&[kind, 0], piece].concat());
                    }
                }
            }
        } else if is(CardMessage::WriteHost) {
            let data = &message[9..];
            let place = self.ram.at(address(message), data.len());
            place
                .expect("the card writes where it may")
                .copy_from_slice(data);
        } else if is(CardMessage::Events) {
            self.events |= message[1];
        } else {
            self.answers.push_back(message.to_vec());
        }
    }

    fn hello(&mut self) {
        self.peer.hello();
        self.wait("a welcome", |test| test.peer.in_session());
    }

    fn wait(&mut self, what: &str, over: impl Fn(&Self) -> bool) {
        let mut patience = 0;
        while !over(self) {
            self.cycle();
            patience += 1;
            assert!(patience < 400_000, "{what} does not come");
        }
    }

    fn answer(&mut self) -> Vec<u8> {
        self.wait("an answer", |test| !test.answers.is_empty());
        self.answers.pop_front().expect("an answer")
    }

    fn write(&mut self, register: u32, value: u32) {
        let mut message = vec![HostMessage::WriteRegister as u8];
        message.extend((register as u16).to_le_bytes());
        message.extend(value.to_le_bytes());
        self.peer.send(message);
    }

    fn read(&mut self, register: u32) -> u32 {
        let mut message = vec![HostMessage::ReadRegister as u8];
        message.extend((register as u16).to_le_bytes());
        self.peer.send(message);
        let answer = self.answer();
        assert_eq!(answer[0], CardMessage::Register as u8);
        u32::from_le_bytes(answer[1..].try_into().expect("4 bytes"))
    }

    fn write_memory(&mut self, at: u64, data: &[u8]) {
        for (piece, offset) in data.chunks(MAX_DATA).zip((at..).step_by(MAX_DATA)) {
            let mut message = vec![HostMessage::WriteMemory as u8];
            message.extend((offset as u32).to_le_bytes());
            message.extend(piece);
            self.peer.send(message);
        }
    }

    fn read_memory(&mut self, at: u64, lines: usize) -> Vec<u8> {
        let mut message = vec![HostMessage::ReadMemory as u8];
        message.extend((at as u32).to_le_bytes());
        message.push(lines as u8);
        self.peer.send(message);
        let answer = self.answer();
        assert_eq!(answer[..2], [CardMessage::Memory as u8, 0]);
        answer[2..].to_vec()
    }
}

/// Registers that set queue 0 up.
fn setup() -> [(u32, u32); 6] {
    [
        (regs::SQ_BASE_LO, HOST as u32),
        (regs::SQ_BASE_HI, (HOST >> 32) as u32),
        (regs::CQ_BASE_LO, COMPLETIONS as u32),
        (regs::CQ_BASE_HI, (COMPLETIONS >> 32) as u32),
        (regs::QUEUE_LOG2, 2),
        (
            regs::QUEUE_CONTROL,
            regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE,
        ),
    ]
}

/// Activations from the host, weights from the card's memory, sums to both, and int8 of three rows,
/// whose last line is short, to the host.
fn program(rows: u32, cols: u32, from: u64) -> Vec<Command> {
    let (m, tiles) = (9u16, 3u16);
    let load = |src, buffer: Buffer, bytes: usize, token: u16| Command {
        wait: 0,
        signal: 1 << token,
        operation: Operation::Load(Load {
            src,
            buffer: buffer as u8,
            row_lines: bytes.div_ceil(LINE) as u16,
            rows: 1,
            ..Load::default()
        }),
    };
    let store = |dst, m, format: OutputFormat, token: u16| Command {
        wait: 1 << token,
        signal: 0,
        operation: Operation::Store(Store {
            dst,
            m,
            format: format as u8,
            ..Store::default()
        }),
    };
    let acts = usize::from(m * tiles) * rows as usize;
    let weights = usize::from(tiles) * (rows * cols) as usize;
    vec![
        load(from, Buffer::Activations, acts, 0),
        load(CARD_MEMORY | WEIGHTS, Buffer::Weights, weights, 1),
        load(INPUT + 0x1000, Buffer::Columns, 16 * cols as usize, 2),
        load(INPUT + 0x2000, Buffer::Rows, 4 * 4, 3),
        Command {
            wait: 0b1111,
            signal: 0b111_0000,
            operation: Operation::Gemm(Gemm {
                act_stride: m,
                m,
                k_tiles: tiles,
                weight_bits: 8,
                wgt_rows: u32::from(tiles) * rows / 2,
                ..Gemm::default()
            }),
        },
        store(OUTPUT, m, OutputFormat::I32, 4),
        store(CARD_MEMORY | SUMS, m, OutputFormat::I32, 5),
        store(OUTPUT + 0x1000, 3, OutputFormat::I8, 6),
    ]
}

#[test]
fn programs_give_the_memory_of_the_functional_model() {
    let config = Config {
        card_memory_mib: 1,
        ..Config::with_array(4, 4)
    };
    let mut test = Test::new(&config);
    let mut statuses = vec![];
    for round in 0..4u64 {
        test.peer.faults = match round {
            1 => Faults {
                bytes: 15,
                frames: 15,
            },
            _ => Faults::default(),
        };
        test.hello();
        assert_eq!(test.read(regs::ID), regs::ID_VALUE);
        assert_eq!(test.read(regs::CAP_ARRAY), 4 << 16 | 4);

        // The same memory for both.
        let commands = program(4, 4, if round == 3 { HOST - 0x1000 } else { INPUT });
        for byte in &mut test.ram.host {
            *byte = (test.rng.next() as u8).max(1);
        }
        let at = COMPLETIONS as usize - HOST as usize;
        test.ram.host[at..at + 0x100].fill(0);
        for (command, index) in commands.iter().zip(0..) {
            let address = PROGRAM + index * COMMAND_BYTES as u64;
            test.ram.put(address, &command.encode());
        }
        let submission = Submission {
            program: PROGRAM,
            commands: commands.len() as u16,
            tag: 0x77 + round,
        };
        test.ram.put(HOST, &submission.encode());
        let weights: Vec<u8> = (0..512).map(|_| (test.rng.next() as u8).max(1)).collect();
        test.write_memory(WEIGHTS, &weights);
        test.wait("consumption", |test| test.peer.waiting() == 0);
        assert_eq!(test.ram.card[WEIGHTS as usize..][..512], weights);

        let mut model = QueueModel::new(config).expect("a good shape");
        let mut golden = test.ram.clone();
        for (register, value) in setup() {
            model.write_reg(register, value);
            test.write(register, value);
        }
        model.write_reg(regs::SQ_TAIL, 1);
        test.events = 0;
        test.write(regs::SQ_TAIL, 1);
        model.run(&mut golden);
        test.wait("an interrupt", |test| test.events != 0);
        assert_eq!(test.events, 1);
        // The completion came before the interrupt.
        let words = |ram: &mut Ram| -> Vec<u32> {
            let bytes = ram.at(COMPLETIONS, 4 * COMPLETION_WORDS).expect("memory");
            let (words, _) = bytes.as_chunks();
            words.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        let completion = Completion::from_words(&words(&mut test.ram));
        assert_eq!((completion.tag, completion.phase), (0x77 + round, 1));
        assert!(completion.cycles > 0);
        statuses.push(completion.status);
        // The model knows no cycles.
        test.ram.at(COMPLETIONS + 16, 8).expect("memory").fill(0);
        assert!(test.ram == golden, "round {round}: memory differs");
        let read = test.read_memory(SUMS, 8);
        assert_eq!(read, golden.card[SUMS as usize..][..128]);
        if round == 0 {
            // A reset of the host ends the queue, and the session goes on.
            test.peer.send(vec![HostMessage::Reset as u8]);
            assert_eq!(test.answer(), [CardMessage::ResetDone as u8]);
            assert_eq!(test.read(regs::QUEUE_CONTROL), 0);
            assert_eq!(test.read(regs::SQ_HEAD), 0);
        } else {
            // The next hello comes in the middle of a program and of a write to the card's memory.
            test.ram.put(HOST + 64, &submission.encode());
            test.write(regs::SQ_TAIL, 2);
            for _ in 0..300 + 900 * round {
                test.cycle();
            }
            test.write_memory(WEIGHTS, &[0x55; 1024]);
            for _ in 0..200 + test.rng.below(900) {
                test.cycle();
            }
        }
    }
    let refused = ErrorCode::UnsupportedRequest as u16;
    assert_eq!(statuses, [0, 0, 0, refused]);
    test.hello();
    test.wait("rest", |test| !test.bench.is("active"));
    assert!(test.bench.is("session"));
}

#[test]
fn cards_are_free_of_lint() {
    for (port_bytes, card_memory_mib) in [(16, 0), (32, 64), (16, 4096)] {
        let config = Config {
            port_bytes,
            card_memory_mib,
            ..Config::with_array(8, 8)
        };
        let card = hdl::emit_serial_card(&config, &SerialConfig::default());
        let design = common::design(&card.expect("the card is emitted"));
        verilate::lint(&design, &[]).expect("the card is free of lint");
    }
    let uart = hdl::emit_uart(80_000_000, 3_000_000).expect("the UART is emitted");
    verilate::lint(&common::design(&uart), &[]).expect("the UART is free of lint");
}

#[test]
fn impossible_links_are_refused() {
    let error = hdl::emit_uart(11_000_000, 3_000_000).expect_err("bits are too short");
    assert!(error.to_string().contains("at least 4 cycles"), "{error}");
    assert!(hdl::emit_uart(11_000_000, 0).is_err());
    let config = Config {
        rows: 5,
        ..Config::default()
    };
    let error = hdl::emit_serial_card(&config, &SerialConfig::default());
    assert!(matches!(error, Err(hdl::EmitCardError::Config(_))));
}
