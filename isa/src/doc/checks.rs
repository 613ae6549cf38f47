//! The checks of every command, in the order in which the card makes them.

use crate::command::Opcode;
use crate::error::ErrorCode;

/// One check of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What a command that fails it ends with.
    pub error: ErrorCode,
    /// The rule that holds for a good command.
    pub rule: &'static str,
}

const fn check(error: ErrorCode, rule: &'static str) -> Check {
    Check { error, rule }
}

/// Checks of an operation: the first that fails names the error. A test breaks each together with
/// all later ones and asks the front end's own code.
pub const fn checks(opcode: Opcode) -> &'static [Check] {
    match opcode {
        Opcode::Load => LOAD,
        Opcode::Gemm => GEMM,
        Opcode::Store => STORE,
    }
}

const OPCODE: Check = check(ErrorCode::UnknownOpcode, "`opcode` is one of this page");
const RESERVED: Check = check(ErrorCode::ReservedBits, "every reserved bit is zero");

const LOAD: &[Check] = &[
    OPCODE,
    RESERVED,
    check(ErrorCode::BadOperand, "`buffer` is 0 to 3"),
    check(ErrorCode::ZeroShape, "`rows` and `row_lines` are not zero"),
    check(
        ErrorCode::Misaligned,
        "`stride` is a multiple of the line, also when there is one piece only",
    ),
    check(ErrorCode::Misaligned, "`src` is a multiple of the line"),
    check(ErrorCode::AddressRange, "`src` is below 2^56"),
    check(
        ErrorCode::BufferRange,
        "`dst_line + rows * row_lines` is at most the number of lines of the buffer",
    ),
];

const GEMM: &[Check] = &[
    OPCODE,
    RESERVED,
    check(
        ErrorCode::BadOperand,
        "`weight_bits` is 2 to 8, `group` 0 to 6",
    ),
    check(
        ErrorCode::Unsupported,
        "the card has the datapaths: `CAP_DATAPATHS`",
    ),
    check(
        ErrorCode::BadOperand,
        "in plain int8 (8 bits, no groups, nothing sparse), `wgt_rows` is `k_tiles * rows / 2`",
    ),
    check(
        ErrorCode::ZeroShape,
        "`m`, `k_tiles` and `wgt_rows` are not zero",
    ),
    check(
        ErrorCode::Misaligned,
        "in 2:4, `act_row` and `act_stride` are even",
    ),
    check(
        ErrorCode::BufferRange,
        "`act_row + (k_tiles - 1) * act_stride + m` (with blocks `act_row + m`; in 2:4 with \
         `2 * m` for `m`) is at most the rows of the activation buffer, \
         `wgt_row + wgt_rows` at most those of the weight buffer, \
         `acc_row + m` at most those of the accumulators",
    ),
];

const STORE: &[Check] = &[
    OPCODE,
    RESERVED,
    check(ErrorCode::BadOperand, "`format` is 0 to 2"),
    check(ErrorCode::ZeroShape, "`m` is not zero"),
    check(ErrorCode::Misaligned, "`dst` is a multiple of the line"),
    check(ErrorCode::AddressRange, "`dst` is below 2^56"),
    check(
        ErrorCode::BufferRange,
        "`acc_row + m` is at most the rows of the accumulators and, unless the format is raw, \
         `column_row` is below the rows of the column parameters and `row_index + m` at most the \
         number of row scales",
    ),
];
