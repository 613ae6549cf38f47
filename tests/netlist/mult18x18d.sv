// The multiplier of an ECP5, as far as netlists of this project use it.
//
//            CLK0        CLK0          CLK0
//             |           |             |
//   A --> [INPUTA] --+                  |
//                    x --> [PIPELINE] --> [OUTPUT] --> P
//   B --> [INPUTB] --+
//
// Each register in brackets is there or not, by its `_CLK` parameter: "CLK0" or "NONE". It keeps
// its value while its clock enable is low; its reset, which is synchronous, is stronger than the
// enable. SIGNEDA and SIGNEDB, which say how the factors are read, are kept together with them. All
// registers begin with 0, as they do after configuration.
//
// Written after Lattice's sysDSP usage guide for ECP5 (FPGA-TN-02205). What is not modelled is
// refused while the design is elaborated: other clocks, asynchronous resets, the shift chains, the
// C input, the fast mode, the bypass. Pins of these have no name here, so that a netlist which
// connects them is refused as well. A pin that is not connected is 0, also a clock enable.
module MULT18X18D (
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  input CLK0, CLK1, CLK2, CLK3, CE0, CE1, CE2, CE3, RST0, RST1, RST2, RST3,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
  P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  parameter REG_INPUTA_CLK = "NONE";
  parameter REG_INPUTA_CE = "CE0";
  parameter REG_INPUTA_RST = "RST0";
  parameter REG_INPUTB_CLK = "NONE";
  parameter REG_INPUTB_CE = "CE0";
  parameter REG_INPUTB_RST = "RST0";
  parameter REG_INPUTC_CLK = "NONE";
  parameter REG_INPUTC_CE = "CE0";
  parameter REG_INPUTC_RST = "RST0";
  parameter REG_PIPELINE_CLK = "NONE";
  parameter REG_PIPELINE_CE = "CE0";
  parameter REG_PIPELINE_RST = "RST0";
  parameter REG_OUTPUT_CLK = "NONE";
  parameter REG_OUTPUT_CE = "CE0";
  parameter REG_OUTPUT_RST = "RST0";
  // Each register sees every edge of its clock while these are "ENABLED".
  parameter CLK0_DIV = "ENABLED";
  parameter CLK1_DIV = "ENABLED";
  parameter CLK2_DIV = "ENABLED";
  parameter CLK3_DIV = "ENABLED";
  parameter HIGHSPEED_CLK = "NONE";
  // No netlist of ours drives the global reset.
  parameter GSR = "ENABLED";
  parameter CAS_MATCH_REG = "FALSE";
  parameter SOURCEB_MODE = "B_SHIFT";
  parameter MULT_BYPASS = "DISABLED";
  parameter RESETMODE = "SYNC";

  localparam REGISTERED_A = REG_INPUTA_CLK != "NONE";
  localparam REGISTERED_B = REG_INPUTB_CLK != "NONE";
  localparam REGISTERED_PRODUCT = REG_PIPELINE_CLK != "NONE";
  localparam REGISTERED_OUTPUT = REG_OUTPUT_CLK != "NONE";

  if (REG_INPUTA_CLK != "NONE" && REG_INPUTA_CLK != "CLK0")
    $fatal(1, "MULT18X18D: REG_INPUTA_CLK may be NONE or CLK0");
  if (REG_INPUTA_CE != "CE0" && REG_INPUTA_CE != "CE1" && REG_INPUTA_CE != "CE2" && REG_INPUTA_CE != "CE3")
    $fatal(1, "MULT18X18D: REG_INPUTA_CE is none of CE0 to CE3");
  if (REG_INPUTA_RST != "RST0" && REG_INPUTA_RST != "RST1" && REG_INPUTA_RST != "RST2"
      && REG_INPUTA_RST != "RST3")
    $fatal(1, "MULT18X18D: REG_INPUTA_RST is none of RST0 to RST3");
  if (REG_INPUTB_CLK != "NONE" && REG_INPUTB_CLK != "CLK0")
    $fatal(1, "MULT18X18D: REG_INPUTB_CLK may be NONE or CLK0");
  if (REG_INPUTB_CE != "CE0" && REG_INPUTB_CE != "CE1" && REG_INPUTB_CE != "CE2" && REG_INPUTB_CE != "CE3")
    $fatal(1, "MULT18X18D: REG_INPUTB_CE is none of CE0 to CE3");
  if (REG_INPUTB_RST != "RST0" && REG_INPUTB_RST != "RST1" && REG_INPUTB_RST != "RST2"
      && REG_INPUTB_RST != "RST3")
    $fatal(1, "MULT18X18D: REG_INPUTB_RST is none of RST0 to RST3");
  if (REG_PIPELINE_CLK != "NONE" && REG_PIPELINE_CLK != "CLK0")
    $fatal(1, "MULT18X18D: REG_PIPELINE_CLK may be NONE or CLK0");
  if (REG_PIPELINE_CE != "CE0" && REG_PIPELINE_CE != "CE1" && REG_PIPELINE_CE != "CE2" && REG_PIPELINE_CE != "CE3")
    $fatal(1, "MULT18X18D: REG_PIPELINE_CE is none of CE0 to CE3");
  if (REG_PIPELINE_RST != "RST0" && REG_PIPELINE_RST != "RST1" && REG_PIPELINE_RST != "RST2"
      && REG_PIPELINE_RST != "RST3")
    $fatal(1, "MULT18X18D: REG_PIPELINE_RST is none of RST0 to RST3");
  if (REG_OUTPUT_CLK != "NONE" && REG_OUTPUT_CLK != "CLK0")
    $fatal(1, "MULT18X18D: REG_OUTPUT_CLK may be NONE or CLK0");
  if (REG_OUTPUT_CE != "CE0" && REG_OUTPUT_CE != "CE1" && REG_OUTPUT_CE != "CE2" && REG_OUTPUT_CE != "CE3")
    $fatal(1, "MULT18X18D: REG_OUTPUT_CE is none of CE0 to CE3");
  if (REG_OUTPUT_RST != "RST0" && REG_OUTPUT_RST != "RST1" && REG_OUTPUT_RST != "RST2"
      && REG_OUTPUT_RST != "RST3")
    $fatal(1, "MULT18X18D: REG_OUTPUT_RST is none of RST0 to RST3");
  if (REG_INPUTC_CLK != "NONE") $fatal(1, "MULT18X18D: REG_INPUTC_CLK must be NONE");
  if (CLK0_DIV != "ENABLED") $fatal(1, "MULT18X18D: CLK0_DIV must be ENABLED");
  if (HIGHSPEED_CLK != "NONE") $fatal(1, "MULT18X18D: HIGHSPEED_CLK must be NONE");
  if (CAS_MATCH_REG != "FALSE") $fatal(1, "MULT18X18D: CAS_MATCH_REG must be FALSE");
  if (SOURCEB_MODE != "B_SHIFT") $fatal(1, "MULT18X18D: SOURCEB_MODE must be B_SHIFT");
  if (MULT_BYPASS != "DISABLED") $fatal(1, "MULT18X18D: MULT_BYPASS must be DISABLED");
  if (RESETMODE != "SYNC") $fatal(1, "MULT18X18D: RESETMODE must be SYNC");

  wire [3:0] enables = {CE3, CE2, CE1, CE0};
  wire [3:0] resets = {RST3, RST2, RST1, RST0};

  // The shift chains are not there, so that a factor which comes from one is 0.
  wire [17:0] pins_a = {
    A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
  };
  wire [17:0] pins_b = {
    B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
  };
  wire [18:0] next_a = {SIGNEDA, SOURCEA ? 18'd0 : pins_a};
  wire [18:0] next_b = {SIGNEDB, SOURCEB ? 18'd0 : pins_b};
  wire [18:0] factor_a;
  wire [18:0] factor_b;
  wire signed [18:0] signed_a = {factor_a[18] & factor_a[17], factor_a[17:0]};
  wire signed [18:0] signed_b = {factor_b[18] & factor_b[17], factor_b[17:0]};
  wire [35:0] product = 36'(38'(signed_a) * 38'(signed_b));
  wire [35:0] after_product;
  wire [35:0] result;

  if (REGISTERED_A) begin : kept_factor_a
    reg [18:0] kept = 19'd0;
    always @(posedge CLK0)
      if (resets[REG_INPUTA_RST == "RST3" ? 3 : REG_INPUTA_RST == "RST2" ? 2 : REG_INPUTA_RST == "RST1" ? 1 : 0])
        kept <= 19'd0;
      else if (enables[REG_INPUTA_CE == "CE3" ? 3 : REG_INPUTA_CE == "CE2" ? 2 : REG_INPUTA_CE == "CE1" ? 1 : 0])
        kept <= next_a;
    assign factor_a = kept;
  end else begin : direct_factor_a
    assign factor_a = next_a;
  end

  if (REGISTERED_B) begin : kept_factor_b
    reg [18:0] kept = 19'd0;
    always @(posedge CLK0)
      if (resets[REG_INPUTB_RST == "RST3" ? 3 : REG_INPUTB_RST == "RST2" ? 2 : REG_INPUTB_RST == "RST1" ? 1 : 0])
        kept <= 19'd0;
      else if (enables[REG_INPUTB_CE == "CE3" ? 3 : REG_INPUTB_CE == "CE2" ? 2 : REG_INPUTB_CE == "CE1" ? 1 : 0])
        kept <= next_b;
    assign factor_b = kept;
  end else begin : direct_factor_b
    assign factor_b = next_b;
  end

  if (REGISTERED_PRODUCT) begin : kept_after_product
    reg [35:0] kept = 36'd0;
    always @(posedge CLK0)
      if (resets[REG_PIPELINE_RST == "RST3" ? 3 : REG_PIPELINE_RST == "RST2" ? 2 : REG_PIPELINE_RST == "RST1" ? 1 : 0])
        kept <= 36'd0;
      else if (enables[REG_PIPELINE_CE == "CE3" ? 3 : REG_PIPELINE_CE == "CE2" ? 2 : REG_PIPELINE_CE == "CE1" ? 1 : 0])
        kept <= product;
    assign after_product = kept;
  end else begin : direct_after_product
    assign after_product = product;
  end

  if (REGISTERED_OUTPUT) begin : kept_result
    reg [35:0] kept = 36'd0;
    always @(posedge CLK0)
      if (resets[REG_OUTPUT_RST == "RST3" ? 3 : REG_OUTPUT_RST == "RST2" ? 2 : REG_OUTPUT_RST == "RST1" ? 1 : 0])
        kept <= 36'd0;
      else if (enables[REG_OUTPUT_CE == "CE3" ? 3 : REG_OUTPUT_CE == "CE2" ? 2 : REG_OUTPUT_CE == "CE1" ? 1 : 0])
        kept <= after_product;
    assign result = kept;
  end else begin : direct_result
    assign result = after_product;
  end

  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17,
    P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
  } = result;
endmodule
