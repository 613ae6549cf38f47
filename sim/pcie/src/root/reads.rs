//! The card's reads and the completions that answer them.

use std::collections::VecDeque;

use super::ROOT_ID;
use super::host::Posted;
use super::options::{Fault, FaultKind, Options, Settings};
use super::packet::Packet;
use super::random::Dice;
use super::stats::Traffic;
use crate::tlp::{Completion, Header, HeaderKind, Request, Status};
use isa::error::FaultCause;
use isa::model::Memory;

/// Most bytes of a read.
const SLOT_BYTES: usize = 4096;

/// A read that is under way.
#[derive(Clone, Copy, Debug)]
struct Read {
    tag: u8,
    /// Address of the first doubleword.
    base: u64,
    /// First byte that is still owed.
    cursor: u64,
    /// One past the last.
    end: u64,
    /// First cycle in which an answer may begin.
    due: u64,
    /// It enables no byte, so memory is not read.
    is_empty: bool,
    /// The data is in the slot, and follows this many bytes of the host's writes.
    behind: Option<u64>,
    fault: Option<FaultKind>,
}

/// Reads in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    list: VecDeque<Read>,
    /// Data of each tag.
    data: Vec<u8>,
    /// Cycle in which the answer of a tag was dropped.
    dropped: [Option<u64>; 256],
    boundary: u64,
    completion_bytes: u64,
    latency: u64,
    stale_tag: u64,
    faults: Vec<Fault>,
    posted: Posted,
}

