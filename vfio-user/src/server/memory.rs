//! Memory of a client that it did not give a file for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::inbox::Inbox;
use crate::calls::{CallError, Calls};
use crate::message::{Command, DmaAccess, DmaLayout};
use crate::{Errno, Memory};

/// The client's memory, reached by messages.
pub(super) struct ClientMemory {
    calls: Arc<Calls>,
    inbox: Arc<Inbox>,
    /// Bytes that one message may ask for.
    chunk: usize,
    answer: Duration,
    /// Where the client puts data, once it was asked.
    layout: OnceLock<DmaLayout>,
}

impl ClientMemory {
    pub fn new(calls: Arc<Calls>, inbox: Arc<Inbox>, chunk: u32, answer: Duration) -> Self {
        Self {
            calls,
            inbox,
            chunk: chunk as usize,
            answer,
            layout: OnceLock::new(),
        }
    }

    /// Finds out where the client puts data by a write of nothing, which has no effect: who has
    /// the data early replies to writes by a header alone, who follows the specification does not.
    fn layout(&self, address: u64) -> Result<DmaLayout, Errno> {
        if let Some(layout) = self.layout.get() {
            return Ok(*layout);
        }
        let nothing = DmaAccess { address, count: 0 };
        let layout = match self.call(Command::DmaWrite, &nothing.encode()) {
            Ok(reply) if reply.is_empty() => DmaLayout::Early,
            Ok(_) => DmaLayout::Specified,
            // Some refuse to write nothing.
            Err(CallError::Refused(_)) => DmaLayout::Specified,
            Err(other) => return Err(errno(other)),
        };
        Ok(*self.layout.get_or_init(|| layout))
    }

    fn call(&self, command: Command, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        let _room = self.inbox.urgently();
        let reply = self.calls.call(command, [payload, &[]], &[], self.answer)?;
        if reply.fds.is_empty() {
            Ok(reply.payload)
        } else {
            Err(CallError::Nonsense("a reply with descriptors".into()))
        }
    }
}

fn errno(error: CallError) -> Errno {
    match error {
        CallError::Gone => Errno::PIPE,
        CallError::Timeout => Errno::TIMEDOUT,
        CallError::Nonsense(_) => Errno::PROTO,
        // An error without a number must not be taken for success further on.
        CallError::Refused(Errno(0)) => Errno::IO,
        CallError::Refused(errno) => errno,
    }
}

/// Whether the last byte of the range has an address.
fn check(address: u64, bytes: usize) -> Result<(), Errno> {
    let last = (bytes as u64).saturating_sub(1);
    address.checked_add(last).map(|_| ()).ok_or(Errno::FAULT)
}

impl Memory for ClientMemory {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno> {
        check(address, data.len())?;
        let mut at = address;
        for chunk in data.chunks_mut(self.chunk) {
            let layout = self.layout(at)?;
            let access = DmaAccess {
                address: at,
                count: chunk.len() as u64,
            };
            let reply = self
                .call(Command::DmaRead, &access.encode())
                .map_err(errno)?;
            let found = access.data_of_reply(&reply, layout);
            chunk.copy_from_slice(found.map_err(|_| Errno::PROTO)?);
            at = at.wrapping_add(access.count);
        }
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Errno> {
        check(address, data.len())?;
        let mut at = address;
        for chunk in data.chunks(self.chunk) {
            let layout = self.layout(at)?;
            let access = DmaAccess {
                address: at,
                count: chunk.len() as u64,
            };
            let payload = access.encode_with_data(chunk, layout);
            let reply = self.call(Command::DmaWrite, &payload).map_err(errno)?;
            if !access.is_replied_by(&reply) {
                return Err(Errno::PROTO);
            }
            at = at.wrapping_add(access.count);
        }
        Ok(())
    }
}
