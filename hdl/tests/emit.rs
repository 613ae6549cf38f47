//! The emitter: what it refuses, what it merges, and that tiny blocks mean in Verilator what
//! their kernels say, where rust-hdl's own printer goes wrong.
#![allow(clippy::precedence, reason = "precedence is what is tested")]
#![allow(
    clippy::collapsible_match,
    reason = "rust-hdl's kernels know no match guards"
)]

mod common;

use common::{Bench, Rng};
use hdl::emit::emit;
use rust_hdl_core::ast::{VerilogExpression, VerilogOp, VerilogStatement};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// A block with inputs `a` and `b`, an output and what its kernel needs beside them.
macro_rules! tiny {
    ($name:ident, $a:ty, $b:ty, $y:ty, { $($field:ident: $type:ty = $value:expr),* $(,)? }) => {
        #[derive(LogicBlock)]
        struct $name {
            pub clock: Signal<In, Clock>,
            pub a: Signal<In, $a>,
            pub b: Signal<In, $b>,
            pub y: Signal<Out, $y>,
            $($field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    clock: Default::default(),
                    a: Default::default(),
                    b: Default::default(),
                    y: Default::default(),
                    $($field: $value,)*
                }
            }
        }
    };
}

/// Compares a tiny block in Verilator with `golden` over random values and extremes.
fn compare(block: &impl Block, bits: [u32; 2], golden: impl Fn(u64, u64) -> u64) {
    let mut bench = Bench::new(block, "tiny");
    let mut rng = Rng(0xe317);
    let (a, b, y) = (bench.port("a"), bench.port("b"), bench.port("y"));
    for _ in 0..3000 {
        let [left, right] = bits.map(|bits| {
            let mask = u64::MAX >> (64 - bits);
            let edges = [0, 1, mask, mask >> 1, (mask >> 1) + 1];
            if rng.chance(30) {
                edges[rng.below(5) as usize]
            } else {
                rng.next() & mask
            }
        });
        bench.model.set(a, left);
        bench.model.set(b, right);
        bench.model.eval();
        assert_eq!(
            bench.model.get(y),
            golden(left, right),
            "{left:#x} {right:#x}"
        );
    }
}

/// What the emitter says against a block.
fn refusal(block: &impl Block) -> String {
    emit(block, "tiny")
        .expect_err("the emitter refuses the block")
        .message
}

tiny!(Precedence, Bits<8>, Bits<8>, Bits<8>, {});

impl Logic for Precedence {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = 0.into();
        if (self.a.val() & self.b.val()) == self.a.val() {
            self.y.next = 1.into();
        }
        if self.a.val() & 3 == 2 {
            self.y.next = self.b.val() - (self.a.val() - 1) ^ self.b.val() << 1;
        }
    }
}

#[test]
fn operations_keep_the_precedence_of_rust() {
    compare(&Precedence::default(), [8, 8], |a, b| {
        let (a, b) = (a as u8, b as u8);
        let mut y = u64::from(a & b == a);
        if a & 3 == 2 {
            y = u64::from(b.wrapping_sub(a.wrapping_sub(1)) ^ b << 1);
        }
        y
    });
}

tiny!(Carry, Bits<8>, Bits<8>, Bits<16>, {});

impl Logic for Carry {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 8>(self.a.val() + self.b.val())
            | (bit_cast::<16, 8>(!self.a.val()) << 8);
    }
}

#[test]
fn a_cast_of_a_sum_drops_the_carry() {
    compare(&Carry::default(), [8, 8], |a, b| {
        ((a + b) & 0xff) | (!a & 0xff) << 8
    });
}

tiny!(Borrow, Bits<8>, Bits<8>, Bits<16>, {});

impl Logic for Borrow {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 8>(self.a.val() - self.b.val());
    }
}

#[test]
fn a_cast_of_a_difference_drops_the_borrow() {
    compare(&Borrow::default(), [8, 8], |a, b| a.wrapping_sub(b) & 0xff);
}

tiny!(Shifted, Bits<8>, Bits<8>, Bits<16>, {});

impl Logic for Shifted {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<16, 8>(self.a.val() << 3) + bit_cast::<16, 8>(self.b.val() >> 3);
    }
}

#[test]
fn a_cast_of_a_shift_drops_the_bits() {
    compare(&Shifted::default(), [8, 8], |a, b| {
        (a << 3 & 0xff) + (b >> 3)
    });
}

tiny!(Narrow, Bits<16>, Bits<16>, Bits<8>, {});

impl Logic for Narrow {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<8, 16>(self.a.val() + self.b.val());
    }
}

#[test]
fn a_cast_to_fewer_bits_keeps_the_lowest() {
    compare(&Narrow::default(), [16, 16], |a, b| (a + b) & 0xff);
}

