//! The program from the outside: what it prints, what it writes, how it ends.

mod tiny;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What every test of a command needs: a folder of its own, which is the cache too.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("the file can be written");
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_systole"));
        command
            .args(args)
            .env("SYSTOLE_CACHE", self.path("cache"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program starts")
    }

    /// Runs the program, which must succeed, and reads the JSON that it prints.
    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }

    /// Runs the program, which must end with `code` and a sentence that holds all `words`.
    fn refuses(&self, args: &[&str], code: i32, words: &[&str]) {
        let output = self.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains("error: "), "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{args:?}: no `{word}` in: {said}");
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A file as `numpy.save` writes it.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    npy_with_header(&header, data)
}

fn npy_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(format!("{header:<0$}\n", padded - 1).bytes());
    bytes.extend(data);
    bytes
}

fn bytes(values: &[i8]) -> Vec<u8> {
    values.iter().map(|value| *value as u8).collect()
}

/// Where products run quickly on every machine.
#[cfg(feature = "sim")]
const DEVICES: &[&str] = &["cpu", "model", "auto", "model-pcie"];
#[cfg(not(feature = "sim"))]
const DEVICES: &[&str] = &["cpu", "model", "auto"];

/// `[[1, 2, 3], [-128, 127, 0]]` in both orders, and `[[1, -1], [2, -128], [3, 5]]`.
const A: [i8; 6] = [1, 2, 3, -128, 127, 0];
const A_FORTRAN: [i8; 6] = [1, -128, 2, 127, 3, 0];
const B: [i8; 6] = [1, -1, 2, -128, 3, 5];
const B_FORTRAN: [i8; 6] = [1, 2, 3, -1, -128, 5];
const C: [i32; 4] = [14, -242, 126, -16128];

#[test]
fn gemm_reads_and_writes_what_numpy_does() {
    let desk = Desk::new();
    let a = [
        npy("|i1", false, "(2, 3)", &bytes(&A)),
        npy("|i1", true, "(2, 3)", &bytes(&A_FORTRAN)),
    ];
    let b = [
        npy("|i1", false, "(3, 2)", &bytes(&B)),
        npy("|i1", true, "(3, 2)", &bytes(&B_FORTRAN)),
    ];
    // The text and the padding are those of NumPy 2.
    let mut expected = npy("<i4", false, "(2, 2)", &[]);
    expected.extend(C.iter().flat_map(|value| value.to_le_bytes()));
    std::os::unix::fs::symlink("kept.npy", desk.path("c.npy")).expect("it can be made");
    for device in DEVICES {
        for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
            let (a, b) = (desk.file("a.npy", a), desk.file("b.npy", b));
            let c = desk.path("c.npy");
            let args = ["gemm", "--a", text(&a), "--b", text(&b), "--out", text(&c)];
            let json = desk.json(&[&args[..], &["--device", device, "--json"]].concat());
            assert_eq!(std::fs::read(&c).expect("it was written"), expected);
            assert_eq!(
                (&json["m"], &json["k"], &json["n"]),
                (&2.into(), &3.into(), &2.into())
            );
            let card = device.starts_with("model");
            let place = if card { "device" } else { "cpu" };
            assert_eq!(json["place"], place, "{device}");
            for key in [
                "out",
                "device",
                "reason",
                "cycles",
                "utilisation",
                "counters",
            ] {
                assert!(json.get(key).is_some(), "{key}");
            }
        }
    }
    assert!(desk.path("c.npy").is_symlink() && desk.path("kept.npy").is_file());
}

