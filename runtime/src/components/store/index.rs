//! The index of one component: which versions it has, and which one is current.
//!
//! It is kept as a row of revisions, `index/<name>/<8 digits>.json`; each is a whole index, and the highest number
//! counts. See [`super::revisions`] for how they are read, [`super::revise`] for how one is added.

use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc};

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::{DateTime, Utc};
use event_driven::names::TaskName;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{MAX_INDEX, MAX_MANIFEST, StoreError};
use crate::components::{Digest, Signature, Statement};

/// The folder of all indexes.
pub(super) const FOLDER: &str = "index";

/// The format of an index without signatures, which every warren reads.
const PLAIN: u32 = 1;

/// The format of one in which a version has a signature. One who knows none would leave them out of what he writes next.
const SIGNED: u32 = 2;

/// The most versions that an index has. Beyond it a push takes the oldest one off the list; its file stays.
pub(super) const MAX_VERSIONS: usize = 200;

/// The number of a component's version: 1 for the first that was pushed, then always the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU32);

impl Version {
    const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Version {
    type Err = <NonZeroU32 as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One version of a component. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Its number.
    pub number: Version,
    /// What its file is known by.
    pub digest: Digest,
    /// The length of its file in bytes.
    pub size_bytes: u64,
    /// When it was pushed, by the clock of who pushed it.
    pub uploaded_at: DateTime<Utc>,
    /// Who pushed it: over HTTP the token's name, else what they said, which nobody has checked.
    pub by: String,
    /// What it imports, as it was found when it was pushed.
    pub imports: Vec<String>,
    /// The text of its manifest, if it has one.
    pub manifest: Option<Arc<str>>,
    /// The signature that it was pushed with, if any. Nothing is said by that it is here: [`crate::components::Signers`]
    /// tell whether it is good.
    #[serde(default)]
    pub signature: Option<Signature>,
}

impl VersionRecord {
    /// What has to be signed, if it is of this component.
    pub fn statement(&self, name: &TaskName) -> Statement {
        Statement::new(name, &self.digest, self.manifest.as_deref())
    }
}

/// The versions of a component, as they stand in its index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// The one that tasks are executed with. `None`: the component was removed.
    pub current: Option<Version>,
    /// All of them, the oldest first.
    pub all: Vec<VersionRecord>,
}

impl Versions {
    /// The version of that number.
    pub fn find(&self, number: Version) -> Option<&VersionRecord> {
        self.all.iter().find(|record| record.number == number)
    }

    /// The one that tasks are executed with.
    pub fn current(&self) -> Option<&VersionRecord> {
        self.current.and_then(|number| self.find(number))
    }

    /// The number that the next one gets.
    pub(super) fn next_number(&self) -> Version {
        self.all.last().map_or(Version::FIRST, |newest| newest.number.next())
    }

    /// Adds a version and makes it current; the oldest ones make room.
    pub(super) fn add(&mut self, record: VersionRecord) {
        self.current = Some(record.number);
        self.all.push(record);
        let surplus = self.all.len().saturating_sub(MAX_VERSIONS);
        self.all.drain(..surplus);
    }

    /// Reads a revision; the error says what is wrong with it.
    pub(super) fn parse(name: &TaskName, bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !(PLAIN..=SIGNED).contains(&file.format) {
            return Err(format!(
                "it has format {}, this warren reads {PLAIN} to {SIGNED}: a newer warren wrote it, update this one and keep the \
                 file",
                file.format
            ));
        }
        if file.name != name.as_str() {
            return Err(format!("it is that of {:?}", file.name));
        }
        let too_large = |text: &Arc<str>| ByteSize(text.len() as u64) > MAX_MANIFEST;
        if let Some(record) = file.versions.iter().find(|record| record.manifest.as_ref().is_some_and(too_large)) {
            return Err(format!("the manifest of version {} has more than {MAX_MANIFEST}", record.number));
        }
        if !file.versions.is_sorted_by(|a, b| a.number < b.number) {
            return Err("its versions are not in order".to_owned());
        }
        let versions = Self { current: file.current, all: file.versions };
        match versions.current {
            Some(number) if versions.find(number).is_none() => {
                Err(format!("version {number} is current and not there"))
            }
            _ => Ok(versions),
        }
    }

    /// What a revision holds.
    pub(super) fn to_json(&self, name: &TaskName) -> Result<Bytes, StoreError> {
        let format = if self.all.iter().any(|record| record.signature.is_some()) { SIGNED } else { PLAIN };
        let file = FileRef { format, name: name.as_str(), current: self.current, versions: &self.all };
        // Fails only for maps whose keys are no text.
        let json = serde_json::to_vec_pretty(&file).unwrap_or_default();
        match ByteSize(json.len() as u64) {
            size if size > MAX_INDEX => Err(StoreError::IndexTooLarge { name: name.clone(), size }),
            _ => Ok(json.into()),
        }
    }
}

/// A revision as it is read.
#[derive(Deserialize)]
struct File {
    format: u32,
    name: String,
    current: Option<Version>,
    versions: Vec<VersionRecord>,
}

