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
    /// No token was missing in the cycle before, and no engine was about to start.
    fits: [bool; 3],
    /// A token was missing in the cycle before.
    waits: [bool; 3],
    /// The engine that was chosen in the cycle before.
    chosen: Option<usize>,
    /// What the engines gave in the cycle before, with their indices: it counts now.
    gave: [(u64, u64); 3],
    /// Whether a token went beyond its limit in the last cycle, and the commands that gave it.
    overflow: Option<Vec<u64>>,
    /// The same of the cycle before it: that is told.
    told: Option<Vec<u64>>,
}

impl Both {
    fn new() -> Self {
        let mut bench = Bench::new(&Tokens::default(), "tokens");
        bench.reset();
        Self {
            bench,
            counts: [0; TOKENS],
            fits: [false; 3],
            waits: [false; 3],
            chosen: None,
            gave: [(0, 0); 3],
            overflow: None,
            told: None,
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
        let started = self.chosen;
        for (at, name) in ENGINES.into_iter().enumerate() {
            assert_eq!(
                self.bench.is(&format!("blocked_{name}")),
                self.waits[at],
                "{name}"
            );
            assert_eq!(
                self.bench.is(&format!("start_{name}")),
                started == Some(at),
                "{name}"
            );
        }
        // What a counter holds after an overflow is nobody's business.
        let wrapped = self.overflow.is_some() || self.told.is_some();
        if let Some(at) = started
            && !wrapped
        {
            assert!(engines[at].want && engines[at].ready && !missing(&engines[at]));
        }
        assert_eq!(self.bench.is("overflow"), self.told.is_some());
        if let Some(givers) = &self.told {
            let index = self.bench.get("overflow_index");
            assert!(givers.contains(&index), "{index} is none of {givers:?}");
        }
        self.chosen = (0..3).find(|&at| self.fits[at] && engines[at].ready);
        let starting = self.chosen.is_some() || started.is_some();
        self.fits = engines.map(|engine| engine.want && !missing(&engine) && !starting);
        self.waits = engines.map(|engine| engine.want && missing(&engine));
        let mut givers = vec![];
        for token in 0..TOKENS {
            let gave = |(gives, _): &&(u64, u64)| has(*gives, token);
            let given = self.gave.iter().filter(gave).count() as u64;
            let taken = started.is_some_and(|at| has(engines[at].takes, token));
            let count = self.counts[token] + given - u64::from(taken);
            if count > u64::from(TOKEN_MAX) {
                givers.extend(self.gave.iter().filter(gave).map(|(_, index)| index));
            }
            self.counts[token] = count % 256;
        }
        self.gave = engines.map(|engine| match engine.done {
            true => (engine.gives, engine.index),
            false => (0, 0),
        });
        self.told = self.overflow.take();
        self.overflow = (!givers.is_empty()).then_some(givers);
        self.bench.model.cycle();
        started
    }

    /// The three cycles that a command takes to start; gives the engine that does in the last one.
    fn start(&mut self, engines: [Engine; 3]) -> Option<usize> {
        assert_eq!(self.cycle(engines), None);
        assert_eq!(self.cycle(engines), None);
        self.cycle(engines)
    }

    fn reset(&mut self) {
        for name in ENGINES {
            for port in ["want", "done"] {
                self.bench.set(&format!("{port}_{name}"), 0);
            }
        }
        self.bench.reset();
        self.counts = [0; TOKENS];
        self.fits = [false; 3];
        self.waits = [false; 3];
        self.chosen = None;
        self.gave = [(0, 0); 3];
        self.overflow = None;
        self.told = None;
    }
}

#[test]
fn random_programs() {
    let mut both = Both::new();
    let mut rng = Rng(0x70ce);
    let mut starts = [0; 3];
    let mut overflows = 0;
    // What an engine wants stays until it starts, and an engine that is ready stays so.
    let mut engines = [Engine::default(); 3];
    for cycle in 0..60_000 {
        // From starving to flooding.
        let (done, want) = [(10, 90), (40, 60), (95, 5)][cycle / 1000 % 3];
        let mask = |rng: &mut Rng| match rng.below(4) {
            0 => 0,
            1 => rng.next() & 0xffff,
            _ => rng.next() & rng.next() & rng.next() & 0xffff,
        };
        for engine in &mut engines {
            if !engine.want && rng.chance(want) {
                engine.want = true;
                engine.takes = mask(&mut rng);
            }
            engine.ready |= rng.chance(40);
            engine.done = rng.chance(done);
            engine.gives = mask(&mut rng);
            engine.index = rng.below(1 << 16);
        }
        if let Some(at) = both.cycle(engines) {
            starts[at] += 1;
            engines[at].want = rng.chance(50);
            engines[at].takes = mask(&mut rng);
            engines[at].ready = rng.chance(20);
        }
        if both.overflow.is_some() {
            overflows += 1;
            for engine in &mut engines {
                (engine.done, engine.takes) = (false, 0);
            }
            // Shows the overflow. The program has ended.
            both.cycle(engines);
            both.cycle([Engine::default(); 3]);
            both.reset();
            engines = [Engine::default(); 3];
        }
        if rng.below(500) == 0 {
            both.reset();
            engines = [Engine::default(); 3];
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
    let none = Engine::default();
    let give = Engine {
        done: true,
        gives: 1 << 9,
        index: 7,
        ..none
    };
    let take = Engine {
        want: true,
        ready: true,
        takes: 1 << 9,
        ..none
    };
    for _ in 0..255 {
        both.cycle([give, none, none]);
    }
    // Given and taken in one cycle: still at the limit.
    assert_eq!(both.cycle([none, take, none]), None);
    assert_eq!(both.cycle([give, take, none]), None);
    assert_eq!(both.cycle([none, take, none]), Some(1));
    assert!(both.overflow.is_none());
    for _ in 0..255 {
        assert_eq!(both.start([none, none, take]), Some(2));
    }
    for _ in 0..5 {
        assert_eq!(both.cycle([take, take, take]), None, "all tokens are taken");
    }
    // A token given in one cycle can be seen two cycles later, not before.
    assert_eq!(both.cycle([take, give, take]), None);
    assert_eq!(both.cycle([take, none, take]), None);
    assert_eq!(both.start([take, take, take]), Some(0), "LOAD comes first");
    for _ in 0..5 {
        assert_eq!(both.cycle([none, take, take]), None, "it was the only one");
    }
    for _ in 0..255 {
        both.cycle([give, none, none]);
    }
    both.cycle([give, none, none]);
    both.cycle([none; 3]);
    assert!(both.overflow.is_some(), "256 is too many");
    both.cycle([none; 3]);
    both.cycle([none; 3]);
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
    both.cycle([Engine::default(); 3]);
    assert_eq!(both.overflow.as_deref(), Some(&[12][..]));
    both.cycle([Engine::default(); 3]);
    both.cycle([Engine::default(); 3]);
}
