//! `systole quantize` and `systole eval` from the outside.

mod desk;

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use desk::{Desk, said};

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it was written").len()
}

#[test]
fn a_quantised_file_is_a_model_that_stands_alone() {
    let desk = Desk::new();
    let made =
        desk.json("quantize MODEL --scheme w4g32-gptq,2:4@query --calibrate text -o out.q --json");
    assert_eq!(
        made["scheme"],
        "w4g32-gptq,w8+2:4-magnitude@attention.query"
    );
    assert_eq!(made["file_bytes"], length(&desk.path("out.q")));
    // The query projection keeps half of its 64 weights in eight bits and 2 bits of place for each;
    // the other 384 have half a byte, and 8 + 8 + 8 + 12 + 8 scales.
    assert_eq!(made["weight_bytes"], 32 + 8 + 384 / 2 + 44);
    assert_eq!(made["w8_bytes"], 448);
    assert_eq!(made["products"][0]["name"], "layer.0.attention.query");
    assert_eq!(made["products"].as_array().map(Vec::len), Some(6));
    let from_file = desk.json("embed --model out.q --device cpu --json a b");
    assert_eq!(from_file["nodes"][0]["name"], "layer.0.attention.query");
    let on_card = desk.json("embed --model out.q --device model --json a b");
    assert_eq!(on_card["embeddings"], from_file["embeddings"]);
    for line in [
        "similarity --model out.q --device cpu a b",
        "eval out.q --against MODEL --text text",
    ] {
        assert!(!desk.prints(line).is_empty());
    }
}

#[test]
fn schemes_are_compared_in_a_table_and_a_plot() {
    let desk = Desk::new();
    desk.prints("quantize MODEL --scheme w3 --calibrate text -o w3.q");
    desk.prints("quantize MODEL --scheme w8 --calibrate text -o w8.q");
    let line = "eval MODEL w8.q w3.q --against MODEL --text text --plot plot.svg --json";
    let found = desk.json(line);
    let models = found["models"].as_array().expect("it is a list");
    assert_eq!(models.len(), 3);
    let number = |model: usize, key: &str| models[model][key].as_f64().expect(key);
    assert_eq!(number(0, "cosine_mean"), number(1, "cosine_mean"));
    assert!(number(2, "cosine_mean") < number(1, "cosine_mean"));
    assert!(number(1, "cosine_min") <= number(1, "cosine_mean"));
    assert_eq!(number(2, "part_of_w8"), 3.0 / 8.0);
    assert_eq!(number(0, "sentences"), 6.0);
    let errors = models[2]["layer_errors"].as_array().expect("it is a list");
    assert_eq!(errors.len(), 1);
    let svg = std::fs::read_to_string(desk.path("plot.svg")).expect("it was drawn");
    assert_eq!(svg.matches("<circle").count(), 3);
    // The first two lie on each other; the legend names all of them.
    assert_eq!(svg.matches(">A B</text>").count(), 1);
    for legend in ["w8.q: 448 bytes, cosine ", "w3.q: 168 bytes", ">w3</text>"] {
        assert!(svg.contains(legend), "no `{legend}` in: {svg}");
    }
    assert!(
        !svg.contains(">1.2</text>"),
        "no cosine is above one: {svg}"
    );
    let table = desk.prints("eval MODEL w3.q --against MODEL --text text --device model");
    for word in ["cosine mean", "Spearman", "37.5 %", "error after layer"] {
        assert!(table.contains(word), "no `{word}` in: {table}");
    }
}

