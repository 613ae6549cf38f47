//! Buffers whose type says who may touch them.

use std::marker::PhantomData;

use super::DmaMemory;

/// The host owns the buffer: it may write.
#[derive(Debug)]
pub enum Owned {}
/// The card may read and write the buffer; the host must not look.
#[derive(Debug)]
pub enum InFlight {}
/// The card has finished: the host may read.
#[derive(Debug)]
pub enum Done {}

/// Proof that the card has let go of what was in flight: a completion, or a reset that succeeded.
/// Only the queue makes one.
#[derive(Debug)]
pub struct Retired(());

impl Retired {
    /// For the queue, when it has seen the proof.
    pub(crate) fn witnessed() -> Self {
        Self(())
    }
}

/// A region of memory in one of the states [`Owned`], [`InFlight`] and [`Done`].
#[derive(Debug)]
pub struct Buffer<State> {
    memory: DmaMemory,
    state: PhantomData<State>,
}

impl<State> Buffer<State> {
    /// Address as the card sees it.
    pub fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Bytes of the buffer.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether the buffer holds nothing.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    fn turn<Next>(self) -> Buffer<Next> {
        Buffer {
            memory: self.memory,
            state: PhantomData,
        }
    }
}

impl Buffer<Owned> {
    /// Takes a region that nobody else uses.
    pub fn new(memory: DmaMemory) -> Self {
        Self {
            memory,
            state: PhantomData,
        }
    }

    /// Copies `data` to `offset`.
    ///
    /// # Panics
    /// If the buffer ends before.
    pub fn write(&mut self, offset: usize, data: &[u8]) {
        self.memory.write(offset, data);
    }

    /// Gives the buffer to the card.
    pub fn launch(self) -> Buffer<InFlight> {
        self.turn()
    }
}

impl Buffer<InFlight> {
    /// Takes the buffer back after the card has let go of it.
    pub fn finish(self, _proof: &Retired) -> Buffer<Done> {
        self.turn()
    }
}

impl Buffer<Done> {
    /// Copies bytes from `offset` on.
    ///
    /// # Panics
    /// If the buffer ends before.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        self.memory.read(offset, out);
    }

    /// The buffer, to be written again.
    pub fn reuse(self) -> Buffer<Owned> {
        self.turn()
    }
}
