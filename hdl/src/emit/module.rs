//! The blocks of a design as a tree of modules, read through rust-hdl's probe.

use rust_hdl_core::ast::Verilog;
use rust_hdl_core::prelude::{Atom, AtomKind, Block, Probe, TypeKind};

/// What a signal is within its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Driven from outside.
    Input,
    /// Driven inside.
    Output,
    /// Known only inside.
    Local,
    /// A constant; its value is printed by the literal itself.
    Constant,
}

/// A signal or constant of a module.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Path within the module, parts separated by `$`.
    pub name: String,
    pub role: Role,
    pub width: usize,
    pub signed: bool,
    /// Value of a constant as rust-hdl prints it.
    pub value: String,
    /// Names of the states when the type is an enumeration.
    pub states: Option<(String, Vec<String>)>,
}

/// A block and everything below it.
#[derive(Clone, Debug)]
pub struct Module {
    /// Field name within the parent.
    pub instance: String,
    pub signals: Vec<Signal>,
    pub children: Vec<Module>,
    pub code: Verilog,
}

impl Module {
    /// Reads a block.
    pub fn read(block: &impl Block, name: &str) -> Self {
        let mut reader = Reader::default();
        block.accept(name, &mut reader);
        reader.done.pop().expect("a block opens its own scope")
    }

    /// Whether this is rust-hdl's flip-flop.
    pub fn is_register(&self) -> bool {
        let names = ["d", "q", "clock"];
        matches!(&self.code, Verilog::Custom(code) if code.contains("q <= d;"))
            && self.signals.len() == names.len()
            && self
                .signals
                .iter()
                .all(|signal| names.contains(&signal.name.as_str()))
    }
}

#[derive(Default)]
struct Reader {
    open: Vec<Module>,
    done: Vec<Module>,
    namespace: Vec<String>,
}

impl Probe for Reader {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        self.open.push(Module {
            instance: name.to_string(),
            signals: vec![],
            children: vec![],
            code: node.hdl(),
        });
    }

    fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
        let module = self.open.pop().expect("scopes are balanced");
        match self.open.last_mut() {
            Some(parent) => parent.children.push(module),
            None => self.done.push(module),
        }
    }

    fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
        self.namespace.push(name.to_string());
    }

    fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
        self.namespace.pop();
    }

    fn visit_atom(&mut self, name: &str, atom: &dyn Atom) {
        let mut path = self.namespace.clone();
        path.push(name.to_string());
        let role = match atom.kind() {
            AtomKind::InputParameter => Role::Input,
            AtomKind::Constant => Role::Constant,
            AtomKind::LocalSignal => Role::Local,
            _ => Role::Output,
        };
        let descriptor = atom.descriptor();
        let states = match &descriptor.kind {
            TypeKind::Enum(names) => Some((descriptor.name.clone(), names.clone())),
            _ => None,
        };
        let signal = Signal {
            name: path.join("$"),
            role,
            width: atom.bits(),
            signed: matches!(descriptor.kind, TypeKind::Signed(_)),
            value: atom.verilog().to_string(),
            states,
        };
        self.open
            .last_mut()
            .expect("signals live in a block")
            .signals
            .push(signal);
    }
}
