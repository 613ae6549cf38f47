//! Plans that give each product the scheme that serves a goal best.
//!
//! Each product is measured alone under each candidate on sentences that the candidates were not
//! fitted to ([`sensitivity`]); losses are taken as adding up, and the best choice is then found
//! exactly ([`assign`](assign::assign)). Losses of many products together differ from their sum, so
//! where a cosine is asked for, plans are tried and the limit on the sum is corrected.

pub mod assign;
mod cycles;
pub mod sensitivity;

pub use cycles::{CycleModel, TOKENS};

use assign::{Choice, SLACK, assign};
use sensitivity::{Item, Judge, Loss, Texts, measure};

use super::scheme::{Cost, Goal, Limit, Plan, Rule, Scheme};
use super::{Kind, Node, QuantiseError, QuantisedModel, apply};
use crate::model::Model;

/// Plans that are tried for a cosine.
const TRIALS: usize = 4;

/// A plan that was found, and what is known of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The plan.
    pub plan: Plan,
    /// What each product loses under each candidate.
    pub items: Vec<Item>,
    /// Number of the candidate that each product got.
    pub choices: Vec<usize>,
    /// Mean cosine of the plan on the sentences that it was not fitted to.
    pub cosine: f64,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The float model and the one in eight bits are about to be run.
    Start,
    /// So many products of all were measured under each candidate.
    Measured(usize, usize),
    /// Of the plan of this number, counted from 1, so many layers of all were compressed.
    Tried(usize, usize, usize),
}

/// A plan, the candidates that it is made of, and what it loses.
type Trial = (Plan, Vec<usize>, Loss);

/// A search for a plan.
pub struct Search<'a> {
    /// The float model.
    pub model: &'a Model,
    /// The model in eight bits, as calibration left it.
    pub quantised: &'a mut QuantisedModel,
    /// Schemes that products may get.
    pub candidates: &'a [Scheme],
    /// Sentences for calibration, one a line.
    pub text: &'a str,
    /// What products cost.
    pub cycles: &'a CycleModel,
}

impl Search<'_> {
    /// What the products cost in eight bits, and with the cheapest candidate each.
    fn range(&self, cost: Cost, products: &[(String, usize, usize)]) -> Range {
        let price = |k, n, scheme: &Scheme| price(self.cycles, cost, k, n, scheme);
        let least = |k, n| {
            let prices = self.candidates.iter().map(|it| price(k, n, it));
            prices.fold(f64::INFINITY, f64::min)
        };
        let sum = |of: &dyn Fn(usize, usize) -> f64| products.iter().map(|it| of(it.1, it.2)).sum();
        Range {
            whole: sum(&|k, n| price(k, n, &Scheme::W8)),
            least: sum(&least),
        }
    }

    /// The best plan for `goal`; `progress` hears how far it is.
    ///
    /// # Errors
    /// When no plan of the candidates reaches the goal, or a product cannot be quantised or run.
    pub fn run(self, goal: Goal, progress: &mut dyn FnMut(Step)) -> Result<Found, QuantiseError> {
        let products = products(self.quantised);
        for (name, k, n) in &products {
            for scheme in self.candidates {
                scheme.check_fit(*k, *n, name)?;
            }
        }
        // What can be said without a measurement is said before it.
        if let Goal::Within(cost, limit) = goal {
            self.range(cost, &products).check(cost, limit)?;
        }
        let Self {
            model,
            quantised,
            candidates,
            text,
            cycles,
        } = self;
        progress(Step::Start);
        let texts = Texts::split(model, text)?;
        let judge = Judge::new(model, &texts.unseen)?;
        let base = judge.loss(quantised)?;
        if let Goal::Accuracy(cosine, _) = goal
            && base.cautious() > 1.0 - cosine
        {
            return Err(inaccurate(1.0 - cosine, base, None));
        }
        let mut measured = |done| progress(Step::Measured(done, products.len()));
        measured(0);
        let items = measure(
            model,
            quantised,
            &texts,
            &judge,
            base,
            candidates,
            &mut measured,
        )?;
        let table = |cost: Cost| -> Vec<Vec<f64>> {
            let row = |item: &Item| {
                let prices = candidates.iter();
                let prices = prices.map(|it| price(cycles, cost, item.k, item.n, it));
                prices.collect()
            };
            items.iter().map(row).collect()
        };
        let layers = model.config.layers;
        let mut tried = 0;
        let mut trial = |choices: &[usize]| -> Result<(Plan, Loss), QuantiseError> {
            let plan = plan(&items, choices, candidates);
            tried += 1;
            let mut progress = |done| progress(Step::Tried(tried, done, layers));
            progress(0);
            let applied = apply(model, quantised, &plan, &texts.fit, &mut progress)?;
            Ok((plan, judge.loss(&applied)?))
        };
        let found = match goal {
            Goal::Within(cost, limit) => {
                let costs = table(cost);
                let whole = items.iter();
                let whole = whole.map(|item| price(cycles, cost, item.k, item.n, &Scheme::W8));
                let limit = limit.of(whole.sum());
                let problem = choices_of(&items, &costs, |loss, cost| (loss, cost));
                let choices = assign(&problem, limit).ok_or_else(|| {
                    QuantiseError::Goal(format!("the candidates do not fit into {limit:.0} {cost}"))
                })?;
                let (plan, loss) = trial(&choices)?;
                (plan, choices, loss)
            }
            Goal::Accuracy(cosine, cost) => {
                let problem = choices_of(&items, &table(cost), |loss, cost| (cost, loss));
                within_loss(&problem, base, 1.0 - cosine, &mut trial)?
            }
        };
        let (plan, choices, loss) = found;
        Ok(Found {
            plan,
            choices,
            items,
            cosine: 1.0 - loss.mean,
        })
    }
}

