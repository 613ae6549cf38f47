//! The queues against plain Rust: indices, phases, errors, turns.

mod common;

use common::{Bench, Rng};
use hdl::front::Queues;

/// What the registers say of a queue, and where it stands.
#[derive(Clone, Default)]
struct Queue {
    enable: bool,
    log2: u32,
    sq_base: u64,
    cq_base: u64,
    sq_tail: u64,
    cq_head: u64,
    resetting: bool,
    head: u64,
    tail: u64,
    /// Completions written since the last reset, for the phase.
    written: u64,
    failed: bool,
    error: u64,
    completed: bool,
    /// It had something to take in the cycle before, and no index of it was moving.
    seen: bool,
    /// An index moved in the cycle before.
    moved: bool,
    /// Cycles until it may be enabled: the size of its rings is known by then.
    settles: u32,
    /// Programs of others that were taken since this one has had something to take.
    passed_over: usize,
    taken: u64,
}

impl Queue {
    fn entries(&self) -> u64 {
        1 << self.log2
    }

    /// It is offered when it has the turn.
    fn is_offered(&self) -> bool {
        self.seen && self.enable
    }

    fn has_work(&self) -> bool {
        let entries = self.entries();
        self.enable
            && !self.failed
            && self.head != self.sq_tail % entries
            && (self.tail + 1) % entries != self.cq_head % entries
    }

    fn restart(&mut self) {
        *self = Self {
            head: 0,
            tail: 0,
            written: 0,
            failed: false,
            error: 0,
            completed: false,
            resetting: false,
            passed_over: 0,
            ..self.clone()
        };
    }
}

struct Both {
    bench: Bench,
    rng: Rng,
    port_bytes: u64,
    queues: Vec<Queue>,
    turn: usize,
    running: bool,
    last_error: u64,
    /// The lines of the cycle before.
    shown: Option<(u64, u64)>,
    completions: u64,
    /// Turns that went to another queue.
    changes: u64,
}

impl Both {
    fn new(queues: usize, port_bytes: usize) -> Self {
        let mut bench = Bench::new(&Queues::new(queues, port_bytes), "queues");
        bench.reset();
        let mut both = Self {
            bench,
            rng: Rng(0x90e5 + queues as u64),
            port_bytes: port_bytes as u64,
            queues: vec![Queue::default(); queues],
            turn: 0,
            running: false,
            last_error: 0,
            shown: None,
            completions: 0,
            changes: 0,
        };
        for index in 0..queues {
            both.set_up(index);
        }
        both
    }

    /// New rings for a queue whose indices are 0.
    fn set_up(&mut self, index: usize) {
        let rng = &mut self.rng;
        let queue = &mut self.queues[index];
        queue.enable = false;
        queue.settles = 3;
        queue.log2 = 1 + rng.below(4) as u32;
        queue.sq_base = rng.next() >> 8 & !63;
        queue.cq_base = rng.next() >> 8 & !31;
        (queue.sq_tail, queue.cq_head) = (0, 0);
    }

    /// The host does something.
    fn host(&mut self) {
        let rng = &mut self.rng;
        let index = rng.below(self.queues.len() as u64) as usize;
        let queue = &mut self.queues[index];
        match rng.below(40) {
            0 => queue.enable = !queue.enable,
            1 => queue.resetting = true,
            // Nonsense.
            2 => queue.sq_tail = rng.below(1 << 12),
            3 => queue.cq_head = rng.below(1 << 12),
            // All completions are given back, or none.
            4..15 => queue.cq_head = queue.tail,
            _ => queue.sq_tail = (queue.head + rng.below(queue.entries())) % queue.entries(),
        }
        if queue.settles > 0 {
            queue.enable = false;
        }
        if queue.resetting {
            // The registers hide a queue that is to be reset.
            queue.enable = false;
        }
    }

