//! A thousand server groups lose the same cloud application at the same moment, and do not come back in step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Action, Aftermath, AttemptId, World};
use crate::endpoint::EndpointId;

const GROUPS: usize = 1000;

/// All groups, each with an endpoint and a session that has proved itself.
fn all_connected() -> (World, Vec<AttemptId>) {
    let mut world = World::new();
    let mut attempts = Vec::new();
    for index in 0..GROUPS {
        world.add(&format!("e{index}"), &format!("g{index}"), 1);
        let (attempt, _) = world.dialled();
        world.supervisor.established(world.now, attempt);
        attempts.push(attempt);
    }
    world.now += Duration::from_secs(3600);
    (world, attempts)
}

/// Each dial until then, in milliseconds since now; each ends so after as many milliseconds.
fn dials(world: &mut World, until: Duration, takes: Duration, how: Aftermath) -> Vec<u128> {
    let start = world.now;
    let mut dials = Vec::new();
    let mut under_way: BTreeMap<(Instant, AttemptId), EndpointId> = BTreeMap::new();
    loop {
        while let Some(action) = world.supervisor.poll_action() {
            let Action::Dial { attempt, endpoint } = action else { panic!("nobody is to end") };
            dials.push((world.now - start).as_millis());
            under_way.insert((world.now + takes, attempt), endpoint);
        }
        let ends = under_way.first_key_value().map(|((at, _), _)| *at);
        let timer = world.supervisor.next_timeout();
        let next = ends.into_iter().chain(timer).min().expect("somebody is trying or waiting");
        if next - start >= until {
            return dials;
        }
        world.now = next;
        if ends == Some(next)
            && let Some(((_, attempt), _)) = under_way.pop_first()
        {
            world.end(attempt, how);
        }
        world.timeout();
    }
}

/// The most dials in any `width` milliseconds from `from` on.
fn peak(dials: &[u128], from: u128, width: u128) -> usize {
    let late = dials.partition_point(|at| *at < from);
    let in_window = |first: usize| dials[first..].partition_point(|at| *at < dials[first] + width);
    (late..dials.len()).map(in_window).max().unwrap_or(0)
}

#[test]
fn lost_sessions_come_back_spread_and_the_spread_grows() {
    let (mut world, attempts) = all_connected();
    for attempt in attempts {
        world.end(attempt, Aftermath::Retry);
    }
    let dials = dials(&mut world, Duration::from_secs(900), Duration::from_millis(30), Aftermath::Retry);
    // Evenly over the first second, then over ever longer ones: no crowd gathers again.
    assert!(peak(&dials, 0, 100) < 200, "{}", peak(&dials, 0, 100));
    let peaks = [0, 1, 4, 16, 64, 256].map(|second| peak(&dials, second * 1000, 1000));
    println!("most dials in a second, from second 0, 1, 4, 16, 64, 256 on: {peaks:?}");
    assert!(peaks[0] < 1700 && peaks[1] < 1000 && peaks[2] < 500 && peaks[3] < 200, "{peaks:?}");
    assert!(peaks[4] < 90 && peaks[5] < 90, "{peaks:?}");
    // And nobody has given up: 30 s is the mean of pauses up to 60 s.
    let late = dials.iter().filter(|at| **at > 300_000).count();
    assert!((GROUPS * 15..GROUPS * 25).contains(&late), "{late}");
}

#[test]
fn those_who_were_turned_away_together_come_back_spread() {
    let busy = |seconds| Aftermath::Busy { after: Some(Duration::from_secs(seconds)) };
    // How it ends each time, when they come back, and the most that may come in 100 ms.
    for (how, from, to, most) in [
        (busy(60), 60_000, 66_000, 50),
        (busy(1), 1000, 2000, 200),
        (busy(1_000_000), 3_600_000, 3_960_000, 20),
        (Aftermath::Refused, 60_000, 75_000, 30),
        (Aftermath::Busy { after: None }, 0, 1000, 200),
    ] {
        let (mut world, attempts) = all_connected();
        for attempt in attempts {
            world.end(attempt, how);
        }
        let dials = dials(&mut world, Duration::from_millis(to + 1), Duration::from_secs(86_400), how);
        assert_eq!(dials.len(), GROUPS);
        assert!(dials.iter().all(|at| (from..=u128::from(to)).contains(at)), "{how:?}");
        assert!(peak(&dials, 0, 100) < most, "{how:?}: {}", peak(&dials, 0, 100));
    }
}

#[test]
fn a_thousand_endpoints_in_one_group_have_their_turns_in_order() {
    let mut world = World::new();
    let endpoints: Vec<EndpointId> = (0..1000).map(|index| world.add(&format!("e{index}"), "g", index)).collect();
    for _ in 0..5 {
        for endpoint in &endpoints {
            world.fails(*endpoint, Aftermath::Retry);
        }
        world.nothing();
        world.wait();
    }
}
