//! The queues in front of the control: where each stands, and whose turn it is.

use isa::command::COMMAND_BYTES;
use isa::queue::COMPLETION_BYTES;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Indices, phase bits and errors of all queues, and the choice among them.
///
/// ```text
/// enable[], rings[], doorbells[] ->|        |-> may_take, submission_line   <- taken
/// resetting[]                    ->| Queues |-> head, phase, answer_line    <- written, unwritable
/// heads[], busy[], failed[]      <-|        |<- ended, failing, failure
/// error[], completed[]           <-|        |-> give_up
/// ```
///
/// [`Control`](super::Control) sees one queue, that of `turn`. The turn changes only when a program
/// ends and while there is none: it goes to the next queue that has something to take, upwards and
/// round; while no other has, it stays. So a queue that is alone never waits for its turn. That a
/// queue has something to take is seen a cycle late, and again two cycles after one of its indices
/// has moved; a queue that is not enabled any more is not offered, even so.
#[derive(LogicBlock)]
pub struct Queues {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Start again.
    pub reset: Signal<In, Bit>,
    // Registers, one of each for a queue.
    /// The queue runs.
    pub enable: Vec<Signal<In, Bit>>,
    /// Size of the rings.
    pub queue_log2: Vec<Signal<In, Bits<4>>>,
    /// Address of the submission ring.
    pub sq_base: Vec<Signal<In, Bits<64>>>,
    /// Address of the completion ring.
    pub cq_base: Vec<Signal<In, Bits<64>>>,
    /// Submission doorbell.
    pub sq_tail: Vec<Signal<In, Bits<16>>>,
    /// Completion doorbell.
    pub cq_head: Vec<Signal<In, Bits<16>>>,
    /// The queue is to be reset.
    pub resetting: Vec<Signal<In, Bit>>,
    /// Nothing of its program is left; its indices begin again.
    pub reset_done: Vec<Signal<Out, Bit>>,
    /// Next submission.
    pub sq_head: Vec<Signal<Out, Bits<16>>>,
    /// Next completion.
    pub cq_tail: Vec<Signal<Out, Bits<16>>>,
    /// Its program runs.
    pub busy: Vec<Signal<Out, Bit>>,
    /// Its completion could not be written.
    pub failed: Vec<Signal<Out, Bit>>,
    /// Last error: index and cause.
    pub error: Vec<Signal<Out, Bits<32>>>,
    /// A completion was written.
    pub completed: Vec<Signal<Out, Bit>>,
    /// Last error of any queue.
    pub last_error: Signal<Out, Bits<32>>,
    /// Something is to be taken, to be reset, or was just completed.
    pub active: Signal<Out, Bit>,
    // Control.
    /// A submission is at hand.
    pub running: Signal<In, Bit>,
    /// There is a submission to take.
    pub may_take: Signal<Out, Bit>,
    /// Its first line, a cycle after `may_take` and as long as the turn does not change.
    pub submission_line: Signal<Out, Bits<53>>,
    /// It is taken.
    pub taken: Signal<In, Bit>,
    /// Index of the submission after the one that was taken last.
    pub head: Signal<Out, Bits<16>>,
    /// Phase bit of the next completion.
    pub phase: Signal<Out, Bit>,
    /// Its first line.
    pub answer_line: Signal<Out, Bits<53>>,
    /// It is written.
    pub written: Signal<In, Bit>,
    /// It could not be written.
    pub unwritable: Signal<In, Bit>,
    /// The submission at hand is over, whatever became of it.
    pub ended: Signal<In, Bit>,
    /// There is an error to remember.
    pub failing: Signal<In, Bit>,
    /// The error.
    pub failure: Signal<In, Bits<32>>,
    /// Give the submission at hand up: its queue is to be reset.
    pub give_up: Signal<Out, Bit>,
    turn: DFF<Bits<3>>,
    next_turn: Signal<Local, Bits<3>>,
    number: Vec<Constant<Bits<3>>>,
    mine: Vec<Signal<Local, Bit>>,
    ring_one: Constant<Bits<16>>,
    // Behind the indices, so that no sum stands before a comparison.
    ring_mask: Vec<DFF<Bits<16>>>,
    next_head: Vec<DFF<Bits<16>>>,
    next_tail: Vec<DFF<Bits<16>>>,
    waiting: Vec<Signal<Local, Bit>>,
    moving: Vec<Signal<Local, Bit>>,
    moved: Vec<DFF<Bit>>,
    work: Vec<DFF<Bit>>,
    done: Vec<Signal<Local, Bit>>,
    busy_chain: Vec<Signal<Local, Bit>>,
    heads: Vec<DFF<Bits<16>>>,
    tails: Vec<DFF<Bits<16>>>,
    round: Vec<DFF<Bit>>,
    broken: Vec<DFF<Bit>>,
    errors: Vec<DFF<Bits<32>>>,
    completions: Vec<DFF<Bit>>,
    newest_error: DFF<Bits<32>>,
    sq_line: Signal<Local, Bits<53>>,
    cq_line: Signal<Local, Bits<53>>,
    next_submission: DFF<Bits<53>>,
    next_answer: DFF<Bits<53>>,
    sq_base_now: Signal<Local, Bits<64>>,
    cq_base_now: Signal<Local, Bits<64>>,
    head_now: Signal<Local, Bits<16>>,
    tail_now: Signal<Local, Bits<16>>,
    _queues: usize,
    _queues_end: usize,
    _last: usize,
    _port_bits: usize,
    _port_bits_end: usize,
    _record_bits: u64,
    _record_bits_end: u64,
    _entry_bits: u64,
    _entry_bits_end: u64,
}

