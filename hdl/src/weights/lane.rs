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
    two: Signal<Local, Signed<2>>,
    three: Signal<Local, Signed<3>>,
    four: Signal<Local, Signed<4>>,
    five: Signal<Local, Signed<5>>,
    six: Signal<Local, Signed<6>>,
    seven: Signal<Local, Signed<7>>,
    wide: Signal<Local, Signed<8>>,
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
            two: Default::default(),
            three: Default::default(),
            four: Default::default(),
            five: Default::default(),
            six: Default::default(),
            seven: Default::default(),
            wide: Default::default(),
            extended: Default::default(),
            _narrow: narrow.into(),
        }
    }
}

impl Logic for CodeLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, value);
        self.two.next = signed_cast(self.plane.val().get_bits::<2>(0));
        self.three.next = signed_cast(self.plane.val().get_bits::<3>(0));
        self.four.next = signed_cast(self.plane.val().get_bits::<4>(0));
        self.five.next = signed_cast(self.plane.val().get_bits::<5>(0));
        self.six.next = signed_cast(self.plane.val().get_bits::<6>(0));
        self.seven.next = signed_cast(self.plane.val().get_bits::<7>(0));
        self.wide.next = signed_bit_cast::<8, 7>(self.seven.val());
        if self.bits.val() == 2 {
            self.wide.next = signed_bit_cast::<8, 2>(self.two.val());
        }
        if self.bits.val() == 3 {
            self.wide.next = signed_bit_cast::<8, 3>(self.three.val());
        }
        if self.bits.val() == 4 {
            self.wide.next = signed_bit_cast::<8, 4>(self.four.val());
        }
        if self.bits.val() == 5 {
            self.wide.next = signed_bit_cast::<8, 5>(self.five.val());
        }
        if self.bits.val() == 6 {
            self.wide.next = signed_bit_cast::<8, 6>(self.six.val());
        }
        self.extended.next = self.octet.val();
        for _i in 0..self._narrow {
            if self.bits.val() != 8 {
                self.extended.next = unsigned_cast(self.wide.val());
            }
        }
        if self.take.val() {
            self.value.d.next = self.extended.val();
        }
        self.code.next = self.value.q.val();
    }
}