#[test]
fn mixed_plans_keep_their_budget() {
    let desk = Desk::new();
    let base = "quantize MODEL --calibrate text -o mixed.q --json --candidates w8,w4,w3,2:4";
    let bytes = desk.json(&format!("{base} --scheme mixed:bytes=60%"));
    assert!(
        bytes["weight_bytes"]
            .as_u64()
            .is_some_and(|it| it <= 448 * 6 / 10)
    );
    let rows = bytes["sensitivity"].as_array().expect("it is a list");
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0]["losses"]["w8"], 0.0);
    assert!(
        rows.iter()
            .all(|row| row["losses"].as_object().map(|it| it.len()) == Some(4))
    );
    let chosen = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name);
        row.expect("it is there")["chosen"].clone()
    };
    assert_eq!(
        bytes["products"]
            .as_array()
            .expect("a list")
            .last()
            .expect("one")["scheme"],
        chosen("layer.0.ffn.out")
    );
    // The tiny products fill no tile of the array, so the card takes as long for every scheme.
    let cycles = desk.json(&format!("{base} --scheme mixed:cycles=100%"));
    assert_eq!(cycles["products"].as_array().map(Vec::len), Some(6));
    desk.refuses(
        &format!("{base} --scheme mixed:cycles=75%"),
        1,
        &["out of reach", "% of those of w8"],
    );
    desk.json(&format!("{base} --scheme mixed:accuracy=0.5"));
    desk.refuses(
        &format!("{base} --scheme mixed:bytes=10%"),
        1,
        // Of 448 weights the cheapest candidate keeps half a byte or three bits each.
        &[
            "out of reach",
            "is 168 bytes, 37.5 %",
            "at most 44 were asked for",
        ],
    );
    desk.refuses(
        &format!("{base} --scheme mixed:accuracy=0.9999999999"),
        1,
        &["out of reach", "cosine"],
    );
}

#[test]
fn texts_that_cannot_be_read_are_told_with_file_and_line() {
    let desk = Desk::new();
    let long = "a ".repeat(9);
    desk.file("long", &format!("a b\n\nc\n{long}\nb\na c\n"));
    desk.file("far", "a\na far b\n\n");
    std::fs::write(desk.path("bytes"), b"a\n\nb \xe9\nc\n").expect("it can be written");
    std::fs::create_dir(desk.path("folder")).expect("it can be made");
    let read = |file: &str, rest: &str| {
        [
            format!("quantize MODEL --scheme w4 -o x --calibrate {file}{rest}"),
            format!("quantize MODEL --scheme mixed:bytes=60% -o x --calibrate {file}{rest}"),
            format!("eval MODEL --against MODEL --text {file}{rest}"),
        ]
    };
    for (file, words) in [
        (
            "none",
            &["none: there is no such file", "one sentence a line"][..],
        ),
        ("folder", &["folder: it is a folder", "one sentence a line"]),
        ("bytes", &["bytes, line 3: byte 0xe9 is no UTF-8", "iconv"]),
        ("far", &["far, line 2: it has token 6", "tokenizer.json"]),
        (
            "long",
            &[
                "long, line 4: the sentence has 11 tokens",
                "at most 10",
                "--truncate",
            ],
        ),
    ] {
        for line in read(file, "") {
            desk.refuses(&line, 3, words);
        }
    }
    assert!(!desk.path("x").exists());
    for line in read("long", " --truncate") {
        desk.prints(&line);
    }
    // What was cut off has no say.
    desk.file("cut", &format!("a b\n\nc\n{}\nb\na c\n", "a ".repeat(8)));
    let made = ["long --truncate", "cut"].map(|text| {
        desk.prints(&format!(
            "quantize MODEL --scheme w3 -o x --calibrate {text}"
        ));
        std::fs::read(desk.path("x")).expect("it was written")
    });
    assert_eq!(made[0], made[1]);
    let line = "quantize MODEL --scheme w4 -o y --truncate";
    desk.refuses(line, 2, &["--calibrate"]);
}

