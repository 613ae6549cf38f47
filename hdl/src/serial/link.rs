//! The link layer.

use rust_hdl_core::prelude::*;

use super::{Deframer, Framer, Receiver, Sender, Slots};

/// Bytes that may be lost or spoiled on one side, messages, each exactly once and in order, on the
/// other.
///
/// ```text
///          +----------+    +----------+    +-------+
/// rx_* --->| Deframer |--->| Receiver |--->| Slots |---> message_*, data_*
///          +----------+    +----------+    +-------+
///                               | acknowledgements
///          +--------+    +--------+
/// tx_* <---| Framer |<---| Sender |<--- room, write_*, commit_*
///          +--------+    +--------+
/// ```
///
/// * `rx_*` is always taken. `tx_*` stays until it is taken.
/// * A message shows with `message_valid`. `start` gives its bytes as [`Slots`] does, from the
///   first on; `message_done` drops it and lets the host send another.
/// * A message of the card is written while `room`, at places from 0 on, and sent from `commit` on.
/// * `restart` is a cycle long: the host has said hello, all messages are forgotten, and so must be
///   all else.
#[derive(LogicBlock)]
pub struct Link {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything, the session too.
    pub reset: Signal<In, Bit>,
    /// A byte has come.
    pub rx_valid: Signal<In, Bit>,
    /// The byte.
    pub rx_data: Signal<In, Bits<8>>,
    /// A byte was lost.
    pub rx_bad: Signal<In, Bit>,
    /// A byte is to be sent.
    pub tx_valid: Signal<Out, Bit>,
    /// The byte.
    pub tx_data: Signal<Out, Bits<8>>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// There is a message.
    pub message_valid: Signal<Out, Bit>,
    /// Its bytes.
    pub message_length: Signal<Out, Bits<8>>,
    /// Give it.
    pub start: Signal<In, Bit>,
    /// A byte of it is there.
    pub data_valid: Signal<Out, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// It is the last one.
    pub data_last: Signal<Out, Bit>,
    /// It is taken.
    pub data_take: Signal<In, Bit>,
    /// The message is done with.
    pub message_done: Signal<In, Bit>,
    /// There is room for a message.
    pub room: Signal<Out, Bit>,
    /// Keep a byte of it.
    pub write: Signal<In, Bit>,
    /// Its place.
    pub write_at: Signal<In, Bits<8>>,
    /// The byte.
    pub write_data: Signal<In, Bits<8>>,
    /// It is complete.
    pub commit: Signal<In, Bit>,
    /// Its bytes.
    pub commit_length: Signal<In, Bits<8>>,
    /// Forget everything else.
    pub restart: Signal<Out, Bit>,
    /// There was a hello.
    pub session: Signal<Out, Bit>,
    /// A frame has come, or one begins to go: a cycle long.
    pub traffic: Signal<Out, Bit>,
    /// A frame was spoiled: a cycle long.
    pub spoiled: Signal<Out, Bit>,
    /// Something is under way.
    pub active: Signal<Out, Bit>,
    deframer: Deframer,
    receiver: Receiver,
    slots: Slots,
    sender: Sender,
    framer: Framer,
    first: Constant<Bits<8>>,
}

impl Link {
    /// For a memory port of `port_bytes`; what is not acknowledged for `resend` cycles is sent anew.
    pub fn new(port_bytes: usize, resend: u32) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            rx_valid: Default::default(),
            rx_data: Default::default(),
            rx_bad: Default::default(),
            tx_valid: Default::default(),
            tx_data: Default::default(),
            tx_ready: Default::default(),
            message_valid: Default::default(),
            message_length: Default::default(),
            start: Default::default(),
            data_valid: Default::default(),
            data: Default::default(),
            data_last: Default::default(),
            data_take: Default::default(),
            message_done: Default::default(),
            room: Default::default(),
            write: Default::default(),
            write_at: Default::default(),
            write_data: Default::default(),
            commit: Default::default(),
            commit_length: Default::default(),
            restart: Default::default(),
            session: Default::default(),
            traffic: Default::default(),
            spoiled: Default::default(),
            active: Default::default(),
            deframer: Default::default(),
            receiver: Default::default(),
            slots: Default::default(),
            sender: Sender::new(port_bytes, resend),
            framer: Default::default(),
            first: Constant::new((isa::serial::HEADER_BYTES as u64).into()),
        }
    }
}

