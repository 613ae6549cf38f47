//! When bursts and rows may end and begin, and when to refresh.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Timing;

/// Counts the time since the last READ or WRITE and the time to the next refresh.
///
/// ```text
/// access, write ->|      |-> may_read, may_write   the data pins are free for it
///                 | Pace |-> may_close             PRECHARGE cuts nothing off
///                 |      |-> tick                  a refresh is due, once an interval
/// ```
///
/// * `access` says that a READ, or with `write` a WRITE, is sent in this cycle. Another of its kind
///   follows eight cycles later, a READ after a WRITE too; a WRITE after a READ waits until the chip
///   has left the data pins, and one cycle more.
/// * `may_close` holds for the bank of the last access; any other bank may be closed from three
///   cycles after that access on, as what it did before is over by then.
#[derive(LogicBlock)]
pub struct Pace {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begin anew.
    pub reset: Signal<In, Bit>,
    /// A READ or WRITE is sent.
    pub access: Signal<In, Bit>,
    /// It is a WRITE.
    pub write: Signal<In, Bit>,
    /// A READ may be sent.
    pub may_read: Signal<Out, Bit>,
    /// A WRITE may be sent.
    pub may_write: Signal<Out, Bit>,
    /// The bank of the last access may be closed.
    pub may_close: Signal<Out, Bit>,
    /// An interval has passed.
    pub tick: Signal<Out, Bit>,
    since: DFF<Bits<4>>,
    wrote: DFF<Bit>,
    countdown: DFF<Bits<11>>,
    turn: Constant<Bits<4>>,
    recovery: Constant<Bits<4>>,
    full: Constant<Bits<4>>,
    interval: Constant<Bits<11>>,
}

impl Pace {
    /// For these times.
    pub fn new(timing: &Timing) -> Self {
        let number = |value: u32| Constant::new(u64::from(value).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            access: Default::default(),
            write: Default::default(),
            may_read: Default::default(),
            may_write: Default::default(),
            may_close: Default::default(),
            tick: Default::default(),
            since: Default::default(),
            wrote: Default::default(),
            countdown: Default::default(),
            turn: number(timing.cas + 9),
            recovery: number(timing.t_wr + 7),
            full: number(15),
            interval: Constant::new(u64::from(timing.interval - 1).into()),
        }
    }
}

impl Logic for Pace {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, since, wrote, countdown);
        if self.since.q.val() != self.full.val() {
            self.since.d.next = self.since.q.val() + 1;
        }
        if self.access.val() {
            self.since.d.next = 1.into();
            self.wrote.d.next = self.write.val();
        }
        self.may_read.next = self.since.q.val().get_bit(3);
        self.may_write.next = self.since.q.val().get_bit(3);
        self.may_close.next = self.since.q.val().get_bit(3);
        if self.wrote.q.val() {
            self.may_close.next = self.since.q.val() >= self.recovery.val();
        } else {
            self.may_write.next = self.since.q.val() >= self.turn.val();
        }
        self.countdown.d.next = self.countdown.q.val() - 1;
        self.tick.next = self.countdown.q.val() == 0;
        if self.countdown.q.val() == 0 {
            self.countdown.d.next = self.interval.val();
        }
        if self.reset.val() {
            self.since.d.next = 0.into();
            self.wrote.d.next = false;
            self.countdown.d.next = self.interval.val();
        }
    }
}
