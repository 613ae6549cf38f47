//! From a fresh checkout to embeddings computed by the simulated card.

use anyhow::Result;

use crate::run::{announced, cargo, systole};
use crate::setup;

/// The model that the demonstration runs.
pub const MODEL: &str = "minilm";

const SENTENCES: [&str; 3] = [
    "The heart pumps blood through the body.",
    "A systolic array pumps data through its cells.",
    "The train to the coast leaves at noon.",
];

/// Runs the demonstration.
pub fn run() -> Result<()> {
    setup::install(&setup::BASE)?;
    announced(&mut cargo(&[
        "build",
        "--release",
        "--package=systole",
        "--bin=systole",
    ]))?;
    announced(&mut systole(&["model", "fetch", MODEL]))?;
    let on_the_card = |command: &'static str, options: &[&'static str]| {
        let args = [&[command, "--device", "sim"], options, &SENTENCES].concat();
        announced(&mut systole(&args))
    };
    on_the_card("embed", &["--explain"])?;
    on_the_card("similarity", &[])
}
