// Transmit, beats of one word.
//
// Assumed: nothing.
// Proved: at most one beat is taken in a cycle; it is what is sent next, unchanged, and stays until it
// is taken; none is lost or doubled. A packet, once its first beat is taken, has the stream to itself
// to its last; none begins while `hold`. Whenever the stream is free and something may be sent,
// something is. Completions go first, and of the others none waits, offered all the time, for more
// than two packets of others that are not completions.
module proof (
  input logic clock,
  input logic reset,
  input logic hold,
  input logic cpl_valid, msix_valid, write_valid, read_valid,
  input logic cpl_last, msix_last, write_last, read_last,
  input logic [3:0] cpl_keep, msix_keep, write_keep, read_keep,
  input logic [31:0] cpl_data_0, msix_data_0, write_data_0, read_data_0,
  input logic tx_ready
);
  logic cpl_ready, msix_ready, write_ready, read_ready, idle, tx_valid, tx_last;
  logic [3:0] tx_keep;
  logic [31:0] tx_data_0;
  transmit dut (.*);

  logic inside_q;  // inside: dut.inside_q
  logic [1:0] owner_q, turn_q;  // inside: dut.owner_q dut.turn_q

  // Bits: reads, writes, interrupts, completions.
  logic [3:0] offered, ready, taken, whose;
  logic sending, within, free;
  logic [36:0] beat, sent;
  initial {sending, within, whose} = 0;
  assign offered = {read_valid, write_valid, msix_valid, cpl_valid};
  assign ready = {read_ready, write_ready, msix_ready, cpl_ready};
  assign taken = offered & ready;
  assign free = !sending || tx_ready;
  always_comb
    case (taken)
      4'b0001: beat = {cpl_last, cpl_keep, cpl_data_0};
      4'b0010: beat = {msix_last, msix_keep, msix_data_0};
      4'b0100: beat = {write_last, write_keep, write_data_0};
      default: beat = {read_last, read_keep, read_data_0};
    endcase
  always @(posedge clock) begin
    if (tx_ready) sending <= 0;
    if (taken != 0) begin
      sending <= 1;
      sent <= beat;
      within <= !beat[36];
      whose <= taken;
    end
    if (reset) {sending, within} <= 0;
  end

  // For each sender but completions, packets of others that have begun while it was offered, and how
  // many turns are left until its own.
  logic [3:1] begins;
  logic [1:0] passed_1, passed_2, passed_3, left_1, left_2, left_3;
  initial {passed_1, passed_2, passed_3} = 0;
  assign begins = within ? 0 : taken[3:1];
  always @(posedge clock) begin
    passed_1 <= !offered[1] || taken[1] ? 0 : passed_1 + (begins != 0);
    passed_2 <= !offered[2] || taken[2] ? 0 : passed_2 + (begins != 0);
    passed_3 <= !offered[3] || taken[3] ? 0 : passed_3 + (begins != 0);
    if (reset) {passed_1, passed_2, passed_3} <= 0;
  end
  always_comb
    case (turn_q)
      1: {left_1, left_2, left_3} = {2'd3, 2'd1, 2'd2};
      2: {left_1, left_2, left_3} = {2'd2, 2'd3, 2'd1};
      default: {left_1, left_2, left_3} = {2'd1, 2'd2, 2'd3};
    endcase

  always_comb begin
    assert ((taken & (taken - 1)) == 0);
    assert (taken == 0 || free);
    assert (tx_valid == sending);
    assert (!sending || {tx_last, tx_keep, tx_data_0} == sent);
    assert (!within || (taken & ~whose) == 0);
    assert (within || !hold || taken == 0);
    assert (idle == (!within && !sending));
    assert (!free || (within ? (offered & whose) == 0 : hold || offered == 0) || taken != 0);
    assert (within || !cpl_valid || taken[3:1] == 0);
    assert (passed_1 <= 2 && passed_2 <= 2 && passed_3 <= 2);
    // What makes it inductive.
    assert (within == inside_q);
    assert (!within || whose == 4'b0001 << owner_q);
    assert (!within || owner_q == 0 || owner_q == turn_q);
    assert (passed_1 <= 3 - left_1);
    assert (passed_2 <= 3 - left_2);
    assert (passed_3 <= 3 - left_3);
  end
endmodule
