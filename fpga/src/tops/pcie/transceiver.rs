//! The transceiver of one lane, as a module of Verilog.

use super::instance::Instance;

/// Name of the module.
pub const TRANSCEIVER: &str = "systole_transceiver";

const PORTS: &str = "
  // Pads.
  input  logic ref_p,
  input  logic ref_n,
  input  logic rx_p,
  input  logic rx_n,
  output logic tx_p,
  output logic tx_n,
  // Clocks: the reference clock handed on, and those that the PLL makes of it.
  output logic lane_clock,
  input  logic pipe_clock,
  input  logic user_clock,
  // Waking up.
  input  logic pll_reset,
  input  logic lane_reset,
  input  logic user_ready,
  output logic pll_locked,
  output logic rx_analogue_done,
  output logic tx_done,
  output logic rx_done,
  // The attribute that waking up changes.
  input  logic d_enable,
  input  logic d_write,
  input  logic [15:0] d_in,
  output logic [15:0] d_out,
  output logic d_ready,
  // PIPE interface, towards the lane.
  input  logic [15:0] send_data,
  input  logic [1:0] send_control,
  input  logic send_quiet,
  input  logic send_compliance,
  input  logic send_deemphasis,
  input  logic [2:0] send_margin,
  input  logic detect,
  input  logic [1:0] power,
  input  logic polarity,
  // PIPE interface, from the lane.
  output logic [15:0] data,
  output logic [1:0] control,
  output logic valid,
  output logic busy,
  output logic [2:0] status,
  output logic quiet
";

/// `IBUFDS_GTE2`, `GTPE2_COMMON` and `GTPE2_CHANNEL` for a lane of PCI Express at 2.5 GT/s with a
/// reference clock of 100 MHz.
///
/// ```text
/// ref_p, ref_n --> IBUFDS_GTE2 --> GTPE2_COMMON --> GTPE2_CHANNEL --> tx_p, tx_n
///                                  PLL0, 2.5 GHz    |  ^    ^ v       rx_p, rx_n -->
///                                     lane_clock <--+  |    PIPE interface
///                                                 pipe_clock
/// ```
///
/// * PLL0 runs at 100 MHz * 5 * 5, a lane at twice that by 2 (UG482, shared features).
/// * Two symbols, 20 bits on the lane, at 125 MHz. The buffers of both directions are used: without
///   that of the sender the phase of its clock would have to be aligned, which only links of several
///   lanes need.
/// * Receiver detection, electrical idle and beacon go the way of PCI Express (`PCS_PCIE_EN`,
///   `TX_DRIVE_MODE`), the signal detector is clocked by `user_clock`, clock correction drops and
///   adds SKP, alignment looks for COM.
pub fn transceiver() -> String {
    let buffer = Instance::new("IBUFDS_GTE2", "ref_buffer").pins(&[
        ("I", "ref_p"),
        ("IB", "ref_n"),
        ("CEB", "1'b0"),
        ("O", "ref_clock"),
    ]);
    let text = [buffer.verilog(), common().verilog(), channel().verilog()].concat();
    format!(
        "module {TRANSCEIVER} ({PORTS});
  logic ref_clock, pll0_clock, pll0_ref, pll1_clock, pll1_ref;
  logic [31:0] rx_data;
  logic [3:0] rx_control;
  assign data = rx_data[15:0];
  assign control = rx_control[1:0];
{text}endmodule
"
    )
}

fn common() -> Instance {
    Instance::new("GTPE2_COMMON", "common")
        .set(&[
            ("BIAS_CFG", "64'h0000000000050001"),
            ("PLL0_CFG", "27'h01F024C"),
            ("PLL0_FBDIV", "5"),
            ("PLL0_FBDIV_45", "5"),
            ("PLL0_REFCLK_DIV", "1"),
        ])
        .pins(&[
            ("GTREFCLK0", "ref_clock"),
            ("PLL0REFCLKSEL", "3'd1"),
            ("PLL0RESET", "pll_reset"),
            ("PLL0LOCK", "pll_locked"),
            ("PLL0OUTCLK", "pll0_clock"),
            ("PLL0OUTREFCLK", "pll0_ref"),
            ("PLL1OUTCLK", "pll1_clock"),
            ("PLL1OUTREFCLK", "pll1_ref"),
            ("PLL1REFCLKSEL", "3'd1"),
            ("BGRCALOVRD", "5'd31"),
        ])
        .all(
            &[
                "PLL0LOCKEN",
                "PLL1PD",
                "BGBYPASSB",
                "BGMONITORENB",
                "BGPDB",
                "BGRCALOVRDENB",
                "RCALENB",
            ],
            "1'b1",
        )
        .all(
            &[
                "PLL0PD",
                "PLL1LOCKEN",
                "PLL1RESET",
                "GTREFCLK1",
                "GTEASTREFCLK0",
                "GTEASTREFCLK1",
                "GTWESTREFCLK0",
                "GTWESTREFCLK1",
                "GTGREFCLK0",
                "GTGREFCLK1",
                "PLL0LOCKDETCLK",
                "PLL1LOCKDETCLK",
                "DRPCLK",
                "DRPEN",
                "DRPWE",
            ],
            "1'b0",
        )
        .zeros(&[
            ("DRPADDR", 8),
            ("DRPDI", 16),
            ("PLLRSVD1", 16),
            ("PLLRSVD2", 5),
            ("PMARSVD", 8),
        ])
}

