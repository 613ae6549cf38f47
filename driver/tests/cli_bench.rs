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
    assert_eq!(json["products"][0]["reason"], "the card was asked for");
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
        ("--group -1", "32, 64 or 128"),
        ("--threshold 300", "0..=127"),
        ("--threshold 128", "0..=127"),
        ("--threshold -1", "0..=127"),
        ("--latency -5", "-5 is not in 0"),
        ("--repeat 0", "whole number of at least 1"),
        ("--threads 0", "whole number of at least 1"),
        ("--threads -2", "whole number of at least 1"),
    ] {
        let line = format!("bench gemm --m 4 --k 32 --n 16 --device cpu {flags}");
        desk.refuses(&line, 2, &[words]);
        assert_eq!(desk.run(&line).stdout, b"", "{line}");
    }
    for (sizes, words) in [
        ("--m 0 --k 32 --n 16", "whole number of at least 1"),
        ("--m -3 --k 32 --n 16", "whole number of at least 1"),
        ("--m 4 --k 0 --n 16", "whole number of at least 1"),
        ("--m 4 --k 32 --n 99999999999999999999", "too large"),
        ("--m 100000000000 --k 32 --n 16", "at most 1073741824"),
    ] {
        desk.refuses(&format!("bench gemm {sizes} --device cpu"), 2, &[words]);
    }
    for (rows, words) in [
        ("0", "whole number of at least 1"),
        ("-1", "whole number of at least 1"),
        ("100000000000", "at most 1073741824"),
    ] {
        let line = format!("bench model --model MODEL --m {rows} --device cpu");
        desk.refuses(&line, 2, &[words]);
    }
}

/// Symmetric weights are what these multipliers take; -128 would send the product to the CPU.
#[test]
fn a_card_with_packed_products_measures_them() {
    let desk = Desk::new();
    for format in [
        "--datapaths packed",
        "--datapaths narrow,groups,blocks,packed",
        "--datapaths narrow,groups,blocks,packed --weights int4 --group 32",
        "--datapaths narrow,groups,blocks,packed --sparsity block=0.5",
    ] {
        let line = format!("bench gemm --m 9 --k 300 --n 70 --device model {format} --json");
        let json = desk.json(&line);
        assert_eq!(json["place"], "device", "{line}");
        assert_eq!(json["reason"], "the card was asked for", "{line}");
        assert_eq!(json["exact"], true, "{line}");
    }
}

#[test]
fn weights_that_come_in_another_format_say_which_and_why() {
    let desk = Desk::new();
    let reason = |format: &str| {
        let line = format!("bench gemm --m 9 --k 300 --n 70 --device model {format} --json");
        let json = desk.json(&line);
        assert_eq!(json["exact"], true, "{line}");
        json["reason"].as_str().expect("a text").to_string()
    };
    for (format, words) in [
        (
            "--datapaths packed --weights int4",
            "does not have the datapath narrow",
        ),
        (
            "--datapaths dense --weights int4 --group 64 --sparsity 2:4+block=0.5",
            "does not have the datapath narrow,groups,two-four,blocks",
        ),
        (
            "--datapaths narrow,groups --weights int4 --sparsity block=0.5",
            "its zero blocks come as zeros, for the card does not have the datapath blocks",
        ),
        (
            "--datapaths narrow --sparsity block=0.5",
            "dense int8 that they mean, for the card does not have the datapath blocks",
        ),
        (
            "--config 32x32 --weights int4 --group 32 --sparsity 2:4",
            "covers more values of K than the 32 that share a scale",
        ),
    ] {
        let said = reason(format);
        assert!(said.contains(words), "{format}: no `{words}` in `{said}`");
    }
    let whole = reason("--weights int4 --group 64 --sparsity 2:4+block=0.5");
    assert_eq!(whole, "the card was asked for");
}

