//! A DRAM behind the card's memory port: latency, shared bandwidth, disturbances, errors, and a
//! referee for the rules of AXI4.
//!
//! [`Dram::cycle`] sees what the card drives in a cycle and says what the memory drives in the
//! same one; the handshakes happen at the clock edge that follows.

mod budget;
mod bursts;
mod checker;
mod options;
mod random;
pub mod signals;

pub use checker::ProtocolError;
pub use isa::model::Memory as HostMemory;
pub use options::{Fault, MemoryOptions, Random};

use isa::error::FaultCause;

use budget::Budget;
use bursts::Bursts;
use checker::Checker;
use random::{Channel, Dice, Stalls};
use signals::{MAX_PORT_BYTES, Master, Slave, resp};

/// Traffic since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Read bursts.
    pub read_bursts: u64,
    /// Beats of read data that the card took.
    pub read_beats: u64,
    /// Write bursts.
    pub write_bursts: u64,
    /// Beats of write data that the memory took.
    pub write_beats: u64,
}

/// The memory's side of the port.
#[derive(Clone, Debug)]
pub struct Dram {
    options: MemoryOptions,
    port_bytes: usize,
    now: u64,
    budget: Budget,
    dice: Dice,
    checker: Checker,
    reads: Bursts,
    writes: Bursts,
    /// What the memory drives in this cycle.
    slave: Slave,
    /// The read beat, or the answer to a write, of the last cycle was taken.
    r_taken: bool,
    b_taken: bool,
    /// Reads go first when there is bandwidth for one beat only.
    reads_first: bool,
    hanging: bool,
    traffic: Traffic,
}

