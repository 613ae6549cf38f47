//! The card as a backend: products become programs, programs become results.
//!
//! Whatever the card does wrong, the caller gets the right integers: a product whose program did
//! not end well is done by the CPU, once, and its report says why.

mod absent;
mod batch;
mod cache;
mod compact;
mod counters;
mod options;
mod pack;
mod piece;
mod plans;
mod programs;
mod streams;

use std::collections::VecDeque;

use isa::config::Config;

use crate::backend::{Backend, BackendError, NodeReport, Outcome, Place};
use crate::compile::Shape;
use crate::dma::Retired;
use crate::matmul::{MatMul, Values};
use crate::queue::{
    ProgramError, QueueError, QueuePair, despite_reset, identify, reset, reset_queue,
};
use crate::sched::choose;
use crate::transport::{Patience, Transport, TransportError};

use absent::Absent;
use batch::Batch;
use cache::WeightCache;
use compact::{Left, compact};
use piece::{MOST_BYTES, MOST_COMMANDS, Piece, pieces};
use plans::Plans;
use programs::Sent;
use streams::came_otherwise;

pub use counters::Counters;
pub use options::{Options, Policy, Waiting};
pub use programs::Programs;
pub use streams::Streams;

/// Resets by others that are put up with in one start of a queue.
const FOREIGN_RESETS: u32 = 8;

/// Runs products on a card, and on the CPU what the card cannot do.
pub struct DeviceBackend {
    transport: Box<dyn Transport>,
    cpu: Box<dyn Backend>,
    options: Options,
    config: Config,
    name: String,
    plans: Plans,
    cache: WeightCache,
    streams: Streams,
    link: Link,
    counters: Counters,
    sent: Sent,
    faults: u64,
}

/// Whether the card can be used.
enum Link {
    Up(QueuePair),
    /// It failed and did not come back; says how.
    Down(String),
}

/// What became of a job on its way.
struct Progress {
    /// Why it was sent where it is.
    reason: String,
    /// Why the CPU must do it; `None` while the card does.
    moved: Option<String>,
    /// How the card sees it; `None` where it need not look.
    shape: Option<Shape>,
    predicted: u64,
    cycles: u64,
    micros: f64,
}

impl DeviceBackend {
    /// Resets the card, unless that was done for another of its queues, and starts the queue that
    /// `transport` is the way to. `cpu` does what the card cannot.
    ///
    /// Several backends may share a card, each with a queue and a thread of its own; what goes
    /// wrong on one queue is no matter of the others, as long as a reset of that queue helps. The
    /// card counts for all of them together, and the backend of queue 0 collects that.
    ///
    /// # Errors
    /// No Systole card answers, it has no such queue, it does not come out of reset, or there is
    /// no memory for it.
    pub fn new(
        mut transport: Box<dyn Transport>,
        cpu: Box<dyn Backend>,
        options: Options,
    ) -> Result<Self, QueueError> {
        let config = identify(&mut transport)?;
        let (queue, queues) = (transport.queue(), config.queues);
        if queue >= queues {
            return Err(QueueError::NoQueue { queue, queues });
        }
        let queue = despite_others(|| {
            reset(&mut transport)?;
            // Another may have used this queue since the card was reset.
            reset_queue(&mut transport)?;
            options.start(&mut transport)
        })?;
        let name = format!("{} ({}x{})", transport.describe(), config.rows, config.cols);
        Ok(Self {
            transport,
            cpu,
            options,
            config,
            name,
            plans: Plans::new(config, options.timing),
            cache: WeightCache::new(options.kept_bytes),
            streams: Streams::default(),
            link: Link::Up(queue),
            counters: Counters::default(),
            sent: Sent::default(),
            faults: 0,
        })
    }

    /// Shape of the card.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The card's counters, summed over all runs so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The programs that went to the card so far.
    pub fn programs(&self) -> Programs {
        self.sent.programs()
    }

    /// Times that the card failed so far.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// The way to the card, for tools that look at registers between runs.
    pub fn transport(&mut self) -> &mut dyn Transport {
        &mut *self.transport
    }

    /// Looks after the card while there is no work for it; says whether it can be used. A card that
    /// the kernel takes back, to unbind or remove it, is let go here: every run looks for that wish
    /// too, but a program that has none would keep whoever waits for the card waiting. To be called
    /// now and then by those who wait for work of their own; through the kernel it costs a look into
    /// memory.
    pub fn tend(&mut self) -> bool {
        if let Link::Up(_) = self.link
            && let Err(error) = self.catch_up()
        {
            self.recover(&error.to_string());
        }
        matches!(self.link, Link::Up(_))
    }

