//! The card: front end, engines, memories and array behind one AXI4 port.

use isa::command::ENGINE_QUEUE;
use isa::config::{Config, ConfigError};
use isa::regs;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use crate::array::{Kind, Mesh};
use crate::engine::{
    ActLanes, GemmEngine, GemmEntry, LoadEngine, LoadEntry, StoreEngine, StoreEntry,
};
use crate::front::{Answer, Check, Control, Counters, Fault, Fetch, Queues, Registers, Tokens};
use crate::mem::{Accumulators, Buffer, LineSlice, ShownFifo};
use crate::weights::Unpack;

/// A burst that is written.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct WriteBurst {
    line: Bits<53>,
    lines: Bits<8>,
}

/// An answer to a write.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct WriteAnswer {
    resp: Bits<2>,
    user: Bits<3>,
}

/// What comes with a line that was read.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct LineMark {
    fetch: Bit,
    resp: Bits<2>,
    user: Bits<3>,
    last: Bit,
}

/// A burst that waits for memory.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct ReadBurst {
    line: Bits<53>,
    lines: Bits<8>,
    fetch: Bit,
}

/// Everything between the register window and the memory port.
///
/// ```text
///              +-----------+  entries  +------+    +--------------------+
/// registers <->| Queues,   |---------->| LOAD |--->| activations, weights,
///              | Control,  |           +------+    | parameters         |
///              | Fetch,    |           +------+    +--------------------+
///              | Check,    |---------->| GEMM |--> Array --> Accumulators
///              | Tokens    |           +------+                 |
///              +-----------+                                    |
///                    |                 +-------+                |
///                    +---------------->| STORE |<---------------+
///                                      +-------+
/// ```
///
/// The memory port is AXI4 without the signals that never change (size, burst type and the like;
/// the wrapper of [`crate::emit_card`] adds them): reads of the front end have id 1, those of LOAD
/// id 0; all writes have id 0. Reads are always ready, answers to writes too.
///
/// `reset` takes effect at the memory port at once, and memory must forget what it owes at the same
/// time; behind the port it takes effect a cycle later. The queue works again
/// [`regs::RESET_HOLD_CYCLES`] cycles after it, when the pipelines have run out. A reset by register
/// stops the program, waits until nothing is under way and memory owes nothing, and then gives
/// everything its first state; the busy flag of the status stays until then. The reset of a queue by
/// its register does the same to this queue alone.
#[derive(LogicBlock)]
pub struct Card {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Write a register.
    pub reg_write: Signal<In, Bit>,
    /// Read a register.
    pub reg_read: Signal<In, Bit>,
    /// Offset of the register.
    pub reg_addr: Signal<In, Bits<12>>,
    /// Value to write.
    pub reg_wdata: Signal<In, Bits<32>>,
    /// Bytes of it that count.
    pub reg_strobes: Signal<In, Bits<4>>,
    /// Value read, in the cycle after `reg_read`.
    pub reg_rdata: Signal<Out, Bits<32>>,
    /// Interrupt of each queue, level.
    pub irq: Signal<Out, Bits<8>>,
    /// Queues that have something new to tell, for a cycle: where interrupts are messages, each
    /// of these sends one, whether the host has cleared the level or not.
    pub events: Signal<Out, Bits<8>>,
    /// Work is at hand or under way: the clock must not stand still.
    pub active: Signal<Out, Bit>,
    /// Events that the PCIe endpoint counts, in the order of the counters `pcie.*`.
    pub link_ticks: Signal<In, Bits<6>>,
    /// Cycles that the PCIe endpoint waits for the answer to a read.
    pub link_timeout: Signal<Out, Bits<32>>,
    /// Read address channel.
    pub m_arvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub m_arready: Signal<In, Bit>,
    /// Byte address.
    pub m_araddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub m_arlen: Signal<Out, Bits<8>>,
    /// 1: front end, 0: LOAD.
    pub m_arid: Signal<Out, Bits<4>>,
    /// Read data channel.
    pub m_rvalid: Signal<In, Bit>,
    /// Always.
    pub m_rready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub m_rdata: Vec<Signal<In, Bits<32>>>,
    /// Id of the burst.
    pub m_rid: Signal<In, Bits<4>>,
    /// Not 0: the line could not be read.
    pub m_rresp: Signal<In, Bits<2>>,
    /// Why, a code of `isa::error::FaultCause`; counts beside an error only.
    pub m_ruser: Signal<In, Bits<3>>,
    /// Last line of its burst.
    pub m_rlast: Signal<In, Bit>,
    /// Write address channel.
    pub m_awvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub m_awready: Signal<In, Bit>,
    /// Byte address.
    pub m_awaddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub m_awlen: Signal<Out, Bits<8>>,
    /// Always 0.
    pub m_awid: Signal<Out, Bits<4>>,
    /// Write data channel.
    pub m_wvalid: Signal<Out, Bit>,
    /// Memory takes the line.
    pub m_wready: Signal<In, Bit>,
    /// Line, 32-bit words.
    pub m_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Quarters of the line that count.
    pub m_wquarters: Signal<Out, Bits<4>>,
    /// Last line of its burst.
    pub m_wlast: Signal<Out, Bit>,
    /// Write response channel.
    pub m_bvalid: Signal<In, Bit>,
    /// Always.
    pub m_bready: Signal<Out, Bit>,
    /// Id of the burst.
    pub m_bid: Signal<In, Bits<4>>,
    /// Not 0: the burst could not be written.
    pub m_bresp: Signal<In, Bits<2>>,
    /// Why, a code of `isa::error::FaultCause`; counts beside an error only.
    pub m_buser: Signal<In, Bits<3>>,
    registers: Registers,
    counters: Counters,
    queues: Queues,
    control: Control,
    fetch: Fetch,
    check: Check,
    tokens: Tokens,
    answer: Answer,
    load_queue: ShownFifo<LoadEntry>,
    gemm_queue: ShownFifo<GemmEntry>,
    store_queue: ShownFifo<StoreEntry>,
    load: LoadEngine,
    gemm: GemmEngine,
    store: StoreEngine,
    // What memory answers, a cycle late: its port is far from those who wait.
    read: Vec<DFF<Bits<32>>>,
    read_valid: DFF<Bit>,
    read_mark: DFF<LineMark>,
    read_mark_next: Signal<Local, LineMark>,
    answer_valid: DFF<Bit>,
    answer_mark: DFF<WriteAnswer>,
    answer_mark_next: Signal<Local, WriteAnswer>,
    // What LOAD writes in this cycle.
    fill: Vec<DFF<Bits<32>>>,
    fill_line: DFF<Bits<24>>,
    fill_activations: DFF<Bit>,
    fill_weights: DFF<Bit>,
    fill_columns: DFF<Bit>,
    fill_rows: DFF<Bit>,
    activations: Buffer,
    weights: Buffer,
    columns: Buffer,
    rows: Buffer,
    lanes: ActLanes,
    unpack: Vec<Unpack>,
    array: Mesh,
    accumulators: Accumulators,
    ar_valid: DFF<Bit>,
    ar: DFF<ReadBurst>,
    ar_free: Signal<Local, Bit>,
    ar_next: Signal<Local, ReadBurst>,
    reads: DFF<Bits<16>>,
    writes: DFF<Bits<16>>,
    hold: DFF<Bits<8>>,
    hold_cycles: Constant<Bits<8>>,
    at_rest: Signal<Local, Bit>,
    port_quiet: Signal<Local, Bit>,
    engines_idle: DFF<Bit>,
    queues_empty: Signal<Local, Bit>,
    read_line: Signal<Local, Bit>,
    read_fault: Fault,
    write_fault: Fault,
    read_end: Signal<Local, Bit>,
    ar_taken: Signal<Local, Bit>,
    aw_valid: DFF<Bit>,
    aw: DFF<WriteBurst>,
    aw_free: Signal<Local, Bit>,
    aw_next: Signal<Local, WriteBurst>,
    w: LineSlice,
    w_taken: Signal<Local, Bit>,
    ar_began: DFF<Bit>,
    aw_began: DFF<Bit>,
    // Reach all of the card, so each stands in a register.
    rested: DFF<Bit>,
    restarts: DFF<Bit>,
    clears: DFF<Bit>,
    moved: DFF<Bit>,
    aw_taken: Signal<Local, Bit>,
    answer_lines: Constant<Bits<8>>,
    // Of commands that stand still for longer than this takes.
    lower: DFF<Bits<16>>,
    lowest: DFF<Bits<16>>,
    store_stalled: Signal<Local, Bit>,
    _words: usize,
    _double_words: usize,
    _act_words: usize,
    _act_lanes: usize,
    _act_shift: u64,
    _act_shift_end: u64,
    _wgt_words: usize,
    _plain_words: usize,
    _unpack: usize,
    _weights: usize,
    _indices: usize,
    _pairs: usize,
    _cols: usize,
    _counters: usize,
    _queues: usize,
    _port_bits: u64,
    _port_bits_end: u64,
}

