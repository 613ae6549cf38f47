// LocalPort of four words.
//
// Assumed: a reset in the first cycle; who offers an address holds it until it is taken, and the window
// its data too; a write of the engines has the lines that its address says, so that no more bursts are
// whole than lines have come; memory answers only what it owes, as many lines as were asked for and at
// least one a burst, and one answer a write; on a reset it forgets everything. Memories of the queues
// hand out anything: the queues have proofs of their own.
// Proved: of two masters that could begin a burst, the other one goes first after a burst of one, for
// reads and for writes; so none waits for more than one burst of the other. No line and no answer
// comes that has no room, and no more lines of the engines are taken than there is room for. A write
// of the engines begins when all lines of a burst have come. An address or line that is offered to
// memory stays until it is taken, addresses unchanged. After a restart nothing is begun until memory
// owes nothing; `idle` tells that nothing is under way.
module one_reader (
  input logic clock, reset, began, clear, draining,
  // Of the master.
  input logic valid, taken, other_taken, pop,
  input logic [7:0] len,
  // Of memory: a burst is handed to it, it answers.
  input logic standing, handed, answers, ends,
  input logic [7:0] standing_len,
  // Inside the block.
  input logic fits, took, popped, registered, turn,
  input logic [15:0] room, took_lines,
  input logic [8:0] head, tail,
  input logic arrived, full,
  output logic [8:0] bursts,
  output logic [9:0] held
);
  // Lines that memory owes, that wait in the queue, that come or wait, that are owed beside, and all
  // that are asked for. The last three are counted by themselves, so that no sum of many terms has to
  // be followed.
  logic [9:0] lines, there, due, all;
  logic [9:0] stands, goes;
  logic passed, offered;
  logic [7:0] offered_len;
  // Of the burst that stands before memory, and that is handed to it.
  assign stands = standing ? {2'd0, standing_len} + 10'd1 : 10'd0;
  assign goes = handed ? stands : 10'd0;
  initial {lines, bursts, held, there, due, all, passed, offered} = 0;
  always @(posedge clock) begin
    lines <= lines + goes - answers;
    bursts <= bursts + handed - (answers && ends);
    held <= clear ? 10'd0 : held + registered - pop;
    there <= clear ? 10'd0 : there + answers - pop;
    due <= clear ? 10'd0 : due + goes - pop;
    all <= clear ? 10'd0 : all + (taken ? {2'd0, len} + 10'd1 : 10'd0) - pop;
    passed <= valid && fits && !taken && !clear && (passed || other_taken);
    offered <= valid && !taken && !clear;
    offered_len <= len;
    if (reset) {lines, bursts} <= 0;
  end

  always_comb begin
    assume (!offered || (valid && len == offered_len));
    assume (!answers || lines != 0);
    assume (lines >= {1'd0, bursts} && (bursts != 0 || lines == 0));
    assert (held <= 256);
    assert (!registered || clear || held < 256);
    assert (!passed || !other_taken);
    assert (!passed || (valid && fits));
    // What makes it inductive.
    assert (!passed || turn);
    assert (!full || held != 0);
    assert (held == {1'd0, 9'(tail - head)} + arrived + full);
    assert (9'(tail - head) <= 256);
    assert (lines <= 256 && stands + lines <= 256);
    assert (draining || (there == held + registered && due == there + lines && all == due + stands));
    assert (there <= 256 && due <= 256 && all <= 256);
    assert (!draining || (held == 0 && there == 0 && due == 0 && all == 0));
    assert (!draining || (room == 256 && !took && !popped));
    assert (!began || room <= 256);
    assert (!began || room[9:0] + popped + all == 10'd256 + (took ? took_lines[9:0] : 10'd0));
    assert (!took || took_lines <= room);
    assert (draining || !fits || !took);
    assert (draining || !fits || {8'd0, len} < room);
  end
endmodule

module one_writer (
  input logic clock, reset, clear, draining,
  input logic valid, begins, other_begins, pop, answers,
  // Inside the block.
  input logic may, registered, turn,
  input logic [7:0] used,
  input logic [5:0] head, tail,
  output logic [5:0] owed, held
);
  // Answers that memory owes, that wait in the queue, that come or wait.
  logic [5:0] there;
  logic passed;
  initial {owed, held, there, passed} = 0;
  always @(posedge clock) begin
    owed <= owed + begins - answers;
    held <= clear ? 6'd0 : held + registered - pop;
    there <= clear ? 6'd0 : there + answers - pop;
    passed <= may && !begins && !clear && (passed || other_begins);
    if (reset) owed <= 0;
  end

  always_comb begin
    assume (!answers || owed != 0);
    assert (held <= 32);
    assert (!registered || clear || held < 32);
    assert (!passed || !other_begins);
    assert (!begins || valid);
    // What makes it inductive.
    assert (!passed || turn);
    assert (owed <= 32 && there <= 32 && used <= 32);
    assert (held == 6'(tail - head));
    assert (!may || draining || (valid && used < 32));
    assert (!draining || (used == 0 && held == 0 && there == 0));
    assert (draining || (there == held + registered && used == {2'd0, owed} + there));
  end
endmodule

module proof (
  input logic clock,
  input logic reset, restart,
  input logic e_arvalid, e_rready, e_awvalid, e_wvalid, e_wlast, e_bready,
  input logic [63:0] e_araddr, e_awaddr,
  input logic [7:0] e_arlen, e_awlen,
  input logic [31:0] e_wdata_0, e_wdata_1, e_wdata_2, e_wdata_3,
  input logic [3:0] e_wquarters,
  input logic w_arvalid, w_rready, w_awvalid, w_wvalid, w_bready,
  input logic [63:0] w_araddr, w_awaddr,
  input logic [7:0] w_arlen, w_awlen,
  input logic [31:0] w_wdata_0, w_wdata_1, w_wdata_2, w_wdata_3,
  input logic [3:0] w_wstrb_0, w_wstrb_1, w_wstrb_2, w_wstrb_3,
  input logic l_arready, l_rvalid, l_rlast, l_awready, l_wready, l_bvalid,
  input logic [31:0] l_rdata_0, l_rdata_1, l_rdata_2, l_rdata_3,
  input logic [3:0] l_rid, l_bid,
  input logic [1:0] l_rresp, l_bresp
);
  logic idle, e_arready, e_rvalid, e_rlast, e_awready, e_wready, e_bvalid;
  logic w_arready, w_rvalid, w_rlast, w_awready, w_wready, w_bvalid;
  logic l_arvalid, l_rready, l_awvalid, l_wvalid, l_wlast, l_bready;
  logic [31:0] e_rdata_0, e_rdata_1, e_rdata_2, e_rdata_3;
  logic [31:0] w_rdata_0, w_rdata_1, w_rdata_2, w_rdata_3;
  logic [31:0] l_wdata_0, l_wdata_1, l_wdata_2, l_wdata_3;
  logic [3:0] l_wstrb_0, l_wstrb_1, l_wstrb_2, l_wstrb_3, l_arid, l_awid;
  logic [1:0] e_rresp, e_bresp, w_rresp, w_bresp;
  logic [63:0] l_araddr, l_awaddr;
  logic [7:0] l_arlen, l_awlen;
  local_port dut (.*);

  logic draining, sending;  // inside: dut.draining_q dut.sending_q
  logic ar_turn, aw_turn, ar_begins, aw_begins;  // inside: dut.ar_turn_q dut.aw_turn_q dut.ar_begins_q dut.aw_begins_q
  logic e_fits, w_fits, e_took, w_took, e_popped, w_popped;  // inside: dut.e_fits_q dut.w_fits_q dut.e_took_q dut.w_took_q dut.e_popped_q dut.w_popped_q
  logic [15:0] e_room, w_room, took_lines, reads, writes;  // inside: dut.e_room_q dut.w_room_q dut.took_lines_q dut.reads_q dut.writes_q
  logic r_valid, r_window, r_last, b_valid, b_window;  // inside: dut.r_valid_q dut.r_window_q dut.r_last_q dut.b_valid_q dut.b_window_q
  logic [8:0] e_head, e_tail, w_head, w_tail, d_head, d_tail;  // inside: dut.e_lines.head dut.e_lines.tail dut.w_lines.head dut.w_lines.tail dut.e_data.head dut.e_data.tail
  logic e_arrived, e_full, w_arrived, w_full, d_arrived, d_full;  // inside: dut.e_lines.arrived dut.e_lines.full dut.w_lines.arrived dut.w_lines.full dut.e_data.arrived dut.e_data.full
  logic e_writes, w_writes, e_begins;  // inside: dut.e_writes_q dut.w_writes_q dut.e_begins
  logic [7:0] e_used, w_used;  // inside: dut.e_answers_used_q dut.w_answers_used_q
  logic [5:0] e_first, e_next, w_first, w_next;  // inside: dut.e_answers.head dut.e_answers.tail dut.w_answers.head dut.w_answers.tail
  logic [3:0] c_first, c_next;  // inside: dut.e_bursts.head dut.e_bursts.tail
  logic [15:0] complete, data_used;  // inside: dut.e_complete_q dut.e_data_used_q
  logic e_moves, e_free, e_wrote, e_sent, e_ended;  // inside: dut.e_moves dut.e_free_q dut.e_wrote_q dut.e_sent_q dut.e_write_end_q
  logic slice_first, slice_second, slice_fills, slice_reads;  // inside: dut.e_next.first_full_q dut.e_next.second_full_q dut.e_next.fills_second_q dut.e_next.reads_second_q

  logic began, clear, ar_window, aw_window;
  initial began = 0;
  always @(posedge clock) began <= 1;
  assign clear = reset || restart || draining;
  assign ar_window = l_arid[0];
  assign aw_window = l_awid[0];

  logic [9:0] e_held, w_held;
  logic [8:0] e_bursts, w_bursts;
  one_reader engines_read (
    .valid(e_arvalid), .taken(e_arvalid && e_arready), .other_taken(w_arvalid && w_arready),
    .pop(e_rvalid && e_rready), .len(e_arlen), .standing(l_arvalid && !ar_window),
    .handed(l_arvalid && l_arready && !ar_window), .answers(l_rvalid && !l_rid[0]), .ends(l_rlast),
    .standing_len(l_arlen), .fits(e_fits), .took(e_took), .popped(e_popped),
    .registered(r_valid && !r_window), .turn(!ar_turn),
    .room(e_room), .head(e_head), .tail(e_tail), .arrived(e_arrived), .full(e_full),
    .bursts(e_bursts), .held(e_held), .*
  );
  one_reader window_reads (
    .valid(w_arvalid), .taken(w_arvalid && w_arready), .other_taken(e_arvalid && e_arready),
    .pop(w_rvalid && w_rready), .len(w_arlen), .standing(l_arvalid && ar_window),
    .handed(l_arvalid && l_arready && ar_window), .answers(l_rvalid && l_rid[0]), .ends(l_rlast),
    .standing_len(l_arlen), .fits(w_fits), .took(w_took), .popped(w_popped),
    .registered(r_valid && r_window), .turn(ar_turn),
    .room(w_room), .head(w_head), .tail(w_tail), .arrived(w_arrived), .full(w_full),
    .bursts(w_bursts), .held(w_held), .*
  );

  logic [5:0] e_owed, w_owed, e_answered, w_answered;
  logic w_begins;
  assign w_begins = w_awready;
  one_writer engines_write (
    .valid(c_first != c_next), .begins(e_begins), .other_begins(w_begins),
    .pop(e_bvalid && e_bready), .answers(l_bvalid && !l_bid[0]), .may(e_writes),
    .registered(b_valid && !b_window), .turn(!aw_turn), .used(e_used), .head(e_first), .tail(e_next),
    .owed(e_owed), .held(e_answered), .*
  );
  one_writer window_writes (
    .valid(w_awvalid), .begins(w_begins), .other_begins(e_begins), .pop(w_bvalid && w_bready),
    .answers(l_bvalid && l_bid[0]), .may(w_writes), .registered(b_valid && b_window),
    .turn(aw_turn), .used(w_used), .head(w_first), .tail(w_next), .owed(w_owed), .held(w_answered),
    .*
  );

  // Lines of the engines that are not yet sent, and bursts of which all have come but none is sent.
  logic [9:0] data;
  logic [15:0] whole;
  logic [8:0] queued;
  logic [9:0] waiting, bursts;
  logic [6:0] owed;
  logic takes, sends, clears_data;
  initial {data, whole, waiting, bursts, owed} = 0;
  assign takes = e_wvalid && e_wready;
  assign sends = l_wvalid && l_wready && !aw_window;
  assign clears_data = clear && (reset || !sending || aw_window);
  assign queued = 9'(d_tail - d_head);
  always @(posedge clock) begin
    data <= clears_data ? 10'd0 : data + takes - sends;
    waiting <= clears_data ? 10'd0 : waiting + takes - e_moves;
    bursts <= bursts + (l_arvalid && l_arready) - (l_rvalid && l_rlast);
    owed <= owed + (e_begins || w_begins) - l_bvalid;
    if (reset) {bursts, owed} <= 0;
    whole <= clear ? 16'd0 : whole + (takes && e_wlast) - e_begins;
  end

  // What was offered in the cycle before.
  logic offered_ar, offered_aw, offered_w, offered_write, offered_data;
  logic [75:0] ar, aw;
  initial {offered_ar, offered_aw, offered_w, offered_write, offered_data} = 0;
  always @(posedge clock) begin
    offered_ar <= l_arvalid && !l_arready && !reset;
    offered_aw <= l_awvalid && !l_awready && !reset;
    offered_w <= l_wvalid && !l_wready && !reset;
    offered_write <= w_awvalid && !w_awready && !clear;
    offered_data <= w_wvalid && !w_wready && !clear;
    ar <= {l_arid, l_arlen, l_araddr};
    aw <= {l_awid, l_awlen, l_awaddr};
  end

  always_comb begin
    assume (began || reset);
    assume (!offered_write || w_awvalid);
    assume (!offered_data || w_wvalid);
    assume (whole <= {6'd0, data});
    assert (!(e_arvalid && e_arready && w_arvalid && w_arready));
    assert (!(e_begins && w_begins));
    assert (!offered_ar || (l_arvalid && {l_arid, l_arlen, l_araddr} == ar));
    assert (!offered_aw || (l_awvalid && {l_awid, l_awlen, l_awaddr} == aw));
    assert (!offered_w || l_wvalid);
    assert (l_rready && l_bready);
    assert (data <= 255);
    assert (!e_begins || whole != 0);
    assert (!l_wvalid || aw_window || data != 0);
    assert (!clear || !(e_arready || w_arready || e_awready || e_wready || e_begins || w_begins));
    assert (!idle || !l_arvalid && !l_awvalid && !l_wvalid && e_bursts == 0 && w_bursts == 0
      && e_held == 0 && w_held == 0 && e_answered == 0 && w_answered == 0 && data == 0
      && e_owed == 0 && w_owed == 0);
    // What makes it inductive.
    assert (bursts == {1'd0, e_bursts} + w_bursts);
    assert (reads + ar_begins == l_arvalid + {6'd0, bursts} + (r_valid && r_last));
    assert (!(r_valid && !r_last) || (r_window ? w_bursts : e_bursts) != 0);
    assert (!ar_begins || l_arvalid);
    assert (owed == {1'd0, e_owed} + w_owed);
    assert (writes + aw_begins == {9'd0, owed} + b_valid);
    assert (e_bursts <= 256 && w_bursts <= 256);
    assert (!(e_took && w_took));
    assert (whole == complete + e_ended && complete <= 256);
    assert (!e_writes || draining || complete != 0);
    assert (data == data_used + e_wrote - e_sent);
    assert (!e_free || data_used <= 253);
    assert (data_used <= 255);
    assert (data == {1'd0, waiting} + slice_first + slice_second);
    assert (waiting == {1'd0, queued} + d_arrived + d_full);
    assert (queued <= 256);
    assert (4'(c_next - c_first) <= 8);
    assert ((slice_fills == slice_reads) == (slice_first == slice_second));
    assert (slice_first == slice_second || (slice_reads ? slice_second : slice_first));
  end
endmodule
