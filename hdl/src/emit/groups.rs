//! Statements of a kernel as independent pieces of combinational logic.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::expr::Piece;
use super::names::printed;

/// Prints the statements of a kernel: an `assign` for each signal that is assigned once, an
/// `always_comb` for each set of signals that are assigned together.
///
/// One big block would be the same hardware, but simulators treat a block as a whole: whatever
/// depends on an input would drag everything else along.
pub fn print(pieces: Vec<Piece>) -> String {
    let pieces = without_dead_defaults(pieces);
    let mut owner: Vec<usize> = (0..pieces.len()).collect();
    let mut writers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        for target in &piece.targets {
            writers.entry(target).or_default().push(index);
        }
    }
    for indices in writers.values() {
        for pair in indices.windows(2) {
            join(&mut owner, pair[0], pair[1]);
        }
    }
    // A value that is read before its last assignment must be read in its order.
    for (index, piece) in pieces.iter().enumerate() {
        for read in &piece.reads {
            for &writer in writers.get(read.as_str()).into_iter().flatten() {
                if writer > index {
                    join(&mut owner, index, writer);
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<&Piece>> = BTreeMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        groups.entry(root(&owner, index)).or_default().push(piece);
    }
    let mut text = String::new();
    for group in groups.values() {
        match group.as_slice() {
            [
                Piece {
                    simple: Some((target, value)),
                    ..
                },
            ] => {
                let _ = writeln!(text, "  assign {} = {value};", printed(target));
            }
            group => {
                text.push_str("  always_comb begin\n");
                for line in group.iter().flat_map(|piece| piece.text.lines()) {
                    let _ = writeln!(text, "    {line}");
                }
                text.push_str("  end\n");
            }
        }
    }
    text
}

/// Drops what a later unconditional assignment of the same signal replaces unread: the defaults
/// of registers that are assigned in every case.
fn without_dead_defaults(pieces: Vec<Piece>) -> Vec<Piece> {
    let replaced = |index: usize, target: &str| {
        let later = &pieces[index + 1..];
        let next = later
            .iter()
            .find(|piece| piece.targets.contains(target) || piece.reads.contains(target));
        next.is_some_and(|piece| {
            !piece.reads.contains(target)
                && piece
                    .simple
                    .as_ref()
                    .is_some_and(|(name, _)| name == target)
        })
    };
    let keep: Vec<bool> = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            !piece
                .simple
                .as_ref()
                .is_some_and(|(target, _)| replaced(index, target))
        })
        .collect();
    pieces
        .into_iter()
        .zip(keep)
        .filter_map(|(piece, keep)| keep.then_some(piece))
        .collect()
}

fn root(owner: &[usize], mut index: usize) -> usize {
    while owner[index] != index {
        index = owner[index];
    }
    index
}

fn join(owner: &mut [usize], left: usize, right: usize) {
    let (left, right) = (root(owner, left), root(owner, right));
    owner[left.max(right)] = left.min(right);
}
