//! Both ends against scripts of bytes: what a script makes the other end do, and what must hold
//! whatever it does. The deterministic test and the targets of `cargo fuzz` share it.
//!
//! A script begins with a byte of [`POLITE`] and [`ASKING`]. Records follow: a byte of flags, the
//! number of bytes that belong to it (16 bits, lower byte first), and these bytes.
//!
//! Towards a server a record is a message: [`SIZED`] puts its length into its header, [`HALVES`]
//! sends it in two parts, the two bits from [`FDS`] on are the descriptors that go along.
//!
//! Towards a client a record is the answer to its next request: the right answer in which the bytes
//! `(place, place, change)` of the record change what they name, or with [`RAW`] the bytes
//! themselves. [`SIZED`] and [`FDS`] are as above; with [`BEFORE`] the record is sent as it is
//! before the right answer, which is how accesses to the client's memory come.

// Not every user has use for all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg};
use vfio_user_protocol::client::{self, Client, DmaRange};
use vfio_user_protocol::message::{
    Capabilities, Command, DeviceInfo, DmaAccess, DmaMapRequest, DmaUnmapRequest, HEADER_BYTES,
    Header, IrqInfo, Kind, RegionAccess, RegionInfo, RegionInfoRequest, Select, SetIrqs, UNMAP_ALL,
    Version, WriteMulti,
};
use vfio_user_protocol::server::{self, Session};
use vfio_user_protocol::{
    Area, Description, Device, DmaMap, Errno, Irq, IrqAction, IrqData, IrqFlags, IrqSet, MapFlags,
    Mapping, Memory, Region, RegionFlags,
};

/// The connection begins with a good `VERSION` that is not part of the script.
pub const POLITE: u8 = 1 << 0;
/// The device reads the client's memory when it is written.
pub const ASKING: u8 = 1 << 1;

/// The size in the header is made that of the message.
pub const SIZED: u8 = 1 << 0;
/// The message goes out in two parts.
pub const HALVES: u8 = 1 << 1;
/// Two bits: descriptors that go along.
pub const FDS: u8 = 1 << 2;
/// The bytes are the whole message.
pub const RAW: u8 = 1 << 4;
/// The bytes are a message that comes before the answer.
pub const BEFORE: u8 = 1 << 5;

/// Bytes of data that one message may have in all these connections.
const DATA: u32 = 4096;
/// Bytes of a payload that are skipped rather than taken as the end of the stream.
const SKIPPED: usize = 64 << 20;
/// What ends in time at all ends well before that, also on a busy machine.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A record of a script.
pub struct Record<'a> {
    pub flags: u8,
    pub bytes: &'a [u8],
}

/// The flags of a script and its records; what is cut short at its end is left out.
pub fn records(script: &[u8]) -> (u8, Vec<Record<'_>>) {
    let Some((&flags, mut rest)) = script.split_first() else {
        return (0, Vec::new());
    };
    let mut records = Vec::new();
    while let Some((&[flags, low, high], tail)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(tail.len());
        let (bytes, tail) = tail.split_at(length);
        records.push(Record { flags, bytes });
        rest = tail;
    }
    (flags, records)
}

/// Appends a record to a script.
pub fn push(script: &mut Vec<u8>, flags: u8, bytes: &[u8]) {
    script.push(flags);
    script.extend((bytes.len() as u16).to_le_bytes());
    script.extend(bytes);
}

/// The message of a record whose bytes are one.
fn message(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = record.bytes.to_vec();
    if record.flags & SIZED != 0 && bytes.len() >= HEADER_BYTES {
        let size = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&size.to_ne_bytes());
    }
    bytes
}

/// Descriptors to send.
struct Fds(Vec<OwnedFd>);

impl Fds {
    fn new() -> Self {
        let event = || eventfd(0, EventfdFlags::CLOEXEC).expect("an event descriptor");
        Self((0..3).map(|_| event()).collect())
    }

    fn some(&self, flags: u8) -> Vec<BorrowedFd<'_>> {
        let count = usize::from(flags / FDS % 4);
        self.0.iter().take(count).map(AsFd::as_fd).collect()
    }
}

/// Sends as much as the other end takes.
fn send(stream: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> bool {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let slice = [IoSlice::new(rest)];
        match sendmsg(stream, &slice, &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(_) => return false,
        }
        control.clear();
    }
    true
}

