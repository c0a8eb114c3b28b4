//! The documents are held true: their tables are the code's, their C and C++ compiles, what they name is there, and the
//! header passes Doxygen and becomes manual pages.

#[path = "../support/mod.rs"]
mod support;

mod code;
mod links;
mod manual;
mod names;
mod tables;

use std::fs;
use std::path::PathBuf;

use support::root;

/// A document and its text.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: PathBuf) -> Document {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Document { path, text }
    }

    /// As a failure calls it.
    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }

    /// The blocks between fences, each with the words after the opening fence.
    fn blocks(&self) -> Vec<(&str, String)> {
        let mut blocks: Vec<(&str, String)> = Vec::new();
        let mut inside = false;
        for line in self.text.lines() {
            match line.strip_prefix("```") {
                Some(words) if !inside => blocks.push((words, String::new())),
                None if inside => blocks.last_mut().expect("a block").1 += &format!("{line}\n"),
                _ => {}
            }
            inside ^= line.starts_with("```");
        }
        assert!(!inside, "{}: a block without an end", self.name());
        blocks
    }

    /// The lines outside of blocks.
    fn prose(&self) -> String {
        let mut inside = false;
        let outside = |line: &&str| {
            inside ^= line.starts_with("```");
            !inside && !line.starts_with("```")
        };
        self.text.lines().filter(outside).map(|line| format!("{line}\n")).collect()
    }

    /// What stands between backticks in the prose.
    fn code_spans(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}

/// All documents: the README, those of `docs`, and the READMEs of the bindings.
fn documents() -> Vec<Document> {
    let mut paths = vec![root().join("README.md")];
    let list = |dir: &str| fs::read_dir(root().join(dir)).into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.extend(list("docs").filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    paths.extend(list("bindings").map(|binding| binding.join("README.md")).filter(|readme| readme.exists()));
    paths.sort();
    assert!(paths.len() > 10, "the documents were not found: {paths:?}");
    paths.into_iter().map(Document::read).collect()
}

/// The public header.
fn header() -> Document {
    Document::read(root().join("include/nbwss.h"))
}

/// A constant of an enumeration in the header: its name, number and comment.
struct Constant {
    name: String,
    number: i32,
    meaning: String,
}

fn constants(enumeration: &str) -> Vec<Constant> {
    let header = header().text;
    let start = header.find(&format!("\nenum {enumeration}\n")).expect("the enumeration") + 1;
    let body = header[start..].split("\n};").next().unwrap_or_default();
    let mut meaning = String::new();
    let mut constants = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            let space = if meaning.is_empty() { "" } else { " " };
            meaning += &format!("{space}{words}");
        } else if let Some((name, number)) = line.trim_end_matches(',').split_once(" = ") {
            let number = number.parse().expect("a number");
            constants.push(Constant { name: name.to_owned(), number, meaning: std::mem::take(&mut meaning) });
        }
    }
    assert!(constants.len() > 2, "{enumeration} was not understood");
    constants
}

/// The words of a text that begin so and are made of letters, digits and `_`.
fn identifiers<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(move |word| word.len() > prefix.len() && word.starts_with(prefix))
}
