//! Which row of each bank is open.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

/// The open rows of four banks.
///
/// ```text
/// bank, row              ->|      |-> open   the bank has an open row
/// activate, close        ->| Rows |-> hit    and it is this one
/// close_all              ->|      |
/// ```
///
/// `activate` opens `row` of `bank`, `close` closes `bank`; the outputs show it in the next cycle.
#[derive(LogicBlock)]
pub struct Rows {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The bank that is asked for.
    pub bank: Signal<In, Bits<2>>,
    /// The row that is asked for.
    pub row: Signal<In, Bits<13>>,
    /// Open the row.
    pub activate: Signal<In, Bit>,
    /// Close the bank.
    pub close: Signal<In, Bit>,
    /// Close all banks.
    pub close_all: Signal<In, Bit>,
    /// The bank is open.
    pub open: Signal<Out, Bit>,
    /// This row of it is open.
    pub hit: Signal<Out, Bit>,
    opened: Vec<DFF<Bit>>,
    rows: Vec<DFF<Bits<13>>>,
    number: Vec<Constant<Bits<2>>>,
    present: Signal<Local, Bits<13>>,
    is_open: Signal<Local, Bit>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            bank: Default::default(),
            row: Default::default(),
            activate: Default::default(),
            close: Default::default(),
            close_all: Default::default(),
            open: Default::default(),
            hit: Default::default(),
            opened: (0..4).map(|_| DFF::default()).collect(),
            rows: (0..4).map(|_| DFF::default()).collect(),
            number: (0..4u64).map(|bank| Constant::new(bank.into())).collect(),
            present: Default::default(),
            is_open: Default::default(),
        }
    }
}

impl Logic for Rows {
    #[hdl_gen]
    fn update(&mut self) {
        self.present.next = self.rows[0].q.val();
        self.is_open.next = self.opened[0].q.val();
        for i in 0..4 {
            self.opened[i].clock.next = self.clock.val();
            self.rows[i].clock.next = self.clock.val();
            self.opened[i].d.next = self.opened[i].q.val();
            self.rows[i].d.next = self.rows[i].q.val();
            if self.bank.val() == self.number[i].val() {
                self.present.next = self.rows[i].q.val();
                self.is_open.next = self.opened[i].q.val();
                if self.activate.val() {
                    self.opened[i].d.next = true;
                    self.rows[i].d.next = self.row.val();
                }
                if self.close.val() {
                    self.opened[i].d.next = false;
                }
            }
            if self.close_all.val() {
                self.opened[i].d.next = false;
            }
        }
        self.open.next = self.is_open.val();
        self.hit.next = self.is_open.val() & (self.present.val() == self.row.val());
    }
}
