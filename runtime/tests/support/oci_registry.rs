//! A real OCI registry (the CNCF's distribution) as a process of its own, and artifacts in it.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_client::{
    Client, Reference,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use warren::components::Digest;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub const WASM: &str = "application/wasm";

/// Who may use a registry that wants a login.
pub const USER: (&str, &str) = ("author", "pa55word");

/// The same as `htpasswd -B` writes it.
const HTPASSWD: &str = "author:$2b$04$.wENrNy7KfRxxDW2Pi8.Au0narbz2FFsJ6LyZ7hS21SSZVt7uu/OS\n";

/// Who has signed the certificate of a registry with TLS.
pub const AUTHORITY: &[u8] = include_bytes!("../attacks/authority.crt.pem");

/// The registry; it ends with this.
pub struct OciRegistry {
    child: Child,
    folder: TempDir,
    /// Host and port.
    pub address: String,
    client: Client,
    auth: RegistryAuth,
}

impl OciRegistry {
    /// Starts one that is open to everybody. `None`, told aloud, if `make test` has not fetched it; an error where everything
    /// has to run.
    pub fn start() -> Option<Self> {
        Self::with(|_, _| {}, ClientProtocol::Http, RegistryAuth::Anonymous)
    }

    /// One that wants a login, of [`USER`].
    pub fn with_login() -> Option<Self> {
        let configure = |config: &mut Value, folder: &TempDir| {
            fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
            config["auth"]["htpasswd"] = json!({ "realm": "tests", "path": folder.path().join("htpasswd") });
        };
        Self::with(configure, ClientProtocol::Http, RegistryAuth::Basic(USER.0.into(), USER.1.into()))
    }

    /// One that speaks TLS, with a certificate for this machine that [`AUTHORITY`] has signed.
    pub fn with_tls() -> Option<Self> {
        let configure = |config: &mut Value, folder: &TempDir| {
            let pem = |name: &str, kind: &str, der: &[u8]| {
                let text = BASE64_STANDARD.encode(der);
                let file = folder.path().join(name);
                fs::write(&file, format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")).unwrap();
                file
            };
            let certificate = pem("crt", "CERTIFICATE", include_bytes!("../attacks/localhost.crt.der"));
            let key = pem("key", "PRIVATE KEY", include_bytes!("../attacks/localhost.key.der"));
            config["http"]["tls"] = json!({ "certificate": certificate, "key": key });
        };
        Self::with(configure, ClientProtocol::Https, RegistryAuth::Anonymous)
    }

    fn with(
        configure: impl FnOnce(&mut Value, &TempDir),
        protocol: ClientProtocol,
        auth: RegistryAuth,
    ) -> Option<Self> {
        let Some(program) = std::env::var_os("WARREN_TEST_OCI").map(PathBuf::from) else {
            eprintln!("SKIPPED: WARREN_TEST_OCI is not set; `make test` sets it");
            assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "WARREN_TEST_OCI is not set");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "version": 0.1,
            "log": { "level": "info", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("data") } },
            "http": { "addr": "127.0.0.1:0", "secret": "of the tests" },
        });
        configure(&mut config, &folder);
        // JSON is YAML.
        let file = folder.path().join("config.yml");
        fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the registry starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            eprintln!("registry: {line}");
            let told = line.split("listening on ").nth(1)?.to_owned();
            Some(told.split([',', '"']).next()?.to_owned())
        });
        let address = address.expect("it tells where it listens");
        // It would stand still if nobody read what it says.
        thread::spawn(move || lines.for_each(|line| eprintln!("registry: {line}")));
        warren::tls::install_ring();
        let authority = Certificate { encoding: CertificateEncoding::Pem, data: AUTHORITY.to_vec() };
        let config = ClientConfig { protocol, extra_root_certificates: vec![authority], ..ClientConfig::default() };
        Some(Self { child, folder, address, client: Client::try_from(config).unwrap(), auth })
    }

    /// `oci://`, this registry, and a name in it.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }

    /// Puts an artifact there; gives the digest of its manifest.
    pub async fn push(&self, name: &str, config_type: &str, layers: &[(&str, &[u8])]) -> String {
        let mut descriptors = Vec::new();
        for (media_type, bytes) in layers {
            descriptors.push(self.push_blob(name, media_type, bytes).await);
        }
        let config = self.push_blob(name, config_type, b"{}").await;
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": descriptors });
        self.push_manifest(name, MANIFEST, &manifest).await
    }

    /// Puts bytes there; gives what a manifest says of them.
    pub async fn push_blob(&self, name: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        let image = self.image(name).await;
        self.client.push_blob(&image, bytes.to_vec(), digest.as_str()).await.unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest there, whatever it says; gives its digest.
    pub async fn push_manifest(&self, name: &str, media_type: &str, manifest: &Value) -> String {
        let (image, text) = (self.image(name).await, manifest.to_string());
        let digest = Digest::of(text.as_bytes()).to_string();
        self.client.push_manifest_raw(&image, text, media_type.parse().unwrap()).await.unwrap();
        digest
    }

    async fn image(&self, name: &str) -> Reference {
        let image: Reference = format!("{}/{name}", self.address).parse().unwrap();
        self.client.store_auth_if_needed(image.resolve_registry(), &self.auth).await;
        image
    }

    /// The file in which it keeps something, for a test that damages it.
    pub fn file(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.folder.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for OciRegistry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
