//! The connection rules, one story each.

mod histories;
mod outage;

use std::time::{Duration, Instant};

use super::{Action, Aftermath, AttemptId, Connection, ConnectionState, Supervisor};
use crate::endpoint::{Details, EndpointId, Registry};
use crate::secret::Secret;
use crate::settings::Settings;

const PERIOD: Duration = Duration::from_secs(60);

struct World {
    supervisor: Supervisor,
    registry: Registry,
    now: Instant,
}

impl World {
    fn new() -> World {
        let mut supervisor = Supervisor::new(&Settings::default(), 1);
        let now = Instant::now();
        supervisor.set_running(now, true);
        World { supervisor, registry: Registry::default(), now }
    }

    fn add(&mut self, host_name: &str, group_id: &str, priority: i32) -> EndpointId {
        self.add_as(host_name, group_id, priority, true)
    }

    fn add_as(&mut self, host_name: &str, group_id: &str, priority: i32, active: bool) -> EndpointId {
        let details = Details::new(host_name, "wss://h/", group_id, priority, Secret::new("t".into())).unwrap();
        let endpoint = self.registry.add(vec![(details, true)]).unwrap().remove(0);
        self.supervisor.add(self.now, &endpoint.details.group_id, endpoint.id, priority, active);
        endpoint.id
    }

    fn dialled(&mut self) -> (AttemptId, EndpointId) {
        match self.supervisor.poll_action() {
            Some(Action::Dial { attempt, endpoint }) => (attempt, endpoint),
            other => panic!("expected a dial, got {other:?}"),
        }
    }

    /// This endpoint is dialled next.
    fn dials(&mut self, expected: EndpointId) -> AttemptId {
        let (attempt, endpoint) = self.dialled();
        assert_eq!(endpoint, expected);
        attempt
    }

    /// This endpoint is dialled next, and its token accepted.
    fn connects(&mut self, expected: EndpointId) -> AttemptId {
        let attempt = self.dials(expected);
        self.supervisor.established(self.now, attempt);
        attempt
    }

    /// This endpoint is dialled next, and that ends so.
    fn fails(&mut self, expected: EndpointId, how: Aftermath) {
        let attempt = self.dials(expected);
        self.end(attempt, how);
    }

    fn end(&mut self, attempt: AttemptId, how: Aftermath) {
        self.supervisor.ended(self.now, attempt, how);
    }

    fn told_to_end(&mut self, attempt: AttemptId) {
        assert_eq!(self.supervisor.poll_action(), Some(Action::End { attempt }));
        self.nothing();
    }

    fn nothing(&mut self) {
        assert_eq!(self.supervisor.poll_action(), None);
    }

    fn connection(&self, group_id: &str, endpoint: EndpointId) -> Connection {
        self.supervisor.connection(group_id, endpoint).expect("it is there")
    }

    fn state(&self, group_id: &str, endpoint: EndpointId) -> ConnectionState {
        self.connection(group_id, endpoint).state
    }

    /// Lets time pass until something is due, and does it.
    fn wait(&mut self) -> Duration {
        let until = self.supervisor.next_timeout().expect("a pause");
        let pause = until - self.now;
        self.now = until;
        self.timeout();
        pause
    }

    fn timeout(&mut self) {
        self.supervisor.timeout(self.now);
        assert!(self.supervisor.next_timeout().is_none_or(|at| at > self.now), "what was due is still due");
    }
}

fn busy(seconds: u64) -> Aftermath {
    Aftermath::Busy { after: Some(Duration::from_secs(seconds)) }
}

#[test]
fn endpoints_are_tried_by_priority_whatever_the_order_they_came_in() {
    let mut world = World::new();
    world.supervisor.set_running(world.now, false);
    let (c, a, b) = (world.add("c", "g", 3), world.add("a", "g", 1), world.add("b", "g", 2));
    let also_b = world.add("also-b", "g", 2);
    world.supervisor.set_running(world.now, true);
    for expected in [a, b, also_b, c] {
        world.fails(expected, Aftermath::Retry);
    }
    world.nothing();
    world.wait();
    world.dials(a);
}

