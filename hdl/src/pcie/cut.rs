//! Cuts runs of bytes into pieces that one packet may ask for.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Cuts runs at multiples of the largest read request, which is also never more than a slot of the
/// reorder buffer holds: 128, 256 or 512 bytes.
///
/// ```text
/// run_valid, run_addr, run_bytes, run_id ->|     |-> piece_valid, piece_addr, piece_bytes,
/// run_ready                              <-| Cut |   piece_id, piece_end
/// max_read                               ->|     |<- piece_ready
/// ```
///
/// Because all cuts are at such multiples, no piece crosses 4 KiB (section 2.2.7), and all but the
/// first begin with a whole line. A piece a cycle; runs follow each other without a gap.
#[derive(LogicBlock, Default)]
pub struct Cut {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all runs, and the piece unless `hold`.
    pub reset: Signal<In, Bit>,
    /// The piece that is offered stays.
    pub hold: Signal<In, Bit>,
    /// Largest read request as in the device control register: 0 is 128 bytes, 1 256, and so on.
    pub max_read: Signal<In, Bits<3>>,
    /// A run is offered.
    pub run_valid: Signal<In, Bit>,
    /// Address of its first byte.
    pub run_addr: Signal<In, Bits<64>>,
    /// Its bytes, at least 1.
    pub run_bytes: Signal<In, Bits<14>>,
    /// Its identifier.
    pub run_id: Signal<In, Bits<4>>,
    /// The run is taken.
    pub run_ready: Signal<Out, Bit>,
    /// A piece is offered.
    pub piece_valid: Signal<Out, Bit>,
    /// Address of its first byte.
    pub piece_addr: Signal<Out, Bits<64>>,
    /// Its bytes, 1 to 512.
    pub piece_bytes: Signal<Out, Bits<10>>,
    /// Identifier of its run.
    pub piece_id: Signal<Out, Bits<4>>,
    /// It is the last of its run.
    pub piece_end: Signal<Out, Bit>,
    /// The piece is taken.
    pub piece_ready: Signal<In, Bit>,
    run: DFF<Bit>,
    addr: DFF<Bits<64>>,
    left: DFF<Bits<14>>,
    id: DFF<Bits<4>>,
    most: Signal<Local, Bits<14>>,
    offset: Signal<Local, Bits<14>>,
    room: Signal<Local, Bits<14>>,
    bytes: Signal<Local, Bits<14>>,
    ends: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    piece: DFF<Bit>,
    piece_at: DFF<Bits<64>>,
    piece_length: DFF<Bits<10>>,
    piece_of: DFF<Bits<4>>,
    piece_last: DFF<Bit>,
}

impl Logic for Cut {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            run,
            addr,
            left,
            id,
            piece,
            piece_at,
            piece_length,
            piece_of,
            piece_last
        );
        self.most.next = 512.into();
        if self.max_read.val() == 0 {
            self.most.next = 128.into();
        }
        if self.max_read.val() == 1 {
            self.most.next = 256.into();
        }
        self.offset.next = self.addr.q.val().get_bits::<14>(0) & (self.most.val() - 1);
        self.room.next = self.most.val() - self.offset.val();
        self.ends.next = self.left.q.val() <= self.room.val();
        self.bytes.next = self.room.val();
        if self.ends.val() {
            self.bytes.next = self.left.q.val();
        }
        self.moves.next = self.run.q.val() & ((!self.piece.q.val()) | self.piece_ready.val());
        self.takes.next = (!self.run.q.val()) | (self.moves.val() & self.ends.val());
        self.run_ready.next = self.takes.val();
        self.piece_valid.next = self.piece.q.val();
        self.piece_addr.next = self.piece_at.q.val();
        self.piece_bytes.next = self.piece_length.q.val();
        self.piece_id.next = self.piece_of.q.val();
        self.piece_end.next = self.piece_last.q.val();
        if self.piece_ready.val() {
            self.piece.d.next = false;
        }
        if self.moves.val() {
            self.piece.d.next = true;
            self.piece_at.d.next = self.addr.q.val();
            self.piece_length.d.next = self.bytes.val().get_bits::<10>(0);
            self.piece_of.d.next = self.id.q.val();
            self.piece_last.d.next = self.ends.val();
            self.addr.d.next = self.addr.q.val() + bit_cast::<64, 14>(self.bytes.val());
            self.left.d.next = self.left.q.val() - self.bytes.val();
        }
        if self.takes.val() {
            self.run.d.next = self.run_valid.val();
            self.addr.d.next = self.run_addr.val();
            self.left.d.next = self.run_bytes.val();
            self.id.d.next = self.run_id.val();
        }
        if self.reset.val() {
            self.run.d.next = false;
            self.piece.d.next = self.piece.q.val() & self.hold.val() & (!self.piece_ready.val());
        }
    }
}
