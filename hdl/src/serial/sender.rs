//! What the card sends.

use isa::serial::{FrameKind, VERSION};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Lengths, Slots};

/// Which part of a frame is sent.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum SendState {
    /// No frame.
    Idle,
    /// Its header.
    Header,
    /// A message.
    Message,
    /// What a welcome tells.
    Welcome,
}

/// Keeps messages until the host has them, and makes frames.
///
/// ```text
/// write, write_at, write_data ->+--------+-> out_valid, out_data, out_last   to the framer
/// commit, commit_length       ->|        |<- out_ready
/// room                        <-| Sender |
/// acked, rewind, host_ack     ->|        |<- owe_ack, owe_nak, ack_value     from the receiver
///                               +--------+<- welcome, number
/// ```
///
/// * A message is written, in any order, while `room`, and belongs to the link from `commit` on. It
///   keeps its slot until it is acknowledged.
/// * A frame that is to be sent goes in this order: welcome, NAK, messages, acknowledgement. Each
///   tells what was consumed when it began, and so pays for an acknowledgement that is owed.
/// * After `rewind`, and when for `resend` cycles no message was sent and none acknowledged though
///   some are not, all of those are sent anew.
/// * `welcome` forgets everything and answers a hello.
#[derive(LogicBlock)]
pub struct Sender {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// Forget everything, and answer a hello.
    pub welcome: Signal<In, Bit>,
    /// With this number.
    pub number: Signal<In, Bits<32>>,
    /// Keep a byte of the next message.
    pub write: Signal<In, Bit>,
    /// Its place.
    pub write_at: Signal<In, Bits<8>>,
    /// The byte.
    pub write_data: Signal<In, Bits<8>>,
    /// The message is complete.
    pub commit: Signal<In, Bit>,
    /// Its bytes.
    pub commit_length: Signal<In, Bits<8>>,
    /// There is a slot for a message.
    pub room: Signal<Out, Bit>,
    /// `host_ack` is news.
    pub acked: Signal<In, Bit>,
    /// And everything from there on is wanted anew.
    pub rewind: Signal<In, Bit>,
    /// Sequence number that the host expects.
    pub host_ack: Signal<In, Bits<8>>,
    /// An acknowledgement is to be sent.
    pub owe_ack: Signal<In, Bit>,
    /// A NAK is to be sent.
    pub owe_nak: Signal<In, Bit>,
    /// What either acknowledges.
    pub ack_value: Signal<In, Bits<8>>,
    /// A byte of a frame.
    pub out_valid: Signal<Out, Bit>,
    /// The byte.
    pub out_data: Signal<Out, Bits<8>>,
    /// It is the last before the check sequence.
    pub out_last: Signal<Out, Bit>,
    /// It is taken.
    pub out_ready: Signal<In, Bit>,
    /// A frame begins.
    pub begins: Signal<Out, Bit>,
    /// Something is to be sent or to be acknowledged.
    pub active: Signal<Out, Bit>,
    slots: Slots,
    lengths: Lengths,
    state: DFF<SendState>,
    /// Sequence number of the next message, of the oldest that is not acknowledged, and of the
    /// next to be sent.
    next_number: DFF<Bits<8>>,
    oldest: DFF<Bits<8>>,
    unsent: DFF<Bits<8>>,
    kept: Signal<Local, Bits<8>>,
    sent: Signal<Local, Bits<8>>,
    gain: DFF<Bits<8>>,
    credible: Signal<Local, Bit>,
    progress: Signal<Local, Bit>,
    ack_due: DFF<Bit>,
    nak_due: DFF<Bit>,
    welcome_due: DFF<Bit>,
    ack_goes: Signal<Local, Bit>,
    message_goes: Signal<Local, Bit>,
    begin_message: Signal<Local, Bit>,
    timer: DFF<Bits<32>>,
    late: DFF<Bit>,
    // What the host has said it has, a cycle late.
    heard: DFF<Bit>,
    heard_ack: DFF<Bits<8>>,
    heard_rewind: DFF<Bit>,
    stirs: DFF<Bit>,
    header: DFF<Bits<24>>,
    left: DFF<Bits<3>>,
    kind: DFF<Bits<8>>,
    told: DFF<Bits<48>>,
    first: Signal<Local, Bits<24>>,
    card: Constant<Bits<48>>,
    resend: Constant<Bits<32>>,
    ack_kind: Constant<Bits<8>>,
    nak_kind: Constant<Bits<8>>,
    data_kind: Constant<Bits<8>>,
    welcome_kind: Constant<Bits<8>>,
}

