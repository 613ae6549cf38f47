//! A host that answers read requests, well or badly.

use pcie::tlp::{Kind, Request, Tlp};

use crate::common::Rng;

/// The byte of host memory at an address.
pub fn byte(address: u64) -> u8 {
    let mixed = (address ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Bytes that a request names.
pub fn range(request: &Request) -> (u64, u64) {
    let start = request.address + u64::from(request.first_be.trailing_zeros());
    let last = match request.dwords {
        1 => request.first_be,
        _ => request.last_be,
    };
    let end = request.address + u64::from(request.dwords) * 4 - u64::from(last.leading_zeros() - 4);
    (start, end)
}

/// A completion as it comes off the link.
#[derive(Clone, Debug)]
pub struct Answer {
    pub tag: u64,
    pub status: u64,
    pub poison: bool,
    pub good: bool,
    pub bytes: u64,
    pub lower: u64,
    pub words: Vec<u32>,
    /// It is what a completer would send.
    pub honest: bool,
}

impl Answer {
    /// The bytes from `start` to `stop` of a request that ends at `end`. What nobody asked for is
    /// noise.
    fn success(tag: u64, start: u64, stop: u64, end: u64, rng: &mut Rng) -> Self {
        let (first, last) = (start & !3, (stop + 3) & !3);
        let words = (first..last).step_by(4).map(|address| {
            let bytes: Vec<u8> = (address..address + 4)
                .map(|at| match (start..stop).contains(&at) {
                    true => byte(at),
                    false => rng.next() as u8,
                })
                .collect();
            u32::from_be_bytes(bytes.try_into().expect("four bytes"))
        });
        Self {
            tag,
            status: 0,
            poison: false,
            good: true,
            bytes: end - start,
            lower: start & 0x7f,
            words: words.collect(),
            honest: true,
        }
    }

    /// No data.
    pub fn failure(tag: u64, status: u64, bytes: u64) -> Self {
        Self {
            tag,
            status,
            poison: false,
            good: true,
            bytes,
            lower: 0,
            words: vec![],
            honest: true,
        }
    }

    /// Like a true one but not to be believed.
    fn spoiled(&self, rng: &mut Rng) -> Self {
        let mut bad = self.clone();
        bad.honest = false;
        for word in &mut bad.words {
            *word = rng.next() as u32;
        }
        match rng.below(6) {
            0 => {
                bad.bytes =
                    [bad.bytes + 1, bad.bytes - 1, 4096, bad.bytes ^ 64][rng.below(4) as usize]
            }
            1 => bad.lower ^= 1 << rng.below(7),
            // Cut off in the middle: whoever receives it finds out at the end.
            2 => {
                bad.good = false;
                bad.words
                    .truncate(rng.below(bad.words.len() as u64 + 1) as usize);
            }
            // More than is left.
            3 => {
                let left = (bad.bytes + bad.lower % 4).div_ceil(4);
                let more = left.saturating_sub(bad.words.len() as u64) + 1 + rng.below(40);
                bad.words.extend((0..more).map(|_| rng.next() as u32));
            }
            // Success that brings nothing.
            4 => bad.words.clear(),
            // The tag of somebody else's request.
            _ => bad.tag |= 32 << rng.below(3),
        }
        bad
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Good,
    /// A completion is poisoned.
    Poisoned,
    /// After some completions one comes with this status.
    Status(u64),
    /// After some completions nothing comes any more.
    Lost,
    /// After some completions the others come too late.
    Late,
    /// A completion is spoiled and its place stays empty.
    Spoiled,
}

/// A request under way.
#[derive(Clone, Debug)]
pub struct Pending {
    pub tag: u64,
    pub sent: u64,
    /// Completions to come, with the first cycle in which each may come.
    pub answers: Vec<(u64, Answer)>,
    /// The last of them ends the request.
    pub ends: bool,
    /// The next byte that the requester expects, as byte count and lower address.
    pub expected: Option<(u64, u64)>,
    /// First thing that went wrong, as the engine names it.
    pub cause: Option<u64>,
    /// It may end in any of these ways, if there are any.
    pub open: Vec<u64>,
    /// All completions are there.
    pub complete: Option<u64>,
}

/// What a host does, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub faults: u64,
    /// Completions that come with a spoiled or doubled one.
    pub noise: u64,
    /// Shortest time before an answer.
    pub latency: u64,
    /// Longest time on top of it.
    pub delay: u64,
    /// Answers come in the order of their requests.
    pub in_order: bool,
    /// Completions are cut at multiples of this.
    pub boundary: u64,
    /// How often they are cut there.
    pub cuts: u64,
}

impl Pending {
    /// Plans the answer to a request.
    pub fn plan(
        request: &Request,
        now: u64,
        timeout: u64,
        manners: Manners,
        rng: &mut Rng,
    ) -> Self {
        let tag = u64::from(request.tag);
        let (start, end) = range(request);
        let mut parts = vec![];
        let mut from = start;
        while from < end {
            let mut stop = (from / manners.boundary + 1) * manners.boundary;
            while stop < end && !rng.chance(manners.cuts) {
                stop += manners.boundary;
            }
            parts.push(Answer::success(tag, from, stop.min(end), end, rng));
            from = stop;
        }
        let mut fate = Fate::Good;
        if rng.chance(manners.faults) {
            fate = [
                Fate::Poisoned,
                Fate::Status([1, 2, 3, 4, 4, 5, 6, 7][rng.below(8) as usize]),
                Fate::Lost,
                Fate::Late,
                Fate::Spoiled,
            ][rng.below(5) as usize];
        }
        let at = rng.below(parts.len() as u64) as usize;
        let mut ends = true;
        let mut times = vec![now + manners.latency + rng.below(manners.delay.max(1)); parts.len()];
        match fate {
            Fate::Good => {}
            Fate::Poisoned => parts[at].poison = true,
            Fate::Status(status) => {
                parts.truncate(at);
                parts.push(Answer::failure(
                    tag,
                    status,
                    [4, end - start][rng.below(2) as usize],
                ));
            }
            Fate::Lost => {
                parts.truncate(at);
                ends = false;
            }
            Fate::Late => times[at..].fill(now + timeout + 60),
            Fate::Spoiled => {
                parts[at] = parts[at].spoiled(rng);
                ends = false;
            }
        }
        Self {
            tag,
            sent: now,
            answers: times.into_iter().zip(parts).collect(),
            ends,
            expected: Some((end - start, start & 0x7f)),
            cause: None,
            open: vec![],
            complete: None,
        }
    }

    /// Why the request failed, once that is certain.
    pub fn outcome(&self, now: u64, timeout: u64) -> Option<u64> {
        match self.complete {
            Some(at) if at < self.sent + timeout => Some(self.cause.unwrap_or(0)),
            _ if now >= self.sent + timeout => Some(self.cause.unwrap_or(1)),
            _ => None,
        }
    }

    /// Whether a packet of this request may begin now: its end must not fall into the cycles in
    /// which it is open whether it comes in time.
    pub fn may_begin(&self, now: u64, timeout: u64, rest: u64) -> bool {
        let after = now - self.sent;
        after + 700 < timeout || (after > timeout + 50 && after + 700 < rest)
    }
}

/// A packet on its way into the engine, word by word.
#[derive(Clone, Debug)]
pub struct Inbound {
    pub answer: Answer,
    pub at: usize,
    pub begun: bool,
    /// Index of the request that it truly answers.
    pub of: Option<usize>,
}

/// The host: requests that have come and packets that go.
pub struct Host {
    pub requests: Vec<Pending>,
    pub manners: Manners,
    pub timeout: u64,
    /// Cycles for which a tag without an answer is not used again.
    pub rest: u64,
    pub inbound: Option<Inbound>,
    /// Packets of noise that come next.
    noise: Vec<Answer>,
}

impl Host {
    pub fn new(manners: Manners, rest: u64) -> Self {
        Self {
            requests: vec![],
            manners,
            timeout: 0,
            rest,
            inbound: None,
            noise: vec![],
        }
    }

    /// Whether a tag may be used again.
    pub fn is_free(&self, tag: u64, now: u64) -> bool {
        let last = self
            .requests
            .iter()
            .rev()
            .find(|pending| pending.tag == tag);
        last.is_none_or(|last| last.complete.is_some() || now >= last.sent + self.rest)
    }

    /// Tags of requests that came too late and may still be answered.
    pub fn resting(&self, now: u64) -> usize {
        let first = self.requests.len().saturating_sub(400);
        let recent = self.requests[first..].iter();
        recent
            .filter(|of| of.complete.is_none())
            .filter(|of| (of.sent + self.timeout..of.sent + self.rest).contains(&now))
            .count()
    }

    /// Takes a request that the engine has sent; checks what every request must keep to.
    pub fn take(
        &mut self,
        words: &[u32],
        id: u16,
        limit: u64,
        now: u64,
        rng: &mut Rng,
    ) -> (u64, u64) {
        let packet = Tlp::decode(words).expect("a well-formed packet");
        assert_eq!(packet.encode(), words, "no bit is set that has no meaning");
        assert_eq!(
            (packet.poisoned, packet.traffic_class, packet.attributes),
            (false, 0, 0)
        );
        let Kind::MemoryRead(request) = packet.kind else {
            panic!("{packet:?} is no memory read");
        };
        assert_eq!(request.requester.0, id);
        assert!(request.tag < 32, "five bits of tag");
        let (start, end) = range(&request);
        assert!(
            start < end && start >> 12 == (end - 1) >> 12,
            "{start:#x} to {end:#x}"
        );
        assert!(
            u64::from(request.dwords) * 4 <= limit,
            "{} words",
            request.dwords
        );
        let contiguous = |be: u8| {
            (be >> be.trailing_zeros())
                .wrapping_add(1)
                .is_power_of_two()
        };
        assert!(contiguous(request.first_be));
        match request.dwords {
            1 => assert_eq!(request.last_be, 0),
            _ => {
                assert!(request.first_be & 8 != 0 && request.last_be & 1 != 0);
                assert!(contiguous(request.last_be));
            }
        }
        assert!(
            self.is_free(u64::from(request.tag), now),
            "tag {} is taken twice",
            request.tag
        );
        let pending = Pending::plan(&request, now, self.timeout, self.manners, rng);
        self.requests.push(pending);
        (start, end)
    }

    /// Sends a packet that answers nothing, as it is.
    pub fn send(&mut self, answer: Answer) {
        assert!(self.inbound.is_none(), "one packet at a time");
        self.inbound = Some(Inbound {
            answer,
            at: 0,
            begun: false,
            of: None,
        });
    }

    /// Chooses the packet that comes next.
    pub fn choose(&mut self, now: u64, rng: &mut Rng) {
        if self.inbound.is_some() {
            return;
        }
        if let Some(mut answer) = self.noise.pop() {
            let owner = self
                .requests
                .iter()
                .rev()
                .find(|pending| pending.tag == answer.tag);
            if owner.is_some_and(|owner| owner.complete.is_some()) {
                // The next request of this tag may be on its way, and look for just this.
                answer.bytes = 4096;
            }
            self.inbound = Some(Inbound {
                answer,
                at: 0,
                begun: false,
                of: None,
            });
            return;
        }
        let first = self.requests.len().saturating_sub(400);
        let able: Vec<usize> = (first..self.requests.len())
            .filter(|&index| {
                let pending = &self.requests[index];
                let ready = pending
                    .answers
                    .first()
                    .is_some_and(|(time, _)| *time <= now);
                ready && pending.may_begin(now, self.timeout, self.rest)
            })
            .collect();
        if able.is_empty() {
            return;
        }
        let of = match self.manners.in_order {
            true => able[0],
            false => able[rng.below(able.len() as u64) as usize],
        };
        let (_, answer) = self.requests[of].answers.remove(0);
        let inbound = |answer| Inbound {
            answer,
            at: 0,
            begun: false,
            of: None,
        };
        if answer.status == 0 && rng.chance(self.manners.noise) {
            if rng.chance(50) {
                // The false one first, then the true one.
                self.inbound = Some(inbound(answer.spoiled(rng)));
                self.requests[of].answers.insert(0, (now, answer));
                return;
            }
            // The true one, then another one like it.
            let mut double = answer.clone();
            for word in &mut double.words {
                *word = !*word;
            }
            self.noise.push(double);
            if rng.chance(30) {
                self.noise.push(Answer::failure(answer.tag | 64, 1, 4));
            }
        }
        self.inbound = Some(Inbound {
            of: Some(of),
            ..inbound(answer)
        });
    }

    /// The packet at hand has come to its end.
    pub fn arrived(&mut self, now: u64) {
        let Some(Inbound {
            answer,
            of: Some(of),
            ..
        }) = self.inbound.take()
        else {
            return;
        };
        let ends = self.requests[of].ends;
        let pending = &mut self.requests[of];
        let fits = pending.expected == Some((answer.bytes, answer.lower));
        if !answer.honest || (answer.status == 0 && !fits) {
            return;
        }
        let cause = match (answer.status, answer.poison) {
            (0, false) => None,
            (0, true) => Some(2),
            (4, _) => Some(4),
            _ => Some(3),
        };
        if now < pending.sent + self.timeout {
            pending.cause = pending.cause.or(cause);
        }
        let brought = answer.words.len() as u64 * 4 - answer.lower % 4;
        pending.expected = match answer.status == 0 && brought < answer.bytes {
            true => Some((answer.bytes - brought, (answer.lower + brought) & 0x7f)),
            false => None,
        };
        if ends && pending.answers.is_empty() {
            pending.complete = Some(now);
        }
    }
}
