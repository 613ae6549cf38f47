//! From Verilog and shim to one shared object.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::shim::PREFIX;
use crate::{Design, Error, Verilator, cache};

/// What Verilator is asked for, beside the names of files.
const VERILATOR_FLAGS: &[&str] = &[
    "--cc",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "--no-timing",
    "--timescale-override",
    "1ns/1ns",
    "-Wno-fatal",
];

/// What ends Verilator beside errors: `$fatal` of a module that refuses its parameters. It decides
/// whether there is code, not what code, and so is no part of the key.
const REFUSALS: &[&str] = &["-Werror-USERFATAL"];

/// Bytes of Verilog from which a design counts as large, as netlists are: a cell a bit makes so much
/// C++ that it is compiled in pieces and with little optimisation, else that would take longer than
/// the model runs. No card in RTL has a tenth of it.
const LARGE: usize = 4 << 20;

/// What Verilator is asked for beside the rest when a design is large.
const LARGE_FLAGS: &[&str] = &["--no-decoration", "--output-split", "40000"];

/// How the classes of a large design are compiled.
const LARGE_OPTIMISATION: &[&str] = &["-O1"];

/// What every C++ file is compiled with. Hidden symbols keep two loaded models apart.
const CXX_FLAGS: &[&str] = &[
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-w",
];

/// The C++ runtime goes into the shared object, so that it loads on machines without one.
const LINK_FLAGS: &[&str] = &[
    "-shared",
    "-static-libstdc++",
    "-static-libgcc",
    "-Wl,-Bsymbolic",
    "-Wl,--exclude-libs,ALL",
    "-pthread",
];

/// Headers and archives of the compression that waveforms use, from the build script.
const FST_INCLUDES: [&str; 2] = [env!("ZLIB_INCLUDE"), env!("LZ4_INCLUDE")];
const FST_ARCHIVES: [&str; 2] = [env!("ZLIB_ARCHIVE"), env!("LZ4_ARCHIVE")];

/// How classes are compiled that run once.
const SLOW_OPTIMISATION: &[&str] = &["-O0"];

/// Stands before the classes that run in every cycle. The runtime extends a sign with three
/// operations that compilers do not recognise; two shifts become one move, and an array of
/// multipliers extends three signs an element: a sixth of the time of a 16x16 card.
const FAST_PROLOGUE: &str = r#"#include "verilated.h"
template <int From> static inline IData extend_sign(IData value) {
    return static_cast<IData>(static_cast<int32_t>(value << (32 - From)) >> (32 - From));
}
#define VL_EXTENDS_II(to, from, value) extend_sign<from>(value)
"#;

/// How a model is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Whether the model can write FST waveforms, which costs some speed.
    pub fst: bool,
    /// Whether the model is compiled for this very processor, with full optimisation.
    pub native: bool,
}

impl Options {
    fn optimisation(&self) -> &'static [&'static str] {
        if self.native {
            &["-O3", "-march=native"]
        } else {
            &["-O2"]
        }
    }
}

