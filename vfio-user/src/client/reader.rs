//! What comes from the server: answers, and accesses to memory.

use std::sync::{Arc, OnceLock};

use crate::calls::Calls;
use crate::message::{Command, DmaAccess, Kind, RegionAccess};
use crate::socket::{Message, ReceiveError};
use crate::{Errno, Memory};

/// Bytes of payload that are taken in any case.
const LEAST_LIMIT: usize = 64 << 10;

/// Takes what the server sends, on a thread of its own.
pub(super) struct Reader {
    pub calls: Arc<Calls>,
    pub memory: Option<Arc<dyn Memory>>,
    /// Bytes of data that one message may have.
    pub limit: u32,
    /// Why the connection broke, unless the server closed it.
    pub broken: Arc<OnceLock<String>>,
}

impl Reader {
    /// Receives until the connection ends. Whoever waits then learns it, also where the owner's
    /// memory panics.
    pub fn run(self) {
        struct End(Arc<Calls>);
        impl Drop for End {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _end = End(Arc::clone(&self.calls));
        if let Err(why) = self.receive() {
            self.broken.get_or_init(|| why);
        }
    }

    fn receive(&self) -> Result<(), String> {
        let limit = (self.limit as usize).saturating_add(RegionAccess::BYTES);
        loop {
            let message = match self.calls.socket.receive(limit.max(LEAST_LIMIT), None) {
                Ok(message) => message,
                // A server that dies may do so within a message.
                Err(ReceiveError::Closed | ReceiveError::Truncated) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            match message.header.kind() {
                Some(Kind::Reply) => self
                    .calls
                    .deliver(message)
                    .map_err(|id| format!("an answer to command {id}, which nobody sent"))?,
                Some(Kind::Command) => {
                    if self.serve(&message).is_err() {
                        // The server does not listen any more.
                        return Ok(());
                    }
                }
                None => {
                    let flags = message.header.flags;
                    return Err(format!("neither command nor reply: flags {flags:#x}"));
                }
            }
        }
    }

    fn serve(&self, message: &Message) -> std::io::Result<()> {
        match self.access(message) {
            Ok((fields, data)) => self.calls.reply(&message.header, [&fields, &data], &[]),
            Err(errno) => self.calls.refuse(&message.header, errno),
        }
    }

    /// Does an access to memory: the fields and the data of the answer.
    fn access(&self, message: &Message) -> Result<(Vec<u8>, Vec<u8>), Errno> {
        if message.fault.is_some() {
            return Err(Errno::TOOBIG);
        }
        if !message.fds.is_empty() || message.header.has_foreign_flags() {
            return Err(Errno::INVAL);
        }
        let command = Command::from_number(message.header.command);
        let payload = &message.payload[..];
        let memory = self.memory.as_ref().ok_or(Errno::FAULT);
        match command {
            Some(Command::DmaRead) => {
                let access = DmaAccess::decode(payload).or(Err(Errno::INVAL))?;
                if access.count > u64::from(self.limit) {
                    return Err(Errno::TOOBIG);
                }
                let mut data = vec![0; access.count as usize];
                memory?.read(access.address, &mut data)?;
                Ok((access.encode(), data))
            }
            Some(Command::DmaWrite) => {
                let decoded = DmaAccess::decode_with_data(payload);
                let (access, data) = decoded.or(Err(Errno::INVAL))?;
                if access.count > u64::from(self.limit) {
                    return Err(Errno::TOOBIG);
                }
                memory?.write(access.address, data)?;
                Ok((access.encode(), Vec::new()))
            }
            _ => Err(Errno::NOTSUP),
        }
    }
}