    fn drive(&mut self) {
        for queue in &mut self.queues {
            if queue.settles > 0 {
                queue.settles -= 1;
                queue.enable = queue.settles == 0 && !queue.resetting;
            }
        }
        for (index, queue) in self.queues.iter().enumerate() {
            for (name, value) in [
                ("enable", queue.enable.into()),
                ("queue_log2", queue.log2.into()),
                ("sq_base", queue.sq_base),
                ("cq_base", queue.cq_base),
                ("sq_tail", queue.sq_tail),
                ("cq_head", queue.cq_head),
                ("resetting", queue.resetting.into()),
            ] {
                self.bench.set(&format!("{name}_{index}"), value);
            }
        }
        self.bench.set("running", self.running.into());
        for name in ["taken", "written", "unwritable", "ended", "failing"] {
            self.bench.set(name, 0);
        }
        self.bench.model.eval();
    }

    fn check(&self) {
        let bench = &self.bench;
        for (index, queue) in self.queues.iter().enumerate() {
            let at_hand = self.running && self.turn == index;
            for (name, value) in [
                ("sq_head", queue.head),
                ("cq_tail", queue.tail),
                ("busy", at_hand.into()),
                ("failed", queue.failed.into()),
                ("error", queue.error),
                ("completed", queue.completed.into()),
                ("reset_done", (queue.resetting && !at_hand).into()),
            ] {
                assert_eq!(
                    bench.get(&format!("{name}_{index}")),
                    value,
                    "{name} {index}"
                );
            }
        }
        assert_eq!(bench.get("last_error"), self.last_error);
        let active =
            |queue: &Queue| queue.has_work() || queue.moved || queue.completed || queue.resetting;
        assert_eq!(bench.is("active"), self.queues.iter().any(active));
        let queue = &self.queues[self.turn];
        assert_eq!(bench.is("may_take"), queue.is_offered());
        assert!(
            !(bench.is("may_take") && queue.failed),
            "a queue that failed"
        );
        assert_eq!(bench.is("give_up"), queue.resetting);
        assert_eq!(bench.get("head"), queue.head);
        let round = queue.written / queue.entries();
        assert_eq!(bench.is("phase"), round.is_multiple_of(2), "phase");
        if let Some((submission, answer)) = self.shown {
            assert_eq!(bench.get("submission_line"), submission);
            assert_eq!(bench.get("answer_line"), answer);
        }
    }

    /// First lines of the next submission and of the next completion.
    fn lines(&self) -> (u64, u64) {
        let queue = &self.queues[self.turn];
        let line = |address: u64| address / self.port_bytes;
        (
            line(queue.sq_base + 64 * queue.head),
            line(queue.cq_base + 32 * queue.tail),
        )
    }

    /// A cycle: control takes what it may, and ends it some time.
    fn cycle(&mut self) {
        if self.rng.chance(60) {
            self.host();
        }
        self.drive();
        self.check();
        for queue in &mut self.queues {
            if !queue.seen {
                queue.passed_over = 0;
            }
        }
        self.shown = Some(self.lines());
        let waiting: Vec<bool> = self.queues.iter().map(Queue::has_work).collect();
        let (turn, written) = (self.turn, self.completions);
        let failed = self.queues[turn].failed;
        let may_take = self.queues[turn].is_offered();
        // The queue that gets the turn, should it change in this cycle.
        let count = self.queues.len();
        let next = (1..=count)
            .map(|step| (self.turn + step) % count)
            .find(|queue| self.queues[*queue].seen)
            .unwrap_or(self.turn);
        let mut moves = false;
        let mut may_turn = !self.running && !may_take;
        let resets: Vec<bool> = (0..count)
            .map(|index| self.queues[index].resetting && !(self.running && self.turn == index))
            .collect();
        for queue in &mut self.queues {
            queue.completed = false;
        }
        if self.running {
            let gives_up = self.queues[self.turn].resetting;
            if self.rng.chance(25) {
                self.bench.set("ended", 1);
                may_turn = true;
                self.running = false;
                self.end(gives_up);
            }
        } else if may_take {
            self.bench.set("taken", 1);
            self.take();
            moves = true;
        }
        moves |= self.completions > written || (self.queues[turn].failed && !failed);
        if may_turn {
            self.changes += u64::from(next != self.turn);
            self.turn = next;
        }
        self.bench.model.cycle();
        for (index, queue) in self.queues.iter_mut().enumerate() {
            let moving = moves && index == turn;
            queue.seen = waiting[index] && !moving && !queue.moved;
            queue.moved = moving;
        }
        for (queue, reset) in self.queues.iter_mut().zip(&resets) {
            if *reset {
                queue.restart();
            }
        }
        for (index, reset) in resets.into_iter().enumerate() {
            if reset {
                self.set_up(index);
            }
        }
    }