/// The next message without its descriptors, where a whole one comes.
fn receive(mut stream: &UnixStream) -> Option<(Header, Vec<u8>)> {
    let mut head = [0; HEADER_BYTES];
    stream.read_exact(&mut head).ok()?;
    let header = Header::decode(&head);
    // Both ends of this crate send only messages that are as long as they say.
    let bytes = header.payload_bytes().expect("a size that a message has");
    assert!(bytes <= DATA as usize + 1024, "a message of {bytes} bytes");
    let mut payload = vec![0; bytes];
    stream.read_exact(&mut payload).ok()?;
    Some((header, payload))
}

// ---------------------------------------------------------------------------------------------
// A server

/// A device that takes nothing that the protocol does not allow.
struct Strict {
    description: Description,
    maps: BTreeMap<u64, u64>,
    client: Option<Arc<dyn Memory>>,
    asking: bool,
    /// Calls of `connected` less those of `disconnected`.
    clients: i32,
}

impl Strict {
    fn new(asking: bool) -> Self {
        let file = rustix::fs::memfd_create("fuzz", rustix::fs::MemfdFlags::CLOEXEC);
        let both = RegionFlags::READ | RegionFlags::WRITE;
        let bar0 = Region {
            size: 8192,
            flags: both,
            ..Region::default()
        };
        let bar2 = Region {
            size: 1 << 40,
            flags: RegionFlags::READ,
            mapping: Some(Mapping {
                file: Arc::new(file.expect("a file")),
                offset: 4096,
                areas: vec![Area {
                    offset: 0,
                    size: 4096,
                }],
            }),
            msix_mappable: true,
        };
        let irq = |count, flags| Irq { count, flags };
        Self {
            description: Description {
                resettable: true,
                regions: vec![bar0, Region::default(), bar2],
                irqs: vec![
                    irq(1, IrqFlags::EVENTFD | IrqFlags::MASKABLE),
                    irq(0, IrqFlags::empty()),
                    irq(3, IrqFlags::EVENTFD),
                ],
            },
            maps: BTreeMap::new(),
            client: None,
            asking,
            clients: 0,
        }
    }

    fn check(&self, index: u32, offset: u64, bytes: usize, flag: RegionFlags) {
        let region = &self.description.regions[index as usize];
        assert!(region.flags.contains(flag));
        assert!(bytes > 0 && bytes <= DATA as usize);
        assert!(offset as u128 + bytes as u128 <= region.size as u128);
    }
}

impl Device for Strict {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn connected(&mut self, memory: Arc<dyn Memory>) {
        self.client = Some(memory);
        self.clients += 1;
    }

    fn region_read(&mut self, index: u32, offset: u64, data: &mut [u8]) -> Result<(), Errno> {
        self.check(index, offset, data.len(), RegionFlags::READ);
        if offset.is_multiple_of(7) {
            return Err(Errno::IO);
        }
        data.fill(offset as u8);
        Ok(())
    }

    fn region_write(&mut self, index: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        self.check(index, offset, data.len(), RegionFlags::WRITE);
        if self.asking {
            let memory = self.client.as_ref().expect("a client");
            let mut bytes = [0; 100];
            memory.read(offset, &mut bytes[..data.len().min(100)])?;
            memory.write(offset, data)?;
        }
        Ok(())
    }

    fn dma_map(&mut self, map: DmaMap) -> Result<(), Errno> {
        let end = |iova: u64, length: u64| iova as u128 + length as u128;
        assert!(map.length > 0 && end(map.iova, map.length) <= 1 << 64);
        assert!(end(map.offset, map.length) < 1 << 64);
        for (iova, length) in &self.maps {
            let apart = end(*iova, *length) <= map.iova as u128
                || end(map.iova, map.length) <= *iova as u128;
            assert!(apart, "overlapping ranges");
        }
        if map.iova == 0x7000 {
            return Err(Errno::NOMEM);
        }
        self.maps.insert(map.iova, map.length);
        Ok(())
    }

    fn dma_unmap(&mut self, iova: u64, length: u64) -> Result<(), Errno> {
        assert_eq!(
            self.maps.get(&iova),
            Some(&length),
            "a range that is not mapped"
        );
        if iova == 0x8000 {
            return Err(Errno::IO);
        }
        self.maps.remove(&iova);
        Ok(())
    }

