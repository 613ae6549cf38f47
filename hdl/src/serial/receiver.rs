//! Which frames of the host count.

use isa::serial::FrameKind;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Lengths;

/// Takes messages in their order and tells the [`super::Sender`] what to answer.
///
/// ```text
/// good, bad, kind       ->+----------+-> message_valid, message_length, slot
/// sequence_number       ->| Receiver |<- message_done
/// ack, length           ->|          |-> acked, rewind, host_ack
/// write_slot, may_write <-|          |-> owe_ack, owe_nak, ack_value
///                         +----------+-> restart, session
/// ```
///
/// * Bytes of a frame go into `write_slot` before it is known what they are worth, while
///   `may_write`. A data frame with the number that is expected keeps the slot; the next one gets
///   the next.
/// * A message stays until `message_done`, and what is acknowledged (`ack_value`) is how many were
///   done. Frames of all other kinds are worked on whether there is room or not.
/// * `restart` is a cycle long, two cycles after a hello: everything is forgotten, and a session
///   begins.
#[derive(LogicBlock)]
pub struct Receiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the session.
    pub reset: Signal<In, Bit>,
    /// A frame has ended and is right.
    pub good: Signal<In, Bit>,
    /// A frame has ended and is not.
    pub bad: Signal<In, Bit>,
    /// Its kind.
    pub kind: Signal<In, Bits<8>>,
    /// Its sequence number.
    pub sequence_number: Signal<In, Bits<8>>,
    /// What it acknowledges.
    pub ack: Signal<In, Bits<8>>,
    /// Bytes of its payload.
    pub length: Signal<In, Bits<8>>,
    /// Slot for the bytes of a frame.
    pub write_slot: Signal<Out, Bits<3>>,
    /// It is free.
    pub may_write: Signal<Out, Bit>,
    /// There is a message.
    pub message_valid: Signal<Out, Bit>,
    /// Its bytes.
    pub message_length: Signal<Out, Bits<8>>,
    /// Its slot.
    pub slot: Signal<Out, Bits<3>>,
    /// It is done.
    pub message_done: Signal<In, Bit>,
    /// `host_ack` is news.
    pub acked: Signal<Out, Bit>,
    /// And everything from there on is wanted anew.
    pub rewind: Signal<Out, Bit>,
    /// Sequence number that the host expects.
    pub host_ack: Signal<Out, Bits<8>>,
    /// An acknowledgement is to be sent.
    pub owe_ack: Signal<Out, Bit>,
    /// A NAK is to be sent.
    pub owe_nak: Signal<Out, Bit>,
    /// What either acknowledges.
    pub ack_value: Signal<Out, Bits<8>>,
    /// Forget everything.
    pub restart: Signal<Out, Bit>,
    /// There was a hello.
    pub session: Signal<Out, Bit>,
    lengths: Lengths,
    begun: DFF<Bit>,
    hello: DFF<Bit>,
    expected: DFF<Bits<8>>,
    done: DFF<Bits<8>>,
    complained: DFF<Bit>,
    counts: Signal<Local, Bit>,
    is_data: Signal<Local, Bit>,
    ahead: Signal<Local, Bits<8>>,
    used: Signal<Local, Bits<8>>,
    full: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    again: Signal<Local, Bit>,
    beyond: Signal<Local, Bit>,
    complains: Signal<Local, Bit>,
    ack_kind: Constant<Bits<8>>,
    nak_kind: Constant<Bits<8>>,
    data_kind: Constant<Bits<8>>,
    hello_kind: Constant<Bits<8>>,
    ping_kind: Constant<Bits<8>>,
}

