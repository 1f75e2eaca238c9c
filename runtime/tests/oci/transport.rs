//! Registries with TLS and without it, and those that are not there.

use std::{fs, net::TcpListener};

use crate::{
    Author, Trap, hello,
    oci_registry::{AUTHORITY, OciRegistry, WASM, WASM_CONFIG},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_tls_is_believed_if_its_certificate_is() {
    let Some(registry) = OciRegistry::with_tls() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let reference = registry.reference("acme/greet:1.0");
    fs::write(author.file("authority.pem"), AUTHORITY).unwrap();

    // On this machine, so without TLS unless it is asked for.
    let told = author.refused(&reference);
    assert!(told.contains("can't be asked over plain HTTP: --plain-http=false asks it over HTTPS"), "{told}");
    let args = ["component", "push", &reference, "--plain-http=false"];
    let (code, _, stderr) = author.run(&args);
    assert!(code == 1 && stderr.contains("can't be reached over HTTPS") && stderr.contains("certificate"), "{stderr}");
    let (code, _, stderr) = crate::run(author.command(&args).env("SSL_CERT_FILE", author.file("authority.pem")));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(author.names(), ["greet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_tls_is_told_where_tls_is_asked_for() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let here = registry.reference("acme/greet:1.0");
    // An address of this machine, too, but none that says so.
    let elsewhere = here.replace("127.0.0.1", "0.0.0.0");
    for command in [&["component", "push"][..], &["component", "check"], &["task", "run"]] {
        for args in [&[here.as_str(), "--plain-http=false"][..], &[&elsewhere]] {
            let (code, _, stderr) = author.run(&[command, args].concat());
            assert!(code != 0 && stderr.contains("(a registry without TLS needs --plain-http)"), "{stderr}");
        }
        let (code, _, stderr) = author.run(&[command, &[&elsewhere, "--plain-http"]].concat());
        assert_eq!(code, 0, "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_on_this_machine_is_asked_by_way_of_no_proxy() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    registry.push("acme/greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let proxy = Trap::new();
    let mut command = author.command(&["component", "push", &registry.reference("acme/greet:1.0")]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, proxy.url());
    }
    let (code, _, stderr) = crate::run(command.env_remove("NO_PROXY").env_remove("no_proxy"));
    assert!(proxy.is_untouched(), "{stderr}");
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_registry_that_is_gone_is_told() {
    let author = Author::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = author.refused(&format!("oci://{gone}/greet:1"));
    assert!(
        told.contains(&format!("{gone} can't be reached over plain HTTP: is it the right name and port?")),
        "{told}"
    );
    let elsewhere = gone.to_string().replace("127.0.0.1", "0.0.0.0");
    let told = author.refused(&format!("oci://{elsewhere}/greet:1"));
    assert!(told.contains(&format!("{elsewhere} can't be reached over HTTPS")), "{told}");
}

#[test]
fn a_reference_that_is_none_is_told_before_anything_is_asked() {
    let author = Author::new();
    let told = author.refused("oci://acme/greet");
    assert!(told.contains("in full it would be oci://docker.io/acme/greet:latest"), "{told}");
    let told = author.refused("oci://me:pa55word@localhost/greet:1");
    assert!(told.contains("`docker login` keeps them") && !told.contains("pa55word"), "{told}");
}
