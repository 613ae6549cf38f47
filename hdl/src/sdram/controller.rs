//! The card's own memory: AXI4 on one side, the pins of an SDRAM chip on the other.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Pace, ReadData, Rows, Timing, Walk, WriteData};

/// What the controller is about.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Stage {
    /// Power-up: the clock must be stable for some time.
    Boot,
    /// Close all banks.
    Close,
    /// Send refreshes.
    Refresh,
    /// Load the mode register.
    Mode,
    /// Read and write.
    Run,
}

/// Controller of a chip of 32 MiB with 16 data pins.
///
/// ```text
///                   +-------+
/// l_ar*, l_aw* ---->| Walk  |  line  +-------------+ command      cke, cs_n, ras_n,
///                   | (two) |------->| next access |---[reg]----> cas_n, we_n, ba, a
///                   +-------+        +-------------+
///                                     | Rows | Pace|
///                                     +------------+
/// l_w*         ------------------------> WriteData ----------[reg]--> dq_out, dqm, dq_enable
/// l_r*         <------------------------ ReadData  <---------[reg]--- dq_in
/// l_b*         <---  with the WRITE of the last line
/// ```
///
/// * A line of 16 bytes is one burst of eight words. Lines of a burst follow each other without a
///   gap: while one is under way the next one's row is opened. An address is row, bank, column from
///   the top, so that bursts walk from bank to bank.
/// * Rows stay open until another row of the bank or a refresh needs them closed. Refreshes come
///   once an interval, and wait for one access at most.
/// * Reads and writes change places after each burst. Within a burst of writes, reads go first
///   while there is no data. Whatever is written is seen by reads that begin after `l_bvalid`.
/// * The master takes every line and every answer at once: `l_rready` and `l_bready` are taken to
///   be high. Bursts have up to 256 lines and do not cross 4 KiB. Lines beyond 32 MiB are answered
///   with DECERR and not written.
/// * The lines of a burst come in the order of AXI4: data may come before its address and then
///   waits.
/// * After power-up and after `reset` (one cycle does) the chip is initialised, which takes 100 or
///   200 us in which no burst begins. What it held is kept across a `reset` only by luck.
/// * All outputs to the chip are registers, and `dq_in` goes into one before anything else.
///   Clocked by the chip's clock; the board may shift that of the chip and tell so by
///   [`Timing::with_delay`].
/// * A line of an open row is there `13 + CAS latency` cycles after its address was taken.
#[derive(LogicBlock)]
pub struct Sdram {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything and initialise the chip.
    pub reset: Signal<In, Bit>,
    /// Read address channel.
    pub l_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub l_arready: Signal<Out, Bit>,
    /// Byte address.
    pub l_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub l_arlen: Signal<In, Bits<8>>,
    /// Comes back with the lines.
    pub l_arid: Signal<In, Bits<4>>,
    /// Read data channel.
    pub l_rvalid: Signal<Out, Bit>,
    /// Line.
    pub l_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Id of the burst.
    pub l_rid: Signal<Out, Bits<4>>,
    /// Not 0: the memory has no such line.
    pub l_rresp: Signal<Out, Bits<2>>,
    /// Last line of its burst.
    pub l_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub l_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub l_awready: Signal<Out, Bit>,
    /// Byte address.
    pub l_awaddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub l_awlen: Signal<In, Bits<8>>,
    /// Comes back with the answer.
    pub l_awid: Signal<In, Bits<4>>,
    /// Write data channel.
    pub l_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub l_wready: Signal<Out, Bit>,
    /// Line.
    pub l_wdata: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub l_wstrb: Vec<Signal<In, Bits<4>>>,
    /// Write response channel.
    pub l_bvalid: Signal<Out, Bit>,
    /// Id of the burst.
    pub l_bid: Signal<Out, Bits<4>>,
    /// Not 0: the memory has no such lines.
    pub l_bresp: Signal<Out, Bits<2>>,
    /// Chip: clock enable.
    pub cke: Signal<Out, Bit>,
    /// Chip select, always low.
    pub cs_n: Signal<Out, Bit>,
    /// Command.
    pub ras_n: Signal<Out, Bit>,
    /// Command.
    pub cas_n: Signal<Out, Bit>,
    /// Command.
    pub we_n: Signal<Out, Bit>,
    /// Bank.
    pub ba: Signal<Out, Bits<2>>,
    /// Row, column or mode.
    pub a: Signal<Out, Bits<13>>,
    /// Bytes that are not written.
    pub dqm: Signal<Out, Bits<2>>,
    /// Word to the chip.
    pub dq_out: Signal<Out, Bits<16>>,
    /// It is driven.
    pub dq_enable: Signal<Out, Bit>,
    /// Word from the chip.
    pub dq_in: Signal<In, Bits<16>>,
    reads: Walk,
    writes: Walk,
    rows: Rows,
    pace: Pace,
    to_chip: WriteData,
    from_chip: ReadData,
    stage: DFF<Stage>,
    /// Intervals of the power-up, and then refreshes that follow, less one.
    count: DFF<Bits<5>>,
    /// Cycles before another command.
    pause: DFF<Bits<4>>,
    /// The mode register is loaded.
    started: DFF<Bit>,
    /// A refresh waits.
    due: DFF<Bit>,
    // The next access.
    next_valid: DFF<Bit>,
    /// `next_open` and `next_hit` are known.
    next_known: DFF<Bit>,
    /// Its bank has an open row.
    next_open: DFF<Bit>,
    /// It is the right one.
    next_hit: DFF<Bit>,
    next_write: DFF<Bit>,
    next_row: DFF<Bits<13>>,
    next_bank: DFF<Bits<2>>,
    next_column: DFF<Bits<6>>,
    next_id: DFF<Bits<4>>,
    next_last: DFF<Bit>,
    next_beyond: DFF<Bit>,
    /// Bank of the last access.
    last_bank: DFF<Bits<2>>,
    /// Writes come next, if there are any.
    prefer_write: DFF<Bit>,
    has_write: Signal<Local, Bit>,
    may_form: Signal<Local, Bit>,
    form_read: Signal<Local, Bit>,
    form_write: Signal<Local, Bit>,
    // What is sent.
    idle: Signal<Local, Bit>,
    may_access: Signal<Local, Bit>,
    may_close: Signal<Local, Bit>,
    works: Signal<Local, Bit>,
    access: Signal<Local, Bit>,
    activate: Signal<Local, Bit>,
    close: Signal<Local, Bit>,
    close_all: Signal<Local, Bit>,
    refresh: Signal<Local, Bit>,
    load_mode: Signal<Local, Bit>,
    // The command on its way to the pins, and the access that it is.
    awake: DFF<Bit>,
    command: DFF<Bits<3>>,
    to_bank: DFF<Bits<2>>,
    to_a: DFF<Bits<13>>,
    sends_read: DFF<Bit>,
    sends_write: DFF<Bit>,
    sent_id: DFF<Bits<4>>,
    sent_last: DFF<Bit>,
    sent_beyond: DFF<Bit>,
    // Pins.
    pin_cke: DFF<Bit>,
    pin_command: DFF<Bits<3>>,
    pin_ba: DFF<Bits<2>>,
    pin_a: DFF<Bits<13>>,
    power_up: Constant<Bits<5>>,
    first_refreshes: Constant<Bits<5>>,
    t_rcd: Constant<Bits<4>>,
    t_rp: Constant<Bits<4>>,
    t_rfc: Constant<Bits<4>>,
    t_mrd: Constant<Bits<4>>,
    mode: Constant<Bits<13>>,
    all_banks: Constant<Bits<13>>,
}

