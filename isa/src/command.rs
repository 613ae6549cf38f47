//! Commands: what a program tells the engines to do.
//!
//! A program is an array of 64-byte commands in memory. The front end reads them in order, checks
//! each, and hands it to the queue of its engine; engines run at once and are ordered only by
//! tokens. There are 16 counting tokens, all zero when a program starts. A command starts when
//! every token of its `wait` mask is above zero, takes one of each, and gives one to each token of
//! its `signal` mask when its last effect is visible to the engines. Each engine runs its commands in
//! the order of the program, and they end in that order.

use crate::config::Config;
use crate::error::ErrorCode;
use crate::format::OutputFormat;
use crate::record;
use crate::record::{Field, reserved_bits_are_zero};
use crate::weights::StreamFormat;

/// 32-bit words of a command.
pub const COMMAND_WORDS: usize = 16;
/// Bytes of a command; programs start at a multiple of it.
pub const COMMAND_BYTES: usize = COMMAND_WORDS * 4;
/// Counting tokens that order the engines.
pub const TOKENS: usize = 16;
/// Largest count of a token; one more is the error [`ErrorCode::TokenOverflow`].
pub const TOKEN_MAX: u8 = 255;
/// Commands that the queue of an engine holds, its head included until it starts. The front end
/// stops handing out when the queue of the next command is full.
pub const ENGINE_QUEUE: usize = 4;
/// Addresses in memory lie below 2^56, so that the end of every transfer fits in 64 bits.
pub const ADDRESS_BITS: u32 = 56;
/// Where the card's own memory starts, on a card that has some; below are the addresses of the host.
pub const CARD_MEMORY: u64 = 1 << (ADDRESS_BITS - 1);

/// Operation codes. Zero is no command, so that a page of zeros is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Memory to an on-chip buffer.
    Load = 1,
    /// Matrix product of on-chip tiles into the accumulators.
    Gemm = 2,
    /// Accumulators to memory, requantised on the way.
    Store = 3,
}

impl Opcode {
    /// All operations.
    pub const ALL: [Self; 3] = [Self::Load, Self::Gemm, Self::Store];

    /// The operation with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| *opcode as u8 == code)
    }

    /// Layout of the operands of this operation.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Load => LOAD_FIELDS,
            Self::Gemm => GEMM_FIELDS,
            Self::Store => STORE_FIELDS,
        }
    }
}

/// On-chip buffers that LOAD fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Buffer {
    /// Activations: rows of `rows` int8 values (one matrix row, one tile of K).
    Activations = 0,
    /// Weights: rows of `2 * cols` bytes, in plain int8 two values of K of one tile of N.
    Weights = 1,
    /// Column parameters of requantisation: `cols` entries of 8 bytes a row.
    Columns = 2,
    /// Row scales of requantisation: one entry of 4 bytes a row.
    Rows = 3,
}

impl Buffer {
    /// All buffers.
    pub const ALL: [Self; 4] = [Self::Activations, Self::Weights, Self::Columns, Self::Rows];

    /// The buffer with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|buffer| *buffer as u8 == code)
    }
}

record! {
    /// What every command begins with.
    pub struct Header, HEADER_FIELDS {
        opcode: u8 = (0, 0, 8), "Operation code.";
        wait: u16 = (1, 0, 16), "Tokens to take before the command starts, one bit each.";
        signal: u16 = (1, 16, 16), "Tokens to give when the command has ended, one bit each.";
    }
}

record! {
    /// Copies `rows` pieces of `row_lines` lines from memory to consecutive lines of a buffer.
    /// A line is as wide as the memory port (`port_bytes`).
    pub struct Load, LOAD_FIELDS {
        src: u64 = (2, 0, 64), "Address of the first piece; a multiple of the line.";
        buffer: u8 = (4, 0, 8), "Buffer: 0 activations, 1 weights, 2 column parameters, 3 row scales.";
        dst_line: u32 = (5, 0, 24), "First line of the buffer.";
        row_lines: u16 = (6, 0, 16), "Lines of a piece, at least 1.";
        rows: u16 = (6, 16, 16), "Pieces, at least 1.";
        stride: u32 = (7, 0, 32), "Bytes from one piece to the next; a multiple of the line.";
    }
}

