//! Frames out of a stream of bytes.

use isa::serial::{CRC_BYTES, ESCAPE, FLAG, HEADER_BYTES, MAX_PAYLOAD, STUFFING};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Crc;
use super::crc::{CRC_RESIDUE, CRC_START};

/// Finds frames, takes their stuffing away and checks them.
///
/// ```text
/// rx_valid, rx_data ->+----------+-> store, at, data     each byte of a frame
/// rx_bad            ->| Deframer |-> good, bad           a frame has ended
///                     +----------+-> kind, sequence_number, ack, length, number
/// ```
///
/// * A byte a cycle is taken; the bytes of a frame come out two cycles later, each with its place in
///   the frame (`at`, 0 for the kind), those of the check sequence too. Whether they were worth
///   anything is told by `good` or `bad`, one cycle each, when the flag has come; the fields are
///   valid with `good` and only then. `length` is that of the payload, `number` its first 4 bytes.
/// * Frames are bad that are too short, too long, cut off by an escape before the flag, with an
///   escape that stuffs another, without the right check sequence, or disturbed by `rx_bad`, a byte
///   that is known to be lost.
/// * `active`: bytes are under way in here.
#[derive(LogicBlock)]
pub struct Deframer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the frame under way.
    pub reset: Signal<In, Bit>,
    /// A byte has come.
    pub rx_valid: Signal<In, Bit>,
    /// The byte.
    pub rx_data: Signal<In, Bits<8>>,
    /// A byte was lost.
    pub rx_bad: Signal<In, Bit>,
    /// A byte of a frame.
    pub store: Signal<Out, Bit>,
    /// Its place.
    pub at: Signal<Out, Bits<8>>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// A frame has ended and is right.
    pub good: Signal<Out, Bit>,
    /// A frame has ended and is not.
    pub bad: Signal<Out, Bit>,
    /// Its kind.
    pub kind: Signal<Out, Bits<8>>,
    /// Its sequence number.
    pub sequence_number: Signal<Out, Bits<8>>,
    /// What it acknowledges.
    pub ack: Signal<Out, Bits<8>>,
    /// Bytes of its payload.
    pub length: Signal<Out, Bits<8>>,
    /// First four bytes of its payload.
    pub number: Signal<Out, Bits<32>>,
    /// The clock must not stand still.
    pub active: Signal<Out, Bit>,
    // The byte, told apart.
    plain: DFF<Bit>,
    flag: DFF<Bit>,
    escape: DFF<Bit>,
    lost: DFF<Bit>,
    value: DFF<Bits<8>>,
    // The frame so far.
    escaped: DFF<Bit>,
    spoiled: DFF<Bit>,
    count: DFF<Bits<8>>,
    register: DFF<Bits<32>>,
    crc: Crc,
    begun: Signal<Local, Bit>,
    right: Signal<Local, Bit>,
    byte_at_hand: Signal<Local, Bits<8>>,
    // What is told of it.
    header: Vec<DFF<Bits<8>>>,
    first_bytes: DFF<Bits<32>>,
    is_good: DFF<Bit>,
    is_bad: DFF<Bit>,
    payload: DFF<Bits<8>>,
    place: Vec<Constant<Bits<8>>>,
    number_end: Constant<Bits<8>>,
    flag_byte: Constant<Bits<8>>,
    escape_byte: Constant<Bits<8>>,
    stuffing: Constant<Bits<8>>,
    start: Constant<Bits<32>>,
    residue: Constant<Bits<32>>,
    fewest: Constant<Bits<8>>,
    most: Constant<Bits<8>>,
}

impl Default for Deframer {
    fn default() -> Self {
        let around = HEADER_BYTES + CRC_BYTES;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            rx_valid: Default::default(),
            rx_data: Default::default(),
            rx_bad: Default::default(),
            store: Default::default(),
            at: Default::default(),
            data: Default::default(),
            good: Default::default(),
            bad: Default::default(),
            kind: Default::default(),
            sequence_number: Default::default(),
            ack: Default::default(),
            length: Default::default(),
            number: Default::default(),
            active: Default::default(),
            plain: Default::default(),
            flag: Default::default(),
            escape: Default::default(),
            lost: Default::default(),
            value: Default::default(),
            escaped: Default::default(),
            spoiled: Default::default(),
            count: Default::default(),
            register: Default::default(),
            crc: Default::default(),
            begun: Default::default(),
            right: Default::default(),
            byte_at_hand: Default::default(),
            header: (0..HEADER_BYTES).map(|_| Default::default()).collect(),
            first_bytes: Default::default(),
            is_good: Default::default(),
            is_bad: Default::default(),
            payload: Default::default(),
            place: (0..HEADER_BYTES as u64)
                .map(|place| Constant::new(place.into()))
                .collect(),
            number_end: Constant::new((HEADER_BYTES as u64 + 4).into()),
            flag_byte: Constant::new(u64::from(FLAG).into()),
            escape_byte: Constant::new(u64::from(ESCAPE).into()),
            stuffing: Constant::new(u64::from(STUFFING).into()),
            start: Constant::new(CRC_START.into()),
            residue: Constant::new(CRC_RESIDUE.into()),
            fewest: Constant::new((around as u64).into()),
            most: Constant::new(((around + MAX_PAYLOAD) as u64).into()),
        }
    }
}

