//! The block memory: widths of both ports, modes of writing, resets, output registers, collisions.

use std::fmt::Write as _;

use systole_tests::netlist::BLOCK_MEMORY;
use systole_tests::rng::Rng;
use verilate::{Model, PortRef};

use crate::bench::{build, pins, refuses};

/// Bits of the memory.
const BITS: usize = 18_432;

/// How a memory is configured; of each pair the first is of port A.
#[derive(Clone, Copy, Debug)]
struct Kind {
    widths: [usize; 2],
    modes: [&'static str; 2],
    registers: [bool; 2],
    synchronous: bool,
}

const NORMAL: &str = "NORMAL";
const OLD: &str = "READBEFOREWRITE";
const NEW: &str = "WRITETHROUGH";

const fn kind(
    widths: [usize; 2],
    modes: [&'static str; 2],
    registers: [bool; 2],
    synchronous: bool,
) -> Kind {
    Kind {
        widths,
        modes,
        registers,
        synchronous,
    }
}

const KINDS: [Kind; 15] = [
    kind([1, 1], [NORMAL, OLD], [false, true], true),
    kind([2, 2], [OLD, OLD], [false, false], false),
    kind([4, 4], [NEW, NORMAL], [true, false], true),
    kind([9, 9], [NORMAL, NEW], [true, true], false),
    kind([18, 18], [OLD, NEW], [false, true], true),
    kind([18, 18], [NORMAL, NORMAL], [false, false], true),
    kind([18, 18], [NEW, OLD], [true, true], false),
    kind([1, 18], [OLD, NEW], [true, false], false),
    kind([18, 2], [NEW, OLD], [false, false], true),
    kind([9, 4], [OLD, NORMAL], [true, true], true),
    kind([36, 36], [NORMAL, NORMAL], [false, false], false),
    kind([36, 36], [OLD, NORMAL], [false, true], true),
    kind([36, 36], [NORMAL, OLD], [true, true], false),
    kind([36, 18], [NORMAL, NORMAL], [false, true], true),
    kind([36, 1], [NORMAL, NORMAL], [false, false], true),
];

/// What is on the pins of a port.
#[derive(Clone, Copy, Debug, Default)]
struct Inputs {
    address: usize,
    data: u64,
    /// Write, clock enable, enable of the output register, reset, chip select, from bit 0 on.
    control: u64,
}

impl Inputs {
    fn has(&self, bit: u32) -> bool {
        self.control >> bit & 1 == 1
    }

    fn works(&self) -> bool {
        self.has(1) && !self.has(4)
    }
}

/// What the cell is by definition.
struct Golden {
    kind: Kind,
    bits: Vec<bool>,
    shown: [u64; 2],
    kept: [u64; 2],
}

/// The bits that an access of this width sees, lowest first.
fn seen(address: usize, width: usize) -> std::ops::Range<usize> {
    let low = match width {
        1 => (address >> 3) * 9 + (address & 7),
        2 => (address >> 3) * 9 + (address & 6),
        4 => (address >> 3) * 9 + (address & 4),
        9 => (address >> 3) * 9,
        18 => (address >> 4) * 18,
        _ => (address >> 5) * 36,
    };
    low..low + width
}

impl Golden {
    /// What a port writes: each bit with its value.
    fn writes(&self, port: usize, inputs: &[Inputs; 2]) -> Vec<(usize, bool)> {
        let (width, pins) = (self.kind.widths[port], &inputs[port]);
        let wide = self.kind.widths[0] == 36;
        let held = self.kind.synchronous && pins.has(3);
        if !pins.works() || !pins.has(0) || held || (port == 1 && wide) {
            return Vec::new();
        }
        let data = match width {
            36 => inputs[0].data | inputs[1].data << 18,
            _ => pins.data,
        };
        let enabled = |at: &usize| width < 18 || pins.address >> (at / 9) & 1 == 1;
        let range = seen(pins.address, width).enumerate();
        range
            .filter(|(at, _)| enabled(at))
            .map(|(at, bit)| (bit, data >> at & 1 == 1))
            .collect()
    }

    fn edge(&mut self, inputs: &[Inputs; 2]) {
        let writes = [0, 1].map(|port| self.writes(port, inputs));
        let find = |port: usize, bit: usize| writes[port].iter().find(|(other, _)| *other == bit);
        let mut shown = self.shown;
        for port in 0..2 {
            let (mode, pins) = (self.kind.modes[port], &inputs[port]);
            let range = seen(pins.address, self.kind.widths[port]).enumerate();
            let fetched = range.fold(0, |value, (at, bit)| {
                let mine = find(port, bit).filter(|_| mode == NEW);
                let old = self.bits[bit] ^ find(1 - port, bit).is_some();
                value | u64::from(mine.map_or(old, |(_, value)| *value)) << at
            });
            // A write without any byte is a write all the same.
            let wide = self.kind.widths[0] == 36;
            let held = self.kind.synchronous && pins.has(3);
            let writing = pins.works() && pins.has(0) && !held && !(port == 1 && wide);
            if pins.has(3) {
                shown[port] = 0;
            } else if pins.works() && !(writing && mode == NORMAL) {
                shown[port] = fetched;
            }
            let clears = pins.has(3) && (pins.has(2) || !self.kind.synchronous);
            if clears {
                self.kept[port] = 0;
            } else if pins.has(2) {
                self.kept[port] = self.shown[port];
            }
        }
        self.shown = shown;
        for (bit, value) in &writes[1] {
            self.bits[*bit] = *value;
        }
        for (bit, value) in &writes[0] {
            self.bits[*bit] = *value ^ find(1, *bit).is_some();
        }
    }

    /// Resets that wait for no clock.
    fn settle(&mut self, inputs: &[Inputs; 2]) {
        for (port, inputs) in inputs.iter().enumerate() {
            if !self.kind.synchronous && inputs.has(3) {
                (self.shown[port], self.kept[port]) = (0, 0);
            }
        }
    }

    /// DOA below DOB.
    fn outputs(&self) -> u64 {
        let out = |port: usize| match self.kind.registers[port] {
            true => self.kept[port],
            false => self.shown[port],
        };
        match self.kind.widths {
            [_, 36] => out(1),
            [36, _] => out(1) << 18,
            _ => out(0) | out(1) << 18,
        }
    }
}

/// The cells of these kinds on the same inputs, with the same content.
fn module(kinds: &[Kind], initial: &str) -> String {
    let buses = ["a", "b"].map(|port| {
        format!("input [13:0] address_{port}, input [17:0] data_{port}, input [4:0] control_{port}")
    });
    let outputs: Vec<String> = (0..kinds.len())
        .map(|at| format!("output [35:0] out_{at}"))
        .collect();
    let mut text = format!(
        "module bench(input clock, {}, {});\n",
        buses.join(", "),
        outputs.join(", ")
    );
    for (at, kind) in kinds.iter().enumerate() {
        let reset = if kind.synchronous { "SYNC" } else { "ASYNC" };
        let _ = writeln!(text, "DP16KD #(.RESETMODE(\"{reset}\"),");
        for (port, name) in ["A", "B"].into_iter().enumerate() {
            let register = if kind.registers[port] {
                "OUTREG"
            } else {
                "NOREG"
            };
            let (width, mode) = (kind.widths[port], kind.modes[port]);
            let _ = writeln!(
                text,
                ".DATA_WIDTH_{name}({width}), .WRITEMODE_{name}(\"{mode}\"), \
                 .REGMODE_{name}(\"{register}\"),"
            );
        }
        let _ = writeln!(text, "{initial} .GSR(\"AUTO\")) cell_{at} (");
        for (name, bus) in [("A", "a"), ("B", "b")] {
            let (address, data) = (format!("address_{bus}"), format!("data_{bus}"));
            let outputs = (0..18).map(|pin| {
                let bit = pin + if name == "A" { 0 } else { 18 };
                format!(".DO{name}{pin}(out_{at}[{bit}])")
            });
            let outputs: Vec<String> = outputs.collect();
            let _ = writeln!(
                text,
                "{}, {}, {}, .CLK{name}(clock), .WE{name}(control_{bus}[0]), \
                 .CE{name}(control_{bus}[1]), .OCE{name}(control_{bus}[2]), \
                 .RST{name}(control_{bus}[3]), .CS{name}0(1'b0), .CS{name}1(control_{bus}[4]), \
                 .CS{name}2(1'b0){}",
                pins(&format!("AD{name}"), &address, 14),
                pins(&format!("DI{name}"), &data, 18),
                outputs.join(", "),
                if name == "A" { "," } else { ");" }
            );
        }
    }
    text + "endmodule\n"
}

/// The content at power-up, as parameters and as bits.
fn content(rng: &mut Rng) -> (String, Vec<bool>) {
    let (mut text, mut bits) = (String::new(), Vec::new());
    for parameter in 0..64 {
        let words: Vec<u64> = (0..16).map(|_| rng.below(1 << 18)).collect();
        let digits = words.iter().rev().map(|word| format!("{word:05x}"));
        let digits: String = digits.collect();
        let _ = write!(text, ".INITVAL_{parameter:02X}(320'h{digits}),");
        for word in words {
            bits.extend((0..18).map(|bit| word >> bit & 1 == 1));
        }
    }
    assert_eq!(bits.len(), BITS);
    (text, bits)
}

/// Both ports often at the same few rows.
fn inputs(rng: &mut Rng) -> [Inputs; 2] {
    let near = rng.below(2) == 0;
    [(); 2].map(|()| {
        let address = rng.below(1 << 14) as usize;
        let chosen = rng.bits();
        let bit = |at: u32, often: bool| {
            u64::from(chosen >> (4 * at) & 15 < if often { 12 } else { 2 }) << at
        };
        Inputs {
            address: if near { address & 0x2f } else { address },
            data: rng.below(1 << 18),
            control: (chosen >> 40 & 1)
                | bit(1, true)
                | bit(2, true)
                | bit(3, false)
                | bit(4, false),
        }
    })
}

fn set(model: &mut Model, ports: &[[PortRef; 3]; 2], inputs: &[Inputs; 2]) {
    for (ports, inputs) in ports.iter().zip(inputs) {
        let values = [inputs.address as u64, inputs.data, inputs.control];
        for (port, value) in ports.iter().zip(values) {
            model.set(*port, value);
        }
    }
}

#[test]
fn every_kind_of_memory_is_as_defined() {
    let mut rng = Rng::new(16);
    let (initial, bits) = content(&mut rng);
    let library = build(module(&KINDS, &initial), BLOCK_MEMORY).expect("it builds");
    let mut model = library.instantiate();
    let ports = ["a", "b"].map(|port| {
        ["address", "data", "control"]
            .map(|name| model.port(&format!("{name}_{port}")).expect("it is there"))
    });
    let mut golden: Vec<(Golden, PortRef)> = KINDS
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            let golden = Golden {
                kind: *kind,
                bits: bits.clone(),
                shown: [0; 2],
                kept: [0; 2],
            };
            (
                golden,
                model.port(&format!("out_{at}")).expect("it is there"),
            )
        })
        .collect();
    for cycle in 0..20_000 {
        let inputs = inputs(&mut rng);
        set(&mut model, &ports, &inputs);
        model.eval();
        for (golden, port) in &mut golden {
            golden.settle(&inputs);
            let expected = golden.outputs();
            assert_eq!(
                model.get(*port),
                expected,
                "{:?} before cycle {cycle}",
                golden.kind
            );
        }
        model.cycle();
        for (golden, port) in &mut golden {
            golden.edge(&inputs);
            let expected = golden.outputs();
            assert_eq!(
                model.get(*port),
                expected,
                "{:?} in cycle {cycle}: {inputs:x?}",
                golden.kind
            );
        }
    }
}

#[test]
fn what_is_not_modelled_is_refused() {
    let plain = kind([18, 18], [NORMAL, NORMAL], [false, false], true);
    for (parameter, names) in [
        (".CSDECODE_A(\"0b010\"),", "CSDECODE_A"),
        (".CLKBMUX(\"INV\"),", "CLKBMUX"),
        (".INIT_DATA(\"DYNAMIC\"),", "INIT_DATA"),
        (".DIA0MUX(\"1\"),", "DIA0MUX"),
    ] {
        refuses(module(&[plain], parameter), BLOCK_MEMORY, names);
    }
    for (widths, modes, names) in [
        ([8, 18], [NORMAL, NORMAL], "DATA_WIDTH_A"),
        ([18, 36], [NORMAL, NORMAL], "a port of 36 bits reads only"),
        ([18, 18], [NORMAL, "OTHER"], "WRITEMODE_B"),
    ] {
        let other = kind(widths, modes, [false, false], true);
        refuses(module(&[other], ""), BLOCK_MEMORY, names);
    }
}
