//! The functional model as something that can be left in the middle of a program: its reads of the
//! host's memory take as long as the line does, and registers are to be answered meanwhile.
//!
//! The model runs on a thread of its own, and only while this side waits for what it asks next, so
//! that one thing happens after the other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use isa::command::CARD_MEMORY;
use isa::error::FaultCause;
use isa::model::{Memory, QueueModel};

use crate::function::CardMemory;

/// Bytes that are read at once where few are asked for: a command.
const BLOCK: usize = 64;

/// What a program wants next.
#[derive(Debug)]
pub enum Ask {
    /// So many bytes of the host's memory.
    Read(u64, usize),
    /// The host's memory written.
    Write(u64, Vec<u8>),
    /// Nothing: the model is given back; says whether there was a program.
    Done(Box<QueueModel>, bool),
}

/// What it gets.
#[derive(Debug)]
pub enum Reply {
    /// The bytes.
    Data(Vec<u8>),
    /// They cannot be read.
    Fault(FaultCause),
    /// They are written.
    Written,
}

/// The thread of the model.
#[derive(Debug)]
pub struct Engine {
    jobs: Sender<Box<QueueModel>>,
    replies: Sender<Reply>,
    asks: Receiver<Ask>,
}

impl Engine {
    /// An engine with this memory of the card.
    pub fn new(memory: Option<Arc<CardMemory>>) -> Self {
        let (jobs, todo) = channel::<Box<QueueModel>>();
        let (replies, answers) = channel();
        let (wishes, asks) = channel();
        std::thread::spawn(move || {
            for mut model in todo {
                let mut port = Port {
                    memory: memory.as_deref(),
                    asks: &wishes,
                    replies: &answers,
                    block: None,
                    cause: FaultCause::Plain,
                };
                let busy = model.step(&mut port);
                if wishes.send(Ask::Done(model, busy)).is_err() {
                    break;
                }
            }
        });
        Self {
            jobs,
            replies,
            asks,
        }
    }

    /// Lets the model take a submission; gives what it wants first.
    pub fn start(&self, model: Box<QueueModel>) -> Ask {
        // The thread lives as long as this does, and a panic there is one here.
        self.jobs.send(model).expect("the model's thread is there");
        self.asks.recv().expect("the model's thread is there")
    }

    /// Gives it what it wanted; gives what it wants next.
    pub fn reply(&self, reply: Reply) -> Ask {
        let given = self.replies.send(reply);
        given.expect("the model's thread is there");
        self.asks.recv().expect("the model's thread is there")
    }
}

struct Port<'a> {
    memory: Option<&'a CardMemory>,
    asks: &'a Sender<Ask>,
    replies: &'a Receiver<Reply>,
    /// A block that was read, and its address.
    block: Option<(u64, Vec<u8>)>,
    cause: FaultCause,
}

impl Port<'_> {
    fn ask(&mut self, ask: Ask) -> Option<Vec<u8>> {
        let reply = self
            .asks
            .send(ask)
            .ok()
            .and_then(|()| self.replies.recv().ok());
        match reply {
            Some(Reply::Data(data)) => Some(data),
            Some(Reply::Written) => Some(Vec::new()),
            Some(Reply::Fault(cause)) => {
                self.cause = cause;
                None
            }
            None => None,
        }
    }
}

impl Memory for Port<'_> {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        if let Some(offset) = addr.checked_sub(CARD_MEMORY) {
            self.cause = FaultCause::Plain;
            return self.memory.is_some_and(|memory| memory.read(offset, out));
        }
        let start = addr / BLOCK as u64 * BLOCK as u64;
        let skip = (addr - start) as usize;
        if skip + out.len() > BLOCK {
            let data = self.ask(Ask::Read(addr, out.len()));
            return data.is_some_and(|data| {
                out.copy_from_slice(&data);
                true
            });
        }
        if self.block.as_ref().is_none_or(|(at, _)| *at != start) {
            self.block = self.ask(Ask::Read(start, BLOCK)).map(|data| (start, data));
        }
        self.block.as_ref().is_some_and(|(_, data)| {
            out.copy_from_slice(&data[skip..skip + out.len()]);
            true
        })
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        if let Some(offset) = addr.checked_sub(CARD_MEMORY) {
            self.cause = FaultCause::Plain;
            return self.memory.is_some_and(|memory| memory.write(offset, data));
        }
        self.block = None;
        self.ask(Ask::Write(addr, data.to_vec())).is_some()
    }

    fn cause(&self) -> FaultCause {
        self.cause
    }
}
