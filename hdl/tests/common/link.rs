//! Packets on their way to and from a block: streams with gaps and stalls, random packets, and
//! what a packet means, told by the packet codec and the rules of the specification.

use std::collections::VecDeque;

use pcie::stream::{Beat, Joiner, beats};
use pcie::tlp::{Id, Kind, Request, Tlp};
use verilate::PortRef;

use super::{Bench, Rng};

/// Bus, device and function of the card in all tests.
pub const CARD_ID: u16 = 0x0341;
/// Hits of the windows: registers, memory, and none.
pub const BARS: [u8; 3] = [1, 4, 0];

/// Puts packets onto the received stream.
pub struct Source {
    valid: PortRef,
    ready: PortRef,
    last: PortRef,
    keep: PortRef,
    bar: PortRef,
    data: Vec<PortRef>,
    words: usize,
    queue: VecDeque<(Beat, u8)>,
    offered: bool,
    /// Beats taken.
    pub taken: usize,
    /// The last beat taken ended its packet, or none was taken.
    pub between: bool,
}

impl Source {
    /// For the ports `rx_*`.
    pub fn new(bench: &Bench, words: usize) -> Self {
        Self {
            valid: bench.port("rx_valid"),
            ready: bench.port("rx_ready"),
            last: bench.port("rx_last"),
            keep: bench.port("rx_keep"),
            bar: bench.port("rx_bar"),
            data: bench.ports("rx_data", words),
            words,
            queue: VecDeque::new(),
            offered: false,
            taken: 0,
            between: true,
        }
    }

    /// Beats that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Words of a beat.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Queues a packet.
    pub fn push(&mut self, packet: &[u32], bar: u8) {
        self.push_beats(beats(packet, self.words), bar);
    }

    /// Queues a packet of any beats.
    pub fn push_beats(&mut self, beats: Vec<Beat>, bar: u8) {
        // The BAR counts with the first beat only.
        for (index, beat) in beats.into_iter().enumerate() {
            self.queue
                .push_back((beat, if index == 0 { bar } else { 0x7f }));
        }
    }

    /// Sets the inputs of a cycle: what is offered stays offered.
    pub fn drive(&mut self, bench: &mut Bench, go: bool) {
        let beat = self.queue.front().filter(|_| go || self.offered);
        self.offered = beat.is_some();
        bench.model.set(self.valid, self.offered.into());
        if let Some((beat, bar)) = beat {
            bench.model.set(self.last, beat.last.into());
            bench.model.set(self.keep, beat.keep.into());
            bench.model.set(self.bar, (*bar).into());
            for (port, word) in self.data.iter().zip(beat.data) {
                bench.model.set(*port, word.into());
            }
        }
    }

    /// Forgets everything, a packet of which a part was taken too.
    pub fn reset(&mut self) {
        self.queue.clear();
        self.offered = false;
        self.between = true;
    }

    /// Takes an offered beat back.
    pub fn hold(&mut self) {
        self.offered = false;
    }

    /// The packets of which nothing was taken.
    pub fn untouched(&self) -> Vec<(Vec<u32>, u8)> {
        let mut joiner = Joiner::default();
        let mut skip = !self.between;
        let mut first = None;
        let mut packets = vec![];
        for (beat, bar) in &self.queue {
            let bar = *first.get_or_insert(*bar);
            if let Some(packet) = joiner.push(beat) {
                if !skip {
                    packets.push((packet, bar));
                }
                skip = false;
                first = None;
            }
        }
        packets
    }

    /// Sees whether the beat was taken, after the outputs have settled.
    pub fn settle(&mut self, bench: &Bench) {
        if self.offered && bench.model.get(self.ready) == 1 {
            self.offered = false;
            self.taken += 1;
            if let Some((beat, _)) = self.queue.pop_front() {
                self.between = beat.last;
            }
        }
    }
}

/// Takes packets off a sent stream and watches that the stream keeps its rules.
pub struct Sink {
    valid: PortRef,
    ready: PortRef,
    last: PortRef,
    keep: PortRef,
    data: Vec<PortRef>,
    words: usize,
    joiner: Joiner,
    go: bool,
    inside: bool,
    offered: Option<Beat>,
    may_withdraw: bool,
    /// Cycles without a beat inside of packets.
    pub gaps: usize,
}

impl Sink {
    /// For the ports `<name>_*`. A sink that `may_withdraw` allows that a packet is taken back
    /// before its first beat is taken.
    pub fn new(bench: &Bench, name: &str, words: usize, may_withdraw: bool) -> Self {
        let port = |end: &str| bench.port(&format!("{name}_{end}"));
        Self {
            valid: port("valid"),
            ready: port("ready"),
            last: port("last"),
            keep: port("keep"),
            data: bench.ports(&format!("{name}_data"), words),
            words,
            joiner: Joiner::default(),
            go: false,
            inside: false,
            offered: None,
            may_withdraw,
            gaps: 0,
        }
    }

    /// Sets the input of a cycle.
    pub fn drive(&mut self, bench: &mut Bench, go: bool) {
        self.go = go;
        bench.model.set(self.ready, go.into());
    }

