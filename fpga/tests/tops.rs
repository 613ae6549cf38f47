//! The tops of the boards, and the small blocks in them.

mod common;

use common::Bench;
use fpga::boards::{Board, TOP};
use fpga::tops::{Lights, ResetHold, TopConfig, TopError, emit_top};
use isa::config::Datapaths;
use verilate::Waiver;

fn top(board: Board, mhz: f64) -> TopConfig {
    TopConfig {
        board,
        rows: 4,
        cols: 4,
        datapaths: Datapaths::DENSE,
        mhz,
    }
}

#[test]
fn tops_are_free_of_lint() {
    let cells = [include_str!("cells.v"), include_str!("hard_cells.v")].concat();
    // A PLL has more outputs than most tops need.
    let waiver = Waiver {
        class: "PINMISSING",
        module: "systole_clocks",
    };
    for board in Board::ALL {
        let text = emit_top(&top(board, board.card_mhz())).expect("the top is emitted");
        let design = verilate::Design {
            top: TOP.into(),
            verilog: format!("{text}\n{cells}"),
            ports: vec![],
        };
        verilate::lint(&design, &[waiver]).expect("the top is free of lint");
    }
}

#[test]
fn what_no_board_can_be_is_refused() {
    let emit = |board, mhz| emit_top(&top(board, mhz)).unwrap_err();
    assert!(matches!(emit(Board::Artix7200t, 500.0), TopError::Pll(_)));
    // The SDRAM is slower than what the PLL can give.
    assert!(matches!(emit(Board::Ulx3s85f, 180.0), TopError::Memory(_)));
    // What a link gives cannot be chosen.
    let error = emit(Board::AcornCle215, 80.0);
    assert!(matches!(error, TopError::Clock { .. }));
    assert!(
        error.to_string().contains("62.5 MHz, not 80 MHz"),
        "{error}"
    );
    let odd = TopConfig {
        rows: 5,
        ..top(Board::Ulx3s85f, 80.0)
    };
    assert!(matches!(emit_top(&odd), Err(TopError::Config(_))));
}

#[test]
fn a_reset_lasts_until_clock_and_button_are_quiet() {
    let mut bench = Bench::new(&ResetHold::default(), "reset_hold");
    let held = |bench: &mut Bench, cycles: usize| {
        for cycle in 0..cycles {
            assert_eq!(bench.get("reset"), 1, "cycle {cycle}");
            bench.model.cycle();
        }
    };
    bench.model.eval();
    held(&mut bench, 70_000);
    bench.set("locked", 1);
    held(&mut bench, 60_000);
    // A bounce begins it anew.
    bench.set("button", 1);
    held(&mut bench, 3);
    bench.set("button", 0);
    held(&mut bench, 65_535);
    let mut left = 0;
    while bench.get("reset") == 1 {
        bench.model.cycle();
        left += 1;
        assert!(left < 10, "the reset does not end");
    }
    for _ in 0..70_000 {
        assert_eq!(bench.get("reset"), 0);
        bench.model.cycle();
    }
    bench.set("button", 1);
    for _ in 0..3 {
        bench.model.cycle();
    }
    assert_eq!(bench.get("reset"), 1);
    bench.set("button", 0);
    bench.set("locked", 0);
    held(&mut bench, 70_000);
}

#[test]
fn lights_show_what_is_and_what_was() {
    let mut bench = Bench::new(&Lights::new(1000), "lights");
    for (name, bit) in [("session", 1), ("error", 4), ("reset", 7)] {
        bench.set(name, 1);
        bench.model.cycle();
        assert_eq!(bench.get("led"), 1 << bit, "{name}");
        bench.set(name, 0);
        bench.model.cycle();
        assert_eq!(bench.get("led"), 0, "{name}");
    }
    for (name, bit) in [("traffic", 2), ("active", 3), ("noise", 5)] {
        bench.set(name, 1);
        bench.model.cycle();
        bench.set(name, 0);
        if name == "active" {
            // It is known from all over the card, and seen a cycle late.
            bench.model.cycle();
        }
        bench.model.cycle();
        // A cycle is seen for a thousand; the heartbeat is light 0.
        let mut shown = 0;
        while bench.get("led") & !1 == 1 << bit {
            bench.model.cycle();
            shown += 1;
        }
        assert_eq!(bench.get("led") & !1, 0, "{name}");
        assert_eq!(shown, 1000, "{name}");
    }
}
