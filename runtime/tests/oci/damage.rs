//! Artifacts that are not there, not what was asked for, or not what they say.

use std::fs;

use serde_json::json;

use crate::{
    Author, hello,
    oci_registry::{MANIFEST, OciRegistry, WASM, WASM_CONFIG},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_by_its_name() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    registry.push("greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    let other = format!("greet@sha256:{}", "0".repeat(64));
    for name in ["greet:2.0", "greeting:1.0", &other] {
        let reference = registry.reference(name);
        let told = author.refused(&reference);
        let expected = format!("there is no {reference}, or not for everybody: look at its name and its tag");
        assert!(told.contains(&expected) && told.contains("`docker login 127.0.0.1:"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_was_changed_in_the_registry_is_refused() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    let mut bytes = hello();
    let digest = registry.push("greet:1.0", WASM_CONFIG, &[(WASM, &bytes)]).await;
    let layer = registry.push_blob("greet:1.0", WASM, &bytes).await["digest"].as_str().unwrap().to_owned();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(registry.file(&layer), &bytes).unwrap();
    for name in ["greet:1.0".to_owned(), format!("greet@{digest}")] {
        let told = author.refused(&registry.reference(&name));
        assert!(told.contains("is not what its manifest says") && told.contains(&layer), "{told}");
        assert!(told.contains("push the artifact again"), "{told}");
    }
    fs::remove_file(registry.file(&layer)).unwrap();
    let told = author.refused(&registry.reference("greet:1.0"));
    assert!(told.contains("has the manifest of") && told.contains("but not its layer"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_was_changed_in_the_registry_is_refused_where_a_digest_names_it() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    let digest = registry.push("greet:1.0", WASM_CONFIG, &[(WASM, &hello())]).await;
    // The same manifest, in other bytes.
    let text = fs::read_to_string(registry.file(&digest)).unwrap();
    fs::write(registry.file(&digest), format!("{text} ")).unwrap();
    let told = author.refused(&registry.reference(&format!("greet@{digest}")));
    assert!(told.contains("that registry is damaged, or lies") && told.contains(&digest), "{told}");
    let told = author.refused(&registry.reference(&format!("greet:1.0@{digest}")));
    assert!(told.contains("that registry is damaged, or lies"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_than_a_component_may_have_whatever_the_manifest_says() {
    let Some(registry) = OciRegistry::start() else { return };
    let author = Author::new();
    let bytes = vec![0_u8; 4096];
    registry.push("large:1", WASM_CONFIG, &[(WASM, &bytes)]).await;
    let push = |name: &str| {
        let mut command = author.command(&["component", "push", &registry.reference(name)]);
        crate::run(command.env("WARREN_COMPONENTS_MAX_SIZE", "2KiB"))
    };
    let (code, _, stderr) = push("large:1");
    assert!(
        code == 1 && stderr.contains("has 4.0 KiB, a component has at most 2.0 KiB (setting components.max_size"),
        "{stderr}"
    );

    let mut layer = registry.push_blob("lie:1", WASM, &bytes).await;
    layer["size"] = json!(1024);
    let config = registry.push_blob("lie:1", WASM_CONFIG, b"{}").await;
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    registry.push_manifest("lie:1", MANIFEST, &manifest).await;
    let (code, _, stderr) = push("lie:1");
    assert!(code == 1 && stderr.contains("sends more than 1.0 KiB, which is all that was expected"), "{stderr}");
}