impl Card {
    /// A card of this shape.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(shape: &Config) -> Result<Self, ConfigError> {
        shape.check()?;
        let size = |value: u32| value as usize;
        let (rows, cols, port) = (size(shape.rows), size(shape.cols), size(shape.port_bytes));
        let buffer = |kind: isa::command::Buffer, read_bytes: usize| {
            Buffer::new(size(shape.buffer_bytes(kind)), port, read_bytes)
        };
        let counters = regs::COUNTERS.len();
        let (datapaths, lanes) = (
            &shape.datapaths,
            if shape.datapaths.two_four { 2 } else { 1 },
        );
        let (kind, packed) = (Kind::of(datapaths), usize::from(datapaths.unpacks()));
        Ok(Self {
            clock: Default::default(),
            reset: Default::default(),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_strobes: Default::default(),
            reg_rdata: Default::default(),
            irq: Default::default(),
            events: Default::default(),
            active: Default::default(),
            link_ticks: Default::default(),
            link_timeout: Default::default(),
            m_arvalid: Default::default(),
            m_arready: Default::default(),
            m_araddr: Default::default(),
            m_arlen: Default::default(),
            m_arid: Default::default(),
            m_rvalid: Default::default(),
            m_rready: Default::default(),
            m_rdata: (0..port / 4).map(|_| Signal::default()).collect(),
            m_rid: Default::default(),
            m_rresp: Default::default(),
            m_ruser: Default::default(),
            m_rlast: Default::default(),
            m_awvalid: Default::default(),
            m_awready: Default::default(),
            m_awaddr: Default::default(),
            m_awlen: Default::default(),
            m_awid: Default::default(),
            m_wvalid: Default::default(),
            m_wready: Default::default(),
            m_wdata: (0..port / 4).map(|_| Signal::default()).collect(),
            m_wquarters: Default::default(),
            m_wlast: Default::default(),
            m_bvalid: Default::default(),
            m_bready: Default::default(),
            m_bid: Default::default(),
            m_bresp: Default::default(),
            m_buser: Default::default(),
            registers: Registers::new(shape),
            counters: Counters::new(counters),
            queues: Queues::new(size(shape.queues), port),
            control: Default::default(),
            fetch: Fetch::new(port),
            check: Check::new(shape),
            tokens: Default::default(),
            answer: Answer::new(port),
            load_queue: ShownFifo::new(ENGINE_QUEUE),
            gemm_queue: ShownFifo::new(ENGINE_QUEUE),
            store_queue: ShownFifo::new(ENGINE_QUEUE),
            load: LoadEngine::new(port),
            gemm: GemmEngine::new(rows, cols, datapaths, Mesh::latency(rows, cols, kind)),
            store: StoreEngine::new(cols, port),
            read: (0..port / 4).map(|_| DFF::default()).collect(),
            read_valid: Default::default(),
            read_mark: Default::default(),
            read_mark_next: Default::default(),
            answer_valid: Default::default(),
            answer_mark: Default::default(),
            answer_mark_next: Default::default(),
            fill: (0..port / 4).map(|_| DFF::default()).collect(),
            fill_line: Default::default(),
            fill_activations: Default::default(),
            fill_weights: Default::default(),
            fill_columns: Default::default(),
            fill_rows: Default::default(),
            activations: buffer(isa::command::Buffer::Activations, lanes * rows),
            weights: buffer(isa::command::Buffer::Weights, 2 * cols),
            columns: buffer(isa::command::Buffer::Columns, 2 * port),
            rows: buffer(isa::command::Buffer::Rows, 4),
            lanes: ActLanes::new(rows, datapaths.two_four),
            unpack: (0..packed)
                .map(|_| Unpack::new(rows, cols, datapaths))
                .collect(),
            array: Mesh::new(rows, cols, kind),
            accumulators: Accumulators::new(size(shape.acc_rows), cols),
            ar_valid: Default::default(),
            ar: Default::default(),
            ar_free: Default::default(),
            ar_next: Default::default(),
            reads: Default::default(),
            writes: Default::default(),
            hold: Default::default(),
            hold_cycles: Constant::new(u64::from(regs::RESET_HOLD_CYCLES).into()),
            at_rest: Default::default(),
            port_quiet: Default::default(),
            engines_idle: Default::default(),
            queues_empty: Default::default(),
            read_line: Default::default(),
            read_fault: Default::default(),
            write_fault: Default::default(),
            read_end: Default::default(),
            ar_taken: Default::default(),
            aw_valid: Default::default(),
            aw: Default::default(),
            aw_free: Default::default(),
            aw_next: Default::default(),
            w: LineSlice::new(port / 4),
            w_taken: Default::default(),
            ar_began: Default::default(),
            aw_began: Default::default(),
            rested: Default::default(),
            restarts: Default::default(),
            clears: Default::default(),
            moved: Default::default(),
            aw_taken: Default::default(),
            answer_lines: Constant::new((isa::queue::COMPLETION_BYTES as u64 / port as u64).into()),
            lower: Default::default(),
            lowest: Default::default(),
            store_stalled: Default::default(),
            _words: port / 4,
            _double_words: port / 2,
            _act_words: lanes * rows / 4,
            _act_lanes: lanes * rows,
            _act_shift: lanes as u64 - 1,
            _act_shift_end: lanes as u64,
            _wgt_words: cols / 2,
            _plain_words: if packed == 0 { cols / 2 } else { 0 },
            _unpack: packed,
            _weights: 2 * cols,
            _indices: if datapaths.two_four { 2 * cols } else { 0 },
            _pairs: rows / 2,
            _cols: cols,
            _counters: counters,
            _queues: size(shape.queues),
            _port_bits: u64::from(shape.port_bytes.ilog2()),
            _port_bits_end: u64::from(shape.port_bytes.ilog2()) + 1,
        })
    }
}