impl Default for Receiver {
    fn default() -> Self {
        let kind = |kind: FrameKind| Constant::new((kind as u64).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            good: Default::default(),
            bad: Default::default(),
            kind: Default::default(),
            sequence_number: Default::default(),
            ack: Default::default(),
            length: Default::default(),
            write_slot: Default::default(),
            may_write: Default::default(),
            message_valid: Default::default(),
            message_length: Default::default(),
            slot: Default::default(),
            message_done: Default::default(),
            acked: Default::default(),
            rewind: Default::default(),
            host_ack: Default::default(),
            owe_ack: Default::default(),
            owe_nak: Default::default(),
            ack_value: Default::default(),
            restart: Default::default(),
            session: Default::default(),
            lengths: Default::default(),
            begun: Default::default(),
            hello: Default::default(),
            expected: Default::default(),
            done: Default::default(),
            complained: Default::default(),
            counts: Default::default(),
            is_data: Default::default(),
            ahead: Default::default(),
            used: Default::default(),
            full: Default::default(),
            takes: Default::default(),
            again: Default::default(),
            beyond: Default::default(),
            complains: Default::default(),
            ack_kind: kind(FrameKind::Ack),
            nak_kind: kind(FrameKind::Nak),
            data_kind: kind(FrameKind::Data),
            hello_kind: kind(FrameKind::Hello),
            ping_kind: kind(FrameKind::Ping),
        }
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, begun, hello, expected, done, complained);
        self.lengths.clock.next = self.clock.val();

        // The message at hand.
        self.used.next = self.expected.q.val() - self.done.q.val();
        self.full.next = self.used.val().get_bit(3);
        self.message_valid.next = self.used.val() != 0;
        self.slot.next = self.done.q.val().get_bits::<3>(0);
        self.lengths.slot.next = self.done.q.val().get_bits::<3>(0);
        self.message_length.next = self.lengths.length.val();
        if self.message_done.val() {
            self.done.d.next = self.done.q.val() + 1;
        }
        self.write_slot.next = self.expected.q.val().get_bits::<3>(0);
        self.may_write.next = !self.full.val();

        // The frame that has ended.
        self.counts.next = self.begun.q.val() & self.good.val();
        self.is_data.next = self.counts.val() & (self.kind.val() == self.data_kind.val());
        self.ahead.next = self.sequence_number.val() - self.expected.q.val();
        self.takes.next = self.is_data.val() & (self.ahead.val() == 0) & (!self.full.val());
        self.again.next = self.is_data.val() & self.ahead.val().get_bit(7);
        self.beyond.next =
            self.is_data.val() & (!self.ahead.val().get_bit(7)) & (self.ahead.val() != 0);
        self.lengths.write.next = self.takes.val();
        self.lengths.write_slot.next = self.expected.q.val().get_bits::<3>(0);
        self.lengths.write_length.next = self.length.val();
        if self.takes.val() {
            self.expected.d.next = self.expected.q.val() + 1;
            self.complained.d.next = false;
        }
        self.complains.next = (self.beyond.val() | (self.bad.val() & self.begun.q.val()))
            & (!self.complained.q.val());
        if self.complains.val() {
            self.complained.d.next = true;
        }
        self.owe_nak.next = self.complains.val();
        self.owe_ack.next = self.message_done.val()
            | self.again.val()
            | (self.counts.val() & (self.kind.val() == self.ping_kind.val()));
        self.ack_value.next = self.done.q.val();
        self.rewind.next = self.counts.val() & (self.kind.val() == self.nak_kind.val());
        self.acked.next = self.rewind.val()
            | self.is_data.val()
            | (self.counts.val() & (self.kind.val() == self.ack_kind.val()))
            | (self.counts.val() & (self.kind.val() == self.ping_kind.val()));
        self.host_ack.next = self.ack.val();

        // Sessions.
        self.hello.d.next =
            self.good.val() & (self.kind.val() == self.hello_kind.val()) & (self.length.val() == 4);
        self.restart.next = self.hello.q.val();
        self.session.next = self.begun.q.val();
        if self.hello.q.val() | self.reset.val() {
            self.begun.d.next = self.hello.q.val();
            self.expected.d.next = 0.into();
            self.done.d.next = 0.into();
            self.complained.d.next = false;
        }
        if self.reset.val() {
            self.begun.d.next = false;
            self.hello.d.next = false;
        }
    }
}
