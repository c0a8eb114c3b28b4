//! Rules of dispatch, one story each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, AuditRecord, CallId, Dispatch, Expired, Logged, Notice, Policy, SessionId, Step, Verdict, Wanted};
use crate::protocol::{BadCommand, CommandRequest, Response, ResponseFormat};
use crate::settings::Settings;
use crate::time::Now;

struct World {
    dispatch: Dispatch,
    group: Arc<str>,
    start: Instant,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> (World, SessionId) {
        World::telling(Wanted { audit: true, log: Logged::Nothing, cancel: true }, change)
    }

    fn telling(wanted: Wanted, change: impl FnOnce(&mut Settings)) -> (World, SessionId) {
        let mut settings = Settings::default();
        settings.set("dispatch.policy", "allow GET,POST /**").unwrap();
        change(&mut settings);
        let mut dispatch = Dispatch::new(&settings, wanted);
        let group: Arc<str> = Arc::from("g");
        let start = Instant::now();
        let session = dispatch.open(Now { instant: start, epoch_seconds: 7 }, "host", &group);
        (World { dispatch, group, start }, session)
    }

    fn at(&self, milliseconds: u64) -> Now {
        Now { instant: self.start + Duration::from_millis(milliseconds), epoch_seconds: 0 }
    }

    fn ask(&mut self, milliseconds: u64, session: SessionId, id: &str) -> Verdict {
        self.ask_for(milliseconds, session, id, "GET", "/a?secret", None)
    }

    fn ask_for(
        &mut self,
        milliseconds: u64,
        session: SessionId,
        id: &str,
        method: &str,
        uri: &str,
        body: Option<&str>,
    ) -> Verdict {
        let request =
            CommandRequest { uri: uri.into(), method: method.into(), headers: vec![], body: body.map(Into::into) };
        self.dispatch.request(self.at(milliseconds), session, id, &Ok(request))
    }

    fn respond(&mut self, milliseconds: u64, id: &str, call: CallId) -> Result<Option<SessionId>, Expired> {
        self.respond_with(milliseconds, id, call, 200, None)
    }

    fn respond_with(
        &mut self,
        milliseconds: u64,
        id: &str,
        call: CallId,
        status_code: i64,
        body: Option<Vec<u8>>,
    ) -> Result<Option<SessionId>, Expired> {
        let now = self.at(milliseconds);
        let response = Response::new(status_code, vec![], body).unwrap();
        self.dispatch.respond(now, call, Answer::new(now, id, &response, &ResponseFormat::default()))
    }

    fn release(&mut self, milliseconds: u64, call: CallId) -> Option<SessionId> {
        let now = self.at(milliseconds);
        self.dispatch.release(|| now, call)
    }

    /// What the audit was told, in short.
    fn audit(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.dispatch.poll_notice())
            .map(|notice| match notice {
                Notice::Audit(AuditRecord { id, method, path, step, host_name, group_id, .. }) => {
                    assert_eq!((&*host_name, &*group_id), ("host", "g"));
                    match step {
                        Step::Arrived { decision, request_bytes } => {
                            format!("{id} {method} {path} {decision:?} {request_bytes}")
                        }
                        Step::Ended { status_code, response_bytes, duration } => {
                            format!("{id} {method} {path} {status_code} {response_bytes} {}", duration.as_millis())
                        }
                    }
                }
                Notice::Cancelled(tag) => format!("cancelled {tag}"),
            })
            .collect()
    }

    fn ask_with(&mut self, session: SessionId, id: &str, name: &str, body_bytes: usize) -> Verdict {
        let headers = vec![(name.into(), "x".into())];
        let body = Some("x".repeat(body_bytes).into());
        let request = CommandRequest { uri: "/a".into(), method: "POST".into(), headers, body };
        self.dispatch.request(self.at(0), session, id, &Ok(request))
    }

    /// Ids and statuses of the answers that are waiting.
    fn answers(&mut self, session: SessionId) -> Vec<(String, u64)> {
        self.texts(session)
            .iter()
            .map(|text| {
                let message: Value = serde_json::from_str(text).unwrap();
                let status = message["payload"]["statusCode"].as_u64().unwrap();
                (message["id"].as_str().unwrap().to_owned(), status)
            })
            .collect()
    }

    fn texts(&mut self, session: SessionId) -> Vec<String> {
        let mut answers = self.dispatch.take_answers(session);
        let mut texts = Vec::new();
        while let Some(next) = answers.pop() {
            texts.push(next.to_owned());
        }
        texts
    }
}

