//! Frames as text: what prjxray's programs read and write.

use std::fmt::Write as _;

use super::{FRAME_WORDS, Frames, FramesError};

impl Frames {
    /// One line a frame: its address and all words, as `xc7frames2bit` reads them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (address, words) in &self.0 {
            let words: Vec<String> = words.iter().map(|word| format!("0x{word:08X}")).collect();
            let _ = writeln!(text, "0x{address:08X} {}", words.join(","));
        }
        text
    }

    /// Reads the bits that `bitread -y` lists: `bit_FRAME_WORD_BIT`.
    ///
    /// # Errors
    /// A line is something else.
    pub fn read(text: &str) -> Result<Self, FramesError> {
        let mut frames = Self::default();
        for line in text.split_whitespace() {
            let (frame, word, bit) =
                bit(line).ok_or_else(|| FramesError::Bits(line.to_string()))?;
            frames.set(frame, word, bit);
        }
        Ok(frames)
    }

    /// How many bits are set.
    pub fn count(&self) -> u32 {
        let words = self.0.values().flatten();
        words.map(|word| word.count_ones()).sum()
    }

    /// The first bit in which other frames differ from these.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let none = [0; FRAME_WORDS];
        let mut addresses: Vec<&u32> = self.0.keys().chain(other.0.keys()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            let ours = self.0.get(address).unwrap_or(&none);
            let theirs = other.0.get(address).unwrap_or(&none);
            let differs = ours.iter().zip(theirs).position(|(a, b)| a != b);
            if let Some(word) = differs {
                return Some(format!(
                    "word {word} of frame 0x{address:08x} is 0x{:08x}, not 0x{:08x}",
                    theirs[word], ours[word]
                ));
            }
        }
        None
    }
}

fn bit(line: &str) -> Option<(u32, usize, u32)> {
    let mut parts = line.strip_prefix("bit_")?.split('_');
    let frame = u32::from_str_radix(parts.next()?, 16).ok()?;
    let word = parts
        .next()?
        .parse()
        .ok()
        .filter(|word| *word < FRAME_WORDS)?;
    let bit = parts.next()?.parse().ok().filter(|bit| *bit < 32)?;
    parts.next().is_none().then_some((frame, word, bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_are_read_are_written() {
        let frames = Frames::read("bit_00020080_000_31\nbit_00020080_100_00\n").unwrap();
        assert_eq!(frames.count(), 2);
        let text = frames.text();
        assert!(
            text.starts_with("0x00020080 0x80000000,0x00000000,"),
            "{text}"
        );
        assert!(text.ends_with(",0x00000001\n"), "{text}");
        assert_eq!(text.matches(',').count(), FRAME_WORDS - 1);
        for odd in [
            "bit_0_101_0",
            "bit_0_0_32",
            "bit_x_0_0",
            "0_0_0",
            "bit_0_0",
            "bit_0_0_0_0",
        ] {
            assert!(Frames::read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn differences_are_told() {
        let frames = |text| Frames::read(text).unwrap();
        let one = frames("bit_00000001_002_03");
        assert_eq!(one.difference(&one), None);
        let text = one.difference(&Frames::default()).unwrap();
        assert!(text.contains("word 2 of frame 0x00000001 is 0x00000000, not 0x00000008"));
        assert!(Frames::default().difference(&one).is_some());
        assert!(
            one.difference(&frames("bit_00000001_002_03 bit_00000002_0_0"))
                .is_some()
        );
    }
}