#[test]
fn gemm_refuses_what_is_no_int8_matrix() {
    let desk = Desk::new();
    let good = desk.file("b.npy", &npy("|i1", false, "(3, 2)", &bytes(&B)));
    let a = bytes(&A);
    let matrix = |shape| npy("|i1", false, shape, &a);
    let mut version = matrix("(2, 3)");
    version[6] = 9;
    let mut long_header = matrix("(2, 3)");
    long_header[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    let mut not_text = matrix("(2, 3)");
    not_text[20] = 0xff;
    let cases: &[(&[u8], &[&str])] = &[
        (b"", &["not a .npy file"]),
        (b"PK\x03\x04 a zip", &["not a .npy file", "numpy.save"]),
        (b"\x93NUMPY", &["cut off", "header"]),
        (b"\x93NUMPY\x01\x00\xf0", &["cut off", "header"]),
        (&matrix("(2, 3)")[..40], &["cut off", "header"]),
        (
            &matrix("(2, 3)")[..130],
            &["cut off", "2x3 needs 6", "holds 2"],
        ),
        (&[matrix("(2, 3)"), vec![0]].concat(), &["1 bytes after"]),
        (&version, &["version 9"]),
        (&long_header, &["header of 65535 bytes"]),
        (&not_text, &["not text"]),
        (
            &npy("<f4", false, "(2, 3)", &a),
            &["`<f4`", "int8", "astype"],
        ),
        (&npy("|u1", false, "(2, 3)", &a), &["`|u1`", "int8"]),
        (&npy("|O", false, "(2, 3)", &a), &["`|O`", "int8"]),
        (&matrix("(6,)"), &["1 dimensions"]),
        (&matrix("()"), &["0 dimensions"]),
        (&matrix("(1, 2, 3)"), &["3 dimensions"]),
        (&matrix("(0, 3)"), &["empty", "0x3"]),
        (&matrix("(2, 0)"), &["empty", "2x0"]),
        (&matrix("(3, 2)"), &["do not fit", "3x2"]),
        (&matrix("(-2, 3)"), &["`shape`"]),
        (&matrix("(99999999999999999999, 3)"), &["`shape`"]),
        (
            &matrix("(9999999999999999, 9999999999999999)"),
            &["more than any file"],
        ),
        (&matrix("(99999999, 99999999)"), &["cut off"]),
        (&matrix("2, 3"), &["`shape`"]),
        (
            &npy_with_header("{'fortran_order': False, 'shape': (2, 3)}", &a),
            &["`descr`"],
        ),
        (
            &npy_with_header("{'descr': '|i1', 'shape': (2, 3)}", &a),
            &["`fortran_order`"],
        ),
        (
            &npy_with_header("{'descr': '|i1', 'fortran_order': 7}", &a),
            &["`fortran_order`"],
        ),
        (
            &npy_with_header("{'descr': '|i1', 'fortran_order': True}", &a),
            &["`shape`"],
        ),
        (
            &npy_with_header("{'descr': [('x', '|i1')], 'shape': (2, 3)}", &a),
            &["structured"],
        ),
        (&npy_with_header(&"[".repeat(9000), &a), &["`descr`"]),
    ];
    for (index, (bytes, words)) in cases.iter().enumerate() {
        let bad = desk.file(&format!("case{index}.npy"), bytes);
        let out = desk.path("c.npy");
        let args = [
            "gemm",
            "--device",
            "cpu",
            "--out",
            text(&out),
            "--a",
            text(&bad),
        ];
        desk.refuses(&[&args[..], &["--b", text(&good)]].concat(), 3, words);
        assert!(!out.exists(), "case {index} wrote a result");
    }
    let [missing, out] = ["missing.npy", "no/folder/c.npy"].map(|name| desk.path(name));
    let b = ["gemm", "--device", "cpu", "--b", text(&good)];
    let args = ["--a", text(&missing), "--out", text(&out)];
    desk.refuses(
        &[&b[..], &args].concat(),
        3,
        &["missing.npy", "cannot be read"],
    );
    let a = desk.file("a.npy", &matrix("(2, 3)"));
    let args = ["--a", text(&a), "--out", text(&out)];
    desk.refuses(&[&b[..], &args].concat(), 1, &["cannot write", "no/folder"]);
}

#[test]
fn gemm_looks_before_it_works() {
    let desk = Desk::new();
    let long = 1_000_000;
    let ones = vec![1; long];
    let column = desk.file("a.npy", &npy("|i1", false, "(1000000, 1)", &ones));
    let row = desk.file("b.npy", &npy("|i1", false, "(1, 1000000)", &ones));
    let out = desk.path("c.npy");
    let gemm = |a: &Path, b: &Path, out: &Path, rest: &[&'static str]| {
        let files = ["--a", text(a), "--b", text(b), "--out", text(out)];
        let words = [&["gemm", "--device", "cpu"][..], &files, rest].concat();
        words.into_iter().map(String::from).collect::<Vec<_>>()
    };
    let refuses = |args: Vec<String>, code, words: &[&str]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        desk.refuses(&args, code, words);
    };
    refuses(
        gemm(&column, &row, &out, &[]),
        3,
        &["1000000x1000000", "too large"],
    );
    // What fails after the look leaves everything as it was, and the look comes first.
    let fails = ["--trace", "x.fst"];
    refuses(gemm(&row, &column, &out, &fails), 2, &["--device sim"]);
    assert!(!out.exists());
    let old = desk.file("old.npy", b"old");
    refuses(gemm(&row, &column, &old, &fails), 2, &["--device sim"]);
    assert_eq!(std::fs::read(&old).expect("it is there"), b"old");
    let nowhere = desk.path("no/folder/c.npy");
    refuses(
        gemm(&row, &column, &nowhere, &fails),
        1,
        &["cannot write", "no/folder does not exist"],
    );
    refuses(
        gemm(&row, &column, desk.0.path(), &fails),
        1,
        &["cannot write"],
    );
}

