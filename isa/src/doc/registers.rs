//! The register window and the counters.

use alloc::format;
use alloc::string::{String, ToString};

use super::tables::table;
use crate::config::Config;
use crate::regs::{
    Access, COUNTER_BITS, COUNTERS, REGISTERS, WINDOW_BYTES, counter_offset, reset_value,
    write_mask,
};

pub(super) fn write(out: &mut String) {
    out.push_str(&format!(
        "\n## Registers\n\n\
A window of {WINDOW_BYTES} bytes, {} registers of 32 bits, read and written whole. Where there is no \
register, reads give 0 and writes do nothing. RO: writes are ignored. RW: the bits of the mask hold \
what was written, the others read 0. W1C: writing a one clears the bit. Reset values are those of \
the default card ({} x {}).\n\n",
        WINDOW_BYTES / 4,
        Config::default().rows,
        Config::default().cols,
    ));
    let config = Config::default();
    table(
        out,
        ["Offset", "Name", "Access", "Mask", "Reset", "Meaning"],
        REGISTERS.iter().map(|register| {
            let access = match register.access {
                Access::ReadOnly => "RO",
                Access::ReadWrite => "RW",
                Access::WriteOneToClear => "W1C",
            };
            let mask = match write_mask(register.offset) {
                0 => String::new(),
                mask => format!("`{mask:#010x}`"),
            };
            [
                format!("`{:#05x}`", register.offset),
                format!("`{}`", register.name),
                access.to_string(),
                mask,
                format!("`{:#x}`", reset_value(register.offset, &config)),
                register.doc.to_string(),
            ]
        }),
    );
    out.push_str(
        "\n- Of a doorbell (`SQ_TAIL`, `CQ_HEAD`) only the low `QUEUE_LOG2` bits count.\n\
- `QUEUE_LOG2` ignores values outside of 1 to 12, and every write while the queue is enabled. Change \
it only while all indices are 0, which a reset sees to.\n\
- Clearing the enable bit lets the program that runs come to its end; bit 1 of `STATUS` says when. \
Indices and phase go on where they stood when the bit is set again.\n\
- A reset wins over the other bits of the same write. It ends a program without a completion \
(one that is being written already still comes), waits until memory owes nothing, and gives every \
register its reset value; buffers keep what they hold. Bit 2 of `CONTROL` and bit 1 of `STATUS` \
are 1 until it is over; what is written to registers before that is lost.\n\
- The interrupt line is high while bit 0 of `IRQ_STATUS` and the interrupt enable are both 1.\n",
    );
    out.push_str(&format!(
        "\n## Counters\n\n\
{COUNTER_BITS} bits each, in two registers, the lower half first. They count while they are not \
frozen and begin again at 0 when they overflow. To read both halves of one moment, freeze them first. \
An engine that does nothing and has no command counts none of its events.\n\n"
    ));
    table(
        out,
        ["Offset", "Name", "Meaning"],
        COUNTERS.iter().enumerate().map(|(index, counter)| {
            [
                format!("`{:#05x}`", counter_offset(index)),
                format!("`{}`", counter.name),
                counter.doc.to_string(),
            ]
        }),
    );
}
