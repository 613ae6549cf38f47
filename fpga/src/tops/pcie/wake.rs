//! The order in which a transceiver wakes up.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// How far a transceiver is awake.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum WakeState {
    /// It was configured a moment ago.
    Settle,
    /// Everything in it is in reset, and its receiver is made narrow.
    Hold,
    /// Its PLL is to lock.
    Lock,
    /// The analogue part of the receiver is to come out of reset.
    Rise,
    /// And into the rest of its own sequence.
    Fall,
    /// The receiver is made wide again.
    Widen,
    /// Both directions are to be out of reset.
    Finish,
    /// It is awake.
    Ready,
}

/// Takes a `GTPE2_CHANNEL` and its `GTPE2_COMMON` out of reset for PCI Express.
///
/// ```text
/// reset, width_done             -->+------+--> pll_reset, lane_reset, user_ready
/// pll_locked, rx_analogue_done  -->| Wake |--> width_go, wide
/// tx_done, rx_done, busy        -->|      |--> ready
///                                  +------+
///
/// pll_reset   ______/~~~~~~\___________________________    64 cycles after `reset`,
/// lane_reset  ______/~~~~~~~~~~~~~~~\__________________    64 long at least
/// pll_locked  _________________/~~~~~~~~~~~~~~~~~~~~~~~
/// rx_analogue_done ______________________/~~~\_________
/// wide        ??????\____________________________/~~~~~
/// user_ready  _________________________________________/~
/// ```
///
/// * Configuration must be 500 ns old before the first reset: 64 cycles at 125 MHz (UG482, reset and
///   initialization). The receiver starts with 16 bits and gets its 20 back when the analogue part
///   has been through its reset, as the same chapter demands of the sequence that `GTRXRESET`
///   begins.
/// * `reset` and the inputs that tell how far the transceiver is need not belong to the clock; all
///   but `width_done` pass two registers. So does the end of `reset`; its begin ends `ready` at the
///   third edge.
/// * `busy` is `PHYSTATUS`, high until the transceiver can be used.
#[derive(LogicBlock, Default)]
pub struct Wake {
    /// Clock.
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
    /// `PHYSTATUS`.
    pub busy: Signal<In, Bit>,
    /// The width is what was asked for.
    pub width_done: Signal<In, Bit>,
    /// Change the width.
    pub width_go: Signal<Out, Bit>,
    /// To 20 bits.
    pub wide: Signal<Out, Bit>,
    /// `PLL0RESET`.
    pub pll_reset: Signal<Out, Bit>,
    /// `GTTXRESET` and `GTRXRESET`.
    pub lane_reset: Signal<Out, Bit>,
    /// `TXUSERRDY` and `RXUSERRDY`.
    pub user_ready: Signal<Out, Bit>,
    /// The transceiver is awake.
    pub ready: Signal<Out, Bit>,
    state: DFF<WakeState>,
    count: DFF<Bits<6>>,
    asked: DFF<Bit>,
    seen: [DFF<Bits<6>>; 2],
    pll: DFF<Bit>,
    lane: DFF<Bit>,
    user: DFF<Bit>,
    awake: DFF<Bit>,
    raw: [Signal<Local, Bits<6>>; 6],
    again: Signal<Local, Bit>,
    locked: Signal<Local, Bit>,
    analogue: Signal<Local, Bit>,
    finished: Signal<Local, Bit>,
}

impl Logic for Wake {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, count, asked, pll, lane, user, awake);
        for i in 0..2usize {
            self.seen[i].clock.next = self.clock.val();
        }
        for i in 0..6usize {
            self.raw[i].next = 0.into();
        }
        if !self.reset.val() {
            self.raw[0].next = 1.into();
        }
        if self.pll_locked.val() {
            self.raw[1].next = 2.into();
        }
        if self.rx_analogue_done.val() {
            self.raw[2].next = 4.into();
        }
        if self.tx_done.val() {
            self.raw[3].next = 8.into();
        }
        if self.rx_done.val() {
            self.raw[4].next = 16.into();
        }
        if !self.busy.val() {
            self.raw[5].next = 32.into();
        }
        self.seen[0].d.next = self.raw[0].val()
            | self.raw[1].val()
            | self.raw[2].val()
            | self.raw[3].val()
            | self.raw[4].val()
            | self.raw[5].val();
        self.seen[1].d.next = self.seen[0].q.val();
        self.again.next = !self.seen[1].q.val().get_bit(0);
        self.locked.next = self.seen[1].q.val().get_bit(1);
        self.analogue.next = self.seen[1].q.val().get_bit(2);
        self.finished.next = self.seen[1].q.val().get_bits::<3>(3) == 7;

        self.width_go.next = false;
        self.wide.next = false;
        self.count.d.next = self.count.q.val() + 1;
        match self.state.q.val() {
            WakeState::Settle => {
                self.asked.d.next = false;
                if self.count.q.val() == 63 {
                    self.state.d.next = WakeState::Hold;
                }
            }
            WakeState::Hold => {
                self.pll.d.next = true;
                self.lane.d.next = true;
                self.width_go.next = (!self.asked.q.val()) & self.width_done.val();
                self.asked.d.next = self.asked.q.val() | self.width_done.val();
                if (self.count.q.val() == 63) & self.asked.q.val() & self.width_done.val() {
                    self.state.d.next = WakeState::Lock;
                }
            }
            WakeState::Lock => {
                self.pll.d.next = false;
                self.asked.d.next = false;
                if self.locked.val() & (!self.pll.q.val()) {
                    self.state.d.next = WakeState::Rise;
                }
            }
            WakeState::Rise => {
                self.lane.d.next = false;
                if self.analogue.val() & (!self.lane.q.val()) {
                    self.state.d.next = WakeState::Fall;
                }
            }
            WakeState::Fall => {
                if !self.analogue.val() {
                    self.state.d.next = WakeState::Widen;
                }
            }
            WakeState::Widen => {
                self.wide.next = true;
                self.width_go.next = (!self.asked.q.val()) & self.width_done.val();
                self.asked.d.next = self.asked.q.val() | self.width_done.val();
                if self.asked.q.val() & self.width_done.val() {
                    self.state.d.next = WakeState::Finish;
                }
            }
            WakeState::Finish => {
                self.user.d.next = true;
                if self.finished.val() & self.user.q.val() {
                    self.state.d.next = WakeState::Ready;
                }
            }
            WakeState::Ready => {
                self.awake.d.next = true;
            }
            _ => {}
        }
        self.pll_reset.next = self.pll.q.val();
        self.lane_reset.next = self.lane.q.val();
        self.user_ready.next = self.user.q.val();
        self.ready.next = self.awake.q.val();
        if self.again.val() {
            self.state.d.next = WakeState::Settle;
            self.count.d.next = 0.into();
            self.pll.d.next = false;
            self.lane.d.next = false;
            self.user.d.next = false;
            self.awake.d.next = false;
            self.width_go.next = false;
        }
    }
}
