//! A block in Verilator.
#![allow(dead_code, reason = "every test file uses a part")]

pub mod host;
pub mod link;
pub mod peer;
pub mod window;

use std::path::Path;

use hdl::emit::{Emitted, emit};
use rust_hdl_core::prelude::Block;
use verilate::{Design, Dir, Model, Options, Port, PortRef};

/// A block that runs cycle by cycle.
pub struct Bench {
    pub model: Model,
}

/// The design that Verilator sees.
pub fn design(emitted: &Emitted) -> Design {
    let ports = emitted.ports.iter().map(|port| Port {
        name: port.name.clone(),
        width: port.width as u32,
        dir: if port.is_input { Dir::In } else { Dir::Out },
    });
    Design {
        top: emitted.top.clone(),
        verilog: emitted.verilog(),
        ports: ports.collect(),
    }
}

impl Bench {
    /// Builds a block, after the lint gate.
    pub fn new(block: &impl Block, name: &str) -> Self {
        let design = design(&emit(block, name).expect("the block is emitted"));
        verilate::lint(&design, &[]).expect("the block is free of lint");
        Self::of(&design)
    }

    /// Builds a block as a bitstream for ECP5 has it, with a model of a cell of that family.
    pub fn for_ecp5(block: &impl Block, name: &str, cell: &str) -> Self {
        let mut design = design(&emit(block, name).expect("the block is emitted"));
        design.verilog = format!("`define SYSTOLE_ECP5\n{}\n{cell}", design.verilog);
        Self::of(&design)
    }

    fn of(design: &Design) -> Self {
        let library = verilate::build(
            design,
            &Options::default(),
            Path::new(env!("CARGO_TARGET_TMPDIR")),
        )
        .expect("the block builds");
        Self {
            model: library.instantiate(),
        }
    }

    pub fn port(&self, name: &str) -> PortRef {
        self.model.port(name).expect("a port of the block")
    }

    /// Ports `name_0`, `name_1` and so on.
    pub fn ports(&self, name: &str, count: usize) -> Vec<PortRef> {
        (0..count)
            .map(|index| self.port(&format!("{name}_{index}")))
            .collect()
    }

    pub fn set(&mut self, name: &str, value: u64) {
        let port = self.port(name);
        self.model.set(port, value);
    }

    pub fn get(&self, name: &str) -> u64 {
        self.model.get(self.port(name))
    }

    /// Whether a port of one bit is set.
    pub fn is(&self, name: &str) -> bool {
        self.get(name) == 1
    }

    /// Sets a port that holds a struct: values and widths, first field first.
    pub fn set_fields(&mut self, name: &str, fields: &[(u64, usize)]) {
        let port = self.port(name);
        let width: usize = fields.iter().map(|(_, width)| width).sum();
        assert_eq!(self.model.width(port) as usize, width, "width of {name}");
        let mut words = vec![0u32; width.div_ceil(32)];
        let mut at = 0;
        for &(value, width) in fields {
            for bit in 0..width {
                words[(at + bit) / 32] |= ((value >> bit & 1) as u32) << ((at + bit) % 32);
            }
            at += width;
        }
        match words.as_slice() {
            [low] => self.model.set(port, u64::from(*low)),
            [low, high] => self
                .model
                .set(port, u64::from(*low) | u64::from(*high) << 32),
            words => self.model.set_words(port, words),
        }
    }

    /// Reads a port that holds a struct.
    pub fn fields(&self, name: &str, widths: &[usize]) -> Vec<u64> {
        let port = self.port(name);
        let total: usize = widths.iter().sum();
        assert_eq!(self.model.width(port) as usize, total, "width of {name}");
        let words = match total {
            0..=64 => {
                let value = self.model.get(port);
                vec![value as u32, (value >> 32) as u32]
            }
            _ => self.model.words(port).to_vec(),
        };
        let mut at = 0;
        let mut field = |&width: &usize| {
            let bit =
                |bit: usize| u64::from(words[(at + bit) / 32] >> ((at + bit) % 32) & 1) << bit;
            let value = (0..width).map(bit).sum();
            at += width;
            value
        };
        widths.iter().map(&mut field).collect()
    }

    /// A cycle with `reset`.
    pub fn reset(&mut self) {
        self.set("reset", 1);
        self.model.cycle();
        self.set("reset", 0);
    }
}

/// The bursts into which a run of lines falls: at most 64 lines, none across 4 KiB.
pub fn bursts(line: u64, lines: u64, port_bytes: u64) -> Vec<(u64, u64)> {
    let page = 4096 / port_bytes;
    let (mut line, mut left) = (line, lines);
    let mut bursts = vec![];
    while left > 0 {
        let burst = left.min(page - line % page).min(64);
        bursts.push((line, burst));
        line += burst;
        left -= burst;
    }
    bursts
}

/// Whether the long tier was asked for, by `SYSTOLE_FULL`.
pub fn full() -> bool {
    std::env::var_os("SYSTOLE_FULL").is_some_and(|value| value != "0")
}

/// Small pseudo-random numbers (xorshift64*).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An int8 value, extremes more often than others.
    pub fn int8(&mut self) -> i8 {
        match self.below(4) {
            0 => [-128, -127, 127, 0, -1][self.below(5) as usize],
            _ => self.next() as i8,
        }
    }
}
