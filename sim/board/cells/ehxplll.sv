// The PLL of an ECP5, as far as tops of this project use it: one input, its oscillator compared with
// it through the output CLKOS, two outputs more.
//
//                            +---------+--> CLKOP     oscillator / CLKOP_DIV, late by its phase
//   CLKI ------------------->| EHXPLLL |--> CLKOS     oscillator / CLKOS_DIV, the input again
//   bench.clock (ticks) ---->|         |--> CLKOS2    oscillator / CLKOS2_DIV, late by its phase
//                            +---------+--> LOCK
//
// * Its oscillator is the clock of the bench, which ticks once in ticks::EIGHTHS eighths of its
//   period; an edge that would lie between two ticks is refused while the design is elaborated. So
//   what the outputs do to each other follows from the parameters, as in the chip.
// * LOCK rises when the input has, for 32 of its periods, been what CLKOS makes of the oscillator,
//   and falls when it no longer is: a multiplier that does not belong to the input never locks. How
//   the oscillator gets there, and how it wavers, is not modelled.
//
// Written after Lattice's clocking guide for ECP5 (FPGA-TN-02200): phases are a coarse count of
// periods of the oscillator and a fine one of eighths of it.
module EHXPLLL #(
  parameter PLLRST_ENA = "DISABLED", parameter INTFB_WAKE = "DISABLED",
  parameter STDBY_ENABLE = "DISABLED", parameter DPHASE_SOURCE = "DISABLED",
  parameter OUTDIVIDER_MUXA = "DIVA", parameter OUTDIVIDER_MUXB = "DIVB",
  parameter OUTDIVIDER_MUXC = "DIVC", parameter OUTDIVIDER_MUXD = "DIVD",
  parameter integer CLKI_DIV = 1, parameter integer CLKFB_DIV = 1,
  parameter FEEDBK_PATH = "CLKOP",
  parameter CLKOP_ENABLE = "DISABLED", parameter integer CLKOP_DIV = 8,
  parameter integer CLKOP_CPHASE = 0, parameter integer CLKOP_FPHASE = 0,
  parameter CLKOS_ENABLE = "DISABLED", parameter integer CLKOS_DIV = 8,
  parameter integer CLKOS_CPHASE = 0, parameter integer CLKOS_FPHASE = 0,
  parameter CLKOS2_ENABLE = "DISABLED", parameter integer CLKOS2_DIV = 8,
  parameter integer CLKOS2_CPHASE = 0, parameter integer CLKOS2_FPHASE = 0
) (
  input CLKI, input CLKFB, input RST, input STDBY, input PHASESEL0, input PHASESEL1,
  input PHASEDIR, input PHASESTEP, input PHASELOADREG, input PLLWAKESYNC, input ENCLKOP,
  input ENCLKOS, input ENCLKOS2, input ENCLKOS3,
  output CLKOP, output CLKOS, output CLKOS2, output reg LOCK
);
  localparam integer TICK = ticks::EIGHTHS;
  // Ticks of a period of each output, and by how many it is late.
  localparam integer OP = CLKOP_DIV * 8 / TICK;
  localparam integer OP_LATE = (CLKOP_CPHASE * 8 + CLKOP_FPHASE) / TICK;
  localparam integer OS2 = CLKOS2_DIV * 8 / TICK;
  localparam integer OS2_LATE = (CLKOS2_CPHASE * 8 + CLKOS2_FPHASE) / TICK;

  if (CLKOP_DIV * 4 % TICK != 0 || (CLKOP_CPHASE * 8 + CLKOP_FPHASE) % TICK != 0)
    $fatal(1, "EHXPLLL: an edge of CLKOP lies between two ticks of the bench");
  if (CLKOS2_DIV * 4 % TICK != 0 || (CLKOS2_CPHASE * 8 + CLKOS2_FPHASE) % TICK != 0)
    $fatal(1, "EHXPLLL: an edge of CLKOS2 lies between two ticks of the bench");
  if (CLKOP_CPHASE >= CLKOP_DIV || CLKOS2_CPHASE >= CLKOS2_DIV)
    $fatal(1, "EHXPLLL: a coarse phase is a period of its output or more");
  if (CLKOP_FPHASE > 7 || CLKOS2_FPHASE > 7)
    $fatal(1, "EHXPLLL: a fine phase is 0 to 7");
  if (FEEDBK_PATH != "CLKOS" || CLKFB_DIV != 1 || CLKI_DIV != 1)
    $fatal(1, "EHXPLLL: only a comparison of CLKI and CLKOS is modelled, without dividers");
  if (CLKOP_ENABLE != "ENABLED" || CLKOS_ENABLE != "ENABLED" || CLKOS2_ENABLE != "ENABLED")
    $fatal(1, "EHXPLLL: CLKOP, CLKOS and CLKOS2 are modelled only if all are enabled");
  if (PLLRST_ENA != "DISABLED" || STDBY_ENABLE != "DISABLED" || DPHASE_SOURCE != "DISABLED"
      || INTFB_WAKE != "DISABLED" || OUTDIVIDER_MUXA != "DIVA" || OUTDIVIDER_MUXB != "DIVB"
      || OUTDIVIDER_MUXC != "DIVC" || OUTDIVIDER_MUXD != "DIVD")
    $fatal(1, "EHXPLLL: reset, standby, moving phases and outputs past their dividers are not modelled");

  wire tick = bench.clock;

  // The outputs.
  reg [10:0] op = 11'd0;
  reg [10:0] os2 = 11'd0;
  reg clkop = 1'b0;
  reg clkos2 = 1'b0;
  always @(posedge tick) begin
    op <= op == 11'(OP - 1) ? 11'd0 : op + 11'd1;
    os2 <= os2 == 11'(OS2 - 1) ? 11'd0 : os2 + 11'd1;
    clkop <= (op + 11'(OP - OP_LATE)) % 11'(OP) < 11'(OP / 2);
    clkos2 <= (os2 + 11'(OS2 - OS2_LATE)) % 11'(OS2) < 11'(OS2 / 2);
  end
  assign CLKOP = clkop;
  assign CLKOS2 = clkos2;

  // The comparison: 32 periods of the input last as long as 32 of CLKOS, but for one tick.
  localparam integer EXPECTED = 32 * 8 * CLKOS_DIV / TICK;
  reg was = 1'b0;
  reg [4:0] periods = 5'd0;
  reg [15:0] passed = 16'd0;
  reg begun = 1'b0;
  initial LOCK = 1'b0;
  always @(posedge tick) begin
    was <= CLKI;
    passed <= passed + 16'd1;
    if (CLKI && !was) begin
      periods <= periods + 5'd1;
      if (periods == 5'd31) begin
        LOCK <= begun && passed + 16'd2 >= 16'(EXPECTED) && passed <= 16'(EXPECTED);
        begun <= 1'b1;
        passed <= 16'd0;
      end
    end
    // An input that has stopped.
    if (passed > 16'(EXPECTED)) LOCK <= 1'b0;
  end
  // CLKOS goes round inside the PLL only.
  assign CLKOS = CLKI;
endmodule