impl Dram {
    /// A memory for a port of this width (8, 16 or 32 bytes).
    ///
    /// # Errors
    /// Those of [`MemoryOptions::check`], or a width that no port has.
    pub fn new(options: MemoryOptions, port_bytes: usize) -> Result<Self, &'static str> {
        options.check()?;
        if !port_bytes.is_power_of_two() || !(4..=MAX_PORT_BYTES).contains(&port_bytes) {
            return Err("the memory port must be 8, 16 or 32 bytes wide");
        }
        Ok(Self {
            port_bytes,
            now: 0,
            budget: Budget::new(options.bandwidth, port_bytes),
            dice: Dice::new(options.random),
            checker: Checker::new(port_bytes),
            reads: Bursts::new(options.outstanding),
            writes: Bursts::new(options.outstanding),
            slave: Slave::default(),
            r_taken: false,
            b_taken: false,
            reads_first: true,
            hanging: false,
            traffic: Traffic::default(),
            options,
        })
    }

    /// Traffic since the start.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// From now on the memory answers nothing and takes nothing, or is itself again. What it
    /// offers already stays.
    pub fn hang(&mut self, hanging: bool) {
        self.hanging = hanging;
    }

    /// Replaces the addresses that answer with an error.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.options.faults = faults;
    }

    /// Forgets all bursts, as when the card is reset by its pin.
    pub fn reset(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.checker = Checker::new(self.port_bytes);
        self.slave = Slave::default();
        self.r_taken = false;
        self.b_taken = false;
    }

    /// One cycle: what the memory drives while the card drives `master`.
    ///
    /// # Errors
    /// The card broke a rule of the bus.
    #[inline]
    pub fn cycle(
        &mut self,
        host: &mut (impl HostMemory + ?Sized),
        master: &Master,
    ) -> Result<&Slave, ProtocolError> {
        let offered = master.ar.valid | master.aw.valid | master.w.valid;
        if !offered && self.is_idle() {
            self.now += 1;
            self.slave.r.valid = false;
            self.slave.b.valid = false;
            self.r_taken = false;
            self.b_taken = false;
            self.slave.ar_ready = true;
            self.slave.aw_ready = true;
            self.slave.w_ready = false;
            return Ok(&self.slave);
        }
        self.busy_cycle(host, master)
    }

    /// Whether a cycle without offers from the card would change nothing.
    fn is_idle(&self) -> bool {
        self.reads.is_empty()
            && self.writes.is_empty()
            && (!self.slave.r.valid || self.r_taken)
            && (!self.slave.b.valid || self.b_taken)
            && self.checker.is_quiet()
            && !self.hanging
            && !self.dice.can_stall()
    }

    fn busy_cycle(
        &mut self,
        host: &mut (impl HostMemory + ?Sized),
        master: &Master,
    ) -> Result<&Slave, ProtocolError> {
        let stalls = if self.hanging {
            Stalls::ALL
        } else {
            self.dice.stalls()
        };
        if self.r_taken {
            self.slave.r.valid = false;
        }
        if self.b_taken {
            self.slave.b.valid = false;
        }
        self.take_addresses(master, stalls)?;
        self.move_data(host, master, stalls)?;
        if !self.slave.b.valid && !stalls.has(Channel::B) {
            self.offer_answer(host);
        }
        self.checker.stability(self.now, master, &self.slave)?;
        self.r_taken = self.slave.r.valid && master.r_ready;
        self.b_taken = self.slave.b.valid && master.b_ready;
        self.traffic.read_beats += u64::from(self.r_taken);
        self.now += 1;
        Ok(&self.slave)
    }

    fn take_addresses(&mut self, master: &Master, stalls: Stalls) -> Result<(), ProtocolError> {
        self.slave.ar_ready = self.reads.has_room() && !stalls.has(Channel::Ar);
        if master.ar.valid && self.slave.ar_ready {
            self.checker.address(self.now, "AR", &master.ar)?;
            let due = self.now + u64::from(self.options.latency) + self.dice.jitter();
            self.reads.push(&master.ar, Some(due));
            self.traffic.read_bursts += 1;
        }
        self.slave.aw_ready = self.writes.has_room() && !stalls.has(Channel::Aw);
        if master.aw.valid && self.slave.aw_ready {
            self.checker.address(self.now, "AW", &master.aw)?;
            self.writes.push(&master.aw, None);
            self.traffic.write_bursts += 1;
        }
        Ok(())
    }

    /// Moves beats of data, as many as the bandwidth allows.
    fn move_data(
        &mut self,
        host: &mut (impl HostMemory + ?Sized),
        master: &Master,
        stalls: Stalls,
    ) -> Result<(), ProtocolError> {
        let read = if self.slave.r.valid || stalls.has(Channel::R) {
            None
        } else {
            self.next_read()
        };
        let write = if master.w.valid && !stalls.has(Channel::W) {
            self.writes.first_unfilled()
        } else {
            None
        };
        self.slave.w_ready = false;
        if read.is_none() && write.is_none() {
            return Ok(());
        }
        let mut beats = self.budget.beats(self.now);
        let contended = beats == 1 && read.is_some() && write.is_some();
        if let Some(index) = read
            && beats > 0
            && (!contended || self.reads_first)
        {
            self.budget.spend();
            beats -= 1;
            self.offer_read(host, index);
        }
        if let Some(index) = write
            && beats > 0
            && (!contended || !self.reads_first)
        {
            self.budget.spend();
            self.slave.w_ready = true;
            self.take_write(master, index)?;
        }
        if contended {
            self.reads_first = !self.reads_first;
        }
        Ok(())
    }

    /// The burst whose data comes next.
    fn next_read(&mut self) -> Option<usize> {
        if self.dice.reorder {
            self.draw_due(false)
        } else {
            self.reads.oldest_due(self.now)
        }
    }

    /// One of the bursts that may be answered, each with the same chance.
    fn draw_due(&mut self, writes: bool) -> Option<usize> {
        let bursts = if writes { &self.writes } else { &self.reads };
        let (mut chosen, mut count) = (None, 0);
        bursts.each_due(self.now, |index| {
            count += 1;
            if self.dice.below(count) == 0 {
                chosen = Some(index);
            }
        });
        chosen
    }

    fn offer_read(&mut self, host: &mut (impl HostMemory + ?Sized), index: usize) {
        let port = self.port_bytes;
        let Some((burst, data, marks)) = self.reads.parts(index) else {
            return;
        };
        if !burst.sampled {
            burst.sampled = true;
            let bytes = burst.beats * port;
            let hit = |start: u64, end: u64| {
                self.options
                    .faults
                    .iter()
                    .any(|f| f.reads && f.addresses.start < end && start < f.addresses.end)
            };
            let end = burst.addr + bytes as u64;
            let good = !hit(burst.addr, end) && host.read(burst.addr, &mut data[..bytes]);
            burst.faulty = !good;
            if !good {
                // Beat by beat: only those that touch the fault answer with an error.
                for (beat, out) in data[..bytes].chunks_exact_mut(port).enumerate() {
                    let start = burst.addr + (beat * port) as u64;
                    marks[beat] = if hit(start, start + port as u64) {
                        u32::from(resp::SLVERR)
                    } else if host.read(start, out) {
                        u32::from(resp::OKAY)
                    } else {
                        u32::from(resp::DECERR) | u32::from(host.cause() as u8) << 8
                    };
                    if marks[beat] != u32::from(resp::OKAY) {
                        // Something that no correct card may use.
                        out.fill(0xde);
                    }
                }
            }
        }
        let beat = burst.done;
        burst.done += 1;
        let r = &mut self.slave.r;
        r.valid = true;
        r.data[..port].copy_from_slice(&data[beat * port..(beat + 1) * port]);
        r.id = burst.id;
        (r.resp, r.cause) = if burst.faulty {
            let [answer, cause, ..] = marks[beat].to_le_bytes();
            (answer, FaultCause::from_code(cause))
        } else {
            (resp::OKAY, FaultCause::Plain)
        };
        r.last = burst.done == burst.beats;
        if r.last {
            self.reads.remove(index);
        }
    }

    fn take_write(&mut self, master: &Master, index: usize) -> Result<(), ProtocolError> {
        let port = self.port_bytes;
        let due = self.now + u64::from(self.options.latency) + self.dice.jitter();
        let Some((burst, data, marks)) = self.writes.parts(index) else {
            return Ok(());
        };
        self.checker
            .write_data(self.now, burst.done, burst.beats, &master.w)?;
        data[burst.done * port..(burst.done + 1) * port].copy_from_slice(&master.w.data[..port]);
        marks[burst.done] = master.w.strobes;
        burst.done += 1;
        if burst.done == burst.beats {
            burst.due = Some(due);
        }
        self.traffic.write_beats += 1;
        Ok(())
    }

    /// Answers a write. Its data reaches memory only now, so that a card that reads before the
    /// answer sees old data.
    fn offer_answer(&mut self, host: &mut (impl HostMemory + ?Sized)) {
        let index = if self.dice.reorder {
            self.draw_due(true)
        } else {
            self.writes.oldest_due(self.now)
        };
        let Some((burst, data, marks)) = index.and_then(|index| self.writes.parts(index)) else {
            return;
        };
        let answer = commit(host, &self.options.faults, self.port_bytes, burst.addr, {
            let bytes = burst.beats * self.port_bytes;
            (&data[..bytes], &marks[..burst.beats])
        });
        self.slave.b.valid = true;
        self.slave.b.id = burst.id;
        (self.slave.b.resp, self.slave.b.cause) = answer;
        if let Some(index) = index {
            self.writes.remove(index);
        }
    }
}

