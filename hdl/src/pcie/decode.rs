//! What the header of a packet says.

use rust_hdl_core::prelude::*;

use super::{NonPosted, Posted};

/// Tells what kind of packet a header begins and whether it keeps the rules that its fields alone
/// can break (sections 2.2.1 to 2.2.9).
///
/// ```text
/// head[4], bar ->| Decode |-> write, ask, completion; wide, payload
///                |        |-> posted, nonposted
/// ```
///
/// At most one of `write`, `ask` and `completion` is set; none for a packet that has no effect:
/// messages, completions of locked reads, writes that are poisoned or go to no window, packets
/// with a prefix or a digest, and all that is malformed.
#[derive(LogicBlock, Default)]
pub struct Decode {
    /// The header; the last word counts only when it is `wide`.
    pub head_0: Signal<In, Bits<32>>,
    /// Second word.
    pub head_1: Signal<In, Bits<32>>,
    /// Third word.
    pub head_2: Signal<In, Bits<32>>,
    /// Fourth word.
    pub head_3: Signal<In, Bits<32>>,
    /// The BAR that the address hits, one-hot: 0 for registers, 2 for memory.
    pub bar: Signal<In, Bits<7>>,
    /// A memory write to one of the windows.
    pub write: Signal<Out, Bit>,
    /// A request that wants a completion.
    pub ask: Signal<Out, Bit>,
    /// A completion.
    pub completion: Signal<Out, Bit>,
    /// The header has four words.
    pub wide: Signal<Out, Bit>,
    /// Doublewords that follow the header, 0 to 1024.
    pub payload: Signal<Out, Bits<11>>,
    /// The write.
    pub posted: Signal<Out, Posted>,
    /// The request.
    pub nonposted: Signal<Out, NonPosted>,
    kind: Signal<Local, Bits<5>>,
    has_data: Signal<Local, Bit>,
    plain: Signal<Local, Bit>,
    length: Signal<Local, Bits<11>>,
    address: Signal<Local, Bits<30>>,
    first: Signal<Local, Bits<4>>,
    last: Signal<Local, Bits<4>>,
    single: Signal<Local, Bit>,
    first_run: Signal<Local, Bit>,
    last_run: Signal<Local, Bit>,
    bytes_good: Signal<Local, Bit>,
    window: Signal<Local, Bits<2>>,
    other: Signal<Local, Bit>,
    operand: Signal<Local, Bits<11>>,
}

impl Logic for Decode {
    #[hdl_gen]
    fn update(&mut self) {
        self.kind.next = self.head_0.val().get_bits::<5>(24);
        self.has_data.next = self.head_0.val().get_bit(30);
        self.wide.next = self.head_0.val().get_bit(29);
        // Neither a prefix nor a digest.
        self.plain.next = (!self.head_0.val().get_bit(31)) & (!self.head_0.val().get_bit(15));
        self.length.next = bit_cast::<11, 10>(self.head_0.val().get_bits::<10>(0));
        if self.head_0.val().get_bits::<10>(0) == 0 {
            self.length.next = 1024.into();
        }
        self.payload.next = 0.into();
        if self.has_data.val() {
            self.payload.next = self.length.val();
        }
        self.address.next = self.head_2.val().get_bits::<30>(2);
        if self.wide.val() {
            self.address.next = self.head_3.val().get_bits::<30>(2);
        }
        self.first.next = self.head_1.val().get_bits::<4>(0);
        self.last.next = self.head_1.val().get_bits::<4>(4);
        self.single.next = self.length.val() == 1;

        // Byte enables (section 2.2.5): gaps are allowed in one doubleword and in an aligned pair.
        self.first_run.next = (self.first.val() == 15)
            | (self.first.val() == 14)
            | (self.first.val() == 12)
            | (self.first.val() == 8);
        self.last_run.next = (self.last.val() == 15)
            | (self.last.val() == 7)
            | (self.last.val() == 3)
            | (self.last.val() == 1);
        self.bytes_good.next = self.first_run.val() & self.last_run.val();
        if (self.length.val() == 2) & (!self.address.val().get_bit(0)) {
            self.bytes_good.next = (self.first.val() != 0) & (self.last.val() != 0);
        }
        if self.single.val() {
            self.bytes_good.next = self.last.val() == 0;
        }

        self.window.next = 0.into();
        if self.bar.val().get_bit(2) {
            self.window.next = 2.into();
        }
        if self.bar.val().get_bit(0) {
            self.window.next = 1.into();
        }

        self.write.next = (self.kind.val() == 0)
            & self.has_data.val()
            & self.plain.val()
            & self.bytes_good.val()
            & (self.window.val() != 0)
            & (!self.head_0.val().get_bit(14));
        self.completion.next =
            (self.kind.val() == 10) & self.plain.val() & (!self.head_0.val().get_bit(29));

        // Requests that are answered, but never granted.
        self.other.next = false;
        self.operand.next = 1.into();
        if (self.kind.val() == 2) | (self.kind.val() == 4) | (self.kind.val() == 5) {
            // Input and output, configuration: one doubleword, three header words.
            self.other.next =
                self.single.val() & (self.last.val() == 0) & (!self.head_0.val().get_bit(29));
        }
        if (self.kind.val() == 12) | (self.kind.val() == 13) {
            // Fetch and add, swap: one operand.
            self.operand.next = self.length.val();
            self.other.next =
                self.has_data.val() & ((self.length.val() == 1) | (self.length.val() == 2));
        }
        if self.kind.val() == 14 {
            // Compare and swap: two operands.
            self.operand.next = self.length.val() >> 1;
            self.other.next = self.has_data.val()
                & ((self.length.val() == 2) | (self.length.val() == 4) | (self.length.val() == 8));
        }
        self.ask.next = self.plain.val()
            & (self.other.val()
                | (((self.kind.val() == 0) | (self.kind.val() == 1))
                    & (!self.has_data.val())
                    & self.bytes_good.val()));

        self.posted.next.window = self.window.val();
        self.posted.next.address = self.address.val();
        self.posted.next.length = self.length.val();
        self.posted.next.first_be = self.first.val();
        self.posted.next.last_be = self.last.val();

        self.nonposted.next.window = 0.into();
        if self.kind.val() == 0 {
            self.nonposted.next.window = self.window.val();
        }
        self.nonposted.next.locked = self.kind.val() == 1;
        self.nonposted.next.address = self.address.val();
        self.nonposted.next.length = self.length.val();
        self.nonposted.next.first_be = self.first.val();
        self.nonposted.next.last_be = self.last.val();
        if self.other.val() {
            // All bytes of the operand, from lower address 0 on (section 2.2.9).
            self.nonposted.next.address = 0.into();
            self.nonposted.next.length = self.operand.val();
            self.nonposted.next.first_be = 15.into();
            self.nonposted.next.last_be = 15.into();
        }
        self.nonposted.next.requester = self.head_1.val().get_bits::<16>(16);
        self.nonposted.next.tag = self.head_1.val().get_bits::<8>(8);
        self.nonposted.next.traffic = self.head_0.val().get_bits::<3>(20);
        self.nonposted.next.attributes = self.head_0.val().get_bits::<2>(12);
    }
}
