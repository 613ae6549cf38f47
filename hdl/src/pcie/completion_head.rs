//! Headers of completions.

use rust_hdl_core::prelude::*;

use super::NonPosted;

/// Byte count and lower address of the rest of a request (section 2.3.1.1), and the header of a
/// completion (section 2.2.9). Combinational.
///
/// ```text
/// ask, at, left, fresh                 ->| CompletionHead |-> bytes, lower
/// id, status, length, own_bytes, own_lower >|             |-> head[3]
/// ```
#[derive(LogicBlock)]
pub struct CompletionHead {
    /// The request.
    pub ask: Signal<In, NonPosted>,
    /// Its next doubleword.
    pub at: Signal<In, Bits<31>>,
    /// Doublewords of it that are left.
    pub left: Signal<In, Bits<11>>,
    /// Nothing of it has been answered.
    pub fresh: Signal<In, Bit>,
    /// Bytes of the request that are left: from the first that counts to the last, 1 when none
    /// does.
    pub bytes: Signal<Out, Bits<13>>,
    /// Low bits of the address of the first of them.
    pub lower: Signal<Out, Bits<7>>,
    /// Bus, device and function of the card.
    pub id: Signal<In, Bits<16>>,
    /// Completion status; 0 for one with data.
    pub status: Signal<In, Bits<3>>,
    /// Doublewords of payload.
    pub length: Signal<In, Bits<8>>,
    /// Byte count to send.
    pub own_bytes: Signal<In, Bits<13>>,
    /// Lower address to send.
    pub own_lower: Signal<In, Bits<7>>,
    /// The header.
    pub head: Vec<Signal<Out, Bits<32>>>,
    first_be: Signal<Local, Bits<4>>,
    first_skip: Signal<Local, Bits<2>>,
    last_be: Signal<Local, Bits<4>>,
    last_skip: Signal<Local, Bits<2>>,
    format: Signal<Local, Bits<8>>,
    count: Signal<Local, Bits<10>>,
}

impl Default for CompletionHead {
    fn default() -> Self {
        Self {
            ask: Default::default(),
            at: Default::default(),
            left: Default::default(),
            fresh: Default::default(),
            bytes: Default::default(),
            lower: Default::default(),
            id: Default::default(),
            status: Default::default(),
            length: Default::default(),
            own_bytes: Default::default(),
            own_lower: Default::default(),
            head: (0..3).map(|_| Signal::default()).collect(),
            first_be: Default::default(),
            first_skip: Default::default(),
            last_be: Default::default(),
            last_skip: Default::default(),
            format: Default::default(),
            count: Default::default(),
        }
    }
}

impl Logic for CompletionHead {
    #[hdl_gen]
    fn update(&mut self) {
        self.first_be.next = self.ask.val().first_be;
        // Bytes before the first one that counts.
        self.first_skip.next = 0.into();
        if self.fresh.val() {
            if self.first_be.val() == 8 {
                self.first_skip.next = 3.into();
            }
            if (self.first_be.val() == 4) | (self.first_be.val() == 12) {
                self.first_skip.next = 2.into();
            }
            if self.first_be.val().get_bits::<2>(0) == 2 {
                self.first_skip.next = 1.into();
            }
        }
        // Bytes behind the last one that counts.
        self.last_be.next = self.ask.val().last_be;
        if self.ask.val().length == 1 {
            self.last_be.next = self.ask.val().first_be;
        }
        self.last_skip.next = 3.into();
        if self.last_be.val().get_bit(1) {
            self.last_skip.next = 2.into();
        }
        if self.last_be.val().get_bit(2) {
            self.last_skip.next = 1.into();
        }
        if self.last_be.val().get_bit(3) {
            self.last_skip.next = 0.into();
        }
        self.bytes.next = (bit_cast::<13, 11>(self.left.val()) << 2)
            - bit_cast::<13, 2>(self.first_skip.val())
            - bit_cast::<13, 2>(self.last_skip.val());
        self.lower.next = (bit_cast::<7, 5>(self.at.val().get_bits::<5>(0)) << 2)
            | bit_cast::<7, 2>(self.first_skip.val());

        self.format.next = 0x0a.into();
        self.count.next = 0.into();
        if self.ask.val().locked {
            self.format.next = 0x0b.into();
        }
        if self.status.val() == 0 {
            self.format.next = 0x4a.into();
            self.count.next = bit_cast::<10, 8>(self.length.val());
        }
        self.head[0].next = (bit_cast::<32, 8>(self.format.val()) << 24)
            | (bit_cast::<32, 3>(self.ask.val().traffic) << 20)
            | (bit_cast::<32, 2>(self.ask.val().attributes) << 12)
            | bit_cast::<32, 10>(self.count.val());
        self.head[1].next = (bit_cast::<32, 16>(self.id.val()) << 16)
            | (bit_cast::<32, 3>(self.status.val()) << 13)
            | bit_cast::<32, 12>(self.own_bytes.val().get_bits::<12>(0));
        self.head[2].next = (bit_cast::<32, 16>(self.ask.val().requester) << 16)
            | (bit_cast::<32, 8>(self.ask.val().tag) << 8)
            | bit_cast::<32, 7>(self.own_lower.val());
    }
}
