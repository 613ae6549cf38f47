//! Registers: a window of 4 KiB, 32 bits each. Those of a queue come once for each queue, in banks.

use crate::command::ADDRESS_BITS;
use crate::config::{Config, Datapaths};
use crate::queue::{COMPLETION_BYTES, MAX_QUEUE_LOG2, MAX_QUEUES, SUBMISSION_BYTES};

/// How the host may use a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only; writes are ignored.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
    /// Reads; writing a one clears the bit.
    WriteOneToClear,
}

/// One register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Name.
    pub name: &'static str,
    /// Byte offset in the window.
    pub offset: u32,
    /// What the host may do.
    pub access: Access,
    /// Meaning.
    pub doc: &'static str,
}

macro_rules! registers {
    (#[doc = $table_doc:literal] $table:ident;
     $($name:ident = $offset:literal, $access:ident, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: u32 = $offset;)*

        #[doc = $table_doc]
        pub const $table: &[Register] = &[
            $(Register {
                name: stringify!($name), offset: $offset, access: Access::$access, doc: $doc,
            },)*
        ];
    };
}

registers! {
    /// The registers that the card has once, in the order of offsets.
    REGISTERS;
    ID = 0x000, ReadOnly, "Identity: 0x53595354, the letters SYST.";
    VERSION = 0x004, ReadOnly, "Version of this contract: major in bits 31:16, minor in 15:0.";
    CAP_ARRAY = 0x008, ReadOnly, "Array: columns in bits 31:16, rows in 15:0.";
    CAP_PORT = 0x00c, ReadOnly, "Bytes of the memory port (a line).";
    CAP_ACT_ROWS = 0x010, ReadOnly, "Rows of the activation buffer.";
    CAP_WGT_ROWS = 0x014, ReadOnly, "Rows of the weight buffer.";
    CAP_ACC_ROWS = 0x018, ReadOnly, "Rows of the accumulators.";
    CAP_COLUMN_ROWS = 0x01c, ReadOnly, "Rows of the column parameters.";
    CAP_ROW_SCALES = 0x020, ReadOnly, "Entries of the row scales.";
    CAP_DATAPATHS = 0x024, ReadOnly, "Datapaths: bit 0 dense int8, bit 1 weights of 2 to 7 bits, bit 2 scales of groups, bit 3 2:4, bit 4 zero blocks, bit 5 packed products (weights of -128 count as -127).";
    CAP_QUEUES = 0x028, ReadOnly, "Queue pairs: 1, 2, 4 or 8.";
    CAP_CARD_MEMORY = 0x02c, ReadOnly, "MiB of the card's own memory; 0: none.";
    CAP_BLOCK = 0x030, ReadOnly, "Zero block that costs nothing: columns in bits 31:16, values of K in 15:0 (twice as many in 2:4); 0: the card knows none.";
    CONTROL = 0x040, ReadWrite, "Bit 2: reset of the card, 1 until it is over.";
    STATUS = 0x044, ReadOnly, "Bit 1: a program runs or a reset of the card is not over. Bit 2: fatal, only a reset of the card helps.";
    ERROR = 0x048, ReadOnly, "Last error of any queue: command index in bits 31:16, cause in 15:0; 0 after a reset of the card.";
    WATCHDOG = 0x050, ReadWrite, "Cycles without any movement after which a program is ended; 0: never.";
    LINK_TIMEOUT = 0x054, ReadWrite, "Cycles after which a read over PCIe that was not answered fails; 0: never. The tag of a read that got no answer, too late or because of a reset, is not used again until the answer has come or twice the largest value since power-up has passed since the read: the largest one that a read has waited under, and at least a constant of the build, by default the value after a reset.";
    COUNTER_CONTROL = 0x0fc, ReadWrite, "Bit 0: clear all counters, clears itself. Bit 1: freeze them.";
}

