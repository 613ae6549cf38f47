//! Writes the Verilog of a card, or of a block of it: one file for each kind of module.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hdl::array::{Kind, Mesh};
use hdl::emit::{Emitted, emit};
use hdl::{LinkConfig, SerialConfig};
use isa::config::{Config, Datapaths};
use isa::regs::LINK_TIMEOUT_RESET;
use isa::serial::DEFAULT_BAUD;

/// What can be written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Block {
    /// The whole card with its bus wrapper.
    Card,
    /// The whole card behind a PCIe endpoint, with its bus wrapper.
    Pcie,
    /// The whole card behind a serial link of bytes, with its bus wrapper.
    Serial,
    /// What stands between the bytes of a serial link and its wires.
    Uart,
    /// The systolic array alone.
    Array,
    /// The PCI Express endpoint alone, with whole buses.
    Endpoint,
}

/// Writes Verilog: one file a module in DIR, and DIR/NAME.v with all of them.
#[derive(Debug, Parser)]
#[command(name = "emit")]
struct Arguments {
    /// Rows and columns of the array, each 4, 8, 16 or 32.
    #[arg(long, default_value = "16x16", value_name = "ROWSxCOLS")]
    config: String,
    /// Bytes of the memory port, 16 or 32.
    #[arg(long, default_value_t = 16)]
    port_bytes: u32,
    /// What the array can do beside dense int8: `dense`, `all`, or some of narrow, groups,
    /// two-four, blocks and packed, with commas between them.
    #[arg(long, value_name = "LIST", default_value = "all")]
    datapaths: Datapaths,
    /// Doublewords of a beat of the PCIe link, 2 or 4.
    #[arg(long, alias = "link-words", default_value_t = 2)]
    words: usize,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Block::Card)]
    block: Block,
    /// Tags of PCIe reads without an answer rest as if no timeout had been shorter than this.
    #[arg(long, value_name = "CYCLES", default_value_t = LINK_TIMEOUT_RESET)]
    rest_timeout: u32,
    /// Cycles after which a serial card sends anew what the host does not acknowledge.
    #[arg(long, value_name = "CYCLES", default_value_t = SerialConfig::default().resend_cycles)]
    resend: u32,
    /// Cycles a second, for a UART.
    #[arg(long, value_name = "HZ", default_value_t = 100_000_000)]
    clock: u32,
    /// Bits a second of a UART.
    #[arg(long, value_name = "BITS", default_value_t = DEFAULT_BAUD)]
    baud: u32,
    /// Queue pairs, 1, 2, 4 or 8.
    #[arg(long)]
    queues: Option<u32>,
    /// Folder for the files; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn shape(arguments: &Arguments) -> Result<Config, String> {
    let sides = arguments
        .config
        .split_once('x')
        .and_then(|(rows, cols)| Some((rows.parse::<u32>().ok()?, cols.parse::<u32>().ok()?)));
    let Some((rows, cols)) = sides.filter(|(rows, cols)| *rows > 0 && *cols > 0) else {
        return Err(format!(
            "`{}` is no array size: write it like 16x16",
            arguments.config
        ));
    };
    let mut config = Config {
        port_bytes: arguments.port_bytes,
        datapaths: arguments.datapaths,
        ..Config::with_array(rows, cols)
    };
    config.queues = arguments.queues.unwrap_or(config.queues);
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

fn endpoint(config: &Config, words: usize, rest_timeout: u32) -> Result<Emitted, String> {
    if words != 2 && words != 4 {
        return Err(format!("{words} doublewords a beat: choose 2 or 4"));
    }
    let memory = u64::from(config.card_memory_mib) << 20;
    hdl::emit_endpoint(
        words,
        config.port_bytes as usize,
        config.queues as usize,
        (memory > 0).then(|| memory.ilog2()),
        rest_timeout,
    )
    .map_err(|error| error.to_string())
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let config = shape(arguments)?;
    let emitted: Emitted = match arguments.block {
        Block::Card => hdl::emit_card(&config).map_err(|error| error.to_string())?,
        Block::Pcie => {
            let link = LinkConfig {
                words: arguments.words,
                rest_timeout: arguments.rest_timeout,
            };
            hdl::emit_pcie_card(&config, &link).map_err(|error| error.to_string())?
        }
        Block::Serial => {
            let link = SerialConfig {
                resend_cycles: arguments.resend,
            };
            hdl::emit_serial_card(&config, &link).map_err(|error| error.to_string())?
        }
        Block::Uart => {
            hdl::emit_uart(arguments.clock, arguments.baud).map_err(|error| error.to_string())?
        }
        Block::Array => emit(
            &Mesh::new(
                config.rows as usize,
                config.cols as usize,
                Kind::of(&config.datapaths),
            ),
            "array",
        )
        .map_err(|error| error.to_string())?,
        Block::Endpoint => endpoint(&config, arguments.words, arguments.rest_timeout)?,
    };
    let write = |name: &str, text: &str| {
        let path = arguments.out.join(format!("{name}.v"));
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    let modules = arguments.out.join("modules");
    fs::create_dir_all(&modules)
        .map_err(|error| format!("cannot make {}: {error}", modules.display()))?;
    for (name, text) in &emitted.modules {
        write(&format!("modules/{name}"), text)?;
    }
    write(&emitted.top, &emitted.verilog())?;
    println!(
        "{} kinds of module in {}, all together in {}",
        emitted.modules.len(),
        modules.display(),
        arguments.out.join(format!("{}.v", emitted.top)).display()
    );
    Ok(())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("emit: {message}");
            ExitCode::FAILURE
        }
    }
}
