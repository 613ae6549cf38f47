//! Boards, and the driver at the end of their USB cable.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use board::{Options, Ulx3s};
use fpga::boards::Board;
use fpga::tops::TopConfig;
use isa::config::Datapaths;
use sim::serial::{SerialBoard, SerialDevice, serve};
use systole::device::{self, DeviceBackend};
use systole::transport::FunctionTransport;
use systole::transport::serial::{Line, SerialError, SerialFunction, SerialOptions};
use systole_tests::rig::backend;
use verilate::Library;

/// Light that is on in reset.
pub const RESET: u8 = 1 << 7;

/// The small card whose bitstream is recorded. Its model is built in a minute.
pub const TOP: TopConfig = TopConfig {
    board: Board::Ulx3s85f,
    rows: 4,
    cols: 4,
    datapaths: Datapaths::DENSE_PACKED,
    mhz: 80.0,
};

/// Where models are kept.
pub fn cache() -> PathBuf {
    sim::library::cache_folder().expect("a folder for models")
}

/// A board whose power has just come.
pub fn board(options: &Options) -> Ulx3s {
    static LIBRARY: LazyLock<Library> =
        LazyLock::new(|| Ulx3s::library(&TOP, &cache()).expect("the board builds"));
    Ulx3s::new(&LIBRARY, &TOP, options).expect("a good clock")
}

/// A board that is out of its reset.
pub fn awake(options: &Options) -> Ulx3s {
    let mut board = board(options);
    while board.cycles() < 80_000 {
        board.run(1000).expect("no broken rule");
    }
    board
}

/// A card in a thread of its own, and the end of a line to it.
pub struct Plugged<D> {
    line: Option<UnixStream>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<D>>,
}

/// Does something to a board before each of its slices.
pub type Deed = Box<dyn FnMut(&mut Ulx3s) + Send>;

/// A board to which something is done.
pub struct Touched {
    board: SerialBoard,
    deed: Deed,
}

impl Touched {
    pub fn board(&mut self) -> &mut Ulx3s {
        self.board.board()
    }
}

impl SerialDevice for Touched {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        (self.deed)(self.board.board());
        self.board.run(now, bytes, out)
    }

    fn broken(&self) -> Option<String> {
        self.board.broken()
    }
}

impl Plugged<Touched> {
    /// Plugs a board in.
    pub fn new(board: Ulx3s, deed: Deed) -> Self {
        let board = SerialBoard::new(board);
        Self::with(Touched { board, deed })
    }
}

impl<D: SerialDevice + 'static> Plugged<D> {
    /// The same with any card.
    pub fn with(mut device: D) -> Self {
        let (line, other) = UnixStream::pair().expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            serve(&other, &mut device, &told).expect("no broken rule");
            device
        });
        Self {
            line: Some(line),
            stop,
            thread: Some(thread),
        }
    }

    /// Says hello to it.
    pub fn connect(&mut self, options: SerialOptions) -> Result<SerialFunction, SerialError> {
        let line = Line::of(self.line.take().expect("once"), "the board").expect("a line");
        SerialFunction::over(line, options)
    }

    /// The driver on it; what the card cannot do goes to the CPU.
    pub fn backend(&mut self) -> DeviceBackend {
        let function = self.connect(line_options()).expect("the card answers");
        let way = FunctionTransport::open(function).expect("it opens");
        let options = device::Options {
            patience: Duration::from_secs(300),
            ..device::Options::over_line(&line_options())
        };
        backend(way, options)
    }

    /// Pulls the plug; gives the card, which has kept every rule.
    pub fn end(mut self) -> D {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it ends once");
        thread.join().expect("it ends without a broken rule")
    }
}

impl<D> Drop for Plugged<D> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// How the driver uses a line that is simulated some hundred times slower than it is.
pub fn line_options() -> SerialOptions {
    SerialOptions {
        baud: 10_000,
        silence: Duration::from_secs(20),
    }
}

/// Leaves a board alone.
pub fn nothing() -> Deed {
    Box::new(|_| ())
}
