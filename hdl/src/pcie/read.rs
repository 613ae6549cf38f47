//! DMA reads: memory read requests out, completions in, lines out.

use rust_hdl_core::prelude::*;

use super::ask::Ask;
use super::banks::Banks;
use super::collect::Collect;
use super::cut::Cut;
use super::deadline::Deadline;
use super::lines::Lines;
use super::table::TAGS;
use super::tags::Tags;

/// Bytes that a slot of the reorder buffer holds.
const SLOT_BYTES: usize = 512;

/// Reads host memory over PCI Express.
///
/// ```text
/// ar_valid, ar_addr, ar_bytes, ar_id ->|            |-> r_valid, r_data, r_id, r_resp,
/// ar_ready                           <-|            |   r_user, r_last
///                                      | ReadEngine |<- r_ready
/// cpl_*  (never waits)               ->|            |-> tx_*  (tx_ready)
/// cfg_*, timeout                     ->|            |-> tick_*
/// ```
///
/// * A run of bytes gives the lines that cover it, in the order of the runs whatever their
///   identifiers; bytes that were not asked for are zero. Requests end at multiples of
///   Max_Read_Request_Size (at most 512 bytes), so at 4 KiB too, and name exactly the bytes of the
///   run.
/// * 32 tags of 5 bits: `Tags`. Completions come in any order between tags and in any split:
///   `Collect`. A beat of completions and a line a cycle.
/// * The lines of a request that failed have `r_resp` 2 and the cause in `r_user`: 1 too late,
///   2 poisoned, 3 unsupported request (or retry, or a status without a meaning), 4 completer
///   abort, 5 bus master off. Other requests of the same run are not touched.
/// * `timeout` cycles after a request was sent (34 more at most) it fails. A timeout of 0 never
///   comes.
/// * The tag of a request that came too late, and those that were owed at a reset, rest: they are
///   not used again until all their completions have come, or until twice the longest timeout
///   since power-up has passed since the request, and at least twice the build's `rest_timeout`
///   (`Deadline`). A timeout of 0 is none, so tags that were owed at a reset come back with it as
///   well. Meanwhile runs go on with the other tags, and wait when there are none.
/// * `reset` forgets all else. A request whose first beat was taken is finished first; one that is
///   only offered is withdrawn, in a reset and when bus master falls. With `link_down` nothing is
///   finished: the link has forgotten the first beat as well.
/// * Without `cfg_bus_master` nothing is sent: what was not sent fails with cause 5.
#[derive(LogicBlock)]
pub struct ReadEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything but which tags are owed.
    pub reset: Signal<In, Bit>,
    /// Forget the request that is being sent, too; only with `reset`.
    pub link_down: Signal<In, Bit>,
    /// Bus, device and function.
    pub cfg_id: Signal<In, Bits<16>>,
    /// Requests may be sent.
    pub cfg_bus_master: Signal<In, Bit>,
    /// Max_Read_Request_Size as in the device control register: 0 is 128 bytes, 1 256, and so on.
    pub cfg_max_read: Signal<In, Bits<3>>,
    /// Cycles after which a request fails; 0: never.
    pub timeout: Signal<In, Bits<32>>,
    /// A run is offered.
    pub ar_valid: Signal<In, Bit>,
    /// Address of its first byte.
    pub ar_addr: Signal<In, Bits<64>>,
    /// Its bytes, at least 1.
    pub ar_bytes: Signal<In, Bits<14>>,
    /// Its identifier.
    pub ar_id: Signal<In, Bits<4>>,
    /// The run is taken.
    pub ar_ready: Signal<Out, Bit>,
    /// A line is offered.
    pub r_valid: Signal<Out, Bit>,
    /// The line, words of the lowest address first.
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
    /// A beat of a completion.
    pub cpl_valid: Signal<In, Bit>,
    /// It is the first of its packet; what describes the packet is taken from it.
    pub cpl_first: Signal<In, Bit>,
    /// It is the last of its packet.
    pub cpl_last: Signal<In, Bit>,
    /// With the last beat: the packet is well-formed.
    pub cpl_good: Signal<In, Bit>,
    /// Tag.
    pub cpl_tag: Signal<In, Bits<8>>,
    /// Completion status.
    pub cpl_status: Signal<In, Bits<3>>,
    /// The payload is known to be wrong.
    pub cpl_poison: Signal<In, Bit>,
    /// Byte count, 1 to 4,096.
    pub cpl_bytes: Signal<In, Bits<13>>,
    /// Lower address.
    pub cpl_lower: Signal<In, Bits<7>>,
    /// Doublewords of payload in this beat.
    pub cpl_count: Signal<In, Bits<3>>,
    /// The doublewords, bytes as on the stream.
    pub cpl_data: Vec<Signal<In, Bits<32>>>,
    /// A beat of a request is offered.
    pub tx_valid: Signal<Out, Bit>,
    /// It is the last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Doublewords that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The doublewords.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    /// The beat is taken.
    pub tx_ready: Signal<In, Bit>,
    /// A request was sent.
    pub tick_requests: Signal<Out, Bit>,
    /// A beat with payload came.
    pub tick_beats: Signal<Out, Bit>,
    /// A request waited for a tag.
    pub tick_tags: Signal<Out, Bit>,
    cut: Cut,
    ask: Ask,
    tags: Tags,
    deadline: Deadline,
    collect: Collect,
    buffer: Banks,
    lines: Lines,
    _words: usize,
    _banks: usize,
}

