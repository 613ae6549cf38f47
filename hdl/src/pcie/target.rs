//! Executes what the host asks of the card.

use isa::pci::REGISTER_BAR_BYTES;
use isa::regs::WINDOW_BYTES;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::bytes::Swap;
use super::{CompletionHead, Lanes, LineWriter, NonPosted, PacketQueue, Posted};

/// Words of completions that fit.
const ANSWER_WORDS: usize = 2048;

/// Words that the largest answer takes: 4 KiB as 33 packets of 128 bytes at most, each with its
/// header in rows of its own. A read begins only when they are free, so that it ends even when
/// nothing can be sent.
const LARGEST_ANSWER: usize = 33 * 36;

/// What the target does.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum TargetState {
    /// Look for a request.
    Idle,
    /// Find the next piece of a write.
    WritePiece,
    /// Write registers.
    WriteWords,
    /// Offer the burst of a write to memory.
    WriteAddress,
    /// Offer its lines.
    WriteLines,
    /// Memory has not answered yet.
    WriteAnswer,
    /// Drop words behind the end of a window.
    WriteNothing,
    /// Find the next piece of a read.
    ReadPiece,
    /// First two words of a completion's header.
    Head,
    /// Its third word.
    HeadEnd,
    /// Read a register.
    ReadWord,
    /// Its value is there.
    TakeWord,
    /// Offer the burst of a read from memory.
    ReadAddress,
    /// Its lines arrive.
    ReadLines,
    /// Zeros from behind the end of a window.
    ReadNothing,
    /// The completion is complete.
    Close,
    /// First two words of a completion without data.
    Refuse,
    /// Its third word.
    RefuseEnd,
}

