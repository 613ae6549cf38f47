// Tokens: sixteen counters and three engines.
//
// Assumed: nothing.
// Proved: at most one engine starts in a cycle; one starts only if it has a command, is ready and
// every token that it takes has a count; LOAD before GEMM before STORE; who may start does, in the
// same cycle, unless one of higher rank does; an engine is called blocked exactly when it has a
// command and lacks a token. Each counter is what was given less what was taken, never below 0; when
// one would pass 255, `overflow` tells so in the next cycle.
module proof (
  input logic clock,
  input logic reset,
  input logic want_load, want_gemm, want_store,
  input logic ready_load, ready_gemm, ready_store,
  input logic [15:0] takes_load, takes_gemm, takes_store,
  input logic done_load, done_gemm, done_store,
  input logic [15:0] gives_load, gives_gemm, gives_store,
  input logic [15:0] index_load, index_gemm, index_store
);
  logic start_load, start_gemm, start_store, blocked_load, blocked_gemm, blocked_store, overflow;
  logic [15:0] overflow_index;
  tokens dut (.*);

  // Sixteen counts of its own.
  logic [127:0] counts;
  logic [15:0] empty;
  logic [15:0] taken;
  logic [15:0] overflowed, overflows;
  integer i;
  initial {counts, overflowed} = 0;
  assign taken = {16{start_load}} & takes_load | {16{start_gemm}} & takes_gemm
    | {16{start_store}} & takes_store;
  function automatic [9:0] sum(input [7:0] count, input load, input gemm, input store, input take);
    sum = {2'd0, count} + load + gemm + store - take;
  endfunction
  always_comb begin
    overflows = 0;
    for (i = 0; i < 16; i = i + 1) begin
      empty[i] = counts[8*i +: 8] == 0;
      overflows[i] = sum(counts[8*i +: 8], done_load & gives_load[i], done_gemm & gives_gemm[i],
        done_store & gives_store[i], taken[i]) > 255;
    end
  end
  always @(posedge clock) begin
    for (int j = 0; j < 16; j = j + 1)
      counts[8*j +: 8] <= sum(counts[8*j +: 8], done_load & gives_load[j],
        done_gemm & gives_gemm[j], done_store & gives_store[j], taken[j]);
    overflowed <= overflows;
    if (reset) {counts, overflowed} <= 0;
  end

  logic [7:0] count_0, count_1, count_2, count_3;  // inside: dut.token_0.count_q dut.token_1.count_q dut.token_2.count_q dut.token_3.count_q
  logic [7:0] count_4, count_5, count_6, count_7;  // inside: dut.token_4.count_q dut.token_5.count_q dut.token_6.count_q dut.token_7.count_q
  logic [7:0] count_8, count_9, count_10, count_11;  // inside: dut.token_8.count_q dut.token_9.count_q dut.token_10.count_q dut.token_11.count_q
  logic [7:0] count_12, count_13, count_14, count_15;  // inside: dut.token_12.count_q dut.token_13.count_q dut.token_14.count_q dut.token_15.count_q
  logic [127:0] count;
  assign count = {
    count_15, count_14, count_13, count_12,
    count_11, count_10, count_9, count_8,
    count_7, count_6, count_5, count_4,
    count_3, count_2, count_1, count_0
  };

  logic some_0, some_1, some_2, some_3;  // inside: dut.token_0.some_q dut.token_1.some_q dut.token_2.some_q dut.token_3.some_q
  logic some_4, some_5, some_6, some_7;  // inside: dut.token_4.some_q dut.token_5.some_q dut.token_6.some_q dut.token_7.some_q
  logic some_8, some_9, some_10, some_11;  // inside: dut.token_8.some_q dut.token_9.some_q dut.token_10.some_q dut.token_11.some_q
  logic some_12, some_13, some_14, some_15;  // inside: dut.token_12.some_q dut.token_13.some_q dut.token_14.some_q dut.token_15.some_q
  logic over_0, over_1, over_2, over_3;  // inside: dut.overflowed_0_q dut.overflowed_1_q dut.overflowed_2_q dut.overflowed_3_q
  logic over_4, over_5, over_6, over_7;  // inside: dut.overflowed_4_q dut.overflowed_5_q dut.overflowed_6_q dut.overflowed_7_q
  logic over_8, over_9, over_10, over_11;  // inside: dut.overflowed_8_q dut.overflowed_9_q dut.overflowed_10_q dut.overflowed_11_q
  logic over_12, over_13, over_14, over_15;  // inside: dut.overflowed_12_q dut.overflowed_13_q dut.overflowed_14_q dut.overflowed_15_q
  logic [15:0] some, over;
  assign some = {
    some_15, some_14, some_13, some_12,
    some_11, some_10, some_9, some_8,
    some_7, some_6, some_5, some_4,
    some_3, some_2, some_1, some_0
  };
  assign over = {
    over_15, over_14, over_13, over_12,
    over_11, over_10, over_9, over_8,
    over_7, over_6, over_5, over_4,
    over_3, over_2, over_1, over_0
  };

  always_comb begin
    assert (start_load + start_gemm + start_store <= 1);
    if (start_load) assert (want_load && ready_load);
    if (start_gemm) assert (want_gemm && ready_gemm);
    if (start_store) assert (want_store && ready_store);
    assert ((taken & empty) == 0);
    assert (blocked_load == (want_load && (takes_load & empty) != 0));
    assert (blocked_gemm == (want_gemm && (takes_gemm & empty) != 0));
    assert (blocked_store == (want_store && (takes_store & empty) != 0));
    assert (start_load == (want_load && ready_load && !blocked_load));
    assert (start_gemm == (want_gemm && ready_gemm && !blocked_gemm && !start_load));
    assert (start_store
      == (want_store && ready_store && !blocked_store && !start_load && !start_gemm));
    assert (overflow == (overflowed != 0));
    // What makes it inductive.
    assert (counts == count);
    assert (some == ~empty);
    assert (over == overflowed);
  end
endmodule
