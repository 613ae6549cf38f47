//! Why an access to host memory failed, as `r_user` and `b_user` name it.

/// No answer came in time.
pub const TIMEOUT: u64 = 1;
/// The answer is marked as wrong.
pub const POISONED: u64 = 2;
/// Nobody at this address understood the request.
pub const UNSUPPORTED: u64 = 3;
/// The one at this address gave up.
pub const ABORT: u64 = 4;
/// The function may not ask.
pub const BUS_MASTER_OFF: u64 = 5;
