//! Expressions and statements at exact widths.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use rust_hdl_core::ast::{
    VerilogBlock, VerilogBlockOrConditional, VerilogConditional, VerilogExpression as Expr,
    VerilogLiteral, VerilogOp as Op, VerilogOpUnary as Unary, VerilogStatement as Statement,
};

use super::index::{Loops, resolve};
use super::names::printed;

/// Width and signedness of every name that a module's code can use.
pub type Names = HashMap<String, (usize, bool)>;

/// A statement of a kernel that stands outside of every condition.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Signals that it assigns.
    pub targets: BTreeSet<String>,
    /// Signals that it reads.
    pub reads: BTreeSet<String>,
    /// Its lines, without indentation of their own.
    pub text: String,
    /// Target and value, when it is nothing but one assignment.
    pub simple: Option<(String, String)>,
}

/// Prints the code of one module.
pub struct Printer<'a> {
    names: &'a Names,
    registers: &'a BTreeSet<String>,
    loops: Loops,
    text: String,
    depth: usize,
    pieces: Vec<Piece>,
    targets: BTreeSet<String>,
    reads: RefCell<BTreeSet<String>>,
}

type Result<T> = std::result::Result<T, String>;

/// Value of a literal.
fn value(literal: &VerilogLiteral) -> Result<u128> {
    let text = format!("{literal:x}");
    let digits = text.split("'h").nth(1).unwrap_or_default();
    u128::from_str_radix(digits, 16).map_err(|_| format!("literal {text} is negative or too wide"))
}

/// Printed name of the output of a register.
pub fn output_of(register: &str) -> String {
    format!("{}_q", printed(register))
}

/// Whether an expression is a signal or a part of one: nothing is computed.
fn is_name(expr: &Expr) -> bool {
    match expr {
        Expr::Signal(_) | Expr::Slice(..) | Expr::Index(..) => true,
        Expr::Paren(inner) => is_name(inner),
        _ => false,
    }
}

impl<'a> Printer<'a> {
    /// A printer that knows these names. What is assigned to the inputs of `registers` (paths that
    /// end with `$d`) is printed as an assignment of the register itself.
    pub fn new(names: &'a Names, registers: &'a BTreeSet<String>) -> Self {
        Self {
            names,
            registers,
            loops: vec![],
            text: String::new(),
            depth: 0,
            pieces: vec![],
            targets: BTreeSet::new(),
            reads: RefCell::default(),
        }
    }

    /// Prints a kernel, statement by statement.
    pub fn print(mut self, block: &VerilogBlock) -> Result<Vec<Piece>> {
        self.block(block)?;
        Ok(self.pieces)
    }

    /// Ends a statement that stands outside of every condition.
    fn finish(&mut self, simple: Option<(String, String)>) {
        let piece = Piece {
            targets: std::mem::take(&mut self.targets),
            reads: self.reads.take(),
            text: std::mem::take(&mut self.text),
            simple,
        };
        if !piece.text.is_empty() {
            self.pieces.push(piece);
        }
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{:width$}{text}", "", width = self.depth * 2);
    }

    fn nested(&mut self, block: &VerilogBlock) -> Result<()> {
        self.depth += 1;
        self.block(block)?;
        self.depth -= 1;
        Ok(())
    }

    fn block(&mut self, block: &VerilogBlock) -> Result<()> {
        block
            .iter()
            .try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        let simple = match statement {
            Statement::Assignment(target, source) => self.assignment(target, source)?,
            _ => {
                self.compound(statement)?;
                None
            }
        };
        // What a loop or a macro holds has ended already, each statement for itself.
        if self.depth == 0 {
            self.finish(simple);
        }
        Ok(())
    }

