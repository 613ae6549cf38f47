//! `systole bench` from the outside.

mod desk;

use desk::Desk;

#[test]
fn every_format_of_weights_is_measured_beside_dense_int8() {
    let desk = Desk::new();
    for format in [
        "--weights int4 --group 64",
        "--weights bits=3",
        "--weights bits=7 --group 32 --sparsity 2:4",
        "--sparsity block=0.9",
        "--weights int4 --group 128 --sparsity 2:4+block=0.5",
        "--sparsity block=1",
        "--threshold 60",
        "--threshold 100 --sparsity 2:4 --group 32",
    ] {
        for device in ["model", "cpu"] {
            let line = format!("bench gemm --m 9 --k 300 --n 70 --device {device} {format} --json");
            let json = desk.json(&line);
            assert_eq!(json["exact"], true, "{line}");
            assert!(json["speedup_vs_dense"].is_number(), "{line}: {json}");
            assert!(json["dense"]["seconds"].is_number(), "{line}");
        }
    }
    let plain = desk.json("bench gemm --m 9 --k 300 --n 70 --device model --json");
    assert!(plain["dense"].is_null() && plain["speedup_vs_dense"].is_null());
    assert_eq!(plain["weight_bits"], 8);
}

#[cfg(feature = "sim")]
#[test]
fn the_card_counts_the_bytes_of_weights() {
    let desk = Desk::new();
    let json = desk.json("bench gemm --m 1 --k 256 --n 64 --weights int4 --group 64 --json");
    // A stream of a tile column is 256 * 16 / 2 bytes and a row of scales for each 64 values of K.
    assert_eq!(json["weight_bytes"], 4 * (256 * 16 / 2 + 256 / 64 * 16));
    assert_eq!(json["dense"]["weight_bytes"], 256 * 64);
    let said = desk.prints("bench gemm --m 1 --k 256 --n 64 --sparsity 2:4");
    for word in [
        "exact        yes",
        "weights      10,240 bytes read",
        "times dense int8",
    ] {
        assert!(said.contains(word), "no `{word}` in {said}");
    }
    // What is left out is not fetched: eight groups of 32, of different sizes.
    let json = desk.json("bench gemm --m 4 --k 256 --n 64 --threshold 64 --json");
    let (bytes, dense) = (&json["weight_bytes"], &json["dense"]["weight_bytes"]);
    assert!(bytes.as_u64() < dense.as_u64(), "{bytes} of {dense}");
}

#[test]
fn the_products_of_a_quantised_model_are_measured() {
    let desk = Desk::new();
    desk.prints("quantize MODEL --scheme w4g32,2:4@query --calibrate text -o out.q");
    let json = desk.json("bench model --model out.q --m 5 --device model --json");
    assert_eq!(json["exact"], true);
    let products = json["products"].as_array().expect("a list");
    assert_eq!(products.len(), 6);
    assert_eq!(products[0]["name"], "layer.0.attention.query");
    assert_eq!(products[0]["weights"], "int8 2:4");
    assert_eq!(products[1]["weights"], "int4 group 32");
    let table = desk.prints("bench model --model out.q --m 5 --node ffn --device model");
    assert!(
        table.contains("layer.0.ffn.in") && !table.contains("layer.0.attention"),
        "{table}"
    );
    desk.refuses(
        "bench model --model out.q --node ffn.up --device model",
        3,
        &["`ffn.up`", "layer.0.ffn.in"],
    );
}

#[test]
fn the_products_of_a_model_as_it_is_are_measured_too() {
    let desk = Desk::new();
    for device in ["cpu", "model"] {
        let json = desk.json(&format!(
            "bench model --model MODEL --m 3 --device {device} --json"
        ));
        assert_eq!(json["exact"], true, "{json}");
        assert_eq!(json["products"][0]["weights"], "int8");
    }
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    let desk = Desk::new();
    for (flags, words) in [
        ("--weights int9", "int8, int4 or bits=N"),
        ("--weights bits=9", "2 to 8 bits"),
        ("--weights bits=1", "2 to 8 bits"),
        ("--sparsity 4:2", "none, 2:4, block=SHARE"),
        ("--sparsity block=1.5", "a number from 0 to 1"),
        ("--sparsity 2:4+2:4", "none, 2:4, block=SHARE"),
        ("--group 48", "32, 64 or 128"),
        ("--threshold 300", "300"),
        ("--threshold 129", "nothing is left to measure"),
    ] {
        let line = format!("bench gemm --m 4 --k 32 --n 16 --device cpu {flags}");
        desk.refuses(&line, 2, &[words]);
    }
}
