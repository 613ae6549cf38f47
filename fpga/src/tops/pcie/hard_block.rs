//! The hard block of PCI Express, as a module of Verilog.

use isa::config::Config;
use isa::pci;

use super::instance::Instance;

/// Name of the module.
pub const HARD_BLOCK: &str = "systole_pcie_block";

/// Lanes that the block has.
const LANES: usize = 8;

const PORTS: &str = "
  input  logic pipe_clock,
  input  logic user_clock,
  // The transceiver is awake.
  input  logic ready,
  // PIPE interface, from the lane.
  input  logic [15:0] data,
  input  logic [1:0] control,
  input  logic valid,
  input  logic busy,
  input  logic [2:0] status,
  input  logic quiet,
  // PIPE interface, towards the lane.
  output logic [15:0] send_data,
  output logic [1:0] send_control,
  output logic send_quiet,
  output logic send_compliance,
  output logic send_deemphasis,
  output logic [2:0] send_margin,
  output logic detect,
  output logic [1:0] power,
  output logic polarity,
  // Received packets.
  output logic r_valid,
  input  logic r_ready,
  output logic r_first,
  output logic r_last,
  output logic r_whole,
  output logic r_broken,
  output logic [7:0] r_bar,
  output logic [63:0] r_data,
  // Packets to send.
  input  logic t_valid,
  output logic t_ready,
  input  logic t_first,
  input  logic t_last,
  input  logic t_whole,
  input  logic [63:0] t_data,
  // Configuration.
  output logic link_up,
  output logic message,
  output logic [15:0] message_data,
  output logic bus_master,
  output logic [2:0] max_payload,
  output logic [2:0] max_read,
  output logic msix_enable,
  output logic msix_mask,
  // Memories of packets.
  output logic rx_write,
  output logic [12:0] rx_write_at,
  output logic [71:0] rx_write_data,
  output logic rx_read,
  output logic [12:0] rx_read_at,
  input  logic [71:0] rx_read_data,
  output logic tx_write,
  output logic [12:0] tx_write_at,
  output logic [71:0] tx_write_data,
  output logic tx_read,
  output logic [12:0] tx_read_at,
  input  logic [71:0] tx_read_data
";

/// `PCIE_2_1` as an endpoint with one lane at 2.5 GT/s, for a card of this shape.
///
/// ```text
///               +----------+ r_*   received packets
/// PIPE      <-->|          |------------------->
///               | PCIE_2_1 | t_*   packets to send
/// ready     --->|          |<-------------------
///               |          |---> link_up, message*, bus_master, ...
///               +----------+
///                 ^      ^
///              rx_*|      |tx_*   memories of packets
/// ```
///
/// * Identity, windows and the place of MSI-X are those of [`isa::pci`]; the block itself answers
///   all requests for configuration, so they never reach the card.
/// * Capabilities: power management at 0x40, PCI Express at 0x60, MSI-X at 0x9c. No MSI, no INTx, no
///   extended ones. No function-level reset, which the block cannot do (PG054): a host resets the
///   card by its link.
/// * It takes digests off (`ENABLE_RX_TD_ECRC_TRIM`), as [`hdl::pcie::Endpoint`] wants it, and
///   checks of packets that the endpoint does anyhow stay on.
/// * 62.5 MHz and 64 bits: twice what the lane carries.
/// * Packets of its own it may send whenever it likes (`TRNTCFGGNT`), requests that want an answer
///   may always come (`TRNRNPOK`): its credits let 12 of them come, and the endpoint has room for
///   32. To the host's request to turn off it agrees at once.
/// * `link_up` is low while any part of the link, or a hot reset, asks for a reset of what is above.
pub fn hard_block(shape: &Config) -> String {
    let block = attributes(Instance::new("PCIE_2_1", "block"), shape);
    let block = live_pins(quiet_pins(block)).verilog();
    format!(
        "module {HARD_BLOCK} ({PORTS});
  logic up, user_reset_n, turn_off;
  logic [1:0] r_remainder;
  logic [127:0] r_wide;
  logic [3:0] t_ready_bits;
  assign link_up = up && user_reset_n;
  assign r_whole = r_remainder[0];
  assign r_data = r_wide[63:0];
  assign t_ready = t_ready_bits[0];
  assign rx_write_data[71:68] = 4'd0;
  assign tx_write_data[71:69] = 3'd0;
{block}endmodule
"
    )
}

