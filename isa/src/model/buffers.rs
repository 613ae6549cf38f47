//! On-chip memories and what each operation does to them.

use alloc::vec;
use alloc::vec::Vec;

use crate::command::{Buffer, Gemm, Load, Store};
use crate::config::Config;
use crate::error::ErrorCode;
use crate::format::OutputFormat;
use crate::model::Memory;
use crate::model::tiles::Tiles;
use crate::numerics::{ColumnParam, Dyadic, requantize};

/// The memories of a card. Operands of the methods have passed [`Command::check`].
///
/// [`Command::check`]: crate::command::Command::check
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    config: Config,
    /// Bytes of each buffer, by [`Buffer`] code.
    bytes: [Vec<u8>; Buffer::ALL.len()],
    /// `acc_rows * cols` sums, row-major.
    sums: Vec<i32>,
}

impl Buffers {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            bytes: Buffer::ALL.map(|buffer| vec![0; config.buffer_bytes(buffer) as usize]),
            sums: vec![0; (config.acc_rows * config.cols) as usize],
        }
    }

    pub(super) fn load(&mut self, load: &Load, memory: &mut dyn Memory) -> Result<(), ErrorCode> {
        let line = self.config.port_bytes as usize;
        let piece = line * usize::from(load.row_lines);
        let start = line * load.dst_line as usize;
        let end = start + piece * usize::from(load.rows);
        let target = self
            .bytes
            .get_mut(usize::from(load.buffer))
            .and_then(|bytes| bytes.get_mut(start..end))
            .ok_or(ErrorCode::BufferRange)?;
        for (row, out) in target.chunks_exact_mut(piece).enumerate() {
            let addr = load.src + u64::from(load.stride) * row as u64;
            if !memory.read(addr, out) {
                return Err(memory.cause().of_read());
            }
        }
        Ok(())
    }

    pub(super) fn gemm(&mut self, gemm: &Gemm) -> Result<(), ErrorCode> {
        let (rows, cols) = (self.config.rows as usize, self.config.cols as usize);
        let row_bytes = 2 * cols;
        let first = gemm.wgt_row as usize * row_bytes;
        let stream = self.bytes[Buffer::Weights as usize]
            .get(first..first + gemm.wgt_rows as usize * row_bytes)
            .ok_or(ErrorCode::BufferRange)?;
        let mut tiles = Tiles::new(gemm.stream(), &self.config, stream);
        let act_step = gemm.act_step() as usize;
        // The width of a row of a tile, and the rows of the buffer, of which tiles that the stream
        // names may lie beyond the end.
        let span = rows * act_step;
        let mask = self.config.act_rows as usize - 1;
        for tile in 0..usize::from(gemm.k_tiles) {
            let (number, weights) = tiles.next_tile();
            let replace = tile == 0 && gemm.accumulate == 0;
            for row in 0..usize::from(gemm.m) {
                let act_row = gemm.act_row as usize
                    + usize::from(number) * usize::from(gemm.act_stride)
                    + row * act_step;
                let first_act = (act_row & mask) * rows;
                let acts = self.bytes[Buffer::Activations as usize]
                    .get(first_act..first_act + span)
                    .ok_or(ErrorCode::BufferRange)?;
                let acc_row = usize::from(gemm.acc_row) + row;
                let sums = self
                    .sums
                    .get_mut(acc_row * cols..(acc_row + 1) * cols)
                    .ok_or(ErrorCode::BufferRange)?;
                if replace {
                    sums.fill(0);
                }
                for (act, weight_row) in acts.iter().zip(weights.chunks_exact(cols)) {
                    let act = i32::from(*act as i8);
                    for (sum, weight) in sums.iter_mut().zip(weight_row) {
                        *sum = sum.wrapping_add(act * i32::from(*weight));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        store: &Store,
        memory: &mut dyn Memory,
    ) -> Result<(), ErrorCode> {
        let format = OutputFormat::from_code(store.format).ok_or(ErrorCode::BadOperand)?;
        let cols = self.config.cols as usize;
        let first = usize::from(store.acc_row) * cols;
        let sums = self
            .sums
            .get(first..first + usize::from(store.m) * cols)
            .ok_or(ErrorCode::BufferRange)?;
        let mut out = Vec::with_capacity(sums.len() * format.bytes());
        for (row, sums) in sums.chunks_exact(cols).enumerate() {
            let scale = match format {
                OutputFormat::I32 => Dyadic::ONE,
                _ => self.row_scale(usize::from(store.row_index) + row)?,
            };
            for (col, sum) in sums.iter().enumerate() {
                let column = match format {
                    OutputFormat::I32 => ColumnParam::default(),
                    _ => self.column_param(usize::from(store.column_row) * cols + col)?,
                };
                let sum = if store.zero == 1 { 0 } else { *sum };
                let value = requantize(sum, scale, column, format);
                out.extend_from_slice(&value.to_le_bytes()[..format.bytes()]);
            }
        }
        if memory.write(store.dst, &out) {
            Ok(())
        } else {
            Err(memory.cause().of_write())
        }
    }

    fn row_scale(&self, index: usize) -> Result<Dyadic, ErrorCode> {
        self.word(Buffer::Rows, index).map(Dyadic::from_word)
    }

    fn column_param(&self, index: usize) -> Result<ColumnParam, ErrorCode> {
        let scale = self.word(Buffer::Columns, 2 * index)?;
        let bias = self.word(Buffer::Columns, 2 * index + 1)?;
        Ok(ColumnParam::from_words([scale, bias]))
    }

    fn word(&self, buffer: Buffer, index: usize) -> Result<u32, ErrorCode> {
        self.bytes[buffer as usize]
            .as_chunks()
            .0
            .get(index)
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or(ErrorCode::BufferRange)
    }
}