#[test]
fn a_group_has_one_connection_and_no_fail_back_until_it_ends() {
    let mut world = World::new();
    let second = world.add("b", "g", 2);
    let attempt = world.connects(second);
    let best = world.add("a", "g", 1);
    world.nothing();
    assert_eq!(world.state("g", second), ConnectionState::Connected);
    assert_eq!(world.supervisor.next_timeout(), None);
    world.end(attempt, Aftermath::Retry);
    world.nothing();
    world.wait();
    world.dials(best);
}

#[test]
fn groups_do_not_wait_for_each_other() {
    let mut world = World::new();
    let (one, other) = (world.add("a", "g", 1), world.add("b", "h", 1));
    let attempt = world.dials(one);
    world.dials(other);
    assert!(world.supervisor.set_group_running(world.now, "g", false));
    world.told_to_end(attempt);
    assert_eq!(world.state("h", other), ConnectionState::Connecting);
    assert!(!world.supervisor.set_group_running(world.now, "unknown", false));
}

#[test]
fn pauses_grow_until_a_session_has_proved_itself() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    let longest = |world: &mut World, lived: Duration| {
        let mut longest = Duration::ZERO;
        for _ in 0..40 {
            let attempt = world.connects(endpoint);
            world.now += lived;
            world.end(attempt, Aftermath::Retry);
            longest = longest.max(world.wait());
        }
        longest
    };
    assert!(longest(&mut world, Duration::from_secs(1)) > Duration::from_secs(20));
    assert!(longest(&mut world, Duration::from_secs(30)) <= Duration::from_secs(1));
}

#[test]
fn a_session_that_was_told_to_end_has_proved_itself_as_well() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    for _ in 0..10 {
        world.fails(endpoint, Aftermath::Retry);
        world.wait();
    }
    let attempt = world.connects(endpoint);
    world.now += Duration::from_secs(30);
    world.supervisor.renewed(world.now, "g", endpoint);
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Retry);
    world.fails(endpoint, Aftermath::Retry);
    assert!(world.wait() <= Duration::from_secs(1));
}

#[test]
fn the_first_retry_after_a_lost_session_is_spread_as_well() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    let mut pauses: Vec<Duration> = Vec::new();
    for _ in 0..100 {
        let attempt = world.connects(endpoint);
        world.now += Duration::from_secs(3600);
        world.end(attempt, Aftermath::Retry);
        world.nothing();
        pauses.push(world.wait());
    }
    pauses.sort();
    assert!(pauses[10] > Duration::from_millis(20) && pauses[90] > Duration::from_millis(700), "{pauses:?}");
}

#[test]
fn an_endpoint_that_refuses_the_token_is_left_alone_for_the_period_and_the_others_go_on() {
    let mut world = World::new();
    let (refusing, other) = (world.add("a", "g", 1), world.add("b", "g", 2));
    let refused_at = world.now;
    world.fails(refusing, Aftermath::Refused);
    assert_eq!(world.state("g", refusing), ConnectionState::Refused);
    let mut tried_between = 0;
    let again = loop {
        let (attempt, endpoint) = world.dialled();
        if endpoint == refusing {
            break attempt;
        }
        assert_eq!(endpoint, other);
        tried_between += 1;
        world.end(attempt, Aftermath::Retry);
        world.wait();
    };
    assert!((PERIOD..=PERIOD * 5 / 4).contains(&(world.now - refused_at)));
    assert!(tried_between > 3, "{tried_between}");
    assert_eq!(world.state("g", refusing), ConnectionState::Connecting);
    world.end(again, Aftermath::Retry);
    assert_eq!(world.state("g", refusing), ConnectionState::Disconnected);
}

