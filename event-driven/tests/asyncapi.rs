//! The document that describes a service: as it was read by a person, and valid by AsyncAPI's own schema.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{ffi::OsString, fs, path::Path, process::Command};

use event_driven::{
    EventObject,
    asyncapi::AsyncApi,
    names::{Action, Entity, Service, TaskRoute},
    topology::TopologySettings,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const GOLDEN: &str = include_str!("asyncapi/user-service.json");

/// Who may log in.
#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct User {
    #[event(key)]
    user_id: i64,
    /// Where to write to.
    #[event(disable_update)]
    email: String,
    full_name: Option<String>,
    address: Address,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Address {
    /// Of the door.
    position: (f64, f64),
    kind: Kind,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum Kind {
    Home,
    Work { company: Option<Box<Address>> },
}

#[derive(Serialize, Deserialize, EventObject)]
#[event(crud)]
struct Order {
    #[event(key)]
    number: String,
    address: Address,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Resize {
    width: u32,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is wanted")]
struct PasswordChanged {
    user_id: i64,
}

fn service(name: &str) -> AsyncApi {
    AsyncApi::new(Service::new(name).unwrap(), "1.0.0")
}

fn user_service() -> AsyncApi {
    let route = TaskRoute { action: Action::new("resize").unwrap(), entity: Entity::new("portrait").unwrap() };
    service("user-service")
        .publishes::<UserCreate>()
        .publishes::<UserUpdate>()
        .publishes::<UserDelete>()
        .notifies::<User, Address>("moved")
        .notifies::<User, PasswordChanged>("password_changed")
        .subscribes::<OrderCreate>()
        .subscribes_to_notification::<Order, Address>("sent")
        .serves_task::<Resize, (u32, u32)>(&route)
}

#[test]
fn the_document_is_the_one_that_was_read() {
    let document = format!("{}\n", user_service());
    if std::env::var_os("OVERWRITE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asyncapi/user-service.json");
        return fs::write(path, &document).unwrap();
    }
    for (number, (line, golden)) in document.lines().zip(GOLDEN.lines()).enumerate() {
        assert_eq!(line, golden, "line {}; if this is meant, run with OVERWRITE=1 and read the difference", number + 1);
    }
    assert_eq!(document.len(), GOLDEN.len(), "one is longer");
}

/// Every `$ref` leads somewhere, and no schema stands there that nobody refers to.
#[test]
fn references_lead_somewhere() {
    references_lead_somewhere_in(&user_service().document());
    references_lead_somewhere_in(&service("a").subscribes::<UserRead>().document());
}

fn references_lead_somewhere_in(document: &Value) {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    references(document, &mut found);
    assert!(!found.is_empty());
    for reference in &found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{schema}")), "{schema}");
    }
}

#[test]
fn the_same_thing_twice_stands_there_once() {
    let once = service("a").publishes::<UserCreate>().document();
    assert_eq!(service("a").publishes::<UserCreate>().publishes::<UserCreate>().document(), once);
    let both = service("a").publishes::<UserCreate>().subscribes::<UserCreate>().document();
    assert_eq!(both["operations"].as_object().unwrap().len(), 2);
    assert_eq!(both["channels"].as_object().unwrap().len(), 2);
    assert_eq!(both["components"]["messages"].as_object().unwrap().len(), 1);
}

#[test]
fn exchanges_are_those_of_the_topology() {
    let topology = TopologySettings { durable_exchanges: false, ..TopologySettings::default() };
    let document = service("a").topology(topology).publishes::<UserCreate>().document();
    assert_eq!(document["channels"]["event.create.user"]["bindings"]["amqp"]["exchange"]["durable"], false);
}

/// What `make test` has prepared. A test that can't run says so, and fails where everything has to run.
fn prepared(variable: &str) -> Option<OsString> {
    let path = std::env::var_os(variable);
    if path.is_none() {
        eprintln!("SKIPPED: {variable} is not set; `make test` sets it");
        assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "{variable} is not set");
    }
    path
}

#[test]
fn the_document_is_valid_by_the_official_schema() {
    let (Some(modules), Some(python)) = (prepared("WARREN_TEST_NODE_MODULES"), prepared("WARREN_TEST_PYTHON")) else {
        return;
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asyncapi");
    let schema = Path::new(&modules).join("@asyncapi/specs/schemas/3.0.0.json");
    let run = |document: &Path| {
        let output = Command::new(&python).arg(tests.join("validate.py")).arg(&schema).arg(document).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    // What a test above compares with the document.
    let (valid, said) = run(&tests.join("user-service.json"));
    assert!(valid, "{said}");

    let mut broken = user_service().document();
    broken["channels"]["event.create.user"]["bindings"]["amqp"]["exchange"]["type"] = "round".into();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken.json");
    fs::write(&file, broken.to_string()).unwrap();
    let (valid, said) = run(&file);
    assert!(!valid && said.contains("'round'"), "the validation validates: {said}");
}
