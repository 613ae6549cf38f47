//! The configuration space of an endpoint, as a hard block holds it.
//!
//! ```text
//! 000h  header, type 0
//! 040h  power management
//! 060h  PCI Express (endpoint, version 2)
//! 0b0h  MSI-X
//! 100h  Advanced Error Reporting
//! ```
//!
//! All else is reserved: it reads as 0 and ignores writes. Accesses may have any size and
//! alignment; what lies beyond the end reads as ones.

pub mod registers;

use registers as at;

/// Bytes of the configuration space.
pub const CONFIG_BYTES: usize = 4096;

/// Who a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Vendor of the subsystem.
    pub subsystem_vendor: u16,
    /// Subsystem.
    pub subsystem: u16,
    /// Class code, 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
}

/// How a window is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// 32 bits, not prefetchable.
    Memory32,
    /// 64 bits, prefetchable; takes the number above as well.
    Memory64,
}

/// A window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Number, 0 to 5 (4 with 64 bits).
    pub number: u8,
    /// Bytes: a power of two, at least 128; at most 2^31 with 32 bits.
    pub bytes: u64,
    /// How it is addressed.
    pub kind: BarKind,
}

/// Where MSI-X is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msix {
    /// Vectors, 1 to 2048.
    pub vectors: u16,
    /// Window of the table and of the pending bits.
    pub bar: u8,
    /// Where the table stands in it; a multiple of 8.
    pub table: u32,
    /// Where the pending bits stand in it; a multiple of 8.
    pub pending: u32,
}

/// What a function consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Who it is.
    pub identity: Identity,
    /// Its windows, none of which shares a number.
    pub bars: Vec<Bar>,
    /// Its interrupts.
    pub msix: Msix,
    /// Largest payload that it can take: 128 bytes shifted by this, 0 to 5.
    pub max_payload: u8,
    /// Speed of the link: 1 for 2.5 GT/s, 2 for 5 GT/s, 3 for 8 GT/s.
    pub link_speed: u8,
    /// Lanes.
    pub link_width: u8,
}

impl Endpoint {
    fn check(&self) -> Result<(), &'static str> {
        let mut taken = 0u8;
        for bar in &self.bars {
            let (numbers, most) = match bar.kind {
                BarKind::Memory32 => (0b01, 1 << 31),
                BarKind::Memory64 => (0b11, 1 << 63),
            };
            let numbers = u8::checked_shl(numbers, bar.number.into()).unwrap_or(u8::MAX);
            if numbers > 0b11_1111 || numbers & taken != 0 {
                return Err("a window's number is beyond the last or taken twice");
            }
            taken |= numbers;
            if !bar.bytes.is_power_of_two() || !(128..=most).contains(&bar.bytes) {
                return Err("the bytes of a window must be a power of two, at least 128");
            }
        }
        let msix = &self.msix;
        if !(1..=2048).contains(&msix.vectors) {
            return Err("there must be 1 to 2048 vectors");
        }
        let home = self.bars.iter().find(|bar| bar.number == msix.bar);
        let bytes = home.map_or(0, |bar| bar.bytes);
        let table = u64::from(msix.table) + 16 * u64::from(msix.vectors);
        let pending = u64::from(msix.pending) + 8 * u64::from(msix.vectors).div_ceil(64);
        if !msix.table.is_multiple_of(8)
            || !msix.pending.is_multiple_of(8)
            || table > bytes
            || pending > bytes
        {
            return Err("table and pending bits must lie in their window, at multiples of 8");
        }
        if self.identity.class >> 24 != 0 {
            return Err("the class code has 24 bits");
        }
        if self.max_payload > 5 {
            return Err("the largest payload must be 128 bytes shifted by 0 to 5");
        }
        if !(1..=3).contains(&self.link_speed) {
            return Err("the speed of the link must be 1 to 3");
        }
        if !matches!(self.link_width, 1 | 2 | 4 | 8 | 12 | 16 | 32) {
            return Err("a link has 1, 2, 4, 8, 12, 16 or 32 lanes");
        }
        Ok(())
    }
}

/// The configuration space.
#[derive(Clone, Debug)]
pub struct ConfigSpace {
    value: Box<[u8; CONFIG_BYTES]>,
    /// After power-up.
    reset: Box<[u8; CONFIG_BYTES]>,
    /// Bits that software may write.
    write: Box<[u8; CONFIG_BYTES]>,
    /// Bits that writing a one clears.
    clear: Box<[u8; CONFIG_BYTES]>,
    /// Bits that a function-level reset leaves alone.
    keep: Box<[u8; CONFIG_BYTES]>,
    reset_asked: bool,
}

