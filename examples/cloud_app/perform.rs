//! Carries out the steps of a script. What is not as expected is told in the transcript and fails the run,
//! but the next step follows all the same.

use crate::app::{App, Command, Handle, Order, State};
use crate::script::{HELP, Step};
use crate::wire::{command_text, new_id};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// `false`: this was the end.
pub async fn step(app: &App, step: Step) -> bool {
    let outcome = match step {
        Step::Quit => return false,
        Step::Send { method, uri, body, wait } => command(app, &method, &uri, body.as_deref(), wait, false).await,
        Step::Flood { count, method, uri } => flood(app, count, &method, &uri).await,
        Step::Again => again(app).await,
        Step::Login { user, password } => login(app, &user, &password).await,
        Step::Expect(status) => expect(app, status),
        Step::ExpectBody(text) => expect_body(app, &text),
        Step::AwaitJob(job, state) => {
            let wanted = (job, state.clone());
            let what = format!("JOB {job} {state}");
            let found = app.wait_for(|app| app.jobs.contains(&wanted).then_some(()));
            awaited(app, &what, found.await)
        }
        Step::AwaitImage(operation) => {
            let found = app.wait_for(|app| app.images.contains(&operation).then_some(()));
            awaited(app, &format!("IMAGE {operation}"), found.await)
        }
        Step::AwaitNotifications(count) => {
            let found = app.wait_for(|app| (app.entries >= count).then_some(())).await;
            let seen = app.look().entries;
            awaited(app, &format!("{count} notifications ({seen} received)"), found)
        }
        Step::AwaitAnswers => {
            let found = app.wait_for(|app| (app.outstanding == 0).then_some(())).await;
            let open = app.look().outstanding;
            awaited(app, &format!("all answers ({open} open)"), found)
        }
        Step::AwaitSession => session(app).await.map(|_| ()),
        Step::Close(code) => order(app, Order::Close(code)).await,
        Step::Reset => order(app, Order::Reset).await,
        Step::Text(text) => text_message(app, text).await,
        Step::Acks(on) => {
            app.change(|state| state.acks_off = !on);
            Ok(())
        }
        Step::Sleep(duration) => {
            tokio::time::sleep(duration).await;
            Ok(())
        }
        Step::Say(text) => {
            app.transcript.note("say", json!({ "text": text }));
            Ok(())
        }
        Step::Help => {
            app.transcript.note("help", json!({ "text": HELP }));
            Ok(())
        }
    };
    if let Err(why) = outcome {
        app.fail(&why);
    }
    true
}

async fn session(app: &App) -> Result<Handle, String> {
    let seconds = app.options.timeout.as_secs_f64();
    let found = app.wait_for(|state| state.newest()).await;
    found.ok_or(format!("no session was established within {seconds} s"))
}

async fn order(app: &App, order: Order) -> Result<(), String> {
    let session = session(app).await?;
    if !matches!(order, Order::Text(_)) {
        app.session_closing(session.connection);
    }
    let sent = session.orders.send(order);
    sent.map_err(|_| "the session ended just now".to_owned())
}

/// A COMMAND written by hand is known by its id, so its answer is nothing unexpected.
async fn text_message(app: &App, text: String) -> Result<(), String> {
    let session = session(app).await?;
    let fields = json!({ "text": text });
    app.transcript.event(session.connection, "sent", fields);
    if let Ok(message) = serde_json::from_str::<Value>(&text)
        && message["type"] == "COMMAND"
        && let Some(id) = message["id"].as_str()
    {
        let part = |key: &str| message["payload"][key].as_str().unwrap_or("?").to_owned();
        let command = Command { free: true, ..Command::new(session.connection, &part("method"), &part("uri")) };
        app.command_goes_out(id, command, None);
    }
    let sent = session.orders.send(Order::Text(text));
    sent.map_err(|_| "the session ended just now".to_owned())
}

fn send_on(app: &App, session: &Handle, mut command: Command, body: Option<&str>) -> String {
    let id = new_id();
    let authorization = app.look().authorization.clone();
    let (method, uri) = (&command.method, &command.uri);
    let text = command_text(&id, method, uri, body, authorization.as_deref());
    command.times = if session.twice { 2 } else { 1 };
    let times = command.times;
    app.command_goes_out(&id, command, body);
    app.change(|state| state.last_command = Some((id.clone(), text.clone())));
    for _ in 0..times {
        if session.orders.send(Order::Text(text.clone())).is_err() {
            app.lose_commands(session.connection);
        }
    }
    id
}

