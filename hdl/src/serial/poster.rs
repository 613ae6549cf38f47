//! Makes the card's messages.

use isa::serial::{CardMessage, MAX_DATA};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::executor::card_code;

/// Which part of a message is written.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum PostState {
    /// Look for something to tell.
    Idle,
    /// Its first byte.
    Kind,
    /// Lower half of an address.
    LowAddress,
    /// Upper half of an address.
    HighAddress,
    /// A number of lines.
    Lines,
    /// Bytes of the word at hand.
    Bytes,
    /// The next word of a line for the host.
    Word,
    /// It is written.
    WordEnds,
    /// The line is written.
    LineEnds,
    /// Another line may follow at once.
    NextLine,
    /// Read a line of card memory.
    ReadAddress,
    /// It has not come yet.
    ReadLine,
    /// The next word of it.
    ReadWord,
    /// It is written.
    ReadWordEnds,
    /// Whether memory failed.
    Status,
    /// The message is complete.
    Commit,
}

/// Writes messages, one after the other, into the slots of the link.
///
/// ```text
/// answer_*  from the executor ->+--------+-> write, write_at, write_data
/// events    interrupts        ->|        |-> commit, commit_length
/// h_ar*     reads of the host ->| Poster |<- room
/// h_aw*,h_w*,h_b*  writes     ->|        |-> read_push, read_lines
/// w_ar*,w_r*  card memory    <->+--------+<- read_room
/// ```
///
/// * In this order: answers, interrupts, reads, writes. A message is begun when there is room for
///   it and what it needs is at hand, so that nothing waits for the card while it is written; only
///   the lines of card memory that the host reads are waited for.
/// * Interrupts that come while one message of them waits are told by it.
/// * A read burst is one message. Lines of a write burst are joined to messages of at most
///   [`MAX_DATA`] bytes; one ends early if the next line is not there yet. Of the quarters of a line
///   those that count (`h_wquarters`) are the first ones, and no others are sent.
/// * A write burst is answered when its last message belongs to the link. It must not cross 4 KiB.
/// * `reset` forgets everything, a message that is not complete too.
#[derive(LogicBlock)]
pub struct Poster {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// There is something to tell.
    pub active: Signal<Out, Bit>,
    /// There is room for a message.
    pub room: Signal<In, Bit>,
    /// Keep a byte of it.
    pub write: Signal<Out, Bit>,
    /// Its place.
    pub write_at: Signal<Out, Bits<8>>,
    /// The byte.
    pub write_data: Signal<Out, Bits<8>>,
    /// The message is complete.
    pub commit: Signal<Out, Bit>,
    /// Its bytes.
    pub commit_length: Signal<Out, Bits<8>>,
    /// The executor has an answer.
    pub answer_valid: Signal<In, Bit>,
    /// Low bits of its kind.
    pub answer_kind: Signal<In, Bits<3>>,
    /// Value of a register, or first byte of what is refused.
    pub answer_value: Signal<In, Bits<32>>,
    /// Line of card memory to read.
    pub answer_address: Signal<In, Bits<32>>,
    /// It is the last one.
    pub answer_last: Signal<In, Bit>,
    /// It was read.
    pub answer_next: Signal<Out, Bit>,
    /// The answer is given.
    pub answer_done: Signal<Out, Bit>,
    /// Interrupts, each a cycle long; bit `i` is that of queue `i`.
    pub events: Signal<In, Bits<8>>,
    /// The host is asked for lines.
    pub read_push: Signal<Out, Bit>,
    /// So many.
    pub read_lines: Signal<Out, Bits<9>>,
    /// It may be asked.
    pub read_room: Signal<In, Bit>,
    /// Host: read address channel.
    pub h_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub h_arready: Signal<Out, Bit>,
    /// Byte address of the first line.
    pub h_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub h_arlen: Signal<In, Bits<8>>,
    /// Write address channel.
    pub h_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub h_awready: Signal<Out, Bit>,
    /// Byte address of the first line.
    pub h_awaddr: Signal<In, Bits<64>>,
    /// Write data channel.
    pub h_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub h_wready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub h_wdata: Vec<Signal<In, Bits<32>>>,
    /// Quarters of the line that count.
    pub h_wquarters: Signal<In, Bits<4>>,
    /// Last line of its burst.
    pub h_wlast: Signal<In, Bit>,
    /// Write response channel.
    pub h_bvalid: Signal<Out, Bit>,
    /// The answer is taken.
    pub h_bready: Signal<In, Bit>,
    /// Card memory: read address channel, single lines.
    pub w_arvalid: Signal<Out, Bit>,
    /// Memory takes the address.
    pub w_arready: Signal<In, Bit>,
    /// Byte address.
    pub w_araddr: Signal<Out, Bits<32>>,
    /// Read data channel.
    pub w_rvalid: Signal<In, Bit>,
    /// The line is taken.
    pub w_rready: Signal<Out, Bit>,
    /// Line, 32-bit words.
    pub w_rdata: Vec<Signal<In, Bits<32>>>,
    /// Not 0: the line could not be read.
    pub w_rresp: Signal<In, Bits<2>>,
    state: DFF<PostState>,
    /// What comes when the word at hand is written.
    then: DFF<PostState>,
    kind: DFF<Bits<3>>,
    /// A message is begun.
    open: DFF<Bit>,
    place: DFF<Bits<8>>,
    word: DFF<Bits<32>>,
    /// Bytes of the word that are left.
    left: DFF<Bits<3>>,
    /// Word of the line.
    index: DFF<Bits<3>>,
    following: Signal<Local, Bits<3>>,
    part: Signal<Local, Bits<3>>,
    quarter: Signal<Local, Bits<2>>,
    next_counts: Signal<Local, Bit>,
    pending: DFF<Bits<8>>,
    told: Signal<Local, Bits<8>>,
    failed: DFF<Bit>,
    /// A write burst is under way, and where its next line goes.
    writing: DFF<Bit>,
    address: DFF<Bits<64>>,
    within_page: Signal<Local, Bits<12>>,
    page: Signal<Local, Bits<64>>,
    owed: DFF<Bits<4>>,
    burst_ends: Signal<Local, Bit>,
    b_taken: Signal<Local, Bit>,
    line_waits: Signal<Local, Bit>,
    low_half: Signal<Local, Bits<32>>,
    high_half: Signal<Local, Bits<32>>,
    host_word: Signal<Local, Bits<32>>,
    card_word: Signal<Local, Bits<32>>,
    word_number: Vec<Constant<Bits<3>>>,
    last_word: Constant<Bits<3>>,
    line_step: Constant<Bits<12>>,
    page_mask: Constant<Bits<64>>,
    all: Constant<Bits<8>>,
    first_byte: Constant<Bits<8>>,
    register_kind: Constant<Bits<3>>,
    memory_kind: Constant<Bits<3>>,
    read_kind: Constant<Bits<3>>,
    write_kind: Constant<Bits<3>>,
    events_kind: Constant<Bits<3>>,
    reset_kind: Constant<Bits<3>>,
    refused_kind: Constant<Bits<3>>,
    _line: usize,
    _quarter_log2: u64,
    _quarter_log2_end: u64,
}

