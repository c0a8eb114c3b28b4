//! Which REST calls an application may make. Only the host gives the rules; without one, nothing is allowed.

use std::fmt;

/// Most rules of a policy, so that a call's price stays small.
pub const MAX_RULES: usize = 1000;

/// Rules in order: the first that matches decides, and a call that none matches is refused.
///
/// As text one rule a line (or between semicolons): `allow|deny METHOD[,METHOD…]|* PATH [group GROUP]`. A `#` at the
/// start of a word begins a comment. In a path `*` stands for one segment, and `/**` at the end for any number of them,
/// none included. Paths are compared in their normal form, with case: where the host's server does not tell `/admin`
/// from `/Admin`, allow what is wanted rather than deny what is not. A rule that denies a path denies it with a slash
/// at its end, too, and the other way round, for servers seldom tell those apart.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    allow: bool,
    /// Empty: every method.
    methods: Vec<String>,
    pattern: Pattern,
    group_id: Option<String>,
}

#[derive(Debug, Clone)]
struct Pattern {
    segments: Vec<String>,
    /// Ends in `/**`.
    open: bool,
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPolicy {
    /// The rule, counted from 1.
    rule: usize,
    why: &'static str,
}

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.why)
    }
}

impl Policy {
    /// Reads rules.
    ///
    /// # Errors
    /// [`BadPolicy`] names the rule and what is wrong with it.
    pub fn parse(text: &str) -> Result<Policy, BadPolicy> {
        let rules = text
            .lines()
            .map(without_comment)
            .flat_map(|line| line.split(';'))
            .map(str::trim)
            .filter(|rule| !rule.is_empty());
        let rules = rules
            .enumerate()
            .map(|(index, rule)| Rule::parse(rule).map_err(|why| BadPolicy { rule: index + 1, why }))
            .collect::<Result<Vec<Rule>, BadPolicy>>()?;
        if rules.len() > MAX_RULES {
            return Err(BadPolicy { rule: MAX_RULES + 1, why: "there are too many" });
        }
        Ok(Policy { rules })
    }

    /// Whether the call is allowed. `uri` is in its normal form; its query does not count.
    pub fn allows(&self, group_id: &str, method: &str, uri: &str) -> bool {
        let path = uri.as_bytes().split(|byte| *byte == b'?').next().unwrap_or_default();
        let decides = |rule: &&Rule| {
            (rule.methods.is_empty() || rule.methods.iter().any(|allowed| allowed == method))
                && rule.group_id.as_ref().is_none_or(|group| group == group_id)
                && rule.pattern.matches(if rule.allow { path } else { without_end_slash(path) })
        };
        self.rules.iter().find(decides).is_some_and(|rule| rule.allow)
    }
}

/// A `#` within a word is part of it: a server group's name may have one.
fn without_comment(line: &str) -> &str {
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(|(at, _)| begins(*at)).map_or(line, |(at, _)| &line[..at])
}

fn without_end_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

impl Rule {
    fn parse(text: &str) -> Result<Rule, &'static str> {
        let mut words = text.split_whitespace();
        let allow = match words.next() {
            Some("allow") => true,
            Some("deny") => false,
            _ => return Err("must begin with allow or deny"),
        };
        let methods = match words.next() {
            Some("*") => Vec::new(),
            Some(list) => list.split(',').map(str::to_owned).collect(),
            None => return Err("has no method (or *)"),
        };
        if methods
            .iter()
            .any(|method| method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
        {
            return Err("has a method that is not in capital letters");
        }
        let mut pattern = Pattern::parse(words.next().ok_or("has no path")?)?;
        if !allow && !pattern.open && pattern.segments.len() > 1 {
            pattern.segments.pop_if(|last| last.is_empty());
        }
        let group_id = match (words.next(), words.next(), words.next()) {
            (None, ..) => None,
            (Some("group"), Some(group), None) => Some(group.to_owned()),
            _ => return Err("may have only `group GROUP` after the path"),
        };
        Ok(Rule { allow, methods, pattern, group_id })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, &'static str> {
        let path = text.strip_prefix('/').ok_or("has a path that does not start with /")?;
        let (path, open) = match path.strip_suffix("**") {
            Some("") => return Ok(Pattern { segments: Vec::new(), open: true }),
            Some(rest) => (rest.strip_suffix('/').ok_or("has ** that is not a segment of its own")?, true),
            None => (path, false),
        };
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        if segments.iter().any(|segment| segment.contains('*') && segment != "*") {
            return Err("has a * that is not a whole segment, or ** before the end");
        }
        // A pattern that no normal path can be like would never match: a rule that the host only thinks it has.
        let example = format!("/{}", segments.join("/").replace('*', "x"));
        match crate::protocol::normal_uri(&example) {
            Ok(normal) if normal == example && !example.contains('?') => Ok(Pattern { segments, open }),
            _ => Err("has a path that is not in its normal form, so it would never match"),
        }
    }

