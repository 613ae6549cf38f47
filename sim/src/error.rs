//! What can go wrong with a simulated card.

use isa::config::ConfigError;

use crate::memory::ProtocolError;

/// Why a simulated card cannot be made or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No card has this shape.
    #[error("the card's configuration is wrong: {0}")]
    Config(#[from] ConfigError),
    /// The memory's settings make no sense.
    #[error("the memory's settings are wrong: {0}")]
    Memory(&'static str),
    /// The settings of the link make no sense.
    #[error("the settings of the link are wrong: {0}")]
    Link(&'static str),
    /// There is no room for the card's own memory.
    #[error("no room for the card's own memory: {0}")]
    CardMemory(std::io::Error),
    /// The card's configuration space cannot be as the configuration asks.
    #[error("the card's configuration space: {0}")]
    Endpoint(&'static str),
    /// The RTL of this shape could not be emitted.
    #[error("the RTL cannot be emitted: {0}")]
    Rtl(String),
    /// The RTL could not be turned into a model, or the model lacks a port.
    #[error(transparent)]
    Verilate(#[from] verilate::Error),
    /// A port of the model has another width than the configuration asks for.
    #[error("port `{port}` of the model is {found} bits wide, not {needed}")]
    Width {
        /// Name of the port.
        port: &'static str,
        /// Width in the model.
        found: u32,
        /// Width that belongs there.
        needed: u32,
    },
    /// Nowhere to keep built models.
    #[error("no folder for built models: set SYSTOLE_CACHE to one, or HOME")]
    NoCache,
    /// The card broke a rule of its memory port: a bug in the RTL. The card is of no use any more.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}
