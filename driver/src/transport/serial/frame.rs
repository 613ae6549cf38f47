//! Frames as bytes: stuffing and check sequence (RFC 1662, section 4.2 and appendix C.3).
//!
//! ```text
//!   FLAG | kind sequence acknowledgement payload... crc crc crc crc | FLAG
//!          \------------------ FLAG and ESCAPE stuffed ------------/
//! ```

use isa::serial::{CRC_BYTES, ESCAPE, FLAG, FrameKind, HEADER_BYTES, MAX_PAYLOAD, STUFFING};

/// Bytes of a frame at most, before stuffing.
const MOST_BYTES: usize = HEADER_BYTES + MAX_PAYLOAD + CRC_BYTES;

/// A frame whose check sequence was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) sequence: u8,
    /// The sequence number that its sender expects next.
    pub(super) acknowledges: u8,
    pub(super) payload: Vec<u8>,
}

/// What stood between two flags is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoiled;

impl Frame {
    /// Appends the frame, stuffed, and the flag that ends it. The flag that begins it is that of the
    /// frame before, or the caller's.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let header = [self.kind as u8, self.sequence, self.acknowledges];
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        crc.update(&self.payload);
        let crc = crc.finalize().to_le_bytes();
        for &byte in header.iter().chain(&self.payload).chain(&crc) {
            match byte {
                FLAG | ESCAPE => out.extend([ESCAPE, byte ^ STUFFING]),
                _ => out.push(byte),
            }
        }
        out.push(FLAG);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Spoiled> {
        let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(Spoiled)?;
        let (header, payload) = content.split_first_chunk().ok_or(Spoiled)?;
        let [kind, sequence, acknowledges]: [u8; HEADER_BYTES] = *header;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return Err(Spoiled);
        }
        Ok(Self {
            kind: FrameKind::from_code(kind).ok_or(Spoiled)?,
            sequence,
            acknowledges,
            payload: payload.to_vec(),
        })
    }
}

/// Finds frames in bytes. Whatever comes, it understands again from the next flag on.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
    escaped: bool,
    /// What has come since the last flag cannot become a frame.
    spoiled: bool,
}

impl Decoder {
    /// Takes a byte; gives the frame that it ends.
    pub(super) fn push(&mut self, byte: u8) -> Option<Result<Frame, Spoiled>> {
        match byte {
            FLAG => return self.end(),
            ESCAPE if !self.escaped => self.escaped = true,
            // An escape is never stuffed by another.
            ESCAPE => self.spoiled = true,
            _ if self.bytes.len() == MOST_BYTES => self.spoiled = true,
            _ => {
                let stuffing = if self.escaped { STUFFING } else { 0 };
                self.bytes.push(byte ^ stuffing);
                self.escaped = false;
            }
        }
        None
    }

    fn end(&mut self) -> Option<Result<Frame, Spoiled>> {
        let spoiled = self.spoiled || self.escaped;
        let frame = match (spoiled, self.bytes.is_empty()) {
            (true, _) => Some(Err(Spoiled)),
            (false, true) => None,
            (false, false) => Some(Frame::decode(&self.bytes)),
        };
        self.bytes.clear();
        (self.escaped, self.spoiled) = (false, false);
        frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: FrameKind, payload: &[u8]) -> Frame {
        Frame {
            kind,
            sequence: 0x7e,
            acknowledges: 0x7d,
            payload: payload.to_vec(),
        }
    }

    fn decode(bytes: &[u8]) -> Vec<Result<Frame, Spoiled>> {
        let mut decoder = Decoder::default();
        bytes
            .iter()
            .filter_map(|&byte| decoder.push(byte))
            .collect()
    }

    #[test]
    fn a_frame_is_what_the_standard_says() {
        let mut bytes = vec![FLAG];
        frame(FrameKind::Ack, &[]).encode(&mut bytes);
        // The check value of 00 7e 7d, from the polynomial bit by bit.
        let mut crc = u32::MAX;
        for byte in [0x00, 0x7e, 0x7d] {
            crc ^= byte;
            for _ in 0..8 {
                let low = crc & 1;
                crc = (crc >> 1) ^ (low * isa::serial::CRC_POLYNOMIAL);
            }
        }
        let mut expected = vec![0x7e, 0x00, 0x7d, 0x5e, 0x7d, 0x5d];
        for byte in (!crc).to_le_bytes() {
            match byte {
                0x7e => expected.extend([0x7d, 0x5e]),
                0x7d => expected.extend([0x7d, 0x5d]),
                _ => expected.push(byte),
            }
        }
        expected.push(0x7e);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_no_frame_is_spoiled() {
        let short = [FLAG, 1, 2, 3, FLAG];
        let aborted = [FLAG, 1, ESCAPE, FLAG];
        let twice = [FLAG, ESCAPE, ESCAPE, 1, FLAG];
        for bytes in [&short[..], &aborted, &twice, &[ESCAPE, FLAG]] {
            assert_eq!(decode(bytes), [Err(Spoiled)], "{bytes:x?}");
        }
        assert_eq!(decode(&[FLAG; 9]), []);
        // Endless noise takes no memory, and the frame after it is understood.
        let mut decoder = Decoder::default();
        for _ in 0..1 << 16 {
            assert_eq!(decoder.push(0x55), None);
        }
        assert!(decoder.bytes.capacity() < 1 << 10);
        assert_eq!(decoder.push(FLAG), Some(Err(Spoiled)));
        let mut bytes = Vec::new();
        frame(FrameKind::Ping, &[]).encode(&mut bytes);
        let found: Vec<_> = bytes
            .iter()
            .filter_map(|&byte| decoder.push(byte))
            .collect();
        assert_eq!(found, [Ok(frame(FrameKind::Ping, &[]))]);
    }

    proptest! {
        #[test]
        fn frames_come_back(payloads in prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(FLAG), Just(ESCAPE), any::<u8>()], 0..=MAX_PAYLOAD),
            0..5,
        )) {
            let frames: Vec<_> = payloads.iter().map(|it| frame(FrameKind::Data, it)).collect();
            let mut bytes = vec![FLAG];
            frames.iter().for_each(|frame| frame.encode(&mut bytes));
            let found: Result<Vec<_>, _> = decode(&bytes).into_iter().collect();
            prop_assert_eq!(found, Ok(frames));
        }

        #[test]
        fn a_frame_with_a_wrong_bit_is_not_believed(
            payload in prop::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let good = frame(FrameKind::Data, &payload);
            let mut bytes = vec![FLAG];
            good.encode(&mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            bytes.push(FLAG);
            let found: Vec<_> = decode(&bytes).into_iter().flatten().collect();
            prop_assert!(found.is_empty(), "byte {} of {:x?} gives {:x?}", at, bytes, found);
        }
    }
}
