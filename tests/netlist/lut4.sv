// A look-up table of an ECP5.
//
// The model that Yosys brings is a tree of fifteen choices, which Verilator writes out for every
// table of a netlist; as a bit of a constant each is one shift.
module LUT4 (
  input A, B, C, D,
  output Z
);
  parameter [15:0] INIT = 16'd0;
  assign Z = INIT[{D, C, B, A}];
endmodule
