//! Cards in threads of this process, and lines that do to bytes what lines do.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sim::serial::{SerialDevice, SerialModel, serve};
use systole::device::{DeviceBackend, Options};
use systole::transport::serial::{Line, SerialError, SerialFunction, SerialOptions};
use systole::transport::{FunctionTransport, Patience};

use crate::road::{backend, config};

/// Short, so that a test that waits for it does not take long; long beside a busy machine.
pub const SILENCE: Duration = Duration::from_millis(1500);

/// A device at the other end of a socket, in a thread of its own.
pub struct Board {
    line: Option<UnixStream>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    pub fn new(mut device: impl SerialDevice + 'static) -> Self {
        let (line, other) = UnixStream::pair().expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            serve(&other, &mut device, &told).expect("it serves to the end");
        });
        Self {
            line: Some(line),
            stop,
            thread: Some(thread),
        }
    }

    pub fn connect(&mut self) -> Result<SerialFunction, SerialError> {
        let line = Line::of(self.line.take().expect("once"), "board").expect("a line");
        let options = SerialOptions {
            silence: SILENCE,
            ..SerialOptions::default()
        };
        SerialFunction::over(line, options)
    }

    pub fn open(&mut self) -> FunctionTransport<SerialFunction> {
        let function = self.connect().expect("the card answers");
        FunctionTransport::open(function).expect("it opens")
    }

    pub fn backend(&mut self) -> DeviceBackend {
        backend(self.open(), options())
    }

    /// Ends the device, which closes its end of the line.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the device ends without a panic");
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Options under which a card that never completes is given up in a test's time.
pub fn options() -> Options {
    Options {
        patience: Duration::from_secs(20),
        ..Options::default()
    }
}

/// A wait that does not end by itself.
pub const FOR_EVER: Patience = Patience {
    cycles: u64::MAX,
    time: Duration::MAX,
};

/// The functional card of the other roads.
pub fn card() -> SerialModel {
    SerialModel::new(&config()).expect("a card")
}

/// Numbers without order.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }
}

/// A device behind something that changes what goes either way.
pub struct Between<D, F> {
    pub device: D,
    /// Changes bytes; whether they go to the device.
    pub change: F,
}

impl<D: SerialDevice, F: FnMut(&mut D, &mut Vec<u8>, bool) + Send> SerialDevice for Between<D, F> {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        let mut there = bytes.to_vec();
        (self.change)(&mut self.device, &mut there, true);
        let mut back = Vec::new();
        let next = self.device.run(now, &there, &mut back);
        (self.change)(&mut self.device, &mut back, false);
        out.extend(back);
        next
    }
}
