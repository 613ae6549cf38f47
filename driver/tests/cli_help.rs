//! `--help` of every command on a terminal of 80 columns.

use std::process::{Command, Stdio};

/// Every command.
const COMMANDS: &[&str] = &[
    "",
    "model",
    "model fetch",
    "model list",
    "embed",
    "similarity",
    "quantize",
    "eval",
    "gemm",
    "bench",
    "bench gemm",
    "bench model",
    "device",
    "device list",
    "info",
    "doctor",
];

/// Lines of the long help of `command`, where a terminal has `columns`.
fn help(command: &str, columns: usize) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_systole"))
        .args(command.split_whitespace())
        .arg("--help")
        .env("COLUMNS", columns.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{command}");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    text.lines().map(String::from).collect()
}

#[test]
fn help_fits_80_columns_and_keeps_what_is_laid_out_by_hand() {
    for command in COMMANDS {
        let narrow = help(command, 80);
        assert!(narrow.len() > 4, "`{command}` has no help");
        for line in &narrow {
            assert!(
                line.chars().count() <= 80,
                "`{command}`, 80 columns: {line}"
            );
        }
        if narrow.iter().any(|line| line == "Commands:") {
            // Texts of commands begin wherever the longest name ends, and are not laid out by hand.
            continue;
        }
        // What is indented by hand stands neither at the left nor where texts of options do; were it
        // cut, its rest would stand where it does not in a wider terminal.
        let indent = |line: &String| line.len() - line.trim_start().len();
        let by_hand = |lines: Vec<String>| -> Vec<String> {
            let lines = lines.into_iter();
            lines
                .filter(|line| ![0, 2, 6, 10].contains(&indent(line)))
                .collect()
        };
        assert_eq!(by_hand(narrow), by_hand(help(command, 100)), "`{command}`");
    }
}

#[test]
fn the_help_of_quantize_has_no_orphans() {
    // All of what follows the options is laid out by hand.
    let taught = |columns| -> Vec<String> {
        let lines = help("quantize", columns).into_iter();
        lines.skip_while(|line| line != "Schemes:").collect()
    };
    assert!(taught(80).len() > 40);
    assert_eq!(taught(80), taught(100));
}
