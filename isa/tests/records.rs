//! What is encoded decodes to the same, and nothing that is decoded panics.

use isa::command::{COMMAND_WORDS, Command, Gemm, Load, Operation, Store};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::queue::{COMPLETION_WORDS, Completion, SUBMISSION_WORDS, Submission};
use proptest::prelude::*;
use systole_isa as isa;

fn load() -> impl Strategy<Value = Operation> {
    (
        any::<u64>(),
        any::<u8>(),
        0u32..1 << 24,
        any::<u16>(),
        any::<u16>(),
        any::<u32>(),
    )
        .prop_map(|(src, buffer, dst_line, row_lines, rows, stride)| {
            Operation::Load(Load {
                src,
                buffer,
                dst_line,
                row_lines,
                rows,
                stride,
            })
        })
}

fn gemm() -> impl Strategy<Value = Operation> {
    (
        (0u32..1 << 24, any::<u16>(), 0u32..1 << 24),
        (any::<u16>(), any::<u16>(), any::<u16>()),
        (0u8..2, 0u8..16, 0u8..2, 0u8..2, 0u8..16),
        0u32..1 << 24,
    )
        .prop_map(|(places, sizes, modes, wgt_rows)| {
            Operation::Gemm(Gemm {
                act_row: places.0,
                act_stride: places.1,
                wgt_row: places.2,
                acc_row: sizes.0,
                m: sizes.1,
                k_tiles: sizes.2,
                accumulate: modes.0,
                weight_bits: modes.1,
                two_four: modes.2,
                blocks: modes.3,
                group: modes.4,
                wgt_rows,
            })
        })
}

fn store() -> impl Strategy<Value = Operation> {
    (
        any::<u64>(),
        any::<u16>(),
        any::<u16>(),
        any::<u8>(),
        (0u8..2, 0u8..2),
        any::<u16>(),
        any::<u16>(),
    )
        .prop_map(
            |(dst, acc_row, m, format, (release, zero), column_row, row_index)| {
                Operation::Store(Store {
                    dst,
                    acc_row,
                    m,
                    format,
                    release,
                    zero,
                    column_row,
                    row_index,
                })
            },
        )
}

fn command() -> impl Strategy<Value = Command> {
    (
        any::<u16>(),
        any::<u16>(),
        prop_oneof![load(), gemm(), store()],
    )
        .prop_map(|(wait, signal, operation)| Command {
            wait,
            signal,
            operation,
        })
}

proptest! {
    #[test]
    fn commands_round_trip(command in command()) {
        prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    #[test]
    fn checks_of_any_command_end(command in command(), side in 2u32..6) {
        let _ = command.check(&Config::with_array(1 << side, 1 << side));
    }

    #[test]
    fn arbitrary_words_decode_or_are_refused(
        mut words in any::<[u32; COMMAND_WORDS]>(),
        opcode in 0u32..6,
        sparse in any::<bool>(),
    ) {
        if sparse {
            // Nearly valid: opcodes that exist and few reserved bits.
            words[0] = opcode;
            words[8..].fill(0);
        }
        match Command::decode(&words) {
            Ok(command) => prop_assert_eq!(command.encode(), words),
            Err(error) => prop_assert!(
                matches!(error, ErrorCode::UnknownOpcode | ErrorCode::ReservedBits)
            ),
        }
    }

    #[test]
    fn submissions_round_trip(program in 0u64..1 << 50, commands in 1u16.., tag in any::<u64>()) {
        let entry = Submission { program: program * 64, commands, tag };
        prop_assert_eq!(Submission::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn arbitrary_submissions_decode_or_are_refused(words in any::<[u32; SUBMISSION_WORDS]>()) {
        if let Ok(entry) = Submission::decode(&words) {
            prop_assert_eq!(entry.encode(), words);
        }
    }

    #[test]
    fn completions_round_trip(
        tag in any::<u64>(),
        status in any::<u16>(),
        head in any::<u16>(),
        command in any::<u16>(),
        cycles in 0u64..1 << 48,
        phase in 0u8..2,
    ) {
        let entry = Completion { tag, status, head, command, cycles, phase };
        let words: [u32; COMPLETION_WORDS] = entry.encode();
        prop_assert_eq!(Completion::from_words(&words), entry);
    }

    #[test]
    fn error_codes_round_trip(code in any::<u16>()) {
        if let Some(error) = ErrorCode::from_code(code) {
            prop_assert_eq!(error as u16, code);
        }
    }
}