/// What differs from the cell's own values.
fn attributes(block: Instance, shape: &Config) -> Instance {
    let hex = |bits: u32, value: u64| format!("{bits}'h{value:x}");
    let memory = u64::from(shape.card_memory_mib) << 20;
    // A window of 64 bits that may be read ahead.
    let window = match memory {
        0 => 0,
        bytes => !(bytes - 1) | 0xc,
    };
    let quarters = |offset: u32| hex(29, u64::from(offset) / 8);
    let block = block
        // Identity and windows.
        .set(&[
            ("CLASS_CODE", &hex(24, pci::CLASS.into())),
            (
                "BAR0",
                &hex(32, !(pci::REGISTER_BAR_BYTES - 1) & 0xffff_ffff),
            ),
            ("BAR1", "32'h0"),
            ("BAR2", &hex(32, window & 0xffff_ffff)),
            ("BAR3", &hex(32, window >> 32)),
            ("EXPANSION_ROM", "32'h0"),
        ])
        // Capabilities, one after the other.
        .set(&[
            ("PM_CAP_NEXTPTR", "8'h60"),
            ("PM_CAP_D1SUPPORT", "\"FALSE\""),
            ("PM_CAP_D2SUPPORT", "\"FALSE\""),
            ("PM_CAP_PMESUPPORT", "5'h0"),
            ("PCIE_CAP_NEXTPTR", "8'h9c"),
            ("MSIX_CAP_ON", "\"TRUE\""),
            ("MSIX_CAP_TABLE_BIR", &pci::REGISTER_BAR.to_string()),
            ("MSIX_CAP_TABLE_OFFSET", &quarters(pci::MSIX_TABLE)),
            ("MSIX_CAP_TABLE_SIZE", &hex(11, u64::from(shape.queues) - 1)),
            ("MSIX_CAP_PBA_BIR", &pci::REGISTER_BAR.to_string()),
            ("MSIX_CAP_PBA_OFFSET", &quarters(pci::MSIX_PENDING)),
            ("CMD_INTX_IMPLEMENTED", "\"FALSE\""),
            ("INTERRUPT_PIN", "8'h0"),
            ("DSN_CAP_ON", "\"FALSE\""),
            ("AER_BASE_PTR", "12'h0"),
            ("AER_CAP_NEXTPTR", "12'h0"),
            ("DSN_BASE_PTR", "12'h0"),
            ("DSN_CAP_NEXTPTR", "12'h0"),
            ("VC_BASE_PTR", "12'h0"),
            ("VSEC_BASE_PTR", "12'h0"),
            ("VSEC_CAP_NEXTPTR", "12'h0"),
            ("RBAR_BASE_PTR", "12'h0"),
            ("DEV_CAP_EXT_TAG_SUPPORTED", "\"FALSE\""),
            // 512 bytes.
            ("DEV_CAP_MAX_PAYLOAD_SUPPORTED", "2"),
        ])
        // The link: one lane, 2.5 GT/s, no power saving.
        .set(&[
            ("LINK_CAP_MAX_LINK_SPEED", "4'h1"),
            ("LINK_CAP_MAX_LINK_WIDTH", "6'h1"),
            ("LTSSM_MAX_LINK_WIDTH", "6'h1"),
            ("LINK_CTRL2_TARGET_LINK_SPEED", "4'h1"),
            ("LINK_CAP_ASPM_SUPPORT", "0"),
            ("LL_REPLAY_TIMEOUT_FUNC", "1"),
            ("DISABLE_LANE_REVERSAL", "\"TRUE\""),
            // 62.5 MHz.
            ("USER_CLK_FREQ", "1"),
            ("TRN_DW", "\"FALSE\""),
        ])
        // Packets: 16 KiB of memory for each direction, and the credits that go with it.
        .set(&[
            ("ENABLE_RX_TD_ECRC_TRIM", "\"TRUE\""),
            ("VC0_RX_RAM_LIMIT", "13'h7ff"),
            ("VC0_TOTAL_CREDITS_PH", "32"),
            ("VC0_TOTAL_CREDITS_PD", "437"),
            ("VC0_TOTAL_CREDITS_NPH", "12"),
            ("VC0_TOTAL_CREDITS_NPD", "24"),
            ("VC0_TOTAL_CREDITS_CH", "36"),
            ("VC0_TOTAL_CREDITS_CD", "461"),
            ("VC0_TX_LASTPACKET", "29"),
        ]);
    // Nothing is told of the power that the card takes.
    (0..8).fold(block, |block, state| {
        block.set(&[
            (&format!("PM_DATA{state}"), "8'h0"),
            (&format!("PM_DATA_SCALE{state}"), "2'h0"),
        ])
    })
}

