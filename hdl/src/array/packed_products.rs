//! The products of a cell of a dense array with one multiplier a row.

use rust_hdl_core::prelude::*;

use super::PAIR_BITS;
use super::multiplier::registered_product;

/// As [`Products`](super::Products), but the weights of both columns of a row stand in one factor,
/// so that one multiplier of 18 x 18 bits makes two products.
///
/// ```text
///                  weight
///                    v
///          +---------------------------------------+
///  load  ->| shadow                                |
///  swap  ->|   v                                   |
///          | both columns      column 1, 6 bits    |
///          |   v                 v                 |
///  act   ->|   x -> product + -> x -> low + -> cut |-> sum[2]    (3 cycles)
///          +---------------------------------------+
/// ```
///
/// The ports are those of [`Products`](super::Products), with weights from -127 to 127 and one
/// cycle more.
///
/// How the columns are told apart: let `w0` and `w1` be the weights of a row in columns 0 and 1.
/// The factor is `1024 * w1 + w0`, at most 127 * 1025 and so within 18 bits. The sum over both
/// rows of activation times factor is `P = 1024 * S1 + S0`, where `S0` and `S1` are the sums that
/// are wanted; each is at most 2 * 128 * 127 = 32,512. So
///
/// * bits 9 to 0 of `P` are those of `S0`;
/// * `P >> 10`, rounded down, is `S1 + t` where `t = floor(S0 / 1024)`;
/// * `t` lies between -32 and 31, so its lowest six bits tell all of it;
/// * those are the lowest six bits of `(P >> 10) - S1`, for which the lowest six bits of `S1` are
///   enough, and they follow from the lowest six bits of the activations and of column 1's
///   weights: small products, in look-up tables.
///
/// With `t` known, `S0` is `t` above bits 9 to 0 of `P`, and `S1` is `(P >> 10) - t`.
///
/// With a weight of -128 neither bound would hold.
#[derive(LogicBlock)]
pub struct PackedProducts {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Lanes of activations.
    pub act: Signal<In, Bits<32>>,
    /// Weights that pass.
    pub weight: Signal<In, Bits<32>>,
    /// Keep the weights that pass.
    pub load: Signal<In, Bit>,
    /// Use the kept weights.
    pub swap: Signal<In, Bit>,
    /// Unused.
    pub index: Signal<In, Bits<8>>,
    /// Unused.
    pub load_index: Signal<In, Bit>,
    /// Unused.
    pub swap_index: Signal<In, Bit>,
    /// Sum of two products for each column.
    pub sum: Vec<Signal<Out, Signed<PAIR_BITS>>>,
}

impl Default for PackedProducts {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            act: Default::default(),
            weight: Default::default(),
            load: Default::default(),
            swap: Default::default(),
            index: Default::default(),
            load_index: Default::default(),
            swap_index: Default::default(),
            sum: (0..2).map(|_| Signal::default()).collect(),
        }
    }
}

impl Logic for PackedProducts {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = CODE.to_string();
        for (row, lane) in ["act[7:0]", "act[15:8]"].into_iter().enumerate() {
            let lane_wire = format!("lane_{row}");
            code += &format!("wire [7:0] {lane_wire} = {lane};\n");
            let factor = format!("both_{row}");
            code += &registered_product(
                &format!("product_{row}"),
                (&lane_wire, 8),
                (&factor, 18),
                PRODUCT_BITS,
            );
        }
        Verilog::Custom(code)
    }
}

/// Bits of an activation times a factor of both columns.
const PRODUCT_BITS: usize = 25;

/// The small products are sums of rows, not `*`: a synthesiser would spend multipliers on them.
const CODE: &str = "\
function automatic logic [5:0] low_product(input logic [5:0] a, input logic [5:0] w);
  logic [5:0] first;
  logic [3:0] second;
  logic [1:0] third;
  first = ({6{a[0]}} & w) + ({6{a[1]}} & {w[4:0], 1'd0});
  second = ({4{a[2]}} & w[3:0]) + ({4{a[3]}} & {w[2:0], 1'd0});
  third = ({2{a[4]}} & w[1:0]) + ({2{a[5]}} & {w[0], 1'd0});
  second = second + {third, 2'd0};
  low_product = first + {second, 2'd0};
endfunction

logic [31:0] shadow;
logic signed [17:0] both_0, both_1;
logic [5:0] low_weight_0, low_weight_1;
logic [5:0] low_0, low_1;
logic signed [25:0] total;
logic [5:0] low;
logic [5:0] carried;
logic signed [15:0] column_0, column_1;

initial begin
  shadow = 32'd0;
  both_0 = 18'd0;
  both_1 = 18'd0;
  low_weight_0 = 6'd0;
  low_weight_1 = 6'd0;
  low_0 = 6'd0;
  low_1 = 6'd0;
  total = 26'd0;
  low = 6'd0;
  column_0 = 16'd0;
  column_1 = 16'd0;
end

always @(posedge clock) begin
  if (load) shadow <= weight;
  if (swap) begin
    // A negative weight of column 0 takes one from column 1.
    both_0 <= {shadow[15:8] - {7'd0, shadow[7]}, {2{shadow[7]}}, shadow[7:0]};
    both_1 <= {shadow[31:24] - {7'd0, shadow[23]}, {2{shadow[23]}}, shadow[23:16]};
    low_weight_0 <= shadow[13:8];
    low_weight_1 <= shadow[29:24];
  end
  low_0 <= low_product(act[5:0], low_weight_0);
  low_1 <= low_product(act[13:8], low_weight_1);
  total <= 26'(product_0) + 26'(product_1);
  low <= low_0 + low_1;
  column_0 <= {carried, total[9:0]};
  column_1 <= total[25:10] - {{10{carried[5]}}, carried};
end
assign carried = total[15:10] - low;
assign sum_0 = 17'(column_0);
assign sum_1 = 17'(column_1);
";