fn channel() -> Instance {
    let channel = Instance::new("GTPE2_CHANNEL", "channel");
    wires(quiet_pins(attributes(channel)))
}

/// What differs from the cell's own values.
fn attributes(channel: Instance) -> Instance {
    channel
        // Rates and widths.
        .set(&[
            ("TXOUT_DIV", "2"),
            ("RXOUT_DIV", "2"),
            ("TX_CLK25_DIV", "4"),
            ("RX_CLK25_DIV", "4"),
            ("TX_DATA_WIDTH", "20"),
            ("RX_DATA_WIDTH", "20"),
        ])
        // Buffers.
        .set(&[
            ("TXBUF_EN", "\"TRUE\""),
            ("TX_XCLK_SEL", "\"TXOUT\""),
            ("TXBUF_RESET_ON_RATE_CHANGE", "\"TRUE\""),
            ("RXBUF_EN", "\"TRUE\""),
            ("RX_XCLK_SEL", "\"RXREC\""),
            ("RXBUF_ADDR_MODE", "\"FULL\""),
            ("RXBUF_EIDLE_HI_CNT", "4'd4"),
            ("RXBUF_EIDLE_LO_CNT", "4'd0"),
            ("RXBUF_RESET_ON_EIDLE", "\"TRUE\""),
            ("RXBUF_THRESH_OVFLW", "61"),
            ("RXBUF_THRESH_UNDFLW", "4"),
        ])
        // PCI Express: power states, electrical idle, detection of a receiver.
        .set(&[
            ("PCS_PCIE_EN", "\"TRUE\""),
            ("PCS_RSVD_ATTR", "48'h000000000100"),
            ("PD_TRANS_TIME_FROM_P2", "12'h03C"),
            ("PD_TRANS_TIME_NONE_P2", "8'h09"),
            ("PD_TRANS_TIME_TO_P2", "8'h64"),
            ("TX_RXDETECT_CFG", "14'd100"),
            ("TX_RXDETECT_REF", "3'b011"),
            ("TX_EIDLE_ASSERT_DELAY", "3'd2"),
            ("TX_EIDLE_DEASSERT_DELAY", "3'b010"),
            ("TXOOB_CFG", "1'b1"),
            ("RXOOB_CLK_CFG", "\"FABRIC\""),
            ("RX_SIG_VALID_DLY", "10"),
        ])
        // The driver: 3.5 dB of de-emphasis, swings of the PIPE interface.
        .set(&[
            ("TX_DRIVE_MODE", "\"PIPE\""),
            ("TX_DEEMPH0", "6'b010100"),
            ("TX_DEEMPH1", "6'b001011"),
            ("TX_MARGIN_FULL_0", "7'b1001111"),
            ("TX_MARGIN_FULL_1", "7'b1001110"),
            ("TX_MARGIN_FULL_2", "7'b1001101"),
            ("TX_MARGIN_FULL_3", "7'b1001100"),
            ("TX_MARGIN_FULL_4", "7'b1000011"),
            ("TX_MARGIN_LOW_0", "7'b1000101"),
            ("TX_MARGIN_LOW_1", "7'b1000110"),
            ("TX_MARGIN_LOW_2", "7'b1000011"),
            ("TX_MARGIN_LOW_3", "7'b1000010"),
            ("TX_MARGIN_LOW_4", "7'b1000000"),
        ])
        // The receiver's front end and its recovery of the clock.
        .set(&[
            ("RX_CM_TRIM", "4'b1010"),
            ("RX_OS_CFG", "13'h0080"),
            ("PMA_RSV", "32'h00000333"),
            ("PMA_RSV2", "32'h00002040"),
            ("RXPI_CFG1", "1'b1"),
            ("RXPI_CFG2", "1'b1"),
            ("RXCDR_CFG", "83'h0000107FE406001041010"),
            ("RXCDR_LOCK_CFG", "6'b010101"),
            ("RXCDR_HOLD_DURING_EIDLE", "1'b1"),
            ("RXLPM_HOLD_DURING_EIDLE", "1'b1"),
            ("RXLPM_CFG", "4'b0110"),
            ("RXLPM_GC_CFG", "9'b111100010"),
            ("RXLPM_GC_CFG2", "3'b001"),
            ("RXLPM_INCM_CFG", "1'b1"),
            ("RXLPM_OSINT_CFG", "3'b100"),
            ("TXPMARESET_TIME", "5'b00011"),
        ])
        // COM aligns, SKP is what clock correction adds and drops.
        .set(&[
            ("ALIGN_COMMA_ENABLE", "10'b1111111111"),
            ("ALIGN_MCOMMA_VALUE", "10'b1010000011"),
            ("ALIGN_PCOMMA_VALUE", "10'b0101111100"),
            ("DEC_VALID_COMMA_ONLY", "\"FALSE\""),
            ("SHOW_REALIGN_COMMA", "\"FALSE\""),
            ("RXSLIDE_MODE", "\"PMA\""),
            ("CLK_CORRECT_USE", "\"TRUE\""),
            ("CLK_COR_KEEP_IDLE", "\"TRUE\""),
            ("CLK_COR_MIN_LAT", "13"),
            ("CLK_COR_MAX_LAT", "15"),
            ("CLK_COR_SEQ_LEN", "1"),
            ("CLK_COR_SEQ_1_ENABLE", "4'b1111"),
            ("CLK_COR_SEQ_1_1", "10'b0100011100"),
            ("CLK_COR_SEQ_1_2", "10'd0"),
            ("CLK_COR_SEQ_1_3", "10'd0"),
            ("CLK_COR_SEQ_1_4", "10'd0"),
            ("CLK_COR_SEQ_2_USE", "\"FALSE\""),
            ("CLK_COR_SEQ_2_ENABLE", "4'b0000"),
            ("FTS_LANE_DESKEW_EN", "\"TRUE\""),
        ])
}

