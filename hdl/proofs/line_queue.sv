// LineQueue of four lines of one word.
//
// Assumed: `push` only while it holds fewer than five lines, the one that is valid among them; `pop`
// only when `valid`.
// Proved: a line that is held is valid three cycles after its push at the latest, when those before it
// are gone; lines come out once, unchanged and in their turn, with their marks; and no line of the
// memory is read in the cycle in which it is written, of which block memories promise nothing. For
// the turn, one push chosen freely is watched.
module proof (
  input logic clock,
  input logic reset,
  input logic push,
  input logic [31:0] push_data_0,
  input logic [3:0] push_mark,
  input logic pop,
  input logic watch
);
  logic valid;
  logic [31:0] data_0;
  logic [3:0] mark;
  line_queue dut (.*);

  logic [2:0] head, tail;  // inside: dut.head dut.tail
  logic fetch, arrived;  // inside: dut.fetch dut.arrived
  logic [35:0] fetched;  // inside: dut.fetched
  logic [35:0] line_0, line_1, line_2, line_3;  // inside: dut.store[0] dut.store[1] dut.store[2] dut.store[3]

  logic [2:0] held, ahead;
  logic [1:0] place;
  logic [35:0] line, stored;
  logic watched, waited, waited_twice;
  initial {held, watched, waited, waited_twice} = 0;
  always @(posedge clock) begin
    held <= held + push - pop;
    waited <= held != 0 && !valid;
    waited_twice <= waited && !valid;
    if (watch && push && !watched) begin
      watched <= 1;
      line <= {push_mark, push_data_0};
      ahead <= held - pop;
      place <= tail[1:0];
    end else if (pop) begin
      ahead <= ahead - 1;
      if (ahead == 0) watched <= 0;
    end
    if (reset) {held, watched, waited, waited_twice} <= 0;
  end

  always_comb
    case (place)
      0: stored = line_0;
      1: stored = line_1;
      2: stored = line_2;
      default: stored = line_3;
    endcase

  always_comb begin
    assume (!push || held < 5);
    assume (!pop || valid);
    assert (held <= 5);
    assert (!waited_twice || valid);
    assert (!valid || held != 0);
    assert (!watched || ahead != 0 || !valid || {mark, data_0} == line);
    assert (!(push && fetch && head[1:0] == tail[1:0]));
    // What makes it inductive.
    assert (held == 3'(tail - head) + arrived + valid);
    assert (3'(tail - head) <= 4);
    assert (arrived || 3'(tail - head) <= 1);
    assert (!waited || valid || arrived);
    assert (!watched || ahead < held);
    assert (!watched || (valid && ahead == 0)
      || (arrived && ahead == valid && fetched == line)
      || (ahead >= valid + arrived && place == 2'(head + ahead - valid - arrived)
        && stored == line));
  end
endmodule
