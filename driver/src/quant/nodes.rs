//! Names of the linear layers of an encoder layer, whole and in parts.

use std::fmt;

/// A linear layer of an encoder layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Query, key and value projections, one above the other.
    Qkv,
    /// Projection of what attention gives.
    AttentionOutput,
    /// First linear layer of the feed-forward part.
    FfnIn,
    /// Second linear layer of the feed-forward part.
    FfnOut,
}

/// A product with weights: a linear layer, or a part of the fused projection where its parts have
/// encodings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Query, key and value projections together.
    Qkv,
    /// Query projection.
    Query,
    /// Key projection.
    Key,
    /// Value projection.
    Value,
    /// Projection of what attention gives.
    AttentionOutput,
    /// First linear layer of the feed-forward part.
    FfnIn,
    /// Second linear layer of the feed-forward part.
    FfnOut,
}

impl Kind {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Qkv, Self::AttentionOutput, Self::FfnIn, Self::FfnOut];

    /// The whole layer as one product.
    pub const fn whole(self) -> Node {
        match self {
            Self::Qkv => Node::Qkv,
            Self::AttentionOutput => Node::AttentionOutput,
            Self::FfnIn => Node::FfnIn,
            Self::FfnOut => Node::FfnOut,
        }
    }

    /// The finest parts into which it can be cut, in the order of output channels.
    pub const fn parts(self) -> &'static [Node] {
        match self {
            Self::Qkv => &[Node::Query, Node::Key, Node::Value],
            Self::AttentionOutput => &[Node::AttentionOutput],
            Self::FfnIn => &[Node::FfnIn],
            Self::FfnOut => &[Node::FfnOut],
        }
    }

    /// Name in files.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::AttentionOutput => "attention_output",
            Self::FfnIn => "ffn_in",
            Self::FfnOut => "ffn_out",
        }
    }
}

impl Node {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Qkv,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::AttentionOutput,
        Self::FfnIn,
        Self::FfnOut,
    ];

    /// The linear layer that it is, or is a part of.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Qkv | Self::Query | Self::Key | Self::Value => Kind::Qkv,
            Self::AttentionOutput => Kind::AttentionOutput,
            Self::FfnIn => Kind::FfnIn,
            Self::FfnOut => Kind::FfnOut,
        }
    }

    /// The first of the finest parts that it consists of.
    pub const fn finest(self) -> Self {
        match self {
            Self::Qkv => Self::Query,
            node => node,
        }
    }

    /// Name within a layer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qkv => "attention.qkv",
            Self::Query => "attention.query",
            Self::Key => "attention.key",
            Self::Value => "attention.value",
            Self::AttentionOutput => "attention.output",
            Self::FfnIn => "ffn.in",
            Self::FfnOut => "ffn.out",
        }
    }

    /// Name in layer `index`, as reports and files show it.
    pub fn of_layer(self, index: usize) -> String {
        format!("layer.{index}.{}", self.name())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