/// Inputs that never change.
fn quiet_pins(block: Instance) -> Instance {
    let block = block
        // These are low while they ask for something.
        .all(
            &[
                "CFGERRACSN",
                "CFGERRATOMICEGRESSBLOCKEDN",
                "CFGERRCORN",
                "CFGERRCPLABORTN",
                "CFGERRCPLTIMEOUTN",
                "CFGERRCPLUNEXPECTN",
                "CFGERRECRCN",
                "CFGERRINTERNALCORN",
                "CFGERRINTERNALUNCORN",
                "CFGERRLOCKEDN",
                "CFGERRMALFORMEDN",
                "CFGERRMCBLOCKEDN",
                "CFGERRNORECOVERYN",
                "CFGERRPOISONEDN",
                "CFGERRPOSTEDN",
                "CFGERRURN",
                "CFGINTERRUPTASSERTN",
                "CFGINTERRUPTN",
                "CFGINTERRUPTSTATN",
                "CFGMGMTRDENN",
                "CFGMGMTWRENN",
                "CFGMGMTWRREADONLYN",
                "CFGMGMTWRRW1CASRWN",
                "CFGPMFORCESTATEENN",
                "CFGPMHALTASPML0SN",
                "CFGPMHALTASPML1N",
                "CFGPMSENDPMETON",
                "CFGPMWAKEN",
                "CFGTRNPENDINGN",
                "CMRSTN",
                "CMSTICKYRSTN",
                "DLRSTN",
                "FUNCLVLRSTN",
                "PLRSTN",
                "TLRSTN",
            ],
            "1'b1",
        )
        .all(
            &[
                "PLDOWNSTREAMDEEMPHSOURCE",
                "PLUPSTREAMPREFERDEEMPH",
                "TRNRNPOK",
                "TRNRNPREQ",
                "TRNRFCPRET",
                "TRNTCFGGNT",
            ],
            "1'b1",
        )
        .all(
            &[
                "CFGFORCECOMMONCLOCKOFF",
                "CFGFORCEEXTENDEDSYNCON",
                "DBGSUBMODE",
                "DRPCLK",
                "DRPEN",
                "DRPWE",
                "LL2SENDASREQL1",
                "LL2SENDENTERL1",
                "LL2SENDENTERL23",
                "LL2SENDPMACK",
                "LL2SUSPENDNOW",
                "LL2TLPRCV",
                "PLDIRECTEDLINKAUTON",
                "PLDIRECTEDLINKSPEED",
                "PLDIRECTEDLTSSMNEWVLD",
                "PLDIRECTEDLTSSMSTALL",
                "PLTRANSMITHOTRST",
                "TL2ASPMSUSPENDCREDITCHECK",
                "TL2PPMSUSPENDREQ",
                "TRNTDLLPSRCRDY",
                "TRNTECRCGEN",
                "TRNTERRFWD",
                "TRNTSRCDSC",
                "TRNTSTR",
            ],
            "1'b0",
        )
        .zeros(&[
            ("CFGERRAERHEADERLOG", 128),
            ("CFGERRTLPCPLHEADER", 48),
            ("CFGAERINTERRUPTMSGNUM", 5),
            ("CFGPCIECAPINTERRUPTMSGNUM", 5),
            ("CFGDSBUSNUMBER", 8),
            ("CFGDSDEVICENUMBER", 5),
            ("CFGDSFUNCTIONNUMBER", 3),
            ("CFGDSN", 64),
            ("CFGFORCEMPS", 3),
            ("CFGINTERRUPTDI", 8),
            ("CFGMGMTDI", 32),
            ("CFGMGMTDWADDR", 10),
            ("CFGPMFORCESTATE", 2),
            ("CFGPORTNUMBER", 8),
            ("DBGMODE", 2),
            ("DRPADDR", 9),
            ("DRPDI", 16),
            ("PL2DIRECTEDLSTATE", 5),
            ("PLDBGMODE", 3),
            ("PLDIRECTEDLINKCHANGE", 2),
            ("PLDIRECTEDLINKWIDTH", 2),
            ("PLDIRECTEDLTSSMNEW", 6),
            ("TRNFCSEL", 3),
            ("TRNTDLLPDATA", 32),
        ])
        .pins(&[
            ("CFGMGMTBYTEENN", "4'hf"),
            ("CFGVENDID", &format!("16'h{:x}", pci::VENDOR_ID)),
            ("CFGDEVID", &format!("16'h{:x}", pci::DEVICE_ID)),
            ("CFGREVID", &format!("8'h{:x}", pci::REVISION)),
            (
                "CFGSUBSYSVENDID",
                &format!("16'h{:x}", pci::SUBSYSTEM_VENDOR_ID),
            ),
            ("CFGSUBSYSID", &format!("16'h{:x}", pci::SUBSYSTEM_ID)),
        ]);
    // Lanes that are not there are quiet.
    (1..LANES).fold(block, |block, lane| {
        let pin = |name: &str| format!("PIPERX{lane}{name}");
        block
            .zeros(&[
                (&pin("DATA"), 16),
                (&pin("CHARISK"), 2),
                (&pin("STATUS"), 3),
                (&pin("VALID"), 1),
                (&pin("CHANISALIGNED"), 1),
                (&pin("PHYSTATUS"), 1),
            ])
            .pins(&[(&pin("ELECIDLE"), "1'b1")])
    })
}