/// Refreshes before the mode register is loaded: as many as any part wants.
const FIRST_REFRESHES: u64 = 8;

impl Sdram {
    /// For a chip and a clock with these times.
    pub fn new(timing: &Timing) -> Self {
        let inputs = || (0..4).map(|_| Signal::default()).collect();
        let pause = |cycles: u32| Constant::new(u64::from(cycles - 1).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            l_arvalid: Default::default(),
            l_arready: Default::default(),
            l_araddr: Default::default(),
            l_arlen: Default::default(),
            l_arid: Default::default(),
            l_rvalid: Default::default(),
            l_rdata: (0..4).map(|_| Signal::default()).collect(),
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
            l_wdata: inputs(),
            l_wstrb: (0..4).map(|_| Signal::default()).collect(),
            l_bvalid: Default::default(),
            l_bid: Default::default(),
            l_bresp: Default::default(),
            cke: Default::default(),
            cs_n: Default::default(),
            ras_n: Default::default(),
            cas_n: Default::default(),
            we_n: Default::default(),
            ba: Default::default(),
            a: Default::default(),
            dqm: Default::default(),
            dq_out: Default::default(),
            dq_enable: Default::default(),
            dq_in: Default::default(),
            reads: Default::default(),
            writes: Default::default(),
            rows: Default::default(),
            pace: Pace::new(timing),
            to_chip: Default::default(),
            from_chip: ReadData::new(timing),
            stage: Default::default(),
            count: Default::default(),
            pause: Default::default(),
            started: Default::default(),
            due: Default::default(),
            next_valid: Default::default(),
            next_known: Default::default(),
            next_open: Default::default(),
            next_hit: Default::default(),
            next_write: Default::default(),
            next_row: Default::default(),
            next_bank: Default::default(),
            next_column: Default::default(),
            next_id: Default::default(),
            next_last: Default::default(),
            next_beyond: Default::default(),
            last_bank: Default::default(),
            prefer_write: Default::default(),
            has_write: Default::default(),
            may_form: Default::default(),
            form_read: Default::default(),
            form_write: Default::default(),
            idle: Default::default(),
            may_access: Default::default(),
            may_close: Default::default(),
            works: Default::default(),
            access: Default::default(),
            activate: Default::default(),
            close: Default::default(),
            close_all: Default::default(),
            refresh: Default::default(),
            load_mode: Default::default(),
            awake: Default::default(),
            command: Default::default(),
            to_bank: Default::default(),
            to_a: Default::default(),
            sends_read: Default::default(),
            sends_write: Default::default(),
            sent_id: Default::default(),
            sent_last: Default::default(),
            sent_beyond: Default::default(),
            pin_cke: Default::default(),
            pin_command: Default::default(),
            pin_ba: Default::default(),
            pin_a: Default::default(),
            power_up: Constant::new(u64::from(timing.power_up).into()),
            first_refreshes: Constant::new((FIRST_REFRESHES - 1).into()),
            t_rcd: pause(timing.t_rcd),
            t_rp: pause(timing.t_rp),
            t_rfc: pause(timing.t_rfc),
            t_mrd: pause(timing.t_mrd),
            mode: Constant::new(timing.mode().into()),
            all_banks: Constant::new((1u64 << 10).into()),
        }
    }
}

