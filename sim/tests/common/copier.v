// A stand-in for the card with the same pins: copies LINES lines of 16 bytes from SRC to DST.
// Registers: 0x000 identity; 0x010 SRC; 0x014 DST; 0x018 LINES (1 to 16); 0x01c write: go;
// 0x020 bit 0: done, bits 2:1: worst answer, bits 5:3: its cause. The interrupt of queue 7 is
// `done`. Writes of SRC obey the strobes.
module systole_card(
    input wire clock, input wire reset,
    input wire reg_write, input wire reg_read, input wire [11:0] reg_addr,
    input wire [31:0] reg_wdata, input wire [3:0] reg_strobes, output reg [31:0] reg_rdata,
    output wire [7:0] irq, output wire active,
    output reg m_arvalid, input wire m_arready, output wire [63:0] m_araddr,
    output wire [7:0] m_arlen, output wire [3:0] m_arid, output wire [2:0] m_arsize,
    output wire [1:0] m_arburst,
    input wire m_rvalid, output wire m_rready, input wire [127:0] m_rdata, input wire [3:0] m_rid,
    input wire [1:0] m_rresp, input wire [2:0] m_ruser, input wire m_rlast,
    output reg m_awvalid, input wire m_awready, output wire [63:0] m_awaddr,
    output wire [7:0] m_awlen, output wire [3:0] m_awid, output wire [2:0] m_awsize,
    output wire [1:0] m_awburst,
    output wire m_wvalid, input wire m_wready, output wire [127:0] m_wdata,
    output wire [15:0] m_wstrb, output wire m_wlast,
    input wire m_bvalid, output wire m_bready, input wire [3:0] m_bid, input wire [1:0] m_bresp,
    input wire [2:0] m_buser);
    reg [31:0] src, dst;
    reg [4:0] lines, got, sent;
    reg reading, writing, done;
    reg [1:0] worst;
    reg [2:0] cause;
    reg [127:0] data [0:15];
    assign irq = {done, 7'd0};
    assign active = reading | writing;
    assign m_araddr = {32'd0, src};
    assign m_awaddr = {32'd0, dst};
    assign m_arlen = {3'd0, lines - 5'd1};
    assign m_awlen = m_arlen;
    assign m_arid = 4'd3;
    assign m_awid = 4'd5;
    assign m_arsize = 3'd4;
    assign m_awsize = 3'd4;
    assign m_arburst = 2'd1;
    assign m_awburst = 2'd1;
    assign m_rready = reading;
    assign m_wvalid = writing && sent != lines;
    assign m_wdata = data[sent[3:0]];
    assign m_wstrb = 16'hffff;
    assign m_wlast = sent + 5'd1 == lines;
    assign m_bready = 1'b1;
    always @(posedge clock) begin
        if (m_arvalid && m_arready) m_arvalid <= 1'b0;
        if (m_awvalid && m_awready) m_awvalid <= 1'b0;
        if (m_rvalid && m_rready) begin
            data[got[3:0]] <= m_rdata;
            got <= got + 5'd1;
            if (m_rresp > worst) {worst, cause} <= {m_rresp, m_ruser};
            if (m_rlast) begin
                reading <= 1'b0;
                writing <= 1'b1;
                m_awvalid <= 1'b1;
            end
        end
        if (m_wvalid && m_wready) sent <= sent + 5'd1;
        if (m_bvalid) begin
            writing <= 1'b0;
            done <= 1'b1;
            if (m_bresp > worst) {worst, cause} <= {m_bresp, m_buser};
        end
        if (reg_write) case (reg_addr)
            12'h010: begin
                if (reg_strobes[0]) src[7:0] <= reg_wdata[7:0];
                if (reg_strobes[1]) src[15:8] <= reg_wdata[15:8];
                if (reg_strobes[2]) src[23:16] <= reg_wdata[23:16];
                if (reg_strobes[3]) src[31:24] <= reg_wdata[31:24];
            end
            12'h014: dst <= reg_wdata;
            12'h018: lines <= reg_wdata[4:0];
            12'h01c: begin
                {got, sent, worst, cause, done} <= 16'd0;
                reading <= 1'b1;
                m_arvalid <= 1'b1;
            end
            default: ;
        endcase
        if (reg_read) case (reg_addr)
            12'h000: reg_rdata <= 32'h53595354;
            12'h010: reg_rdata <= src;
            12'h020: reg_rdata <= {26'd0, cause, worst, done};
            default: reg_rdata <= 32'd0;
        endcase
        if (reset) {m_arvalid, m_awvalid, reading, writing, done} <= 5'd0;
    end
endmodule