#[test]
fn an_endpoint_that_says_when_to_come_back_is_left_alone_until_then_and_not_longer() {
    let mut world = World::new();
    let (asking, other) = (world.add("a", "g", 1), world.add("b", "g", 2));
    // While the other's pauses grow, so that in the end most of them are longer than what was asked for.
    for _ in 0..20 {
        let asked_at = world.now;
        world.fails(asking, busy(20));
        loop {
            match world.supervisor.poll_action() {
                Some(Action::Dial { attempt, endpoint }) if endpoint == other => world.end(attempt, Aftermath::Retry),
                Some(Action::Dial { attempt, .. }) => break world.end(attempt, busy(0)),
                _ => drop(world.wait()),
            }
        }
        let waited = world.now - asked_at;
        assert!((Duration::from_secs(20)..=Duration::from_secs(22)).contains(&waited), "{waited:?}");
        world.supervisor.renewed(world.now, "g", asking);
    }
}

#[test]
fn an_endpoint_that_is_alone_and_busy_waits_for_its_time_only() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    for _ in 0..10 {
        world.fails(endpoint, busy(20));
        let pause = world.wait();
        assert!((Duration::from_secs(20)..=Duration::from_secs(22)).contains(&pause), "{pause:?}");
    }
}

#[test]
fn retry_after_zero_does_not_make_us_hammer() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    let start = world.now;
    for _ in 0..20 {
        world.fails(endpoint, busy(0));
        world.nothing();
        world.wait();
    }
    assert!(world.now - start > Duration::from_secs(120));
}

#[test]
fn a_session_closed_with_try_again_later_lets_the_others_go_first() {
    let mut world = World::new();
    let (asking, other) = (world.add("a", "g", 1), world.add("b", "g", 2));
    for _ in 0..20 {
        let attempt = world.connects(asking);
        world.end(attempt, Aftermath::Busy { after: None });
        world.nothing();
        world.wait();
        let attempt = world.connects(other);
        world.now += PERIOD;
        world.end(attempt, Aftermath::Retry);
        world.wait();
    }
}

#[test]
fn after_a_session_the_best_goes_first_even_where_another_s_time_to_be_left_alone_is_over_before() {
    let mut world = World::new();
    let (best, asking, third) = (world.add("a", "g", 1), world.add("b", "g", 2), world.add("c", "g", 3));
    for _ in 0..40 {
        world.fails(best, Aftermath::Retry);
        world.fails(asking, busy(20));
        let attempt = world.connects(third);
        world.now += Duration::from_secs(20);
        world.end(attempt, Aftermath::Retry);
        world.nothing();
        assert!(world.wait() <= Duration::from_secs(1));
        let attempt = world.dials(best);
        world.supervisor.reconnect(world.now, "g");
        world.told_to_end(attempt);
        world.end(attempt, Aftermath::Retry);
    }
}

#[test]
fn an_endpoint_added_or_activated_during_a_pause_is_dialled_at_once() {
    let mut world = World::new();
    let first = world.add("a", "g", 1);
    let sleeping = world.add_as("s", "g", 0, false);
    world.fails(first, Aftermath::Retry);
    world.nothing();
    let new = world.add("b", "g", 5);
    world.fails(new, Aftermath::Retry);
    world.nothing();
    world.supervisor.set_active(world.now, "g", sleeping, true);
    world.dials(sleeping);
}

#[test]
fn a_deactivated_endpoint_is_not_dialled_and_its_session_ends() {
    let mut world = World::new();
    let (best, second) = (world.add("a", "g", 1), world.add("b", "g", 2));
    let attempt = world.connects(best);
    world.supervisor.set_active(world.now, "g", best, false);
    world.told_to_end(attempt);
    assert_eq!(world.state("g", best), ConnectionState::Closing);
    world.end(attempt, Aftermath::Retry);
    world.fails(second, Aftermath::Retry);
    world.wait();
    let attempt = world.dials(second);
    world.supervisor.set_active(world.now, "g", second, false);
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Retry);
    world.nothing();
    assert_eq!(world.supervisor.next_timeout(), None, "nobody is left to wait for");
    world.supervisor.set_active(world.now, "g", second, true);
    world.dials(second);
}

#[test]
fn activating_what_is_active_changes_nothing() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    world.fails(endpoint, Aftermath::Refused);
    world.supervisor.set_active(world.now, "g", endpoint, true);
    world.nothing();
    assert_eq!(world.state("g", endpoint), ConnectionState::Refused);
}

