//! Weights of a linear layer in fewer bits: from floats to an [`Encoding`] and a step a column.
//!
//! * [`hessian`]: what an error costs, from what the layer sees in calibration.
//! * `scales`: first choice of steps and group scales.
//! * `channel`: codes by rounding, or by error feedback (GPTQ, arXiv:2210.17323; for 2:4 masks
//!   SparseGPT, arXiv:2301.00774; by magnitude; or Wanda, arXiv:2306.11695).
//! * `polish`: coordinate descent over codes, masks and scales.
//! * `blocks`: zero blocks.
//!
//! Every step counts errors against the int8 weights that the card will really use
//! ([`isa::weights::widen`]), so that their own rounding is made good too.

mod blocks;
mod channel;
mod codebook;
pub mod hessian;
mod polish;
mod scales;

use channel::{Channel, Rules};
use codebook::Codebook;
use hessian::Hessian;

use super::scheme::{Pruning, Rounding, Scheme, SchemeError};
use crate::encoding::{BlockMap, Encoding};

/// A matrix in fewer bits.
#[derive(Clone, Debug)]
pub struct Compressed {
    /// Its codes; an output channel is a column.
    pub encoding: Encoding,
    /// What one unit of each column's int8 weights stands for.
    pub steps: Vec<f32>,
}

impl Compressed {
    /// The float weights that column `column` stands for.
    pub fn weights(&self, column: usize) -> Vec<f32> {
        let view = self.encoding.view();
        let step = self.steps[column];
        (0..view.k)
            .map(|row| f32::from(view.weight(row, column)) * step)
            .collect()
    }
}

/// Encodes channels of `k` weights, one after the other, by `scheme`; `hessian` tells what errors
/// cost. Threads do not show in the result.
///
/// # Errors
/// When the scheme makes no sense ([`Scheme::check`]).
///
/// # Panics
/// If the weights are no channels of `k`, the Hessian is one of other inputs, or there is none and
/// the scheme is calibrated ([`Scheme::is_calibrated`]).
pub fn compress(
    weights: &[f32],
    k: usize,
    hessian: Option<&Hessian>,
    scheme: &Scheme,
    threads: usize,
) -> Result<Compressed, SchemeError> {
    scheme.check()?;
    assert!(
        weights.len().is_multiple_of(k),
        "weights must be channels of k"
    );
    assert!(
        hessian.is_none_or(|it| it.k == k),
        "the Hessian must be of k inputs"
    );
    let n = weights.len() / k;
    let hessian = hessian.filter(|_| scheme.is_calibrated());
    let importance = match scheme.is_calibrated() {
        true => hessian
            .expect("a calibrated scheme needs a Hessian")
            .diagonal(),
        false => vec![1.0; k],
    };
    let blocks = blocks::choose(scheme, weights, k, n, &importance);
    let work = Work {
        hessian,
        scheme,
        rules: Rules {
            codebook: Codebook::new(scheme.bits),
            group: scheme.group,
        },
        importance: &importance,
    };
    let mut channels: Vec<Option<Channel>> = vec![None; n];
    let share = n.div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        for (part, places) in channels.chunks_mut(share).enumerate() {
            let (work, blocks) = (&work, blocks.as_ref());
            scope.spawn(move || {
                for (offset, place) in places.iter_mut().enumerate() {
                    let index = part * share + offset;
                    let kept = blocks::kept(blocks, k, n, index);
                    *place = Some(work.channel(&weights[index * k..(index + 1) * k], kept));
                }
            });
        }
    });
    let channels: Vec<Channel> = channels.into_iter().flatten().collect();
    Ok(Compressed {
        steps: channels.iter().map(|channel| channel.step).collect(),
        encoding: encoding(&channels, k, scheme, blocks),
    })
}

struct Work<'a> {
    hessian: Option<&'a Hessian>,
    scheme: &'a Scheme,
    rules: Rules,
    importance: &'a [f32],
}

impl Work<'_> {
    fn channel(&self, weights: &[f32], kept: Vec<bool>) -> Channel {
        let Self {
            hessian,
            scheme,
            rules,
            importance,
        } = self;
        let barred: Vec<bool> = kept.iter().map(|kept| !kept).collect();
        let mut channel = scales::channel(weights, kept, importance, rules);
        match scheme.sparse {
            Some(Pruning::Magnitude) => channel.keep_best(|_, weight| weight.abs()),
            Some(Pruning::Wanda) => {
                channel.keep_best(|i, weight| weight * weight * importance[i]);
            }
            Some(Pruning::SparseGpt) | None => {}
        }
        let feedback = hessian.filter(|_| scheme.rounding == Rounding::Gptq);
        let Some(hessian) = feedback else {
            channel.round(rules);
            return channel;
        };
        let free = scheme.sparse == Some(Pruning::SparseGpt);
        channel.feedback(hessian, rules, free);
        polish::polish(&mut channel, hessian, rules, free, &barred);
        channel
    }
}

/// The channels as columns of one matrix.
fn encoding(channels: &[Channel], k: usize, scheme: &Scheme, blocks: Option<BlockMap>) -> Encoding {
    let n = channels.len();
    let mut codes = Vec::new();
    let indices = scheme.sparse.map(|_| {
        let kept = k.div_ceil(4) * 2;
        let mut indices = vec![0; kept * n];
        codes = vec![0; kept * n];
        for (column, channel) in channels.iter().enumerate() {
            for four in 0..k.div_ceil(4) {
                for (turn, index) in pair(channel, 4 * four).into_iter().enumerate() {
                    let at = (2 * four + turn) * n + column;
                    indices[at] = index as u8;
                    codes[at] = channel.codes.get(4 * four + index).copied().unwrap_or(0);
                }
            }
        }
        indices
    });
    if indices.is_none() {
        codes = (0..k)
            .flat_map(|row| channels.iter().map(move |channel| channel.codes[row]))
            .collect();
    }
    let scales = match scheme.group {
        0 => Vec::new(),
        group => (0..k.div_ceil(group))
            .flat_map(|row| channels.iter().map(move |channel| channel.scales[row]))
            .collect(),
    };
    Encoding {
        k,
        n,
        bits: scheme.bits,
        codes,
        indices,
        group: scheme.group,
        scales,
        blocks,
    }
}

/// Which two weights of the four at `first` are kept; where fewer are, others stand for them.
///
/// # Panics
/// If more are kept: some would be lost.
fn pair(channel: &Channel, first: usize) -> [usize; 2] {
    let kept = |offset: &usize| channel.kept.get(first + offset) == Some(&true);
    let mut places: Vec<usize> = (0..4).filter(kept).collect();
    assert!(places.len() <= 2, "a channel keeps two of four weights");
    let mut others = (0..4).filter(|offset| !kept(offset));
    while places.len() < 2 {
        places.extend(others.next());
    }
    places.sort_unstable();
    [places[0], places[1]]
}
