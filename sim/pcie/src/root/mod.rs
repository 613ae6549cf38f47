//! A root complex, cycle by cycle, at the level of stream beats: the host's processor and memory
//! as the card sees them, with delays, disorder and faults to order, and a referee for the rules
//! that the card's packets must keep.
//!
//! [`Root::cycle`] sees what the card drives in a cycle and says what the root complex drives in
//! the same one; the handshakes happen at the clock edge that follows. What the card drives must
//! therefore not depend on what it is given in the same cycle.

mod host;
mod limit;
mod options;
mod packet;
mod random;
mod reads;
mod rules;
mod stats;

use std::collections::VecDeque;

pub use host::{Access, AccessError};
pub use options::{Fault, FaultKind, Options, Random, Settings};
pub use stats::{Direction, Traffic};

use crate::stream::{Beat, MAX_BEAT_WORDS};
use crate::tlp::{Header, HeaderKind, Id, MAX_DWORDS, Request, Tlp};
use host::Host;
use isa::model::Memory;
use packet::Packet;
use random::Dice;
use reads::Reads;
use rules::Rules;

/// The root complex as requester and completer.
pub const ROOT_ID: Id = Id(0);

/// Writes of one whole doubleword to these addresses are interrupts.
pub const INTERRUPT_ADDRESSES: std::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// The card broke a rule of the link: a bug in the RTL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PCIe rule broken in cycle {cycle}: {text}")]
pub struct LinkError {
    /// Cycle of the root complex, from 0.
    pub cycle: u64,
    /// What happened.
    pub text: String,
}

/// What the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FromCard {
    /// A beat is offered.
    pub valid: bool,
    /// The beat; means something only while `valid`.
    pub beat: Beat,
    /// The card takes a beat.
    pub ready: bool,
}

/// What the root complex drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ToCard {
    /// A beat is offered.
    pub valid: bool,
    /// The beat; means something only while `valid`.
    pub beat: Beat,
    /// Which windows the packet hits, one bit each.
    pub bar: u8,
    /// The root complex takes a beat.
    pub ready: bool,
}

/// An interrupt message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it was written, within [`INTERRUPT_ADDRESSES`].
    pub address: u64,
    /// What was written.
    pub data: u32,
}

/// The root complex.
///
/// Host accesses begin with [`Self::read`], [`Self::write`] or [`Self::send`] and end with
/// [`Self::finish`]. Memory is given to every cycle; it is read when an answer could be made and
/// written when a write has arrived.
#[derive(Clone, Debug)]
pub struct Root {
    words: usize,
    now: u64,
    dice: Dice,
    settings: Settings,
    rules: Rules,
    host: Host,
    reads: Reads,
    traffic: Traffic,
    /// The packet that the card is sending.
    incoming: Vec<u32>,
    /// The packet that the card is getting.
    outgoing: Packet,
    to_card: ToCard,
    /// The beat of the last cycle was taken.
    taken: bool,
    /// A request of the host goes before an answer.
    host_first: bool,
    messages: VecDeque<Message>,
    strays: Vec<Tlp>,
    /// Bytes of a write.
    scratch: Vec<u8>,
}

