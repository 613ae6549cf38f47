//! Runs submissions: fetch, check, hand out, end, answer.

use isa::command::COMMAND_BYTES;
use isa::error::ErrorCode;
use isa::queue::{COMPLETION_BYTES, COMPLETION_WORDS};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::check::CHECK_CYCLES;
use super::fields::CompletionWords;

/// Where the submission at hand stands.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Phase {
    /// There is none.
    Idle,
    /// Its entry is being read.
    Submission,
    /// Its commands are being handed out.
    Run,
    /// All are handed out; some have not ended.
    Drain,
    /// It failed; what is under way comes to its end.
    Abort,
    /// Its completion is being written.
    Complete,
    /// The memory port is lost; only a reset helps.
    Fatal,
}

/// Control of the front end.
///
/// One submission at a time: read the entry, check it, read its commands, hand each to the queue
/// of its engine once it has stood still for the check, wait until the engines are idle, write
/// the completion. Any failure stops the handing out, empties the queues, waits for what is under
/// way and then completes with the cause. A failure while nothing can be completed, or a watchdog
/// that fires again while waiting, is fatal.
///
/// `stop` does the same without a completion, unless that is being written already: the control is
/// idle again (`busy` low) when nothing of the submission is left.
#[derive(LogicBlock)]
pub struct Control {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Start again.
    pub reset: Signal<In, Bit>,
    /// Give the submission at hand up.
    pub stop: Signal<In, Bit>,
    // Registers.
    /// The queue runs.
    pub enable: Signal<In, Bit>,
    /// Size of the rings.
    pub queue_log2: Signal<In, Bits<4>>,
    /// Address of the submission ring.
    pub sq_base: Signal<In, Bits<64>>,
    /// Address of the completion ring.
    pub cq_base: Signal<In, Bits<64>>,
    /// Submission doorbell.
    pub sq_tail: Signal<In, Bits<16>>,
    /// Completion doorbell.
    pub cq_head: Signal<In, Bits<16>>,
    /// Cycles that the watchdog waits; 0: for ever.
    pub watchdog: Signal<In, Bits<32>>,
    /// Next submission.
    pub sq_head: Signal<Out, Bits<16>>,
    /// Next completion.
    pub cq_tail: Signal<Out, Bits<16>>,
    /// A submission is at hand.
    pub busy: Signal<Out, Bit>,
    /// Only a reset helps.
    pub fatal: Signal<Out, Bit>,
    /// Last error: index and cause.
    pub last_error: Signal<Out, Bits<32>>,
    /// A completion was written.
    pub completed: Signal<Out, Bit>,
    // Fetch.
    /// Ask for records.
    pub run_valid: Signal<Out, Bit>,
    /// First line of the records.
    pub run_line: Signal<Out, Bits<53>>,
    /// How many.
    pub run_records: Signal<Out, Bits<16>>,
    /// Drop records.
    pub flush: Signal<Out, Bit>,
    /// No record is under way.
    pub fetch_idle: Signal<In, Bit>,
    /// A record is at hand.
    pub record_valid: Signal<In, Bit>,
    /// It could not be read.
    pub record_error: Signal<In, Bit>,
    /// It is done with.
    pub record_taken: Signal<Out, Bit>,
    // Check.
    /// Index of the command at hand.
    pub index: Signal<Out, Bits<16>>,
    /// Verdict.
    pub error: Signal<In, Bits<16>>,
    /// It is a LOAD.
    pub is_load: Signal<In, Bit>,
    /// It is a GEMM.
    pub is_gemm: Signal<In, Bit>,
    /// The submission is malformed.
    pub submission_bad: Signal<In, Bit>,
    /// First line of the program.
    pub program_line: Signal<In, Bits<53>>,
    /// Number of commands.
    pub commands: Signal<In, Bits<16>>,
    /// Tag.
    pub tag: Signal<In, Bits<64>>,
    // Engines.
    /// The queue of LOAD has room.
    pub room_load: Signal<In, Bit>,
    /// The queue of GEMM has room.
    pub room_gemm: Signal<In, Bit>,
    /// The queue of STORE has room.
    pub room_store: Signal<In, Bit>,
    /// Hand out a LOAD.
    pub push_load: Signal<Out, Bit>,
    /// Hand out a GEMM.
    pub push_gemm: Signal<Out, Bit>,
    /// Hand out a STORE.
    pub push_store: Signal<Out, Bit>,
    /// Empty the engines' queues and set all tokens to zero.
    pub clear: Signal<Out, Bit>,
    /// No engine has anything under way.
    pub engines_idle: Signal<In, Bit>,
    /// The engines' queues are empty.
    pub queues_empty: Signal<In, Bit>,
    /// No command that waits in a queue can start.
    pub all_blocked: Signal<In, Bit>,
    /// Lowest index among the commands that wait.
    pub blocked_index: Signal<In, Bits<16>>,
    /// A LOAD failed.
    pub load_fault: Signal<In, Bit>,
    /// Its index.
    pub load_index: Signal<In, Bits<16>>,
    /// A STORE failed.
    pub store_fault: Signal<In, Bit>,
    /// Its index.
    pub store_index: Signal<In, Bits<16>>,
    /// A token was given too often.
    pub overflow: Signal<In, Bit>,
    /// By this command.
    pub overflow_index: Signal<In, Bits<16>>,
    /// Something moved in this cycle.
    pub moved: Signal<In, Bit>,
    // Completion.
    /// Write the completion.
    pub answer_start: Signal<Out, Bit>,
    /// Where.
    pub answer_line: Signal<Out, Bits<53>>,
    /// The completion.
    pub answer_word: Vec<Signal<Out, Bits<32>>>,
    /// A completion is being written: answers of memory belong to it.
    pub completing: Signal<Out, Bit>,
    /// It is written, or could not be.
    pub answer_done: Signal<In, Bit>,
    /// It could not be written.
    pub answer_failed: Signal<In, Bit>,
    // Counters.
    /// A program runs.
    pub count_cycles: Signal<Out, Bit>,
    /// A command is handed out.
    pub count_busy: Signal<Out, Bit>,
    /// No command is left to hand out.
    pub count_input: Signal<Out, Bit>,
    /// A command waits for room.
    pub count_output: Signal<Out, Bit>,
    /// A record is awaited.
    pub count_memory: Signal<Out, Bit>,
    state: DFF<Phase>,
    head: DFF<Bits<16>>,
    tail: DFF<Bits<16>>,
    round: DFF<Bit>,
    next_head: Signal<Local, Bits<16>>,
    next_tail: Signal<Local, Bits<16>>,
    sq_line: Signal<Local, Bits<53>>,
    cq_line: Signal<Local, Bits<53>>,
    ring_mask: Signal<Local, Bits<16>>,
    ring_one: Constant<Bits<16>>,
    may_take: Signal<Local, Bit>,
    settle: DFF<Bits<2>>,
    settled: Signal<Local, Bit>,
    position: DFF<Bits<16>>,
    last: DFF<Bits<16>>,
    entry_tag: DFF<Bits<64>>,
    status: DFF<Bits<16>>,
    culprit: DFF<Bits<16>>,
    cycles: DFF<Bits<48>>,
    silence: DFF<Bits<32>>,
    silent: Signal<Local, Bit>,
    stuck: DFF<Bits<3>>,
    answering: DFF<Bit>,
    errors: DFF<Bits<32>>,
    done: DFF<Bit>,
    room: Signal<Local, Bit>,
    hand_out: Signal<Local, Bit>,
    words: CompletionWords,
    check_cycles: Constant<Bits<2>>,
    read_fault: Constant<Bits<16>>,
    write_fault: Constant<Bits<16>>,
    never_given: Constant<Bits<16>>,
    token_overflow: Constant<Bits<16>>,
    bad_submission: Constant<Bits<16>>,
    watchdog_fired: Constant<Bits<16>>,
    watchdog_error: Signal<Local, Bits<32>>,
    _port_bits: usize,
    _port_bits_end: usize,
    _record_bits: u64,
    _record_bits_end: u64,
    _entry_bits: u64,
    _entry_bits_end: u64,
}

