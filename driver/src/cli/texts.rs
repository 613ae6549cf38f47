//! Texts from the command line or from standard input.

use std::io::{self, BufRead, IsTerminal};

use super::failure::{Failure, Result};
use super::say;

/// The texts of the command line, or else the lines of standard input.
pub fn read(arguments: Vec<String>) -> Result<Vec<String>> {
    if !arguments.is_empty() {
        return Ok(arguments);
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        say("Reading texts from the terminal, one a line; Ctrl-D ends them.");
    }
    let mut texts = Vec::new();
    for (index, line) in stdin.lock().lines().enumerate() {
        texts.push(line.map_err(|error| {
            let number = index + 1;
            Failure::Input(format!(
                "line {number} of standard input cannot be read: {error}"
            ))
        })?);
    }
    if texts.is_empty() {
        let text = "there is no text: give some as arguments, or one a line on standard input";
        return Err(Failure::Input(text.into()));
    }
    Ok(texts)
}

/// The beginning of a text, for tables.
pub fn short(text: &str) -> String {
    const MOST: usize = 48;
    // Control characters must not reach the terminal.
    let clean = |part: &str| -> String {
        part.chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect()
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", clean(&text[..end])),
        None => clean(text),
    }
}
