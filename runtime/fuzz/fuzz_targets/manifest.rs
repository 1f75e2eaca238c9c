//! A manifest is read or refused with a reason, and never goes beyond the operator's bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use warren::config::Config;

fuzz_target!(|text: &str| {
    let bounds = Config::default().to_bounds();
    match bounds.read(text) {
        Ok(manifest) => {
            assert!(manifest.limits.above(&bounds.ceiling).is_empty());
            assert!(manifest.grants.hosts.is_empty() && manifest.grants.secrets.is_empty() && manifest.directories.is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
