// Fifo of four values of four bits.
//
// Assumed: `push` only when `room`, `pop` only when `valid`.
// Proved: it never holds more than four values; `room` and `valid` tell exactly how many it holds;
// values come out once, unchanged and in their turn. For that, one push chosen freely is watched:
// its value is at the output when as many pops have come as there were values before it.
module proof (
  input logic clock,
  input logic reset,
  input logic push,
  input logic [3:0] push_data,
  input logic pop,
  input logic watch
);
  logic room, valid;
  logic [3:0] data;
  fifo dut (.*);

  logic [2:0] head, tail;  // inside: dut.head dut.tail
  logic [3:0] store_0, store_1, store_2, store_3;  // inside: dut.store[0] dut.store[1] dut.store[2] dut.store[3]

  logic [2:0] held, ahead;
  logic [1:0] place;
  logic [3:0] value, stored;
  logic watched;
  initial {held, watched} = 0;
  always @(posedge clock) begin
    held <= held + push - pop;
    if (watch && push && !watched) begin
      watched <= 1;
      value <= push_data;
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
      0: stored = store_0;
      1: stored = store_1;
      2: stored = store_2;
      default: stored = store_3;
    endcase

  always_comb begin
    assume (!push || room);
    assume (!pop || valid);
    assert (held <= 4);
    assert (room == (held != 4));
    assert (valid == (held != 0));
    assert (!watched || ahead != 0 || data == value);
    // What makes it inductive.
    assert (held == 3'(tail - head));
    assert (!watched || (ahead < held && place == 2'(head + ahead) && stored == value));
  end
endmodule