    /// Decides where each job runs.
    fn decide(&mut self, jobs: &[MatMul<'_>]) -> Vec<Progress> {
        let down = match &self.link {
            Link::Up(_) => None,
            Link::Down(why) => Some(format!("the card is out of use since it failed: {why}")),
        };
        let mut list = Vec::with_capacity(jobs.len());
        for job in jobs {
            let mut progress = Progress {
                reason: "the card was asked for".into(),
                moved: down.clone(),
                shape: None,
                predicted: 0,
                cycles: 0,
                micros: 0.0,
            };
            if job.macs() == 0 {
                progress.moved = Some("the product is empty".into());
            } else if self.config.datapaths.packed_products && job.b.parts().1.contains(&i8::MIN) {
                let reason = "it has a weight of -128, which the card's multipliers, two products \
                              each, take for -127";
                progress.moved.get_or_insert_with(|| reason.into());
            } else if down.is_none() {
                let shape = self.streams.shape(job, &self.config);
                if let Policy::Auto(rates) = self.options.policy {
                    let choice = choose(job.macs(), self.plans.tiling(&shape).1, &rates);
                    match choice.place {
                        Place::Device => progress.reason = choice.reason,
                        Place::Cpu => progress.moved = Some(choice.reason),
                    }
                }
                if let Some(why) = came_otherwise(job, &shape, &self.config) {
                    progress.reason = format!("{}; {why}", progress.reason);
                }
                progress.shape = Some(shape);
            }
            list.push(progress);
        }
        list
    }

    /// Cuts the jobs that go to the card into the pieces of programs.
    fn cut(&mut self, jobs: &[MatMul<'_>], progress: &mut [Progress]) -> VecDeque<Vec<Piece>> {
        let mut batches = VecDeque::new();
        let (mut batch, mut commands, mut bytes) = (Vec::new(), 0, 0);
        for (index, job) in jobs.iter().enumerate() {
            let (None, Some(shape)) = (&progress[index].moved, progress[index].shape) else {
                continue;
            };
            let plans = &mut self.plans;
            let Some(list) = pieces(index, shape, &self.config, |shape| plans.tiling(shape).0)
            else {
                progress[index].moved = Some(format!(
                    "an inner dimension of {} needs more commands than a program holds",
                    job.k
                ));
                continue;
            };
            for piece in list {
                let (more_commands, more_bytes) =
                    (piece.commands(&self.config), piece.bytes(&self.config));
                if !batch.is_empty()
                    && (commands + more_commands > MOST_COMMANDS || bytes + more_bytes > MOST_BYTES)
                {
                    batches.push_back(std::mem::take(&mut batch));
                    (commands, bytes) = (0, 0);
                }
                batch.push(piece);
                commands += more_commands;
                bytes += more_bytes;
            }
        }
        if !batch.is_empty() {
            batches.push_back(batch);
        }
        batches
    }

    /// Runs the batches on the card. Jobs of those that fail are marked to be moved.
    ///
    /// # Errors
    /// When the queue pair cannot go on; what is still in `flying` and `waiting` is not done then.
    fn drive(
        &mut self,
        jobs: &[MatMul<'_>],
        waiting: &mut VecDeque<Vec<Piece>>,
        flying: &mut VecDeque<Batch>,
        progress: &mut [Progress],
        values: &mut [Values],
    ) -> Result<Option<ProgramError>, QueueError> {
        let Link::Up(queue) = &mut self.link else {
            return Ok(None);
        };
        let transport = &mut *self.transport;
        let depth = self.options.in_flight.clamp(1, queue.capacity());
        let mut first_error = None;
        // Where the host sees the card's clock it counts from doorbell to completion, or from the
        // completion before; else the card's own count must do.
        let mut free_since = 0;
        loop {
            while flying.len() < depth
                && let Some(pieces) = waiting.front()
            {
                let mut batch = Batch::prepare(
                    pieces.clone(),
                    jobs,
                    &self.config,
                    &mut self.plans,
                    &mut self.cache,
                    transport,
                )?;
                waiting.pop_front();
                let (address, commands) = (batch.address(), batch.commands.clone());
                self.sent.add(&batch.program);
                batch.rung = transport.clock().unwrap_or(0);
                flying.push_back(batch);
                queue.submit(transport, address, commands)?;
            }
            let Some(batch) = flying.front() else {
                return Ok(first_error);
            };
            let patience = self.options.patience(batch.program.predicted_cycles);
            let finished = match self.options.waiting {
                Waiting::Interrupt => queue.wait(transport, patience),
                Waiting::Spinning => queue.spin(transport, patience),
            }?;
            transport.check()?;
            let Some(batch) = flying.pop_front() else {
                return Ok(first_error);
            };
            let ended = transport.clock();
            let cycles = ended.map_or(finished.cycles, |now| now - batch.rung.max(free_since));
            free_since = ended.unwrap_or(0);
            match finished.result {
                Ok(()) => {
                    account(&batch, cycles, progress);
                    batch.collect(&finished.retired, jobs, values, &self.config);
                }
                Err(error) => {
                    for piece in &batch.pieces {
                        progress[piece.job].moved = Some(error.to_string());
                    }
                    first_error.get_or_insert(*error);
                }
            }
        }
    }

    /// Counts a failure, and starts anew or takes the card out of use.
    fn recover(&mut self, why: &str) -> Option<Retired> {
        self.faults += 1;
        self.restart(why)
    }

    /// Resets the queue, or the card if that does not help, and starts a new queue pair; or takes
    /// the card out of use.
    fn restart(&mut self, why: &str) -> Option<Retired> {
        // A card that fails may have written anywhere: pack everything anew.
        self.cache = WeightCache::new(self.options.kept_bytes);
        let options = &self.options;
        let started = despite_reset(&mut *self.transport, |transport| {
            despite_others(|| start_anew(transport, options))
        });
        match started {
            Ok((retired, config, queue)) if config == self.config => {
                self.link = Link::Up(queue);
                Some(retired)
            }
            Ok(_) => {
                self.give_up(format!("{why}; after the reset it has another shape"));
                None
            }
            Err(error) => {
                self.give_up(format!("{why}; the reset failed: {error}"));
                if matches!(error, QueueError::Transport(TransportError::Gone { .. })) {
                    // Whoever takes it away waits until it is let go.
                    self.transport = Box::new(Absent);
                }
                None
            }
        }
    }

    /// Starts anew when another who shares the card has reset it since the last run: nothing was
    /// lost, because nothing was in flight.
    ///
    /// # Errors
    /// What else is the matter with the card, from which it has not recovered.
    fn catch_up(&mut self) -> Result<(), QueueError> {
        match self.transport.check() {
            Err(foreign @ TransportError::ResetElsewhere) => {
                self.restart(&foreign.to_string());
                Ok(())
            }
            checked => Ok(checked?),
        }
    }

    /// Takes the card out of use.
    fn give_up(&mut self, why: String) {
        let link = std::mem::replace(&mut self.link, Link::Down(why));
        // Nobody knows whether the card still writes completions: its rings stay where they are.
        if let Link::Up(queue) = link {
            self.transport.keep(Box::new(queue));
        }
    }

    /// Sends the jobs to the card and returns what it made of them.
    fn on_card(&mut self, jobs: &[MatMul<'_>], progress: &mut [Progress]) -> Vec<Values> {
        let mut values: Vec<Values> = jobs.iter().map(pack::empty).collect();
        let mut waiting = self.cut(jobs, progress);
        if waiting.is_empty() {
            return values;
        }
        let ready = self.catch_up();
        if let Link::Down(why) = &self.link {
            self.faults += 1;
            for piece in waiting.iter().flatten() {
                progress[piece.job].moved = Some(why.clone());
            }
            return values;
        }
        // The counters explain speed and change no result, so a failure to clear them shows up
        // as a failure of the run itself.
        let counts = self.transport.queue() == 0;
        let cleared = ready.and_then(|()| match counts {
            true => Counters::clear(&mut *self.transport).map_err(QueueError::from),
            false => Ok(()),
        });
        let mut flying = VecDeque::new();
        let driven = cleared
            .and_then(|()| self.drive(jobs, &mut waiting, &mut flying, progress, &mut values));
        let read = match counts {
            true => Counters::read(&mut *self.transport),
            false => Ok(Counters::default()),
        };
        match (driven, read) {
            (Ok(None), Ok(counters)) => self.counters.add(&counters),
            (Ok(Some(error)), read) => {
                if let Ok(counters) = read {
                    self.counters.add(&counters);
                }
                self.recover(&error.to_string());
            }
            (Ok(None), Err(error)) => {
                self.recover(&error.to_string());
            }
            (Err(error), _) => {
                let why = error.to_string();
                let lost = flying.iter().flat_map(|batch| &batch.pieces);
                for piece in lost.chain(waiting.iter().flatten()) {
                    progress[piece.job].moved = Some(why.clone());
                }
                if self.recover(&why).is_none() {
                    // Nobody knows whether the card still writes: its memory stays where it is.
                    self.transport.keep(Box::new(flying));
                }
            }
        }
        values
    }
}

impl Drop for DeviceBackend {
    fn drop(&mut self) {
        if let Link::Up(_) = self.link
            && reset_queue(&mut self.transport).is_err()
        {
            // It may still write completions.
            self.give_up("it does not stop".into());
        }
    }
}

impl Backend for DeviceBackend {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        for job in jobs {
            job.check()?;
        }
        // What is zero stays at home.
        let left: Vec<Left> = jobs.iter().map(compact).collect();
        let parts: Vec<MatMul<'_>> = jobs
            .iter()
            .zip(&left)
            .map(|(job, left)| match left {
                Left::Part(part) => part.job(job),
                Left::Whole | Left::Nothing => *job,
            })
            .collect();
        let mut progress = self.decide(&parts);
        for (progress, _) in progress
            .iter_mut()
            .zip(&left)
            .filter(|(_, left)| matches!(left, Left::Nothing))
        {
            let reason = "every activation is zero";
            progress.moved.get_or_insert_with(|| reason.into());
        }
        let values = self.on_card(&parts, &mut progress);
        let mut outcomes = Vec::with_capacity(jobs.len());
        let results = jobs.iter().zip(&left).zip(values).zip(progress);
        for (((job, left), values), progress) in results {
            match progress.moved {
                None => {
                    let values = match left {
                        Left::Part(part) => part.spread(job, values),
                        Left::Whole | Left::Nothing => values,
                    };
                    outcomes.push(progress.outcome(job, values, &self.config));
                }
                Some(reason) => {
                    for mut outcome in self.cpu.run(std::slice::from_ref(job))? {
                        outcome.report.reason = reason.clone();
                        outcomes.push(outcome);
                    }
                }
            }
        }
        Ok(outcomes)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Options {
    /// Starts the queue that `transport` is the way to, after a reset.
    fn start(&self, transport: &mut dyn Transport) -> Result<QueuePair, QueueError> {
        let number = transport.queue();
        let mut queue = QueuePair::start(transport, number, self.queue_log2, self.watchdog)?;
        if self.waiting == Waiting::Spinning {
            queue.set_interrupts(transport, false)?;
        }
        Ok(queue)
    }

    /// How long to wait for a program: far beyond what is foreseen and what the card's own
    /// watchdog allows, so that the host only steps in when the card itself is stuck.
    fn patience(&self, predicted: u64) -> Patience {
        let cycles = 16 * predicted + 4 * u64::from(self.watchdog) + (1 << 20);
        // Nobody says how fast a card behind a socket runs. Other queues may have programs on it,
        // and the link may be slower than foreseen.
        let patient = u32::try_from(predicted.saturating_mul(4)).unwrap_or(u32::MAX);
        Patience {
            cycles,
            time: self.patience.max(Patience::of_cycles(patient).time),
        }
    }
}

impl Progress {
    fn outcome(self, job: &MatMul<'_>, values: Values, config: &Config) -> Outcome {
        let mut report = NodeReport::new(job, Place::Device, self.reason, self.micros);
        report.predicted_cycles = Some(self.predicted);
        if self.cycles > 0 {
            let most = self.cycles as f64 * f64::from(config.peak_macs());
            report.cycles = Some(self.cycles);
            report.utilisation = Some(job.macs() as f64 / most);
        }
        Outcome { values, report }
    }
}

/// Resets the queue, or the card if that does not help, and starts a new queue pair.
fn start_anew(
    transport: &mut dyn Transport,
    options: &Options,
) -> Result<(Retired, Config, QueuePair), QueueError> {
    let retired = reset_queue(transport).or_else(|_| reset(transport))?;
    // Alarms of what was under way until now concern nothing that is still to come.
    match transport.check() {
        Ok(()) | Err(TransportError::Alarm(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let config = identify(transport)?;
    let queue = options.start(transport)?;
    Ok((retired, config, queue))
}

/// Starts a queue with `start`, anew where another who shares the card resets it meanwhile, which is
/// no failure of the card.
fn despite_others<T>(mut start: impl FnMut() -> Result<T, QueueError>) -> Result<T, QueueError> {
    let mut started = start();
    for _ in 0..FOREIGN_RESETS {
        if !matches!(
            started,
            Err(QueueError::Transport(TransportError::ResetElsewhere))
        ) {
            break;
        }
        started = start();
    }
    started
}

/// Shares the cycles and the time of a program among its jobs, as the model foresaw their ends.
fn account(batch: &Batch, cycles: u64, progress: &mut [Progress]) {
    let total = batch.program.predicted_cycles.max(1);
    let micros = batch.started.elapsed().as_secs_f64() * 1e6;
    let mut begin = 0;
    for (index, (piece, plan)) in batch.pieces.iter().zip(&batch.program.jobs).enumerate() {
        let last = index + 1 == batch.pieces.len();
        let end = if last {
            total
        } else {
            plan.predicted_end.clamp(begin, total)
        };
        // Differences of rounded-down totals, so that the shares add up to the whole.
        let share =
            |point: u64| (u128::from(cycles) * u128::from(point) / u128::from(total)) as u64;
        let job = &mut progress[piece.job];
        job.predicted += end - begin;
        job.cycles += share(end) - share(begin);
        job.micros += micros * (end - begin) as f64 / total as f64;
        begin = end;
    }
}

#[cfg(test)]
mod tests;
