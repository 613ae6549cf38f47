//! The shape of a card: what the RTL is elaborated from and what its registers tell the driver.

use crate::command::Buffer;

mod names;

/// What the array can do beside dense int8 products. What is left out costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Datapaths {
    /// Weights of 2 to 7 bits.
    pub narrow: bool,
    /// Scales of groups of K.
    pub groups: bool,
    /// 2:4 weights: each chooses one of four activations.
    pub two_four: bool,
    /// Zero blocks (tiles of the array) that cost nothing.
    pub blocks: bool,
    /// One multiplier for two products of int8, by columns in pairs. Weights of -128 count as -127
    /// on such a card. Not together with 2:4, whose two products share no operand.
    pub packed_products: bool,
}

impl Datapaths {
    /// Dense int8 and nothing else.
    pub const DENSE: Self = Self {
        narrow: false,
        groups: false,
        two_four: false,
        blocks: false,
        packed_products: false,
    };

    /// Dense int8 with two products a multiplier: what bitstreams have unless asked otherwise.
    pub const DENSE_PACKED: Self = Self {
        packed_products: true,
        ..Self::DENSE
    };

    /// Everything but packed products.
    pub const ALL: Self = Self {
        narrow: true,
        groups: true,
        two_four: true,
        blocks: true,
        packed_products: false,
    };

    /// Whether some weights come in another format than plain int8.
    pub const fn unpacks(&self) -> bool {
        self.narrow || self.groups || self.two_four || self.blocks
    }
}

/// Parameters of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Config {
    /// Rows of the array: values of K taken in one cycle. 4, 8, 16 or 32.
    pub rows: u32,
    /// Columns of the array: values of N made in one cycle. 4, 8, 16 or 32.
    pub cols: u32,
    /// Width of the memory port in bytes, also called a line. 16 or 32, at most `4 * cols`.
    pub port_bytes: u32,
    /// Rows of the activation buffer, each of `rows` bytes.
    pub act_rows: u32,
    /// Rows of the weight buffer, each of `2 * cols` bytes: what the array takes in one cycle.
    pub wgt_rows: u32,
    /// Rows of the accumulators, each of `cols` int32 values. The lower and the upper half are two
    /// banks: STORE reads one while GEMM adds into the other, and waits while GEMM adds into its.
    pub acc_rows: u32,
    /// Rows of the buffer of column parameters, each of `cols` entries of 8 bytes.
    pub column_rows: u32,
    /// Entries of the buffer of row scales, 4 bytes each.
    pub row_scales: u32,
    /// Queue pairs, each with registers and an interrupt of its own. 1, 2, 4 or 8.
    pub queues: u32,
    /// MiB of the card's own memory: 0 (none) or a power of two up to 4,096.
    pub card_memory_mib: u32,
    /// Datapaths beside dense int8.
    pub datapaths: Datapaths,
}

impl Default for Config {
    fn default() -> Self {
        Self::with_array(16, 16)
    }
}

/// A [`Config`] that no card can have, or a text that names none; says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(pub &'static str);

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for ConfigError {}

impl core::str::FromStr for Config {
    type Err = ConfigError;

    /// Reads rows and columns of the array as in `16x16`; the rest is that of
    /// [`Config::with_array`].
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let sides = text
            .split_once('x')
            .and_then(|(rows, cols)| Some((rows.parse().ok()?, cols.parse().ok()?)));
        let (rows, cols) = sides.ok_or(ConfigError("write rows and columns as in `16x16`"))?;
        // The sides are checked before memories are divided among them.
        if rows == 0 || cols == 0 {
            return Err(ConfigError("the array needs rows and columns"));
        }
        let config = Self::with_array(rows, cols);
        config.check()?;
        Ok(config)
    }
}

impl Config {
    /// A card with an array of this size and the default memories: 128 KiB of activations, 64 KiB
    /// of weights, 512 rows of accumulators; with four queues, 64 MiB of its own and all datapaths
    /// that go together.
    pub const fn with_array(rows: u32, cols: u32) -> Self {
        Self {
            rows,
            cols,
            port_bytes: 16,
            act_rows: (128 << 10) / rows,
            wgt_rows: (32 << 10) / cols,
            acc_rows: 512,
            column_rows: 64,
            row_scales: 512,
            queues: 4,
            card_memory_mib: 64,
            datapaths: Datapaths::ALL,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Says which value is wrong and what it may be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let array_side = |side: u32| side.is_power_of_two() && (4..=32).contains(&side);
        let depth = |rows: u32, most: u32| rows.is_power_of_two() && (16..=most).contains(&rows);
        if !array_side(self.rows) {
            return Err(ConfigError("the array's rows must be 4, 8, 16 or 32"));
        }
        if !array_side(self.cols) {
            return Err(ConfigError("the array's columns must be 4, 8, 16 or 32"));
        }
        if !matches!(self.port_bytes, 16 | 32) {
            return Err(ConfigError("the memory port must be 16 or 32 bytes wide"));
        }
        if self.port_bytes > 4 * self.cols {
            return Err(ConfigError(
                "the memory port must not be wider than a row of accumulators (4 bytes a column)",
            ));
        }
        if !depth(self.act_rows, 1 << 20) || self.act_rows * self.rows < self.port_bytes * 16 {
            return Err(ConfigError(
                "the activation buffer must have a power of two of rows, 16 to 1,048,576, and at least 16 lines",
            ));
        }
        if !depth(self.wgt_rows, 1 << 20) || self.wgt_rows < self.rows {
            return Err(ConfigError(
                "the weight buffer must have a power of two of rows, up to 1,048,576, and hold two tiles",
            ));
        }
        if !depth(self.acc_rows, 1 << 15) {
            return Err(ConfigError(
                "the accumulators must have a power of two of rows, 16 to 32,768",
            ));
        }
        if !depth(self.column_rows, 1 << 12) {
            return Err(ConfigError(
                "the column parameters must have a power of two of rows, 16 to 4,096",
            ));
        }
        if !depth(self.row_scales, 1 << 15) || self.row_scales * 4 < self.port_bytes * 16 {
            return Err(ConfigError(
                "the row scales must be a power of two, up to 32,768, and at least 16 lines",
            ));
        }
        if !matches!(self.queues, 1 | 2 | 4 | 8) {
            return Err(ConfigError("the number of queues must be 1, 2, 4 or 8"));
        }
        if self.datapaths.packed_products && self.datapaths.two_four {
            return Err(ConfigError(
                "packed products and 2:4 do not go together: each 2:4 weight has an activation of its own",
            ));
        }
        let memory = self.card_memory_mib;
        if memory != 0 && (!memory.is_power_of_two() || memory > 4096) {
            return Err(ConfigError(
                "the card's own memory must be 0 or a power of two of MiB, up to 4,096",
            ));
        }
        Ok(())
    }

    /// Lines (of `port_bytes`) that a buffer holds.
    pub const fn lines(&self, buffer: Buffer) -> u32 {
        self.buffer_bytes(buffer) / self.port_bytes
    }

    /// Bytes that a buffer holds.
    pub const fn buffer_bytes(&self, buffer: Buffer) -> u32 {
        match buffer {
            Buffer::Activations => self.act_rows * self.rows,
            Buffer::Weights => self.wgt_rows * self.cols * 2,
            Buffer::Columns => self.column_rows * self.cols * 8,
            Buffer::Rows => self.row_scales * 4,
        }
    }

    /// Multiply-accumulate operations that the array can do in a cycle.
    pub const fn peak_macs(&self) -> u32 {
        self.rows * self.cols
    }
}
