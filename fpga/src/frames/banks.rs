//! What holds for all pins of a bank when it holds for one.

use std::collections::{BTreeMap, BTreeSet};

use super::Database;
use super::fasm::Feature;

/// The feature of pins below 2.5 V.
const STEPDOWN: &str = "STEPDOWN";

/// A bank in which a pin works below 2.5 V steps the supply of its buffers down everywhere: pins
/// that nobody uses want the feature too.
pub fn stepdown(features: &[Feature], database: &Database) -> Vec<Feature> {
    let mut used = BTreeSet::new();
    let mut banks: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for feature in features {
        let mut parts = feature.name.splitn(3, '.');
        let (Some(tile), Some(site), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let Some(bank) = database.bank(tile).filter(|_| tile.contains("IOB33")) else {
            continue;
        };
        used.insert((tile, site.to_string()));
        if rest.ends_with(STEPDOWN) && feature.bits.contains(&true) {
            banks.insert(bank, (rest, feature.line));
        }
    }
    let mut more = Vec::new();
    for (bank, (feature, line)) in banks {
        for tile in database.tiles_of_bank(bank) {
            let pads = database.tile(tile).into_iter().flat_map(|tile| tile.pads());
            for pad in pads.filter(|pad| !used.contains(&(tile, pad.clone()))) {
                more.push(Feature {
                    line,
                    name: format!("{tile}.{pad}.{feature}"),
                    low: 0,
                    bits: vec![true],
                });
            }
        }
    }
    more
}