impl ReadEngine {
    /// For beats of `words` doublewords (2 or 4) and lines of `port_bytes` (16 or 32). Tags rest as
    /// if no timeout had been shorter than `rest_timeout`.
    pub fn new(words: usize, port_bytes: usize, rest_timeout: u32) -> Self {
        let banks = port_bytes / 4;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            link_down: Default::default(),
            cfg_id: Default::default(),
            cfg_bus_master: Default::default(),
            cfg_max_read: Default::default(),
            timeout: Default::default(),
            ar_valid: Default::default(),
            ar_addr: Default::default(),
            ar_bytes: Default::default(),
            ar_id: Default::default(),
            ar_ready: Default::default(),
            r_valid: Default::default(),
            r_data: (0..banks).map(|_| Signal::default()).collect(),
            r_id: Default::default(),
            r_resp: Default::default(),
            r_user: Default::default(),
            r_last: Default::default(),
            r_ready: Default::default(),
            cpl_valid: Default::default(),
            cpl_first: Default::default(),
            cpl_last: Default::default(),
            cpl_good: Default::default(),
            cpl_tag: Default::default(),
            cpl_status: Default::default(),
            cpl_poison: Default::default(),
            cpl_bytes: Default::default(),
            cpl_lower: Default::default(),
            cpl_count: Default::default(),
            cpl_data: (0..words).map(|_| Signal::default()).collect(),
            tx_valid: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: (0..words).map(|_| Signal::default()).collect(),
            tx_ready: Default::default(),
            tick_requests: Default::default(),
            tick_beats: Default::default(),
            tick_tags: Default::default(),
            cut: Cut::default(),
            ask: Ask::new(words, port_bytes),
            tags: Tags::default(),
            deadline: Deadline::new(rest_timeout),
            collect: Collect::new(words, port_bytes),
            buffer: Banks::new(TAGS * SLOT_BYTES / port_bytes, banks),
            lines: Lines::new(port_bytes),
            _words: words,
            _banks: banks,
        }
    }
}

