//! Which blocks of a matrix become zero.

use crate::encoding::BlockMap;
use crate::quant::scheme::Scheme;

/// The blocks that stay: of all blocks those of the largest sums of squared weights, each counted
/// by the importance of its input. `weights` are `n` channels of `k`; `None` if `scheme` has no
/// zero blocks.
pub fn choose(
    scheme: &Scheme,
    weights: &[f32],
    k: usize,
    n: usize,
    importance: &[f32],
) -> Option<BlockMap> {
    let shape = scheme.blocks?;
    let (rows, columns) = (k.div_ceil(shape.k), n.div_ceil(shape.n));
    let mut saliency = vec![0.0f64; rows * columns];
    for (channel, weights) in weights.chunks_exact(k).enumerate() {
        for (input, (weight, importance)) in weights.iter().zip(importance).enumerate() {
            let square = f64::from(*weight) * f64::from(*weight) * f64::from(*importance);
            saliency[input / shape.k * columns + channel / shape.n] += square;
        }
    }
    let mut order: Vec<usize> = (0..saliency.len()).collect();
    order.sort_by(|a, b| saliency[*a].total_cmp(&saliency[*b]));
    let mut bitmap = vec![0; saliency.len().div_ceil(8)];
    for block in &order[scheme.zero_blocks(k, n)..] {
        bitmap[block / 8] |= 1 << (block % 8);
    }
    Some(BlockMap {
        k: shape.k,
        n: shape.n,
        bitmap,
    })
}

/// Whether each weight of channel `channel` may be other than zero.
pub fn kept(blocks: Option<&BlockMap>, k: usize, n: usize, channel: usize) -> Vec<bool> {
    let Some(map) = blocks else {
        return vec![true; k];
    };
    let columns = n.div_ceil(map.n);
    let bit = |input: usize| input / map.k * columns + channel / map.n;
    (0..k)
        .map(|input| map.bitmap[bit(input) / 8] >> (bit(input) % 8) & 1 == 1)
        .collect()
}
