// Queues, three of them.
//
// Assumed: the sizes of the rings stay; a queue is disabled while a reset of it is asked
// for and for two cycles after it;
// doorbells take nothing back; what the control does: it runs from the cycle after one with `may_take`
// in which it did not run, says `taken` in the first cycle, and stops after `ended`, the only cycle
// in which it may say that the completion is written or could not be.
// Proved: indices and phase bits step as the specification says, round at the size of the ring. What
// is offered and what is taken is there, of a queue that is enabled and has not failed, with room for
// its completion. A queue that has had that for two cycles, in which no index of it moved, is offered
// at its turn. One that is offered all the time waits for at most one program of each other queue; the
// turn never leaves it while nothing runs. A queue is reset in the cycle in which it is asked for, or
// after its program.
module one_queue (
  input logic clock, reset,
  input logic [1:0] number, turn,
  input logic running, taken, written, unwritable, may_take, could_take, phase,
  input logic enable, resetting, reset_done, busy, failed,
  input logic [3:0] queue_log2,
  input logic [15:0] sq_tail, cq_head, sq_head, cq_tail,
  // Inside the block.
  input logic work, round, moved,
  input logic [15:0] ring_mask, next_head, next_tail
);
  logic mine, done, moving, offered, there;
  logic [15:0] mask, head, tail;
  logic [15:0] after_tail;
  assign mine = turn == number;
  assign done = resetting && !(running && mine);
  assign moving = mine && (taken || written || unwritable);
  assign mask = (16'd1 << queue_log2) - 16'd1;
  assign after_tail = (tail + 16'd1) & mask;
  assign there = head != (sq_tail & mask) && after_tail != (cq_head & mask);

  // Indices of its own, and what was in the cycle before.
  logic wraps, broken, had, just;
  logic [1:0] was_reset;
  logic [3:0] size;
  logic [1:0] still;
  initial {head, tail, wraps, broken, had, just, still} = 0;
  initial was_reset = 2'b11;
  always @(posedge clock) begin
    if (mine && taken) head <= (head + 16'd1) & mask;
    if (mine && written) begin
      tail <= after_tail;
      if (after_tail == 0) wraps <= !wraps;
    end
    if (mine && unwritable) broken <= 1;
    had <= there && !moving;
    still <= enable && there && !broken && !moving ? {still[0], 1'd1} : 2'd0;
    size <= queue_log2;
    just <= moving;
    was_reset <= {was_reset[0], reset || done};
    if (reset || done) {head, tail, wraps, broken, had, still} <= 0;
  end

  // Programs of other queues taken while this one was offered, and turns until its own.
  logic [1:0] passed, left;
  initial passed = 0;
  assign offered = work && enable;
  assign left = number >= turn ? number - turn : number + 2'd3 - turn;
  always @(posedge clock) begin
    if (taken && !mine) passed <= passed + 2'd1;
    if (!offered || (taken && mine) || reset) passed <= 0;
  end

  always_comb begin
    assume (queue_log2 != 0);
    assume (queue_log2 == size);
    assume (was_reset == 0 || !enable);
    assume (!(resetting && enable));
    assume (!had || there);
    assert (sq_head == head && cq_tail == tail && failed == broken);
    assert (!mine || phase == !wraps);
    assert (!(mine && (taken || (may_take && !running))) || (there && !broken));
    assert (!(mine && may_take) || enable);
    assert (!(still == 2'b11 && mine && enable) || may_take);
    assert (busy == (running && mine));
    assert (reset_done == done);
    assert (passed <= 2);
    // What makes it inductive.
    assert ((head & ~mask) == 0 && (tail & ~mask) == 0);
    assert (round == wraps);
    assert (moved == just);
    assert (was_reset[0] || ring_mask == mask);
    assert (was_reset != 0 || moved || next_head == ((head + 16'd1) & mask));
    assert (was_reset != 0 || moved || next_tail == after_tail);
    assert (!work || was_reset[0] || (there && !broken && !moved));
    assert (still != 2'b10);
    assert (still == 0 || (!moved && !broken && was_reset == 0));
    assert (still != 2'b11 || work);
    assert (!(mine && could_take) || (there && !broken && !moved && was_reset == 0));
    assert (mine ? !running || taken || passed == 0 : {1'd0, passed} + left <= 3'd2 + (running && !taken));
  end
endmodule

module proof (
  input logic clock,
  input logic reset,
  input logic enable_0, enable_1, enable_2,
  input logic [3:0] queue_log2_0, queue_log2_1, queue_log2_2,
  input logic [63:0] sq_base_0, sq_base_1, sq_base_2,
  input logic [63:0] cq_base_0, cq_base_1, cq_base_2,
  input logic [15:0] sq_tail_0, sq_tail_1, sq_tail_2,
  input logic [15:0] cq_head_0, cq_head_1, cq_head_2,
  input logic resetting_0, resetting_1, resetting_2,
  input logic running, taken, written, unwritable, ended, failing,
  input logic [31:0] failure
);
  logic reset_done_0, reset_done_1, reset_done_2;
  logic [15:0] sq_head_0, sq_head_1, sq_head_2, cq_tail_0, cq_tail_1, cq_tail_2, head;
  logic busy_0, busy_1, busy_2, failed_0, failed_1, failed_2, completed_0, completed_1, completed_2;
  logic [31:0] error_0, error_1, error_2, last_error;
  logic active, may_take, phase, give_up;
  logic [52:0] submission_line, answer_line;
  queues dut (.*);

  logic [2:0] turn;  // inside: dut.turn_q
  logic work_0, work_1, work_2;  // inside: dut.work_0_q dut.work_1_q dut.work_2_q
  logic round_0, round_1, round_2;  // inside: dut.round_0_q dut.round_1_q dut.round_2_q
  logic moved_0, moved_1, moved_2;  // inside: dut.moved_0_q dut.moved_1_q dut.moved_2_q
  logic [15:0] mask_0, mask_1, mask_2;  // inside: dut.ring_mask_0_q dut.ring_mask_1_q dut.ring_mask_2_q
  logic [15:0] head_0, head_1, head_2;  // inside: dut.next_head_0_q dut.next_head_1_q dut.next_head_2_q
  logic [15:0] tail_0, tail_1, tail_2;  // inside: dut.next_tail_0_q dut.next_tail_1_q dut.next_tail_2_q

  one_queue queue_0 (
    .number(2'd0), .turn(turn[1:0]), .enable(enable_0), .resetting(resetting_0),
    .reset_done(reset_done_0), .busy(busy_0), .failed(failed_0), .queue_log2(queue_log2_0),
    .sq_tail(sq_tail_0), .cq_head(cq_head_0), .sq_head(sq_head_0), .cq_tail(cq_tail_0),
    .work(work_0), .round(round_0), .moved(moved_0), .ring_mask(mask_0), .next_head(head_0),
    .next_tail(tail_0), .*
  );
  one_queue queue_1 (
    .number(2'd1), .turn(turn[1:0]), .enable(enable_1), .resetting(resetting_1),
    .reset_done(reset_done_1), .busy(busy_1), .failed(failed_1), .queue_log2(queue_log2_1),
    .sq_tail(sq_tail_1), .cq_head(cq_head_1), .sq_head(sq_head_1), .cq_tail(cq_tail_1),
    .work(work_1), .round(round_1), .moved(moved_1), .ring_mask(mask_1), .next_head(head_1),
    .next_tail(tail_1), .*
  );
  one_queue queue_2 (
    .number(2'd2), .turn(turn[1:0]), .enable(enable_2), .resetting(resetting_2),
    .reset_done(reset_done_2), .busy(busy_2), .failed(failed_2), .queue_log2(queue_log2_2),
    .sq_tail(sq_tail_2), .cq_head(cq_head_2), .sq_head(sq_head_2), .cq_tail(cq_tail_2),
    .work(work_2), .round(round_2), .moved(moved_2), .ring_mask(mask_2), .next_head(head_2),
    .next_tail(tail_2), .*
  );

  // The control, as far as the queues see it.
  logic ran, ending, could_take;
  initial {ran, ending, could_take} = 0;
  always @(posedge clock) begin
    ran <= running && !reset;
    ending <= ended;
    could_take <= may_take && !running && !reset;
  end

  always_comb begin
    assume (!running || ran || could_take);
    assume (!ran || running == !ending);
    assume (taken == (running && !ran));
    assume (!ended || ran && running);
    assume (!(written || unwritable) || ended);
    assume (!(written && unwritable));
    assert (turn < 3);
  end
endmodule
