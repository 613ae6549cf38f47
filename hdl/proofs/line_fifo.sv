// LineFifo of four lines of one word.
//
// Assumed: `push` only with room, `pop` only when `valid`.
// Proved: `valid` tells whether it holds a line; lines come out once, unchanged and in their turn,
// with their quarters. For that, one push chosen freely is watched: its line is at the output when
// as many pops have come as there were lines before it.
module proof (
  input logic clock,
  input logic reset,
  input logic push,
  input logic [31:0] push_data_0,
  input logic [3:0] push_quarters,
  input logic pop,
  input logic watch
);
  logic valid;
  logic [31:0] data_0;
  logic [3:0] quarters;
  line_fifo dut (.*);

  logic [2:0] head, tail;  // inside: dut.head dut.tail
  logic [31:0] word_0, word_1, word_2, word_3;  // inside: dut.word_0[0] dut.word_0[1] dut.word_0[2] dut.word_0[3]
  logic [3:0] mark_0, mark_1, mark_2, mark_3;  // inside: dut.marks[0] dut.marks[1] dut.marks[2] dut.marks[3]

  logic [2:0] held, ahead;
  logic [1:0] place;
  logic [35:0] line, stored;
  logic watched;
  initial {held, watched} = 0;
  always @(posedge clock) begin
    held <= held + push - pop;
    if (watch && push && !watched) begin
      watched <= 1;
      line <= {push_quarters, push_data_0};
      ahead <= held - pop;
      place <= tail[1:0];
    end else if (pop) begin
      ahead <= ahead - 1;
      if (ahead == 0) watched <= 0;
    end
    if (reset) {held, watched} <= 0;
  end

  always_comb
    case (place)
      0: stored = {mark_0, word_0};
      1: stored = {mark_1, word_1};
      2: stored = {mark_2, word_2};
      default: stored = {mark_3, word_3};
    endcase

  always_comb begin
    assume (!push || held < 4);
    assume (!pop || valid);
    assert (held <= 4);
    assert (valid == (held != 0));
    assert (!watched || ahead != 0 || {quarters, data_0} == line);
    // What makes it inductive.
    assert (held == 3'(tail - head));
    assert (!watched || (ahead < held && place == 2'(head + ahead) && stored == line));
  end
endmodule
