//! Does what the host's messages ask for.

use isa::serial::{CardMessage, HostMessage, MAX_DATA};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use crate::mem::Fifo;

/// Reads of the host's memory that may be under way.
const READS: usize = 16;

/// What is done about a message.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum ExecuteState {
    /// Look for one.
    Idle,
    /// Its first byte.
    Kind,
    /// Compare its kind with those that there are.
    Name,
    /// Compare its length with its kind.
    Shape,
    /// Bytes of an offset or an address.
    Address,
    /// Bytes of a value, a number of lines or a cause.
    Value,
    /// Find the end of its lines.
    Span,
    /// Compare address and lines with what there is.
    Weigh,
    /// Go on with a message that is in order, refuse others.
    Judge,
    /// Write a register.
    WriteRegister,
    /// Read a register.
    ReadRegister,
    /// Its value is there.
    TakeRegister,
    /// Bytes of a line.
    Gather,
    /// Offer the burst of a line for card memory.
    OfferAddress,
    /// Offer the line.
    OfferLine,
    /// Memory has not answered yet.
    WriteAnswer,
    /// A line of the host's memory for the card.
    GiveLine,
    /// Lines that could not be read.
    Fail,
    /// Reset the card.
    Reset,
    /// It is reset.
    ResetEnds,
    /// An answer is to be sent.
    Answer,
    /// The message is done with.
    Done,
}

