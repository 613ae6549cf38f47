//! The chores of the Systole workspace. Run `cargo xtask help`.

mod array;
mod bitstream;
mod cocotb;
mod debian;
mod demo;
mod docs;
mod emit;
mod equiv;
mod netlist;
mod prove;
mod qemu;
mod run;
mod setup;
mod synth;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use isa::config::Datapaths;

use array::ArraySize;
use netlist::Netlist;
use synth::{Block, Design};

/// The chores of the Systole workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the pinned tools into `.tools`.
    Setup {
        /// Only report what is missing.
        #[arg(long)]
        check: bool,
    },
    /// Build everything, fetch a model and run it on the simulated card.
    Demo,
    /// Run every check: format, lints, documentation, tests.
    Test {
        /// Run the long tests too.
        #[arg(long)]
        full: bool,
        /// Run only the driver in a virtual machine, on a card behind the kernel's vfio-pci and an
        /// IOMMU.
        #[arg(long, conflicts_with = "filter")]
        qemu: bool,
        /// Start this kernel in the machine of --qemu: boot/vmlinuz-VERSION below FOLDER, with its
        /// modules in usr/lib/modules/VERSION.
        #[arg(long, value_name = "FOLDER", requires = "qemu")]
        kernel: Option<PathBuf>,
        /// Run only the PCI Express endpoint against a root complex that others wrote.
        #[arg(long, conflicts_with = "qemu")]
        cocotb: bool,
        /// What the random choices of --cocotb begin with.
        #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "cocotb")]
        seed: u64,
        /// Take only a small card to a bitstream, compare cells and clock with what was recorded,
        /// and the netlist with the RTL.
        #[arg(long, conflicts_with_all = ["qemu", "cocotb", "filter"])]
        fpga: bool,
        /// Run only the tests whose name contains this, and no other check.
        #[arg(long, value_name = "NAME")]
        filter: Option<String>,
    },
    /// Write the Verilog of the card.
    Emit {
        /// Rows and columns of the array.
        #[arg(long, default_value = "16x16", value_name = "ROWSxCOLS")]
        config: ArraySize,
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Synthesise the array or the card for ECP5 and count its cells.
    Synth {
        /// Rows and columns of the array.
        #[arg(long, default_value = "8x8", value_name = "ROWSxCOLS")]
        array: ArraySize,
        /// What to synthesise.
        #[arg(long, value_enum, default_value_t = Block::Array)]
        block: Block,
        /// What it can do beside dense int8: `dense`, `all`, or some of narrow, groups, two-four,
        /// blocks and packed, with commas between them.
        #[arg(long, value_name = "LIST", default_value = "all")]
        datapaths: Datapaths,
        /// Synthesise the array and the card in each mode, and tell what each costs beside dense.
        #[arg(long, conflicts_with_all = ["block", "datapaths"])]
        modes: bool,
        /// Record the areas of --modes instead of comparing them with those that are.
        #[arg(long, requires = "modes")]
        record: bool,
        /// Print the counts as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Take the card to the bitstream of a board.
    Bitstream(bitstream::Arguments),
    /// Synthesise the card for ECP5 and run the netlist beside the RTL: bits and cycles must be the
    /// same.
    Netlist {
        /// Rows and columns of the array.
        #[arg(long, default_value = "4x4", value_name = "ROWSxCOLS")]
        array: ArraySize,
        /// What it can do beside dense int8, as for `synth`.
        #[arg(long, value_name = "LIST", default_value = "all")]
        datapaths: Datapaths,
        /// Make multipliers of look-up tables: then Yosys has a model of all that multiplies.
        #[arg(long)]
        nodsp: bool,
        /// Print the comparison as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prove with SAT that modules of the synthesised card are those of the RTL.
    Equiv {
        /// Rows and columns of the array.
        #[arg(long, default_value = "4x4", value_name = "ROWSxCOLS")]
        array: ArraySize,
        /// What it can do beside dense int8, as for `synth`.
        #[arg(long, value_name = "LIST", default_value = "all")]
        datapaths: Datapaths,
        /// Only these modules; all of the card else.
        #[arg(long, value_name = "NAME")]
        module: Vec<String>,
        /// Seconds after which the proof of a module is given up.
        #[arg(long, value_name = "SECONDS", default_value_t = equiv::LIMIT_SECONDS)]
        limit: u64,
        /// Record the modules that are proved instead of comparing them with those that were.
        #[arg(long, conflicts_with = "module")]
        record: bool,
        /// Print the table as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prove properties of single blocks with the SAT engine of Yosys.
    Prove {
        /// Prove only the blocks whose name contains this.
        #[arg(long, value_name = "NAME")]
        filter: Option<String>,
        /// Show too that each proof fails on blocks with a mistake.
        #[arg(long)]
        mutants: bool,
        /// Print the results as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Pin the packages from Debian anew, from what the mirror has now.
    Lock,
    /// Write the reference pages that come from the contract.
    Docs {
        /// Only check that they are up to date.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    match command {
        Command::Setup { check: true } => setup::check(),
        Command::Setup { check: false } => setup::install(&setup::BASE),
        Command::Demo => demo::run(),
        Command::Test {
            full,
            qemu: true,
            kernel,
            ..
        } => qemu::run(full, kernel.as_deref()),
        Command::Test {
            cocotb: true,
            full,
            seed,
            filter,
            ..
        } => cocotb::run(&cocotb::Plan {
            full,
            seed,
            filter: filter.as_deref(),
        }),
        Command::Test {
            fpga: true, full, ..
        } => test::fpga(full),
        Command::Test { full, filter, .. } => test::run(full, filter.as_deref()),
        Command::Emit { config, out } => emit::card(config, &out),
        Command::Synth {
            array,
            modes: true,
            record,
            json,
            ..
        } => synth::modes(array, json, record),
        Command::Synth {
            array,
            block,
            datapaths,
            json,
            ..
        } => synth::run(
            &Design {
                block,
                size: array,
                datapaths,
            },
            json,
        ),
        Command::Bitstream(arguments) => bitstream::run(&arguments),
        Command::Netlist {
            array,
            datapaths,
            nodsp,
            json,
        } => netlist::run(&Netlist::card(array, datapaths, nodsp), json),
        Command::Equiv {
            array,
            datapaths,
            module,
            limit,
            record,
            json,
        } => equiv::run(&equiv::Plan {
            size: array,
            datapaths,
            modules: &module,
            limit: Duration::from_secs(limit),
            record,
            json,
        }),
        Command::Prove {
            filter,
            mutants,
            json,
        } => prove::run(
            &prove::Choice {
                filter: filter.as_deref(),
                quick: false,
                mutants,
            },
            json,
        ),
        Command::Lock => debian::update(),
        Command::Docs { check } => docs::run(check),
    }
}