    fn compound(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Assignment(..) => Ok(()),
            Statement::SliceAssignment {
                base,
                width,
                offset,
                replacement,
            } => {
                let Expr::Signal(path) = base else {
                    return Err("the target of an assignment must be a signal".into());
                };
                let path = self.path(path)?;
                self.lookup(&path)?;
                let (base, equals) = self.assigned(&path);
                let offset = self.offset(offset)?;
                let value = self.expr(replacement, Some(*width))?;
                self.line(&format!("{base}[{offset} +: {width}] {equals} {value};"));
                self.targets.insert(path);
                Ok(())
            }
            Statement::If(conditional) => self.conditional(conditional, "if"),
            Statement::Match(cases) => {
                let test = self.expr(&cases.test, None)?;
                let width = self.width(&cases.test)?;
                self.line(&format!("case ({test})"));
                self.depth += 1;
                for case in &cases.cases {
                    let label = match (case.condition.parse::<u64>(), width) {
                        (Ok(number), Some(width)) => format!("{width}'d{number}"),
                        _ => printed(&case.condition.replace("::", "$")),
                    };
                    self.line(&format!("{label}: begin"));
                    self.nested(&case.block)?;
                    self.line("end");
                }
                self.depth -= 1;
                self.line("endcase");
                Ok(())
            }
            Statement::Loop(repeat) => {
                for value in repeat.from.as_usize()..repeat.to.as_usize() {
                    self.loops.push((repeat.index.clone(), value));
                    self.block(&repeat.block)?;
                    self.loops.pop();
                }
                Ok(())
            }
            Statement::Macro(block) => self.block(block),
            Statement::Comment(_) => Ok(()),
            Statement::Link(_) => Err("links are not used in this project: assign signals".into()),
        }
    }

    fn assignment(&mut self, target: &Expr, source: &Expr) -> Result<Option<(String, String)>> {
        let Expr::Signal(path) = target else {
            return Err("the target of an assignment must be a signal".into());
        };
        let path = self.path(path)?;
        if path == "clock" || path.ends_with("$clock") {
            return match source {
                Expr::Signal(source) if self.path(source)? == "clock" => Ok(None),
                _ => Err(format!(
                    "{path} must be driven by `clock`: there is one clock"
                )),
            };
        }
        let (width, _) = self.lookup(&path)?;
        let value = self
            .expr(source, Some(width))
            .map_err(|e| format!("{path}: {e}"))?;
        let (name, equals) = self.assigned(&path);
        self.line(&format!("{name} {equals} {value};"));
        self.targets.insert(path.clone());
        Ok(Some((path, value)))
    }

    /// How a target is printed, and the sign of its assignment.
    fn assigned(&self, path: &str) -> (String, &'static str) {
        match path.strip_suffix("$d") {
            Some(register) if self.registers.contains(path) => (output_of(register), "<="),
            _ => (printed(path), "="),
        }
    }

    fn conditional(&mut self, conditional: &VerilogConditional, keyword: &str) -> Result<()> {
        let test = self.expr(&conditional.test, Some(1))?;
        self.line(&format!("{keyword} ({test}) begin"));
        self.nested(&conditional.then)?;
        match &conditional.otherwise {
            VerilogBlockOrConditional::None => self.line("end"),
            VerilogBlockOrConditional::Block(block) => {
                self.line("end else begin");
                self.nested(block)?;
                self.line("end");
            }
            VerilogBlockOrConditional::Conditional(next) => match next.as_ref() {
                Statement::If(next) => return self.conditional(next, "end else if"),
                _ => return Err("only an if can follow an else".into()),
            },
        }
        Ok(())
    }

    fn path(&self, raw: &str) -> Result<String> {
        let path = raw
            .trim_start_matches('.')
            .replace('.', "$")
            .replace("::", "$");
        let path = path.strip_suffix("$next").unwrap_or(&path);
        resolve(path, &self.loops)
    }

    fn lookup(&self, path: &str) -> Result<(usize, bool)> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| format!("no signal is called `{path}`"))
    }

    fn loop_value(&self, name: &str) -> Option<usize> {
        self.loops
            .iter()
            .rev()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| *value)
    }

    /// Width that an expression has by itself; literals and loop variables have none.
    fn width(&self, expr: &Expr) -> Result<Option<usize>> {
        Ok(match expr {
            Expr::Signal(name) if self.loop_value(name).is_some() => None,
            Expr::Signal(name) => Some(self.lookup(&self.path(name)?)?.0),
            Expr::Literal(_) => None,
            Expr::Cast(_, bits) => Some(*bits),
            Expr::Slice(_, bits, _) => Some(*bits),
            Expr::Paren(inner) | Expr::Unsigned(inner) | Expr::Signed(inner) => {
                self.width(inner)?
            }
            Expr::Unary(Unary::Not | Unary::Neg, inner) => self.width(inner)?,
            Expr::Unary(..) | Expr::Index(..) => Some(1),
            Expr::IndexReplace(inner, ..) => self.width(inner)?,
            Expr::Binary(left, op, right) => match op {
                Op::Shl | Op::Shr => self.width(left)?,
                Op::Mul => match (self.width(left)?, self.width(right)?) {
                    (Some(left), Some(right)) => Some(left + right),
                    _ => None,
                },
                Op::Add | Op::Sub | Op::BitXor | Op::BitAnd | Op::BitOr => {
                    // A sign-extended operand takes the width of the other one.
                    match (self.extends(left), self.extends(right)) {
                        (true, false) => self.width(right)?.or(self.width(left)?),
                        (false, true) => self.width(left)?.or(self.width(right)?),
                        _ => self.width(left)?.max(self.width(right)?),
                    }
                }
                _ => Some(1),
            },
        })
    }

    /// Whether the expression is `signed_bit_cast`, whose target width rust-hdl's syntax tree
    /// has lost.
    fn extends(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Signed(_) => true,
            Expr::Paren(inner) => self.extends(inner),
            _ => false,
        }
    }

    fn signed(&self, expr: &Expr) -> Result<bool> {
        Ok(match expr {
            Expr::Signal(name) if self.loop_value(name).is_none() => {
                self.lookup(&self.path(name)?)?.1
            }
            Expr::Signed(_) => true,
            Expr::Paren(inner) | Expr::Unary(Unary::Neg | Unary::Not, inner) => {
                self.signed(inner)?
            }
            Expr::Binary(left, Op::Add | Op::Sub | Op::Mul, right) => {
                self.signed(left)? || self.signed(right)?
            }
            _ => false,
        })
    }

    fn offset(&self, expr: &Expr) -> Result<String> {
        match self.constant(expr)? {
            Some(value) => Ok(value.to_string()),
            None => self.expr(expr, None),
        }
    }

    /// Value of an expression over literals and loop variables.
    fn constant(&self, expr: &Expr) -> Result<Option<u128>> {
        Ok(match expr {
            Expr::Literal(literal) => Some(value(literal)?),
            Expr::Signal(name) => self.loop_value(name).map(|value| value as u128),
            Expr::Paren(inner) => self.constant(inner)?,
            Expr::Cast(inner, _) => self.constant(inner)?,
            Expr::Binary(left, op, right) => {
                match (self.constant(left)?, self.constant(right)?, op) {
                    (Some(left), Some(right), Op::Add) => left.checked_add(right),
                    (Some(left), Some(right), Op::Sub) => left.checked_sub(right),
                    (Some(left), Some(right), Op::Mul) => left.checked_mul(right),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// Prints an expression; with a width, the text has exactly that width.
    fn expr(&self, expr: &Expr, want: Option<usize>) -> Result<String> {
        if let Some(value) = self.constant(expr)? {
            return match want {
                Some(width) if width < 128 && value >> width != 0 => {
                    Err(format!("{value} does not fit in {width} bits"))
                }
                Some(width) => Ok(format!("{width}'d{value}")),
                None => Ok(value.to_string()),
            };
        }
        let have = self.width(expr)?;
        if let (Some(have), Some(want)) = (have, want)
            && have != want
        {
            let product = matches!(expr, Expr::Binary(_, Op::Mul, _)) && want > have;
            if self.extends(expr) {
                let inner = self.expr(expr, None)?;
                return Ok(format!("{want}'({inner})"));
            }
            if !product {
                return Err(format!(
                    "an expression of {have} bits stands where {want} are needed: {expr:?}"
                ));
            }
        }
        Ok(match expr {
            Expr::Signal(name) => self.read(name)?,
            Expr::Literal(_) => unreachable!("literals are constants"),
            Expr::Cast(inner, bits) => {
                let inner_width = self.width(inner)?;
                let text = self.expr(inner, inner_width)?;
                match inner_width {
                    Some(width) if width == *bits => text,
                    // Verilator computes what a cast holds at the wider width, so that a carry
                    // survives; what a concatenation holds keeps its own.
                    Some(width) if width < *bits && !is_name(inner) => {
                        format!("{{{}'d0, {text}}}", bits - width)
                    }
                    _ => format!("{bits}'({text})"),
                }
            }
            Expr::Signed(inner) => format!("$signed({})", self.expr(inner, self.width(inner)?)?),
            Expr::Unsigned(inner) => {
                format!("$unsigned({})", self.expr(inner, self.width(inner)?)?)
            }
            Expr::Paren(inner) => self.expr(inner, want)?,
            Expr::Unary(op, inner) => {
                let (symbol, want) = match op {
                    Unary::Not => ("~", want),
                    Unary::Neg => ("-", want),
                    Unary::All => ("&", self.width(inner)?),
                    Unary::Any => ("|", self.width(inner)?),
                    Unary::Xor => ("^", self.width(inner)?),
                };
                format!("({symbol}{})", self.expr(inner, want)?)
            }
            Expr::Index(base, index) => {
                format!("{}[{}]", self.named(base)?, self.offset(index)?)
            }
            Expr::Slice(base, width, offset) => {
                format!("{}[{} +: {width}]", self.named(base)?, self.offset(offset)?)
            }
            Expr::IndexReplace(..) => return Err("replace_bit is not used in this project".into()),
            Expr::Binary(left, op, right) => self.binary(left, op, right, want)?,
        })
    }

    /// The printed name of a signal whose value is used.
    fn read(&self, name: &str) -> Result<String> {
        let path = self.path(name)?;
        let text = printed(&path);
        self.reads.borrow_mut().insert(path);
        Ok(text)
    }

    /// A base of a slice: only a name can be sliced in Verilog.
    fn named(&self, base: &Expr) -> Result<String> {
        match base {
            Expr::Signal(name) => self.read(name),
            Expr::Paren(inner) => self.named(inner),
            _ => Err("only a signal can be sliced: assign the expression to a local first".into()),
        }
    }

    fn binary(&self, left: &Expr, op: &Op, right: &Expr, want: Option<usize>) -> Result<String> {
        let symbol = match op {
            Op::Add => "+",
            Op::Sub => "-",
            Op::Mul => "*",
            Op::LogicalAnd => "&&",
            Op::LogicalOr => "||",
            Op::BitXor => "^",
            Op::BitAnd => "&",
            Op::BitOr => "|",
            Op::Shl => "<<",
            Op::Shr => ">>",
            Op::Eq => "==",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Ne => "!=",
            Op::Ge => ">=",
            Op::Gt => ">",
        };
        let (left_width, right_width) = (self.width(left)?, self.width(right)?);
        let both = match op {
            Op::Shl | Op::Shr => {
                let amount = self.offset(right)?;
                let value = self.expr(left, want.or(left_width))?;
                return Ok(format!("({value} {symbol} {amount})"));
            }
            Op::Mul => {
                // Verilog multiplies at the width of the context: extend both first.
                let (Some(a), Some(b)) = (left_width, right_width) else {
                    return Err("factors must have widths: no literals".into());
                };
                let signed = self.signed(left)? && self.signed(right)?;
                if !signed && (self.signed(left)? || self.signed(right)?) {
                    return Err("a signed and an unsigned factor do not mix".into());
                }
                let (left, right) = (self.expr(left, Some(a))?, self.expr(right, Some(b))?);
                let width = want.unwrap_or(a + b);
                return Ok(format!("({width}'({left}) * {width}'({right}))"));
            }
            Op::LogicalAnd | Op::LogicalOr => Some(1),
            Op::Add | Op::Sub | Op::BitXor | Op::BitAnd | Op::BitOr => want.or(self.width(
                &Expr::Binary(Box::new(left.clone()), op.clone(), Box::new(right.clone())),
            )?),
            _ => left_width.or(right_width),
        };
        if self.constant(left)?.is_some() != self.constant(right)?.is_some()
            && (self.signed(left)? || self.signed(right)?)
        {
            return Err(
                "a literal makes a signed operation unsigned: use a signed constant".into(),
            );
        }
        Ok(format!(
            "({} {symbol} {})",
            self.expr(left, both)?,
            self.expr(right, both)?
        ))
    }
}