impl Sender {
    /// For a memory port of `port_bytes`; what is not acknowledged for `resend` cycles is sent anew.
    pub fn new(port_bytes: usize, resend: u32) -> Self {
        let kind = |kind: FrameKind| Constant::new((kind as u64).into());
        let card = u64::from(VERSION) << 32 | (port_bytes as u64) << 40;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            welcome: Default::default(),
            number: Default::default(),
            write: Default::default(),
            write_at: Default::default(),
            write_data: Default::default(),
            commit: Default::default(),
            commit_length: Default::default(),
            room: Default::default(),
            acked: Default::default(),
            rewind: Default::default(),
            host_ack: Default::default(),
            owe_ack: Default::default(),
            owe_nak: Default::default(),
            ack_value: Default::default(),
            out_valid: Default::default(),
            out_data: Default::default(),
            out_last: Default::default(),
            out_ready: Default::default(),
            begins: Default::default(),
            active: Default::default(),
            slots: Default::default(),
            lengths: Default::default(),
            state: Default::default(),
            next_number: Default::default(),
            oldest: Default::default(),
            unsent: Default::default(),
            kept: Default::default(),
            sent: Default::default(),
            gain: Default::default(),
            credible: Default::default(),
            progress: Default::default(),
            ack_due: Default::default(),
            nak_due: Default::default(),
            welcome_due: Default::default(),
            ack_goes: Default::default(),
            message_goes: Default::default(),
            begin_message: Default::default(),
            timer: Default::default(),
            late: Default::default(),
            heard: Default::default(),
            heard_ack: Default::default(),
            heard_rewind: Default::default(),
            stirs: Default::default(),
            header: Default::default(),
            left: Default::default(),
            kind: Default::default(),
            told: Default::default(),
            first: Default::default(),
            card: Constant::new(card.into()),
            resend: Constant::new(u64::from(resend).into()),
            ack_kind: kind(FrameKind::Ack),
            nak_kind: kind(FrameKind::Nak),
            data_kind: kind(FrameKind::Data),
            welcome_kind: kind(FrameKind::Welcome),
        }
    }
}

