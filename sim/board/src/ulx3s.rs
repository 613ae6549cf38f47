//! A ULX3S in simulation.

use std::path::Path;

use fpga::boards::Board;
use fpga::tops::{PllError, TopConfig, TopError, emit_top};
use sdram::{Chip, Violation, WiredChip};
use verilate::{Design, Library, Model};

use crate::pins::Ports;
use crate::time::Time;
use crate::{Options, Usb, random};

const BENCH: &str = include_str!("bench.sv");
const CELLS: [&str; 2] = [
    include_str!("../cells/ehxplll.sv"),
    include_str!("../cells/pads.sv"),
];

/// Why there is no board, or why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Tops of other boards are not simulated.
    #[error("{0} is not simulated at its pins: only ulx3s-85f is")]
    Board(Board),
    /// There is no such top.
    #[error(transparent)]
    Top(#[from] TopError),
    /// The PLL cannot give the clock.
    #[error(transparent)]
    Pll(#[from] PllError),
    /// It could not be turned into a model.
    #[error(transparent)]
    Verilate(#[from] verilate::Error),
    /// The FPGA broke a rule of the SDRAM: a bug in the RTL. The board is of no use any more.
    #[error("the SDRAM: {0}")]
    Sdram(Violation),
    /// The FPGA drives some data pins and not the others: the same.
    #[error("cycle {cycle}: of the SDRAM's data pins only {pins:#06x} are driven")]
    HalfDriven {
        /// When.
        cycle: u64,
        /// The pins.
        pins: u16,
    },
}

/// A ULX3S: the FPGA with its top in Verilator, an SDRAM, and the chip on USB.
///
/// Time stands still between calls of [`Self::run`].
pub struct Ulx3s {
    model: Model,
    ports: Ports,
    time: Time,
    memory: WiredChip,
    usb: Usb,
    pads: u64,
    /// What nobody drives carries this, which is never the same for long.
    junk: u64,
    /// The FPGA drives the data pins.
    driven: bool,
}

impl Ulx3s {
    /// The model of a top, taken from `cache` or built, which takes a minute. Models are those of
    /// the processor that built them.
    ///
    /// # Errors
    /// There is no such top, or it cannot be built.
    pub fn library(top: &TopConfig, cache: &Path) -> Result<Library, Error> {
        simulated(top.board)?;
        Self::library_of(top, emit_top(top)?, cache)
    }

    /// The same of a text that somebody has changed, to see that it matters.
    ///
    /// # Errors
    /// As [`Self::library`].
    pub fn library_of(top: &TopConfig, text: String, cache: &Path) -> Result<Library, Error> {
        simulated(top.board)?;
        let ticks = format!(
            "package ticks;\n  localparam integer EIGHTHS = {};\nendpackage\n",
            Time::eighths(&top.pll()?)
        );
        let verilog = [&ticks, BENCH, CELLS[0], CELLS[1], &text].concat();
        let design = Design::from_verilog("bench", verilog)?;
        let options = verilate::Options {
            fst: false,
            native: true,
        };
        Ok(verilate::build(&design, &options, cache)?)
    }

    /// A board whose power has just come.
    ///
    /// # Errors
    /// The clock is impossible, or the library is not that of a top.
    pub fn new(library: &Library, top: &TopConfig, options: &Options) -> Result<Self, Error> {
        let pll = top.pll()?;
        let mut model = library.instantiate();
        let ports = Ports::find(&model)?;
        let time = Time::new(&pll);
        let mut memory = WiredChip::new(options.sdram, time.period());
        let mut state = 0x9e37_79b9_7f4a_7c15;
        // After power-up a memory holds anything.
        memory.chip().fill(|| junk(&mut state));
        model.set(ports.to_card, 1);
        memory.set(0, false, &ports.sdram(&model));
        Ok(Self {
            model,
            ports,
            time,
            memory,
            usb: Usb::new(options.baud, options.skew_ppm),
            pads: options.pads,
            junk: state,
            driven: false,
        })
    }

    /// Runs `cycles` periods of the FPGA's clock.
    ///
    /// # Errors
    /// A rule of the SDRAM was broken.
    pub fn run(&mut self, cycles: u64) -> Result<(), Error> {
        let end = self.time.cycles() + cycles;
        while self.time.cycles() < end {
            self.tick()?;
        }
        Ok(())
    }

    #[inline]
    fn tick(&mut self) -> Result<(), Error> {
        self.time.advance();
        let now = self.time.now();
        let (model, ports) = (&mut self.model, &self.ports);

        // What comes to the FPGA's pins: its registers see it as it is before this tick.
        model.set(ports.oscillator, self.time.input().into());
        model.set(ports.to_card, self.usb.drive(now).into());
        let word = self.memory.word(now.saturating_sub(self.pads));
        if word.is_some() || !self.driven {
            let level = word.unwrap_or_else(|| junk(&mut self.junk));
            model.set(ports.chip_d, level.into());
        }
        model.set(ports.chip_drives, (word.is_some() || !self.driven).into());
        model.cycle();

        // What leaves them.
        self.usb.listen(now, model.get(ports.from_card) != 0);
        let pins = ports.driven(model);
        self.driven = pins != 0;
        if self.driven && pins != u16::MAX {
            let cycle = self.time.cycles();
            return Err(Error::HalfDriven { cycle, pins });
        }
        let clock = model.get(ports.chip_clock) != 0;
        self.memory.set(now, clock, &ports.sdram(model));
        match self.memory.violation() {
            None => Ok(()),
            Some(violation) => Err(Error::Sdram(violation.clone())),
        }
    }

    /// The chip on USB.
    pub fn usb(&mut self) -> &mut Usb {
        &mut self.usb
    }

    /// The SDRAM.
    pub fn memory(&mut self) -> &mut Chip {
        self.memory.chip()
    }

    /// Presses the button FIRE1, or lets it go.
    pub fn press(&mut self, pressed: bool) {
        self.model.set(self.ports.button, pressed.into());
    }

    /// The lights, light 0 in bit 0; `docs/fpga.md` says what they mean.
    pub fn lights(&self) -> u8 {
        self.model.get(self.ports.led) as u8
    }

    /// Periods of the FPGA's clock since power came.
    pub fn cycles(&self) -> u64 {
        self.time.cycles()
    }

    /// Time since then, picoseconds.
    pub fn now(&self) -> u64 {
        self.time.now()
    }

    /// Time since something last happened on a wire of the serial port, picoseconds.
    pub fn quiet(&self) -> u64 {
        self.now() - self.usb.busy()
    }
}

/// Only tops of a ULX3S are simulated.
fn simulated(board: Board) -> Result<(), Error> {
    match board {
        Board::Ulx3s85f => Ok(()),
        other => Err(Error::Board(other)),
    }
}

/// Levels of the data pins that nobody can foresee.
fn junk(state: &mut u64) -> u16 {
    (random::next(state) >> 16) as u16
}
