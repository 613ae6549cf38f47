//! The PCI Express endpoint alone, for a bench that plays the hard block and the card.

use crate::buses::{Added, bursts, wrap};
use crate::emit::{EmitError, Emitted, emit};
use crate::pcie::Endpoint;

/// Name of the top module.
pub const ENDPOINT_TOP: &str = "systole_endpoint";

/// Verilog of an [`Endpoint`] with the arguments of [`Endpoint::new`]; the top module is
/// [`ENDPOINT_TOP`].
///
/// Words of streams and lines are joined to buses, and `w_*`, the port to card memory, is a
/// complete AXI4 master whose bursts all have identifier 0.
///
/// # Errors
/// Names the module whose kernel cannot be printed.
///
/// # Panics
/// If no endpoint can be made of the arguments.
pub fn emit_endpoint(
    words: usize,
    port_bytes: usize,
    vectors: usize,
    memory_log2: Option<u32>,
    rest_timeout: u32,
) -> Result<Emitted, EmitError> {
    let block = Box::new(Endpoint::new(
        words,
        port_bytes,
        vectors,
        memory_log2,
        rest_timeout,
    ));
    let emitted = emit(block.as_ref(), "endpoint")?;
    let mut added = bursts("w", port_bytes);
    for channel in ["ar", "aw"] {
        added.push((format!("w_{channel}id"), Added::Constant(1, 0)));
    }
    added.push(("w_rid".into(), Added::Ignored(1)));
    added.push(("w_rlast".into(), Added::Ignored(1)));
    added.push(("w_bid".into(), Added::Ignored(1)));
    added.push(("w_bresp".into(), Added::Ignored(2)));
    Ok(wrap(emitted, ENDPOINT_TOP, &added))
}
