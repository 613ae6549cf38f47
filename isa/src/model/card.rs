//! A card that runs programs, one at a time.

use crate::command::{COMMAND_BYTES, COMMAND_WORDS, Command, Opcode, Operation};
use crate::config::{Config, ConfigError};
use crate::error::ErrorCode;
use crate::model::Memory;
use crate::model::buffers::Buffers;
use crate::model::memory::read_words;
use crate::model::schedule::{Issued, Schedule};
use crate::queue::{SUBMISSION_WORDS, Submission};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Success or the cause.
    pub status: ErrorCode,
    /// Index of the command that failed; 0 on success and when the submission itself is at fault.
    pub command: u16,
}

impl Outcome {
    const SUCCESS: Self = Self::failed(ErrorCode::Success, 0);

    pub(super) const fn failed(status: ErrorCode, command: u16) -> Self {
        Self { status, command }
    }
}

/// The engines and memories of a card; see the [module](crate::model) for every corner.
#[derive(Clone, Debug)]
pub struct Card {
    config: Config,
    buffers: Buffers,
}

impl Card {
    /// A card of this shape, its memories zero.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            buffers: Buffers::new(config),
        })
    }

    /// The shape of the card.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Runs what a submission entry asks for.
    pub fn run_submission(
        &mut self,
        memory: &mut dyn Memory,
        words: &[u32; SUBMISSION_WORDS],
    ) -> Outcome {
        match Submission::decode(words) {
            Ok(entry) => self.run_program(memory, entry.program, entry.commands),
            Err(error) => Outcome::failed(error, 0),
        }
    }

    /// Runs `commands` commands from address `program` on, to their end or the first error.
    pub fn run_program(&mut self, memory: &mut dyn Memory, program: u64, commands: u16) -> Outcome {
        let mut schedule = Schedule::default();
        let mut next = 0;
        let mut pending = None;
        loop {
            // Hand out as much as the queues take.
            loop {
                let issued = match pending.take() {
                    Some(issued) => issued,
                    None if next < commands => match self.fetch(memory, program, next) {
                        Ok(command) => {
                            next += 1;
                            Issued {
                                index: next - 1,
                                command,
                            }
                        }
                        Err(error) => return Outcome::failed(error, next),
                    },
                    None => break,
                };
                if let Err(issued) = schedule.hand_out(issued) {
                    pending = Some(issued);
                    break;
                }
            }
            // Let every engine do one command.
            let mut moved = false;
            for engine in 0..Opcode::ALL.len() {
                let Some(issued) = schedule.start(engine) else {
                    continue;
                };
                moved = true;
                if let Err(error) = self.execute(memory, &issued.command) {
                    return Outcome::failed(error, issued.index);
                }
                if !schedule.signal(issued.command.signal) {
                    return Outcome::failed(ErrorCode::TokenOverflow, issued.index);
                }
            }
            if !moved {
                return match schedule.first_waiting() {
                    Some(index) => Outcome::failed(ErrorCode::TokenNeverGiven, index),
                    None => Outcome::SUCCESS,
                };
            }
        }
    }

    fn fetch(
        &self,
        memory: &mut dyn Memory,
        program: u64,
        index: u16,
    ) -> Result<Command, ErrorCode> {
        let addr = program + COMMAND_BYTES as u64 * u64::from(index);
        let Some(words) = read_words::<COMMAND_WORDS>(memory, addr) else {
            return Err(memory.cause().of_read());
        };
        let command = Command::decode(&words)?;
        command.check(&self.config)?;
        Ok(command)
    }

    fn execute(&mut self, memory: &mut dyn Memory, command: &Command) -> Result<(), ErrorCode> {
        match &command.operation {
            Operation::Load(load) => self.buffers.load(load, memory),
            Operation::Gemm(gemm) => self.buffers.gemm(gemm),
            Operation::Store(store) => self.buffers.store(store, memory),
        }
    }
}