#[test]
fn an_activated_endpoint_waits_while_its_group_is_connected() {
    let mut world = World::new();
    let (sleeping, second) = (world.add_as("a", "g", 1, false), world.add("b", "g", 2));
    let attempt = world.connects(second);
    world.supervisor.set_active(world.now, "g", sleeping, true);
    world.nothing();
    world.end(attempt, Aftermath::Retry);
    world.wait();
    world.dials(sleeping);
}

#[test]
fn a_new_priority_counts_from_the_next_selection_on() {
    let mut world = World::new();
    let (a, b) = (world.add("a", "g", 1), world.add("b", "g", 2));
    let attempt = world.connects(a);
    world.supervisor.set_priority(world.now, "g", b, 0);
    world.supervisor.set_priority(world.now, "g", a, 9);
    world.nothing();
    assert_eq!(world.state("g", a), ConnectionState::Connected);
    world.end(attempt, Aftermath::Retry);
    world.wait();
    world.fails(b, Aftermath::Retry);
    world.dials(a);
}

#[test]
fn a_new_token_makes_a_refusal_forgotten_and_the_endpoint_be_tried_at_once() {
    let mut world = World::new();
    let (a, b) = (world.add("a", "g", 1), world.add("b", "g", 2));
    world.fails(a, Aftermath::Refused);
    world.fails(b, busy(600));
    world.nothing();
    world.supervisor.renewed(world.now, "g", b);
    world.fails(b, busy(600));
    world.nothing();
    world.supervisor.renewed(world.now, "g", a);
    let attempt = world.dials(a);
    // The old token's refusal may still be on its way when the newest one comes.
    world.supervisor.renewed(world.now, "g", a);
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Refused);
    world.dials(a);
}

#[test]
fn a_new_token_ends_the_session_that_has_the_old_one() {
    let mut world = World::new();
    let (best, second) = (world.add("a", "g", 1), world.add("b", "g", 2));
    world.fails(best, Aftermath::Retry);
    let attempt = world.connects(second);
    world.supervisor.renewed(world.now, "g", best);
    world.nothing();
    world.supervisor.renewed(world.now, "g", second);
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Retry);
    world.dials(best);
}

#[test]
fn reconnect_now_forgets_everything_and_starts_from_the_best() {
    let mut world = World::new();
    let (a, b, c) = (world.add("a", "g", 1), world.add("b", "g", 2), world.add("c", "g", 3));
    world.fails(a, Aftermath::Refused);
    world.fails(b, busy(600));
    let attempt = world.connects(c);
    assert!(world.supervisor.reconnect(world.now, "g"));
    assert_eq!(world.state("g", a), ConnectionState::Disconnected);
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Retry);
    for endpoint in [a, b, c] {
        world.fails(endpoint, Aftermath::Retry);
    }
    world.nothing();
    assert!(world.supervisor.reconnect(world.now, "g"));
    let attempt = world.dials(a);
    assert!(world.supervisor.reconnect(world.now, "g"), "an attempt that hangs is begun anew, too");
    world.told_to_end(attempt);
    world.end(attempt, Aftermath::Retry);
    world.dials(a);
    assert!(!world.supervisor.reconnect(world.now, "unknown"));
}

#[test]
fn reconnect_now_begins_a_whole_round() {
    let mut world = World::new();
    let (a, b) = (world.add("a", "g", 1), world.add("b", "g", 2));
    for endpoint in [a, b] {
        world.fails(endpoint, Aftermath::Retry);
    }
    let next_round = world.supervisor.next_timeout().unwrap();
    world.supervisor.reconnect(world.now, "g");
    world.fails(a, Aftermath::Retry);
    let attempt = world.dials(b);
    world.now = next_round;
    world.end(attempt, Aftermath::Retry);
    world.nothing();
}

#[test]
fn reconnect_now_does_not_start_what_is_stopped() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    world.fails(endpoint, Aftermath::Refused);
    world.supervisor.set_group_running(world.now, "g", false);
    assert!(world.supervisor.reconnect(world.now, "g"));
    world.nothing();
    world.supervisor.set_group_running(world.now, "g", true);
    world.dials(endpoint);
}

