//! The port of the card's own memory, which the engines share with the window of the host.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bursts::LocalBurst;
use crate::mem::{Fifo, LineQueue, LineSlice};

/// Lines that reads of either user may have under way, and lines of writes of the engines.
const LINES: usize = 256;

/// Lines of [`LINES`] that stay free, since it is seen some cycles late how many there are.
const SPARE: usize = 3;

/// Answers to writes that either user may be owed.
const ANSWERS: usize = 32;

/// Two masters on one AXI4 port.
///
/// ```text
/// engines e_* <--->+-----------+
///                  | LocalPort |<---> l_*   id 0: engines, id 1: window
/// window  w_* <--->+-----------+
/// ```
///
/// * The masters take turns. Neither can hold the other up: a read is begun when there is room for
///   all of its lines, a write of the engines when all of its lines are there; the data of a write
///   of the window must be at hand when its address is offered.
/// * Answers of one identifier must come in order. `l_rready` and `l_bready` are always high, no
///   bursts are longer than 128 lines.
/// * `reset` forgets everything at once, and memory must do so too. After `restart` nobody waits
///   for what is under way, but memory gets its end: writes are ended without a byte, answers are
///   dropped, and only then the next burst begins.
#[derive(LogicBlock)]
pub struct LocalPort {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything at once.
    pub reset: Signal<In, Bit>,
    /// The masters have forgotten everything.
    pub restart: Signal<In, Bit>,
    /// Nothing is under way.
    pub idle: Signal<Out, Bit>,
    /// Engines: read address channel.
    pub e_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub e_arready: Signal<Out, Bit>,
    /// Byte address.
    pub e_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub e_arlen: Signal<In, Bits<8>>,
    /// Read data channel.
    pub e_rvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub e_rready: Signal<In, Bit>,
    /// Line.
    pub e_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub e_rresp: Signal<Out, Bits<2>>,
    /// Last line of its burst.
    pub e_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub e_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub e_awready: Signal<Out, Bit>,
    /// Byte address.
    pub e_awaddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub e_awlen: Signal<In, Bits<8>>,
    /// Write data channel.
    pub e_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub e_wready: Signal<Out, Bit>,
    /// Line.
    pub e_wdata: Vec<Signal<In, Bits<32>>>,
    /// Quarters of the line that count.
    pub e_wquarters: Signal<In, Bits<4>>,
    /// Last line of its burst.
    pub e_wlast: Signal<In, Bit>,
    /// Write response channel.
    pub e_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub e_bready: Signal<In, Bit>,
    /// Not 0: the burst could not be written.
    pub e_bresp: Signal<Out, Bits<2>>,
    /// Window: read address channel.
    pub w_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub w_arready: Signal<Out, Bit>,
    /// Byte address.
    pub w_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub w_arlen: Signal<In, Bits<8>>,
    /// Read data channel.
    pub w_rvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub w_rready: Signal<In, Bit>,
    /// Line.
    pub w_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub w_rresp: Signal<Out, Bits<2>>,
    /// Last line of its burst.
    pub w_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub w_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub w_awready: Signal<Out, Bit>,
    /// Byte address.
    pub w_awaddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub w_awlen: Signal<In, Bits<8>>,
    /// Write data channel.
    pub w_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub w_wready: Signal<Out, Bit>,
    /// Line.
    pub w_wdata: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub w_wstrb: Vec<Signal<In, Bits<4>>>,
    /// Write response channel.
    pub w_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub w_bready: Signal<In, Bit>,
    /// Not 0: the burst could not be written.
    pub w_bresp: Signal<Out, Bits<2>>,
    /// Memory: read address channel.
    pub l_arvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_arready: Signal<In, Bit>,
    /// Byte address.
    pub l_araddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub l_arlen: Signal<Out, Bits<8>>,
    /// 1: window, 0: engines.
    pub l_arid: Signal<Out, Bits<4>>,
    /// Read data channel.
    pub l_rvalid: Signal<In, Bit>,
    /// Always.
    pub l_rready: Signal<Out, Bit>,
    /// Line.
    pub l_rdata: Vec<Signal<In, Bits<32>>>,
    /// Id of the burst.
    pub l_rid: Signal<In, Bits<4>>,
    /// Not 0: the line could not be read.
    pub l_rresp: Signal<In, Bits<2>>,
    /// Last line of its burst.
    pub l_rlast: Signal<In, Bit>,
    /// Write address channel.
    pub l_awvalid: Signal<Out, Bit>,
    /// The address is taken.
    pub l_awready: Signal<In, Bit>,
    /// Byte address.
    pub l_awaddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub l_awlen: Signal<Out, Bits<8>>,
    /// 1: window, 0: engines.
    pub l_awid: Signal<Out, Bits<4>>,
    /// Write data channel.
    pub l_wvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub l_wready: Signal<In, Bit>,
    /// Line.
    pub l_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Bytes of each word that count.
    pub l_wstrb: Vec<Signal<Out, Bits<4>>>,
    /// Last line of its burst.
    pub l_wlast: Signal<Out, Bit>,
    /// Write response channel.
    pub l_bvalid: Signal<In, Bit>,
    /// Always.
    pub l_bready: Signal<Out, Bit>,
    /// Id of the burst.
    pub l_bid: Signal<In, Bits<4>>,
    /// Not 0: the burst could not be written.
    pub l_bresp: Signal<In, Bits<2>>,
    // Reads.
    ar_valid: DFF<Bit>,
    ar: DFF<LocalBurst>,
    ar_turn: DFF<Bit>,
    e_lines: LineQueue,
    w_lines: LineQueue,
    /// Lines that nobody was promised: a read begins when its lines are fewer.
    e_room: DFF<Bits<16>>,
    w_room: DFF<Bits<16>>,
    /// That the burst which is offered has room is seen a cycle before it is taken.
    e_fits: DFF<Bit>,
    w_fits: DFF<Bit>,
    // The latest takings and lines, not in the room yet.
    took_lines: DFF<Bits<16>>,
    e_took: DFF<Bit>,
    w_took: DFF<Bit>,
    e_popped: DFF<Bit>,
    w_popped: DFF<Bit>,
    e_asks: Signal<Local, Bit>,
    w_asks: Signal<Local, Bit>,
    ar_free: Signal<Local, Bit>,
    e_ar_taken: Signal<Local, Bit>,
    w_ar_taken: Signal<Local, Bit>,
    // What memory answers, a cycle late: it is far from the queues.
    r_valid: DFF<Bit>,
    r_window: DFF<Bit>,
    r_resp: DFF<Bits<2>>,
    r_last: DFF<Bit>,
    r_data: Vec<DFF<Bits<32>>>,
    b_valid: DFF<Bit>,
    b_window: DFF<Bit>,
    b_resp: DFF<Bits<2>>,
    r_mark: Signal<Local, Bits<4>>,
    e_pop: Signal<Local, Bit>,
    w_pop: Signal<Local, Bit>,
    // Writes.
    e_bursts: Fifo<LocalBurst>,
    e_data: LineQueue,
    /// Behind it, so that no block memory waits for memory's word that it takes a line.
    e_next: LineSlice,
    e_moves: Signal<Local, Bit>,
    /// Lines in there, without the latest comings and goings.
    e_data_used: DFF<Bits<16>>,
    e_free: DFF<Bit>,
    e_wrote: DFF<Bit>,
    e_sent: DFF<Bit>,
    /// Bursts of the engines of which all lines are there.
    e_complete: DFF<Bits<16>>,
    e_write: Signal<Local, Bit>,
    e_write_end: DFF<Bit>,
    e_begins: Signal<Local, Bit>,
    w_begins: Signal<Local, Bit>,
    /// A write may begin, as seen a cycle before.
    e_writes: DFF<Bit>,
    w_writes: DFF<Bit>,
    may_begin: Signal<Local, Bit>,
    aw_valid: DFF<Bit>,
    aw: DFF<LocalBurst>,
    aw_turn: DFF<Bit>,
    /// Data of a write is owed to memory.
    sending: DFF<Bit>,
    lines_left: DFF<Bits<8>>,
    w_valid: Signal<Local, Bit>,
    w_taken: Signal<Local, Bit>,
    e_w_taken: Signal<Local, Bit>,
    e_answers: Fifo<Bits<2>>,
    w_answers: Fifo<Bits<2>>,
    /// Answers that are owed or wait.
    e_answers_used: DFF<Bits<8>>,
    w_answers_used: DFF<Bits<8>>,
    e_b_pop: Signal<Local, Bit>,
    w_b_pop: Signal<Local, Bit>,
    // What memory owes.
    reads: DFF<Bits<16>>,
    writes: DFF<Bits<16>>,
    ar_begins: DFF<Bit>,
    r_ends: Signal<Local, Bit>,
    aw_begins: DFF<Bit>,
    draining: DFF<Bit>,
    at_rest: Signal<Local, Bit>,
    clear: Signal<Local, Bit>,
    clear_data: Signal<Local, Bit>,
    lines: Constant<Bits<16>>,
    most_lines: Constant<Bits<16>>,
    answers: Constant<Bits<8>>,
    _words: usize,
    /// Quarters of a line of 4 words; 0 when it has 8.
    _narrow: usize,
    /// Quarters of a line of 8 words; 0 when it has 4.
    _wide: usize,
}