impl Queues {
    /// `queues` queues and lines of `port_bytes`.
    pub fn new(queues: usize, port_bytes: usize) -> Self {
        let port_bits = port_bytes.ilog2() as usize;
        let record_bits = u64::from((COMMAND_BYTES / port_bytes).ilog2());
        let entry_bits = u64::from((COMPLETION_BYTES / port_bytes).ilog2());
        /// One of a kind for each queue.
        fn each<T: Default>(queues: usize) -> Vec<T> {
            (0..queues).map(|_| T::default()).collect()
        }
        Self {
            clock: Default::default(),
            reset: Default::default(),
            enable: each(queues),
            queue_log2: each(queues),
            sq_base: each(queues),
            cq_base: each(queues),
            sq_tail: each(queues),
            cq_head: each(queues),
            resetting: each(queues),
            reset_done: each(queues),
            sq_head: each(queues),
            cq_tail: each(queues),
            busy: each(queues),
            failed: each(queues),
            error: each(queues),
            completed: each(queues),
            last_error: Default::default(),
            active: Default::default(),
            running: Default::default(),
            may_take: Default::default(),
            submission_line: Default::default(),
            taken: Default::default(),
            head: Default::default(),
            phase: Default::default(),
            answer_line: Default::default(),
            written: Default::default(),
            unwritable: Default::default(),
            ended: Default::default(),
            failing: Default::default(),
            failure: Default::default(),
            give_up: Default::default(),
            turn: Default::default(),
            next_turn: Default::default(),
            number: (0..queues as u64)
                .map(|queue| Constant::new(queue.into()))
                .collect(),
            mine: each(queues),
            ring_one: Constant::new(1u64.into()),
            ring_mask: each(queues),
            next_head: each(queues),
            next_tail: each(queues),
            waiting: each(queues),
            moving: each(queues),
            moved: each(queues),
            work: each(queues),
            done: each(queues),
            busy_chain: each(queues + 1),
            heads: each(queues),
            tails: each(queues),
            round: each(queues),
            broken: each(queues),
            errors: each(queues),
            completions: each(queues),
            newest_error: Default::default(),
            sq_line: Default::default(),
            cq_line: Default::default(),
            next_submission: Default::default(),
            next_answer: Default::default(),
            sq_base_now: Default::default(),
            cq_base_now: Default::default(),
            head_now: Default::default(),
            tail_now: Default::default(),
            _queues: queues,
            _queues_end: queues + 1,
            _last: queues - 1,
            _port_bits: port_bits,
            _port_bits_end: port_bits + 1,
            _record_bits: record_bits,
            _record_bits_end: record_bits + 1,
            _entry_bits: entry_bits,
            _entry_bits_end: entry_bits + 1,
        }
    }
}

