//! Products over a line that does nothing wrong.

use std::time::Duration;

use isa::config::Config;
use isa::regs;
use sim::serial::SerialModel;
use systole::device::{Options, Waiting};
use systole::queue::reset;
use systole::transport::{
    Claim, Function, Patience, SerialFunction, Transport, TransportError, Wake,
};

use crate::devices::{Board, FOR_EVER, card, options};
use crate::road::{Product, backend, config, on_card};

#[test]
fn products_run_and_weights_travel_once() {
    let mut board = Board::new(card());
    let transport = board.open();
    for waiting in [Waiting::Interrupt, Waiting::Spinning] {
        let way = transport.queue(1).expect("a second queue");
        let mut backend = backend(
            way,
            Options {
                waiting,
                ..options()
            },
        );
        for seed in 0..3 {
            let product = Product::new(seed);
            let before = traffic(transport.function());
            on_card(&product.run(&mut backend));
            let first = traffic(transport.function());
            // 40 rows and 21 columns of weights, in tiles of 8x8.
            let weights = first.card_memory_bytes - before.card_memory_bytes;
            assert_eq!(
                weights,
                40 * 24,
                "the weights do not lie in the card's memory"
            );
            on_card(&product.run(&mut backend));
            let second = traffic(transport.function());
            assert_eq!(second.card_memory_bytes, first.card_memory_bytes);
            assert!(second.host_bytes_read > first.host_bytes_read);
            assert_eq!(second.frames_repeated, before.frames_repeated);
        }
        assert_eq!(backend.faults(), 0);
        drop(backend);
        assert_eq!(transport.card_memory_free(), 1 << 20);
        assert_eq!(transport.usage().used, 0);
    }
    drop(transport);
    board.end();
}

fn traffic(function: &SerialFunction) -> systole::transport::serial::Traffic {
    function.traffic().expect("it is on a line")
}

#[test]
fn queues_run_side_by_side() {
    let mut board = Board::new(card());
    let transport = board.open();
    std::thread::scope(|scope| {
        for queue in 0..config().queues {
            let way = transport.queue(queue).expect("a queue");
            scope.spawn(move || {
                let mut backend = backend(way, options());
                for seed in 0..8 {
                    let product = Product::new(u64::from(queue) * 100 + seed);
                    on_card(&product.run(&mut backend));
                }
                assert_eq!(backend.faults(), 0);
            });
        }
    });
    assert!(transport.queue(config().queues).is_none());
}

#[test]
fn cards_of_all_shapes_are_driven() {
    for config in [
        Config {
            queues: 1,
            card_memory_mib: 0,
            ..Config::with_array(4, 4)
        },
        Config {
            port_bytes: 32,
            queues: 8,
            ..Config::with_array(16, 8)
        },
    ] {
        let mut board = Board::new(SerialModel::new(&config).expect("a card"));
        let mut transport = board.open();
        assert!(transport.queue(config.queues - 1).is_some());
        assert!(transport.queue(config.queues).is_none());
        let memory = transport.allocate_on_card(4).is_some();
        assert_eq!(memory, config.card_memory_mib > 0);
        let mut backend = backend(transport, options());
        assert_eq!(*backend.config(), config);
        for seed in 0..3 {
            on_card(&Product::of(seed, (33, 100, 50)).run(&mut backend));
        }
        assert_eq!(backend.faults(), 0);
    }
}

#[test]
fn a_reset_reaches_all_who_share_the_card() {
    let mut board = Board::new(card());
    let mut first = board.open();
    let mut backend = backend(first.queue(1).expect("a second queue"), options());
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    let early = first.write(regs::SQ_TAIL, 0);
    assert!(matches!(early, Err(TransportError::ResetElsewhere)));
    reset(&mut first).expect("nothing is left to reset");
    on_card(&product.run(&mut backend));
    reset(&mut first).expect("a reset");
    on_card(&product.run(&mut backend));
    // A reset of the function, which the registers do not survive.
    first.write(regs::WATCHDOG, 77).expect("a write");
    let Claim::Granted(turn) = first.claim_reset() else {
        panic!("nobody else has reset it since");
    };
    first.function_reset().expect("a reset");
    turn.succeeded();
    let watchdog = first.read(regs::WATCHDOG).expect("a read");
    assert_eq!(watchdog, regs::WATCHDOG_RESET);
    on_card(&product.run(&mut backend));
    assert_eq!(backend.faults(), 0);
}

#[test]
fn waits_end_by_themselves_or_by_the_end_of_the_line() {
    let mut board = Board::new(card());
    let mut transport = board.open();
    let patience = Patience {
        time: Duration::from_millis(20),
        ..FOR_EVER
    };
    let woken = transport.wait(patience).expect("it is there");
    assert_eq!(woken, Wake::Expired);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| transport.wait(FOR_EVER));
        board.end();
        let woken = waiter.join().expect("no panic");
        assert!(
            matches!(woken, Err(TransportError::Gone { .. })),
            "{woken:?}"
        );
    });
}
