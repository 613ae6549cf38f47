//! The clocks of a link, as a module of Verilog.

use crate::tops::Pll;

/// Name of the module.
pub const CLOCKS: &str = "systole_pcie_clocks";

/// The clock of the PIPE interface at 2.5 GT/s, two symbols wide, MHz.
const PIPE_MHZ: u32 = 125;

/// The PLL behind a transceiver, which makes both clocks of a link at 2.5 GT/s.
///
/// ```text
///               +-------+-> pipe_clock  125 MHz
/// lane_clock -->| PLLE2 |-> user_clock   62.5 MHz, in step with it
/// reset      -->|       |-> locked
///               +-------+
/// ```
///
/// `lane_clock` is the reference clock of the link as `TXOUTCLK` hands it on, so that both clocks run
/// exactly as fast as the lane. `reset` is for when it stands still (UG472).
pub fn clocks(pll: &Pll) -> String {
    let Pll {
        input_mhz,
        multiply,
        divide,
    } = pll;
    let period = 1e3 / input_mhz;
    let pipe_divide = (input_mhz * f64::from(*multiply)) as u32 / PIPE_MHZ;
    format!(
        "module {CLOCKS} (
  input  logic lane_clock,
  input  logic reset,
  output logic pipe_clock,
  output logic user_clock,
  output logic locked
);
  logic lane_clock_buffered, feedback, feedback_back, pipe, user;
  BUFG lane_buffer (.I(lane_clock), .O(lane_clock_buffered));
  PLLE2_ADV #(
    .BANDWIDTH(\"OPTIMIZED\"), .COMPENSATION(\"ZHOLD\"), .STARTUP_WAIT(\"FALSE\"),
    .CLKIN1_PERIOD({period:.3}), .DIVCLK_DIVIDE(1),
    .CLKFBOUT_MULT({multiply}), .CLKFBOUT_PHASE(0.0),
    .CLKOUT0_DIVIDE({pipe_divide}), .CLKOUT0_PHASE(0.0), .CLKOUT0_DUTY_CYCLE(0.5),
    .CLKOUT1_DIVIDE({divide}), .CLKOUT1_PHASE(0.0), .CLKOUT1_DUTY_CYCLE(0.5)
  ) pll (
    .CLKIN1(lane_clock_buffered), .CLKIN2(1'b0), .CLKINSEL(1'b1),
    .CLKFBIN(feedback_back), .CLKFBOUT(feedback), .CLKOUT0(pipe), .CLKOUT1(user),
    .RST(reset), .PWRDWN(1'b0), .LOCKED(locked),
    .DADDR(7'd0), .DCLK(1'b0), .DEN(1'b0), .DI(16'd0), .DWE(1'b0)
  );
  BUFG feedback_buffer (.I(feedback), .O(feedback_back));
  BUFG pipe_buffer (.I(pipe), .O(pipe_clock));
  BUFG user_buffer (.I(user), .O(user_clock));
endmodule
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Board;

    #[test]
    fn both_clocks_come_of_one_oscillator() {
        let board = Board::AcornCle215;
        let pll = Pll::find(board.part(), board.clock().mhz, 62.5).unwrap();
        let text = clocks(&pll);
        // 1,000 MHz, within what PLLE2 can do, by 8 and by 16.
        for part in [
            "CLKIN1_PERIOD(10.000)",
            "CLKFBOUT_MULT(10)",
            "CLKOUT0_DIVIDE(8)",
            "CLKOUT1_DIVIDE(16)",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
