//! The card's server, which stands in for a card in a slot.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::{announced, cargo, target_dir};

/// The socket, from the folder in which server and machine run.
pub const SOCKET: &str = "card.sock";

/// How long the server may take until it listens. The first start of a simulated card compiles it.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that runs. It ends when this is dropped.
pub struct Card(Child);

impl Card {
    /// Builds the server and starts it in `work`, with `options` for the kind of card.
    pub fn serve(work: &Path, options: &[&str]) -> Result<Self> {
        announced(&mut cargo(&[
            "build",
            "--release",
            "--package=systole-sim",
            "--bin=systole-card",
        ]))?;
        let log = work.join("card.log");
        let log = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut server = Command::new(target_dir().join("release/systole-card"))
            .current_dir(work)
            .args(["serve", "--json", "--socket", SOCKET])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map(Self)
            .context("cannot start systole-card")?;
        let output = server.0.stdout.take().context("the card has no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            // Who waits no more is not told.
            let _ = sender.send(read.map(|_| line));
        });
        match lines.recv_timeout(PATIENCE) {
            Ok(Ok(line)) if line.contains("\"ready\"") => Ok(server),
            Ok(_) => bail!("the card's server has ended; {} says why", "card.log"),
            Err(_) => bail!("the card's server is not ready after {PATIENCE:?}"),
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about other errors here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
