//! What is stored comes back, and only to whom it belongs.

use std::fs;

use super::*;
use crate::endpoint::{ClientFiles, EndpointTls};
use crate::secret::Secret;
use crate::store::tests::Scratch;

mod killed;

const RECORD: &str = r#"{"hostName":"a","url":"wss://a/","groupId":"g","priority":1,"active":true}"#;

fn details(host_name: &str, token: &str) -> Details {
    Details::new(host_name, &format!("wss://{host_name}/p"), "group", 7, Secret::new(token.into())).unwrap()
}

fn key(byte: u8) -> StoreKey {
    StoreKey::new(&[byte; 32]).unwrap()
}

fn open(path: &Path, key: Option<&StoreKey>) -> Result<(EndpointStore, Vec<Stored>), Error> {
    EndpointStore::open(path, key)
}

/// What is there, in short.
fn tokens(path: &Path, key: Option<&StoreKey>) -> Vec<(String, String)> {
    let stored = open(path, key).unwrap().1;
    stored.into_iter().map(|Stored { details, .. }| (details.host_name, details.token.expose().to_owned())).collect()
}

fn refusal(path: &Path, key: Option<&StoreKey>) -> String {
    let text = crate::error::with_causes(&open(path, key).map(drop).unwrap_err());
    assert!(!text.contains("canary"), "{text}");
    text
}

fn holds(path: &Path, text: &str) -> bool {
    fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

fn pair(host_name: &str, token: &str) -> (String, String) {
    (host_name.into(), token.into())
}

/// Changes the tables as somebody without the key can.
fn tamper(path: &Path, change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>) {
    Store::open(path, KIND, FORMAT).unwrap().write(change).unwrap();
}

#[test]
fn every_field_comes_back() {
    let scratch = Scratch::new();
    for (name, key) in [("clear", None), ("sealed", Some(key(1)))] {
        let path = scratch.file(name);
        let (store, stored) = open(&path, key.as_ref()).unwrap();
        assert!(stored.is_empty());
        let full = EndpointTls {
            ca_pem: Some("-----BEGIN \"CERTIFICATE\"\n\\u0000\u{1}\n".into()),
            ca_file: None,
            pin: Some(format!("spki:{}", "0a".repeat(32)).parse().unwrap()),
            client: Some(ClientFiles { certificate: "/c/ä.pem".into(), key: "k".into() }),
        };
        let other = EndpointTls { ca_file: Some("/ca.pem".into()), ..EndpointTls::default() };
        let all = [
            (details("Alpha", "t\"ök\\en").with_tls(full).unwrap(), true),
            (details("beta", "t").with_tls(other).unwrap(), false),
            (details("gamma", &"x".repeat(crate::endpoint::MAX_TOKEN_BYTES)), true),
        ];
        store.put(&all.each_ref().map(|(details, active)| (details, *active))).unwrap();
        drop(store);

        let (_, stored) = open(&path, key.as_ref()).unwrap();
        assert_eq!(stored.len(), all.len());
        for (stored, (details, active)) in stored.iter().zip(&all) {
            let Details { host_name, url, group_id, priority, token, tls } = &stored.details;
            assert_eq!((host_name, url, group_id), (&details.host_name, &details.url, &details.group_id));
            assert_eq!((*priority, token.expose(), tls), (details.priority, details.token.expose(), &details.tls));
            assert_eq!(stored.active, *active);
        }
    }
}

#[test]
fn endpoints_are_replaced_and_removed_by_host_name_without_case_and_put_all_or_none() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    let (store, _) = open(&path, None).unwrap();
    let [a, b, again] = [details("Alpha", "1"), details("beta", "2"), details("ALPHA", "3")];
    store.put(&[(&a, true), (&b, true)]).unwrap();
    store.put(&[(&again, false)]).unwrap();
    store.remove("BETA").unwrap();
    store.remove("beta").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let file = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
        let odd = details("odd", "canary").with_tls(EndpointTls { ca_file: Some(file), ..EndpointTls::default() });
        let error = store.put(&[(&b, true), (&odd.unwrap(), true)]).unwrap_err();
        let text = crate::error::with_causes(&error);
        assert!(
            text.contains("the record of endpoint \"odd\" cannot be written") && !text.contains("canary"),
            "{text}"
        );
    }
    drop(store);
    assert_eq!(tokens(&path, None), [pair("ALPHA", "3")]);
}

