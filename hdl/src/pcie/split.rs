//! The card's memory port to the host or to the card's own memory.

use isa::command::ADDRESS_BITS;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bursts::Owed;
use crate::mem::ShownFifo;

/// Bursts that may be under way in each direction.
const BURSTS: usize = 64;

/// Sends the bursts of [`crate::card::Card`] to the host (`h_*`) or to the card's memory (`l_*`),
/// by the highest bit of their addresses, and gives the answers back in the order of the bursts.
///
/// ```text
///          +-------+---> h_* : PCIe
/// m_* <--->| Split |
///          +-------+---> l_* : card memory, addresses from 0
/// ```
///
/// * An answer waits until all those before it have gone, whatever their identifiers; either side
///   must give its own in order. At most 64 bursts are under way in each direction. Between the
///   answers of two bursts no cycle but one passes without a line.
/// * A write burst is handed on when the data of the one before has gone, so that none waits for
///   data that stands behind data for the other side.
/// * No `valid` depends on a `ready`. `reset` forgets everything.
#[derive(LogicBlock)]
pub struct Split {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget what is owed.
    pub reset: Signal<In, Bit>,
    /// Read address channel.
    pub m_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub m_arready: Signal<Out, Bit>,
    /// Byte address.
    pub m_araddr: Signal<In, Bits<64>>,
    /// Identifier.
    pub m_arid: Signal<In, Bits<4>>,
    /// Read data channel.
    pub m_rvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub m_rready: Signal<In, Bit>,
    /// Line.
    pub m_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Identifier.
    pub m_rid: Signal<Out, Bits<4>>,
    /// Not 0: the line could not be read.
    pub m_rresp: Signal<Out, Bits<2>>,
    /// Why.
    pub m_ruser: Signal<Out, Bits<3>>,
    /// Last line of its burst.
    pub m_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub m_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub m_awready: Signal<Out, Bit>,
    /// Byte address.
    pub m_awaddr: Signal<In, Bits<64>>,
    /// Identifier.
    pub m_awid: Signal<In, Bits<4>>,
    /// Write data channel.
    pub m_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub m_wready: Signal<Out, Bit>,
    /// Last line of its burst.
    pub m_wlast: Signal<In, Bit>,
    /// Write response channel.
    pub m_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub m_bready: Signal<In, Bit>,
    /// Identifier.
    pub m_bid: Signal<Out, Bits<4>>,
    /// Not 0: the burst could not be written.
    pub m_bresp: Signal<Out, Bits<2>>,
    /// Why.
    pub m_buser: Signal<Out, Bits<3>>,
    /// The host: read address channel; address and length are those of `m_*`.
    pub h_arvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub h_arready: Signal<In, Bit>,
    /// Read data channel.
    pub h_rvalid: Signal<In, Bit>,
    /// The line is taken.
    pub h_rready: Signal<Out, Bit>,
    /// Line.
    pub h_rdata: Vec<Signal<In, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub h_rresp: Signal<In, Bits<2>>,
    /// Why.
    pub h_ruser: Signal<In, Bits<3>>,
    /// Last line of its burst.
    pub h_rlast: Signal<In, Bit>,
    /// Write address channel; address and length are those of `m_*`.
    pub h_awvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub h_awready: Signal<In, Bit>,
    /// Write data channel; the line is that of `m_*`.
    pub h_wvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub h_wready: Signal<In, Bit>,
    /// Write response channel.
    pub h_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub h_bready: Signal<Out, Bit>,
    /// Not 0: the burst could not be written.
    pub h_bresp: Signal<In, Bits<2>>,
    /// Why.
    pub h_buser: Signal<In, Bits<3>>,
    /// The card's memory: as `h_*`, but errors have no cause.
    pub l_arvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_arready: Signal<In, Bit>,
    /// Byte address in the card's memory.
    pub l_araddr: Signal<Out, Bits<64>>,
    /// Read data channel.
    pub l_rvalid: Signal<In, Bit>,
    /// The line is taken.
    pub l_rready: Signal<Out, Bit>,
    /// Line.
    pub l_rdata: Vec<Signal<In, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub l_rresp: Signal<In, Bits<2>>,
    /// Last line of its burst.
    pub l_rlast: Signal<In, Bit>,
    /// Write address channel.
    pub l_awvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_awready: Signal<In, Bit>,
    /// Byte address in the card's memory.
    pub l_awaddr: Signal<Out, Bits<64>>,
    /// Write data channel.
    pub l_wvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub l_wready: Signal<In, Bit>,
    /// Write response channel.
    pub l_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub l_bready: Signal<Out, Bit>,
    /// Not 0: the burst could not be written.
    pub l_bresp: Signal<In, Bits<2>>,
    reads: ShownFifo<Owed>,
    writes: ShownFifo<Owed>,
    /// Data of a write burst is owed, and to whom it goes.
    sending: DFF<Bit>,
    sending_local: DFF<Bit>,
    ar_local: Signal<Local, Bit>,
    ar_taken: Signal<Local, Bit>,
    r_local: Signal<Local, Bit>,
    r_host: Signal<Local, Bit>,
    r_valid: Signal<Local, Bit>,
    r_last: Signal<Local, Bit>,
    aw_local: Signal<Local, Bit>,
    aw_free: Signal<Local, Bit>,
    aw_taken: Signal<Local, Bit>,
    w_local: Signal<Local, Bit>,
    w_host: Signal<Local, Bit>,
    w_ready: Signal<Local, Bit>,
    b_local: Signal<Local, Bit>,
    b_host: Signal<Local, Bit>,
    b_valid: Signal<Local, Bit>,
    offset_mask: Constant<Bits<64>>,
    _words: usize,
}

