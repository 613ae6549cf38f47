//! `DEVICE_GET_IRQ_INFO` and `DEVICE_SET_IRQS`.

use super::DecodeError;
use super::bytes::{Reader, Writer};
use crate::device::{IrqAction, IrqFlags};

/// What an interrupt type is; the command has the same form with only the index set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqInfo {
    /// The interrupt type.
    pub index: u32,
    /// What it can do; bits that are not known are left out.
    pub flags: IrqFlags,
    /// Vectors of it.
    pub count: u32,
}

impl IrqInfo {
    const BYTES: u32 = 16;

    /// From a payload, of the command or of its reply.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DEVICE_GET_IRQ_INFO", payload);
        reader.argsz(Self::BYTES)?;
        let flags = IrqFlags::from_bits_truncate(reader.u32()?);
        let (index, count) = (reader.u32()?, reader.u32()?);
        reader.end()?;
        Ok(Self {
            index,
            flags,
            count,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u32(Self::BYTES)
            .u32(self.flags.bits())
            .u32(self.index)
            .u32(self.count)
            .done()
    }
}

/// No data: the action is for all vectors.
const DATA_NONE: u32 = 1 << 0;
/// A byte a vector says whether the action is for it.
const DATA_BOOL: u32 = 1 << 1;
/// An event descriptor a vector comes with the message.
const DATA_EVENTFD: u32 = 1 << 2;
const DATA: u32 = DATA_NONE | DATA_BOOL | DATA_EVENTFD;
const ACTION_MASK: u32 = 1 << 3;
const ACTION_UNMASK: u32 = 1 << 4;
const ACTION_TRIGGER: u32 = 1 << 5;
const ACTIONS: u32 = ACTION_MASK | ACTION_UNMASK | ACTION_TRIGGER;

/// Which vectors an action is for, as the payload says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// All of the range.
    All,
    /// Those whose entry is true.
    These(Vec<bool>),
    /// Event descriptors come with the message, one a vector or none.
    EventFds,
}

/// `DEVICE_SET_IRQS`: a change of interrupts; the reply is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetIrqs {
    /// The interrupt type.
    pub index: u32,
    /// What to do.
    pub action: IrqAction,
    /// The first vector.
    pub start: u32,
    /// Vectors.
    pub count: u32,
    /// Which of them.
    pub select: Select,
}

impl SetIrqs {
    const BYTES: u32 = 20;

    /// From a payload.
    ///
    /// # Errors
    /// A wrong length, no or several actions or kinds of data, a range beyond 32 bits, or an empty
    /// range for anything but disabling the type.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DEVICE_SET_IRQS", payload);
        reader.argsz(Self::BYTES)?;
        let (flags, index) = (reader.u32()?, reader.u32()?);
        let (start, count) = (reader.u32()?, reader.u32()?);
        let action = match flags & ACTIONS {
            ACTION_MASK => IrqAction::Mask,
            ACTION_UNMASK => IrqAction::Unmask,
            ACTION_TRIGGER => IrqAction::Trigger,
            _ => return Err(reader.field("flags", flags.into())),
        };
        if flags & !(ACTIONS | DATA) != 0 {
            return Err(reader.field("flags", flags.into()));
        }
        if start.checked_add(count).is_none() {
            return Err(reader.field("count", count.into()));
        }
        let disable = flags == DATA_NONE | ACTION_TRIGGER && start == 0;
        if count == 0 && !disable {
            return Err(reader.field("count", 0));
        }
        let select = match flags & DATA {
            DATA_NONE => {
                reader.end()?;
                Select::All
            }
            DATA_BOOL => {
                let bytes = reader.end_with(count as usize)?;
                Select::These(bytes.iter().map(|byte| *byte != 0).collect())
            }
            DATA_EVENTFD => {
                reader.end()?;
                Select::EventFds
            }
            _ => return Err(reader.field("flags", flags.into())),
        };
        Ok(Self {
            index,
            action,
            start,
            count,
            select,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let action = match self.action {
            IrqAction::Mask => ACTION_MASK,
            IrqAction::Unmask => ACTION_UNMASK,
            IrqAction::Trigger => ACTION_TRIGGER,
        };
        let (data, bools): (_, &[bool]) = match &self.select {
            Select::All => (DATA_NONE, &[]),
            Select::These(which) => (DATA_BOOL, which),
            Select::EventFds => (DATA_EVENTFD, &[]),
        };
        let bools: Vec<u8> = bools.iter().map(|one| u8::from(*one)).collect();
        Writer::default()
            .u32(Self::BYTES + bools.len() as u32)
            .u32(data | action)
            .u32(self.index)
            .u32(self.start)
            .u32(self.count)
            .bytes(&bools)
            .done()
    }
}
