//! `systole quantize` and `systole eval` from the outside.

mod desk;

use std::path::Path;

use desk::Desk;

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
    let cycles = desk.json(&format!("{base} --scheme mixed:cycles=101%"));
    assert_eq!(cycles["products"].as_array().map(Vec::len), Some(6));
    desk.refuses(
        &format!("{base} --scheme mixed:cycles=75%"),
        1,
        &["out of reach", "cycles"],
    );
    desk.json(&format!("{base} --scheme mixed:accuracy=0.5"));
    desk.refuses(
        &format!("{base} --scheme mixed:bytes=10%"),
        1,
        &["out of reach", "45 bytes"],
    );
    desk.refuses(
        &format!("{base} --scheme mixed:accuracy=0.9999999999"),
        1,
        &["out of reach", "cosine"],
    );
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
            &["`q` is neither"],
        ),
        (
            "quantize MODEL --scheme w4 --calibrate empty -o x",
            3,
            &["empty", "no sentence"],
        ),
        (
            "quantize MODEL --scheme w4 --calibrate none -o x",
            3,
            &["none"],
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
            &["junk.q", "not a whole safetensors file"],
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
    let help = desk.prints("quantize --help");
    for word in [
        "w4g32",
        "2:4-sparsegpt",
        "block=PART",
        "mixed:accuracy=0.99",
        "Examples:",
    ] {
        assert!(help.contains(word), "no `{word}` in: {help}");
    }
}
