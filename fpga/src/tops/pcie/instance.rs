//! Instances of cells as Verilog writes them.

use std::fmt::Write as _;

/// An instance of a cell with its attributes and pins.
pub struct Instance {
    cell: &'static str,
    name: &'static str,
    attributes: Vec<(String, String)>,
    pins: Vec<(String, String)>,
}

impl Instance {
    /// A cell that this is the only one of, so that it bears the name `name`.
    pub fn new(cell: &'static str, name: &'static str) -> Self {
        Self {
            cell,
            name,
            attributes: vec![],
            pins: vec![],
        }
    }

    /// Sets attributes to values as Verilog writes them.
    pub fn set(mut self, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(name, value)| pair(name, value));
        self.attributes.extend(attributes);
        self
    }

    /// Connects pins to expressions.
    pub fn pins(mut self, pins: &[(&str, &str)]) -> Self {
        self.pins
            .extend(pins.iter().map(|(name, net)| pair(name, net)));
        self
    }

    /// Connects each of the pins to the same expression.
    pub fn all(mut self, pins: &[&str], net: &str) -> Self {
        self.pins.extend(pins.iter().map(|name| pair(name, net)));
        self
    }

    /// Connects pins of so many bits to zeros.
    pub fn zeros(mut self, pins: &[(&str, u32)]) -> Self {
        let zeros = pins
            .iter()
            .map(|(name, bits)| pair(name, &format!("{bits}'d0")));
        self.pins.extend(zeros);
        self
    }

    /// The text.
    pub fn verilog(&self) -> String {
        let list = |pairs: &[(String, String)]| {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(a, b)| format!("    .{a}({b})"))
                .collect();
            pairs.join(",\n")
        };
        let mut text = format!("  {}", self.cell);
        if !self.attributes.is_empty() {
            let _ = write!(text, " #(\n{}\n  )", list(&self.attributes));
        }
        let _ = writeln!(text, " {} (\n{}\n  );", self.name, list(&self.pins));
        text
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_verilog() {
        let plain = Instance::new("BUFG", "buffer").pins(&[("I", "a"), ("O", "b")]);
        assert_eq!(
            plain.verilog(),
            "  BUFG buffer (\n    .I(a),\n    .O(b)\n  );\n"
        );
        let full = Instance::new("CELL", "it")
            .set(&[("MODE", "\"FAST\"")])
            .all(&["A", "B"], "1'b1")
            .zeros(&[("C", 3)]);
        assert_eq!(
            full.verilog(),
            "  CELL #(\n    .MODE(\"FAST\")\n  ) it (\n    .A(1'b1),\n    .B(1'b1),\n    .C(3'd0)\n  );\n"
        );
    }
}
