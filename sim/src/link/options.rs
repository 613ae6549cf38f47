//! How a card behind PCIe is simulated.

use pcie::root;

use crate::memory::MemoryOptions;

/// How an [`super::RtlCard`] is simulated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkOptions {
    /// Whether [`super::RtlCard::trace`] can write waveforms, which costs some speed.
    pub fst: bool,
    /// The link and what is at its other end. `root.words` is a property of the card: another
    /// width is another model.
    pub root: root::Options,
    /// The card's own memory.
    pub memory: MemoryOptions,
    /// Settles the card's pins a second time in every cycle and demands that nothing that it drives
    /// depends on what it is given in the same cycle. Costs speed; for tests of the RTL.
    pub audit: bool,
}
