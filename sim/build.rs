//! Builds the models of the default card, alone and behind PCIe, which the library embeds.
//!
//! Without Verilator the library still builds: the model is then made when a card is opened, and
//! what is missing is said there.

use std::error::Error;
use std::path::{Path, PathBuf};

use isa::config::Config;

#[path = "src/cache.rs"]
mod cache;
#[path = "src/rtl.rs"]
mod rtl;

fn main() -> Result<(), Box<dyn Error>> {
    for variable in [
        "SYSTOLE_VERILATOR_ROOT",
        "SYSTOLE_CACHE",
        "XDG_CACHE_HOME",
        "CXX",
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    for file in ["build.rs", "src/cache.rs", "src/rtl.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("processor.txt"), verilate::processor())?;
    let link: Emit = |config| rtl::emit_link(config, rtl::DEFAULT_WORDS);
    for (name, emit) in [("card.so", rtl::emit as Emit), ("link.so", link)] {
        let target = out.join(name);
        match model(emit) {
            Ok(model) => {
                std::fs::copy(model, target)?;
            }
            Err(error) => {
                // A file that is not there makes Cargo run this script again next time.
                println!("cargo::rerun-if-changed=../.tools/model-is-missing");
                println!("cargo::warning=the default card is not embedded: {error}");
                std::fs::write(target, [])?;
            }
        }
    }
    Ok(())
}

/// Gives the Verilog of a card.
type Emit = fn(&Config) -> Result<rtl::Rtl, String>;

/// The shared object of the default card, from the cache if it is there.
fn model(emit: Emit) -> Result<PathBuf, Box<dyn Error>> {
    // Verilator first: elaboration takes a while, and would be for nothing.
    verilate::Verilator::find()?;
    let rtl = emit(&Config::default())?;
    let design = verilate::Design::from_verilog(rtl.top, rtl.verilog)?;
    let options = verilate::Options {
        fst: false,
        native: true,
    };
    let folder = cache::cache_folder()
        .unwrap_or_else(|| Path::new(&std::env::var_os("OUT_DIR").unwrap_or_default()).into());
    Ok(verilate::so_path(&design, &options, &folder)?)
}