fn expected(answers: &[(&str, u64)]) -> Vec<(String, u64)> {
    answers.iter().map(|(id, status)| ((*id).to_owned(), *status)).collect()
}

#[test]
fn the_host_is_called_once_and_a_repeat_gets_the_remembered_answer() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.ask(1, session, "1"), Verdict::Handled, "a repeat while it runs");
    assert_eq!(world.respond(2, "1", call), Ok(Some(session)));
    assert_eq!(world.respond(2, "1", call), Err(Expired));
    assert_eq!(world.answers(session), expected(&[("1", 200)]));
    assert_eq!(world.ask(3, session, "1"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 200)]));
}

#[test]
fn a_repeat_on_the_next_session_gets_the_answer_there() {
    let (mut world, first) = World::new(|_| ());
    let Verdict::Call { call: running, .. } = world.ask(0, first, "running") else { panic!() };
    let Verdict::Call { call: done, .. } = world.ask(0, first, "done") else { panic!() };
    world.dispatch.close(first);
    assert_eq!(world.respond(1, "done", done), Ok(None), "kept for the repeat");
    let second = world.dispatch.open(world.at(2), "host", &world.group.clone());
    assert_eq!(world.ask(2, second, "done"), Verdict::Handled);
    assert_eq!(world.ask(2, second, "running"), Verdict::Handled);
    assert_eq!(world.respond(3, "running", running), Ok(Some(second)));
    assert_eq!(world.answers(second), expected(&[("done", 200), ("running", 200)]));
}

#[test]
fn the_same_id_in_another_group_is_another_call() {
    let (mut world, session) = World::new(|_| ());
    let other = world.dispatch.open(world.at(0), "host", &Arc::from("h"));
    assert!(matches!(world.ask(0, session, "1"), Verdict::Call { .. }));
    assert!(matches!(world.ask(0, other, "1"), Verdict::Call { .. }));
}

#[test]
fn after_the_deadline_the_peer_has_its_504_and_the_host_is_too_late() {
    let (mut world, session) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.dispatch.next_timeout(session), Some(world.at(100).instant));
    world.dispatch.timeout(world.at(99), session);
    assert_eq!(world.answers(session), []);
    world.dispatch.timeout(world.at(100), session);
    assert_eq!(world.answers(session), expected(&[("1", 504)]));
    assert_eq!(world.respond(101, "1", call), Err(Expired));
    assert_eq!(world.ask(102, session, "1"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 504)]), "the answer stays what it was");
}

#[test]
fn the_deadline_holds_even_when_its_timer_is_late() {
    let (mut world, session) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.respond(100, "1", call), Err(Expired));
    world.release(100, call);
    world.dispatch.timeout(world.at(200), session);
    assert_eq!(world.answers(session), expected(&[("1", 504)]));
    let counts = world.dispatch.counts();
    assert_eq!((counts.allowed, counts.expired, counts.late, counts.missing), (1, 1, 1, 0));
}

#[test]
fn a_repeat_on_the_next_session_keeps_its_deadline_though_a_later_call_came_before_it() {
    let (mut world, first) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    world.ask(0, first, "old");
    world.dispatch.close(first);
    let second = world.dispatch.open(world.at(50), "host", &world.group.clone());
    world.ask(50, second, "new");
    world.ask(60, second, "old");
    assert_eq!(world.dispatch.next_timeout(second), Some(world.at(100).instant));
    world.dispatch.timeout(world.at(100), second);
    assert_eq!(world.answers(second), expected(&[("old", 504)]));
}

#[test]
fn nothing_is_kept_of_an_answered_call_but_what_is_remembered() {
    let (mut world, session) = World::new(|s| s.remembered_count = 0);
    assert!(matches!(world.ask(0, session, "slow"), Verdict::Call { .. }));
    for n in 1..100 {
        let Verdict::Call { call, .. } = world.ask(n, session, "quick") else { panic!() };
        world.respond(n, "quick", call).unwrap();
        world.answers(session);
    }
    let calls = &world.dispatch.sessions[&session];
    assert_eq!((calls.deadlines.len(), world.dispatch.held.len(), world.dispatch.running.len()), (1, 1, 1));
}

#[test]
fn a_request_that_the_host_lets_go_of_is_answered_with_500() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.release(1, call), Some(session));
    assert_eq!(world.release(1, call), None);
    assert_eq!(world.answers(session), expected(&[("1", 500)]));
    assert_eq!(world.dispatch.counts().missing, 1);
}

