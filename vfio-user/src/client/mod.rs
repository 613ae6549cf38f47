//! The client's end.

mod connect;
mod error;
mod reader;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Memory;
use crate::calls::{CallError, Calls};
use crate::device::{Area, IrqAction, MapFlags, RegionFlags};
use crate::message::{
    Capabilities, Command, DecodeError, DeviceInfo, DmaMapRequest, DmaUnmapRequest, IrqInfo, MAJOR,
    MINOR, RegionAccess, RegionInfo, RegionInfoRequest, Select, SetIrqs, UNMAP_ALL, Version,
    WriteMulti,
};
use crate::socket::{MAX_FDS, Message, Socket};

pub use error::Error;

/// Bytes of the answer about a region that are asked for at first.
const REGION_INFO_BYTES: u32 = 1024;
/// Bytes of it that are asked for at most.
const REGION_INFO_LIMIT: u32 = 64 << 10;

/// How patient a client is, and what it lets the server reach.
#[derive(Clone)]
pub struct Options {
    /// How long the server may take for its answer to any command, and to take one.
    pub patience: Duration,
    /// Bytes that one message of either end may read or write.
    pub max_data_xfer_size: u32,
    /// Memory that is mapped without a file. It is called from a thread of the client's, which
    /// answers nothing else meanwhile: it must not use the client itself.
    pub memory: Option<Arc<dyn Memory>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(30),
            max_data_xfer_size: 1 << 20,
            memory: None,
        }
    }
}

/// A region of the server's device.
#[derive(Debug)]
pub struct RegionOfDevice {
    /// How it may be accessed by messages.
    pub flags: RegionFlags,
    /// Its size in bytes; 0 means that it is not there.
    pub size: u64,
    /// The file behind it, where it may be mapped.
    pub file: Option<OwnedFd>,
    /// Where the region begins in the file, in bytes.
    pub offset: u64,
    /// What of the region may be mapped: nothing where there is no file.
    pub areas: Vec<Area>,
    /// Whether the pages with the MSI-X table may be mapped as well.
    pub msix_mappable: bool,
}

/// A range of this process's memory for the device.
#[derive(Clone, Copy, Debug)]
pub struct DmaRange<'a> {
    /// What the device may do with it.
    pub flags: MapFlags,
    /// Its first address as the device will see it.
    pub iova: u64,
    /// Its size in bytes.
    pub length: u64,
    /// The file that holds it and where it begins there, in bytes. Without one the server reaches
    /// the range through [`Options::memory`].
    pub file: Option<(BorrowedFd<'a>, u64)>,
}