/// Inputs that never change.
fn quiet_pins(channel: Instance) -> Instance {
    channel
        .pins(&[
            // The reference clock of the PLL, undivided.
            ("TXOUTCLKSEL", "3'd3"),
            ("TXBUFDIFFCTRL", "3'd4"),
            ("TXDIFFCTRL", "4'b1100"),
            ("RXOSINTCFG", "4'b0010"),
            ("TSTIN", "20'hFFFFF"),
            // The register that holds RX_DATA_WIDTH.
            ("DRPADDR", "9'h011"),
        ])
        .all(
            &[
                "TX8B10BEN",
                "RX8B10BEN",
                "RXCOMMADETEN",
                "RXMCOMMAALIGNEN",
                "RXPCOMMAALIGNEN",
                "RXDLYBYPASS",
                "TXDLYBYPASS",
                "RXOSINTEN",
            ],
            "1'b1",
        )
        .all(
            &[
                "CFGRESET",
                "CLKRSVD0",
                "CLKRSVD1",
                "DMONFIFORESET",
                "DMONITORCLK",
                "EYESCANMODE",
                "EYESCANRESET",
                "EYESCANTRIGGER",
                "GTRESETSEL",
                "PMARSVDIN0",
                "PMARSVDIN1",
                "PMARSVDIN2",
                "PMARSVDIN3",
                "PMARSVDIN4",
                "RESETOVRD",
                "RXBUFRESET",
                "RXCDRFREQRESET",
                "RXCDRHOLD",
                "RXCDROVRDEN",
                "RXCDRRESET",
                "RXCDRRESETRSV",
                "RXCHBONDEN",
                "RXCHBONDMASTER",
                "RXCHBONDSLAVE",
                "RXDDIEN",
                "RXDFEXYDEN",
                "RXDLYEN",
                "RXDLYOVRDEN",
                "RXDLYSRESET",
                "RXGEARBOXSLIP",
                "RXLPMHFHOLD",
                "RXLPMHFOVRDEN",
                "RXLPMLFHOLD",
                "RXLPMLFOVRDEN",
                "RXLPMOSINTNTRLEN",
                "RXLPMRESET",
                "RXOOBRESET",
                "RXOSCALRESET",
                "RXOSHOLD",
                "RXOSINTHOLD",
                "RXOSINTNTRLEN",
                "RXOSINTOVRDEN",
                "RXOSINTPD",
                "RXOSINTSTROBE",
                "RXOSINTTESTOVRDEN",
                "RXOSOVRDEN",
                "RXPCSRESET",
                "RXPHALIGN",
                "RXPHALIGNEN",
                "RXPHDLYPD",
                "RXPHDLYRESET",
                "RXPHOVRDEN",
                "RXPMARESET",
                "RXPRBSCNTRESET",
                "RXRATEMODE",
                "RXSLIDE",
                "RXSYNCALLIN",
                "RXSYNCIN",
                "RXSYNCMODE",
                "SETERRSTATUS",
                "TXCOMINIT",
                "TXCOMSAS",
                "TXCOMWAKE",
                "TXDIFFPD",
                "TXDLYEN",
                "TXDLYHOLD",
                "TXDLYOVRDEN",
                "TXDLYSRESET",
                "TXDLYUPDOWN",
                "TXINHIBIT",
                "TXPCSRESET",
                "TXPDELECIDLEMODE",
                "TXPHALIGN",
                "TXPHALIGNEN",
                "TXPHDLYPD",
                "TXPHDLYRESET",
                "TXPHDLYTSTCLK",
                "TXPHINIT",
                "TXPHOVRDEN",
                "TXPIPPMEN",
                "TXPIPPMOVRDEN",
                "TXPIPPMPD",
                "TXPIPPMSEL",
                "TXPISOPD",
                "TXPMARESET",
                "TXPOLARITY",
                "TXPOSTCURSORINV",
                "TXPRBSFORCEERR",
                "TXPRECURSORINV",
                "TXRATEMODE",
                "TXSTARTSEQ",
                "TXSWING",
                "TXSYNCALLIN",
                "TXSYNCIN",
                "TXSYNCMODE",
            ],
            "1'b0",
        )
        .zeros(&[
            ("RXADAPTSELTEST", 14),
            ("GTRSVD", 16),
            ("PCSRSVDIN", 16),
            ("RXELECIDLEMODE", 2),
            ("RXSYSCLKSEL", 2),
            ("TXSYSCLKSEL", 2),
            ("LOOPBACK", 3),
            ("RXCHBONDLEVEL", 3),
            ("RXOUTCLKSEL", 3),
            ("RXPRBSSEL", 3),
            ("RXRATE", 3),
            ("TXHEADER", 3),
            ("TXPRBSSEL", 3),
            ("TXRATE", 3),
            ("RXCHBONDI", 4),
            ("RXOSINTID0", 4),
            ("TX8B10BBYPASS", 4),
            ("TXCHARDISPVAL", 4),
            ("TXPIPPMSTEPSIZE", 5),
            ("TXPOSTCURSOR", 5),
            ("TXPRECURSOR", 5),
            ("TXMAINCURSOR", 7),
            ("TXSEQUENCE", 7),
        ])
}