    fn take(&mut self) {
        self.running = true;
        let turn = self.turn;
        for (index, queue) in self.queues.iter_mut().enumerate() {
            if index == turn {
                queue.head = (queue.head + 1) % queue.entries();
                queue.passed_over = 0;
                queue.taken += 1;
            } else if queue.seen {
                queue.passed_over += 1;
            }
        }
        // Whoever has something to take gets its turn after each of the others at most once.
        let most = self.queues.iter().map(|queue| queue.passed_over).max();
        assert!(most < Some(self.queues.len()), "{most:?} before one queue");
    }

    /// What becomes of the submission at hand.
    fn end(&mut self, gives_up: bool) {
        let how = self.rng.below(10);
        let failure = self.rng.next() >> 32;
        let queue = &mut self.queues[self.turn];
        if how == 0 {
            self.bench.set("unwritable", 1);
            queue.failed = true;
        } else if !gives_up || how < 3 {
            self.bench.set("written", 1);
            queue.tail = (queue.tail + 1) % queue.entries();
            queue.written += 1;
            queue.completed = true;
            self.completions += 1;
        }
        if how < 4 {
            self.bench.set("failing", 1);
            self.bench.set("failure", failure);
            queue.error = failure;
            self.last_error = failure;
        }
        if self.queues[self.turn].failed && self.rng.chance(50) {
            self.queues[self.turn].resetting = true;
            self.queues[self.turn].enable = false;
        }
    }
}

fn check(queues: usize, port_bytes: usize) {
    let mut both = Both::new(queues, port_bytes);
    for _ in 0..20_000 {
        both.cycle();
    }
    assert!(both.completions > 500, "{}", both.completions);
    assert!(both.queues.iter().all(|queue| queue.taken > 50));
    assert_eq!(both.changes > 100, queues > 1);
    both.bench.reset();
    both.drive();
    for index in 0..queues {
        assert_eq!(both.bench.get(&format!("sq_head_{index}")), 0);
        assert_eq!(both.bench.get(&format!("cq_tail_{index}")), 0);
        assert!(!both.bench.is(&format!("failed_{index}")));
    }
}

#[test]
fn one_queue() {
    check(1, 16);
}

#[test]
fn two_queues() {
    check(2, 32);
}

#[test]
fn four_queues() {
    check(4, 16);
}

#[test]
fn eight_queues() {
    check(8, 16);
}

/// A queue that is alone is taken from again as soon as its indices are known, and another one gets
/// its turn in the cycle after it is seen.
#[test]
fn a_queue_that_is_alone_never_waits() {
    let mut both = Both::new(4, 16);
    for queue in &mut both.queues {
        queue.log2 = 4;
    }
    for _ in 0..4 {
        both.drive();
        both.bench.model.cycle();
    }
    both.queues[2].sq_tail = 15;
    for text in ["not seen yet", "it was the turn of queue 0"] {
        both.drive();
        assert!(!both.bench.is("may_take"), "{text}");
        both.bench.model.cycle();
    }
    for _ in 0..15 {
        both.drive();
        assert!(both.bench.is("may_take"), "at once");
        both.bench.set("taken", 1);
        both.bench.model.cycle();
        both.running = true;
        both.drive();
        both.bench.set("written", 1);
        both.bench.set("ended", 1);
        both.bench.model.cycle();
        both.running = false;
        both.queues[2].cq_head = (both.queues[2].cq_head + 1) % 16;
        for _ in 0..2 {
            both.drive();
            assert!(!both.bench.is("may_take"), "its indices move");
            both.bench.model.cycle();
        }
    }
    both.drive();
    assert_eq!(both.bench.get("sq_head_2"), 15);
    assert_eq!(both.bench.get("cq_tail_2"), 15);
    assert!(!both.bench.is("may_take"));
}
