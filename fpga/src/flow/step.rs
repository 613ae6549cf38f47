//! One step: a program whose output goes to a log.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::FlowError;

/// Something that is told how a flow goes on, from several threads.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// How long a program ran and whether it succeeded.
pub struct Ran {
    /// Wall time.
    pub time: Duration,
    /// Its exit status says so.
    pub succeeded: bool,
}

/// Runs a program and writes what it says to `log`; `line` sees each line.
pub fn run(
    step: &str,
    command: &mut Command,
    log: &Path,
    line: &mut dyn FnMut(&str),
) -> Result<Ran, FlowError> {
    let start = Instant::now();
    let begin = |error| FlowError::Start {
        step: step.into(),
        error,
    };
    let write = |error| FlowError::File {
        doing: "write",
        path: log.into(),
        error,
    };
    let mut file = fs::File::create(log).map_err(write)?;
    // Both go through one pipe, so that neither has to be waited for apart.
    let (output, input) = std::io::pipe().map_err(begin)?;
    command
        .stdout(input.try_clone().map_err(begin)?)
        .stderr(input)
        .stdin(Stdio::null());
    let mut child = command.spawn().map_err(begin)?;
    // The ends that the command still holds would keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for text in BufReader::new(output).split(b'\n') {
        let text = text.map_err(begin)?;
        let text = String::from_utf8_lossy(&text);
        writeln!(file, "{text}").map_err(write)?;
        line(&text);
    }
    let status = child.wait().map_err(begin)?;
    Ok(Ran {
        time: start.elapsed(),
        succeeded: status.success(),
    })
}

/// Runs a program that must succeed; how long it took.
pub fn must(step: &str, command: &mut Command, log: &Path) -> Result<Duration, FlowError> {
    let ran = run(step, command, log, &mut |_| {})?;
    match ran.succeeded {
        true => Ok(ran.time),
        false => Err(failed(step, log)),
    }
}

/// The error of a step whose log is there.
pub fn failed(step: &str, log: &Path) -> FlowError {
    let text = fs::read_to_string(log).unwrap_or_default();
    FlowError::Step {
        step: step.into(),
        line: line_that_matters(&text).into(),
        log: log.into(),
    }
}

/// The first line that begins as errors do, or else the last that says anything.
fn line_that_matters(log: &str) -> &str {
    let is_error = |line: &&str| {
        let line = line.trim_start();
        line.to_ascii_lowercase().starts_with("error") || line.contains(": ERROR: ")
    };
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = lines().find(is_error).or_else(|| lines().next_back());
    found.unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_matters_is_found() {
        let log = "Info: a\nWarning: b\nERROR: no place for c\nInfo: the end\n";
        assert_eq!(line_that_matters(log), "ERROR: no place for c");
        assert_eq!(
            line_that_matters("top.v:3: ERROR: syntax"),
            "top.v:3: ERROR: syntax"
        );
        assert_eq!(line_that_matters("a\nb\n\n"), "b");
        assert_eq!(line_that_matters(""), "it said nothing");
    }

    #[test]
    fn what_programs_say_goes_to_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("step.log");
        let script = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        };
        let mut seen = Vec::new();
        let text = "echo one; echo two >&2; echo three";
        let ran = run("say", &mut script(text), &log, &mut |line| {
            seen.push(line.to_string())
        });
        assert!(ran.unwrap().succeeded);
        assert_eq!(seen, ["one", "two", "three"]);
        assert_eq!(fs::read_to_string(&log).unwrap(), "one\ntwo\nthree\n");
        let error = must("say", &mut script("echo ERROR: nothing; exit 3"), &log).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("say failed: ERROR: nothing"), "{text}");
        assert!(text.contains("step.log"), "{text}");
        let missing = &mut Command::new("/no/such/program");
        assert!(matches!(
            must("x", missing, &log),
            Err(FlowError::Start { .. })
        ));
    }
}
