//! The program from the outside, with the tiny model.
#![allow(dead_code, reason = "every test file uses a part")]

#[path = "../tiny/mod.rs"]
mod tiny;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The tiny model, and files beside it.
pub struct Desk {
    folder: TempDir,
    model: TempDir,
}

impl Desk {
    /// A folder of its own, with a text.
    pub fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().expect("a folder can be made"),
            model: tiny::folder(),
        };
        desk.file("text", "a b\n\nc\na b c a\nb b\na c b\nc c\n");
        desk
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the file can be written");
    }

    /// Runs the program in the folder, where the model is `MODEL`.
    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the program starts")
    }

    /// The program in the folder, not yet started.
    pub fn command(&self, line: &str) -> Command {
        let model = self.model.path().to_str().expect("the path is text");
        let mut command = Command::new(env!("CARGO_BIN_EXE_systole"));
        command
            .args(
                line.split(' ')
                    .map(|it| if it == "MODEL" { model } else { it }),
            )
            .env("SYSTOLE_CACHE", self.path("cache"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// What the program prints; it must succeed.
    pub fn prints(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output));
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// The JSON that it prints.
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line)).expect("it prints JSON")
    }

    /// It must end with `code` and a sentence that holds all `words`.
    pub fn refuses(&self, line: &str, code: i32, words: &[&str]) {
        let output = self.run(line);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        for word in ["error: "].iter().chain(words) {
            assert!(said.contains(word), "{line}: no `{word}` in: {said}");
        }
    }
}

/// What the program said on its way.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
