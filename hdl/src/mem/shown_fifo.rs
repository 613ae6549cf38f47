//! Queue whose oldest value stands in a register.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Fifo;

/// A [`Fifo`] with a register behind it, so that whoever looks at the oldest value does not wait
/// for its memory.
///
/// ```text
///           +-----------+
/// push    ->|           |-> valid, data
/// push_data>| ShownFifo |<- pop
/// room    <-|           |-> occupied
///           +-----------+
/// ```
///
/// `push` only when `room`, `pop` only when `valid`; both may come in one cycle. A pushed value is
/// valid two cycles later at the earliest, and not in the cycle after a `pop`: so at most every
/// second cycle takes a value. `room` and `occupied` tell of what is held, whether it is valid yet
/// or not. `reset` empties the queue.
#[derive(LogicBlock)]
pub struct ShownFifo<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Take `push_data`.
    pub push: Signal<In, Bit>,
    /// Newest value.
    pub push_data: Signal<In, T>,
    /// One more fits.
    pub room: Signal<Out, Bit>,
    /// It holds something.
    pub occupied: Signal<Out, Bit>,
    /// Drop the oldest value.
    pub pop: Signal<In, Bit>,
    /// The oldest value stands at `data`.
    pub valid: Signal<Out, Bit>,
    /// Oldest value.
    pub data: Signal<Out, T>,
    held: Fifo<T>,
    shown: DFF<Bit>,
    value: DFF<T>,
}

impl<T: Synth> ShownFifo<T> {
    /// A queue of `depth` values, a power of two.
    ///
    /// # Panics
    /// If `depth` is not a power of two of at least 2.
    pub fn new(depth: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_data: Default::default(),
            room: Default::default(),
            occupied: Default::default(),
            pop: Default::default(),
            valid: Default::default(),
            data: Default::default(),
            held: Fifo::new(depth),
            shown: Default::default(),
            value: Default::default(),
        }
    }
}

impl<T: Synth> Logic for ShownFifo<T> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shown, value);
        self.held.clock.next = self.clock.val();
        self.held.reset.next = self.reset.val();
        self.held.push.next = self.push.val();
        self.held.push_data.next = self.push_data.val();
        self.held.pop.next = self.pop.val();
        self.room.next = self.held.room.val();
        self.occupied.next = self.held.valid.val();
        // A value that is dropped now is copied once more; nobody is shown it.
        self.value.d.next = self.held.data.val();
        self.shown.d.next = self.held.valid.val() & (!self.pop.val()) & (!self.reset.val());
        self.valid.next = self.shown.q.val();
        self.data.next = self.value.q.val();
    }
}