/// Works on messages, one after the other.
///
/// ```text
/// message_*, data_*        ->+----------+-> reg_*    registers of the card
/// start, data_take, done   <-|          |-> w_aw*, w_w*, w_b*   card memory, AXI4, single lines
/// answer_valid, _kind, ... <-| Executor |-> h_r*     lines of the host's memory
/// answer_done, answer_next ->|          |<- read_push, read_lines   asked for by the poster
///                            +----------+-> card_reset
/// ```
///
/// * A message is judged as a whole before anything of it is done. What is wrong with it makes it
///   an answer `Refused`, and no more.
/// * Card memory is written line by line; the data are at hand when an address is offered. Reads of
///   it are left to the [`super::Poster`]: `answer_address` is the address of the next line,
///   `answer_last` tells that it is the last one, `answer_next` that it was read.
/// * `read_push` tells of lines that the host was asked for; while `read_room`. Lines of the host's
///   memory go to the oldest burst; `h_ruser` tells why they failed.
/// * `card_reset` is a cycle long, when the host asks for a reset.
#[derive(LogicBlock)]
pub struct Executor {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// A message is being worked on.
    pub active: Signal<Out, Bit>,
    /// There is a message.
    pub message_valid: Signal<In, Bit>,
    /// Its bytes.
    pub message_length: Signal<In, Bits<8>>,
    /// Give it.
    pub start: Signal<Out, Bit>,
    /// A byte of it is there.
    pub data_valid: Signal<In, Bit>,
    /// The byte.
    pub data: Signal<In, Bits<8>>,
    /// It is taken.
    pub data_take: Signal<Out, Bit>,
    /// The message is done with.
    pub message_done: Signal<Out, Bit>,
    /// A message is to be sent.
    pub answer_valid: Signal<Out, Bit>,
    /// Low bits of its kind.
    pub answer_kind: Signal<Out, Bits<3>>,
    /// Value of a register, or first byte of what is refused.
    pub answer_value: Signal<Out, Bits<32>>,
    /// Line of card memory to read.
    pub answer_address: Signal<Out, Bits<32>>,
    /// It is the last one.
    pub answer_last: Signal<Out, Bit>,
    /// It was read.
    pub answer_next: Signal<In, Bit>,
    /// The message is sent.
    pub answer_done: Signal<In, Bit>,
    /// The host is asked for lines.
    pub read_push: Signal<In, Bit>,
    /// So many.
    pub read_lines: Signal<In, Bits<9>>,
    /// It may be asked.
    pub read_room: Signal<Out, Bit>,
    /// Reset the card.
    pub card_reset: Signal<Out, Bit>,
    /// Write a register.
    pub reg_write: Signal<Out, Bit>,
    /// Read a register.
    pub reg_read: Signal<Out, Bit>,
    /// Offset of the register.
    pub reg_addr: Signal<Out, Bits<12>>,
    /// Value to write.
    pub reg_wdata: Signal<Out, Bits<32>>,
    /// Value read, in the cycle after `reg_read`.
    pub reg_rdata: Signal<In, Bits<32>>,
    /// Card memory: write address channel.
    pub w_awvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_awready: Signal<In, Bit>,
    /// Byte address.
    pub w_awaddr: Signal<Out, Bits<32>>,
    /// Write data channel.
    pub w_wvalid: Signal<Out, Bit>,
    /// Memory takes the line.
    pub w_wready: Signal<In, Bit>,
    /// Write response channel.
    pub w_bvalid: Signal<In, Bit>,
    /// The answer is taken.
    pub w_bready: Signal<Out, Bit>,
    /// Host: read data channel.
    pub h_rvalid: Signal<Out, Bit>,
    /// The line is taken.
    pub h_rready: Signal<In, Bit>,
    /// Not 0: the line could not be read.
    pub h_rresp: Signal<Out, Bits<2>>,
    /// Why.
    pub h_ruser: Signal<Out, Bits<3>>,
    /// Last line of its burst.
    pub h_rlast: Signal<Out, Bit>,
    /// The line for either, 32-bit words.
    pub line: Vec<Signal<Out, Bits<32>>>,
    state: DFF<ExecuteState>,
    kind: DFF<Bits<8>>,
    // What the kind and the length are, a cycle after them: no state waits for a comparison.
    is_write_register: DFF<Bit>,
    is_read_register: DFF<Bit>,
    is_write_memory: DFF<Bit>,
    is_read_memory: DFF<Bit>,
    is_host_data: DFF<Bit>,
    is_reset_card: DFF<Bit>,
    length_one: DFF<Bit>,
    length_three: DFF<Bit>,
    length_six: DFF<Bit>,
    length_seven: DFF<Bit>,
    spare_two: DFF<Bit>,
    spare_five: DFF<Bit>,
    no_lines: DFF<Bit>,
    none_owed: DFF<Bit>,
    // The same of both, another cycle later: the message has a wrong length, or asks for what there
    // is not.
    misfit: DFF<Bit>,
    unfit: DFF<Bit>,
    again: DFF<Bit>,
    address: DFF<Bits<32>>,
    value: DFF<Bits<32>>,
    words: Vec<DFF<Bits<32>>>,
    /// The byte that enters each word from above.
    entering: Vec<Signal<Local, Bits<32>>>,
    /// Bytes that are left of a field or a line.
    bytes: DFF<Bits<6>>,
    /// Lines that are left.
    lines: DFF<Bits<4>>,
    /// The message asks for no line, or for too many.
    excess: DFF<Bit>,
    span_end: DFF<Bits<33>>,
    answer: DFF<Bits<3>>,
    resetting: DFF<Bit>,
    reads: Fifo<Bits<9>>,
    /// Lines that the oldest read is owed.
    owed: DFF<Bits<9>>,
    takes: Signal<Local, Bit>,
    field_ends: Signal<Local, Bit>,
    spare: Signal<Local, Bits<8>>,
    all_lines: Signal<Local, Bits<8>>,
    steps: Signal<Local, Bits<33>>,
    fits: DFF<Bit>,
    is_offset: DFF<Bit>,
    is_owed: DFF<Bit>,
    cause: Signal<Local, Bits<8>>,
    known_cause: DFF<Bit>,
    why: Signal<Local, Bits<3>>,
    gives: Signal<Local, Bit>,
    refuses: Signal<Local, Bit>,
    line_mask: Constant<Bits<8>>,
    line_bytes: Constant<Bits<6>>,
    line_step: Constant<Bits<32>>,
    address_mask: Constant<Bits<32>>,
    beyond_mask: Constant<Bits<33>>,
    most_lines: Constant<Bits<8>>,
    has_memory: Constant<Bits<1>>,
    write_register: Constant<Bits<8>>,
    read_register: Constant<Bits<8>>,
    write_memory: Constant<Bits<8>>,
    read_memory: Constant<Bits<8>>,
    host_data: Constant<Bits<8>>,
    reset_card: Constant<Bits<8>>,
    register_answer: Constant<Bits<3>>,
    memory_answer: Constant<Bits<3>>,
    reset_answer: Constant<Bits<3>>,
    refused_answer: Constant<Bits<3>>,
    _line: usize,
    _last: usize,
    _line_log2: u64,
    _line_log2_end: u64,
}

