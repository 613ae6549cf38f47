//! Both directions of a pair of wires.

use rust_hdl_core::prelude::*;

use super::{UartReceiver, UartTransmitter};

/// Bytes over two wires, 8 data bits, no parity, one stop bit.
///
/// ```text
///       +------+-> rx_valid, rx_data, rx_bad     to the card
/// rx -->| Uart |
/// tx <--|      |<- tx_valid, tx_data             from the card
///       +------+-> tx_ready
/// ```
#[derive(LogicBlock)]
pub struct Uart {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the bytes under way.
    pub reset: Signal<In, Bit>,
    /// Wire to the card.
    pub rx: Signal<In, Bit>,
    /// Wire from the card.
    pub tx: Signal<Out, Bit>,
    /// A byte has come.
    pub rx_valid: Signal<Out, Bit>,
    /// The byte.
    pub rx_data: Signal<Out, Bits<8>>,
    /// A byte is lost, because it had no stop bit.
    pub rx_bad: Signal<Out, Bit>,
    /// A byte is to be sent.
    pub tx_valid: Signal<In, Bit>,
    /// The byte.
    pub tx_data: Signal<In, Bits<8>>,
    /// It is taken.
    pub tx_ready: Signal<Out, Bit>,
    receiver: UartReceiver,
    transmitter: UartTransmitter,
}

impl Uart {
    /// For a clock of `clock_hz` and `baud` bits a second.
    ///
    /// # Panics
    /// If a bit lasts less than 4 cycles, or the rate is 0.
    pub fn new(clock_hz: u32, baud: u32) -> Self {
        assert!(
            baud > 0 && clock_hz / 4 >= baud,
            "a bit lasts at least 4 cycles"
        );
        let (clock_hz, baud) = (u64::from(clock_hz), u64::from(baud));
        let step = ((baud << 24) + clock_hz / 2) / clock_hz;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            rx: Default::default(),
            tx: Default::default(),
            rx_valid: Default::default(),
            rx_data: Default::default(),
            rx_bad: Default::default(),
            tx_valid: Default::default(),
            tx_data: Default::default(),
            tx_ready: Default::default(),
            receiver: UartReceiver::new(step),
            transmitter: UartTransmitter::new(step),
        }
    }
}

impl Logic for Uart {
    #[hdl_gen]
    fn update(&mut self) {
        self.receiver.clock.next = self.clock.val();
        self.receiver.reset.next = self.reset.val();
        self.receiver.rx.next = self.rx.val();
        self.rx_valid.next = self.receiver.valid.val();
        self.rx_data.next = self.receiver.data.val();
        self.rx_bad.next = self.receiver.bad.val();
        self.transmitter.clock.next = self.clock.val();
        self.transmitter.reset.next = self.reset.val();
        self.transmitter.valid.next = self.tx_valid.val();
        self.transmitter.data.next = self.tx_data.val();
        self.tx_ready.next = self.transmitter.ready.val();
        self.tx.next = self.transmitter.tx.val();
    }
}
