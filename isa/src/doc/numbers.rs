//! Layout of data, number formats, rounding.

use alloc::format;
use alloc::string::{String, ToString};

use super::tables::table;
use crate::command::Buffer;
use crate::config::Config;
use crate::format::OutputFormat;
use crate::numerics::{ColumnParam, Dyadic};

const LAYOUT: &str = "
A buffer is an array of bytes; LOAD fills it line by line, the engines read it row by row. A line \
may hold several rows, or a row several lines.

To multiply `A` (M x K) by `B` (K x N), the host cuts K into tiles of `rows` values and N into tiles \
of `cols` values, and fills what is left over with zeros:

- **Activations.** Tile `t` of K is a block of rows of `rows` bytes; row `i` holds \
`A[i][t * rows]` to `A[i][t * rows + rows - 1]`. Blocks of different tiles lie `act_stride` rows \
apart in the buffer.
- **Weights.** For one tile column `n` of N, plain int8 weights are `B[k][n * cols]` to \
`B[k][n * cols + cols - 1]` for all of K in order; a row of the buffer holds two values of K. So \
`k_tiles * rows / 2` rows one after the other are what one GEMM wants. Other weights lie in \
[streams](#streams-of-weights).
- **Result.** STORE writes the tile `C[i][n * cols ..]` as a contiguous `m x cols` matrix.
";

const ROUNDING: &str = "
A sum `acc` of a row and a column becomes a value of the result by integers alone:

```text
p     = acc * row.multiplier * column.multiplier      exact in 64 bits
s     = row.shift + column.shift                       0 to 62
value = saturate(floor(p / 2^s + 1/2) + column.bias)
```

Halves are rounded towards positive infinity: 2.5 becomes 3, -2.5 becomes -2. The rounded quotient \
and the bias are added without overflow; `saturate` clamps the sum to the range of the output \
format. `isa::numerics::requantize` is the definition.
";

const STREAMS: &str = "
## Streams of weights

The weights of a GEMM are a stream of **units** of `2 * cols` bits, one bit for each weight that \
enters the array in a cycle. Bit 0 of the first byte comes first; a row of the weight buffer holds \
eight units. A stream begins with a row of the buffer. What follows its last tile is ignored; one \
that needs more rows than it has gets its last row again and again.

For each stored tile of K, `rows` rows of `cols` codes (of 2:4: those that are kept):

1. With `blocks`, a header of 16 bits in whole units: bits 14:0 tell which tile of K it is, bit 15 \
that scales follow. Scales of the first tile follow in any case.
2. With `group`, where a group begins (without blocks: at every `2^(group - 1)`-th tile): `cols` \
scales, a byte each, in 4 units. Tiles up to the next scales use them.
3. `rows / 2` steps of two rows. In 2:4, the indices of four steps (of two, in an array of four \
rows) stand before the first of them.

A step of 8-bit weights is `2 * cols` bytes, the first row first. A step of `b`-bit weights is `b` \
units, the lowest bit first: bit `r * cols + j` of unit `i` is bit `i` of the code of row `r` of the \
two, column `j`. The indices of a step are two units, the lower bit first, in the same order.

A code is a signed number of `weight_bits` bits. The weight is:

```text
without groups   code
with groups      saturate(floor((code * scale + 4) / 8))      saturated to -127 to 127
```

So a scale counts in eighths. In 2:4, row `r` of step `s` meets the activation `4 * s + index` of \
its tile. `isa::weights` holds the definitions, an encoder and a decoder.
";

pub(super) fn write(out: &mut String) {
    out.push_str("\n## Layout of data\n\nOn chip:\n\n");
    let default = Config::default();
    table(
        out,
        ["`buffer`", "Holds", "A row is", "Default size"],
        Buffer::ALL.map(|buffer| {
            let (holds, row) = match buffer {
                Buffer::Activations => ("activations, int8", "`rows` bytes"),
                Buffer::Weights => ("weights", "`2 * cols` bytes"),
                Buffer::Columns => ("column parameters", "`cols` entries of 8 bytes"),
                Buffer::Rows => ("row scales", "one entry of 4 bytes"),
            };
            [
                (buffer as u8).to_string(),
                holds.to_string(),
                row.to_string(),
                format!("{} KiB", f64::from(default.buffer_bytes(buffer)) / 1024.0),
            ]
        }),
    );
    out.push_str(&format!(
        "\nThe accumulators, {} rows of `cols` int32 values by default, are filled by GEMM and read \
by STORE only.\n",
        default.acc_rows
    ));
    out.push_str(LAYOUT);
    out.push_str(STREAMS);
    out.push_str("\n## Number formats\n\nWhat STORE writes, little-endian:\n\n");
    table(
        out,
        ["`format`", "Value", "Bytes"],
        OutputFormat::ALL.map(|format| {
            let value = match format {
                OutputFormat::I32 => "the raw int32 sum: no scale, no bias, no saturation",
                OutputFormat::I16 => "int16, requantised, saturated to -32,768 to 32,767",
                OutputFormat::I8 => "int8, requantised, saturated to -128 to 127",
            };
            [
                (format as u8).to_string(),
                value.to_string(),
                format.bytes().to_string(),
            ]
        }),
    );
    let one = Dyadic::ONE;
    let column = ColumnParam {
        scale: one,
        bias: -1,
    };
    let [scale, bias] = column.to_words();
    out.push_str(&format!(
        "\nA **scale** is a dyadic number `multiplier / 2^shift`, the multiplier 0 to 65,535, the \
shift 0 to {}. It fills one word: the multiplier in bits 15:0, the shift in bits 20:16; the bits \
above are ignored. A row scale is one such word. A column parameter is two: the scale, then the bias \
as an int32 in units of the output. So 1.0 is `{:#010x}`, and a column with scale 1.0 and bias -1 is \
`{scale:#010x}`, `{bias:#010x}`.\n",
        Dyadic::MAX_SHIFT,
        one.to_word(),
    ));
    out.push_str(ROUNDING);
}
