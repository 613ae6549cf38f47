//! From the card to the bitstream of a board.

mod record;
mod tools;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use fpga::boards::{Board, TOP};
use fpga::flow::{Plan, build};
use fpga::pictures;
use isa::config::Datapaths;

use crate::array::ArraySize;
use crate::emit;
use crate::run::target_dir;
use record::Record;
use tools::{Source, tools};

/// What to build.
#[derive(Args)]
pub struct Arguments {
    /// The board: ulx3s-85f, artix7-200t, or acorn-cle215, whose bitstream the tools cannot make yet.
    #[arg(long)]
    board: Board,
    /// Rows and columns of the array.
    #[arg(long, default_value = "8x8", value_name = "ROWSxCOLS")]
    array: ArraySize,
    /// What the card can do beside dense int8: `dense`, `all`, or some of narrow, groups, two-four,
    /// blocks and packed, with commas between them.
    #[arg(long, value_name = "LIST", default_value_t = Datapaths::DENSE_PACKED)]
    datapaths: Datapaths,
    /// Place and route with so many seeds, as many at once as there are cores, and keep the best.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// The clock of the card, 80 MHz unless its link gives it one; the PLL gives the fastest that is
    /// not above it.
    #[arg(long, value_name = "MHZ")]
    freq: Option<f64>,
    /// Where place and route for ECP5 comes from.
    #[arg(long, value_enum, default_value_t = Source::Wheels)]
    tools: Source,
    /// Fail when the design has grown or slowed since it was recorded in fpga/record.json.
    #[arg(long)]
    check: bool,
    /// Record cells and clock of the design.
    #[arg(long, conflicts_with = "check")]
    record: bool,
    /// Neither name cells after their modules nor draw pictures of them: synthesis takes half the
    /// time.
    #[arg(long)]
    plain: bool,
    /// Give slow paths of an ECP5 no more weight than the placer does by itself: place and route
    /// take half the time and reach a slower clock.
    #[arg(long)]
    quick: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Where bitstream, report, pictures, logs and all between are written.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The clock for which the design that CI builds is placed and routed.
const CHECKED_MHZ: f64 = 40.0;

impl Arguments {
    /// A card for the ULX3S that is compared with what was recorded.
    pub fn checked(array: ArraySize) -> Self {
        Self {
            board: Board::Ulx3s85f,
            array,
            datapaths: Datapaths::DENSE_PACKED,
            seeds: 1,
            freq: Some(CHECKED_MHZ),
            tools: Source::Wheels,
            check: true,
            record: false,
            plain: true,
            quick: true,
            json: false,
            out: None,
        }
    }
}

/// Builds a bitstream and prints what it is.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments {
        board,
        array,
        datapaths,
        ..
    } = arguments;
    let recorded = Record::read()?;
    let quick = if arguments.quick { " quick" } else { "" };
    let name = format!("{array} {datapaths}{quick}");
    let folder = arguments.out.clone().unwrap_or_else(|| {
        let name = format!("{board} {name}").replace([' ', ','], "-");
        target_dir().join("bitstream").join(name)
    });
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Some tools see no path through a symbolic link.
    let folder = fs::canonicalize(&folder)
        .with_context(|| format!("cannot resolve {}", folder.display()))?;
    let tools = tools(*board, arguments.tools)?;
    let mhz = arguments.freq.unwrap_or(board.card_mhz());
    emit::top(*board, *array, datapaths, mhz, &folder)?;
    let plan = Plan {
        board: *board,
        design: name,
        top: TOP.into(),
        mhz,
        seeds: arguments.seeds,
        named: !arguments.plain,
        quick: arguments.quick,
        folder,
    };
    let start = Instant::now();
    let progress = |line: &str| eprintln!("[{:>5.0} s] {line}", start.elapsed().as_secs_f64());
    let report = build(&plan, &tools, &progress)?;
    let write = |name: &str, text: &str| {
        let path = plan.folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("report.json", &format!("{:#}\n", report.json()))?;
    if plan.named {
        let path = plan.placed();
        let placed =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let placed = pictures::Placed::read(&placed)?;
        write("floorplan.svg", &pictures::floorplan(&placed))?;
        write("modules.svg", &pictures::modules(&placed))?;
    }
    match arguments.json {
        true => println!("{}", report.json()),
        false => println!("{report}  {}", plan.bitstream().display()),
    }
    if arguments.record {
        return recorded.with(&report).write();
    }
    match arguments.check {
        true => recorded.check(&report),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use fpga::flow::{FlowError, yosys};

    use super::*;

    /// Boards whose bitstreams the tools can make.
    const WHOLE: [Board; 2] = [Board::Ulx3s85f, Board::Artix7200t];

    /// A counter, a product and a memory behind the pins that these boards have.
    fn small(clock: &str) -> String {
        format!(
            "module {TOP} (input wire {clock}, output wire [7:0] led);
               reg [23:0] count = 0;
               reg [17:0] product = 0;
               reg [15:0] memory [0:1023];
               reg [15:0] read = 0;
               always @(posedge {clock}) begin
                 count <= count + 1;
                 product <= {{9'd0, count[8:0]}} * {{9'd0, count[17:9]}};
                 memory[count[9:0]] <= product[15:0];
                 read <= memory[count[13:4]];
               end
               assign led = read[15:8] ^ read[7:0] ^ {{6'd0, product[17:16]}};
             endmodule\n"
        )
    }

    fn built(board: Board, verilog: &str, mhz: f64) -> Result<fpga::flow::Report> {
        let temporary = tempfile::tempdir()?;
        let folder = fs::canonicalize(temporary.path())?;
        fs::write(folder.join(format!("{TOP}.v")), verilog)?;
        let plan = Plan {
            board,
            design: "small".into(),
            top: TOP.into(),
            mhz,
            seeds: 2,
            named: true,
            quick: false,
            folder,
        };
        let report = build(&plan, &tools(board, Source::Wheels)?, &|line| {
            eprintln!("{line}")
        })?;
        let placed = pictures::Placed::read(&fs::read_to_string(plan.placed())?)?;
        assert!(pictures::modules(&placed).contains("BRAM: 1"));
        Ok(report)
    }

    /// Fetches tools and runs for minutes, so it belongs to the long tier.
    #[test]
    fn small_designs_become_bitstreams() {
        if std::env::var_os("SYSTOLE_FULL").is_none() {
            return;
        }
        for board in WHOLE {
            let clock = board.clock().port;
            let report = built(board, &small(clock), 25.0).unwrap();
            assert!(report.clocks.iter().all(|clock| clock.met()), "{report}");
            assert_eq!(report.seeds.len(), 2);
            assert!(report.bytes > 100_000, "{report}");

            let nowhere = small(clock).replace("led", "lamp");
            let error = built(board, &nowhere, 25.0).unwrap_err();
            let error = error.downcast::<FlowError>().unwrap();
            assert!(matches!(error, FlowError::Ports(_)), "{error}");

            let latched = small(clock).replace(
                "endmodule",
                "reg kept; always @* if (count[0]) kept = count[1]; assign led[7] = kept; endmodule",
            );
            let error = built(board, &latched, 25.0).unwrap_err();
            let error = error.downcast::<FlowError>().unwrap();
            assert!(matches!(error, FlowError::Latches(_)), "{error}");
        }
    }

    /// Synthesis takes the whole top with the hard block of PCI Express, place and route does not,
    /// and the error says so. Runs for many minutes, so it belongs to the long tier.
    #[test]
    fn a_pcie_top_goes_as_far_as_the_tools() {
        if std::env::var_os("SYSTOLE_FULL").is_none() {
            return;
        }
        let board = Board::AcornCle215;
        let temporary = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(temporary.path()).unwrap();
        let array = "4x4".parse().unwrap();
        let mhz = board.card_mhz();
        emit::top(board, array, &Datapaths::DENSE, mhz, &folder).unwrap();
        let plan = Plan {
            board,
            design: "4x4 dense".into(),
            top: TOP.into(),
            mhz,
            seeds: 1,
            named: false,
            quick: false,
            folder,
        };
        let tools = tools(board, Source::Wheels).unwrap();
        let error = build(&plan, &tools, &|line| eprintln!("{line}")).unwrap_err();
        assert!(matches!(error, FlowError::HardCells { .. }), "{error}");
        let cells = fs::read_to_string(plan.folder.join(yosys::CELLS)).unwrap();
        let cells = yosys::counts(&cells).unwrap();
        for cell in ["IBUFDS_GTE2", "GTPE2_COMMON", "GTPE2_CHANNEL", "PCIE_2_1"] {
            assert_eq!(cells[cell], 1, "{cell}");
        }
        assert_eq!(cells["BUFG"], 4);
        assert!(!plan.bitstream().exists());
    }
}
