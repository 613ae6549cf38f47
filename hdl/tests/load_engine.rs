//! LOAD against lists of lines: what is asked of memory, where it is written, how it ends.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng, bursts};
use hdl::engine::LoadEngine;

#[derive(Clone, Debug)]
struct Load {
    index: u64,
    gives: u64,
    src_line: u64,
    buffer: u64,
    dst_line: u64,
    row_lines: u64,
    rows: u64,
    stride: u64,
}

impl Load {
    fn random(rng: &mut Rng, index: u64) -> Self {
        let row_lines = [1, 2, 4, 64, 65, 1 + rng.below(300)][rng.below(6) as usize];
        let rows = if row_lines > 60 {
            1 + rng.below(3)
        } else {
            1 + rng.below(40)
        };
        Self {
            index,
            gives: rng.below(1 << 16),
            src_line: rng.next() >> 12,
            buffer: rng.below(4),
            dst_line: rng.below(1 << 23),
            row_lines,
            rows,
            stride: [0, row_lines, rng.below(1 << 12), (1 << 29) - 1][rng.below(4) as usize],
        }
    }

    fn piece(&self, row: u64) -> u64 {
        self.src_line + row * self.stride
    }

    fn lines(&self) -> u64 {
        self.rows * self.row_lines
    }
}

fn offer(bench: &mut Bench, load: Option<&Load>) {
    bench.set("entry_valid", load.is_some().into());
    if let Some(load) = load {
        // The engine does not look at the tokens that were taken.
        bench.set_fields(
            "entry",
            &[
                (load.index, 16),
                (0xa5a5, 16),
                (load.gives, 16),
                (load.src_line, 53),
                (load.buffer, 2),
                (load.dst_line, 24),
                (load.row_lines, 16),
                (load.rows, 16),
                (load.stride, 29),
            ],
        );
    }
}

/// Where a line goes: buffer, line, and the index and tokens of the command that it ends.
type Write = (u64, u64, Option<(u64, u64)>);

/// What memory and the engine are like for some cycles, in percent.
#[derive(Clone, Copy)]
struct Weather {
    entries: u64,
    ar_ready: u64,
    r_valid: u64,
}

fn random(port_bytes: u64, errors: u64) {
    let mut bench = Bench::new(&LoadEngine::new(port_bytes as usize), "load");
    bench.reset();
    let mut rng = Rng(0x10ad + port_bytes + errors);
    let weathers = [
        Weather {
            entries: 100,
            ar_ready: 100,
            r_valid: 100,
        },
        Weather {
            entries: 100,
            ar_ready: 30,
            r_valid: 100,
        },
        Weather {
            entries: 100,
            ar_ready: 100,
            r_valid: 20,
        },
        Weather {
            entries: 3,
            ar_ready: 60,
            r_valid: 60,
        },
    ];
    let mut next: Option<Load> = None;
    let mut count = 0;
    let mut bursts_due: VecDeque<(u64, u64)> = VecDeque::new();
    let mut offered = None;
    // Lines that memory still has to give.
    let mut pending = 0u64;
    // Lines still to come, with where they go, whether they end a command, and the command.
    let mut writes: VecDeque<Write> = VecDeque::new();
    // The fault of the first line of a command that could not be read.
    let mut bad = 0;
    // What must be told in this cycle.
    let mut ending: Option<(u64, u64, u64)> = None;
    let (mut dones, mut faults) = (0, 0);
    let commands = 150;
    let mut cycle = 0;
    while count < commands || !writes.is_empty() || ending.is_some() {
        let weather = weathers[cycle / 700 % 4];
        cycle += 1;
        assert!(cycle < 400_000, "LOAD hangs");
        if next.is_none() && count < commands && rng.chance(weather.entries) {
            next = Some(Load::random(&mut rng, count));
            count += 1;
        }
        offer(&mut bench, next.as_ref());
        let ar_ready = rng.chance(weather.ar_ready);
        let r_valid = pending > 0 && rng.chance(weather.r_valid);
        let r_fault = if rng.below(1000) < errors {
            1 + rng.below(6)
        } else {
            0
        };
        bench.set("ar_ready", ar_ready.into());
        bench.set("r_valid", r_valid.into());
        bench.set("r_fault", r_fault);
        bench.model.eval();

        let (done, fault) = (bench.is("done"), bench.get("fault"));
        match ending.take() {
            None => assert!(!done && fault == 0, "cycle {cycle}: nothing has ended"),
            Some((bad, index, gives)) => {
                assert_eq!((done, fault), (bad == 0, bad), "command {index}");
                if bad != 0 {
                    assert_eq!(bench.get("fault_index"), index);
                    faults += 1;
                } else {
                    assert_eq!(
                        (bench.get("done_index"), bench.get("done_gives")),
                        (index, gives)
                    );
                    dones += 1;
                }
            }
        }
        // Idle while nothing is under way; what has just been told may count.
        let quiet = writes.is_empty() && !done && fault == 0;
        assert_eq!(bench.is("idle"), quiet, "cycle {cycle}");

        assert_eq!(bench.is("write"), r_valid, "a line is written as it comes");
        if r_valid {
            pending -= 1;
            let (buffer, line, end) = writes.pop_front().expect("a line was asked for");
            assert_eq!(
                (bench.get("write_buffer"), bench.get("write_line")),
                (buffer, line)
            );
            if bad == 0 {
                bad = r_fault;
            }
            if let Some((index, gives)) = end {
                ending = Some((bad, index, gives));
                bad = 0;
            }
        }
        if bench.is("ar_valid") {
            let burst = (bench.get("ar_line"), bench.get("ar_lines"));
            assert!(
                offered.is_none_or(|old| old == burst),
                "what is offered stays"
            );
            assert_eq!(Some(&burst), bursts_due.front(), "cycle {cycle}");
            offered = Some(burst);
            if ar_ready {
                bursts_due.pop_front();
                offered = None;
                // Memory answers in the next cycle at the earliest.
                pending += burst.1;
            }
        } else {
            assert!(offered.is_none(), "what is offered stays");
        }
        if bench.is("entry_ready")
            && let Some(load) = next.take()
        {
            for row in 0..load.rows {
                bursts_due.extend(bursts(load.piece(row), load.row_lines, port_bytes));
            }
            for line in 0..load.lines() {
                let end = (line + 1 == load.lines()).then_some((load.index, load.gives));
                writes.push_back((load.buffer, load.dst_line + line, end));
            }
        }
        bench.model.cycle();
    }
    assert!(bursts_due.is_empty() && pending == 0);
    assert_eq!(dones + faults, commands);
    assert_eq!(faults > 0, errors > 0);
    assert!(dones > 20);
}

#[test]
fn random_commands() {
    random(16, 0);
    random(32, 0);
}

#[test]
fn errors_become_faults() {
    random(16, 8);
}

#[test]
fn five_commands_are_under_way() {
    let mut bench = Bench::new(&LoadEngine::new(16), "load");
    bench.reset();
    let load = Load {
        index: 0,
        gives: 0,
        src_line: 0,
        buffer: 0,
        dst_line: 0,
        row_lines: 1,
        rows: 1,
        stride: 0,
    };
    offer(&mut bench, Some(&load));
    bench.set("ar_ready", 1);
    let mut taken = 0;
    for _ in 0..100 {
        bench.model.eval();
        taken += bench.get("entry_ready");
        bench.model.cycle();
    }
    assert_eq!(taken, 5);
    // A reset drops them all.
    offer(&mut bench, None);
    bench.reset();
    bench.model.eval();
    assert!(bench.is("idle") && bench.is("entry_ready") && !bench.is("ar_valid"));
}
