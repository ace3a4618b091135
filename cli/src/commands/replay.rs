//! `eplb replay`: what plans and moves bring on windows that they have not seen.

use std::io::Write;

use serde_json::json;

use super::super::args::{ReplayArgs, policy_name};
use super::super::error::Error;
use super::super::moves::Moves;
use super::super::replay::{Replay, mean};
use super::super::{replay_picture, replay_table, table};
use super::{make_room, print_json};

pub fn run(args: &ReplayArgs, out: &mut impl Write) -> Result<(), Error> {
    let trace = args.loads.read()?;
    let cluster = args.cluster.for_loads(&trace);
    let windows = args.windows as usize;
    let Some(order) = args.order.or_else(|| Replay::order(&trace, windows)) else {
        return Err(Error::Impossible(format!(
            "{}: one window is too few for a replay",
            trace.source
        )));
    };
    let replay = Replay::run(&trace, &cluster, args.policy, order, windows)?;
    let moves = Moves::along(&trace, &cluster, args.policy)?;
    make_room(&args.svg)?;
    replay_picture::draw(&replay, &trace, &cluster, &args.svg).map_err(Error::write(&args.svg))?;
    if args.format.json {
        return print_json(out, &figures(&replay, moves.as_ref()));
    }
    table::heading(out, &trace, &cluster)?;
    replay_table::print(out, &replay)?;
    moves.as_ref().map_or(Ok(()), |moves| replay_table::moves(out, moves))?;
    Ok(writeln!(out, "\n{}: balance of every strategy, step by step", args.svg.display())?)
}

fn figures(replay: &Replay, moves: Option<&Moves>) -> serde_json::Value {
    let strategies: Vec<_> = replay
        .outcomes
        .iter()
        .filter_map(|outcome| {
            let balance = outcome.balance.as_ref()?;
            let mean = mean(balance, &replay.steps, &replay.steps);
            Some(json!({ "strategy": outcome.strategy.name(), "mean": mean, "balance": balance }))
        })
        .collect();
    let budgets = moves.into_iter().flat_map(|moves| &moves.walks).filter_map(|walk| {
        let mean = walk.mean()?;
        Some(json!({ "budget": walk.budget.name(), "moved": mean.moved, "balance": mean.balance }))
    });
    json!({
        "policy": policy_name(replay.policy),
        "planned_on": replay.seen(),
        "first_window": replay.steps.start,
        "strategies": strategies,
        "deepseek": replay.deepseek.as_ref().and_then(|outcome| {
            Some(json!({ "mean": outcome.mean()?, "balance": outcome.balance }))
        }),
        "budgets": budgets.collect::<Vec<_>>(),
    })
}
