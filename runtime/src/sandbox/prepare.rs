//! How components become executable, for the registry of components, which does not know what that is: functions from a
//! manifest's text to what is made of the code.

use std::sync::Arc;

use super::{Program, Sandbox, program::Terms};
use crate::manifest::{Bounds, Manifest};

/// Makes something of a compiled component, or says why that can't be.
pub type Link<P> = Box<dyn Fn(&wasmtime::component::Component) -> Result<P, String> + Send + Sync>;

impl Sandbox {
    /// [`Sandbox::prepare`] in two steps, for the registry of components: a manifest's text gives the terms, and with them a
    /// component becomes executable, each time that it is loaded.
    pub fn preparer(
        &self,
        bounds: Bounds,
    ) -> impl Fn(Option<&str>) -> Result<Link<Program>, String> + Send + Sync + use<> {
        let linker = self.linker.clone();
        move |manifest: Option<&str>| {
            let manifest = read_manifest(&bounds, manifest)?;
            let terms = Arc::new(Terms::new(manifest).map_err(|error| error.to_string())?);
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
