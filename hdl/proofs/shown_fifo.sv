// ShownFifo of four values of four bits.
//
// Assumed: `push` only when `room`, `pop` only when `valid`.
// Proved: it never holds more than four values; `room` and `occupied` tell exactly how many it holds;
// a value that is held is shown in the second cycle in which nothing was dropped; what is shown is the
// oldest value, and values come out once, unchanged and in their turn. For that, one push chosen
// freely is watched.
module proof (
  input logic clock,
  input logic reset,
  input logic push,
  input logic [3:0] push_data,
  input logic pop,
  input logic watch
);
  logic room, valid, occupied;
  logic [3:0] data;
  shown_fifo dut (.*);

  logic [2:0] head, tail;  // inside: dut.held.head dut.held.tail
  logic [3:0] store_0, store_1, store_2, store_3;  // inside: dut.held.store[0] dut.held.store[1] dut.held.store[2] dut.held.store[3]

  logic [2:0] held, ahead;
  logic [1:0] place;
  logic [3:0] value, stored;
  logic watched, waited;
  initial {held, watched, waited} = 0;
  always @(posedge clock) begin
    held <= held + push - pop;
    waited <= held != 0 && !pop;
    if (watch && push && !watched) begin
      watched <= 1;
      value <= push_data;
      ahead <= held - pop;
      place <= tail[1:0];
    end else if (pop) begin
      ahead <= ahead - 1;
      if (ahead == 0) watched <= 0;
    end
    if (reset) {held, watched, waited} <= 0;
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
    assert (occupied == (held != 0));
    assert (valid == waited);
    assert (!watched || ahead != 0 || !valid || data == value);
    // What makes it inductive.
    assert (!waited || held != 0);
    assert (held == 3'(tail - head));
    assert (!watched || (ahead < held && place == 2'(head + ahead) && stored == value));
  end
endmodule