/// The choices of each item, with value and weight by `order` of loss and cost. What seems to gain
/// by fewer bits gains by luck: it counts as no loss.
fn choices_of(
    items: &[Item],
    costs: &[Vec<f64>],
    order: impl Fn(f64, f64) -> (f64, f64),
) -> Vec<Vec<Choice>> {
    let row = |(item, costs): (&Item, &Vec<f64>)| {
        let pairs = item.losses.iter().zip(costs);
        let choices = pairs.map(|(loss, cost)| order(loss.max(0.0), *cost));
        choices
            .map(|(value, weight)| Choice { value, weight })
            .collect()
    };
    items.iter().zip(costs).map(row).collect()
}

/// The cheapest plan that was tried whose measured loss, with its standard error, is at most `limit`;
/// with eight bits everywhere it is `base`.
fn within_loss(
    problem: &[Vec<Choice>],
    base: Loss,
    limit: f64,
    mut trial: impl FnMut(&[usize]) -> Result<(Plan, Loss), QuantiseError>,
) -> Result<Trial, QuantiseError> {
    let mut budget = limit - base.cautious();
    let mut best: Option<(f64, Trial)> = None;
    let mut most = f64::NEG_INFINITY;
    for _ in 0..TRIALS {
        let Some(choices) = assign(problem, budget) else {
            break;
        };
        let chosen = || problem.iter().zip(&choices).map(|(item, it)| item[*it]);
        let cost: f64 = chosen().map(|choice| choice.value).sum();
        let predicted: f64 = chosen().map(|choice| choice.weight).sum();
        let (plan, loss) = trial(&choices)?;
        most = most.max(1.0 - loss.cautious());
        if loss.cautious() <= limit && best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, (plan, choices, loss)));
        }
        // What is measured for this sum, in proportion; a little less than that is the next aim.
        let rise = loss.cautious() - base.cautious();
        let ratio = (rise / predicted.max(f64::MIN_POSITIVE)).clamp(0.2, 5.0);
        let next = (limit - base.cautious()) / ratio * 0.99;
        if (next - budget).abs() <= 0.005 * budget.abs() {
            break;
        }
        budget = next;
    }
    let most = most.is_finite().then_some(most);
    best.map(|(_, found)| found)
        .ok_or_else(|| inaccurate(limit, base, most))
}

/// That no plan loses as little as `limit`: `base` is the loss of eight bits everywhere, `most` the
/// best cosine of plans that were tried.
fn inaccurate(limit: f64, base: Loss, most: Option<f64>) -> QuantiseError {
    let reached = match most {
        Some(most) => format!("the best plan that was tried reaches {most:.5}"),
        None => format!("eight bits everywhere reach {:.5}", 1.0 - base.cautious()),
    };
    QuantiseError::Goal(format!(
        "no plan of the candidates reaches a cosine of {:.5}: {reached}",
        1.0 - limit
    ))
}

/// Names of all products of `model` in their finest parts, with their inputs and outputs.
fn products(model: &QuantisedModel) -> Vec<(String, usize, usize)> {
    let mut products = Vec::new();
    for (index, layer) in model.layers.iter().enumerate() {
        for kind in Kind::ALL {
            let (k, n) = layer.linear(kind).shape();
            let parts = kind.parts();
            products.extend(
                parts
                    .iter()
                    .map(|node| (node.of_layer(index), k, n / parts.len())),
            );
        }
    }
    products
}

/// What `k x n` weights cost by a scheme.
fn price(cycles: &CycleModel, cost: Cost, k: usize, n: usize, scheme: &Scheme) -> f64 {
    match cost {
        Cost::Bytes => scheme.bytes(k, n) as f64,
        Cost::Cycles => cycles.cycles(k, n, scheme),
    }
}

/// What a model costs in eight bits, and at the least.
struct Range {
    whole: f64,
    least: f64,
}

impl Range {
    /// Checks that some plan costs no more than `limit`.
    fn check(&self, cost: Cost, limit: Limit) -> Result<(), QuantiseError> {
        let Self { whole, least } = *self;
        let limit = limit.of(whole);
        if least <= limit * (1.0 + SLACK) {
            return Ok(());
        }
        Err(QuantiseError::Goal(format!(
            "the least that the candidates allow is {least} {cost}, {:.1} % of those of w8, and at \
             most {:.0} were asked for",
            100.0 * least / whole,
            limit.floor()
        )))
    }
}

/// The plan of choices, with a rule for each product that is not in eight bits.
fn plan(items: &[Item], choices: &[usize], candidates: &[Scheme]) -> Plan {
    let mut rules = vec![Rule {
        scheme: Scheme::W8,
        layer: None,
        node: None,
    }];
    let mut rule = |layer, node: Node, scheme: Scheme| {
        if scheme != Scheme::W8 {
            rules.push(Rule {
                scheme,
                layer: Some(layer),
                node: Some(node),
            });
        }
    };
    let mut chosen: Vec<(usize, Node, Scheme)> = Vec::new();
    for (item, choice) in items.iter().zip(choices) {
        chosen.push((item.layer, item.node, candidates[*choice]));
    }
    // Parts of one layer with the same scheme are said at once.
    for group in chosen.chunk_by(|a, b| a.0 == b.0 && a.1.kind() == b.1.kind()) {
        let (layer, node, scheme) = group[0];
        match group.iter().all(|it| it.2 == scheme) {
            true => rule(layer, node.kind().whole(), scheme),
            false => group.iter().for_each(|it| rule(it.0, it.1, it.2)),
        }
    }
    Plan { rules }
}
