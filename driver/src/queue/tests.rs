//! The queue pair against the functional card.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use isa::command::{Command, Load, Operation};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::regs;

use super::{QueueError, QueuePair, despite_reset, identify, reset, reset_queue};
use crate::dma::{Access, Buffer, InFlight, Owned};
use crate::transport::{ModelTransport, Patience, Transport, TransportError, Wake};

const PATIENCE: Patience = Patience {
    cycles: 1000,
    time: Duration::from_secs(1),
};

fn card() -> ModelTransport {
    ModelTransport::new(Config::with_array(4, 4)).expect("a shape that a card may have")
}

/// A program in memory: one LOAD of its own bytes, or one without lines.
fn program(card: &mut ModelTransport, rows: u16) -> (Buffer<InFlight>, Arc<[Command]>) {
    let memory = card.allocate(64).expect("memory");
    let load = Load {
        src: memory.address(),
        row_lines: 1,
        rows,
        ..Load::default()
    };
    let command = Command::new(Operation::Load(load));
    let mut buffer = Buffer::<Owned>::new(memory);
    for (index, word) in command.encode().into_iter().enumerate() {
        buffer.write(index * 4, &word.to_le_bytes());
    }
    (buffer.launch(), Arc::new([command]))
}

#[test]
fn rings_wrap_around_with_several_programs_outstanding() {
    let mut card = card();
    identify(&mut card).expect("a card");
    reset(&mut card).expect("a reset");
    let mut queue = QueuePair::start(&mut card, 0, 2, 0).expect("a queue");
    let (good, text) = program(&mut card, 1);
    let (bad, bad_text) = program(&mut card, 0);
    for round in 0..20 {
        let mut tags = Vec::new();
        for slot in 0..queue.capacity() {
            let (address, text) = if slot == round % 3 {
                (bad.address(), &bad_text)
            } else {
                (good.address(), &text)
            };
            tags.push(
                queue
                    .submit(&mut card, address, Arc::clone(text))
                    .expect("room"),
            );
        }
        let full = queue.submit(&mut card, good.address(), Arc::clone(&text));
        assert!(matches!(full, Err(QueueError::Full)));
        for (slot, tag) in tags.into_iter().enumerate() {
            let finished = queue.wait(&mut card, PATIENCE).expect("a completion");
            assert_eq!(finished.tag, tag);
            match finished.result {
                Ok(()) => assert_ne!(slot, round % 3),
                Err(error) => {
                    assert_eq!(
                        (slot, error.cause, error.index),
                        (round % 3, ErrorCode::ZeroShape, 0)
                    );
                    let text = error.to_string();
                    assert!(
                        text.contains("command 0: Load(Load {") && text.contains("rows: 0"),
                        "{text}"
                    );
                }
            }
        }
    }
    assert!(matches!(
        queue.wait(&mut card, PATIENCE),
        Err(QueueError::Timeout { outstanding: 0, .. })
    ));
}

/// Runs two programs whose first completion (32 bytes) is changed on its way.
fn corrupted(change: impl Fn(&mut [u8]) + Send + 'static) -> Result<(), QueueError> {
    let mut card = card();
    let mut queue = QueuePair::start(&mut card, 0, 3, 0)?;
    let (good, text) = program(&mut card, 1);
    let mut first = true;
    card.memory().set_tamper(Some(Box::new(move |access| {
        if let Access::Write(_, bytes) = access
            && bytes.len() == 32
            && std::mem::take(&mut first)
        {
            change(bytes);
        }
        true
    })));
    queue.submit(&mut card, good.address(), Arc::clone(&text))?;
    queue.submit(&mut card, good.address(), text)?;
    queue.wait(&mut card, PATIENCE)?;
    queue.wait(&mut card, PATIENCE)?;
    Ok(())
}

