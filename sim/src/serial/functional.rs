//! A card behind a serial line, without a clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use isa::config::Config;
use isa::error::FaultCause;
use isa::model::QueueModel;
use isa::regs;
use isa::serial::{CardMessage, HostMessage, MAX_DATA};

use super::SerialDevice;
use super::engine::{Ask, Engine, Reply};
use super::link::CardLink;
use crate::Error;
use crate::function::CardMemory;

/// Bytes that one request reads at most, and that it does not cross a multiple of.
const BURST: u64 = 4096;

/// The functional model of the card ([`isa::model`]) at the end of a line.
#[derive(Debug)]
pub struct SerialModel {
    config: Config,
    link: CardLink,
    engine: Engine,
    /// The model, while no program runs.
    model: Option<Box<QueueModel>>,
    /// What registers read while one does.
    seen: QueueModel,
    /// What was written to registers meanwhile.
    later: Vec<(u32, u32)>,
    /// There may be something to take.
    rung: bool,
    /// What the program waits for.
    ask: Option<Ask>,
    /// Lines of requests that the host owes, the oldest first.
    owed: VecDeque<usize>,
    /// What has come of them; `None` while they are for nobody.
    data: Option<Vec<u8>>,
    fault: Option<FaultCause>,
    memory: Option<Arc<CardMemory>>,
}

