//! `--device serial:PATH` from the outside, with a functional card at the other end of a
//! pseudo-terminal.

#![cfg(feature = "sim")]

mod tiny;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use isa::config::Config;
use serde_json::Value;
use sim::serial::{SerialModel, Terminal, serve};
use systole::transport::serial::Line;

/// A card at a pseudo-terminal.
struct Port {
    device: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn new() -> Self {
        let terminal = Terminal::new().expect("a pseudo-terminal");
        let device = format!("serial:{}", terminal.path().display());
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut card = SerialModel::new(&Config::with_array(8, 8)).expect("a card");
        let thread = std::thread::spawn(move || {
            serve(&terminal, &mut card, &told).expect("it serves to the end");
        });
        Self {
            device,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the card ends without a panic");
        }
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_systole"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

fn refuses(args: &[&str], code: i32, words: &[&str]) {
    let output = run(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?}: no `{word}` in: {said}");
    }
}

#[test]
fn a_model_gives_the_same_over_a_line_and_on_the_cpu() {
    let port = Port::new();
    let model = tiny::folder();
    let model = model.path().to_str().expect("text");
    let embed = |device: &str, texts: &[&str]| {
        let common = ["embed", "--json", "--model", model, "--device", device];
        json(&[&common, texts].concat())
    };
    let texts = ["a b c", "c c a b", "b"];
    let on_cpu = embed("cpu", &texts);
    // Programs come and go; the card stays.
    for _ in 0..2 {
        let on_card = embed(&port.device, &texts);
        assert_eq!(on_card["embeddings"], on_cpu["embeddings"]);
        assert_eq!(on_card["faults"], 0);
        let nodes = |of: &Value| -> Vec<Value> {
            let nodes = of["nodes"].as_array().expect("nodes").iter();
            nodes.map(|node| node["digest"].clone()).collect()
        };
        assert_eq!(nodes(&on_card), nodes(&on_cpu));
        for node in on_card["nodes"].as_array().expect("nodes") {
            assert_eq!(node["place"], "device", "{node}");
        }
    }
    // Weights travel once, whatever the number of texts.
    let weights = |texts: &[&str]| embed(&port.device, texts)["line"]["card_memory_bytes"].clone();
    let one = weights(&texts[..1]);
    assert!(one.as_u64().is_some_and(|bytes| bytes > 0), "{one}");
    assert_eq!(weights(&texts), one);
    assert_eq!(on_cpu.get("line"), None);
}

#[test]
fn other_commands_run_over_a_line() {
    let port = Port::new();
    let bench = [
        "bench", "gemm", "--m", "9", "--k", "33", "--n", "17", "--json", "--device",
    ];
    let bench = json(&[&bench[..], &[&port.device]].concat());
    assert_eq!(bench["exact"], true);
    let model = tiny::folder();
    let model = model.path().to_str().expect("text");
    let output = run(&[
        "similarity",
        "--model",
        model,
        "--device",
        &port.device,
        "--explain",
        "a",
        "a",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["1.0000", "line: ", " frames sent again"] {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
}

#[test]
fn ports_that_cannot_be_used_are_named() {
    let product = |device: &str, code, words: &[&str]| {
        let args = [
            "bench", "gemm", "--m", "4", "--k", "4", "--n", "4", "--device", device,
        ];
        refuses(&args, code, words);
    };
    product(
        "serial:/nowhere/at/all",
        4,
        &["no port /nowhere/at/all", "systole doctor"],
    );
    product("serial:/dev/null", 4, &["/dev/null is no serial port"]);
    product("serial:/dev", 4, &["/dev is no serial port"]);
    product("serial:/dev/ttyUSB0@fast", 2, &["bits a second"]);
    product("serial:", 2, &["serial:PATH"]);
    let terminal = Terminal::new().expect("a pseudo-terminal");
    let path = terminal.path().to_str().expect("text").to_string();
    let line = Line::open(Path::new(&path), 115_200).expect("it opens");
    assert!(line.is_pseudo());
    product(
        &format!("serial:{path}"),
        4,
        &["in use by another program", "fuser"],
    );
    drop(line);
    // Nobody is at the other end.
    let words = [
        "no card answers on",
        "115200 bits a second",
        "nothing came back",
    ];
    product(&format!("serial:{path}@115200"), 4, &words);
}
