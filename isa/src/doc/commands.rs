//! Programs, tokens, and a page for each command.

use alloc::format;
use alloc::string::{String, ToString};

use super::checks::checks;
use super::tables::{layout, table};
use crate::command::{ENGINE_QUEUE, HEADER_FIELDS, Opcode, TOKEN_MAX, TOKENS};

const LOAD_MEANING: &str = "\
Copies `rows` pieces of `row_lines` lines each from memory to consecutive lines of a buffer. Piece \
`i` begins at address `src + i * stride`; pieces may overlap, and a stride of 0 reads the same \
piece again and again. LOAD copies bytes and knows nothing of what they mean.";

const LOAD_EFFECT: &str = "\
Lines `dst_line` to `dst_line + rows * row_lines - 1` of the buffer hold what was read. \
A line that memory answers with an error ends the command with `ReadFault`; the buffer is then \
unspecified in those lines.";

const GEMM_MEANING: &str = "\
Multiplies `m` rows of activations by one tile column of weights and sums over `k_tiles` tiles of \
K. For every row `i` below `m` and every column `j` below `cols`:

```text
sum[acc_row + i][j] = (accumulate ? sum[acc_row + i][j] : 0)
    + sum over t < k_tiles, k < rows of
        activations[act_row + t * act_stride + i][k] * weight[t][k][j]
```

Activations and weights are int8, sums int32 and wrap modulo 2^32. The weights are a \
[stream](#streams-of-weights) of `wgt_rows` rows of the weight buffer from row `wgt_row` on. Two \
kinds of sparse weights change the sum:

- **2:4.** A tile covers `2 * rows` values of K, so `k` runs to there, and a row of it fills two rows \
of the activation buffer, the first of them `act_row + t * act_stride + 2 * i`.
- **Blocks.** Only some tiles are stored, `k_tiles` of them, and `t` is what the header of each says. \
Tiles that are not stored cost neither cycles nor bytes. A tile of activations beyond the end of the \
buffer is one from its beginning: addresses count modulo its size.

On a card with packed products a weight of -128 counts as -127.";

const GEMM_EFFECT: &str = "\
Accumulator rows `acc_row` to `acc_row + m - 1` hold the sums. Commands on the array behave as if \
they ran one after the other: a GEMM that accumulates on the rows of the GEMM before it needs no \
token.";

const STORE_MEANING: &str = "\
Writes accumulator rows `acc_row` to `acc_row + m - 1` to memory as one contiguous `m x cols` \
matrix, row-major, in one of three formats. The raw format writes the int32 sums. The others \
requantise: row `i`, column `j` uses row scale `row_index + i` and entry `j` of row `column_row` of \
the column parameters (see [number formats](#number-formats)). With `zero` all sums count as 0: the \
result where every block of the weights is zero, without a GEMM.";

const STORE_EFFECT: &str = "\
`m * cols` values stand at `dst`. Of the last line only the bytes that exist are written. A write \
that memory answers with an error ends the program with `WriteFault` and the index of this command. \
With `release` the tokens are given as soon as the accumulators and the scales have been read, so \
that the next GEMM can use them; what waits for such a token must not read the result from memory. \
The program ends only after every write is confirmed, with `release` or without.";

pub(super) fn write(out: &mut String) {
    out.push_str(&format!(
        "\n## Programs and tokens\n\n\
A program is an array of commands of 64 bytes, 16 words, at a multiple of 64. The front end reads \
them in order, checks each, and puts it into the queue of its engine, which holds {ENGINE_QUEUE} \
commands that have not started; while that queue is full, the front end waits. (The command that \
waits for room has been checked already.) An engine runs its commands in order, one after the \
other; different engines run at the same time.\n\n\
There are {TOKENS} counting tokens. All are zero when a program starts. A command starts when every \
token of its `wait` mask is above zero, and takes one of each at that moment. When its effect is \
visible to the other engines it gives one to each token of its `signal` mask. A command may wait for \
a token that a later command gives, as long as the later command fits into the queues.\n\n\
Rules for a program whose result does not depend on timing:\n\n\
- Two commands of different engines that touch the same rows of a buffer or of the accumulators, \
or the same memory, and that do not both only read, are ordered by tokens.\n\
- Only one engine waits for a given token.\n\
- No token can reach {TOKEN_MAX} and be given once more (`TokenOverflow`, at the command that gave \
it).\n\n\
When no engine runs, no command at the head of a queue has its tokens, and the front end has no \
command left or waits for a full queue, then the program ends with `TokenNeverGiven` and the lowest \
index among the heads. Tokens that are left over at the end are no error.\n\n\
A program for one tile of a product, as an example (token 0: operands are there; token 1: sums are \
there):\n\n\
| Index | Command | wait | signal |\n|---|---|---|---|\n\
| 0 | LOAD activations | | |\n\
| 1 | LOAD weights | | 0 |\n\
| 2 | GEMM | 0 | 1 |\n\
| 3 | STORE raw | 1 | |\n\n\
One token is enough for both LOADs, because an engine runs its commands in order. While command 2 \
runs, the LOADs of the next tile may follow, into other lines of the buffers.\n\n\
Buffers and accumulators keep what they hold from one program to the next. After an error, whatever \
the program could have written, on chip and in memory, is unspecified, because commands that were \
handed out may have ended or not; the card itself takes the next program as if nothing had been.\n\n\
Every command begins like this; its operands follow in words 2 to 15:\n\n"
    ));
    layout(out, &[HEADER_FIELDS]);
    out.push('\n');
    table(
        out,
        ["`opcode`", "Command", "Engine"],
        Opcode::ALL.map(|opcode| {
            let (name, engine, ..) = describe(opcode);
            let link = name.to_lowercase();
            [
                (opcode as u8).to_string(),
                format!("[{name}](#{link})"),
                engine.to_string(),
            ]
        }),
    );
    for opcode in Opcode::ALL {
        write_command(out, opcode);
    }
}

/// Name, engine, meaning, effect.
const fn describe(opcode: Opcode) -> (&'static str, &'static str, &'static str, &'static str) {
    match opcode {
        Opcode::Load => ("LOAD", "LOAD", LOAD_MEANING, LOAD_EFFECT),
        Opcode::Gemm => ("GEMM", "the array", GEMM_MEANING, GEMM_EFFECT),
        Opcode::Store => ("STORE", "STORE", STORE_MEANING, STORE_EFFECT),
    }
}

fn write_command(out: &mut String, opcode: Opcode) {
    let (name, _, meaning, effect) = describe(opcode);
    out.push_str(&format!(
        "\n## {name}\n\n{meaning}\n\n### Layout of {name}\n\n"
    ));
    layout(out, &[HEADER_FIELDS, opcode.fields()]);
    out.push_str(&format!(
        "\n### Checks of {name}\n\nIn this order; the first that fails names the error.\n\n"
    ));
    table(
        out,
        ["", "A good command", "Otherwise"],
        checks(opcode).iter().enumerate().map(|(index, check)| {
            [
                (index + 1).to_string(),
                check.rule.to_string(),
                format!("`{:?}`", check.error),
            ]
        }),
    );
    out.push_str(&format!("\n### Effect of {name}\n\n{effect}\n"));
}
