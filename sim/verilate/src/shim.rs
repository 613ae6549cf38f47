//! The C++ shim between a Verilated model and [`crate::Library`].

use std::fmt::Write;

use crate::Options;
use crate::design::{CLOCK, Design, Dir};

/// The version of the interface in `shim.cpp`; a library with another one is refused.
pub(crate) const ABI: u32 = 1;

/// The prefix of all classes that Verilator generates.
pub(crate) const PREFIX: &str = "Vmodel";

/// The shim for `design`: constants and a port table, followed by the fixed text of `shim.cpp`.
pub(crate) fn source(design: &Design, options: &Options) -> String {
    let mut out = String::new();
    let trace = u8::from(options.fst);
    let clock = member(CLOCK);
    writeln!(out, "#define SHIM_ABI {ABI}").unwrap();
    writeln!(out, "#define SHIM_FST {trace}").unwrap();
    writeln!(out, "#define SHIM_CLOCK {clock}").unwrap();
    out.push_str("#define SHIM_PORTS(PORT)");
    for port in &design.ports {
        let writable = u8::from(port.dir == Dir::In);
        write!(
            out,
            " \\\n    PORT({}, \"{}\", {}, {writable})",
            member(&port.name),
            port.name,
            port.width
        )
        .unwrap();
    }
    out.push('\n');
    out.push_str(include_str!("shim.cpp"));
    out
}

/// The C++ member that Verilator makes of a port: `$` becomes `__024`, and `__` becomes `___05F`.
fn member(port: &str) -> String {
    let mut out = String::new();
    let mut rest = port;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("__") {
            out.push_str("___05F");
            rest = after;
            continue;
        }
        match c {
            '$' => out.push_str("__024"),
            c => out.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn mangles_as_verilator_does() {
        assert_eq!(member("act_in$3"), "act_in__0243");
        assert_eq!(member("a__b"), "a___05Fb");
        assert_eq!(member("plain_1"), "plain_1");
    }
}