impl Root {
    /// A root complex in front of a function after its reset.
    ///
    /// # Errors
    /// Those of [`Options::check`].
    pub fn new(options: &Options) -> Result<Self, &'static str> {
        options.check()?;
        let settings = Settings::default();
        let mut rules = Rules::default();
        rules.settings(0, &settings);
        Ok(Self {
            words: options.words,
            now: 0,
            dice: Dice::new(options.random),
            settings,
            rules,
            host: Host::new(options),
            reads: Reads::new(options),
            traffic: Traffic::default(),
            incoming: Vec::with_capacity(4 + MAX_DWORDS),
            outgoing: Packet::new(),
            to_card: ToCard::default(),
            taken: false,
            host_first: false,
            messages: VecDeque::new(),
            strays: Vec::new(),
            scratch: Vec::with_capacity(4 * MAX_DWORDS),
        })
    }

    /// How the function is set up from now on. Where a size becomes smaller, the next 16 packets of
    /// the kind may still have the size from before: the card may have cut them already.
    ///
    /// # Errors
    /// Those of [`Settings::check`].
    pub fn set_settings(&mut self, settings: Settings) -> Result<(), &'static str> {
        settings.check()?;
        self.settings = settings;
        self.rules.settings(self.now, &settings);
        Ok(())
    }

    /// How the function is set up.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts a window, 0 to 5, at an address, or takes it away.
    pub fn set_bar(&mut self, bar: u8, base: Option<u64>) {
        self.host.set_bar(bar, base);
    }

    /// Replaces the faults.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.reads.set_faults(faults);
    }

    /// Begins to read `bytes` bytes of a window, any number from any byte on.
    pub fn read(&mut self, bar: u8, offset: u64, bytes: usize) -> Access {
        self.host.access(self.now, bar, offset, bytes, None)
    }

    /// Begins to write bytes to a window, any number from any byte on. The access has ended when
    /// the card has taken the last packet.
    ///
    /// An answer to the card whose data was read afterwards does not overtake the next 4 KiB of
    /// what the host writes. A host does nothing else before the rest of a longer write, so its
    /// memory must change only when such a write has ended, where the order matters.
    pub fn write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Access {
        self.host.access(self.now, bar, offset, 0, Some(data))
    }

    /// Begins to send a packet as it is, legal or not, with these hits of windows. The access has
    /// ended when the card has taken the packet; what it answers to another requester than
    /// [`ROOT_ID`] is kept for [`Self::take_strays`].
    pub fn send(&mut self, packet: &[u32], bar: u8) -> Access {
        self.host.raw(self.now, packet, bar)
    }

    /// How an access went, once: what was read is then in `out`, as much of it as fits. `None`
    /// while it is under way and after it was told.
    pub fn finish(&mut self, access: Access, out: &mut [u8]) -> Option<Result<(), AccessError>> {
        self.host.finish(access, out)
    }

    /// The oldest interrupt that was not yet taken.
    pub fn take_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Completions for other requesters than [`ROOT_ID`] since the last call.
    pub fn take_strays(&mut self) -> Vec<Tlp> {
        std::mem::take(&mut self.strays)
    }

    /// Reads of the card whose answers are owed.
    pub fn card_reads(&self) -> usize {
        self.reads.len()
    }

    /// Cycles since the start.
    pub fn cycles(&self) -> u64 {
        self.now
    }

    /// Traffic since the start.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Whether cycles in which the card sends nothing change nothing: no packet is under way in
    /// either direction, and no answer is owed to either side.
    pub fn is_idle(&self) -> bool {
        (!self.to_card.valid || self.taken)
            && self.outgoing.is_spent()
            && self.incoming.is_empty()
            && self.reads.len() == 0
            && self.host.is_idle()
    }

    /// The link goes down and comes up again: everything that is under way is lost.
    pub fn reset(&mut self) {
        self.host.clear();
        self.reads.clear();
        self.incoming.clear();
        self.outgoing.clear();
        self.to_card = ToCard::default();
        self.taken = false;
        self.messages.clear();
        self.rules = Rules::default();
        self.rules.settings(self.now, &self.settings);
    }

    /// One cycle: what the root complex drives while the card drives `card`.
    ///
    /// # Errors
    /// The card broke a rule of the link.
    #[inline]
    pub fn cycle(
        &mut self,
        memory: &mut (impl Memory + ?Sized),
        card: &FromCard,
    ) -> Result<&ToCard, LinkError> {
        self.receive(memory, card).map_err(|text| LinkError {
            cycle: self.now,
            text,
        })?;
        self.transmit(memory, card.ready);
        self.now += 1;
        Ok(&self.to_card)
    }

    /// Takes a beat of the card.
    #[inline]
    fn receive(
        &mut self,
        memory: &mut (impl Memory + ?Sized),
        card: &FromCard,
    ) -> Result<(), String> {
        self.to_card.ready = true;
        if !card.valid {
            self.traffic.from_card.idle += 1;
            return self.rules.nothing();
        }
        let ready = !self.dice.stalls();
        self.to_card.ready = ready;
        self.rules.beat(self.now, &card.beat, self.words, ready)?;
        if !ready {
            self.traffic.from_card.stalled += 1;
            return Ok(());
        }
        self.traffic.from_card.beats += 1;
        let words = card.beat.keep.trailing_ones() as usize;
        if self.incoming.len() + words > 4 + MAX_DWORDS {
            return Err("a packet longer than any can be".into());
        }
        self.incoming
            .extend_from_slice(&card.beat.data[..words.min(MAX_BEAT_WORDS)]);
        if !card.beat.last {
            return Ok(());
        }
        let packet = std::mem::take(&mut self.incoming);
        let done = self.packet(memory, &packet);
        self.incoming = packet;
        self.incoming.clear();
        done
    }

    /// Takes a whole packet of the card.
    fn packet(&mut self, memory: &mut (impl Memory + ?Sized), words: &[u32]) -> Result<(), String> {
        let header = Header::decode(words).map_err(|error| error.to_string())?;
        rules::packet(words, &header)?;
        let payload = &words[header.words..];
        let count = &mut self.traffic.from_card;
        count.packets += 1;
        count.header_words += header.words as u64;
        count.payload_words += payload.len() as u64;
        match &header.kind {
            HeaderKind::MemoryRead(request) => {
                self.rules
                    .request(words, &header, request, &self.settings, true)?;
                self.traffic.reads += 1;
                self.reads.push(self.now, &mut self.dice, request)?;
                self.traffic.most_reads = self.traffic.most_reads.max(self.reads.len());
                Ok(())
            }
            HeaderKind::MemoryWrite(request) => {
                self.rules
                    .request(words, &header, request, &self.settings, false)?;
                self.commit(memory, request, payload);
                Ok(())
            }
            // The host itself locks nothing.
            HeaderKind::LockedCompletion(completion) if completion.requester == ROOT_ID => Err(
                format!("a completion of a locked read that nobody asked for: {completion:x?}"),
            ),
            HeaderKind::Completion(completion)
            | HeaderKind::LockedCompletion(completion)
            | HeaderKind::CompletionData(completion, _) => {
                if completion.requester != ROOT_ID {
                    self.strays
                        .extend(Tlp::decode(words).map_err(|error| error.to_string()));
                    return Ok(());
                }
                self.rules.completion(words, payload)?;
                self.host.completion(
                    self.now,
                    completion,
                    payload,
                    header.poisoned,
                    self.settings.id,
                )
            }
            HeaderKind::Other => Ok(()),
        }
    }

    /// Writes the bytes that count.
    fn commit(&mut self, memory: &mut (impl Memory + ?Sized), request: &Request, payload: &[u32]) {
        let is_message = request.dwords == 1 && request.first_be == 15;
        if is_message && INTERRUPT_ADDRESSES.contains(&request.address) {
            self.traffic.interrupts += 1;
            self.messages.push_back(Message {
                address: request.address,
                data: payload[0].swap_bytes(),
            });
            return;
        }
        self.traffic.writes += 1;
        self.scratch.clear();
        self.scratch
            .extend(payload.iter().flat_map(|word| word.to_be_bytes()));
        let (start, bytes) = request.span();
        let at = (start - request.address) as usize;
        let inner = request.dwords > 2;
        let enables = match request.dwords {
            1 => u32::from(request.first_be),
            _ => u32::from(request.last_be) << 4 | u32::from(request.first_be),
        };
        let whole = u32::MAX >> (32 - u32::from(bytes).min(8)) << at;
        let mut good = true;
        if inner || enables == whole {
            good = memory.write(start, &self.scratch[at..at + usize::from(bytes)]);
            self.traffic.write_bytes += u64::from(bytes);
        } else {
            // At most two doublewords, with holes.
            let mut byte = 0;
            while byte < 8 {
                let run = (enables >> byte).trailing_ones() as usize;
                if run > 0 {
                    let data = &self.scratch[byte..byte + run];
                    good &= memory.write(request.address + byte as u64, data);
                    self.traffic.write_bytes += run as u64;
                }
                byte += run.max(1);
            }
        }
        self.traffic.refused_writes += u64::from(!good);
    }

    /// Offers a beat to the card.
    #[inline]
    fn transmit(&mut self, memory: &mut (impl Memory + ?Sized), ready: bool) {
        if self.taken {
            self.to_card.valid = false;
        }
        self.taken = false;
        self.host.expire(self.now);
        if !self.to_card.valid {
            self.offer(memory);
        }
        let count = &mut self.traffic.to_card;
        if !self.to_card.valid {
            count.idle += 1;
            return;
        }
        if !ready {
            count.stalled += 1;
            return;
        }
        self.taken = true;
        count.beats += 1;
        if self.to_card.beat.last
            && let Some(access) = self.outgoing.ends.take()
        {
            self.host.sent(access);
        }
    }

    fn offer(&mut self, memory: &mut (impl Memory + ?Sized)) {
        if self.outgoing.is_spent() && self.reads.len() == 0 && !self.host.has_jobs() {
            return;
        }
        if self.dice.leaves_gap() {
            return;
        }
        if self.outgoing.is_spent() && !self.next_packet(memory) {
            return;
        }
        self.to_card.valid = true;
        self.to_card.bar = self.outgoing.bar;
        self.outgoing.next_beat(self.words, &mut self.to_card.beat);
    }

    /// Makes the next packet for the card, if there is one.
    fn next_packet(&mut self, memory: &mut (impl Memory + ?Sized)) -> bool {
        self.outgoing.clear();
        // The host's requests and answers take turns.
        let host_first = self.host_first || self.dice.hesitates();
        self.host_first = !host_first;
        let made = (host_first && self.next_request())
            || self.next_completion(memory)
            || (!host_first && self.next_request());
        if made {
            let words = &self.outgoing.words;
            let header = Header::decode(words).map_or(words.len(), |header| header.words);
            let count = &mut self.traffic.to_card;
            count.packets += 1;
            count.header_words += header as u64;
            count.payload_words += (words.len() - header) as u64;
        }
        made
    }

    fn next_request(&mut self) -> bool {
        self.host
            .next(self.now, &mut self.dice, &self.settings, &mut self.outgoing)
    }

    fn next_completion(&mut self, memory: &mut (impl Memory + ?Sized)) -> bool {
        self.reads.set_posted(self.host.posted());
        self.reads.next(
            self.now,
            &mut self.dice,
            &self.settings,
            memory,
            &mut self.traffic,
            &mut self.outgoing,
        )
    }
}