#[test]
fn one_that_fails_when_the_next_round_is_due_is_not_dialled_again_at_once() {
    let mut world = World::new();
    let (a, b) = (world.add("a", "g", 1), world.add("b", "g", 2));
    world.fails(a, busy(1));
    world.fails(b, Aftermath::Retry);
    let round = world.connection("g", b).next_attempt.unwrap();
    world.supervisor.renewed(world.now, "g", a);
    let attempt = world.dials(a);
    world.now = round;
    world.end(attempt, Aftermath::Retry);
    world.fails(b, Aftermath::Retry);
    world.nothing();
}

#[test]
fn nothing_new_is_dialled_before_what_was_told_to_end_has_ended() {
    let mut world = World::new();
    let first = world.add("a", "g", 1);
    let attempt = world.connects(first);
    let second = world.add("b", "g", 2);
    world.supervisor.remove(world.now, "g", first);
    world.told_to_end(attempt);
    world.supervisor.reconnect(world.now, "g");
    world.nothing();
    world.end(attempt, Aftermath::Retry);
    world.dials(second);
}

#[test]
fn stop_ends_everything_and_start_begins_again() {
    let mut world = World::new();
    let endpoint = world.add("a", "g", 1);
    let attempt = world.dials(endpoint);
    world.supervisor.set_running(world.now, false);
    world.told_to_end(attempt);
    world.supervisor.set_running(world.now, false);
    world.nothing();
    assert!(!world.supervisor.is_quiet());
    assert_eq!(world.supervisor.ended(world.now, attempt, Aftermath::Retry), None);
    assert!(world.supervisor.is_quiet() && world.supervisor.next_timeout().is_none());
    world.supervisor.set_running(world.now, true);
    world.fails(endpoint, busy(30));
    world.supervisor.set_running(world.now, false);
    assert_eq!(world.supervisor.next_timeout(), None, "no timer for a group that is stopped");
    assert_eq!(world.connection("g", endpoint).next_attempt, None);
    world.supervisor.set_running(world.now, true);
    world.nothing();
    assert!(world.supervisor.next_timeout().is_some(), "what was asked for outlives a stop");
}

#[test]
fn a_list_shows_where_each_connection_stands() {
    let mut world = World::new();
    let start = world.now;
    let (a, b) = (world.add("a", "g", 1), world.add("b", "g", 2));
    let fresh =
        Connection { state: ConnectionState::Disconnected, since: start, next_attempt: None, attempts: 0, sessions: 0 };
    assert_eq!(world.connection("g", b), fresh);
    world.now += Duration::from_secs(1);
    world.fails(a, Aftermath::Refused);
    let refused =
        Connection { state: ConnectionState::Refused, since: world.now, next_attempt: None, attempts: 1, sessions: 0 };
    assert_eq!(world.connection("g", a), refused);
    world.fails(b, Aftermath::Retry);
    let plans = [a, b].map(|endpoint| world.connection("g", endpoint).next_attempt.unwrap() - world.now);
    assert!((PERIOD..=PERIOD * 5 / 4).contains(&plans[0]) && plans[1] <= Duration::from_secs(1), "{plans:?}");
    world.wait();
    world.connects(b);
    let connected = Connection {
        state: ConnectionState::Connected,
        since: world.now,
        next_attempt: None,
        attempts: 2,
        sessions: 1,
    };
    assert_eq!(world.connection("g", b), connected);
    assert_eq!(world.connection("g", a), refused, "it is not planned to be dialled, but what it said stands");
    world.supervisor.remove(world.now, "g", a);
    assert_eq!(world.supervisor.connection("g", a), None);
    assert_eq!(world.supervisor.connection("unknown", a), None);
}

#[test]
fn a_group_that_comes_again_is_started_even_while_its_last_session_still_ends() {
    let mut world = World::new();
    let first = world.add("a", "g", 1);
    let attempt = world.connects(first);
    assert!(world.supervisor.set_group_running(world.now, "g", false));
    world.told_to_end(attempt);
    world.supervisor.remove(world.now, "g", first);
    let second = world.add("b", "g", 1);
    world.nothing();
    world.end(attempt, Aftermath::Retry);
    world.dials(second);
}
