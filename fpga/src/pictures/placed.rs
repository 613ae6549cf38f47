//! The cells of a placed design, in groups by the modules that they belong to.

use std::collections::BTreeMap;

use serde_json::Value;

/// Kinds of cells that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Look-up table.
    Lut,
    /// Flip-flop.
    FlipFlop,
    /// Multiplier.
    Dsp,
    /// Block memory.
    BlockRam,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Lut, Self::FlipFlop, Self::Dsp, Self::BlockRam];

    /// What pictures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lut => "LUT",
            Self::FlipFlop => "FF",
            Self::Dsp => "DSP",
            Self::BlockRam => "BRAM",
        }
    }

    fn of(cell: &str) -> Option<Self> {
        match cell {
            "TRELLIS_COMB" | "SLICE_LUTX" => Some(Self::Lut),
            "TRELLIS_FF" | "SLICE_FFX" => Some(Self::FlipFlop),
            "MULT18X18D" => Some(Self::Dsp),
            "DP16KD" => Some(Self::BlockRam),
            _ if cell.starts_with("DSP48E1") => Some(Self::Dsp),
            _ if cell.starts_with("RAMB") => Some(Self::BlockRam),
            _ => None,
        }
    }
}

/// Why a netlist cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacedError {
    /// It is something else.
    #[error("the placed netlist is not what nextpnr's --write writes")]
    Format,
    /// It has no cells with places.
    #[error("the placed netlist has no cell with a place")]
    Empty,
}

/// A cell of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its kind.
    pub kind: Kind,
    /// Column and row of its tile.
    pub at: (u32, u32),
}

/// Groups at most, the largest first and the rest together.
const MOST_GROUPS: usize = 12;

/// A group with more than this share of all cells is drawn as its parts.
const LARGE: f64 = 0.2;

/// A placed design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Names and cells of groups, the largest first.
    pub groups: Vec<(String, Vec<Cell>)>,
}

impl Placed {
    /// Reads what nextpnr's `--write` writes.
    ///
    /// # Errors
    /// It is something else, or has no cells.
    pub fn read(text: &str) -> Result<Self, PlacedError> {
        let netlist: Value = serde_json::from_str(text).map_err(|_| PlacedError::Format)?;
        let modules = netlist.get("modules").and_then(Value::as_object);
        let cells = modules
            .and_then(|modules| modules.values().next()?.get("cells")?.as_object())
            .ok_or(PlacedError::Format)?;
        let cells: Vec<(Vec<&str>, Cell)> = cells
            .iter()
            .filter_map(|(name, cell)| {
                let kind = Kind::of(cell.get("type")?.as_str()?)?;
                let bel = cell.pointer("/attributes/NEXTPNR_BEL")?.as_str()?;
                let at = place(bel)?;
                Some((path(name), Cell { kind, at }))
            })
            .collect();
        if cells.is_empty() {
            return Err(PlacedError::Empty);
        }
        Ok(Self {
            groups: grouped(&cells),
        })
    }
}

/// The instances that a cell lies in: all parts of its name but the last, which is its own.
fn path(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.split('.').collect();
    parts.pop();
    // Names that tools made up say nothing of modules.
    let told = parts.iter().position(|part| part.contains('$'));
    parts.truncate(told.unwrap_or(parts.len()));
    parts
}

/// `X3/Y35/...` or `X3Y35/...`.
fn place(bel: &str) -> Option<(u32, u32)> {
    let rest = bel.strip_prefix('X')?;
    let number = |text: &str| -> Option<u32> {
        let end = text.find(|letter: char| !letter.is_ascii_digit());
        text[..end.unwrap_or(text.len())].parse().ok()
    };
    let x = number(rest)?;
    let y = rest.split_once('Y')?.1;
    Some((x, number(y)?))
}

/// A cell and the instances that it lies in.
type Located<'a> = (Vec<&'a str>, Cell);

/// Groups by the first part of the path; large ones again by the next part.
fn grouped(cells: &[Located]) -> Vec<(String, Vec<Cell>)> {
    let least = (cells.len() as f64 * LARGE) as usize;
    let mut groups: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
    let mut pending: Vec<(usize, Vec<&Located>)> = vec![(0, cells.iter().collect())];
    while let Some((depth, cells)) = pending.pop() {
        let mut parts: BTreeMap<Option<&str>, Vec<&Located>> = BTreeMap::new();
        for cell in cells {
            parts
                .entry(cell.0.get(depth).copied())
                .or_default()
                .push(cell);
        }
        for (part, members) in parts {
            if part.is_some() && members.len() > least {
                pending.push((depth + 1, members));
                continue;
            }
            let end = members[0].0.len().min(depth + 1);
            let name = match members[0].0[..end].join(".") {
                name if name.is_empty() => "(top)".to_string(),
                name => name,
            };
            let members = members.into_iter().map(|(_, cell)| *cell);
            groups.entry(name).or_default().extend(members);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(&b.0)));
    if groups.len() > MOST_GROUPS {
        let rest = groups.split_off(MOST_GROUPS - 1);
        let rest = rest.into_iter().flat_map(|(_, cells)| cells).collect();
        groups.push(("(the rest)".into(), rest));
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_read_with_their_modules_and_places() {
        let cell = |kind: &str, bel: &str| {
            json!({ "type": kind,
            "attributes": { "NEXTPNR_BEL": bel } })
        };
        let netlist = json!({ "modules": { "top": { "cells": {
            "card.array.x_TRELLIS_FF_Q": cell("TRELLIS_FF", "X3/Y35/SLICEA.FF0"),
            "card.store.y": cell("RAMB36E1_RAMB36E1", "X101Y134/RAMB36E1"),
            "$PACKER_VCC": cell("TRELLIS_COMB", "X0/Y1/SLICEA.COMB0"),
            "io": cell("TRELLIS_IO", "X0/Y0/PIOA"),
            "nowhere": { "type": "TRELLIS_FF", "attributes": {} } } } } });
        let placed = Placed::read(&netlist.to_string()).unwrap();
        let group = |name: &str| {
            let found = placed.groups.iter().find(|(group, _)| group == name);
            found
                .unwrap_or_else(|| panic!("{name} {placed:?}"))
                .1
                .clone()
        };
        let kind = Kind::FlipFlop;
        assert_eq!(group("card.array"), [Cell { kind, at: (3, 35) }]);
        let kind = Kind::BlockRam;
        assert_eq!(
            group("card.store"),
            [Cell {
                kind,
                at: (101, 134)
            }]
        );
        assert_eq!(group("(top)").len(), 1);
        assert_eq!(placed.groups.len(), 3);
        for odd in ["", "{}", "{\"modules\":{\"top\":{}}}"] {
            assert_eq!(Placed::read(odd), Err(PlacedError::Format), "{odd}");
        }
        let empty = "{\"modules\":{\"top\":{\"cells\":{}}}}";
        assert_eq!(Placed::read(empty), Err(PlacedError::Empty));
    }

    #[test]
    fn many_groups_become_a_few() {
        let names: Vec<String> = (0..50).map(|index| format!("m{index}.x")).collect();
        let cell = Cell {
            kind: Kind::Lut,
            at: (0, 0),
        };
        let cells: Vec<_> = names.iter().map(|name| (path(name), cell)).collect();
        let groups = grouped(&cells);
        assert_eq!(groups.len(), MOST_GROUPS);
        let count: usize = groups.iter().map(|(_, cells)| cells.len()).sum();
        assert_eq!(count, 50);
    }
}