#[test]
fn too_many_get_503_until_the_host_lets_go_of_one() {
    let (mut world, session) =
        World::new(|s| (s.dispatch_max_outstanding, s.dispatch_timeout) = (1, Duration::from_millis(9)));
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    assert_eq!(world.ask(1, session, "2"), Verdict::Handled);
    world.dispatch.timeout(world.at(9), session);
    assert_eq!(world.ask(10, session, "3"), Verdict::Handled, "answered but still in the host's hands");
    assert_eq!(world.answers(session), expected(&[("2", 503), ("1", 504), ("3", 503)]));
    world.release(10, call);
    let Verdict::Call { call, .. } = world.ask(11, session, "2") else { panic!("a 503 is remembered") };
    world.respond(12, "2", call).unwrap();
    assert!(matches!(world.ask(13, session, "4"), Verdict::Call { .. }), "an answer lets go");
}

#[test]
fn an_unusable_command_gets_400_and_the_host_is_not_called() {
    let (mut world, session) = World::new(|_| ());
    let verdict = world.dispatch.request(world.at(0), session, "1", &Err(BadCommand::Shape));
    assert_eq!((verdict, world.answers(session)), (Verdict::Handled, expected(&[("1", 400)])));
}

#[test]
fn the_window_is_bounded_by_count_and_age() {
    let answered = |world: &mut World, session, id: &str, at| {
        let Verdict::Call { call, .. } = world.ask(at, session, id) else { panic!("{id} was remembered") };
        world.respond(at, id, call).unwrap();
        world.release(0, call);
    };
    let (mut world, session) = World::new(|s| s.remembered_count = 2);
    for id in ["1", "2", "3"] {
        answered(&mut world, session, id, 0);
    }
    assert_eq!(world.ask(0, session, "3"), Verdict::Handled);
    answered(&mut world, session, "1", 0);
    let (mut world, session) = World::new(|s| s.remembered_time = Duration::from_secs(1));
    answered(&mut world, session, "1", 0);
    assert_eq!(world.ask(999, session, "1"), Verdict::Handled);
    answered(&mut world, session, "1", 1000);
}

#[test]
fn an_answer_without_room_goes_but_its_id_stays_and_the_host_is_not_called_again() {
    let answered = |world: &mut World, session, id: &str, body_bytes| {
        let Verdict::Call { call, .. } = world.ask(0, session, id) else { panic!("{id} was remembered") };
        world.respond_with(0, id, call, 200, Some(vec![b'x'; body_bytes])).unwrap();
        world.release(0, call);
        assert_eq!(world.answers(session), expected(&[(id, 200)]));
    };
    let (mut world, session) = World::new(|s| (s.remembered_bytes, s.remembered_count) = (2000, 4));
    answered(&mut world, session, "large", 2000);
    answered(&mut world, session, "1", 700);
    for (id, status) in [("large", 409), ("1", 200)] {
        assert_eq!(world.ask(1, session, id), Verdict::Handled);
        assert_eq!(world.answers(session), expected(&[(id, status)]));
    }
    answered(&mut world, session, "2", 700);
    answered(&mut world, session, "3", 700);
    for (id, status) in [("large", 409), ("1", 409), ("2", 200), ("3", 200)] {
        assert_eq!(world.ask(1, session, id), Verdict::Handled);
        assert_eq!(world.answers(session), expected(&[(id, status)]));
    }
    answered(&mut world, session, "4", 0);
    answered(&mut world, session, "large", 2000);
    assert_eq!(world.ask(1, session, "2"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("2", 200)]), "there was room after all");
    world.audit();
    world.ask(2, session, "large");
    let told = world.texts(session).remove(0);
    assert!(told.contains("dispatch.rememberedBytes"), "{told}");
    assert_eq!(world.audit(), ["large GET /a Repeated 0"]);
}

#[test]
fn the_memory_of_remembered_answers_goes_when_their_time_is_over() {
    let (mut world, session) = World::new(|s| s.remembered_time = Duration::from_secs(1));
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    world.respond(0, "1", call).unwrap();
    for (at, is_kept) in [(999, true), (1000, false)] {
        world.dispatch.timeout(world.at(at), session);
        assert_eq!(world.dispatch.remembered.copied_bytes() > 0, is_kept);
    }
}