/// What is connected.
fn wires(channel: Instance) -> Instance {
    channel.pins(&[
        ("GTPRXP", "rx_p"),
        ("GTPRXN", "rx_n"),
        ("GTPTXP", "tx_p"),
        ("GTPTXN", "tx_n"),
        ("PLL0CLK", "pll0_clock"),
        ("PLL0REFCLK", "pll0_ref"),
        ("PLL1CLK", "pll1_clock"),
        ("PLL1REFCLK", "pll1_ref"),
        ("TXOUTCLK", "lane_clock"),
        ("TXUSRCLK", "pipe_clock"),
        ("TXUSRCLK2", "pipe_clock"),
        ("RXUSRCLK", "pipe_clock"),
        ("RXUSRCLK2", "pipe_clock"),
        ("SIGVALIDCLK", "user_clock"),
        ("DRPCLK", "pipe_clock"),
        ("DRPEN", "d_enable"),
        ("DRPWE", "d_write"),
        ("DRPDI", "d_in"),
        ("DRPDO", "d_out"),
        ("DRPRDY", "d_ready"),
        ("GTTXRESET", "lane_reset"),
        ("GTRXRESET", "lane_reset"),
        ("TXUSERRDY", "user_ready"),
        ("RXUSERRDY", "user_ready"),
        ("RXPMARESETDONE", "rx_analogue_done"),
        ("TXRESETDONE", "tx_done"),
        ("RXRESETDONE", "rx_done"),
        ("TXDATA", "{16'd0, send_data}"),
        ("TXCHARISK", "{2'd0, send_control}"),
        ("TXELECIDLE", "send_quiet"),
        ("TXCHARDISPMODE", "{3'd0, send_compliance}"),
        ("TXDEEMPH", "send_deemphasis"),
        ("TXMARGIN", "send_margin"),
        ("TXDETECTRX", "detect"),
        ("TXPD", "power"),
        ("RXPD", "power"),
        ("RXPOLARITY", "polarity"),
        ("RXDATA", "rx_data"),
        ("RXCHARISK", "rx_control"),
        ("RXVALID", "valid"),
        ("PHYSTATUS", "busy"),
        ("RXSTATUS", "status"),
        ("RXELECIDLE", "quiet"),
    ])
}