impl Poster {
    /// For lines of `port_bytes`, 16 or 32.
    pub fn new(port_bytes: usize) -> Self {
        let line = port_bytes / 4;
        let quarter_log2 = u64::from((line / 4).ilog2());
        let kind = |message| Constant::new(card_code(message));
        Self {
            clock: Default::default(),
            reset: Default::default(),
            active: Default::default(),
            room: Default::default(),
            write: Default::default(),
            write_at: Default::default(),
            write_data: Default::default(),
            commit: Default::default(),
            commit_length: Default::default(),
            answer_valid: Default::default(),
            answer_kind: Default::default(),
            answer_value: Default::default(),
            answer_address: Default::default(),
            answer_last: Default::default(),
            answer_next: Default::default(),
            answer_done: Default::default(),
            events: Default::default(),
            read_push: Default::default(),
            read_lines: Default::default(),
            read_room: Default::default(),
            h_arvalid: Default::default(),
            h_arready: Default::default(),
            h_araddr: Default::default(),
            h_arlen: Default::default(),
            h_awvalid: Default::default(),
            h_awready: Default::default(),
            h_awaddr: Default::default(),
            h_wvalid: Default::default(),
            h_wready: Default::default(),
            h_wdata: (0..line).map(|_| Default::default()).collect(),
            h_wquarters: Default::default(),
            h_wlast: Default::default(),
            h_bvalid: Default::default(),
            h_bready: Default::default(),
            w_arvalid: Default::default(),
            w_arready: Default::default(),
            w_araddr: Default::default(),
            w_rvalid: Default::default(),
            w_rready: Default::default(),
            w_rdata: (0..line).map(|_| Default::default()).collect(),
            w_rresp: Default::default(),
            state: Default::default(),
            then: Default::default(),
            kind: Default::default(),
            open: Default::default(),
            place: Default::default(),
            word: Default::default(),
            left: Default::default(),
            index: Default::default(),
            following: Default::default(),
            part: Default::default(),
            quarter: Default::default(),
            next_counts: Default::default(),
            pending: Default::default(),
            told: Default::default(),
            failed: Default::default(),
            writing: Default::default(),
            address: Default::default(),
            within_page: Default::default(),
            page: Default::default(),
            owed: Default::default(),
            burst_ends: Default::default(),
            b_taken: Default::default(),
            line_waits: Default::default(),
            low_half: Default::default(),
            high_half: Default::default(),
            host_word: Default::default(),
            card_word: Default::default(),
            word_number: (0..line as u64)
                .map(|number| Constant::new(number.into()))
                .collect(),
            last_word: Constant::new((line as u64 - 1).into()),
            line_step: Constant::new((port_bytes as u64).into()),
            page_mask: Constant::new((!0xfffu64).into()),
            all: Constant::new((1 + 8 + MAX_DATA as u64).into()),
            first_byte: Constant::new((CardMessage::Register as u64 & !7).into()),
            register_kind: kind(CardMessage::Register),
            memory_kind: kind(CardMessage::Memory),
            read_kind: kind(CardMessage::ReadHost),
            write_kind: kind(CardMessage::WriteHost),
            events_kind: kind(CardMessage::Events),
            reset_kind: kind(CardMessage::ResetDone),
            refused_kind: kind(CardMessage::Refused),
            _line: line,
            _quarter_log2: quarter_log2,
            _quarter_log2_end: quarter_log2 + 1,
        }
    }
}