#[test]
fn two_commands_with_one_hash_would_be_told_apart_and_the_later_one_turned_away() {
    let (mut world, session) = World::new(|_| ());
    let other = world.dispatch.open(world.at(0), "host", &Arc::from("h"));
    let calls = [(session, "1"), (session, "2"), (other, "1")].map(|(session, id)| match world.ask(0, session, id) {
        Verdict::Call { call, .. } => call,
        Verdict::Handled => panic!(),
    });
    let mut keys = calls.map(|call| world.dispatch.held[&call].call.as_ref().unwrap().key);
    keys.sort_by_key(|key| key.fingerprint);
    assert!(keys.windows(2).all(|two| two[0].fingerprint != two[1].fingerprint && two[0].hash != two[1].hash));
    // As if another id had the hash of this one.
    world.dispatch.held.get_mut(&calls[0]).unwrap().call.as_mut().unwrap().key.fingerprint ^= 1;
    assert_eq!(world.ask(1, session, "1"), Verdict::Handled);
    world.respond(2, "1", calls[0]).unwrap();
    assert_eq!(world.ask(3, session, "1"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 409), ("1", 200), ("1", 409)]));
}

#[test]
fn reading_stops_while_a_peer_leaves_its_answers_lying() {
    let (mut world, session) = World::new(|s| s.dispatch_max_outstanding = 3);
    for id in 0..3 {
        assert!(world.dispatch.may_read(session));
        let _ = world.dispatch.request(world.at(0), session, &id.to_string(), &Err(BadCommand::Shape));
    }
    assert!(!world.dispatch.may_read(session));
    world.answers(session);
    assert!(world.dispatch.may_read(session));
}

#[test]
fn shutting_down_answers_what_runs_and_takes_nothing_more() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    world.dispatch.shut_down(world.at(1));
    assert_eq!(world.ask(2, session, "2"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 503), ("2", 503)]));
    assert_eq!(world.respond(3, "1", call), Err(Expired));
}

#[test]
fn what_the_policy_does_not_allow_never_reaches_the_host_and_a_change_counts_from_the_next_call() {
    let (mut world, session) = World::new(|s| s.set("dispatch.policy", "allow GET /a").unwrap());
    assert_eq!(world.ask_for(0, session, "1", "DELETE", "/a", None), Verdict::Handled);
    assert_eq!(world.ask_for(0, session, "2", "GET", "/b", None), Verdict::Handled);
    assert!(matches!(world.ask(0, session, "3"), Verdict::Call { .. }));
    world.dispatch.set_policy(Policy::default());
    assert_eq!(world.ask(0, session, "4"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("1", 403), ("2", 403), ("4", 403)]));
}

#[test]
fn an_id_that_comes_back_with_another_request_is_a_conflict() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    world.ask_for(1, session, "1", "POST", "/a?secret", None);
    world.ask_for(1, session, "1", "GET", "/b", None);
    world.ask_for(1, session, "1", "GET", "/a?secret", Some("{}"));
    world.respond(2, "1", call).unwrap();
    world.ask_for(3, session, "1", "GET", "/b", None);
    let answers = world.answers(session);
    assert_eq!(answers, expected(&[("1", 409), ("1", 409), ("1", 409), ("1", 200), ("1", 409)]));
}

#[test]
fn bodies_rate_and_calls_of_one_session_are_bounded() {
    let (mut world, session) = World::new(|s| (s.max_body_bytes, s.max_json_depth) = (10, 2));
    world.ask_for(0, session, "1", "POST", "/a", Some("12345678901"));
    world.ask_for(0, session, "2", "POST", "/a", Some("[[[]]]"));
    assert!(matches!(world.ask_for(0, session, "3", "POST", "/a", Some("[[]]")), Verdict::Call { .. }));
    assert_eq!(world.answers(session), expected(&[("1", 413), ("2", 400)]));

    let (mut world, session) = World::new(|s| s.dispatch_rate = 1);
    assert!(matches!(world.ask(0, session, "1"), Verdict::Call { .. }));
    world.ask(1, session, "2");
    assert!(matches!(world.ask(1000, session, "2"), Verdict::Call { .. }));
    assert_eq!(world.answers(session), expected(&[("2", 429)]));

    let (mut world, session) = World::new(|s| s.dispatch_max_per_session = 1);
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    world.ask(1, session, "2");
    let other = world.dispatch.open(world.at(1), "host", &Arc::from("h"));
    assert!(matches!(world.ask(1, other, "2"), Verdict::Call { .. }), "another session has its own");
    world.respond(2, "1", call).unwrap();
    assert!(matches!(world.ask(3, session, "2"), Verdict::Call { .. }));
    assert_eq!(world.answers(session), expected(&[("2", 503), ("1", 200)]));
}

