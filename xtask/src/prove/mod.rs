//! Proofs about single blocks.

mod proofs;
mod yosys;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::target_dir;
use crate::{emit, setup};

use proofs::{PROOFS, Proof};
use yosys::{Verdict, prove};

/// What one proof came to.
struct Outcome {
    proof: &'static Proof,
    /// What was changed in the block, if anything was.
    mutant: Option<(&'static str, &'static str)>,
    seconds: f64,
    verdict: Verdict,
}

impl Outcome {
    /// Blocks are proved, changed ones refused.
    fn is_right(&self) -> bool {
        (self.verdict == Verdict::Proved) == self.mutant.is_none()
    }

    fn json(&self) -> Value {
        json!({
            "block": self.proof.name,
            "property": self.proof.property,
            "method": "temporal induction",
            "depth": self.proof.depth,
            "mutant": self.mutant.map(|(old, new)| json!({ "old": old, "new": new })),
            "seconds": self.seconds,
            "proved": self.verdict == Verdict::Proved,
        })
    }
}

/// What to prove.
#[derive(Default)]
pub struct Choice<'a> {
    /// Only blocks whose name contains this.
    pub filter: Option<&'a str>,
    /// Only what takes seconds.
    pub quick: bool,
    /// Also that changed blocks are refused.
    pub mutants: bool,
}

impl Choice<'_> {
    fn takes(&self, proof: &Proof) -> bool {
        let named = self.filter.is_none_or(|name| proof.name.contains(name));
        named && (proof.quick || !self.quick)
    }
}

/// Proves what the blocks are said to do, and prints how that came out; an error when something is
/// not proved, or a changed block is.
pub fn run(choice: &Choice, json: bool) -> Result<()> {
    setup::install(&setup::SYNTH)?;
    let chosen: Vec<&'static Proof> = PROOFS.iter().filter(|p| choice.takes(p)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = PROOFS.iter().map(|proof| proof.name).collect();
        bail!(
            "no block of that name is proved: choose from {}",
            names.join(", ")
        );
    }
    let folder = target_dir().join("prove");
    emit::proved(&folder)?;
    let mut outcomes = vec![];
    for proof in chosen {
        let path = folder.join(format!("{}.v", proof.name));
        let block =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        outcomes.push(attempt(proof, None, &block, &folder)?);
        for mutant in proof.mutants.iter().filter(|_| choice.mutants) {
            let changed = mutate(proof, *mutant, &block)?;
            outcomes.push(attempt(proof, Some(*mutant), &changed, &folder)?);
        }
    }
    match json {
        true => println!("{}", Value::from_iter(outcomes.iter().map(Outcome::json))),
        false => report(&outcomes),
    }
    let wrong = outcomes.iter().filter(|outcome| !outcome.is_right());
    match wrong.count() {
        0 => Ok(()),
        1 => bail!("one proof did not come to what it should"),
        count => bail!("{count} proofs did not come to what they should"),
    }
}

/// The block with a text replaced, which it must have.
fn mutate(proof: &Proof, (old, new): (&str, &str), block: &str) -> Result<String> {
    if !block.contains(old) {
        bail!(
            "the Verilog of {} has no `{old}`: the change in xtask/src/prove/proofs.rs is out of date",
            proof.name
        );
    }
    Ok(block.replacen(old, new, 1))
}

fn attempt(
    proof: &'static Proof,
    mutant: Option<(&'static str, &'static str)>,
    verilog: &str,
    folder: &Path,
) -> Result<Outcome> {
    let what = match mutant {
        None => String::new(),
        Some((old, new)) => format!(" with `{new}` for `{old}`"),
    };
    eprintln!("proving {}{what}", proof.name);
    let start = Instant::now();
    let verdict = prove(proof, verilog, &folder.join(proof.name))?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Outcome {
        proof,
        mutant,
        seconds,
        verdict,
    })
}

fn report(outcomes: &[Outcome]) {
    println!("block       depth        s  proved  property");
    for outcome in outcomes {
        let Outcome { proof, seconds, .. } = outcome;
        let proved = match outcome.verdict {
            Verdict::Proved => "yes",
            Verdict::Refuted => "no",
        };
        let property = match outcome.mutant {
            None => proof.property.to_string(),
            Some((old, new)) => format!("must fail: `{new}` for `{old}`"),
        };
        let (name, depth) = (proof.name, proof.depth);
        let wrong = if outcome.is_right() { "" } else { "  WRONG" };
        println!("{name:<10} {depth:>6} {seconds:>8.1}  {proved:<6}  {property}{wrong}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

    #[test]
    fn every_file_of_properties_is_proved() {
        let files = fs::read_dir(root().join("hdl/proofs")).unwrap();
        let mut files: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut proved: Vec<String> = PROOFS.iter().map(|p| format!("{}.sv", p.name)).collect();
        files.sort();
        proved.sort();
        assert_eq!(files, proved);
        assert!(PROOFS.iter().all(|proof| !proof.mutants.is_empty()));
    }
}
