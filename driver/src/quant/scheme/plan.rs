//! Schemes for all layers of a model.

use std::fmt;
use std::str::FromStr;

use super::parse::NOTHING_BY_COMMA;
use super::{Scheme, SchemeError};
use crate::quant::nodes::{Kind, Node};

/// A scheme for some linear layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The scheme.
    pub scheme: Scheme,
    /// The layer that it is for; `None` for all.
    pub layer: Option<usize>,
    /// The product within a layer that it is for; `None` for all.
    pub node: Option<Node>,
}

/// A scheme for each linear layer of a model: the last rule that fits one counts, and W8 where none
/// does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Plan {
    /// One scheme everywhere.
    pub fn uniform(scheme: Scheme) -> Self {
        Self {
            rules: vec![Rule {
                scheme,
                layer: None,
                node: None,
            }],
        }
    }

    /// The scheme of a part of layer `layer`.
    pub fn scheme(&self, layer: usize, part: Node) -> Scheme {
        let fits = |rule: &&Rule| {
            rule.layer.is_none_or(|it| it == layer)
                && rule
                    .node
                    .is_none_or(|it| it == part || it == part.kind().whole())
        };
        let rule = self.rules.iter().rev().find(fits);
        rule.map_or(Scheme::W8, |rule| rule.scheme)
    }

    /// The products that the linear layer `kind` of layer `layer` is run as: whole unless its parts
    /// have different schemes.
    pub fn parts(&self, layer: usize, kind: Kind) -> Vec<(Node, Scheme)> {
        let parts = kind.parts();
        let schemes = parts.iter().map(|part| (*part, self.scheme(layer, *part)));
        let schemes: Vec<_> = schemes.collect();
        match schemes.iter().all(|(_, scheme)| *scheme == schemes[0].1) {
            true => vec![(kind.whole(), schemes[0].1)],
            false => schemes,
        }
    }

    /// The first rule for a layer that a model of `layers` does not have.
    pub fn beyond(&self, layers: usize) -> Option<&Rule> {
        let beyond = |rule: &&Rule| rule.layer.is_some_and(|layer| layer >= layers);
        self.rules.iter().find(beyond)
    }
}

impl FromStr for Plan {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        let rule = |rule: &str| match rule.split_once('@') {
            None if rule.trim().is_empty() && text.contains(',') => Err(SchemeError {
                text: text.into(),
                reason: NOTHING_BY_COMMA.into(),
            }),
            None => Ok(Rule {
                scheme: rule.trim().parse()?,
                layer: None,
                node: None,
            }),
            Some((scheme, place)) => {
                let wrong = |reason| SchemeError {
                    text: rule.trim().into(),
                    reason,
                };
                if scheme.trim().is_empty() {
                    return Err(wrong("no scheme stands before its `@`".into()));
                }
                let (layer, node) = read_place(place.trim()).map_err(wrong)?;
                Ok(Rule {
                    scheme: scheme.trim().parse()?,
                    layer,
                    node,
                })
            }
        };
        let rules = text.split(',').map(rule).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }
}

/// Reads `layer.N`, the name of a product, or both.
fn read_place(text: &str) -> Result<(Option<usize>, Option<Node>), String> {
    const PLACES: &str = "qkv, query, key, value, attention.output, ffn.in, ffn.out, or layer.N \
                          before them or alone";
    if text.is_empty() {
        return Err(format!("no place stands after its `@`: {PLACES}"));
    }
    let named = |name: &str| {
        let short = |node: Node| node.name().strip_prefix("attention.") == Some(name);
        let fits = |node: &Node| node.name() == name || (name != "output" && short(*node));
        let found = Node::ALL.into_iter().find(fits);
        found.ok_or_else(|| {
            let at = if name.is_empty() { text } else { name };
            format!("`{at}` is no place: {PLACES}")
        })
    };
    let Some(rest) = text.strip_prefix("layer.") else {
        return Ok((None, Some(named(text)?)));
    };
    let (number, node) = match rest.split_once('.') {
        Some((number, name)) => (number, Some(named(name)?)),
        None => (rest, None),
    };
    let layer = number.parse().map_err(|_| match number {
        "" => format!("`{text}` does not say the number of a layer"),
        _ => format!("`{number}` is no number of a layer"),
    })?;
    Ok((Some(layer), node))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scheme)?;
        match (self.layer, self.node) {
            (None, None) => Ok(()),
            (Some(layer), None) => write!(f, "@layer.{layer}"),
            (None, Some(node)) => write!(f, "@{node}"),
            (Some(layer), Some(node)) => write!(f, "@{}", node.of_layer(layer)),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{rule}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_counts() {
        let text = "w4g32-gptq,w8@layer.5,w6@ffn.out,2:4-sparsegpt@layer.0.query,w5@layer.1.qkv";
        let plan: Plan = text.parse().expect("it is a plan");
        for (layer, node, scheme) in [
            (0, Node::Key, "w4g32-gptq"),
            (0, Node::Query, "w8-gptq+2:4-sparsegpt"),
            (1, Node::Value, "w5"),
            (5, Node::FfnIn, "w8"),
            (5, Node::FfnOut, "w6"),
        ] {
            assert_eq!(plan.scheme(layer, node).to_string(), scheme);
        }
        assert_eq!(plan.parts(0, Kind::Qkv).len(), 3);
        assert_eq!(plan.parts(1, Kind::Qkv).len(), 1);
        assert_eq!(plan.beyond(6), None);
        assert_eq!(plan.beyond(5).map(|rule| rule.layer), Some(Some(5)));
        let again: Plan = plan.to_string().parse().expect("it is a plan");
        assert_eq!(again, plan);
    }

    #[test]
    fn places_that_are_none_are_refused() {
        for (text, word) in [
            ("w4@nowhere", "`nowhere` is no place"),
            ("w4@output", "`output` is no place"),
            ("w4@layer.x", "`x` is no number"),
            ("w4@layer.1.ffn", "`ffn` is no place"),
            ("w4@layer.1.", "`layer.1.` is no place"),
            ("w4@layer.", "`layer.` does not say the number"),
            ("w4@", "`w4@` makes no sense: no place stands after its `@`"),
            (
                "w8,@query",
                "`@query` makes no sense: no scheme stands before",
            ),
            (
                "w4,",
                "`w4,` makes no sense: nothing stands before or after",
            ),
            (" ", "an empty scheme makes no sense"),
            ("w4,q@query", "`q` is not a width"),
        ] {
            let error = text.parse::<Plan>().expect_err(text).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
