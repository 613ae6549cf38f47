//! A running model.

use std::ffi::{CString, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::library::{Inner, RawModel};
use crate::{Dir, Error};

/// A port of a model, found once by name with [`Model::port`] and used in every cycle.
///
/// It is valid for every model of the same library. Used with a model of another library it names
/// an unrelated port or none, in which case access panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRef(u32);

/// How the value of a port lies in memory.
#[derive(Clone, Copy, Debug)]
enum Layout {
    U8,
    U16,
    U32,
    U64,
    Words,
}

/// Where a port is; all that access needs.
struct Slot {
    memory: NonNull<c_void>,
    /// The bits that exist, in the value or, for a wide port, in its last word.
    mask: u64,
    width: u32,
    layout: Layout,
    writable: bool,
}

/// A running simulation of a design.
///
/// It can be moved to another thread, not shared between two. Several models run side by side.
pub struct Model {
    slots: Box<[Slot]>,
    raw: NonNull<RawModel>,
    library: Arc<Inner>,
}

// SAFETY: the C++ model is owned by this value alone, reaches the rest of the process only through
// Verilator's runtime, which locks what it shares, and is bound to no thread.
unsafe impl Send for Model {}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("ports", &self.library.ports)
            .finish_non_exhaustive()
    }
}

impl Model {
    pub(crate) fn new(library: Arc<Inner>) -> Model {
        let mut memory = vec![std::ptr::null_mut(); library.ports.len()];
        // SAFETY: the function fills one pointer for each line of the port table.
        let raw = unsafe { (library.functions.new)(memory.as_mut_ptr()) };
        let slots = library
            .ports
            .iter()
            .zip(memory)
            .enumerate()
            .map(|(index, (port, memory))| Slot {
                memory: NonNull::new(memory).expect("a port is a member, so not null"),
                mask: mask(port.width),
                width: port.width,
                layout: Layout::of(port.width),
                writable: port.dir == Dir::In && index != library.clock,
            })
            .collect();
        Model {
            slots,
            raw: NonNull::new(raw).expect("operator new does not give null"),
            library,
        }
    }

