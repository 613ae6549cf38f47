//! Statements of a kernel as independent pieces of combinational logic.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::expr::{Piece, output_of};
use super::names::printed;

/// Prints the statements of a kernel: an `assign` for each signal that is assigned once, an
/// `always_comb` for each set of signals that are assigned together, an `always` at the clock for
/// each set of `registers` whose inputs were printed as assignments of the registers themselves.
/// (`always_ff` would forbid the `initial` value that FPGAs give their registers.)
///
/// One big block would be the same hardware, but simulators treat a block as a whole: whatever
/// depends on an input would drag everything else along.
pub fn print(pieces: Vec<Piece>, registers: &BTreeSet<String>) -> String {
    let pieces = without_dead_defaults(pieces, registers);
    let mut text = String::new();
    for group in groups(&pieces) {
        let flip_flop = group.iter().all(|piece| piece.targets.is_subset(registers));
        match group.as_slice() {
            [piece] if flip_flop && piece.simple.is_some() => {
                let _ = writeln!(text, "  always @(posedge clock) {}", piece.text.trim_end());
            }
            [
                Piece {
                    simple: Some((target, value)),
                    ..
                },
            ] => {
                let _ = writeln!(text, "  assign {} = {value};", printed(target));
            }
            group => {
                text.push_str(match flip_flop {
                    true => "  always @(posedge clock) begin\n",
                    false => "  always_comb begin\n",
                });
                for line in group.iter().flat_map(|piece| piece.text.lines()) {
                    let _ = writeln!(text, "    {line}");
                }
                text.push_str("  end\n");
            }
        }
    }
    text
}

/// Those inputs of registers that a kernel assigns only together with inputs of registers, and
/// that it never reads: they need no signal of their own.
pub fn registers(pieces: &[Piece], inputs: &BTreeSet<String>) -> BTreeSet<String> {
    let read: BTreeSet<&String> = pieces.iter().flat_map(|piece| &piece.reads).collect();
    let only_registers = |group: &Vec<&Piece>| {
        let mut targets = group.iter().flat_map(|piece| &piece.targets);
        targets.all(|target| inputs.contains(target) && !read.contains(target))
    };
    groups(pieces)
        .into_iter()
        .filter(only_registers)
        .flatten()
        .flat_map(|piece| piece.targets.iter().cloned())
        .collect()
}

/// Sets of statements that must stay together, in their order.
fn groups(pieces: &[Piece]) -> Vec<Vec<&Piece>> {
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
    groups.into_values().collect()
}

/// Drops what a later unconditional assignment of the same signal replaces unread (the defaults
/// of registers that are assigned in every case), and the default of a register to itself.
fn without_dead_defaults(pieces: Vec<Piece>, registers: &BTreeSet<String>) -> Vec<Piece> {
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
    let kept_anyway = |index: usize, target: &str, value: &str| {
        registers.contains(target)
            && target
                .strip_suffix("$d")
                .is_some_and(|register| value == output_of(register))
            && !pieces[..index]
                .iter()
                .any(|piece| piece.targets.contains(target))
    };
    let keep: Vec<bool> = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| {
            !piece.simple.as_ref().is_some_and(|(target, value)| {
                replaced(index, target) || kept_anyway(index, target, value)
            })
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
