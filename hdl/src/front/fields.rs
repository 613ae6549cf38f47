//! The fields of a command, as the contract lays them out.

use std::fmt::Write as _;

use isa::command::{COMMAND_WORDS, GEMM_FIELDS, HEADER_FIELDS, LOAD_FIELDS, STORE_FIELDS};
use isa::queue::{COMPLETION_FIELDS, COMPLETION_WORDS, SUBMISSION_FIELDS};
use isa::record::Field;
use rust_hdl_core::prelude::*;

macro_rules! fields {
    ($($port:ident: $bits:literal = $table:ident, $name:literal;)*) => {
        /// Splits the words of a record. Which bits go where comes from the tables of `isa`, so
        /// that the RTL cannot disagree with the encoder.
        #[derive(LogicBlock)]
        pub struct CommandFields {
            /// The record, 16 words.
            pub word: Vec<Signal<In, Bits<32>>>,
            $(
                #[doc = concat!("Field `", $name, "` of `", stringify!($table), "`.")]
                pub $port: Signal<Out, Bits<$bits>>,
            )*
        }

        impl Default for CommandFields {
            fn default() -> Self {
                Self {
                    word: (0..COMMAND_WORDS).map(|_| Signal::default()).collect(),
                    $($port: Default::default(),)*
                }
            }
        }

        impl Logic for CommandFields {
            fn update(&mut self) {}

            fn hdl(&self) -> Verilog {
                let mut code = String::new();
                $(wire(&mut code, stringify!($port), $bits, $table, $name);)*
                Verilog::Custom(code)
            }
        }
    };
}

fields! {
    opcode: 8 = HEADER_FIELDS, "opcode";
    takes: 16 = HEADER_FIELDS, "wait";
    gives: 16 = HEADER_FIELDS, "signal";
    load_src: 64 = LOAD_FIELDS, "src";
    load_buffer: 8 = LOAD_FIELDS, "buffer";
    load_dst_line: 24 = LOAD_FIELDS, "dst_line";
    load_row_lines: 16 = LOAD_FIELDS, "row_lines";
    load_rows: 16 = LOAD_FIELDS, "rows";
    load_stride: 32 = LOAD_FIELDS, "stride";
    gemm_act_row: 24 = GEMM_FIELDS, "act_row";
    gemm_act_stride: 16 = GEMM_FIELDS, "act_stride";
    gemm_wgt_row: 24 = GEMM_FIELDS, "wgt_row";
    gemm_acc_row: 16 = GEMM_FIELDS, "acc_row";
    gemm_m: 16 = GEMM_FIELDS, "m";
    gemm_k_tiles: 16 = GEMM_FIELDS, "k_tiles";
    gemm_accumulate: 1 = GEMM_FIELDS, "accumulate";
    gemm_weight_bits: 4 = GEMM_FIELDS, "weight_bits";
    gemm_two_four: 1 = GEMM_FIELDS, "two_four";
    gemm_blocks: 1 = GEMM_FIELDS, "blocks";
    gemm_group: 4 = GEMM_FIELDS, "group";
    gemm_wgt_rows: 24 = GEMM_FIELDS, "wgt_rows";
    store_dst: 64 = STORE_FIELDS, "dst";
    store_acc_row: 16 = STORE_FIELDS, "acc_row";
    store_m: 16 = STORE_FIELDS, "m";
    store_format: 8 = STORE_FIELDS, "format";
    store_release: 1 = STORE_FIELDS, "release";
    store_zero: 1 = STORE_FIELDS, "zero";
    store_column_row: 16 = STORE_FIELDS, "column_row";
    store_row_index: 16 = STORE_FIELDS, "row_index";
    submission_program: 64 = SUBMISSION_FIELDS, "program";
    submission_commands: 16 = SUBMISSION_FIELDS, "commands";
    submission_tag: 64 = SUBMISSION_FIELDS, "tag";
}

/// Connects a port to its bits.
fn wire(code: &mut String, port: &str, bits: usize, table: &[Field], name: &str) {
    let field = table
        .iter()
        .find(|field| field.name == name)
        .expect("the contract has the field");
    assert_eq!(field.bits, bits, "width of the field {name}");
    let _ = if field.lo + bits > 32 {
        writeln!(
            code,
            "assign {port} = {{word_{}, word_{}}};",
            field.word + 1,
            field.word
        )
    } else {
        writeln!(
            code,
            "assign {port} = word_{}[{} +: {bits}];",
            field.word, field.lo
        )
    };
}

/// For each word of a record, the bits that no field of `tables` covers.
pub fn reserved_masks(tables: &[&[Field]]) -> Vec<u32> {
    let mut masks = vec![u32::MAX; COMMAND_WORDS];
    for field in tables.iter().flat_map(|table| table.iter()) {
        for bit in field.lo..field.lo + field.bits {
            masks[field.word + bit / 32] &= !(1 << (bit % 32));
        }
    }
    masks
}

/// Puts a completion entry together, as the contract lays it out.
#[derive(LogicBlock)]
pub struct CompletionWords {
    /// Tag of the submission.
    pub tag: Signal<In, Bits<64>>,
    /// Status.
    pub status: Signal<In, Bits<16>>,
    /// Index of the submission after this one.
    pub head: Signal<In, Bits<16>>,
    /// Index of the command that failed.
    pub command: Signal<In, Bits<16>>,
    /// Cycles that the program took.
    pub cycles: Signal<In, Bits<48>>,
    /// Phase bit.
    pub phase: Signal<In, Bit>,
    /// The entry.
    pub word: Vec<Signal<Out, Bits<32>>>,
}

impl Default for CompletionWords {
    fn default() -> Self {
        Self {
            tag: Default::default(),
            status: Default::default(),
            head: Default::default(),
            command: Default::default(),
            cycles: Default::default(),
            phase: Default::default(),
            word: (0..COMPLETION_WORDS).map(|_| Signal::default()).collect(),
        }
    }
}

impl Logic for CompletionWords {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = String::new();
        let _ = writeln!(code, "logic [{}:0] entry;", COMPLETION_WORDS * 32 - 1);
        let _ = writeln!(code, "always_comb begin\n  entry = '0;");
        for field in COMPLETION_FIELDS {
            let start = field.word * 32 + field.lo;
            let _ = writeln!(code, "  entry[{start} +: {}] = {};", field.bits, field.name);
        }
        let _ = writeln!(code, "end");
        for word in 0..COMPLETION_WORDS {
            let _ = writeln!(code, "assign word_{word} = entry[{} +: 32];", word * 32);
        }
        Verilog::Custom(code)
    }
}
