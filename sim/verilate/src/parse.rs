//! Reads the ports of a module from Verilog text.

use crate::{Dir, Error, Port};

/// The ports of module `top`, in the order of its header.
pub(crate) fn ports(top: &str, verilog: &str) -> Result<Vec<Port>, Error> {
    let fail = |reason: String| Error::Header {
        module: top.to_string(),
        reason,
    };
    let tokens = tokens(verilog);
    let start = tokens
        .windows(2)
        .position(|w| w[0] == "module" && w[1] == top)
        .ok_or_else(|| fail("the Verilog does not define it".into()))?;
    let body = &tokens[start + 2..];
    let end = body
        .iter()
        .position(|t| *t == "endmodule")
        .ok_or_else(|| fail("it has no `endmodule`".into()))?;
    let mut declarations = Declarations {
        tokens: &body[..end],
        at: 0,
    };
    let header = declarations.header().map_err(fail)?;
    let found = declarations.all().map_err(fail)?;
    header
        .iter()
        .map(|name| {
            found
                .iter()
                .find(|p| p.name == *name)
                .cloned()
                .ok_or_else(|| fail(format!("port `{name}` has no input or output declaration")))
        })
        .collect()
}

/// Splits Verilog into words and single punctuation marks, without comments.
fn tokens(mut text: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let mut out = Vec::new();
    loop {
        text = text.trim_start();
        let Some(first) = text.chars().next() else {
            return out;
        };
        let taken = if text.starts_with("//") {
            text.find('\n').unwrap_or(text.len())
        } else if text.starts_with("/*") {
            text.find("*/").map_or(text.len(), |n| n + 2)
        } else {
            let len = text.find(|c| !word(c)).unwrap_or(text.len());
            let len = len.max(first.len_utf8());
            out.push(&text[..len]);
            len
        };
        text = &text[taken..];
    }
}

/// A reader of port declarations over the tokens of one module.
struct Declarations<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Declarations<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    /// The names inside the header's parentheses, in order; leaves the position before them.
    fn header(&self) -> Result<Vec<&'a str>, String> {
        if self.peek() != Some("(") {
            return Err(
                "its header is not `module NAME(ports);`; parameters are not supported".into(),
            );
        }
        let len = self
            .tokens
            .iter()
            .position(|t| *t == ")")
            .ok_or("its header has no closing parenthesis")?;
        // A name is the word before each comma and before the closing parenthesis.
        Ok((1..=len)
            .filter(|&i| matches!(self.tokens[i], "," | ")"))
            .map(|i| self.tokens[i - 1])
            .filter(|name| *name != "(")
            .collect())
    }

    /// Every `input` and `output` declaration of the module.
    fn all(&mut self) -> Result<Vec<Port>, String> {
        let mut ports = Vec::new();
        while let Some(token) = self.peek() {
            self.at += 1;
            let dir = match token {
                "input" => Dir::In,
                "output" => Dir::Out,
                "inout" => {
                    return Err("an `inout` port cannot be simulated from the host".into());
                }
                _ => continue,
            };
            self.declaration(dir, &mut ports)?;
        }
        Ok(ports)
    }

    /// What follows `input` or `output`: a type, a range and one or more names.
    fn declaration(&mut self, dir: Dir, ports: &mut Vec<Port>) -> Result<(), String> {
        let mut width = 1;
        while let Some(token) = self.peek() {
            match token {
                "wire" | "reg" | "logic" | "signed" | "unsigned" | "," => self.at += 1,
                "[" => width = self.range()?,
                ";" | ")" | "input" | "output" | "inout" | "=" => return Ok(()),
                name => {
                    ports.push(Port {
                        name: name.to_string(),
                        width,
                        dir,
                    });
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    /// A range `[HIGH:0]`; gives the width.
    fn range(&mut self) -> Result<u32, String> {
        let range = &self.tokens[self.at..];
        let range = &range[..range.len().min(5)];
        if let ["[", high, ":", "0", "]"] = range
            && let Some(width) = high.parse::<u32>().ok().and_then(|h| h.checked_add(1))
        {
            self.at += range.len();
            return Ok(width);
        }
        Err(format!(
            "port range `{}` is not of the form [HIGH:0] with a literal",
            range.concat()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, width: u32, dir: Dir) -> Port {
        Port {
            name: name.into(),
            width,
            dir,
        }
    }

    #[test]
    fn reads_what_rust_hdl_prints() {
        let verilog = "\n\nmodule top$sub(x);\n input wire  x;\nendmodule // top$sub\n\n\nmodule top(clock,a$0,b,c$1);\n    \n    // Module arguments\n    input wire  clock;\n    input wire signed [7:0] a$0;\n    output reg  [31:0] b;\n    output wire  c$1;\n    reg  [3:0] local;\nendmodule // top";
        assert_eq!(
            ports("top", verilog).unwrap(),
            [
                port("clock", 1, Dir::In),
                port("a$0", 8, Dir::In),
                port("b", 32, Dir::Out),
                port("c$1", 1, Dir::Out),
            ]
        );
    }

    #[test]
    fn reads_declarations_in_the_header() {
        let verilog = "/* a module top(x); */ module top(input wire clock, input [3:0] a, b, output reg signed [64:0] q);\nendmodule";
        assert_eq!(
            ports("top", verilog).unwrap(),
            [
                port("clock", 1, Dir::In),
                port("a", 4, Dir::In),
                port("b", 4, Dir::In),
                port("q", 65, Dir::Out),
            ]
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let reason = |verilog: &str| ports("top", verilog).unwrap_err().to_string();
        assert!(reason("module other(a); endmodule").contains("does not define it"));
        assert!(reason("module top(a); endmodule").contains("`a` has no input or output"));
        assert!(reason("module top(inout a); endmodule").contains("inout"));
        assert!(reason("module top(a); input [W-1:0] a; endmodule").contains("[HIGH:0]"));
        assert!(reason("module top(a); input a;").contains("endmodule"));
    }
}