/// The programs and flags of one build; everything that decides its result is in [`Self::key`].
pub(crate) struct Compiler<'a> {
    verilator: &'a Verilator,
    options: &'a Options,
    cxx: String,
    key: String,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(verilator: &'a Verilator, options: &'a Options) -> Result<Self, Error> {
        let cxx = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
        let version = start(Command::new(&cxx).arg("--version"))?.stdout;
        let mut key = vec![
            verilator.version()?,
            String::from_utf8_lossy(&version).into_owned(),
            format!("{options:?} {VERILATOR_FLAGS:?} {CXX_FLAGS:?} {LINK_FLAGS:?}"),
            format!("{:?} {SLOW_OPTIMISATION:?}", options.optimisation()),
            FAST_PROLOGUE.into(),
        ];
        if options.native {
            key.push(processor());
        }
        Ok(Compiler {
            verilator,
            options,
            cxx,
            key: key.join("\n"),
        })
    }

    /// Text that differs between two builds of a design that may differ.
    pub(crate) fn key(&self, design: &Design) -> String {
        match is_large(design) {
            true => format!("{} {LARGE_FLAGS:?} {LARGE_OPTIMISATION:?}", self.key),
            false => self.key.clone(),
        }
    }

    /// Runs Verilator and the C++ compiler in `work`; gives the path of the shared object.
    pub(crate) fn shared_object(
        &self,
        design: &Design,
        shim: &str,
        cache_dir: &Path,
        work: &Path,
    ) -> Result<PathBuf, Error> {
        let classes = self.verilate(design, work)?;
        // The slow classes run once, at creation or when a waveform opens. Optimising them makes no
        // cycle faster, and on a traced 16x16 array it takes minutes instead of seconds.
        let (slow, fast): (Vec<PathBuf>, Vec<PathBuf>) = sources(&classes, work)
            .into_iter()
            .partition(|path| path.to_string_lossy().ends_with("__Slow.cpp"));
        let mut units = vec![(unit(work, "slow", "", &slow, "")?, SLOW_OPTIMISATION)];
        if is_large(design) {
            for (at, piece) in fast.iter().enumerate() {
                let piece = slice::from_ref(piece);
                let unit = unit(work, &format!("fast_{at}"), FAST_PROLOGUE, piece, "")?;
                units.push((unit, LARGE_OPTIMISATION));
            }
            let model = format!("#include \"{PREFIX}.h\"\n");
            let shim = unit(work, "shim", &model, &[], shim)?;
            units.push((shim, LARGE_OPTIMISATION));
        } else {
            let fast = unit(work, "fast", FAST_PROLOGUE, &fast, shim)?;
            units.push((fast, self.options.optimisation()));
        }
        let mut objects = self.compile_all(design, &units, work)?;
        for name in words_of(&classes, &["VM_GLOBAL_FAST", "VM_GLOBAL_SLOW"]) {
            objects.push(self.runtime(design, &name, cache_dir)?);
        }
        let output = work.join("model.so");
        let mut link = Command::new(&self.cxx);
        link.args(LINK_FLAGS).arg("-o").arg(&output).args(&objects);
        if self.options.fst {
            link.args(FST_ARCHIVES);
        }
        self.check(design, link)?;
        Ok(output)
    }

    /// The objects of these files, some at the same time.
    fn compile_all(
        &self,
        design: &Design,
        units: &[(PathBuf, &[&str])],
        work: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let next = AtomicUsize::new(0);
        let compile = || {
            let mut objects = Vec::new();
            while let Some((source, optimisation)) = units.get(next.fetch_add(1, Ordering::Relaxed))
            {
                objects.push(self.compile(design, source, optimisation, work)?);
            }
            Ok(objects)
        };
        let threads = thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.min(units.len()))
                .map(|_| scope.spawn(compile))
                .collect();
            let mut objects = Vec::new();
            for thread in threads {
                objects.extend(thread.join().expect("a compile thread does not panic")?);
            }
            Ok(objects)
        })
    }

    /// Runs Verilator; gives the text of its list of classes.
    fn verilate(&self, design: &Design, work: &Path) -> Result<String, Error> {
        let input = work.join("design.v");
        fs::write(&input, &design.verilog).map_err(Error::io("write", &input))?;
        let mut command = self.verilator.command();
        command
            .args(VERILATOR_FLAGS)
            .args(REFUSALS)
            .args(["--prefix", PREFIX, "--top-module", &design.top])
            .arg("--Mdir")
            .arg(work);
        if self.options.fst {
            command.arg("--trace-fst");
        }
        if is_large(design) {
            command.args(LARGE_FLAGS);
        }
        let output = self.verilator.run({
            command.arg(&input);
            command
        })?;
        if !output.status.success() {
            return Err(Error::Verilator {
                top: design.top.clone(),
                messages: errors_only(&String::from_utf8_lossy(&output.stderr)),
            });
        }
        let list = work.join(format!("{PREFIX}_classes.mk"));
        fs::read_to_string(&list).map_err(Error::io("read", list))
    }

    /// The object of one file of Verilator's runtime, compiled once per cache.
    fn runtime(&self, design: &Design, name: &str, cache_dir: &Path) -> Result<PathBuf, Error> {
        let hash = cache::hash(&[name, &self.key]);
        cache::get_or_make(cache_dir, &format!("{name}-{hash}.o"), |work| {
            let source = self.verilator.include().join(format!("{name}.cpp"));
            self.compile(design, &source, self.options.optimisation(), work)
        })
    }

    fn compile(
        &self,
        design: &Design,
        source: &Path,
        optimisation: &[&str],
        work: &Path,
    ) -> Result<PathBuf, Error> {
        let object = work
            .join(source.file_name().unwrap_or_default())
            .with_extension("o");
        let include = self.verilator.include();
        let mut command = Command::new(&self.cxx);
        command
            .args(CXX_FLAGS)
            .args(optimisation)
            .args(["-DVM_SC=0", "-DVM_COVERAGE=0", "-DVM_TIMING=0"])
            .arg(format!("-DVM_TRACE={}", u8::from(self.options.fst)))
            .arg(format!("-DVM_TRACE_FST={}", u8::from(self.options.fst)))
            .args(["-DVM_TRACE_VCD=0", "-DVM_TRACE_SAIF=0"])
            .arg("-I")
            .arg(work)
            .arg("-I")
            .arg(&include)
            .arg("-I")
            .arg(include.join("vltstd"))
            .args(FST_INCLUDES.map(|folder| format!("-I{folder}")))
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object);
        self.check(design, command)?;
        Ok(object)
    }

    fn check(&self, design: &Design, mut command: Command) -> Result<(), Error> {
        let output = start(&mut command)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Compiler {
            top: design.top.clone(),
            command: format!("{command:?}"),
            messages: errors_only(&String::from_utf8_lossy(&output.stderr)),
        })
    }
}