#[test]
fn completions_are_believed_only_when_they_fit() {
    corrupted(|_| {}).expect("an untouched completion");
    let complaint = |change: fn(&mut [u8])| match corrupted(change) {
        Err(QueueError::BadCompletion { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(complaint(|bytes| bytes[0] = 9), "the tag was never given");
    assert_eq!(
        complaint(|bytes| bytes[0] = 0),
        "the program of this tag has ended before"
    );
    assert_eq!(
        complaint(|bytes| bytes[0] = 2),
        "the tag is that of a later program"
    );
    assert_eq!(complaint(|bytes| bytes[8] = 200), "the status is unknown");
    assert_eq!(
        complaint(|bytes| bytes[10] = 5),
        "the head does not follow the submission"
    );
    assert_eq!(
        complaint(|bytes| bytes[12] = 1),
        "a success names a command"
    );
    assert_eq!(complaint(|bytes| bytes[29] = 1), "a reserved bit is set");
    let silent = corrupted(|bytes| bytes[28] = 0);
    assert!(
        matches!(silent, Err(QueueError::Timeout { outstanding: 2, .. })),
        "{silent:?}"
    );
}

#[test]
fn every_queue_of_the_card_can_be_used() {
    let mut card = card();
    let queues = identify(&mut card).expect("a card").queues;
    assert!(queues > 1);
    reset(&mut card).expect("a reset");
    for number in 0..queues {
        let mut queue = QueuePair::start(&mut card, number, 2, 0).expect("a queue");
        let (good, text) = program(&mut card, 1);
        for round in 0..9 {
            let tag = queue.submit(&mut card, good.address(), Arc::clone(&text));
            let finished = queue.wait(&mut card, PATIENCE).expect("a completion");
            assert_eq!(
                finished.tag,
                tag.expect("room"),
                "queue {number}, round {round}"
            );
            finished.result.expect("a good program");
        }
    }
}

#[test]
fn a_completion_that_cannot_be_written_is_named_and_harms_no_other_queue() {
    let mut card = card();
    reset(&mut card).expect("a reset");
    let mut queues = [0, 3].map(|number| QueuePair::start(&mut card, number, 2, 0).expect("one"));
    let (good, text) = program(&mut card, 1);
    card.memory().set_tamper(Some(Box::new(
        |access| !matches!(access, Access::Write(_, bytes) if bytes.len() == 32),
    )));
    let [broken, other] = &mut queues;
    let submitted = broken.submit(&mut card, good.address(), Arc::clone(&text));
    submitted.expect("room");
    let error = broken.wait(&mut card, PATIENCE).expect_err("no completion");
    assert!(
        matches!(error, QueueError::Failed(code) if code == ErrorCode::WriteFault as u32),
        "{error}"
    );
    card.memory().set_tamper(None);
    // The interrupt of a queue that failed stays until its host resets it.
    let control = regs::of_queue(0, regs::QUEUE_CONTROL);
    card.write(control, regs::QUEUE_RESET).expect("a write");
    let submitted = other.submit(&mut card, good.address(), text);
    submitted.expect("room");
    let finished = other.wait(&mut card, PATIENCE).expect("a completion");
    finished.result.expect("a good program");
}

/// A device that was pulled out.
struct Gone;

impl Transport for Gone {
    fn describe(&self) -> &str {
        "nothing"
    }

    fn read_raw(&mut self, _offset: u32) -> Result<u32, TransportError> {
        Ok(u32::MAX)
    }

    fn write(&mut self, _offset: u32, _value: u32) -> Result<(), TransportError> {
        Ok(())
    }

    fn allocate(&mut self, bytes: usize) -> Result<crate::dma::DmaMemory, TransportError> {
        Err(TransportError::Memory {
            bytes,
            why: "there is no device".into(),
        })
    }

    fn wait(&mut self, _patience: Patience) -> Result<Wake, TransportError> {
        Ok(Wake::Expired)
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

#[test]
fn a_device_that_is_gone_is_named_so() {
    for error in [identify(&mut Gone).err(), reset(&mut Gone).err()] {
        assert!(
            matches!(
                error,
                Some(QueueError::Transport(TransportError::Gone { .. }))
            ),
            "{error:?}"
        );
    }
}

/// A card whose resets take their time, which passes only while the host waits.
struct Slow {
    /// Register LINK_TIMEOUT.
    timeout: u32,
    /// What a reset takes.
    takes: Patience,
    /// What was waited since the reset began.
    waited: Patience,
}

impl Slow {
    fn new(timeout: u32, takes: Patience) -> Self {
        Self {
            timeout,
            takes,
            waited: NOTHING,
        }
    }
}

const NOTHING: Patience = Patience {
    cycles: 0,
    time: Duration::ZERO,
};

impl Transport for Slow {
    fn describe(&self) -> &str {
        "slow card"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        // The host counts the cycles of a card whose clock it makes tick, and time elsewhere.
        let under_way =
            self.waited.cycles < self.takes.cycles || self.waited.time < self.takes.time;
        Ok(match offset {
            regs::LINK_TIMEOUT => self.timeout,
            regs::CONTROL | regs::QUEUE_CONTROL if under_way => 4,
            _ => 0,
        })
    }

    fn write(&mut self, _offset: u32, value: u32) -> Result<(), TransportError> {
        assert_eq!(value, 4, "it is to be reset");
        self.waited = NOTHING;
        Ok(())
    }

    fn allocate(&mut self, _bytes: usize) -> Result<crate::dma::DmaMemory, TransportError> {
        unreachable!("a reset needs no memory")
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.waited.cycles += patience.cycles;
        self.waited.time += patience.time;
        Ok(Wake::Expired)
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Broken("it cannot".into()))
    }
}

#[test]
fn a_reset_is_waited_for_as_long_as_an_answer_may_be_missing() {
    // 20 us a cycle: what a server that simulates the card may need.
    let slowest = |cycles: u32| {
        [
            Patience {
                cycles: cycles.into(),
                ..NOTHING
            },
            Patience {
                time: Duration::from_micros(20) * cycles,
                ..NOTHING
            },
        ]
    };
    let default = regs::LINK_TIMEOUT_RESET;
    for timeout in [1, default, 3 * default, regs::WATCHDOG_RESET] {
        for takes in slowest(timeout.max(default) + default / 4) {
            for by in [reset, reset_queue] {
                let done = by(&mut Slow::new(timeout, takes));
                assert!(done.is_ok(), "{timeout}: {:?}", done.err());
            }
        }
    }
    // A read may stay unanswered for ever; the host does not.
    for timeout in [0, 1, default, u32::MAX - 1] {
        for takes in slowest(2 * regs::WATCHDOG_RESET) {
            for by in [reset, reset_queue] {
                let given_up = by(&mut Slow::new(timeout, takes)).err();
                let control = match given_up {
                    Some(QueueError::Reset { control, .. }) => Some(control),
                    _ => None,
                };
                assert_eq!(control, Some(4), "{timeout}");
            }
        }
    }
}

/// A card of which only the identity can be read: these values, then the last for ever.
struct Answers(VecDeque<Result<u32, TransportError>>);

impl Transport for Answers {
    fn describe(&self) -> &str {
        "card in reset"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        assert_eq!(offset, regs::ID);
        match (self.0.len(), self.0.front()) {
            (1, Some(Ok(last))) => Ok(*last),
            _ => self.0.pop_front().expect("an answer"),
        }
    }

    fn write(&mut self, _offset: u32, _value: u32) -> Result<(), TransportError> {
        panic!("it would be lost");
    }

    fn allocate(&mut self, _bytes: usize) -> Result<crate::dma::DmaMemory, TransportError> {
        panic!("nothing is asked for");
    }

    fn wait(&mut self, _patience: Patience) -> Result<Wake, TransportError> {
        panic!("no interrupt comes");
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        panic!("somebody else does that");
    }
}

#[test]
fn a_card_that_somebody_resets_is_tried_again() {
    // What it answers after each try that fails like this, and how often it is tried.
    let tries = |answers: Vec<Result<u32, TransportError>>, error: fn() -> QueueError| {
        let mut tries = 0;
        let started = despite_reset(&mut Answers(answers.into()), |_| -> Result<(), _> {
            tries += 1;
            Err(error())
        });
        assert!(started.is_err());
        tries
    };
    let zeros = || QueueError::NotACard(0);
    let ones = || {
        let why = "all ones".into();
        QueueError::Transport(TransportError::Gone { why })
    };
    let lost = || Err(TransportError::Broken("it ends".into()));
    assert_eq!(tries(vec![lost()], ones), 1, "nobody can be asked");
    assert_eq!(tries(vec![Ok(0), Ok(regs::ID_VALUE)], zeros), 3);
    let wanted = tries(vec![Ok(regs::ID_VALUE)], ones);
    assert_eq!(wanted, 2, "it answers and is gone all the same");
    assert!(tries(vec![Ok(u32::MAX)], ones) > 2);
    let refused = tries(vec![Ok(regs::ID_VALUE)], || QueueError::Fatal(1));
    assert_eq!(refused, 1, "it is no matter of time");
    let mut left = 3;
    let started = despite_reset(&mut Answers([Ok(0)].into()), |_| {
        left -= 1;
        match left {
            0 => Ok("a queue"),
            _ => Err(QueueError::NotACard(0)),
        }
    });
    assert_eq!(started.ok(), Some("a queue"));
}