    fn set_irqs(&mut self, set: IrqSet) -> Result<(), Errno> {
        let irq = &self.description.irqs[set.index as usize];
        assert!(set.start as u64 + set.count as u64 <= irq.count.into());
        let masks = set.action != IrqAction::Trigger;
        assert!(!masks || irq.flags.contains(IrqFlags::MASKABLE));
        match set.data {
            IrqData::None => {}
            IrqData::Bool(which) => assert_eq!(which.len(), set.count as usize),
            IrqData::EventFds(fds) => {
                assert!(fds.is_empty() || fds.len() == set.count as usize);
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        Ok(())
    }

    fn disconnected(&mut self) {
        self.maps.clear();
        self.client = None;
        self.clients -= 1;
    }
}

/// The replies that this stream of messages must get, as (number, command), sorted.
fn expected(stream: &[u8]) -> Vec<(u16, u16)> {
    let mut replies = Vec::new();
    let mut rest = stream;
    while let Some((head, tail)) = rest.split_first_chunk() {
        let header = Header::decode(head);
        let kind = header.kind();
        let payload = header.payload_bytes().filter(|bytes| *bytes <= SKIPPED);
        let whole = payload.and_then(|bytes| tail.get(bytes..));
        let lost = payload.is_none();
        if kind == Some(Kind::Command) && !header.no_reply() && (lost || whole.is_some()) {
            replies.push((header.id, header.command));
        }
        match whole {
            Some(next) if kind == Some(Kind::Command) => rest = next,
            _ => break,
        }
    }
    replies.sort();
    replies
}

/// Runs a server against a script. It must end by itself, hand nothing to its device that the
/// device must not see, and answer each command once.
pub fn run_server(script: &[u8]) {
    let (flags, records) = records(script);
    let asking = flags & ASKING != 0;
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let options = server::Options {
        max_data_xfer_size: DATA,
        max_dma_maps: 8,
        handshake: FOR_EVER,
        answer: Duration::from_millis(5),
        send: FOR_EVER,
        ..server::Options::default()
    };
    let messages: Vec<_> = records.iter().map(message).collect();
    let replies = std::thread::scope(|scope| {
        let (records, messages, far) = (&records, &messages, &far);
        scope.spawn(move || {
            let fds = Fds::new();
            let version = [0, 0, 1, 0];
            let hello = header_of(0xffff, Command::Version, &version);
            if flags & POLITE != 0 && !send(far, &[&hello[..], &version].concat(), &[]) {
                return;
            }
            for (record, message) in records.iter().zip(messages) {
                let halves = record.flags & HALVES != 0;
                let cut = if halves { message.len() / 2 } else { 0 };
                let (first, second) = message.split_at(cut);
                if !send(far, first, &[]) || !send(far, second, &fds.some(record.flags)) {
                    break;
                }
            }
            // There may be nobody left to tell.
            let _ = rustix::net::shutdown(far, Shutdown::Write);
        });
        let replies = scope.spawn(move || {
            let mut replies = Vec::new();
            while let Some((header, _)) = receive(far) {
                if header.kind() == Some(Kind::Reply) {
                    replies.push((header.id, header.command));
                }
            }
            replies.sort();
            replies
        });
        if let Ok(mut session) = Session::over(near, options) {
            let mut device = Strict::new(asking);
            let begin = Instant::now();
            while session
                .serve(&mut device, Duration::from_millis(100))
                .is_ok()
            {
                assert!(begin.elapsed() < FOR_EVER, "a session without end");
            }
            assert_eq!(device.clients, 0);
        }
        replies.join().expect("replies")
    });
    // With accesses to memory under way it depends on time which replies are a surprise.
    if flags & POLITE != 0 && !asking {
        let mut expected = expected(&messages.concat());
        expected.push((0xffff, Command::Version as u16));
        expected.sort();
        assert_eq!(replies, expected);
    }
}

// ---------------------------------------------------------------------------------------------
// A client

/// Memory that is asked for no more than was agreed.
struct Bounded;

impl Memory for Bounded {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno> {
        assert!(data.len() <= DATA as usize);
        data.fill(address as u8);
        Ok(())
    }

    fn write(&self, _: u64, data: &[u8]) -> Result<(), Errno> {
        assert!(data.len() <= DATA as usize);
        Ok(())
    }
}

/// The header of a command with this payload.
fn header_of(id: u16, command: Command, payload: &[u8]) -> [u8; HEADER_BYTES] {
    Header {
        id,
        command: command as u16,
        size: (HEADER_BYTES + payload.len()) as u32,
        flags: 0,
        error: 0,
    }
    .encode()
}

/// The right answer to a request of the client.
fn right_answer(request: &Header, payload: &[u8]) -> Vec<u8> {
    let command = Command::from_number(request.command).expect("a command");
    let answer = match command {
        Command::Version => Version {
            major: 0,
            minor: 1,
            capabilities: Capabilities {
                max_msg_fds: 2,
                max_data_xfer_size: 64,
                write_multiple: true,
                ..Capabilities::default()
            },
        }
        .encode(),
        Command::DeviceGetInfo => DeviceInfo {
            resettable: true,
            pci: true,
            regions: 9,
            irqs: 5,
        }
        .encode(),
        Command::DeviceGetRegionInfo => {
            let asked = RegionInfoRequest::decode(payload).expect("a request");
            RegionInfo {
                index: asked.index,
                flags: RegionFlags::READ,
                mappable: true,
                size: 1 << 20,
                offset: 4096,
                areas: vec![
                    Area {
                        offset: 4096,
                        size: 8192,
                    };
                    3
                ],
                msix_mappable: true,
            }
            .encode(asked.argsz)
            .0
        }
        Command::RegionRead => {
            let access = RegionAccess::decode(payload).expect("a request");
            [payload, &vec![3; access.count as usize]].concat()
        }
        Command::RegionWrite => payload[..RegionAccess::BYTES].to_vec(),
        Command::RegionWriteMulti => payload[..WriteMulti::BYTES].to_vec(),
        Command::DmaUnmap | Command::DeviceGetIrqInfo => payload.to_vec(),
        _ => Vec::new(),
    };
    let mut header = header_of(request.id, command, &answer);
    header[8] = 1;
    [&header[..], &answer].concat()
}

/// Answers the requests of a client as the script says, and none after its end.
fn answer(stream: &UnixStream, flags: u8, records: &[Record<'_>]) {
    let fds = Fds::new();
    let mut records = records.iter();
    let mut polite = flags & POLITE != 0;
    while let Some((request, payload)) = receive(stream) {
        if request.kind() != Some(Kind::Command) || request.no_reply() {
            continue;
        }
        let good = right_answer(&request, &payload);
        if std::mem::take(&mut polite) {
            if !send(stream, &good, &[]) {
                break;
            }
            continue;
        }
        // Some that come before, then the answer.
        let sent = loop {
            let Some(record) = records.next() else {
                break false;
            };
            let some = fds.some(record.flags);
            if record.flags & (RAW | BEFORE) != 0 {
                if !send(stream, &message(record), &some) {
                    break false;
                }
                if record.flags & BEFORE != 0 {
                    continue;
                }
                break true;
            }
            let mut bytes = good.clone();
            for &[low, high, change] in record.bytes.as_chunks().0 {
                let at = usize::from(u16::from_le_bytes([low, high]));
                match bytes.get_mut(at) {
                    Some(byte) => *byte ^= change,
                    // Places behind the end make the message longer or shorter.
                    None if change & 1 == 0 => bytes.push(change),
                    None => bytes.truncate(HEADER_BYTES.max(bytes.len() - 1)),
                }
            }
            let flags = record.flags;
            let bytes = message(&Record {
                flags,
                bytes: &bytes,
            });
            break send(stream, &bytes, &some);
        };
        if !sent {
            break;
        }
    }
    // There may be nobody left to tell.
    let _ = rustix::net::shutdown(stream, Shutdown::Both);
}

/// Runs a client against a script. Each request must end by itself, with an error or with an answer
/// that can be used.
pub fn run_client(script: &[u8]) {
    let (flags, records) = records(script);
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let options = client::Options {
        patience: Duration::from_millis(5),
        max_data_xfer_size: DATA,
        memory: Some(Arc::new(Bounded)),
    };
    std::thread::scope(|scope| {
        let (records, far) = (&records, &far);
        scope.spawn(move || answer(far, flags, records));
        if let Ok(client) = Client::over(near, options) {
            requests(&client);
        }
    });
}

/// Every kind of request, one after the other.
fn requests(client: &Client) {
    let fds = Fds::new();
    // What fails here fails as an error, which is all that is asked for.
    let _ = client.device_info();
    if let Ok(region) = client.region_info(2) {
        // An answer has at most 64 KiB, and no byte of it stands for two areas.
        assert!(16 * region.areas.len() <= 64 << 10);
        for area in &region.areas {
            let end = area.offset as u128 + area.size as u128;
            assert!(end <= region.size as u128 && region.file.is_some());
            assert!(region.offset as u128 + end <= 1 << 64);
        }
    }
    let _ = client.irq_info(2);
    let _ = client.connect_irqs(2, 0, &fds.some(3 * FDS));
    let mut data = [0; 100];
    let _ = client.region_read(0, 8, &mut data);
    let _ = client.region_write(0, 8, &data);
    let _ = client.region_write_posted(0, 8, &data);
    let writes: [(u32, u64, &[u8]); 5] = [(0, 8, &[1]); 5];
    if let Ok(done) = client.region_write_many(&writes) {
        assert!(done <= writes.len());
    }
    let _ = client.dma_map(&DmaRange {
        flags: MapFlags::READ,
        iova: 4096,
        length: 4096,
        file: fds.some(FDS).first().map(|file| (*file, 0)),
    });
    let _ = client.dma_unmap(4096, 4096);
    let _ = client.dma_unmap_all();
    let _ = client.disable_irqs(2);
    let _ = client.reset();
}

// ---------------------------------------------------------------------------------------------
// Scripts by chance

/// A sequence of numbers that a seed determines.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn word(&mut self) -> u32 {
        let near = self.below(40) as u32;
        match self.below(8) {
            0 => u32::MAX - near,
            1 => 1 << self.below(32),
            2 => 4096 * near,
            3 => 0x7fff_fff0 + near,
            _ => near,
        }
    }

    /// A place in a region, sometimes at the end of all numbers.
    fn place(&mut self) -> u64 {
        if self.one_in(10) {
            u64::MAX - self.below(5000)
        } else {
            self.word().into()
        }
    }

    /// A page among few, so that ranges meet.
    fn page(&mut self) -> u64 {
        match self.below(12) {
            0 => u64::MAX - 4095,
            1 => self.next(),
            _ => 4096 * self.below(12),
        }
    }
}

/// A payload of the right form for a command.
fn payload(chance: &mut Chance, command: u16) -> Vec<u8> {
    let Some(command) = Command::from_number(command) else {
        return vec![1; chance.below(40) as usize];
    };
    match command {
        Command::Version => b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":2}}\0".to_vec(),
        Command::DmaMap => DmaMapRequest {
            flags: MapFlags::from_bits_truncate(chance.word()),
            offset: chance.page(),
            iova: chance.page(),
            length: 4096 * (1 + chance.below(3)),
        }
        .encode(),
        Command::DmaUnmap if chance.one_in(10) => DmaUnmapRequest::new(UNMAP_ALL, 0, 0).encode(),
        Command::DmaUnmap => {
            DmaUnmapRequest::new(0, chance.page(), 4096 * (1 + chance.below(12))).encode()
        }
        Command::DeviceGetInfo => DeviceInfo::default().encode(),
        Command::DeviceGetRegionInfo => RegionInfoRequest {
            argsz: 32 + chance.word() % 100,
            index: chance.below(4) as u32,
        }
        .encode(),
        Command::DeviceGetIrqInfo => IrqInfo {
            index: chance.below(4) as u32,
            flags: IrqFlags::empty(),
            count: 0,
        }
        .encode(),
        Command::DeviceSetIrqs => {
            let count = chance.below(4) as u32;
            let actions = [IrqAction::Mask, IrqAction::Unmask, IrqAction::Trigger];
            SetIrqs {
                index: chance.below(4) as u32,
                action: actions[chance.below(3) as usize],
                start: chance.below(3) as u32,
                count,
                select: match chance.below(3) {
                    0 => Select::All,
                    1 => Select::These(vec![true; count as usize]),
                    _ => Select::EventFds,
                },
            }
            .encode()
        }
        Command::RegionRead | Command::RegionWrite => {
            let access = RegionAccess {
                offset: chance.place(),
                region: chance.below(4) as u32,
                count: chance.word() % 5000,
            };
            let data = if command == Command::RegionWrite {
                access.count as usize
            } else {
                0
            };
            [access.encode(), vec![7; data]].concat()
        }
        Command::DmaRead | Command::DmaWrite => DmaAccess {
            address: chance.page(),
            count: chance.word().into(),
        }
        .encode(),
        Command::RegionWriteMulti => {
            let one = |chance: &mut Chance| {
                let access = RegionAccess {
                    offset: chance.place(),
                    region: chance.below(4) as u32,
                    count: chance.below(10) as u32,
                };
                (access, [9; 8])
            };
            let count = chance.below(6);
            WriteMulti {
                writes: (0..count).map(|_| one(chance)).collect(),
            }
            .encode()
        }
        _ => Vec::new(),
    }
}

/// Spoils some messages: words, flags, length.
fn spoil(chance: &mut Chance, message: &mut Vec<u8>) {
    if chance.one_in(3) {
        for _ in 0..1 + chance.below(3) {
            let at = 4 * chance.below(message.len() as u64 / 4) as usize;
            // The size is spoilt elsewhere: it ends the conversation.
            if at != 4 {
                let word = chance.word();
                message[at..at + 4].copy_from_slice(&word.to_ne_bytes());
            }
        }
    }
    if chance.one_in(8) {
        let length = HEADER_BYTES + chance.below(message.len() as u64) as usize;
        message.resize(length, 0xff);
    }
}

/// A script towards a server.
pub fn script_for_server(seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let chance = &mut chance;
    let polite = if chance.one_in(10) { 0 } else { POLITE };
    let asking = if chance.one_in(10) { ASKING } else { 0 };
    let mut script = vec![polite | asking];
    for number in 0..1 + chance.below(40) {
        let command = match chance.below(20) {
            0 => chance.word() as u16,
            1 => 1,
            // Mapping and unmapping are of use only if there is much of them.
            2..=6 => 2 + chance.below(2) as u16,
            _ => 2 + chance.below(14) as u16,
        };
        let command = if polite == 0 && number == 0 {
            1
        } else {
            command
        };
        let payload = payload(chance, command);
        let mut header = Header {
            id: chance.below(5) as u16,
            command,
            size: 0,
            flags: 0,
            error: 0,
        };
        if chance.one_in(10) {
            header.flags = 0x10;
        }
        let mut bytes = [&header.encode()[..], &payload].concat();
        spoil(chance, &mut bytes);
        let takes_fds = matches!(command, 2 | 8);
        let fds = if takes_fds || chance.one_in(20) {
            FDS * chance.below(4) as u8
        } else {
            0
        };
        let halves = if chance.one_in(5) { HALVES } else { 0 };
        let sized = if chance.one_in(60) { 0 } else { SIZED };
        push(&mut script, fds | halves | sized, &bytes);
    }
    script
}

/// A script towards a client.
pub fn script_for_client(seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let chance = &mut chance;
    let mut script = vec![if chance.one_in(10) { 0 } else { POLITE }];
    for _ in 0..chance.below(24) {
        let fds = if chance.one_in(3) {
            FDS * chance.below(4) as u8
        } else {
            0
        };
        let sized = if chance.one_in(20) { 0 } else { SIZED };
        if chance.one_in(4) {
            let command = if chance.one_in(5) {
                chance.below(18) as u16
            } else {
                11 + chance.below(2) as u16
            };
            let mut payload = payload(chance, command);
            if command == Command::DmaWrite as u16 {
                payload.resize(16 + chance.below(60) as usize, 4);
                let count = payload.len() as u64 - 16;
                payload[8..16].copy_from_slice(&count.to_ne_bytes());
            }
            let header = Header {
                id: chance.below(9) as u16,
                command,
                size: 0,
                flags: if chance.one_in(10) { chance.word() } else { 0 },
                error: 0,
            };
            let mut bytes = [&header.encode()[..], &payload].concat();
            spoil(chance, &mut bytes);
            let how = if chance.one_in(10) { RAW } else { BEFORE };
            push(&mut script, fds | sized | how, &bytes);
            continue;
        }
        let mut changes = Vec::new();
        if chance.one_in(2) {
            for _ in 0..1 + chance.below(4) {
                // Mostly behind the number and the command, often behind the end.
                let at = if chance.one_in(10) {
                    chance.below(8)
                } else {
                    8 + chance.below(110)
                };
                let change = [1, 0x20, 0x80, 0xff][chance.below(4) as usize];
                changes.extend((at as u16).to_le_bytes());
                changes.push(change);
            }
        }
        push(&mut script, fds | sized, &changes);
    }
    script
}
