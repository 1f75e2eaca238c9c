//! Who wants to know how far a measurement is.

/// Told how far a measurement is. Called often: what it does has to be cheap.
pub trait Watch: Send + Sync {
    /// Something begins that has so many steps.
    fn begin(&self, what: &str, steps: u64);

    /// So many of them are done.
    fn at(&self, step: u64);

    /// What began last is over.
    fn end(&self);
}

/// Nobody.
impl Watch for () {
    fn begin(&self, _what: &str, _steps: u64) {}

    fn at(&self, _step: u64) {}

    fn end(&self) {}
}
