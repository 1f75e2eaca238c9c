//! The bindings to the world `guest` of the WIT package, and the export that an author's crate makes with them.
//!
//! Inside a component only. All `unsafe` that crossing the boundary takes is generated, from here and through the
//! export macro; an author's crate has none of its own and may forbid it.

// Generated code: its items are documented in the WIT package, and lints are its generator's business.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::indexing_slicing)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "guest",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "::warren_task::__private::bindings",
    runtime_path: "::warren_task::__private::wit_bindgen::rt",
});

impl From<crate::Failure> for Failure {
    fn from(failure: crate::Failure) -> Self {
        match failure {
            crate::Failure::Invalid(reason) => Self::Invalid(reason),
            crate::Failure::Business(reason) => Self::Business(reason),
            crate::Failure::Technical(reason) => Self::Technical(reason),
        }
    }
}

/// Exports a function of payload and result texts as the component's `execute`. Called by the attribute macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($component:ident) => {
        struct Component;

        impl $crate::__private::bindings::Guest for Component {
            fn execute(
                payload: ::std::string::String,
            ) -> ::std::result::Result<::std::string::String, $crate::__private::bindings::Failure> {
                $component(payload).map_err(::std::convert::Into::into)
            }
        }

        $crate::__private::bindings::export!(Component with_types_in $crate::__private::bindings);
    };
}
