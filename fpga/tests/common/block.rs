//! The hard block's side of its packet interface, byte by byte as its manual draws it (UG477,
//! transaction interface of 64 bits): the first byte of a packet on the wire is in bits 63:56 of the
//! first beat, and the remainder tells whether the lower half of the last beat counts.

use std::collections::VecDeque;

use super::{Bench, Random};

/// A beat of the block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockBeat {
    pub data: u64,
    pub first: bool,
    pub last: bool,
    pub whole: bool,
    /// The packet is broken off.
    pub broken: bool,
    /// Windows that it hits.
    pub bar: u8,
}

/// The bytes of a packet on the wire: doublewords in their order, most significant byte first.
pub fn wire(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Cuts the bytes of a packet into beats.
pub fn cut(bytes: &[u8], bar: u8) -> Vec<BlockBeat> {
    let count = bytes.len().div_ceil(8);
    let beats = bytes.chunks(8).enumerate().map(|(index, chunk)| {
        let mut data = 0;
        for (place, byte) in chunk.iter().enumerate() {
            data |= u64::from(*byte) << (56 - 8 * place);
        }
        BlockBeat {
            data,
            first: index == 0,
            last: index + 1 == count,
            whole: chunk.len() == 8,
            broken: false,
            bar,
        }
    });
    beats.collect()
}

/// Offers beats to a design at its ports `PREFIX_*`.
#[derive(Default)]
pub struct BlockSource {
    queue: VecDeque<BlockBeat>,
    offered: Option<BlockBeat>,
}

impl BlockSource {
    /// Queues beats.
    pub fn push(&mut self, beats: impl IntoIterator<Item = BlockBeat>) {
        self.queue.extend(beats);
    }

    /// Beats that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Sets the inputs of a cycle. What is offered stays; what is not offered is anything.
    pub fn drive(&mut self, bench: &mut Bench, prefix: &str, random: &mut Random, gaps: u64) {
        let go = self.offered.is_some() || random.below(100) >= gaps;
        self.offered = self.queue.front().copied().filter(|_| go);
        let noise = random.next();
        let beat = self.offered.unwrap_or(BlockBeat {
            data: noise,
            first: noise & 1 == 1,
            last: noise & 2 == 2,
            whole: noise & 4 == 4,
            broken: false,
            bar: noise as u8,
        });
        for (name, value) in [
            ("valid", self.offered.is_some().into()),
            ("data", beat.data),
            ("first", beat.first.into()),
            ("last", beat.last.into()),
            ("whole", beat.whole.into()),
            ("broken", beat.broken.into()),
            ("bar", beat.bar.into()),
        ] {
            bench.set(&format!("{prefix}_{name}"), value);
        }
    }

    /// Sees whether the beat was taken, after the outputs have settled.
    pub fn settle(&mut self, bench: &Bench, prefix: &str) -> Option<BlockBeat> {
        let ready = bench.get(&format!("{prefix}_ready")) == 1;
        let taken = self.offered.take_if(|_| ready)?;
        self.queue.pop_front();
        Some(taken)
    }
}

/// Takes beats from a design at its ports `PREFIX_*` and joins them to the bytes of packets.
#[derive(Default)]
pub struct BlockSink {
    ready: bool,
    offered: Option<BlockBeat>,
    bytes: Vec<u8>,
    inside: bool,
}

impl BlockSink {
    /// Is ready or is not.
    pub fn drive(&mut self, bench: &mut Bench, prefix: &str, random: &mut Random, stalls: u64) {
        self.ready = random.below(100) >= stalls;
        bench.set(&format!("{prefix}_ready"), self.ready.into());
    }

    /// Looks at the outputs; gives a packet that ends.
    ///
    /// # Panics
    /// If the design breaks a rule of the interface.
    pub fn settle(&mut self, bench: &Bench, prefix: &str) -> Option<Vec<u8>> {
        let get = |name: &str| bench.get(&format!("{prefix}_{name}"));
        if get("valid") == 0 {
            assert_eq!(self.offered, None, "a beat was withdrawn");
            return None;
        }
        let beat = BlockBeat {
            data: get("data"),
            first: get("first") == 1,
            last: get("last") == 1,
            whole: get("whole") == 1,
            ..BlockBeat::default()
        };
        assert!(self.offered.is_none_or(|before| before == beat), "{beat:?}");
        self.offered = (!self.ready).then_some(beat);
        if !self.ready {
            return None;
        }
        assert_eq!(beat.first, !self.inside, "{beat:?}");
        assert!(beat.whole || beat.last, "{beat:?}");
        self.inside = !beat.last;
        let count = if beat.whole { 8 } else { 4 };
        self.bytes.extend(&beat.data.to_be_bytes()[..count]);
        beat.last.then(|| std::mem::take(&mut self.bytes))
    }

    /// A part of a packet has come.
    pub fn is_inside(&self) -> bool {
        self.inside
    }
}
