//! The best choice for each of many items within a limit, exactly.

/// One of the choices of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// What is to be small in sum.
    pub value: f64,
    /// What has a limit in sum.
    pub weight: f64,
}

/// Part of the limit by which rounding may exceed it.
pub const SLACK: f64 = 1e-12;

/// Number of a choice for each item such that the sum of weights is at most `limit` and the sum of
/// values is the smallest possible; `None` if there is none. Weights must not be negative.
///
/// The multiple-choice knapsack problem, solved by dynamic programming over the states that are not
/// dominated, of which those are dropped early that even a relaxation (Lagrange) says cannot lead to
/// anything better than what is known.
pub fn assign(items: &[Vec<Choice>], limit: f64) -> Option<Vec<usize>> {
    if items.iter().any(Vec::is_empty) {
        return None;
    }
    let limit = limit + limit.abs() * SLACK;
    let bounds = Bounds::new(items, limit);
    if bounds.lightest[0] > limit {
        return None;
    }
    let mut best = bounds.known(items, limit);
    let mut stages: Vec<Vec<State>> = vec![vec![State {
        weight: 0.0,
        value: 0.0,
        parent: 0,
        choice: 0,
    }]];
    for (index, item) in items.iter().enumerate() {
        let mut next = Vec::new();
        for (parent, state) in stages[index].iter().enumerate() {
            for (number, choice) in item.iter().enumerate() {
                let state = State {
                    weight: state.weight + choice.weight,
                    value: state.value + choice.value,
                    parent,
                    choice: number,
                };
                let fits = state.weight + bounds.lightest[index + 1] <= limit;
                if fits && bounds.least(index + 1, &state, limit) <= best.0 + best.0.abs() * SLACK {
                    next.push(state);
                }
            }
        }
        stages.push(undominated(next));
    }
    let last = stages.last()?;
    let end = last
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.value.total_cmp(&b.1.value));
    if let Some((mut at, state)) = end
        && state.value < best.0
    {
        for index in (0..items.len()).rev() {
            let state = &stages[index + 1][at];
            best.1[index] = state.choice;
            at = state.parent;
        }
    }
    Some(best.1)
}

/// Choices for the first items.
#[derive(Clone, Copy)]
struct State {
    weight: f64,
    value: f64,
    /// State of the stage before.
    parent: usize,
    /// Choice of the item.
    choice: usize,
}

/// States of which none is both heavier and worse than another.
fn undominated(mut states: Vec<State>) -> Vec<State> {
    states.sort_by(|a, b| {
        let weights = a.weight.total_cmp(&b.weight);
        weights.then(a.value.total_cmp(&b.value))
    });
    let mut least = f64::INFINITY;
    states.retain(|state| {
        let better = state.value < least;
        least = least.min(state.value);
        better
    });
    states
}

/// What the items from each one on can give at best.
struct Bounds {
    /// Sum of the lightest choices.
    lightest: Vec<f64>,
    /// Prices of weight, and for each the sums of the smallest `value + price * weight`.
    priced: Vec<(f64, Vec<f64>)>,
}

impl Bounds {
    fn new(items: &[Vec<Choice>], limit: f64) -> Self {
        let price = best_price(items, limit);
        let prices = [0.0, 0.7, 0.9, 1.0, 1.1, 1.4].map(|factor| factor * price);
        let priced =
            prices.map(|price| (price, suffix_sums(items, |it| it.value + price * it.weight)));
        Self {
            lightest: suffix_sums(items, |choice| choice.weight),
            priced: priced.into(),
        }
    }

    /// No completion of `state`, which has chosen for the first `index` items, has a smaller value.
    fn least(&self, index: usize, state: &State, limit: f64) -> f64 {
        let left = limit - state.weight;
        let bounds = self
            .priced
            .iter()
            .map(|(price, sums)| sums[index] - price * left);
        state.value + bounds.fold(f64::NEG_INFINITY, f64::max)
    }

    /// A solution that is not bad: of the cheapest choices at each price the best that fits.
    fn known(&self, items: &[Vec<Choice>], limit: f64) -> (f64, Vec<usize>) {
        let prices = self.priced.iter().map(|(price, _)| *price);
        let lightest = by_price(items, f64::INFINITY);
        let candidates = prices.map(|price| by_price(items, price)).chain([lightest]);
        let mut best = (f64::INFINITY, vec![0; items.len()]);
        for choices in candidates {
            let (value, weight) = sums(items, &choices);
            if weight <= limit && value < best.0 {
                best = (value, choices);
            }
        }
        best
    }
}

