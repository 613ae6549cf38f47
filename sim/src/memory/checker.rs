//! The rules of AXI4 that a master must keep, and the narrower ones of this card.

use super::signals::{Address, Master, Slave, WriteData};

/// The card broke a rule of the bus: a bug in the RTL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AXI rule broken in cycle {cycle} on channel {channel}: {text}")]
pub struct ProtocolError {
    /// Cycle of the memory, from 0.
    pub cycle: u64,
    /// AR, AW or W.
    pub channel: &'static str,
    /// What happened.
    pub text: String,
}

/// Remembers what must not change.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    port_bytes: u64,
    ar: Option<Address>,
    aw: Option<Address>,
    w: Option<WriteData>,
}

impl Checker {
    pub(super) fn new(port_bytes: usize) -> Self {
        Self {
            port_bytes: port_bytes as u64,
            ar: None,
            aw: None,
            w: None,
        }
    }

    /// Whether nothing that was offered is still waiting.
    pub(super) fn is_quiet(&self) -> bool {
        self.ar.is_none() && self.aw.is_none() && self.w.is_none()
    }

    /// What was offered and not taken must still stand. `slave` says what is taken in this cycle.
    pub(super) fn stability(
        &mut self,
        cycle: u64,
        master: &Master,
        slave: &Slave,
    ) -> Result<(), ProtocolError> {
        for (channel, held, now, ready) in [
            ("AR", &mut self.ar, &master.ar, slave.ar_ready),
            ("AW", &mut self.aw, &master.aw, slave.aw_ready),
        ] {
            if let Some(held) = held
                && held != now
            {
                return Err(changed(cycle, channel, held, now));
            }
            *held = (now.valid && !ready).then_some(*now);
        }
        if let Some(held) = &self.w
            && *held != master.w
        {
            return Err(changed(cycle, "W", held, &master.w));
        }
        self.w = (master.w.valid && !slave.w_ready).then_some(master.w);
        Ok(())
    }

    /// Checks an address that is taken.
    pub(super) fn address(
        &self,
        cycle: u64,
        channel: &'static str,
        address: &Address,
    ) -> Result<(), ProtocolError> {
        let fail = |text| {
            Err(ProtocolError {
                cycle,
                channel,
                text,
            })
        };
        let Address {
            addr,
            len,
            size,
            burst,
            ..
        } = *address;
        if burst != 1 {
            return fail(format!("burst type {burst}, only INCR (1) is allowed"));
        }
        if 1u64.checked_shl(size.into()) != Some(self.port_bytes) {
            return fail(format!(
                "size {size}, a beat of this card is always the whole port of {} bytes",
                self.port_bytes
            ));
        }
        if addr % self.port_bytes != 0 {
            return fail(format!("address {addr:#x} is not a multiple of the port"));
        }
        let bytes = (u64::from(len) + 1) * self.port_bytes;
        if (addr & 0xfff) + bytes > 0x1000 {
            return fail(format!(
                "burst of {bytes} bytes at {addr:#x} crosses a border of 4 KiB"
            ));
        }
        Ok(())
    }

    /// Checks the mark of the last beat and the strobes of a beat that is taken.
    pub(super) fn write_data(
        &self,
        cycle: u64,
        beat: usize,
        beats: usize,
        data: &WriteData,
    ) -> Result<(), ProtocolError> {
        let fail = |text| {
            Err(ProtocolError {
                cycle,
                channel: "W",
                text,
            })
        };
        if data.last != (beat + 1 == beats) {
            return fail(format!(
                "WLAST is {} on beat {} of {beats}",
                u8::from(data.last),
                beat + 1
            ));
        }
        if u64::from(data.strobes) >> self.port_bytes != 0 {
            return fail(format!(
                "strobes {:#x} name bytes beyond the port",
                data.strobes
            ));
        }
        Ok(())
    }
}

#[cold]
fn changed<T: std::fmt::Debug>(
    cycle: u64,
    channel: &'static str,
    held: &T,
    now: &T,
) -> ProtocolError {
    ProtocolError {
        cycle,
        channel,
        text: format!("what was offered and not taken has changed: {held:?} became {now:?}"),
    }
}
