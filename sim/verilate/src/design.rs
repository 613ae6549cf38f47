//! A design: Verilog text and the ports of its top module.

use crate::{Error, parse};

/// The clock input that every design has.
pub(crate) const CLOCK: &str = "clock";

/// The direction of a port, seen from the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// The host sets it.
    In,
    /// The design drives it.
    Out,
}

/// One port of the top module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The name as it stands in the Verilog, `$` included.
    pub name: String,
    /// Width in bits, at least 1.
    pub width: u32,
    /// Direction.
    pub dir: Dir,
}

/// Verilog text with the top module's name and ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Design {
    /// The name of the top module.
    pub top: String,
    /// The text of all modules.
    pub verilog: String,
    /// The ports of the top module, a 1-bit input `clock` among them.
    pub ports: Vec<Port>,
}

impl Design {
    /// Makes a design of `verilog`, reading the ports from the header of module `top`.
    ///
    /// Both rust-hdl's style (`module m(a,b);` with the declarations in the body) and declarations
    /// inside the parentheses are understood; widths are literal, as `[7:0]`.
    pub fn from_verilog(
        top: impl Into<String>,
        verilog: impl Into<String>,
    ) -> Result<Design, Error> {
        let (top, verilog) = (top.into(), verilog.into());
        let ports = parse::ports(&top, &verilog)?;
        let design = Design {
            top,
            verilog,
            ports,
        };
        design.check()?;
        Ok(design)
    }

    /// Refuses what the generated C++ could not express.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |reason: String| {
            Err(Error::Design {
                top: self.top.clone(),
                reason,
            })
        };
        if !is_identifier(&self.top) {
            return fail("the name of the top module is no Verilog identifier".into());
        }
        for (i, port) in self.ports.iter().enumerate() {
            if !is_identifier(&port.name) {
                return fail(format!(
                    "port name `{}` is no Verilog identifier",
                    port.name
                ));
            }
            if port.width == 0 {
                return fail(format!("port `{}` is 0 bits wide", port.name));
            }
            if self.ports[..i].iter().any(|p| p.name == port.name) {
                return fail(format!("port `{}` is listed twice", port.name));
            }
        }
        match self.ports.iter().find(|p| p.name == CLOCK) {
            Some(p) if p.width == 1 && p.dir == Dir::In => Ok(()),
            Some(_) => fail("port `clock` is not a 1-bit input".into()),
            None => fail("it has no 1-bit input `clock`".into()),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'$')
}
