//! One bit of a transceiver's attributes, while it runs.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Where an access to the transceiver stands.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum WidthState {
    /// There is none.
    Idle,
    /// It reads.
    Read,
    /// The transceiver is to answer.
    WaitRead,
    /// It writes.
    Write,
    /// The transceiver is to answer.
    WaitWrite,
}

/// Writes bit 11 of register 0x011 of a `GTPE2_CHANNEL` and leaves the others as they are: whether
/// `RX_DATA_WIDTH` is 20 bits (high) or 16 (low).
///
/// ```text
/// go, wide        -->+----------+--> done
/// d_ready, d_out  -->| WidthBit |--> d_enable, d_write, d_in
///                    +----------+
///
/// go    __/~\______________________________
/// wide  ==< >==============================
/// done  ~~~~\______________________________/~~~
/// ```
///
/// * `go` for a cycle while `done`; `wide` counts in that cycle.
/// * `d_*` is the port for attributes (DRP): `DRPEN`, `DRPWE`, `DRPDI`, `DRPDO` and `DRPRDY`, with
///   the register's number at `DRPADDR` (UG482, dynamic reconfiguration port). An access lasts until
///   `d_ready`.
#[derive(LogicBlock)]
pub struct WidthBit {
    /// Clock, that of the port too.
    pub clock: Signal<In, Clock>,
    /// Begin.
    pub go: Signal<In, Bit>,
    /// The bit.
    pub wide: Signal<In, Bit>,
    /// Nothing is under way.
    pub done: Signal<Out, Bit>,
    /// Begin an access.
    pub d_enable: Signal<Out, Bit>,
    /// It writes.
    pub d_write: Signal<Out, Bit>,
    /// What it writes.
    pub d_in: Signal<Out, Bits<16>>,
    /// What it has read.
    pub d_out: Signal<In, Bits<16>>,
    /// The access is done.
    pub d_ready: Signal<In, Bit>,
    state: DFF<WidthState>,
    bit: DFF<Bit>,
    value: DFF<Bits<16>>,
    others: Constant<Bits<16>>,
    mask: Constant<Bits<16>>,
}

impl Default for WidthBit {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            go: Default::default(),
            wide: Default::default(),
            done: Default::default(),
            d_enable: Default::default(),
            d_write: Default::default(),
            d_in: Default::default(),
            d_out: Default::default(),
            d_ready: Default::default(),
            state: Default::default(),
            bit: Default::default(),
            value: Default::default(),
            others: Constant::new(0xf7ffu64.into()),
            mask: Constant::new(0x0800u64.into()),
        }
    }
}

impl Logic for WidthBit {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, bit, value);
        self.done.next = false;
        self.d_enable.next = false;
        self.d_write.next = false;
        self.d_in.next = self.value.q.val();
        match self.state.q.val() {
            WidthState::Idle => {
                self.done.next = true;
                self.bit.d.next = self.wide.val();
                if self.go.val() {
                    self.state.d.next = WidthState::Read;
                }
            }
            WidthState::Read => {
                self.d_enable.next = true;
                self.state.d.next = WidthState::WaitRead;
            }
            WidthState::WaitRead => {
                self.value.d.next = self.d_out.val() & self.others.val();
                if self.bit.q.val() {
                    self.value.d.next = self.d_out.val() | self.mask.val();
                }
                if self.d_ready.val() {
                    self.state.d.next = WidthState::Write;
                }
            }
            WidthState::Write => {
                self.d_enable.next = true;
                self.d_write.next = true;
                self.state.d.next = WidthState::WaitWrite;
            }
            WidthState::WaitWrite => {
                if self.d_ready.val() {
                    self.state.d.next = WidthState::Idle;
                }
            }
            _ => {}
        }
    }
}
