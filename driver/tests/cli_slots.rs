//! Cards in slots as `doctor` and `--device auto` see them, on machines that are folders.

#[expect(dead_code, reason = "`systole device` is another test's matter")]
mod machine;

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use machine::{CARD, DISK, FAR, Machine, said};

/// Runs the program on a machine, with a cache of its own and without models.
fn run(machine: &Machine, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_systole"))
        .args(args)
        .arg("--sysfs")
        .arg(machine.0.path())
        .env("SYSTOLE_CACHE", machine.path("cache"))
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn json(machine: &Machine, args: &[&str]) -> Value {
    let output = run(machine, args);
    let parsed = serde_json::from_slice(&output.stdout);
    parsed.unwrap_or_else(|error| panic!("{args:?}: {error}: {}", said(&output)))
}

/// Gives the card to vfio-pci and the disk of its group to nobody.
fn make_ready(machine: &Machine) {
    for address in [CARD, DISK] {
        fs::remove_file(machine.folder(address).join("driver")).expect("a link");
    }
    machine.give(CARD, "vfio-pci");
}

fn lacks_nothing(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
}

#[test]
fn doctor_shows_the_cards_and_what_to_do_next() {
    let machine = Machine::new();
    let cards = || json(&machine, &["doctor", "--json"])["cards"].clone();
    let found = cards();
    let all = machine.json(&["list"])["devices"].clone();
    assert_eq!(found, all, "the same as `device list` shows");
    assert_eq!(found[0]["address"], CARD);
    assert_eq!(
        (&found[0]["driver"], &found[0]["group"]),
        (&json!("systole_old"), &json!(7))
    );
    assert_eq!(found[0]["ready"], false);
    let first = found[0]["obstacles"][0].as_str().expect("an obstacle");
    lacks_nothing(first, &["sudo systole device bind 0000:01:00.0"]);
    let output = run(&machine, &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    lacks_nothing(
        &text,
        &[
            "optional  card 0000:01:00.0",
            "driver systole_old, IOMMU dmar0, group 7",
            "to use it: systole_old has 0000:01:00.0: `sudo systole device bind 0000:01:00.0`",
            "optional  card 0001:02:03.0",
            "intel_iommu=on",
        ],
    );
    make_ready(&machine);
    assert_eq!(cards()[0]["ready"], true);
    let output = run(&machine, &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    lacks_nothing(
        &text,
        &[
            "ok        card 0000:01:00.0",
            "driver vfio-pci",
            "--device vfio:0000:01:00.0",
        ],
    );
}

#[test]
fn doctor_needs_no_card_and_no_pci() {
    let machine = Machine::new();
    for address in [CARD, FAR] {
        fs::remove_dir_all(machine.folder(address)).expect("a folder");
    }
    let found = json(&machine, &["doctor", "--json"]);
    assert_eq!(
        (&found["cards"], &found["cards_error"]),
        (&json!([]), &Value::Null)
    );
    let ready = found["ready"].clone();
    let output = run(&machine, &["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    lacks_nothing(
        &text,
        &["optional  cards in slots", "none is in this machine"],
    );
    fs::remove_dir_all(machine.path("sys/bus")).expect("a folder");
    let found = json(&machine, &["doctor", "--json"]);
    assert_eq!((&found["cards"], &found["ready"]), (&json!([]), &ready));
    let error = found["cards_error"].as_str().expect("an error");
    lacks_nothing(error, &["cannot be listed", "sys/bus/pci/devices"]);
}

/// Runs a product with `auto`, which must come out well; gives what stood on standard error.
fn auto(machine: &Machine) -> String {
    let product = [
        "bench", "gemm", "--m", "9", "--k", "33", "--n", "5", "--seed", "3",
    ];
    let output = run(
        machine,
        &[&product[..], &["--device", "auto", "--json"]].concat(),
    );
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    assert_eq!(
        (&printed["exact"], &printed["place"]),
        (&json!(true), &json!("cpu"))
    );
    said
}

#[test]
fn auto_says_once_why_a_card_cannot_be_used_and_goes_on() {
    let machine = Machine::new();
    let said = auto(&machine);
    assert_eq!(said.lines().count(), 1, "{said}");
    lacks_nothing(
        &said,
        &[
            "warning: no card in a slot can be used",
            "0000:01:00.0: systole_old has",
            "sudo systole device bind 0000:01:00.0",
            "0001:02:03.0: no IOMMU",
        ],
    );
    // One that is ready but does not open: what stands for its files are no devices.
    make_ready(&machine);
    let said = auto(&machine);
    assert_eq!(said.lines().count(), 1, "{said}");
    lacks_nothing(
        &said,
        &[
            "warning: no card",
            "0000:01:00.0: /dev/vfio/vfio does not tell",
        ],
    );
    fs::write(machine.folder(CARD).join("vendor"), "?").expect("a file");
    let said = auto(&machine);
    lacks_nothing(&said, &["warning: no card", "`vendor`"]);
}

#[test]
fn auto_says_nothing_where_no_card_is() {
    let machine = Machine::new();
    for address in [CARD, FAR] {
        fs::remove_dir_all(machine.folder(address)).expect("a folder");
    }
    assert_eq!(auto(&machine), "");
    fs::remove_dir_all(machine.path("sys")).expect("a folder");
    assert_eq!(auto(&machine), "");
}
