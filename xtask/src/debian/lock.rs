//! The list of pinned packages: a line for each, with its path in the mirror, its size in bytes
//! and its SHA-256. Empty lines and lines that begin with `#` say nothing.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

/// One package, as the mirror names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// Below the mirror, as it stands in an address: `pool/...`.
    pub path: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Of the file, in 64 hexadecimal digits.
    pub sha256: String,
}

impl Package {
    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Reads a list.
pub fn parse(text: &str) -> Result<Vec<Package>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| parse_line(line).with_context(|| format!("line {}", number + 1)))
        .collect()
}

fn parse_line(line: &str) -> Result<Package> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [path, bytes, sha256] = parts[..] else {
        bail!("`{line}` is not a path, a size and a hash");
    };
    let harmless = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !path.starts_with("pool/") || !path.ends_with(".deb") || !path.split('/').all(harmless) {
        bail!("`{path}` is not the path of a package below `pool/`");
    }
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("`{sha256}` is not a SHA-256");
    }
    Ok(Package {
        path: path.into(),
        bytes: bytes
            .parse()
            .with_context(|| format!("`{bytes}` is not a size"))?,
        sha256: sha256.into(),
    })
}

/// Writes a list, with a comment of one line above it.
pub fn print(comment: &str, packages: &[Package]) -> String {
    let mut text = format!("# {comment}\n");
    for Package {
        path,
        bytes,
        sha256,
    } in packages
    {
        writeln!(text, "{path} {bytes} {sha256}").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let package = |name: &str, bytes| Package {
            path: format!("pool/main/{name}_1.0%2b2_amd64.deb"),
            bytes,
            sha256: "0123456789abcdef".repeat(4),
        };
        let packages = [package("a", 1), package("b", u64::MAX)];
        assert_eq!(parse(&print("what for", &packages)).unwrap(), packages);
        assert_eq!(packages[0].file_name(), "a_1.0%2b2_amd64.deb");
    }

    #[test]
    fn damage_is_told_with_its_line() {
        let hash = "0".repeat(64);
        for line in [
            format!("dists/main/a.deb 1 {hash}"),
            format!("pool/../../a.deb 1 {hash}"),
            format!("pool//a.deb 1 {hash}"),
            format!("pool/a.deb -1 {hash}"),
            format!("pool/a.deb 1 {}", "0".repeat(63)),
            format!("pool/a.deb 1 {}", "g".repeat(64)),
            format!("pool/a.deb 1 {hash} more"),
            "pool/a.deb 1".into(),
        ] {
            let error = parse(&format!("# comment\n\n{line}\n")).unwrap_err();
            assert_eq!(error.to_string(), "line 3", "{line}");
        }
    }
}
