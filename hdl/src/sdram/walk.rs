//! The lines of a burst, one after another.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Takes the address of an AXI4 burst and gives its lines of 16 bytes.
///
/// ```text
/// valid, addr, len, id ->|      |-> line_valid, row, bank, column, beyond, line_id, last
/// ready                <-| Walk |<- take
/// ```
///
/// * One burst at a time: `ready` when none is left. The first line is there in the next cycle.
/// * A burst does not cross 4 KiB (AXI4, A3.4.1): its lines walk through the columns of a row, and
///   then on to the next bank, so that the next row can be opened while this one is read.
/// * `beyond` says that the memory of 32 MiB does not have the line.
#[derive(LogicBlock, Default)]
pub struct Walk {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the burst.
    pub reset: Signal<In, Bit>,
    /// A burst is offered.
    pub valid: Signal<In, Bit>,
    /// It is taken.
    pub ready: Signal<Out, Bit>,
    /// Byte address.
    pub addr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub len: Signal<In, Bits<8>>,
    /// Its identifier.
    pub id: Signal<In, Bits<4>>,
    /// There is a line.
    pub line_valid: Signal<Out, Bit>,
    /// Its row.
    pub row: Signal<Out, Bits<13>>,
    /// Its bank.
    pub bank: Signal<Out, Bits<2>>,
    /// Its place in the row.
    pub column: Signal<Out, Bits<6>>,
    /// The memory has no such line.
    pub beyond: Signal<Out, Bit>,
    /// Identifier of the burst.
    pub line_id: Signal<Out, Bits<4>>,
    /// Last line of the burst.
    pub last: Signal<Out, Bit>,
    /// On to the next line.
    pub take: Signal<In, Bit>,
    busy: DFF<Bit>,
    page: DFF<Bits<13>>,
    place: DFF<Bits<8>>,
    left: DFF<Bits<8>>,
    tag: DFF<Bits<4>>,
    nowhere: DFF<Bit>,
}

impl Logic for Walk {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, busy, page, place, left, tag, nowhere);
        self.ready.next = !self.busy.q.val();
        self.line_valid.next = self.busy.q.val();
        self.row.next = self.page.q.val();
        self.bank.next = self.place.q.val().get_bits::<2>(6);
        self.column.next = self.place.q.val().get_bits::<6>(0);
        self.beyond.next = self.nowhere.q.val();
        self.line_id.next = self.tag.q.val();
        self.last.next = self.left.q.val() == 0;
        if self.take.val() {
            self.place.d.next = self.place.q.val() + 1;
            self.left.d.next = self.left.q.val() - 1;
            if self.left.q.val() == 0 {
                self.busy.d.next = false;
            }
        }
        if !self.busy.q.val() {
            self.busy.d.next = self.valid.val();
            self.page.d.next = self.addr.val().get_bits::<13>(12);
            self.place.d.next = self.addr.val().get_bits::<8>(4);
            self.left.d.next = self.len.val();
            self.tag.d.next = self.id.val();
            self.nowhere.d.next = self.addr.val().get_bits::<39>(25) != 0;
        }
        if self.reset.val() {
            self.busy.d.next = false;
        }
    }
}
