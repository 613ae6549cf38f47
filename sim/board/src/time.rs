//! The ticks by which a top is simulated.

use fpga::tops::Pll;

/// Ticks of a period of the FPGA's clock: the clock of the SDRAM is ahead by one.
pub(crate) const TICKS: u64 = 4;

/// Moments of ticks, and the input of the PLL at them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// Half a period of the PLL's input, picoseconds.
    half_input: u64,
    multiply: u64,
    divide: u64,
    tick: u64,
}

impl Time {
    pub(crate) fn new(pll: &Pll) -> Self {
        Self {
            half_input: (5e5 / pll.input_mhz).round() as u64,
            multiply: pll.multiply.into(),
            divide: pll.divide.into(),
            tick: 0,
        }
    }

    /// Eighths of a period of the oscillator that a tick lasts.
    pub(crate) fn eighths(pll: &Pll) -> u32 {
        pll.divide * 8 / TICKS as u32
    }

    /// The moment of this tick, picoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.tick * 2 * self.half_input * self.divide / (TICKS * self.multiply)
    }

    /// Periods of the clock so far.
    pub(crate) fn cycles(&self) -> u64 {
        self.tick / TICKS
    }

    /// A period of the clock, picoseconds.
    pub(crate) fn period(&self) -> u64 {
        2 * self.half_input * self.divide / self.multiply
    }

    /// The level of the PLL's input.
    #[inline]
    pub(crate) fn input(&self) -> bool {
        self.now() / self.half_input % 2 == 1
    }

    #[inline]
    pub(crate) fn advance(&mut self) {
        self.tick += 1;
    }
}