impl Logic for Card {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            ar_valid,
            ar,
            ar_began,
            aw_valid,
            aw,
            aw_began,
            reads,
            writes,
            hold,
            rested,
            restarts,
            clears,
            read_valid,
            read_mark,
            answer_valid,
            answer_mark,
            moved,
            lower,
            lowest,
            engines_idle,
            fill_activations,
            fill_weights,
            fill_columns,
            fill_rows,
            fill_line
        );
        self.registers.clock.next = self.clock.val();
        self.counters.clock.next = self.clock.val();
        self.queues.clock.next = self.clock.val();
        self.control.clock.next = self.clock.val();
        self.fetch.clock.next = self.clock.val();
        self.check.clock.next = self.clock.val();
        self.tokens.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.load_queue.clock.next = self.clock.val();
        self.gemm_queue.clock.next = self.clock.val();
        self.store_queue.clock.next = self.clock.val();
        self.load.clock.next = self.clock.val();
        self.gemm.clock.next = self.clock.val();
        self.store.clock.next = self.clock.val();
        self.activations.clock.next = self.clock.val();
        self.weights.clock.next = self.clock.val();
        self.columns.clock.next = self.clock.val();
        self.rows.clock.next = self.clock.val();
        self.array.clock.next = self.clock.val();
        self.accumulators.clock.next = self.clock.val();

        self.engines_idle.d.next =
            self.load.idle.val() & self.gemm.idle.val() & self.store.idle.val();
        self.queues_empty.next = (!self.load_queue.occupied.val())
            & (!self.gemm_queue.occupied.val())
            & (!self.store_queue.occupied.val());
        self.control.engines_idle.next = self.engines_idle.q.val();
        self.control.queues_empty.next = self.queues_empty.val();

        // Resets. The pin takes effect at once at the memory port and a cycle later behind it, and
        // what the pipelines hold runs out before the engines work again. The register waits until
        // nothing is under way: a burst that was begun must end.
        if self.hold.q.val() != 0 {
            self.hold.d.next = self.hold.q.val() - 1;
        }
        if self.reset.val() {
            self.hold.d.next = self.hold_cycles.val();
        }
        self.port_quiet.next = (self.reads.q.val() == 0)
            & (self.writes.q.val() == 0)
            & (!self.ar_valid.q.val())
            & (!self.ar_began.q.val())
            & (!self.read_valid.q.val())
            & (!self.aw_valid.q.val())
            & (!self.aw_began.q.val())
            & (!self.w.valid.val())
            & (!self.answer_valid.q.val());
        self.at_rest.next = (!self.control.busy.val())
            & self.fetch.idle.val()
            & self.engines_idle.q.val()
            & self.queues_empty.val()
            & self.port_quiet.val()
            & (self.hold.q.val() == 0);
        self.rested.d.next =
            self.registers.soft_reset.val() & self.at_rest.val() & (!self.rested.q.val());
        self.restarts.d.next = self.reset.val() | (self.hold.q.val() != 0) | self.rested.q.val();
        self.clears.d.next = self.reset.val()
            | (self.hold.q.val() != 0)
            | self.rested.q.val()
            | self.control.clear.val();
        self.registers.reset.next = self.reset.val();
        self.registers.reset_done.next = self.rested.q.val();
        self.control.stop.next = self.registers.soft_reset.val();
        self.control.give_up.next = self.queues.give_up.val();
        self.queues.reset.next = self.restarts.q.val();
        self.control.reset.next = self.restarts.q.val();
        self.fetch.reset.next = self.restarts.q.val();
        self.answer.reset.next = self.restarts.q.val();
        self.load.reset.next = self.restarts.q.val();
        self.gemm.reset.next = self.restarts.q.val();
        self.store.reset.next = self.restarts.q.val();
        self.tokens.reset.next = self.clears.q.val();
        self.load_queue.reset.next = self.clears.q.val();
        self.gemm_queue.reset.next = self.clears.q.val();
        self.store_queue.reset.next = self.clears.q.val();

        // Registers.
        self.registers.write.next = self.reg_write.val();
        self.registers.read.next = self.reg_read.val();
        self.registers.addr.next = self.reg_addr.val();
        self.registers.wdata.next = self.reg_wdata.val();
        self.reg_rdata.next = self.registers.rdata.val();
        self.registers.strobes.next = self.reg_strobes.val();
        self.irq.next = self.registers.irq.val();
        self.events.next = self.registers.events.val();
        self.link_timeout.next = self.registers.link_timeout.val();
        self.registers.busy.next =
            self.control.busy.val() | self.registers.soft_reset.val() | (self.hold.q.val() != 0);
        self.registers.fatal.next = self.control.fatal.val();
        self.registers.last_error.next = self.queues.last_error.val();
        self.active.next = ((self.control.busy.val() | self.queues.active.val())
            & (!self.control.fatal.val()))
            | self.registers.soft_reset.val()
            | (self.hold.q.val() != 0)
            | self.restarts.q.val()
            | (!self.port_quiet.val());

        // Queues.
        for i in 0..self._queues {
            self.queues.enable[i].next = self.registers.enable[i].val() & (self.hold.q.val() == 0);
            self.queues.queue_log2[i].next = self.registers.queue_log2[i].val();
            self.queues.sq_base[i].next = self.registers.sq_base[i].val();
            self.queues.cq_base[i].next = self.registers.cq_base[i].val();
            self.queues.sq_tail[i].next = self.registers.sq_tail[i].val();
            self.queues.cq_head[i].next = self.registers.cq_head[i].val();
            self.queues.resetting[i].next = self.registers.queue_resetting[i].val();
            self.registers.queue_reset_done[i].next = self.queues.reset_done[i].val();
            self.registers.sq_head[i].next = self.queues.sq_head[i].val();
            self.registers.cq_tail[i].next = self.queues.cq_tail[i].val();
            self.registers.queue_busy[i].next = self.queues.busy[i].val();
            self.registers.queue_failed[i].next = self.queues.failed[i].val();
            self.registers.queue_error[i].next = self.queues.error[i].val();
            self.registers.completed[i].next = self.queues.completed[i].val();
        }
        self.control.may_take.next = self.queues.may_take.val();
        self.control.submission_line.next = self.queues.submission_line.val();
        self.control.head.next = self.queues.head.val();
        self.control.phase.next = self.queues.phase.val();
        self.queues.running.next = self.control.busy.val();
        self.queues.taken.next = self.control.taken.val();
        self.queues.written.next = self.control.written.val();
        self.queues.unwritable.next = self.control.unwritable.val();
        self.queues.ended.next = self.control.ended.val();
        self.queues.failing.next = self.control.failing.val();
        self.queues.failure.next = self.control.failure.val();

        // Memory reads: the front end goes first; what is offered stays until it is taken. A cutter
        // needs two cycles for a burst, so none waits for the cycle between two of them.
        self.ar_taken.next = self.ar_valid.q.val() & self.m_arready.val();
        self.ar_free.next = !self.ar_valid.q.val();
        self.fetch.ar_ready.next = self.ar_free.val();
        self.load.ar_ready.next = self.ar_free.val() & (!self.fetch.ar_valid.val());
        self.ar_next.next.line = self.load.ar_line.val();
        self.ar_next.next.lines = self.load.ar_lines.val();
        self.ar_next.next.fetch = self.fetch.ar_valid.val();
        if self.fetch.ar_valid.val() {
            self.ar_next.next.line = self.fetch.ar_line.val();
            self.ar_next.next.lines = self.fetch.ar_lines.val();
        }
        if self.ar_free.val() {
            self.ar_valid.d.next = self.fetch.ar_valid.val() | self.load.ar_valid.val();
            self.ar.d.next = self.ar_next.val();
        } else if self.m_arready.val() {
            self.ar_valid.d.next = false;
        }
        self.ar_began.d.next = self.ar_taken.val();
        self.m_arvalid.next = self.ar_valid.q.val();
        for k in self._port_bits..self._port_bits_end {
            self.m_araddr.next = bit_cast::<64, 53>(self.ar.q.val().line) << k;
        }
        self.m_arlen.next = self.ar.q.val().lines - 1;
        self.m_arid.next = 0.into();
        if self.ar.q.val().fetch {
            self.m_arid.next = 1.into();
        }
        self.m_rready.next = true;
        self.read_valid.d.next = self.m_rvalid.val();
        self.read_mark_next.next.fetch = self.m_rid.val() == 1;
        self.read_mark_next.next.resp = self.m_rresp.val();
        self.read_mark_next.next.user = self.m_ruser.val();
        self.read_mark_next.next.last = self.m_rlast.val();
        self.read_mark.d.next = self.read_mark_next.val();
        self.read_line.next = self.read_valid.q.val();
        self.read_fault.answer.next = self.read_mark.q.val().resp;
        self.read_fault.cause.next = self.read_mark.q.val().user;
        self.read_end.next = self.read_valid.q.val() & self.read_mark.q.val().last;
        self.fetch.r_valid.next = self.read_line.val() & self.read_mark.q.val().fetch;
        self.fetch.r_fault.next = self.read_fault.fault.val();
        self.load.r_valid.next = self.read_line.val() & (!self.read_mark.q.val().fetch);
        self.load.r_fault.next = self.read_fault.fault.val();
        for i in 0..self._words {
            self.read[i].clock.next = self.clock.val();
            self.read[i].d.next = self.m_rdata[i].val();
            self.fetch.r_data[i].next = self.read[i].q.val();
            self.fill[i].clock.next = self.clock.val();
            self.fill[i].d.next = self.read[i].q.val();
            self.activations.write_data[i].next = self.fill[i].q.val();
            self.weights.write_data[i].next = self.fill[i].q.val();
            self.columns.write_data[i].next = self.fill[i].q.val();
            self.rows.write_data[i].next = self.fill[i].q.val();
        }

        // Memory writes: a completion is written only while STORE is idle.
        self.aw_free.next = !self.aw_valid.q.val();
        self.aw_taken.next = self.aw_valid.q.val() & self.m_awready.val();
        self.aw_next.next.line = self.store.aw_line.val();
        self.aw_next.next.lines = self.store.aw_lines.val();
        if self.answer.aw_valid.val() {
            self.aw_next.next.line = self.queues.answer_line.val();
            self.aw_next.next.lines = self.answer_lines.val();
        }
        if self.aw_free.val() {
            self.aw_valid.d.next = self.store.aw_valid.val() | self.answer.aw_valid.val();
            self.aw.d.next = self.aw_next.val();
        } else if self.m_awready.val() {
            self.aw_valid.d.next = false;
        }
        self.aw_began.d.next = self.aw_taken.val();
        for k in self._port_bits..self._port_bits_end {
            self.m_awaddr.next = bit_cast::<64, 53>(self.aw.q.val().line) << k;
        }
        self.m_awvalid.next = self.aw_valid.q.val();
        self.m_awlen.next = self.aw.q.val().lines - 1;
        self.m_awid.next = 0.into();
        self.store.aw_ready.next = self.aw_free.val();
        self.answer.aw_ready.next = self.aw_free.val();
        self.w.clock.next = self.clock.val();
        self.w.reset.next = self.reset.val() | self.restarts.q.val();
        self.w.in_valid.next = self.store.w_valid.val() | self.answer.w_valid.val();
        self.w.in_last.next = self.store.w_last.val();
        self.w.in_quarters.next = self.store.w_quarters.val();
        if self.answer.w_valid.val() {
            self.w.in_last.next = self.answer.w_last.val();
            self.w.in_quarters.next = 15.into();
        }
        for i in 0..self._words {
            self.w.in_data[i].next = self.store.w_data[i].val();
            if self.answer.w_valid.val() {
                self.w.in_data[i].next = self.answer.w_data[i].val();
            }
            self.m_wdata[i].next = self.w.data[i].val();
        }
        self.store.w_ready.next = self.w.in_ready.val();
        self.answer.w_ready.next = self.w.in_ready.val();
        self.m_wvalid.next = self.w.valid.val();
        self.m_wlast.next = self.w.last.val();
        self.m_wquarters.next = self.w.quarters.val();
        self.w.ready.next = self.m_wready.val();
        self.w_taken.next = self.w.valid.val() & self.m_wready.val();
        self.m_bready.next = true;
        self.answer_valid.d.next = self.m_bvalid.val();
        self.answer_mark_next.next.resp = self.m_bresp.val();
        self.answer_mark_next.next.user = self.m_buser.val();
        self.answer_mark.d.next = self.answer_mark_next.val();
        self.write_fault.answer.next = self.answer_mark.q.val().resp;
        self.write_fault.cause.next = self.answer_mark.q.val().user;
        self.store.b_valid.next = self.answer_valid.q.val() & (!self.control.completing.val());
        self.store.b_fault.next = self.write_fault.fault.val();
        self.answer.b_valid.next = self.answer_valid.q.val() & self.control.completing.val();
        self.answer.b_fault.next = self.write_fault.fault.val();

        // What memory still owes.
        if self.ar_began.q.val() & (!self.read_end.val()) {
            self.reads.d.next = self.reads.q.val() + 1;
        }
        if self.read_end.val() & (!self.ar_began.q.val()) {
            self.reads.d.next = self.reads.q.val() - 1;
        }
        if self.aw_began.q.val() & (!self.answer_valid.q.val()) {
            self.writes.d.next = self.writes.q.val() + 1;
        }
        if self.answer_valid.q.val() & (!self.aw_began.q.val()) {
            self.writes.d.next = self.writes.q.val() - 1;
        }
        if self.reset.val() | self.restarts.q.val() {
            self.ar_valid.d.next = false;
            self.ar_began.d.next = false;
            self.aw_valid.d.next = false;
            self.aw_began.d.next = false;
            self.read_valid.d.next = false;
            self.answer_valid.d.next = false;
            self.reads.d.next = 0.into();
            self.writes.d.next = 0.into();
        }

        // Front end.
        self.control.watchdog.next = self.registers.watchdog.val();
        self.fetch.run_valid.next = self.control.run_valid.val();
        self.fetch.run_line.next = self.control.run_line.val();
        self.fetch.run_records.next = self.control.run_records.val();
        self.fetch.flush.next = self.control.flush.val();
        self.fetch.taken.next = self.control.record_taken.val();
        self.control.fetch_idle.next = self.fetch.idle.val();
        self.control.record_valid.next = self.fetch.valid.val();
        self.control.record_fault.next = self.fetch.fault.val();
        for i in 0..16 {
            self.check.word[i].next = self.fetch.word[i].val();
        }
        self.check.index.next = self.control.index.val();
        self.control.error.next = self.check.error.val();
        self.control.is_load.next = self.check.is_load.val();
        self.control.is_gemm.next = self.check.is_gemm.val();
        self.control.submission_bad.next = self.check.submission_bad.val();
        self.control.program_line.next = self.check.program_line.val();
        self.control.commands.next = self.check.commands.val();
        self.control.tag.next = self.check.tag.val();
        self.answer.start.next = self.control.answer_start.val();
        for i in 0..8 {
            self.answer.word[i].next = self.control.answer_word[i].val();
        }
        self.control.answer_done.next = self.answer.done.val();
        self.control.answer_fault.next = self.answer.fault.val();

        // Queues of the engines.
        self.control.room_load.next = self.load_queue.room.val();
        self.control.room_gemm.next = self.gemm_queue.room.val();
        self.control.room_store.next = self.store_queue.room.val();
        self.load_queue.push.next = self.control.push_load.val();
        self.gemm_queue.push.next = self.control.push_gemm.val();
        self.store_queue.push.next = self.control.push_store.val();
        self.load_queue.push_data.next = self.check.load.val();
        self.gemm_queue.push_data.next = self.check.gemm.val();
        self.store_queue.push_data.next = self.check.store.val();
        self.tokens.want_load.next = self.load_queue.valid.val();
        self.tokens.want_gemm.next = self.gemm_queue.valid.val();
        self.tokens.want_store.next = self.store_queue.valid.val();
        self.tokens.ready_load.next = self.load.entry_ready.val();
        self.tokens.ready_gemm.next = self.gemm.entry_ready.val();
        self.tokens.ready_store.next = self.store.entry_ready.val();
        self.tokens.takes_load.next = self.load_queue.data.val().takes;
        self.tokens.takes_gemm.next = self.gemm_queue.data.val().takes;
        self.tokens.takes_store.next = self.store_queue.data.val().takes;
        self.load_queue.pop.next = self.tokens.start_load.val();
        self.gemm_queue.pop.next = self.tokens.start_gemm.val();
        self.store_queue.pop.next = self.tokens.start_store.val();
        self.load.entry_valid.next = self.tokens.start_load.val();
        self.gemm.entry_valid.next = self.tokens.start_gemm.val();
        self.store.entry_valid.next = self.tokens.start_store.val();
        self.load.entry.next = self.load_queue.data.val();
        self.gemm.entry.next = self.gemm_queue.data.val();
        self.store.entry.next = self.store_queue.data.val();
        self.tokens.done_load.next = self.load.done.val();
        self.tokens.done_gemm.next = self.gemm.done.val();
        self.tokens.done_store.next = self.store.done.val();
        self.tokens.gives_load.next = self.load.done_gives.val();
        self.tokens.gives_gemm.next = self.gemm.done_gives.val();
        self.tokens.gives_store.next = self.store.done_gives.val();
        self.tokens.index_load.next = self.load.done_index.val();
        self.tokens.index_gemm.next = self.gemm.done_index.val();
        self.tokens.index_store.next = self.store.done_index.val();
        self.control.overflow.next = self.tokens.overflow.val();
        self.control.overflow_index.next = self.tokens.overflow_index.val();
        self.control.load_fault.next = self.load.fault.val();
        self.control.load_index.next = self.load.fault_index.val();
        self.control.store_fault.next = self.store.fault.val();
        self.control.store_index.next = self.store.fault_index.val();
        self.control.all_blocked.next = ((!self.load_queue.occupied.val())
            | self.tokens.blocked_load.val())
            & ((!self.gemm_queue.occupied.val()) | self.tokens.blocked_gemm.val())
            & ((!self.store_queue.occupied.val()) | self.tokens.blocked_store.val());
        self.lower.d.next = 65535.into();
        if self.load_queue.valid.val() {
            self.lower.d.next = self.load_queue.data.val().index;
        }
        if self.gemm_queue.valid.val()
            & ((!self.load_queue.valid.val())
                | (self.gemm_queue.data.val().index < self.load_queue.data.val().index))
        {
            self.lower.d.next = self.gemm_queue.data.val().index;
        }
        self.lowest.d.next = self.lower.q.val();
        if self.store_queue.valid.val() & (self.store_queue.data.val().index < self.lower.q.val()) {
            self.lowest.d.next = self.store_queue.data.val().index;
        }
        self.control.blocked_index.next = self.lowest.q.val();
        self.moved.d.next = self.ar_began.q.val()
            | self.read_valid.q.val()
            | self.aw_began.q.val()
            | self.w_taken.val()
            | self.answer_valid.q.val()
            | self.gemm.busy.val();
        self.control.moved.next = self.moved.q.val();

        // LOAD into the buffers, a cycle late, since a port of memory and block memories are far
        // apart. Nobody reads so early: the token of the command comes a cycle after its last line.
        self.fill_activations.d.next = self.load.write.val() & (self.load.write_buffer.val() == 0);
        self.fill_weights.d.next = self.load.write.val() & (self.load.write_buffer.val() == 1);
        self.fill_columns.d.next = self.load.write.val() & (self.load.write_buffer.val() == 2);
        self.fill_rows.d.next = self.load.write.val() & (self.load.write_buffer.val() == 3);
        self.fill_line.d.next = self.load.write_line.val();
        self.activations.write.next = self.fill_activations.q.val();
        self.weights.write.next = self.fill_weights.q.val();
        self.columns.write.next = self.fill_columns.q.val();
        self.rows.write.next = self.fill_rows.q.val();
        self.activations.write_line.next = self.fill_line.q.val();
        self.weights.write_line.next = self.fill_line.q.val();
        self.columns.write_line.next = self.fill_line.q.val();
        self.rows.write_line.next = self.fill_line.q.val();

        // GEMM: buffers, array, accumulators.
        self.activations.read.next = self.gemm.act_read.val();
        for k in self._act_shift..self._act_shift_end {
            self.activations.read_row.next = self.gemm.act_row.val() >> k;
        }
        self.activations.advance.next = true;
        self.columns.advance.next = true;
        self.rows.advance.next = true;
        self.weights.read.next = self.gemm.wgt_read.val();
        self.weights.read_row.next = self.gemm.wgt_row.val();
        self.weights.advance.next = self.gemm.advance.val();
        self.lanes.clock.next = self.clock.val();
        self.lanes.wide.next = self.gemm.act_wide.val();
        self.lanes.half.next = self.gemm.act_row.val().get_bit(0);
        for i in 0..self._act_words {
            self.lanes.word[i].next = self.activations.read_data[i].val();
        }
        for i in 0..self._act_lanes {
            self.array.act[i].next = self.lanes.act[i].val();
        }
        self.array.swap.next = self.gemm.swap.val();
        for i in 0..self._pairs {
            self.array.load[i].next = self.gemm.load[i].val();
        }
        self.gemm.header.next = 0.into();
        for i in 0..self._unpack {
            self.unpack[i].clock.next = self.clock.val();
            self.unpack[i].shift.next = self.gemm.shift.val();
            self.unpack[i].action.next = self.gemm.action.val();
            self.gemm.header.next = self.unpack[i].header.val();
            for j in 0..self._wgt_words {
                self.unpack[i].row[j].next = self.weights.read_data[j].val();
            }
            for j in 0..self._weights {
                self.array.weight[j].next = signed_cast(self.unpack[i].weight[j].val());
            }
            for j in 0..self._indices {
                self.array.index[j].next = self.unpack[i].index[j].val();
            }
        }
        for i in 0..self._plain_words {
            self.array.weight[i * 4].next =
                signed_cast(self.weights.read_data[i].val().get_bits::<8>(0));
            self.array.weight[i * 4 + 1].next =
                signed_cast(self.weights.read_data[i].val().get_bits::<8>(8));
            self.array.weight[i * 4 + 2].next =
                signed_cast(self.weights.read_data[i].val().get_bits::<8>(16));
            self.array.weight[i * 4 + 3].next =
                signed_cast(self.weights.read_data[i].val().get_bits::<8>(24));
        }
        self.accumulators.tag.next = self.gemm.tag.val().valid;
        self.accumulators.tag_add.next = self.gemm.tag.val().add;
        self.accumulators.tag_last.next = self.gemm.tag.val().last;
        self.accumulators.tag_row.next = self.gemm.tag.val().row;
        self.gemm.added_last.next = self.accumulators.added_last.val();
        for i in 0..self._cols {
            self.accumulators.sum[i].next = self.array.sum[i].val();
            self.store.acc_data[i].next = self.accumulators.read_data[i].val();
        }

        // STORE: accumulators and parameters.
        self.accumulators.read.next = self.store.acc_read.val();
        self.accumulators.read_row.next = self.store.acc_row.val();
        self.store.acc_ready.next = self.accumulators.read_ready.val();
        self.columns.read.next = self.store.params_read.val();
        self.columns.read_row.next = self.store.column_row.val();
        self.rows.read.next = self.store.params_read.val();
        self.rows.read_row.next = self.store.scale_row.val();
        for i in 0..self._double_words {
            self.store.column[i].next = self.columns.read_data[i].val();
        }
        self.store.scale.next = self.rows.read_data[0].val();

        // Counters, in the order of the contract.
        self.counters.clear.next = self.registers.clear_counters.val();
        self.counters.freeze.next = self.registers.freeze_counters.val();
        self.counters.tick[0].next = self.control.count_cycles.val();
        self.counters.tick[1].next = self.control.count_busy.val();
        self.counters.tick[2].next = self.control.count_input.val();
        self.counters.tick[3].next = self.control.count_output.val();
        self.counters.tick[4].next = self.control.count_memory.val();
        self.counters.tick[5].next = self.load.write.val();
        self.counters.tick[6].next = self.tokens.blocked_load.val() & self.load.idle.val();
        self.counters.tick[7].next = false;
        self.counters.tick[8].next = (!self.load.idle.val()) & (!self.load.write.val());
        self.counters.tick[9].next = self.gemm.busy.val();
        self.counters.tick[10].next =
            self.tokens.blocked_gemm.val() & (!self.gemm.busy.val()) & (!self.gemm.starved.val());
        self.counters.tick[11].next = false;
        self.counters.tick[12].next = self.gemm.starved.val();
        self.store_stalled.next = (self.store.w_valid.val() & (!self.w.in_ready.val()))
            | (self.store.aw_valid.val() & (!self.aw_free.val()));
        self.counters.tick[13].next = self.store.w_valid.val() & self.w.in_ready.val();
        self.counters.tick[14].next = self.tokens.blocked_store.val() & (!self.store.active.val());
        self.counters.tick[15].next = self.store_stalled.val();
        self.counters.tick[16].next = self.store.active.val()
            & (!self.store_stalled.val())
            & (!(self.store.w_valid.val() & self.w.in_ready.val()));
        self.counters.tick[17].next = self.read_line.val();
        self.counters.tick[18].next = self.w_taken.val();
        for i in 0..6usize {
            self.counters.tick[i + 19].next = self.link_ticks.val().get_bit(i);
        }
        self.counters.tick[25].next = self.load.write.val() & (self.load.write_buffer.val() == 1);
        for i in 0..self._counters {
            self.registers.counter_low[i].next = self.counters.low[i].val();
            self.registers.counter_high[i].next = self.counters.high[i].val();
        }
    }
}
