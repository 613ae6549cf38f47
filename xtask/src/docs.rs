//! The reference pages that come from the contract.

use anyhow::Result;

use crate::run::{announced, cargo};

/// Writes the pages, or checks that they are what the contract says.
pub fn run(check: bool) -> Result<()> {
    announced(&mut match check {
        true => cargo(&["test", "--package=systole-isa", "--features=doc"]),
        false => cargo(&[
            "run",
            "--package=systole-isa",
            "--features=doc",
            "--example=isa_docs",
        ]),
    })
}
