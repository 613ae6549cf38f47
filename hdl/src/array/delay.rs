//! A value a fixed number of cycles later.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

/// `data_out` is what `data_in` was `stages` cycles ago; none makes it a plain connection.
#[derive(LogicBlock)]
pub struct Delay<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Value now.
    pub data_in: Signal<In, T>,
    /// Value then.
    pub data_out: Signal<Out, T>,
    stage: Vec<DFF<T>>,
    tap: Vec<Signal<Local, T>>,
    _stages: usize,
    _taps: usize,
}

impl<T: Synth> Delay<T> {
    /// A delay of `stages` cycles.
    pub fn new(stages: usize) -> Self {
        Self {
            clock: Default::default(),
            data_in: Default::default(),
            data_out: Default::default(),
            stage: (0..stages).map(|_| DFF::default()).collect(),
            tap: (0..=stages).map(|_| Signal::default()).collect(),
            _stages: stages,
            _taps: stages + 1,
        }
    }
}

impl<T: Synth> Logic for Delay<T> {
    #[hdl_gen]
    fn update(&mut self) {
        self.tap[0].next = self.data_in.val();
        for i in 0..self._stages {
            self.stage[i].clock.next = self.clock.val();
            self.stage[i].d.next = self.tap[i].val();
            self.tap[i + 1].next = self.stage[i].q.val();
        }
        for i in self._stages..self._taps {
            self.data_out.next = self.tap[i].val();
        }
    }
}
