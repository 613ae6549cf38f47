//! Checks a command before an engine sees it.

use isa::command::{
    ADDRESS_BITS, Buffer, COMMAND_BYTES, COMMAND_WORDS, GEMM_FIELDS, HEADER_FIELDS, LOAD_FIELDS,
    MAX_GROUP, Opcode, STORE_FIELDS,
};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::queue::SUBMISSION_FIELDS;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::CommandFields;
use super::fields::reserved_masks;
use crate::engine::{GemmEntry, LoadEntry, StoreEntry};

/// Cycles from a stable record to a stable verdict.
pub const CHECK_CYCLES: u64 = 5;

/// Decides, for a record that stands still, whether it is a good command or submission, and makes
/// the entry for the engine's queue.
///
/// ```text
/// word[16], index ->|       |-> error (0: good), is_load, is_gemm, is_store
///                   | Check |-> load, gemm, store
///                   |       |-> submission_bad, program_line, commands, tag   (5 cycles later)
/// ```
///
/// The errors and their order are those of `isa::command::Command::check`.
#[derive(LogicBlock)]
pub struct Check {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The record.
    pub word: Vec<Signal<In, Bits<32>>>,
    /// Index of the command.
    pub index: Signal<In, Bits<16>>,
    /// First error, or 0.
    pub error: Signal<Out, Bits<16>>,
    /// It is a LOAD.
    pub is_load: Signal<Out, Bit>,
    /// It is a GEMM.
    pub is_gemm: Signal<Out, Bit>,
    /// It is a STORE.
    pub is_store: Signal<Out, Bit>,
    /// As a LOAD.
    pub load: Signal<Out, LoadEntry>,
    /// As a GEMM.
    pub gemm: Signal<Out, GemmEntry>,
    /// As a STORE.
    pub store: Signal<Out, StoreEntry>,
    /// It is no good submission.
    pub submission_bad: Signal<Out, Bit>,
    /// First line of the program.
    pub program_line: Signal<Out, Bits<53>>,
    /// Number of commands.
    pub commands: Signal<Out, Bits<16>>,
    /// The host's tag.
    pub tag: Signal<Out, Bits<64>>,
    fields: CommandFields,
    load_code: Constant<Bits<8>>,
    gemm_code: Constant<Bits<8>>,
    store_code: Constant<Bits<8>>,
    reserved_load: Vec<Constant<Bits<32>>>,
    reserved_gemm: Vec<Constant<Bits<32>>>,
    reserved_store: Vec<Constant<Bits<32>>>,
    reserved_submission: Vec<Constant<Bits<32>>>,
    bits_load: Vec<Signal<Local, Bit>>,
    bits_gemm: Vec<Signal<Local, Bit>>,
    bits_store: Vec<Signal<Local, Bit>>,
    bits_submission: Vec<Signal<Local, Bit>>,
    line_mask: Constant<Bits<64>>,
    high_mask: Constant<Bits<64>>,
    record_mask: Constant<Bits<64>>,
    buffer_lines: Vec<Constant<Bits<33>>>,
    act_rows: Constant<Bits<34>>,
    wgt_rows: Constant<Bits<34>>,
    acc_rows: Constant<Bits<34>>,
    column_rows: Constant<Bits<16>>,
    row_scales: Constant<Bits<34>>,
    buffer_range: Constant<Bits<16>>,
    address_range: Constant<Bits<16>>,
    misaligned: Constant<Bits<16>>,
    zero_shape: Constant<Bits<16>>,
    bad_operand: Constant<Bits<16>>,
    unsupported: Constant<Bits<16>>,
    reserved_bits: Constant<Bits<16>>,
    unknown_opcode: Constant<Bits<16>>,
    // Stage 1: what is multiplied, and what needs no sum. Stage 2: products.
    reserved: DFF<Bit>,
    submission_reserved: DFF<Bit>,
    load_product: DFF<Bits<32>>,
    gemm_product: DFF<Bits<32>>,
    further_tiles: DFF<Bits<16>>,
    plain: DFF<Bit>,
    plain_rows: Signal<Local, Bits<34>>,
    wrong_rows: DFF<Bit>,
    lacks: DFF<Bit>,
    act_height: Signal<Local, Bits<34>>,
    // Stage 3: ends.
    load_end: DFF<Bits<33>>,
    act_end: DFF<Bits<34>>,
    wgt_end: DFF<Bits<34>>,
    gemm_acc_end: DFF<Bits<34>>,
    store_acc_end: DFF<Bits<34>>,
    scales_end: DFF<Bits<34>>,
    // Stage 4: what is wrong. `beyond`: the end of a buffer; `high`: an address; `skew`: no whole
    // line; `empty`: a size of 0; `operand`: a code that means nothing.
    a_load: DFF<Bit>,
    a_gemm: DFF<Bit>,
    a_store: DFF<Bit>,
    load_beyond: DFF<Bit>,
    load_high: DFF<Bit>,
    load_skew: DFF<Bit>,
    load_empty: DFF<Bit>,
    load_operand: DFF<Bit>,
    gemm_beyond: DFF<Bit>,
    gemm_skew: DFF<Bit>,
    gemm_empty: DFF<Bit>,
    gemm_rows: DFF<Bit>,
    gemm_operand: DFF<Bit>,
    store_beyond: DFF<Bit>,
    store_high: DFF<Bit>,
    store_skew: DFF<Bit>,
    store_empty: DFF<Bit>,
    store_operand: DFF<Bit>,
    // Stage 5: the verdict.
    verdict: DFF<Bits<16>>,
    bad_submission: DFF<Bit>,
    lines: Signal<Local, Bits<33>>,
    stride_lines: Signal<Local, Bits<32>>,
    act_wide: DFF<Bits<34>>,
    _port_bits: usize,
    _port_bits_end: usize,
    _port_shift: u64,
    _port_shift_end: u64,
    has_narrow: Constant<Bit>,
    has_groups: Constant<Bit>,
    has_two_four: Constant<Bit>,
    has_blocks: Constant<Bit>,
    max_group: Constant<Bits<4>>,
    _pair_bits: u64,
    _pair_bits_end: u64,
}

impl Check {
    /// Checks for a card of this shape.
    pub fn new(shape: &Config) -> Self {
        let masks = |tables: &[&[isa::record::Field]]| -> Vec<Constant<Bits<32>>> {
            let masks = reserved_masks(tables);
            masks
                .into_iter()
                .map(|mask| Constant::new(u64::from(mask).into()))
                .collect()
        };
        let chain = || (0..=COMMAND_WORDS).map(|_| Signal::default()).collect();
        let number = |value: u32| Constant::new(u64::from(value).into());
        let code = |error: ErrorCode| Constant::new((error as u64).into());
        let port_bits = shape.port_bytes.ilog2();
        Self {
            clock: Default::default(),
            word: (0..COMMAND_WORDS).map(|_| Signal::default()).collect(),
            index: Default::default(),
            error: Default::default(),
            is_load: Default::default(),
            is_gemm: Default::default(),
            is_store: Default::default(),
            load: Default::default(),
            gemm: Default::default(),
            store: Default::default(),
            submission_bad: Default::default(),
            program_line: Default::default(),
            commands: Default::default(),
            tag: Default::default(),
            fields: Default::default(),
            load_code: number(Opcode::Load as u32),
            gemm_code: number(Opcode::Gemm as u32),
            store_code: number(Opcode::Store as u32),
            reserved_load: masks(&[HEADER_FIELDS, LOAD_FIELDS]),
            reserved_gemm: masks(&[HEADER_FIELDS, GEMM_FIELDS]),
            reserved_store: masks(&[HEADER_FIELDS, STORE_FIELDS]),
            reserved_submission: masks(&[SUBMISSION_FIELDS]),
            bits_load: chain(),
            bits_gemm: chain(),
            bits_store: chain(),
            bits_submission: chain(),
            line_mask: Constant::new(u64::from(shape.port_bytes - 1).into()),
            high_mask: Constant::new((!0u64 << ADDRESS_BITS).into()),
            record_mask: Constant::new((COMMAND_BYTES as u64 - 1).into()),
            buffer_lines: Buffer::ALL
                .map(|buffer| Constant::new(u64::from(shape.lines(buffer)).into()))
                .into(),
            act_rows: Constant::new(u64::from(shape.act_rows).into()),
            wgt_rows: Constant::new(u64::from(shape.wgt_rows).into()),
            acc_rows: Constant::new(u64::from(shape.acc_rows).into()),
            column_rows: Constant::new(u64::from(shape.column_rows).into()),
            row_scales: Constant::new(u64::from(shape.row_scales).into()),
            buffer_range: code(ErrorCode::BufferRange),
            address_range: code(ErrorCode::AddressRange),
            misaligned: code(ErrorCode::Misaligned),
            zero_shape: code(ErrorCode::ZeroShape),
            bad_operand: code(ErrorCode::BadOperand),
            unsupported: code(ErrorCode::Unsupported),
            reserved_bits: code(ErrorCode::ReservedBits),
            unknown_opcode: code(ErrorCode::UnknownOpcode),
            reserved: Default::default(),
            submission_reserved: Default::default(),
            load_product: Default::default(),
            gemm_product: Default::default(),
            further_tiles: Default::default(),
            plain: Default::default(),
            plain_rows: Default::default(),
            wrong_rows: Default::default(),
            lacks: Default::default(),
            act_height: Default::default(),
            load_end: Default::default(),
            act_end: Default::default(),
            wgt_end: Default::default(),
            gemm_acc_end: Default::default(),
            store_acc_end: Default::default(),
            scales_end: Default::default(),
            a_load: Default::default(),
            a_gemm: Default::default(),
            a_store: Default::default(),
            load_beyond: Default::default(),
            load_high: Default::default(),
            load_skew: Default::default(),
            load_empty: Default::default(),
            load_operand: Default::default(),
            gemm_beyond: Default::default(),
            gemm_skew: Default::default(),
            gemm_empty: Default::default(),
            gemm_rows: Default::default(),
            gemm_operand: Default::default(),
            store_beyond: Default::default(),
            store_high: Default::default(),
            store_skew: Default::default(),
            store_empty: Default::default(),
            store_operand: Default::default(),
            verdict: Default::default(),
            bad_submission: Default::default(),
            lines: Default::default(),
            stride_lines: Default::default(),
            act_wide: Default::default(),
            _port_bits: port_bits as usize,
            _port_bits_end: port_bits as usize + 1,
            _port_shift: u64::from(port_bits),
            _port_shift_end: u64::from(port_bits) + 1,
            has_narrow: Constant::new(shape.datapaths.narrow),
            has_groups: Constant::new(shape.datapaths.groups),
            has_two_four: Constant::new(shape.datapaths.two_four),
            has_blocks: Constant::new(shape.datapaths.blocks),
            max_group: Constant::new(u64::from(MAX_GROUP).into()),
            _pair_bits: u64::from(shape.rows.ilog2() - 1),
            _pair_bits_end: u64::from(shape.rows.ilog2()),
        }
    }
}

impl Logic for Check {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            further_tiles,
            reserved,
            submission_reserved,
            load_product,
            gemm_product,
            plain,
            wrong_rows,
            lacks,
            load_end,
            act_end,
            wgt_end,
            gemm_acc_end,
            store_acc_end,
            scales_end,
            a_load,
            a_gemm,
            a_store,
            load_beyond,
            load_high,
            load_skew,
            load_empty,
            load_operand,
            gemm_beyond,
            gemm_skew,
            gemm_empty,
            gemm_rows,
            gemm_operand,
            store_beyond,
            store_high,
            store_skew,
            store_empty,
            store_operand,
            verdict,
            bad_submission,
            act_wide
        );
        self.bits_load[0].next = false;
        self.bits_gemm[0].next = false;
        self.bits_store[0].next = false;
        self.bits_submission[0].next = false;
        for i in 0..COMMAND_WORDS {
            self.fields.word[i].next = self.word[i].val();
            self.bits_load[i + 1].next =
                self.bits_load[i].val() | ((self.word[i].val() & self.reserved_load[i].val()) != 0);
            self.bits_gemm[i + 1].next =
                self.bits_gemm[i].val() | ((self.word[i].val() & self.reserved_gemm[i].val()) != 0);
            self.bits_store[i + 1].next = self.bits_store[i].val()
                | ((self.word[i].val() & self.reserved_store[i].val()) != 0);
            self.bits_submission[i + 1].next = self.bits_submission[i].val()
                | ((self.word[i].val() & self.reserved_submission[i].val()) != 0);
        }
        self.is_load.next = self.fields.opcode.val() == self.load_code.val();
        self.is_gemm.next = self.fields.opcode.val() == self.gemm_code.val();
        self.is_store.next = self.fields.opcode.val() == self.store_code.val();

        self.reserved.d.next = self.bits_load[16].val();
        if self.fields.opcode.val() == self.gemm_code.val() {
            self.reserved.d.next = self.bits_gemm[16].val();
        }
        if self.fields.opcode.val() == self.store_code.val() {
            self.reserved.d.next = self.bits_store[16].val();
        }
        self.submission_reserved.d.next = self.bits_submission[16].val();
        self.load_product.d.next = self.fields.load_rows.val() * self.fields.load_row_lines.val();
        // With blocks, the stream names the tiles.
        self.further_tiles.d.next = self.fields.gemm_k_tiles.val() - 1;
        if self.fields.gemm_blocks.val() == 1 {
            self.further_tiles.d.next = 0.into();
        }
        self.gemm_product.d.next = self.further_tiles.q.val() * self.fields.gemm_act_stride.val();
        self.plain.d.next = (self.fields.gemm_weight_bits.val() == 8)
            & (self.fields.gemm_two_four.val() == 0)
            & (self.fields.gemm_blocks.val() == 0)
            & (self.fields.gemm_group.val() == 0);
        self.lacks.d.next = ((self.fields.gemm_weight_bits.val() != 8) & (!self.has_narrow.val()))
            | ((self.fields.gemm_two_four.val() == 1) & (!self.has_two_four.val()))
            | ((self.fields.gemm_blocks.val() == 1) & (!self.has_blocks.val()))
            | ((self.fields.gemm_group.val() != 0) & (!self.has_groups.val()));
        for k in self._pair_bits..self._pair_bits_end {
            self.plain_rows.next = bit_cast::<34, 16>(self.fields.gemm_k_tiles.val()) << k;
        }
        self.wrong_rows.d.next =
            self.plain_rows.val() != bit_cast::<34, 24>(self.fields.gemm_wgt_rows.val());

        self.load_end.d.next = bit_cast::<33, 32>(self.load_product.q.val())
            + bit_cast::<33, 24>(self.fields.load_dst_line.val());
        self.act_height.next = bit_cast::<34, 16>(self.fields.gemm_m.val());
        if self.fields.gemm_two_four.val() == 1 {
            self.act_height.next = bit_cast::<34, 16>(self.fields.gemm_m.val()) << 1;
        }
        self.act_wide.d.next =
            bit_cast::<34, 24>(self.fields.gemm_act_row.val()) + self.act_height.val();
        self.act_end.d.next = self.act_wide.q.val() + bit_cast::<34, 32>(self.gemm_product.q.val());
        self.wgt_end.d.next = bit_cast::<34, 24>(self.fields.gemm_wgt_rows.val())
            + bit_cast::<34, 24>(self.fields.gemm_wgt_row.val());
        self.gemm_acc_end.d.next = bit_cast::<34, 16>(self.fields.gemm_acc_row.val())
            + bit_cast::<34, 16>(self.fields.gemm_m.val());
        self.store_acc_end.d.next = bit_cast::<34, 16>(self.fields.store_acc_row.val())
            + bit_cast::<34, 16>(self.fields.store_m.val());
        self.scales_end.d.next = bit_cast::<34, 16>(self.fields.store_row_index.val())
            + bit_cast::<34, 16>(self.fields.store_m.val());

        self.lines.next = self.buffer_lines[0].val();
        if self.fields.load_buffer.val() == 1 {
            self.lines.next = self.buffer_lines[1].val();
        } else if self.fields.load_buffer.val() == 2 {
            self.lines.next = self.buffer_lines[2].val();
        } else if self.fields.load_buffer.val() == 3 {
            self.lines.next = self.buffer_lines[3].val();
        }
        self.a_load.d.next = self.fields.opcode.val() == self.load_code.val();
        self.a_gemm.d.next = self.fields.opcode.val() == self.gemm_code.val();
        self.a_store.d.next = self.fields.opcode.val() == self.store_code.val();
        self.load_beyond.d.next = self.load_end.q.val() > self.lines.val();
        self.load_high.d.next = (self.fields.load_src.val() & self.high_mask.val()) != 0;
        self.load_skew.d.next = ((self.fields.load_src.val() & self.line_mask.val()) != 0)
            | ((bit_cast::<64, 32>(self.fields.load_stride.val()) & self.line_mask.val()) != 0);
        self.load_empty.d.next =
            (self.fields.load_rows.val() == 0) | (self.fields.load_row_lines.val() == 0);
        self.load_operand.d.next = self.fields.load_buffer.val() > 3;
        self.gemm_beyond.d.next = (self.act_end.q.val() > self.act_rows.val())
            | (self.wgt_end.q.val() > self.wgt_rows.val())
            | (self.gemm_acc_end.q.val() > self.acc_rows.val());
        self.gemm_skew.d.next = (self.fields.gemm_two_four.val() == 1)
            & (self.fields.gemm_act_row.val().get_bit(0)
                | self.fields.gemm_act_stride.val().get_bit(0));
        self.gemm_empty.d.next = (self.fields.gemm_m.val() == 0)
            | (self.fields.gemm_k_tiles.val() == 0)
            | (self.fields.gemm_wgt_rows.val() == 0);
        self.gemm_rows.d.next = self.plain.q.val() & self.wrong_rows.q.val();
        self.gemm_operand.d.next = (self.fields.gemm_weight_bits.val() < 2)
            | (self.fields.gemm_weight_bits.val() > 8)
            | (self.fields.gemm_group.val() > self.max_group.val());
        self.store_beyond.d.next = (self.store_acc_end.q.val() > self.acc_rows.val())
            | ((self.fields.store_format.val() != 0)
                & ((self.fields.store_column_row.val() >= self.column_rows.val())
                    | (self.scales_end.q.val() > self.row_scales.val())));
        self.store_high.d.next = (self.fields.store_dst.val() & self.high_mask.val()) != 0;
        self.store_skew.d.next = (self.fields.store_dst.val() & self.line_mask.val()) != 0;
        self.store_empty.d.next = self.fields.store_m.val() == 0;
        self.store_operand.d.next = self.fields.store_format.val() > 2;

        // Later assignments win, so the checks stand in reverse order.
        self.verdict.d.next = 0.into();
        if self.a_load.q.val() {
            if self.load_beyond.q.val() {
                self.verdict.d.next = self.buffer_range.val();
            }
            if self.load_high.q.val() {
                self.verdict.d.next = self.address_range.val();
            }
            if self.load_skew.q.val() {
                self.verdict.d.next = self.misaligned.val();
            }
            if self.load_empty.q.val() {
                self.verdict.d.next = self.zero_shape.val();
            }
            if self.load_operand.q.val() {
                self.verdict.d.next = self.bad_operand.val();
            }
        } else if self.a_gemm.q.val() {
            if self.gemm_beyond.q.val() {
                self.verdict.d.next = self.buffer_range.val();
            }
            if self.gemm_skew.q.val() {
                self.verdict.d.next = self.misaligned.val();
            }
            if self.gemm_empty.q.val() {
                self.verdict.d.next = self.zero_shape.val();
            }
            if self.gemm_rows.q.val() {
                self.verdict.d.next = self.bad_operand.val();
            }
            if self.lacks.q.val() {
                self.verdict.d.next = self.unsupported.val();
            }
            if self.gemm_operand.q.val() {
                self.verdict.d.next = self.bad_operand.val();
            }
        } else {
            if self.store_beyond.q.val() {
                self.verdict.d.next = self.buffer_range.val();
            }
            if self.store_high.q.val() {
                self.verdict.d.next = self.address_range.val();
            }
            if self.store_skew.q.val() {
                self.verdict.d.next = self.misaligned.val();
            }
            if self.store_empty.q.val() {
                self.verdict.d.next = self.zero_shape.val();
            }
            if self.store_operand.q.val() {
                self.verdict.d.next = self.bad_operand.val();
            }
        }
        if self.reserved.q.val() {
            self.verdict.d.next = self.reserved_bits.val();
        }
        if (!self.a_load.q.val()) & (!self.a_gemm.q.val()) & (!self.a_store.q.val()) {
            self.verdict.d.next = self.unknown_opcode.val();
        }
        self.error.next = self.verdict.q.val();
        self.bad_submission.d.next = self.submission_reserved.q.val()
            | (self.fields.submission_commands.val() == 0)
            | ((self.fields.submission_program.val() & self.record_mask.val()) != 0)
            | ((self.fields.submission_program.val() & self.high_mask.val()) != 0);
        self.submission_bad.next = self.bad_submission.q.val();

        for k in self._port_bits..self._port_bits_end {
            self.load.next.src_line = self.fields.load_src.val().get_bits::<53>(k);
            self.store.next.dst_line = self.fields.store_dst.val().get_bits::<53>(k);
            self.program_line.next = self.fields.submission_program.val().get_bits::<53>(k);
        }
        for k in self._port_shift..self._port_shift_end {
            self.stride_lines.next = self.fields.load_stride.val() >> k;
        }
        self.load.next.index = self.index.val();
        self.load.next.takes = self.fields.takes.val();
        self.load.next.gives = self.fields.gives.val();
        self.load.next.buffer = self.fields.load_buffer.val().get_bits::<2>(0);
        self.load.next.dst_line = self.fields.load_dst_line.val();
        self.load.next.row_lines = self.fields.load_row_lines.val();
        self.load.next.rows = self.fields.load_rows.val();
        self.load.next.stride = self.stride_lines.val().get_bits::<29>(0);
        self.gemm.next.index = self.index.val();
        self.gemm.next.takes = self.fields.takes.val();
        self.gemm.next.gives = self.fields.gives.val();
        self.gemm.next.act_row = self.fields.gemm_act_row.val();
        self.gemm.next.act_stride = self.fields.gemm_act_stride.val();
        self.gemm.next.wgt_row = self.fields.gemm_wgt_row.val();
        self.gemm.next.wgt_rows = self.fields.gemm_wgt_rows.val();
        self.gemm.next.bits = self.fields.gemm_weight_bits.val();
        self.gemm.next.two_four = self.fields.gemm_two_four.val() == 1;
        self.gemm.next.blocks = self.fields.gemm_blocks.val() == 1;
        self.gemm.next.group = self.fields.gemm_group.val();
        self.gemm.next.acc_row = self.fields.gemm_acc_row.val();
        self.gemm.next.m = self.fields.gemm_m.val();
        self.gemm.next.k_tiles = self.fields.gemm_k_tiles.val();
        self.gemm.next.accumulate = self.fields.gemm_accumulate.val() == 1;
        self.store.next.index = self.index.val();
        self.store.next.takes = self.fields.takes.val();
        self.store.next.gives = self.fields.gives.val();
        self.store.next.acc_row = self.fields.store_acc_row.val();
        self.store.next.m = self.fields.store_m.val();
        self.store.next.format = self.fields.store_format.val().get_bits::<2>(0);
        self.store.next.column_row = self.fields.store_column_row.val();
        self.store.next.row_index = self.fields.store_row_index.val();
        self.store.next.release = self.fields.store_release.val() == 1;
        self.store.next.zero = self.fields.store_zero.val() == 1;
        self.commands.next = self.fields.submission_commands.val();
        self.tag.next = self.fields.submission_tag.val();
    }
}
