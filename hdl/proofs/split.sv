// Split with lines of four words and up to 64 bursts under way.
//
// Assumed: nothing.
// Proved: in a cycle the port of the host and that of card memory are never both asked for a read,
// for a write or for data, and never both told that an answer is taken; a burst is begun only while
// fewer than 64 of its kind are owed an answer; no line and no answer reaches the master that it is
// not owed; data goes to the side that its address went to.
module proof (
  input logic clock,
  input logic reset,
  input logic m_arvalid, m_rready, m_awvalid, m_wvalid, m_wlast, m_bready,
  input logic [63:0] m_araddr, m_awaddr,
  input logic [3:0] m_arid, m_awid,
  input logic h_arready, h_rvalid, h_rlast, h_awready, h_wready, h_bvalid,
  input logic l_arready, l_rvalid, l_rlast, l_awready, l_wready, l_bvalid
);
  logic m_arready, m_rvalid, m_rlast, m_awready, m_wready, m_bvalid;
  logic h_arvalid, h_rready, h_awvalid, h_wvalid, h_bready;
  logic l_arvalid, l_rready, l_awvalid, l_wvalid, l_bready;
  split dut (
    .clock, .reset, .m_arvalid, .m_rready, .m_awvalid, .m_wvalid, .m_wlast, .m_bready, .m_araddr,
    .m_awaddr, .m_arid, .m_awid, .h_arready, .h_rvalid, .h_rlast, .h_awready, .h_wready, .h_bvalid,
    .l_arready, .l_rvalid, .l_rlast, .l_awready, .l_wready, .l_bvalid, .m_arready, .m_rvalid,
    .m_rlast, .m_awready, .m_wready, .m_bvalid, .h_arvalid, .h_rready, .h_awvalid, .h_wvalid,
    .h_bready, .l_arvalid, .l_rready, .l_awvalid, .l_wvalid, .l_bready
  );

  logic [6:0] r_head, r_tail, w_head, w_tail;  // inside: dut.reads.held.head dut.reads.held.tail dut.writes.held.head dut.writes.held.tail
  logic r_shown, w_shown;  // inside: dut.reads.shown_q dut.writes.shown_q

  logic to_side, to_local;  // inside: dut.sending_q dut.sending_local_q

  // Bursts that are owed an answer, and data that is owed to a side.
  logic [6:0] reads, writes;
  logic sending, local_side;
  initial {reads, writes, sending, local_side} = 0;
  always @(posedge clock) begin
    reads <= reads + (m_arvalid && m_arready) - (m_rvalid && m_rready && m_rlast);
    writes <= writes + (m_awvalid && m_awready) - (m_bvalid && m_bready);
    if (m_awvalid && m_awready) begin
      sending <= 1;
      local_side <= l_awvalid;
    end
    if (m_wvalid && m_wready && m_wlast) sending <= 0;
    if (reset) {reads, writes, sending} <= 0;
  end

  always_comb begin
    assert (!(h_arvalid && l_arvalid) && !(h_awvalid && l_awvalid) && !(h_wvalid && l_wvalid));
    assert (!(h_rready && l_rready) && !(h_bready && l_bready));
    assert ((h_arvalid || l_arvalid) == (m_arvalid && reads != 64));
    assert (!(h_awvalid || l_awvalid) || (m_awvalid && writes != 64 && !sending));
    assert (h_arvalid == 0 || !m_araddr[55]);
    assert (l_arvalid == 0 || m_araddr[55]);
    assert (h_awvalid == 0 || !m_awaddr[55]);
    assert (l_awvalid == 0 || m_awaddr[55]);
    assert (!m_rvalid || reads != 0);
    assert (!m_bvalid || writes != 0);
    assert (reads <= 64 && writes <= 64);
    assert ((!r_shown || reads != 0) && (!w_shown || writes != 0));
    assert (h_wvalid == (m_wvalid && sending && !local_side));
    assert (l_wvalid == (m_wvalid && sending && local_side));
    // What makes it inductive.
    assert (reads == 7'(r_tail - r_head) && writes == 7'(w_tail - w_head));
    assert (sending == to_side && (!sending || local_side == to_local));
  end
endmodule
