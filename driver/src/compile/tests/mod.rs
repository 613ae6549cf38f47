//! Every program that the compiler may write is checked by an independent reading of the
//! contract: operands, program order, tokens, races.

mod races;

use isa::config::Config;
use isa::format::OutputFormat;
use isa::weights::StreamFormat;
use proptest::prelude::*;

use super::{Geometry, Job, Panels, Program, Shape, best, candidates, compile};
use crate::sched::{Limits, Timing, simulate};

/// Cards of many shapes, some with the least memory that a card may have.
pub(crate) fn configs() -> Vec<Config> {
    let mut list: Vec<Config> = [
        (4, 4),
        (8, 8),
        (16, 16),
        (8, 16),
        (32, 8),
        (32, 32),
        (4, 32),
    ]
    .into_iter()
    .map(|(rows, cols)| Config::with_array(rows, cols))
    .collect();
    let small = |rows: u32, cols: u32, port_bytes: u32| Config {
        port_bytes,
        act_rows: (port_bytes * 16 / rows).max(16),
        wgt_rows: rows.max(16),
        acc_rows: 16,
        column_rows: 16,
        row_scales: (port_bytes * 4).max(16),
        ..Config::with_array(rows, cols)
    };
    list.extend([
        small(4, 4, 16),
        small(4, 8, 32),
        small(16, 16, 16),
        small(32, 4, 16),
        small(32, 32, 32),
    ]);
    list.push(Config {
        act_rows: 256,
        wgt_rows: 32,
        acc_rows: 64,
        row_scales: 128,
        ..Config::with_array(16, 16)
    });
    for config in &list {
        assert_eq!(config.check(), Ok(()), "{config:?}");
    }
    list
}

fn config() -> impl Strategy<Value = Config> {
    proptest::sample::select(configs())
}

fn shape(most: usize) -> impl Strategy<Value = Shape> {
    let side = move || prop_oneof![Just(1), 1..=most, 1..=most / 4];
    let format = proptest::sample::select(OutputFormat::ALL.to_vec());
    (side(), side(), side(), format).prop_map(|(m, k, n, format)| Shape::plain(m, k, n, format))
}

/// The same with weights of any format; with blocks, some of the tiles are stored.
fn packed(most: usize) -> impl Strategy<Value = Shape> {
    let stored = proptest::option::of(0u32..60);
    let stream = (2u8..=8, any::<bool>(), 0u32..=6);
    (shape(most), stream, stored).prop_map(|(shape, (bits, two_four, group), stored)| Shape {
        stream: StreamFormat {
            bits,
            two_four,
            blocks: stored.is_some(),
            group_tiles: if group == 0 { 0 } else { 1 << (group - 1) },
        },
        stored,
        ..shape
    })
}

/// A job of a shape with one of its cuts; none where the card has no room for the format.
fn job(shape: &Shape, config: &Config, pick: &proptest::sample::Index) -> Option<Job> {
    let list = candidates(shape, config);
    if list.is_empty() {
        return None;
    }
    let tiling = list[pick.index(list.len())];
    let geometry = Geometry::new(*shape, tiling, config);
    let panels = (!shape.stream.is_plain()).then(|| Panels::foreseen(&geometry, config));
    Some((*shape, tiling, panels))
}

fn verify(program: &Program, config: &Config) -> Result<(), TestCaseError> {
    for (index, command) in program.commands.iter().enumerate() {
        prop_assert_eq!(
            command.check(config),
            Ok(()),
            "command {}: {:?}",
            index,
            command
        );
    }
    races::check(&program.commands, config).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn programs_are_legal_and_free_of_races(
        config in config(),
        shapes in proptest::collection::vec(prop_oneof![shape(90), packed(300)], 1..4),
        pick in any::<proptest::sample::Index>(),
    ) {
        let jobs: Vec<_> = shapes.iter().filter_map(|shape| job(shape, &config, &pick)).collect();
        let program = compile(&jobs, &config, &Timing::default());
        verify(&program, &config)?;
    }

    #[test]
    fn the_bound_of_commands_holds(
        config in config(),
        shape in prop_oneof![shape(120), packed(200)],
    ) {
        for tiling in candidates(&shape, &config) {
            let geometry = Geometry::new(shape, tiling, &config);
            let panels = (!shape.stream.is_plain()).then(|| Panels::foreseen(&geometry, &config));
            let program = compile(&[(shape, tiling, panels)], &config, &Timing::default());
            let bound = program.jobs[0].geometry.most_commands();
            prop_assert!(program.commands.len() <= bound, "{} > {bound}: {tiling:?}", program.commands.len());
        }
    }
}