/// A revision as it is written.
#[derive(Serialize)]
struct FileRef<'a> {
    format: u32,
    name: &'a str,
    current: Option<Version>,
    versions: &'a [VersionRecord],
}

/// Where a revision lies.
pub(super) fn path_of(name: &TaskName, revision: u32) -> Path {
    Path::from(format!("{FOLDER}/{name}/{revision:08}.json"))
}

/// The folder of one component's revisions.
pub(super) fn folder_of(name: &TaskName) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}

/// The component and the revision of an object; `None` for what is no revision.
pub(super) fn parse_path(path: &Path) -> Option<(TaskName, u32)> {
    let mut parts = path.parts();
    let (folder, name, file) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = file.as_ref().strip_suffix(".json")?;
    let is_revision = folder.as_ref() == FOLDER && parts.next().is_none() && digits.len() == 8;
    let revision = digits.parse().ok().filter(|_| is_revision && digits.bytes().all(|b| b.is_ascii_digit()))?;
    Some((name.as_ref().parse().ok()?, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> Versions {
        let record = |number: u32, manifest: Option<&str>| VersionRecord {
            number: number.to_string().parse().unwrap(),
            digest: Digest::of(&number.to_be_bytes()),
            size_bytes: 4,
            uploaded_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            by: "me@here".into(),
            imports: vec!["wasi:cli/environment@0.2.6".into()],
            manifest: manifest.map(Into::into),
            signature: manifest.map(|_| format!("{}==", "A".repeat(86)).parse().unwrap()),
        };
        Versions { current: Some(Version::FIRST), all: vec![record(1, None), record(2, Some("[limits]\n"))] }
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let name = "work".parse().unwrap();
        let json = versions().to_json(&name).unwrap();
        assert_eq!(Versions::parse(&name, &json), Ok(versions()));
    }

    #[test]
    fn an_index_that_is_not_whole_or_not_right_is_refused_with_the_reason() {
        let name: TaskName = "work".parse().unwrap();
        let json = String::from_utf8(versions().to_json(&name).unwrap().into()).unwrap();
        let told = |text: &str| Versions::parse(&name, text.as_bytes()).unwrap_err();
        for cut in [0, 1, json.len() / 2, json.len() - 1] {
            assert!(told(&json[..cut]).contains("EOF"), "{cut}");
        }
        assert!(told("<html>").contains("line 1"));
        assert!(told(&json.replace("\"format\": 2", "\"format\": 3")).contains("format 3, this warren reads 1 to 2"));
        assert!(told(&json.replace("\"format\": 2", "\"format\": 0")).contains("format 0"));
        assert!(told(&json.replace("\"work\"", "\"Work\"")).contains("that of \"Work\""));
        assert!(told(&json.replace("\"current\": 1", "\"current\": 7")).contains("version 7 is current"));
        assert!(told(&json.replace("\"number\": 1", "\"number\": 2")).contains("not in order"));
        assert!(told(&json.replace("\"number\": 1", "\"number\": 0")).contains("nonzero"));
        assert!(told(&json.replace("sha256:", "sha256:../")).contains("a digest is"));
        assert!(told(&json.replace("AAAA", "AAA")).contains("a signature is"));
    }

    #[test]
    fn an_index_of_before_there_were_signatures_is_read() {
        let name = "work".parse().unwrap();
        let mut versions = versions();
        versions.all.truncate(1);
        let json = String::from_utf8(versions.to_json(&name).unwrap().into()).unwrap();
        let older = json.replace(",\n      \"signature\": null", "");
        assert_ne!(older, json);
        assert!(older.contains("\"format\": 1,"), "such a warren reads what has no signature: {older}");
        assert_eq!(Versions::parse(&name, older.as_bytes()), Ok(versions));
    }

    #[test]
    fn one_who_knows_no_signatures_does_not_take_them_off_the_index() {
        let json = versions().to_json(&"work".parse().unwrap()).unwrap();
        assert!(str::from_utf8(&json).unwrap().contains("\"format\": 2,"), "{json:?}");
    }

    #[test]
    fn only_what_lies_where_a_revision_lies_is_one() {
        let parsed = |path: &str| parse_path(&Path::from(path)).map(|(name, revision)| (name.to_string(), revision));
        assert_eq!(parsed("index/work/00000012.json"), Some(("work".into(), 12)));
        assert_eq!(parse_path(&path_of(&"work".parse().unwrap(), 7)).map(|(_, n)| n), Some(7));
        for other in [
            "index/work/12.json",
            "index/work/+0000012.json",
            "index/work/00000012.txt",
            "index/work/x/00000012.json",
            "index/.work/00000012.json",
            "index/00000012.json",
            "blobs/work/00000012.json",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_versions_make_room() {
        let (mut versions, template) = (Versions::default(), versions().all.remove(0));
        for _ in 0..MAX_VERSIONS + 3 {
            versions.add(VersionRecord { number: versions.next_number(), ..template.clone() });
        }
        let numbers: Vec<_> = versions.all.iter().map(|record| record.number.get()).collect();
        assert_eq!((numbers.len(), numbers[0]), (MAX_VERSIONS, 4));
        assert_eq!(versions.current.map(Version::get), numbers.last().copied());
    }
}
