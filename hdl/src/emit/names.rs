//! Verilog names.

/// Name of a signal as it is printed: path separators become underscores.
pub fn printed(path: &str) -> String {
    path.replace('$', "_")
}

/// Name of the module of an instance: the field's name without its index.
pub fn module_of(instance: &str) -> String {
    instance
        .split('$')
        .filter(|part| part.parse::<usize>().is_err())
        .collect::<Vec<_>>()
        .join("_")
}

/// Words that SystemVerilog keeps and that a field of a block might be called.
const KEYWORDS: [&str; 44] = [
    "alias",
    "always",
    "and",
    "assign",
    "before",
    "begin",
    "bit",
    "break",
    "buf",
    "byte",
    "case",
    "cell",
    "class",
    "config",
    "const",
    "context",
    "default",
    "design",
    "disable",
    "do",
    "edge",
    "else",
    "end",
    "event",
    "final",
    "first_match",
    "force",
    "import",
    "initial",
    "input",
    "local",
    "logic",
    "module",
    "output",
    "packed",
    "priority",
    "real",
    "release",
    "repeat",
    "sequence",
    "table",
    "task",
    "unique",
    "wait",
];

/// Whether a printed name would be read as a keyword.
pub fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}
