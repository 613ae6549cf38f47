//! The queue pair and the error codes.

use alloc::format;
use alloc::string::{String, ToString};

use super::tables::{layout, table};
use crate::error::{ErrorCode, FaultCause};
use crate::queue::{
    COMPLETION_BYTES, COMPLETION_FIELDS, MAX_QUEUE_LOG2, MAX_QUEUES, SUBMISSION_BYTES,
    SUBMISSION_FIELDS,
};

pub(super) fn write(out: &mut String) {
    let most = 1u32 << MAX_QUEUE_LOG2;
    out.push_str(&format!(
        "\n## Queue pair\n\n\
A card has 1 to {MAX_QUEUES} queue pairs (`CAP_QUEUES`), numbered from 0, each with registers and an \
interrupt of its own. They share the engines: one program runs at a time, and when it has ended the \
next queue in turn that has something to take goes on. What a queue does wrong (bad submissions, \
rings at bad addresses, a completion ring that it leaves full, wrong doorbells, a reset in the \
middle of a program) never stops another one. On-chip memories belong to nobody: a program that \
needs what an earlier one left there must know that no other queue ran one between.\n\n\
The submissions and the completions of a queue pair are rings in host memory with the same number of entries, a power of \
two from 2 to {most}. An index is the number of an entry; it counts up and begins again at 0 after \
the last entry. A ring is empty when its head and its tail are equal, and full when one more entry \
would make them equal. Submissions start at a multiple of {SUBMISSION_BYTES}, completions at a \
multiple of {COMPLETION_BYTES}.\n\n\
- The host writes entries at the tail of the submission ring, then `SQ_TAIL`.\n\
- The card takes an entry when the queue is enabled, no program runs, and the completion ring has \
room for one more. It moves `SQ_HEAD` when it takes it.\n\
- The card writes the completion at the tail of the completion ring. The **phase** bit of the entry \
is 1 in the first round of the ring after a reset, 0 in the second, and so on: the host sees a new \
entry by its phase alone, if it fills the ring with zeros before it enables the card.\n\
- When the completion is visible in memory, `CQ_TAIL`, bit 0 of `IRQ_STATUS` and, after a failure, \
`ERROR` and `QUEUE_ERROR` change.\n\
- The host gives entries back by writing `CQ_HEAD`.\n\n\
### Submission\n\n{SUBMISSION_BYTES} bytes.\n\n"
    ));
    layout(out, &[SUBMISSION_FIELDS]);
    out.push_str(&format!(
        "\nAn entry with a reserved bit set, without commands, or with a program that is not at a \
multiple of 64 below 2^56 completes with `BadSubmission`, its tag and command 0. An entry that \
cannot be read completes with `ReadFault`, tag 0 and command 0.\n\n\
### Completion\n\n{COMPLETION_BYTES} bytes; bits that no field names are written as zero.\n\n"
    ));
    layout(out, &[COMPLETION_FIELDS]);
    out.push_str(
        "\nA completion that cannot be written leaves `WriteFault`, command 0, in `ERROR` and \
`QUEUE_ERROR` and sets the failed bit of `QUEUE_STATUS`: nothing more is taken from this queue until \
it, or the card, is reset.\n\n\
## Error codes\n\nIn the `status` of a completion and in the low half of the registers `ERROR` and \
`QUEUE_ERROR`.\n\n",
    );
    table(
        out,
        ["Code", "Name", "Cause"],
        ErrorCode::ALL.map(|error| {
            [
                (error as u16).to_string(),
                format!("`{error:?}`"),
                error.describe().to_string(),
            ]
        }),
    );
    out.push_str(
        "\nA program that holds more than one error ends with the one that the card meets first. A \
command that cannot be read fails with `ReadFault` and its own index, when its turn to be checked \
comes.\n\n\
Memory may say why an access failed, as the PCIe endpoint does. The error is then that of the cause, \
in place of `ReadFault` or `WriteFault` wherever this page names them:\n\n",
    );
    table(
        out,
        [
            "Cause",
            "On the memory port",
            "Error of a read",
            "Error of a write",
        ],
        FaultCause::ALL.map(|cause| {
            [
                format!("{cause:?}"),
                (cause as u8).to_string(),
                format!("`{:?}`", cause.of_read()),
                format!("`{:?}`", cause.of_write()),
            ]
        }),
    );
}