/// What is connected.
fn live_pins(block: Instance) -> Instance {
    block.pins(&[
        ("PIPECLK", "pipe_clock"),
        ("USERCLK", "user_clock"),
        ("USERCLK2", "user_clock"),
        ("SYSRSTN", "ready"),
        ("USERRSTN", "user_reset_n"),
        ("TRNLNKUP", "up"),
        ("PIPERX0DATA", "data"),
        ("PIPERX0CHARISK", "control"),
        ("PIPERX0VALID", "valid"),
        // One lane is in step with itself.
        ("PIPERX0CHANISALIGNED", "valid"),
        ("PIPERX0PHYSTATUS", "busy"),
        ("PIPERX0STATUS", "status"),
        ("PIPERX0ELECIDLE", "quiet"),
        ("PIPERX0POLARITY", "polarity"),
        ("PIPETX0DATA", "send_data"),
        ("PIPETX0CHARISK", "send_control"),
        ("PIPETX0ELECIDLE", "send_quiet"),
        ("PIPETX0COMPLIANCE", "send_compliance"),
        ("PIPETX0POWERDOWN", "power"),
        ("PIPETXDEEMPH", "send_deemphasis"),
        ("PIPETXMARGIN", "send_margin"),
        ("PIPETXRCVRDET", "detect"),
        ("TRNRSRCRDY", "r_valid"),
        ("TRNRDSTRDY", "r_ready"),
        ("TRNRSOF", "r_first"),
        ("TRNREOF", "r_last"),
        ("TRNRREM", "r_remainder"),
        ("TRNRSRCDSC", "r_broken"),
        ("TRNRBARHIT", "r_bar"),
        ("TRNRD", "r_wide"),
        ("TRNTSRCRDY", "t_valid"),
        ("TRNTDSTRDY", "t_ready_bits"),
        ("TRNTSOF", "t_first"),
        ("TRNTEOF", "t_last"),
        ("TRNTREM", "{1'b0, t_whole}"),
        ("TRNTD", "{64'd0, t_data}"),
        ("CFGMSGRECEIVED", "message"),
        ("CFGMSGDATA", "message_data"),
        ("CFGMSGRECEIVEDPMETO", "turn_off"),
        ("CFGPMTURNOFFOKN", "!turn_off"),
        ("CFGCOMMANDBUSMASTERENABLE", "bus_master"),
        ("CFGDEVCONTROLMAXPAYLOAD", "max_payload"),
        ("CFGDEVCONTROLMAXREADREQ", "max_read"),
        ("CFGINTERRUPTMSIXENABLE", "msix_enable"),
        ("CFGINTERRUPTMSIXFM", "msix_mask"),
        ("MIMRXWEN", "rx_write"),
        ("MIMRXWADDR", "rx_write_at"),
        ("MIMRXWDATA", "rx_write_data[67:0]"),
        ("MIMRXREN", "rx_read"),
        ("MIMRXRADDR", "rx_read_at"),
        ("MIMRXRDATA", "rx_read_data[67:0]"),
        ("MIMTXWEN", "tx_write"),
        ("MIMTXWADDR", "tx_write_at"),
        ("MIMTXWDATA", "tx_write_data[68:0]"),
        ("MIMTXREN", "tx_read"),
        ("MIMTXRADDR", "tx_read_at"),
        ("MIMTXRDATA", "tx_read_data[68:0]"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_interrupts_stand_where_the_contract_has_them() {
        let shape = Config {
            queues: 4,
            card_memory_mib: 1,
            ..Config::with_array(4, 4)
        };
        let text = hard_block(&shape);
        for attribute in [
            // 64 KiB of registers.
            "BAR0(32'hffff0000)",
            // 1 MiB of memory, 64 bits, prefetchable.
            "BAR2(32'hfff0000c)",
            "BAR3(32'hffffffff)",
            "CLASS_CODE(24'h120000)",
            // Vectors 0 to 3, their table at 0x8000, what is pending at 0xc000, in units of 8 bytes.
            "MSIX_CAP_TABLE_SIZE(11'h3)",
            "MSIX_CAP_TABLE_OFFSET(29'h1000)",
            "MSIX_CAP_PBA_OFFSET(29'h1800)",
            "CFGVENDID(16'h10ee)",
            "CFGDEVID(16'h5359)",
        ] {
            assert!(text.contains(attribute), "{attribute}\n{text}");
        }
        let large = Config {
            card_memory_mib: 8192,
            ..shape
        };
        let text = hard_block(&large);
        assert!(text.contains("BAR2(32'hc)") && text.contains("BAR3(32'hfffffffe)"));
        let none = Config {
            card_memory_mib: 0,
            ..shape
        };
        let text = hard_block(&none);
        assert!(text.contains("BAR2(32'h0)") && text.contains("BAR3(32'h0)"));
    }
}