#[test]
fn bench_says_all_that_was_measured() {
    let desk = Desk::new();
    let bench = |device: &str| {
        let shape = ["bench", "gemm", "--m", "33", "--k", "70", "--n", "18"];
        desk.json(&[&shape[..], &["--json", "--repeat", "2", "--device", device]].concat())
    };
    let keys = [
        "cycles",
        "macs",
        "peak_macs_per_cycle",
        "utilisation",
        "exact",
        "sim_cycles_per_second",
        "counters",
        "config",
        "predicted_cycles",
        "memory",
        "seed",
        "runs",
        "seconds",
        "programs",
    ];
    for device in DEVICES {
        let json = bench(device);
        for key in keys {
            assert!(json.get(key).is_some(), "{device}: {key}");
        }
        assert_eq!(json["exact"], true);
        assert_eq!(json["macs"], 33 * 70 * 18);
        // Only a simulated card has a memory with these settings.
        assert_eq!(json["memory"], Value::Null, "{device}");
    }
    let json = bench("model");
    assert_eq!(json["place"], "device");
    assert_eq!(json["peak_macs_per_cycle"], 256);
    assert_eq!(json["config"]["rows"], 16);
    assert!(json["predicted_cycles"].as_u64() > Some(0));
}

#[test]
fn embed_gives_the_same_everywhere() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let embed = |device: &str| {
        let args = [
            "embed",
            "--json",
            "--device",
            device,
            "--model",
            text(model.path()),
        ];
        desk.json(&[&args[..], &["a b c", "c c a b"]].concat())
    };
    let cpu = embed("cpu");
    assert_eq!(cpu["embeddings"].as_array().map(Vec::len), Some(2));
    assert_eq!(cpu["total_cycles"], Value::Null);
    assert_eq!(cpu["programs"], Value::Null);
    let mut programs = None;
    for device in &DEVICES[1..] {
        let other = embed(device);
        assert_eq!(other["embeddings"], cpu["embeddings"], "{device}");
        if device.starts_with("model") {
            let same = programs.get_or_insert_with(|| other["programs"].clone());
            assert_eq!(other["programs"], *same, "{device}");
            assert!(same["count"].as_u64() > Some(0));
        }
        for key in [
            "device",
            "total_cycles",
            "utilisation",
            "nodes",
            "counters",
            "programs",
            "tokens",
        ] {
            assert!(other.get(key).is_some(), "{device}: {key}");
        }
        let nodes = |json: &Value| json["nodes"].as_array().cloned().unwrap_or_default();
        assert_eq!(nodes(&other).len(), nodes(&cpu).len());
        for (node, same) in nodes(&other).iter().zip(nodes(&cpu)) {
            for key in [
                "name",
                "place",
                "reason",
                "cycles",
                "predicted_cycles",
                "utilisation",
            ] {
                assert!(node.get(key).is_some(), "{device}: {key}");
            }
            assert_eq!(node["digest"], same["digest"], "{device}: {}", node["name"]);
            assert_eq!(node["digest"].as_str().map(str::len), Some(32));
            assert_eq!(node["macs"], same["macs"]);
        }
    }
}

