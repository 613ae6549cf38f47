//! Program order: the commands as a software pipeline.

use std::collections::VecDeque;

use isa::command::{Command, TOKEN_MAX, TOKENS};

use super::hazard::{ENGINES, engine_of};

/// Most times that a token may be given before it is taken, counted in program order. Commands
/// that wait in the engines' queues have not taken theirs yet, so this stays below the limit.
const MOST_TOKENS: i32 = TOKEN_MAX as i32 - 32;

/// An order of `commands` (which keep the order within each engine, and so their tokens) in which
/// each comes as early as it can be used, `issued` telling when that is: the front end then never
/// blocks on one engine while another has nothing to do.
///
/// A command never comes before one whose token it takes, so the front end cannot get stuck.
pub(super) fn pipeline(commands: &[Command], issued: &[f64]) -> Vec<usize> {
    let mut queues: [VecDeque<usize>; ENGINES] = Default::default();
    for (index, command) in commands.iter().enumerate() {
        queues[engine_of(&command.operation)].push_back(index);
    }
    let mut given = [0i32; TOKENS];
    let mut order = Vec::with_capacity(commands.len());
    while order.len() < commands.len() {
        let heads = queues.iter().filter_map(|queue| queue.front().copied());
        let ready = heads.filter(|index| all(commands[*index].wait, |token| given[token] > 0));
        let rank = |index: &usize| {
            let crowded = !all(commands[*index].signal, |token| given[token] < MOST_TOKENS);
            (crowded, issued[*index], *index)
        };
        let next = ready.min_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
        });
        // The earliest command in the order of meaning always has its tokens.
        let Some(next) = next else {
            unreachable!("commands wait for later ones")
        };
        queues[engine_of(&commands[next].operation)].pop_front();
        for (token, count) in given.iter_mut().enumerate() {
            *count += i32::from(commands[next].signal >> token & 1)
                - i32::from(commands[next].wait >> token & 1);
        }
        order.push(next);
    }
    order
}

fn all(mask: u16, mut good: impl FnMut(usize) -> bool) -> bool {
    (0..TOKENS)
        .filter(|token| mask >> token & 1 == 1)
        .all(&mut good)
}