record! {
    /// Multiplies `m` rows of activations by one tile column of weights over `k_tiles` tiles of K.
    ///
    /// Row `i` of tile `t` is activation row `act_row + t * act_stride + i`, in 2:4 the two rows
    /// from `act_row + t * act_stride + 2 * i` on; the weights are a stream
    /// ([`StreamFormat`]) that begins at `wgt_row`; sums go to
    /// accumulator rows `acc_row..acc_row + m`. With blocks, `t` is what the header of a stored
    /// tile says.
    pub struct Gemm, GEMM_FIELDS {
        act_row: u32 = (2, 0, 24), "First activation row.";
        act_stride: u16 = (3, 0, 16), "Activation rows from one tile of K to the next.";
        wgt_row: u32 = (4, 0, 24), "First row of the weights.";
        acc_row: u16 = (5, 0, 16), "First accumulator row.";
        m: u16 = (5, 16, 16), "Rows, at least 1.";
        k_tiles: u16 = (6, 0, 16), "Tiles of K that are stored, at least 1.";
        accumulate: u8 = (6, 16, 1), "1: add to what the accumulators hold; 0: the first tile replaces it.";
        weight_bits: u8 = (7, 0, 4), "Bits of a weight, 2 to 8.";
        two_four: u8 = (7, 4, 1), "1: of four weights along K two are stored.";
        blocks: u8 = (7, 5, 1), "1: not every tile of K is stored.";
        group: u8 = (7, 8, 4), "0: no scales; `g`: `2^(g - 1)` tiles of K share their scales.";
        wgt_rows: u32 = (8, 0, 24), "Rows of the weights, at least 1.";
    }
}

record! {
    /// Writes `m` rows of accumulators to memory as one contiguous `m x cols` matrix.
    pub struct Store, STORE_FIELDS {
        dst: u64 = (2, 0, 64), "Address; a multiple of the line.";
        acc_row: u16 = (4, 0, 16), "First accumulator row.";
        m: u16 = (4, 16, 16), "Rows, at least 1.";
        format: u8 = (5, 0, 8), "0: raw int32, 1: int16, 2: int8 (both requantised).";
        release: u8 = (5, 8, 1), "1: signal as soon as the accumulators have been read; 0: when memory has confirmed every write.";
        zero: u8 = (5, 9, 1), "1: every sum counts as 0, whatever the accumulators hold.";
        column_row: u16 = (6, 0, 16), "Row of the column parameters; unused when raw.";
        row_index: u16 = (6, 16, 16), "First of the `m` row scales; unused when raw.";
    }
}

/// The operands of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// See [`Load`].
    Load(Load),
    /// See [`Gemm`].
    Gemm(Gemm),
    /// See [`Store`].
    Store(Store),
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    /// Tokens taken before it starts.
    pub wait: u16,
    /// Tokens given when it has ended.
    pub signal: u16,
    /// What it does.
    pub operation: Operation,
}

impl Command {
    /// A command that neither waits nor signals.
    pub fn new(operation: Operation) -> Self {
        Self {
            wait: 0,
            signal: 0,
            operation,
        }
    }

    /// The operation code.
    pub fn opcode(&self) -> Opcode {
        match self.operation {
            Operation::Load(_) => Opcode::Load,
            Operation::Gemm(_) => Opcode::Gemm,
            Operation::Store(_) => Opcode::Store,
        }
    }

    /// The command as it stands in memory, each word little-endian.
    pub fn encode(&self) -> [u32; COMMAND_WORDS] {
        let mut words = [0; COMMAND_WORDS];
        let header = Header {
            opcode: self.opcode() as u8,
            wait: self.wait,
            signal: self.signal,
        };
        header.put_words(&mut words);
        match &self.operation {
            Operation::Load(load) => load.put_words(&mut words),
            Operation::Gemm(gemm) => gemm.put_words(&mut words),
            Operation::Store(store) => store.put_words(&mut words),
        }
        words
    }

    /// Reads a command.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownOpcode`] or [`ErrorCode::ReservedBits`].
    pub fn decode(words: &[u32; COMMAND_WORDS]) -> Result<Self, ErrorCode> {
        let header = Header::from_words(words);
        let opcode = Opcode::from_code(header.opcode).ok_or(ErrorCode::UnknownOpcode)?;
        if !reserved_bits_are_zero(words, &[HEADER_FIELDS, opcode.fields()]) {
            return Err(ErrorCode::ReservedBits);
        }
        let operation = match opcode {
            Opcode::Load => Operation::Load(Load::from_words(words)),
            Opcode::Gemm => Operation::Gemm(Gemm::from_words(words)),
            Opcode::Store => Operation::Store(Store::from_words(words)),
        };
        Ok(Self {
            wait: header.wait,
            signal: header.signal,
            operation,
        })
    }

    /// Checks the operands against the card, in the order in which the front end does.
    ///
    /// # Errors
    /// The first error that the front end would report.
    pub fn check(&self, config: &Config) -> Result<(), ErrorCode> {
        match &self.operation {
            Operation::Load(load) => load.check(config),
            Operation::Gemm(gemm) => gemm.check(config),
            Operation::Store(store) => store.check(config),
        }
    }
}

