//! Transaction layer packets (section 2.2): memory requests, completions, and all others by their
//! header alone.

/// Doublewords that a length field can name.
pub const MAX_DWORDS: usize = 1024;

/// Bus, device and function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u16);

/// Completion status (section 2.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Successful completion.
    Success,
    /// Unsupported request.
    Unsupported,
    /// Configuration request retry.
    Retry,
    /// Completer abort.
    Abort,
    /// One of the codes without a meaning.
    Reserved(u8),
}

impl Status {
    /// From the three bits of the header.
    pub fn from_code(code: u8) -> Self {
        match code & 7 {
            0 => Self::Success,
            1 => Self::Unsupported,
            2 => Self::Retry,
            4 => Self::Abort,
            other => Self::Reserved(other),
        }
    }

    /// The three bits of the header.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unsupported => 1,
            Self::Retry => 2,
            Self::Abort => 4,
            Self::Reserved(other) => other & 7,
        }
    }
}

/// A request to memory (section 2.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub requester: Id,
    /// Tells the answer from others.
    pub tag: u8,
    /// Address of the first doubleword; a multiple of 4. Below 2^32 the header has 3 doublewords.
    pub address: u64,
    /// Doublewords, 1 to 1024.
    pub dwords: u16,
    /// Bytes of the first doubleword that count.
    pub first_be: u8,
    /// Bytes of the last doubleword that count; 0 when there is only one.
    pub last_be: u8,
}

/// The answer to a request that expects one (section 2.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Who answers.
    pub completer: Id,
    /// How it went.
    pub status: Status,
    /// Bytes that are still owed, those of this packet included; 1 to 4096.
    pub byte_count: u16,
    /// Who asked.
    pub requester: Id,
    /// The tag of the request.
    pub tag: u8,
    /// Low 7 bits of the address of the first byte that counts.
    pub lower_address: u8,
}

/// What a packet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MRd.
    MemoryRead(Request),
    /// MWr with its payload; bytes in the order of addresses, whole doublewords.
    MemoryWrite(Request, Vec<u8>),
    /// Cpl.
    Completion(Completion),
    /// CplLk, which refuses a locked read.
    LockedCompletion(Completion),
    /// CplD with its payload, whole doublewords.
    CompletionData(Completion, Vec<u8>),
    /// Any other packet, as it is.
    Other(Vec<u32>),
}

/// What a packet is, by its header alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderKind {
    /// MRd.
    MemoryRead(Request),
    /// MWr.
    MemoryWrite(Request),
    /// Cpl.
    Completion(Completion),
    /// CplLk, which refuses a locked read.
    LockedCompletion(Completion),
    /// CplD, and the doublewords of its payload, 1 to 1024.
    CompletionData(Completion, u16),
    /// Any other packet.
    Other,
}

/// The header of a packet, for those who leave the payload where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the packet is.
    pub kind: HeaderKind,
    /// The payload is known to be wrong (EP, section 2.7.2).
    pub poisoned: bool,
    /// Traffic class, 0 to 7.
    pub traffic_class: u8,
    /// Attributes: no snoop in bit 0, relaxed ordering in bit 1.
    pub attributes: u8,
    /// Doublewords before the payload; 0 for [`HeaderKind::Other`].
    pub words: usize,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlp {
    /// What it is.
    pub kind: Kind,
    /// The payload is known to be wrong (EP, section 2.7.2).
    pub poisoned: bool,
    /// Traffic class, 0 to 7.
    pub traffic_class: u8,
    /// Attributes: no snoop in bit 0, relaxed ordering in bit 1.
    pub attributes: u8,
}

/// Why doublewords are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlpError {
    /// Fewer doublewords than the header has.
    #[error("the packet ends within its header")]
    Short,
    /// The payload has another length than the header says.
    #[error("the header names {named} doublewords of payload, the packet has {found}")]
    Length {
        /// Doublewords that the header names.
        named: usize,
        /// Doublewords that follow the header.
        found: usize,
    },
    /// The packet carries a digest, which a hard block takes off.
    #[error("the packet carries a digest")]
    Digest,
}

const FORMAT_DATA: u32 = 0x4000_0000;
const FORMAT_4DW: u32 = 0x2000_0000;
const FORMAT_PREFIX: u32 = 0x8000_0000;
/// Type of completions in the first doubleword.
pub(crate) const TYPE_COMPLETION: u32 = 0x0a;
/// Type of completions of locked reads.
pub(crate) const TYPE_LOCKED_COMPLETION: u32 = 0x0b;
const DIGEST: u32 = 0x8000;
const POISON: u32 = 0x4000;