impl Logic for ReadEngine {
    #[hdl_gen]
    fn update(&mut self) {
        // Runs to pieces.
        self.cut.clock.next = self.clock.val();
        self.cut.reset.next = self.reset.val();
        self.cut.hold.next = self.ask.begun.val();
        self.cut.max_read.next = self.cfg_max_read.val();
        self.cut.run_valid.next = self.ar_valid.val();
        self.cut.run_addr.next = self.ar_addr.val();
        self.cut.run_bytes.next = self.ar_bytes.val();
        self.cut.run_id.next = self.ar_id.val();
        self.ar_ready.next = self.cut.run_ready.val();
        self.cut.piece_ready.next = self.ask.piece_ready.val();

        // Pieces to requests.
        self.ask.clock.next = self.clock.val();
        self.ask.reset.next = self.reset.val();
        self.ask.link_down.next = self.link_down.val();
        self.ask.bus_master.next = self.cfg_bus_master.val();
        self.ask.id.next = self.cfg_id.val();
        self.ask.piece_valid.next = self.cut.piece_valid.val();
        self.ask.piece_addr.next = self.cut.piece_addr.val();
        self.ask.piece_bytes.next = self.cut.piece_bytes.val();
        self.ask.piece_id.next = self.cut.piece_id.val();
        self.ask.piece_end.next = self.cut.piece_end.val();
        self.ask.room.next = self.tags.room.val();
        self.ask.tail.next = self.tags.tail.val();
        self.tx_valid.next = self.ask.tx_valid.val();
        self.tx_last.next = self.ask.tx_last.val();
        self.tx_keep.next = self.ask.tx_keep.val();
        self.ask.tx_ready.next = self.tx_ready.val();
        self.tick_requests.next = self.ask.sent.val();
        self.tick_beats.next = self.cpl_valid.val() & (self.cpl_count.val() != 0);
        self.tick_tags.next = self.ask.waits.val();

        // Tags.
        self.tags.clock.next = self.clock.val();
        self.tags.reset.next = self.reset.val();
        self.tags.sent.next = self.ask.sent.val();
        self.tags.orphan.next = self.ask.orphan.val();
        self.tags.refuse.next = self.ask.refuse.val();
        self.tags.tag.next = self.collect.tag.val();
        self.tags.finish.next = self.collect.finish.val();
        self.tags.fail.next = self.collect.fail.val();
        self.tags.late_tag.next = self.deadline.tag.val();
        self.tags.expire.next = self.deadline.expire.val();
        self.tags.give_up.next = self.deadline.give_up.val();
        self.tags.drop.next = self.lines.drop.val();
        self.deadline.clock.next = self.clock.val();
        self.deadline.timeout.next = self.timeout.val();
        self.deadline.start.next = self.ask.sent.val();
        self.deadline.start_tag.next = self.tags.tail.val();
        self.deadline.owed.next = self.tags.owed.val();
        self.deadline.stale.next = self.tags.stale.val();

        // Completions to the buffer.
        self.collect.clock.next = self.clock.val();
        self.collect.cpl_valid.next = self.cpl_valid.val();
        self.collect.cpl_first.next = self.cpl_first.val();
        self.collect.cpl_last.next = self.cpl_last.val();
        self.collect.cpl_good.next = self.cpl_good.val();
        self.collect.cpl_tag.next = self.cpl_tag.val();
        self.collect.cpl_status.next = self.cpl_status.val();
        self.collect.cpl_poison.next = self.cpl_poison.val();
        self.collect.cpl_bytes.next = self.cpl_bytes.val();
        self.collect.cpl_lower.next = self.cpl_lower.val();
        self.collect.cpl_count.next = self.cpl_count.val();
        self.collect.owed.next = self.tags.owed.val();
        self.collect.sent.next = self.ask.sent.val();
        self.collect.sent_tag.next = self.tags.tail.val();
        self.collect.span.next = self.ask.span.val();
        for w in 0..self._words {
            self.collect.cpl_data[w].next = self.cpl_data[w].val();
            self.tx_data[w].next = self.ask.tx_data[w].val();
        }

        // The buffer to lines.
        self.buffer.clock.next = self.clock.val();
        self.buffer.read.next = self.lines.read.val();
        self.lines.clock.next = self.clock.val();
        self.lines.reset.next = self.reset.val();
        self.lines.taken.next = self.ask.sent.val() | self.ask.refuse.val();
        self.lines.tail.next = self.tags.tail.val();
        self.lines.window.next = self.ask.window.val();
        self.lines.ready.next = self.tags.ready.val();
        self.lines.head.next = self.tags.head.val();
        self.lines.cause.next = self.tags.cause.val();
        for b in 0..self._banks {
            self.buffer.write[b].next = self.collect.write[b].val();
            self.buffer.write_line[b].next = self.collect.write_line[b].val();
            self.buffer.write_data[b].next = self.collect.write_data[b].val();
            self.buffer.read_line[b].next = self.lines.read_line.val();
            self.lines.read_data[b].next = self.buffer.read_data[b].val();
            self.r_data[b].next = self.lines.r_data[b].val();
        }
        self.r_valid.next = self.lines.r_valid.val();
        self.r_id.next = self.lines.r_id.val();
        self.r_resp.next = self.lines.r_resp.val();
        self.r_user.next = self.lines.r_user.val();
        self.r_last.next = self.lines.r_last.val();
        self.lines.r_ready.next = self.r_ready.val();
    }
}
