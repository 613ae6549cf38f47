//! Accesses of the host to the card's windows.

use std::collections::VecDeque;

use super::ROOT_ID;
use super::options::{Options, Settings};
use super::packet::Packet;
use super::random::Dice;
use crate::tlp::{Completion, Header, HeaderKind, Id, Request, Status, payload_words};

/// Timeouts after which the answer to a read that was given up will not come any more.
const PATIENCE: u64 = 2;

/// Where completions of a function may be cut (section 2.3.1.1).
const ENDPOINT_BOUNDARY: u64 = 128;

/// Bytes of writes that a host has under way (its write buffers and the queue of its root port). It
/// waits with whatever comes later until there is room for the rest of a longer write.
const POSTED_BYTES: u64 = 4096;

/// An access that was asked for; [`super::Root::finish`] tells how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access(u64);

/// Why an access failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// There is no such window.
    #[error("the function has no such window")]
    NoWindow,
    /// The card does not support the request.
    #[error("the card does not support the request")]
    Unsupported,
    /// The card gave the request up.
    #[error("the card aborted the request")]
    Abort,
    /// The card asks for patience, which only configuration requests have.
    #[error("the card asked for a retry of a memory request")]
    Retry,
    /// The data is known to be wrong.
    #[error("the card's answer is poisoned")]
    Poisoned,
    /// The card did not answer.
    #[error("the card did not answer in time")]
    Timeout,
}

/// How far the host's writes are, in bytes since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Posted {
    /// Bytes that were sent.
    pub(super) sent: u64,
    /// Bytes that go before whatever the host does next.
    pub(super) due: u64,
}

/// What is still to be sent.
#[derive(Clone, Debug)]
enum Work {
    Read,
    Write(Vec<u8>),
    Raw(Vec<u32>),
}

#[derive(Clone, Debug)]
struct Job {
    access: u64,
    bar: u8,
    /// Next byte.
    cursor: u64,
    end: u64,
    /// Where it ends in the stream of all posted bytes since the start; for a read, where it
    /// stands.
    posted_end: u64,
    work: Work,
}

impl Job {
    /// Bytes that are still to be posted.
    fn posted(&self) -> u64 {
        match &self.work {
            Work::Read => 0,
            Work::Write(_) => self.end - self.cursor,
            Work::Raw(words) => 4 * words.len() as u64,
        }
    }
}

/// An access whose end was not yet told.
#[derive(Clone, Debug)]
struct Open {
    access: u64,
    /// Address of the first byte.
    start: u64,
    data: Vec<u8>,
    /// Bytes that are neither answered nor given up; a write has one until it is sent.
    left: u64,
    error: Option<AccessError>,
    /// Cycle in which it fails unless there is progress.
    deadline: u64,
}

impl Open {
    fn is_over(&self) -> bool {
        self.left == 0 || self.error.is_some()
    }
}

/// A tag that is in use.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// `None` once nobody waits for the answer.
    access: Option<u64>,
    cursor: u64,
    end: u64,
    /// Cycle from which on the tag may be used again although the answer never came.
    forgotten: u64,
}

/// The host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    bars: [Option<u64>; 6],
    jobs: VecDeque<Job>,
    opens: VecDeque<Open>,
    asked: Vec<Option<Asked>>,
    /// Tags in use.
    busy: usize,
    /// Where the search for a free tag begins.
    next_tag: usize,
    next_access: u64,
    /// No access is due before this cycle.
    next_deadline: u64,
    /// Cycle of the last packet to the card and of the last answer from it.
    progress: u64,
    /// Bytes of all writes and packets since the start, sent or not.
    posted: u64,
    max_read: u64,
    timeout: u64,
}

