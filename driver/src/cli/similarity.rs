//! `systole similarity`.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use systole::embed::cosine;

use super::embed::{Account, WorkArgs};
use super::failure::Result;
use super::table::Table;
use super::{print_json, texts};

/// Compare texts by their meaning (cosine of their vectors).
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    work: WorkArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
    /// Two texts give one number; more give a table.
    #[arg(value_name = "TEXT", num_args = 2.., required = true)]
    texts: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    /// Of the first text and the second.
    similarity: f64,
    /// Of each text and each.
    matrix: Vec<Vec<f64>>,
    #[serde(flatten)]
    account: Account<'a>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let mut work = args.work.embed(&args.texts, args.json)?;
    let vectors = &work.embeddings.vectors;
    let row = |a: &Vec<f32>| vectors.iter().map(|b| cosine(a, b)).collect();
    let matrix: Vec<Vec<f64>> = vectors.iter().map(row).collect();
    if args.json {
        return print_json(&Json {
            similarity: matrix[0][1],
            matrix,
            account: work.account(),
        });
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.texts.len() == 2 {
        writeln!(out, "{:.4}", matrix[0][1])?;
    } else {
        write!(out, "{}", table(&args.texts, &matrix))?;
    }
    work.explain(&mut out, args.work.explain)?;
    Ok(out.flush()?)
}

fn table(texts: &[String], matrix: &[Vec<f64>]) -> Table {
    let numbers: Vec<String> = (1..=texts.len())
        .map(|number| format!(">{number}"))
        .collect();
    let headings: Vec<&str> = [">", ""]
        .into_iter()
        .chain(numbers.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&headings);
    for (index, (text, row)) in texts.iter().zip(matrix).enumerate() {
        let mut cells = vec![(index + 1).to_string(), texts::short(text)];
        cells.extend(row.iter().map(|value| format!("{value:.4}")));
        table.row(cells);
    }
    table
}
