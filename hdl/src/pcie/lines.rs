//! Gives the lines that were read, in the order in which they were asked for.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bytes::KeepBytes;
use super::slot::Window;
use super::table::Table;

/// Walks through the slots, oldest first, and through the lines of each.
///
/// ```text
/// taken, tail, window  ->|       |-> read, read_line  (read_data one cycle later)
/// ready, head, cause   ->| Lines |-> r_valid, r_data, r_id, r_resp, r_user, r_last
/// drop                 <-|       |<- r_ready
/// ```
///
/// A line a cycle, from slot to slot too. Bytes that were not asked for are zero, and so are all of
/// a slot that failed.
#[derive(LogicBlock)]
pub struct Lines {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the lines under way.
    pub reset: Signal<In, Bit>,
    /// A slot is taken.
    pub taken: Signal<In, Bit>,
    /// This one.
    pub tail: Signal<In, Bits<5>>,
    /// For these lines.
    pub window: Signal<In, Window>,
    /// The oldest slot has ended.
    pub ready: Signal<In, Bit>,
    /// The oldest slot.
    pub head: Signal<In, Bits<5>>,
    /// Why it failed; 0: it did not.
    pub cause: Signal<In, Bits<3>>,
    /// The oldest slot is done with.
    pub drop: Signal<Out, Bit>,
    /// Read a line of the buffer.
    pub read: Signal<Out, Bit>,
    /// This one.
    pub read_line: Signal<Out, Bits<10>>,
    /// The line.
    pub read_data: Vec<Signal<In, Bits<32>>>,
    /// A line is offered.
    pub r_valid: Signal<Out, Bit>,
    /// The line.
    pub r_data: Vec<Signal<Out, Bits<32>>>,
    /// Identifier of its run.
    pub r_id: Signal<Out, Bits<4>>,
    /// 0, or 2 when it could not be read.
    pub r_resp: Signal<Out, Bits<2>>,
    /// Why not.
    pub r_user: Signal<Out, Bits<3>>,
    /// It is the last of its run.
    pub r_last: Signal<Out, Bit>,
    /// The line is taken.
    pub r_ready: Signal<In, Bit>,
    windows: Table<Window>,
    within: DFF<Bit>,
    next: DFF<Bits<5>>,
    line: Signal<Local, Bits<5>>,
    at_first: Signal<Local, Bit>,
    at_last: Signal<Local, Bit>,
    advance: Signal<Local, Bit>,
    issue: Signal<Local, Bit>,
    slot_base: Signal<Local, Bits<10>>,
    fetched: DFF<Bit>,
    fetched_skip: DFF<Bits<5>>,
    fetched_spare: DFF<Bits<5>>,
    fetched_id: DFF<Bits<4>>,
    fetched_cause: DFF<Bits<3>>,
    fetched_last: DFF<Bit>,
    from: Signal<Local, Bits<32>>,
    up_to: Signal<Local, Bits<32>>,
    keep: Signal<Local, Bits<32>>,
    shown: DFF<Bit>,
    shown_id: DFF<Bits<4>>,
    shown_cause: DFF<Bits<3>>,
    shown_last: DFF<Bit>,
    shown_data: Vec<DFF<Bits<32>>>,
    bytes: Vec<KeepBytes>,
    all_bytes: Constant<Bits<32>>,
    _words: usize,
    _slot_bits: u64,
    _slot_bits_end: u64,
}

impl Lines {
    /// For lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        let words = port_bytes / 4;
        let slot_bits = u64::from((512 / port_bytes).ilog2());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            taken: Default::default(),
            tail: Default::default(),
            window: Default::default(),
            ready: Default::default(),
            head: Default::default(),
            cause: Default::default(),
            drop: Default::default(),
            read: Default::default(),
            read_line: Default::default(),
            read_data: (0..words).map(|_| Signal::default()).collect(),
            r_valid: Default::default(),
            r_data: (0..words).map(|_| Signal::default()).collect(),
            r_id: Default::default(),
            r_resp: Default::default(),
            r_user: Default::default(),
            r_last: Default::default(),
            r_ready: Default::default(),
            windows: Default::default(),
            within: Default::default(),
            next: Default::default(),
            line: Default::default(),
            at_first: Default::default(),
            at_last: Default::default(),
            advance: Default::default(),
            issue: Default::default(),
            slot_base: Default::default(),
            fetched: Default::default(),
            fetched_skip: Default::default(),
            fetched_spare: Default::default(),
            fetched_id: Default::default(),
            fetched_cause: Default::default(),
            fetched_last: Default::default(),
            from: Default::default(),
            up_to: Default::default(),
            keep: Default::default(),
            shown: Default::default(),
            shown_id: Default::default(),
            shown_cause: Default::default(),
            shown_last: Default::default(),
            shown_data: (0..words).map(|_| DFF::default()).collect(),
            bytes: (0..words).map(|_| KeepBytes::default()).collect(),
            all_bytes: Constant::new(((1u64 << port_bytes) - 1).into()),
            _words: words,
            _slot_bits: slot_bits,
            _slot_bits_end: slot_bits + 1,
        }
    }
}