fn check_address(address: u64, config: &Config) -> Result<(), ErrorCode> {
    if !address.is_multiple_of(u64::from(config.port_bytes)) {
        return Err(ErrorCode::Misaligned);
    }
    if address >> ADDRESS_BITS != 0 {
        return Err(ErrorCode::AddressRange);
    }
    Ok(())
}

impl Load {
    fn check(&self, config: &Config) -> Result<(), ErrorCode> {
        let buffer = Buffer::from_code(self.buffer).ok_or(ErrorCode::BadOperand)?;
        if self.rows == 0 || self.row_lines == 0 {
            return Err(ErrorCode::ZeroShape);
        }
        if !self.stride.is_multiple_of(config.port_bytes) {
            return Err(ErrorCode::Misaligned);
        }
        check_address(self.src, config)?;
        let end = u64::from(self.dst_line) + u64::from(self.rows) * u64::from(self.row_lines);
        if end > u64::from(config.lines(buffer)) {
            Err(ErrorCode::BufferRange)
        } else {
            Ok(())
        }
    }
}

/// Largest value of [`Gemm::group`]: 32 tiles, which is 128 values of K in an array of four rows.
pub const MAX_GROUP: u8 = 6;

impl Gemm {
    /// Format of the stream of weights.
    pub const fn stream(&self) -> StreamFormat {
        StreamFormat {
            bits: self.weight_bits,
            two_four: self.two_four == 1,
            blocks: self.blocks == 1,
            group_tiles: match self.group {
                0 => 0,
                group => 1 << (group - 1),
            },
        }
    }

    /// Puts a format of weights into the fields that tell it.
    ///
    /// # Panics
    /// If `format.group_tiles` is neither zero nor a power of two up to 32.
    #[must_use]
    pub const fn with_stream(mut self, format: StreamFormat) -> Self {
        self.weight_bits = format.bits;
        self.two_four = format.two_four as u8;
        self.blocks = format.blocks as u8;
        self.group = match format.group_tiles {
            0 => 0,
            tiles => {
                assert!(tiles.is_power_of_two() && tiles <= 1 << (MAX_GROUP - 1));
                tiles.ilog2() as u8 + 1
            }
        };
        self
    }

    /// Rows of the activation buffer that hold one row of a tile.
    pub const fn act_step(&self) -> u32 {
        1 + self.two_four as u32
    }

    fn check(&self, config: &Config) -> Result<(), ErrorCode> {
        if !(2..=8).contains(&self.weight_bits) || self.group > MAX_GROUP {
            return Err(ErrorCode::BadOperand);
        }
        if !self.stream().runs_on(&config.datapaths) {
            return Err(ErrorCode::Unsupported);
        }
        let plain_rows = u64::from(self.k_tiles) * u64::from(config.rows / 2);
        if self.stream().is_plain() && u64::from(self.wgt_rows) != plain_rows {
            return Err(ErrorCode::BadOperand);
        }
        if self.m == 0 || self.k_tiles == 0 || self.wgt_rows == 0 {
            return Err(ErrorCode::ZeroShape);
        }
        if self.two_four == 1 && (self.act_row | u32::from(self.act_stride)) & 1 == 1 {
            return Err(ErrorCode::Misaligned);
        }
        // With blocks, the stream says which tiles there are, and those beyond the buffer wrap.
        let further_tiles = match self.blocks {
            0 => u64::from(self.k_tiles) - 1,
            _ => 0,
        };
        let act_end = u64::from(self.act_row)
            + further_tiles * u64::from(self.act_stride)
            + u64::from(self.m) * u64::from(self.act_step());
        let wgt_end = u64::from(self.wgt_row) + u64::from(self.wgt_rows);
        let acc_end = u64::from(self.acc_row) + u64::from(self.m);
        let fits = act_end <= u64::from(config.act_rows)
            && wgt_end <= u64::from(config.wgt_rows)
            && acc_end <= u64::from(config.acc_rows);
        if fits {
            Ok(())
        } else {
            Err(ErrorCode::BufferRange)
        }
    }
}

impl Store {
    fn check(&self, config: &Config) -> Result<(), ErrorCode> {
        let format = OutputFormat::from_code(self.format).ok_or(ErrorCode::BadOperand)?;
        if self.m == 0 {
            return Err(ErrorCode::ZeroShape);
        }
        check_address(self.dst, config)?;
        let acc_end = u64::from(self.acc_row) + u64::from(self.m);
        let scales_end = u64::from(self.row_index) + u64::from(self.m);
        let scales_fit = format == OutputFormat::I32
            || (u32::from(self.column_row) < config.column_rows
                && scales_end <= u64::from(config.row_scales));
        if acc_end <= u64::from(config.acc_rows) && scales_fit {
            Ok(())
        } else {
            Err(ErrorCode::BufferRange)
        }
    }
}