/// Cards whose buffers hold no tile of a format, or more tiles than a header can count.
#[test]
fn cuts_fit_the_least_and_the_largest_buffers() {
    let blocks = |bits, two_four| StreamFormat {
        bits,
        two_four,
        blocks: true,
        group_tiles: 0,
    };
    let least = Config {
        act_rows: 16,
        wgt_rows: 16,
        ..Config::with_array(16, 4)
    };
    let largest = Config {
        act_rows: 1 << 20,
        wgt_rows: 1 << 20,
        ..Config::with_array(4, 4)
    };
    for (config, stream, k) in [
        (least, blocks(8, false), 200),
        (least, blocks(8, true), 200),
        (largest, blocks(2, false), 160_000),
    ] {
        assert_eq!(config.check(), Ok(()));
        let shape = Shape {
            stream,
            ..Shape::plain(1, k, 4, OutputFormat::I32)
        };
        for tiling in candidates(&shape, &config) {
            assert!((1..=1 << 15).contains(&tiling.chunk), "{tiling:?}");
        }
    }
}

#[test]
fn the_detector_sees_a_missing_token() {
    let config = Config::with_array(16, 16);
    let shape = Shape::plain(64, 2048, 64, OutputFormat::I8);
    needs_tokens(
        &(shape, best(&shape, &config, &Timing::default()).0, None),
        &config,
    );
}

/// What a stream names is ordered too: here the activations of later products push out those of
/// earlier ones.
#[test]
fn the_detector_sees_a_missing_token_behind_a_stream() {
    let config = Config::with_array(16, 16);
    let stream = StreamFormat {
        blocks: true,
        two_four: true,
        ..StreamFormat::PLAIN
    };
    let shape = Shape {
        stream,
        stored: Some(90),
        ..Shape::plain(512, 2048, 64, OutputFormat::I8)
    };
    let tiling = best(&shape, &config, &Timing::default()).0;
    let geometry = Geometry::new(shape, tiling, &config);
    let panels = Some(Panels::foreseen(&geometry, &config));
    needs_tokens(&(shape, tiling, panels), &config);
}

/// Every token of the program of a job is needed, and there are some.
fn needs_tokens(job: &Job, config: &Config) {
    let program = compile(std::slice::from_ref(job), config, &Timing::default());
    races::check(&program.commands, config).expect("the program is free of races");
    let mut found = 0;
    for token in 0..16 {
        let mut commands = program.commands.clone();
        if commands
            .iter()
            .all(|command| command.wait >> token & 1 == 0)
        {
            continue;
        }
        for command in &mut commands {
            command.wait &= !(1 << token);
            command.signal &= !(1 << token);
        }
        assert!(
            races::check(&commands, config).is_err(),
            "token {token} is needed"
        );
        found += 1;
    }
    assert!(found >= 4, "only {found} tokens in use");
}

/// The shapes that the project promises, each with the share of the peak that is foreseen.
#[test]
fn goals_are_foreseen() {
    let config = Config::default();
    for (m, k, n) in [(256, 256, 256), (256, 1024, 256), (128, 384, 1536)] {
        let shape = Shape::plain(m, k, n, OutputFormat::I32);
        let (_, cycles) = best(&shape, &config, &Timing::default());
        let share = (m * k * n) as f64 / (cycles as f64 * f64::from(config.peak_macs()));
        assert!(
            share >= 0.97,
            "{m}x{k}x{n}: {cycles} cycles are {share:.4} of the peak"
        );
    }
}

#[test]
fn the_front_end_costs_next_to_nothing() {
    let config = Config::default();
    let shape = Shape::plain(256, 256, 256, OutputFormat::I32);
    let (tiling, _) = best(&shape, &config, &Timing::default());
    let program = compile(&[(shape, tiling, None)], &config, &Timing::default());
    let timing = Timing::default();
    let free =
        simulate(&program.commands, &config, &timing, Limits::None).map(|trace| trace.cycles);
    let free = free.unwrap_or(u64::MAX);
    let bound = free + free / 50 + 400;
    assert!(
        program.predicted_cycles <= bound,
        "{} against {free}",
        program.predicted_cycles
    );
}

#[test]
fn a_token_that_nothing_gives_ends_the_simulation() {
    let config = Config::default();
    let shape = Shape::plain(4, 4, 4, OutputFormat::I32);
    let (tiling, _) = best(&shape, &config, &Timing::default());
    let mut program = compile(&[(shape, tiling, None)], &config, &Timing::default());
    for command in &mut program.commands {
        command.signal = 0;
    }
    assert!(
        simulate(
            &program.commands,
            &config,
            &Timing::default(),
            Limits::FrontEnd
        )
        .is_none()
    );
}
