use std::time::Duration;

use bytesize::ByteSize;
use proptest::prelude::*;

use super::*;

/// An operator who allows a little of everything.
fn bounds() -> Bounds {
    let allow = Allow {
        hosts: vec!["*.example.com:443".parse().unwrap()],
        private_hosts: vec!["10.0.0.7:8080".parse().unwrap()],
        secrets: vec!["env:STRIPE_KEY".parse().unwrap()],
        read: vec!["reports=/srv/reports".parse().unwrap()],
        write: vec!["inbox=/srv/inbox".parse().unwrap()],
    };
    Bounds { defaults: Limits::default(), ceiling: Limits::default_ceiling(), allow, retries: 3 }
}

const FULL: &str = r#"
[limits]
timeout = "1m"
memory = "128MiB"
concurrency = 4

[grants]
env = { GREETING = "hello" }
secrets = { API_KEY = "env:STRIPE_KEY" }
hosts = ["api.example.com:443", { host = "files.example.com:443", methods = ["GET", "HEAD"] }]
private_hosts = ["10.0.0.7:8080"]
credentials = [{ host = "api.example.com:443", prefix = "Bearer ", secret = "env:STRIPE_KEY" }]
read = { "/data" = "reports" }
write = { "/out" = "inbox" }
scratch = true
clock = "2026-01-01T00:00:00Z"
random = 42

[retry]
retries = 1
"#;

#[test]
fn what_is_allowed_is_granted() {
    let Manifest { limits, grants, directories, retries } = bounds().read(FULL).unwrap();
    assert_eq!((limits.timeout, limits.memory, limits.concurrency), (Duration::from_secs(60), ByteSize::mib(128), 4));
    assert_eq!((limits.output, retries), (Limits::default().output, 1));
    assert!(grants.hosts[1].allows("GET", "files.example.com", 443));
    assert!(!grants.hosts[1].allows("POST", "files.example.com", 443));
    assert_eq!(grants.credentials[0].header, "authorization");
    assert_eq!(grants.random, Some(42));
    let seen: Vec<_> = directories.iter().map(|granted| (&*granted.guest_path, granted.writable)).collect();
    assert_eq!(seen, [("/data", false), ("/out", true)]);
    assert_eq!(directories[1].directory.path, std::path::Path::new("/srv/inbox"));
}

#[test]
fn an_empty_manifest_and_none_are_the_same() {
    assert_eq!(bounds().read("").unwrap(), bounds().without_manifest());
    assert_eq!(bounds().read("[limits]\n[grants]\n").unwrap(), bounds().without_manifest());
}

#[test]
fn whoever_is_allowed_nothing_gets_nothing() {
    let strict = Bounds { allow: Allow::default(), ..bounds() };
    let ManifestError(problems) = strict.read(FULL).unwrap_err();
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.contains("in warren.toml: [allow] ")), "{problems:#?}");
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let ManifestError(problems) = bounds().read(text).unwrap_err();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, part) in problems.iter().zip(expected) {
        assert!(problem.contains(part), "{problem}\n  does not have: {part}");
        assert!(!problem.contains('\n'), "{problem}");
    }
}

#[test]
fn what_is_wrong_is_told_all_at_once() {
    refused(
        "[limits]\ntimeout = 5\nmemroy = \"1MiB\"\noutput = \"many\"\n[grant]\n",
        &["there is no grant", "there is no limit memroy", "limits.output: ", "limits.timeout: "],
    );
    refused("limits = 3", &["write [limits]"]);
    refused("[limits\n", &["line 1: "]);
    refused("[grants]\nhost = []", &["unknown field `host`"]);
    refused("[grants]\nsecrets = { A = \"s3cr3t\" }", &["no reference to a secret"]);
    refused("[grants]\nhosts = [\"example.com\"]", &["[grants]"]);
    refused("[retry]\ndelay = \"1s\"", &["[retry]: unknown field `delay`"]);
}

#[test]
fn what_goes_beyond_the_bounds_is_told_with_the_line_that_would_allow_it() {
    refused("[limits]\nmemory = \"1GiB\"\ntimeout = \"1h\"", &["[ceiling] timeout", "limits.memory = \"1GiB\""]);
    refused(
        "[retry]\nretries = 4",
        &["more than the operator has queues for (3); in warren.toml: [retry] retries = …"],
    );
    refused("[limits]\nconcurrency = 0", &["limits.concurrency is 0"]);
    refused("[grants]\nhosts = [\"evil.org:443\"]", &["[allow] hosts = [\"evil.org:443\"]"]);
    refused("[grants]\nhosts = [\"10.0.0.7:8080\"]", &["[allow] hosts = [\"10.0.0.7:8080\"]"]);
    refused("[grants]\nsecrets = { A = \"env:DATABASE_URL\" }", &["[allow] secrets = [\"env:DATABASE_URL\"]"]);
    refused("[grants]\nread = { \"/data\" = \"inbox\" }", &["[allow] read = [\"inbox=/path\"]"]);
    refused("[grants]\nread = { \"/../etc\" = \"reports\" }", &["no path of a guest's"]);
    refused(
        "[grants]\nread = { \"/d\" = \"reports\" }\nwrite = { \"/d\" = \"inbox\" }",
        &["/d stands in read and in write"],
    );
    refused("[grants]\nenv = { \"A=B\" = \"x\" }", &["no name of a variable"]);
    refused(
        "[grants]\nhosts = [\"*.example.com:443\"]\ncredentials = [{ host = \"*.example.com:443\", secret = \"env:STRIPE_KEY\" }]",
        &["is not one host"],
    );
    refused(
        "[grants]\nhosts = [{ host = \"a.example.com:443\", methods = [\"get\"] }]",
        &["a method of a.example.com:443 is none"],
    );
    let header = "hosts = [\"a.example.com:443\"]\ncredentials = [{ host = \"a.example.com:443\", header = \"Host\", secret = \"env:STRIPE_KEY\" }]";
    refused(&format!("[grants]\n{header}"), &["\"Host\" is no header that can be added"]);
    refused(
        "[grants]\ncredentials = [{ host = \"api.example.com:443\", secret = \"env:STRIPE_KEY\" }]",
        &["in neither hosts nor private_hosts"],
    );
}

proptest! {
    #[test]
    fn whatever_a_manifest_says_it_is_read_within_the_bounds_or_refused(
        section in "limits|grants|other",
        key in "[a-z_]{1,12}|timeout|memory|hosts|secrets|read|scratch|random|clock|credentials",
        value in r#"[0-9]{1,25}|"[^"\\\n]{0,20}"|true|\[\]|\["[^"\\\n]{0,20}"\]|\{\}|.{0,20}"#,
    ) {
        let bounds = bounds();
        match bounds.read(&format!("[{section}]\n{key} = {value}\n")) {
            Ok(manifest) => prop_assert!(manifest.limits.above(&bounds.ceiling).is_empty()),
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{}", error),
        }
    }
}
