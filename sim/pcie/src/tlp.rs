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
    /// CplD with its payload, whole doublewords.
    CompletionData(Completion, Vec<u8>),
    /// Any other packet, as it is.
    Other(Vec<u32>),
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
const TYPE_COMPLETION: u32 = 0x0a;
const DIGEST: u32 = 0x8000;
const POISON: u32 = 0x4000;

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
        let common = u32::from(self.traffic_class & 7) << 20
            | u32::from(self.attributes & 3) << 12
            | if self.poisoned { POISON } else { 0 };
        let request = |request: &Request, format: u32| {
            let wide = request.address >> 32 != 0;
            let size = if wide { FORMAT_4DW } else { 0 };
            let mut words = vec![
                format | size | common | u32::from(request.dwords) & 0x3ff,
                u32::from(request.requester.0) << 16
                    | u32::from(request.tag) << 8
                    | u32::from(request.last_be & 15) << 4
                    | u32::from(request.first_be & 15),
            ];
            if wide {
                words.push((request.address >> 32) as u32);
            }
            words.push(request.address as u32 & !3);
            words
        };
        let completion = |completion: &Completion, dwords: usize| {
            let format = if dwords > 0 { FORMAT_DATA } else { 0 };
            vec![
                format | TYPE_COMPLETION << 24 | common | dwords as u32 & 0x3ff,
                u32::from(completion.completer.0) << 16
                    | u32::from(completion.status.code()) << 13
                    | u32::from(completion.byte_count) & 0xfff,
                u32::from(completion.requester.0) << 16
                    | u32::from(completion.tag) << 8
                    | u32::from(completion.lower_address & 0x7f),
            ]
        };
        match &self.kind {
            Kind::MemoryRead(read) => request(read, 0),
            Kind::MemoryWrite(write, payload) => {
                let mut words = request(write, FORMAT_DATA);
                words.extend(payload_words(payload));
                words
            }
            Kind::Completion(answer) => completion(answer, 0),
            Kind::CompletionData(answer, payload) => {
                let mut words = completion(answer, payload.len() / 4);
                words.extend(payload_words(payload));
                words
            }
            Kind::Other(words) => words.clone(),
        }
    }

    /// Reads a packet from the doublewords of a stream.
    ///
    /// # Errors
    /// A packet that ends early or late, or has a digest.
    pub fn decode(words: &[u32]) -> Result<Self, TlpError> {
        let &first = words.first().ok_or(TlpError::Short)?;
        let plain = |kind| Self {
            kind,
            poisoned: first & POISON != 0,
            traffic_class: (first >> 20 & 7) as u8,
            attributes: (first >> 12 & 3) as u8,
        };
        if first & FORMAT_PREFIX != 0 {
            return Ok(plain(Kind::Other(words.to_vec())));
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
        let payload = || {
            words[header..]
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect()
        };
        let kind = match (first >> 24 & 0x1f, has_data) {
            (0, _) => {
                let high = if header == 4 {
                    u64::from(words[2]) << 32
                } else {
                    0
                };
                let request = Request {
                    requester: Id((words[1] >> 16) as u16),
                    tag: (words[1] >> 8) as u8,
                    address: high | u64::from(words[header - 1] & !3),
                    dwords: dwords as u16,
                    first_be: (words[1] & 15) as u8,
                    last_be: (words[1] >> 4 & 15) as u8,
                };
                if has_data {
                    Kind::MemoryWrite(request, payload())
                } else {
                    Kind::MemoryRead(request)
                }
            }
            (TYPE_COMPLETION, _) if header == 3 => {
                let completion = Completion {
                    completer: Id((words[1] >> 16) as u16),
                    status: Status::from_code((words[1] >> 13) as u8),
                    byte_count: match words[1] & 0xfff {
                        0 => 4096,
                        count => count as u16,
                    },
                    requester: Id((words[2] >> 16) as u16),
                    tag: (words[2] >> 8) as u8,
                    lower_address: (words[2] & 0x7f) as u8,
                };
                if has_data {
                    Kind::CompletionData(completion, payload())
                } else {
                    Kind::Completion(completion)
                }
            }
            _ => Kind::Other(words.to_vec()),
        };
        Ok(plain(kind))
    }
}

fn payload_words(payload: &[u8]) -> impl Iterator<Item = u32> + '_ {
    payload.chunks(4).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_be_bytes(word)
    })
}