impl Header {
    /// A header without poison, of traffic class 0 and without attributes.
    pub fn new(kind: HeaderKind) -> Self {
        let words = match kind {
            HeaderKind::MemoryRead(request) | HeaderKind::MemoryWrite(request) => {
                3 + usize::from(request.is_wide())
            }
            HeaderKind::Completion(_)
            | HeaderKind::LockedCompletion(_)
            | HeaderKind::CompletionData(..) => 3,
            HeaderKind::Other => 0,
        };
        Self {
            kind,
            poisoned: false,
            traffic_class: 0,
            attributes: 0,
            words,
        }
    }

    /// Appends the header as doublewords of a stream; nothing for [`HeaderKind::Other`].
    pub fn encode(&self, out: &mut Vec<u32>) {
        let common = u32::from(self.traffic_class & 7) << 20
            | u32::from(self.attributes & 3) << 12
            | if self.poisoned { POISON } else { 0 };
        match &self.kind {
            HeaderKind::MemoryRead(request) => request.encode(common, out),
            HeaderKind::MemoryWrite(request) => request.encode(FORMAT_DATA | common, out),
            HeaderKind::Completion(completion) => {
                completion.encode(TYPE_COMPLETION << 24 | common, out);
            }
            HeaderKind::LockedCompletion(completion) => {
                completion.encode(TYPE_LOCKED_COMPLETION << 24 | common, out);
            }
            HeaderKind::CompletionData(completion, dwords) => {
                let data = FORMAT_DATA | u32::from(*dwords) & 0x3ff;
                completion.encode(TYPE_COMPLETION << 24 | data | common, out);
            }
            HeaderKind::Other => {}
        }
    }

    /// Reads the header of a whole packet, whose length must agree with it.
    ///
    /// # Errors
    /// A packet that ends early or late, or has a digest.
    pub fn decode(words: &[u32]) -> Result<Self, TlpError> {
        let &first = words.first().ok_or(TlpError::Short)?;
        let plain = |kind, words| Self {
            kind,
            poisoned: first & POISON != 0,
            traffic_class: (first >> 20 & 7) as u8,
            attributes: (first >> 12 & 3) as u8,
            words,
        };
        if first & FORMAT_PREFIX != 0 {
            return Ok(plain(HeaderKind::Other, 0));
        }
        let header = if first & FORMAT_4DW != 0 { 4 } else { 3 };
        if words.len() < header {
            return Err(TlpError::Short);
        }
        if first & DIGEST != 0 {
            return Err(TlpError::Digest);
        }
        let dwords = match first & 0x3ff {
            0 => MAX_DWORDS,
            count => count as usize,
        };
        let has_data = first & FORMAT_DATA != 0;
        let named = if has_data { dwords } else { 0 };
        let found = words.len() - header;
        if named != found {
            return Err(TlpError::Length { named, found });
        }
        let kind = match (first >> 24 & 0x1f, has_data) {
            (0, false) => HeaderKind::MemoryRead(Request::decode(words, header, dwords as u16)),
            (0, true) => HeaderKind::MemoryWrite(Request::decode(words, header, dwords as u16)),
            (TYPE_COMPLETION, false) if header == 3 => {
                HeaderKind::Completion(Completion::decode(words))
            }
            (TYPE_LOCKED_COMPLETION, false) if header == 3 => {
                HeaderKind::LockedCompletion(Completion::decode(words))
            }
            (TYPE_COMPLETION, true) if header == 3 => {
                HeaderKind::CompletionData(Completion::decode(words), dwords as u16)
            }
            _ => return Ok(plain(HeaderKind::Other, 0)),
        };
        Ok(plain(kind, header))
    }
}

impl Request {
    /// Whether the header has 4 doublewords.
    fn is_wide(&self) -> bool {
        self.address >> 32 != 0
    }

    fn encode(&self, first: u32, out: &mut Vec<u32>) {
        let size = if self.is_wide() { FORMAT_4DW } else { 0 };
        out.push(first | size | u32::from(self.dwords) & 0x3ff);
        out.push(
            u32::from(self.requester.0) << 16
                | u32::from(self.tag) << 8
                | u32::from(self.last_be & 15) << 4
                | u32::from(self.first_be & 15),
        );
        if self.is_wide() {
            out.push((self.address >> 32) as u32);
        }
        out.push(self.address as u32 & !3);
    }

