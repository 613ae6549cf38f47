//! From the endpoint to the hard block.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Turns the stream of [`hdl::pcie::Endpoint`] into what `PCIE_2_1` sends.
///
/// ```text
/// tx_valid, tx_last, tx_keep -->+---------+--> b_valid, b_first, b_last
/// tx_data[2]                 -->| ToBlock |--> b_whole, b_data
/// tx_ready                   <--+---------+<-- b_ready
///
/// b_data   63      32 31       0        word 0 = tx_data[0], word 1 = tx_data[1]
///         |  word 0  |  word 1  |       b_whole: both count; low only with b_last
/// ```
///
/// * A beat passes in the cycle in which it comes; one a cycle. What is offered stays as it is until
///   `b_ready`, because the endpoint offers from registers.
/// * `tx_ready` is `b_ready` alone: the block says itself when its buffers are full and when it sends
///   a packet of its own between two of ours.
/// * `reset` comes with that of the block: a packet that was begun is not finished.
///
/// Ports of the block: `TRNTSRCRDY`, `TRNTSOF`, `TRNTEOF`, `TRNTREM[0]`, `TRNTD[63:0]` and
/// `TRNTDSTRDY[0]` with `TRN_DW` false (UG477, transaction interface). `TRNTSTR` is to be low, so
/// that the block waits for the end of a packet before it sends it: packets may have gaps.
#[derive(LogicBlock, Default)]
pub struct ToBlock {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget that a packet is under way.
    pub reset: Signal<In, Bit>,
    /// A beat of the endpoint.
    pub tx_valid: Signal<In, Bit>,
    /// It is taken.
    pub tx_ready: Signal<Out, Bit>,
    /// Last of its packet.
    pub tx_last: Signal<In, Bit>,
    /// Words that count.
    pub tx_keep: Signal<In, Bits<4>>,
    /// The words.
    pub tx_data: [Signal<In, Bits<32>>; 2],
    /// A beat for the block.
    pub b_valid: Signal<Out, Bit>,
    /// It is taken.
    pub b_ready: Signal<In, Bit>,
    /// First of its packet.
    pub b_first: Signal<Out, Bit>,
    /// Last of its packet.
    pub b_last: Signal<Out, Bit>,
    /// Both words count.
    pub b_whole: Signal<Out, Bit>,
    /// Two words.
    pub b_data: Signal<Out, Bits<64>>,
    inside: DFF<Bit>,
    high: Signal<Local, Bits<64>>,
    low: Signal<Local, Bits<64>>,
}

impl Logic for ToBlock {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, inside);
        self.b_valid.next = self.tx_valid.val();
        self.b_first.next = !self.inside.q.val();
        self.b_last.next = self.tx_last.val();
        self.b_whole.next = self.tx_keep.val().get_bit(1);
        self.high.next = bit_cast::<64, 32>(self.tx_data[0].val());
        self.low.next = bit_cast::<64, 32>(self.tx_data[1].val());
        self.b_data.next = (self.high.val() << 32) | self.low.val();
        self.tx_ready.next = self.b_ready.val();
        if self.tx_valid.val() & self.b_ready.val() {
            self.inside.d.next = !self.tx_last.val();
        }
        if self.reset.val() {
            self.inside.d.next = false;
        }
    }
}
