//! What the commands sign, push, check and show.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::{Site, answering, sign};

const PUSH: [&str; 4] = ["component", "push", "one.wasm", "--name"];

const GRANTS: &str = "[grants]\nenv = { A = \"b\" }\n";

fn site() -> Site {
    let site = Site::new();
    site.write("one.wasm", answering("one"));
    site.write("two.wasm", answering("two"));
    site
}

#[test]
fn a_key_is_made_for_its_owner_alone_and_never_overwritten() {
    let site = site();
    let printed = site.succeed(&["key", "new", "ci.pem"]);
    let path = site.path().join("ci.pem");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let pem = fs::read_to_string(&path).unwrap();
    site.refused(&["key", "new", "ci.pem"], "ci.pem is there already");
    assert_eq!(fs::read_to_string(&path).unwrap(), pem);
    // The lines are settings, and the private key is what they belong to.
    site.write("warren.toml", printed);
    site.succeed(&["component", "sign", "one.wasm", "--key", "ci.pem"]);
    site.succeed(&["component", "push", "one.wasm"]);
}

#[test]
fn what_is_signed_is_pushed_and_shown_with_its_key() {
    let site = site();
    site.write("one.toml", GRANTS);
    let told = site.succeed(&["component", "sign", "one.wasm", "--key", "key.pem"]);
    let key = site.public().to_string();
    assert_eq!(told, format!("one.wasm is signed as one, with the manifest one.toml, by {key}: one.wasm.sig\n"));
    site.succeed(&["component", "check", "one.wasm"]);
    site.succeed(&["component", "push", "one.wasm"]);
    let signature = sign(&site.key, "one", &answering("one"), Some(GRANTS)).to_string();
    let version = &site.json(&["component", "versions", "one"])[0];
    assert_eq!((&version["signature"], &version["signed_by"]), (&json!(signature), &json!(key)));
    let shown = site.json(&["component", "show", "one"]);
    assert_eq!((&shown["signature"], &shown["signed_by"]), (&json!(signature), &json!(key)));
    assert!(site.succeed(&["component", "show", "one"]).contains(&format!("signed     {key}\n")));
    assert_eq!(site.json(&["task", "run", "one"])["result"], "one");
}

#[test]
fn what_is_not_signed_as_it_has_to_be_is_refused_and_not_stored() {
    let site = site();
    site.refused(&["component", "push", "one.wasm"], "component one is refused: it is not signed, and has to be");
    site.refused(&["component", "check", "one.wasm"], "it is not signed, and has to be");
    let (one, other) = (answering("one"), b"another file".to_vec());
    let by = |key| move |name: &str, file: &[u8], manifest| sign(key, name, file, manifest).to_string();
    let (good, stranger) = (by(&site.key), by(&site.other));
    for (what, signature) in [
        ("another key", stranger("one", &one, None)),
        ("another file", good("one", &other, None)),
        ("another name", good("two", &one, None)),
        ("a manifest that is not there", good("one", &one, Some(GRANTS))),
    ] {
        site.write("one.wasm.sig", signature);
        let digest = warren::components::Digest::of(&one);
        let told = format!("it has to be of name one, component {digest}, manifest none");
        println!("{what}");
        site.refused(&["component", "push", "one.wasm"], &told);
        site.refused(&["component", "check", "one.wasm"], &told);
    }
    for garbage in ["", "hello", "c2hvcnQ="] {
        site.write("one.wasm.sig", garbage);
        site.refused(&["component", "push", "one.wasm"], "one.wasm.sig is no signature");
    }
    let stored: Vec<_> = fs::read_dir(site.path().join("components")).unwrap().collect();
    assert!(stored.is_empty(), "{stored:?}");
    // The file beside it is not looked at where another one is named.
    site.write("good.sig", good("one", &one, None));
    site.succeed(&["component", "check", "one.wasm", "--signature", "good.sig"]);
    site.succeed(&["component", "push", "one.wasm", "--signature", "good.sig"]);
}