#[test]
fn a_key_that_is_missing_or_another_destroys_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    open(&path, Some(&key(1))).unwrap();
    for _ in 0..2 {
        // The first time there is no endpoint that a wrong key could be found out by.
        for (wrong, why) in [
            (None, "is encrypted and no key was given"),
            (Some(key(2)), "the key is not the one this database was written with"),
        ] {
            let error = open(&path, wrong.as_ref()).map(drop).unwrap_err();
            assert!(matches!(error, Error::StoreKey { why: told, .. } if told == why), "{error}");
        }
        open(&path, Some(&key(1))).unwrap().0.put(&[(&details("a", "canary"), true)]).unwrap();
    }
    assert_eq!(tokens(&path, Some(&key(1))), [pair("a", "canary")]);
}

#[test]
fn a_sealed_token_is_not_in_the_file_and_a_first_key_clears_the_file_of_all_that_ever_were() {
    let scratch = Scratch::new();
    let path = scratch.file("sealed");
    open(&path, Some(&key(1))).unwrap().0.put(&[(&details("a", "canary-1"), true)]).unwrap();
    assert!(holds(&path, "wss://a/p") && !holds(&path, "canary"));

    let path = scratch.file("clear");
    let (store, _) = open(&path, None).unwrap();
    store.put(&[(&details("a", "canary-1"), true), (&details("b", "canary-2"), false)]).unwrap();
    store.remove("b").unwrap();
    drop(store);
    assert!(holds(&path, "canary-1") && holds(&path, "canary-2"), "what was removed is still there");
    // As a process leaves it that died while it wrote the new file.
    fs::write(scratch.file("clear.new"), "something").unwrap();
    let (store, stored) = open(&path, Some(&key(1))).unwrap();
    assert_eq!(stored.len(), 1);
    store.put(&[(&details("c", "canary-3"), true)]).unwrap();
    assert!(matches!(open(&path, Some(&key(1))), Err(Error::StoreInUse(used)) if used == path));
    drop(store);
    assert!(!holds(&path, "canary") && !scratch.file("clear.new").exists());
    assert_eq!(tokens(&path, Some(&key(1))), [pair("a", "canary-1"), pair("c", "canary-3")]);

    // All endpoints are gone, but not what they left.
    let path = scratch.file("emptied");
    let (store, _) = open(&path, None).unwrap();
    store.put(&[(&details("a", "canary-1"), true)]).unwrap();
    store.remove("a").unwrap();
    drop(store);
    assert!(holds(&path, "canary"));
    open(&path, Some(&key(1))).unwrap();
    assert!(!holds(&path, "canary"));
}

#[cfg(unix)]
#[test]
fn a_database_that_cannot_be_encrypted_stays_as_it_is() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    open(&path, None).unwrap().0.put(&[(&details("a", "canary"), true)]).unwrap();
    fs::create_dir(scratch.file("db.new")).unwrap();
    assert!(refusal(&path, Some(&key(1))).contains("db.new is in the way; remove it"));
    assert_eq!(tokens(&path, None), [pair("a", "canary")]);
}