impl Logic for Poster {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, state, then, kind, open, place, word, left, index, pending, failed,
            writing, address, owed
        );

        // The word of a line that is next, and whether the one behind it counts.
        self.host_word.next = 0.into();
        self.card_word.next = 0.into();
        for i in 0..self._line {
            if self.index.q.val() == self.word_number[i].val() {
                self.host_word.next = self.h_wdata[i].val();
                self.card_word.next = self.w_rdata[i].val();
            }
        }
        self.following.next = self.index.q.val() + 1;
        for k in self._quarter_log2..self._quarter_log2_end {
            self.part.next = self.following.val() >> k;
        }
        self.quarter.next = self.part.val().get_bits::<2>(0);
        self.next_counts.next = self.h_wquarters.val().get_bit(self.quarter.val().index());
        self.line_waits.next = self.writing.q.val() & self.h_wvalid.val();

        // Addresses: a burst stays within its page.
        self.low_half.next = self.h_araddr.val().get_bits::<32>(0);
        self.high_half.next = self.h_araddr.val().get_bits::<32>(32);
        if self.kind.q.val() == self.write_kind.val() {
            self.low_half.next = self.address.q.val().get_bits::<32>(0);
            self.high_half.next = self.address.q.val().get_bits::<32>(32);
        }
        self.within_page.next = self.address.q.val().get_bits::<12>(0) + self.line_step.val();
        self.page.next = self.address.q.val() & self.page_mask.val();
        self.h_awready.next = (!self.writing.q.val()) & (!self.owed.q.val().get_bit(3));
        if self.h_awvalid.val() & self.h_awready.val() {
            self.writing.d.next = true;
            self.address.d.next = self.h_awaddr.val();
        }

        self.read_lines.next = bit_cast::<9, 8>(self.h_arlen.val()) + 1;
        self.told.next = 0.into();
        self.burst_ends.next = false;
        self.write.next = false;
        self.write_at.next = self.place.q.val();
        self.write_data.next = self.word.q.val().get_bits::<8>(0);
        match self.state.q.val() {
            PostState::Idle => {
                self.place.d.next = 0.into();
                self.index.d.next = 0.into();
                self.failed.d.next = false;
                if self.room.val() {
                    self.open.d.next = true;
                    self.state.d.next = PostState::Kind;
                    if self.answer_valid.val() {
                        self.kind.d.next = self.answer_kind.val();
                    } else if self.pending.q.val() != 0 {
                        self.kind.d.next = self.events_kind.val();
                    } else if self.h_arvalid.val() & self.read_room.val() {
                        self.kind.d.next = self.read_kind.val();
                    } else {
                        self.kind.d.next = self.write_kind.val();
                        if !self.line_waits.val() {
                            self.open.d.next = false;
                            self.state.d.next = PostState::Idle;
                        } else if !self.h_wquarters.val().get_bit(0) {
                            self.open.d.next = false;
                            self.state.d.next = PostState::LineEnds;
                        }
                    }
                }
            }
            PostState::Kind => {
                self.write.next = true;
                self.write_data.next = self.first_byte.val() | bit_cast::<8, 3>(self.kind.q.val());
                self.place.d.next = self.place.q.val() + 1;
                self.word.d.next = self.answer_value.val();
                self.then.d.next = PostState::Commit;
                if self.kind.q.val() == self.register_kind.val() {
                    self.left.d.next = 4.into();
                    self.state.d.next = PostState::Bytes;
                }
                if self.kind.q.val() == self.refused_kind.val() {
                    self.left.d.next = 1.into();
                    self.state.d.next = PostState::Bytes;
                }
                if self.kind.q.val() == self.reset_kind.val() {
                    self.state.d.next = PostState::Commit;
                }
                if self.kind.q.val() == self.events_kind.val() {
                    self.told.next = self.pending.q.val();
                    self.word.d.next = bit_cast::<32, 8>(self.pending.q.val());
                    self.left.d.next = 1.into();
                    self.state.d.next = PostState::Bytes;
                }
                if self.kind.q.val() == self.memory_kind.val() {
                    // The status is known last.
                    self.place.d.next = 2.into();
                    self.state.d.next = PostState::ReadAddress;
                }
                if (self.kind.q.val() == self.read_kind.val())
                    | (self.kind.q.val() == self.write_kind.val())
                {
                    self.state.d.next = PostState::LowAddress;
                }
            }
            PostState::LowAddress => {
                self.word.d.next = self.low_half.val();
                self.left.d.next = 4.into();
                self.then.d.next = PostState::HighAddress;
                self.state.d.next = PostState::Bytes;
            }
            PostState::HighAddress => {
                self.word.d.next = self.high_half.val();
                self.left.d.next = 4.into();
                self.then.d.next = PostState::Word;
                if self.kind.q.val() == self.read_kind.val() {
                    self.then.d.next = PostState::Lines;
                }
                self.state.d.next = PostState::Bytes;
            }
            PostState::Lines => {
                self.word.d.next = bit_cast::<32, 9>(self.read_lines.val());
                self.left.d.next = 2.into();
                self.then.d.next = PostState::Commit;
                self.state.d.next = PostState::Bytes;
            }
            PostState::Bytes => {
                self.write.next = true;
                self.word.d.next = self.word.q.val() >> 8;
                self.place.d.next = self.place.q.val() + 1;
                self.left.d.next = self.left.q.val() - 1;
                if self.left.q.val() == 1 {
                    self.state.d.next = self.then.q.val();
                }
            }
            PostState::Word => {
                self.word.d.next = self.host_word.val();
                self.left.d.next = 4.into();
                self.then.d.next = PostState::WordEnds;
                self.state.d.next = PostState::Bytes;
            }
            PostState::WordEnds => {
                self.index.d.next = self.following.val();
                self.state.d.next = PostState::Word;
                if (self.index.q.val() == self.last_word.val()) | (!self.next_counts.val()) {
                    self.state.d.next = PostState::LineEnds;
                }
            }
            PostState::LineEnds => {
                self.index.d.next = 0.into();
                self.address.d.next = self.page.val() | bit_cast::<64, 12>(self.within_page.val());
                self.state.d.next = PostState::NextLine;
                if self.h_wlast.val() {
                    self.writing.d.next = false;
                    self.burst_ends.next = true;
                    self.state.d.next = PostState::Idle;
                    if self.open.q.val() {
                        self.state.d.next = PostState::Commit;
                    }
                }
            }
            PostState::NextLine => {
                self.state.d.next = PostState::Idle;
                if self.open.q.val() {
                    self.state.d.next = PostState::Commit;
                    if (self.place.q.val() != self.all.val())
                        & self.h_wvalid.val()
                        & self.h_wquarters.val().get_bit(0)
                    {
                        self.state.d.next = PostState::Word;
                    }
                }
            }
            PostState::ReadAddress => {
                if self.w_arready.val() {
                    self.state.d.next = PostState::ReadLine;
                }
            }
            PostState::ReadLine => {
                if self.w_rvalid.val() {
                    if self.w_rresp.val() != 0 {
                        self.failed.d.next = true;
                    }
                    self.state.d.next = PostState::ReadWord;
                }
            }
            PostState::ReadWord => {
                self.word.d.next = self.card_word.val();
                self.left.d.next = 4.into();
                self.then.d.next = PostState::ReadWordEnds;
                self.state.d.next = PostState::Bytes;
            }
            PostState::ReadWordEnds => {
                self.index.d.next = self.following.val();
                self.state.d.next = PostState::ReadWord;
                if self.index.q.val() == self.last_word.val() {
                    self.index.d.next = 0.into();
                    self.state.d.next = PostState::ReadAddress;
                    if self.answer_last.val() {
                        self.state.d.next = PostState::Status;
                    }
                }
            }
            PostState::Status => {
                self.write.next = true;
                self.write_at.next = 1.into();
                self.write_data.next = 0.into();
                if self.failed.q.val() {
                    self.write_data.next = 1.into();
                }
                self.state.d.next = PostState::Commit;
            }
            PostState::Commit => {
                self.open.d.next = false;
                self.state.d.next = PostState::Idle;
            }
            _ => {}
        }
        self.pending.d.next = (self.pending.q.val() & (!self.told.val())) | self.events.val();

        // Messages that are complete.
        self.commit.next = self.state.q.val() == PostState::Commit;
        self.commit_length.next = self.place.q.val();
        self.answer_done.next = self.commit.val()
            & ((self.kind.q.val() == self.register_kind.val())
                | (self.kind.q.val() == self.memory_kind.val())
                | (self.kind.q.val() == self.reset_kind.val())
                | (self.kind.q.val() == self.refused_kind.val()));
        self.read_push.next = self.commit.val() & (self.kind.q.val() == self.read_kind.val());
        self.h_arready.next = self.read_push.val();
        self.h_wready.next = self.state.q.val() == PostState::LineEnds;
        self.w_arvalid.next = self.state.q.val() == PostState::ReadAddress;
        self.w_araddr.next = self.answer_address.val();
        self.w_rready.next = (self.state.q.val() == PostState::ReadWordEnds)
            & (self.index.q.val() == self.last_word.val());
        self.answer_next.next = self.w_rready.val();

        // Bursts that are to be answered.
        self.h_bvalid.next = self.owed.q.val() != 0;
        self.b_taken.next = self.h_bvalid.val() & self.h_bready.val();
        if self.burst_ends.val() & (!self.b_taken.val()) {
            self.owed.d.next = self.owed.q.val() + 1;
        }
        if self.b_taken.val() & (!self.burst_ends.val()) {
            self.owed.d.next = self.owed.q.val() - 1;
        }
        self.active.next = (self.state.q.val() != PostState::Idle)
            | (self.pending.q.val() != 0)
            | self.writing.q.val()
            | self.h_bvalid.val();

        if self.reset.val() {
            self.state.d.next = PostState::Idle;
            self.open.d.next = false;
            self.pending.d.next = 0.into();
            self.writing.d.next = false;
            self.owed.d.next = 0.into();
        }
    }
}