tiny!(Literal, Bits<8>, Bits<8>, Bits<1>, {});

impl Logic for Literal {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = 0.into();
        if self.a.val() + 200 > self.b.val() {
            self.y.next = 1.into();
        }
    }
}

#[test]
fn a_literal_has_the_width_of_the_other_side() {
    compare(&Literal::default(), [8, 8], |a, b| {
        u64::from((a + 200) & 0xff > b)
    });
}

tiny!(Product, Signed<16>, Signed<16>, Signed<32>, {});

impl Logic for Product {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val() * self.b.val();
    }
}

#[test]
fn a_product_has_all_its_bits() {
    compare(&Product::default(), [16, 16], |a, b| {
        (i32::from(a as u16 as i16) * i32::from(b as u16 as i16)) as u32 as u64
    });
}

tiny!(Plain, Bits<16>, Bits<16>, Bits<32>, {});

impl Logic for Plain {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val() * self.b.val();
    }
}

#[test]
fn an_unsigned_product_has_all_its_bits() {
    compare(&Plain::default(), [16, 16], |a, b| a * b);
}

tiny!(Extended, Signed<8>, Signed<8>, Signed<16>, {    wide: Signal<Local, Signed<16>> = Default::default(),
});

impl Logic for Extended {
    #[hdl_gen]
    fn update(&mut self) {
        self.wide.next = signed_bit_cast::<16, 8>(self.a.val());
        self.y.next = self.wide.val() + signed_bit_cast::<16, 8>(self.b.val());
    }
}

#[test]
fn a_signed_cast_extends_the_sign() {
    compare(&Extended::default(), [8, 8], |a, b| {
        (i16::from(a as u8 as i8) + i16::from(b as u8 as i8)) as u16 as u64
    });
}

tiny!(Dynamic, Bits<32>, Bits<5>, Bits<8>, {});

impl Logic for Dynamic {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = bit_cast::<8, 1>(self.a.val().get_bits::<1>(self.b.val().index()));
        if self.a.val().get_bit(31) {
            self.y.next = self.a.val().get_bits::<8>(8);
        }
    }
}

#[test]
fn slices_take_their_bits() {
    compare(&Dynamic::default(), [32, 5], |a, b| {
        if a >> 31 == 1 {
            a >> 8 & 0xff
        } else {
            a >> b & 1
        }
    });
}

#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
struct Pair {
    low: Bits<5>,
    flag: Bit,
    high: Bits<9>,
}

tiny!(Struct, Pair, Pair, Pair, {});

impl Logic for Struct {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val();
        self.y.next.low = self.b.val().low + 1;
        if self.b.val().flag {
            self.y.next.high = bit_cast::<9, 5>(self.a.val().low);
        }
    }
}

#[test]
fn structs_lie_with_their_first_field_lowest() {
    compare(&Struct::default(), [15, 15], |a, b| {
        let low = (b + 1) & 31;
        let high = if b >> 5 & 1 == 1 { a & 31 } else { a >> 6 };
        low | (a & 32) | high << 6
    });
}

tiny!(Looped, Bits<8>, Bits<8>, Bits<8>, {    part: Vec<Signal<Local, Bits<8>>> = (0..5).map(|_| Signal::default()).collect(),
    _from: usize = 2,
});

impl Logic for Looped {
    #[hdl_gen]
    fn update(&mut self) {
        self.part[0].next = self.a.val();
        for i in 0..4 {
            self.part[i + 1].next = self.part[i].val() + self.b.val();
        }
        self.y.next = self.part[2 * 2].val();
    }
}

#[test]
fn loops_run_over_every_index() {
    compare(&Looped::default(), [8, 8], |a, b| (a + 4 * b) & 0xff);
}

tiny!(Late, Bits<8>, Bits<8>, Bits<8>, {
    sum: Signal<Local, Bits<8>> = Default::default(),
    first: Signal<Local, Bits<8>> = Default::default(),
});

impl Logic for Late {
    #[hdl_gen]
    fn update(&mut self) {
        // The order of statements counts where a value is read between two assignments.
        self.sum.next = self.a.val();
        self.first.next = self.sum.val();
        self.sum.next = self.b.val();
        self.y.next = self.first.val();
        if self.b.val().get_bit(0) {
            self.y.next = self.sum.val() + self.first.val();
        }
    }
}

#[test]
fn later_assignments_win() {
    compare(&Late::default(), [8, 8], |a, b| {
        if b & 1 == 1 { (a + b) & 0xff } else { a }
    });
}

#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum Step {
    First,
    Second,
    Third,
}

#[derive(LogicBlock, Default)]
struct Machine {
    pub clock: Signal<In, Clock>,
    pub go: Signal<In, Bit>,
    pub third: Signal<Out, Bit>,
    state: DFF<Step>,
}

