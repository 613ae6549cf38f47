//! Products cut into blocks of rows, and threads that take them.

use std::sync::Mutex;
use std::thread;

use isa::format::OutputFormat;

use super::gemm::{self, Scratch};
use super::kernel::Kernels;
use super::pack::Packed;
use super::timed;
use crate::matmul::{Finish, MatMul, Values};

/// Fewest rows worth a block of their own.
const LEAST_ROWS: usize = 16;

/// A block of rows of one product.
pub struct Item<'a> {
    shape: (usize, usize),
    a: &'a [i8],
    panels: &'a Packed,
    finish: Finish<'a>,
    out: Out<'a>,
    micros: Time<'a>,
}

/// Rows of the result.
enum Out<'a> {
    I32(&'a mut [i32]),
    I16(&'a mut [i16]),
    I8(&'a mut [i8]),
}

/// Where the time of a block goes; the blocks of one product share it.
type Time<'a> = std::sync::Arc<Mutex<&'a mut f64>>;

/// A result of the right format and size.
pub fn empty_result(job: &MatMul<'_>) -> Values {
    let size = job.m * job.n;
    match job.format() {
        OutputFormat::I32 => Values::I32(vec![0; size]),
        OutputFormat::I16 => Values::I16(vec![0; size]),
        OutputFormat::I8 => Values::I8(vec![0; size]),
    }
}

/// Cuts `job` into at most `parts` blocks of rows.
pub fn split<'a>(
    job: &MatMul<'a>,
    panels: &'a Packed,
    out: &'a mut Values,
    micros: &'a mut f64,
    parts: usize,
) -> Vec<Item<'a>> {
    let MatMul {
        m, k, n, a, finish, ..
    } = *job;
    let height = m.div_ceil(parts).max(LEAST_ROWS);
    if out_is_empty(out) {
        return Vec::new();
    }
    let outs: Vec<Out<'a>> = match out {
        Values::I32(out) => out.chunks_mut(height * n).map(Out::I32).collect(),
        Values::I16(out) => out.chunks_mut(height * n).map(Out::I16).collect(),
        Values::I8(out) => out.chunks_mut(height * n).map(Out::I8).collect(),
    };
    let micros = Time::new(Mutex::new(micros));
    let item = |(index, out)| {
        let first = index * height;
        let last = m.min(first + height);
        let finish = match finish {
            Finish::Raw => Finish::Raw,
            Finish::Requantize {
                rows,
                columns,
                format,
            } => Finish::Requantize {
                rows: &rows[first..last],
                columns,
                format,
            },
        };
        let a = &a[first * k..last * k];
        Item {
            shape: (k, n),
            a,
            panels,
            finish,
            out,
            micros: Time::clone(&micros),
        }
    };
    outs.into_iter().enumerate().map(item).collect()
}

fn out_is_empty(out: &Values) -> bool {
    match out {
        Values::I32(out) => out.is_empty(),
        Values::I16(out) => out.is_empty(),
        Values::I8(out) => out.is_empty(),
    }
}

/// Runs all items on at most `threads` threads, of which the caller is one.
pub fn run(kernels: Kernels, threads: usize, items: Vec<Item<'_>>) {
    let threads = threads.min(items.len());
    if threads <= 1 {
        let mut scratch = Scratch::default();
        items
            .into_iter()
            .for_each(|item| item.run(kernels, &mut scratch));
        return;
    }
    let queue = Mutex::new(items.into_iter());
    let work = || {
        let mut scratch = Scratch::default();
        // The lock must not live while the item runs, as it would in the head of a `while let`.
        let next = || {
            queue
                .lock()
                .expect("no item panics while it holds the queue")
                .next()
        };
        while let Some(item) = next() {
            item.run(kernels, &mut scratch);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system has no thread left, those that run do its share, the caller at least.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

impl Item<'_> {
    fn run(self, kernels: Kernels, scratch: &mut Scratch) {
        let Self {
            shape,
            a,
            panels,
            finish,
            out,
            micros,
        } = self;
        let mut taken = 0.0;
        timed(&mut taken, || match out {
            Out::I32(out) => gemm::rows(kernels, scratch, shape, a, panels, finish, out),
            Out::I16(out) => gemm::rows(kernels, scratch, shape, a, panels, finish, out),
            Out::I8(out) => gemm::rows(kernels, scratch, shape, a, panels, finish, out),
        });
        **micros.lock().expect("adding a number does not panic") += taken;
    }
}