impl Logic for Lines {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            within,
            next,
            fetched,
            fetched_skip,
            fetched_spare,
            fetched_id,
            fetched_cause,
            fetched_last,
            shown,
            shown_id,
            shown_cause,
            shown_last
        );
        self.windows.clock.next = self.clock.val();
        self.windows.write.next = self.taken.val();
        self.windows.write_tag.next = self.tail.val();
        self.windows.write_data.next = self.window.val();
        self.windows.read_tag.next = self.head.val();

        // All stages stand still together.
        self.advance.next = (!self.shown.q.val()) | self.r_ready.val();
        self.issue.next = self.advance.val() & self.ready.val();
        self.at_first.next = !self.within.q.val();
        self.line.next = self.next.q.val();
        if self.at_first.val() {
            self.line.next = self.windows.data.val().first;
        }
        self.at_last.next = self.line.val() == self.windows.data.val().last;
        self.drop.next = self.issue.val() & self.at_last.val();
        if self.issue.val() {
            self.within.d.next = !self.at_last.val();
            self.next.d.next = self.line.val() + 1;
        }
        self.read.next = self.issue.val();
        for k in self._slot_bits..self._slot_bits_end {
            self.slot_base.next = bit_cast::<10, 5>(self.head.val()) << k;
        }
        self.read_line.next = self.slot_base.val() | bit_cast::<10, 5>(self.line.val());

        if self.advance.val() {
            self.fetched.d.next = self.issue.val();
            self.fetched_skip.d.next = 0.into();
            if self.at_first.val() {
                self.fetched_skip.d.next = self.windows.data.val().skip;
            }
            self.fetched_spare.d.next = 0.into();
            if self.at_last.val() {
                self.fetched_spare.d.next = self.windows.data.val().spare;
            }
            self.fetched_id.d.next = self.windows.data.val().id;
            self.fetched_cause.d.next = self.cause.val();
            self.fetched_last.d.next = self.at_last.val() & self.windows.data.val().end;
            self.shown.d.next = self.fetched.q.val();
            self.shown_id.d.next = self.fetched_id.q.val();
            self.shown_cause.d.next = self.fetched_cause.q.val();
            self.shown_last.d.next = self.fetched_last.q.val();
        }
        self.from.next = self.all_bytes.val() << self.fetched_skip.q.val();
        self.up_to.next = self.all_bytes.val() >> self.fetched_spare.q.val();
        self.keep.next = 0.into();
        if self.fetched_cause.q.val() == 0 {
            self.keep.next = self.from.val() & self.up_to.val();
        }
        for i in 0..self._words {
            self.bytes[i].word.next = self.read_data[i].val();
            self.bytes[i].keep.next = self.keep.val().get_bits::<4>(i * 4);
            self.shown_data[i].clock.next = self.clock.val();
            self.shown_data[i].d.next = self.shown_data[i].q.val();
            if self.advance.val() {
                self.shown_data[i].d.next = self.bytes[i].kept.val();
            }
            self.r_data[i].next = self.shown_data[i].q.val();
        }
        self.r_valid.next = self.shown.q.val();
        self.r_id.next = self.shown_id.q.val();
        self.r_user.next = self.shown_cause.q.val();
        self.r_resp.next = 0.into();
        if self.shown_cause.q.val() != 0 {
            self.r_resp.next = 2.into();
        }
        self.r_last.next = self.shown_last.q.val();
        if self.reset.val() {
            self.within.d.next = false;
            self.fetched.d.next = false;
            self.shown.d.next = false;
        }
    }
}
