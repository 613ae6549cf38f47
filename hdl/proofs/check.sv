// Check of a card with an array of 4x4 and its default memories.
//
// Assumed: the record stands still. The multipliers are cut out, since products are beyond a SAT
// solver: each gives any number, which stands still too; hdl/tests/check.rs compares their products
// with plain Rust.
// Proved, from the fifth cycle on, of a command without an error: a LOAD ends within its buffer; a
// GEMM reads activations and weights and writes accumulators within theirs; a STORE reads
// accumulators, column parameters and row scales within theirs; addresses are whole lines below the
// reserved bits; nothing has size 0. Of a submission that is not bad: its program is not empty,
// starts at a whole record, and lies below the reserved bits.
module proof (
  input logic clock,
  input logic [31:0] word_0, word_1, word_2, word_3, word_4, word_5, word_6, word_7,
  input logic [31:0] word_8, word_9, word_10, word_11, word_12, word_13, word_14, word_15,
  input logic [15:0] index
);
  logic [15:0] error;
  logic is_load, is_gemm, is_store, submission_bad;
  check dut (
    .clock, .index, .error, .is_load, .is_gemm, .is_store, .submission_bad, .word_0, .word_1,
    .word_2, .word_3, .word_4, .word_5, .word_6, .word_7, .word_8, .word_9, .word_10, .word_11,
    .word_12, .word_13, .word_14, .word_15
  );

  localparam ACT_LINES = 8192, WGT_LINES = 4096, COLUMN_LINES = 128, SCALE_LINES = 128;
  localparam ACT_ROWS = 32768, WGT_ROWS = 8192, ACC_ROWS = 512, COLUMN_ROWS = 64, ROW_SCALES = 512;

  // The fields of a record, as the contract lays them out.
  logic [63:0] load_src, store_dst, submission_program;
  logic [31:0] load_stride;
  logic [23:0] load_dst_line, gemm_act_row, gemm_wgt_row, gemm_wgt_rows;
  logic [15:0] load_row_lines, load_rows, gemm_acc_row, gemm_m, gemm_k_tiles;
  logic [15:0] store_acc_row, store_m, store_column_row, store_row_index, submission_commands;
  logic [7:0] load_buffer, store_format;
  logic gemm_two_four;
  assign load_src = {word_3, word_2};
  assign store_dst = {word_3, word_2};
  assign submission_program = {word_1, word_0};
  assign load_stride = word_7[0 +: 32];
  assign load_dst_line = word_5[0 +: 24];
  assign gemm_act_row = word_2[0 +: 24];
  assign gemm_wgt_row = word_4[0 +: 24];
  assign gemm_wgt_rows = word_8[0 +: 24];
  assign load_row_lines = word_6[0 +: 16];
  assign load_rows = word_6[16 +: 16];
  assign gemm_acc_row = word_5[0 +: 16];
  assign gemm_m = word_5[16 +: 16];
  assign gemm_k_tiles = word_6[0 +: 16];
  assign store_acc_row = word_4[0 +: 16];
  assign store_m = word_4[16 +: 16];
  assign store_column_row = word_6[0 +: 16];
  assign store_row_index = word_6[16 +: 16];
  assign submission_commands = word_2[0 +: 16];
  assign load_buffer = word_4[0 +: 8];
  assign store_format = word_5[0 +: 8];
  assign gemm_two_four = word_7[4 +: 1];

  logic [511:0] record, last;
  logic [63:0] products;
  logic [2:0] cycles;
  logic [31:0] load_product, gemm_product;  // inside: dut.load_product_q dut.gemm_product_q
  assign record = {
    word_15, word_14, word_13, word_12, word_11, word_10, word_9, word_8, word_7, word_6, word_5,
    word_4, word_3, word_2, word_1, word_0
  };
  initial cycles = 0;
  always @(posedge clock) begin
    last <= record;
    products <= {load_product, gemm_product};
    if (cycles != 5) cycles <= cycles + 1;
  end

  logic [34:0] load_end, lines, act_end, wgt_end, gemm_acc_end, store_acc_end, scales_end;
  assign load_end = load_dst_line + load_product;
  assign act_end = 35'(gemm_act_row) + 35'({gemm_m & {16{gemm_two_four}}, 1'b0})
    + 35'(gemm_two_four ? 16'd0 : gemm_m) + 35'(gemm_product);
  assign wgt_end = gemm_wgt_row + gemm_wgt_rows;
  assign gemm_acc_end = gemm_acc_row + gemm_m;
  assign store_acc_end = store_acc_row + store_m;
  assign scales_end = store_row_index + store_m;
  always_comb
    case (load_buffer)
      0: lines = ACT_LINES;
      1: lines = WGT_LINES;
      2: lines = COLUMN_LINES;
      default: lines = SCALE_LINES;
    endcase

  always_comb begin
    if (cycles != 0) assume (record == last);
    if (cycles > 2) assume (products == {load_product, gemm_product});
    if (cycles == 5 && error == 0) begin
      assert (is_load + is_gemm + is_store == 1);
      if (is_load) begin
        assert (load_end <= lines && load_buffer < 4);
        assert (load_rows != 0 && load_row_lines != 0);
        assert (load_src[63:56] == 0 && load_src[3:0] == 0 && load_stride[3:0] == 0);
      end
      if (is_gemm) begin
        assert (act_end <= ACT_ROWS);
        assert (wgt_end <= WGT_ROWS);
        assert (gemm_acc_end <= ACC_ROWS);
        assert (gemm_m != 0 && gemm_k_tiles != 0 && gemm_wgt_rows != 0);
      end
      if (is_store) begin
        assert (store_acc_end <= ACC_ROWS && store_m != 0);
        assert (store_format == 0 || scales_end <= ROW_SCALES);
        assert (store_format == 0 || store_column_row < COLUMN_ROWS);
        assert (store_dst[63:56] == 0 && store_dst[3:0] == 0);
      end
    end
    if (cycles == 5 && !submission_bad) begin
      assert (submission_commands != 0);
      assert (submission_program[63:56] == 0 && submission_program[5:0] == 0);
    end
  end
endmodule
