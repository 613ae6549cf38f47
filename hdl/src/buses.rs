//! Ports as other tools expect them: the words of a bus joined, the rest of AXI4 added.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::emit::{Emitted, Port};

/// A port that the block does not have.
pub(crate) enum Added {
    /// An output that never changes: bits and value.
    Constant(usize, u64),
    /// An input of so many bits that nobody looks at.
    Ignored(usize),
    /// An output with every bit of this output of the block, which it replaces, so many times.
    Repeated(&'static str, usize),
}

/// What a memory port whose names begin with `port` lacks of AXI4 bursts: `size` of lines of
/// `port_bytes`, and `burst`, which is always incrementing.
pub(crate) fn bursts(port: &str, port_bytes: usize) -> Vec<(String, Added)> {
    let size = u64::from(port_bytes.ilog2());
    ["ar", "aw"]
        .into_iter()
        .flat_map(|channel| {
            [("size", 3, size), ("burst", 2, 1)].map(|(signal, width, value)| {
                let name = format!("{port}_{channel}{signal}");
                (name, Added::Constant(width, value))
            })
        })
        .collect()
}

/// Puts `block` into a module `top` whose ports are whole buses.
///
/// Ports `NAME_0`, `NAME_1` and so on become `NAME`, the first one in its lowest bits; `added`
/// come behind all others, but for what replaces an output, which stands in its place.
pub(crate) fn wrap(block: Emitted, top: &str, added: &[(String, Added)]) -> Emitted {
    let counts = families(&block.ports);
    let joined = |name: &str| {
        let (base, index) = name.rsplit_once('_')?;
        let index: usize = index.parse().ok()?;
        counts
            .contains_key(base)
            .then_some((base.to_string(), index))
    };
    let repeated = |inner: &str| {
        added.iter().find_map(|(name, kind)| match kind {
            Added::Repeated(of, times) if *of == inner => Some((name, *times)),
            _ => None,
        })
    };
    let mut ports: Vec<Port> = Vec::new();
    let mut connections = Vec::new();
    let mut text = String::new();
    for port in &block.ports {
        let outer = match joined(&port.name) {
            None => {
                match repeated(&port.name) {
                    None => ports.push(port.clone()),
                    Some((name, times)) => {
                        ports.push(Port {
                            name: name.clone(),
                            width: port.width * times,
                            is_input: false,
                        });
                        let _ = write!(text, "{}", repetition(name, port, times));
                    }
                }
                port.name.clone()
            }
            Some((base, index)) => {
                if index == 0 {
                    ports.push(Port {
                        name: base.clone(),
                        width: port.width * counts[&base],
                        is_input: port.is_input,
                    });
                }
                format!("{base}[{} +: {}]", port.width * index, port.width)
            }
        };
        connections.push(format!("    .{}({outer})", port.name));
    }
    for (name, kind) in added {
        let (width, is_input) = match kind {
            Added::Constant(width, _) => (*width, false),
            Added::Ignored(width) => (*width, true),
            Added::Repeated(..) => continue,
        };
        ports.push(Port {
            name: name.clone(),
            width,
            is_input,
        });
        if let Added::Constant(width, value) = kind {
            let _ = writeln!(text, "  assign {name} = {width}'d{value};");
        }
    }
    let inner = &block.top;
    let _ = writeln!(
        text,
        "  {inner} {inner} (\n{}\n  );",
        connections.join(",\n")
    );
    let declarations: Vec<String> = ports.iter().map(declaration).collect();
    let text = format!(
        "module {top} (\n{}\n);\n{text}endmodule\n",
        declarations.join(",\n")
    );
    let mut modules = block.modules;
    modules.push((top.to_string(), text));
    Emitted {
        top: top.to_string(),
        ports,
        modules,
    }
}

/// The output `name` with every bit of the block's output `port` so many times.
fn repetition(name: &str, port: &Port, times: usize) -> String {
    let inner = &port.name;
    let bits: Vec<String> = (0..port.width)
        .rev()
        .map(|bit| format!("{{{times}{{{inner}[{bit}]}}}}"))
        .collect();
    format!(
        "  logic [{}:0] {inner};\n  assign {name} = {{{}}};\n",
        port.width - 1,
        bits.join(", ")
    )
}

/// How many ports there are of each name that stands in a row `NAME_0`, `NAME_1` and so on.
fn families(ports: &[Port]) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for port in ports {
        if let Some((base, index)) = port.name.rsplit_once('_')
            && index.parse() == Ok(counts.get(base).copied().unwrap_or(0))
        {
            *counts.entry(base.to_string()).or_default() += 1;
        }
    }
    counts
}

fn declaration(port: &Port) -> String {
    let way = if port.is_input { "input " } else { "output" };
    match port.width {
        1 => format!("  {way} logic {}", port.name),
        width => format!("  {way} logic [{}:0] {}", width - 1, port.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_and_ports_added() {
        let port = |name: &str, width, is_input| Port {
            name: name.into(),
            width,
            is_input,
        };
        let block = Emitted {
            top: "block".into(),
            ports: vec![
                port("clock", 1, true),
                port("x_data_0", 32, true),
                port("x_data_1", 32, true),
                port("lane_7", 4, false),
            ],
            modules: vec![("block".into(), "module block; endmodule\n".into())],
        };
        let added = [
            ("x_size".to_string(), Added::Constant(3, 4)),
            ("x_id".to_string(), Added::Ignored(2)),
        ];
        let whole = wrap(block, "whole", &added);
        let names: Vec<_> = whole
            .ports
            .iter()
            .map(|port| (port.name.as_str(), port.width, port.is_input))
            .collect();
        let expected = [
            ("clock", 1, true),
            ("x_data", 64, true),
            ("lane_7", 4, false),
            ("x_size", 3, false),
            ("x_id", 2, true),
        ];
        assert_eq!(names, expected);
        let text = &whole.modules[1].1;
        assert!(text.contains(".x_data_1(x_data[32 +: 32])"), "{text}");
        assert!(text.contains("assign x_size = 3'd4;"), "{text}");
    }
}
