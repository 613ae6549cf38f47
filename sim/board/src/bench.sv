// The board around the FPGA: every pin of the top, and the wires that are driven from both sides.
//
// `clock` is no pin: it ticks every ticks::EIGHTHS eighths of a period of the PLL's oscillator, and is
// what that is simulated by.
module bench (
  input clock,
  input clk_25mhz,
  input ftdi_txd,
  output ftdi_rxd,
  output [7:0] led,
  input btn_fire1,
  output wifi_gpio0,
  output sdram_clk,
  output sdram_cke,
  output sdram_csn,
  output sdram_wen,
  output sdram_rasn,
  output sdram_casn,
  output [12:0] sdram_a,
  output [1:0] sdram_ba,
  output [1:0] sdram_dqm,
  output [15:0] sdram_d_seen,
  output [15:0] sdram_d_driven,
  input [15:0] chip_d,
  input chip_drives
);
  wire [15:0] sdram_d;
  assign sdram_d = chip_drives ? chip_d : 16'hzzzz;
  assign sdram_d_seen = sdram_d;
  assign sdram_d_driven = ~{
    top.sdram_d_pad_15.T, top.sdram_d_pad_14.T, top.sdram_d_pad_13.T, top.sdram_d_pad_12.T,
    top.sdram_d_pad_11.T, top.sdram_d_pad_10.T, top.sdram_d_pad_9.T, top.sdram_d_pad_8.T,
    top.sdram_d_pad_7.T, top.sdram_d_pad_6.T, top.sdram_d_pad_5.T, top.sdram_d_pad_4.T,
    top.sdram_d_pad_3.T, top.sdram_d_pad_2.T, top.sdram_d_pad_1.T, top.sdram_d_pad_0.T
  };
  systole_board top (
    .clk_25mhz(clk_25mhz), .ftdi_txd(ftdi_txd), .ftdi_rxd(ftdi_rxd), .led(led),
    .btn_fire1(btn_fire1), .wifi_gpio0(wifi_gpio0), .sdram_clk(sdram_clk), .sdram_cke(sdram_cke),
    .sdram_csn(sdram_csn), .sdram_wen(sdram_wen), .sdram_rasn(sdram_rasn),
    .sdram_casn(sdram_casn), .sdram_a(sdram_a), .sdram_ba(sdram_ba), .sdram_dqm(sdram_dqm),
    .sdram_d(sdram_d)
  );
endmodule
