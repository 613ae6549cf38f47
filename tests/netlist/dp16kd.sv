// The block memory of an ECP5, as far as netlists of this project use it: 18,432 bits behind two
// ports of 1, 2, 4, 9 or 18 bits each, or behind one that writes and one that reads 36 bits.
//
//          +---------+
//   A  <-->|  rows   |<-->  B        18 bits a port at most: DIA, DOA, DIB, DOB
//          +---------+
//          +---------+
//   A  --->|  rows   |---->  B       36 bits: A writes {DIB, DIA}, B reads {DOB, DOA}
//          +---------+
//
// * An address counts bits: at 36 bits it is AD[13:5], at 18 AD[13:4], at 9 AD[13:3], at 4 AD[13:2],
//   at 2 AD[13:1]. At 18 bits AD[1:0] and at 36 bits AD[3:0] enable the bytes of a write. A narrow
//   port passes its lowest pins and sees eight of the nine bits of a byte.
// * A port works when CE is high and all of CS0 to CS2 are low. One that writes shows what stood
//   there (READBEFOREWRITE), what it writes (WRITETHROUGH), or what it showed before (NORMAL).
// * RST clears what a port shows, whether it works or not: at the clock, and then the port does not
//   write, or with RESETMODE "ASYNC" at once.
// * With REGMODE "OUTREG" a register follows, which takes a value when OCE is high, and with a
//   synchronous reset is cleared only then. Where B reads 36 bits, its register is all of the output
//   and REGMODE_A means nothing.
// * Rows begin with INITVAL, all else with 0.
//
// The bits that one port reads while the other writes them are not defined by Lattice. Here they
// are the opposite of what stood there, so that no netlist which relies on them passes by chance. So
// are bits that both write: the opposite of what A writes. For that each port looks at the other, so
// the ports that work must have one clock; others end the simulation.
//
// Written after Lattice's memory usage guide for ECP5 (FPGA-TN-02204). What is not modelled is
// refused while the design is elaborated.
module DP16KD (
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
  DIA3, DIA2, DIA1, DIA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
  DOA4, DOA3, DOA2, DOA1, DOA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
  DIB3, DIB2, DIB1, DIB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
  DOB4, DOB3, DOB2, DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  // How the end of an asynchronous reset meets the clock; a simulation of cycles does not see it.
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  // No netlist of ours drives the global reset.
  parameter GSR = "ENABLED";
  parameter WID = 0;
  parameter INIT_DATA = "STATIC";
  parameter [319:0] INITVAL_00 = 320'd0;
  parameter [319:0] INITVAL_01 = 320'd0;
  parameter [319:0] INITVAL_02 = 320'd0;
  parameter [319:0] INITVAL_03 = 320'd0;
  parameter [319:0] INITVAL_04 = 320'd0;
  parameter [319:0] INITVAL_05 = 320'd0;
  parameter [319:0] INITVAL_06 = 320'd0;
  parameter [319:0] INITVAL_07 = 320'd0;
  parameter [319:0] INITVAL_08 = 320'd0;
  parameter [319:0] INITVAL_09 = 320'd0;
  parameter [319:0] INITVAL_0A = 320'd0;
  parameter [319:0] INITVAL_0B = 320'd0;
  parameter [319:0] INITVAL_0C = 320'd0;
  parameter [319:0] INITVAL_0D = 320'd0;
  parameter [319:0] INITVAL_0E = 320'd0;
  parameter [319:0] INITVAL_0F = 320'd0;
  parameter [319:0] INITVAL_10 = 320'd0;
  parameter [319:0] INITVAL_11 = 320'd0;
  parameter [319:0] INITVAL_12 = 320'd0;
  parameter [319:0] INITVAL_13 = 320'd0;
  parameter [319:0] INITVAL_14 = 320'd0;
  parameter [319:0] INITVAL_15 = 320'd0;
  parameter [319:0] INITVAL_16 = 320'd0;
  parameter [319:0] INITVAL_17 = 320'd0;
  parameter [319:0] INITVAL_18 = 320'd0;
  parameter [319:0] INITVAL_19 = 320'd0;
  parameter [319:0] INITVAL_1A = 320'd0;
  parameter [319:0] INITVAL_1B = 320'd0;
  parameter [319:0] INITVAL_1C = 320'd0;
  parameter [319:0] INITVAL_1D = 320'd0;
  parameter [319:0] INITVAL_1E = 320'd0;
  parameter [319:0] INITVAL_1F = 320'd0;
  parameter [319:0] INITVAL_20 = 320'd0;
  parameter [319:0] INITVAL_21 = 320'd0;
  parameter [319:0] INITVAL_22 = 320'd0;
  parameter [319:0] INITVAL_23 = 320'd0;
  parameter [319:0] INITVAL_24 = 320'd0;
  parameter [319:0] INITVAL_25 = 320'd0;
  parameter [319:0] INITVAL_26 = 320'd0;
  parameter [319:0] INITVAL_27 = 320'd0;
  parameter [319:0] INITVAL_28 = 320'd0;
  parameter [319:0] INITVAL_29 = 320'd0;
  parameter [319:0] INITVAL_2A = 320'd0;
  parameter [319:0] INITVAL_2B = 320'd0;
  parameter [319:0] INITVAL_2C = 320'd0;
  parameter [319:0] INITVAL_2D = 320'd0;
  parameter [319:0] INITVAL_2E = 320'd0;
  parameter [319:0] INITVAL_2F = 320'd0;
  parameter [319:0] INITVAL_30 = 320'd0;
  parameter [319:0] INITVAL_31 = 320'd0;
  parameter [319:0] INITVAL_32 = 320'd0;
  parameter [319:0] INITVAL_33 = 320'd0;
  parameter [319:0] INITVAL_34 = 320'd0;
  parameter [319:0] INITVAL_35 = 320'd0;
  parameter [319:0] INITVAL_36 = 320'd0;
  parameter [319:0] INITVAL_37 = 320'd0;
  parameter [319:0] INITVAL_38 = 320'd0;
  parameter [319:0] INITVAL_39 = 320'd0;
  parameter [319:0] INITVAL_3A = 320'd0;
  parameter [319:0] INITVAL_3B = 320'd0;
  parameter [319:0] INITVAL_3C = 320'd0;
  parameter [319:0] INITVAL_3D = 320'd0;
  parameter [319:0] INITVAL_3E = 320'd0;
  parameter [319:0] INITVAL_3F = 320'd0;

  localparam WIDE = DATA_WIDTH_A == 36;

  if (DATA_WIDTH_A != 1 && DATA_WIDTH_A != 2 && DATA_WIDTH_A != 4 && DATA_WIDTH_A != 9
      && DATA_WIDTH_A != 18 && DATA_WIDTH_A != 36)
    $fatal(1, "DP16KD: DATA_WIDTH_A is none of 1, 2, 4, 9, 18 and 36");
  if (REGMODE_A != "NOREG" && REGMODE_A != "OUTREG")
    $fatal(1, "DP16KD: REGMODE_A may be NOREG or OUTREG");
  if (WRITEMODE_A != "NORMAL" && WRITEMODE_A != "READBEFOREWRITE"
      && WRITEMODE_A != "WRITETHROUGH")
    $fatal(1, "DP16KD: WRITEMODE_A may be NORMAL, READBEFOREWRITE or WRITETHROUGH");
  if (CSDECODE_A != "0b000") $fatal(1, "DP16KD: CSDECODE_A must be 0b000");
  if (CLKAMUX != "CLKA") $fatal(1, "DP16KD: CLKAMUX must be CLKA");

  if (DATA_WIDTH_B != 1 && DATA_WIDTH_B != 2 && DATA_WIDTH_B != 4 && DATA_WIDTH_B != 9
      && DATA_WIDTH_B != 18 && DATA_WIDTH_B != 36)
    $fatal(1, "DP16KD: DATA_WIDTH_B is none of 1, 2, 4, 9, 18 and 36");
  if (REGMODE_B != "NOREG" && REGMODE_B != "OUTREG")
    $fatal(1, "DP16KD: REGMODE_B may be NOREG or OUTREG");
  if (WRITEMODE_B != "NORMAL" && WRITEMODE_B != "READBEFOREWRITE"
      && WRITEMODE_B != "WRITETHROUGH")
    $fatal(1, "DP16KD: WRITEMODE_B may be NORMAL, READBEFOREWRITE or WRITETHROUGH");
  if (CSDECODE_B != "0b000") $fatal(1, "DP16KD: CSDECODE_B must be 0b000");
  if (CLKBMUX != "CLKB") $fatal(1, "DP16KD: CLKBMUX must be CLKB");

  if (RESETMODE != "SYNC" && RESETMODE != "ASYNC")
    $fatal(1, "DP16KD: RESETMODE may be SYNC or ASYNC");
  if (INIT_DATA != "STATIC") $fatal(1, "DP16KD: INIT_DATA must be STATIC");
  if (DATA_WIDTH_B == 36 && DATA_WIDTH_A != 36)
    $fatal(1, "DP16KD: a port of 36 bits reads only what one of 36 bits writes");

  // Where the bits of a port stand in a row of 36, by its address.
  function automatic [5:0] low_bit(input [4:0] address, input integer width);
    reg [5:0] half;
    reg [5:0] nine;
    half = (address[4] && width < 36) ? 6'd18 : 6'd0;
    nine = (address[3] && width < 18) ? 6'd9 : 6'd0;
    case (width)
      1: low_bit = half + nine + {3'd0, address[2:0]};
      2: low_bit = half + nine + {3'd0, address[2:1], 1'b0};
      4: low_bit = half + nine + {3'd0, address[2], 2'd0};
      default: low_bit = half + nine;
    endcase
  endfunction

  // The bits of a row that a write touches, lowest first.
  function automatic [35:0] written(input [3:0] bytes, input integer width);
    case (width)
      1: written = 36'h1;
      2: written = 36'h3;
      4: written = 36'hf;
      9: written = 36'h1ff;
      18: written = {18'd0, {9{bytes[1]}}, {9{bytes[0]}}};
      default: written = {{9{bytes[3]}}, {9{bytes[2]}}, {9{bytes[1]}}, {9{bytes[0]}}};
    endcase
  endfunction

  reg [35:0] rows [0:511];
  localparam [20479:0] INITIAL = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };
  initial
    for (int row = 0; row < 512; row++)
      rows[row] = {INITIAL[40 * row + 20 +: 18], INITIAL[40 * row +: 18]};

  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0
  };
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0
  };
  wire [17:0] pins_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0
  };
  wire [17:0] pins_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
    DIB3, DIB2, DIB1, DIB0
  };

  // What each port does. Where A is wide, B only reads.
  localparam SYNCHRONOUS = RESETMODE == "SYNC";
  wire works_a = CEA && !CSA2 && !CSA1 && !CSA0;
  wire works_b = CEB && !CSB2 && !CSB1 && !CSB0;
  wire writes_a = works_a && WEA && !(SYNCHRONOUS && RSTA);
  wire writes_b = works_b && WEB && !(SYNCHRONOUS && RSTB) && !WIDE;
  wire [8:0] row_a = address_a[13:5];
  wire [8:0] row_b = address_b[13:5];
  wire [5:0] low_a = low_bit(address_a[4:0], DATA_WIDTH_A);
  wire [5:0] low_b = low_bit(address_b[4:0], DATA_WIDTH_B);
  wire [35:0] mask_a = writes_a ? written(address_a[3:0], DATA_WIDTH_A) << low_a : 36'd0;
  wire [35:0] mask_b = writes_b ? written(address_b[3:0], DATA_WIDTH_B) << low_b : 36'd0;
  wire [35:0] data_a = WIDE ? {pins_b, pins_a} : {18'd0, pins_a} << low_a;
  wire [35:0] data_b = {18'd0, pins_b} << low_b;

  // What the other port does to the same row.
  wire same_row = row_a == row_b;
  wire [35:0] by_a = same_row ? mask_a : 36'd0;
  wire [35:0] by_b = same_row ? mask_b : 36'd0;
  wire [35:0] next_a = (rows[row_a] & ~(mask_a | by_b)) | ((data_a ^ by_b) & mask_a)
    | (data_b & by_b & ~mask_a);
  wire [35:0] next_b = (rows[row_b] & ~mask_b) | (data_b & mask_b);

  always @(posedge CLKA)
    if (writes_a) rows[row_a] <= next_a;
  always @(posedge CLKB)
    if (writes_b && by_a == 36'd0) rows[row_b] <= next_b;

  always @(posedge CLKA)
    if (works_a && works_b && !CLKB) $fatal(1, "DP16KD: two ports work with clocks that differ");

  // What each port sees of its row.
  function automatic [35:0] seen(input [35:0] row, input [5:0] low, input integer width);
    case (width)
      1: seen = (row >> low) & 36'h1;
      2: seen = (row >> low) & 36'h3;
      4: seen = (row >> low) & 36'hf;
      9: seen = (row >> low) & 36'h1ff;
      18: seen = (row >> low) & 36'h3ffff;
      default: seen = row;
    endcase
  endfunction

  wire [35:0] old_a = rows[row_a] ^ by_b;
  wire [35:0] fetched_a = WRITEMODE_A == "WRITETHROUGH"
    ? (old_a & ~mask_a) | (data_a & mask_a) : old_a;
  wire shows_a = works_a && !(WRITEMODE_A == "NORMAL" && writes_a);
  wire [35:0] old_b = rows[row_b] ^ by_a;
  wire [35:0] fetched_b = WRITEMODE_B == "WRITETHROUGH"
    ? (old_b & ~mask_b) | (data_b & mask_b) : old_b;
  wire shows_b = works_b && !(WRITEMODE_B == "NORMAL" && writes_b);

  reg [35:0] shown_a = 36'd0;
  reg [35:0] kept_a = 36'd0;
  if (SYNCHRONOUS) begin : synchronous_a
    always @(posedge CLKA)
      if (RSTA) shown_a <= 36'd0;
      else if (shows_a) shown_a <= seen(fetched_a, low_a, DATA_WIDTH_A);
    always @(posedge CLKA)
      if (OCEA) kept_a <= RSTA ? 36'd0 : shown_a;
  end else begin : asynchronous_a
    always @(posedge CLKA or posedge RSTA)
      if (RSTA) shown_a <= 36'd0;
      else if (shows_a) shown_a <= seen(fetched_a, low_a, DATA_WIDTH_A);
    always @(posedge CLKA or posedge RSTA)
      if (RSTA) kept_a <= 36'd0;
      else if (OCEA) kept_a <= shown_a;
  end

  reg [35:0] shown_b = 36'd0;
  reg [35:0] kept_b = 36'd0;
  if (SYNCHRONOUS) begin : synchronous_b
    always @(posedge CLKB)
      if (RSTB) shown_b <= 36'd0;
      else if (shows_b) shown_b <= seen(fetched_b, low_b, DATA_WIDTH_B);
    always @(posedge CLKB)
      if (OCEB) kept_b <= RSTB ? 36'd0 : shown_b;
  end else begin : asynchronous_b
    always @(posedge CLKB or posedge RSTB)
      if (RSTB) shown_b <= 36'd0;
      else if (shows_b) shown_b <= seen(fetched_b, low_b, DATA_WIDTH_B);
    always @(posedge CLKB or posedge RSTB)
      if (RSTB) kept_b <= 36'd0;
      else if (OCEB) kept_b <= shown_b;
  end

  wire [35:0] out_a = REGMODE_A == "OUTREG" ? kept_a : shown_a;
  wire [35:0] out_b = REGMODE_B == "OUTREG" ? kept_b : shown_b;
  // Where A is wide it shows nothing of its own.
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
    DOA3, DOA2, DOA1, DOA0
  } = DATA_WIDTH_B == 36 ? out_b[17:0] : WIDE ? 18'd0 : out_a[17:0];
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0
  } = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
endmodule
