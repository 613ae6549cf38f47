//! Times of a card that its registers do not tell.

/// Times in cycles. The defaults are those of the simulated card with its default memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From the request of a line to its arrival, and from a write to its answer.
    pub latency: f64,
    /// From the last row that a GEMM takes to the moment at which its sums can be stored, beyond
    /// the way through the array (one cycle for each two of its rows and columns).
    pub gemm_tail: f64,
    /// From the start of a STORE to its first line.
    pub store_head: f64,
    /// From doorbell to the request of the submission, and between two steps of the front end
    /// that memory does not determine.
    pub step: f64,
    /// Commands that the front end fetches ahead.
    pub fetch_ahead: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            latency: 100.0,
            gemm_tail: 13.0,
            store_head: 12.0,
            step: 4.0,
            fetch_ahead: 8,
        }
    }
}
