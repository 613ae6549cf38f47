//! The rules that a function's packets must keep (sections 2.2.5, 2.2.7 and 2.3.1).

use super::ROOT_ID;
use super::limit::Limit;
use super::options::Settings;
use crate::stream::Beat;
use crate::tlp::{Header, HeaderKind, Request, TYPE_COMPLETION, TYPE_LOCKED_COMPLETION};

/// Cycles for which the card may begin packets after it was told to stop.
const GRACE: u64 = 4;

/// Bits of the first doubleword that the card never sets: reserved ones, hints, digest, poison,
/// attributes, address type. Traffic class 0 is the only one.
const FIRST_WORD_ZERO: u32 = 0x80ff_fc00;
/// Of these, the traffic class and the attributes.
const ECHOED: u32 = 0x0074_3000;
/// Of these, the poison.
const POISON: u32 = 0x4000;

/// Watches the card's stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// What was offered and not taken.
    held: Option<Beat>,
    /// A packet has begun.
    within: bool,
    /// The first beat of a packet has been seen, taken or not.
    begun: bool,
    /// Since when the function may send no requests.
    no_requests: Option<u64>,
    /// Since when the function may send nothing.
    no_packets: Option<u64>,
    /// Bytes that reads may ask for.
    reads: Limit,
    /// Bytes that writes may carry.
    writes: Limit,
    /// Bytes that completions may carry.
    completions: Limit,
}

impl Rules {
    /// Takes note of how the function is set up from cycle `now` on.
    pub(super) fn settings(&mut self, now: u64, settings: &Settings) {
        let since = |forbidden: bool, since: Option<u64>| forbidden.then(|| since.unwrap_or(now));
        self.no_requests = since(!settings.bus_master, self.no_requests);
        self.no_packets = since(settings.resetting, self.no_packets);
        self.reads.set(settings.max_read);
        self.writes.set(settings.max_payload);
        self.completions.set(settings.max_payload);
    }

    /// Nothing was offered.
    pub(super) fn nothing(&self) -> Result<(), String> {
        match self.held {
            Some(held) => Err(format!(
                "a beat was offered and not taken, and has gone: {held:?}"
            )),
            None => Ok(()),
        }
    }

    /// A beat was offered.
    pub(super) fn beat(
        &mut self,
        now: u64,
        beat: &Beat,
        words: usize,
        taken: bool,
    ) -> Result<(), String> {
        if let Some(held) = &self.held
            && held != beat
        {
            return Err(format!(
                "what was offered and not taken has changed: {held:?} became {beat:?}"
            ));
        }
        let full = (1u8 << words) - 1;
        let legal = match beat.last {
            true => beat.keep != 0 && beat.keep <= full && (beat.keep + 1).is_power_of_two(),
            false => beat.keep == full,
        };
        if !legal {
            return Err(format!(
                "keep {:#b} in {} beat of {words} words",
                beat.keep,
                if beat.last { "the last" } else { "an inner" }
            ));
        }
        if !self.within && !self.begun {
            self.begun = true;
            self.begin(now, beat.data[0])?;
        }
        self.held = (!taken).then_some(*beat);
        if taken {
            self.within = !beat.last;
            self.begun = false;
        }
        Ok(())
    }

    /// A packet begins.
    fn begin(&self, now: u64, first: u32) -> Result<(), String> {
        let over = |since: Option<u64>| since.is_some_and(|since| now > since + GRACE);
        if over(self.no_packets) {
            return Err(format!("a packet begins during a reset: {first:#010x}"));
        }
        let is_completion = matches!(first >> 24 & 0x1f, TYPE_COMPLETION | TYPE_LOCKED_COMPLETION);
        if !is_completion && over(self.no_requests) {
            return Err(format!(
                "a request begins while bus mastering is off: {first:#010x}"
            ));
        }
        Ok(())
    }

    /// Checks a request of the card.
    pub(super) fn request(
        &mut self,
        words: &[u32],
        header: &Header,
        request: &Request,
        settings: &Settings,
        is_read: bool,
    ) -> Result<(), String> {
        let fail = |text: &str| Err(format!("{text}: {request:x?}"));
        if request.requester != settings.id {
            return fail("another function's requester");
        }
        if words[header.words - 1] & 3 != 0 {
            return fail("processing hints in the address");
        }
        if header.words == 4 && request.address >> 32 == 0 {
            return fail("an address below 4 GiB in a header of 4 doublewords");
        }
        let bytes = 4 * u64::from(request.dwords);
        if (request.address & 0xfff) + bytes > 0x1000 {
            return fail("a request that crosses a border of 4 KiB");
        }
        let (limit, name) = match is_read {
            true => (&mut self.reads, "Max_Read_Request_Size"),
            false => (&mut self.writes, "Max_Payload_Size"),
        };
        if let Err(most) = limit.take(bytes) {
            return fail(&format!("a request longer than {name} ({most})"));
        }
        if is_read && request.tag >= 32 {
            return fail("a tag of more than 5 bits");
        }
        enables(request).map_or(Ok(()), fail)
    }

    /// Checks a completion with data for the host.
    pub(super) fn completion(&mut self, words: &[u32], payload: &[u32]) -> Result<(), String> {
        let taken = self.completions.take(4 * payload.len() as u64);
        taken.map_err(|most| {
            let head = &words[..words.len() - payload.len()];
            format!("a completion longer than Max_Payload_Size ({most}): {head:x?}")
        })
    }
}

/// Checks what is common to all packets of the card.
pub(super) fn packet(words: &[u32], header: &Header) -> Result<(), String> {
    let zero = match header.kind {
        HeaderKind::Other => {
            return Err(format!("a packet of an unknown kind: {:#010x}", words[0]));
        }
        HeaderKind::MemoryRead(_) | HeaderKind::MemoryWrite(_) => FIRST_WORD_ZERO,
        // An answer has the class and the attributes of what it answers.
        HeaderKind::Completion(answer)
        | HeaderKind::LockedCompletion(answer)
        | HeaderKind::CompletionData(answer, _) => {
            let echoed = if answer.requester == ROOT_ID {
                0
            } else {
                ECHOED
            };
            FIRST_WORD_ZERO & !POISON & !echoed
        }
    };
    match words[0] & zero {
        0 => Ok(()),
        _ => Err(format!(
            "bits that the card has no use for are set: {:#010x}",
            words[0]
        )),
    }
}

/// What is wrong with the byte enables (section 2.2.5).
fn enables(request: &Request) -> Option<&'static str> {
    let Request {
        address,
        dwords,
        first_be,
        last_be,
        ..
    } = *request;
    if dwords == 1 {
        return (last_be != 0).then_some("last byte enables on a single doubleword");
    }
    if first_be == 0 || last_be == 0 {
        return Some("a first or last doubleword without a byte");
    }
    // Two doublewords in one quadword may have holes.
    if dwords == 2 && address.is_multiple_of(8) {
        return None;
    }
    let to_the_end = matches!(first_be, 0b1111 | 0b1110 | 0b1100 | 0b1000);
    let from_the_start = matches!(last_be, 0b1111 | 0b0111 | 0b0011 | 0b0001);
    (!to_the_end || !from_the_start).then_some("byte enables with holes")
}