registers! {
    /// The registers of queue 0, in the order of offsets; [`of_queue`] gives those of the others.
    QUEUE_REGISTERS;
    SQ_BASE_LO = 0x400, ReadWrite, "Address of the submission ring, lower half.";
    SQ_BASE_HI = 0x404, ReadWrite, "Address of the submission ring, upper half.";
    CQ_BASE_LO = 0x408, ReadWrite, "Address of the completion ring, lower half.";
    CQ_BASE_HI = 0x40c, ReadWrite, "Address of the completion ring, upper half.";
    QUEUE_LOG2 = 0x410, ReadWrite, "Entries of both rings, as a power of two: 1 to 12. Write while disabled.";
    SQ_TAIL = 0x414, ReadWrite, "Doorbell: index of the submission after the newest.";
    CQ_HEAD = 0x418, ReadWrite, "Doorbell: index of the oldest completion that the host has not taken.";
    SQ_HEAD = 0x41c, ReadOnly, "Index of the next submission that the card will take.";
    CQ_TAIL = 0x420, ReadOnly, "Index of the next completion that the card will write.";
    QUEUE_CONTROL = 0x424, ReadWrite, "Bit 0: enable (the queue runs). Bit 1: interrupt enable. Bit 2: reset of this queue, 1 until it is over.";
    QUEUE_STATUS = 0x428, ReadOnly, "Bit 0: enabled. Bit 1: its program runs or its reset is not over. Bit 2: failed, its completion could not be written; only a reset of the queue or the card helps.";
    QUEUE_ERROR = 0x42c, ReadOnly, "Last error of this queue: command index in bits 31:16, cause in 15:0; 0 after a reset.";
    IRQ_STATUS = 0x430, WriteOneToClear, "Bit 0: a completion was written. Holds the interrupt line; messages do not depend on it.";
}

/// Offset of the bank of queue 0.
pub const QUEUE_BASE: u32 = 0x400;
/// Bytes from the bank of a queue to that of the next.
pub const QUEUE_STRIDE: u32 = 0x40;

/// Offset of a register of [`QUEUE_REGISTERS`] in the bank of another queue.
pub const fn of_queue(queue: u32, register: u32) -> u32 {
    register + queue * QUEUE_STRIDE
}

/// The queue in whose bank an offset lies, and the same place in the bank of queue 0; `None` for
/// what is no queue's, whatever number of queues the card has.
pub const fn queue_of(offset: u32) -> Option<(u32, u32)> {
    if offset < QUEUE_BASE || offset >= QUEUE_BASE + MAX_QUEUES * QUEUE_STRIDE {
        return None;
    }
    let queue = (offset - QUEUE_BASE) / QUEUE_STRIDE;
    Some((queue, offset - queue * QUEUE_STRIDE))
}

/// Value of [`ID`].
pub const ID_VALUE: u32 = 0x5359_5354;
/// Value of [`VERSION`].
pub const VERSION_VALUE: u32 = 0x0003_0000;
/// Bytes of the register window.
pub const WINDOW_BYTES: u32 = 0x1000;
/// [`CONTROL`]: everything starts again, counters included; the on-chip memories keep their contents.
/// Reads as 1, and [`STATUS_BUSY`] too, until bursts that were begun have ended; if memory never
/// ends them, only a reset of the whole bus helps.
pub const CONTROL_RESET: u32 = 4;
/// [`STATUS`]: a program runs, or a reset of the card is not over.
pub const STATUS_BUSY: u32 = 2;
/// [`STATUS`]: the memory port hangs; only a reset of the card helps.
pub const STATUS_FATAL: u32 = 4;
/// [`QUEUE_CONTROL`]: the queue runs.
pub const QUEUE_ENABLE: u32 = 1;
/// [`QUEUE_CONTROL`]: completions raise the interrupt.
pub const QUEUE_IRQ_ENABLE: u32 = 2;
/// [`QUEUE_CONTROL`]: the queue starts again; its program, if one runs, ends without a completion.
/// Reads as 1, and [`QUEUE_BUSY`] too, until nothing of that program is left.
pub const QUEUE_RESET: u32 = 4;
/// [`QUEUE_STATUS`]: the queue runs.
pub const QUEUE_ENABLED: u32 = 1;
/// [`QUEUE_STATUS`]: a program of this queue runs, or its reset is not over.
pub const QUEUE_BUSY: u32 = 2;
/// [`QUEUE_STATUS`]: a completion could not be written; only a reset of the queue or of the card
/// helps.
pub const QUEUE_FAILED: u32 = 4;
/// [`COUNTER_CONTROL`]: set all counters to zero.
pub const COUNTERS_CLEAR: u32 = 1;
/// [`COUNTER_CONTROL`]: hold all counters.
pub const COUNTERS_FREEZE: u32 = 2;
/// Offset of the first counter.
pub const COUNTER_BASE: u32 = 0x100;
/// Bits of a counter; each takes two registers, lower half first.
pub const COUNTER_BITS: u32 = 48;

