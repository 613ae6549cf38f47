// LineSlice of one word.
//
// Assumed: nothing.
// Proved: it holds at most two lines and takes another whenever it holds fewer, offers one whenever it
// holds any; lines come out once, unchanged and in their turn, with their quarters and their mark; and
// neither `in_ready` nor `valid` depends on what the other side says in the same cycle. For the turn,
// one line chosen freely is watched.
module proof (
  input logic clock,
  input logic reset,
  input logic in_valid,
  input logic [31:0] in_data_0,
  input logic [3:0] in_quarters,
  input logic in_last,
  input logic ready,
  input logic watch
);
  logic in_ready, valid, last;
  logic [31:0] data_0;
  logic [3:0] quarters;
  line_slice dut (.*);

  logic fills, reads, first, second;  // inside: dut.fills_second_q dut.reads_second_q dut.first_full_q dut.second_full_q
  logic [31:0] first_word, second_word;  // inside: dut.first_0_q dut.second_0_q
  logic [3:0] first_quarters, second_quarters;  // inside: dut.first_quarters_q dut.second_quarters_q
  logic first_last, second_last;  // inside: dut.first_last_q dut.second_last_q

  logic [1:0] held;
  logic ahead, place, watched, takes, gives;
  logic [36:0] line, stored;
  initial {held, watched} = 0;
  assign takes = in_valid && in_ready;
  assign gives = valid && ready;
  always @(posedge clock) begin
    held <= held + takes - gives;
    if (watch && takes && !watched) begin
      watched <= 1;
      line <= {in_last, in_quarters, in_data_0};
      ahead <= held == 1 && !gives;
      place <= fills;
    end else if (gives) begin
      ahead <= 0;
      if (!ahead) watched <= 0;
    end
    if (reset) {held, watched} <= 0;
  end
  assign stored = place ? {second_last, second_quarters, second_word}
    : {first_last, first_quarters, first_word};

  always_comb begin
    assert (held <= 2);
    assert (in_ready == (held < 2));
    assert (valid == (held != 0));
    assert (!watched || ahead || {last, quarters, data_0} == line);
    // What makes it inductive.
    assert (held == 2'(first) + 2'(second));
    assert ((fills == reads) == (held != 1));
    assert (held != 1 || (reads ? second : first));
    assert (!watched || (held > 2'(ahead) && place == (reads ^ ahead) && stored == line));
    assert (!watched || (place ? second : first));
  end
endmodule
