//! The ways in which a mesh multiplies.

use isa::config::Datapaths;

/// How the cells of a [`Mesh`](super::Mesh) make their products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A multiplier for each weight: [`Products`](super::Products).
    Dense,
    /// Each weight chooses one of four activations: [`ChosenProducts`](super::ChosenProducts).
    TwoOfFour,
    /// A multiplier for two weights: [`PackedProducts`](super::PackedProducts).
    Packed,
}

impl Kind {
    /// The kind of a card with these datapaths.
    pub fn of(datapaths: &Datapaths) -> Self {
        if datapaths.two_four {
            Self::TwoOfFour
        } else if datapaths.packed_products {
            Self::Packed
        } else {
            Self::Dense
        }
    }

    /// Activations that a pair of rows takes in a cycle.
    pub fn lanes(self) -> usize {
        match self {
            Self::Dense | Self::Packed => 2,
            Self::TwoOfFour => 4,
        }
    }

    /// Cycles from the activations of a pair of rows to the sums of their products.
    pub fn product_cycles(self) -> usize {
        match self {
            Self::Dense => 2,
            Self::TwoOfFour | Self::Packed => 3,
        }
    }

    /// Whether weights choose their activations.
    pub fn chooses(self) -> bool {
        self == Self::TwoOfFour
    }

    /// Cycles that weights come behind their indices in the cells.
    pub fn weight_lag(self) -> usize {
        usize::from(self.chooses())
    }

    /// Whether a weight of -128 counts as -127, because two weights share a multiplier.
    pub fn saturates(self) -> bool {
        self == Self::Packed
    }
}