impl Split {
    /// A split of a port of `words` 32-bit words.
    pub fn new(words: usize) -> Self {
        let inputs = || (0..words).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            m_arvalid: Default::default(),
            m_arready: Default::default(),
            m_araddr: Default::default(),
            m_arid: Default::default(),
            m_rvalid: Default::default(),
            m_rready: Default::default(),
            m_rdata: (0..words).map(|_| Signal::default()).collect(),
            m_rid: Default::default(),
            m_rresp: Default::default(),
            m_ruser: Default::default(),
            m_rlast: Default::default(),
            m_awvalid: Default::default(),
            m_awready: Default::default(),
            m_awaddr: Default::default(),
            m_awid: Default::default(),
            m_wvalid: Default::default(),
            m_wready: Default::default(),
            m_wlast: Default::default(),
            m_bvalid: Default::default(),
            m_bready: Default::default(),
            m_bid: Default::default(),
            m_bresp: Default::default(),
            m_buser: Default::default(),
            h_arvalid: Default::default(),
            h_arready: Default::default(),
            h_rvalid: Default::default(),
            h_rready: Default::default(),
            h_rdata: inputs(),
            h_rresp: Default::default(),
            h_ruser: Default::default(),
            h_rlast: Default::default(),
            h_awvalid: Default::default(),
            h_awready: Default::default(),
            h_wvalid: Default::default(),
            h_wready: Default::default(),
            h_bvalid: Default::default(),
            h_bready: Default::default(),
            h_bresp: Default::default(),
            h_buser: Default::default(),
            l_arvalid: Default::default(),
            l_arready: Default::default(),
            l_araddr: Default::default(),
            l_rvalid: Default::default(),
            l_rready: Default::default(),
            l_rdata: inputs(),
            l_rresp: Default::default(),
            l_rlast: Default::default(),
            l_awvalid: Default::default(),
            l_awready: Default::default(),
            l_awaddr: Default::default(),
            l_wvalid: Default::default(),
            l_wready: Default::default(),
            l_bvalid: Default::default(),
            l_bready: Default::default(),
            l_bresp: Default::default(),
            reads: ShownFifo::new(BURSTS),
            writes: ShownFifo::new(BURSTS),
            sending: Default::default(),
            sending_local: Default::default(),
            ar_local: Default::default(),
            ar_taken: Default::default(),
            r_local: Default::default(),
            r_host: Default::default(),
            r_valid: Default::default(),
            r_last: Default::default(),
            aw_local: Default::default(),
            aw_free: Default::default(),
            aw_taken: Default::default(),
            w_local: Default::default(),
            w_host: Default::default(),
            w_ready: Default::default(),
            b_local: Default::default(),
            b_host: Default::default(),
            b_valid: Default::default(),
            offset_mask: Constant::new(((1u64 << (ADDRESS_BITS - 1)) - 1).into()),
            _words: words,
        }
    }
}

