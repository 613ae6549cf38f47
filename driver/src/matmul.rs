//! Integer matrix products: what the model asks for and every backend answers with the same bits.

use std::sync::atomic::{AtomicU64, Ordering};

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};
use isa::weights::FormatError;

use crate::encoding::Encoding;

/// How the values of a right operand lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `k x n`, row-major: element `(k, n)` at `k * cols + n`.
    RowMajor,
    /// `n x k`, row-major: element `(k, n)` at `n * rows + k`. Linear layers and keys of attention
    /// come this way.
    Transposed,
}

/// A right operand that is used many times (the weights of a layer), so that backends may keep
/// it in a layout of their own, found again by [`Weights::id`].
#[derive(Debug)]
pub struct Weights {
    id: u64,
    k: usize,
    n: usize,
    layout: Layout,
    values: Vec<i8>,
    encoding: Option<Encoding>,
    once: bool,
}

impl Weights {
    /// Takes `k * n` values in `layout`.
    ///
    /// # Panics
    /// If the number of values is not `k * n`.
    pub fn new(k: usize, n: usize, layout: Layout, values: Vec<i8>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        assert_eq!(values.len(), k * n, "weights must hold k*n values");
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            k,
            n,
            layout,
            values,
            encoding: None,
            once: false,
        }
    }

    /// The same for a single product: backends keep nothing of it.
    pub(crate) fn for_once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Whether they are for a single product.
    pub(crate) fn are_for_once(&self) -> bool {
        self.once
    }

    /// Takes an encoded matrix. Backends that have a datapath for it use its encoding, all others
    /// the dense matrix that it means; the integers are the same.
    ///
    /// # Errors
    /// When its parts contradict each other.
    pub fn encoded(encoding: Encoding) -> Result<Self, FormatError> {
        let values = encoding.dense()?;
        let (k, n) = (encoding.k, encoding.n);
        Ok(Self {
            encoding: Some(encoding),
            ..Self::new(k, n, Layout::RowMajor, values)
        })
    }

    /// The same weights under a number of their own.
    pub(crate) fn copy(&self) -> Self {
        let values = self.values.clone();
        Self {
            encoding: self.encoding.clone(),
            ..Self::new(self.k, self.n, self.layout, values)
        }
    }

    /// The encoding, where the weights have one.
    pub fn encoding(&self) -> Option<&Encoding> {
        self.encoding.as_ref()
    }

    /// Number that no other weights of this process have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Inner dimension.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Output channels.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Layout of [`Self::values`]; row-major where there is an encoding.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The dense int8 values.
    pub fn values(&self) -> &[i8] {
        &self.values
    }
}

/// Right operand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Rhs<'a> {
    /// Values that live for this product only.
    Once(Layout, &'a [i8]),
    /// Values that are used again.
    Kept(&'a Weights),
}

impl<'a> Rhs<'a> {
    /// Layout and values.
    pub fn parts(self) -> (Layout, &'a [i8]) {
        match self {
            Self::Once(layout, values) => (layout, values),
            Self::Kept(weights) => (weights.layout, &weights.values),
        }
    }
}

/// What becomes of the int32 sums.
#[derive(Clone, Copy, Debug)]
pub enum Finish<'a> {
    /// They are the result.
    Raw,
    /// Each is requantised by its row and its column ([`isa::numerics::requantize`]).
    Requantize {
        /// One scale a row, `m` of them.
        rows: &'a [Dyadic],
        /// One scale and bias a column, `n` of them.
        columns: &'a [ColumnParam],
        /// [`OutputFormat::I16`] or [`OutputFormat::I8`].
        format: OutputFormat,
    },
}

/// One product `A (m x k) * B (k x n)`.
#[derive(Clone, Copy, Debug)]
pub struct MatMul<'a> {
    /// Name of the node, for reports, such as `layer.0.attention.query`.
    pub name: &'a str,
    /// Rows of A.
    pub m: usize,
    /// Inner dimension.
    pub k: usize,
    /// Columns of B.
    pub n: usize,
    /// Left operand, `m x k`, row-major.
    pub a: &'a [i8],
    /// Right operand.
    pub b: Rhs<'a>,
    /// Treatment of the sums.
    pub finish: Finish<'a>,
}

/// Result of a product, `m x n`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Raw sums.
    I32(Vec<i32>),
    /// Requantised to int16.
    I16(Vec<i16>),
    /// Requantised to int8.
    I8(Vec<i8>),
}

/// A product whose parts do not fit each other.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("matrix product `{name}`: {what} holds {got} values, but {m}x{k}x{n} needs {expected}")]
pub struct ShapeError {
    name: String,
    what: &'static str,
    got: usize,
    expected: usize,
    m: usize,
    k: usize,
    n: usize,
}

impl<'a> MatMul<'a> {
    /// The encoding of the weights, if they have one and it is of the shape of this product.
    pub fn encoding(&self) -> Option<&'a Encoding> {
        let Rhs::Kept(weights) = self.b else {
            return None;
        };
        let encoding = weights.encoding.as_ref()?;
        ((encoding.k, encoding.n) == (self.k, self.n)).then_some(encoding)
    }

    /// Format of the result.
    pub fn format(&self) -> OutputFormat {
        match self.finish {
            Finish::Raw => OutputFormat::I32,
            Finish::Requantize { format, .. } => format,
        }
    }

    /// Multiply-accumulate operations of the product.
    pub fn macs(&self) -> u64 {
        self.m as u64 * self.k as u64 * self.n as u64
    }

    /// Checks that every part has the length that the shape asks for.
    ///
    /// # Errors
    /// Names the first part that has not.
    pub fn check(&self) -> Result<(), ShapeError> {
        let Self { m, k, n, .. } = *self;
        let mut parts = vec![("the left operand", self.a.len(), m * k)];
        parts.push(("the right operand", self.b.parts().1.len(), k * n));
        if let Finish::Requantize { rows, columns, .. } = self.finish {
            parts.push(("the list of row scales", rows.len(), m));
            parts.push(("the list of column parameters", columns.len(), n));
        }
        for (what, got, expected) in parts {
            if got != expected {
                return Err(ShapeError {
                    name: self.name.into(),
                    what,
                    got,
                    expected,
                    m,
                    k,
                    n,
                });
            }
        }
        Ok(())
    }
}
