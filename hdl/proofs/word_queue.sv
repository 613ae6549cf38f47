// WordQueue of four rows of two words, with room while two are free.
//
// Assumed: `push` only when `room`, with words that there are; `start` with the first push of a run
// and with no other; `commit` and `drop` only when a run is open or opened; `pop` only when `valid`.
// Proved: words of runs that are committed come out once, unchanged, in their turn and in their lane,
// each run in rows of its own; of others nothing comes out. Rows come without a gap, the first a
// cycle late. There is room while two rows and one more are free. No row of a memory is read in the
// cycle in which it is written. For the turn, one word chosen freely is watched.
module proof (
  input logic clock,
  input logic reset,
  input logic push,
  input logic [1:0] push_first,
  input logic [2:0] push_count,
  input logic [31:0] push_data_0, push_data_1,
  input logic start,
  input logic [1:0] start_lane,
  input logic commit,
  input logic drop,
  input logic pop,
  input logic watch,
  input logic chosen
);
  logic room, valid;
  logic [31:0] data_0, data_1;
  word_queue dut (.*);

  logic [2:0] head, done, row;  // inside: dut.head dut.done dut.row
  logic lane, fetch;  // inside: dut.lane dut.fetch
  logic [31:0] left_0, left_1, left_2, left_3;  // inside: dut.bank_0[0] dut.bank_0[1] dut.bank_0[2] dut.bank_0[3]
  logic [31:0] right_0, right_1, right_2, right_3;  // inside: dut.bank_1[0] dut.bank_1[1] dut.bank_1[2] dut.bank_1[3]

  // Rows held for the reader; the open run: its full rows and the lane of its next word.
  logic [2:0] held, before, full, size;
  logic open, at, next, waited;
  logic [1:0] count, position;
  assign count = push ? push_count[1:0] : 0;
  assign at = open ? next : start_lane[0];
  assign position = at + count;
  assign before = open ? full : 0;
  assign size = before + position[1] + position[0];

  // The watched word: in the open run or committed, behind so many rows.
  logic running, kept;
  logic [2:0] ahead;
  logic [1:0] place;
  logic side;
  logic [31:0] word, stored;
  assign place = at + chosen;
  initial {held, full, open, next, waited, running, kept} = 0;
  always @(posedge clock) begin
    held <= held - pop + (commit && !drop ? size : 0);
    waited <= held != 3'(pop);
    if (push) begin
      open <= 1;
      full <= before + position[1];
      next <= position[0];
    end
    if (commit || drop) open <= 0;

    if (pop) ahead <= ahead - 1;
    if (pop && ahead == 0) kept <= 0;
    if (watch && !running && !kept && chosen < count) begin
      running <= 1;
      word <= push_first[0] ^ chosen ? push_data_1 : push_data_0;
      ahead <= held - pop + before + place[1];
      side <= place[0];
    end
    if (drop) running <= 0;
    else if (commit) begin
      running <= 0;
      if (running || (watch && !kept && chosen < count)) kept <= 1;
    end
    if (reset) {held, full, open, waited, running, kept} <= 0;
  end

  logic [1:0] where;
  assign where = head[1:0] + ahead[1:0] - valid;
  always_comb
    case ({side, where})
      0: stored = left_0;
      1: stored = left_1;
      2: stored = left_2;
      3: stored = left_3;
      4: stored = right_0;
      5: stored = right_1;
      6: stored = right_2;
      default: stored = right_3;
    endcase

  always_comb begin
    assume (!push || room);
    assume (!push || push_first + push_count <= 2);
    assume (!push || start == !open);
    assume (push || open || !(commit || drop));
    assume (!pop || valid);
    assert (!valid || held != 0);
    assert (!waited || valid);
    assert (room || held + before + (open && next) > 1);
    assert (!kept || ahead != 0 || !valid || (side ? data_1 : data_0) == word);
    assert (!(push && fetch && (row[1:0] == head[1:0] || 2'(row[1:0] + 1) == head[1:0])));
    // What makes it inductive.
    assert (held == 3'(done - head) + valid);
    assert (3'(row - done) == before);
    assert (!open || lane == next);
    assert (3'(done - head) <= 4 && 3'(row - head) <= 4);
    assert (3'(row - head) + (open && next) <= 4);
    assert (3'(row - done) <= 3'(row - head));
    assert (!(running && kept));
    assert (!kept || ahead < held);
    assert (!running || (open && ahead >= held
      && {3'(ahead - held), side} < {before, next}));
    assert (!(running || kept) || (valid && kept && ahead == 0)
      || (ahead >= valid && stored == word));
  end
endmodule