impl Logic for Sdram {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            stage,
            count,
            pause,
            started,
            due,
            next_valid,
            next_known,
            next_open,
            next_hit,
            next_write,
            next_row,
            next_bank,
            next_column,
            next_id,
            next_last,
            next_beyond,
            last_bank,
            prefer_write,
            awake,
            command,
            to_bank,
            to_a,
            sends_read,
            sends_write,
            sent_id,
            sent_last,
            sent_beyond,
            pin_cke,
            pin_command,
            pin_ba,
            pin_a
        );
        self.reads.clock.next = self.clock.val();
        self.writes.clock.next = self.clock.val();
        self.rows.clock.next = self.clock.val();
        self.pace.clock.next = self.clock.val();
        self.to_chip.clock.next = self.clock.val();
        self.from_chip.clock.next = self.clock.val();
        self.reads.reset.next = self.reset.val();
        self.writes.reset.next = self.reset.val();
        self.pace.reset.next = self.reset.val();
        self.to_chip.reset.next = self.reset.val();
        self.from_chip.reset.next = self.reset.val();

        // Addresses.
        self.reads.valid.next = self.l_arvalid.val();
        self.l_arready.next = self.reads.ready.val();
        self.reads.addr.next = self.l_araddr.val();
        self.reads.len.next = self.l_arlen.val();
        self.reads.id.next = self.l_arid.val();
        self.writes.valid.next = self.l_awvalid.val();
        self.l_awready.next = self.writes.ready.val();
        self.writes.addr.next = self.l_awaddr.val();
        self.writes.len.next = self.l_awlen.val();
        self.writes.id.next = self.l_awid.val();

        // The next access, as soon as the one before is sent. What a write has at hand shows a
        // cycle after its last line was taken.
        self.has_write.next = self.writes.line_valid.val() & self.l_wvalid.val();
        self.may_form.next = (!self.next_valid.q.val()) & (!self.sends_write.q.val());
        self.form_write.next = self.may_form.val()
            & self.has_write.val()
            & (self.prefer_write.q.val() | (!self.reads.line_valid.val()));
        self.form_read.next = self.may_form.val()
            & self.reads.line_valid.val()
            & ((!self.prefer_write.q.val()) | (!self.has_write.val()));
        self.reads.take.next = self.form_read.val();
        self.writes.take.next = self.form_write.val();
        if self.form_read.val() {
            self.next_valid.d.next = true;
            self.next_known.d.next = false;
            self.next_write.d.next = false;
            self.next_row.d.next = self.reads.row.val();
            self.next_bank.d.next = self.reads.bank.val();
            self.next_column.d.next = self.reads.column.val();
            self.next_id.d.next = self.reads.line_id.val();
            self.next_last.d.next = self.reads.last.val();
            self.next_beyond.d.next = self.reads.beyond.val();
            self.prefer_write.d.next = self.reads.last.val();
        }
        if self.form_write.val() {
            self.next_valid.d.next = true;
            self.next_known.d.next = false;
            self.next_write.d.next = true;
            self.next_row.d.next = self.writes.row.val();
            self.next_bank.d.next = self.writes.bank.val();
            self.next_column.d.next = self.writes.column.val();
            self.next_id.d.next = self.writes.line_id.val();
            self.next_last.d.next = self.writes.last.val();
            self.next_beyond.d.next = self.writes.beyond.val();
            self.prefer_write.d.next = !self.writes.last.val();
        }
        self.rows.bank.next = self.next_bank.q.val();
        self.rows.row.next = self.next_row.q.val();
        if self.next_valid.q.val() & (!self.next_known.q.val()) {
            self.next_known.d.next = true;
            self.next_open.d.next = self.rows.open.val();
            self.next_hit.d.next = self.rows.hit.val();
        }

        // What may be sent. An opened row is used before a refresh closes it.
        self.idle.next = self.pause.q.val() == 0;
        self.may_access.next = self.pace.may_read.val();
        if self.next_write.q.val() {
            self.may_access.next = self.pace.may_write.val();
        }
        self.may_close.next = self.pace.may_close.val();
        if self.next_bank.q.val() != self.last_bank.q.val() {
            self.may_close.next = true;
        }
        self.works.next = (self.stage.q.val() == Stage::Run)
            & self.idle.val()
            & self.next_valid.q.val()
            & self.next_known.q.val();
        self.access.next = self.works.val() & self.next_hit.q.val() & self.may_access.val();
        self.activate.next = self.works.val()
            & (!self.next_hit.q.val())
            & (!self.next_open.q.val())
            & (!self.due.q.val());
        self.close.next = self.works.val()
            & (!self.next_hit.q.val())
            & self.next_open.q.val()
            & self.may_close.val()
            & (!self.due.q.val());
        self.close_all.next =
            (self.stage.q.val() == Stage::Close) & self.idle.val() & self.pace.may_close.val();
        self.refresh.next = (self.stage.q.val() == Stage::Refresh) & self.idle.val();
        self.load_mode.next = (self.stage.q.val() == Stage::Mode) & self.idle.val();
        self.rows.activate.next = self.activate.val();
        self.rows.close.next = self.close.val();
        self.rows.close_all.next = self.close_all.val();
        self.pace.access.next = self.access.val();
        self.pace.write.next = self.next_write.q.val();

        // What follows from it.
        if !self.idle.val() {
            self.pause.d.next = self.pause.q.val() - 1;
        }
        if self.activate.val() {
            self.pause.d.next = self.t_rcd.val();
            self.next_hit.d.next = true;
        }
        if self.close.val() | self.close_all.val() {
            self.pause.d.next = self.t_rp.val();
        }
        if self.close.val() {
            self.next_open.d.next = false;
        }
        if self.close_all.val() {
            self.next_open.d.next = false;
            self.next_hit.d.next = false;
        }
        if self.access.val() {
            self.next_valid.d.next = false;
            self.last_bank.d.next = self.next_bank.q.val();
        }
        if self.refresh.val() {
            self.pause.d.next = self.t_rfc.val();
        }
        if self.load_mode.val() {
            self.pause.d.next = self.t_mrd.val();
        }
        match self.stage.q.val() {
            Stage::Boot => {
                if self.pace.tick.val() {
                    self.count.d.next = self.count.q.val() - 1;
                    if self.count.q.val() == 0 {
                        self.count.d.next = self.first_refreshes.val();
                        self.stage.d.next = Stage::Close;
                    }
                }
            }
            Stage::Close => {
                if self.close_all.val() {
                    self.stage.d.next = Stage::Refresh;
                }
            }
            Stage::Refresh => {
                if self.refresh.val() {
                    self.count.d.next = self.count.q.val() - 1;
                    if self.count.q.val() == 0 {
                        self.count.d.next = 0.into();
                        self.stage.d.next = Stage::Mode;
                        if self.started.q.val() {
                            self.stage.d.next = Stage::Run;
                        }
                    }
                }
            }
            Stage::Mode => {
                if self.load_mode.val() {
                    self.started.d.next = true;
                    self.stage.d.next = Stage::Run;
                }
            }
            Stage::Run => {
                if self.due.q.val()
                    & ((!self.next_valid.q.val())
                        | (!self.next_known.q.val())
                        | (!self.next_hit.q.val()))
                {
                    self.due.d.next = false;
                    self.stage.d.next = Stage::Close;
                }
            }
            _ => {}
        }
        if self.pace.tick.val() & self.started.q.val() {
            self.due.d.next = true;
        }

        // The command: RAS, CAS and WE, low when they are active.
        self.command.d.next = 7.into();
        self.to_bank.d.next = self.next_bank.q.val();
        self.to_a.d.next = bit_cast::<13, 6>(self.next_column.q.val()) << 3;
        if self.access.val() {
            self.command.d.next = 5.into();
            if self.next_write.q.val() {
                self.command.d.next = 4.into();
            }
        }
        if self.activate.val() {
            self.command.d.next = 3.into();
            self.to_a.d.next = self.next_row.q.val();
        }
        if self.close.val() {
            self.command.d.next = 2.into();
        }
        if self.close_all.val() {
            self.command.d.next = 2.into();
            self.to_a.d.next = self.all_banks.val();
        }
        if self.refresh.val() {
            self.command.d.next = 1.into();
        }
        if self.load_mode.val() {
            self.command.d.next = 0.into();
            self.to_bank.d.next = 0.into();
            self.to_a.d.next = self.mode.val();
        }
        self.sends_read.d.next = self.access.val() & (!self.next_write.q.val());
        self.sends_write.d.next = self.access.val() & self.next_write.q.val();
        if self.access.val() {
            self.sent_id.d.next = self.next_id.q.val();
            self.sent_last.d.next = self.next_last.q.val();
            self.sent_beyond.d.next = self.next_beyond.q.val();
        }

        // Data and answers.
        self.to_chip.load.next = self.sends_write.q.val();
        self.to_chip.hide.next = self.sent_beyond.q.val();
        self.to_chip.quiet.next = !self.started.q.val();
        for i in 0..4 {
            self.to_chip.data[i].next = self.l_wdata[i].val();
            self.to_chip.strobes[i].next = self.l_wstrb[i].val();
            self.l_rdata[i].next = self.from_chip.data[i].val();
        }
        self.l_wready.next = self.sends_write.q.val();
        self.l_bvalid.next = self.sends_write.q.val() & self.sent_last.q.val();
        self.l_bid.next = self.sent_id.q.val();
        self.l_bresp.next = 0.into();
        if self.sent_beyond.q.val() {
            self.l_bresp.next = 3.into();
        }
        self.from_chip.read.next = self.sends_read.q.val();
        self.from_chip.id.next = self.sent_id.q.val();
        self.from_chip.last.next = self.sent_last.q.val();
        self.from_chip.beyond.next = self.sent_beyond.q.val();
        self.from_chip.dq.next = self.dq_in.val();
        self.l_rvalid.next = self.from_chip.valid.val();
        self.l_rid.next = self.from_chip.line_id.val();
        self.l_rresp.next = self.from_chip.resp.val();
        self.l_rlast.next = self.from_chip.line_last.val();

        // Pins. Before the first reset the clock is not enabled, so that the chip sees nothing.
        self.pin_cke.d.next = self.awake.q.val();
        self.pin_command.d.next = self.command.q.val();
        self.pin_ba.d.next = self.to_bank.q.val();
        self.pin_a.d.next = self.to_a.q.val();
        self.cke.next = self.pin_cke.q.val();
        self.cs_n.next = false;
        self.ras_n.next = self.pin_command.q.val().get_bit(2);
        self.cas_n.next = self.pin_command.q.val().get_bit(1);
        self.we_n.next = self.pin_command.q.val().get_bit(0);
        self.ba.next = self.pin_ba.q.val();
        self.a.next = self.pin_a.q.val();
        self.dqm.next = self.to_chip.dqm.val();
        self.dq_out.next = self.to_chip.dq.val();
        self.dq_enable.next = self.to_chip.enable.val();

        if self.reset.val() {
            self.stage.d.next = Stage::Boot;
            self.count.d.next = self.power_up.val();
            self.pause.d.next = 0.into();
            self.started.d.next = false;
            self.due.d.next = false;
            self.next_valid.d.next = false;
            self.awake.d.next = true;
            self.command.d.next = 7.into();
            self.pin_command.d.next = 7.into();
            self.sends_read.d.next = false;
            self.sends_write.d.next = false;
        }
    }
}
