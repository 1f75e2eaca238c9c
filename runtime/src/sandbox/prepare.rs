//! How components become executable, for the registry of components, which does not know what that is: functions from a
//! component's name and its manifest's text to what is made of the code.

use std::sync::Arc;

use event_driven::names::TaskName;

use super::{
    Program, Sandbox,
    places::{self, Places},
    program::Terms,
};
use crate::manifest::{Bounds, Manifest};

/// Makes something of a compiled component, or says why that can't be.
pub type Link<P> = Box<dyn Fn(&wasmtime::component::Component) -> Result<P, String> + Send + Sync>;

impl Sandbox {
    /// [`Sandbox::prepare`] in two steps, for the registry of components: a manifest's text gives the terms, and with them a
    /// component becomes executable, each time that it is loaded. The versions of one name share their places.
    pub fn preparer(
        &self,
        bounds: Bounds,
    ) -> impl Fn(Option<&TaskName>, Option<&str>) -> Result<Link<Program>, String> + Send + Sync + use<> {
        let (linker, shared) = (self.linker.clone(), Places::default());
        move |name: Option<&TaskName>, manifest: Option<&str>| {
            let manifest = read_manifest(&bounds, manifest)?;
            let concurrency = manifest.limits.concurrency;
            let places = name.map_or_else(|| places::alone(concurrency), |name| shared.of(name, concurrency));
            let terms = Arc::new(Terms::new(manifest, places).map_err(|error| error.to_string())?);
            let linker = linker.clone();
            Ok(Box::new(move |component: &_| {
                Program::new(&linker, component, terms.clone()).map_err(|error| error.to_string())
            }))
        }
    }
}

fn read_manifest(bounds: &Bounds, text: Option<&str>) -> Result<Manifest, String> {
    match text {
        Some(text) => bounds.read(text).map_err(|error| format!("its manifest: {error}")),
        None => Ok(bounds.without_manifest()),
    }
}
