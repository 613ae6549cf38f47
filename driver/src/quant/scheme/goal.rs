//! What a plan that is searched for must reach.

use std::fmt;
use std::str::FromStr;

use super::SchemeError;

/// What is to be small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Bytes of weights.
    Bytes,
    /// Cycles of the card.
    Cycles,
}

/// A limit in its unit or as a part of what W8 takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// In its unit.
    Absolute(f64),
    /// Of W8's.
    Part(f64),
}

/// What a plan must reach, with the least of the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This mean cosine at the least cost.
    Accuracy(f64, Cost),
    /// At most this cost, as accurately as possible.
    Within(Cost, Limit),
}

impl Limit {
    /// The limit in its unit, where W8 takes `whole`.
    pub fn of(self, whole: f64) -> f64 {
        match self {
            Self::Absolute(limit) => limit,
            Self::Part(part) => part * whole,
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Cycles => "cycles",
        })
    }
}

/// Reads what stands after `mixed:`.
impl FromStr for Goal {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        read(text).map_err(|reason| SchemeError {
            text: format!("mixed:{text}"),
            reason,
        })
    }
}

/// What a mixed plan without a goal lacks.
pub const NEEDS: &str = "needs a goal: accuracy=0.99, bytes=60% or cycles=60%";

fn read(text: &str) -> Result<Goal, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("it {NEEDS}"));
    };
    let cost = |name: &str| match name {
        "bytes" => Ok(Cost::Bytes),
        "cycles" => Ok(Cost::Cycles),
        _ => Err(format!(
            "`{name}` is no goal: accuracy, bytes or cycles are"
        )),
    };
    let number = |text: &str| {
        if text.trim().is_empty() {
            return Err("the number is missing".into());
        }
        let number = text.trim().parse::<f64>();
        let number = number
            .ok()
            .filter(|number| *number > 0.0 && number.is_finite());
        number.ok_or_else(|| format!("`{text}` is no number above zero"))
    };
    if name == "accuracy" {
        let (value, least) = match value.split_once(':') {
            Some((value, least)) => (value, cost(least)?),
            None => (value, Cost::Bytes),
        };
        let reason = "accuracy is a cosine above 0 and below 1, such as 0.99";
        if value.trim().ends_with('%') {
            return Err(format!("{reason}, not `{value}`"));
        }
        let cosine = number(value)?;
        return match cosine < 1.0 {
            true => Ok(Goal::Accuracy(cosine, least)),
            false => Err(format!("{reason}, not {cosine}")),
        };
    }
    let cost = cost(name)?;
    let limit = match value.strip_suffix('%') {
        Some(percent) => match number(percent)? {
            percent if percent <= 100.0 => Limit::Part(percent / 100.0),
            percent => {
                return Err(format!(
                    "{percent} % is more than w8 everywhere takes, which is the most that a plan \
                     needs: take at most 100 %"
                ));
            }
        },
        None => Limit::Absolute(number(value)?),
    };
    Ok(Goal::Within(cost, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_read_or_refused() {
        for (text, goal) in [
            ("accuracy=0.99", Goal::Accuracy(0.99, Cost::Bytes)),
            ("accuracy=0.98:cycles", Goal::Accuracy(0.98, Cost::Cycles)),
            (
                "bytes=6000000",
                Goal::Within(Cost::Bytes, Limit::Absolute(6e6)),
            ),
            ("cycles=60%", Goal::Within(Cost::Cycles, Limit::Part(0.6))),
            ("bytes=100%", Goal::Within(Cost::Bytes, Limit::Part(1.0))),
        ] {
            assert_eq!(text.parse(), Ok(goal));
        }
        for (text, word) in [
            ("", "needs a goal"),
            ("speed=3", "`speed` is no goal"),
            ("accuracy=1", "above 0 and below 1, such as 0.99, not 1"),
            ("accuracy=1.5", "above 0 and below 1, such as 0.99, not 1.5"),
            (
                "accuracy=99%",
                "above 0 and below 1, such as 0.99, not `99%`",
            ),
            ("bytes=150%", "150 % is more than w8"),
            ("cycles=100.1%", "take at most 100 %"),
            ("accuracy=high", "`high` is no number"),
            ("accuracy=0.9:speed", "`speed` is no goal"),
            ("bytes=-1", "`-1` is no number above zero"),
            ("bytes=inf", "`inf` is no number"),
            ("cycles=%", "the number is missing"),
            ("accuracy=", "the number is missing"),
        ] {
            let error = text.parse::<Goal>().expect_err(text).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
