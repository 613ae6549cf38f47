//! The report that cocotb writes, in the XML of JUnit.

use anyhow::{Context, Result};

/// One test.
#[derive(Debug, PartialEq)]
pub struct Case {
    /// Module and name.
    pub name: String,
    /// How long it ran.
    pub seconds: f64,
    /// Whether it passed.
    pub passed: bool,
}

/// The tests of a report, in their order.
pub fn parse(xml: &str) -> Result<Vec<Case>> {
    xml.split("<testcase ")
        .skip(1)
        .map(|text| {
            let (head, body) = text.split_once('>').context("a test without an end")?;
            let module = attribute(head, "classname")?;
            let name = attribute(head, "name")?;
            let time = attribute(head, "time")?;
            let body = body.split("</testcase>").next().unwrap_or_default();
            let body = if head.ends_with('/') { "" } else { body };
            let bad = ["<failure", "<error", "<skipped"];
            Ok(Case {
                name: format!("{module}.{name}"),
                seconds: time
                    .parse()
                    .with_context(|| format!("`{time}` seconds for the test {name}"))?,
                passed: !bad.iter().any(|mark| body.contains(mark)),
            })
        })
        .collect()
}

fn attribute<'a>(head: &'a str, name: &str) -> Result<&'a str> {
    let start = format!("{name}=\"");
    head.split(' ')
        .find_map(|part| part.strip_prefix(&start))
        .and_then(|rest| rest.split('"').next())
        .with_context(|| format!("a test without {name} in the report of cocotb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_and_failed_tests_are_told_apart() {
        let xml = r#"<testsuites><testsuite tests="3">
            <testcase classname="a" name="one/x=0" time="0.5"><properties /></testcase>
            <testcase classname="a" name="two" time="1.25"><failure message="no" /></testcase>
            <testcase classname="b" name="three" time="2" /></testsuite></testsuites>"#;
        let cases = parse(xml).unwrap();
        let found: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.seconds, case.passed))
            .collect();
        let expected = [
            ("a.one/x=0", 0.5, true),
            ("a.two", 1.25, false),
            ("b.three", 2.0, true),
        ];
        assert_eq!(found, expected);
        assert!(parse("").unwrap().is_empty());
        assert!(parse(r#"<testcase name="x">"#).is_err());
    }
}
