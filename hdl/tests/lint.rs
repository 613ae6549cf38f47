//! Whole cards pass Verilator's lint without a waiver.

mod common;

use isa::config::Config;
use isa::regs::LINK_TIMEOUT_RESET;

fn check(config: &Config) {
    let emitted = hdl::emit_card(config).expect("the card is emitted");
    verilate::lint(&common::design(&emitted), &[]).expect("the card is free of lint");
}

#[test]
fn small_cards() {
    check(&Config::with_array(4, 4));
    check(&Config::with_array(8, 8));
    check(&Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    });
}

#[test]
fn middle_cards() {
    check(&Config::with_array(8, 16));
    check(&Config::default());
}

#[test]
fn largest_card() {
    check(&Config {
        port_bytes: 32,
        ..Config::with_array(32, 32)
    });
}

#[test]
fn impossible_cards_are_refused() {
    let error = hdl::emit_card(&Config {
        rows: 5,
        ..Config::default()
    });
    assert!(matches!(error, Err(hdl::EmitCardError::Config(_))));
}

#[test]
fn cards_behind_pcie() {
    for words in [2, 4] {
        for port_bytes in [16, 32] {
            let config = Config {
                port_bytes,
                ..Config::with_array(8, 8)
            };
            let link = hdl::LinkConfig {
                words,
                ..Default::default()
            };
            let emitted = hdl::emit_pcie_card(&config, &link).expect("the card is emitted");
            verilate::lint(&common::design(&emitted), &[]).expect("the card is free of lint");
        }
    }
    let three = hdl::LinkConfig {
        words: 3,
        ..Default::default()
    };
    let three = hdl::emit_pcie_card(&Config::default(), &three);
    assert!(matches!(three, Err(hdl::EmitCardError::Link(3))));
}

#[test]
fn endpoints_alone() {
    for words in [2, 4] {
        for port_bytes in [16, 32] {
            for memory_log2 in [None, Some(26)] {
                let emitted =
                    hdl::emit_endpoint(words, port_bytes, 4, memory_log2, LINK_TIMEOUT_RESET)
                        .expect("the endpoint is emitted");
                verilate::lint(&common::design(&emitted), &[])
                    .expect("the endpoint is free of lint");
            }
        }
    }
}
