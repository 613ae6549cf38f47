//! The model that the guest runs, and what the CPU makes of it on the host.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cpio::Archive;
use super::{files, read};
use crate::demo::MODEL;
use crate::run::{announced, systole};

/// What is embedded on both sides.
const TEXT: &str = "The heart pumps blood through the body.";

/// Where the model and the cache stand in the guest.
const FOLDER: &str = "model";
const CACHE: &str = "cache";
/// The part of the cache with models that are quantised.
const QUANTISED: &str = "quantised";
/// Where the guest finds [`TEXT`].
const TEXT_FILE: &str = "text";

/// A model and its reference.
pub struct Model {
    /// What goes into the guest.
    pub archive: Vec<u8>,
    /// What the program prints for [`TEXT`] on the CPU of the host.
    reference: Value,
    /// How many programs the functional card gets for it on the host, and their digest.
    programs: Value,
}

impl Model {
    /// Fetches the model unless it is there, and runs it on the CPU. Its quantised form, which
    /// takes a while to make, is kept in `work` and goes into the guest too.
    pub fn prepare(work: &Path) -> Result<Self> {
        announced(&mut systole(&["model", "fetch", MODEL]))?;
        let info = json(&mut systole(&["info", "--json"]))?;
        let folder = info["caches"]["models"][MODEL]
            .as_str()
            .map(PathBuf::from)
            .context("`systole info` names no folder of the model")?;
        let cache = work.join(CACHE);
        let embed = |device: &str| {
            let mut embed = systole(&["embed", device, "--json", "--model"]);
            json(embed.arg(&folder).arg(TEXT).env("SYSTOLE_CACHE", &cache))
        };
        let reference = embed("--device=cpu")?;
        let programs = embed("--device=model-pcie")?["programs"].take();
        ensure!(
            programs["count"].as_u64() > Some(0) && programs["digest"].is_string(),
            "the functional card ran no programs: {programs}"
        );
        let mut archive = Archive::default();
        add(&mut archive, &folder, FOLDER)?;
        add(
            &mut archive,
            &cache.join(QUANTISED),
            &format!("{CACHE}/{QUANTISED}"),
        )?;
        archive.file(TEXT_FILE, TEXT.as_bytes());
        Ok(Self {
            archive: archive.finish(),
            reference,
            programs,
        })
    }

    /// Checks what the guest's program printed: the same vector, the same programs for the card,
    /// and the same bits out of every node, which ran on the card, and took cycles if it has a
    /// clock.
    pub fn check(&self, found: &Value, clocked: bool) -> Result<()> {
        ensure!(
            vector(found)? == vector(&self.reference)?,
            "the guest computes another vector than the host"
        );
        ensure!(
            found["programs"] == self.programs,
            "the guest's card got other programs than the host's: {}, not {}",
            found["programs"],
            self.programs
        );
        let nodes = |value: &Value| -> Result<Vec<(Value, Value)>> {
            let nodes = value["nodes"].as_array().context("there are no nodes")?;
            let digest = |node: &Value| (node["name"].clone(), node["digest"].clone());
            Ok(nodes.iter().map(digest).collect())
        };
        let (guest, host) = (nodes(found)?, nodes(&self.reference)?);
        ensure!(
            !host.is_empty() && host.iter().all(|(_, digest)| digest.is_string()),
            "the nodes have no digests"
        );
        ensure!(guest.len() == host.len(), "the guest runs other nodes");
        if let Some((found, _)) = guest.iter().zip(&host).find(|(a, b)| a != b) {
            bail!("the guest computes other bits in {}", found.0);
        }
        for node in found["nodes"].as_array().into_iter().flatten() {
            let name = &node["name"];
            ensure!(
                node["place"] == "device",
                "{name} did not run on the card: {}",
                node["reason"]
            );
            let cycles = node["cycles"].as_u64().unwrap_or_default();
            ensure!(!clocked || cycles > 0, "{name} took no cycles");
        }
        Ok(())
    }
}

/// The bits of the vector that the program printed.
fn vector(printed: &Value) -> Result<Vec<u32>> {
    let vector = printed["embeddings"][0].as_array();
    let numbers = vector.filter(|vector| !vector.is_empty());
    // What was printed with few digits and read with many is rounded to what it was.
    let bits = |number: &Value| Some((number.as_f64()? as f32).to_bits());
    numbers
        .and_then(|vector| vector.iter().map(bits).collect())
        .context("there is no vector")
}

/// Adds all files below `folder`, as they are below `name` in the guest.
fn add(archive: &mut Archive, folder: &Path, name: &str) -> Result<()> {
    let mut made = Vec::new();
    for file in files(folder)? {
        let inner = file.strip_prefix(folder).unwrap_or(&file);
        let path = Path::new(name).join(inner);
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for parent in above.into_iter().rev() {
            if !parent.as_os_str().is_empty() && !made.contains(&parent.to_path_buf()) {
                archive.folder(&parent.to_string_lossy());
                made.push(parent.into());
            }
        }
        archive.file(&path.to_string_lossy(), &read(&file)?);
    }
    Ok(())
}

/// Runs the program and reads the JSON that it prints.
fn json(command: &mut Command) -> Result<Value> {
    let output = command.output().context("cannot start Cargo")?;
    ensure!(
        output.status.success(),
        "`systole` failed with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("`systole` prints no JSON")
}