#[test]
fn the_audit_has_each_arrival_and_each_end_and_no_query() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask_for(0, session, "1", "POST", "/a?secret", Some("{}")) else { panic!() };
    world.ask_for(1, session, "1", "POST", "/a?secret", Some("{}"));
    world.ask_for(1, session, "2", "PUT", "/a", None);
    let _ = world.dispatch.request(world.at(1), session, "3", &Err(BadCommand::Shape));
    world.respond_with(5, "1", call, 201, Some(b"12345".to_vec())).unwrap();
    let expected = [
        "1 POST /a Allowed 2",
        "1 POST /a Repeated 2",
        "2 PUT /a Refused 0",
        "2 PUT /a 403 ",
        "3   Malformed 0",
        "3   400 ",
        "1 POST /a 201 5 5",
    ];
    let audit = world.audit();
    assert_eq!(audit.len(), expected.len(), "{audit:?}");
    assert!(audit.iter().zip(expected).all(|(record, start)| record.starts_with(start)), "{audit:?}");
}

#[test]
fn reading_stops_while_the_audit_is_not_taken() {
    let (mut world, session) = World::new(|_| ());
    for id in 0..super::MAX_WAITING_NOTICES {
        assert!(world.dispatch.may_read(session));
        let _ = world.ask_for(0, session, &id.to_string(), "PUT", "/a", None);
        world.dispatch.poll_notice();
        world.answers(session);
    }
    assert!(!world.dispatch.may_read(session));
    world.audit();
    assert!(world.dispatch.may_read(session));
}

#[test]
fn the_host_is_told_of_what_is_not_wanted_any_more() {
    let (mut world, session) = World::new(|s| s.dispatch_timeout = Duration::from_millis(100));
    let calls = ["late", "gone", "unseen"].map(|id| match world.ask(0, session, id) {
        Verdict::Call { call, .. } => call,
        Verdict::Handled => panic!(),
    });
    world.dispatch.set_tag(calls[0], 11);
    assert!(world.dispatch.is_wanted(world.at(99), calls[0]));
    assert!(!world.dispatch.is_wanted(world.at(100), calls[0]));
    world.release(0, calls[1]);
    world.dispatch.timeout(world.at(100), session);
    let cancelled = |world: &mut World| {
        let audit = world.audit().into_iter();
        audit.filter(|notice| notice.starts_with("cancelled")).collect::<Vec<_>>()
    };
    assert_eq!(cancelled(&mut world), ["cancelled 11"]);
    let Verdict::Call { call, .. } = world.ask(101, session, "next") else { panic!() };
    world.dispatch.set_tag(call, 12);
    world.dispatch.close(session);
    assert!(!world.dispatch.is_wanted(world.at(102), call));
    assert_eq!(cancelled(&mut world), ["cancelled 12"]);
    assert_eq!(world.respond(999, "next", call), Err(Expired));
    assert!(cancelled(&mut world).is_empty(), "not again, when the host is here already");
}

#[test]
fn a_session_that_is_gone_before_the_request_has_a_name_is_told_as_soon_as_it_has() {
    let (mut world, session) = World::new(|_| ());
    let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
    world.dispatch.close(session);
    world.audit();
    world.dispatch.set_tag(call, 11);
    assert_eq!(world.audit(), ["cancelled 11"]);
    world.dispatch.shut_down(world.at(1));
    assert!(world.audit().iter().all(|notice| !notice.starts_with("cancelled")), "not twice");
}

#[test]
fn bytes_of_requests_in_the_hosts_hands_are_bounded_but_one_is_always_taken() {
    let (mut world, session) = World::new(|s| s.dispatch_max_held_bytes = 1000);
    let Verdict::Call { call, .. } = world.ask_with(session, "1", "h", 2000) else { panic!("the only one") };
    assert_eq!(world.ask_with(session, "2", "h", 1), Verdict::Handled);
    world.respond(1, "1", call).unwrap();
    let calls = ["3", "4"].map(|id| match world.ask_with(session, id, "h", 400) {
        Verdict::Call { call, .. } => call,
        Verdict::Handled => panic!(),
    });
    world.ask_with(session, "5", &"h".repeat(190), 1);
    world.release(2, calls[0]);
    assert!(matches!(world.ask_with(session, "5", &"h".repeat(190), 1), Verdict::Call { .. }));
    assert_eq!(world.answers(session), expected(&[("2", 503), ("1", 200), ("5", 503), ("3", 500)]));
    assert_eq!(world.dispatch.outstanding(), 2);
}