impl Control {
    /// Control for lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        let code = |error: ErrorCode| Constant::new((error as u64).into());
        let port_bits = port_bytes.ilog2() as usize;
        let record_bits = u64::from((COMMAND_BYTES / port_bytes).ilog2());
        let entry_bits = u64::from((COMPLETION_BYTES / port_bytes).ilog2());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            stop: Default::default(),
            enable: Default::default(),
            queue_log2: Default::default(),
            sq_base: Default::default(),
            cq_base: Default::default(),
            sq_tail: Default::default(),
            cq_head: Default::default(),
            watchdog: Default::default(),
            sq_head: Default::default(),
            cq_tail: Default::default(),
            busy: Default::default(),
            fatal: Default::default(),
            last_error: Default::default(),
            completed: Default::default(),
            run_valid: Default::default(),
            run_line: Default::default(),
            run_records: Default::default(),
            flush: Default::default(),
            fetch_idle: Default::default(),
            record_valid: Default::default(),
            record_error: Default::default(),
            record_taken: Default::default(),
            index: Default::default(),
            error: Default::default(),
            is_load: Default::default(),
            is_gemm: Default::default(),
            submission_bad: Default::default(),
            program_line: Default::default(),
            commands: Default::default(),
            tag: Default::default(),
            room_load: Default::default(),
            room_gemm: Default::default(),
            room_store: Default::default(),
            push_load: Default::default(),
            push_gemm: Default::default(),
            push_store: Default::default(),
            clear: Default::default(),
            engines_idle: Default::default(),
            queues_empty: Default::default(),
            all_blocked: Default::default(),
            blocked_index: Default::default(),
            load_fault: Default::default(),
            load_index: Default::default(),
            store_fault: Default::default(),
            store_index: Default::default(),
            overflow: Default::default(),
            overflow_index: Default::default(),
            moved: Default::default(),
            answer_start: Default::default(),
            answer_line: Default::default(),
            answer_word: (0..COMPLETION_WORDS).map(|_| Signal::default()).collect(),
            completing: Default::default(),
            answer_done: Default::default(),
            answer_failed: Default::default(),
            count_cycles: Default::default(),
            count_busy: Default::default(),
            count_input: Default::default(),
            count_output: Default::default(),
            count_memory: Default::default(),
            state: Default::default(),
            head: Default::default(),
            tail: Default::default(),
            round: Default::default(),
            next_head: Default::default(),
            next_tail: Default::default(),
            sq_line: Default::default(),
            cq_line: Default::default(),
            ring_mask: Default::default(),
            ring_one: Constant::new(1u64.into()),
            may_take: Default::default(),
            settle: Default::default(),
            settled: Default::default(),
            position: Default::default(),
            last: Default::default(),
            entry_tag: Default::default(),
            status: Default::default(),
            culprit: Default::default(),
            cycles: Default::default(),
            silence: Default::default(),
            silent: Default::default(),
            stuck: Default::default(),
            answering: Default::default(),
            errors: Default::default(),
            done: Default::default(),
            room: Default::default(),
            hand_out: Default::default(),
            words: Default::default(),
            check_cycles: Constant::new(CHECK_CYCLES.into()),
            read_fault: code(ErrorCode::ReadFault),
            write_fault: code(ErrorCode::WriteFault),
            never_given: code(ErrorCode::TokenNeverGiven),
            token_overflow: code(ErrorCode::TokenOverflow),
            bad_submission: code(ErrorCode::BadSubmission),
            watchdog_fired: code(ErrorCode::Watchdog),
            watchdog_error: Default::default(),
            _port_bits: port_bits,
            _port_bits_end: port_bits + 1,
            _record_bits: record_bits,
            _record_bits_end: record_bits + 1,
            _entry_bits: entry_bits,
            _entry_bits_end: entry_bits + 1,
        }
    }
}

