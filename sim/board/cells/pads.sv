// The cells at the pads of an ECP5, as far as tops of this project use them.
//
// Clocks and levels are as in the chip; the time from a register to its pad and from a pad to its
// register is the bench's to add. Written after Lattice's guide to the interfaces of ECP5
// (FPGA-TN-02035) and its library of cells.

// Both edges out: what D0 and D1 were at a rising edge, D0 while the clock is high.
module ODDRX1F (input D0, input D1, input SCLK, input RST, output Q);
  reg high = 1'b0;
  reg low = 1'b0;
  always @(posedge SCLK or posedge RST)
    if (RST) {high, low} <= 2'b00;
    else {high, low} <= {D0, D1};
  assign Q = SCLK ? high : low;
endmodule

// A register on the way out, cleared by CD.
module OFS1P3DX (input D, input SP, input SCLK, input CD, output reg Q);
  initial Q = 1'b0;
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 1'b0;
    else if (SP) Q <= D;
endmodule

// A register on the way out, set by PD and after configuration.
module OFS1P3BX (input D, input SP, input SCLK, input PD, output reg Q);
  initial Q = 1'b1;
  always @(posedge SCLK or posedge PD)
    if (PD) Q <= 1'b1;
    else if (SP) Q <= D;
endmodule

// A register on the way in, cleared by CD.
module IFS1P3DX (input D, input SP, input SCLK, input CD, output reg Q);
  initial Q = 1'b0;
  always @(posedge SCLK or posedge CD)
    if (CD) Q <= 1'b0;
    else if (SP) Q <= D;
endmodule

// A pad for both ways: driven unless T.
module BB (input I, input T, output O, inout B);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule
