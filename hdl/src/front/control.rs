//! Runs submissions: fetch, check, hand out, end, answer.

use isa::error::ErrorCode;
use isa::queue::COMPLETION_WORDS;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::check::CHECK_CYCLES;
use super::fault::FaultCode;
use super::fields::CompletionWords;

/// Cycles for which the engines must have been idle before a program has ended: a token that was
/// given too often, and a fault, reach the control within them.
const CALM_CYCLES: u64 = 5;

/// Where the submission at hand stands.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Phase {
    /// There is none.
    Idle,
    /// Its entry is asked for.
    Take,
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
/// One submission at a time, of the queue that [`Queues`](super::Queues) shows: read the entry, check
/// it, read its commands, hand each to the queue of its engine once it has stood still for the
/// check, wait until the engines are idle, write the completion. Any failure stops the handing out,
/// empties the engines' queues, waits for what is under way and then completes with the cause. A
/// completion that cannot be written ends the submission without one. A watchdog that fires while
/// nothing can be completed, or again while waiting, is fatal.
///
/// `stop` does the same without a completion, unless that is being written already: the control is
/// idle again (`busy` low) when nothing of the submission is left. `give_up` too, but not once the
/// control is fatal.
#[derive(LogicBlock)]
pub struct Control {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Start again.
    pub reset: Signal<In, Bit>,
    /// Give the submission at hand up: the card is to be reset.
    pub stop: Signal<In, Bit>,
    /// Give the submission at hand up: its queue is to be reset.
    pub give_up: Signal<In, Bit>,
    // Queues.
    /// There is a submission to take.
    pub may_take: Signal<In, Bit>,
    /// Its first line.
    pub submission_line: Signal<In, Bits<53>>,
    /// It is taken.
    pub taken: Signal<Out, Bit>,
    /// Index of the submission after the one at hand.
    pub head: Signal<In, Bits<16>>,
    /// Phase bit of its completion.
    pub phase: Signal<In, Bit>,
    /// A completion is written.
    pub written: Signal<Out, Bit>,
    /// It could not be written.
    pub unwritable: Signal<Out, Bit>,
    /// The submission at hand is over.
    pub ended: Signal<Out, Bit>,
    /// There is an error to remember.
    pub failing: Signal<Out, Bit>,
    /// The error: index and cause.
    pub failure: Signal<Out, Bits<32>>,
    // Registers.
    /// Cycles that the watchdog waits; 0: for ever.
    pub watchdog: Signal<In, Bits<32>>,
    /// A submission is at hand.
    pub busy: Signal<Out, Bit>,
    /// Only a reset of the card helps.
    pub fatal: Signal<Out, Bit>,
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
    /// Not 0: it could not be read.
    pub record_fault: Signal<In, Bits<3>>,
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
    /// No engine has had anything under way in the cycle before.
    pub engines_idle: Signal<In, Bit>,
    /// The engines' queues are empty.
    pub queues_empty: Signal<In, Bit>,
    /// No command that waits in a queue can start.
    pub all_blocked: Signal<In, Bit>,
    /// Lowest index among the commands that wait.
    pub blocked_index: Signal<In, Bits<16>>,
    /// Not 0: a LOAD failed.
    pub load_fault: Signal<In, Bits<3>>,
    /// Its index.
    pub load_index: Signal<In, Bits<16>>,
    /// Not 0: a STORE failed.
    pub store_fault: Signal<In, Bits<3>>,
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
    /// The completion.
    pub answer_word: Vec<Signal<Out, Bits<32>>>,
    /// A completion is being written: answers of memory belong to it.
    pub completing: Signal<Out, Bit>,
    /// It is written, or could not be.
    pub answer_done: Signal<In, Bit>,
    /// Not 0: it could not be written.
    pub answer_fault: Signal<In, Bits<3>>,
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
    settle: DFF<Bits<3>>,
    settled: Signal<Local, Bit>,
    // What is seen of a record that has settled, a cycle later: the verdict and the queues of the
    // engines are far from here.
    judged: DFF<Bit>,
    flawed: DFF<Bit>,
    room: DFF<Bit>,
    for_load: DFF<Bit>,
    for_gemm: DFF<Bit>,
    hands: DFF<Bit>,
    // The same of the engines. What a command gives or reports as its last may come this many
    // cycles after it.
    quiet: Signal<Local, Bit>,
    calm: DFF<Bits<3>>,
    rest: DFF<Bit>,
    standing: DFF<Bit>,
    // A failure on the side of the engines, a cycle late.
    trouble: DFF<Bit>,
    trouble_status: DFF<Bits<16>>,
    trouble_culprit: DFF<Bits<16>>,
    // What is asked of the fetch.
    asks: DFF<Bit>,
    asks_line: DFF<Bits<53>>,
    asks_records: DFF<Bits<16>>,
    position: DFF<Bits<16>>,
    last: DFF<Bits<16>>,
    entry_tag: DFF<Bits<64>>,
    status: DFF<Bits<16>>,
    culprit: DFF<Bits<16>>,
    cycles: DFF<Bits<48>>,
    silence: DFF<Bits<32>>,
    silent: DFF<Bit>,
    stuck: DFF<Bits<3>>,
    answering: DFF<Bit>,
    words: CompletionWords,
    check_cycles: Constant<Bits<3>>,
    calm_cycles: Constant<Bits<3>>,
    record_code: FaultCode,
    load_code: FaultCode,
    store_code: FaultCode,
    answer_code: FaultCode,
    never_given: Constant<Bits<16>>,
    token_overflow: Constant<Bits<16>>,
    bad_submission: Constant<Bits<16>>,
    watchdog_fired: Constant<Bits<16>>,
    watchdog_error: Signal<Local, Bits<32>>,
}

