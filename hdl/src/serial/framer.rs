//! Frames into a stream of bytes.

use isa::serial::{CRC_BYTES, ESCAPE, FLAG, STUFFING};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Crc;
use super::crc::CRC_START;

/// Where a frame stands.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum FrameState {
    /// There is none.
    Idle,
    /// Header and payload.
    Body,
    /// Check sequence.
    Check,
    /// Its end.
    Close,
}

/// Puts frames between flags, stuffs them and adds their check sequence.
///
/// ```text
/// in_valid, in_data, in_last ->+--------+-> tx_valid, tx_data
/// in_ready                   <-| Framer |<- tx_ready
///                              +--------+-> active
/// ```
///
/// A byte a cycle goes out. `reset` drops the rest of a frame; a byte that is offered stays so, and
/// the flag of the next frame ends what was sent.
#[derive(LogicBlock)]
pub struct Framer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the frame under way.
    pub reset: Signal<In, Bit>,
    /// A byte of header or payload.
    pub in_valid: Signal<In, Bit>,
    /// The byte.
    pub in_data: Signal<In, Bits<8>>,
    /// It is the last of its frame.
    pub in_last: Signal<In, Bit>,
    /// It is taken.
    pub in_ready: Signal<Out, Bit>,
    /// A byte of the stream.
    pub tx_valid: Signal<Out, Bit>,
    /// The byte.
    pub tx_data: Signal<Out, Bits<8>>,
    /// It is taken.
    pub tx_ready: Signal<In, Bit>,
    /// A frame is under way.
    pub active: Signal<Out, Bit>,
    state: DFF<FrameState>,
    full: DFF<Bit>,
    out: DFF<Bits<8>>,
    escaped: DFF<Bit>,
    left: DFF<Bits<2>>,
    register: DFF<Bits<32>>,
    crc: Crc,
    free: Signal<Local, Bit>,
    plain: Signal<Local, Bits<8>>,
    ours: Signal<Local, Bits<8>>,
    offered: Signal<Local, Bit>,
    offered_in: Signal<Local, Bit>,
    special: Signal<Local, Bit>,
    special_in: Signal<Local, Bit>,
    special_ours: Signal<Local, Bit>,
    taken_in: Signal<Local, Bit>,
    taken_ours: Signal<Local, Bit>,
    flag: Constant<Bits<8>>,
    escape: Constant<Bits<8>>,
    stuffing: Constant<Bits<8>>,
    start: Constant<Bits<32>>,
    check_last: Constant<Bits<2>>,
}

impl Default for Framer {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_data: Default::default(),
            in_last: Default::default(),
            in_ready: Default::default(),
            tx_valid: Default::default(),
            tx_data: Default::default(),
            tx_ready: Default::default(),
            active: Default::default(),
            state: Default::default(),
            full: Default::default(),
            out: Default::default(),
            escaped: Default::default(),
            left: Default::default(),
            register: Default::default(),
            crc: Default::default(),
            free: Default::default(),
            plain: Default::default(),
            ours: Default::default(),
            offered: Default::default(),
            offered_in: Default::default(),
            special: Default::default(),
            special_in: Default::default(),
            special_ours: Default::default(),
            taken_in: Default::default(),
            taken_ours: Default::default(),
            flag: Constant::new(u64::from(FLAG).into()),
            escape: Constant::new(u64::from(ESCAPE).into()),
            stuffing: Constant::new(u64::from(STUFFING).into()),
            start: Constant::new(CRC_START.into()),
            check_last: Constant::new((CRC_BYTES as u64 - 1).into()),
        }
    }
}

impl Logic for Framer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, full, out, escaped, left, register);
        self.free.next = (!self.full.q.val()) | self.tx_ready.val();
        if self.tx_ready.val() {
            self.full.d.next = false;
        }

        // The next byte before stuffing. Whether one that comes from outside is taken must not wait
        // for the choice between the two.
        self.ours.next = !self.register.q.val().get_bits::<8>(0);
        self.special_in.next =
            (self.in_data.val() == self.flag.val()) | (self.in_data.val() == self.escape.val());
        self.special_ours.next =
            (self.ours.val() == self.flag.val()) | (self.ours.val() == self.escape.val());
        self.offered_in.next = self.in_valid.val() & (self.state.q.val() == FrameState::Body);
        self.taken_in.next = self.offered_in.val()
            & self.free.val()
            & ((!self.special_in.val()) | self.escaped.q.val());
        self.in_ready.next = self.taken_in.val();
        self.plain.next = self.in_data.val();
        self.special.next = self.special_in.val();
        self.offered.next = self.offered_in.val();
        if self.state.q.val() == FrameState::Check {
            self.plain.next = self.ours.val();
            self.special.next = self.special_ours.val();
            self.offered.next = true;
        }
        self.taken_ours.next =
            self.free.val() & ((!self.special_ours.val()) | self.escaped.q.val());
        if self.offered.val() & self.free.val() {
            self.full.d.next = true;
            self.out.d.next = self.plain.val();
            self.escaped.d.next = false;
            if self.special.val() {
                if self.escaped.q.val() {
                    self.out.d.next = self.plain.val() ^ self.stuffing.val();
                } else {
                    self.out.d.next = self.escape.val();
                    self.escaped.d.next = true;
                }
            }
        }
        self.crc.so_far.next = self.register.q.val();
        self.crc.data.next = self.in_data.val();

        match self.state.q.val() {
            FrameState::Idle => {
                self.register.d.next = self.start.val();
                self.left.d.next = self.check_last.val();
                if self.in_valid.val() & self.free.val() {
                    self.full.d.next = true;
                    self.out.d.next = self.flag.val();
                    self.state.d.next = FrameState::Body;
                }
            }
            FrameState::Body => {
                if self.taken_in.val() {
                    self.register.d.next = self.crc.after.val();
                    if self.in_last.val() {
                        self.state.d.next = FrameState::Check;
                    }
                }
            }
            FrameState::Check => {
                if self.taken_ours.val() {
                    self.register.d.next = self.register.q.val() >> 8;
                    self.left.d.next = self.left.q.val() - 1;
                    if self.left.q.val() == 0 {
                        self.state.d.next = FrameState::Close;
                    }
                }
            }
            FrameState::Close => {
                if self.free.val() {
                    self.full.d.next = true;
                    self.out.d.next = self.flag.val();
                    self.state.d.next = FrameState::Idle;
                }
            }
            _ => {}
        }
        self.tx_valid.next = self.full.q.val();
        self.tx_data.next = self.out.q.val();
        self.active.next = self.full.q.val() | (self.state.q.val() != FrameState::Idle);
        if self.reset.val() {
            self.state.d.next = FrameState::Idle;
            self.escaped.d.next = false;
        }
    }
}
