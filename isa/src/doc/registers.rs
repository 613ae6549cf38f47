//! The register window and the counters.

use alloc::format;
use alloc::string::{String, ToString};

use super::tables::table;
use crate::config::Config;
use crate::regs::{
    Access, COUNTER_BITS, COUNTERS, QUEUE_BASE, QUEUE_REGISTERS, QUEUE_STRIDE, REGISTERS, Register,
    WINDOW_BYTES, counter_offset, reset_value, write_mask,
};

pub(super) fn write(out: &mut String) {
    out.push_str(&format!(
        "\n## Registers\n\n\
A window of {WINDOW_BYTES} bytes, {} registers of 32 bits, read whole. Of a write only the bytes count \
that its strobes name (all four, where the bus has none): the others of the register stay, and ask \
for nothing. Where there is no register, reads give 0 and writes do nothing. RO: writes are ignored. \
RW: the bits of the mask hold what was written, the others read 0. W1C: writing a one clears the \
bit. Reset values are those of the default card ({} x {}).\n\n",
        WINDOW_BYTES / 4,
        Config::default().rows,
        Config::default().cols,
    ));
    registers(out, REGISTERS);
    out.push_str(&format!(
        "\n### Registers of a queue\n\n\
The offsets are those of queue 0; the bank of queue `q` begins at `{QUEUE_BASE:#x} + \
{QUEUE_STRIDE:#x} * q`. There are as many banks as `CAP_QUEUES` says.\n\n"
    ));
    registers(out, QUEUE_REGISTERS);
    out.push_str(
        "\n- Of a doorbell (`SQ_TAIL`, `CQ_HEAD`) only the low `QUEUE_LOG2` bits count.\n\
- `QUEUE_LOG2` ignores values outside of 1 to 12, and every write while the queue is enabled. Change \
it only while all indices are 0, which a reset sees to.\n\
- Clearing the enable bit lets the program that runs come to its end; bit 1 of `QUEUE_STATUS` says \
when. Indices and phase go on where they stood when the bit is set again.\n\
- A reset of a queue wins over the other bits of the same write. It ends the program of this queue, if \
one runs, without a completion (one that is being written already still comes), waits until memory \
owes nothing to it, and gives the registers of the bank their reset values. Bit 2 of `QUEUE_CONTROL` \
and bit 1 of `QUEUE_STATUS` are 1 until it is over; what is written to the bank before that is lost.\n\
- A reset of the card does the same to everything; buffers keep what they hold. Bit 2 of `CONTROL` and \
bit 1 of `STATUS` are 1 until it is over; what is written to any register before that is lost.\n\
- The interrupt line of a queue is high while its interrupt enable is 1 and bit 0 of its `IRQ_STATUS` \
is 1, or it has failed, or the card is fatal; it is low while a reset of the queue or of the card is \
under way.\n\
- Where interrupts are messages (MSI-X) there is a message for every completion that is written while \
the interrupt enable is 1, whether the ones before are acknowledged in `IRQ_STATUS` or not; also when \
the queue fails, when the card becomes fatal, and when the interrupt is enabled while its line is due. \
Those that come while a message of the queue is pending share it. Acknowledging takes no pending \
message back, so one may tell of completions that the host has already found.\n",
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

/// The table of some registers.
fn registers(out: &mut String, registers: &[Register]) {
    let config = Config::default();
    table(
        out,
        ["Offset", "Name", "Access", "Mask", "Reset", "Meaning"],
        registers.iter().map(|register| {
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
}
