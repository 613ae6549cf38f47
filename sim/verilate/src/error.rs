//! What can go wrong on the way from Verilog to a model.

use std::path::PathBuf;

/// Why no model could be made, or why a port could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pinned Verilator is not installed.
    #[error(
        "no Verilator found in SYSTOLE_VERILATOR_ROOT or in a `.tools` folder at or above {searched}: run `cargo xtask setup`"
    )]
    NoVerilator {
        /// The folders from which the search walked upwards.
        searched: String,
    },
    /// `SYSTOLE_VERILATOR_ROOT` names a folder without a Verilator.
    #[error(
        "SYSTOLE_VERILATOR_ROOT is {root:?}, but {missing:?} does not exist: point it at the folder that holds `bin/` and `include/`, or unset it and run `cargo xtask setup`"
    )]
    BadVerilatorRoot {
        /// The value of the variable.
        root: PathBuf,
        /// The file that was looked for.
        missing: PathBuf,
    },
    /// The ports of the design could not be read from its text.
    #[error("module `{module}`: {reason}")]
    Header {
        /// The module whose header was parsed.
        module: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The design breaks a rule of this crate.
    #[error("design `{top}`: {reason}")]
    Design {
        /// The top module.
        top: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}; {hint}")]
    Start {
        /// The program.
        program: String,
        /// What to do about it.
        hint: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// Verilator rejected the Verilog.
    #[error("Verilator rejects design `{top}`:\n{messages}")]
    Verilator {
        /// The top module.
        top: String,
        /// Verilator's messages.
        messages: String,
    },
    /// The C++ compiler rejected the generated model.
    #[error("the C++ compiler fails on the model of `{top}` ({command}):\n{messages}")]
    Compiler {
        /// The top module.
        top: String,
        /// The command that failed.
        command: String,
        /// The compiler's messages.
        messages: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {path:?}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A shared object could not be loaded.
    #[error("cannot load the model library {name}: {source}")]
    Load {
        /// Path, or a description of embedded bytes.
        name: String,
        /// The cause.
        source: libloading::Error,
    },
    /// A shared object was made by another version of this crate.
    #[error(
        "the model library {name} has interface version {found}, this program needs {needed}: build it again"
    )]
    Abi {
        /// Path, or a description of embedded bytes.
        name: String,
        /// The version in the library.
        found: u32,
        /// The version of this crate.
        needed: u32,
    },
    /// No port has this name.
    #[error("the model has no port `{name}`; it has: {known}")]
    NoPort {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A waveform was asked of a model that was built without [`crate::Options::fst`].
    #[error("the model was built without waveforms: set `Options::fst` and build it again")]
    NoTrace,
    /// A waveform file could not be written.
    #[error("cannot write the waveform {0:?}: does its folder exist, and may it be written?")]
    TraceFile(PathBuf),
}

impl Error {
    /// An adapter for `map_err` on file operations.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io {
            action,
            path,
            source,
        }
    }
}