impl Logic for Deframer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            plain,
            flag,
            escape,
            lost,
            value,
            escaped,
            spoiled,
            count,
            register,
            first_bytes,
            is_good,
            is_bad,
            payload
        );
        for i in 0..3 {
            self.header[i].clock.next = self.clock.val();
            self.header[i].d.next = self.header[i].q.val();
        }

        // What the byte is.
        self.plain.d.next = self.rx_valid.val()
            & (self.rx_data.val() != self.flag_byte.val())
            & (self.rx_data.val() != self.escape_byte.val());
        self.flag.d.next = self.rx_valid.val() & (self.rx_data.val() == self.flag_byte.val());
        self.escape.d.next = self.rx_valid.val() & (self.rx_data.val() == self.escape_byte.val());
        self.lost.d.next = self.rx_bad.val();
        self.value.d.next = self.rx_data.val();

        // What it means.
        self.byte_at_hand.next = self.value.q.val();
        if self.escaped.q.val() {
            self.byte_at_hand.next = self.value.q.val() ^ self.stuffing.val();
        }
        self.crc.so_far.next = self.register.q.val();
        self.crc.data.next = self.byte_at_hand.val();
        self.store.next = self.plain.q.val();
        self.at.next = self.count.q.val();
        self.data.next = self.byte_at_hand.val();
        if self.escape.q.val() {
            self.escaped.d.next = true;
            if self.escaped.q.val() {
                self.spoiled.d.next = true;
            }
        }
        if self.plain.q.val() {
            self.escaped.d.next = false;
            self.register.d.next = self.crc.after.val();
            if self.count.q.val() == self.most.val() {
                self.spoiled.d.next = true;
            } else {
                self.count.d.next = self.count.q.val() + 1;
            }
            for i in 0..3 {
                if self.count.q.val() == self.place[i].val() {
                    self.header[i].d.next = self.byte_at_hand.val();
                }
            }
            if self.count.q.val() < self.number_end.val() {
                self.first_bytes.d.next = (self.first_bytes.q.val() >> 8)
                    | (bit_cast::<32, 8>(self.byte_at_hand.val()) << 24);
            }
        }
        if self.lost.q.val() {
            self.spoiled.d.next = true;
        }

        // The end.
        self.begun.next = (self.count.q.val() != 0) | self.spoiled.q.val() | self.escaped.q.val();
        self.right.next = (self.register.q.val() == self.residue.val())
            & (self.count.q.val() >= self.fewest.val())
            & (!self.spoiled.q.val())
            & (!self.escaped.q.val());
        self.is_good.d.next = self.flag.q.val() & self.begun.val() & self.right.val();
        self.is_bad.d.next = self.flag.q.val() & self.begun.val() & (!self.right.val());
        self.payload.d.next = self.count.q.val() - self.fewest.val();
        if self.flag.q.val() | self.reset.val() {
            self.escaped.d.next = false;
            self.spoiled.d.next = false;
            self.count.d.next = 0.into();
            self.register.d.next = self.start.val();
        }
        self.good.next = self.is_good.q.val();
        self.bad.next = self.is_bad.q.val();
        self.kind.next = self.header[0].q.val();
        self.sequence_number.next = self.header[1].q.val();
        self.ack.next = self.header[2].q.val();
        self.length.next = self.payload.q.val();
        self.number.next = self.first_bytes.q.val();
        self.active.next = self.plain.q.val()
            | self.flag.q.val()
            | self.escape.q.val()
            | self.lost.q.val()
            | self.is_good.q.val()
            | self.is_bad.q.val();
        if self.reset.val() {
            self.plain.d.next = false;
            self.flag.d.next = false;
            self.escape.d.next = false;
            self.lost.d.next = false;
            self.is_good.d.next = false;
            self.is_bad.d.next = false;
        }
    }
}
