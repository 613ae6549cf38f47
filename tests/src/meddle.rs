//! Something happens between driver and card: before a program starts, and in the middle of it.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use isa::regs;
use systole::dma::DmaMemory;
use systole::transport::{Claim, Patience, Transport, TransportError, Wake};

type AtDoorbell = Box<dyn FnOnce(&[DmaMemory]) + Send>;
type InProgram = Box<dyn FnOnce() + Send>;

/// What is to happen to the next program. Clones share it.
#[derive(Clone, Default)]
pub struct Plan(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    at_doorbell: Option<AtDoorbell>,
    in_program: Option<(Patience, InProgram)>,
    /// Memory that was allocated since the last doorbell.
    fresh: Vec<DmaMemory>,
    /// A program was submitted since [`Plan::in_program`].
    rung: bool,
    /// When the driver first looked for the end of that program without sleeping, and the clock
    /// then.
    spinning: Option<(Instant, Option<u64>)>,
    /// Times that something happened in the middle of a program.
    struck: u32,
}

impl Plan {
    /// Just before the next program is made known to the card: `act` gets the memory that was
    /// allocated for it, the program with its input last.
    pub fn at_doorbell(&self, act: impl FnOnce(&[DmaMemory]) + Send + 'static) {
        self.lock().at_doorbell = Some(Box::new(act));
    }

    /// When the driver has waited for the next program for this long, and it has not ended.
    pub fn in_program(&self, after: Patience, act: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        state.in_program = Some((after, Box::new(act)));
        state.rung = false;
        state.spinning = None;
    }

    /// Times that something happened in the middle of a program. What a program was too quick for
    /// does not happen to another one.
    pub fn struck(&self) -> u32 {
        let mut state = self.lock();
        state.in_program = None;
        state.struck
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to a card with a plan.
pub struct Meddled<T> {
    inner: T,
    plan: Plan,
}

impl<T: Transport> Meddled<T> {
    /// The way, on which happens what the plan says.
    pub fn new(inner: T, plan: &Plan) -> Self {
        let plan = plan.clone();
        Self { inner, plan }
    }
}

impl<T: Transport> Transport for Meddled<T> {
    fn describe(&self) -> &str {
        self.inner.describe()
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.inner.read_raw(offset)
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        if offset == regs::of_queue(self.inner.queue(), regs::SQ_TAIL) {
            let mut state = self.plan.lock();
            state.rung = true;
            let (fresh, act) = (std::mem::take(&mut state.fresh), state.at_doorbell.take());
            drop(state);
            if let Some(act) = act {
                act(&fresh);
            }
        }
        self.inner.write(offset, value)
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        let memory = self.inner.allocate(bytes)?;
        self.plan.lock().fresh.push(memory.clone());
        Ok(memory)
    }

    fn allocate_on_card(&mut self, bytes: usize) -> Option<DmaMemory> {
        self.inner.allocate_on_card(bytes)
    }

    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        self.inner.keep(memory);
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        let mut state = self.plan.lock();
        let planned = match state.rung {
            true => state.in_program.take(),
            false => None,
        };
        drop(state);
        if let Some((after, act)) = planned {
            let (start, first) = (Instant::now(), self.inner.clock());
            if self.inner.wait(after)? == Wake::Interrupt {
                // Perhaps one of a program before, whose completion was seen without it: then the
                // driver comes back.
                let cycles = self.inner.clock().zip(first);
                let cycles = cycles.map_or(0, |(now, first)| now - first);
                let left = Patience {
                    cycles: after.cycles.saturating_sub(cycles),
                    time: after.time.saturating_sub(start.elapsed()),
                };
                self.plan.lock().in_program = Some((left, act));
                return Ok(Wake::Interrupt);
            }
            act();
            self.plan.lock().struck += 1;
        }
        self.inner.wait(patience)
    }

    fn check(&mut self) -> Result<(), TransportError> {
        self.inner.check()
    }

    fn progress(&mut self) -> Result<(), TransportError> {
        let mut state = self.plan.lock();
        if state.rung
            && let Some((after, act)) = state.in_program.take()
        {
            let clock = self.inner.clock();
            let (start, first) = *state
                .spinning
                .get_or_insert_with(|| (Instant::now(), clock));
            let cycles = clock.zip(first).map_or(0, |(now, first)| now - first);
            let is_due = cycles >= after.cycles || start.elapsed() >= after.time;
            match is_due {
                true => {
                    drop(state);
                    act();
                    self.plan.lock().struck += 1;
                }
                false => state.in_program = Some((after, act)),
            }
        }
        self.inner.progress()
    }

    fn queue(&self) -> u32 {
        self.inner.queue()
    }

    fn claim_reset(&mut self) -> Claim {
        self.inner.claim_reset()
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.inner.function_reset()
    }

    fn clock(&self) -> Option<u64> {
        self.inner.clock()
    }

    fn speed(&self) -> Option<f64> {
        self.inner.speed()
    }
}
