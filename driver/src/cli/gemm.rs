//! `systole gemm`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use systole::backend::{Backend, NodeReport};
use systole::matmul::{Finish, MatMul, Rhs, Values};

use super::card::{Engine, TraceArgs};
use super::device::DeviceArgs;
use super::failure::{Failure, Result};
use super::npy::{self, Matrix};
use super::output;
use super::table::{grouped, known, percent};
use super::{print_json, progress, report};

/// Most values of one matrix, so that a typing error does not fill the memory.
const MOST_VALUES: usize = 1 << 30;

/// Multiply two int8 matrices from NumPy files.
#[derive(clap::Args)]
pub struct Args {
    /// Left matrix, M x K, int8.
    #[arg(long, value_name = "A.npy")]
    a: PathBuf,
    /// Right matrix, K x N, int8.
    #[arg(long, value_name = "B.npy")]
    b: PathBuf,
    /// The product, M x N, int32, is written here.
    #[arg(
        long,
        value_name = "C.npy",
        long_help = output::help("The product, M x N, int32, is written here.")
    )]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    trace: TraceArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    m: usize,
    k: usize,
    n: usize,
    out: &'a PathBuf,
    device: &'a str,
    #[serde(flatten)]
    report: &'a NodeReport,
    counters: Option<BTreeMap<&'static str, u64>>,
    sim_cycles_per_second: Option<f64>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let (a, b) = (Matrix::read(&args.a)?, Matrix::read(&args.b)?);
    let (m, k, n) = (a.rows, a.cols, b.cols);
    if b.rows != k {
        return Err(Failure::Input(format!(
            "the matrices do not fit: {} is {m}x{k} and {} is {}x{n}, so the columns of the first \
             are not the rows of the second",
            args.a.display(),
            args.b.display(),
            b.rows
        )));
    }
    check_size(m, n).map_err(|problem| Failure::Input(format!("the product: {problem}")))?;
    output::check(&args.out)?;
    let a = a.into_row_major();
    let job = MatMul {
        name: "gemm",
        m,
        k,
        n,
        a: &a,
        b: Rhs::Once(b.layout, &b.values),
        finish: Finish::Raw,
    };
    let surroundings = args.trace.into();
    let mut engine = Engine::open(&args.device.device, &args.device.machine, &surroundings)?;
    let spinner = progress::spinner("multiplying");
    let (values, report) = run_one(&mut engine, &job)?;
    spinner.finish_and_clear();
    npy::write(&args.out, m, n, &values)?;
    report::warn_of_moves(&engine, std::slice::from_ref(&report));
    if args.json {
        let counters = report::by_name(engine.counters());
        let sim_cycles_per_second = engine.speed();
        return print_json(&Json {
            m,
            k,
            n,
            out: &args.out,
            device: engine.name(),
            report: &report,
            counters,
            sim_cycles_per_second,
        });
    }
    let mut out = io::stdout().lock();
    let (place, reason) = (report::place(report.place), &report.reason);
    writeln!(
        out,
        "{m}x{k} * {k}x{n} on {} ({place}: {reason})",
        engine.name()
    )?;
    if report.cycles.is_some() {
        let (cycles, used) = (
            known(report.cycles, grouped),
            known(report.utilisation, percent),
        );
        writeln!(out, "{cycles} cycles, array used {used}")?;
    }
    writeln!(out, "written: {}", args.out.display())?;
    Ok(())
}

/// Refuses a matrix that is too large to be worked on, in words.
pub fn check_size(rows: usize, cols: usize) -> std::result::Result<(), String> {
    match rows.checked_mul(cols) {
        Some(size) if size <= MOST_VALUES => Ok(()),
        _ => Err(format!(
            "a matrix of {rows}x{cols} is too large: at most {MOST_VALUES} values"
        )),
    }
}

/// Runs one product that asks for raw sums.
pub fn run_one(engine: &mut Engine, job: &MatMul<'_>) -> Result<(Vec<i32>, NodeReport)> {
    let mut outcomes = engine.run(std::slice::from_ref(job))?;
    match outcomes
        .pop()
        .map(|outcome| (outcome.values, outcome.report))
    {
        Some((Values::I32(values), report)) if values.len() == job.m * job.n => {
            Ok((values, report))
        }
        _ => Err(Failure::Failed(format!(
            "{} gave an answer of another shape or format than was asked for",
            engine.name()
        ))),
    }
}
