//! The multiplier, with and without each of its registers.

use systole_tests::netlist::MULTIPLIER;
use systole_tests::rng::Rng;
use verilate::{Model, PortRef};

use crate::bench::{build, pins, refuses};

/// Multipliers with these parameters on the same inputs, each pin of control on a bus.
fn module(parameters: &[&str]) -> String {
    let (a, b) = (pins("A", "a", 18), pins("B", "b", 18));
    let (enables, resets) = (pins("CE", "enables", 4), pins("RST", "resets", 4));
    let outputs: Vec<String> = (0..parameters.len())
        .map(|at| format!("output [35:0] p_{at}"))
        .collect();
    let mut text = format!(
        "module bench(input clock, input [17:0] a, input [17:0] b, input [1:0] signs,
           input [3:0] enables, input [3:0] resets, {});\n",
        outputs.join(", ")
    );
    for (at, parameters) in parameters.iter().enumerate() {
        let p = pins("P", &format!("p_{at}"), 36);
        text += &format!(
            "MULT18X18D #({parameters}) cell_{at} (.CLK0(clock), .SIGNEDA(signs[0]),
               .SIGNEDB(signs[1]), .SOURCEA(1'b0), .SOURCEB(1'b0), {a}, {b}, {p}, {enables},
               {resets});\n"
        );
    }
    text + "endmodule\n"
}

/// The registers, in the order of the data.
const REGISTERS: [&str; 4] = ["INPUTA", "INPUTB", "PIPELINE", "OUTPUT"];

/// What the cell is by definition.
#[derive(Default)]
struct Golden {
    a: (u64, bool),
    b: (u64, bool),
    product: u64,
    output: u64,
}

/// One set of inputs.
#[derive(Clone, Copy, Debug)]
struct Inputs {
    a: u64,
    b: u64,
    signs: u64,
    enables: u64,
    resets: u64,
}

fn factor((bits, signed): (u64, bool)) -> i64 {
    match signed && bits >> 17 & 1 == 1 {
        true => bits as i64 - (1 << 18),
        false => bits as i64,
    }
}

fn product(a: (u64, bool), b: (u64, bool)) -> u64 {
    (factor(a) * factor(b)) as u64 & ((1 << 36) - 1)
}

impl Golden {
    /// One clock edge, and what is on P after it while the inputs stay. Register `i` is there when
    /// bit `i` of `kinds` is, and has enable and reset `i`.
    fn edge(&mut self, kinds: usize, inputs: &Inputs) -> u64 {
        let before = (self.a, self.b, self.product);
        let there = |at: usize| kinds >> at & 1 == 1;
        let pins = (
            (inputs.a, inputs.signs & 1 == 1),
            (inputs.b, inputs.signs >> 1 == 1),
        );
        let a = if there(0) { before.0 } else { pins.0 };
        let b = if there(1) { before.1 } else { pins.1 };
        let after_product = if there(2) { before.2 } else { product(a, b) };
        let moves = |at: usize| (inputs.enables >> at & 1 == 1, inputs.resets >> at & 1 == 1);
        keep(&mut self.a, pins.0, moves(0));
        keep(&mut self.b, pins.1, moves(1));
        keep(&mut self.product, product(a, b), moves(2));
        keep(&mut self.output, after_product, moves(3));
        let a = if there(0) { self.a } else { pins.0 };
        let b = if there(1) { self.b } else { pins.1 };
        match (there(2), there(3)) {
            (_, true) => self.output,
            (true, false) => self.product,
            (false, false) => product(a, b),
        }
    }
}

fn keep<T: Default>(kept: &mut T, next: T, (enable, reset): (bool, bool)) {
    match (reset, enable) {
        (true, _) => *kept = T::default(),
        (false, true) => *kept = next,
        (false, false) => {}
    }
}

/// A factor, the extremes often.
fn drawn(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => rng.pick(&[0, 1, 0x1_ffff, 0x2_0000, 0x3_ffff, 0x3_ff80, 0x7f]),
        _ => rng.below(1 << 18),
    }
}

fn inputs(rng: &mut Rng) -> Inputs {
    Inputs {
        a: drawn(rng),
        b: drawn(rng),
        signs: rng.below(4),
        enables: rng.bits() & 15 | rng.bits() & 15,
        resets: rng.bits() & rng.bits() & rng.bits() & 15,
    }
}

/// The parameters of a multiplier with register `i` where bit `i` of `kinds` is.
fn parameters(kinds: usize) -> String {
    let registers = REGISTERS.iter().enumerate().map(|(at, name)| {
        let clock = if kinds >> at & 1 == 1 { "CLK0" } else { "NONE" };
        format!(
            ".REG_{name}_CLK(\"{clock}\"), .REG_{name}_CE(\"CE{at}\"), .REG_{name}_RST(\"RST{at}\")"
        )
    });
    registers.collect::<Vec<_>>().join(", ")
}

fn set(model: &mut Model, ports: &[PortRef; 5], inputs: &Inputs) {
    let values = [
        inputs.a,
        inputs.b,
        inputs.signs,
        inputs.enables,
        inputs.resets,
    ];
    for (port, value) in ports.iter().zip(values) {
        model.set(*port, value);
    }
}

#[test]
fn every_choice_of_registers_is_as_defined() {
    let mut rng = Rng::new(18);
    let kinds: Vec<String> = (0..16).map(parameters).collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let library = build(module(&kinds), MULTIPLIER).expect("it builds");
    let mut model = library.instantiate();
    let ports =
        ["a", "b", "signs", "enables", "resets"].map(|name| model.port(name).expect("it is there"));
    let mut golden: Vec<(Golden, PortRef)> = (0..kinds.len())
        .map(|at| {
            let port = model.port(&format!("p_{at}")).expect("it is there");
            (Golden::default(), port)
        })
        .collect();
    for cycle in 0..20_000 {
        let inputs = inputs(&mut rng);
        set(&mut model, &ports, &inputs);
        model.cycle();
        for (kinds, (golden, port)) in golden.iter_mut().enumerate() {
            let expected = golden.edge(kinds, &inputs);
            assert_eq!(
                model.get(*port),
                expected,
                "registers {kinds:04b}, cycle {cycle}, {inputs:?}"
            );
        }
    }
}

#[test]
fn what_is_not_modelled_is_refused() {
    for (parameters, names) in [
        (".REG_OUTPUT_CLK(\"CLK1\")", "REG_OUTPUT_CLK"),
        (".REG_INPUTC_CLK(\"CLK0\")", "REG_INPUTC_CLK"),
        (".REG_PIPELINE_CE(\"CE4\")", "REG_PIPELINE_CE"),
        (".REG_INPUTB_RST(\"RST\")", "REG_INPUTB_RST"),
        (".RESETMODE(\"ASYNC\")", "RESETMODE"),
        (".SOURCEB_MODE(\"HIGHSPEED\")", "SOURCEB_MODE"),
        (".CLK0_DIV(\"DISABLED\")", "CLK0_DIV"),
        (".CAS_MATCH_REG(\"TRUE\")", "CAS_MATCH_REG"),
        (".MULT_BYPASS(\"ENABLED\")", "MULT_BYPASS"),
        (".HIGHSPEED_CLK(\"CLK0\")", "HIGHSPEED_CLK"),
        (".NEW_MODE(1)", "NEW_MODE"),
    ] {
        refuses(module(&[parameters]), MULTIPLIER, names);
    }
    let cascade = module(&[""]).replace(".SOURCEA(1'b0)", ".SOURCEA(1'b0), .SRIA0(a[0])");
    refuses(cascade, MULTIPLIER, "SRIA0");
}