impl Default for Control {
    fn default() -> Self {
        let code = |error: ErrorCode| Constant::new((error as u64).into());
        Self {
            clock: Default::default(),
            reset: Default::default(),
            stop: Default::default(),
            give_up: Default::default(),
            may_take: Default::default(),
            submission_line: Default::default(),
            taken: Default::default(),
            head: Default::default(),
            phase: Default::default(),
            written: Default::default(),
            unwritable: Default::default(),
            ended: Default::default(),
            failing: Default::default(),
            failure: Default::default(),
            watchdog: Default::default(),
            busy: Default::default(),
            fatal: Default::default(),
            run_valid: Default::default(),
            run_line: Default::default(),
            run_records: Default::default(),
            flush: Default::default(),
            fetch_idle: Default::default(),
            record_valid: Default::default(),
            record_fault: Default::default(),
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
            answer_word: (0..COMPLETION_WORDS).map(|_| Signal::default()).collect(),
            completing: Default::default(),
            answer_done: Default::default(),
            answer_fault: Default::default(),
            count_cycles: Default::default(),
            count_busy: Default::default(),
            count_input: Default::default(),
            count_output: Default::default(),
            count_memory: Default::default(),
            state: Default::default(),
            settle: Default::default(),
            settled: Default::default(),
            judged: Default::default(),
            flawed: Default::default(),
            room: Default::default(),
            for_load: Default::default(),
            for_gemm: Default::default(),
            hands: Default::default(),
            quiet: Default::default(),
            calm: Default::default(),
            rest: Default::default(),
            trouble: Default::default(),
            trouble_status: Default::default(),
            trouble_culprit: Default::default(),
            asks: Default::default(),
            asks_line: Default::default(),
            asks_records: Default::default(),
            standing: Default::default(),
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
            words: Default::default(),
            check_cycles: Constant::new(CHECK_CYCLES.into()),
            calm_cycles: Constant::new(CALM_CYCLES.into()),
            record_code: FaultCode::of_read(),
            load_code: FaultCode::of_read(),
            store_code: FaultCode::of_write(),
            answer_code: FaultCode::of_write(),
            never_given: code(ErrorCode::TokenNeverGiven),
            token_overflow: code(ErrorCode::TokenOverflow),
            bad_submission: code(ErrorCode::BadSubmission),
            watchdog_fired: code(ErrorCode::Watchdog),
            watchdog_error: Default::default(),
        }
    }
}