/// One performance counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Name: `engine.event`.
    pub name: &'static str,
    /// Meaning.
    pub doc: &'static str,
}

macro_rules! counters {
    ($($name:literal, $doc:literal;)*) => {
        /// Every counter, in the order of offsets: number `i` stands at `COUNTER_BASE + 8 * i`.
        pub const COUNTERS: &[Counter] = &[$(Counter { name: $name, doc: $doc },)*];
    };
}

counters! {
    "cycles", "Cycles in which a program ran.";
    "fetch.busy", "Cycles in which the front end handed a command to an engine.";
    "fetch.input", "Cycles in which the front end had no command left to hand out.";
    "fetch.output", "Cycles in which a command waited for room in its engine's queue.";
    "fetch.memory", "Cycles in which the front end waited for memory.";
    "load.busy", "Cycles in which LOAD took a line from memory.";
    "load.input", "Cycles in which LOAD stood still because the next command waited for a token.";
    "load.output", "Cycles in which LOAD waited for its buffer; always 0 on this card.";
    "load.memory", "Cycles in which LOAD waited for memory.";
    "array.busy", "Cycles in which the array took a row of activations.";
    "array.input", "Cycles in which the array stood still because the next GEMM waited for a token.";
    "array.output", "Cycles in which GEMM waited for the accumulators; always 0 on this card.";
    "array.memory", "Cycles in which GEMM waited for a tile of weights to enter the array.";
    "store.busy", "Cycles in which STORE gave a line to memory.";
    "store.input", "Cycles in which STORE stood still because the next command waited for a token.";
    "store.output", "Cycles in which STORE had a line that memory did not take.";
    "store.memory", "Cycles in which STORE waited for the accumulators, the pipeline or the answer to its writes.";
    "read.lines", "Lines read from memory, commands included.";
    "write.lines", "Lines written to memory, completions included.";
    "pcie.read.requests", "Read requests sent over PCIe.";
    "pcie.read.beats", "Beats received over PCIe that held data of a completion.";
    "pcie.read.tags", "Cycles in which a read over PCIe waited for a free tag.";
    "pcie.write.requests", "Write requests sent over PCIe.";
    "pcie.write.beats", "Beats of write requests sent over PCIe.";
    "pcie.transmit.stalled", "Cycles in which the PCIe link did not take a beat that was offered.";
    "load.weights", "Lines that LOAD wrote into the weight buffer.";
}

/// Register of the lower half of a counter.
pub const fn counter_offset(index: usize) -> u32 {
    COUNTER_BASE + 8 * index as u32
}

/// [`CAP_DATAPATHS`]: dense int8.
pub const DATAPATH_INT8: u32 = 1;
/// [`CAP_DATAPATHS`]: weights of 2 to 7 bits.
pub const DATAPATH_NARROW: u32 = 2;
/// [`CAP_DATAPATHS`]: scales of groups of K.
pub const DATAPATH_GROUPS: u32 = 4;
/// [`CAP_DATAPATHS`]: 2:4 weights.
pub const DATAPATH_TWO_FOUR: u32 = 8;
/// [`CAP_DATAPATHS`]: zero blocks.
pub const DATAPATH_BLOCKS: u32 = 16;
/// [`CAP_DATAPATHS`]: two products a multiplier.
pub const DATAPATH_PACKED: u32 = 32;
/// [`IRQ_STATUS`]: a completion was written.
pub const IRQ_COMPLETION: u32 = 1;
/// [`WATCHDOG`] after a reset, in cycles: far longer than any memory, short for a person.
pub const WATCHDOG_RESET: u32 = 1 << 20;
/// Cycles after a reset by pin in which the queue does not run: more than the longest pipeline,
/// from an activation's read to its sum (75 cycles in an array of 32x32), which must run out.
pub const RESET_HOLD_CYCLES: u32 = 127;
/// [`LINK_TIMEOUT`] after a reset, in cycles: longer than any answer takes, shorter than
/// [`WATCHDOG_RESET`], so that what the link loses ends one program and not the card.
pub const LINK_TIMEOUT_RESET: u32 = 1 << 18;
/// [`QUEUE_LOG2`] after a reset.
pub const QUEUE_LOG2_RESET: u32 = 1;

