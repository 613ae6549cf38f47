//! A whole design: modules printed bottom-up, those that are alike merged.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use rust_hdl_core::ast::Verilog;
use rust_hdl_core::prelude::Block;

use super::expr::{Names, Printer};
use super::groups;
use super::module::{Module, Role, Signal};
use super::names::{is_keyword, module_of, printed};

/// A port of the top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name as printed.
    pub name: String,
    /// Bits.
    pub width: usize,
    /// Driven from outside.
    pub is_input: bool,
}

/// Verilog of a design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// Name of the top module.
    pub top: String,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Name and text of every kind of module, children before parents.
    pub modules: Vec<(String, String)>,
}

impl Emitted {
    /// All modules in one text.
    pub fn verilog(&self) -> String {
        let texts: Vec<&str> = self.modules.iter().map(|(_, text)| text.as_str()).collect();
        texts.join("\n")
    }
}

/// A kernel that cannot be printed: where it is and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("module {module}: {message}")]
pub struct EmitError {
    /// Instance path of the module.
    pub module: String,
    /// What is wrong.
    pub message: String,
}

/// Prints `block` and everything below it; its module is called `top`.
///
/// # Errors
/// Names the module whose kernel cannot be printed.
pub fn emit(block: &impl Block, top: &str) -> Result<Emitted, EmitError> {
    let module = Module::read(block, top);
    let mut library = Library {
        top: top.to_string(),
        ..Library::default()
    };
    library.add(&module, top)?;
    let ports = module.signals.iter().filter_map(|signal| {
        let is_input = match signal.role {
            Role::Input => true,
            Role::Output => false,
            Role::Local | Role::Constant => return None,
        };
        Some(Port {
            name: printed(&signal.name),
            width: signal.width,
            is_input,
        })
    });
    Ok(Emitted {
        top: top.to_string(),
        ports: ports.collect(),
        modules: library.modules,
    })
}

#[derive(Default)]
struct Library {
    /// Name of the top module, which is also its path.
    top: String,
    modules: Vec<(String, String)>,
    /// Text without its name, to the name of the module that has it.
    known: HashMap<String, String>,
    used: HashSet<String>,
}

impl Library {
    /// Prints a module unless one like it is there; returns its name.
    fn add(&mut self, module: &Module, path: &str) -> Result<String, EmitError> {
        let mut kinds = HashMap::new();
        for child in &module.children {
            if !child.is_register() {
                let child_path = format!("{path}.{}", child.instance);
                kinds.insert(child.instance.clone(), self.add(child, &child_path)?);
            }
        }
        let body = body(module, &kinds).map_err(|message| EmitError {
            module: path.to_string(),
            message,
        })?;
        if let Some(name) = self.known.get(&body) {
            return Ok(name.clone());
        }
        let name = match path == self.top {
            true => path.to_string(),
            false => self.free_name(&module_of(&module.instance)),
        };
        self.known.insert(body.clone(), name.clone());
        self.modules
            .push((name.clone(), format!("module {name} {body}")));
        Ok(name)
    }

    /// `base`, or the first of `base_1`, `base_2` and so on that no other module has.
    fn free_name(&mut self, base: &str) -> String {
        let numbered = (1..).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.to_string())
            .chain(numbered)
            .find(|name| *name != self.top && !is_keyword(name) && !self.used.contains(name))
            .expect("numbers do not end");
        self.used.insert(name.clone());
        name
    }
}

fn range(signal: &Signal) -> String {
    let sign = if signal.signed { "signed " } else { "" };
    match signal.width {
        1 => sign.to_string(),
        width => format!("{sign}[{}:0] ", width - 1),
    }
}