/// Executes requests on registers, MSI-X structures and card memory, one at a time, and makes the
/// completions.
///
/// ```text
/// write, word_data[W]   ->|        |-> reg_*     registers of the card
/// write_done, word_pop  <-| Target |-> table_*   MSI-X table and pending bits
/// ask                   ->|        |-> w_*       card memory, AXI4, whole lines
/// ask_pop               <-|        |-> tx_*      completions
/// ```
///
/// * Requests come as [`super::Receive`] hands them on.
/// * Reads are answered in pieces that end at multiples of Max_Payload_Size, or as completions
///   without data: unsupported request for what has no window, completer abort for memory that
///   could not be read.
/// * Behind the end of a window reads give zeros and writes have no effect.
/// * `w_*` addresses are offsets in the window. One burst of at most 512 bytes is under way, which
///   never crosses a multiple of 512. Answers to writes are taken whatever they say.
/// * A request that is begun ends even when `tx_ready` stays low. `hold`: begin none.
#[derive(LogicBlock)]
pub struct Target {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything; memory must owe nothing.
    pub reset: Signal<In, Bit>,
    /// Begin no request.
    pub hold: Signal<In, Bit>,
    /// No request is under way; completions may wait.
    pub idle: Signal<Out, Bit>,
    /// Bus, device and function of the card.
    pub cfg_id: Signal<In, Bits<16>>,
    /// Max_Payload_Size as in the Device Control register: 0 for 128 bytes, 1 for 256, others for
    /// 512.
    pub cfg_max_payload: Signal<In, Bits<3>>,
    /// There is a write.
    pub write_valid: Signal<In, Bit>,
    /// The write.
    pub write: Signal<In, Posted>,
    /// It is done.
    pub write_done: Signal<Out, Bit>,
    /// There is a row of its words.
    pub word_valid: Signal<In, Bit>,
    /// The words, bytes in the order of the stream.
    pub word_data: Vec<Signal<In, Bits<32>>>,
    /// The row is done with.
    pub word_pop: Signal<Out, Bit>,
    /// There is a request that wants an answer.
    pub ask_valid: Signal<In, Bit>,
    /// The request.
    pub ask: Signal<In, NonPosted>,
    /// It is done.
    pub ask_pop: Signal<Out, Bit>,
    /// Write a register.
    pub reg_write: Signal<Out, Bit>,
    /// Read a register.
    pub reg_read: Signal<Out, Bit>,
    /// Offset of the register.
    pub reg_addr: Signal<Out, Bits<12>>,
    /// Value to write.
    pub reg_wdata: Signal<Out, Bits<32>>,
    /// Bytes of it that count.
    pub reg_strobes: Signal<Out, Bits<4>>,
    /// Value read, in the cycle after `reg_read`.
    pub reg_rdata: Signal<In, Bits<32>>,
    /// Write to the rest of the register window; value and bytes as for a register.
    pub table_write: Signal<Out, Bit>,
    /// Read from there.
    pub table_read: Signal<Out, Bit>,
    /// Offset in the register window.
    pub table_addr: Signal<Out, Bits<16>>,
    /// Value read, in the cycle after `table_read`.
    pub table_rdata: Signal<In, Bits<32>>,
    /// Read address channel of card memory.
    pub w_arvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_arready: Signal<In, Bit>,
    /// Offset in the window.
    pub w_araddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub w_arlen: Signal<Out, Bits<8>>,
    /// Read data channel.
    pub w_rvalid: Signal<In, Bit>,
    /// The line is taken.
    pub w_rready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub w_rdata: Vec<Signal<In, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub w_rresp: Signal<In, Bits<2>>,
    /// Write address channel.
    pub w_awvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_awready: Signal<In, Bit>,
    /// Offset in the window.
    pub w_awaddr: Signal<Out, Bits<64>>,
    /// Lines less one.
    pub w_awlen: Signal<Out, Bits<8>>,
    /// Write data channel.
    pub w_wvalid: Signal<Out, Bit>,
    /// Memory takes the line.
    pub w_wready: Signal<In, Bit>,
    /// Line, 32-bit words.
    pub w_wdata: Vec<Signal<Out, Bits<32>>>,
    /// Bytes of each word that count.
    pub w_wstrb: Vec<Signal<Out, Bits<4>>>,
    /// Last line of its burst.
    pub w_wlast: Signal<Out, Bit>,
    /// Write response channel.
    pub w_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub w_bready: Signal<Out, Bit>,
    /// A beat of a completion.
    pub tx_valid: Signal<Out, Bit>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// Last of its packet.
    pub tx_last: Signal<Out, Bit>,
    /// Words that count.
    pub tx_keep: Signal<Out, Bits<4>>,
    /// The words.
    pub tx_data: Vec<Signal<Out, Bits<32>>>,
    answers: PacketQueue,
    lanes: Lanes,
    lines: LineWriter,
    head: CompletionHead,
    swap: Vec<Swap>,
    state: DFF<TargetState>,
    /// A read had its turn last.
    write_turn: DFF<Bit>,
    /// Next doubleword of the request; beyond the window it has more bits than the window.
    at: DFF<Bits<31>>,
    left: DFF<Bits<11>>,
    piece: DFF<Bits<8>>,
    fresh: DFF<Bit>,
    memory: DFF<Bit>,
    nowhere: DFF<Bit>,
    bytes: DFF<Bits<13>>,
    lower: DFF<Bits<7>>,
    abort: DFF<Bit>,
    can_ask: Signal<Local, Bit>,
    border: Signal<Local, Bits<8>>,
    to_border: Signal<Local, Bits<8>>,
    next_piece: Signal<Local, Bits<8>>,
    outside: Signal<Local, Bit>,
    beyond: Signal<Local, Bits<31>>,
    line_words: Signal<Local, Bits<8>>,
    lines_less: Signal<Local, Bits<8>>,
    line_at: Signal<Local, Bits<33>>,
    row_at: Signal<Local, Bits<31>>,
    part: Signal<Local, Bits<3>>,
    row_ends: Signal<Local, Bit>,
    line_ends: Signal<Local, Bit>,
    moved: Signal<Local, Bit>,
    moves: Signal<Local, Bits<3>>,
    ends: Signal<Local, Bit>,
    row: Vec<Signal<Local, Bits<32>>>,
    is_register: Signal<Local, Bit>,
    value: Signal<Local, Bits<32>>,
    refusing: Signal<Local, Bit>,
    has_memory: Constant<Bits<1>>,
    register_mask: Constant<Bits<31>>,
    memory_mask: Constant<Bits<31>>,
    part_mask: Constant<Bits<3>>,
    part_number: Vec<Constant<Bits<3>>>,
    lane_number: Vec<Constant<Bits<2>>>,
    last_lane: Constant<Bits<2>>,
    last_part: Constant<Bits<3>>,
    line_mask: Constant<Bits<8>>,
    line_clear: Constant<Bits<33>>,
    register_words: Constant<Bits<31>>,
    _words: usize,
    _words_end: usize,
    _parts: usize,
    _line: usize,
    _lane_bits: u64,
    _lane_bits_end: u64,
    _line_bits: u64,
    _line_bits_end: u64,
}