impl LocalPort {
    /// A port of `words` 32-bit words, 4 or 8.
    pub fn new(words: usize) -> Self {
        let inputs = || (0..words).map(|_| Signal::default()).collect();
        let outputs = || (0..words).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            restart: Default::default(),
            idle: Default::default(),
            e_arvalid: Default::default(),
            e_arready: Default::default(),
            e_araddr: Default::default(),
            e_arlen: Default::default(),
            e_rvalid: Default::default(),
            e_rready: Default::default(),
            e_rdata: outputs(),
            e_rresp: Default::default(),
            e_rlast: Default::default(),
            e_awvalid: Default::default(),
            e_awready: Default::default(),
            e_awaddr: Default::default(),
            e_awlen: Default::default(),
            e_wvalid: Default::default(),
            e_wready: Default::default(),
            e_wdata: inputs(),
            e_wquarters: Default::default(),
            e_wlast: Default::default(),
            e_bvalid: Default::default(),
            e_bready: Default::default(),
            e_bresp: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_arlen: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: outputs(),
            w_rresp: Default::default(),
            w_rlast: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_awlen: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_wdata: inputs(),
            w_wstrb: (0..words).map(|_| Signal::default()).collect(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            w_bresp: Default::default(),
            l_arvalid: Default::default(),
            l_arready: Default::default(),
            l_araddr: Default::default(),
            l_arlen: Default::default(),
            l_arid: Default::default(),
            l_rvalid: Default::default(),
            l_rready: Default::default(),
            l_rdata: inputs(),
            l_rid: Default::default(),
            l_rresp: Default::default(),
            l_rlast: Default::default(),
            l_awvalid: Default::default(),
            l_awready: Default::default(),
            l_awaddr: Default::default(),
            l_awlen: Default::default(),
            l_awid: Default::default(),
            l_wvalid: Default::default(),
            l_wready: Default::default(),
            l_wdata: outputs(),
            l_wstrb: (0..words).map(|_| Signal::default()).collect(),
            l_wlast: Default::default(),
            l_bvalid: Default::default(),
            l_bready: Default::default(),
            l_bid: Default::default(),
            l_bresp: Default::default(),
            ar_valid: Default::default(),
            ar: Default::default(),
            ar_turn: Default::default(),
            e_lines: LineQueue::new(LINES, words),
            w_lines: LineQueue::new(LINES, words),
            e_room: Default::default(),
            w_room: Default::default(),
            e_fits: Default::default(),
            w_fits: Default::default(),
            took_lines: Default::default(),
            e_took: Default::default(),
            w_took: Default::default(),
            e_popped: Default::default(),
            w_popped: Default::default(),
            e_asks: Default::default(),
            w_asks: Default::default(),
            ar_free: Default::default(),
            e_ar_taken: Default::default(),
            w_ar_taken: Default::default(),
            r_valid: Default::default(),
            r_window: Default::default(),
            r_resp: Default::default(),
            r_last: Default::default(),
            r_data: (0..words).map(|_| DFF::default()).collect(),
            b_valid: Default::default(),
            b_window: Default::default(),
            b_resp: Default::default(),
            r_mark: Default::default(),
            e_pop: Default::default(),
            w_pop: Default::default(),
            e_bursts: Fifo::new(8),
            e_data: LineQueue::new(LINES, words),
            e_next: LineSlice::new(words),
            e_moves: Default::default(),
            e_data_used: Default::default(),
            e_free: Default::default(),
            e_wrote: Default::default(),
            e_sent: Default::default(),
            e_complete: Default::default(),
            e_write: Default::default(),
            e_write_end: Default::default(),
            e_begins: Default::default(),
            w_begins: Default::default(),
            e_writes: Default::default(),
            w_writes: Default::default(),
            may_begin: Default::default(),
            aw_valid: Default::default(),
            aw: Default::default(),
            aw_turn: Default::default(),
            sending: Default::default(),
            lines_left: Default::default(),
            w_valid: Default::default(),
            w_taken: Default::default(),
            e_w_taken: Default::default(),
            e_answers: Fifo::new(ANSWERS),
            w_answers: Fifo::new(ANSWERS),
            e_answers_used: Default::default(),
            w_answers_used: Default::default(),
            e_b_pop: Default::default(),
            w_b_pop: Default::default(),
            reads: Default::default(),
            writes: Default::default(),
            ar_begins: Default::default(),
            r_ends: Default::default(),
            aw_begins: Default::default(),
            draining: Default::default(),
            at_rest: Default::default(),
            clear: Default::default(),
            clear_data: Default::default(),
            lines: Constant::new((LINES as u64).into()),
            most_lines: Constant::new(((LINES - SPARE) as u64).into()),
            answers: Constant::new((ANSWERS as u64).into()),
            _words: words,
            _narrow: if words == 4 { 4 } else { 0 },
            _wide: if words == 8 { 4 } else { 0 },
        }
    }
}

