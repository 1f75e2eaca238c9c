//! The arrows of the architecture, kept true: the four parts of the pipeline do not know each other, nor what stands
//! above them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

const PARTS: [&str; 4] = ["broker", "components", "sandbox", "lifecycle"];
const ABOVE: [&str; 4] = ["service", "api", "bench", "cli"];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The code of a file without comments and blanks, so that a `use` over several lines reads as one.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect()
}

/// Whether the code names `crate::<module>`, alone or in a group.
fn names(code: &str, module: &str) -> bool {
    let grouped = code.match_indices("usecrate::{").any(|(at, group)| {
        let rest = &code[at + group.len()..];
        let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => items.push(std::mem::take(&mut item)),
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        items.push(item);
        items.iter().any(|item| item.split("::").next() == Some(module))
    });
    grouped || code.contains(&format!("crate::{module}::"))
}

#[test]
fn the_parts_do_not_know_each_other() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for part in PARTS {
        let files = rust_files(&source.join(part)).into_iter().chain([source.join(format!("{part}.rs"))]);
        for file in files {
            let code = code(&file);
            let forbidden = PARTS.iter().chain(&ABOVE).filter(|other| **other != part);
            wrong.extend(
                forbidden.filter(|other| names(&code, other)).map(|other| format!("{} uses {other}", file.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_itself_finds_what_it_looks_for() {
    assert!(names("usecrate::{config::Config,broker::{Broker,Queue}};", "broker"));
    assert!(names("letx=crate::sandbox::Limits;", "sandbox"));
    assert!(!names("usecrate::{config::{broker,Config},outcome::Outcome};", "broker"));
}
