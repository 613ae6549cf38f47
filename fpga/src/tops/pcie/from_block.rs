//! From the hard block to the endpoint.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Turns what `PCIE_2_1` has received into the stream of [`hdl::pcie::Endpoint`].
///
/// ```text
/// b_valid, b_first, b_last   -->+-----------+--> rx_valid, rx_last, rx_keep
/// b_whole, b_broken, b_bar   -->| FromBlock |--> rx_bar, rx_data[2]
/// b_data                     -->|           |<-- rx_ready
/// b_ready                    <--+-----------+--> lost
///
/// b_data   63      32 31       0        rx_data[0] = word 0, rx_data[1] = word 1
///         |  word 0  |  word 1  |       b_whole low with b_last: word 1 does not count
/// ```
///
/// * A beat passes in the cycle in which it comes and waits where it is while `rx_ready` is low; one
///   a cycle. `b_ready` is `rx_ready` alone.
/// * In both streams bits 31:24 of a word are the byte that was sent first.
/// * A beat that belongs to no packet, because none began or because it was broken off, is taken and
///   not shown. `b_broken` counts also while `b_valid` is low.
/// * `lost` follows for a cycle when a packet is broken off of which a part was shown. The block
///   does that only when the link goes down, so whoever has that part is to be reset.
///
/// Ports of the block: `TRNRSRCRDY`, `TRNRSOF`, `TRNREOF`, `TRNRREM[0]`, `TRNRSRCDSC`, `TRNRBARHIT`,
/// `TRNRD[63:0]` and `TRNRDSTRDY` with `TRN_DW` false (UG477, transaction interface).
#[derive(LogicBlock, Default)]
pub struct FromBlock {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the packet under way.
    pub reset: Signal<In, Bit>,
    /// The block has a beat.
    pub b_valid: Signal<In, Bit>,
    /// It is taken.
    pub b_ready: Signal<Out, Bit>,
    /// First of its packet.
    pub b_first: Signal<In, Bit>,
    /// Last of its packet.
    pub b_last: Signal<In, Bit>,
    /// Both words count.
    pub b_whole: Signal<In, Bit>,
    /// The packet goes no further and is void.
    pub b_broken: Signal<In, Bit>,
    /// Windows that the packet hits, with its first beat.
    pub b_bar: Signal<In, Bits<8>>,
    /// Two words.
    pub b_data: Signal<In, Bits<64>>,
    /// A beat for the endpoint.
    pub rx_valid: Signal<Out, Bit>,
    /// It is taken.
    pub rx_ready: Signal<In, Bit>,
    /// Last of its packet.
    pub rx_last: Signal<Out, Bit>,
    /// Words that count.
    pub rx_keep: Signal<Out, Bits<4>>,
    /// Windows that the packet hits, with its first beat.
    pub rx_bar: Signal<Out, Bits<7>>,
    /// The words.
    pub rx_data: [Signal<Out, Bits<32>>; 2],
    /// A packet was broken off of which a part was shown.
    pub lost: Signal<Out, Bit>,
    inside: DFF<Bit>,
    torn: DFF<Bit>,
    shown: Signal<Local, Bit>,
}

impl Logic for FromBlock {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, inside, torn);
        self.shown.next = self.b_valid.val()
            & (!self.b_broken.val())
            & (self.b_first.val() | self.inside.q.val());
        self.rx_valid.next = self.shown.val();
        self.rx_last.next = self.b_last.val();
        self.rx_keep.next = 3.into();
        if self.b_last.val() & (!self.b_whole.val()) {
            self.rx_keep.next = 1.into();
        }
        self.rx_bar.next = self.b_bar.val().get_bits::<7>(0);
        self.rx_data[0].next = self.b_data.val().get_bits::<32>(32);
        self.rx_data[1].next = self.b_data.val().get_bits::<32>(0);
        self.b_ready.next = self.rx_ready.val();

        if self.shown.val() & self.rx_ready.val() {
            self.inside.d.next = !self.b_last.val();
        }
        self.torn.d.next = self.inside.q.val() & self.b_broken.val();
        if self.b_broken.val() {
            self.inside.d.next = false;
        }
        self.lost.next = self.torn.q.val();
        if self.reset.val() {
            self.inside.d.next = false;
            self.torn.d.next = false;
        }
    }
}
