//! Runs products on a backend and keeps what it says about them.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::Xxh3;

use super::RunError;
use crate::backend::{Backend, NodeReport};
use crate::matmul::{MatMul, Values};

/// XXH3 (128 bits) of all integers that a node gave, in hexadecimal: tells two runs apart, and is
/// no proof against forgery.
pub type NodeDigest = String;

/// Runs products and sums up reports by node.
pub struct Runner<'a> {
    backend: &'a mut dyn Backend,
    nodes: Vec<NodeReport>,
    digests: Option<BTreeMap<String, Xxh3>>,
}

impl<'a> Runner<'a> {
    /// Runs on `backend`; with `digests`, every result is hashed too.
    pub fn new(backend: &'a mut dyn Backend, digests: bool) -> Self {
        Self {
            backend,
            nodes: Vec::new(),
            digests: digests.then(BTreeMap::new),
        }
    }

    /// Runs products that ask for int16 results.
    ///
    /// # Errors
    /// When the backend fails or answers something else than was asked for.
    pub fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Vec<i16>>, RunError> {
        let outcomes = self.backend.run(jobs)?;
        if outcomes.len() != jobs.len() {
            let node = jobs.first().map_or("nothing", |job| job.name);
            return Err(self.wrong_answer(node));
        }
        let mut results = Vec::with_capacity(jobs.len());
        for (job, outcome) in jobs.iter().zip(outcomes) {
            match outcome.values {
                Values::I16(values) if values.len() == job.m * job.n => {
                    self.digest(job.name, &values);
                    results.push(values);
                }
                _ => return Err(self.wrong_answer(job.name)),
            }
            // Newest first: the heads of one layer follow each other.
            match self
                .nodes
                .iter_mut()
                .rev()
                .find(|node| node.same_node(&outcome.report))
            {
                Some(node) => node.absorb(&outcome.report),
                None => self.nodes.push(outcome.report),
            }
        }
        Ok(results)
    }

    /// Reports, one a node and place, and the digests by node if they were asked for.
    pub fn finish(self) -> (Vec<NodeReport>, Option<BTreeMap<String, NodeDigest>>) {
        let digests = self.digests.map(|digests| {
            digests
                .into_iter()
                .map(|(name, hash)| (name, format!("{:032x}", hash.digest128())))
                .collect()
        });
        (self.nodes, digests)
    }

    fn digest(&mut self, node: &str, values: &[i16]) {
        if let Some(digests) = &mut self.digests {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            digests.entry(node.into()).or_default().update(&bytes);
        }
    }

    fn wrong_answer(&self, node: &str) -> RunError {
        RunError::Answer {
            backend: self.backend.name().into(),
            node: node.into(),
        }
    }
}
