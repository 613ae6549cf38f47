//! One program with its memory.

use std::sync::Arc;
use std::time::Instant;

use isa::command::{COMMAND_BYTES, Command};
use isa::config::Config;

use super::cache::{Kept, WeightCache};
use super::pack;
use super::piece::Piece;
use super::plans::Plans;
use crate::compile::{Geometry, Panels, Part, Program};
use crate::dma::{Buffer, InFlight, Owned, Retired};
use crate::matmul::{Finish, MatMul, Rhs, Values};
use crate::transport::{Transport, TransportError};

/// Parts start at a multiple of this, which every line and every command divides.
const ALIGN: usize = 64;

/// A program that is ready to go or gone, with everything that the card may touch.
pub(super) struct Batch {
    pub(super) pieces: Vec<Piece>,
    pub(super) program: Arc<Program>,
    pub(super) commands: Arc<[Command]>,
    pub(super) started: Instant,
    /// Cycle of the doorbell, where the host sees the card's clock.
    pub(super) rung: u64,
    input: Buffer<InFlight>,
    output: Buffer<InFlight>,
    /// First byte of each piece's result.
    outputs: Vec<usize>,
    /// Kept weights, so that they outlive the program.
    _weights: Vec<Arc<Buffer<InFlight>>>,
}

/// Packed parts on their way into one buffer.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
}

impl Input {
    /// Appends a part and returns where it starts.
    fn push(&mut self, part: &[u8]) -> u64 {
        let start = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(part);
        start as u64
    }
}

/// Where a piece's parts lie: offsets in the input, or the address of kept weights.
struct Places {
    activations: u64,
    weights: Weights,
    columns: u64,
    rows: u64,
}

enum Weights {
    Input(u64),
    Kept(u64),
}

impl Batch {
    /// Packs, compiles and binds; on return everything belongs to the card.
    pub(super) fn prepare(
        pieces: Vec<Piece>,
        products: &[MatMul<'_>],
        config: &Config,
        plans: &mut Plans,
        cache: &mut WeightCache,
        transport: &mut dyn Transport,
    ) -> Result<Self, TransportError> {
        let started = Instant::now();
        let mut input = Input::default();
        let mut kept = Vec::new();
        // Packed weights first: the program depends on where their streams lie.
        let mut weights = Vec::with_capacity(pieces.len());
        let mut jobs = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            let (place, panels) = match products[piece.job].b {
                Rhs::Once(..) => {
                    let geometry = Geometry::new(piece.shape, piece.tiling, config);
                    let packed = pack::weights(&products[piece.job], piece, &geometry, config);
                    (Weights::Input(input.push(&packed)), None)
                }
                Rhs::Kept(weights) => {
                    let found = keep(weights, piece, products, config, cache, transport)?;
                    let address = found.buffer.address();
                    kept.push(found.buffer);
                    (Weights::Kept(address), found.panels)
                }
            };
            weights.push(place);
            jobs.push((piece.shape, piece.tiling, panels));
        }
        let program = plans.program(jobs);
        let mut places = Vec::with_capacity(pieces.len());
        let mut outputs = Vec::with_capacity(pieces.len());
        let mut output_bytes = 0usize;
        for ((piece, plan), weights) in pieces.iter().zip(&program.jobs).zip(weights) {
            let (product, geometry) = (&products[piece.job], &plan.geometry);
            let activations = input.push(&pack::activations(product, piece, geometry, config));
            let (mut columns, mut rows) = (0, 0);
            if let Finish::Requantize {
                rows: scales,
                columns: params,
                ..
            } = product.finish
            {
                columns = input.push(&pack::columns(params, piece, geometry, config));
                rows = input.push(&pack::row_scales(scales, piece, geometry));
            }
            places.push(Places {
                activations,
                weights,
                columns,
                rows,
            });
            outputs.push(output_bytes);
            output_bytes = (output_bytes + plan.output_bytes).next_multiple_of(ALIGN);
        }
        let output = Buffer::<Owned>::new(transport.allocate(output_bytes)?).launch();
        let program_at = input.bytes.len().next_multiple_of(ALIGN);
        let memory = transport.allocate(program_at + program.commands.len() * COMMAND_BYTES)?;
        let base = memory.address() + program_bytes(&program) as u64;
        let commands = program.bind(|job, part| {
            let place = &places[job as usize];
            match (part, &place.weights) {
                (Part::Activations, _) => base + place.activations,
                (Part::Weights, Weights::Input(offset)) => base + offset,
                (Part::Weights, Weights::Kept(address)) => *address,
                (Part::Columns, _) => base + place.columns,
                (Part::Rows, _) => base + place.rows,
                (Part::Output, _) => output.address() + outputs[job as usize] as u64,
            }
        });
        let mut buffer = Buffer::<Owned>::new(memory);
        let text: Vec<u8> = commands
            .iter()
            .flat_map(|command| command.encode())
            .flat_map(u32::to_le_bytes)
            .collect();
        buffer.write(0, &text);
        buffer.write(text.len(), &input.bytes);
        Ok(Self {
            pieces,
            program,
            commands,
            started,
            rung: 0,
            input: buffer.launch(),
            output,
            outputs,
            _weights: kept,
        })
    }