/// A connection to a server.
///
/// Every request may come from any thread and ends with an answer or an error within
/// [`Options::patience`]. A request that ran out of patience may still have its effect; the
/// connection stays usable, and the late answer is thrown away.
#[derive(Debug)]
pub struct Client {
    calls: Arc<Calls>,
    patience: Duration,
    server: Capabilities,
    /// Bytes that one access may have.
    chunk: usize,
    /// Why the connection broke, unless the server closed it.
    broken: Arc<OnceLock<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Client {
    /// Connects to the server of a socket file and agrees on a version.
    ///
    /// # Errors
    /// When nobody listens or answers there, when the server has another client
    /// ([`Error::Refused`] with [`crate::Errno::BUSY`]), or when it speaks another version.
    pub fn connect(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let stream = connect::connect(path, options.patience).map_err(|source| Error::Connect {
            path: path.to_path_buf(),
            source,
        })?;
        Self::over(stream, options)
    }

    /// A client on a connected socket.
    ///
    /// # Errors
    /// When nobody answers there, or not as a server of this version.
    pub fn over(stream: std::os::unix::net::UnixStream, options: Options) -> Result<Self, Error> {
        let socket = Socket::new(stream, options.patience).map_err(Error::Socket)?;
        let calls = Arc::new(Calls::new(socket));
        let own = Capabilities {
            max_msg_fds: MAX_FDS as u32,
            max_data_xfer_size: options.max_data_xfer_size.max(1),
            write_multiple: true,
            ..Capabilities::default()
        };
        let broken = Arc::new(OnceLock::new());
        let reader = reader::Reader {
            calls: Arc::clone(&calls),
            memory: options.memory,
            limit: own.max_data_xfer_size,
            broken: Arc::clone(&broken),
        };
        let reader = thread::Builder::new()
            .name("vfio-user".into())
            .spawn(move || reader.run())
            .map_err(Error::Socket)?;
        let mut client = Self {
            calls,
            patience: options.patience,
            server: Capabilities::default(),
            chunk: 0,
            broken,
            reader: Some(reader),
        };
        client.agree(own)?;
        Ok(client)
    }

    fn agree(&mut self, own: Capabilities) -> Result<(), Error> {
        let chunk = own.max_data_xfer_size;
        let proposal = Version {
            major: MAJOR,
            minor: MINOR,
            capabilities: own,
        };
        let reply = self.ask(Command::Version, &proposal.encode())?;
        let answer = decoded(Command::Version, Version::decode(&reply.payload))?;
        if answer.major != MAJOR || answer.minor > MINOR {
            let why = format!(
                "the server speaks version {}.{}, this client {MAJOR}.{MINOR}",
                answer.major, answer.minor
            );
            return Err(nonsense(Command::Version, why));
        }
        self.server = answer.capabilities;
        self.chunk = chunk.min(self.server.max_data_xfer_size) as usize;
        Ok(())
    }

    /// What the server can take.
    pub fn capabilities(&self) -> &Capabilities {
        &self.server
    }

    /// Whether the server is there, as far as the connection tells.
    pub fn is_connected(&self) -> bool {
        self.broken.get().is_none() && !self.calls.socket.hung_up()
    }

    /// What the device consists of.
    ///
    /// # Errors
    /// [`Error`].
    pub fn device_info(&self) -> Result<DeviceInfo, Error> {
        let command = Command::DeviceGetInfo;
        let reply = self.ask(command, &DeviceInfo::default().encode())?;
        decoded(command, DeviceInfo::decode(&reply.payload))
    }

    /// What a region is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn region_info(&self, index: u32) -> Result<RegionOfDevice, Error> {
        let command = Command::DeviceGetRegionInfo;
        let mut argsz = REGION_INFO_BYTES;
        loop {
            let request = RegionInfoRequest { argsz, index };
            let reply = self.call(command, [&request.encode(), &[]], &[])?;
            let bytes = reply.payload.len();
            if bytes > argsz as usize {
                let why = format!("an answer of {bytes} bytes, not {argsz} at most");
                return Err(nonsense(command, why));
            }
            let (needed, info) = decoded(command, RegionInfo::decode(&reply.payload))?;
            if info.index != index {
                let why = format!("the answer is about region {}", info.index);
                return Err(nonsense(command, why));
            }
            if needed > argsz {
                // A region does not grow between two answers.
                if needed > REGION_INFO_LIMIT || argsz > REGION_INFO_BYTES {
                    return Err(nonsense(command, format!("an answer of {needed} bytes")));
                }
                argsz = needed;
                continue;
            }
            if needed as usize > bytes {
                return Err(nonsense(command, "an answer without its end".into()));
            }
            return region(info, reply.fds);
        }
    }