async fn command(
    app: &App,
    method: &str,
    uri: &str,
    body: Option<&str>,
    wait: bool,
    login: bool,
) -> Result<(), String> {
    let session = session(app).await?;
    let command = Command { login, ..Command::new(session.connection, method, uri) };
    let id = send_on(app, &session, command, body);
    if !wait {
        return Ok(());
    }
    let answered = app.wait_for(|state| match state.commands.get(&id) {
        Some(command) if !command.answers.is_empty() => Some(true),
        Some(command) if command.lost => Some(false),
        _ => None,
    });
    match answered.await {
        Some(true) => Ok(()),
        Some(false) => Err(format!("{method} {uri}: the session ended before its answer")),
        None => {
            let seconds = app.options.timeout.as_secs_f64();
            Err(format!("{method} {uri}: no answer within {seconds} s"))
        }
    }
}

/// That both answers are the same is looked at where they come in.
async fn again(app: &App) -> Result<(), String> {
    let session = session(app).await?;
    let last = app.look().last_command.clone();
    let (id, text) = last.ok_or("again, but no COMMAND was sent yet")?;
    let known = app.look().commands.get(&id).map(|it| (it.method.clone(), it.uri.clone(), it.answers.len()));
    let (method, uri, before) = known.ok_or("the last COMMAND is not known any more")?;
    app.command_goes_out(&id, Command::new(session.connection, &method, &uri), None);
    if session.orders.send(Order::Text(text)).is_err() {
        return Err("the session ended just now".to_owned());
    }
    let answers = |state: &State| state.commands.get(&id).map_or(0, |command| command.answers.len());
    let answered = app.wait_for(|state| (answers(state) > before).then_some(())).await;
    let seconds = app.options.timeout.as_secs_f64();
    answered.ok_or(format!("{method} {uri}, again: no answer within {seconds} s"))
}

async fn login(app: &App, user: &str, password: &str) -> Result<(), String> {
    app.change(|state| state.authorization = None);
    let body = json!({ "userName": user, "password": password }).to_string();
    command(app, "POST", "/netbackup/login", Some(&body), true, true).await?;
    let state = app.look();
    let status = state.last_answer.as_ref().map_or(0, |answer| answer.status);
    if status < 300 && state.authorization.is_none() {
        return Err("the answer to the login holds no token".to_owned());
    }
    Ok(())
}

/// Many at once: a person sees the sum only.
async fn flood(app: &App, count: u32, method: &str, uri: &str) -> Result<(), String> {
    let session = session(app).await?;
    let start = Instant::now();
    let ids: Vec<String> = (0..count)
        .map(|_| {
            let command = Command { quiet: true, ..Command::new(session.connection, method, uri) };
            send_on(app, &session, command, None)
        })
        .collect();
    let mut settled = 0;
    let all_settled = app.wait_for(|state| {
        // Each look goes on where the one before stopped.
        let rest = ids[settled..].iter();
        settled += rest.take_while(|id| state.commands.get(*id).is_none_or(Command::is_settled)).count();
        (settled == ids.len()).then_some(())
    });
    let _ = all_settled.await;
    let mut statuses = BTreeMap::<u16, u32>::new();
    let mut open = 0;
    for id in &ids {
        match app.look().commands.get(id).and_then(|command| command.answers.first()) {
            Some(answer) => *statuses.entry(answer.status).or_default() += 1,
            None => open += 1,
        }
    }
    let mut sums: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    if open > 0 {
        sums.push(format!("{open} unanswered"));
    }
    let seconds = start.elapsed().as_secs_f64();
    let what = format!("flood of {count}: {} in {seconds:.3} s", sums.join(", "));
    if open > 0 {
        return Err(what);
    }
    awaited(app, &what, Some(()))
}

fn expect(app: &App, status: u16) -> Result<(), String> {
    let last = app.look().last_answer.as_ref().map(|answer| answer.status);
    match last {
        Some(found) if found == status => awaited(app, &format!("status {status}"), Some(())),
        Some(found) => Err(format!("expected status {status}, the last answer has {found}")),
        None => Err(format!("expected status {status}, but no answer came yet")),
    }
}

fn expect_body(app: &App, text: &str) -> Result<(), String> {
    let last = app.look().last_answer.clone();
    let answer = last.ok_or("expected a body, but no answer came yet")?;
    let body = match &answer.bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => answer.body.unwrap_or_default(),
    };
    if body.contains(text) {
        return awaited(app, &format!("body with {text}"), Some(()));
    }
    Err(format!("the last answer's body does not contain {text}"))
}

fn awaited(app: &App, what: &str, found: Option<()>) -> Result<(), String> {
    let seconds = app.options.timeout.as_secs_f64();
    found.ok_or(format!("{what}: not within {seconds} s"))?;
    app.transcript.note("satisfied", json!({ "what": what }));
    Ok(())
}