#[test]
fn a_push_without_a_manifest_is_signed_with_the_one_that_it_keeps() {
    let site = site();
    site.write("m.toml", GRANTS);
    let work = ["--name", "work", "--key", "key.pem"];
    let sign_it = |more: &[&str]| site.succeed(&[&["component", "sign"], more, &work].concat());
    sign_it(&["one.wasm", "--manifest", "m.toml"]);
    site.succeed(&[&PUSH[..], &["work", "--manifest", "m.toml"]].concat());
    sign_it(&["two.wasm"]);
    let push = ["component", "push", "two.wasm", "--name", "work"];
    let (_, _, stderr) = site.run(&push);
    let kept = warren::components::Digest::of(GRANTS.as_bytes());
    assert!(stderr.contains(&format!("manifest {kept}; the manifest is the one that the component has")), "{stderr}");
    sign_it(&["two.wasm", "--manifest", "m.toml"]);
    site.refused(&["component", "check", "two.wasm", "--name", "work"], "manifest none; no manifest came with it");
    site.succeed(&push);
    assert_eq!(site.json(&["component", "versions", "work"])[1]["manifest"], GRANTS);
}

#[test]
fn what_is_run_by_name_is_judged_with_the_manifest_that_it_runs_with() {
    let site = site();
    site.write("m.toml", GRANTS);
    site.succeed(&["component", "sign", "one.wasm", "--key", "key.pem"]);
    site.succeed(&["component", "push", "one.wasm"]);
    site.succeed(&["task", "run", "one"]);
    let (code, _, stderr) = site.run(&["task", "run", "one", "--manifest", "m.toml"]);
    let digest = warren::components::Digest::of(GRANTS.as_bytes());
    assert!(
        code == 2 && stderr.contains("component one in components is refused with the manifest m.toml"),
        "{stderr}"
    );
    assert!(stderr.contains(&format!("manifest {digest}")), "{stderr}");
    site.require(&[]);
    site.succeed(&["task", "run", "one", "--manifest", "m.toml"]);
}

#[test]
fn one_key_takes_the_place_of_another_and_each_signature_is_a_version() {
    let site = site();
    let current = || site.json(&["component", "show", "work"])["version"].clone();
    let sign_by = |key: &str| site.succeed(&["component", "sign", "one.wasm", "--name", "work", "--key", key]);
    let push = || site.succeed(&[&PUSH[..], &["work"]].concat());
    sign_by("key.pem");
    push();
    site.require(&[&site.key, &site.other]);
    sign_by("other.pem");
    push();
    assert_eq!(current(), json!(2), "the same file with another signature");
    assert!(push().contains("as version 2 already, nothing has changed"));
    fs::remove_file(site.path().join("one.wasm.sig")).unwrap();
    site.succeed(&["component", "use", "work", "1"]);
    assert!(push().contains("as version 1 already, nothing has changed"), "who brings none keeps what is there");
    site.require(&[&site.other]);
    assert!(push().contains("version 2, which is the same, is current again"), "the one that counts now");
    site.refused(&["component", "use", "work", "1"], "component work is refused: its signature is by none of the keys");
    let versions = site.json(&["component", "versions", "work"]);
    assert_eq!((&versions[0]["signed_by"], current()), (&Value::Null, json!(2)));
    assert_eq!(versions[1]["signed_by"], site.other.public_key().to_string());
    let table = site.succeed(&["component", "versions", "work"]);
    assert!(table.contains("by no key of the settings"), "{table}");
}

#[test]
fn without_keys_a_signature_is_stored_and_not_judged() {
    let site = site();
    site.require(&[]);
    let signature = sign(&site.other, "something", b"else", None).to_string();
    site.write("one.wasm.sig", &signature);
    site.succeed(&[&PUSH[..], &["work"]].concat());
    site.succeed(&["component", "push", "two.wasm", "--name", "work"]);
    let versions = site.json(&["component", "versions", "work"]);
    let signatures = [&versions[0]["signature"], &versions[1]["signature"]];
    assert_eq!((signatures, &versions[0]["signed_by"]), ([&json!(signature), &Value::Null], &Value::Null));
    site.require(&[&site.key]);
    site.refused(&["component", "use", "work", "1"], "by none of the keys");
    // It is current already, and that alone makes nothing good.
    site.refused(&["component", "use", "work", "2"], "it is not signed");
    let (code, _, stderr) = site.run(&["task", "run", "work"]);
    assert!(code == 2 && stderr.contains("component work in components is refused"), "{stderr}");
}

#[test]
fn a_file_that_is_no_key_is_told() {
    let site = site();
    for (file, text) in
        [("public.pem", "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"), ("empty.pem", "")]
    {
        site.write(file, text);
        site.refused(&["component", "sign", "one.wasm", "--key", file], "it is no private key for Ed25519");
    }
    site.write("warren.toml", "[components]\nrequire_signatures = ['ed25519:AAAA']\n");
    site.refused(&["component", "list"], "components.require_signatures: \"ed25519:AAAA\" is no public key");
}