    /// What an interrupt type is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn irq_info(&self, index: u32) -> Result<IrqInfo, Error> {
        let command = Command::DeviceGetIrqInfo;
        let request = IrqInfo {
            index,
            flags: Default::default(),
            count: 0,
        };
        let reply = self.ask(command, &request.encode())?;
        let info = decoded(command, IrqInfo::decode(&reply.payload))?;
        if info.index != index {
            let why = format!("the answer is about interrupt type {}", info.index);
            return Err(nonsense(command, why));
        }
        Ok(info)
    }

    /// Lets the vectors from `start` upward be signalled through these event descriptors.
    ///
    /// # Errors
    /// [`Error`]. Some of the vectors may be set up then.
    pub fn connect_irqs(
        &self,
        index: u32,
        start: u32,
        events: &[BorrowedFd<'_>],
    ) -> Result<(), Error> {
        let at_once = self.server.max_msg_fds.clamp(1, MAX_FDS as u32);
        let mut start = start;
        for chunk in events.chunks(at_once as usize) {
            let count = chunk.len() as u32;
            self.set_irqs(
                &SetIrqs {
                    index,
                    action: IrqAction::Trigger,
                    start,
                    count,
                    select: Select::EventFds,
                },
                chunk,
            )?;
            start = start.saturating_add(count);
        }
        Ok(())
    }

    /// Disables all vectors of an interrupt type and takes their event descriptors away.
    ///
    /// # Errors
    /// [`Error`].
    pub fn disable_irqs(&self, index: u32) -> Result<(), Error> {
        self.set_irqs(
            &SetIrqs {
                index,
                action: IrqAction::Trigger,
                start: 0,
                count: 0,
                select: Select::All,
            },
            &[],
        )
    }

    /// Any change of interrupts, with the descriptors that go with it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_irqs(&self, set: &SetIrqs, events: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let command = Command::DeviceSetIrqs;
        let reply = self.call(command, [&set.encode(), &[]], events)?;
        empty(command, &reply)
    }

    /// Reads a region; a long range takes several messages.
    ///
    /// # Errors
    /// [`Error`]. What `data` holds is then of no use.
    pub fn region_read(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Error> {
        let command = Command::RegionRead;
        let mut offset = offset;
        for chunk in data.chunks_mut(self.chunk) {
            let access = RegionAccess {
                offset,
                region,
                count: chunk.len() as u32,
            };
            let reply = self.ask(command, &access.encode())?;
            let (found, bytes) = decoded(command, RegionAccess::decode_with_data(&reply.payload))?;
            same(command, access, found)?;
            chunk.copy_from_slice(bytes);
            offset = offset.wrapping_add(chunk.len() as u64);
        }
        Ok(())
    }

    /// Writes a region and waits until that is done; a long range takes several messages.
    ///
    /// # Errors
    /// [`Error`]. A part may be written then.
    pub fn region_write(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        let command = Command::RegionWrite;
        for (access, chunk) in self.pieces(region, offset, data) {
            let reply = self.call(command, [&access.encode(), chunk], &[])?;
            let found = decoded(command, RegionAccess::decode(&reply.payload))?;
            same(command, access, found)?;
        }
        Ok(())
    }

    /// Writes a region without waiting, as a posted write of PCI: it is done before whatever this
    /// thread asks for next, and nobody learns whether it failed.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn region_write_posted(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Error> {
        let command = Command::RegionWrite;
        for (access, chunk) in self.pieces(region, offset, data) {
            self.calls
                .post(command, [&access.encode(), chunk])
                .map_err(|error| self.error(command, error))?;
        }
        Ok(())
    }

    /// Several writes of at most 8 bytes each, as `(region, offset, bytes)`, in their order; in one
    /// message where the server can do that. Gives how many were done: fewer than asked for where
    /// one failed.
    ///
    /// # Errors
    /// [`Error`], also where the very first write fails.
    pub fn region_write_many(&self, writes: &[(u32, u64, &[u8])]) -> Result<usize, Error> {
        let command = Command::RegionWriteMulti;
        if writes.iter().any(|(_, _, data)| data.len() > 8) {
            return Err(Error::Invalid("a write of more than 8 bytes".into()));
        }
        if !self.server.write_multiple {
            for (done, (region, offset, data)) in writes.iter().enumerate() {
                match self.region_write(*region, *offset, data) {
                    Ok(()) => {}
                    Err(Error::Refused { .. }) if done > 0 => return Ok(done),
                    Err(error) => return Err(error),
                }
            }
            return Ok(writes.len());
        }
        let at_once = (self.chunk.saturating_sub(WriteMulti::BYTES) / WriteMulti::ONE).max(1);
        let mut all = 0;
        for chunk in writes.chunks(at_once) {
            let request = WriteMulti {
                writes: chunk.iter().map(small_write).collect(),
            };
            let reply = match self.ask(command, &request.encode()) {
                Err(Error::Refused { .. }) if all > 0 => return Ok(all),
                other => other?,
            };
            let done = decoded(command, WriteMulti::decode_reply(&reply.payload))?;
            if done > chunk.len() as u64 {
                let why = format!("{done} writes done of {}", chunk.len());
                return Err(nonsense(command, why));
            }
            all += done as usize;
            if (done as usize) < chunk.len() {
                break;
            }
        }
        Ok(all)
    }

    /// Lets the device reach a range.
    ///
    /// # Errors
    /// [`Error`].
    pub fn dma_map(&self, range: &DmaRange<'_>) -> Result<(), Error> {
        let command = Command::DmaMap;
        let request = DmaMapRequest {
            flags: range.flags,
            offset: range.file.map_or(0, |(_, offset)| offset),
            iova: range.iova,
            length: range.length,
        };
        let file = range.file.map(|(file, _)| file);
        let reply = self.call(command, [&request.encode(), &[]], file.as_slice())?;
        empty(command, &reply)
    }

    /// Takes a range away from the device, with all mappings that lie within it. When that is
    /// answered no access of the device is under way any more.
    ///
    /// # Errors
    /// [`Error`].
    pub fn dma_unmap(&self, iova: u64, length: u64) -> Result<(), Error> {
        self.unmap(DmaUnmapRequest::new(0, iova, length))
    }

    /// Takes all memory away from the device.
    ///
    /// # Errors
    /// [`Error`]; not every server can do it.
    pub fn dma_unmap_all(&self) -> Result<(), Error> {
        self.unmap(DmaUnmapRequest::new(UNMAP_ALL, 0, 0))
    }

    fn unmap(&self, request: DmaUnmapRequest) -> Result<(), Error> {
        let command = Command::DmaUnmap;
        let reply = self.ask(command, &request.encode())?;
        let found = decoded(command, DmaUnmapRequest::decode(&reply.payload))?;
        if (found.iova, found.length) != (request.iova, request.length) {
            return Err(nonsense(command, format!("the answer is about {found:x?}")));
        }
        Ok(())
    }

    /// Resets the device.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reset(&self) -> Result<(), Error> {
        let command = Command::DeviceReset;
        let reply = self.ask(command, &[])?;
        empty(command, &reply)
    }

    /// The accesses that a write takes.
    fn pieces<'a>(
        &self,
        region: u32,
        offset: u64,
        data: &'a [u8],
    ) -> impl Iterator<Item = (RegionAccess, &'a [u8])> + use<'a> {
        let size = self.chunk;
        data.chunks(size).enumerate().map(move |(piece, chunk)| {
            let access = RegionAccess {
                offset: offset.wrapping_add((piece * size) as u64),
                region,
                count: chunk.len() as u32,
            };
            (access, chunk)
        })
    }

    /// A command without descriptors in either direction.
    fn ask(&self, command: Command, payload: &[u8]) -> Result<Message, Error> {
        let reply = self.call(command, [payload, &[]], &[])?;
        if !reply.fds.is_empty() {
            return Err(nonsense(command, "an answer with descriptors".into()));
        }
        Ok(reply)
    }

    fn call(
        &self,
        command: Command,
        parts: [&[u8]; 2],
        fds: &[BorrowedFd<'_>],
    ) -> Result<Message, Error> {
        if fds.len() > MAX_FDS || fds.len() > self.server.max_msg_fds as usize {
            let why = format!("{} file descriptors in one message", fds.len());
            return Err(Error::Invalid(why));
        }
        self.calls
            .call(command, parts, fds, self.patience)
            .map_err(|error| self.error(command, error))
    }

    fn error(&self, command: Command, error: CallError) -> Error {
        match error {
            CallError::Refused(errno) => Error::Refused { command, errno },
            CallError::Timeout => Error::Timeout {
                command,
                patience: self.patience,
            },
            CallError::Nonsense(why) => nonsense(command, why),
            CallError::Gone => match self.broken.get() {
                Some(why) => nonsense(command, why.clone()),
                None => Error::Disconnected { command },
            },
        }
    }
}

/// For those who wait for several things at once: the descriptor hangs up (`POLLRDHUP`) when the
/// server is gone. It must not be read or written.
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.calls.socket.as_fd()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.calls.end();
        if let Some(reader) = self.reader.take()
            && reader.thread().id() != thread::current().id()
        {
            // A panic of the owner's memory was reported where it happened.
            let _ = reader.join();
        }
    }
}