/// A module from its list of ports on.
fn body(module: &Module, kinds: &HashMap<String, String>) -> Result<String, String> {
    let ports = module.signals.iter().map(|signal| &signal.name);
    // A register is printed with a suffix, which no keyword has.
    let modules = module.children.iter().filter(|child| !child.is_register());
    let instances = modules.map(|child| &child.instance);
    if let Some(name) = ports
        .chain(instances)
        .find(|name| is_keyword(&printed(name)))
    {
        return Err(format!(
            "`{name}` is a keyword of Verilog: choose another name"
        ));
    }
    let mut text = String::new();
    let ports: Vec<String> = module
        .signals
        .iter()
        .filter_map(|signal| {
            let way = match signal.role {
                Role::Input => "input  logic",
                Role::Output => "output logic",
                _ => return None,
            };
            Some(format!(
                "  {way} {}{}",
                range(signal),
                printed(&signal.name)
            ))
        })
        .collect();
    let _ = writeln!(text, "(\n{}\n);", ports.join(",\n"));
    constants(module, &mut text);
    for signal in module
        .signals
        .iter()
        .filter(|signal| signal.role == Role::Local)
    {
        let _ = writeln!(text, "  logic {}{};", range(signal), printed(&signal.name));
    }
    let names = names(module);
    let mut statements = String::new();
    let mut merged = BTreeSet::new();
    match &module.code {
        Verilog::Combinatorial(block) => {
            // What can be told without a signal between value and register shows only when all
            // statements are known.
            let pieces = Printer::new(&names, &merged).print(block)?;
            merged = groups::registers(&pieces, &inputs_of_registers(module));
            let pieces = Printer::new(&names, &merged).print(block)?;
            statements = groups::print(pieces, &merged);
        }
        Verilog::Custom(code) => {
            for line in code.lines() {
                let _ = writeln!(statements, "{}", format!("  {line}").trim_end());
            }
        }
        Verilog::Empty => {}
        _ => return Err("black boxes and wrappers are not used here".into()),
    }
    for child in &module.children {
        if child.is_register() {
            register(child, &merged, &mut text);
        } else {
            instance(child, &kinds[&child.instance], &mut text);
        }
    }
    text.push_str(&statements);
    text.push_str("endmodule\n");
    Ok(text)
}

/// Paths of the inputs of the registers of a module.
fn inputs_of_registers(module: &Module) -> BTreeSet<String> {
    module
        .children
        .iter()
        .filter(|child| child.is_register())
        .map(|child| input_of(&child.instance))
        .collect()
}

fn input_of(register: &str) -> String {
    format!("{register}$d")
}

fn constants(module: &Module, text: &mut String) {
    for signal in module
        .signals
        .iter()
        .filter(|signal| signal.role == Role::Constant)
    {
        let name = printed(&signal.name);
        let _ = writeln!(
            text,
            "  localparam logic {}{name} = {};",
            range(signal),
            signal.value
        );
    }
    let mut seen = vec![];
    let children = module.children.iter().flat_map(|child| &child.signals);
    for signal in module.signals.iter().chain(children) {
        let Some((kind, states)) = &signal.states else {
            continue;
        };
        if seen.contains(kind) {
            continue;
        }
        seen.push(kind.clone());
        for (value, state) in states.iter().enumerate() {
            let name = printed(&state.replace("::", "$"));
            let _ = writeln!(
                text,
                "  localparam logic {}{name} = {}'d{value};",
                range(signal),
                signal.width
            );
        }
    }
}

/// Declares a register; what it takes is told here unless its input is `merged` into statements.
fn register(child: &Module, merged: &BTreeSet<String>, text: &mut String) {
    let name = printed(&child.instance);
    let Some(q) = child.signals.iter().find(|signal| signal.name == "q") else {
        return;
    };
    let width = range(q);
    let _ = writeln!(text, "  logic {width}{name}_q;");
    let _ = writeln!(text, "  initial {name}_q = {}'d0;", q.width);
    if !merged.contains(&input_of(&child.instance)) {
        let _ = writeln!(text, "  logic {width}{name}_d;");
        let _ = writeln!(text, "  always @(posedge clock) {name}_q <= {name}_d;");
    }
}

fn instance(child: &Module, kind: &str, text: &mut String) {
    let name = printed(&child.instance);
    let mut connections = vec![];
    for signal in &child.signals {
        if !matches!(signal.role, Role::Input | Role::Output) {
            continue;
        }
        let port = printed(&signal.name);
        if port == "clock" {
            connections.push("    .clock(clock)".to_string());
            continue;
        }
        let _ = writeln!(text, "  logic {}{name}_{port};", range(signal));
        connections.push(format!("    .{port}({name}_{port})"));
    }
    let _ = writeln!(text, "  {kind} {name} (\n{}\n  );", connections.join(",\n"));
}

/// Names that the code of a module can use: its own and those of its children's ports.
fn names(module: &Module) -> Names {
    let own = module
        .signals
        .iter()
        .map(|signal| (signal.name.clone(), signal));
    let ports = module.children.iter().flat_map(|child| {
        child
            .signals
            .iter()
            .map(|signal| (format!("{}${}", child.instance, signal.name), signal))
    });
    let mut names: Names = own
        .chain(ports)
        .map(|(name, signal)| (name, (signal.width, signal.signed)))
        .collect();
    let children = module.children.iter().flat_map(|child| &child.signals);
    for signal in module.signals.iter().chain(children) {
        for state in signal.states.iter().flat_map(|(_, states)| states) {
            names.insert(state.replace("::", "$"), (signal.width, false));
        }
    }
    names
}
