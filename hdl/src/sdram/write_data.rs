//! Lines on their way to the chip.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Cuts a line into eight words for the pins.
///
/// ```text
/// load, data[4], strobes[4], hide ->| WriteData |-> dq, dqm, enable
/// quiet                           ->|           |
/// ```
///
/// The first word is on the pins in the cycle after `load`, the last one seven cycles later; the
/// next `load` comes eight cycles after this one at the earliest. `hide` masks the whole line. Bytes
/// that do not count are masked, words of no line are not, unless the chip must be `quiet`.
#[derive(LogicBlock)]
pub struct WriteData {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the line.
    pub reset: Signal<In, Bit>,
    /// A line begins.
    pub load: Signal<In, Bit>,
    /// The line.
    pub data: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub strobes: Vec<Signal<In, Bits<4>>>,
    /// None of them does.
    pub hide: Signal<In, Bit>,
    /// Mask everything.
    pub quiet: Signal<In, Bit>,
    /// Word at the pins.
    pub dq: Signal<Out, Bits<16>>,
    /// Bytes of it that do not count.
    pub dqm: Signal<Out, Bits<2>>,
    /// There is a word.
    pub enable: Signal<Out, Bit>,
    word: Vec<DFF<Bits<16>>>,
    mask: Vec<DFF<Bits<2>>>,
    left: DFF<Bits<3>>,
    driven: DFF<Bit>,
    hidden: Vec<Signal<Local, Bits<4>>>,
    all: Constant<Bits<4>>,
}

impl Default for WriteData {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            load: Default::default(),
            data: (0..4).map(|_| Signal::default()).collect(),
            strobes: (0..4).map(|_| Signal::default()).collect(),
            hide: Default::default(),
            quiet: Default::default(),
            dq: Default::default(),
            dqm: Default::default(),
            enable: Default::default(),
            word: (0..8).map(|_| DFF::default()).collect(),
            mask: (0..8).map(|_| DFF::default()).collect(),
            left: Default::default(),
            driven: Default::default(),
            hidden: (0..4).map(|_| Signal::default()).collect(),
            all: Constant::new(15.into()),
        }
    }
}

impl Logic for WriteData {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, left, driven);
        for i in 0..8 {
            self.word[i].clock.next = self.clock.val();
            self.mask[i].clock.next = self.clock.val();
        }
        for i in 0..7 {
            self.word[i].d.next = self.word[i + 1].q.val();
            self.mask[i].d.next = self.mask[i + 1].q.val();
        }
        self.word[7].d.next = self.word[7].q.val();
        self.mask[7].d.next = 0.into();
        self.driven.d.next = self.left.q.val() != 0;
        if self.left.q.val() != 0 {
            self.left.d.next = self.left.q.val() - 1;
        }
        for i in 0..4 {
            self.hidden[i].next = !self.strobes[i].val();
            if self.hide.val() {
                self.hidden[i].next = self.all.val();
            }
            if self.load.val() {
                self.word[2 * i].d.next = self.data[i].val().get_bits::<16>(0);
                self.word[2 * i + 1].d.next = self.data[i].val().get_bits::<16>(16);
                self.mask[2 * i].d.next = self.hidden[i].val().get_bits::<2>(0);
                self.mask[2 * i + 1].d.next = self.hidden[i].val().get_bits::<2>(2);
            }
        }
        if self.load.val() {
            self.driven.d.next = true;
            self.left.d.next = 7.into();
        }
        if self.quiet.val() {
            self.mask[0].d.next = 3.into();
        }
        if self.reset.val() {
            self.driven.d.next = false;
            self.left.d.next = 0.into();
        }
        self.dq.next = self.word[0].q.val();
        self.dqm.next = self.mask[0].q.val();
        self.enable.next = self.driven.q.val();
    }
}
