//! An artifact's manifest: which of its layers is the component.
//!
//! Two forms are taken. That of the WebAssembly working group of the CNCF: a config of type
//! `application/vnd.wasm.config.v0+json` and one layer `application/wasm`. And that of a file which ORAS has pushed: any config,
//! and one layer of a type of WebAssembly. What they have in common is all that is looked at.

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::{cli::output::shortened, components::Digest};

/// What is asked for. Indexes too: one that is there is told as what it is, and not as missing.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// The types of a layer that is WebAssembly: that of IANA, and that of the tools before it.
const WASM: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// So many entries of a list are repeated in a message.
const TOLD: usize = 5;

const PUSH: &str = "push the component with `wkg oci push`, or with `oras push` and the type application/wasm";

/// A manifest, or an index of manifests: as much of either as is needed to tell them apart.
#[derive(Deserialize)]
struct Document {
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// What a manifest says of a layer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
}

/// Finds the layer that is WebAssembly.
///
/// # Errors
/// If the text is no manifest, or has not exactly one layer, or that is something else.
pub(super) fn component_layer(text: &[u8]) -> anyhow::Result<Descriptor> {
    let document: Document = serde_json::from_slice(text).context("what the registry has there is no manifest")?;
    if let Some(manifests) = document.manifests {
        bail!(
            "it is an index of {} artifacts for different platforms, and a component has none: name one of them by its digest \
             ({})",
            manifests.len(),
            listed(&manifests, |manifest| manifest.digest.to_string())
        );
    }
    let layers = document.layers.unwrap_or_default();
    let types = listed(&layers, |layer| shortened(&layer.media_type));
    match <[Descriptor; 1]>::try_from(layers) {
        Ok([layer]) if WASM.contains(&layer.media_type.as_str()) => Ok(layer),
        Ok(_) => bail!("its layer is {types}, not application/wasm; {PUSH}"),
        Err(layers) if layers.is_empty() => bail!("it has no layer; {PUSH}"),
        Err(layers) => {
            bail!("it has {} layers ({types}), and a component is one, application/wasm; {PUSH}", layers.len())
        }
    }
}

fn listed(descriptors: &[Descriptor], text: impl Fn(&Descriptor) -> String) -> String {
    let mut texts: Vec<_> = descriptors.iter().take(TOLD).map(text).collect();
    if descriptors.len() > TOLD {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn layer(media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": DIGEST, "size": 7 })
    }

    fn read(document: &Value) -> Result<Descriptor, String> {
        component_layer(document.to_string().as_bytes()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn one_layer_of_webassembly_is_the_component() {
        for media_type in WASM {
            let found = read(&json!({ "schemaVersion": 2, "config": {}, "layers": [layer(media_type)] })).unwrap();
            assert_eq!((found.digest.as_str(), found.size), (DIGEST, 7));
        }
    }

    #[test]
    fn everything_else_is_told() {
        let push = "push the component with `wkg oci push`, or with `oras push` and the type application/wasm";
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        let of_image = layer("application/vnd.oci.image.manifest.v1+json");
        let cases = [
            (json!({ "layers": [] }), format!("it has no layer; {push}")),
            (json!({ "layers": null }), format!("it has no layer; {push}")),
            (json!({ "schemaVersion": 1, "fsLayers": [] }), format!("it has no layer; {push}")),
            (json!({ "layers": [layer(tar)] }), format!("its layer is {tar}, not application/wasm; {push}")),
            (
                json!({ "layers": [layer(WASM[0]), layer("text/plain")] }),
                format!(
                    "it has 2 layers (application/wasm, text/plain), and a component is one, application/wasm; {push}"
                ),
            ),
            (
                json!({ "layers": vec![layer("a/b"); 7] }),
                "it has 7 layers (a/b, a/b, a/b, a/b, a/b, …), and".to_owned(),
            ),
            (json!({ "layers": [layer(&"x".repeat(9999))] }), format!("its layer is {}…, not", "x".repeat(60))),
            (
                json!({ "manifests": [of_image], "layers": [layer(WASM[0])] }),
                format!(
                    "it is an index of 1 artifacts for different platforms, and a component has none: name one of them by its \
                     digest ({DIGEST})"
                ),
            ),
            (
                json!({ "layers": [{ "mediaType": WASM[0], "digest": "sha512:00", "size": 7 }] }),
                "what the registry has there is no manifest: a digest is sha256: and 64 digits".to_owned(),
            ),
            (
                json!({ "layers": [{ "mediaType": WASM[0], "digest": DIGEST, "size": -1 }] }),
                "what the registry has there is no manifest: invalid value: integer `-1`, expected u64".to_owned(),
            ),
            (json!("<html>"), "what the registry has there is no manifest: invalid type: string".to_owned()),
        ];
        for (document, expected) in cases {
            let told = read(&document).unwrap_err();
            assert!(told.starts_with(&expected), "{told}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = component_layer(&bytes);
        }
    }
}