/// Low bits of the first byte of a message from the card.
pub(super) fn card_code(message: CardMessage) -> Bits<3> {
    (message as u64 & 7).into()
}

impl Executor {
    /// For lines of `port_bytes` and 2 to the power of `memory_log2` bytes of card memory, if there
    /// is any.
    ///
    /// # Panics
    /// If lines have not 16 or 32 bytes, or there are less than 4 KiB or more than 4 GiB of memory.
    pub fn new(port_bytes: usize, memory_log2: Option<u32>) -> Self {
        assert!(
            port_bytes == 16 || port_bytes == 32,
            "lines of 16 or 32 bytes"
        );
        assert!(
            memory_log2.is_none_or(|log2| (12..=32).contains(&log2)),
            "4 KiB to 4 GiB of card memory"
        );
        let line = port_bytes / 4;
        let line_log2 = u64::from(port_bytes.ilog2());
        let memory = 1u64 << memory_log2.unwrap_or(32);
        let code = |message: HostMessage| Constant::new((message as u64).into());
        let answer = |message| Constant::new(card_code(message));
        Self {
            clock: Default::default(),
            reset: Default::default(),
            active: Default::default(),
            message_valid: Default::default(),
            message_length: Default::default(),
            start: Default::default(),
            data_valid: Default::default(),
            data: Default::default(),
            data_take: Default::default(),
            message_done: Default::default(),
            answer_valid: Default::default(),
            answer_kind: Default::default(),
            answer_value: Default::default(),
            answer_address: Default::default(),
            answer_last: Default::default(),
            answer_next: Default::default(),
            answer_done: Default::default(),
            read_push: Default::default(),
            read_lines: Default::default(),
            read_room: Default::default(),
            card_reset: Default::default(),
            reg_write: Default::default(),
            reg_read: Default::default(),
            reg_addr: Default::default(),
            reg_wdata: Default::default(),
            reg_rdata: Default::default(),
            w_awvalid: Default::default(),
            w_awready: Default::default(),
            w_awaddr: Default::default(),
            w_wvalid: Default::default(),
            w_wready: Default::default(),
            w_bvalid: Default::default(),
            w_bready: Default::default(),
            h_rvalid: Default::default(),
            h_rready: Default::default(),
            h_rresp: Default::default(),
            h_ruser: Default::default(),
            h_rlast: Default::default(),
            line: (0..line).map(|_| Default::default()).collect(),
            state: Default::default(),
            kind: Default::default(),
            is_write_register: Default::default(),
            is_read_register: Default::default(),
            is_write_memory: Default::default(),
            is_read_memory: Default::default(),
            is_host_data: Default::default(),
            is_reset_card: Default::default(),
            length_one: Default::default(),
            length_three: Default::default(),
            length_six: Default::default(),
            length_seven: Default::default(),
            spare_two: Default::default(),
            spare_five: Default::default(),
            no_lines: Default::default(),
            none_owed: Default::default(),
            misfit: Default::default(),
            unfit: Default::default(),
            again: Default::default(),
            address: Default::default(),
            value: Default::default(),
            words: (0..line).map(|_| Default::default()).collect(),
            entering: (0..line).map(|_| Default::default()).collect(),
            bytes: Default::default(),
            lines: Default::default(),
            excess: Default::default(),
            span_end: Default::default(),
            answer: Default::default(),
            resetting: Default::default(),
            reads: Fifo::new(READS),
            owed: Default::default(),
            takes: Default::default(),
            field_ends: Default::default(),
            spare: Default::default(),
            all_lines: Default::default(),
            steps: Default::default(),
            fits: Default::default(),
            is_offset: Default::default(),
            is_owed: Default::default(),
            cause: Default::default(),
            known_cause: Default::default(),
            why: Default::default(),
            gives: Default::default(),
            refuses: Default::default(),
            line_mask: Constant::new((port_bytes as u64 - 1).into()),
            line_bytes: Constant::new((port_bytes as u64).into()),
            line_step: Constant::new((port_bytes as u64).into()),
            address_mask: Constant::new((port_bytes as u64 - 1).into()),
            beyond_mask: Constant::new(((1u64 << 33) - memory).into()),
            most_lines: Constant::new(((MAX_DATA / port_bytes) as u64).into()),
            has_memory: Constant::new(u64::from(memory_log2.is_some()).into()),
            write_register: code(HostMessage::WriteRegister),
            read_register: code(HostMessage::ReadRegister),
            write_memory: code(HostMessage::WriteMemory),
            read_memory: code(HostMessage::ReadMemory),
            host_data: code(HostMessage::HostData),
            reset_card: code(HostMessage::Reset),
            register_answer: answer(CardMessage::Register),
            memory_answer: answer(CardMessage::Memory),
            reset_answer: answer(CardMessage::ResetDone),
            refused_answer: answer(CardMessage::Refused),
            _line: line,
            _last: line - 1,
            _line_log2: line_log2,
            _line_log2_end: line_log2 + 1,
        }
    }
}

