// Tokens: sixteen counters and three engines.
//
// Assumed: what an engine wants, with its tokens, stays until it starts; so does that it is ready.
// Proved: at most one engine starts in a cycle; one starts only if it has a command, is ready and
// every token that it takes has a count in that very cycle; LOAD before GEMM before STORE; an engine
// that lacks no token while none starts is chosen in the next cycle, unless one of higher rank is,
// and starts in the one after; an engine is called blocked, a cycle late, exactly when it has a
// command and lacks a token. Each counter is what was given, a cycle late, less what was taken, never
// below 0; when one would pass 255, `overflow` tells so three cycles after the giving, and from then
// on, until a reset, what a start needs is not promised: that program has failed.
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

  // Sixteen counts of its own. What is given counts a cycle later.
  logic [15:0] given_load, given_gemm, given_store;
  initial {given_load, given_gemm, given_store} = 0;
  always @(posedge clock) begin
    given_load <= gives_load & {16{done_load && !reset}};
    given_gemm <= gives_gemm & {16{done_gemm && !reset}};
    given_store <= gives_store & {16{done_store && !reset}};
  end
  logic [127:0] counts;
  logic [15:0] empty;
  logic [15:0] taken;
  logic [15:0] overflowed, overflows;
  logic told, spoiled;
  integer i;
  initial {counts, overflowed, told, spoiled} = 0;
  assign taken = {16{start_load}} & takes_load | {16{start_gemm}} & takes_gemm
    | {16{start_store}} & takes_store;
  function automatic [9:0] sum(input [7:0] count, input load, input gemm, input store, input take);
    sum = {2'd0, count} + load + gemm + store - take;
  endfunction
  always_comb begin
    overflows = 0;
    for (i = 0; i < 16; i = i + 1) begin
      empty[i] = counts[8*i +: 8] == 0;
      overflows[i] = sum(counts[8*i +: 8], given_load[i], given_gemm[i],
        given_store[i], taken[i]) > 255;
    end
  end
  always @(posedge clock) begin
    for (int j = 0; j < 16; j = j + 1)
      counts[8*j +: 8] <= sum(counts[8*j +: 8], given_load[j],
        given_gemm[j], given_store[j], taken[j]);
    overflowed <= overflows;
    told <= overflowed != 0;
    spoiled <= spoiled || overflows != 0;
    if (reset) {counts, overflowed, told, spoiled} <= 0;
  end

  // The two cycles before a start, and what the engines said in the cycle before.
  logic [2:0] want, ready, lacks, start, fits, go, waits;  // bits: STORE, GEMM, LOAD
  logic [2:0] want_before, ready_before, start_before;
  logic [47:0] takes, takes_before;
  logic began;
  initial {fits, start_before, waits, began} = 0;
  assign want = {want_store, want_gemm, want_load};
  assign ready = {ready_store, ready_gemm, ready_load};
  assign takes = {takes_store, takes_gemm, takes_load};
  assign start = {start_store, start_gemm, start_load};
  assign lacks = {
    (takes_store & empty) != 0, (takes_gemm & empty) != 0, (takes_load & empty) != 0
  };
  always_comb begin
    go = fits & ready;
    if (go[0]) go[2:1] = 0;
    if (go[1]) go[2] = 0;
  end
  logic [2:0] chosen;
  initial chosen = 0;
  always @(posedge clock) begin
    fits <= want & ~lacks & ~{3{(go != 0) || (start != 0) || reset}};
    chosen <= reset ? 0 : go;
    waits <= want & lacks;
    want_before <= want;
    ready_before <= ready;
    start_before <= start;
    takes_before <= takes;
    began <= !reset;
  end
  always_comb
    for (int j = 0; j < 3; j = j + 1)
      if (began && !start_before[j]) begin
        assume (!want_before[j]
          || (want[j] && takes[16*j +: 16] == takes_before[16*j +: 16]));
        assume (!ready_before[j] || ready[j]);
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

  logic [2:0] fits_q, waits_q;
  logic fits_0, fits_1, fits_2;  // inside: dut.fits_load_q dut.fits_gemm_q dut.fits_store_q
  logic waits_0, waits_1, waits_2;  // inside: dut.waits_load_q dut.waits_gemm_q dut.waits_store_q
  logic told_q;  // inside: dut.told_q
  logic [15:0] gave_load, gave_gemm, gave_store;  // inside: dut.gave_load_q dut.gave_gemm_q dut.gave_store_q
  assign fits_q = {fits_2, fits_1, fits_0};
  assign waits_q = {waits_2, waits_1, waits_0};

  always_comb begin
    assert (start_load + start_gemm + start_store <= 1);
    assert ((start & ~want) == 0);
    assert ((start & ~ready) == 0);
    assert (spoiled || (start & lacks) == 0);
    assert (spoiled || (taken & empty) == 0);
    assert (start == chosen);
    assert ({blocked_store, blocked_gemm, blocked_load} == waits);
    assert (overflow == told);
    // What makes it inductive.
    assert (fits == 0 || start == 0);
    assert ((fits & ~want) == 0);
    assert (spoiled || (fits & lacks) == 0);
    assert (fits == fits_q);
    assert (waits == waits_q);
    assert (told == told_q);
    assert ({given_load, given_gemm, given_store} == {gave_load, gave_gemm, gave_store});
    assert (counts == count);
    assert (some == ~empty);
    assert (over == overflowed);
  end
endmodule