impl Logic for Control {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            state,
            settle,
            judged,
            flawed,
            room,
            for_load,
            for_gemm,
            hands,
            calm,
            rest,
            standing,
            trouble,
            trouble_status,
            trouble_culprit,
            asks,
            asks_line,
            asks_records,
            position,
            last,
            entry_tag,
            status,
            culprit,
            cycles,
            silence,
            silent,
            stuck,
            answering
        );
        self.busy.next = self.state.q.val() != Phase::Idle;
        self.fatal.next = self.state.q.val() == Phase::Fatal;
        self.taken.next = false;
        self.written.next = false;
        self.unwritable.next = false;
        self.ended.next = false;
        self.failing.next = false;
        self.record_code.fault.next = self.record_fault.val();
        self.load_code.fault.next = self.load_fault.val();
        self.store_code.fault.next = self.store_fault.val();
        self.answer_code.fault.next = self.answer_fault.val();
        self.watchdog_error.next = (bit_cast::<32, 16>(self.position.q.val()) << 16)
            | bit_cast::<32, 16>(self.watchdog_fired.val());
        // Which of them it is, should there be one.
        self.failure.next = (bit_cast::<32, 16>(self.culprit.q.val()) << 16)
            | bit_cast::<32, 16>(self.status.q.val());
        if self.answer_done.val() {
            if self.answer_fault.val() != 0 {
                self.failure.next = bit_cast::<32, 16>(self.answer_code.code.val());
            }
        } else if self.silent.q.val() {
            self.failure.next = self.watchdog_error.val();
        }
        self.index.next = self.position.q.val();
        self.settled.next =
            self.record_valid.val() & (self.settle.q.val() == self.check_cycles.val());
        if self.record_valid.val() & (!self.settled.val()) {
            self.settle.d.next = self.settle.q.val() + 1;
        }
        self.run_valid.next = self.asks.q.val();
        self.run_records.next = self.asks_records.q.val();
        self.run_line.next = self.asks_line.q.val();
        self.asks.d.next = false;
        self.asks_records.d.next = 1.into();
        self.asks_line.d.next = self.submission_line.val();
        if self.state.q.val() == Phase::Submission {
            self.asks_records.d.next = self.commands.val();
            self.asks_line.d.next = self.program_line.val();
        }
        self.record_taken.next = false;
        self.clear.next = false;
        self.flush.next = self.state.q.val() == Phase::Abort;
        self.answer_start.next = false;
        self.completing.next = self.state.q.val() == Phase::Complete;
        self.for_load.d.next = self.is_load.val();
        self.for_gemm.d.next = self.is_gemm.val();
        self.room.d.next = self.room_store.val();
        if self.is_load.val() {
            self.room.d.next = self.room_load.val();
        }
        if self.is_gemm.val() {
            self.room.d.next = self.room_gemm.val();
        }
        self.flawed.d.next = (self.record_fault.val() != 0) | (self.error.val() != 0);
        // Room that was seen is still there: nobody else fills the queue.
        self.hands.d.next = (self.state.q.val() == Phase::Run)
            & self.judged.q.val()
            & (!self.flawed.q.val())
            & self.room.q.val()
            & (!self.hands.q.val());
        self.push_load.next = self.hands.q.val() & self.for_load.q.val();
        self.push_gemm.next = self.hands.q.val() & self.for_gemm.q.val();
        self.push_store.next =
            self.hands.q.val() & (!self.for_load.q.val()) & (!self.for_gemm.q.val());
        self.quiet.next = self.engines_idle.val() & self.queues_empty.val() & (!self.hands.q.val());
        self.calm.d.next = 0.into();
        if self.quiet.val() {
            self.calm.d.next = self.calm.q.val() + 1;
            if self.calm.q.val() == self.calm_cycles.val() {
                self.calm.d.next = self.calm_cycles.val();
            }
        }
        self.rest.d.next = self.quiet.val() & (self.calm.q.val() == self.calm_cycles.val());
        self.standing.d.next =
            self.engines_idle.val() & self.all_blocked.val() & (!self.queues_empty.val());
        self.count_cycles.next =
            (self.state.q.val() != Phase::Idle) & (self.state.q.val() != Phase::Fatal);
        self.count_busy.next = self.hands.q.val();
        self.count_input.next = self.state.q.val() == Phase::Drain;
        self.count_output.next =
            (self.state.q.val() == Phase::Run) & self.judged.q.val() & (!self.room.q.val());
        self.count_memory.next = ((self.state.q.val() == Phase::Run)
            | (self.state.q.val() == Phase::Submission))
            & (!self.record_valid.val());
        self.cycles.d.next = self.cycles.q.val() + 1;
        self.silence.d.next = self.silence.q.val() + 1;
        self.silent.d.next =
            (self.watchdog.val() != 0) & (self.silence.q.val() >= self.watchdog.val());
        if self.moved.val() | self.hands.q.val() | (self.state.q.val() == Phase::Idle) {
            self.silence.d.next = 0.into();
            self.silent.d.next = false;
        }
        // A token that is on its way to its counter needs some cycles to unblock a queue.
        self.stuck.d.next = 0.into();
        if self.standing.q.val() {
            self.stuck.d.next = self.stuck.q.val() + 1;
            if self.stuck.q.val() == 7 {
                self.stuck.d.next = 7.into();
            }
        }
        // A command that was just handed out may start, and unblock the others.
        if self.hands.q.val() {
            self.stuck.d.next = 0.into();
        }

        match self.state.q.val() {
            Phase::Idle => {
                self.settle.d.next = 0.into();
                self.cycles.d.next = 0.into();
                self.position.d.next = 0.into();
                self.status.d.next = 0.into();
                self.culprit.d.next = 0.into();
                self.clear.next = true;
                if self.may_take.val() & (!self.stop.val()) {
                    self.state.d.next = Phase::Take;
                }
            }
            Phase::Take => {
                self.asks.d.next = true;
                self.taken.next = true;
                self.state.d.next = Phase::Submission;
            }
            Phase::Submission => {
                if self.judged.q.val() {
                    self.record_taken.next = true;
                    self.settle.d.next = 0.into();
                    self.entry_tag.d.next = self.tag.val();
                    self.last.d.next = self.commands.val() - 1;
                    if self.record_fault.val() != 0 {
                        self.entry_tag.d.next = 0.into();
                        self.status.d.next = self.record_code.code.val();
                        self.state.d.next = Phase::Abort;
                    } else if self.submission_bad.val() {
                        self.status.d.next = self.bad_submission.val();
                        self.state.d.next = Phase::Abort;
                    } else {
                        self.asks.d.next = true;
                        self.state.d.next = Phase::Run;
                    }
                }
                if self.silent.q.val() {
                    self.failing.next = true;
                    self.state.d.next = Phase::Fatal;
                }
            }
            Phase::Run => {
                if self.hands.q.val() {
                    self.record_taken.next = true;
                    self.settle.d.next = 0.into();
                    self.position.d.next = self.position.q.val() + 1;
                    if self.position.q.val() == self.last.q.val() {
                        self.state.d.next = Phase::Drain;
                    }
                }
                if self.judged.q.val() & self.flawed.q.val() {
                    self.culprit.d.next = self.position.q.val();
                    self.status.d.next = self.error.val();
                    if self.record_fault.val() != 0 {
                        self.status.d.next = self.record_code.code.val();
                    }
                    self.state.d.next = Phase::Abort;
                }
            }
            Phase::Drain => {
                if self.rest.q.val() {
                    self.state.d.next = Phase::Complete;
                }
            }
            Phase::Abort => {
                self.clear.next = true;
                // What stood in a queue in the first of these cycles may still have started.
                if self.fetch_idle.val()
                    & (!self.asks.q.val())
                    & self.rest.q.val()
                    & (!self.answering.q.val())
                {
                    self.state.d.next = Phase::Complete;
                    if self.stop.val() | self.give_up.val() {
                        self.ended.next = true;
                        self.state.d.next = Phase::Idle;
                    }
                } else if self.silent.q.val() & (!self.stop.val()) {
                    self.failing.next = true;
                    self.state.d.next = Phase::Fatal;
                }
            }
            Phase::Complete => {
                self.answer_start.next = !self.answering.q.val();
                self.answering.d.next = true;
                if self.answer_done.val() {
                    self.ended.next = true;
                    self.state.d.next = Phase::Idle;
                    if self.answer_fault.val() != 0 {
                        self.unwritable.next = true;
                        self.failing.next = true;
                    } else {
                        self.written.next = true;
                        self.failing.next = self.status.q.val() != 0;
                    }
                } else if self.silent.q.val() {
                    self.failing.next = true;
                    self.state.d.next = Phase::Fatal;
                }
            }
            _ => {}
        }
        // Later ones win.
        self.trouble.d.next = false;
        self.trouble_status.d.next = self.never_given.val();
        self.trouble_culprit.d.next = self.blocked_index.val();
        if (self.stuck.q.val() == 7)
            & ((self.state.q.val() == Phase::Drain)
                | (self.judged.q.val() & (!self.room.q.val()) & (!self.flawed.q.val())))
        {
            self.trouble.d.next = true;
        }
        if self.overflow.val() {
            self.trouble.d.next = true;
            self.trouble_status.d.next = self.token_overflow.val();
            self.trouble_culprit.d.next = self.overflow_index.val();
        }
        if self.store_fault.val() != 0 {
            self.trouble.d.next = true;
            self.trouble_status.d.next = self.store_code.code.val();
            self.trouble_culprit.d.next = self.store_index.val();
        }
        if self.load_fault.val() != 0 {
            self.trouble.d.next = true;
            self.trouble_status.d.next = self.load_code.code.val();
            self.trouble_culprit.d.next = self.load_index.val();
        }
        if self.silent.q.val() {
            self.trouble.d.next = true;
            self.trouble_status.d.next = self.watchdog_fired.val();
            self.trouble_culprit.d.next = self.position.q.val();
        }
        if ((self.state.q.val() == Phase::Run) | (self.state.q.val() == Phase::Drain))
            & self.trouble.q.val()
        {
            self.status.d.next = self.trouble_status.q.val();
            self.culprit.d.next = self.trouble_culprit.q.val();
            self.silence.d.next = 0.into();
            self.silent.d.next = false;
            self.state.d.next = Phase::Abort;
        }
        self.judged.d.next = self.settled.val() & (!self.record_taken.val());
        if self.answer_done.val() {
            self.answering.d.next = false;
        }
        if (self.stop.val() | (self.give_up.val() & (self.state.q.val() != Phase::Fatal)))
            & (self.state.q.val() != Phase::Idle)
            & (self.state.q.val() != Phase::Abort)
            & (self.state.q.val() != Phase::Complete)
        {
            self.state.d.next = Phase::Abort;
        }
        self.words.tag.next = self.entry_tag.q.val();
        self.words.status.next = self.status.q.val();
        self.words.head.next = self.head.val();
        self.words.command.next = self.culprit.q.val();
        self.words.cycles.next = self.cycles.q.val();
        self.words.phase.next = self.phase.val();
        if self.state.q.val() == Phase::Complete {
            // The entry stands still while it is written.
            self.cycles.d.next = self.cycles.q.val();
        }
        for i in 0..8 {
            self.answer_word[i].next = self.words.word[i].val();
        }
        if self.reset.val() {
            self.state.d.next = Phase::Idle;
            self.settle.d.next = 0.into();
            self.judged.d.next = false;
            self.hands.d.next = false;
            self.answering.d.next = false;
            self.silence.d.next = 0.into();
            self.silent.d.next = false;
            self.stuck.d.next = 0.into();
        }
    }
}