#[test]
fn embed_explains_where_nodes_ran() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let explain = |option: &str, device: &str| {
        let model = ["--model", text(model.path()), "--device", device];
        let output = desk.run(&[&["embed", option, "a b"][..], &model].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        String::from_utf8(output.stdout).expect("it prints text")
    };
    let brief = explain("--explain", "model");
    assert!(brief.contains("[1] the card was asked for"), "{brief}");
    assert!(!brief.contains("layer.0."), "{brief}");
    assert!(explain("--explain=full", "model").contains("layer.0."));
    let auto = explain("--explain", "auto");
    assert!(
        auto.contains("the cost model foresees that the CPU ends first"),
        "{auto}"
    );
    assert!(auto.contains("no card is in this machine"), "{auto}");
}

#[test]
fn embed_reads_lines() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let feed = |input: &[u8]| {
        let args = [
            "embed",
            "--json",
            "--device",
            "cpu",
            "--model",
            text(model.path()),
        ];
        let mut child = desk
            .command(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input).expect("the program reads");
        drop(stdin);
        child.wait_with_output().expect("the program ends")
    };
    let output = feed(b"a b\nc\r\nb a\n");
    let json: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(json["tokens"], serde_json::json!([4, 3, 4]));
    for (input, word) in [
        (&b""[..], "no text"),
        (b"a\n\nb\n", "text 2 is empty"),
        (b"a\n\xff\xfe\n", "line 2"),
    ] {
        let output = feed(input);
        assert_eq!(output.status.code(), Some(3), "{word}");
        assert!(said(&output).contains(word), "{}", said(&output));
    }
}

#[test]
fn texts_and_models_that_cannot_be_used_are_refused() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let path = text(model.path());
    let embed = ["embed", "--device", "model", "--model"];
    let with = |rest: &[&'static str]| [&embed[..], &[path], rest].concat();
    desk.refuses(&with(&[""]), 3, &["text 1 is empty"]);
    desk.refuses(&with(&["a", "  "]), 3, &["text 2 is empty"]);
    let long = "a b c a b c a b c a b c";
    desk.refuses(
        &with(&[long]),
        3,
        &["14 tokens", "at most 10", "--truncate"],
    );
    let truncated = desk.json(&with(&["--truncate", "--json", long]));
    assert_eq!(truncated["tokens"], serde_json::json!([10]));
    desk.refuses(&["similarity", "--model", path, "a"], 2, &["TEXT"]);
    desk.refuses(&["embed", "a"], 3, &["systole model fetch minilm"]);
    desk.refuses(
        &["embed", "--model", "/no/such/model", "a"],
        3,
        &["/no/such/model"],
    );
    desk.refuses(&["model", "fetch", "gpt9"], 3, &["gpt9", "minilm"]);
    tiny::put(model.path(), "config.json", "{\"model_type\": ");
    desk.refuses(&with(&["a"]), 3, &["config.json", "malformed"]);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    let bench = ["bench", "gemm", "--m", "4", "--k", "4", "--n", "4"];
    let with = |rest: &[&'static str]| [&bench[..], rest].concat();
    desk.refuses(&with(&["--config", "16"]), 2, &["16x16"]);
    desk.refuses(&with(&["--config", "0x0"]), 2, &["needs rows"]);
    desk.refuses(&with(&["--config", "5x16"]), 2, &["4, 8, 16 or 32"]);
    desk.refuses(&with(&["--config", "4294967295x4"]), 2, &["4, 8, 16 or 32"]);
    desk.refuses(&with(&["--device", "gpu"]), 2, &["gpu", "cpu"]);
    desk.refuses(
        &with(&["--device", "cpu", "--trace", "x.fst"]),
        2,
        &["--device sim"],
    );
    desk.refuses(&with(&["--repeat", "0"]), 2, &["repeat"]);
    desk.refuses(
        &["bench", "gemm", "--m", "0", "--k", "4", "--n", "4"],
        2,
        &["--m"],
    );
    let huge = [
        "bench",
        "gemm",
        "--m",
        "18446744073709551615",
        "--k",
        "4",
        "--n",
        "4",
    ];
    desk.refuses(&huge, 2, &["too large"]);
    desk.refuses(&["info", "--device", "cpu"], 2, &["--device sim"]);
}

#[test]
fn similarity_is_one_for_the_same_text() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let args = [
        "similarity",
        "--device",
        "cpu",
        "--model",
        text(model.path()),
    ];
    let json = desk.json(&[&args[..], &["--json", "a b", "a b", "c"]].concat());
    assert!((json["similarity"].as_f64().expect("a number") - 1.0).abs() < 1e-6);
    assert_eq!(json["matrix"].as_array().map(Vec::len), Some(3));
    let output = desk.run(&[&args[..], &["a", "a"]].concat());
    assert_eq!(output.stdout, b"1.0000\n");
}

