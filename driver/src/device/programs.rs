//! Which programs went to the card.

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use crate::compile::Program;

/// Programs that went to a card: two backends that got the same products for cards of the same
/// shape must agree, whatever is between host and card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Programs {
    /// How many.
    pub count: u64,
    /// XXH3 (128 bits) in hexadecimal of their digests ([`Program::digest`]) in the order in which
    /// they went: tells two runs apart, and is no proof against forgery.
    pub digest: String,
}

/// Programs on their way.
#[derive(Default)]
pub(super) struct Sent {
    count: u64,
    hash: Xxh3,
}

impl Sent {
    pub(super) fn add(&mut self, program: &Program) {
        self.count += 1;
        self.hash.update(&program.digest().to_le_bytes());
    }

    pub(super) fn programs(&self) -> Programs {
        Programs {
            count: self.count,
            digest: format!("{:032x}", self.hash.digest128()),
        }
    }
}
