//! What the guest reports, line by line, and whether it is what it should be.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Reads the reports of a guest that is to run the checks `expected` in this order.
pub struct Verdict<'a> {
    expected: std::slice::Iter<'a, &'a str>,
    failures: Vec<String>,
    found: HashMap<String, Value>,
    ended: bool,
}

impl<'a> Verdict<'a> {
    /// Before the first report.
    pub fn new(expected: &'a [&'a str]) -> Self {
        Self {
            expected: expected.iter(),
            failures: Vec::new(),
            found: HashMap::new(),
            ended: false,
        }
    }

    /// Takes a line; gives what a person is told of it.
    pub fn line(&mut self, line: &str) -> Result<String> {
        let report: Value = serde_json::from_str(line)
            .with_context(|| format!("the guest reports `{line}`, which is no JSON"))?;
        ensure!(!self.ended, "the guest reports `{line}` after its end");
        if let Some(name) = report["check"].as_str() {
            ensure!(
                self.expected.next() == Some(&name),
                "the guest ran the check `{name}` out of turn"
            );
            return Ok(self.check(name, &report));
        }
        match report["event"].as_str() {
            Some("start") => Ok(format!(
                "Linux {} started in {} s",
                text(&report["kernel"]),
                report["seconds"]
            )),
            Some("end") => {
                self.ended = true;
                Ok("the guest has ended".into())
            }
            Some("broken") => bail!("the guest broke down: {}", text(&report["error"])),
            _ => bail!("the guest reports `{line}`, which says nothing"),
        }
    }

    fn check(&mut self, name: &str, report: &Value) -> String {
        let seconds = report["seconds"].as_f64().unwrap_or_default();
        let verdict = match report["error"].as_str() {
            Some(error) => {
                self.failures.push(format!("{name}: {error}"));
                format!("FAILED: {error}")
            }
            None => {
                self.found.insert(name.into(), report["found"].clone());
                "ok".into()
            }
        };
        format!("{name:<12} {seconds:>6.1} s  {verdict}")
    }

    /// Once nothing more comes: what each check found; an error unless all ran and passed.
    pub fn end(mut self) -> Result<HashMap<String, Value>> {
        ensure!(
            self.ended,
            "the guest ended without saying so; its console says why"
        );
        if let Some(name) = self.expected.next() {
            bail!("the guest did not run the check `{name}`");
        }
        ensure!(
            self.failures.is_empty(),
            "failed in the guest: {}",
            self.failures.join("; ")
        );
        Ok(self.found)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(unknown)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = r#"{"event":"start","kernel":"6.12","seconds":2.5}"#;
    const GOOD: &str = r#"{"check":"a","seconds":1.0,"found":{"bits":7}}"#;
    const BAD: &str = r#"{"check":"b","seconds":1.0,"error":"wrong bits"}"#;
    const END: &str = r#"{"event":"end"}"#;

    fn judge(expected: &[&str], lines: &[&str]) -> Result<HashMap<String, Value>> {
        let mut verdict = Verdict::new(expected);
        for line in lines {
            verdict.line(line)?;
        }
        verdict.end()
    }

    #[test]
    fn only_a_whole_run_without_a_failure_passes() {
        let found = judge(&["a"], &[START, GOOD, END]).unwrap();
        assert_eq!(found["a"]["bits"], 7);
        for (expected, lines) in [
            (&["a"][..], &[START, GOOD][..]),
            (&["a", "b"], &[START, GOOD, END]),
            (&["a", "b"], &[START, GOOD, BAD, END]),
            (&["b", "a"], &[START, GOOD, BAD, END]),
            (&["a"], &[START, GOOD, GOOD, END]),
            (&["a"], &[START, GOOD, END, END]),
            (&["a"], &[START, GOOD, "Kernel panic", END]),
            (&["a"], &[GOOD, r#"{"event":"broken","error":"no module"}"#]),
            (&["a"], &[GOOD, "{}", END]),
            (&[], &[]),
        ] {
            assert!(judge(expected, lines).is_err(), "{expected:?} {lines:?}");
        }
    }

    #[test]
    fn failures_are_told_with_their_cause() {
        let error = judge(&["a", "b"], &[GOOD, BAD, END]).unwrap_err();
        assert!(error.to_string().contains("b: wrong bits"), "{error}");
    }
}