/// Sums of the smallest of `measure`, from each item to the last.
fn suffix_sums(items: &[Vec<Choice>], measure: impl Fn(&Choice) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; items.len() + 1];
    for (index, item) in items.iter().enumerate().rev() {
        let least = item.iter().map(&measure).fold(f64::INFINITY, f64::min);
        sums[index] = sums[index + 1] + least;
    }
    sums
}

/// The choices that are best when weight has a price; the lightest when it is infinite.
fn by_price(items: &[Vec<Choice>], price: f64) -> Vec<usize> {
    let cost = |choice: &Choice| match price.is_finite() {
        true => (choice.value + price * choice.weight, choice.weight),
        false => (choice.weight, choice.value),
    };
    let best = |item: &Vec<Choice>| {
        let numbers = 0..item.len();
        let order = |a: &usize, b: &usize| {
            let (a, b) = (cost(&item[*a]), cost(&item[*b]));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        numbers.min_by(order).unwrap_or(0)
    };
    items.iter().map(best).collect()
}

/// Value and weight of choices.
fn sums(items: &[Vec<Choice>], choices: &[usize]) -> (f64, f64) {
    let chosen = items
        .iter()
        .zip(choices)
        .map(|(item, choice)| item[*choice]);
    chosen.fold((0.0, 0.0), |sums, choice| {
        (sums.0 + choice.value, sums.1 + choice.weight)
    })
}

/// The price of weight at which the cheapest choices just fit.
fn best_price(items: &[Vec<Choice>], limit: f64) -> f64 {
    let fits = |price: f64| sums(items, &by_price(items, price)).1 <= limit;
    if fits(0.0) {
        return 0.0;
    }
    let all = items.iter().flatten();
    let largest =
        |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, |a, b| a.max(b.abs()));
    let values = largest(&mut all.clone().map(|choice| choice.value));
    let weights = largest(&mut all.map(|choice| choice.weight));
    let mut high = values.max(f64::MIN_POSITIVE) / weights.max(f64::MIN_POSITIVE);
    for _ in 0..200 {
        if fits(high) {
            break;
        }
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        match fits(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The smallest value of all choices that fit, by trying every one.
    fn brute_force(items: &[Vec<Choice>], limit: f64) -> Option<f64> {
        let mut choices = vec![0; items.len()];
        let mut best = None::<f64>;
        loop {
            let (value, weight) = sums(items, &choices);
            if weight <= limit {
                best = Some(best.map_or(value, |best| best.min(value)));
            }
            let Some(at) = (0..items.len()).find(|at| choices[*at] + 1 < items[*at].len()) else {
                return best;
            };
            choices[at] += 1;
            choices[..at].fill(0);
        }
    }

    fn item() -> impl Strategy<Value = Vec<Choice>> {
        let choice = (0u32..40, 0u32..40).prop_map(|(value, weight)| Choice {
            value: f64::from(value) / 4.0 - 1.0,
            weight: f64::from(weight),
        });
        prop::collection::vec(choice, 1..5)
    }

    proptest! {
        #[test]
        fn nothing_that_fits_is_better(
            items in prop::collection::vec(item(), 0..7),
            limit in 0u32..160,
        ) {
            let limit = f64::from(limit);
            let expected = brute_force(&items, limit);
            let found = assign(&items, limit).map(|choices| sums(&items, &choices));
            prop_assert_eq!(found.map(|found| found.0), expected);
            prop_assert!(found.is_none_or(|found| found.1 <= limit));
        }
    }

    #[test]
    fn many_items_are_no_trouble() {
        let mut state = 3u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24)
        };
        let mut item = || -> Vec<Choice> {
            let size = 1e5 * (1.0 + (4.0 * next()).floor());
            let worth = next();
            let choice = |part: f64| Choice {
                value: worth * (1.0 - part).powi(3),
                weight: (size * part).round(),
            };
            [1.0, 0.75, 0.625, 0.53, 0.51, 0.41].map(choice).into()
        };
        let items: Vec<Vec<Choice>> = (0..72).map(|_| item()).collect();
        let all: f64 = items.iter().map(|item| item[0].weight).sum();
        let choices = assign(&items, 0.6 * all).expect("there is one");
        let (value, weight) = sums(&items, &choices);
        assert!(weight <= 0.6 * all);
        // Not above the relaxation by more than the step of one item.
        let bounds = Bounds::new(&items, 0.6 * all);
        let start = State {
            weight: 0.0,
            value: 0.0,
            parent: 0,
            choice: 0,
        };
        let least = bounds.least(0, &start, 0.6 * all);
        assert!(
            value >= least - 1e-9 && value <= least + 0.05,
            "{value} {least}"
        );
    }
}
