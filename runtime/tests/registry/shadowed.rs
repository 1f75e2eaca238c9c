//! A file that lies loose in the store, and a component of the same name that was pushed.

use std::fs;

use crate::{
    answering,
    commands::Author,
    process::{Process, compiled, warren},
    succeed,
};

#[test]
fn a_loose_file_that_is_passed_over_is_told_once() {
    let author = Author::new();
    succeed(&mut author.component(&["push", "one.wasm", "--name", "work"]));
    let loose = |name: &str, text| {
        fs::write(author.folder.path().join(format!("components/{name}.wasm")), answering(text)).unwrap();
    };
    loose("work", "by hand");
    let mut dev = warren();
    dev.arg("dev").current_dir(author.folder.path()).env("WARREN_COMPONENTS_CACHE", compiled());
    dev.env("WARREN_COMPONENTS_SCAN", "10ms");
    let dev = Process::start(dev);
    dev.wait_for_line("components are ready");
    // Each is found by a scan of its own.
    for n in 0..3 {
        loose(&format!("other{n}"), "other");
        dev.wait_for_line(&format!("component other{n} is ready"));
    }
    let told = dev.log();
    let told: Vec<_> = told.lines().filter(|line| line.contains("is passed over")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("work.wasm lies in the store and is passed over: component work has versions"),
        "{told:?}"
    );
}
