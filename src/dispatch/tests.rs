//! Rules of dispatch, one story each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Dispatch, Expired, SessionId, Verdict};
use crate::protocol::{BadCommand, CommandRequest, Response};
use crate::settings::Settings;
use crate::time::Now;

struct World {
    dispatch: Dispatch,
    group: Arc<str>,
    start: Instant,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> (World, SessionId) {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut dispatch = Dispatch::new(&settings);
        let group: Arc<str> = Arc::from("g");
        let session = dispatch.open(&group);
        (World { dispatch, group, start: Instant::now() }, session)
    }

    fn at(&self, milliseconds: u64) -> Now {
        Now { instant: self.start + Duration::from_millis(milliseconds), epoch_seconds: 0 }
    }

    fn ask(&mut self, milliseconds: u64, session: SessionId, id: &str) -> Verdict {
        let request = CommandRequest { uri: "/".into(), method: "GET".into(), headers: vec![], body: None };
        self.dispatch.request(self.at(milliseconds), session, id, &Ok(request))
    }

    /// Ids and statuses of the answers that are waiting.
    fn answers(&mut self, session: SessionId) -> Vec<(String, u64)> {
        std::iter::from_fn(|| self.dispatch.poll_transmit(session))
            .map(|text| {
                let message: Value = serde_json::from_str(&text).unwrap();
                let status = message["payload"]["statusCode"].as_u64().unwrap();
                (message["id"].as_str().unwrap().to_owned(), status)
            })
            .collect()
    }
}

fn ok() -> Response {
    Response::new(200, vec![], None).unwrap()
}

fn expected(answers: &[(&str, u64)]) -> Vec<(String, u64)> {
    answers.iter().map(|(id, status)| ((*id).to_owned(), *status)).collect()
}

#[test]
fn the_host_is_called_once_and_a_repeat_gets_the_remembered_answer() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call(call) = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.ask(1, session, "1"), Verdict::Handled, "a repeat while it runs");
    assert_eq!(world.dispatch.respond(world.at(2), call, &ok()), Ok(Some(session)));
    assert_eq!(world.dispatch.respond(world.at(2), call, &ok()), Err(Expired));
    assert_eq!(world.answers(session), expected(&[("1", 200)]));
    assert_eq!(world.ask(3, session, "1"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 200)]));
}

#[test]
fn a_repeat_on_the_next_session_gets_the_answer_there() {
    let (mut world, first) = World::new(|_| ());
    let Verdict::Call(running) = world.ask(0, first, "running") else { panic!() };
    let Verdict::Call(done) = world.ask(0, first, "done") else { panic!() };
    world.dispatch.close(first);
    assert_eq!(world.dispatch.respond(world.at(1), done, &ok()), Ok(None), "kept for the repeat");
    let second = world.dispatch.open(&world.group.clone());
    assert_eq!(world.ask(2, second, "done"), Verdict::Handled);
    assert_eq!(world.ask(2, second, "running"), Verdict::Handled);
    assert_eq!(world.dispatch.respond(world.at(3), running, &ok()), Ok(Some(second)));
    assert_eq!(world.answers(second), expected(&[("done", 200), ("running", 200)]));
}

#[test]
fn the_same_id_in_another_group_is_another_call() {
    let (mut world, session) = World::new(|_| ());
    let other = world.dispatch.open(&Arc::from("h"));
    assert!(matches!(world.ask(0, session, "1"), Verdict::Call(_)));
    assert!(matches!(world.ask(0, other, "1"), Verdict::Call(_)));
}

#[test]
fn after_the_deadline_the_peer_has_its_504_and_the_host_is_too_late() {
    let (mut world, session) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    let Verdict::Call(call) = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.dispatch.next_timeout(session), Some(world.at(100).instant));
    world.dispatch.timeout(world.at(99), session);
    assert_eq!(world.answers(session), []);
    world.dispatch.timeout(world.at(100), session);
    assert_eq!(world.answers(session), expected(&[("1", 504)]));
    assert_eq!(world.dispatch.respond(world.at(101), call, &ok()), Err(Expired));
    assert_eq!(world.ask(102, session, "1"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 504)]), "the answer stays what it was");
}

#[test]
fn the_deadline_holds_even_when_its_timer_is_late() {
    let (mut world, session) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    let Verdict::Call(call) = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.dispatch.respond(world.at(100), call, &ok()), Err(Expired));
    world.dispatch.release(call);
    world.dispatch.timeout(world.at(200), session);
    assert_eq!(world.answers(session), expected(&[("1", 504)]));
}

#[test]
fn too_many_get_503_until_the_host_lets_go_of_one() {
    let (mut world, session) = World::new(|s| s.dispatch_max_outstanding = 1);
    let Verdict::Call(call) = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.ask(1, session, "2"), Verdict::Handled);
    world.dispatch.respond(world.at(2), call, &ok()).unwrap();
    assert_eq!(world.ask(3, session, "3"), Verdict::Handled, "answered but still in the host's hands");
    assert_eq!(world.answers(session), expected(&[("2", 503), ("1", 200), ("3", 503)]));
    world.dispatch.release(call);
    assert!(matches!(world.ask(4, session, "2"), Verdict::Call(_)), "a 503 is not remembered");
}

#[test]
fn an_unusable_command_gets_400_and_the_host_is_not_called() {
    let (mut world, session) = World::new(|_| ());
    let verdict = world.dispatch.request(world.at(0), session, "1", &Err(BadCommand::Uri));
    assert_eq!((verdict, world.answers(session)), (Verdict::Handled, expected(&[("1", 400)])));
}

#[test]
fn the_window_is_bounded_by_count_bytes_and_age() {
    let answered = |world: &mut World, session, id: &str, at| {
        let Verdict::Call(call) = world.ask(at, session, id) else { panic!("{id} was remembered") };
        world.dispatch.respond(world.at(at), call, &ok()).unwrap();
        world.dispatch.release(call);
    };
    let (mut world, session) = World::new(|s| s.remembered_count = 2);
    for id in ["1", "2", "3"] {
        answered(&mut world, session, id, 0);
    }
    assert_eq!(world.ask(0, session, "3"), Verdict::Handled);
    answered(&mut world, session, "1", 0);
    let (mut world, session) = World::new(|s| s.remembered_bytes = 10);
    answered(&mut world, session, "1", 0);
    answered(&mut world, session, "1", 0);
    let (mut world, session) = World::new(|s| s.remembered_time = Duration::from_secs(1));
    answered(&mut world, session, "1", 0);
    assert_eq!(world.ask(999, session, "1"), Verdict::Handled);
    answered(&mut world, session, "1", 1000);
}

#[test]
fn reading_stops_while_a_peer_leaves_its_answers_lying() {
    let (mut world, session) = World::new(|s| s.dispatch_max_outstanding = 3);
    for id in 0..3 {
        assert!(world.dispatch.may_read(session));
        let _ = world.dispatch.request(world.at(0), session, &id.to_string(), &Err(BadCommand::Uri));
    }
    assert!(!world.dispatch.may_read(session));
    world.answers(session);
    assert!(world.dispatch.may_read(session));
}

#[test]
fn shutting_down_answers_what_runs_and_takes_nothing_more() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call(call) = world.ask(0, session, "1") else { panic!() };
    world.dispatch.shut_down(world.at(1));
    assert_eq!(world.ask(2, session, "2"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 503), ("2", 503)]));
    assert_eq!(world.dispatch.respond(world.at(3), call, &ok()), Err(Expired));
}