/// Writes the bytes of a burst that the strobes name; the answer of the burst and its cause.
fn commit(
    host: &mut (impl HostMemory + ?Sized),
    faults: &[Fault],
    port: usize,
    addr: u64,
    (data, strobes): (&[u8], &[u32]),
) -> (u8, FaultCause) {
    let all = u32::MAX >> (32 - port);
    let end = addr + data.len() as u64;
    let hit = |start: u64, end: u64| {
        faults
            .iter()
            .any(|f| f.writes && f.addresses.start < end && start < f.addresses.end)
    };
    if !hit(addr, end) && strobes.iter().all(|beat| *beat == all) && host.write(addr, data) {
        return (resp::OKAY, FaultCause::Plain);
    }
    let mut answer = (resp::OKAY, FaultCause::Plain);
    for (beat, (bytes, strobes)) in data.chunks_exact(port).zip(strobes).enumerate() {
        let start = addr + (beat * port) as u64;
        if *strobes == 0 {
            continue;
        }
        if hit(start, start + port as u64) {
            answer.0 = answer.0.max(resp::SLVERR);
            continue;
        }
        let mut byte = 0;
        while byte < port {
            let run = (*strobes >> byte).trailing_ones() as usize;
            if run > 0 && !host.write(start + byte as u64, &bytes[byte..byte + run]) {
                answer = (resp::DECERR, host.cause());
            }
            byte += run.max(1);
        }
    }
    answer
}