    fn decode(words: &[u32], header: usize, dwords: u16) -> Self {
        let high = if header == 4 {
            u64::from(words[2]) << 32
        } else {
            0
        };
        Self {
            requester: Id((words[1] >> 16) as u16),
            tag: (words[1] >> 8) as u8,
            address: high | u64::from(words[header - 1] & !3),
            dwords,
            first_be: (words[1] & 15) as u8,
            last_be: (words[1] >> 4 & 15) as u8,
        }
    }

    /// The bytes from the first to the last that count, as a completion counts them (section
    /// 2.2.9, table of byte counts): address and number. A request that enables no byte counts as
    /// one byte.
    pub fn span(&self) -> (u64, u16) {
        if self.dwords == 1 && self.first_be == 0 {
            return (self.address, 1);
        }
        let last_be = if self.dwords == 1 {
            self.first_be
        } else {
            self.last_be
        };
        let skipped = (self.first_be & 15 | 16).trailing_zeros() as u16;
        let unused = (last_be << 4 | 8).leading_zeros() as u16;
        let bytes = 4 * self.dwords - skipped - unused;
        (self.address + u64::from(skipped), bytes)
    }
}

impl Completion {
    fn encode(&self, first: u32, out: &mut Vec<u32>) {
        out.push(first);
        out.push(
            u32::from(self.completer.0) << 16
                | u32::from(self.status.code()) << 13
                | u32::from(self.byte_count) & 0xfff,
        );
        out.push(
            u32::from(self.requester.0) << 16
                | u32::from(self.tag) << 8
                | u32::from(self.lower_address & 0x7f),
        );
    }

    fn decode(words: &[u32]) -> Self {
        Self {
            completer: Id((words[1] >> 16) as u16),
            status: Status::from_code((words[1] >> 13) as u8),
            byte_count: match words[1] & 0xfff {
                0 => 4096,
                count => count as u16,
            },
            requester: Id((words[2] >> 16) as u16),
            tag: (words[2] >> 8) as u8,
            lower_address: (words[2] & 0x7f) as u8,
        }
    }
}

impl Tlp {
    /// A packet without poison, of traffic class 0 and without attributes.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            poisoned: false,
            traffic_class: 0,
            attributes: 0,
        }
    }

    /// The packet as doublewords of a stream.
    pub fn encode(&self) -> Vec<u32> {
        let (kind, payload): (_, &[u8]) = match &self.kind {
            Kind::MemoryRead(read) => (HeaderKind::MemoryRead(*read), &[]),
            Kind::MemoryWrite(write, payload) => (HeaderKind::MemoryWrite(*write), payload),
            Kind::Completion(answer) => (HeaderKind::Completion(*answer), &[]),
            Kind::LockedCompletion(answer) => (HeaderKind::LockedCompletion(*answer), &[]),
            Kind::CompletionData(answer, payload) => (
                HeaderKind::CompletionData(*answer, payload.len().div_ceil(4) as u16),
                payload,
            ),
            Kind::Other(words) => return words.clone(),
        };
        let header = Header {
            poisoned: self.poisoned,
            traffic_class: self.traffic_class,
            attributes: self.attributes,
            ..Header::new(kind)
        };
        let mut words = Vec::with_capacity(header.words + payload.len().div_ceil(4));
        header.encode(&mut words);
        words.extend(payload_words(payload));
        words
    }

    /// Reads a packet from the doublewords of a stream.
    ///
    /// # Errors
    /// A packet that ends early or late, or has a digest.
    pub fn decode(words: &[u32]) -> Result<Self, TlpError> {
        let header = Header::decode(words)?;
        let payload = || {
            let bytes = words[header.words..].iter();
            bytes.flat_map(|word| word.to_be_bytes()).collect()
        };
        Ok(Self {
            kind: match header.kind {
                HeaderKind::MemoryRead(request) => Kind::MemoryRead(request),
                HeaderKind::MemoryWrite(request) => Kind::MemoryWrite(request, payload()),
                HeaderKind::Completion(completion) => Kind::Completion(completion),
                HeaderKind::LockedCompletion(completion) => Kind::LockedCompletion(completion),
                HeaderKind::CompletionData(completion, _) => {
                    Kind::CompletionData(completion, payload())
                }
                HeaderKind::Other => Kind::Other(words.to_vec()),
            },
            poisoned: header.poisoned,
            traffic_class: header.traffic_class,
            attributes: header.attributes,
        })
    }
}

/// The doublewords of a payload; zeros fill the last.
pub fn payload_words(payload: &[u8]) -> impl Iterator<Item = u32> + '_ {
    payload.chunks(4).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_be_bytes(word)
    })
}
