//! Everything with the clock of the PIPE interface.

use rust_hdl_core::prelude::*;

use super::{LaneIn, Wake, WidthBit};

/// Wakes the transceiver up and stands between it and the hard block.
///
/// ```text
/// reset  --> Wake --> pll_reset, lane_reset, user_ready, ready
///             |^
///             v|
///           WidthBit <--> d_*    attributes of the transceiver
///
/// data, control, valid, busy, status, quiet --> LaneIn --> pipe_*
/// ```
///
/// What each port is stands at [`Wake`], [`WidthBit`] and [`LaneIn`]. What the hard block sends goes
/// to the transceiver without passing here: both are clocked by `clock`.
#[derive(LogicBlock, Default)]
pub struct Phy {
    /// Clock: 125 MHz for 2.5 GT/s.
    pub clock: Signal<In, Clock>,
    /// Begin anew.
    pub reset: Signal<In, Bit>,
    /// `PLL0LOCK`.
    pub pll_locked: Signal<In, Bit>,
    /// `RXPMARESETDONE`.
    pub rx_analogue_done: Signal<In, Bit>,
    /// `TXRESETDONE`.
    pub tx_done: Signal<In, Bit>,
    /// `RXRESETDONE`.
    pub rx_done: Signal<In, Bit>,
    /// `PLL0RESET`.
    pub pll_reset: Signal<Out, Bit>,
    /// `GTTXRESET` and `GTRXRESET`.
    pub lane_reset: Signal<Out, Bit>,
    /// `TXUSERRDY` and `RXUSERRDY`.
    pub user_ready: Signal<Out, Bit>,
    /// The transceiver is awake.
    pub ready: Signal<Out, Bit>,
    /// `DRPEN`.
    pub d_enable: Signal<Out, Bit>,
    /// `DRPWE`.
    pub d_write: Signal<Out, Bit>,
    /// `DRPDI`.
    pub d_in: Signal<Out, Bits<16>>,
    /// `DRPDO`.
    pub d_out: Signal<In, Bits<16>>,
    /// `DRPRDY`.
    pub d_ready: Signal<In, Bit>,
    /// `RXDATA`.
    pub data: Signal<In, Bits<16>>,
    /// `RXCHARISK`.
    pub control: Signal<In, Bits<2>>,
    /// `RXVALID`.
    pub valid: Signal<In, Bit>,
    /// `PHYSTATUS`.
    pub busy: Signal<In, Bit>,
    /// `RXSTATUS`.
    pub status: Signal<In, Bits<3>>,
    /// `RXELECIDLE`.
    pub quiet: Signal<In, Bit>,
    /// `PIPERX0DATA`.
    pub pipe_data: Signal<Out, Bits<16>>,
    /// `PIPERX0CHARISK`.
    pub pipe_control: Signal<Out, Bits<2>>,
    /// `PIPERX0VALID`.
    pub pipe_valid: Signal<Out, Bit>,
    /// `PIPERX0PHYSTATUS`.
    pub pipe_busy: Signal<Out, Bit>,
    /// `PIPERX0STATUS`.
    pub pipe_status: Signal<Out, Bits<3>>,
    /// `PIPERX0ELECIDLE`.
    pub pipe_quiet: Signal<Out, Bit>,
    wake: Wake,
    width: WidthBit,
    lane_in: LaneIn,
}

impl Logic for Phy {
    #[hdl_gen]
    fn update(&mut self) {
        self.wake.clock.next = self.clock.val();
        self.wake.reset.next = self.reset.val();
        self.wake.pll_locked.next = self.pll_locked.val();
        self.wake.rx_analogue_done.next = self.rx_analogue_done.val();
        self.wake.tx_done.next = self.tx_done.val();
        self.wake.rx_done.next = self.rx_done.val();
        self.wake.busy.next = self.busy.val();
        self.wake.width_done.next = self.width.done.val();
        self.pll_reset.next = self.wake.pll_reset.val();
        self.lane_reset.next = self.wake.lane_reset.val();
        self.user_ready.next = self.wake.user_ready.val();
        self.ready.next = self.wake.ready.val();

        self.width.clock.next = self.clock.val();
        self.width.go.next = self.wake.width_go.val();
        self.width.wide.next = self.wake.wide.val();
        self.width.d_out.next = self.d_out.val();
        self.width.d_ready.next = self.d_ready.val();
        self.d_enable.next = self.width.d_enable.val();
        self.d_write.next = self.width.d_write.val();
        self.d_in.next = self.width.d_in.val();

        self.lane_in.clock.next = self.clock.val();
        self.lane_in.ready.next = self.wake.ready.val();
        self.lane_in.data.next = self.data.val();
        self.lane_in.control.next = self.control.val();
        self.lane_in.valid.next = self.valid.val();
        self.lane_in.busy.next = self.busy.val();
        self.lane_in.status.next = self.status.val();
        self.lane_in.quiet.next = self.quiet.val();
        self.pipe_data.next = self.lane_in.pipe_data.val();
        self.pipe_control.next = self.lane_in.pipe_control.val();
        self.pipe_valid.next = self.lane_in.pipe_valid.val();
        self.pipe_busy.next = self.lane_in.pipe_busy.val();
        self.pipe_status.next = self.lane_in.pipe_status.val();
        self.pipe_quiet.next = self.lane_in.pipe_quiet.val();
    }
}