impl Logic for LocalPort {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            ar_valid,
            ar,
            ar_turn,
            e_room,
            w_room,
            e_fits,
            w_fits,
            took_lines,
            e_took,
            w_took,
            e_popped,
            w_popped,
            r_valid,
            r_window,
            r_resp,
            r_last,
            e_data_used,
            e_free,
            e_wrote,
            e_sent,
            e_write_end,
            e_writes,
            w_writes,
            e_complete,
            aw_valid,
            aw,
            aw_turn,
            sending,
            lines_left,
            e_answers_used,
            w_answers_used,
            b_valid,
            b_window,
            b_resp,
            reads,
            writes,
            ar_begins,
            aw_begins,
            draining
        );
        self.e_lines.clock.next = self.clock.val();
        self.w_lines.clock.next = self.clock.val();
        self.e_bursts.clock.next = self.clock.val();
        self.e_data.clock.next = self.clock.val();
        self.e_next.clock.next = self.clock.val();
        self.e_answers.clock.next = self.clock.val();
        self.w_answers.clock.next = self.clock.val();

        // After a restart memory comes to rest first.
        self.at_rest.next = (!self.ar_valid.q.val())
            & (!self.aw_valid.q.val())
            & (!self.sending.q.val())
            & (!self.ar_begins.q.val())
            & (!self.aw_begins.q.val())
            & (self.reads.q.val() == 0)
            & (self.writes.q.val() == 0);
        if self.at_rest.val() {
            self.draining.d.next = false;
        }
        if self.restart.val() {
            self.draining.d.next = true;
        }
        self.clear.next = self.reset.val() | self.restart.val() | self.draining.q.val();
        // What the engines have given of a write that was begun is kept until memory has it.
        self.clear_data.next = self.clear.val()
            & (self.reset.val() | (!self.sending.q.val()) | self.aw.q.val().window);
        self.e_lines.reset.next = self.clear.val();
        self.w_lines.reset.next = self.clear.val();
        self.e_bursts.reset.next = self.clear.val();
        self.e_data.reset.next = self.clear_data.val();
        self.e_next.reset.next = self.clear_data.val();
        self.e_answers.reset.next = self.clear.val();
        self.w_answers.reset.next = self.clear.val();
        self.idle.next = self.at_rest.val()
            & (self.e_room.q.val() == self.lines.val())
            & (self.w_room.q.val() == self.lines.val())
            & (self.e_data_used.q.val() == 0)
            & (!self.e_wrote.q.val())
            & (self.e_answers_used.q.val() == 0)
            & (self.w_answers_used.q.val() == 0);

        // Read addresses.
        self.e_asks.next = self.e_arvalid.val() & self.e_fits.q.val() & (!self.clear.val());
        self.w_asks.next = self.w_arvalid.val() & self.w_fits.q.val() & (!self.clear.val());
        self.ar_free.next = !self.ar_valid.q.val();
        self.w_ar_taken.next =
            self.ar_free.val() & self.w_asks.val() & ((!self.e_asks.val()) | self.ar_turn.q.val());
        self.e_ar_taken.next = self.ar_free.val()
            & self.e_asks.val()
            & ((!self.w_asks.val()) | (!self.ar_turn.q.val()));
        self.e_fits.d.next = self.e_arvalid.val()
            & (bit_cast::<16, 8>(self.e_arlen.val()) < self.e_room.q.val())
            & (!self.e_ar_taken.val())
            & (!self.e_took.q.val());
        self.w_fits.d.next = self.w_arvalid.val()
            & (bit_cast::<16, 8>(self.w_arlen.val()) < self.w_room.q.val())
            & (!self.w_ar_taken.val())
            & (!self.w_took.q.val());
        self.e_arready.next = self.e_ar_taken.val();
        self.w_arready.next = self.w_ar_taken.val();
        self.ar_begins.d.next = self.e_ar_taken.val() | self.w_ar_taken.val();
        if self.l_arready.val() {
            self.ar_valid.d.next = false;
        }
        if self.e_ar_taken.val() {
            self.ar_valid.d.next = true;
            self.ar.d.next.addr = self.e_araddr.val();
            self.ar.d.next.len = self.e_arlen.val();
            self.ar.d.next.window = false;
            self.ar_turn.d.next = true;
        }
        if self.w_ar_taken.val() {
            self.ar_valid.d.next = true;
            self.ar.d.next.addr = self.w_araddr.val();
            self.ar.d.next.len = self.w_arlen.val();
            self.ar.d.next.window = true;
            self.ar_turn.d.next = false;
        }
        self.l_arvalid.next = self.ar_valid.q.val();
        self.l_araddr.next = self.ar.q.val().addr;
        self.l_arlen.next = self.ar.q.val().len;
        self.l_arid.next = 0.into();
        if self.ar.q.val().window {
            self.l_arid.next = 1.into();
        }

        // Read data: there is room for all of it.
        self.l_rready.next = true;
        self.r_valid.d.next = self.l_rvalid.val();
        self.r_window.d.next = self.l_rid.val().get_bit(0);
        self.r_resp.d.next = self.l_rresp.val();
        self.r_last.d.next = self.l_rlast.val();
        self.r_mark.next = bit_cast::<4, 2>(self.r_resp.q.val());
        if self.r_last.q.val() {
            self.r_mark.next = bit_cast::<4, 2>(self.r_resp.q.val()) | 4;
        }
        self.e_lines.push.next = self.r_valid.q.val() & (!self.r_window.q.val());
        self.w_lines.push.next = self.r_valid.q.val() & self.r_window.q.val();
        self.e_lines.push_mark.next = self.r_mark.val();
        self.w_lines.push_mark.next = self.r_mark.val();
        for i in 0..self._words {
            self.r_data[i].clock.next = self.clock.val();
            self.r_data[i].d.next = self.l_rdata[i].val();
            self.e_lines.push_data[i].next = self.r_data[i].q.val();
            self.w_lines.push_data[i].next = self.r_data[i].q.val();
            self.e_rdata[i].next = self.e_lines.data[i].val();
            self.w_rdata[i].next = self.w_lines.data[i].val();
        }
        self.r_ends.next = self.r_valid.q.val() & self.r_last.q.val();
        self.e_rvalid.next = self.e_lines.valid.val();
        self.e_rresp.next = self.e_lines.mark.val().get_bits::<2>(0);
        self.e_rlast.next = self.e_lines.mark.val().get_bit(2);
        self.w_rvalid.next = self.w_lines.valid.val();
        self.w_rresp.next = self.w_lines.mark.val().get_bits::<2>(0);
        self.w_rlast.next = self.w_lines.mark.val().get_bit(2);
        self.e_pop.next = self.e_lines.valid.val() & self.e_rready.val();
        self.w_pop.next = self.w_lines.valid.val() & self.w_rready.val();
        self.e_lines.pop.next = self.e_pop.val();
        self.w_lines.pop.next = self.w_pop.val();
        self.took_lines.d.next = bit_cast::<16, 8>(self.e_arlen.val()) + 1;
        if self.w_ar_taken.val() {
            self.took_lines.d.next = bit_cast::<16, 8>(self.w_arlen.val()) + 1;
        }
        self.e_took.d.next = self.e_ar_taken.val();
        self.w_took.d.next = self.w_ar_taken.val();
        self.e_popped.d.next = self.e_pop.val();
        self.w_popped.d.next = self.w_pop.val();
        if self.e_took.q.val() {
            self.e_room.d.next = self.e_room.q.val() - self.took_lines.q.val();
            if self.e_popped.q.val() {
                self.e_room.d.next = self.e_room.q.val() - self.took_lines.q.val() + 1;
            }
        } else if self.e_popped.q.val() {
            self.e_room.d.next = self.e_room.q.val() + 1;
        }
        if self.w_took.q.val() {
            self.w_room.d.next = self.w_room.q.val() - self.took_lines.q.val();
            if self.w_popped.q.val() {
                self.w_room.d.next = self.w_room.q.val() - self.took_lines.q.val() + 1;
            }
        } else if self.w_popped.q.val() {
            self.w_room.d.next = self.w_room.q.val() + 1;
        }

        // Writes of the engines wait until all of their lines are there.
        self.e_awready.next = self.e_bursts.room.val() & (!self.clear.val());
        self.e_bursts.push.next =
            self.e_awvalid.val() & self.e_bursts.room.val() & (!self.clear.val());
        self.e_bursts.push_data.next.addr = self.e_awaddr.val();
        self.e_bursts.push_data.next.len = self.e_awlen.val();
        self.e_bursts.push_data.next.window = false;
        self.e_free.d.next = self.e_data_used.q.val() < self.most_lines.val();
        self.e_write.next = self.e_wvalid.val() & self.e_free.q.val() & (!self.clear.val());
        self.e_wready.next = self.e_free.q.val() & (!self.clear.val());
        self.e_wrote.d.next = self.e_write.val();
        self.e_data.push.next = self.e_write.val();
        self.e_data.push_mark.next = self.e_wquarters.val();
        for i in 0..self._words {
            self.e_data.push_data[i].next = self.e_wdata[i].val();
        }
        self.e_write_end.d.next = self.e_write.val() & self.e_wlast.val();

        // The next write: the masters take turns.
        self.may_begin.next =
            (!self.sending.q.val()) & (!self.aw_valid.q.val()) & (!self.clear.val());
        self.w_begins.next = self.may_begin.val()
            & self.w_writes.q.val()
            & ((!self.e_writes.q.val()) | self.aw_turn.q.val());
        self.e_begins.next = self.may_begin.val()
            & self.e_writes.q.val()
            & ((!self.w_writes.q.val()) | (!self.aw_turn.q.val()));
        self.e_writes.d.next = self.e_bursts.valid.val()
            & (self.e_complete.q.val() != 0)
            & (self.e_answers_used.q.val() != self.answers.val())
            & (!self.e_begins.val())
            & (!self.clear.val());
        self.w_writes.d.next = self.w_awvalid.val()
            & (self.w_answers_used.q.val() != self.answers.val())
            & (!self.w_begins.val())
            & (!self.clear.val());
        self.w_awready.next = self.w_begins.val();
        self.e_bursts.pop.next = self.e_begins.val();
        self.aw_begins.d.next = self.e_begins.val() | self.w_begins.val();
        if self.l_awready.val() {
            self.aw_valid.d.next = false;
        }
        if self.e_begins.val() {
            self.aw_valid.d.next = true;
            self.aw.d.next = self.e_bursts.data.val();
            self.aw_turn.d.next = true;
            self.sending.d.next = true;
            self.lines_left.d.next = self.e_bursts.data.val().len;
        }
        if self.w_begins.val() {
            self.aw_valid.d.next = true;
            self.aw.d.next.addr = self.w_awaddr.val();
            self.aw.d.next.len = self.w_awlen.val();
            self.aw.d.next.window = true;
            self.aw_turn.d.next = false;
            self.sending.d.next = true;
            self.lines_left.d.next = self.w_awlen.val();
        }
        self.l_awvalid.next = self.aw_valid.q.val();
        self.l_awaddr.next = self.aw.q.val().addr;
        self.l_awlen.next = self.aw.q.val().len;
        self.l_awid.next = 0.into();
        if self.aw.q.val().window {
            self.l_awid.next = 1.into();
        }

        // Its data. The window has forgotten it after a restart: then no byte counts.
        self.e_next.in_valid.next = self.e_data.valid.val();
        self.e_next.in_quarters.next = self.e_data.mark.val();
        self.e_next.in_last.next = false;
        for i in 0..self._words {
            self.e_next.in_data[i].next = self.e_data.data[i].val();
        }
        self.e_moves.next = self.e_data.valid.val() & self.e_next.in_ready.val();
        self.e_data.pop.next = self.e_moves.val();
        self.w_valid.next = self.sending.q.val() & self.e_next.valid.val();
        if self.aw.q.val().window {
            self.w_valid.next =
                self.sending.q.val() & (self.w_wvalid.val() | self.draining.q.val());
        }
        self.w_taken.next = self.w_valid.val() & self.l_wready.val();
        self.e_w_taken.next = self.w_taken.val() & (!self.aw.q.val().window);
        self.l_wvalid.next = self.w_valid.val();
        self.l_wlast.next = self.lines_left.q.val() == 0;
        for i in 0..self._words {
            self.l_wdata[i].next = self.e_next.data[i].val();
            if self.aw.q.val().window {
                self.l_wdata[i].next = self.w_wdata[i].val();
            }
        }
        for i in 0..self._words {
            self.l_wstrb[i].next = 0.into();
        }
        for i in 0..self._narrow {
            if self.e_next.quarters.val().get_bit(i) {
                self.l_wstrb[i].next = 15.into();
            }
        }
        for i in 0..self._wide {
            if self.e_next.quarters.val().get_bit(i) {
                self.l_wstrb[i * 2].next = 15.into();
                self.l_wstrb[i * 2 + 1].next = 15.into();
            }
        }
        for i in 0..self._words {
            if self.aw.q.val().window {
                self.l_wstrb[i].next = self.w_wstrb[i].val();
                if self.draining.q.val() {
                    self.l_wstrb[i].next = 0.into();
                }
            }
        }
        self.w_wready.next = self.sending.q.val()
            & self.aw.q.val().window
            & self.l_wready.val()
            & (!self.draining.q.val());
        self.e_next.ready.next =
            self.sending.q.val() & self.l_wready.val() & (!self.aw.q.val().window);
        if self.w_taken.val() {
            self.lines_left.d.next = self.lines_left.q.val() - 1;
            if self.lines_left.q.val() == 0 {
                self.sending.d.next = false;
            }
        }
        self.e_sent.d.next = self.e_w_taken.val();
        if self.e_wrote.q.val() & (!self.e_sent.q.val()) {
            self.e_data_used.d.next = self.e_data_used.q.val() + 1;
        }
        if self.e_sent.q.val() & (!self.e_wrote.q.val()) {
            self.e_data_used.d.next = self.e_data_used.q.val() - 1;
        }
        if self.e_write_end.q.val() & (!self.e_begins.val()) {
            self.e_complete.d.next = self.e_complete.q.val() + 1;
        }
        if self.e_begins.val() & (!self.e_write_end.q.val()) {
            self.e_complete.d.next = self.e_complete.q.val() - 1;
        }

        // Answers to writes: there is room for all of them.
        self.l_bready.next = true;
        self.b_valid.d.next = self.l_bvalid.val();
        self.b_window.d.next = self.l_bid.val().get_bit(0);
        self.b_resp.d.next = self.l_bresp.val();
        self.e_answers.push.next = self.b_valid.q.val() & (!self.b_window.q.val());
        self.w_answers.push.next = self.b_valid.q.val() & self.b_window.q.val();
        self.e_answers.push_data.next = self.b_resp.q.val();
        self.w_answers.push_data.next = self.b_resp.q.val();
        self.e_bvalid.next = self.e_answers.valid.val();
        self.w_bvalid.next = self.w_answers.valid.val();
        self.e_bresp.next = self.e_answers.data.val();
        self.w_bresp.next = self.w_answers.data.val();
        self.e_b_pop.next = self.e_answers.valid.val() & self.e_bready.val();
        self.w_b_pop.next = self.w_answers.valid.val() & self.w_bready.val();
        self.e_answers.pop.next = self.e_b_pop.val();
        self.w_answers.pop.next = self.w_b_pop.val();
        if self.e_begins.val() & (!self.e_b_pop.val()) {
            self.e_answers_used.d.next = self.e_answers_used.q.val() + 1;
        }
        if self.e_b_pop.val() & (!self.e_begins.val()) {
            self.e_answers_used.d.next = self.e_answers_used.q.val() - 1;
        }
        if self.w_begins.val() & (!self.w_b_pop.val()) {
            self.w_answers_used.d.next = self.w_answers_used.q.val() + 1;
        }
        if self.w_b_pop.val() & (!self.w_begins.val()) {
            self.w_answers_used.d.next = self.w_answers_used.q.val() - 1;
        }

        // What memory owes.
        if self.ar_begins.q.val() & (!self.r_ends.val()) {
            self.reads.d.next = self.reads.q.val() + 1;
        }
        if self.r_ends.val() & (!self.ar_begins.q.val()) {
            self.reads.d.next = self.reads.q.val() - 1;
        }
        if self.aw_begins.q.val() & (!self.b_valid.q.val()) {
            self.writes.d.next = self.writes.q.val() + 1;
        }
        if self.b_valid.q.val() & (!self.aw_begins.q.val()) {
            self.writes.d.next = self.writes.q.val() - 1;
        }

        if self.clear.val() {
            self.e_room.d.next = self.lines.val();
            self.w_room.d.next = self.lines.val();
            self.e_took.d.next = false;
            self.w_took.d.next = false;
            self.e_popped.d.next = false;
            self.w_popped.d.next = false;
            self.e_complete.d.next = 0.into();
            self.e_answers_used.d.next = 0.into();
            self.w_answers_used.d.next = 0.into();
        }
        if self.clear_data.val() {
            self.e_data_used.d.next = 0.into();
            self.e_wrote.d.next = false;
            self.e_sent.d.next = false;
        }
        if self.clear.val() {
            self.e_write_end.d.next = false;
        }
        if self.reset.val() {
            self.ar_begins.d.next = false;
            self.aw_begins.d.next = false;
            self.r_valid.d.next = false;
            self.b_valid.d.next = false;
            self.ar_valid.d.next = false;
            self.aw_valid.d.next = false;
            self.sending.d.next = false;
            self.reads.d.next = 0.into();
            self.writes.d.next = 0.into();
            self.draining.d.next = false;
        }
    }
}