impl Target {
    /// For beats of `words` words (2 or 4), lines of `port_bytes`, and a window to card memory of
    /// 2 to the power of `memory_log2` bytes, if there is one.
    ///
    /// # Panics
    /// If the window to memory is smaller than 4 KiB or larger than 4 GiB.
    pub fn new(words: usize, port_bytes: usize, memory_log2: Option<u32>) -> Self {
        let line = port_bytes / 4;
        let parts = line / words;
        // Without memory all offsets are good, as what goes there has no effect.
        let memory_log2 = memory_log2.inspect(|log2| {
            assert!((12..=32).contains(log2), "4 KiB to 4 GiB of card memory");
        });
        let memory_bytes = 1u64 << memory_log2.unwrap_or(32);
        let word = |count: usize| (0..count).map(|_| Signal::default()).collect();
        let inputs = |count: usize| (0..count).map(|_| Signal::default()).collect();
        let numbers = |count: usize| 0..count as u64;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            hold: Default::default(),
            idle: Default::default(),
            cfg_id: Default::default(),
            cfg_max_payload: Default::default(),
            write_valid: Default::default(),
            write: Default::default(),
            write_done: Default::default(),
            word_valid: Default::default(),
            word_data: inputs(words),
            word_pop: Default::default(),
            ask_valid: Default::default(),
            ask: Default::default(),
            ask_pop: Default::default(),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_strobes: Default::default(),
            reg_rdata: Default::default(),
            table_write: Default::default(),
            table_read: Default::default(),
            table_addr: Default::default(),
            table_rdata: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_arlen: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: inputs(line),
            w_rresp: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_awlen: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_wdata: word(line),
            w_wstrb: (0..line).map(|_| Signal::default()).collect(),
            w_wlast: Default::default(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            tx_valid: Default::default(),
            tx_ready: Default::default(),
            tx_last: Default::default(),
            tx_keep: Default::default(),
            tx_data: word(words),
            answers: PacketQueue::new(words, ANSWER_WORDS / words, LARGEST_ANSWER / words),
            lanes: Lanes::new(words),
            lines: LineWriter::new(words, port_bytes),
            head: Default::default(),
            swap: (0..words).map(|_| Swap::default()).collect(),
            state: Default::default(),
            write_turn: Default::default(),
            at: Default::default(),
            left: Default::default(),
            piece: Default::default(),
            fresh: Default::default(),
            memory: Default::default(),
            nowhere: Default::default(),
            bytes: Default::default(),
            lower: Default::default(),
            abort: Default::default(),
            can_ask: Default::default(),
            border: Default::default(),
            to_border: Default::default(),
            next_piece: Default::default(),
            outside: Default::default(),
            beyond: Default::default(),
            line_words: Default::default(),
            lines_less: Default::default(),
            line_at: Default::default(),
            row_at: Default::default(),
            part: Default::default(),
            row_ends: Default::default(),
            line_ends: Default::default(),
            moved: Default::default(),
            moves: Default::default(),
            ends: Default::default(),
            row: (0..words).map(|_| Signal::default()).collect(),
            is_register: Default::default(),
            value: Default::default(),
            refusing: Default::default(),
            has_memory: Constant::new(u64::from(memory_log2.is_some()).into()),
            register_mask: Constant::new((REGISTER_BAR_BYTES / 4 - 1).into()),
            memory_mask: Constant::new((memory_bytes / 4 - 1).into()),
            part_mask: Constant::new((parts as u64 - 1).into()),
            part_number: numbers(parts)
                .map(|part| Constant::new(part.into()))
                .collect(),
            lane_number: numbers(words)
                .map(|lane| Constant::new(lane.into()))
                .collect(),
            last_lane: Constant::new((words as u64 - 1).into()),
            last_part: Constant::new((parts as u64 - 1).into()),
            line_mask: Constant::new((line as u64 - 1).into()),
            line_clear: Constant::new(((1u64 << 33) - port_bytes as u64).into()),
            register_words: Constant::new((u64::from(WINDOW_BYTES) / 4).into()),
            _words: words,
            _words_end: words + 1,
            _parts: parts,
            _line: line,
            _lane_bits: u64::from(words.ilog2()),
            _lane_bits_end: u64::from(words.ilog2()) + 1,
            _line_bits: u64::from(line.ilog2()),
            _line_bits_end: u64::from(line.ilog2()) + 1,
        }
    }
}