impl Logic for Machine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state);
        self.third.next = self.state.q.val() == Step::Third;
        match self.state.q.val() {
            Step::First => {
                if self.go.val() {
                    self.state.d.next = Step::Second;
                }
            }
            Step::Second => {
                self.state.d.next = Step::Third;
            }
            Step::Third => {
                self.state.d.next = Step::First;
            }
            _ => {}
        }
    }
}

#[test]
fn states_follow_each_other() {
    let mut bench = Bench::new(&Machine::default(), "machine");
    let mut seen = vec![];
    for go in [0, 1, 0, 1, 1, 0, 0, 0] {
        bench.set("go", go);
        bench.model.eval();
        seen.push(bench.get("third"));
        bench.model.cycle();
    }
    assert_eq!(seen, [0, 0, 0, 1, 0, 0, 1, 0]);
}

/// Registers in every way that kernels use them.
#[derive(LogicBlock, Default)]
struct Registers {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<8>>,
    pub go: Signal<In, Bit>,
    /// All registers, and the inputs of `looked` and `shared`.
    pub y: Signal<Out, Bits<40>>,
    pub looked_at: Signal<Out, Bits<8>>,
    pub told: Signal<Out, Bit>,
    plain: DFF<Bits<8>>,
    held: DFF<Bits<8>>,
    left: DFF<Bits<8>>,
    right: DFF<Bits<8>>,
    looked: DFF<Bits<8>>,
    shared: DFF<Bits<8>>,
}

impl Logic for Registers {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, plain, held, left, right, looked, shared);
        self.plain.d.next = self.a.val();
        // The last assignment wins; without one the value stays.
        if self.go.val() {
            self.held.d.next = self.a.val();
            self.held.d.next = self.held.q.val() + self.a.val();
        }
        // Both take the old value of the other.
        self.left.d.next = self.right.q.val() + 1;
        self.right.d.next = self.left.q.val();
        if self.a.val() == 0 {
            self.right.d.next = self.plain.q.val();
        }
        // The input itself is read.
        if self.go.val() {
            self.looked.d.next = self.a.val() + self.looked.q.val();
        }
        self.looked_at.next = self.looked.d.val();
        // One condition for a register and an output.
        self.told.next = false;
        if self.go.val() & (self.a.val() < 99) {
            self.told.next = true;
            self.shared.d.next = self.shared.q.val() + 1;
        }
        self.y.next = bit_cast::<40, 8>(self.plain.q.val())
            | (bit_cast::<40, 8>(self.held.q.val()) << 8)
            | (bit_cast::<40, 8>(self.left.q.val()) << 16)
            | (bit_cast::<40, 8>(self.right.q.val()) << 24)
            | (bit_cast::<40, 8>(self.shared.q.val()) << 32);
    }
}

#[test]
fn registers_take_their_inputs_at_the_clock() {
    let mut bench = Bench::new(&Registers::default(), "registers");
    let mut rng = Rng(0xd0ff);
    let [
        mut plain,
        mut held,
        mut left,
        mut right,
        mut looked,
        mut shared,
    ] = [0u8; 6];
    for _ in 0..500 {
        let (a, go) = (
            rng.next() as u8 & [0, 0xff][rng.below(2) as usize],
            rng.chance(50),
        );
        bench.set("a", a.into());
        bench.set("go", go.into());
        bench.model.eval();
        let y = [plain, held, left, right, shared, 0, 0, 0];
        assert_eq!(bench.get("y"), u64::from_le_bytes(y));
        let told = go && a < 99;
        assert_eq!(bench.is("told"), told);
        if go {
            held = held.wrapping_add(a);
            looked = looked.wrapping_add(a);
        }
        assert_eq!(bench.get("looked_at"), u64::from(looked));
        (left, right) = (right.wrapping_add(1), if a == 0 { plain } else { left });
        plain = a;
        shared = shared.wrapping_add(told.into());
        bench.model.cycle();
    }
}

#[test]
fn a_register_has_a_signal_before_it_only_where_one_is_needed() {
    let emitted = emit(&Registers::default(), "registers").expect("the block is emitted");
    let text = &emitted.modules[0].1;
    let has_signal = |name: &str| text.contains(&format!(" {name}_d;"));
    for name in ["plain", "held", "left", "right"] {
        assert!(!has_signal(name), "{name}: {text}");
    }
    assert!(has_signal("looked") && has_signal("shared"), "{text}");
}

tiny!(Latch, Bits<8>, Bits<8>, Bits<8>, {});

impl Logic for Latch {
    #[hdl_gen]
    fn update(&mut self) {
        if self.a.val() == 7 {
            self.y.next = self.b.val();
        }
    }
}