impl Logic for Link {
    #[hdl_gen]
    fn update(&mut self) {
        self.deframer.clock.next = self.clock.val();
        self.receiver.clock.next = self.clock.val();
        self.slots.clock.next = self.clock.val();
        self.sender.clock.next = self.clock.val();
        self.framer.clock.next = self.clock.val();
        self.deframer.reset.next = self.reset.val();
        self.receiver.reset.next = self.reset.val();
        self.sender.reset.next = self.reset.val();
        self.framer.reset.next = self.reset.val() | self.receiver.restart.val();

        // From the host.
        self.deframer.rx_valid.next = self.rx_valid.val();
        self.deframer.rx_data.next = self.rx_data.val();
        self.deframer.rx_bad.next = self.rx_bad.val();
        self.receiver.good.next = self.deframer.good.val();
        self.receiver.bad.next = self.deframer.bad.val();
        self.receiver.kind.next = self.deframer.kind.val();
        self.receiver.sequence_number.next = self.deframer.sequence_number.val();
        self.receiver.ack.next = self.deframer.ack.val();
        self.receiver.length.next = self.deframer.length.val();
        self.slots.write.next = self.deframer.store.val() & self.receiver.may_write.val();
        self.slots.write_slot.next = self.receiver.write_slot.val();
        self.slots.write_at.next = self.deframer.at.val();
        self.slots.write_data.next = self.deframer.data.val();
        self.message_valid.next = self.receiver.message_valid.val();
        self.message_length.next = self.receiver.message_length.val();
        self.slots.start.next = self.start.val();
        self.slots.start_slot.next = self.receiver.slot.val();
        self.slots.start_at.next = self.first.val();
        self.slots.count.next = self.receiver.message_length.val();
        self.data_valid.next = self.slots.valid.val();
        self.data.next = self.slots.data.val();
        self.data_last.next = self.slots.last.val();
        self.slots.take.next = self.data_take.val();
        self.receiver.message_done.next = self.message_done.val();

        // To the host.
        self.sender.welcome.next = self.receiver.restart.val();
        self.sender.number.next = self.deframer.number.val();
        self.sender.write.next = self.write.val();
        self.sender.write_at.next = self.write_at.val();
        self.sender.write_data.next = self.write_data.val();
        self.sender.commit.next = self.commit.val();
        self.sender.commit_length.next = self.commit_length.val();
        self.room.next = self.sender.room.val();
        self.sender.acked.next = self.receiver.acked.val();
        self.sender.rewind.next = self.receiver.rewind.val();
        self.sender.host_ack.next = self.receiver.host_ack.val();
        self.sender.owe_ack.next = self.receiver.owe_ack.val();
        self.sender.owe_nak.next = self.receiver.owe_nak.val();
        self.sender.ack_value.next = self.receiver.ack_value.val();
        self.framer.in_valid.next = self.sender.out_valid.val();
        self.framer.in_data.next = self.sender.out_data.val();
        self.framer.in_last.next = self.sender.out_last.val();
        self.sender.out_ready.next = self.framer.in_ready.val();
        self.tx_valid.next = self.framer.tx_valid.val();
        self.tx_data.next = self.framer.tx_data.val();
        self.framer.tx_ready.next = self.tx_ready.val();

        self.restart.next = self.receiver.restart.val();
        self.session.next = self.receiver.session.val();
        self.traffic.next = self.deframer.good.val() | self.sender.begins.val();
        self.spoiled.next = self.deframer.bad.val();
        self.active.next = self.deframer.active.val()
            | self.receiver.restart.val()
            | self.receiver.message_valid.val()
            | self.sender.active.val()
            | self.framer.active.val();
    }
}
