//! Runs the same work on the RTL of a card and on its netlist, behind the same driver and the same
//! memory, and prints whether bits and cycles are the same. `cargo xtask netlist` starts it.

mod cards;
#[path = "../../../driver/tests/encoded/mod.rs"]
mod encoded;
mod model;
mod products;
mod table;
#[path = "../../../driver/tests/tiny/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod tiny;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use isa::config::{Config, Datapaths};
use systole_tests::netlist;

use cards::Cards;
use table::Table;

/// Compares a netlist with the RTL it was made of.
#[derive(Parser)]
struct Arguments {
    /// The netlist of the card.
    #[arg(long, value_name = "FILE")]
    netlist: PathBuf,
    /// Yosys's models of the cells of an ECP5.
    #[arg(long, value_name = "DIR")]
    cells: PathBuf,
    /// Rows of its array.
    #[arg(long)]
    rows: u32,
    /// Columns of its array.
    #[arg(long)]
    columns: u32,
    /// Its datapaths.
    #[arg(long, value_name = "LIST")]
    datapaths: Datapaths,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let config = Config {
        datapaths: arguments.datapaths,
        ..Config::with_array(arguments.rows, arguments.columns)
    };
    let text = fs::read_to_string(&arguments.netlist)
        .map_err(|error| format!("cannot read {}: {error}", arguments.netlist.display()))?;
    let cells = netlist::cells(&arguments.cells)?;
    eprintln!("preparing both models; that of the netlist takes minutes the first time");
    let cards = Cards {
        rtl: sim::library::for_config(&config, false)?,
        netlist: sim::library::for_netlist(cells + &text)?,
        config,
    };
    let mut table = Table::default();
    products::compare(&cards, &mut table)?;
    model::compare(&cards, &mut table)?;
    match arguments.json {
        true => println!("{}", table.json(&config)),
        false => print!("{table}"),
    }
    Ok(table.is_equal())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("the netlist is not the machine that the RTL is");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
