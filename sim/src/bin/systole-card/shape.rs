//! Options that choose the card.

use board::Ulx3s;
use clap::Args;
use fpga::boards::Board;
use fpga::tops::TopConfig;
use isa::config::{Config, Datapaths};
use sim::function::Function;
use sim::memory::MemoryOptions;
use sim::serial::{SerialBoard, SerialDevice, SerialModel, SerialRtl};
use sim::{FunctionalCard, LinkOptions, RtlCard};

use super::failure::{Failure, Result};

/// Which card, and how it is simulated.
#[derive(Args, Clone, Debug)]
pub struct CardArgs {
    /// Array of the card: 4, 8, 16 or 32 rows and columns.
    #[arg(long, value_name = "ROWSxCOLS", default_value = "16x16")]
    config: Config,
    /// Queue pairs, each with an interrupt of its own: 1, 2, 4 or 8.
    #[arg(long, value_name = "N", default_value_t = Config::default().queues)]
    queues: u32,
    /// The card's own memory in MiB: 0 for none, or a power of two up to 4096. Pages that nobody
    /// writes take no room.
    #[arg(long, value_name = "N", default_value_t = Config::default().card_memory_mib)]
    memory_mib: u32,
    /// Run the functional model: the same bits, no clock, no counters, programs at once.
    #[arg(long)]
    functional: bool,
    /// Simulate all of this board at the pins of its FPGA: ulx3s-85f. One queue, the memory of the
    /// board, 80 MHz.
    #[arg(long, conflicts_with_all = [
        "socket", "functional", "queues", "memory_mib", "memory_latency",
    ])]
    board: Option<Board>,
    /// Cycles that host memory takes to answer the Verilated card (250: 1 us at 250 MHz).
    #[arg(long, value_name = "CYCLES", default_value_t = LinkOptions::default().root.latency)]
    latency: u32,
    /// Cycles that the card's own memory takes to answer.
    #[arg(long, value_name = "CYCLES", default_value_t = LinkOptions::default().memory.latency)]
    memory_latency: u32,
    /// Bytes of a beat of the link: 8 or 16.
    #[arg(long, value_name = "BYTES", default_value_t = 8, value_parser = link_width)]
    link_bytes: usize,
}

impl CardArgs {
    /// The shape that was asked for.
    ///
    /// # Errors
    /// Says which option does not fit.
    pub fn config(&self) -> std::result::Result<Config, String> {
        let config = match self.top() {
            Some(top) => top.shape(),
            None => Config {
                queues: self.queues,
                card_memory_mib: self.memory_mib,
                ..self.config
            },
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// What simulates the card, in a word.
    pub fn kind(&self) -> &'static str {
        match (self.functional, self.board) {
            (true, _) => "functional",
            (false, None) => "rtl",
            (false, Some(_)) => "board",
        }
    }

    /// The top of the board, if there is one: that of its bitstream, unless another is asked for.
    fn top(&self) -> Option<TopConfig> {
        let Config { rows, cols, .. } = self.config;
        self.board.map(|board| TopConfig {
            board,
            rows,
            cols,
            datapaths: Datapaths::DENSE_PACKED,
            mhz: board.card_mhz(),
        })
    }

    /// The card at the end of a serial line.
    pub fn open_serial(&self, config: &Config) -> Result<Box<dyn SerialDevice>> {
        if let Some(top) = self.top() {
            let failed = |error: board::Error| Failure::Card(error.to_string());
            let cache = sim::library::cache_folder()?;
            tracing::info!("preparing the board; the first time this takes a minute");
            let library = Ulx3s::library(&top, &cache).map_err(failed)?;
            let options = board::Options::default();
            let board = Ulx3s::new(&library, &top, &options).map_err(failed)?;
            return Ok(Box::new(SerialBoard::new(board)));
        }
        if self.functional {
            return Ok(Box::new(SerialModel::new(config)?));
        }
        let memory = MemoryOptions {
            latency: self.memory_latency,
            ..MemoryOptions::default()
        };
        Ok(Box::new(SerialRtl::open(config, &memory)?))
    }

    /// The card.
    pub fn open(&self, config: &Config) -> Result<Box<dyn Function>> {
        if self.functional {
            return Ok(Box::new(FunctionalCard::new(config)?));
        }
        let mut options = LinkOptions::default();
        options.root.latency = self.latency;
        options.root.words = self.link_bytes / 4;
        options.memory.latency = self.memory_latency;
        RtlCard::open(config, &options)
            .map(|card| Box::new(card) as Box<dyn Function>)
            .map_err(|error| Failure::Card(error.to_string()))
    }
}

fn link_width(text: &str) -> std::result::Result<usize, String> {
    match text {
        "8" => Ok(8),
        "16" => Ok(16),
        _ => Err("the link has 8 or 16 bytes a beat".into()),
    }
}