impl Logic for Executor {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            kind,
            is_write_register,
            is_read_register,
            is_write_memory,
            is_read_memory,
            is_host_data,
            is_reset_card,
            length_one,
            length_three,
            length_six,
            length_seven,
            spare_two,
            spare_five,
            no_lines,
            none_owed,
            misfit,
            unfit,
            again,
            address,
            value,
            bytes,
            lines,
            excess,
            span_end,
            fits,
            is_offset,
            is_owed,
            known_cause,
            answer,
            resetting,
            owed
        );
        for i in 0..self._line {
            self.words[i].clock.next = self.clock.val();
            self.words[i].d.next = self.words[i].q.val();
            self.line[i].next = self.words[i].q.val();
            self.entering[i].next = bit_cast::<32, 8>(self.data.val()) << 24;
        }
        for i in 0..self._last {
            self.entering[i].next = self.words[i + 1].q.val() << 24;
        }
        self.reads.clock.next = self.clock.val();
        self.reads.reset.next = self.reset.val() | self.resetting.q.val();
        self.reads.push.next = self.read_push.val();
        self.reads.push_data.next = self.read_lines.val();
        self.read_room.next = self.reads.room.val();

        // Lengths: lines that stand behind a header, and what is left over.
        self.spare.next = self.message_length.val() & self.line_mask.val();
        for k in self._line_log2..self._line_log2_end {
            self.all_lines.next = self.message_length.val() >> k;
            self.steps.next = bit_cast::<33, 4>(self.lines.q.val() - 1) << k;
        }

        self.length_one.d.next = self.message_length.val() == 1;
        self.length_three.d.next = self.message_length.val() == 3;
        self.length_six.d.next = self.message_length.val() == 6;
        self.length_seven.d.next = self.message_length.val() == 7;
        self.spare_two.d.next = self.spare.val() == 2;
        self.spare_five.d.next = self.spare.val() == 5;
        self.no_lines.d.next = self.all_lines.val() == 0;
        self.is_write_register.d.next = self.kind.q.val() == self.write_register.val();
        self.is_read_register.d.next = self.kind.q.val() == self.read_register.val();
        self.is_write_memory.d.next = self.kind.q.val() == self.write_memory.val();
        self.is_read_memory.d.next = self.kind.q.val() == self.read_memory.val();
        self.is_host_data.d.next = self.kind.q.val() == self.host_data.val();
        self.is_reset_card.d.next = self.kind.q.val() == self.reset_card.val();

        // Addresses and causes.
        self.fits.d.next = ((self.span_end.q.val() & self.beyond_mask.val()) == 0)
            & ((self.address.q.val() & self.address_mask.val()) == 0)
            & (!self.excess.q.val());
        self.is_offset.d.next = (self.address.q.val().get_bits::<4>(28) == 0)
            & (self.address.q.val().get_bits::<2>(16) == 0);
        self.is_owed.d.next = bit_cast::<9, 4>(self.lines.q.val()) <= self.owed.q.val();
        self.cause.next = self.value.q.val().get_bits::<8>(24);
        self.known_cause.d.next =
            (self.cause.val().get_bits::<5>(3) == 0) & (self.cause.val().get_bits::<3>(0) != 7);
        self.none_owed.d.next = self.owed.q.val() == 0;
        self.misfit.d.next = !((self.is_write_register.q.val() & self.length_seven.q.val())
            | (self.is_read_register.q.val() & self.length_three.q.val())
            | (self.is_write_memory.q.val()
                & self.spare_five.q.val()
                & (!self.no_lines.q.val())
                & (self.has_memory.val() != 0))
            | (self.is_read_memory.q.val()
                & self.length_six.q.val()
                & (self.has_memory.val() != 0))
            | (self.is_host_data.q.val() & self.spare_two.q.val())
            | (self.is_reset_card.q.val() & self.length_one.q.val()));
        self.unfit.d.next = !self.fits.q.val();
        if self.is_write_register.q.val() | self.is_read_register.q.val() {
            self.unfit.d.next = !self.is_offset.q.val();
        }
        if self.is_host_data.q.val() {
            self.unfit.d.next = (!self.is_owed.q.val()) | (self.lines.q.val() == 0);
            if self.cause.val() != 0 {
                self.unfit.d.next = (!self.known_cause.q.val())
                    | self.none_owed.q.val()
                    | (self.lines.q.val() != 0);
            }
        }
        self.why.next = self.cause.val().get_bits::<3>(0) - 1;

        // Reads of the host's memory.
        self.gives.next = self.h_rready.val()
            & ((self.state.q.val() == ExecuteState::GiveLine)
                | (self.state.q.val() == ExecuteState::Fail));
        self.reads.pop.next = self.reads.valid.val() & (self.owed.q.val() == 0);
        if self.owed.q.val() == 0 {
            if self.reads.valid.val() {
                self.owed.d.next = self.reads.data.val();
            }
        } else if self.gives.val() {
            self.owed.d.next = self.owed.q.val() - 1;
        }
        self.h_rvalid.next = (self.state.q.val() == ExecuteState::GiveLine)
            | (self.state.q.val() == ExecuteState::Fail);
        self.h_rlast.next = self.owed.q.val() == 1;
        self.h_rresp.next = 0.into();
        self.h_ruser.next = 0.into();
        if self.state.q.val() == ExecuteState::Fail {
            self.h_rresp.next = 2.into();
            self.h_ruser.next = self.why.val();
        }

        // Bytes of the message.
        self.takes.next = self.data_valid.val()
            & ((self.state.q.val() == ExecuteState::Kind)
                | (self.state.q.val() == ExecuteState::Address)
                | (self.state.q.val() == ExecuteState::Value)
                | (self.state.q.val() == ExecuteState::Gather));
        self.data_take.next = self.takes.val();
        self.field_ends.next = self.takes.val() & (self.bytes.q.val() == 1);
        if self.takes.val() {
            self.bytes.d.next = self.bytes.q.val() - 1;
        }
        if self.takes.val() & (self.state.q.val() == ExecuteState::Gather) {
            for i in 0..self._line {
                self.words[i].d.next = (self.words[i].q.val() >> 8) | self.entering[i].val();
            }
        }

        self.refuses.next = false;
        self.start.next = false;
        match self.state.q.val() {
            ExecuteState::Idle => {
                self.address.d.next = 0.into();
                self.excess.d.next = false;
                if self.message_valid.val() {
                    self.start.next = true;
                    self.state.d.next = ExecuteState::Kind;
                    if self.message_length.val() == 0 {
                        self.refuses.next = true;
                    }
                }
            }
            ExecuteState::Kind => {
                if self.takes.val() {
                    self.kind.d.next = self.data.val();
                    self.state.d.next = ExecuteState::Name;
                }
            }
            ExecuteState::Name => {
                self.again.d.next = !self.again.q.val();
                if self.again.q.val() {
                    self.state.d.next = ExecuteState::Shape;
                }
            }
            ExecuteState::Shape => {
                self.refuses.next = self.misfit.q.val();
                self.lines.d.next = self.all_lines.val().get_bits::<4>(0);
                self.bytes.d.next = 1.into();
                if self.is_write_register.q.val() {
                    self.bytes.d.next = 2.into();
                    self.state.d.next = ExecuteState::Address;
                }
                if self.is_read_register.q.val() {
                    self.bytes.d.next = 2.into();
                    self.state.d.next = ExecuteState::Address;
                }
                if self.is_write_memory.q.val() {
                    self.bytes.d.next = 4.into();
                    self.state.d.next = ExecuteState::Address;
                }
                if self.is_read_memory.q.val() {
                    self.bytes.d.next = 4.into();
                    self.state.d.next = ExecuteState::Address;
                }
                if self.is_host_data.q.val() {
                    self.state.d.next = ExecuteState::Value;
                }
                if self.is_reset_card.q.val() {
                    self.state.d.next = ExecuteState::Reset;
                }
            }
            ExecuteState::Address => {
                if self.takes.val() {
                    self.address.d.next =
                        (self.address.q.val() >> 8) | (bit_cast::<32, 8>(self.data.val()) << 24);
                }
                if self.field_ends.val() {
                    self.state.d.next = ExecuteState::Span;
                    if self.is_write_register.q.val() {
                        self.bytes.d.next = 4.into();
                        self.state.d.next = ExecuteState::Value;
                    }
                    if self.is_read_memory.q.val() {
                        self.bytes.d.next = 1.into();
                        self.state.d.next = ExecuteState::Value;
                    }
                }
            }
            ExecuteState::Value => {
                if self.takes.val() {
                    self.value.d.next =
                        (self.value.q.val() >> 8) | (bit_cast::<32, 8>(self.data.val()) << 24);
                }
                if self.field_ends.val() {
                    self.state.d.next = ExecuteState::Span;
                    if self.is_read_memory.q.val() {
                        self.lines.d.next = self.data.val().get_bits::<4>(0);
                        self.excess.d.next =
                            (self.data.val() == 0) | (self.data.val() > self.most_lines.val());
                    }
                }
            }
            ExecuteState::Span => {
                self.span_end.d.next = bit_cast::<33, 32>(self.address.q.val()) + self.steps.val();
                self.state.d.next = ExecuteState::Weigh;
            }
            ExecuteState::Weigh => {
                self.again.d.next = !self.again.q.val();
                if self.again.q.val() {
                    self.state.d.next = ExecuteState::Judge;
                }
            }
            ExecuteState::Judge => {
                self.bytes.d.next = self.line_bytes.val();
                self.refuses.next = self.unfit.q.val();
                self.state.d.next = ExecuteState::Gather;
                if self.is_read_memory.q.val() {
                    self.answer.d.next = self.memory_answer.val();
                    self.state.d.next = ExecuteState::Answer;
                }
                if self.is_write_register.q.val() {
                    self.state.d.next = ExecuteState::WriteRegister;
                }
                if self.is_read_register.q.val() {
                    self.state.d.next = ExecuteState::ReadRegister;
                }
                if self.is_host_data.q.val() & (self.cause.val() != 0) {
                    self.state.d.next = ExecuteState::Fail;
                }
            }
            ExecuteState::WriteRegister => {
                self.state.d.next = ExecuteState::Done;
            }
            ExecuteState::ReadRegister => {
                self.state.d.next = ExecuteState::TakeRegister;
            }
            ExecuteState::TakeRegister => {
                self.value.d.next = self.reg_rdata.val();
                self.answer.d.next = self.register_answer.val();
                self.state.d.next = ExecuteState::Answer;
            }
            ExecuteState::Gather => {
                if self.field_ends.val() {
                    self.bytes.d.next = self.line_bytes.val();
                    self.state.d.next = ExecuteState::OfferAddress;
                    if self.is_host_data.q.val() {
                        self.state.d.next = ExecuteState::GiveLine;
                    }
                }
            }
            ExecuteState::OfferAddress => {
                if self.w_awready.val() {
                    self.state.d.next = ExecuteState::OfferLine;
                }
            }
            ExecuteState::OfferLine => {
                if self.w_wready.val() {
                    self.state.d.next = ExecuteState::WriteAnswer;
                }
            }
            ExecuteState::WriteAnswer => {
                if self.w_bvalid.val() {
                    self.address.d.next = self.address.q.val() + self.line_step.val();
                    self.lines.d.next = self.lines.q.val() - 1;
                    self.state.d.next = ExecuteState::Gather;
                    if self.lines.q.val() == 1 {
                        self.state.d.next = ExecuteState::Done;
                    }
                }
            }
            ExecuteState::GiveLine => {
                if self.h_rready.val() {
                    self.lines.d.next = self.lines.q.val() - 1;
                    self.state.d.next = ExecuteState::Gather;
                    if self.lines.q.val() == 1 {
                        self.state.d.next = ExecuteState::Done;
                    }
                }
            }
            ExecuteState::Fail => {
                if self.h_rready.val() & (self.owed.q.val() == 1) {
                    self.state.d.next = ExecuteState::Done;
                }
            }
            ExecuteState::Reset => {
                self.state.d.next = ExecuteState::ResetEnds;
            }
            ExecuteState::ResetEnds => {
                self.owed.d.next = 0.into();
                self.answer.d.next = self.reset_answer.val();
                self.state.d.next = ExecuteState::Answer;
            }
            ExecuteState::Answer => {
                if self.answer_next.val() {
                    self.address.d.next = self.address.q.val() + self.line_step.val();
                    self.lines.d.next = self.lines.q.val() - 1;
                }
                if self.answer_done.val() {
                    self.state.d.next = ExecuteState::Done;
                }
            }
            ExecuteState::Done => {
                // An empty message is refused as one of kind 0.
                self.kind.d.next = 0.into();
                self.state.d.next = ExecuteState::Idle;
            }
            _ => {}
        }
        if self.refuses.val() {
            self.value.d.next = bit_cast::<32, 8>(self.kind.q.val());
            self.answer.d.next = self.refused_answer.val();
            self.state.d.next = ExecuteState::Answer;
        }

        self.active.next = self.state.q.val() != ExecuteState::Idle;
        self.message_done.next = self.state.q.val() == ExecuteState::Done;
        self.answer_valid.next = self.state.q.val() == ExecuteState::Answer;
        self.answer_kind.next = self.answer.q.val();
        self.answer_value.next = self.value.q.val();
        self.answer_address.next = self.address.q.val();
        self.answer_last.next = self.lines.q.val() == 1;
        self.resetting.d.next = self.state.q.val() == ExecuteState::Reset;
        self.card_reset.next = self.resetting.q.val();
        self.reg_write.next = self.state.q.val() == ExecuteState::WriteRegister;
        self.reg_read.next = self.state.q.val() == ExecuteState::ReadRegister;
        self.reg_addr.next = self.address.q.val().get_bits::<12>(16);
        self.reg_wdata.next = self.value.q.val();
        self.w_awvalid.next = self.state.q.val() == ExecuteState::OfferAddress;
        self.w_awaddr.next = self.address.q.val();
        self.w_wvalid.next = self.state.q.val() == ExecuteState::OfferLine;
        self.w_bready.next = self.state.q.val() == ExecuteState::WriteAnswer;
        if self.reset.val() {
            self.state.d.next = ExecuteState::Idle;
            self.kind.d.next = 0.into();
            self.again.d.next = false;
            self.resetting.d.next = false;
            self.owed.d.next = 0.into();
        }
    }
}
