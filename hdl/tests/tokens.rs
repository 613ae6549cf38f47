//! Tokens against plain counters.

mod common;

use common::{Bench, Rng};
use hdl::front::Tokens;
use isa::command::{TOKEN_MAX, TOKENS};

const ENGINES: [&str; 3] = ["load", "gemm", "store"];

/// What the three engines say in a cycle.
#[derive(Clone, Copy, Default)]
struct Engine {
    want: bool,
    ready: bool,
    takes: u64,
    done: bool,
    gives: u64,
    index: u64,
}

struct Both {
    bench: Bench,
    counts: [u64; TOKENS],
    /// Whether a token went beyond its limit in the last cycle, and the commands that gave it.
    overflow: Option<Vec<u64>>,
}

impl Both {
    fn new() -> Self {
        let mut bench = Bench::new(&Tokens::default(), "tokens");
        bench.reset();
        Self {
            bench,
            counts: [0; TOKENS],
            overflow: None,
        }
    }

    /// One cycle; gives the engine that started.
    fn cycle(&mut self, engines: [Engine; 3]) -> Option<usize> {
        for (name, engine) in ENGINES.into_iter().zip(engines) {
            self.bench.set(&format!("want_{name}"), engine.want.into());
            self.bench
                .set(&format!("ready_{name}"), engine.ready.into());
            self.bench.set(&format!("takes_{name}"), engine.takes);
            self.bench.set(&format!("done_{name}"), engine.done.into());
            self.bench.set(&format!("gives_{name}"), engine.gives);
            self.bench.set(&format!("index_{name}"), engine.index);
        }
        self.bench.model.eval();
        let has = |mask: u64, token: usize| mask >> token & 1 == 1;
        let missing = |engine: &Engine| {
            (0..TOKENS).any(|token| has(engine.takes, token) && self.counts[token] == 0)
        };
        let started = engines
            .iter()
            .position(|engine| engine.want && engine.ready && !missing(engine));
        for (at, (name, engine)) in ENGINES.into_iter().zip(&engines).enumerate() {
            let blocked = engine.want && missing(engine);
            assert_eq!(self.bench.is(&format!("blocked_{name}")), blocked, "{name}");
            assert_eq!(
                self.bench.is(&format!("start_{name}")),
                started == Some(at),
                "{name}"
            );
        }
        assert_eq!(self.bench.is("overflow"), self.overflow.is_some());
        if let Some(givers) = &self.overflow {
            let index = self.bench.get("overflow_index");
            assert!(givers.contains(&index), "{index} is none of {givers:?}");
        }
        let mut givers = vec![];
        for token in 0..TOKENS {
            let gave = |engine: &&Engine| engine.done && has(engine.gives, token);
            let given = engines.iter().filter(gave).count() as u64;
            let taken = started.is_some_and(|at| has(engines[at].takes, token));
            let count = self.counts[token] + given - u64::from(taken);
            if count > u64::from(TOKEN_MAX) {
                givers.extend(engines.iter().filter(gave).map(|engine| engine.index));
            }
            self.counts[token] = count;
        }
        self.overflow = (!givers.is_empty()).then_some(givers);
        self.bench.model.cycle();
        started
    }

    fn reset(&mut self) {
        for name in ENGINES {
            for port in ["want", "done"] {
                self.bench.set(&format!("{port}_{name}"), 0);
            }
        }
        self.bench.reset();
        self.counts = [0; TOKENS];
        self.overflow = None;
    }
}

#[test]
fn random_programs() {
    let mut both = Both::new();
    let mut rng = Rng(0x70ce);
    let mut starts = [0; 3];
    let mut overflows = 0;
    for cycle in 0..30_000 {
        // From starving to flooding.
        let (done, want) = [(10, 90), (40, 60), (95, 5)][cycle / 1000 % 3];
        let mask = |rng: &mut Rng| match rng.below(4) {
            0 => 0,
            1 => rng.next() & 0xffff,
            _ => rng.next() & rng.next() & rng.next() & 0xffff,
        };
        let engines = [(); 3].map(|()| Engine {
            want: rng.chance(want),
            ready: rng.chance(70),
            takes: mask(&mut rng),
            done: rng.chance(done),
            gives: mask(&mut rng),
            index: rng.below(1 << 16),
        });
        if let Some(engine) = both.cycle(engines) {
            starts[engine] += 1;
        }
        // What a counter holds after an overflow is nobody's business; the program has ended.
        if both.overflow.is_some() {
            overflows += 1;
            let engines = [Engine {
                takes: 0xffff,
                ..Engine::default()
            }; 3];
            // Shows the overflow, whose counters this cycle must not look at.
            both.counts = both.counts.map(|count| count.min(255));
            both.cycle(engines);
            both.reset();
        }
        if rng.below(500) == 0 {
            both.reset();
        }
    }
    assert!(
        starts.iter().all(|&count| count > 300) && overflows > 5,
        "{starts:?} {overflows}"
    );
}

#[test]
fn a_token_counts_to_255() {
    let mut both = Both::new();
    let give = Engine {
        done: true,
        gives: 1 << 9,
        index: 7,
        ..Engine::default()
    };
    let take = Engine {
        want: true,
        ready: true,
        takes: 1 << 9,
        ..Engine::default()
    };
    for _ in 0..255 {
        both.cycle([give, Engine::default(), Engine::default()]);
    }
    // Given and taken in one cycle: still at the limit.
    assert_eq!(both.cycle([give, take, Engine::default()]), Some(1));
    assert!(both.overflow.is_none());
    for _ in 0..255 {
        assert_eq!(
            both.cycle([Engine::default(), Engine::default(), take]),
            Some(2)
        );
    }
    assert_eq!(both.cycle([take, take, take]), None, "all tokens are taken");
    // A token given in one cycle can be taken in the next, not before.
    assert_eq!(both.cycle([take, give, Engine::default()]), None);
    assert_eq!(both.cycle([take, take, take]), Some(0), "LOAD comes first");
    for _ in 0..254 {
        both.cycle([give, Engine::default(), Engine::default()]);
    }
    both.cycle([give, give, Engine::default()]);
    assert!(both.overflow.is_some(), "256 is too many");
    both.cycle([Engine::default(); 3]);
}

#[test]
fn an_overflow_names_a_command_that_gave_the_token() {
    let mut both = Both::new();
    let give = |token: u32, index| Engine {
        done: true,
        gives: 1 << token,
        index,
        ..Engine::default()
    };
    for _ in 0..255 {
        both.cycle([Engine::default(), Engine::default(), give(3, 1)]);
    }
    both.cycle([give(0, 10), give(1, 11), give(3, 12)]);
    assert_eq!(both.overflow.as_deref(), Some(&[12][..]));
    both.cycle([Engine::default(); 3]);
}