#[test]
fn a_latch_does_not_pass_the_lint() {
    let emitted = emit(&Latch::default(), "tiny").expect("the block is emitted");
    let error = verilate::lint(&common::design(&emitted), &[]).expect_err("there is a latch");
    assert!(error.to_string().contains("LATCH"), "{error}");
}

tiny!(TooLarge, Signed<16>, Signed<16>, Bits<8>, {    big: Constant<Bits<8>> = Constant::new(1.into()),
});

impl Logic for TooLarge {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.big.val() + 300;
    }
}

#[test]
fn a_literal_that_does_not_fit_is_refused() {
    let message = refusal(&TooLarge::default());
    assert!(message.contains("300 does not fit in 8 bits"), "{message}");
}

#[derive(LogicBlock, Default)]
struct Keyword {
    pub clock: Signal<In, Clock>,
    pub task: Signal<In, Bit>,
    pub y: Signal<Out, Bit>,
}

impl Logic for Keyword {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.task.val();
    }
}

#[test]
fn keywords_are_refused() {
    let error = emit(&Keyword::default(), "top").expect_err("`task` is a keyword");
    assert!(error.message.contains("`task` is a keyword"), "{error}");
    assert_eq!(error.module, "top");
}

/// A kernel as rust-hdl would hand it over if its types had let a mistake through.
#[derive(LogicBlock)]
struct Raw {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<16>>,
    _code: Vec<VerilogStatement>,
}

impl Raw {
    /// `y = source`.
    fn new(source: VerilogExpression) -> Self {
        let target = VerilogExpression::Signal("y".into());
        Self {
            clock: Default::default(),
            a: Default::default(),
            y: Default::default(),
            _code: vec![VerilogStatement::Assignment(target, source)],
        }
    }
}

impl Logic for Raw {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        Verilog::Combinatorial(self._code.clone())
    }
}

fn signal(name: &str) -> VerilogExpression {
    VerilogExpression::Signal(name.into())
}

#[test]
fn widths_that_do_not_fit_are_refused() {
    let message = refusal(&Raw::new(signal("a")));
    assert!(
        message.contains("8 bits stands where 16 are needed"),
        "{message}"
    );
    // The same with a cast is fine.
    let cast = VerilogExpression::Cast(Box::new(signal("a")), 16);
    let emitted = emit(&Raw::new(cast), "tiny").expect("a cast fits");
    assert!(
        emitted.verilog().contains("assign y = 16'(a);"),
        "{}",
        emitted.verilog()
    );
}

#[test]
fn names_that_do_not_exist_are_refused() {
    let message = refusal(&Raw::new(signal("nothing")));
    assert!(
        message.contains("no signal is called `nothing`"),
        "{message}"
    );
}

#[test]
fn slices_of_expressions_are_refused() {
    let sum =
        VerilogExpression::Binary(Box::new(signal("y")), VerilogOp::Add, Box::new(signal("y")));
    let at = Box::new(VerilogExpression::Literal(0u32.into()));
    let message = refusal(&Raw::new(VerilogExpression::Slice(Box::new(sum), 16, at)));
    assert!(
        message.contains("slice") || message.contains("name"),
        "{message}"
    );
}

tiny!(Inverter, Bit, Bit, Bit, {});

impl Logic for Inverter {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.a.val() ^ self.b.val();
    }
}

#[derive(LogicBlock)]
struct Many {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bit>,
    pub y: Signal<Out, Bit>,
    cell: Vec<Inverter>,
    other: Inverter,
    _count: usize,
}

impl Logic for Many {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.other.y.val();
        self.other.clock.next = self.clock.val();
        self.other.a.next = self.a.val();
        self.other.b.next = true;
        for i in 0..self._count {
            self.cell[i].clock.next = self.clock.val();
            self.cell[i].a.next = self.a.val();
            self.cell[i].b.next = self.other.y.val();
        }
    }
}

#[test]
fn modules_that_are_alike_become_one() {
    let many = Many {
        clock: Default::default(),
        a: Default::default(),
        y: Default::default(),
        cell: (0..5).map(|_| Inverter::default()).collect(),
        other: Inverter::default(),
        _count: 5,
    };
    let emitted = emit(&many, "many").expect("the block is emitted");
    let names: Vec<&str> = emitted
        .modules
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    // `cell` is a keyword.
    assert_eq!(names, ["cell_1", "many"]);
    let text = &emitted.modules[1].1;
    assert_eq!(text.matches("  cell_1 ").count(), 6, "{text}");
    assert_eq!(emitted.top, "many");
    let ports: Vec<_> = emitted
        .ports
        .iter()
        .map(|port| (port.name.as_str(), port.is_input))
        .collect();
    assert_eq!(ports, [("clock", true), ("a", true), ("y", false)]);
}