#[test]
fn what_is_written_goes_where_the_path_leads_or_is_refused() {
    let desk = Desk::new();
    desk.prints("quantize MODEL --scheme w4 --calibrate text -o plain.q");
    let plain = std::fs::read(desk.path("plain.q")).expect("it was written");
    std::fs::create_dir(desk.path("far")).expect("it can be made");
    for (link, target) in [("link.q", "far/kept.q"), ("link.svg", "far/kept.svg")] {
        symlink(target, desk.path(link)).expect("it can be made");
        std::fs::write(desk.path(target), "old").expect("it can be written");
    }
    desk.prints("quantize MODEL --scheme w4 --calibrate text -o link.q");
    desk.prints("eval link.q --against MODEL --text text --plot link.svg");
    assert!(desk.path("link.q").is_symlink() && desk.path("link.svg").is_symlink());
    // The same model in the same bytes, from another run of the program.
    assert_eq!(
        std::fs::read(desk.path("far/kept.q")).expect("it is there"),
        plain
    );
    let svg = std::fs::read_to_string(desk.path("far/kept.svg")).expect("it is there");
    assert!(svg.starts_with("<svg"), "{svg}");

    let pipe = desk.path("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe can be made");
    // A reader that waits for nobody; Linux lets a pipe be opened so for reading and writing.
    let mut options = std::fs::File::options();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    let mut reader = options.open(&pipe).expect("it can be opened");
    let made = desk.json("quantize MODEL --scheme w4 --calibrate text -o pipe --json");
    let mut through = vec![0; plain.len()];
    reader.read_exact(&mut through).expect("it was written");
    assert_eq!(through, plain);
    assert_eq!(made["file_bytes"], plain.len());
    assert!(!pipe.is_file());

    // Before the model is looked for.
    let output = |path: &str| {
        [
            format!("quantize nowhere --scheme w4 -o {path}"),
            format!("eval plain.q --against nowhere --text text --plot {path}"),
        ]
    };
    for (path, words) in [
        (
            "no/folder/x",
            &[
                "cannot write no/folder/x",
                "the folder no/folder does not exist",
            ][..],
        ),
        ("far", &["cannot write far: it is a folder"]),
        ("/proc/self/fd/1", &["standard output", "report"]),
    ] {
        for line in output(path) {
            desk.refuses(&line, 1, words);
        }
    }
    assert!(!desk.path("no").exists());
    for command in ["quantize", "eval", "gemm"] {
        let help = desk.prints(&format!("{command} --help"));
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("Its folder must be there."), "{help}");
    }
}