    /// Takes a beat if there is one; gives the packet that it ends.
    pub fn settle(&mut self, bench: &Bench) -> Option<Vec<u32>> {
        let model = &bench.model;
        let withdrawn = self.may_withdraw && !self.inside;
        if model.get(self.valid) == 0 {
            assert!(self.offered.is_none() || withdrawn, "what is offered stays");
            self.offered = None;
            self.gaps += usize::from(self.inside);
            return None;
        }
        let mut beat = Beat {
            keep: model.get(self.keep) as u8,
            last: model.get(self.last) == 1,
            ..Beat::default()
        };
        let count = beat.keep.count_ones() as usize;
        assert!((1..=self.words).contains(&count), "a beat has words");
        assert_eq!(beat.keep, u8::MAX >> (8 - count), "the lowest words count");
        assert!(
            beat.last || count == self.words,
            "all but the last beat are full"
        );
        for (word, port) in beat.data[..count].iter_mut().zip(&self.data) {
            *word = model.get(*port) as u32;
        }
        assert!(
            self.offered.is_none_or(|old| old == beat) || withdrawn,
            "what is offered stays"
        );
        self.offered = (!self.go).then_some(beat);
        if !self.go {
            return None;
        }
        self.inside = !beat.last;
        self.joiner.push(&beat)
    }

    /// A packet has begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// Forgets what a reset has cut off.
    pub fn reset(&mut self) {
        self.joiner = Joiner::default();
        self.inside = false;
        self.offered = None;
    }
}

/// What a packet does to the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// Bytes are written into a window.
    Write(Request, Vec<u8>),
    /// A completion is wanted.
    Ask(Ask),
    /// It is a completion for the card.
    Completion(Tlp),
}

/// A request that wants a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// For what is no read of memory: bytes and address as its completion tells them.
    pub request: Request,
    /// A read that a window may answer.
    pub readable: bool,
    /// A locked read.
    pub locked: bool,
    /// Traffic class.
    pub traffic_class: u8,
    /// Attributes.
    pub attributes: u8,
}

/// Whether the byte enables keep section 2.2.5.
pub fn bytes_are_legal(request: &Request) -> bool {
    let (first, last) = (request.first_be, request.last_be);
    // Enabled bytes reach up to the end of the first doubleword, and from the start of the last.
    let to_end =
        first != 0 && first.leading_zeros() == 4 && (first << first.trailing_zeros()) != 0 && {
            let run = first >> first.trailing_zeros();
            run & (run + 1) == 0
        };
    let from_start = last & 1 == 1 && last & (last + 1) == 0;
    match (request.dwords, request.address % 8) {
        (1, _) => last == 0,
        (2, 0) => first != 0 && last != 0,
        _ => to_end && from_start,
    }
}

/// What a well-cut packet does.
pub fn effect(words: &[u32], bar: u8) -> Effect {
    let Ok(tlp) = Tlp::decode(words) else {
        return Effect::Nothing;
    };
    let ask = |request: Request, readable: bool, locked: bool| {
        Effect::Ask(Ask {
            request,
            readable,
            locked,
            traffic_class: tlp.traffic_class,
            attributes: tlp.attributes,
        })
    };
    match &tlp.kind {
        Kind::MemoryRead(request) if bytes_are_legal(request) => ask(*request, bar & 5 != 0, false),
        Kind::MemoryWrite(request, payload)
            if bytes_are_legal(request) && !tlp.poisoned && bar & 5 != 0 =>
        {
            Effect::Write(*request, payload.clone())
        }
        Kind::Completion(completion) | Kind::CompletionData(completion, _)
            if completion.requester.0 == CARD_ID =>
        {
            Effect::Completion(tlp)
        }
        Kind::Other(words) if words[0] >> 31 == 0 => other(words)
            .map_or(Effect::Nothing, |(request, locked)| {
                ask(request, false, locked)
            }),
        _ => Effect::Nothing,
    }
}

/// Requests that a memory card never grants, with what their completions tell.
fn other(words: &[u32]) -> Option<(Request, bool)> {
    let (kind, wide, data) = (
        words[0] >> 24 & 31,
        words[0] >> 29 & 1 == 1,
        words[0] >> 30 & 1 == 1,
    );
    let dwords = match words[0] & 0x3ff {
        0 => 1024,
        count => count as u16,
    };
    let (first_be, last_be) = ((words[1] & 15) as u8, (words[1] >> 4 & 15) as u8);
    let address = match wide {
        true => u64::from(words[2]) << 32 | u64::from(words[3]),
        false => u64::from(words[2]),
    };
    let request = Request {
        requester: Id((words[1] >> 16) as u16),
        tag: (words[1] >> 8) as u8,
        address: address & !3,
        dwords,
        first_be,
        last_be,
    };
    let operand = |dwords: u16| Request {
        address: 0,
        dwords,
        first_be: 15,
        last_be: if dwords == 1 { 0 } else { 15 },
        ..request
    };
    match kind {
        0b00001 if !data && bytes_are_legal(&request) => Some((request, true)),
        0b00010 | 0b00100 | 0b00101 if !wide && dwords == 1 && last_be == 0 => {
            Some((operand(1), false))
        }
        0b01100 | 0b01101 if data && [1, 2].contains(&dwords) => Some((operand(dwords), false)),
        0b01110 if data && [2, 4, 8].contains(&dwords) => Some((operand(dwords / 2), false)),
        _ => None,
    }
}

