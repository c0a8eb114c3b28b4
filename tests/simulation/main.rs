//! Histories in virtual time: the pure rooms against simulated cloud applications, networks and a host, all
//! driven by one seed. Thousands of odd minutes run in seconds, and a failing one replays exactly.

mod cloud;
mod disk;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// Seeds per run of the tests.
const SEEDS: u64 = 10_000;

fn run(seeds: impl Iterator<Item = u64>) -> world::Totals {
    let mut totals = world::Totals::default();
    for seed in seeds {
        let history = catch_unwind(AssertUnwindSafe(|| World::run(seed)));
        let history = history.unwrap_or_else(|_| panic!("seed {seed} failed: NBWSS_SEED={seed} replays it"));
        totals.add(&history.totals);
    }
    totals
}

/// Any number of cuts, silences, refusals, expired and renewed tokens, lost, repeated, late and made-up acknowledgements,
/// repeated commands, slow and missing answers, stops and starts, groups that are added and removed, crashes and failures
/// of the store, a full outbox, notifications that are never acknowledged: nothing accepted is lost, nothing unsent is reported delivered, the order per group holds, each
/// report comes once, every command that can be is answered, and
/// the host is called once for each.
#[test]
fn every_promise_holds_in_every_history() {
    let seeds = match std::env::var("NBWSS_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("NBWSS_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut totals = world::Totals::default();
    std::thread::scope(|scope| {
        let share = |first| {
            let seeds = seeds.clone().skip(first).step_by(threads);
            scope.spawn(move || run(seeds))
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        for share in shares {
            totals.add(&share.join().expect("a history failed: its seed is told above"));
        }
    });
    // A simulation in which nothing happens proves nothing.
    println!("{totals:?}");
    assert!(totals.delivered > 0 && totals.answered > 0, "{totals:?}");
    if std::env::var_os("NBWSS_SEED").is_none() {
        assert!(totals.sessions > SEEDS * 3 && totals.left_alone > SEEDS, "{totals:?}");
        assert!(
            totals.restarts > SEEDS
                && totals.poison > SEEDS / 10
                && totals.expired > SEEDS / 10
                && totals.superseded > SEEDS / 10
                && totals.removed > SEEDS
                && totals.refused > SEEDS
                && totals.repeated > SEEDS
                && totals.repeated_calls > SEEDS / 10
                && totals.timeouts > SEEDS / 10,
            "{totals:?}"
        );
    }
}

#[test]
fn a_seed_replays_the_same_history() {
    for seed in [1, 7, 42] {
        assert_eq!(World::run(seed).trace, World::run(seed).trace);
    }
    assert_ne!(World::run(1).trace, World::run(2).trace);
}
