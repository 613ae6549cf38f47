//! The PLLs of both families, as modules of Verilog: the emitter of `hdl` knows one clock.

use super::Pll;

/// The PLL of an ECP5.
///
/// ```text
///             +---------+-> clock
/// board    -->| EHXPLLL |-> chip_clock   a quarter of a period before `clock`
///             +---------+-> locked
/// ```
///
/// `chip_clock` is for an SDRAM chip. What the FPGA sends changes a quarter of a period after the
/// chip has looked at it, so that it is stable for three quarters before and one after; what the
/// chip sends is there a quarter of a period earlier, which makes up for the way through two pads.
pub fn ecp5(pll: &Pll) -> String {
    let Pll {
        input_mhz,
        multiply,
        divide,
    } = pll;
    let mhz = pll.mhz();
    // Phases are counted in eighths of a period of the oscillator: `clock` is late by them.
    let eighths = divide * 2;
    let (coarse, fine) = (eighths / 8, eighths % 8);
    format!(
        "module systole_clocks (
  input  logic board,
  output logic clock,
  output logic chip_clock,
  output logic locked
);
  logic feedback;
  (* FREQUENCY_PIN_CLKI = \"{input_mhz}\" *)
  (* FREQUENCY_PIN_CLKOP = \"{mhz}\" *)
  (* FREQUENCY_PIN_CLKOS2 = \"{mhz}\" *)
  (* ICP_CURRENT = \"12\" *) (* LPF_RESISTOR = \"8\" *)
  EHXPLLL #(
    .PLLRST_ENA(\"DISABLED\"), .INTFB_WAKE(\"DISABLED\"),
    .STDBY_ENABLE(\"DISABLED\"), .DPHASE_SOURCE(\"DISABLED\"),
    .OUTDIVIDER_MUXA(\"DIVA\"), .OUTDIVIDER_MUXB(\"DIVB\"),
    .OUTDIVIDER_MUXC(\"DIVC\"), .OUTDIVIDER_MUXD(\"DIVD\"),
    .CLKI_DIV(1), .CLKFB_DIV(1), .FEEDBK_PATH(\"CLKOS\"),
    .CLKOP_ENABLE(\"ENABLED\"), .CLKOP_DIV({divide}),
    .CLKOP_CPHASE({coarse}), .CLKOP_FPHASE({fine}),
    .CLKOS_ENABLE(\"ENABLED\"), .CLKOS_DIV({multiply}),
    .CLKOS_CPHASE(0), .CLKOS_FPHASE(0),
    .CLKOS2_ENABLE(\"ENABLED\"), .CLKOS2_DIV({divide}),
    .CLKOS2_CPHASE(0), .CLKOS2_FPHASE(0)
  ) pll (
    .CLKI(board), .CLKFB(feedback), .RST(1'b0), .STDBY(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1),
    .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0),
    .ENCLKOP(1'b0), .ENCLKOS(1'b0), .ENCLKOS2(1'b0), .ENCLKOS3(1'b0),
    .CLKOP(clock), .CLKOS(feedback), .CLKOS2(chip_clock), .LOCK(locked)
  );
endmodule
"
    )
}

/// The PLL of a 7-series part, with buffers for clocks behind it.
///
/// ```text
///             +-------+-> clock
/// board    -->| PLLE2 |
///             +-------+-> locked
/// ```
pub fn xc7(pll: &Pll) -> String {
    let Pll {
        input_mhz,
        multiply,
        divide,
    } = pll;
    let period = 1e3 / input_mhz;
    format!(
        "module systole_clocks (
  input  logic board,
  output logic clock,
  output logic locked
);
  logic feedback;
  logic feedback_back;
  logic fast;
  PLLE2_ADV #(
    .BANDWIDTH(\"OPTIMIZED\"), .COMPENSATION(\"ZHOLD\"), .STARTUP_WAIT(\"FALSE\"),
    .CLKIN1_PERIOD({period:.3}), .DIVCLK_DIVIDE(1),
    .CLKFBOUT_MULT({multiply}), .CLKFBOUT_PHASE(0.0),
    .CLKOUT0_DIVIDE({divide}), .CLKOUT0_PHASE(0.0), .CLKOUT0_DUTY_CYCLE(0.5)
  ) pll (
    .CLKIN1(board), .CLKIN2(1'b0), .CLKINSEL(1'b1),
    .CLKFBIN(feedback_back), .CLKFBOUT(feedback), .CLKOUT0(fast),
    .RST(1'b0), .PWRDWN(1'b0), .LOCKED(locked),
    .DADDR(7'd0), .DCLK(1'b0), .DEN(1'b0), .DI(16'd0), .DWE(1'b0)
  );
  BUFG feedback_buffer (.I(feedback), .O(feedback_back));
  BUFG clock_buffer (.I(fast), .O(clock));
endmodule
"
    )
}
