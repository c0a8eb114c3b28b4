//! Nothing of the C header is forgotten by the binding: no function, no struct, no field.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::build_host;
use super::support::{Program, Scratch, root};

/// A header's text without its comments.
fn code(path: PathBuf) -> String {
    let text = fs::read_to_string(path).expect("a header");
    text.lines().flat_map(|line| [line.split("//").next().unwrap_or_default(), "\n"]).collect()
}

fn c_header() -> String {
    code(root().join("include/nbwss.h"))
}

/// All headers of the binding.
fn binding() -> String {
    let parts = fs::read_dir(root().join("bindings/cpp/nbwss")).expect("the binding's headers");
    parts.map(|entry| code(entry.expect("a header").path())).collect()
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn every_function_is_used() {
    /// Functions that the binding has no use for, and why.
    const EXCEPTIONS: [(&str, &str); 1] = [("nbwss_check_compat_version", "nbwss_check_compat calls it")];
    let header = c_header();
    let block = header.split("extern \"C\" {").nth(1).and_then(|rest| rest.split("__cplusplus").next());
    let names = block.expect("an extern \"C\" block").split('(').filter_map(|before| identifiers(before).last());
    let functions: BTreeSet<&str> = names.filter(|name| name.starts_with("nbwss_")).collect();
    assert!(functions.len() > 60 && functions.contains("nbwss_connector_destroy"), "{functions:?}");
    let binding = binding();
    let used: BTreeSet<&str> = identifiers(&binding).collect();
    let unused: Vec<&str> = functions.difference(&used).copied().collect();
    assert_eq!(unused, EXCEPTIONS.map(|(name, _)| name), "what C++ hosts would miss");
}

/// The structs of the C header, each with the names of its fields but `struct_size`.
fn c_structs(header: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let bodies = header.split("typedef struct ").filter_map(|rest| rest.split_once('{'));
    let structs = bodies.map(|(name, rest)| (name.trim(), rest.split('}').next().unwrap_or_default()));
    structs.filter(|(name, _)| name.starts_with("nbwss_") && identifiers(name).count() == 1).map(|(name, body)| {
        let fields = body.split(';').filter_map(|field| identifiers(field).last());
        (name, fields.filter(|field| *field != "struct_size").collect())
    })
}

/// `nbwss_endpoint_info` is `EndpointInfo`.
fn class(c_struct: &str) -> String {
    c_struct.split('_').skip(1).map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// A program gives each field of each struct a value of its own and finds it on the other side of the binding under the
/// same name: what C tells by `from_c`, what the host tells by `to_c`. It fails where a field is forgotten or taken for
/// another.
#[test]
fn every_field_of_every_struct_goes_through() {
    /// Structs that are not converted so, and why.
    const EXCEPTIONS: [(&str, &str); 7] = [
        ("nbwss_drained", "numbers only: used as it is"),
        ("nbwss_group_counts", "numbers only: used as it is"),
        ("nbwss_header", "by Request::headers and Request::respond: calls.cpp"),
        ("nbwss_health", "numbers only: used as it is"),
        ("nbwss_response", "by Request::respond: calls.cpp"),
        ("nbwss_stats", "numbers only: used as it is"),
        ("nbwss_str", "a std::string_view"),
    ];
    let (header, binding) = (c_header(), binding());
    let mut source = "#include \"fields.hpp\"\n\nint main() {\n".to_owned();
    let mut others = BTreeSet::new();
    for (name, fields) in c_structs(&header) {
        let class = class(name);
        let (given, convert) = if binding.contains(&format!("from_c(const {name} &")) {
            (name.to_owned(), "from_c")
        } else if binding.contains(&format!("to_c(const {class} &")) {
            (format!("nbwss::{class}"), "to_c")
        } else {
            others.insert(name);
            continue;
        };
        // Twice, so that of two flags neither can stand for the other.
        writeln!(source, "  for (int round = 0; round < 2; round++) {{\n    {given} given = {{}};").unwrap();
        for (number, field) in fields.iter().enumerate() {
            writeln!(source, "    fill(given.{field}, \"{field}\", round + {number});").unwrap();
        }
        writeln!(source, "    const auto got = {convert}(given);").unwrap();
        if convert == "to_c" {
            writeln!(source, "    CHECK(got.struct_size == sizeof got);").unwrap();
        }
        for field in fields {
            writeln!(source, "    CHECK(same(got.{field}, given.{field}));").unwrap();
        }
        writeln!(source, "  }}").unwrap();
    }
    assert!(others.iter().eq(EXCEPTIONS.iter().map(|(name, _)| name)), "not converted: {others:?}");
    let scratch = Scratch::new("fields");
    let path = scratch.join("fields.cpp");
    fs::write(&path, source + "}\n").unwrap();
    let tests = format!("-I{}", root().join("tests/cpp").display());
    let program = build_host(&scratch, "fields", "g++", &[&tests], &[path]);
    Program::start("fields", &mut Command::new(program)).finish_silently();
}
