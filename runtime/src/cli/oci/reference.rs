//! What names an artifact: `oci://registry/repository:tag`, or `@sha256:…` in the place of the tag, or both.
//!
//! In full only: what other tools add where something is left out (a registry, `latest`) is not what a deployment wants to
//! find out afterwards.

use std::{fmt, net::Ipv4Addr};

use anyhow::{Context, bail};
use oci_client::Reference;

use crate::components::Digest;

const SCHEME: &str = "oci://";

/// How a reference is written, for messages.
const FORM: &str = "write oci://registry/repository:tag, or @sha256:… in the place of the tag";

/// The name of an artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct OciReference {
    parsed: Reference,
    digest: Option<Digest>,
}

impl OciReference {
    /// Reads a text that begins with `oci://`; `None` for one that does not.
    ///
    /// # Errors
    /// If the text is no reference, leaves something out, or has a digest that is no SHA-256.
    pub(in crate::cli) fn find(text: &str) -> anyhow::Result<Option<Self>> {
        let Some(rest) = text.strip_prefix(SCHEME) else { return Ok(None) };
        // Before anything of it is repeated in a message.
        if rest.split_once('@').is_some_and(|(_, after)| !after.starts_with("sha")) {
            bail!("a reference holds no user and no password: `docker login` keeps them; {FORM}");
        }
        let parsed = Reference::try_from(rest).with_context(|| format!("{text} names no artifact: {FORM}"))?;
        let whole = parsed.whole();
        if whole != rest {
            bail!("{text} leaves something out: in full it would be {SCHEME}{whole}");
        }
        let digest =
            parsed.digest().map(str::parse).transpose().with_context(|| format!("{text} can't be verified"))?;
        Ok(Some(Self { parsed, digest }))
    }

    /// The last part of the repository's name.
    pub(in crate::cli) fn name(&self) -> &str {
        let repository = self.parsed.repository();
        repository.rsplit('/').next().unwrap_or(repository)
    }

    /// The digest that the artifact must have.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same with the digest that it has.
    pub(super) fn pinned(&self, digest: &Digest) -> String {
        match self.digest {
            Some(_) => self.to_string(),
            None => format!("{self}@{digest}"),
        }
    }

    /// The host that answers for the registry, with its port if it has one.
    pub(super) fn host(&self) -> &str {
        self.parsed.resolve_registry()
    }

    pub(super) fn repository(&self) -> &str {
        self.parsed.repository()
    }

    /// What the manifest is asked for by. A digest says more than a tag.
    pub(super) fn version(&self) -> &str {
        self.parsed.digest().or(self.parsed.tag()).unwrap_or_default()
    }

    /// As the client knows it that logs in.
    pub(super) fn parsed(&self) -> &Reference {
        &self.parsed
    }

    /// Whether the registry is on this machine, where there is no wire to listen at.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let host = self.host().split(':').next().unwrap_or_default();
        host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.parsed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parsed(text: &str) -> OciReference {
        OciReference::find(text).unwrap().unwrap()
    }

    fn refused(text: &str) -> String {
        format!("{:#}", OciReference::find(text).unwrap_err())
    }

    #[test]
    fn a_reference_has_its_parts() {
        let tagged = parsed("oci://registry.example.com:5000/acme/tools/resize:1.4.0");
        assert_eq!((tagged.host(), tagged.repository()), ("registry.example.com:5000", "acme/tools/resize"));
        assert_eq!((tagged.name(), tagged.version(), tagged.digest()), ("resize", "1.4.0", None));
        let digest: Digest = DIGEST.parse().unwrap();
        let pinned = format!("oci://registry.example.com:5000/acme/tools/resize:1.4.0@{DIGEST}");
        assert_eq!(tagged.pinned(&digest), pinned);
        let both = parsed(&pinned);
        assert_eq!((both.version(), both.digest()), (DIGEST, Some(&digest)));
        assert_eq!(both.pinned(&digest), pinned);
        assert_eq!(parsed("oci://docker.io/acme/resize:1").host(), "index.docker.io");
        for path in ["resize.wasm", "./oci:/x", "oci:/a/b:1", "OCI://a.b/c:1", ""] {
            assert_eq!(OciReference::find(path).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_is_left_out_or_wrong_is_told() {
        let full = "oci://docker.io/library/resize:latest";
        for short in ["oci://resize", "oci://resize:latest", "oci://docker.io/resize:latest", "oci://library/resize"] {
            assert_eq!(refused(short), format!("{short} leaves something out: in full it would be {full}"));
        }
        for wrong in ["oci://", "oci:///a:1", "oci://a.b/", "oci://a.b/C:1", "oci://a.b/../c:1", "oci://a.b/c:1:2"] {
            assert!(refused(wrong).contains("names no artifact: write oci://registry/repository:tag"), "{wrong}");
        }
        assert!(refused("oci://a.b/c@sha256:e3b0").contains("names no artifact"));
        assert!(refused(&format!("oci://a.b/c@{}", DIGEST.to_uppercase().replace("SHA", "sha"))).contains("0-9 a-f"));
        assert!(refused(&format!("oci://a.b/c@sha512:{}", "0".repeat(128))).contains("a digest is sha256:"));
    }

    #[test]
    fn a_password_in_a_reference_is_not_repeated() {
        for text in ["oci://me:pa55@a.b/c:1", "oci://me:pa55/x@a.b/c:1", "oci://pa55@a.b/c@sha256:00"] {
            let told = refused(text);
            assert!(told.contains("docker login") && !told.contains("pa55"), "{told}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9"] {
            assert!(parsed(&format!("oci://{host}/a:1")).is_on_this_machine(), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1:5000", "128.0.0.1"] {
            assert!(!parsed(&format!("oci://{host}/a:1")).is_on_this_machine(), "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(oci://)?[a-z0-9:/@._ é-]{0,80}") {
            let _ = OciReference::find(&text).map(|found| found.map(|found| found.to_string()));
        }
    }
}