impl Logic for Split {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, sending, sending_local);
        self.reads.clock.next = self.clock.val();
        self.reads.reset.next = self.reset.val();
        self.writes.clock.next = self.clock.val();
        self.writes.reset.next = self.reset.val();

        // Read addresses.
        self.ar_local.next = self.m_araddr.val().get_bit(55);
        self.l_araddr.next = self.m_araddr.val() & self.offset_mask.val();
        self.h_arvalid.next = self.m_arvalid.val() & (!self.ar_local.val()) & self.reads.room.val();
        self.l_arvalid.next = self.m_arvalid.val() & self.ar_local.val() & self.reads.room.val();
        self.ar_taken.next = (self.h_arvalid.val() & self.h_arready.val())
            | (self.l_arvalid.val() & self.l_arready.val());
        self.m_arready.next = self.ar_taken.val();
        self.reads.push.next = self.ar_taken.val();
        self.reads.push_data.next.own = self.ar_local.val();
        self.reads.push_data.next.id = self.m_arid.val();

        // Read data: from the side that owes the oldest burst.
        self.r_local.next = self.reads.valid.val() & self.reads.data.val().own;
        self.r_host.next = self.reads.valid.val() & (!self.reads.data.val().own);
        self.h_rready.next = self.r_host.val() & self.m_rready.val();
        self.l_rready.next = self.r_local.val() & self.m_rready.val();
        self.r_valid.next =
            (self.r_host.val() & self.h_rvalid.val()) | (self.r_local.val() & self.l_rvalid.val());
        self.r_last.next = self.h_rlast.val();
        self.m_rresp.next = self.h_rresp.val();
        self.m_ruser.next = self.h_ruser.val();
        if self.r_local.val() {
            self.r_last.next = self.l_rlast.val();
            self.m_rresp.next = self.l_rresp.val();
            self.m_ruser.next = 0.into();
        }
        for i in 0..self._words {
            self.m_rdata[i].next = self.h_rdata[i].val();
            if self.r_local.val() {
                self.m_rdata[i].next = self.l_rdata[i].val();
            }
        }
        self.m_rvalid.next = self.r_valid.val();
        self.m_rlast.next = self.r_last.val();
        self.m_rid.next = self.reads.data.val().id;
        self.reads.pop.next = self.r_valid.val() & self.r_last.val() & self.m_rready.val();

        // Write addresses, one burst at a time.
        self.aw_local.next = self.m_awaddr.val().get_bit(55);
        self.l_awaddr.next = self.m_awaddr.val() & self.offset_mask.val();
        self.aw_free.next = self.m_awvalid.val() & self.writes.room.val() & (!self.sending.q.val());
        self.h_awvalid.next = self.aw_free.val() & (!self.aw_local.val());
        self.l_awvalid.next = self.aw_free.val() & self.aw_local.val();
        self.aw_taken.next = (self.h_awvalid.val() & self.h_awready.val())
            | (self.l_awvalid.val() & self.l_awready.val());
        self.m_awready.next = self.aw_taken.val();
        self.writes.push.next = self.aw_taken.val();
        self.writes.push_data.next.own = self.aw_local.val();
        self.writes.push_data.next.id = self.m_awid.val();
        if self.aw_taken.val() {
            self.sending.d.next = true;
            self.sending_local.d.next = self.aw_local.val();
        }

        // Write data.
        self.w_local.next = self.sending.q.val() & self.sending_local.q.val();
        self.w_host.next = self.sending.q.val() & (!self.sending_local.q.val());
        self.h_wvalid.next = self.m_wvalid.val() & self.w_host.val();
        self.l_wvalid.next = self.m_wvalid.val() & self.w_local.val();
        self.w_ready.next =
            (self.w_host.val() & self.h_wready.val()) | (self.w_local.val() & self.l_wready.val());
        self.m_wready.next = self.w_ready.val();
        if self.m_wvalid.val() & self.w_ready.val() & self.m_wlast.val() {
            self.sending.d.next = false;
        }

        // Answers to writes.
        self.b_local.next = self.writes.valid.val() & self.writes.data.val().own;
        self.b_host.next = self.writes.valid.val() & (!self.writes.data.val().own);
        self.h_bready.next = self.b_host.val() & self.m_bready.val();
        self.l_bready.next = self.b_local.val() & self.m_bready.val();
        self.b_valid.next =
            (self.b_host.val() & self.h_bvalid.val()) | (self.b_local.val() & self.l_bvalid.val());
        self.m_bvalid.next = self.b_valid.val();
        self.m_bid.next = self.writes.data.val().id;
        self.m_bresp.next = self.h_bresp.val();
        self.m_buser.next = self.h_buser.val();
        if self.b_local.val() {
            self.m_bresp.next = self.l_bresp.val();
            self.m_buser.next = 0.into();
        }
        self.writes.pop.next = self.b_valid.val() & self.m_bready.val();

        if self.reset.val() {
            self.sending.d.next = false;
        }
    }
}
