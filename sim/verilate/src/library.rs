//! A loaded model library.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::design::CLOCK;
use crate::{Dir, Error, Model, Port, shim};

/// A model as the shim knows it.
#[repr(C)]
pub(crate) struct RawModel {
    _opaque: [u8; 0],
}

/// A line of the shim's port table.
#[repr(C)]
struct RawPort {
    name: *const c_char,
    width: u32,
    writable: u32,
}

/// The functions of the shim, as `shim.cpp` declares them.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub(crate) new: unsafe extern "C" fn(*mut *mut c_void) -> *mut RawModel,
    pub(crate) free: unsafe extern "C" fn(*mut RawModel),
    pub(crate) eval: unsafe extern "C" fn(*mut RawModel),
    pub(crate) cycles: unsafe extern "C" fn(*mut RawModel, u64),
    pub(crate) trace_open: unsafe extern "C" fn(*mut RawModel, *const c_char) -> u32,
    pub(crate) trace_close: unsafe extern "C" fn(*mut RawModel),
}

/// What a loaded library offers; `_code` keeps the functions in memory.
pub(crate) struct Inner {
    pub(crate) functions: Functions,
    pub(crate) ports: Vec<Port>,
    pub(crate) clock: usize,
    pub(crate) traces: bool,
    _code: libloading::Library,
}

/// A loaded model library, from which any number of models can be made. Clones share it.
#[derive(Clone)]
pub struct Library {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("ports", &self.inner.ports)
            .finish_non_exhaustive()
    }
}

impl Library {
    /// Loads the shared object at `path`.
    ///
    /// # Safety
    ///
    /// The file must be one that [`crate::so_path`] or [`crate::build`] made, unchanged.
    pub unsafe fn open(path: &Path) -> Result<Library, Error> {
        let name = path.display().to_string();
        // SAFETY: the caller promises a library of this crate, whose initialisers are those of the
        // C++ runtime and have no preconditions.
        let code = unsafe { libloading::Library::new(path) }.map_err(|source| Error::Load {
            name: name.clone(),
            source,
        })?;
        // SAFETY: the caller's promise covers the symbols.
        unsafe { Inner::new(code, name) }.map(|inner| Library {
            inner: Arc::new(inner),
        })
    }

    /// Loads a shared object from memory, as `include_bytes!` gives it.
    ///
    /// The same bytes are loaded once for the life of the process, and no file is written.
    ///
    /// # Safety
    ///
    /// The bytes must be those of a file that [`crate::so_path`] made, unchanged.
    pub unsafe fn from_bytes(bytes: &[u8]) -> Result<Library, Error> {
        // The dynamic loader tells libraries apart by name, and here the name is the number of a
        // descriptor. So a descriptor stays open, for ever, and each content gets only one.
        type Loaded = HashMap<Vec<u8>, (Library, OwnedFd)>;
        static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(|e| e.into_inner());
        let loaded = loaded.get_or_insert_default();
        let hash = Sha256::digest(bytes).to_vec();
        if let Some((library, _)) = loaded.get(&hash) {
            return Ok(library.clone());
        }
        let file = memory_file(bytes)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: the caller promises the content, and nobody else has the descriptor.
        let library = unsafe { Library::open(path.as_ref()) }?;
        loaded.insert(hash, (library.clone(), file));
        Ok(library)
    }

    /// The ports of the design, in the order of the header.
    pub fn ports(&self) -> &[Port] {
        &self.inner.ports
    }

    /// Makes a model, with its clock low and its initial state settled.
    pub fn instantiate(&self) -> Model {
        Model::new(self.inner.clone())
    }
}

impl Inner {
    /// # Safety
    ///
    /// `code` must be a library that this crate made.
    unsafe fn new(code: libloading::Library, name: String) -> Result<Inner, Error> {
        /// The function `symbol` of the library.
        ///
        /// # Safety
        ///
        /// The symbol must have the type `T`.
        unsafe fn get<T: Copy>(
            code: &libloading::Library,
            name: &str,
            symbol: &CStr,
        ) -> Result<T, Error> {
            // SAFETY: the caller promises the type.
            unsafe { code.get::<T>(symbol) }
                .map(|symbol| *symbol)
                .map_err(|source| Error::Load {
                    name: name.to_string(),
                    source,
                })
        }
        type Number = unsafe extern "C" fn() -> u32;
        type Ports = unsafe extern "C" fn(*mut u32) -> *const RawPort;
        // SAFETY: `shim.cpp` declares the functions with these types; the version is asked first,
        // and its own type never changes.
        unsafe {
            let found = get::<Number>(&code, &name, c"systole_abi")?();
            if found != shim::ABI {
                return Err(Error::Abi {
                    name,
                    found,
                    needed: shim::ABI,
                });
            }
            let functions = Functions {
                new: get(&code, &name, c"systole_new")?,
                free: get(&code, &name, c"systole_free")?,
                eval: get(&code, &name, c"systole_eval")?,
                cycles: get(&code, &name, c"systole_cycles")?,
                trace_open: get(&code, &name, c"systole_trace_open")?,
                trace_close: get(&code, &name, c"systole_trace_close")?,
            };
            let traces = get::<Number>(&code, &name, c"systole_traces")?() != 0;
            let mut count = 0;
            let table = get::<Ports>(&code, &name, c"systole_ports")?(&raw mut count);
            let ports: Vec<Port> = std::slice::from_raw_parts(table, count as usize)
                .iter()
                .map(Port::from_raw)
                .collect();
            let clock = ports
                .iter()
                .position(|p| p.name == CLOCK)
                .expect("a built design has a clock");
            Ok(Inner {
                functions,
                ports,
                clock,
                traces,
                _code: code,
            })
        }
    }
}

impl Port {
    fn from_raw(raw: &RawPort) -> Port {
        // SAFETY: the name is a string literal of the shim.
        let name = unsafe { CStr::from_ptr(raw.name) };
        Port {
            name: name.to_string_lossy().into_owned(),
            width: raw.width,
            dir: if raw.writable != 0 { Dir::In } else { Dir::Out },
        }
    }
}

/// A file in memory with this content.
fn memory_file(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let failed = Error::io("create in memory", "systole-model.so");
    // SAFETY: the name is a valid C string, and the call has no other precondition.
    let fd = unsafe { libc::memfd_create(c"systole-model.so".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(failed(std::io::Error::last_os_error()));
    }
    // SAFETY: the call above made the descriptor, and nobody else owns it.
    let mut file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(bytes).map_err(failed)?;
    Ok(file.into())
}