/// Writes one C++ file that begins with `prologue`, includes `sources` and ends with `tail`, so
/// that calls are inlined.
fn unit(
    work: &Path,
    name: &str,
    prologue: &str,
    sources: &[PathBuf],
    tail: &str,
) -> Result<PathBuf, Error> {
    let mut text = prologue.to_string();
    for source in sources {
        text += &format!("#include \"{}\"\n", source.display());
    }
    text += tail;
    let path = work.join(format!("{name}.cpp"));
    fs::write(&path, text).map_err(Error::io("write", &path))?;
    Ok(path)
}

fn is_large(design: &Design) -> bool {
    design.verilog.len() >= LARGE
}

/// The generated C++ files, as Verilator's list names them.
fn sources(classes: &str, work: &Path) -> Vec<PathBuf> {
    let lists = [
        "VM_CLASSES_FAST",
        "VM_CLASSES_SLOW",
        "VM_SUPPORT_FAST",
        "VM_SUPPORT_SLOW",
    ];
    words_of(classes, &lists)
        .map(|name| work.join(format!("{name}.cpp")))
        .collect()
}

/// The words in the lists `names` of a makefile of the form `NAME += \`, one word a line.
fn words_of(makefile: &str, names: &[&str]) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    for name in names {
        let mut lines = makefile.lines();
        if lines.any(|line| line.starts_with(&format!("{name} +="))) {
            words.extend(
                lines
                    .map(|line| line.trim_end_matches('\\').trim())
                    .take_while(|word| !word.is_empty())
                    .map(str::to_string),
            );
        }
    }
    words.into_iter()
}

/// The part of a tool's output that says what failed, without the reports around it.
fn errors_only(stderr: &str) -> String {
    let kept = stderr
        .lines()
        .skip_while(|line| !line.contains("%Error") && !line.contains("error"))
        .take(40)
        .collect::<Vec<_>>()
        .join("\n");
    if kept.is_empty() {
        stderr.trim().to_string()
    } else {
        kept
    }
}

/// What decides the code of a model with [`Options::native`]: it runs only where this text is the
/// same.
pub fn processor() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("flags") || line.starts_with("model name"))
        .take(2)
        .collect::<Vec<_>>()
        .join("\n")
}

fn start(command: &mut Command) -> Result<std::process::Output, Error> {
    command.output().map_err(|source| Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        hint: "install a C++ compiler (g++), or name one in CXX",
        source,
    })
}
