//! What changes the store but a push: another version made current, a component taken away. Each decides what the next index
//! says; [`super::revise`] makes it the one that counts.

use event_driven::names::TaskName;

use super::{ComponentStore, StoreError, Version, VersionRecord, Versions, revise::Step};

/// What making another version current has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// The version that is current now.
    pub record: VersionRecord,
    /// The one that was, which may be the same. `None`: the component had been removed.
    pub before: Option<Version>,
}

/// What taking a component away has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// This version is no longer current. All versions stay, and can be used again.
    Version(Version),
    /// The files that lay loose are gone.
    Loose,
    /// There was no such component.
    Nothing,
}

impl ComponentStore {
    /// All versions of a component. `None`: it has no index, as one that was put there by hand.
    ///
    /// # Errors
    /// If the store can't be asked, or the index can't be understood.
    pub async fn versions(&self, name: &TaskName) -> Result<Option<Versions>, StoreError> {
        let versions = self.place.in_time(self.place.versions_of(name)).await?;
        Ok(versions.map(|(_, versions)| versions))
    }

    /// Makes a version current that the component has: back to an older one, or forth again.
    ///
    /// # Errors
    /// If there is no such component or version, it is not signed as it has to be, its file is gone, or the store refuses it.
    pub async fn use_version(&self, name: &TaskName, version: Version) -> Result<Switched, StoreError> {
        let Some(versions) = self.versions(name).await? else { return Err(self.no_index(name).await?) };
        // Runtimes would refuse what is not what was pushed, and go on with the version that is to be left.
        let blob = self.place.ensure_blob(name, self.find_signed(name, &versions, version)?);
        self.place.in_time_for_file(blob).await?;
        self.place.ensure_creates().await?;
        let step = |before: Option<&Versions>| {
            let mut versions = before.cloned().unwrap_or_default();
            let record = self.find_signed(name, &versions, version)?.clone();
            let before = versions.current.replace(version);
            let switched = Switched { record, before };
            Ok(if before == Some(version) { Step::Keep(switched) } else { Step::Write(versions, switched) })
        };
        self.place.change(name, step).await
    }

    fn find_signed<'a>(
        &self,
        name: &TaskName,
        versions: &'a Versions,
        version: Version,
    ) -> Result<&'a VersionRecord, StoreError> {
        let record = find(name, versions, version)?;
        let refused = |reason| StoreError::NotSigned { name: name.clone(), reason, keeps_manifest: false };
        self.signers.ensure(&record.statement(name), record.signature.as_ref()).map_err(refused)?;
        Ok(record)
    }

    async fn no_index(&self, name: &TaskName) -> Result<StoreError, StoreError> {
        Ok(match self.place.in_time(self.place.find_loose(name)).await? {
            Some(_) => StoreError::Loose { name: name.clone() },
            None => StoreError::Missing { name: name.clone(), url: self.place.url.clone() },
        })
    }

    /// Takes a component away. Its versions stay; the next push goes on with their numbers. One that was put there by hand
    /// has none, and is gone.
    ///
    /// # Errors
    /// If the store can't be asked or refuses it, or the index can't be understood.
    pub async fn remove(&self, name: &TaskName) -> Result<Removed, StoreError> {
        if self.versions(name).await?.is_none() {
            let removed = self.place.in_time(self.place.remove_loose(name)).await?;
            return Ok(if removed { Removed::Loose } else { Removed::Nothing });
        }
        self.place.ensure_creates().await?;
        let step = |before: Option<&Versions>| {
            let mut versions = before.cloned().unwrap_or_default();
            Ok(match versions.current.take() {
                None => Step::Keep(Removed::Nothing),
                Some(current) => Step::Write(versions, Removed::Version(current)),
            })
        };
        self.place.change(name, step).await
    }
}

fn find<'a>(name: &TaskName, versions: &'a Versions, version: Version) -> Result<&'a VersionRecord, StoreError> {
    let known = || match (versions.all.first(), versions.all.last()) {
        (Some(first), Some(last)) if first.number != last.number => format!("{} to {}", first.number, last.number),
        (Some(only), _) => format!("only {}", only.number),
        (None, _) => "none".to_owned(),
    };
    let missing = || StoreError::NoSuchVersion { name: name.clone(), version, known: known() };
    versions.find(version).ok_or_else(missing)
}
