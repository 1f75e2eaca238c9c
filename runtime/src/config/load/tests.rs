//! The settings from every source, one over the other.

use super::*;

fn file(text: &str) -> Sources {
    Sources { file: Some(("warren.toml".into(), text.into())), ..Sources::default() }
}

fn origin(loaded: &Loaded, setting: &str) -> (String, String) {
    let found = loaded.settings().into_iter().find(|(path, ..)| path == setting).unwrap();
    (found.1, found.2.to_string())
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(load(Sources::default()).unwrap().config, Config::default());
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let mut sources = file("[limits]\ntimeout = '1s'\nmemory = '1MiB'\noutput = '1KiB'");
    sources.environment =
        vec![("WARREN_LIMITS_TIMEOUT".into(), "2s".into()), ("WARREN_LIMITS_MEMORY".into(), "2MiB".into())];
    sources.flags = vec![("timeout".into(), "limits.timeout".into(), "3s".into())];
    let loaded = load(sources).unwrap();
    assert_eq!(origin(&loaded, "limits.timeout"), ("3s".into(), "--timeout".into()));
    assert_eq!(origin(&loaded, "limits.memory").1, "$WARREN_LIMITS_MEMORY");
    assert_eq!(origin(&loaded, "limits.output").1, "warren.toml");
    assert_eq!(origin(&loaded, "sandbox.concurrency"), ("256".into(), "default".into()));
    assert_eq!(loaded.config.limits.memory, bytesize::ByteSize::mib(2));
}

#[test]
fn a_list_in_a_variable_has_its_items_between_commas() {
    let mut sources = file("[topology]\ntask_keys = ['a, b']");
    assert_eq!(
        load(Sources { file: sources.file.clone(), ..Sources::default() }).unwrap().config.topology.task_keys,
        ["a, b"]
    );
    sources.environment = vec![("WARREN_TOPOLOGY_TASK_KEYS".into(), "routing.task.run.echo, b,".into())];
    let loaded = load(sources).unwrap();
    assert_eq!(loaded.config.topology.task_keys, ["routing.task.run.echo", "b"]);
    let shown = (r#"["routing.task.run.echo", "b"]"#.to_owned(), "$WARREN_TOPOLOGY_TASK_KEYS".to_owned());
    assert_eq!(origin(&loaded, "topology.task_keys"), shown);
}

#[test]
fn the_names_of_existing_deployments_are_understood() {
    let environment = vec![
        ("RABBITMQ_URL".into(), "amqp://guest:secret@mq:5672/%2f".into()),
        ("DATABASE_URL".into(), "postgres://db/warren".into()),
        ("SERVICE_NAME".into(), "runner".into()),
        ("WARREN_COMPONENTS_URL".into(), "/srv/components".into()),
        ("PATH".into(), "/bin".into()),
    ];
    let loaded = load(Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(loaded.config.broker.url, "amqp://guest:secret@mq:5672/%2f");
    assert_eq!(loaded.config.service.name, "runner");
    assert_eq!(loaded.config.components.url, "/srv/components");
    assert_eq!(origin(&loaded, "broker.url"), ("amqp://guest:***@mq:5672/%2f".into(), "$RABBITMQ_URL".into()));
}

#[test]
fn a_key_that_is_none_is_told_by_its_beginning() {
    let good = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let variable = ("WARREN_COMPONENTS_REQUIRE_SIGNATURES".to_owned(), format!("{good}, {good}"));
    let loaded = load(Sources { environment: vec![variable], ..Sources::default() }).unwrap();
    assert_eq!(loaded.config.components.require_signatures, [good.parse().unwrap(), good.parse().unwrap()]);
    let told = load(file(&format!("[components]\nrequire_signatures = ['{good}', 'ed25519:c2hvcnQ=']")));
    let told = told.unwrap_err().to_string();
    let expected = "warren.toml: components.require_signatures: \"ed25519:c2hvcnQ=\" is no public key: ";
    assert!(told.contains(expected) && told.contains("(it has 5 bytes)"), "{told}");
}

#[test]
fn a_variable_without_a_key_does_not_turn_signatures_off() {
    let keys = "[components]\nrequire_signatures = ['ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=']";
    for (text, empty) in [("", ""), (keys, ""), (keys, " , ")] {
        let environment = vec![("WARREN_COMPONENTS_REQUIRE_SIGNATURES".into(), empty.into())];
        let told = load(Sources { environment, ..file(text) }).unwrap_err().to_string();
        let expected = "$WARREN_COMPONENTS_REQUIRE_SIGNATURES: components.require_signatures has no key in it";
        assert!(told.contains(expected), "{told}");
    }
    // What is written in the file is meant; and other lists may be emptied, which allows less.
    assert!(load(file("[components]\nrequire_signatures = []")).is_ok());
    let environment = vec![("WARREN_ALLOW_HOSTS".into(), String::new())];
    let loaded = load(Sources { environment, ..file("[allow]\nhosts = ['example.com:443']") }).unwrap();
    assert_eq!(origin(&loaded, "allow.hosts"), ("[]".into(), "$WARREN_ALLOW_HOSTS".into()));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut sources = file("[limits]\ntimeout = 'soon'\nfuel = 3\n[sandpit]\nx = 1\n[retry]\nretries = 99");
    sources.environment = vec![("WARREN_BROKER_PREFETCH".into(), "many".into())];
    let told = load(sources).unwrap_err().to_string();
    for part in [
        "wrong in 5 places",
        "warren.toml: limits.timeout: ",
        "warren.toml: there is no setting limits.fuel",
        "warren.toml: there is no section [sandpit]",
        "$WARREN_BROKER_PREFETCH: broker.prefetch takes a number, not \"many\"",
        "retry.retries is 99, it goes from 0 to 20",
    ] {
        assert!(told.contains(part), "{part} is missing from:\n{told}");
    }
}

#[test]
fn variables_of_others_are_noticed_and_no_error() {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![
        variable("WARREN_SERVICE_NAME", "ours"),
        variable("SERVICE_NAME", "other"),
        variable("WARREN_PORT", "tcp://10.0.0.1:8080"),
        variable("WARREN_SERVICE_HOST", "10.0.0.1"),
        variable("WARREN_TEST_STRICT", "1"),
    ];
    let loaded = load(Sources { environment, ..Sources::default() }).unwrap();
    assert_eq!(loaded.unknown_variables, ["WARREN_PORT", "WARREN_SERVICE_HOST"]);
    assert_eq!(loaded.config.service.name, "ours");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let told = load(file("[broker]\nurl = amqp://u:secret@mq")).unwrap_err().to_string();
    assert!(told.contains("warren.toml: line 2: ") && !told.contains("secret"), "{told}");
}

#[test]
fn relations_between_settings_are_checked() {
    let told = load(file("[broker]\nprefetch = 2\nchannels = 4\n[ceiling]\ntimeout = '1h'")).unwrap_err().to_string();
    assert!(told.contains("broker.prefetch is 2") && told.contains("consumer_timeout"), "{told}");
}
