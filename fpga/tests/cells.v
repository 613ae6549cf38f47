// The outsides of the cells that tops place: enough for a lint, nothing to simulate.
/* verilator lint_off UNDRIVEN */
module EHXPLLL #(
  parameter PLLRST_ENA = "", parameter INTFB_WAKE = "", parameter STDBY_ENABLE = "",
  parameter DPHASE_SOURCE = "", parameter OUTDIVIDER_MUXA = "", parameter OUTDIVIDER_MUXB = "",
  parameter OUTDIVIDER_MUXC = "", parameter OUTDIVIDER_MUXD = "",
  parameter CLKI_DIV = 1, parameter CLKFB_DIV = 1, parameter FEEDBK_PATH = "",
  parameter CLKOP_ENABLE = "", parameter CLKOP_DIV = 1, parameter CLKOP_CPHASE = 0,
  parameter CLKOP_FPHASE = 0, parameter CLKOS_ENABLE = "", parameter CLKOS_DIV = 1,
  parameter CLKOS_CPHASE = 0, parameter CLKOS_FPHASE = 0, parameter CLKOS2_ENABLE = "",
  parameter CLKOS2_DIV = 1, parameter CLKOS2_CPHASE = 0, parameter CLKOS2_FPHASE = 0
) (
  input CLKI, input CLKFB, input RST, input STDBY, input PHASESEL0, input PHASESEL1,
  input PHASEDIR, input PHASESTEP, input PHASELOADREG, input PLLWAKESYNC, input ENCLKOP,
  input ENCLKOS, input ENCLKOS2, input ENCLKOS3,
  output CLKOP, output CLKOS, output CLKOS2, output LOCK
);
endmodule
module ODDRX1F (input D0, input D1, input SCLK, input RST, output Q);
endmodule
module OFS1P3DX (input D, input SP, input SCLK, input CD, output Q);
endmodule
module OFS1P3BX (input D, input SP, input SCLK, input PD, output Q);
endmodule
module IFS1P3DX (input D, input SP, input SCLK, input CD, output Q);
endmodule
module BB (input I, input T, output O, inout B);
  assign B = T ? 1'bz : I;
endmodule
module PLLE2_ADV #(
  parameter BANDWIDTH = "", parameter COMPENSATION = "", parameter STARTUP_WAIT = "",
  parameter real CLKIN1_PERIOD = 1.0, parameter DIVCLK_DIVIDE = 1, parameter CLKFBOUT_MULT = 1,
  parameter real CLKFBOUT_PHASE = 0.0, parameter CLKOUT0_DIVIDE = 1,
  parameter real CLKOUT0_PHASE = 0.0, parameter real CLKOUT0_DUTY_CYCLE = 0.5,
  parameter CLKOUT1_DIVIDE = 1, parameter real CLKOUT1_PHASE = 0.0,
  parameter real CLKOUT1_DUTY_CYCLE = 0.5
) (
  input CLKIN1, input CLKIN2, input CLKINSEL, input CLKFBIN, output CLKFBOUT, output CLKOUT0,
  output CLKOUT1,
  input RST, input PWRDWN, output LOCKED, input [6:0] DADDR, input DCLK, input DEN,
  input [15:0] DI, input DWE
);
endmodule
module BUFG (input I, output O);
endmodule
/* verilator lint_on UNDRIVEN */
