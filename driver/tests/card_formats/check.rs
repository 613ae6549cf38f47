//! A product on a card beside its definition.

use isa::format::OutputFormat;
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::matmul::MatMul;
use systole::transport::Transport;

use crate::encoded::{Recipe, widen};

/// The driver in front of a card.
pub fn backend(card: Box<dyn Transport>) -> DeviceBackend {
    let cpu = Box::new(CpuBackend::new(1));
    DeviceBackend::new(card, cpu, Options::default()).expect("the card starts")
}

/// Runs a product in all formats of results, twice each, so that kept weights are used again. Says
/// whether the card got the weights in a format of their own; where it got the dense int8 that they
/// mean, the report says that.
pub fn check(backend: &mut DeviceBackend, recipe: &Recipe) -> bool {
    let product = recipe.product();
    let formats = OutputFormat::ALL.into_iter().chain(OutputFormat::ALL);
    let jobs: Vec<MatMul<'_>> = formats
        .map(|format| product.job(&product.weights, format))
        .collect();
    let outcomes = backend.run(&jobs).expect("the products run");
    let zero = product.a.iter().all(|value| *value == 0);
    // Such a weight would be another on a card that packs products.
    let lowest =
        backend.config().datapaths.packed_products && product.weights.values().contains(&i8::MIN);
    let mut packed = true;
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let place = if zero || lowest {
            Place::Cpu
        } else {
            Place::Device
        };
        let reason = &outcome.report.reason;
        assert_eq!(outcome.report.place, place, "{recipe:?}: {reason}");
        packed &= !reason.contains("dense int8");
        let expected = product.expected(job.format());
        let got = widen(&outcome.values);
        let first = got
            .iter()
            .zip(&expected)
            .position(|(got, want)| got != want);
        assert_eq!(
            (first, got.len()),
            (None, recipe.m * recipe.n),
            "{:?} {recipe:?}",
            job.format()
        );
    }
    packed
}