    fn matches(&self, path: &[u8]) -> bool {
        let mut path = path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/');
        for segment in &self.segments {
            match path.next() {
                Some(name) if segment.as_bytes() == name || (segment == "*" && !name.is_empty()) => {}
                _ => return false,
            }
        }
        self.open || path.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides_and_without_one_nothing_is_allowed() {
        let policy = "
            # what the cloud may do
            deny  *           /netbackup/admin/secret/**
            allow GET,HEAD    /netbackup/**
            allow POST        /netbackup/login; allow DELETE /netbackup/vm/*/disks group trusted
        ";
        let policy = Policy::parse(policy).unwrap();
        for (group, method, uri, expected) in [
            ("g", "GET", "/netbackup", true),
            ("g", "GET", "/netbackup/a/b?x=/../..", true),
            ("g", "HEAD", "/netbackup/a", true),
            ("g", "get", "/netbackup/a", false),
            ("g", "PUT", "/netbackup/a", false),
            ("g", "GET", "/netbackups", false),
            ("g", "GET", "/", false),
            ("g", "GET", "/netbackup/admin/secret", false),
            ("g", "GET", "/netbackup/admin/secret/x", false),
            ("g", "GET", "/netbackup/admin/secrets", true),
            ("g", "POST", "/netbackup/login", true),
            ("g", "POST", "/netbackup/login/", false),
            ("g", "POST", "/netbackup/login/x", false),
            ("g", "POST", "/netbackup/Login", false),
            ("g", "DELETE", "/netbackup/vm/1/disks", false),
            ("trusted", "DELETE", "/netbackup/vm/1/disks", true),
            ("trusted", "DELETE", "/netbackup/vm//disks", false),
            ("trusted", "DELETE", "/netbackup/vm/1/2/disks", false),
        ] {
            assert_eq!(policy.allows(group, method, uri), expected, "{group} {method} {uri}");
        }
        assert!(!Policy::default().allows("g", "GET", "/"));
        assert!(Policy::parse("allow * /**").unwrap().allows("g", "GET", "/"));
        assert!(Policy::parse("allow GET /").unwrap().allows("g", "GET", "/"));
    }

    #[test]
    fn a_path_that_is_denied_is_denied_with_a_slash_at_its_end_and_without() {
        let policy = "deny * /admin; deny * /api/*/keys/; deny * /; allow * /**";
        let policy = Policy::parse(policy).unwrap();
        for (uri, expected) in [
            ("/admin", false),
            ("/admin/", false),
            ("/admin/?x", false),
            ("/admin/a", true),
            ("/Admin", true),
            ("/api/1/keys", false),
            ("/api/1/keys/", false),
            ("/api/1/keys/2", true),
            ("/", false),
            ("/a", true),
        ] {
            assert_eq!(policy.allows("g", "GET", uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_comment_begins_where_a_word_does() {
        let policy = Policy::parse("# all\nallow GET /a group a#b # no more\n\t#allow GET /b\nallow GET /c;").unwrap();
        assert!(policy.allows("a#b", "GET", "/a") && !policy.allows("a", "GET", "/a"));
        assert!(!policy.allows("g", "GET", "/b") && policy.allows("g", "GET", "/c"));
        assert!(Policy::parse("allow GET /a#b").is_err(), "not cut to /a");
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_refused_by_number() {
        for rule in [
            "permit GET /a",
            "allow",
            "allow GET",
            "allow get /a",
            "allow GET, /a",
            "allow GET a",
            "allow GET /a*",
            "allow GET /**/a",
            "allow GET /a**",
            "allow GET /a/../b",
            "allow GET /a//b",
            "allow GET /a%2fb",
            "allow GET /%61",
            "allow GET /a?b",
            "allow GET /a group",
            "allow GET /a group g h",
            "allow GET /a unless g",
        ] {
            let error = Policy::parse(&format!("allow GET /good\n{rule}")).expect_err(rule).to_string();
            assert!(error.starts_with("rule 2: "), "{rule}: {error}");
        }
    }
}
