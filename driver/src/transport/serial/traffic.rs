//! What went over a line.

use serde::Serialize;

/// Sums since the line was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Bytes to the card, everything included.
    pub bytes_sent: u64,
    /// Bytes from the card.
    pub bytes_received: u64,
    /// Messages to the card, each once.
    pub messages_sent: u64,
    /// Messages from the card.
    pub messages_received: u64,
    /// Bytes that were written to the card's own memory: weights that stay there.
    pub card_memory_bytes: u64,
    /// Bytes of the host's memory that the card read.
    pub host_bytes_read: u64,
    /// Bytes of the host's memory that the card wrote.
    pub host_bytes_written: u64,
    /// Frames to the card that were sent again.
    pub frames_repeated: u64,
    /// Frames from the card that came spoiled.
    pub frames_spoiled: u64,
}
