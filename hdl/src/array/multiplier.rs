//! A multiplier with a register behind it, as FPGAs have them.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// A signed product, one a cycle.
///
/// ```text
///       +---------------+
/// a   ->|               |
/// b   ->| x -> register |-> product    (1 cycle)
///       +---------------+
/// ```
///
/// Neither factor has more than 18 bits, and `P` is at most the sum of both widths; the product is
/// cut to it. The register begins as 0.
///
/// Synthesisers take the multiplier of an FPGA for `*`, but on ECP5 not the register inside it,
/// which costs flip-flops and the way to them. So the text has one branch a family, chosen by a
/// define: `SYSTOLE_ECP5` instantiates MULT18X18D with its output register (Lattice
/// FPGA-TN-02205), `SYSTOLE_XC7` DSP48E1 with its M register (Xilinx UG479); without either it is
/// plain Verilog. All take one cycle.
#[derive(LogicBlock)]
pub struct Multiplier<const A: usize, const B: usize, const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// One factor.
    pub a: Signal<In, Signed<A>>,
    /// The other.
    pub b: Signal<In, Signed<B>>,
    /// Their product, a cycle later.
    pub product: Signal<Out, Signed<P>>,
}

impl<const A: usize, const B: usize, const P: usize> Default for Multiplier<A, B, P> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            a: Default::default(),
            b: Default::default(),
            product: Default::default(),
        }
    }
}

impl<const A: usize, const B: usize, const P: usize> Logic for Multiplier<A, B, P> {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = registered_product("held", ("a", A), ("b", B), P);
        code.push_str("assign product = held;\n");
        Verilog::Custom(code)
    }
}

/// Declares the signed register `name` of `bits` bits, which takes the product of two signed
/// signals, each with its width, in every cycle of `clock`.
pub(super) fn registered_product(
    name: &str,
    a: (&str, usize),
    b: (&str, usize),
    bits: usize,
) -> String {
    assert!(
        a.1 <= FACTOR_BITS && b.1 <= FACTOR_BITS && bits <= a.1 + b.1,
        "multipliers of FPGAs take factors of 18 bits"
    );
    format!(
        "\
`ifdef SYSTOLE_ECP5
wire signed [{last}:0] {name};
{ecp5}`elsif SYSTOLE_XC7
wire signed [{last}:0] {name};
{xc7}`else
logic signed [{last}:0] {name};
initial {name} = {bits}'d0;
always @(posedge clock) {name} <= {bits}'($signed({a})) * {bits}'($signed({b}));
`endif
",
        last = bits - 1,
        ecp5 = ecp5(name, a, b, bits),
        xc7 = xc7(name, a, b, bits),
        a = a.0,
        b = b.0,
    )
}

/// Bits of a factor of MULT18X18D, and of the narrower one of DSP48E1.
const FACTOR_BITS: usize = 18;

/// A factor with its sign spread to `bits` bits.
fn spread(name: &str, (factor, width): (&str, usize), bits: usize) -> String {
    let sign = format!("{factor}[{}]", width - 1);
    let low = format!("{factor}[{}:0]", width - 1);
    match bits - width {
        0 => format!("wire [{}:0] {name} = {low};\n", bits - 1),
        more => format!(
            "wire [{}:0] {name} = {{{{{more}{{{sign}}}}}, {low}}};\n",
            bits - 1
        ),
    }
}

fn ecp5(name: &str, a: (&str, usize), b: (&str, usize), bits: usize) -> String {
    let mut code = spread(&format!("{name}_a"), a, FACTOR_BITS);
    code += &spread(&format!("{name}_b"), b, FACTOR_BITS);
    let _ = writeln!(
        code,
        "wire [{}:0] {name}_p;\nassign {name} = {name}_p[{}:0];",
        2 * FACTOR_BITS - 1,
        bits - 1
    );
    let _ = writeln!(
        code,
        "MULT18X18D #(
  .REG_OUTPUT_CLK(\"CLK0\"), .REG_OUTPUT_CE(\"CE0\"), .REG_OUTPUT_RST(\"RST0\"),
  .CLK0_DIV(\"ENABLED\"), .GSR(\"DISABLED\"), .RESETMODE(\"SYNC\")
) {name}_multiplier ("
    );
    for bit in 0..FACTOR_BITS {
        let _ = writeln!(
            code,
            "  .A{bit}({name}_a[{bit}]), .B{bit}({name}_b[{bit}]), .C{bit}(1'b0),"
        );
    }
    for bit in 0..2 * FACTOR_BITS {
        let _ = writeln!(code, "  .P{bit}({name}_p[{bit}]),");
    }
    code.push_str(
        "  .SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0),
  .CLK0(clock), .CLK1(1'b0), .CLK2(1'b0), .CLK3(1'b0),
  .CE0(1'b1), .CE1(1'b1), .CE2(1'b1), .CE3(1'b1),
  .RST0(1'b0), .RST1(1'b0), .RST2(1'b0), .RST3(1'b0)
);
",
    );
    code
}

fn xc7(name: &str, a: (&str, usize), b: (&str, usize), bits: usize) -> String {
    let mut code = spread(&format!("{name}_a"), a, 30);
    code += &spread(&format!("{name}_b"), b, FACTOR_BITS);
    let _ = writeln!(
        code,
        "wire [47:0] {name}_p;\nassign {name} = {name}_p[{}:0];",
        bits - 1
    );
    let _ = writeln!(
        code,
        "DSP48E1 #(
  .ACASCREG(0), .ADREG(0), .ALUMODEREG(0), .AREG(0), .BCASCREG(0), .BREG(0), .CARRYINREG(0),
  .CARRYINSELREG(0), .CREG(0), .DREG(0), .INMODEREG(0), .MREG(1), .OPMODEREG(0), .PREG(0),
  .USE_DPORT(\"FALSE\"), .USE_MULT(\"MULTIPLY\"), .USE_SIMD(\"ONE48\")
) {name}_multiplier (
  .A({name}_a), .B({name}_b), .C(48'd0), .D(25'd0), .P({name}_p),
  .OPMODE(7'b0000101), .ALUMODE(4'd0), .INMODE(5'd0), .CARRYINSEL(3'd0), .CARRYIN(1'b0),
  .ACIN(30'd0), .BCIN(18'd0), .PCIN(48'd0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
  .CLK(clock), .CEA1(1'b0), .CEA2(1'b0), .CEAD(1'b0), .CEALUMODE(1'b0), .CEB1(1'b0),
  .CEB2(1'b0), .CEC(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CED(1'b0), .CEINMODE(1'b0),
  .CEM(1'b1), .CEP(1'b0),
  .RSTA(1'b0), .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTB(1'b0), .RSTC(1'b0),
  .RSTCTRL(1'b0), .RSTD(1'b0), .RSTINMODE(1'b0), .RSTM(1'b0), .RSTP(1'b0)
);"
    );
    code
}