#[test]
fn the_true_share_of_zero_blocks_is_told() {
    let desk = Desk::new();
    // Blocks are 16x16, with 2:4 32x16.
    for (sizes, zeros, share) in [
        ("--m 1 --k 1 --n 1", "block=0.5", 1.0),
        ("--m 1 --k 1 --n 1", "block=0.4", 0.0),
        ("--m 2 --k 33 --n 17", "block=0.5", 0.5),
        ("--m 2 --k 33 --n 17", "block=0.1", 1.0 / 6.0),
        ("--m 2 --k 33 --n 17", "2:4+block=0.1", 0.0),
    ] {
        let line = format!("bench gemm {sizes} --device model --sparsity {zeros}");
        let json = desk.json(&format!("{line} --json"));
        let told = json["zero_blocks"].as_f64().expect("a number");
        assert!((told - share).abs() < 1e-9, "{line}: {told}");
        assert!(desk.prints(&line).contains("zero blocks  "), "{line}");
    }
    let json = desk.json("bench gemm --m 1 --k 1 --n 1 --device model --json");
    assert!(json["zero_blocks"].is_null());
}

/// Whatever the seed draws, there is something left to multiply.
#[test]
fn some_activations_stay_whatever_is_drawn() {
    let desk = Desk::new();
    for flags in ["--threshold 40", "--threshold 127"] {
        let line = format!("bench gemm --m 4 --k 32 --n 16 --device model {flags} --json");
        let json = desk.json(&line);
        assert_eq!(json["place"], "device", "{line}");
    }
    // The one value that this seed draws is zero.
    let json = desk.json("bench gemm --m 1 --k 1 --n 1 --seed 6 --device model --json");
    assert_eq!(json["place"], "device");
}

#[test]
fn what_has_no_cycles_is_told_by_its_time() {
    let desk = Desk::new();
    let said = desk.prints("bench gemm --m 9 --k 30 --n 20 --device cpu --weights int4");
    let dense = said.lines().find(|line| line.starts_with("dense int8"));
    assert!(dense.is_some_and(|line| line.ends_with(" ms")), "{said}");
}

#[cfg(feature = "sim")]
#[test]
fn the_totals_of_a_model_are_the_sums_of_its_products() {
    let desk = Desk::new();
    desk.prints("quantize MODEL --scheme w4g32,2:4@query --calibrate text -o out.q");
    let json = desk.json("bench model --model out.q --m 1 --json");
    let products = json["products"].as_array().expect("a list");
    let totals = &json["totals"];
    let sum = |name: &str| -> u64 {
        let of = |product: &serde_json::Value| product[name].as_u64().expect("a number");
        products.iter().map(of).sum()
    };
    for name in [
        "cycles",
        "dense_cycles",
        "weight_bytes",
        "dense_weight_bytes",
    ] {
        assert_eq!(totals[name], sum(name), "{name}");
    }
    let ratio = sum("dense_cycles") as f64 / sum("cycles") as f64;
    let told = totals["speedup_vs_dense"].as_f64().expect("a number");
    assert!((told - ratio).abs() < 1e-9, "{told}");
    let table = desk.prints("bench model --model out.q --m 1");
    assert!(table.contains(", 1 row, on "), "{table}");
    let last = table.lines().find(|line| line.starts_with("all "));
    let last = last.unwrap_or_else(|| panic!("no totals in {table}"));
    let figure = last.split_whitespace().nth(1).map(|it| it.replace(',', ""));
    assert_eq!(figure, Some(sum("cycles").to_string()));
}

#[cfg(feature = "sim")]
#[test]
fn use_beyond_the_whole_array_is_explained() {
    let desk = Desk::new();
    let line = "bench gemm --m 64 --k 256 --n 64";
    let sparse = desk.prints(&format!("{line} --sparsity 2:4"));
    assert!(sparse.contains(" % by dense work: "), "{sparse}");
    let dense = desk.prints(line);
    assert!(!dense.contains("by dense work"), "{dense}");
    let help = desk.prints("bench gemm --help");
    for word in [
        "beyond 100 %",
        "a few cycles less",
        "narrow,groups,blocks,packed",
    ] {
        assert!(help.contains(word), "no `{word}` in {help}");
    }
}