/// [`CAP_DATAPATHS`] of a card with these datapaths.
const fn datapath_bits(datapaths: &Datapaths) -> u32 {
    const fn bit(there: bool, bit: u32) -> u32 {
        if there { bit } else { 0 }
    }
    DATAPATH_INT8
        | bit(datapaths.narrow, DATAPATH_NARROW)
        | bit(datapaths.groups, DATAPATH_GROUPS)
        | bit(datapaths.two_four, DATAPATH_TWO_FOUR)
        | bit(datapaths.blocks, DATAPATH_BLOCKS)
        | bit(datapaths.packed_products, DATAPATH_PACKED)
}

/// Value of a register after power-up and after a reset; 0 where there is no register.
pub const fn reset_value(offset: u32, config: &Config) -> u32 {
    if let Some((queue, register)) = queue_of(offset) {
        return match register {
            QUEUE_LOG2 if queue < config.queues => QUEUE_LOG2_RESET,
            _ => 0,
        };
    }
    match offset {
        ID => ID_VALUE,
        VERSION => VERSION_VALUE,
        CAP_ARRAY => config.cols << 16 | config.rows,
        CAP_PORT => config.port_bytes,
        CAP_ACT_ROWS => config.act_rows,
        CAP_WGT_ROWS => config.wgt_rows,
        CAP_ACC_ROWS => config.acc_rows,
        CAP_COLUMN_ROWS => config.column_rows,
        CAP_ROW_SCALES => config.row_scales,
        CAP_DATAPATHS => datapath_bits(&config.datapaths),
        CAP_BLOCK if config.datapaths.blocks => config.cols << 16 | config.rows,
        CAP_QUEUES => config.queues,
        CAP_CARD_MEMORY => config.card_memory_mib,
        WATCHDOG => WATCHDOG_RESET,
        LINK_TIMEOUT => LINK_TIMEOUT_RESET,
        _ => 0,
    }
}

/// Bits of a register that hold what the host writes, or act on it; the others read as zero (or,
/// in read-only registers, as the card says) and ignore writes. Registers of queues that a card
/// does not have count as if it had them.
pub const fn write_mask(offset: u32) -> u32 {
    let register = match queue_of(offset) {
        Some((_, register)) => register,
        None => offset,
    };
    match register {
        CONTROL => CONTROL_RESET,
        WATCHDOG | LINK_TIMEOUT => u32::MAX,
        COUNTER_CONTROL => COUNTERS_CLEAR | COUNTERS_FREEZE,
        SQ_BASE_LO => !(SUBMISSION_BYTES as u32 - 1),
        CQ_BASE_LO => !(COMPLETION_BYTES as u32 - 1),
        SQ_BASE_HI | CQ_BASE_HI => (1 << (ADDRESS_BITS - 32)) - 1,
        QUEUE_LOG2 => 0xf,
        SQ_TAIL | CQ_HEAD => (1 << MAX_QUEUE_LOG2) - 1,
        QUEUE_CONTROL => QUEUE_ENABLE | QUEUE_IRQ_ENABLE | QUEUE_RESET,
        IRQ_STATUS => IRQ_COMPLETION,
        _ => 0,
    }
}

/// Reads the shape of a card from its registers.
pub fn read_config<E>(mut read: impl FnMut(u32) -> Result<u32, E>) -> Result<Config, E> {
    let array = read(CAP_ARRAY)?;
    let datapaths = read(CAP_DATAPATHS)?;
    let has = |bit: u32| datapaths & bit != 0;
    Ok(Config {
        rows: array & 0xffff,
        cols: array >> 16,
        port_bytes: read(CAP_PORT)?,
        act_rows: read(CAP_ACT_ROWS)?,
        wgt_rows: read(CAP_WGT_ROWS)?,
        acc_rows: read(CAP_ACC_ROWS)?,
        column_rows: read(CAP_COLUMN_ROWS)?,
        row_scales: read(CAP_ROW_SCALES)?,
        queues: read(CAP_QUEUES)?,
        card_memory_mib: read(CAP_CARD_MEMORY)?,
        datapaths: Datapaths {
            narrow: has(DATAPATH_NARROW),
            groups: has(DATAPATH_GROUPS),
            two_four: has(DATAPATH_TWO_FOUR),
            blocks: has(DATAPATH_BLOCKS),
            packed_products: has(DATAPATH_PACKED),
        },
    })
}
