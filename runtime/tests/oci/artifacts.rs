//! What is taken for a component, and what is done with it.

use std::fs;

use serde_json::{Value, json};
use warren::components::Digest;

use crate::{
    Author, hello,
    oci_registry::{INDEX, MANIFEST, OciRegistry, WASM, WASM_CONFIG},
};

/// The types of a layer and of a config: of the working group's tools, of `oras push`, and of the tools before both.
const FORMS: [(&str, &str); 3] = [
    (WASM, WASM_CONFIG),
    (WASM, "application/vnd.oci.empty.v1+json"),
    ("application/vnd.wasm.content.layer.v1+wasm", "application/vnd.wasm.config.v1+json"),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_of_each_form_is_pushed_under_the_name_of_its_repository() {
    let Some(registry) = OciRegistry::start() else { return };
    for (layer, config) in FORMS {
        let author = Author::new();
        let digest = registry.push("acme/tools/greet:1.0", config, &[(layer, &hello())]).await;
        let reference = registry.reference("acme/tools/greet:1.0");
        let (code, stdout, stderr) = author.run(&["component", "push", &reference]);
        assert_eq!(code, 0, "{layer}: {stderr}");
        assert!(stdout.starts_with("greet is in components as version 1 ("), "{stdout}");
        assert!(stdout.contains(Digest::of(&hello()).as_str()) && stdout.contains("without a manifest"), "{stdout}");
        assert!(stderr.starts_with(&format!("pulled {reference}@{digest} (")), "{stderr}");
        // What was told names the same thing, and a push of it changes nothing.
        let pinned = registry.reference(&format!("acme/tools/greet@{digest}"));
        let (code, stdout, stderr) = author.run(&["component", "push", &pinned]);
        assert!(code == 0 && stdout.contains("as version 1 already, nothing has changed"), "{stdout}{stderr}");
        assert!(stderr.starts_with(&format!("pulled {pinned} (")), "{stderr}");
        let (code, _, stderr) = author.run(&["component", "push", &reference, "--name", "other"]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(author.names(), ["greet", "other"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_checked_and_run_as_a_file_is() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    let digest = registry.push("greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let reference = registry.reference("greet:1.0");
    let pinned = format!("{reference}@{digest}");

    let (code, stdout, stderr) = author.run(&["component", "check", &reference]);
    let expected = format!("{pinned} can be used, without a manifest (");
    assert!(code == 0 && stdout.starts_with(&expected), "{stdout}{stderr}");
    let (code, stdout, stderr) = author.run(&["component", "check", &reference, "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!((code, &report["file"], &report["usable"]), (0, &json!(pinned), &json!(true)));

    let (code, stdout, stderr) = author.run(&["task", "run", &reference]);
    assert_eq!((code, stdout.as_str()), (0, "\"hello\"\n"), "{stderr}");
    let (code, stdout, stderr) = author.run(&["task", "run", &reference, "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!((code, &report["task_name"]), (0, &json!("greet")));
    let (code, _, stderr) = author.run(&["task", "run", &reference, "--watch"]);
    assert!(code != 0 && stderr.contains(&format!("--watch watches files, and {reference} is none")), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_the_one_that_is_named_and_no_other() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    registry.push("greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let reference = registry.reference("greet:1.0");
    // Where a file of that name would have it.
    fs::write(author.file("greet.toml"), "[limits]\ntimeout = '5s'\n").unwrap();
    let (code, stdout, stderr) = author.run(&["component", "push", &reference]);
    assert!(code == 0 && stdout.contains("without a manifest"), "{stdout}{stderr}");
    for command in [&["component", "push"][..], &["component", "check"], &["task", "run"]] {
        let args = [command, &[&reference, "--manifest", "greet.toml"]].concat();
        let (code, stdout, stderr) = author.run(&args);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let (code, _, stderr) = author.run(&[command, &[&reference, "--manifest", "none.toml"]].concat());
        assert!(code != 0 && stderr.contains("the manifest none.toml can't be read"), "{stderr}");
        assert!(!stderr.contains("pulled"), "what costs nothing comes first: {stderr}");
    }
    let (_, stdout, _) = author.run(&["component", "show", "greet", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["manifest"], "[limits]\ntimeout = '5s'\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_told_with_what_to_do() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    let wasm = hello();
    let digest = registry.push("part:1", WASM_CONFIG, &[(WASM, &wasm)]).await;
    let entry = json!({ "mediaType": MANIFEST, "digest": digest, "size": fs::read(registry.file(&digest)).unwrap().len(),
        "platform": { "os": "wasip2", "architecture": "wasm" } });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    registry.push_manifest("part:index", INDEX, &index).await;
    let told = author.refused(&registry.reference("part:index"));
    assert!(told.contains("it is an index of 1 artifacts") && told.contains(&digest), "{told}");

    let image = "application/vnd.oci.image.config.v1+json";
    registry.push("image:1", image, &[("application/vnd.oci.image.layer.v1.tar+gzip", b"tar")]).await;
    let told = author.refused(&registry.reference("image:1"));
    assert!(told.contains("its layer is application/vnd.oci.image.layer.v1.tar+gzip, not application/wasm"), "{told}");
    registry.push("several:1", WASM_CONFIG, &[(WASM, &wasm), ("text/plain", b"read me")]).await;
    let told = author.refused(&registry.reference("several:1"));
    assert!(told.contains("it has 2 layers (application/wasm, text/plain)"), "{told}");
    registry.push("none:1", WASM_CONFIG, &[]).await;
    let told = author.refused(&registry.reference("none:1"));
    assert!(told.contains("it has no layer; push the component with `wkg oci push`"), "{told}");

    registry.push("module:1", WASM_CONFIG, &[(WASM, b"\0asm\x01\0\0\0")]).await;
    let told = author.refused(&registry.reference("module:1"));
    assert!(told.contains("it is a core module, not a component: compile it for wasm32-wasip2"), "{told}");
    registry.push("text:1", WASM_CONFIG, &[(WASM, b"hello")]).await;
    assert!(author.refused(&registry.reference("text:1")).contains("it is no WebAssembly"));

    registry.push("a--b/x.y--z:1", WASM_CONFIG, &[(WASM, &wasm)]).await;
    let (code, stdout, stderr) = author.run(&["component", "push", &registry.reference("a--b/x.y--z:1")]);
    assert!(code == 0 && stdout.starts_with("x.y--z is in components"), "{stderr}");
    let long = format!("{}:1", "n".repeat(65));
    let (code, _, stderr) = author.run(&["component", "push", &registry.reference(&long)]);
    assert!(code == 1 && stderr.contains("the repository's name is no task's name; use --name"), "{stderr}");
}