#[test]
fn bytes_of_answers_that_wait_are_bounded_and_the_answer_is_there_for_who_asks_again() {
    let (mut world, session) = World::new(|s| s.dispatch_max_waiting_bytes = 3000);
    let calls = ["1", "2", "3", "4"].map(|id| match world.ask(0, session, id) {
        Verdict::Call { call, .. } => call,
        Verdict::Handled => panic!(),
    });
    let answer = |world: &mut World, id, call, bytes| world.respond_with(1, id, call, 200, Some(vec![b'x'; bytes]));
    answer(&mut world, "1", calls[0], 9000).unwrap();
    answer(&mut world, "2", calls[1], 1).unwrap();
    assert_eq!(world.answers(session), expected(&[("1", 200), ("2", 503)]), "the only one always may wait");
    answer(&mut world, "3", calls[2], 1).unwrap();
    assert_eq!(world.answers(session), expected(&[("3", 503)]), "what was taken has not gone yet");
    assert_eq!(world.answers(session), []);
    answer(&mut world, "4", calls[3], 1500).unwrap();
    assert_eq!(world.ask(2, session, "1"), Verdict::Handled);
    assert_eq!(world.ask(2, session, "2"), Verdict::Handled);
    assert_eq!(world.answers(session), expected(&[("4", 200), ("1", 503), ("2", 200)]));
    assert_eq!(world.dispatch.counts().allowed, 4);
}

#[test]
fn a_large_answer_waits_for_the_others_and_goes_alone() {
    let (mut world, session) = World::new(|_| ());
    for (id, bytes) in [("large", 200 << 10), ("larger", 300 << 10), ("1", 1), ("2", 100 << 10)] {
        let Verdict::Call { call, .. } = world.ask(0, session, id) else { panic!() };
        world.respond_with(0, id, call, 200, Some(vec![b'x'; bytes])).unwrap();
    }
    assert_eq!(world.answers(session), expected(&[("1", 200), ("2", 200), ("large", 200)]));
    assert_eq!(world.answers(session), expected(&[("larger", 200)]));
    assert_eq!(world.answers(session), []);
}

#[test]
fn a_header_that_the_host_forbids_costs_400() {
    let (mut world, session) = World::new(|s| s.set("dispatch.forbiddenHeaders", "X-Internal-User, x-scope").unwrap());
    for (id, name) in [("1", "x-internal-user"), ("2", "X_Internal-USER"), ("3", "X-Scope")] {
        assert_eq!(world.ask_with(session, id, name, 0), Verdict::Handled);
    }
    assert!(matches!(world.ask_with(session, "4", "x-internal", 0), Verdict::Call { .. }));
    assert_eq!(world.answers(session), expected(&[("1", 400), ("2", 400), ("3", 400)]));
    assert!(Settings::default().set("dispatch.forbiddenHeaders", "x a").is_err());
}

#[test]
fn the_log_gets_what_it_asks_for_and_holds_up_nobody() {
    let wanted = |log| Wanted { audit: false, log, cancel: false };
    for (log, expected) in [
        (Logged::Nothing, &[][..]),
        (Logged::TurnedAway, &["2 PUT /a Refused 0"]),
        (Logged::Everything, &["1 GET /a Allowed 0", "2 PUT /a Refused 0", "2 PUT /a 403 ", "1 GET /a 200 "]),
    ] {
        let (mut world, session) = World::telling(wanted(log), |_| ());
        let Verdict::Call { call, .. } = world.ask(0, session, "1") else { panic!() };
        world.ask_for(0, session, "2", "PUT", "/a?secret", None);
        world.respond(0, "1", call).unwrap();
        let told = world.audit();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        assert!(told.iter().zip(expected).all(|(record, start)| record.starts_with(start)), "{told:?}");
    }
    let (mut world, session) = World::telling(wanted(Logged::Everything), |_| ());
    for id in 0..super::MAX_WAITING_NOTICES {
        world.ask_for(0, session, &id.to_string(), "PUT", "/a", None);
        world.answers(session);
    }
    assert!(world.dispatch.may_read(session));
    assert_eq!(world.audit().len(), super::records::MAX_WAITING_LINES);
}
