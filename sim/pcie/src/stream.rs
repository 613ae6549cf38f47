//! Packets as beats of a stream, as a hard block of Xilinx' 7 series gives them.
//!
//! A beat carries 2 or 4 doublewords. The first doubleword of a packet is word 0 of its first beat;
//! no two packets share a beat. Headers stand as numbers (bits 31:24 of a word are the byte that is
//! sent first), payload stands in the same order of bytes: the byte of the lowest address is in
//! bits 31:24.

/// Most doublewords of a beat.
pub const MAX_BEAT_WORDS: usize = 4;

/// What a stream carries in one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Doublewords, the first in front.
    pub data: [u32; MAX_BEAT_WORDS],
    /// Which of them count: bit `i` for word `i`. Always the lowest ones, all but in the last beat.
    pub keep: u8,
    /// Last beat of its packet.
    pub last: bool,
}

/// Cuts a packet into beats of `words` doublewords.
pub fn beats(packet: &[u32], words: usize) -> Vec<Beat> {
    let count = packet.len().div_ceil(words);
    packet
        .chunks(words)
        .enumerate()
        .map(|(index, chunk)| {
            let mut beat = Beat {
                keep: u8::MAX >> (8 - chunk.len()),
                last: index + 1 == count,
                ..Beat::default()
            };
            beat.data[..chunk.len()].copy_from_slice(chunk);
            beat
        })
        .collect()
}

/// Joins beats to packets.
#[derive(Clone, Debug, Default)]
pub struct Joiner {
    packet: Vec<u32>,
}

impl Joiner {
    /// Takes a beat; gives the packet that it ends.
    pub fn push(&mut self, beat: &Beat) -> Option<Vec<u32>> {
        let words = beat.keep.trailing_ones() as usize;
        self.packet
            .extend_from_slice(&beat.data[..words.min(MAX_BEAT_WORDS)]);
        beat.last.then(|| std::mem::take(&mut self.packet))
    }
}
