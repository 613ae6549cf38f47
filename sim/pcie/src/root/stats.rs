//! What went over the link.

/// Traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Whole packets.
    pub packets: u64,
    /// Doublewords of headers.
    pub header_words: u64,
    /// Doublewords of payload.
    pub payload_words: u64,
    /// Beats that were taken.
    pub beats: u64,
    /// Cycles in which a beat was offered and not taken.
    pub stalled: u64,
    /// Cycles in which nothing was offered.
    pub idle: u64,
}

/// Traffic since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the root complex to the card.
    pub to_card: Direction,
    /// From the card to the root complex.
    pub from_card: Direction,
    /// Reads of the card.
    pub reads: u64,
    /// Bytes that reads of the card got.
    pub read_bytes: u64,
    /// Completions for them, with and without data.
    pub completions: u64,
    /// Most reads of the card that were under way at once.
    pub most_reads: usize,
    /// Writes of the card, interrupts not among them.
    pub writes: u64,
    /// Bytes that these wrote.
    pub write_bytes: u64,
    /// Interrupts.
    pub interrupts: u64,
    /// Writes of the card that memory refused. Nobody tells the card.
    pub refused_writes: u64,
    /// Reads of the card that memory refused.
    pub refused_reads: u64,
}
