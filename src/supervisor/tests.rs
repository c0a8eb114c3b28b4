//! The connection rules, one story each.

use std::time::{Duration, Instant};

use super::{Action, AttemptId, ConnectionState, Ended, Supervisor};
use crate::endpoint::{Details, EndpointId, Registry};
use crate::secret::Secret;
use crate::settings::Settings;

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
        let details = Details::new(host_name, "wss://h/", group_id, priority, Secret::new("t".into())).unwrap();
        let endpoint = self.registry.add(vec![details]).unwrap().remove(0);
        self.supervisor.add(self.now, &endpoint.details.group_id, endpoint.id, priority);
        endpoint.id
    }

    fn dialled(&mut self) -> (AttemptId, EndpointId) {
        match self.supervisor.poll_action() {
            Some(Action::Dial { attempt, endpoint }) => (attempt, endpoint),
            other => panic!("expected a dial, got {other:?}"),
        }
    }

    fn nothing(&mut self) {
        assert_eq!(self.supervisor.poll_action(), None);
    }

    /// Lets the pause pass.
    fn wait(&mut self) -> Duration {
        let until = self.supervisor.next_timeout().expect("a pause");
        let pause = until - self.now;
        self.now = until;
        self.supervisor.timeout(self.now);
        pause
    }
}

#[test]
fn endpoints_are_tried_by_priority_whatever_the_order_they_came_in() {
    let mut world = World::new();
    world.supervisor.set_running(world.now, false);
    let (c, a, b) = (world.add("c", "g", 3), world.add("a", "g", 1), world.add("b", "g", 2));
    world.supervisor.set_running(world.now, true);
    for expected in [a, b, c] {
        let (attempt, endpoint) = world.dialled();
        assert_eq!(endpoint, expected);
        world.supervisor.ended(world.now, attempt, Ended::Failed);
    }
    world.nothing();
    world.wait();
    assert_eq!(world.dialled().1, a, "the next round starts from the best");
}

#[test]
fn a_group_has_one_connection_and_no_fail_back_until_it_ends() {
    let mut world = World::new();
    let second = world.add("b", "g", 2);
    let (attempt, _) = world.dialled();
    world.supervisor.established(world.now, attempt);
    let best = world.add("a", "g", 1);
    world.nothing();
    assert_eq!(world.supervisor.state("g", second), ConnectionState::Connected);
    world.supervisor.ended(world.now, attempt, Ended::Failed);
    world.wait();
    assert_eq!(world.dialled().1, best);
}

#[test]
fn groups_do_not_wait_for_each_other() {
    let mut world = World::new();
    world.add("a", "g", 1);
    let other = world.add("b", "h", 1);
    world.dialled();
    assert_eq!(world.dialled().1, other);
    assert!(world.supervisor.set_group_running(world.now, "g", false));
    assert!(matches!(world.supervisor.poll_action(), Some(Action::End { .. })));
    assert_eq!(world.supervisor.state("h", other), ConnectionState::Connecting);
    assert!(!world.supervisor.set_group_running(world.now, "unknown", false));
}

#[test]
fn pauses_grow_until_a_session_has_proved_itself() {
    let mut world = World::new();
    world.add("a", "g", 1);
    let longest = |world: &mut World, lived: Duration| {
        let mut longest = Duration::ZERO;
        for _ in 0..40 {
            let (attempt, _) = world.dialled();
            world.supervisor.established(world.now, attempt);
            world.now += lived;
            world.supervisor.ended(world.now, attempt, Ended::Failed);
            longest = longest.max(world.wait());
        }
        longest
    };
    assert!(longest(&mut world, Duration::from_secs(1)) > Duration::from_secs(20));
    assert!(longest(&mut world, Duration::from_secs(30)) <= Duration::from_secs(1));
}

#[test]
fn an_endpoint_that_refuses_the_token_is_left_alone_for_the_period() {
    let mut world = World::new();
    let (refusing, other) = (world.add("a", "g", 1), world.add("b", "g", 2));
    let (attempt, endpoint) = world.dialled();
    assert_eq!(endpoint, refusing);
    let refused_at = world.now;
    world.supervisor.ended(world.now, attempt, Ended::Rejected);
    loop {
        let (attempt, endpoint) = world.dialled();
        if endpoint == refusing {
            break;
        }
        assert_eq!(endpoint, other);
        world.supervisor.ended(world.now, attempt, Ended::Failed);
        if world.supervisor.next_timeout().is_some() {
            world.wait();
        }
    }
    assert!(world.now - refused_at >= Settings::default().backoff_cap);
}

#[test]
fn an_endpoint_added_during_a_pause_is_dialled_at_once() {
    let mut world = World::new();
    world.add("a", "g", 1);
    let (attempt, _) = world.dialled();
    world.supervisor.ended(world.now, attempt, Ended::Failed);
    world.nothing();
    let new = world.add("b", "g", 5);
    assert_eq!(world.dialled().1, new);
}

#[test]
fn nothing_new_is_dialled_before_what_was_told_to_end_has_ended() {
    let mut world = World::new();
    let first = world.add("a", "g", 1);
    let (attempt, _) = world.dialled();
    world.supervisor.established(world.now, attempt);
    let second = world.add("b", "g", 2);
    world.supervisor.remove(world.now, "g", first);
    assert_eq!(world.supervisor.poll_action(), Some(Action::End { attempt }));
    world.nothing();
    world.supervisor.ended(world.now, attempt, Ended::Failed);
    assert_eq!(world.dialled().1, second);
}

#[test]
fn stop_ends_everything_and_start_begins_again() {
    let mut world = World::new();
    world.add("a", "g", 1);
    let (attempt, _) = world.dialled();
    world.supervisor.set_running(world.now, false);
    assert_eq!(world.supervisor.poll_action(), Some(Action::End { attempt }));
    world.supervisor.set_running(world.now, false);
    world.nothing();
    assert!(!world.supervisor.is_quiet());
    assert_eq!(world.supervisor.ended(world.now, attempt, Ended::Failed), None);
    assert!(world.supervisor.is_quiet() && world.supervisor.next_timeout().is_none());
    world.supervisor.set_running(world.now, true);
    world.dialled();
}
