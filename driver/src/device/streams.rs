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

/// Why encoded weights came in another format than theirs, if they did.
pub(super) fn came_otherwise(job: &MatMul<'_>, shape: &Shape, config: &Config) -> Option<String> {
    let encoding = job.encoding()?;
    let has_blocks = encoding.blocks.is_some();
    let dense = "its weights come as the dense int8 that they mean, for";
    let Some(wanted) = encoding.view().stream_format(config.rows, has_blocks) else {
        let group = encoding.group;
        return Some(format!(
            "{dense} a tile of the card's array covers more values of K than the {group} that share \
             a scale"
        ));
    };
    if wanted == shape.stream {
        return None;
    }
    let lacks = wanted.lacks(&config.datapaths);
    Some(match lacks.unpacks() {
        // What it takes is another format than plain int8, but for the blocks.
        true if !shape.stream.is_plain() => {
            "its zero blocks come as zeros, for the card does not have the datapath blocks".into()
        }
        true => format!("{dense} the card does not have the datapath {lacks}"),
        false => format!("{dense} the card's buffers have no room for their format"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matmul::{Finish, Weights};

    /// Four bits, with scales of 128 values of K.
    fn grouped(k: usize) -> Encoding {
        Encoding {
            k,
            n: 16,
            bits: 4,
            codes: vec![1; k * 16],
            indices: None,
            group: 128,
            scales: vec![8; k.div_ceil(128) * 16],
            blocks: None,
        }
    }

    #[test]
    fn a_format_without_room_says_so() {
        let weights = Weights::encoded(grouped(256)).expect("a good matrix");
        let a = [1; 256];
        let job = MatMul {
            name: "job",
            m: 1,
            k: 256,
            n: 16,
            a: &a,
            b: Rhs::Kept(&weights),
            finish: Finish::Raw,
        };
        let why = |wgt_rows: u32| {
            let config = Config {
                wgt_rows,
                ..Config::default()
            };
            config.check().expect("a card can have it");
            let shape = Streams::default().shape(&job, &config);
            came_otherwise(&job, &shape, &config)
        };
        assert_eq!(why(Config::default().wgt_rows), None);
        // Room for three tiles, and a group of scales takes eight.
        let said = why(16).expect("it comes as plain int8");
        assert!(
            said.ends_with("the card's buffers have no room for their format"),
            "{said}"
        );
    }
}
