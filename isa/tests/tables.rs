//! The tables that everything is generated from hold together.

use isa::command::{COMMAND_WORDS, HEADER_FIELDS, Opcode};
use isa::config::{Config, Datapaths};
use isa::queue::{
    COMPLETION_FIELDS, COMPLETION_WORDS, MAX_QUEUE_LOG2, MAX_QUEUES, SUBMISSION_FIELDS,
    SUBMISSION_WORDS,
};
use isa::record::{Field, reserved_bits_are_zero};
use isa::regs::{
    self, Access, COUNTER_BASE, COUNTERS, QUEUE_BASE, QUEUE_REGISTERS, QUEUE_STRIDE, REGISTERS,
    WINDOW_BYTES, counter_offset, of_queue, queue_of, write_mask,
};
use systole_isa as isa;

/// Claims every bit of the fields in `used`, which fails when a bit is claimed twice.
fn claim(used: &mut [u32], fields: &[Field]) {
    for field in fields {
        assert!(field.bits > 0 && field.bits <= 64, "{}: width", field.name);
        assert!(
            field.lo + field.bits <= 64 && (field.lo == 0 || field.lo + field.bits <= 32),
            "{}: crosses words without starting one",
            field.name
        );
        for bit in 0..field.bits {
            let position = field.word * 32 + field.lo + bit;
            let word = used
                .get_mut(position / 32)
                .unwrap_or_else(|| panic!("{}: beyond the record", field.name));
            assert_eq!(*word >> (position % 32) & 1, 0, "{}: overlaps", field.name);
            *word |= 1 << (position % 32);
        }
    }
}

/// Every bit of the record is either a field's or reserved, and the check for zero knows which.
fn assert_layout(words: usize, fields: &[&[Field]]) {
    let mut used = vec![0u32; words];
    for list in fields {
        claim(&mut used, list);
    }
    for (index, word) in used.iter().enumerate() {
        for bit in 0..32 {
            let mut record = vec![0u32; words];
            record[index] = 1 << bit;
            let is_field = word >> bit & 1 == 1;
            assert_eq!(reserved_bits_are_zero(&record, fields), is_field);
        }
    }
}

#[test]
fn fields_do_not_overlap_and_all_bits_are_accounted_for() {
    for opcode in Opcode::ALL {
        assert_layout(COMMAND_WORDS, &[HEADER_FIELDS, opcode.fields()]);
    }
    assert_layout(SUBMISSION_WORDS, &[SUBMISSION_FIELDS]);
    assert_layout(COMPLETION_WORDS, &[COMPLETION_FIELDS]);
}

#[test]
fn registers_do_not_overlap_and_stay_in_the_window() {
    for (table, range) in [
        (REGISTERS, 0..COUNTER_BASE),
        (QUEUE_REGISTERS, QUEUE_BASE..QUEUE_BASE + QUEUE_STRIDE),
    ] {
        assert!(
            table.windows(2).all(|pair| pair[0].offset < pair[1].offset),
            "registers stand in the order of offsets"
        );
        for register in table {
            assert_eq!(register.offset % 4, 0, "{}: alignment", register.name);
            assert!(range.contains(&register.offset), "{}: range", register.name);
            let writable = write_mask(register.offset) != 0;
            assert_eq!(
                writable,
                register.access != Access::ReadOnly,
                "{}: the mask disagrees with the access",
                register.name
            );
        }
    }
    assert!(counter_offset(COUNTERS.len()) <= QUEUE_BASE);
    const { assert!(QUEUE_BASE + MAX_QUEUES * QUEUE_STRIDE <= WINDOW_BYTES) };
    let mut names: Vec<_> = COUNTERS.iter().map(|counter| counter.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), COUNTERS.len(), "counter names are unique");
}

#[test]
fn banks_of_queues_repeat_that_of_the_first() {
    for queue in 0..MAX_QUEUES {
        for register in QUEUE_REGISTERS {
            let offset = of_queue(queue, register.offset);
            assert_eq!(queue_of(offset), Some((queue, register.offset)));
            assert_eq!(write_mask(offset), write_mask(register.offset));
            for queues in [1, 2, 4, 8] {
                let config = Config {
                    queues,
                    ..Config::default()
                };
                let there = queue < queues && register.offset == regs::QUEUE_LOG2;
                assert_eq!(regs::reset_value(offset, &config) != 0, there);
            }
        }
    }
    for offset in [0, QUEUE_BASE - 4, QUEUE_BASE + MAX_QUEUES * QUEUE_STRIDE] {
        assert_eq!(queue_of(offset), None);
    }
}

#[test]
fn registers_describe_the_card() {
    for rows in [4, 8, 16, 32] {
        for cols in [4, 8, 16, 32] {
            let config = Config {
                datapaths: Datapaths {
                    narrow: rows == 4,
                    groups: rows >= 16,
                    two_four: cols == 8,
                    blocks: cols >= 16,
                    packed_products: cols == 4,
                },
                queues: rows / 4,
                card_memory_mib: if cols == 4 { 0 } else { 128 * cols },
                ..Config::with_array(rows, cols)
            };
            assert_eq!(config.check(), Ok(()));
            let read = regs::read_config(|offset| {
                Ok::<_, core::convert::Infallible>(regs::reset_value(offset, &config))
            });
            assert_eq!(read, Ok(config));
        }
    }
    const { assert!(MAX_QUEUE_LOG2 <= 16, "an index fits the completion's field") };
}

#[test]
fn queues_and_memory_that_no_card_has_are_refused() {
    for queues in [0, 3, 5, 6, 7, 9, 16, u32::MAX] {
        let config = Config {
            queues,
            ..Config::default()
        };
        assert!(config.check().is_err(), "{queues} queues");
    }
    for (card_memory_mib, good) in [
        (0, true),
        (1, true),
        (3, false),
        (4096, true),
        (8192, false),
        (u32::MAX, false),
    ] {
        let config = Config {
            card_memory_mib,
            ..Config::default()
        };
        assert_eq!(config.check().is_ok(), good, "{card_memory_mib} MiB");
    }
}

#[test]
fn arrays_are_named_by_their_sides() {
    assert_eq!("8x32".parse(), Ok(Config::with_array(8, 32)));
    assert_eq!("16x16".parse(), Ok(Config::default()));
    for (text, complaint) in [
        ("", "as in `16x16`"),
        ("16", "as in `16x16`"),
        ("16x", "as in `16x16`"),
        ("16X16", "as in `16x16`"),
        ("16x16x16", "as in `16x16`"),
        ("-4x4", "as in `16x16`"),
        ("4294967296x4", "as in `16x16`"),
        ("0x16", "needs rows and columns"),
        ("16x0", "needs rows and columns"),
        ("5x16", "rows must be"),
        ("4294967295x16", "rows must be"),
        ("16x64", "columns must be"),
    ] {
        let refusal = text.parse::<Config>().expect_err(text).to_string();
        assert!(refusal.contains(complaint), "{text}: {refusal}");
    }
}
