//! A block in Verilator.
#![allow(dead_code, reason = "every test file uses a part")]

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
    Design { top: emitted.top.clone(), verilog: emitted.verilog(), ports: ports.collect() }
}

impl Bench {
    /// Builds a block, after the lint gate.
    pub fn new(block: &impl Block, name: &str) -> Self {
        let design = design(&emit(block, name).expect("the block is emitted"));
        verilate::lint(&design, &[]).expect("the block is free of lint");
        let library =
            verilate::build(&design, &Options::default(), Path::new(env!("CARGO_TARGET_TMPDIR")))
                .expect("the block builds");
        Self { model: library.instantiate() }
    }

    pub fn port(&self, name: &str) -> PortRef {
        self.model.port(name).expect("a port of the block")
    }

    /// Ports `name_0`, `name_1` and so on.
    pub fn ports(&self, name: &str, count: usize) -> Vec<PortRef> {
        (0..count).map(|index| self.port(&format!("{name}_{index}"))).collect()
    }

    pub fn set(&mut self, name: &str, value: u64) {
        let port = self.port(name);
        self.model.set(port, value);
    }

    pub fn get(&self, name: &str) -> u64 {
        self.model.get(self.port(name))
    }
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