    /// Address of the first command.
    pub(super) fn address(&self) -> u64 {
        self.input.address()
    }

    /// Copies the results into those of the jobs, after the card has let go.
    pub(super) fn collect(
        self,
        proof: &Retired,
        products: &[MatMul<'_>],
        values: &mut [Values],
        config: &Config,
    ) {
        let output = self.output.finish(proof);
        for ((piece, plan), start) in self.pieces.iter().zip(&self.program.jobs).zip(self.outputs) {
            let mut bytes = vec![0; plan.output_bytes];
            output.read(start, &mut bytes);
            pack::unpack(
                &mut values[piece.job],
                products[piece.job].n,
                piece,
                plan,
                &bytes,
                config,
            );
        }
    }
}

/// Weights that are used again, as the card has them, brought there if need be: into its own memory
/// while that has room, so that they cross the bus once.
fn keep(
    weights: &crate::matmul::Weights,
    piece: &Piece,
    products: &[MatMul<'_>],
    config: &Config,
    cache: &mut WeightCache,
    transport: &mut dyn Transport,
) -> Result<Kept, TransportError> {
    let stream = piece.shape.stream;
    // Plain weights lie the same way however they are cut.
    let chunk = if stream.is_plain() {
        0
    } else {
        piece.tiling.chunk
    };
    let size = (piece.shape.k, piece.shape.n);
    let key = (weights.id(), piece.first_col, size, chunk, stream);
    if let Some(kept) = cache.get(key) {
        return Ok(kept);
    }
    let geometry = Geometry::new(piece.shape, piece.tiling, config);
    let (panels, bytes) = match products[piece.job].encoding() {
        Some(encoding) if !stream.is_plain() => {
            let first_tile = piece.first_col as u32 / config.cols;
            let (panels, bytes) = Panels::pack(&encoding.view(), first_tile, &geometry, config);
            (Some(Arc::new(panels)), bytes)
        }
        _ => {
            let bytes = pack::weights(&products[piece.job], piece, &geometry, config);
            (None, bytes)
        }
    };
    let once = weights.are_for_once();
    let on_card = match once {
        true => None,
        false => transport.allocate_on_card(bytes.len()),
    };
    let memory = match on_card {
        Some(memory) => memory,
        None => transport.allocate(bytes.len())?,
    };
    let mut buffer = Buffer::<Owned>::new(memory);
    buffer.write(0, &bytes);
    let kept = Kept {
        buffer: Arc::new(buffer.launch()),
        panels,
    };
    if !once {
        cache.insert(key, kept.clone());
    }
    Ok(kept)
}

/// Bytes that the commands take before the operands.
fn program_bytes(program: &Program) -> usize {
    program.bytes().next_multiple_of(ALIGN)
}
