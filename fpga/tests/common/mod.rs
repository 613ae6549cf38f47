//! A block in Verilator.
#![allow(dead_code, reason = "every test file uses a part")]

pub mod block;

use std::path::Path;

use hdl::emit::emit;
use rust_hdl_core::prelude::Block;
use verilate::{Design, Dir, Model, Options, Port};

/// A block that runs cycle by cycle.
pub struct Bench {
    pub model: Model,
}

impl Bench {
    /// Builds a block, after the lint gate.
    pub fn new(block: &impl Block, name: &str) -> Self {
        let emitted = emit(block, name).expect("the block is emitted");
        let ports = emitted.ports.iter().map(|port| Port {
            name: port.name.clone(),
            width: port.width as u32,
            dir: if port.is_input { Dir::In } else { Dir::Out },
        });
        let design = Design {
            top: emitted.top.clone(),
            verilog: emitted.verilog(),
            ports: ports.collect(),
        };
        verilate::lint(&design, &[]).expect("the block is free of lint");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let library =
            verilate::build(&design, &Options::default(), folder).expect("the block builds");
        Self {
            model: library.instantiate(),
        }
    }

    pub fn set(&mut self, name: &str, value: u64) {
        let port = self.model.port(name).expect("a port of the block");
        self.model.set(port, value);
    }

    pub fn get(&self, name: &str) -> u64 {
        self.model
            .get(self.model.port(name).expect("a port of the block"))
    }
}

/// Numbers that look random, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }
}