impl Reads {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            list: VecDeque::with_capacity(32),
            data: vec![0; 32 * SLOT_BYTES],
            dropped: [None; 256],
            boundary: options.boundary.into(),
            completion_bytes: options.completion_bytes.into(),
            latency: options.latency.into(),
            stale_tag: options.stale_tag,
            faults: options.faults.clone(),
            posted: Posted::default(),
        }
    }

    pub(super) fn set_faults(&mut self, faults: Vec<Fault>) {
        self.faults = faults;
    }

    /// How far the host's writes are now.
    pub(super) fn set_posted(&mut self, posted: Posted) {
        self.posted = posted;
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.dropped = [None; 256];
    }

    /// Takes a read of the card.
    pub(super) fn push(
        &mut self,
        now: u64,
        dice: &mut Dice,
        request: &Request,
    ) -> Result<(), String> {
        let tag = request.tag;
        if self.list.iter().any(|read| read.tag == tag) {
            return Err(format!("tag {tag} is used again before its answer"));
        }
        if let Some(dropped) = self.dropped[usize::from(tag)].take()
            && now < dropped + self.stale_tag
        {
            return Err(format!(
                "tag {tag} never got its answer and is used again after {} cycles",
                now - dropped
            ));
        }
        let (cursor, bytes) = request.span();
        let end = cursor + u64::from(bytes);
        let fault = self.draw_fault(cursor, end);
        let late = match fault {
            Some(FaultKind::Late(cycles)) => cycles,
            _ => 0,
        };
        self.list.push_back(Read {
            tag,
            base: request.address,
            cursor,
            end,
            due: now + self.latency + dice.jitter() + late,
            is_empty: request.dwords == 1 && request.first_be == 0,
            behind: None,
            fault,
        });
        Ok(())
    }

    fn draw_fault(&mut self, start: u64, end: u64) -> Option<FaultKind> {
        let fault = self.faults.iter_mut().find(|fault| {
            fault.addresses.start < end
                && start < fault.addresses.end
                && fault.times.is_none_or(|times| times > 0)
        })?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.kind)
    }

    /// The read that is answered next.
    fn pick(&self, now: u64, dice: &mut Dice) -> Option<usize> {
        if !dice.reorders() {
            return (self.list.front()?.due <= now).then_some(0);
        }
        let (mut chosen, mut count) = (None, 0);
        for (index, read) in self.list.iter().enumerate() {
            if read.due <= now {
                count += 1;
                if dice.below(count) == 0 {
                    chosen = Some(index);
                }
            }
        }
        chosen
    }

    /// Reads memory, unless that was done: the answer follows `posted` bytes of the host's writes.
    fn sample(
        &mut self,
        index: usize,
        posted: u64,
        memory: &mut (impl Memory + ?Sized),
        traffic: &mut Traffic,
    ) {
        let read = &mut self.list[index];
        if read.behind.is_some() {
            return;
        }
        read.behind = Some(posted);
        if read.is_empty {
            return;
        }
        let data = &mut self.data[usize::from(read.tag) % 32 * SLOT_BYTES..][..SLOT_BYTES];
        // Bytes that were not asked for are nothing that a card may use.
        let from = (read.cursor - read.base) as usize;
        let to = (read.end - read.base) as usize;
        data[..from].fill(0xa5);
        data[to..to.next_multiple_of(4)].fill(0xa5);
        if !memory.read(read.cursor, &mut data[from..to]) {
            traffic.refused_reads += 1;
            read.fault = Some(match memory.cause() {
                FaultCause::Timeout => FaultKind::Dropped,
                FaultCause::Poisoned => FaultKind::Poisoned,
                FaultCause::Abort => FaultKind::Abort,
                _ => FaultKind::Unsupported,
            });
        }
    }

    /// Makes the next completion, if one is due.
    pub(super) fn next(
        &mut self,
        now: u64,
        dice: &mut Dice,
        settings: &Settings,
        memory: &mut (impl Memory + ?Sized),
        traffic: &mut Traffic,
        packet: &mut Packet,
    ) -> bool {
        let Some(index) = self.pick(now, dice) else {
            return false;
        };
        let Posted { sent, due } = self.posted;
        self.sample(index, due, memory, traffic);
        if sent != due {
            // All of them at once, so that they do not wait one after the other.
            for index in 0..self.list.len() {
                if self.list[index].due <= now {
                    self.sample(index, due, memory, traffic);
                }
            }
        }
        let read = &mut self.list[index];
        // An answer must not overtake a write that came before it (section 2.4.1).
        if read.behind.is_some_and(|behind| sent < behind) {
            return false;
        }
        let data = &self.data[usize::from(read.tag) % 32 * SLOT_BYTES..][..SLOT_BYTES];
        // The payload of this completion: to a boundary, or to the end.
        let start = read.cursor & !3;
        let most = self.completion_bytes.min(settings.max_payload.into());
        let last = start + most >= read.end;
        let boundary = self.boundary;
        let boundaries = if last {
            // All inner boundaries, and the end.
            (read.end - 1) / boundary - read.cursor / boundary + 1
        } else {
            (start + most) / boundary - read.cursor / boundary
        };
        let cut = dice.cut(boundaries);
        let end = ((read.cursor / boundary + cut) * boundary).min(read.end);
        let last = end == read.end;
        let fault = match read.fault {
            Some(FaultKind::Late(_)) | None => None,
            // What is left may still be good in its first pieces.
            Some(_) if !last && dice.hesitates() => None,
            fault => fault,
        };
        let mut completion = Completion {
            completer: ROOT_ID,
            status: Status::Success,
            byte_count: (read.end - read.cursor) as u16,
            requester: settings.id,
            tag: read.tag,
            lower_address: (read.cursor & 0x7f) as u8,
        };
        traffic.completions += 1;
        let mut over = last;
        match fault {
            Some(FaultKind::Dropped) => {
                self.dropped[usize::from(read.tag)] = Some(now);
                traffic.completions -= 1;
                self.list.remove(index);
                return false;
            }
            Some(FaultKind::Abort | FaultKind::Unsupported) => {
                completion.status = match fault {
                    Some(FaultKind::Abort) => Status::Abort,
                    _ => Status::Unsupported,
                };
                Header::new(HeaderKind::Completion(completion)).encode(&mut packet.words);
                over = true;
            }
            _ => {
                let payload = &data[(start - read.base) as usize..(end - read.base) as usize];
                let dwords = payload.len().div_ceil(4) as u16;
                let poisoned = fault.is_some();
                Header {
                    poisoned,
                    ..Header::new(HeaderKind::CompletionData(completion, dwords))
                }
                .encode(&mut packet.words);
                let padded = payload.len().next_multiple_of(4);
                let payload = &data[(start - read.base) as usize..][..padded];
                let scramble = if poisoned { 0xdead_beef } else { 0 };
                packet.words.extend(
                    payload
                        .as_chunks()
                        .0
                        .iter()
                        .map(|bytes| u32::from_be_bytes(*bytes) ^ scramble),
                );
                if poisoned {
                    read.fault = None;
                } else {
                    traffic.read_bytes += end - read.cursor;
                }
                read.cursor = end;
            }
        }
        if over {
            self.list.remove(index);
        }
        true
    }
}