impl Logic for Control {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, state, head, tail, round, settle, position, last, entry_tag, status,
            culprit, cycles, silence, stuck, answering, errors, done
        );
        self.ring_mask.next = (self.ring_one.val() << self.queue_log2.val()) - 1;
        self.next_head.next = (self.head.q.val() + 1) & self.ring_mask.val();
        self.next_tail.next = (self.tail.q.val() + 1) & self.ring_mask.val();
        self.may_take.next = self.enable.val()
            & (self.head.q.val() != (self.sq_tail.val() & self.ring_mask.val()))
            & (self.next_tail.val() != (self.cq_head.val() & self.ring_mask.val()));
        self.sq_head.next = self.head.q.val();
        self.cq_tail.next = self.tail.q.val();
        self.busy.next = self.state.q.val() != Phase::Idle;
        self.fatal.next = self.state.q.val() == Phase::Fatal;
        self.last_error.next = self.errors.q.val();
        self.completed.next = self.done.q.val();
        self.done.d.next = false;
        self.index.next = self.position.q.val();
        self.settled.next =
            self.record_valid.val() & (self.settle.q.val() == self.check_cycles.val());
        if self.record_valid.val() & (!self.settled.val()) {
            self.settle.d.next = self.settle.q.val() + 1;
        }
        self.run_valid.next = false;
        self.run_records.next = 1.into();
        for k in self._port_bits..self._port_bits_end {
            self.sq_line.next = self.sq_base.val().get_bits::<53>(k);
            self.cq_line.next = self.cq_base.val().get_bits::<53>(k);
        }
        for k in self._record_bits..self._record_bits_end {
            self.run_line.next = self.sq_line.val() + (bit_cast::<53, 16>(self.head.q.val()) << k);
        }
        for k in self._entry_bits..self._entry_bits_end {
            self.answer_line.next =
                self.cq_line.val() + (bit_cast::<53, 16>(self.tail.q.val()) << k);
        }
        self.record_taken.next = false;
        self.clear.next = false;
        self.flush.next = self.state.q.val() == Phase::Abort;
        self.answer_start.next = false;
        self.completing.next = self.state.q.val() == Phase::Complete;
        self.room.next = self.room_store.val();
        if self.is_load.val() {
            self.room.next = self.room_load.val();
        }
        if self.is_gemm.val() {
            self.room.next = self.room_gemm.val();
        }
        self.hand_out.next = (self.state.q.val() == Phase::Run)
            & self.settled.val()
            & (!self.record_error.val())
            & (self.error.val() == 0)
            & self.room.val();
        self.push_load.next = self.hand_out.val() & self.is_load.val();
        self.push_gemm.next = self.hand_out.val() & self.is_gemm.val();
        self.push_store.next = self.hand_out.val() & (!self.is_load.val()) & (!self.is_gemm.val());
        self.count_cycles.next =
            (self.state.q.val() != Phase::Idle) & (self.state.q.val() != Phase::Fatal);
        self.count_busy.next = self.hand_out.val();
        self.count_input.next = self.state.q.val() == Phase::Drain;
        self.count_output.next =
            (self.state.q.val() == Phase::Run) & self.settled.val() & (!self.room.val());
        self.count_memory.next = ((self.state.q.val() == Phase::Run)
            | (self.state.q.val() == Phase::Submission))
            & (!self.record_valid.val());
        self.cycles.d.next = self.cycles.q.val() + 1;
        self.silence.d.next = self.silence.q.val() + 1;
        if self.moved.val() | self.hand_out.val() | (self.state.q.val() == Phase::Idle) {
            self.silence.d.next = 0.into();
        }
        self.silent.next =
            (self.watchdog.val() != 0) & (self.silence.q.val() >= self.watchdog.val());
        // A token that is on its way to its counter needs some cycles to unblock a queue.
        self.stuck.d.next = 0.into();
        if self.engines_idle.val() & self.all_blocked.val() & (!self.queues_empty.val()) {
            self.stuck.d.next = self.stuck.q.val() + 1;
            if self.stuck.q.val() == 7 {
                self.stuck.d.next = 7.into();
            }
        }
        // A command that was just handed out may start, and unblock the others.
        if self.hand_out.val() {
            self.stuck.d.next = 0.into();
        }

        self.watchdog_error.next = (bit_cast::<32, 16>(self.position.q.val()) << 16)
            | bit_cast::<32, 16>(self.watchdog_fired.val());
        match self.state.q.val() {
            Phase::Idle => {
                self.settle.d.next = 0.into();
                self.cycles.d.next = 0.into();
                self.position.d.next = 0.into();
                self.status.d.next = 0.into();
                self.culprit.d.next = 0.into();
                self.clear.next = true;
                if self.may_take.val() {
                    self.run_valid.next = true;
                    self.head.d.next = self.next_head.val();
                    self.state.d.next = Phase::Submission;
                }
            }
            Phase::Submission => {
                if self.settled.val() {
                    self.record_taken.next = true;
                    self.settle.d.next = 0.into();
                    self.entry_tag.d.next = self.tag.val();
                    self.run_line.next = self.program_line.val();
                    self.run_records.next = self.commands.val();
                    self.last.d.next = self.commands.val() - 1;
                    if self.record_error.val() {
                        self.entry_tag.d.next = 0.into();
                        self.status.d.next = self.read_fault.val();
                        self.state.d.next = Phase::Abort;
                    } else if self.submission_bad.val() {
                        self.status.d.next = self.bad_submission.val();
                        self.state.d.next = Phase::Abort;
                    } else {
                        self.run_valid.next = true;
                        self.state.d.next = Phase::Run;
                    }
                }
                if self.silent.val() {
                    self.errors.d.next = self.watchdog_error.val();
                    self.state.d.next = Phase::Fatal;
                }
            }
            Phase::Run => {
                if self.hand_out.val() {
                    self.record_taken.next = true;
                    self.settle.d.next = 0.into();
                    self.position.d.next = self.position.q.val() + 1;
                    if self.position.q.val() == self.last.q.val() {
                        self.state.d.next = Phase::Drain;
                    }
                }
                if self.settled.val() & (self.record_error.val() | (self.error.val() != 0)) {
                    self.culprit.d.next = self.position.q.val();
                    self.status.d.next = self.error.val();
                    if self.record_error.val() {
                        self.status.d.next = self.read_fault.val();
                    }
                    self.state.d.next = Phase::Abort;
                }
            }
            Phase::Drain => {
                if self.queues_empty.val() & self.engines_idle.val() {
                    self.state.d.next = Phase::Complete;
                }
            }
            Phase::Abort => {
                self.clear.next = true;
                // What stood in a queue in the first of these cycles may still have started.
                if self.fetch_idle.val()
                    & self.engines_idle.val()
                    & self.queues_empty.val()
                    & (!self.answering.q.val())
                {
                    self.state.d.next = Phase::Complete;
                    if self.stop.val() {
                        self.state.d.next = Phase::Idle;
                    }
                }
                if self.silent.val() {
                    self.errors.d.next = self.watchdog_error.val();
                    self.state.d.next = Phase::Fatal;
                }
            }
            Phase::Complete => {
                self.answer_start.next = !self.answering.q.val();
                self.answering.d.next = true;
                if self.answer_done.val() {
                    if self.answer_failed.val() {
                        self.errors.d.next = bit_cast::<32, 16>(self.write_fault.val());
                        self.state.d.next = Phase::Fatal;
                    } else {
                        self.done.d.next = true;
                        self.tail.d.next = self.next_tail.val();
                        if self.next_tail.val() == 0 {
                            self.round.d.next = !self.round.q.val();
                        }
                        self.state.d.next = Phase::Idle;
                        if self.status.q.val() != 0 {
                            self.errors.d.next = (bit_cast::<32, 16>(self.culprit.q.val()) << 16)
                                | bit_cast::<32, 16>(self.status.q.val());
                        }
                    }
                }
                if self.silent.val() {
                    self.errors.d.next = self.watchdog_error.val();
                    self.state.d.next = Phase::Fatal;
                }
            }
            _ => {}
        }
        if (self.state.q.val() == Phase::Run) | (self.state.q.val() == Phase::Drain) {
            if (self.stuck.q.val() == 7)
                & ((self.state.q.val() == Phase::Drain)
                    | (self.settled.val()
                        & (!self.room.val())
                        & (!self.record_error.val())
                        & (self.error.val() == 0)))
            {
                self.status.d.next = self.never_given.val();
                self.culprit.d.next = self.blocked_index.val();
                self.state.d.next = Phase::Abort;
            }
            if self.overflow.val() {
                self.status.d.next = self.token_overflow.val();
                self.culprit.d.next = self.overflow_index.val();
                self.state.d.next = Phase::Abort;
            }
            if self.store_fault.val() {
                self.status.d.next = self.write_fault.val();
                self.culprit.d.next = self.store_index.val();
                self.state.d.next = Phase::Abort;
            }
            if self.load_fault.val() {
                self.status.d.next = self.read_fault.val();
                self.culprit.d.next = self.load_index.val();
                self.state.d.next = Phase::Abort;
            }
            if self.silent.val() {
                self.status.d.next = self.watchdog_fired.val();
                self.culprit.d.next = self.position.q.val();
                self.silence.d.next = 0.into();
                self.state.d.next = Phase::Abort;
            }
        }
        if self.answer_done.val() {
            self.answering.d.next = false;
        }
        if self.stop.val()
            & (self.state.q.val() != Phase::Idle)
            & (self.state.q.val() != Phase::Abort)
            & (self.state.q.val() != Phase::Complete)
        {
            self.state.d.next = Phase::Abort;
        }
        self.words.tag.next = self.entry_tag.q.val();
        self.words.status.next = self.status.q.val();
        self.words.head.next = self.head.q.val();
        self.words.command.next = self.culprit.q.val();
        self.words.cycles.next = self.cycles.q.val();
        self.words.phase.next = !self.round.q.val();
        if self.state.q.val() == Phase::Complete {
            // The entry stands still while it is written.
            self.cycles.d.next = self.cycles.q.val();
        }
        for i in 0..8 {
            self.answer_word[i].next = self.words.word[i].val();
        }
        if self.reset.val() {
            self.state.d.next = Phase::Idle;
            self.head.d.next = 0.into();
            self.tail.d.next = 0.into();
            self.round.d.next = false;
            self.settle.d.next = 0.into();
            self.answering.d.next = false;
            self.errors.d.next = 0.into();
            self.done.d.next = false;
            self.silence.d.next = 0.into();
            self.stuck.d.next = 0.into();
        }
    }
}