#[test]
fn without_the_key_nothing_can_be_changed_that_a_token_is_bound_to() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    let key = key(1);
    open(&path, Some(&key))
        .unwrap()
        .0
        .put(&[(&details("a", "canary-a"), true), (&details("b", "canary-b"), true)])
        .unwrap();
    let get = |transaction: &WriteTransaction, host_name| -> Result<(String, Vec<u8>), redb::Error> {
        let record = transaction.open_table(RECORDS)?.get(host_name)?.expect("a record").value().to_owned();
        let token = transaction.open_table(TOKENS)?.get(host_name)?.expect("a token").value().to_vec();
        Ok((record, token))
    };
    let set = |transaction: &WriteTransaction, host_name, record: &str, token: &[u8]| -> Result<(), redb::Error> {
        transaction.open_table(RECORDS)?.insert(host_name, record)?;
        transaction.open_table(TOKENS)?.insert(host_name, token)?;
        Ok(())
    };
    let (mut a, mut b) = Default::default();
    tamper(&path, |transaction| {
        (a, b) = (get(transaction, "a")?, get(transaction, "b")?);
        Ok(())
    });
    let (a, b): ((String, Vec<u8>), (String, Vec<u8>)) = (a, b);
    let changes: [(&str, &[u8], &str); 4] = [
        (&a.0, &b.1, "the token of endpoint \"a\" does not belong to its record"),
        (&a.0.replace("wss://a", "wss://evil"), &a.1, "the token of endpoint \"a\" does not belong"),
        (&a.0, b"", "the token of endpoint \"a\" does not belong"),
        (
            &b.0,
            &b.1,
            "endpoint \"a\" breaks a rule; put a copy of the file back, or move it away and add the \
          endpoints again: hostName: is \"b\"",
        ),
    ];
    for (record, token, why) in changes {
        tamper(&path, |transaction| set(transaction, "a", record, token));
        let refused = refusal(&path, Some(&key));
        assert!(refused.contains(why), "{refused}");
    }
    tamper(&path, |transaction| set(transaction, "a", &a.0, &a.1));
    assert_eq!(tokens(&path, Some(&key)), [pair("a", "canary-a"), pair("b", "canary-b")]);
}

#[test]
fn a_record_that_breaks_a_rule_is_named_and_kept() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    open(&path, None).unwrap().0.put(&[(&details("b", "2"), true)]).unwrap();
    let long = "x".repeat(crate::endpoint::MAX_TOKEN_BYTES + 1);
    let cases = [
        (RECORD.replace("wss", "ws"), "canary", "url: ws:// is not encrypted"),
        (RECORD.replace("\"g\"", "\"\""), "canary", "groupId: is empty"),
        (RECORD.replace(":1", ":-1"), "canary", "priority: is -1"),
        (RECORD.replace('}', r#","pin":"sha1:00"}"#), "canary", "pin: must be"),
        (RECORD.replace('}', r#","pni":"spki:00"}"#), "canary", "unknown field `pni`"),
        (RECORD.replace('}', r#","caPem":"x","caFile":"y"}"#), "canary", "caFile: is given together with caPem"),
        (RECORD.replace(r#","active":true"#, ""), "canary", "missing field `active`"),
        (RECORD.replace('}', ""), "canary", "EOF while parsing"),
        (RECORD.into(), "", "token: is empty"),
        (RECORD.into(), &long, "token: is 16385 bytes"),
    ];
    for (record, token, why) in &cases {
        tamper(&path, |transaction| {
            transaction.open_table(RECORDS)?.insert("a", record.as_str())?;
            transaction.open_table(TOKENS)?.insert("a", token.as_bytes())?;
            Ok(())
        });
        let refused = refusal(&path, None);
        assert!(refused.contains("endpoint \"a\" breaks a rule") && refused.contains(why), "{refused}");
    }
    tamper(&path, |transaction| {
        transaction.open_table(RECORDS)?.insert("a", RECORD)?;
        transaction.open_table(TOKENS)?.insert("a", &b"1"[..])?;
        Ok(())
    });
    assert_eq!(tokens(&path, None), [pair("a", "1"), pair("b", "2")]);
}
