//! Errors of memory on their way to the error code of a program.

use isa::error::{ErrorCode, FaultCause};
use rust_hdl_core::prelude::*;

/// What the memory port says of a line or a burst, as the blocks of the card hand it on: 0 when all
/// is well, otherwise 1 more than the code of the cause.
#[derive(LogicBlock)]
pub struct Fault {
    /// Not 0: an error.
    pub answer: Signal<In, Bits<2>>,
    /// Its cause, a code of [`FaultCause`]; unknown ones count as plain.
    pub cause: Signal<In, Bits<3>>,
    /// The fault.
    pub fault: Signal<Out, Bits<3>>,
    last: Constant<Bits<3>>,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            answer: Default::default(),
            cause: Default::default(),
            fault: Default::default(),
            last: Constant::new((FaultCause::ALL.len() as u64 - 1).into()),
        }
    }
}

impl Logic for Fault {
    #[hdl_gen]
    fn update(&mut self) {
        self.fault.next = 0.into();
        if self.answer.val() != 0 {
            self.fault.next = 1.into();
            if self.cause.val() <= self.last.val() {
                self.fault.next = self.cause.val() + 1;
            }
        }
    }
}

/// The error code of a program that met a [`Fault`].
#[derive(LogicBlock)]
pub struct FaultCode {
    /// The fault, not 0.
    pub fault: Signal<In, Bits<3>>,
    /// Its error code.
    pub code: Signal<Out, Bits<16>>,
    number: Vec<Constant<Bits<3>>>,
    meaning: Vec<Constant<Bits<16>>>,
    _causes: usize,
}

impl FaultCode {
    /// Codes of reads that failed.
    pub fn of_read() -> Self {
        Self::new(FaultCause::of_read)
    }

    /// Codes of writes that failed.
    pub fn of_write() -> Self {
        Self::new(FaultCause::of_write)
    }

    fn new(code: impl Fn(FaultCause) -> ErrorCode) -> Self {
        let number = |cause: FaultCause| Constant::new((cause as u64 + 1).into());
        let meaning = |cause| Constant::new((code(cause) as u64).into());
        Self {
            fault: Default::default(),
            code: Default::default(),
            number: FaultCause::ALL.map(number).into(),
            meaning: FaultCause::ALL.map(meaning).into(),
            _causes: FaultCause::ALL.len(),
        }
    }
}

impl Logic for FaultCode {
    #[hdl_gen]
    fn update(&mut self) {
        self.code.next = self.meaning[0].val();
        for i in 1..self._causes {
            if self.fault.val() == self.number[i].val() {
                self.code.next = self.meaning[i].val();
            }
        }
    }
}
