//! The accumulators against plain wrapping sums.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::array::SUM_BITS;
use hdl::mem::Accumulators;
use verilate::PortRef;

/// A row may come again, and is seen by reads, this many cycles after its tag.
const AGAIN: usize = 4;
/// The sums stand there this many cycles after their tag; a row this many after its read.
const LATER: usize = 2;

const MOST: i64 = (1 << (SUM_BITS - 1)) - 1;
const LEAST: i64 = -(1 << (SUM_BITS - 1));

#[derive(Clone, Copy, Default)]
struct Tag {
    valid: bool,
    add: bool,
    last: bool,
    row: usize,
}

/// The block and its model, in step.
struct Both {
    bench: Bench,
    sum: Vec<PortRef>,
    read_data: Vec<PortRef>,
    rows: usize,
    cols: usize,
    rng: Rng,
    model: Vec<Option<Vec<i32>>>,
    /// Tags of the last cycles with the sums that belong to them, newest first.
    recent: VecDeque<(Tag, Vec<i64>)>,
    /// Rows of the last reads, newest first.
    reads: VecDeque<Option<Vec<i32>>>,
    compared: usize,
    refused: usize,
}

impl Both {
    fn new(rows: usize, cols: usize) -> Self {
        let bench = Bench::new(&Accumulators::new(rows, cols), "acc");
        Self {
            sum: bench.ports("sum", cols),
            read_data: bench.ports("read_data", cols),
            bench,
            rows,
            cols,
            rng: Rng(0xacc + rows as u64),
            model: vec![None; rows],
            recent: vec![(Tag::default(), vec![]); AGAIN].into(),
            reads: vec![None; LATER].into(),
            compared: 0,
            refused: 0,
        }
    }

    /// Whether a row has left the pipeline.
    fn settled(&self, row: usize) -> bool {
        let mut inside = self.recent.iter().take(AGAIN - 1);
        inside.all(|(tag, _)| !tag.valid || tag.row != row)
    }

    /// One cycle: announces `tag`, whose sums will be `sums`, and reads a row.
    fn cycle(&mut self, tag: Tag, sums: Vec<i64>, read: Option<usize>) {
        // What was announced four cycles ago is written now.
        let (written, values) = self.recent.pop_back().expect("four are kept");
        if written.valid {
            let old = match written.add {
                true => self.model[written.row].clone(),
                false => Some(vec![0; self.cols]),
            };
            let add = |(old, sum): (i32, &i64)| old.wrapping_add(*sum as i32);
            self.model[written.row] =
                old.map(|old| old.into_iter().zip(&values).map(add).collect());
        }
        let bench = &mut self.bench;
        bench.set("tag", tag.valid.into());
        // Without a tag the rest says nothing.
        bench.set("tag_add", tag.add.into());
        bench.set("tag_last", tag.last.into());
        bench.set("tag_row", tag.row as u64);
        let standing = &self.recent[LATER - 1].1;
        for (col, port) in self.sum.iter().enumerate() {
            let noise = self.rng.next();
            let value = standing.get(col).map_or(noise, |&sum| sum as u64);
            bench.model.set(*port, value & ((1 << SUM_BITS) - 1));
        }
        let read_row = read.unwrap_or_else(|| self.rng.below(self.rows as u64) as usize);
        bench.set("read", read.is_some().into());
        bench.set("read_row", read_row as u64);
        bench.model.eval();
        let high = |row: usize| row >= self.rows / 2;
        let taken_by_array = tag.valid && tag.add && high(tag.row) == high(read_row);
        assert_eq!(
            bench.is("read_ready"),
            !taken_by_array,
            "tag {} read {read_row}",
            tag.row
        );
        assert_eq!(bench.is("added_last"), written.valid && written.last);
        if let Some(row) = self.reads.pop_back().expect("two are kept") {
            let got: Vec<i32> = self
                .read_data
                .iter()
                .map(|port| bench.model.get(*port) as i32)
                .collect();
            assert_eq!(got, row);
            self.compared += 1;
        }
        let taken = read.filter(|_| !taken_by_array);
        self.refused += usize::from(read.is_some() && taken.is_none());
        self.reads
            .push_front(taken.and_then(|row| self.model[row].clone()));
        self.recent.push_front((tag, sums));
        bench.model.cycle();
    }
}

fn random(rows: usize, cols: usize) {
    let mut both = Both::new(rows, cols);
    let mut rng = Rng(0xadd + rows as u64);
    for cycle in 0..12_000 {
        let row = rng.below(rows as u64) as usize;
        // At times the array leaves the accumulators alone.
        let busy = if cycle / 500 % 4 == 3 { 0 } else { 85 };
        let valid = rng.chance(busy) && both.settled(row);
        let tag = Tag {
            valid,
            add: rng.chance(70),
            last: rng.chance(30),
            row,
        };
        let mut sum = || match rng.below(4) {
            0 => [MOST, LEAST, -1, 0][rng.below(4) as usize],
            _ => (rng.next() as i64) >> (64 - SUM_BITS),
        };
        let sums = (0..cols).map(|_| sum()).collect();
        // Reads often aim at what is in the pipeline.
        let read = match rng.below(4) {
            0 => None,
            1 => Some(both.recent[rng.below(AGAIN as u64) as usize].0.row),
            _ => Some(rng.below(rows as u64) as usize),
        };
        both.cycle(tag, sums, read);
    }
    assert!(
        both.compared > 4000 && both.refused > 1000,
        "{} {}",
        both.compared,
        both.refused
    );
}

#[test]
fn random_rows() {
    random(16, 4);
    random(64, 8);
}

#[test]
fn extremes_wrap() {
    let mut both = Both::new(16, 4);
    let steps = (1usize << 32) / MOST as usize + 8;
    for step in 0..steps {
        for (row, sums) in [(0, MOST), (7, LEAST), (8, LEAST), (15, MOST)] {
            let tag = Tag {
                valid: true,
                add: step > 0,
                last: false,
                row,
            };
            both.cycle(tag, vec![sums; 4], Some((row + 8) % 16));
        }
    }
    for row in 0..16 {
        both.cycle(Tag::default(), vec![], Some(row));
    }
    let row = both.model[0].as_ref().expect("the row was written");
    assert_eq!(i64::from(row[0]), (steps as i64 * MOST) as i32 as i64);
    assert!(
        steps as i64 * MOST > i64::from(u32::MAX),
        "the sums went round"
    );
}
