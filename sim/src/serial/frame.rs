//! Frames, as the card makes and finds them.

use isa::serial::{CRC_POLYNOMIAL, ESCAPE, FLAG, MAX_PAYLOAD, STUFFING};

/// Bytes of a frame at most, between its flags and without stuffing.
const LONGEST: usize = 3 + MAX_PAYLOAD + 4;
/// What the check sequence of a frame and of the sequence itself leaves behind.
const GOOD: u32 = 0xdebb_20e3;

/// A frame, whatever it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Code of its kind.
    pub kind: u8,
    /// Sequence number.
    pub sequence: u8,
    /// Acknowledgement.
    pub acknowledges: u8,
    /// Payload.
    pub payload: Vec<u8>,
}

fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            let shifted = crc >> 1;
            if crc & 1 == 1 {
                shifted ^ CRC_POLYNOMIAL
            } else {
                shifted
            }
        })
    })
}

/// The bytes of a frame, with a flag before and behind.
pub fn frame(frame: &Frame) -> Vec<u8> {
    let mut plain = vec![frame.kind, frame.sequence, frame.acknowledges];
    plain.extend_from_slice(&frame.payload);
    let crc = !check(&plain);
    plain.extend(crc.to_le_bytes());
    let mut bytes = vec![FLAG];
    for byte in plain {
        if byte == FLAG || byte == ESCAPE {
            bytes.push(ESCAPE);
            bytes.push(byte ^ STUFFING);
        } else {
            bytes.push(byte);
        }
    }
    bytes.push(FLAG);
    bytes
}

/// Finds frames in bytes that come one by one.
#[derive(Clone, Debug, Default)]
pub struct Unframer {
    plain: Vec<u8>,
    after_escape: bool,
    is_bad: bool,
}

impl Unframer {
    /// Takes a byte. At the end of a frame gives it, or `None` inside when it is spoiled.
    pub fn take(&mut self, byte: u8) -> Option<Option<Frame>> {
        if byte == FLAG {
            let plain = std::mem::take(&mut self.plain);
            let bad = std::mem::take(&mut self.is_bad) | std::mem::take(&mut self.after_escape);
            if plain.is_empty() && !bad {
                return None;
            }
            if bad || plain.len() < 7 || check(&plain) != GOOD {
                return Some(None);
            }
            return Some(Some(Frame {
                kind: plain[0],
                sequence: plain[1],
                acknowledges: plain[2],
                payload: plain[3..plain.len() - 4].to_vec(),
            }));
        }
        if self.plain.len() >= LONGEST {
            self.is_bad = true;
        } else if byte == ESCAPE {
            self.is_bad |= self.after_escape;
            self.after_escape = true;
        } else {
            let stuffing = if self.after_escape { STUFFING } else { 0 };
            self.after_escape = false;
            self.plain.push(byte ^ stuffing);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sequence_is_that_of_ethernet() {
        // The check value of the catalogues.
        assert_eq!(!check(b"123456789"), 0xcbf4_3926);
    }
}
