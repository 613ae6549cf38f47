//! The chip between USB and the two wires of the serial port, such as the FTDI of a ULX3S.

use std::collections::VecDeque;

use crate::Noise;

/// Femtoseconds of a picosecond: a bit does not last a whole number of those.
const FS: u64 = 1_000;
/// Femtoseconds of a second.
const SECOND: u64 = 1_000_000_000_000_000;

/// A byte on its way from the wire.
#[derive(Clone, Copy, Debug)]
enum Hearing {
    /// Nothing comes.
    Idle,
    /// The level is looked at next at `when`, as bit `place`: 0 is the start bit, 9 the stop bit.
    Bit { when: u64, place: u8, byte: u8 },
    /// The stop bit was missing; the wire has to become high first.
    Break,
}

/// Bytes over two wires, 8 data bits, no parity, one stop bit, by its own oscillator.
///
/// A byte without its stop bit is given to the host as 0, as Linux does with a port that is raw. The
/// time for which the chip collects bytes before it passes them on over USB, and USB itself, are not
/// modelled: bytes are there for the host when their stop bit has been seen.
#[derive(Debug)]
pub struct Usb {
    /// Femtoseconds of a bit.
    bit: u64,
    to_send: VecDeque<u8>,
    /// The byte that is sent, and when it began.
    sending: Option<(u8, u64)>,
    /// Until then the wire to the card is held low.
    low_until: u64,
    hearing: Hearing,
    heard: VecDeque<u8>,
    /// When a level last changed, or a byte was sent.
    busy: u64,
    level: bool,
    /// Stop bits that were missing.
    framing_errors: u64,
    to_card: Option<Noise>,
    from_card: Option<Noise>,
}

impl Usb {
    /// A chip whose bits last `skew_ppm` millionths longer than those of `baud` bits a second.
    pub(crate) fn new(baud: u32, skew_ppm: i32) -> Self {
        let bit = SECOND / u64::from(baud.max(1));
        let skew = i128::from(bit) * i128::from(skew_ppm) / 1_000_000;
        Self {
            bit: bit.saturating_add_signed(skew as i64),
            to_send: VecDeque::new(),
            sending: None,
            low_until: 0,
            hearing: Hearing::Idle,
            heard: VecDeque::new(),
            busy: 0,
            level: true,
            framing_errors: 0,
            to_card: None,
            from_card: None,
        }
    }

    /// Sends bytes, behind those that wait.
    pub fn send(&mut self, bytes: &[u8]) {
        self.to_send.extend(bytes);
    }