impl Logic for Sender {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            next_number,
            oldest,
            unsent,
            ack_due,
            nak_due,
            welcome_due,
            timer,
            late,
            heard,
            heard_ack,
            heard_rewind,
            gain,
            stirs,
            header,
            left,
            kind,
            told
        );
        self.slots.clock.next = self.clock.val();
        self.lengths.clock.next = self.clock.val();

        // New messages.
        self.kept.next = self.next_number.q.val() - self.oldest.q.val();
        self.room.next = !self.kept.val().get_bit(3);
        self.slots.write.next = self.write.val();
        self.slots.write_slot.next = self.next_number.q.val().get_bits::<3>(0);
        self.slots.write_at.next = self.write_at.val();
        self.slots.write_data.next = self.write_data.val();
        self.lengths.write.next = self.commit.val();
        self.lengths.write_slot.next = self.next_number.q.val().get_bits::<3>(0);
        self.lengths.write_length.next = self.commit_length.val();
        if self.commit.val() {
            self.next_number.d.next = self.next_number.q.val() + 1;
        }

        // The next frame.
        self.message_goes.next = self.unsent.q.val() != self.next_number.q.val();
        self.begins.next = (self.state.q.val() == SendState::Idle)
            & (self.welcome_due.q.val()
                | self.nak_due.q.val()
                | self.message_goes.val()
                | self.ack_due.q.val());
        self.ack_goes.next = self.begins.val() & (!self.welcome_due.q.val());
        self.begin_message.next =
            self.ack_goes.val() & (!self.nak_due.q.val()) & self.message_goes.val();
        self.first.next = bit_cast::<24, 8>(self.ack_value.val()) << 16;
        self.slots.start_slot.next = self.unsent.q.val().get_bits::<3>(0);
        self.slots.start_at.next = 0.into();
        self.lengths.slot.next = self.unsent.q.val().get_bits::<3>(0);
        self.slots.count.next = self.lengths.length.val();
        self.slots.take.next = false;
        self.out_valid.next = false;
        self.out_data.next = self.header.q.val().get_bits::<8>(0);
        self.out_last.next = false;
        match self.state.q.val() {
            SendState::Idle => {
                self.left.d.next = 2.into();
                self.header.d.next = self.first.val();
                self.kind.d.next = self.ack_kind.val();
                if self.welcome_due.q.val() {
                    self.kind.d.next = self.welcome_kind.val();
                    self.header.d.next =
                        self.first.val() | bit_cast::<24, 8>(self.welcome_kind.val());
                    self.welcome_due.d.next = false;
                } else if self.nak_due.q.val() {
                    self.kind.d.next = self.nak_kind.val();
                    self.header.d.next = self.first.val() | bit_cast::<24, 8>(self.nak_kind.val());
                    self.nak_due.d.next = false;
                } else if self.message_goes.val() {
                    self.kind.d.next = self.data_kind.val();
                    self.header.d.next = self.first.val()
                        | (bit_cast::<24, 8>(self.unsent.q.val()) << 8)
                        | bit_cast::<24, 8>(self.data_kind.val());
                }
                if self.begins.val() {
                    self.state.d.next = SendState::Header;
                }
            }
            SendState::Header => {
                self.out_valid.next = true;
                self.out_last.next = (self.left.q.val() == 0)
                    & (self.kind.q.val() != self.data_kind.val())
                    & (self.kind.q.val() != self.welcome_kind.val());
                if self.out_ready.val() {
                    self.header.d.next = self.header.q.val() >> 8;
                    self.left.d.next = self.left.q.val() - 1;
                    if self.left.q.val() == 0 {
                        self.left.d.next = 5.into();
                        self.state.d.next = SendState::Idle;
                        if self.kind.q.val() == self.data_kind.val() {
                            self.state.d.next = SendState::Message;
                        }
                        if self.kind.q.val() == self.welcome_kind.val() {
                            self.state.d.next = SendState::Welcome;
                        }
                    }
                }
            }
            SendState::Message => {
                self.out_valid.next = self.slots.valid.val();
                self.out_data.next = self.slots.data.val();
                self.out_last.next = self.slots.last.val();
                self.slots.take.next = self.slots.valid.val() & self.out_ready.val();
                if self.slots.valid.val() & self.out_ready.val() & self.slots.last.val() {
                    self.state.d.next = SendState::Idle;
                }
            }
            SendState::Welcome => {
                self.out_valid.next = true;
                self.out_data.next = self.told.q.val().get_bits::<8>(0);
                self.out_last.next = self.left.q.val() == 0;
                if self.out_ready.val() {
                    self.told.d.next = self.told.q.val() >> 8;
                    self.left.d.next = self.left.q.val() - 1;
                    if self.left.q.val() == 0 {
                        self.state.d.next = SendState::Idle;
                    }
                }
            }
            _ => {}
        }
        self.slots.start.next = self.begin_message.val();
        if self.begin_message.val() {
            self.unsent.d.next = self.unsent.q.val() + 1;
        }
        if self.ack_goes.val() {
            self.ack_due.d.next = false;
        }
        if self.owe_ack.val() {
            self.ack_due.d.next = true;
        }
        if self.owe_nak.val() {
            self.nak_due.d.next = true;
        }

        // What the host has: no more than there is.
        self.sent.next = self.unsent.q.val() - self.oldest.q.val();
        self.heard.d.next = self.acked.val();
        self.heard_ack.d.next = self.host_ack.val();
        self.heard_rewind.d.next = self.rewind.val();
        self.gain.d.next = self.host_ack.val() - self.oldest.q.val();
        self.credible.next = self.heard.q.val() & (self.gain.q.val() <= self.kept.val());
        self.progress.next = self.credible.val() & (self.gain.q.val() != 0);
        if self.credible.val() {
            self.oldest.d.next = self.heard_ack.q.val();
            if self.heard_rewind.q.val() | (self.gain.q.val() > self.sent.val()) {
                self.unsent.d.next = self.heard_ack.q.val();
            }
        }
        self.timer.d.next = self.timer.q.val() + 1;
        self.late.d.next = self.timer.q.val() == self.resend.val();
        // The time begins again a cycle late; nothing is late in that cycle.
        self.stirs.d.next = self.begin_message.val()
            | self.progress.val()
            | self.late.q.val()
            | (self.sent.val() == 0);
        if self.stirs.q.val() {
            self.timer.d.next = 0.into();
        }
        if self.stirs.q.val() | self.late.q.val() {
            self.late.d.next = false;
        }
        if self.late.q.val() & (!self.stirs.q.val()) & (!self.credible.val()) {
            self.unsent.d.next = self.oldest.q.val();
        }
        self.active.next = (self.state.q.val() != SendState::Idle)
            | (self.kept.val() != 0)
            | self.ack_due.q.val()
            | self.nak_due.q.val()
            | self.welcome_due.q.val();

        if self.reset.val() | self.welcome.val() {
            self.state.d.next = SendState::Idle;
            self.next_number.d.next = 0.into();
            self.oldest.d.next = 0.into();
            self.unsent.d.next = 0.into();
            self.ack_due.d.next = false;
            self.nak_due.d.next = false;
            self.welcome_due.d.next = self.welcome.val();
            self.heard.d.next = false;
            self.timer.d.next = 0.into();
            self.late.d.next = false;
            self.told.d.next = self.card.val() | bit_cast::<48, 32>(self.number.val());
        }
        if self.reset.val() {
            self.welcome_due.d.next = false;
        }
    }
}