impl Host {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            bars: [None; 6],
            jobs: VecDeque::new(),
            opens: VecDeque::new(),
            asked: vec![None; options.tags.into()],
            busy: 0,
            next_tag: 0,
            next_access: 0,
            next_deadline: u64::MAX,
            progress: 0,
            posted: 0,
            max_read: options.max_read.into(),
            timeout: options.access_timeout.into(),
        }
    }

    pub(super) fn set_bar(&mut self, bar: u8, base: Option<u64>) {
        if let Some(slot) = self.bars.get_mut(usize::from(bar)) {
            *slot = base;
        }
    }

    /// Nothing is to be sent and nobody waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.opens.iter().all(Open::is_over)
    }

    /// How far the stream of writes is, and of packets that may push what is before them.
    pub(super) fn posted(&self) -> Posted {
        let mut jobs = self.jobs.iter();
        let sent = jobs
            .find(|job| !matches!(job.work, Work::Read))
            .map_or(self.posted, |job| job.posted_end - job.posted());
        Posted {
            sent,
            due: self.posted.min(sent + POSTED_BYTES),
        }
    }

    pub(super) fn has_jobs(&self) -> bool {
        !self.jobs.is_empty()
    }

    fn open(&mut self, now: u64, start: u64, data: Vec<u8>, left: u64) -> u64 {
        let access = self.next_access;
        self.next_access += 1;
        let deadline = now + self.timeout;
        self.next_deadline = self.next_deadline.min(deadline);
        self.opens.push_back(Open {
            access,
            start,
            data,
            left,
            error: None,
            deadline,
        });
        access
    }

    fn push(&mut self, mut job: Job) {
        self.posted += job.posted();
        job.posted_end = self.posted;
        self.jobs.push_back(job);
    }

    fn address(&self, bar: u8, offset: u64, bytes: usize) -> Option<u64> {
        let base = self.bars.get(usize::from(bar)).copied().flatten()?;
        let start = base.checked_add(offset)?;
        start.checked_add(bytes as u64).map(|_| start)
    }

    pub(super) fn access(
        &mut self,
        now: u64,
        bar: u8,
        offset: u64,
        read: usize,
        write: Option<&[u8]>,
    ) -> Access {
        let bytes = write.map_or(read, <[u8]>::len);
        let Some(start) = self.address(bar, offset, bytes) else {
            let access = self.open(now, 0, Vec::new(), 0);
            if let Some(open) = self.opens.back_mut() {
                open.error = Some(AccessError::NoWindow);
            }
            return Access(access);
        };
        let left = match write {
            Some(_) => u64::from(bytes > 0),
            None => bytes as u64,
        };
        let access = self.open(now, start, vec![0; read], left);
        if bytes > 0 {
            self.push(Job {
                access,
                bar: 1 << bar,
                cursor: start,
                end: start + bytes as u64,
                posted_end: 0,
                work: write.map_or(Work::Read, |data| Work::Write(data.to_vec())),
            });
        }
        Access(access)
    }

    pub(super) fn raw(&mut self, now: u64, words: &[u32], bar: u8) -> Access {
        let access = self.open(now, 0, Vec::new(), u64::from(!words.is_empty()));
        if !words.is_empty() {
            self.push(Job {
                access,
                bar,
                cursor: 0,
                end: 0,
                posted_end: 0,
                work: Work::Raw(words.to_vec()),
            });
        }
        Access(access)
    }

    /// How an access went; `None` while it is under way.
    pub(super) fn finish(
        &mut self,
        access: Access,
        out: &mut [u8],
    ) -> Option<Result<(), AccessError>> {
        let index = self.opens.iter().position(|open| open.access == access.0)?;
        if !self.opens[index].is_over() {
            return None;
        }
        let open = self.opens.remove(index)?;
        if let Some(error) = open.error {
            return Some(Err(error));
        }
        let bytes = out.len().min(open.data.len());
        out[..bytes].copy_from_slice(&open.data[..bytes]);
        Some(Ok(()))
    }

    fn settle(&mut self, access: u64, bytes: u64, error: Option<AccessError>) {
        if let Some(open) = self.opens.iter_mut().find(|open| open.access == access) {
            open.left = open.left.saturating_sub(bytes);
            open.error = open.error.or(error);
        }
    }

    /// The last packet of a write has gone.
    pub(super) fn sent(&mut self, access: u64) {
        self.settle(access, 1, None);
    }

    /// The access is alive in cycle `now`.
    fn touch(&mut self, now: u64, access: u64) {
        self.progress = now;
        let timeout = self.timeout;
        if let Some(open) = self.opens.iter_mut().find(|open| open.access == access) {
            open.deadline = now + timeout;
        }
    }

    /// Gives up what has waited too long.
    pub(super) fn expire(&mut self, now: u64) {
        if now < self.next_deadline {
            return;
        }
        self.next_deadline = u64::MAX;
        for open in &mut self.opens {
            if open.is_over() {
                continue;
            }
            // What is not sent yet waits for what is before it, however much that is.
            if self.jobs.iter().any(|job| job.access == open.access) {
                open.deadline = open.deadline.max(self.progress + self.timeout);
            }
            if now < open.deadline {
                self.next_deadline = self.next_deadline.min(open.deadline);
                continue;
            }
            open.error = Some(AccessError::Timeout);
            self.jobs.retain(|job| job.access != open.access);
            for asked in self.asked.iter_mut().flatten() {
                if asked.access == Some(open.access) {
                    asked.access = None;
                    asked.forgotten = now + PATIENCE * self.timeout;
                }
            }
        }
    }

    fn free_tag(&mut self, now: u64) -> Option<usize> {
        let count = self.asked.len();
        if self.busy == count {
            let asked = self.asked.iter();
            let old = asked.flatten().position(|asked| now >= asked.forgotten)?;
            self.free(old);
        }
        // Round, so that a tag rests as long as it can.
        let tag = (0..count)
            .map(|step| (self.next_tag + step) % count)
            .find(|tag| self.asked[*tag].is_none())?;
        self.next_tag = tag + 1;
        Some(tag)
    }

    /// Makes the next packet, if there is one to send.
    pub(super) fn next(
        &mut self,
        now: u64,
        dice: &mut Dice,
        settings: &Settings,
        packet: &mut Packet,
    ) -> bool {
        let is_read = match self.jobs.front().map(|job| &job.work) {
            None => return false,
            Some(Work::Read) => true,
            Some(_) => false,
        };
        let tag = if is_read {
            match self.free_tag(now) {
                None => return false,
                Some(tag) => tag,
            }
        } else {
            0
        };
        let Some(job) = self.jobs.front_mut() else {
            return false;
        };
        packet.bar = job.bar;
        let access = job.access;
        if let Work::Raw(words) = &job.work {
            packet.words.extend_from_slice(words);
            packet.ends = Some(access);
            self.jobs.pop_front();
            self.touch(now, access);
            return true;
        }
        let most = if is_read {
            self.max_read
        } else {
            settings.max_payload.into()
        };
        let (start, first) = (job.cursor, job.cursor & !3);
        let page_end = (first | 0xfff) + 1;
        let limit = (first + most).min(page_end);
        let mut end = job.end.min(limit);
        if dice.hesitates() {
            let dwords = (end - first).div_ceil(4);
            end = end.min(first + 4 * dice.cut(dwords));
        }
        let dwords = (end - first).div_ceil(4) as u16;
        let first_be = 0xf << (start & 3) & 0xf;
        let last_be = 0xf >> (3 - ((end - 1) & 3));
        let (first_be, last_be) = match dwords {
            1 => (first_be & last_be, 0),
            _ => (first_be, last_be),
        };
        let request = Request {
            requester: ROOT_ID,
            tag: tag as u8,
            address: first,
            dwords,
            first_be,
            last_be,
        };
        job.cursor = end;
        match &job.work {
            Work::Write(data) => {
                Header::new(HeaderKind::MemoryWrite(request)).encode(&mut packet.words);
                let at = data.len() - (job.end - start) as usize;
                let bytes = &data[at..at + (end - start) as usize];
                // The bytes of the first doubleword that do not count come before.
                let skipped = (start - first) as usize;
                let head = bytes.len().min(4 - skipped);
                let mut word = [0; 4];
                word[skipped..skipped + head].copy_from_slice(&bytes[..head]);
                packet.words.push(u32::from_be_bytes(word));
                packet.words.extend(payload_words(&bytes[head..]));
            }
            _ => {
                Header::new(HeaderKind::MemoryRead(request)).encode(&mut packet.words);
                self.busy += 1;
                self.asked[tag] = Some(Asked {
                    access: Some(access),
                    cursor: start,
                    end,
                    forgotten: u64::MAX,
                });
            }
        }
        if job.cursor == job.end {
            if !is_read {
                packet.ends = Some(access);
            }
            self.jobs.pop_front();
        }
        self.touch(now, access);
        true
    }

    /// Takes a completion that names this host; says what is wrong with it.
    pub(super) fn completion(
        &mut self,
        now: u64,
        completion: &Completion,
        payload: &[u32],
        poisoned: bool,
        card: Id,
    ) -> Result<(), String> {
        let fail = |text: &str| Err(format!("{text}: {completion:x?}"));
        let Some(asked) = self
            .asked
            .get(usize::from(completion.tag))
            .copied()
            .flatten()
        else {
            return fail("a completion that nobody asked for");
        };
        if completion.completer != card {
            return fail("another function's completer");
        }
        let owed = asked.end - asked.cursor;
        if u64::from(completion.byte_count) != owed {
            return fail(&format!("{owed} bytes are owed"));
        }
        let error = match completion.status {
            Status::Success => None,
            Status::Unsupported => Some(AccessError::Unsupported),
            Status::Abort => Some(AccessError::Abort),
            Status::Retry => Some(AccessError::Retry),
            Status::Reserved(_) => return fail("a reserved status"),
        };
        if error.is_some() != payload.is_empty() {
            return fail("data is there if and only if all went well");
        }
        if error.is_some() {
            self.free(completion.tag.into());
            if let Some(access) = asked.access {
                self.touch(now, access);
                self.settle(access, owed, error);
            }
            return Ok(());
        }
        if u64::from(completion.lower_address) != asked.cursor & 0x7f {
            return fail(&format!("the next byte is {:#x}", asked.cursor));
        }
        let start = asked.cursor & !3;
        let end = start + 4 * payload.len() as u64;
        if end > asked.end.next_multiple_of(4) {
            return fail("more data than was asked for");
        }
        let end = end.min(asked.end);
        if end != asked.end && !end.is_multiple_of(ENDPOINT_BOUNDARY) {
            return fail("a completion that ends at no boundary of 128 bytes");
        }
        if let Some(access) = asked.access {
            self.touch(now, access);
            self.store(access, asked.cursor, end, payload);
            let error = poisoned.then_some(AccessError::Poisoned);
            self.settle(access, end - asked.cursor, error);
        }
        if end == asked.end {
            self.free(completion.tag.into());
        } else {
            self.asked[usize::from(completion.tag)] = Some(Asked {
                cursor: end,
                ..asked
            });
        }
        Ok(())
    }

    fn store(&mut self, access: u64, from: u64, to: u64, payload: &[u32]) {
        let Some(open) = self.opens.iter_mut().find(|open| open.access == access) else {
            return;
        };
        let base = from & !3;
        for (byte, out) in (from..to).zip(&mut open.data[(from - open.start) as usize..]) {
            let at = (byte - base) as usize;
            *out = payload[at / 4].to_be_bytes()[at % 4];
        }
    }

    fn free(&mut self, tag: usize) {
        self.busy -= 1;
        self.asked[tag] = None;
    }

    /// The link went down: nothing is answered any more.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.asked.fill(None);
        self.busy = 0;
        for open in &mut self.opens {
            if !open.is_over() {
                open.error = Some(AccessError::Timeout);
            }
        }
    }
}
