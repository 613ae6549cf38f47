//! That the models of cells and wires matter: tops with other settings of the PLL do not work.

use board::{Error, Options, Ulx3s};
use fpga::tops::emit_top;
use sdram::Rule;
use systole_tests::full;

use crate::bench::{RESET, TOP, cache};

/// A board whose top has something else in the place of `old`.
fn changed(old: &str, new: &str) -> Ulx3s {
    let text = emit_top(&TOP).expect("the top is emitted");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    let library = Ulx3s::library_of(&TOP, text.replace(old, new), &cache());
    let library = library.expect("it builds all the same");
    Ulx3s::new(&library, &TOP, &Options::default()).expect("a good clock")
}

// Each is a model to build.
#[test]
fn tops_with_another_pll_do_not_work() {
    if !full() {
        return;
    }
    // The clock of the SDRAM in step with that of the FPGA.
    let phase = ".CLKOP_CPHASE(1), .CLKOP_FPHASE(2)";
    let mut board = changed(phase, ".CLKOP_CPHASE(0), .CLKOP_FPHASE(0)");
    match board.run(100_000) {
        Err(Error::Sdram(told)) => assert_eq!(told.rule, Rule::Setup, "{told}"),
        other => panic!("nothing was told: {other:?}"),
    }
    // An oscillator that is no multiple of the input.
    let mut board = changed(".CLKOS_DIV(16)", ".CLKOS_DIV(15)");
    board.run(100_000).expect("no broken rule");
    assert_ne!(board.lights() & RESET, 0, "the PLL has locked");
}