impl ConfigSpace {
    /// The configuration space after power-up.
    ///
    /// # Errors
    /// Says which value of the function makes no sense.
    pub fn new(endpoint: &Endpoint) -> Result<Self, &'static str> {
        endpoint.check()?;
        let zero = Box::new([0; CONFIG_BYTES]);
        let mut space = Self {
            value: zero.clone(),
            reset: zero.clone(),
            write: zero.clone(),
            clear: zero.clone(),
            keep: zero,
            reset_asked: false,
        };
        for register in at::registers(endpoint) {
            let start = usize::from(register.offset);
            for byte in 0..usize::from(register.bytes) {
                let cut = |bits: u32| bits.to_le_bytes()[byte];
                space.reset[start + byte] = cut(register.reset);
                space.write[start + byte] = cut(register.write);
                space.clear[start + byte] = cut(register.clear);
                space.keep[start + byte] = cut(register.keep);
            }
        }
        space.value = space.reset.clone();
        Ok(space)
    }

    /// Reads at byte `offset`.
    pub fn read(&self, offset: u16, data: &mut [u8]) {
        for (position, out) in (usize::from(offset)..).zip(data) {
            *out = self.value.get(position).copied().unwrap_or(u8::MAX);
        }
    }

    /// Writes at byte `offset`.
    pub fn write(&mut self, offset: u16, data: &[u8]) {
        for (position, &byte) in (usize::from(offset)..).zip(data) {
            if position >= CONFIG_BYTES {
                return;
            }
            let mut write = self.write[position];
            // States between D0 and D3 are not there: the write ends well and changes nothing.
            if position == usize::from(at::POWER_STATE) && matches!(byte & 3, 1 | 2) {
                write &= !3;
            }
            let value = self.value[position] & !write | byte & write;
            self.value[position] = value & !(byte & self.clear[position]);
            let [_, reset] = at::DEVICE_CONTROL_RESET.to_le_bytes();
            if position == usize::from(at::DEVICE_CONTROL) + 1 && byte & reset != 0 {
                self.reset_asked = true;
            }
        }
    }

    /// Whether a function-level reset was asked for since the last call. The owner resets what
    /// belongs to the function and calls [`Self::reset`].
    pub fn take_reset(&mut self) -> bool {
        std::mem::take(&mut self.reset_asked)
    }

    /// What a function-level reset does here (6.6.2): all but what belongs to the link, the size of
    /// payloads and the records of errors has its value after power-up.
    pub fn reset(&mut self) {
        for position in 0..CONFIG_BYTES {
            let keep = self.keep[position];
            self.value[position] = self.value[position] & keep | self.reset[position] & !keep;
        }
        self.reset_asked = false;
    }

    /// Whether the windows answer: memory space is enabled, and the function is awake.
    pub fn memory_enabled(&self) -> bool {
        self.word(at::COMMAND) & at::COMMAND_MEMORY != 0 && self.awake()
    }

    /// Whether the function may read and write memory and send interrupts.
    pub fn bus_master(&self) -> bool {
        self.word(at::COMMAND) & at::COMMAND_BUS_MASTER != 0 && self.awake()
    }

    /// Whether the power state is D0.
    pub fn awake(&self) -> bool {
        self.word(at::POWER_STATE) & 3 == 0
    }

    /// Whether MSI-X is enabled.
    pub fn msix_enabled(&self) -> bool {
        self.word(at::MSIX_CONTROL) & at::MSIX_ENABLE != 0
    }

    /// Whether all vectors are masked.
    pub fn msix_masked(&self) -> bool {
        self.word(at::MSIX_CONTROL) & at::MSIX_MASK_ALL != 0
    }

    /// Max_Payload_Size as software has set it: 128 bytes shifted by this.
    pub fn max_payload(&self) -> u8 {
        (self.word(at::DEVICE_CONTROL) >> 5 & 7) as u8
    }

    /// Max_Read_Request_Size as software has set it: 128 bytes shifted by this.
    pub fn max_read(&self) -> u8 {
        (self.word(at::DEVICE_CONTROL) >> 12 & 7) as u8
    }

    /// Where software has put a window; 0 after a reset.
    pub fn bar(&self, number: u8) -> u64 {
        let offset = at::BAR + 4 * u16::from(number.min(5));
        let low = u64::from(self.word(offset)) | u64::from(self.word(offset + 2)) << 16;
        let high = match low >> 1 & 3 {
            2 => u64::from(self.word(offset + 4)) | u64::from(self.word(offset + 6)) << 16,
            _ => 0,
        };
        low & !0xf | high << 32
    }

    /// Says whether requests of the function wait for their answers (Device Status, 7.8.5).
    pub fn set_transactions_pending(&mut self, pending: bool) {
        let status = &mut self.value[usize::from(at::DEVICE_STATUS)];
        *status = *status & !(1 << 5) | u8::from(pending) << 5;
    }

    fn word(&self, offset: u16) -> u16 {
        let offset = usize::from(offset);
        u16::from_le_bytes([self.value[offset], self.value[offset + 1]])
    }
}
