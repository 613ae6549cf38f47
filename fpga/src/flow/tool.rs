//! The programs of the flow, wherever they were installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::FlowError;

/// A program with the arguments that start it, before those of the flow.
#[derive(Clone, Debug)]
pub struct Tool {
    /// What reports and errors call it.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Arguments that come first.
    pub args: Vec<OsString>,
    /// Its version, where the program does not tell it.
    pub version: Option<String>,
}

impl Tool {
    /// A command that runs it in `folder`.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(folder)
            .stdin(Stdio::null());
        command
    }

    /// What it says of its version.
    ///
    /// # Errors
    /// It cannot be started, or says nothing.
    pub fn version(&self) -> Result<String, FlowError> {
        if let Some(version) = &self.version {
            return Ok(version.clone());
        }
        let mut command = self.command(Path::new("."));
        let output = command.arg("--version").output();
        let output = output.map_err(|error| FlowError::Start {
            step: self.name.into(),
            error,
        })?;
        let said = [output.stdout, output.stderr].concat();
        version_in(&String::from_utf8_lossy(&said)).ok_or_else(|| FlowError::Output {
            step: self.name.into(),
            what: "no version after --version".into(),
        })
    }
}

/// A version in what a program prints; the name of the program may stand before it.
fn version_in(text: &str) -> Option<String> {
    let version = |word: &str| {
        let around = |letter: char| !letter.is_ascii_alphanumeric() && letter != '+';
        let word = word.trim_matches(around);
        let is_digit = |at: &usize| word[*at..].starts_with(|letter: char| letter.is_ascii_digit());
        let dashes = word.match_indices('-').map(|(at, _)| at + 1);
        let version = &word[std::iter::once(0).chain(dashes).find(is_digit)?..];
        version.contains('.').then(|| version.to_string())
    };
    text.split_whitespace().find_map(version)
}

/// The programs for a family of parts.
#[derive(Clone, Debug)]
pub enum Tools {
    /// Of ECP5.
    Ecp5 {
        /// Synthesis.
        yosys: Tool,
        /// Place and route.
        nextpnr: Tool,
        /// Makes the bitstream.
        ecppack: Tool,
    },
    /// Of the Xilinx 7 series.
    Xc7 {
        /// Synthesis.
        yosys: Tool,
        /// Place and route.
        nextpnr: Tool,
        /// Its database of the die.
        chipdb: PathBuf,
        /// Makes the bitstream.
        frames2bit: Tool,
        /// Reads the bitstream back.
        bitread: Tool,
        /// The folder of prjxray's database with the family.
        database: PathBuf,
    },
}

impl Tools {
    /// Synthesis.
    pub fn yosys(&self) -> &Tool {
        match self {
            Self::Ecp5 { yosys, .. } | Self::Xc7 { yosys, .. } => yosys,
        }
    }

    /// Place and route.
    pub fn nextpnr(&self) -> &Tool {
        match self {
            Self::Ecp5 { nextpnr, .. } | Self::Xc7 { nextpnr, .. } => nextpnr,
        }
    }

    /// All programs.
    pub fn all(&self) -> Vec<&Tool> {
        match self {
            Self::Ecp5 {
                yosys,
                nextpnr,
                ecppack,
            } => vec![yosys, nextpnr, ecppack],
            Self::Xc7 {
                yosys,
                nextpnr,
                frames2bit,
                bitread,
                ..
            } => vec![yosys, nextpnr, frames2bit, bitread],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        for (text, version) in [
            ("Yosys 0.70 (git sha1 1234567, x 1.2)", "0.70"),
            (
                "\"nextpnr-ecp5\" -- Next Generation Place and Route (Version 0.11.1+dfsg-5+b1)",
                "0.11.1+dfsg-5+b1",
            ),
            (
                "\"nextpnr-ecp5\" -- Next Generation Place and Route (Version nextpnr-0.11.1)",
                "0.11.1",
            ),
            ("Project Trellis\nVersion 1.4-3+b2\n", "1.4-3+b2"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version));
        }
        assert_eq!(version_in("ecppack"), None);
    }
}