/// Random byte enables that are legal for a request of this address and length.
pub fn byte_enables(rng: &mut Rng, address: u64, dwords: u16) -> (u8, u8) {
    let any = |rng: &mut Rng| 1 + rng.below(15) as u8;
    match (dwords, address % 8) {
        (1, _) => (rng.below(16) as u8, 0),
        (2, 0) => (any(rng), any(rng)),
        _ if rng.chance(50) => (15, 15),
        _ => (15 << rng.below(4) & 15, 15 >> rng.below(4)),
    }
}

/// A length that is often short and now and then long.
pub fn length(rng: &mut Rng) -> u16 {
    (match rng.below(16) {
        0 => 1 + rng.below(1024),
        1 => [1024, 1023, 128, 129][rng.below(4) as usize],
        2..=5 => 1 + rng.below(70),
        6..=9 => 1,
        _ => 1 + rng.below(9),
    }) as u16
}

/// A random request: doublewords and address as asked for.
pub fn request(rng: &mut Rng, address: u64, dwords: u16) -> Request {
    let (first_be, last_be) = byte_enables(rng, address, dwords);
    Request {
        requester: Id(rng.next() as u16),
        tag: rng.next() as u8,
        address,
        dwords,
        first_be,
        last_be,
    }
}

/// Random bytes.
pub fn bytes(rng: &mut Rng, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend_from_slice(&rng.next().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A packet with random class and attributes.
pub fn packet(rng: &mut Rng, kind: Kind) -> Tlp {
    Tlp {
        traffic_class: rng.below(8) as u8,
        attributes: rng.below(4) as u8,
        ..Tlp::new(kind)
    }
}

/// A legal request of a kind that is refused or has no effect.
pub fn unusual(rng: &mut Rng, address: u64) -> Vec<u32> {
    let (first_be, _) = byte_enables(rng, address, 1);
    let id = (rng.next() as u32) << 8;
    let wide = rng.chance(30);
    let address_words = |wide: bool| match wide {
        true => vec![7, address as u32 & !3],
        false => vec![address as u32 & !3],
    };
    let mut build = |format: u32, kind: u32, wide: bool, dwords: u32, low: u32| {
        let size = if wide { 1 << 29 } else { 0 };
        let mut words = vec![format << 30 | size | kind << 24 | dwords, id | low];
        words.extend(address_words(wide));
        if format == 1 {
            words.extend((0..dwords).map(|_| rng.next() as u32));
        }
        words
    };
    let one = u32::from(first_be);
    match (address >> 4) % 10 {
        0 => build(0, 0b00001, wide, 1, one),
        1 => build(0, 0b00001, wide, 7, 0xff),
        2 => build(0, 0b00010, false, 1, one),
        3 => build(1, 0b00010, false, 1, one),
        4 => build(0, 0b00100, false, 1, one),
        5 => build(1, 0b00101, false, 1, one),
        6 => build(1, 0b01100, wide, 2, 0xff),
        7 => build(1, 0b01101, wide, 1, 0x0f),
        8 => build(1, 0b01110, wide, 8, 0xff),
        // A message, which has no effect.
        _ => build(1, 0b10100, true, 1, 0x50),
    }
}

/// Spoils a packet.
pub fn spoil(rng: &mut Rng, words: &mut Vec<u32>) {
    match rng.below(9) {
        0 => {
            let keep = 1 + rng.below(words.len() as u64) as usize;
            words.truncate(keep);
        }
        1 => {
            let more = 1 + rng.below(12);
            words.extend((0..more).map(|_| rng.next() as u32));
        }
        2 => words[0] ^= 1 << rng.below(32),
        3 => words[1] ^= 1 << rng.below(8),
        4 => words[0] ^= 1 << 15,
        5 => words[0] = words[0] & 0x00ff_ffff | (rng.next() as u32) << 24,
        6 => {
            let count = 1 + rng.below(20) as usize;
            *words = (0..count).map(|_| rng.next() as u32).collect();
        }
        7 => words[0] = words[0] & !0x3ff | rng.below(1024) as u32,
        _ => {
            let at = rng.below(words.len().min(4) as u64) as usize;
            words[at] = rng.next() as u32;
        }
    }
}

/// Spoils the cut of a packet: a beat in the middle is not full, or has no words, or holes.
pub fn spoil_beats(rng: &mut Rng, beats: &mut [Beat], words: usize) {
    let at = rng.below(beats.len() as u64) as usize;
    let full = u8::MAX >> (8 - words);
    let legal = |keep: u8| keep != 0 && keep <= full && keep & (keep + 1) == 0;
    let old = beats[at].keep;
    loop {
        let keep = rng.below(16) as u8;
        if keep != old && (!legal(keep) || !beats[at].last) {
            beats[at].keep = keep;
            return;
        }
    }
}
