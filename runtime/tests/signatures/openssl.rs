//! The same with nothing but OpenSSL and a shell, as the documentation has it.

use std::process::Command;

use crate::{Site, answering};

/// Signs `$1` under the name `$2` with the manifest `$3`, or without one if that is empty, by `openssl.pem`.
const SIGN: &str = r#"
sha256() { sha256sum < "$1" | cut -d' ' -f1; }
manifest=none
[ -z "$3" ] || manifest="sha256:$(sha256 "$3")"
printf 'warren-component-v1\nname %s\ncomponent sha256:%s\nmanifest %s\n' "$2" "$(sha256 "$1")" "$manifest" > statement
openssl pkeyutl -sign -rawin -in statement -inkey openssl.pem | base64 > "$1.sig"
"#;

/// The line of a key for the settings.
const PUBLIC: &str = r#"echo "ed25519:$(openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | base64)""#;

fn shell(site: &Site, script: &str, args: &[&str]) -> String {
    let script = format!("set -eu\n{script}");
    let ran = Command::new("sh").args(["-c", &script, "sh"]).args(args).current_dir(site.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[test]
fn what_openssl_has_signed_is_taken() {
    // Version 3 signs without hashing first, which Ed25519 asks for.
    let version = Command::new("openssl").arg("version").output();
    if !version.is_ok_and(|version| version.stdout.starts_with(b"OpenSSL 3")) {
        eprintln!("SKIPPED: there is no openssl of version 3");
        return;
    }
    let site = Site::new();
    assert_eq!(shell(&site, PUBLIC, &["key.pem"]), site.public().to_string(), "it reads a key of ours");
    shell(&site, "openssl genpkey -algorithm ed25519 -out openssl.pem", &[]);
    let public = shell(&site, PUBLIC, &["openssl.pem"]);
    site.write("warren.toml", format!("[components]\nrequire_signatures = ['{public}']\n"));
    site.write("one.wasm", answering("one"));
    site.write("one.toml", "[limits]\ntimeout = '5s'\n");
    shell(&site, SIGN, &["one.wasm", "one", "one.toml"]);
    site.succeed(&["component", "push", "one.wasm"]);
    shell(&site, SIGN, &["one.wasm", "work", ""]);
    site.refused(&["component", "push", "one.wasm"], "it has to be of name one, ");
    std::fs::remove_file(site.path().join("one.toml")).unwrap();
    site.succeed(&["component", "push", "one.wasm", "--name", "work"]);
    assert_eq!(site.json(&["component", "show", "work"])["signed_by"], public);
    // The other way round: a key of OpenSSL's signs here.
    site.succeed(&["component", "sign", "one.wasm", "--name", "third", "--key", "openssl.pem"]);
    site.succeed(&["component", "push", "one.wasm", "--name", "third"]);
}
