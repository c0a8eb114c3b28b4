//! Links between the documents, and to files and headings, lead somewhere.

use crate::{Document, documents};

/// As GitHub makes it of a heading: letters, digits, `-` and `_`, in lower case, with `-` for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(document: &Document) -> Vec<String> {
    let headings = document.prose();
    headings.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_matches(['#', ' ']))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for document in documents() {
        let prose = document.prose();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("https://")) {
            let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let target = match path {
                "" => document.path.clone(),
                path => document.path.parent().expect("a directory").join(path),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", document.name());
            if let Some(heading) = heading {
                let there = anchors(&Document::read(target)).iter().any(|anchor| anchor == heading);
                assert!(there, "{}: {link} names no heading", document.name());
            }
        }
    }
}