impl Logic for Target {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, state, write_turn, at, left, piece, fresh, memory, nowhere, bytes, lower,
            abort
        );
        self.answers.clock.next = self.clock.val();
        self.answers.reset.next = self.reset.val();
        self.answers.tx_ready.next = self.tx_ready.val();
        self.tx_valid.next = self.answers.tx_valid.val();
        self.tx_last.next = self.answers.tx_last.val();
        self.tx_keep.next = self.answers.tx_keep.val();
        for i in 0..self._words {
            self.tx_data[i].next = self.answers.tx_data[i].val();
        }
        self.idle.next = self.state.q.val() == TargetState::Idle;
        self.can_ask.next = self.ask_valid.val() & self.answers.room.val();

        // Pieces end at multiples of the payload size, those of writes at multiples of 512 bytes;
        // so a piece never crosses the end of a window.
        self.border.next = 128.into();
        if self.state.q.val() == TargetState::ReadPiece {
            if self.cfg_max_payload.val() == 0 {
                self.border.next = 32.into();
            }
            if self.cfg_max_payload.val() == 1 {
                self.border.next = 64.into();
            }
        }
        self.to_border.next = self.border.val()
            - (bit_cast::<8, 7>(self.at.q.val().get_bits::<7>(0)) & (self.border.val() - 1));
        self.next_piece.next = self.to_border.val();
        if self.left.q.val() < bit_cast::<11, 8>(self.to_border.val()) {
            self.next_piece.next = self.left.q.val().get_bits::<8>(0);
        }
        self.beyond.next = self.at.q.val() & (!self.register_mask.val());
        if self.memory.q.val() {
            self.beyond.next = self.at.q.val() & (!self.memory_mask.val());
        }
        self.outside.next = self.nowhere.q.val() | (self.beyond.val() != 0);

        // Lines of memory that hold the piece.
        self.line_words.next = (bit_cast::<8, 7>(self.at.q.val().get_bits::<7>(0))
            & self.line_mask.val())
            + self.piece.q.val()
            - 1;
        for k in self._line_bits..self._line_bits_end {
            self.lines_less.next = self.line_words.val() >> k;
        }
        self.line_at.next = (bit_cast::<33, 31>(self.at.q.val()) << 2) & self.line_clear.val();
        self.w_arvalid.next = self.state.q.val() == TargetState::ReadAddress;
        self.w_araddr.next = bit_cast::<64, 33>(self.line_at.val());
        self.w_arlen.next = self.lines_less.val();
        self.w_awvalid.next = self.state.q.val() == TargetState::WriteAddress;
        self.w_awaddr.next = bit_cast::<64, 33>(self.line_at.val());
        self.w_awlen.next = self.lines_less.val();
        self.w_bready.next = self.state.q.val() == TargetState::WriteAnswer;

        // The row of W words at hand: from the host, from memory or from a register.
        self.lanes.at.next = self.at.q.val();
        self.lanes.piece.next = self.piece.q.val();
        self.lanes.left.next = self.left.q.val();
        self.lanes.fresh.next = self.fresh.q.val();
        self.lanes.first_be.next = self.write.val().first_be;
        self.lanes.last_be.next = self.write.val().last_be;
        for k in self._lane_bits..self._lane_bits_end {
            self.row_at.next = self.at.q.val() >> k;
        }
        self.part.next = self.row_at.val().get_bits::<3>(0) & self.part_mask.val();
        self.is_register.next = self.at.q.val() < self.register_words.val();
        self.value.next = self.table_rdata.val();
        if self.is_register.val() {
            self.value.next = self.reg_rdata.val();
        }
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.row[i].next = self.word_data[i].val();
                if self.state.q.val() == TargetState::TakeWord {
                    self.row[i].next = self.value.val();
                }
                if self.state.q.val() == TargetState::ReadLines {
                    for p in 0..self._parts {
                        if self.part.val() == self.part_number[p].val() {
                            self.row[i].next = self.w_rdata[p * w + i].val();
                        }
                    }
                }
                self.swap[i].word.next = self.row[i].val();
            }
        }
        self.row_ends.next = bit_cast::<8, 3>(self.lanes.count.val()) == self.piece.q.val();
        self.line_ends.next = self.row_ends.val() | (self.part.val() == self.last_part.val());

        // Registers take a word at a time.
        self.reg_write.next = false;
        self.reg_read.next = false;
        self.table_write.next = false;
        self.table_read.next = false;
        self.reg_addr.next = bit_cast::<12, 10>(self.at.q.val().get_bits::<10>(0)) << 2;
        self.table_addr.next = bit_cast::<16, 14>(self.at.q.val().get_bits::<14>(0)) << 2;
        self.reg_wdata.next = 0.into();
        self.reg_strobes.next = 0.into();
        for i in 0..self._words {
            if self.lanes.first.val() == self.lane_number[i].val() {
                self.reg_wdata.next = self.swap[i].swapped.val();
                self.reg_strobes.next = self.lanes.lane_be[i].val();
            }
        }

        // Memory takes lines.
        self.lines.clock.next = self.clock.val();
        self.lines.reset.next = self.reset.val();
        self.lines.row_valid.next =
            (self.state.q.val() == TargetState::WriteLines) & self.word_valid.val();
        self.lines.row_part.next = self.part.val();
        self.lines.row_last.next = self.row_ends.val();
        self.lines.line_ready.next = self.w_wready.val();
        for i in 0..self._words {
            self.lines.row_data[i].next = self.swap[i].swapped.val();
            self.lines.row_be[i].next = self.lanes.lane_be[i].val();
        }
        for i in 0..self._line {
            self.w_wdata[i].next = self.lines.line_data[i].val();
            self.w_wstrb[i].next = self.lines.line_be[i].val();
        }
        self.w_wvalid.next = self.lines.line_valid.val();
        self.w_wlast.next = self.lines.line_last.val();

        // Completions.
        self.refusing.next = (self.state.q.val() == TargetState::Refuse)
            | (self.state.q.val() == TargetState::RefuseEnd);
        self.head.ask.next = self.ask.val();
        self.head.at.next = self.at.q.val();
        self.head.left.next = self.left.q.val();
        self.head.fresh.next = self.fresh.q.val();
        self.head.id.next = self.cfg_id.val();
        self.head.length.next = self.piece.q.val();
        self.head.own_bytes.next = self.bytes.q.val();
        self.head.own_lower.next = self.lower.q.val();
        self.head.status.next = 0.into();
        if self.refusing.val() {
            self.head.status.next = 1.into();
            if self.abort.q.val() {
                self.head.status.next = 4.into();
            }
        }
        self.answers.push.next = false;
        self.answers.push_first.next = 0.into();
        self.answers.push_count.next = self.lanes.count.val();
        self.answers.start.next = false;
        self.answers.commit.next = false;
        self.answers.drop.next = false;
        for i in 0..self._words {
            self.answers.push_data[i].next = self.swap[i].swapped.val();
        }

        self.moved.next = false;
        self.moves.next = self.lanes.count.val();
        self.w_rready.next = false;
        self.word_pop.next = false;
        self.write_done.next = false;
        self.ask_pop.next = false;
        // What follows a row or word that is moved as the last one of its piece.
        self.ends.next = self.row_ends.val();
        match self.state.q.val() {
            TargetState::Idle => {
                self.fresh.d.next = true;
                self.abort.d.next = false;
                if self.write_valid.val()
                    & (!self.hold.val())
                    & (self.write_turn.q.val() | (!self.can_ask.val()))
                {
                    self.write_turn.d.next = false;
                    self.memory.d.next = self.write.val().window == 2;
                    self.nowhere.d.next =
                        (self.write.val().window == 2) & (self.has_memory.val() == 0);
                    self.at.d.next =
                        bit_cast::<31, 30>(self.write.val().address) & self.register_mask.val();
                    if self.write.val().window == 2 {
                        self.at.d.next =
                            bit_cast::<31, 30>(self.write.val().address) & self.memory_mask.val();
                    }
                    self.left.d.next = self.write.val().length;
                    self.state.d.next = TargetState::WritePiece;
                } else if self.can_ask.val() & (!self.hold.val()) {
                    self.write_turn.d.next = true;
                    self.memory.d.next = self.ask.val().window == 2;
                    self.nowhere.d.next = (self.ask.val().window == 0)
                        | ((self.ask.val().window == 2) & (self.has_memory.val() == 0));
                    // A request that goes nowhere keeps its address for the header.
                    self.at.d.next = bit_cast::<31, 30>(self.ask.val().address);
                    if self.ask.val().window == 1 {
                        self.at.d.next =
                            bit_cast::<31, 30>(self.ask.val().address) & self.register_mask.val();
                    }
                    if (self.ask.val().window == 2) & (self.has_memory.val() == 1) {
                        self.at.d.next =
                            bit_cast::<31, 30>(self.ask.val().address) & self.memory_mask.val();
                    }
                    self.left.d.next = self.ask.val().length;
                    self.state.d.next = TargetState::ReadPiece;
                }
            }
            TargetState::WritePiece => {
                self.piece.d.next = self.next_piece.val();
                self.state.d.next = TargetState::WriteWords;
                if self.memory.q.val() {
                    self.state.d.next = TargetState::WriteAddress;
                }
                if self.outside.val() {
                    self.state.d.next = TargetState::WriteNothing;
                }
            }
            TargetState::WriteWords => {
                self.reg_write.next = self.word_valid.val() & self.is_register.val();
                self.table_write.next = self.word_valid.val() & (!self.is_register.val());
                self.moved.next = self.word_valid.val();
                self.moves.next = 1.into();
                self.ends.next = self.piece.q.val() == 1;
                self.word_pop.next = self.word_valid.val()
                    & ((self.lanes.first.val() == self.last_lane.val())
                        | (self.piece.q.val() == 1));
            }
            TargetState::WriteAddress => {
                if self.w_awready.val() {
                    self.state.d.next = TargetState::WriteLines;
                }
            }
            TargetState::WriteLines => {
                self.moved.next = self.lines.row_taken.val();
                self.word_pop.next = self.lines.row_taken.val();
                if self.lines.row_taken.val() & self.row_ends.val() {
                    self.state.d.next = TargetState::WriteAnswer;
                }
            }
            TargetState::WriteAnswer => {
                if self.w_bvalid.val() {
                    self.state.d.next = TargetState::WritePiece;
                    if self.left.q.val() == 0 {
                        self.write_done.next = true;
                        self.state.d.next = TargetState::Idle;
                    }
                }
            }
            TargetState::WriteNothing => {
                self.moved.next = self.word_valid.val();
                self.word_pop.next = self.word_valid.val();
            }
            TargetState::ReadPiece => {
                self.piece.d.next = self.next_piece.val();
                self.bytes.d.next = self.head.bytes.val();
                self.lower.d.next = self.head.lower.val();
                self.state.d.next = TargetState::Head;
                if self.nowhere.q.val() {
                    self.state.d.next = TargetState::Refuse;
                }
            }
            TargetState::Head => {
                self.answers.push.next = true;
                self.answers.push_count.next = 2.into();
                self.answers.start.next = true;
                self.answers.push_data[0].next = self.head.head[0].val();
                self.answers.push_data[1].next = self.head.head[1].val();
                self.state.d.next = TargetState::HeadEnd;
            }
            TargetState::HeadEnd => {
                self.answers.push.next = true;
                self.answers.push_count.next = 1.into();
                self.answers.push_data[0].next = self.head.head[2].val();
                self.state.d.next = TargetState::ReadWord;
                if self.memory.q.val() {
                    self.state.d.next = TargetState::ReadAddress;
                }
                if self.outside.val() {
                    self.state.d.next = TargetState::ReadNothing;
                }
            }
            TargetState::ReadWord => {
                self.reg_read.next = self.is_register.val();
                self.table_read.next = !self.is_register.val();
                self.state.d.next = TargetState::TakeWord;
            }
            TargetState::TakeWord => {
                self.answers.push.next = true;
                self.answers.push_count.next = 1.into();
                self.moved.next = true;
                self.moves.next = 1.into();
                self.ends.next = self.piece.q.val() == 1;
                self.state.d.next = TargetState::ReadWord;
            }
            TargetState::ReadAddress => {
                if self.w_arready.val() {
                    self.state.d.next = TargetState::ReadLines;
                }
            }
            TargetState::ReadLines => {
                self.w_rready.next = self.line_ends.val();
                if self.w_rvalid.val() {
                    self.answers.push.next = true;
                    self.answers.push_first.next = self.lanes.first.val();
                    self.moved.next = true;
                    if self.w_rresp.val() != 0 {
                        self.abort.d.next = true;
                    }
                }
            }
            TargetState::ReadNothing => {
                self.answers.push.next = true;
                self.moved.next = true;
                for i in 0..self._words {
                    self.answers.push_data[i].next = 0.into();
                }
            }
            TargetState::Close => {
                self.answers.commit.next = !self.abort.q.val();
                self.answers.drop.next = self.abort.q.val();
                self.state.d.next = TargetState::ReadPiece;
                if self.left.q.val() == 0 {
                    self.state.d.next = TargetState::Idle;
                    self.ask_pop.next = !self.abort.q.val();
                }
                if self.abort.q.val() {
                    self.state.d.next = TargetState::Refuse;
                }
            }
            TargetState::Refuse => {
                self.answers.push.next = true;
                self.answers.push_count.next = 2.into();
                self.answers.start.next = true;
                self.answers.push_data[0].next = self.head.head[0].val();
                self.answers.push_data[1].next = self.head.head[1].val();
                self.state.d.next = TargetState::RefuseEnd;
            }
            TargetState::RefuseEnd => {
                self.answers.push.next = true;
                self.answers.push_count.next = 1.into();
                self.answers.push_data[0].next = self.head.head[2].val();
                self.answers.commit.next = true;
                self.ask_pop.next = true;
                self.state.d.next = TargetState::Idle;
            }
            _ => {}
        }
        if self.moved.val() {
            self.at.d.next = self.at.q.val() + bit_cast::<31, 3>(self.moves.val());
            self.left.d.next = self.left.q.val() - bit_cast::<11, 3>(self.moves.val());
            self.piece.d.next = self.piece.q.val() - bit_cast::<8, 3>(self.moves.val());
            self.fresh.d.next = false;
            if self.ends.val() {
                if (self.state.q.val() == TargetState::WriteWords)
                    | (self.state.q.val() == TargetState::WriteNothing)
                {
                    self.state.d.next = TargetState::WritePiece;
                    if self.left.q.val() == bit_cast::<11, 3>(self.moves.val()) {
                        self.write_done.next = true;
                        self.state.d.next = TargetState::Idle;
                    }
                }
                if (self.state.q.val() == TargetState::TakeWord)
                    | (self.state.q.val() == TargetState::ReadLines)
                    | (self.state.q.val() == TargetState::ReadNothing)
                {
                    self.state.d.next = TargetState::Close;
                }
            }
        }
        if self.reset.val() {
            self.state.d.next = TargetState::Idle;
            self.write_turn.d.next = false;
        }
    }
}