impl Logic for Queues {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            turn,
            newest_error,
            next_submission,
            next_answer
        );
        for i in 0..self._queues {
            self.heads[i].clock.next = self.clock.val();
            self.tails[i].clock.next = self.clock.val();
            self.round[i].clock.next = self.clock.val();
            self.broken[i].clock.next = self.clock.val();
            self.errors[i].clock.next = self.clock.val();
            self.completions[i].clock.next = self.clock.val();
            self.heads[i].d.next = self.heads[i].q.val();
            self.tails[i].d.next = self.tails[i].q.val();
            self.round[i].d.next = self.round[i].q.val();
            self.broken[i].d.next = self.broken[i].q.val();
            self.errors[i].d.next = self.errors[i].q.val();
            self.completions[i].d.next = false;
            self.sq_head[i].next = self.heads[i].q.val();
            self.cq_tail[i].next = self.tails[i].q.val();
            self.failed[i].next = self.broken[i].q.val();
            self.error[i].next = self.errors[i].q.val();
            self.completed[i].next = self.completions[i].q.val();

            self.ring_mask[i].clock.next = self.clock.val();
            self.next_head[i].clock.next = self.clock.val();
            self.next_tail[i].clock.next = self.clock.val();
            self.moved[i].clock.next = self.clock.val();
            self.work[i].clock.next = self.clock.val();
            self.mine[i].next = self.turn.q.val() == self.number[i].val();
            self.ring_mask[i].d.next = (self.ring_one.val() << self.queue_log2[i].val()) - 1;
            self.next_head[i].d.next = (self.heads[i].q.val() + 1) & self.ring_mask[i].q.val();
            self.next_tail[i].d.next = (self.tails[i].q.val() + 1) & self.ring_mask[i].q.val();
            // What is compared is known two cycles after an index has moved, and a queue that has
            // failed is not offered again.
            self.moving[i].next = self.mine[i].val()
                & (self.taken.val() | self.written.val() | self.unwritable.val());
            self.moved[i].d.next = self.moving[i].val();
            self.waiting[i].next = self.enable[i].val()
                & (!self.broken[i].q.val())
                & (self.heads[i].q.val() != (self.sq_tail[i].val() & self.ring_mask[i].q.val()))
                & (self.next_tail[i].q.val()
                    != (self.cq_head[i].val() & self.ring_mask[i].q.val()));
            self.work[i].d.next =
                self.waiting[i].val() & (!self.moving[i].val()) & (!self.moved[i].q.val());
        }

        // The queue whose turn it is.
        self.may_take.next = self.work[0].q.val() & self.enable[0].val();
        self.sq_base_now.next = self.sq_base[0].val();
        self.cq_base_now.next = self.cq_base[0].val();
        self.head_now.next = self.heads[0].q.val();
        self.tail_now.next = self.tails[0].q.val();
        self.phase.next = !self.round[0].q.val();
        self.give_up.next = self.resetting[0].val();
        for i in 1..self._queues {
            if self.turn.q.val() == self.number[i].val() {
                self.may_take.next = self.work[i].q.val() & self.enable[i].val();
                self.sq_base_now.next = self.sq_base[i].val();
                self.cq_base_now.next = self.cq_base[i].val();
                self.head_now.next = self.heads[i].q.val();
                self.tail_now.next = self.tails[i].q.val();
                self.phase.next = !self.round[i].q.val();
                self.give_up.next = self.resetting[i].val();
            }
        }
        self.head.next = self.head_now.val();
        for k in self._port_bits..self._port_bits_end {
            self.sq_line.next = self.sq_base_now.val().get_bits::<53>(k);
            self.cq_line.next = self.cq_base_now.val().get_bits::<53>(k);
        }
        for k in self._record_bits..self._record_bits_end {
            self.next_submission.d.next =
                self.sq_line.val() + (bit_cast::<53, 16>(self.head_now.val()) << k);
        }
        for k in self._entry_bits..self._entry_bits_end {
            self.next_answer.d.next =
                self.cq_line.val() + (bit_cast::<53, 16>(self.tail_now.val()) << k);
        }

        self.submission_line.next = self.next_submission.q.val();
        self.answer_line.next = self.next_answer.q.val();

        // The next turn: the lowest queue above that has work, else the lowest of all.
        self.next_turn.next = self.turn.q.val();
        for last in self._last..self._queues {
            for i in 0..self._last {
                if self.work[last - i].q.val() & (self.number[last - i].val() <= self.turn.q.val())
                {
                    self.next_turn.next = self.number[last - i].val();
                }
            }
            if self.work[0].q.val() {
                self.next_turn.next = self.number[0].val();
            }
            for i in 0..self._last {
                if self.work[last - i].q.val() & (self.number[last - i].val() > self.turn.q.val()) {
                    self.next_turn.next = self.number[last - i].val();
                }
            }
        }
        if self.ended.val() | ((!self.running.val()) & (!self.may_take.val())) {
            self.turn.d.next = self.next_turn.val();
        }

        // What becomes of the submission at hand.
        if self.failing.val() {
            self.newest_error.d.next = self.failure.val();
        }
        self.last_error.next = self.newest_error.q.val();
        self.busy_chain[0].next = false;
        for i in 0..self._queues {
            self.busy[i].next = self.running.val() & self.mine[i].val();
            if self.mine[i].val() {
                if self.taken.val() {
                    self.heads[i].d.next = self.next_head[i].q.val();
                }
                if self.written.val() {
                    self.completions[i].d.next = true;
                    self.tails[i].d.next = self.next_tail[i].q.val();
                    if self.next_tail[i].q.val() == 0 {
                        self.round[i].d.next = !self.round[i].q.val();
                    }
                }
                if self.unwritable.val() {
                    self.broken[i].d.next = true;
                }
                if self.failing.val() {
                    self.errors[i].d.next = self.failure.val();
                }
            }
            self.done[i].next =
                self.resetting[i].val() & (!(self.running.val() & self.mine[i].val()));
            self.reset_done[i].next = self.done[i].val();
            self.busy_chain[i + 1].next = self.busy_chain[i].val()
                | self.waiting[i].val()
                | self.moved[i].q.val()
                | self.completions[i].q.val()
                | self.resetting[i].val();
            if self.reset.val() | self.done[i].val() {
                self.heads[i].d.next = 0.into();
                self.tails[i].d.next = 0.into();
                self.round[i].d.next = false;
                self.broken[i].d.next = false;
                self.errors[i].d.next = 0.into();
                self.completions[i].d.next = false;
            }
        }
        for n in self._queues..self._queues_end {
            self.active.next = self.busy_chain[n].val();
        }
        if self.reset.val() {
            self.turn.d.next = 0.into();
            self.newest_error.d.next = 0.into();
        }
    }
}
