//! In which format the card takes the weights of a product.

use std::collections::HashMap;

use isa::config::Config;
use isa::weights::StreamFormat;

use crate::compile::{Shape, candidates};
use crate::encoding::Encoding;
use crate::matmul::{MatMul, Rhs};

/// Weights whose zero blocks are remembered; when there are more, all are forgotten.
const MOST_COUNTS: usize = 4096;

/// Chooses formats, and remembers how many tiles of sparse weights are stored.
#[derive(Debug, Default)]
pub struct Streams {
    stored: HashMap<u64, u32>,
}

impl Streams {
    /// The shape of a product on this card. Encoded weights whose format it does not know come as
    /// the plain int8 that they mean.
    pub fn shape(&mut self, job: &MatMul<'_>, config: &Config) -> Shape {
        let plain = Shape::plain(job.m, job.k, job.n, job.format());
        let (Some(encoding), Rhs::Kept(weights)) = (job.encoding(), job.b) else {
            return plain;
        };
        let Some(stream) = stream(encoding, config) else {
            return plain;
        };
        let mut shape = Shape { stream, ..plain };
        if stream.blocks {
            if self.stored.len() >= MOST_COUNTS {
                self.stored.clear();
            }
            let count = || stored_tiles(encoding, &shape, config);
            shape.stored = Some(match weights.are_for_once() {
                true => count(),
                false => *self.stored.entry(weights.id()).or_insert_with(count),
            });
        }
        match candidates(&shape, config).is_empty() {
            true => plain,
            false => shape,
        }
    }
}

/// Why encoded weights came as plain int8, if they did.
pub(super) fn came_dense(job: &MatMul<'_>, shape: &Shape) -> Option<&'static str> {
    let encoding = job.encoding()?;
    let special = encoding.bits < 8
        || encoding.group != 0
        || encoding.indices.is_some()
        || encoding.blocks.is_some();
    (special && shape.stream.is_plain()).then_some(
        "its weights come as the dense int8 that they mean, for the card has no datapath, or no room, \
         for their format",
    )
}

/// Format of the streams of an encoding, if the card has the datapaths for it.
fn stream(encoding: &Encoding, config: &Config) -> Option<StreamFormat> {
    let blocks = encoding.blocks.is_some() && config.datapaths.blocks;
    let stream = encoding.view().stream_format(config.rows, blocks)?;
    (stream.runs_on(&config.datapaths) && !stream.is_plain()).then_some(stream)
}

/// Tiles of the weights that are not zero.
fn stored_tiles(encoding: &Encoding, shape: &Shape, config: &Config) -> u32 {
    let view = encoding.view();
    let tiles = 0..shape.k_tiles(config);
    let columns = 0..shape.n_tiles(config);
    columns
        .map(|column| {
            let holds = |tile: &u32| {
                view.holds_tile(&shape.stream, config.rows, config.cols, *tile, column)
            };
            tiles.clone().filter(holds).count() as u32
        })
        .sum()
}
