//! A model of one encoder layer, with everything around it.

use std::error::Error;

use sim::memory::MemoryOptions;
use systole::backend::Place;
use systole::device::DeviceBackend;
use systole::embed::{EmbedOptions, Embedder};

use crate::cards::Cards;
use crate::table::Table;
use crate::tiny;

const TEXTS: [&str; 3] = ["a b c", "c", "b a b a c c a"];

/// Embeds texts on both cards: the vectors, and the integers of every node by their digest.
pub fn compare(cards: &Cards, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let (folder, cache) = (tiny::folder(), tempfile::tempdir()?);
    let mut embedder = Embedder::load_with_cache(folder.path(), cache.path(), &mut |_, _| ())?;
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    eprintln!("one encoder layer");
    let traces = cards.both(&MemoryOptions::default(), |card: &mut DeviceBackend| {
        let done = embedder.embed(&TEXTS, options, card)?;
        if let Some(node) = done.nodes.iter().find(|node| node.place != Place::Device) {
            return Err(format!("{} did not run on the card: {}", node.name, node.reason).into());
        }
        Ok((done.vectors, done.digests))
    })?;
    table.add("one encoder layer, three texts".into(), &traces);
    Ok(())
}