#[test]
fn info_shows_the_card() {
    let desk = Desk::new();
    let json = desk.json(&["info", "--json", "--device", "model", "--config", "8x8"]);
    assert_eq!(json["card"]["config"]["rows"], 8);
    assert_eq!(json["card"]["registers"]["ID"], 0x5359_5354);
    for key in ["version", "contract", "cpu", "caches"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    let output = desk.run(&["info", "--device", "model"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("CAP_ARRAY"));
}

#[test]
fn model_list_names_what_can_be_fetched() {
    let output = Desk::new().run(&["model", "list"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        shown.contains("minilm") && shown.contains("not fetched"),
        "{shown}"
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let desk = Desk::new();
    let mut command = desk.command(&["info", "--device", "model"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(said(&output), "");
}

#[test]
fn what_went_wrong_is_known_without_a_reader() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let mut command = desk.command(&["doctor"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("the program ends").code(), Some(1));

    let full = |args: &[&str]| {
        let file = File::options().write(true).open("/dev/full");
        let mut command = desk.command(args);
        command
            .stdout(Stdio::null())
            .stderr(file.expect("Linux has it"));
        command.status().expect("the program ends").code()
    };
    assert_eq!(full(&["embed", "--model", "nope", "a"]), Some(3));
    let embed = ["embed", "-v", "--device", "cpu", "--model"];
    assert_eq!(
        full(&[&embed[..], &[text(model.path()), "a"]].concat()),
        Some(0)
    );
}

#[test]
fn a_tokenizer_that_breaks_is_told_in_one_sentence() {
    let (desk, model) = (Desk::new(), tiny::folder());
    let mut tokenizer = tiny::tokenizer();
    tokenizer["pre_tokenizer"] = serde_json::json!({"type": "FixedLength", "length": 0});
    tiny::put(model.path(), "tokenizer.json", tokenizer.to_string());
    let output = desk.run(&[
        "embed",
        "--device",
        "cpu",
        "--model",
        text(model.path()),
        "a",
    ]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("tokenizer.json is malformed"), "{said}");
}

#[test]
fn doctor_and_info_do_their_work_without_a_cache_folder() {
    let desk = Desk::new();
    let bare = |args: &[&str]| {
        let output = desk.command(args).env_clear().output();
        output.expect("the program starts")
    };
    let output = bare(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(json["ready"], false);
    for name in ["cache folder", "minilm"] {
        let check = check(&json, name);
        assert_eq!(check["present"], false);
        let detail = check["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("SYSTOLE_CACHE"), "{name}: {detail}");
    }
    check(&json, "simulated card");

    let output = bare(&["info", "--json", "--device", "model"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(json["card"]["config"]["rows"], 16);
    let error = json["caches"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("SYSTOLE_CACHE"), "{error}");
    let output = bare(&["info", "--device", "model"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("cache        none: "));
}

/// The check of this name in what `doctor --json` prints.
fn check<'a>(json: &'a Value, name: &str) -> &'a Value {
    let checks = json["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check of `{name}` in {json}"))
}

#[test]
fn a_damaged_model_does_not_count_as_there() {
    let desk = Desk::new();
    let folder = desk.path("cache/models/minilm");
    std::fs::create_dir_all(&folder).expect("it can be made");
    for damage in [None, Some("model.safetensors")] {
        if let Some(name) = damage {
            tiny::put(&folder, name, "not the weights");
        }
        let list = desk.run(&["model", "list"]);
        let shown = String::from_utf8_lossy(&list.stdout).into_owned();
        assert!(shown.contains("damaged"), "{shown}");
        desk.refuses(
            &["embed", "a"],
            3,
            &["not whole", "systole model fetch minilm"],
        );
        let output = desk.run(&["doctor", "--json"]);
        let json: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let check = check(&json, "minilm");
        let detail = check["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("damaged"), "{detail}");
        assert_eq!(check["fix"], "systole model fetch minilm");
        // Without Python nothing can be fetched, but it is tried.
        let mut fetch = desk.command(&["model", "fetch", "minilm"]);
        let output = fetch.env("PATH", "/nowhere").output();
        let output = output.expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("python3"), "{}", said(&output));
    }
}

#[test]
fn help_tells_of_exit_codes() {
    let output = Desk::new().run(&["--help"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("Exit codes:"));
}

#[cfg(feature = "sim")]
#[test]
fn settings_of_the_simulated_card_are_checked() {
    let desk = Desk::new();
    fn with<'a>(device: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let bench = ["bench", "gemm", "--m", "4", "--k", "4", "--n", "4"];
        [&bench[..], &["--device", device], rest].concat()
    }
    for (device, bandwidth, most) in [
        ("sim", json!(16.0), "less than 524,288"),
        ("sim-pcie", Value::Null, "1 to 1,048,576"),
    ] {
        desk.refuses(&with(device, &["--latency", "0"]), 2, &["latency", "1"]);
        desk.refuses(&with(device, &["--latency", "1048577"]), 2, &[most]);
        let bench = |latency: &str| desk.json(&with(device, &["--latency", latency, "--json"]));
        let (fast, slow) = (bench("7"), bench("3000"));
        assert_eq!(
            fast["memory"],
            json!({"latency": 7, "bandwidth": bandwidth})
        );
        assert_eq!(slow["memory"]["latency"], 3000);
        // What is said is what was simulated: the submission, the program and its operands are read
        // one after the other.
        let more = slow["cycles"].as_u64() > fast["cycles"].as_u64().map(|cycles| cycles + 8000);
        assert!(more, "{device}: {} and {}", slow["cycles"], fast["cycles"]);
        let usual = desk.json(&with(device, &["--json"]));
        let latency = usual["memory"]["latency"].to_string();
        assert_eq!(bench(&latency)["cycles"], usual["cycles"], "{device}");
    }
    desk.refuses(&with("sim", &["--bandwidth", "nan"]), 2, &["bandwidth"]);
    for device in ["sim-pcie", "model", "cpu"] {
        let refused = with(device, &["--bandwidth", "8"]);
        desk.refuses(&refused, 2, &["--bandwidth needs --device sim"]);
    }
    desk.refuses(
        &with("sim", &["--trace", "/no/folder/x.fst"]),
        1,
        &["cannot write", "the folder /no/folder does not exist"],
    );
    desk.refuses(
        &with("sim", &["--trace", text(desk.0.path())]),
        1,
        &["cannot write", "it is a folder"],
    );
}

#[cfg(not(feature = "sim"))]
#[test]
fn without_the_simulator_the_program_says_how_to_get_it() {
    let args = ["bench", "gemm", "--m", "4", "--k", "4", "--n", "4"];
    Desk::new().refuses(&args, 4, &["--features sim"]);
}
