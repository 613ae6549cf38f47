//! A code of any width as int8.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Extends the sign of a code.
///
/// ```text
/// take, bits  ->|          |
/// octet, plane ->| CodeLane |-> code    (1 later)
/// ```
///
/// Codes of 8 bits come as a byte, narrower ones by planes: bit `i` of `plane` is bit `i` of the
/// code, and the bits from `bits` on are those of others. Without narrow codes only bytes pass.
#[derive(LogicBlock)]
pub struct CodeLane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A code comes.
    pub take: Signal<In, Bit>,
    /// Its bits, 2 to 8.
    pub bits: Signal<In, Bits<4>>,
    /// The code, if it has 8 bits.
    pub octet: Signal<In, Bits<8>>,
    /// The code, if it has fewer.
    pub plane: Signal<In, Bits<8>>,
    /// The code.
    pub code: Signal<Out, Bits<8>>,
    value: DFF<Bits<8>>,
    highest: Signal<Local, Bit>,
    own: Signal<Local, Bits<8>>,
    signs: Signal<Local, Bits<8>>,
    extended: Signal<Local, Bits<8>>,
    _narrow: usize,
}

impl CodeLane {
    /// A lane that takes narrow codes, or one that does not.
    pub fn new(narrow: bool) -> Self {
        Self {
            clock: Default::default(),
            take: Default::default(),
            bits: Default::default(),
            octet: Default::default(),
            plane: Default::default(),
            code: Default::default(),
            value: Default::default(),
            highest: Default::default(),
            own: Default::default(),
            signs: Default::default(),
            extended: Default::default(),
            _narrow: narrow.into(),
        }
    }
}

impl Logic for CodeLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, value);
        // Without a code nothing moves, which saves power, and time in simulation.
        self.highest.next = false;
        self.own.next = 0.into();
        self.signs.next = 0.into();
        self.extended.next = 0.into();
        if self.take.val() {
            // Only the highest bit is chosen by the width; all bits above it are like it.
            self.highest.next = self.plane.val().get_bit(6);
            self.own.next = 127.into();
            if self.bits.val() == 2 {
                self.highest.next = self.plane.val().get_bit(1);
                self.own.next = 3.into();
            }
            if self.bits.val() == 3 {
                self.highest.next = self.plane.val().get_bit(2);
                self.own.next = 7.into();
            }
            if self.bits.val() == 4 {
                self.highest.next = self.plane.val().get_bit(3);
                self.own.next = 15.into();
            }
            if self.bits.val() == 5 {
                self.highest.next = self.plane.val().get_bit(4);
                self.own.next = 31.into();
            }
            if self.bits.val() == 6 {
                self.highest.next = self.plane.val().get_bit(5);
                self.own.next = 63.into();
            }
            self.signs.next = 0.into();
            if self.highest.val() {
                self.signs.next = 255.into();
            }
            self.extended.next = self.octet.val();
            for _i in 0..self._narrow {
                if self.bits.val() != 8 {
                    self.extended.next = (self.plane.val() & self.own.val())
                        | (self.signs.val() & (!self.own.val()));
                }
            }
            self.value.d.next = self.extended.val();
        }
        self.code.next = self.value.q.val();
    }
}