#[test]
fn a_damaged_model_is_refused_by_every_command() {
    let desk = Desk::new();
    desk.prints("quantize MODEL --scheme w4 --calibrate text -o w4.q");
    let whole = std::fs::read(desk.path("w4.q")).expect("it was written");
    let find = |text: &str| {
        let found = whole
            .windows(text.len())
            .position(|it| it == text.as_bytes());
        found.unwrap_or_else(|| panic!("{text} is in the file"))
    };
    // The lowest bit of the last letter: 1e-13, number 5 for the word b, gelt.
    for (text, words) in [
        ("1e-12", "its checksum differs"),
        ("b\\\":4", "its checksum differs"),
        ("gelu", "`config.json` in its metadata"),
    ] {
        let mut damaged = whole.clone();
        let last = text.len() - 1;
        damaged[find(text) + last] ^= 1;
        std::fs::write(desk.path("damaged.q"), damaged).expect("it can be written");
        for line in [
            "embed --model damaged.q --device cpu a",
            "similarity --model damaged.q --device cpu a b",
            "eval damaged.q --against MODEL --text text",
        ] {
            let words = [
                "damaged.q is malformed",
                words,
                "write it again with `systole quantize`",
            ];
            desk.refuses(line, 3, &words);
        }
    }
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    let desk = Desk::new();
    desk.file("empty", "\n \n");
    desk.file("short", "a\nb\nc\n");
    desk.prints("quantize MODEL --scheme w4 -o w4.q --calibrate text");
    desk.file("junk.q", "this is no model");
    // A name of `systole model list` gives way to a file of that name.
    desk.file("minilm", "this is no model");
    for (line, code, words) in [
        (
            "quantize MODEL --scheme w9 -o x",
            2,
            &["2 to 8 bits, not 9", "--help"][..],
        ),
        (
            "quantize MODEL --scheme mixed:speed=3 -o x",
            2,
            &["`speed` is no goal"],
        ),
        (
            "quantize MODEL --scheme w4@layer.7 -o x",
            2,
            &["w4@layer.7", "it has 1"],
        ),
        (
            "quantize MODEL --scheme w4 --candidates w4,q -o x",
            2,
            &["--candidates", "mixed:"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=50% --candidates w4,q -o x",
            2,
            &["--candidates", "`q` is not a width", "--help"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=50% --candidates w4, -o x",
            2,
            &["`w4,`", "one of its commas"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=50% --candidates  -o x",
            2,
            &["--candidates: an empty scheme", "at least one"],
        ),
        (
            "quantize MODEL --scheme w4, -o x",
            2,
            &["the scheme `w4,`", "one of its commas"],
        ),
        (
            "quantize MODEL --scheme w4g33 -o x",
            2,
            &["weights that share a scale", "not 33"],
        ),
        (
            "quantize MODEL --scheme w4-magnitude -o x",
            2,
            &["belongs to 2:4"],
        ),
        (
            "quantize MODEL --scheme mixed -o x",
            2,
            &["the scheme `mixed`", "needs a goal: accuracy=0.99"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=150% -o x",
            2,
            &["150 % is more than w8"],
        ),
        (
            "quantize MODEL --scheme mixed:accuracy=1.5 -o x",
            2,
            &["a cosine above 0 and below 1"],
        ),
        // The matrices have 8x8, 8x12 and 12x8 weights.
        (
            "quantize MODEL --scheme block1000x1000=0.5 -o x",
            2,
            &[
                "blocks of 1000x1000 are larger",
                "layer.0.attention.qkv",
                "8x24",
            ],
        ),
        (
            "quantize MODEL --scheme block8x12=0.5@ffn.in -o x",
            2,
            &["of the 1 blocks", "layer.0.ffn.in", "none would be left"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=50% --candidates w8,block12x4=0.5 -o x",
            2,
            &["blocks of 12x4 are larger", "layer.0.attention.query"],
        ),
        (
            "quantize MODEL --scheme w4 --calibrate empty -o x",
            3,
            &["empty", "no sentence"],
        ),
        (
            "quantize MODEL --scheme w4 --calibrate none -o x",
            3,
            &[
                "none: there is no such file",
                "--calibrate",
                "one sentence a line",
            ],
        ),
        (
            "quantize MODEL --scheme w4 -o /proc/no/x",
            1,
            &["cannot write /proc/no/x"],
        ),
        // Found out before the model is read, let alone a plan searched for.
        (
            "quantize nowhere --scheme mixed:bytes=10% -o /proc/no/x",
            1,
            &["cannot write /proc/no/x"],
        ),
        (
            "eval junk.q --against nowhere --text text --plot /proc/no/x",
            1,
            &["cannot write /proc/no/x"],
        ),
        (
            "quantize MODEL --scheme mixed:bytes=50% --calibrate short -o x",
            3,
            &["3 sentences", "too few"],
        ),
        ("quantize w4.q --scheme w4 -o x", 3, &["w4.q", "no floats"]),
        (
            "quantize nowhere --scheme w4 -o x",
            3,
            &["nowhere", "missing"],
        ),
        (
            "embed --model junk.q --device cpu a",
            3,
            &["junk.q", "not a whole safetensors file", "systole quantize"],
        ),
        (
            "eval MODEL --against w4.q --text text",
            3,
            &["w4.q", "--against"],
        ),
        (
            "eval MODEL --against MODEL --text empty",
            3,
            &["no sentence"],
        ),
        ("eval junk.q --against MODEL --text text", 3, &["junk.q"]),
        (
            "eval w4.q --against MODEL --text text --plot /proc/no/x",
            1,
            &["cannot write /proc/no/x"],
        ),
        (
            "embed --model minilm --device cpu a",
            3,
            &["minilm", "not a whole safetensors file"],
        ),
    ] {
        desk.refuses(line, code, words);
    }
    assert!(!desk.path("x").exists());
}

/// What the program says on standard error when it is done.
fn says(desk: &Desk, line: &str) -> String {
    let output = desk.run(line);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{line}: {said}");
    said
}

#[test]
fn options_that_change_nothing_are_remarked_on() {
    let desk = Desk::new();
    for scheme in ["w8", "w4g32", "2:4", "block4x4=0.5", "w4@query,w5"] {
        let said = says(
            &desk,
            &format!("quantize MODEL --scheme {scheme} --calibrate text -o x"),
        );
        assert!(
            said.contains("warning: --calibrate changes nothing"),
            "{said}"
        );
    }
    for scheme in ["w4-gptq", "2:4-wanda", "w8,2:4-sparsegpt@ffn.in"] {
        let said = says(
            &desk,
            &format!("quantize MODEL --scheme {scheme} --calibrate text -o x"),
        );
        assert!(said.is_empty(), "{said}");
    }
    for (scheme, words) in [
        (
            "block4x4=0.5",
            ["saves no cycles on the usual 16x16 array", "blocks of 4x4"],
        ),
        (
            "block7x7=0.5",
            ["saves no cycles on any array", "blocks of 7x7"],
        ),
        (
            "2:4+block4x4=0.5",
            ["saves no cycles on any array", "are 32x16"],
        ),
    ] {
        let said = says(&desk, &format!("quantize MODEL --scheme {scheme} -o x"));
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn sentences_change_nothing_in_schemes_that_look_at_weights_alone() {
    let desk = Desk::new();
    desk.file("other", "b b b c\n");
    for scheme in ["w4g32", "2:4", "w3@ffn.in"] {
        for text in ["text", "other"] {
            desk.prints(&format!(
                "quantize MODEL --scheme {scheme} --calibrate {text} -o {text}.q"
            ));
        }
        // The order in which a header names things is chance.
        let file = |name: &str| -> (serde_json::Value, Vec<u8>) {
            let bytes = std::fs::read(desk.path(name)).expect("it was written");
            let (length, rest) = bytes.split_first_chunk().expect("it has a header");
            let (header, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
            let header = serde_json::from_slice(header).expect("it is JSON");
            (header, rest.to_vec())
        };
        assert!(file("text.q") == file("other.q"), "{scheme}");
    }
}

#[test]
fn help_teaches_schemes_and_warns_of_minutes() {
    let desk = Desk::new();
    let help = desk.prints("quantize --help");
    for word in [
        "w4g32",
        "2:4-sparsegpt",
        "block=PART",
        "mixed:accuracy=0.99",
        "Examples:",
        "a layer that none fits becomes w8",
        "which takes minutes",
        "mixed:...`",
        "w8,w6-gptq,",
    ] {
        assert!(help.contains(word), "no `{word}` in: {help}");
    }
}

/// Two ends of a terminal of 100 columns: what a person sees, and what the program writes to.
fn terminal() -> (File, OwnedFd) {
    let size = libc::winsize {
        ws_row: 30,
        ws_col: 100,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut seen, mut written) = (-1, -1);
    // SAFETY: the pointers are to what the call writes and reads; a null one is allowed for the name
    // and the modes.
    let done = unsafe {
        libc::openpty(
            &mut seen,
            &mut written,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &size,
        )
    };
    assert_eq!(done, 0, "there is a terminal");
    // SAFETY: the call opened both, and nobody else has them.
    unsafe { (File::from_raw_fd(seen), OwnedFd::from_raw_fd(written)) }
}

/// What a person sees on the terminal where the program runs.
fn shows(desk: &Desk, line: &str) -> String {
    let (mut seen, written) = terminal();
    let mut command = desk.command(line);
    command
        .env("TERM", "xterm")
        .stdout(Stdio::null())
        .stderr(written);
    let mut child = command.spawn().expect("the program starts");
    // It held the other end too.
    drop(command);
    let mut shown = Vec::new();
    let mut piece = [0; 4096];
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = seen.read(&mut piece) {
        shown.extend(&piece[..count]);
    }
    let shown = String::from_utf8_lossy(&shown).into_owned();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "{line}: {shown}");
    shown
}

#[test]
fn the_stages_of_a_search_are_shown_on_a_terminal_and_nowhere_else() {
    let desk = Desk::new();
    let base = "quantize MODEL --calibrate text -o x --scheme";
    let search = format!("{base} mixed:bytes=60% --candidates w8,w4,w3");
    let shown = shows(&desk, &search);
    for stage in [
        "calibrating",
        "sensitivity: products [",
        "0/6",
        "trying plan 1: layers [",
        "0/1",
        "compressing layers [",
    ] {
        assert!(shown.contains(stage), "no `{stage}` in: {shown}");
    }
    let shown = shows(&desk, &format!("{base} w4-gptq"));
    assert!(shown.contains("compressing layers ["), "{shown}");
    assert!(!shown.contains("sensitivity"), "{shown}");
    assert!(says(&desk, &search).is_empty());
}