    /// Finds a port by the name that it has in the Verilog.
    pub fn port(&self, name: &str) -> Result<PortRef, Error> {
        let ports = &self.library.ports;
        match ports.iter().position(|p| p.name == name) {
            Some(index) => Ok(PortRef(index as u32)),
            None => Err(Error::NoPort {
                name: name.to_string(),
                known: ports
                    .iter()
                    .map(|p| p.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The width of a port in bits.
    pub fn width(&self, port: PortRef) -> u32 {
        self.slots[port.0 as usize].width
    }

    /// The value of a port of at most 64 bits, zero-extended.
    ///
    /// # Panics
    ///
    /// If the port is wider: read it with [`Model::words`].
    #[inline]
    pub fn get(&self, port: PortRef) -> u64 {
        let slot = &self.slots[port.0 as usize];
        // SAFETY: the pointer is to a live member of the model, whose type follows from the width
        // (asserted in `shim.cpp`); nothing writes it while `self` is borrowed.
        unsafe {
            match slot.layout {
                Layout::U8 => slot.memory.cast::<u8>().read().into(),
                Layout::U16 => slot.memory.cast::<u16>().read().into(),
                Layout::U32 => slot.memory.cast::<u32>().read().into(),
                Layout::U64 => slot.memory.cast::<u64>().read(),
                Layout::Words => self.too_wide(port),
            }
        }
    }

    /// The value of a port of at most 64 bits, sign-extended from its width.
    ///
    /// # Panics
    ///
    /// If the port is wider: read it with [`Model::words`].
    #[inline]
    pub fn get_signed(&self, port: PortRef) -> i64 {
        let shift = 64 - self.slots[port.0 as usize].width.min(64);
        (self.get(port) << shift) as i64 >> shift
    }

    /// Sets an input of at most 64 bits; bits of `value` above its width are dropped.
    ///
    /// A signed value is given as `value as u64`. The design sees it at the next [`Model::cycle`]
    /// or [`Model::eval`].
    ///
    /// # Panics
    ///
    /// If the port is wider, is an output, or is the clock, which only [`Model::cycle`] drives.
    #[inline]
    pub fn set(&mut self, port: PortRef, value: u64) {
        let slot = &self.slots[port.0 as usize];
        if !slot.writable {
            self.not_an_input(port);
        }
        let value = value & slot.mask;
        // SAFETY: as in `get`, and `self` is borrowed exclusively.
        unsafe {
            match slot.layout {
                Layout::U8 => slot.memory.cast::<u8>().write(value as u8),
                Layout::U16 => slot.memory.cast::<u16>().write(value as u16),
                Layout::U32 => slot.memory.cast::<u32>().write(value as u32),
                Layout::U64 => slot.memory.cast::<u64>().write(value),
                Layout::Words => self.too_wide(port),
            }
        }
    }

    /// The value of a port wider than 64 bits, least significant word first.
    ///
    /// # Panics
    ///
    /// If the port has at most 64 bits: read it with [`Model::get`].
    #[inline]
    pub fn words(&self, port: PortRef) -> &[u32] {
        let slot = &self.slots[port.0 as usize];
        if !matches!(slot.layout, Layout::Words) {
            self.too_narrow(port);
        }
        let len = slot.width.div_ceil(32) as usize;
        // SAFETY: the pointer is to a live `VlWide` of this many words (asserted in `shim.cpp`);
        // nothing writes it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(slot.memory.cast::<u32>().as_ptr(), len) }
    }

    /// Sets an input wider than 64 bits, least significant word first; bits above its width are
    /// dropped.
    ///
    /// # Panics
    ///
    /// If the port has at most 64 bits, is an output, or has another number of words.
    #[inline]
    pub fn set_words(&mut self, port: PortRef, words: &[u32]) {
        let slot = &self.slots[port.0 as usize];
        if !slot.writable {
            self.not_an_input(port);
        }
        if !matches!(slot.layout, Layout::Words) {
            self.too_narrow(port);
        }
        let len = slot.width.div_ceil(32) as usize;
        // SAFETY: as in `words`, and `self` is borrowed exclusively.
        let memory =
            unsafe { std::slice::from_raw_parts_mut(slot.memory.cast::<u32>().as_ptr(), len) };
        memory.copy_from_slice(words);
        memory[len - 1] &= slot.mask as u32;
    }

    /// Runs one clock cycle: a rising edge that sees the inputs as they are, then a falling edge.
    #[inline]
    pub fn cycle(&mut self) {
        self.cycles(1);
    }

    /// Runs `count` clock cycles with unchanged inputs, in one call.
    #[inline]
    pub fn cycles(&mut self, count: u64) {
        // SAFETY: the model is alive and borrowed exclusively.
        unsafe { (self.library.functions.cycles)(self.raw.as_ptr(), count) }
    }

    /// Settles the combinational logic after a change of inputs, without a clock edge.
    #[inline]
    pub fn eval(&mut self) {
        // SAFETY: the model is alive and borrowed exclusively.
        unsafe { (self.library.functions.eval)(self.raw.as_ptr()) }
    }

    /// Starts writing an FST waveform to `path`; one that is open already is closed first.
    ///
    /// A cycle takes 10 ns of simulated time, and its rising edge is at 5 ns.
    pub fn trace_open(&mut self, path: &Path) -> Result<(), Error> {
        if !self.library.traces {
            return Err(Error::NoTrace);
        }
        self.trace_close();
        let failed = || Error::TraceFile(path.to_path_buf());
        // The shim cannot be trusted to notice: the writer of FST files reports nothing.
        std::fs::File::create(path).map_err(|_| failed())?;
        let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| failed())?;
        // SAFETY: the model is alive and borrowed exclusively, and the path is a C string.
        match unsafe { (self.library.functions.trace_open)(self.raw.as_ptr(), c_path.as_ptr()) } {
            0 => Err(failed()),
            _ => Ok(()),
        }
    }

    /// Ends the waveform, if one is open.
    pub fn trace_close(&mut self) {
        // SAFETY: the model is alive and borrowed exclusively.
        unsafe { (self.library.functions.trace_close)(self.raw.as_ptr()) }
    }

    #[cold]
    fn too_wide(&self, port: PortRef) -> ! {
        let port = &self.library.ports[port.0 as usize];
        panic!(
            "port `{}` has {} bits: use `words` or `set_words`",
            port.name, port.width
        )
    }

    #[cold]
    fn too_narrow(&self, port: PortRef) -> ! {
        let port = &self.library.ports[port.0 as usize];
        panic!(
            "port `{}` has only {} bits: use `get` or `set`",
            port.name, port.width
        )
    }

    #[cold]
    fn not_an_input(&self, port: PortRef) -> ! {
        let name = &self.library.ports[port.0 as usize].name;
        if port.0 as usize == self.library.clock {
            panic!("`{name}` is driven by `Model::cycle`, not set");
        }
        panic!("port `{name}` is an output, which only the design drives")
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.trace_close();
        // SAFETY: the model is alive, and this is its last use.
        unsafe { (self.library.functions.free)(self.raw.as_ptr()) }
    }
}

impl Layout {
    /// The type that Verilator gives a port of this width.
    fn of(width: u32) -> Layout {
        match width {
            0..=8 => Layout::U8,
            9..=16 => Layout::U16,
            17..=32 => Layout::U32,
            33..=64 => Layout::U64,
            65.. => Layout::Words,
        }
    }
}

/// The bits that exist in the value, or in the last word of a wide one.
fn mask(width: u32) -> u64 {
    match width {
        0..=64 => u64::MAX >> (64 - width.clamp(1, 64)),
        65.. => u64::from(u32::MAX) >> ((32 - width % 32) % 32),
    }
}
