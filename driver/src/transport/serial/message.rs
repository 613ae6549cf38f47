//! Messages as bytes.

use isa::error::FaultCause;
use isa::serial::{CardMessage, HostMessage, MAX_DATA};

/// Writes a register.
pub(super) fn write_register(offset: u16, value: u32) -> Vec<u8> {
    let mut message = vec![HostMessage::WriteRegister as u8];
    message.extend(offset.to_le_bytes());
    message.extend(value.to_le_bytes());
    message
}

/// Reads a register.
pub(super) fn read_register(offset: u16) -> Vec<u8> {
    let mut message = vec![HostMessage::ReadRegister as u8];
    message.extend(offset.to_le_bytes());
    message
}

/// Writes lines of the card's own memory.
pub(super) fn write_memory(address: u32, words: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut message = vec![HostMessage::WriteMemory as u8];
    message.extend(address.to_le_bytes());
    message.extend(words.flat_map(u32::to_le_bytes));
    message
}

/// Answers a read of the host's memory with lines.
pub(super) fn host_data(words: &[u32]) -> Vec<u8> {
    let mut message = vec![HostMessage::HostData as u8, 0];
    message.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    message
}

/// Answers a read of the host's memory that failed.
pub(super) fn no_host_data(cause: FaultCause) -> Vec<u8> {
    vec![HostMessage::HostData as u8, cause as u8 + 1]
}

/// Resets the card.
pub(super) fn reset() -> Vec<u8> {
    vec![HostMessage::Reset as u8]
}

/// A message of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromCard {
    /// Value of a register.
    Register(u32),
    /// It wants lines of the host's memory.
    ReadHost { address: u64, lines: u16 },
    /// It writes words of the host's memory.
    WriteHost { address: u64, words: Vec<u32> },
    /// Interrupts, bit `i` for queue `i`.
    Events(u8),
    /// A reset is over.
    ResetDone,
}

impl FromCard {
    /// Reads a message of a card with lines of `line` bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(message: &[u8], line: usize) -> Result<Self, String> {
        let Some((&kind, rest)) = message.split_first() else {
            return Err("an empty message".into());
        };
        const REGISTER: u8 = CardMessage::Register as u8;
        const READ_HOST: u8 = CardMessage::ReadHost as u8;
        const WRITE_HOST: u8 = CardMessage::WriteHost as u8;
        const EVENTS: u8 = CardMessage::Events as u8;
        const RESET_DONE: u8 = CardMessage::ResetDone as u8;
        const REFUSED: u8 = CardMessage::Refused as u8;
        match (kind, rest) {
            (REGISTER, &[a, b, c, d]) => Ok(Self::Register(u32::from_le_bytes([a, b, c, d]))),
            (READ_HOST, [address @ .., low, high]) => {
                let address = address.try_into().map(u64::from_le_bytes);
                let lines = u16::from_le_bytes([*low, *high]);
                match address {
                    Ok(address) if lines > 0 && address.is_multiple_of(line as u64) => {
                        Ok(Self::ReadHost { address, lines })
                    }
                    _ => Err("a malformed request to read memory".into()),
                }
            }
            (WRITE_HOST, [..]) => {
                let parts = rest.split_first_chunk().map(|(address, data)| {
                    let (words, tail) = data.as_chunks();
                    (u64::from_le_bytes(*address), words, tail, data.len())
                });
                match parts {
                    Some((address, words, [], 1..=MAX_DATA)) if address.is_multiple_of(4) => {
                        Ok(Self::WriteHost {
                            address,
                            words: words.iter().map(|word| u32::from_le_bytes(*word)).collect(),
                        })
                    }
                    _ => Err("a malformed write to memory".into()),
                }
            }
            (EVENTS, &[events]) => Ok(Self::Events(events)),
            (RESET_DONE, []) => Ok(Self::ResetDone),
            (REFUSED, &[kind]) => Err(format!("that it does not understand message {kind:#04x}")),
            _ => Err(format!("message {kind:#04x} of {} bytes", message.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_host_are_those_of_the_contract() {
        assert_eq!(write_register(0x0102, 0x0304_0506), [1, 2, 1, 6, 5, 4, 3]);
        assert_eq!(read_register(0x0102), [2, 2, 1]);
        assert_eq!(
            write_memory(0x0102_0304, [0x0506_0708].into_iter()),
            [3, 4, 3, 2, 1, 8, 7, 6, 5]
        );
        assert_eq!(host_data(&[0x0102_0304]), [5, 0, 4, 3, 2, 1]);
        assert_eq!(no_host_data(FaultCause::Unsupported), [5, 4]);
        assert_eq!(reset(), [6]);
    }

    #[test]
    fn messages_of_the_card_are_those_of_the_contract() {
        let good: [(&[u8], FromCard); 5] = [
            (&[0x81, 4, 3, 2, 1], FromCard::Register(0x0102_0304)),
            (
                &[0x83, 16, 0, 0, 0, 1, 0, 0, 0, 2, 1],
                FromCard::ReadHost {
                    address: 0x1_0000_0010,
                    lines: 0x102,
                },
            ),
            (
                &[0x84, 4, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1],
                FromCard::WriteHost {
                    address: 0x1_0000_0004,
                    words: vec![0x0102_0304],
                },
            ),
            (&[0x85, 3], FromCard::Events(3)),
            (&[0x86], FromCard::ResetDone),
        ];
        for (bytes, message) in good {
            assert_eq!(FromCard::decode(bytes, 16), Ok(message), "{bytes:x?}");
            let longer = [bytes, &[0]].concat();
            assert!(FromCard::decode(&longer, 16).is_err(), "{longer:x?}");
            let shorter = &bytes[..bytes.len() - 1];
            assert!(FromCard::decode(shorter, 16).is_err(), "{shorter:x?}");
        }
        for bytes in [
            // Nobody asked for the card's memory.
            &[0x82, 0][..],
            &[0x87, 1],
            &[0x88],
            &[1],
            // No lines, and an address between two lines.
            &[0x83, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0],
            &[0x83, 8, 0, 0, 0, 1, 0, 0, 0, 2, 1],
            // No words, half a word, an address in one.
            &[0x84, 4, 0, 0, 0, 1, 0, 0, 0],
            &[0x84, 4, 0, 0, 0, 1, 0, 0, 0, 4, 3],
            &[0x84, 2, 0, 0, 0, 1, 0, 0, 0, 4, 3, 2, 1],
        ] {
            assert!(FromCard::decode(bytes, 16).is_err(), "{bytes:x?}");
        }
        let mut long = vec![0x84, 4, 0, 0, 0, 1, 0, 0, 0];
        long.resize(9 + MAX_DATA + 4, 0);
        assert!(FromCard::decode(&long, 16).is_err());
        assert!(FromCard::decode(&long[..9 + MAX_DATA], 16).is_ok());
    }
}