impl SerialModel {
    /// A card of this shape after power-up.
    ///
    /// # Errors
    /// A wrong configuration, or no room for the card's memory.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let model = QueueModel::new(*config)?;
        let memory = CardMemory::of(config)?.map(Arc::new);
        Ok(Self {
            config: *config,
            link: CardLink::default(),
            engine: Engine::new(memory.clone()),
            seen: model.clone(),
            model: Some(Box::new(model)),
            later: Vec::new(),
            rung: false,
            ask: None,
            owed: VecDeque::new(),
            data: None,
            fault: None,
            memory,
        })
    }

    fn line(&self) -> usize {
        self.config.port_bytes as usize
    }

    /// Resets the card, as from outside.
    fn reset(&mut self) {
        self.end_program();
        self.owed.clear();
        self.data = None;
        self.fault = None;
        self.later.clear();
        self.link.forget_waiting();
        if let Some(model) = &mut self.model {
            model.write_reg(regs::CONTROL, regs::CONTROL_RESET);
            model.take_events();
        }
    }

    /// Lets the program that runs end at once, without a trace outside.
    fn end_program(&mut self) {
        while let Some(ask) = self.ask.take() {
            self.ask = match ask {
                Ask::Done(model, _) => {
                    self.model = Some(model);
                    None
                }
                Ask::Read(..) => Some(self.engine.reply(Reply::Fault(FaultCause::Plain))),
                Ask::Write(..) => Some(self.engine.reply(Reply::Written)),
            };
        }
        // What it asked for comes all the same, unless the host knows.
        self.data = None;
        self.rung = false;
    }

    /// Whether a write to a register that was put off resets the card, or this queue.
    fn is_resetting(&self, offset: u32) -> bool {
        let bit = match offset {
            regs::CONTROL => regs::CONTROL_RESET,
            _ => regs::QUEUE_RESET,
        };
        let is_control = offset == regs::CONTROL
            || regs::queue_of(offset).is_some_and(|(_, it)| it == regs::QUEUE_CONTROL);
        let mut later = self.later.iter();
        is_control && later.any(|(at, value)| *at == offset && value & bit != 0)
    }

    fn read_register(&self, offset: u32) -> u32 {
        let Some(model) = &self.model else {
            let resetting = self.is_resetting(offset);
            let bit = match offset {
                regs::CONTROL => regs::CONTROL_RESET,
                _ => regs::QUEUE_RESET,
            };
            return self.seen.read_reg(offset) | if resetting { bit } else { 0 };
        };
        model.read_reg(offset)
    }

    fn write_register(&mut self, offset: u32, value: u32) {
        if offset == regs::CONTROL && value & regs::CONTROL_RESET != 0 && self.model.is_none() {
            self.end_program();
            self.catch_up();
        }
        match &mut self.model {
            Some(model) => model.write_reg(offset, value),
            None => {
                self.seen.write_reg(offset, value);
                self.later.push((offset, value));
            }
        }
        self.rung = true;
    }

    /// Writes what was put off.
    fn catch_up(&mut self) {
        if let Some(model) = &mut self.model {
            for (offset, value) in self.later.drain(..) {
                model.write_reg(offset, value);
            }
        }
    }

    /// Does what a message asks for; `false`: it makes no sense.
    fn obey(&mut self, message: &[u8]) -> bool {
        let line = self.line();
        let Some((&kind, rest)) = message.split_first() else {
            return false;
        };
        let register = |low: u8, high: u8| {
            let offset = u32::from(u16::from_le_bytes([low, high]));
            (offset < regs::WINDOW_BYTES).then_some(offset)
        };
        let whole = |bytes: usize| bytes > 0 && bytes <= MAX_DATA && bytes.is_multiple_of(line);
        if kind == HostMessage::WriteRegister as u8
            && let &[low, high, a, b, c, d] = rest
            && let Some(offset) = register(low, high)
        {
            self.write_register(offset, u32::from_le_bytes([a, b, c, d]));
            return true;
        }
        if kind == HostMessage::ReadRegister as u8
            && let &[low, high] = rest
            && let Some(offset) = register(low, high)
        {
            let mut answer = vec![CardMessage::Register as u8];
            answer.extend(self.read_register(offset).to_le_bytes());
            self.link.send(answer);
            return true;
        }
        if kind == HostMessage::WriteMemory as u8
            && let Some((address, data)) = rest.split_first_chunk()
            && whole(data.len())
        {
            let address = u64::from(u32::from_le_bytes(*address));
            let memory = self.memory.as_ref();
            return address.is_multiple_of(line as u64)
                && memory.is_some_and(|memory| memory.write(address, data));
        }
        if kind == HostMessage::ReadMemory as u8
            && let Some((address, &[lines])) = rest.split_first_chunk()
            && whole(usize::from(lines) * line)
        {
            let address = u64::from(u32::from_le_bytes(*address));
            let mut data = vec![0; usize::from(lines) * line];
            let memory = self.memory.as_ref();
            let there = address.is_multiple_of(line as u64)
                && memory.is_some_and(|memory| memory.read(address, &mut data));
            if there {
                let mut answer = vec![CardMessage::Memory as u8, 0];
                answer.extend(data);
                self.link.send(answer);
            }
            return there;
        }
        if kind == HostMessage::HostData as u8
            && let Some((&cause, data)) = rest.split_first()
            && let Some(owed) = self.owed.front_mut()
        {
            if cause == 0 && whole(data.len()) && data.len() / line <= *owed {
                *owed -= data.len() / line;
                if *owed == 0 {
                    self.owed.pop_front();
                }
                if let Some(all) = &mut self.data {
                    all.extend(data);
                }
                return true;
            }
            if (1..=FaultCause::ALL.len() as u8).contains(&cause) && data.is_empty() {
                self.owed.pop_front();
                if self.data.is_some() {
                    self.fault.get_or_insert(FaultCause::from_code(cause - 1));
                }
                return true;
            }
            return false;
        }
        if kind == HostMessage::Reset as u8 && rest.is_empty() {
            self.reset();
            self.link.send(vec![CardMessage::ResetDone as u8]);
            return true;
        }
        false
    }

    /// Lets a program go on as far as it can; `false` when it cannot.
    fn work(&mut self) -> bool {
        match self.ask.take() {
            Some(Ask::Done(model, busy)) => {
                self.model = Some(model);
                self.catch_up();
                self.rung |= busy;
                true
            }
            Some(Ask::Read(address, bytes)) if self.owed.is_empty() && self.data.is_some() => {
                let data = self.data.take().unwrap_or_default();
                let reply = match self.fault.take() {
                    Some(cause) => Reply::Fault(cause),
                    None => {
                        let first = (address % self.line() as u64) as usize;
                        Reply::Data(data[first..first + bytes].to_vec())
                    }
                };
                self.ask = Some(self.engine.reply(reply));
                true
            }
            // What nobody wants any more comes first.
            Some(Ask::Read(address, bytes)) if self.data.is_none() && self.owed.is_empty() => {
                self.request(address, bytes);
                self.ask = Some(Ask::Read(address, bytes));
                true
            }
            Some(Ask::Write(address, data)) if self.link.waiting() == 0 => {
                let mut at = address;
                for piece in data.chunks(MAX_DATA) {
                    let mut message = vec![CardMessage::WriteHost as u8];
                    message.extend(at.to_le_bytes());
                    message.extend(piece);
                    self.link.send(message);
                    at += piece.len() as u64;
                }
                self.ask = Some(self.engine.reply(Reply::Written));
                true
            }
            Some(ask) => {
                self.ask = Some(ask);
                false
            }
            None => match self.model.take() {
                Some(model) if std::mem::take(&mut self.rung) => {
                    self.seen = (*model).clone();
                    self.ask = Some(self.engine.start(model));
                    true
                }
                model => {
                    self.model = model;
                    false
                }
            },
        }
    }

    /// Asks the host for whole lines that hold these bytes.
    fn request(&mut self, address: u64, bytes: usize) {
        let line = self.line() as u64;
        let mut at = address / line * line;
        let end = (address + bytes as u64).next_multiple_of(line);
        self.data = Some(Vec::new());
        while at < end {
            let next = end.min((at / BURST + 1) * BURST);
            let lines = ((next - at) / line) as u16;
            let mut message = vec![CardMessage::ReadHost as u8];
            message.extend(at.to_le_bytes());
            message.extend(lines.to_le_bytes());
            self.link.send(message);
            self.owed.push_back(usize::from(lines));
            at = next;
        }
    }
}

impl SerialDevice for SerialModel {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        if self.link.take(bytes, now) {
            self.reset();
            self.link.welcome(self.config.port_bytes as u8, out);
        }
        loop {
            let mut moved = false;
            // Answers wait for room in the window as the card would.
            if self.link.waiting() == 0
                && let Some(message) = self.link.message()
            {
                let message = message.to_vec();
                if !self.obey(&message) {
                    let kind = message.first().copied().unwrap_or(0);
                    self.link.send(vec![CardMessage::Refused as u8, kind]);
                }
                self.link.consume();
                moved = true;
            }
            moved |= self.work();
            if let Some(model) = &mut self.model {
                let events = model.take_events();
                if events != 0 {
                    self.link
                        .send(vec![CardMessage::Events as u8, events as u8]);
                }
            }
            if !moved {
                return self.link.send_due(now, out);
            }
        }
    }
}