    /// Takes the bytes that have come.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        out.extend(self.heard.drain(..));
    }

    /// Bytes that are not on the wire yet, or not whole.
    pub fn waiting(&self) -> usize {
        self.to_send.len() + usize::from(self.sending.is_some())
    }

    /// Bytes from the card so far whose stop bit was missing.
    pub fn framing_errors(&self) -> u64 {
        self.framing_errors
    }

    /// Disturbs the wire to the card and the one from it.
    pub fn disturb(&mut self, to_card: Option<Noise>, from_card: Option<Noise>) {
        self.to_card = to_card;
        self.from_card = from_card;
    }

    /// Holds the wire to the card low until `end`, in picoseconds of the board's time; what is sent
    /// meanwhile is lost.
    pub fn hold_low(&mut self, end: u64) {
        self.low_until = end * FS;
    }

    /// When something last happened on either wire, picoseconds.
    pub(crate) fn busy(&self) -> u64 {
        self.busy / FS
    }

    /// The level of the wire to the card at `now`, in picoseconds that never go back.
    #[inline]
    pub(crate) fn drive(&mut self, now: u64) -> bool {
        let at = now * FS;
        let mut level = match self.sending {
            None => true,
            Some((byte, begin)) => match (at - begin) / self.bit {
                0 => false,
                place @ 1..=8 => byte >> (place - 1) & 1 == 1,
                _ => true,
            },
        };
        let done = |begin: u64| at >= begin + 10 * self.bit;
        if self.sending.is_none_or(|(_, begin)| done(begin)) {
            let begin = self.sending.map_or(at, |(_, begin)| begin + 10 * self.bit);
            self.sending = self.to_send.pop_front().map(|byte| (byte, begin));
            level = self.sending.is_none();
        }
        if self.sending.is_some() {
            self.busy = at;
        }
        let flips = self.to_card.as_mut().is_some_and(|noise| noise.flips(now));
        (level ^ flips) && at >= self.low_until
    }

    /// The wire from the card has this level at `now`.
    #[inline]
    pub(crate) fn listen(&mut self, now: u64, level: bool) {
        let at = now * FS;
        if self.level != level {
            self.level = level;
            self.busy = at;
        }
        let flips = self
            .from_card
            .as_mut()
            .is_some_and(|noise| noise.flips(now));
        let level = level ^ flips;
        match self.hearing {
            Hearing::Idle if !level => {
                self.hearing = Hearing::Bit {
                    when: at + self.bit / 2,
                    place: 0,
                    byte: 0,
                };
            }
            Hearing::Bit { when, place, byte } if at >= when => {
                self.hearing = match place {
                    // Too short for a start bit.
                    0 if level => Hearing::Idle,
                    ..=8 => Hearing::Bit {
                        when: when + self.bit,
                        place: place + 1,
                        byte: byte >> 1 | if level { 0x80 } else { 0 },
                    },
                    _ if level => {
                        self.heard.push_back(byte);
                        Hearing::Idle
                    }
                    _ => {
                        self.framing_errors += 1;
                        self.heard.push_back(0);
                        Hearing::Break
                    }
                };
            }
            Hearing::Break if level => self.hearing = Hearing::Idle,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets one chip talk to another through a wire, looked at every 3 ns; gives what it heard.
    fn talk(sent: &[u8], skews: [i32; 2], noise: Option<Noise>) -> (Vec<u8>, u64) {
        let (mut one, mut other) = (Usb::new(3_000_000, skews[0]), Usb::new(3_000_000, skews[1]));
        one.send(sent);
        other.disturb(None, noise);
        for now in (0..(sent.len() as u64 + 2) * 3_500_000).step_by(3_000) {
            let level = one.drive(now);
            other.listen(now, level);
        }
        assert_eq!(one.waiting(), 0);
        let mut heard = Vec::new();
        other.take(&mut heard);
        (heard, other.framing_errors())
    }

    #[test]
    fn bytes_come_as_they_go_while_the_rates_are_near_enough() {
        let bytes: Vec<u8> = (0..=255).collect();
        for skews in [[0, 0], [15_000, -15_000], [-20_000, 20_000]] {
            assert_eq!(talk(&bytes, skews, None), (bytes.clone(), 0), "{skews:?}");
        }
        // The last bit is looked at when it is over: 9.5 bits of one are 8.9 of the other.
        assert_ne!(talk(&bytes, [-40_000, 30_000], None).0, bytes);
    }

    #[test]
    fn noise_spoils_bytes_and_a_byte_without_a_stop_bit_is_zero() {
        let bytes = [0x55; 500];
        let (heard, _) = talk(&bytes, [0, 0], Some(Noise::new(30_000_000, 300_000, 3)));
        assert_ne!(heard, bytes);
        // Half a bit of ones where there is none: all ones but for what is held low.
        let mut usb = Usb::new(3_000_000, 0);
        usb.hold_low(10_000_000);
        let mut other = Usb::new(3_000_000, 0);
        for now in (0..20_000_000).step_by(3_000) {
            let level = usb.drive(now);
            other.listen(now, level);
        }
        let mut heard = Vec::new();
        other.take(&mut heard);
        assert_eq!((heard, other.framing_errors()), (vec![0], 1));
    }
}