fn small_write((region, offset, data): &(u32, u64, &[u8])) -> (RegionAccess, [u8; 8]) {
    let mut bytes = [0; 8];
    bytes[..data.len()].copy_from_slice(data);
    let access = RegionAccess {
        offset: *offset,
        region: *region,
        count: data.len() as u32,
    };
    (access, bytes)
}

/// What a region is, with the file that came along.
fn region(info: RegionInfo, mut fds: Vec<OwnedFd>) -> Result<RegionOfDevice, Error> {
    let file = fds.pop();
    if !fds.is_empty() {
        let why = "an answer with several descriptors".into();
        return Err(nonsense(Command::DeviceGetRegionInfo, why));
    }
    // A region that may be mapped by a file that does not come may not be mapped.
    let file = file.filter(|_| info.mappable);
    let areas = match &file {
        None => Vec::new(),
        Some(_) if info.areas.is_empty() => vec![Area {
            offset: 0,
            size: info.size,
        }],
        Some(_) => info.areas,
    };
    Ok(RegionOfDevice {
        flags: info.flags,
        size: info.size,
        file,
        offset: info.offset,
        areas,
        msix_mappable: info.msix_mappable,
    })
}

fn decoded<T>(command: Command, result: Result<T, DecodeError>) -> Result<T, Error> {
    result.map_err(|error| nonsense(command, error.to_string()))
}

fn same(command: Command, asked: RegionAccess, found: RegionAccess) -> Result<(), Error> {
    if asked != found {
        return Err(nonsense(command, format!("{found:x?} for {asked:x?}")));
    }
    Ok(())
}

fn empty(command: Command, reply: &Message) -> Result<(), Error> {
    if !reply.payload.is_empty() || !reply.fds.is_empty() {
        return Err(nonsense(command, "an answer with content".into()));
    }
    Ok(())
}

fn nonsense(command: Command, why: String) -> Error {
    Error::Protocol { command, why }
}
