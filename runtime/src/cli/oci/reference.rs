//! What names an artifact: `oci://registry/repository:tag`, or `@sha256:…` in the place of the tag, or both.
//!
//! In full only: what other tools add where something is left out (a registry, `latest`) is not what a deployment wants to
//! find out afterwards.

use std::{fmt, net::Ipv4Addr};

use anyhow::{Context, bail, ensure};

use crate::components::Digest;

const SCHEME: &str = "oci://";

/// How a reference is written, for messages.
const FORM: &str = "write oci://registry/repository:tag, or @sha256:… in the place of the tag";

/// What Docker adds where a registry, a user of its own registry or a tag is left out.
const HUB: &str = "docker.io";
const HUB_USER: &str = "library";
const TAG: &str = "latest";

/// The host that answers for Docker's own registry.
const HUB_HOST: &str = "index.docker.io";

/// So many characters a repository's name and a tag may have. The first is Docker's, the second the distribution specification's.
const REPOSITORY: usize = 255;
const TAG_LENGTH: usize = 128;

/// The name of an artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct OciReference {
    registry: String,
    repository: String,
    /// Without it, there is a digest.
    tag: Option<String>,
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
        if rest.split_once('@').is_some_and(|(_, after)| !after.starts_with("sha") || after.contains('/')) {
            bail!("a reference holds no user and no password: `docker login` keeps them; {FORM}");
        }
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (rest, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            // Otherwise it is a port.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            Some(_) | None => (name, None),
        };
        let (registry, repository) = with_registry(name);
        ensure!(
            is_registry(registry) && is_repository(&repository) && tag.is_none_or(is_tag),
            "{text} names no artifact: {FORM}"
        );
        let digest = digest.map(str::parse).transpose().with_context(|| format!("{text} can't be verified"))?;
        let tag = tag.or(digest.is_none().then_some(TAG)).map(str::to_owned);
        let found = Self { registry: registry.to_owned(), repository, tag, digest };
        let full = found.to_string();
        ensure!(full == text, "{text} leaves something out: in full it would be {full}");
        Ok(Some(found))
    }

    /// The last part of the repository's name.
    pub(in crate::cli) fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
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
        if self.registry == HUB { HUB_HOST } else { &self.registry }
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// What the manifest is asked for by. A digest says more than a tag.
    pub(super) fn version(&self) -> &str {
        self.digest.as_ref().map(Digest::as_str).or(self.tag.as_deref()).unwrap_or_default()
    }

    /// Whether the registry is on this machine, where there is no wire to listen at.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let host = self.host().split(':').next().unwrap_or_default();
        host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, repository, tag, digest } = self;
        write!(f, "{SCHEME}{registry}/{repository}")?;
        if let Some(tag) = tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Takes the registry from a name's beginning, as Docker does: what has neither a dot nor a port is a user of its own registry.
fn with_registry(name: &str) -> (&str, String) {
    let (registry, repository) = match name.split_once('/') {
        Some((HUB_HOST, rest)) => (HUB, rest),
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        Some(_) | None => (HUB, name),
    };
    match repository.contains('/') || registry != HUB {
        true => (registry, repository.to_owned()),
        false => (registry, format!("{HUB_USER}/{repository}")),
    }
}

/// Whether it is a host, with or without a port.
fn is_registry(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok();
    match text.split_once(':') {
        Some((host, port)) => host.split('.').all(is_label) && is_port(port),
        None => text.split('.').all(is_label),
    }
}

/// Whether it is `<name>` of the distribution specification: words of `a-z 0-9`, with `.`, `_`, `__` or hyphens between them, in
/// one or more parts.
fn is_repository(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |run: &str| matches!(run, "." | "_" | "__") || run.chars().all(|c| c == '-');
    let is_part =
        |part: &str| part.starts_with(is_word) && part.ends_with(is_word) && part.split(is_word).all(is_separator);
    text.len() <= REPOSITORY && text.split('/').all(is_part)
}

/// Whether it is a tag as the distribution specification has it.
fn is_tag(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_other = |c: char| is_first(c) || matches!(c, '.' | '-');
    text.starts_with(is_first) && text.chars().all(is_other) && text.len() <= TAG_LENGTH
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
        assert_eq!(
            refused("oci://index.docker.io/acme/resize:1"),
            "oci://index.docker.io/acme/resize:1 leaves something out: in full it would be oci://docker.io/acme/resize:1"
        );
        assert!(refused("oci://a.b/c@sha256:e3b0").contains("a digest is sha256:"));
        assert!(refused(&format!("oci://a.b/c@{}", DIGEST.to_uppercase().replace("SHA", "sha"))).contains("0-9 a-f"));
        assert!(refused(&format!("oci://a.b/c@sha512:{}", "0".repeat(128))).contains("a digest is sha256:"));
    }

    #[test]
    fn a_name_is_one_that_registries_take() {
        let (long, tag) = ("n".repeat(REPOSITORY), "t".repeat(TAG_LENGTH));
        let long = [format!("a.b/{long}:1"), format!("a.b/c:{tag}")];
        let right = ["A-1.b/c:1", "a.b:65535/c:1", "localhost/c:1", "a.b/c.d_e__f---g/0:_", "a.b/c:A_z.0-9"];
        for name in right.into_iter().chain(long.iter().map(String::as_str)) {
            assert_eq!(parsed(&format!("oci://{name}")).to_string(), format!("oci://{name}"));
        }
        let wrong = [
            "a_b.c/d:1",
            "-a.b/c:1",
            "a-.b/c:1",
            "a..b/c:1",
            ".a/c:1",
            "a.b:/c:1",
            "a.b:65536/c:1",
            "a.b:+5/c:1",
            "[::1]:5000/c:1",
            "a.b/c..d:1",
            "a.b/c___d:1",
            "a.b/c._d:1",
            "a.b/-c:1",
            "a.b/c-:1",
            "a.b/c//d:1",
            "a.b/é:1",
            "a.b/c d:1",
            "a.b/c?d:1",
            "a.b/c:",
            "a.b/c:.1",
            "a.b/c:-1",
            "a.b/c:é",
            "a.b/c:1?",
            "a.b/c:1%2f",
        ];
        let long = long.map(|name| name.replacen("/n", "/nn", 1).replacen(":t", ":tt", 1));
        for name in wrong.into_iter().chain(long.iter().map(String::as_str)) {
            assert!(refused(&format!("oci://{name}")).contains("names no artifact"), "{name}");
        }
    }

    #[test]
    fn a_password_in_a_reference_is_not_repeated() {
        for text in [
            "oci://me:pa55@a.b/c:1",
            "oci://me:pa55/x@a.b/c:1",
            "oci://pa55@a.b/c@sha256:00",
            "oci://me:pa55@shared.example.com/c:1",
        ] {
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
