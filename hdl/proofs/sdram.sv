// Sdram for any known part at 100 MHz with a CAS latency of 2, reset once.
//
// Assumed: nothing of the bursts. A reset comes in the first cycle and never again.
// Proved, of the commands at the pins: each bank's ACTIVE, READ, WRITE and PRECHARGE meet it open or
// closed as they must; tRCD, tRP, tRAS, tRC, tRRD, tWR, tRFC, tMRD; no burst is cut off, and one
// cycle lies between words of the chip and of the controller; all banks are closed at a refresh and
// at the load of the mode register, which comes before any access; from one refresh to the next
// never more than an interval and 32 cycles pass.
module proof (
  input logic clock,
  input logic reset,
  input logic l_arvalid, l_awvalid, l_wvalid,
  input logic [63:0] l_araddr, l_awaddr,
  input logic [7:0] l_arlen, l_awlen,
  input logic [3:0] l_arid, l_awid
);
  localparam RCD = 2, RP = 2, RAS = 5, RC = 7, RRD = 2, WR = 2, RFC = 7, MRD = 2, CAS = 2;
  localparam INTERVAL = 781;

  logic cke, ras_n, cas_n, we_n;
  logic [1:0] ba;
  logic [12:0] a;
  sdram dut (
    .clock, .reset, .l_arvalid, .l_awvalid, .l_wvalid, .l_araddr, .l_awaddr, .l_arlen, .l_awlen,
    .l_arid, .l_awid, .cke, .ras_n, .cas_n, .we_n, .ba, .a
  );

  logic [3:0] pause, since;  // inside: dut.pause_q dut.pace.since_q
  logic wrote, started, due;  // inside: dut.pace.wrote_q dut.started_q dut.due_q
  logic [10:0] countdown;  // inside: dut.pace.countdown_q
  logic [4:0] count;  // inside: dut.count_q
  logic awake;  // inside: dut.awake_q
  logic [2:0] stage, command;  // inside: dut.stage_q dut.command_q
  logic [1:0] to_bank, next_bank;  // inside: dut.to_bank_q dut.next_bank_q
  logic [12:0] to_a, next_row;  // inside: dut.to_a_q dut.next_row_q
  logic next_valid, next_known, next_open, next_hit;  // inside: dut.next_valid_q dut.next_known_q dut.next_open_q dut.next_hit_q
  logic opened_0, opened_1, opened_2, opened_3;  // inside: dut.rows.opened_0_q dut.rows.opened_1_q dut.rows.opened_2_q dut.rows.opened_3_q
  logic [3:0] opened;
  assign opened = {opened_3, opened_2, opened_1, opened_0};

  localparam LMR = 0, REF = 1, PRE = 2, ACT = 3, WRITE = 4, READ = 5, NOP = 7;
  localparam BOOT = 0, CLOSE = 1, REFRESH = 2, MODE = 3, RUN = 4;

  logic [2:0] pins;
  assign pins = cke ? {ras_n, cas_n, we_n} : NOP;

  // Banks that a PRECHARGE closes, and open banks after a command.
  function automatic [3:0] closes(input [1:0] bank, input all);
    closes = all ? 4'hf : 4'h1 << bank;
  endfunction
  function automatic [3:0] after(input [3:0] open, input [2:0] code, input [1:0] bank, input all);
    after = open;
    if (code == ACT) after = open | 4'h1 << bank;
    if (code == PRE) after = open & ~closes(bank, all);
  endfunction

  // Cycles since a command, 15 for as many or more.
  logic [15:0] active, precharge, write;
  logic [3:0] access, refresh, mode;
  logic read, any_mode, first;
  logic [3:0] open;
  logic [9:0] gap;
  integer i;
  initial begin
    {active, precharge, write, access, refresh, mode} = {15{4'hf}};
    {read, any_mode, open, gap} = 0;
    first = 1;
  end
  function automatic [3:0] more(input [3:0] cycles);
    more = cycles == 15 ? 15 : cycles + 1;
  endfunction
  always @(posedge clock) begin
    first <= 0;
    for (i = 0; i < 4; i = i + 1) begin
      active[4*i +: 4] <= pins == ACT && ba == i ? 1 : more(active[4*i +: 4]);
      precharge[4*i +: 4] <= pins == PRE && (a[10] || ba == i) && open[i] ? 1 : more(precharge[4*i +: 4]);
      write[4*i +: 4] <= pins == WRITE && ba == i ? 1 : more(write[4*i +: 4]);
    end
    access <= pins == READ || pins == WRITE ? 1 : more(access);
    if (pins == READ || pins == WRITE) read <= pins == READ;
    refresh <= pins == REF ? 1 : more(refresh);
    mode <= pins == LMR ? 1 : more(mode);
    if (pins == LMR) any_mode <= 1;
    gap <= pins == REF || pins == LMR ? 1 : any_mode ? gap + 1 : 0;
    open <= after(open, pins, ba, a[10]);
  end

  // A refresh is waited for, since so many cycles; cycles of the interval that have passed.
  logic waits;
  logic [5:0] late;
  logic [10:0] passed;
  assign waits = started && (due || stage != RUN);
  assign passed = INTERVAL - 1 - countdown;
  initial late = 0;
  always @(posedge clock) late <= waits ? late + 1 : 0;

  always_comb begin
    assume (reset == first);
    for (i = 0; i < 4; i = i + 1) begin
      if (ba == i && pins == ACT) begin
        assert (!open[i]);
        assert (precharge[4*i +: 4] >= RP);
        assert (active[4*i +: 4] >= RC);
      end
      if (pins == ACT) assert (active[4*i +: 4] >= RRD);
      if (ba == i && (pins == READ || pins == WRITE)) begin
        assert (open[i]);
        assert (active[4*i +: 4] >= RCD);
      end
      if (pins == PRE && (a[10] || ba == i) && open[i]) begin
        assert (active[4*i +: 4] >= RAS);
        assert (write[4*i +: 4] >= 7 + WR);
      end
      if (pins == REF || pins == LMR) assert (!open[i] && precharge[4*i +: 4] >= RP);
    end
    if (pins == ACT || pins == READ || pins == WRITE) assert (any_mode);
    if (pins == READ || pins == WRITE) assert (!a[10] && access >= 8);
    if (pins == WRITE && read) assert (access >= CAS + 9);
    if (pins == PRE && a[10]) assert (access >= 8);
    if (pins != NOP) assert (refresh >= RFC && mode >= MRD);
    assert (gap <= INTERVAL + 32);

    // What makes it inductive: the model's banks are the controller's, two commands later.
    if (!first) assert (awake);
    if (!first) assert (after(after(open, pins, ba, a[10]), command, to_bank, to_a[10]) == opened);
    assert (stage <= RUN);
    assert (started || !any_mode);
    if (started) assert (any_mode || command == LMR || pins == LMR);
    if (started) assert (stage != BOOT && stage != MODE);
    if (!started) assert (stage != RUN && opened == 0 && !due);
    if (stage == REFRESH || stage == MODE) assert (opened == 0);
    if (next_valid && next_known) begin
      if (next_hit) assert (opened[next_bank]);
      else assert (next_open == opened[next_bank]);
    end
    // Each stage of a refresh comes to its end, so that the next one is not late.
    assert (countdown < INTERVAL);
    if (started) assert (count == 0);
    if (waits) begin
      assert (late == passed);
      assert (late <= (stage == RUN ? 14 : stage == CLOSE ? 25 : 28));
    end
    if (any_mode && (command == REF || pins == REF)) assert (passed <= 30);
    if (waits || command == REF || pins == REF) assert (gap <= INTERVAL + 1 + passed);
    else assert (gap <= passed + 1);
  end
endmodule
